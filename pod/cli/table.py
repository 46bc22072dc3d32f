"""Every command: its module in pod.cli and its line of help, in the order of `--help`."""

from __future__ import annotations

COMMANDS: dict[str, tuple[str, str]] = {
    "attach": ("attach", "Attach to a running container"),
    "auto-update": ("auto_update", "Auto update containers according to their auto-update policy"),
    "build": ("build", "Build an image using instructions from Containerfiles"),
    "commit": ("commit", "Create new image based on the changed container"),
    "completion": ("completion", "Generate shell autocompletions"),
    "cp": ("cp", "Copy files/folders between a container and the local filesystem"),
    "create": ("create", "Create but do not start a container"),
    "doctor": ("doctor", "Check whether this machine is fit for containers"),
    "events": ("events", "Show pod events"),
    "diff": ("diff", "Display the changes to the object's file system"),
    "exec": ("exec", "Run a process in a running container"),
    "export": ("export", "Export container's filesystem contents as a tar archive"),
    "history": ("history", "Show history of a specified image"),
    "images": ("images", "List images in local storage"),
    "import": ("import_", "Import a tarball to create a filesystem image"),
    "info": ("info", "Display pod system information"),
    "init": ("init", "Initialize one or more containers"),
    "inspect": ("inspect", "Display the configuration of object denoted by ID"),
    "kill": ("kill", "Kill one or more running containers with a specific signal"),
    "load": ("load", "Load image(s) from a tar archive"),
    "login": ("login", "Login to a container registry"),
    "logout": ("logout", "Logout of a container registry"),
    "logs": ("logs", "Fetch the logs of one or more containers"),
    "mount": ("mount", "Mount a working container's root filesystem"),
    "pause": ("pause", "Pause all the processes in one or more containers"),
    "port": ("port", "List port mappings or a specific mapping for the container"),
    "ps": ("ps", "List containers"),
    "pull": ("pull", "Pull an image from a registry"),
    "push": ("push", "Push an image to a specified destination"),
    "rename": ("rename", "Rename an existing container"),
    "restart": ("restart", "Restart one or more containers"),
    "rm": ("rm", "Remove one or more containers"),
    "rmi": ("rmi", "Removes one or more images from local storage"),
    "run": ("run", "Run a command in a new container"),
    "save": ("save", "Save image(s) to an archive"),
    "search": ("search", "Search registry for image"),
    "start": ("start", "Start one or more containers"),
    "stats": ("stats", "Display a live stream of container resource usage statistics"),
    "stop": ("stop", "Stop one or more containers"),
    "tag": ("tag", "Add an additional name to a local image"),
    "unshare": ("unshare", "Run a command in a modified user namespace"),
    "top": ("top", "Display the running processes of a container"),
    "unmount": ("unmount", "Unmounts working container's root filesystem"),
    "unpause": ("unpause", "Unpause the processes in one or more containers"),
    "untag": ("untag", "Remove a name from a local image"),
    "update": ("update", "Update an existing container"),
    "version": ("version", "Display the pod version information"),
    "wait": ("wait", "Block on one or more containers"),
}

# A group below another has the names of both, and an entry without a module in that one.
GROUPS: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    "builder": (
        "Manage builds",
        {"build": COMMANDS["build"], "prune": ("builder_prune", "Remove build cache")},
    ),
    "buildx": (
        "Build images",
        {"build": COMMANDS["build"], "prune": ("builder_prune", "Remove build cache")},
    ),
    "container": (
        "Manage containers",
        {
            "attach": COMMANDS["attach"],
            "checkpoint": ("container_checkpoint", "Checkpoint one or more containers"),
            "clone": ("container_clone", "Clone an existing container"),
            "cleanup": ("container_cleanup", "Clean up what ended containers left behind"),
            "commit": COMMANDS["commit"],
            "cp": COMMANDS["cp"],
            "create": COMMANDS["create"],
            "diff": ("container_diff", "Inspect changes to the container's file systems"),
            "exec": COMMANDS["exec"],
            "exists": ("container_exists", "Check if a container exists in local storage"),
            "export": COMMANDS["export"],
            "init": COMMANDS["init"],
            "inspect": ("container_inspect", "Display the configuration of a container"),
            "kill": COMMANDS["kill"],
            "list": COMMANDS["ps"],
            "logs": COMMANDS["logs"],
            "mount": COMMANDS["mount"],
            "pause": COMMANDS["pause"],
            "port": COMMANDS["port"],
            "prune": ("container_prune", "Remove all non running containers"),
            "ps": COMMANDS["ps"],
            "relaunch": ("container_relaunch", ""),  # for monitors only, so that no help shows it
            "rename": COMMANDS["rename"],
            "restart": COMMANDS["restart"],
            "restore": ("container_restore", "Restore one or more containers from a checkpoint"),
            "rm": COMMANDS["rm"],
            "run": COMMANDS["run"],
            "start": COMMANDS["start"],
            "stats": COMMANDS["stats"],
            "stop": COMMANDS["stop"],
            "top": COMMANDS["top"],
            "unpause": COMMANDS["unpause"],
            "update": COMMANDS["update"],
            "unmount": COMMANDS["unmount"],
            "wait": COMMANDS["wait"],
        },
    ),
    "healthcheck": (
        "Manage health checks on containers",
        {"run": ("healthcheck_run", "Run the health check of a container")},
    ),
    "image": (
        "Manage images",
        {
            "build": COMMANDS["build"],
            "diff": ("image_diff", "Inspect changes to the image's file systems"),
            "exists": ("image_exists", "Check if an image exists in local storage"),
            "history": COMMANDS["history"],
            "import": COMMANDS["import"],
            "inspect": ("image_inspect", "Display the configuration of an image"),
            "list": COMMANDS["images"],
            "load": COMMANDS["load"],
            "mount": ("image_mount", "Mount an image's root filesystem"),
            "prune": ("image_prune", "Remove unused images"),
            "pull": COMMANDS["pull"],
            "push": COMMANDS["push"],
            "rm": COMMANDS["rmi"],
            "save": COMMANDS["save"],
            "scp": ("image_scp", "Securely copy images"),
            "search": COMMANDS["search"],
            "tag": COMMANDS["tag"],
            "sign": ("image_sign", "Sign an image"),
            "tree": ("image_tree", "Prints layer hierarchy of an image in a tree format"),
            "trust": ("", "Manage container image trust policy"),
            "unmount": ("image_unmount", "Unmount an image's root filesystem"),
            "untag": COMMANDS["untag"],
        },
    ),
    "image trust": (
        "Manage container image trust policy",
        {
            "set": ("image_trust_set", "Set default trust policy or a new trust policy for a registry"),
            "show": ("image_trust_show", "Display trust policy for the system"),
        },
    ),
    "generate": (
        "Generate structured data based on containers",
        {
            "spec": ("generate_spec", "Generate Specgen JSON based on container"),
            "systemd": ("generate_systemd", "Generate systemd units"),
        },
    ),
    "manifest": (
        "Manipulate manifest lists and image indexes",
        {
            "add": ("manifest_add", "Add images to a manifest list or image index"),
            "annotate": ("manifest_annotate", "Add or update information about an entry in a manifest list"),
            "create": ("manifest_create", "Create manifest list or image index"),
            "exists": ("manifest_exists", "Check if a manifest list exists in local storage"),
            "inspect": ("manifest_inspect", "Display the contents of a manifest list or image index"),
            "push": ("manifest_push", "Push a manifest list or image index to a registry"),
            "remove": ("manifest_remove", "Remove an entry from a manifest list or image index"),
            "rm": ("manifest_rm", "Remove manifest list or image index from local storage"),
        },
    ),
    "network": (
        "Manage networks",
        {
            "connect": ("network_connect", "Add container to a network"),
            "create": ("network_create", "Create networks for containers and pods"),
            "disconnect": ("network_disconnect", "Remove container from a network"),
            "exists": ("network_exists", "Check if network exists"),
            "inspect": ("network_inspect", "Inspect networks"),
            "ls": ("network_ls", "List networks"),
            "prune": ("network_prune", "Remove unused networks"),
            "reload": ("network_reload", "Reload firewall rules for one or more containers"),
            "rm": ("network_rm", "Remove networks"),
            "update": ("network_update", "Update an existing network"),
        },
    ),
    "pod": (
        "Manage pods",
        {
            "clone": ("pod_clone", "Create a copy of an existing pod"),
            "create": ("pod_create", "Create a new empty pod"),
            "exists": ("pod_exists", "Check if a pod exists in local storage"),
            "inspect": ("pod_inspect", "Display a pod configuration"),
            "kill": ("pod_kill", "Send the specified signal or SIGKILL to containers in pod"),
            "logs": ("pod_logs", "Fetch logs for pod with one or more containers"),
            "pause": ("pod_pause", "Pause one or more pods"),
            "prune": ("pod_prune", "Remove all stopped pods and their containers"),
            "ps": ("pod_ps", "List pods"),
            "restart": ("pod_restart", "Restart one or more pods"),
            "rm": ("pod_rm", "Remove one or more pods"),
            "settle": ("pod_settle", ""),  # for monitors only, so that no help shows it
            "start": ("pod_start", "Start one or more pods"),
            "stats": ("pod_stats", "Display a live stream of resource usage statistics for the containers in pods"),
            "stop": ("pod_stop", "Stop one or more pods"),
            "top": ("pod_top", "Display the running processes of containers in a pod"),
            "unpause": ("pod_unpause", "Unpause one or more pods"),
        },
    ),
    "quadlet": (
        "Manage Quadlets",
        {
            "install": ("quadlet_install", "Install a quadlet file or quadlet application"),
            "lint": ("quadlet_lint", "Check quadlets for mistakes"),
            "list": ("quadlet_list", "List installed quadlets"),
            "print": ("quadlet_print", "Display the contents of a quadlet"),
            "rm": ("quadlet_rm", "Remove installed quadlets"),
        },
    ),
    "secret": (
        "Manage secrets",
        {
            "create": ("secret_create", "Create a new secret"),
            "exists": ("secret_exists", "Check if a secret exists in local storage"),
            "inspect": ("secret_inspect", "Inspect a secret"),
            "ls": ("secret_ls", "List secrets"),
            "rm": ("secret_rm", "Remove one or more secrets"),
        },
    ),
    "system": (
        "Manage pod",
        {
            "check": ("system_check", "Check storage consistency"),
            "df": ("system_df", "Show pod disk usage"),
            "events": COMMANDS["events"],
            "info": COMMANDS["info"],
            "migrate": ("system_renumber", "Migrate containers: nothing to do in pod"),
            "prune": ("system_prune", "Remove unused data"),
            "renumber": ("system_renumber", "Renumber locks: nothing to do in pod"),
            "reset": ("system_reset", "Reset pod storage"),
        },
    ),
    "volume": (
        "Manage volumes",
        {
            "create": ("volume_create", "Create a new volume"),
            "exists": ("volume_exists", "Volume exists"),
            "export": ("volume_export", "Export volumes"),
            "import": ("volume_import", "Import a tarball contents into a volume"),
            "inspect": ("volume_inspect", "Display detailed information on one or more volumes"),
            "ls": ("volume_ls", "List volumes"),
            "mount": ("volume_mount", "Mount volume"),
            "prune": ("volume_prune", "Remove all unused volumes"),
            "reload": ("volume_reload", "Reload all volumes from volume plugins"),
            "rm": ("volume_rm", "Remove one or more volumes"),
            "unmount": ("volume_unmount", "Unmount volume"),
        },
    ),
}

# Other names of commands, which `--help` does not list.
ALIASES: dict[tuple[str, str], str] = {
    ("", "umount"): "unmount",
    ("container", "ls"): "list",
    ("container", "umount"): "unmount",
    ("image", "ls"): "list",
    ("image", "umount"): "unmount",
    ("network", "list"): "ls",
    ("network", "remove"): "rm",
    ("pod", "list"): "ps",
    ("pod", "ls"): "ps",
    ("quadlet", "cat"): "print",
    ("quadlet", "ls"): "list",
    ("secret", "list"): "ls",
    ("secret", "remove"): "rm",
    ("volume", "list"): "ls",
    ("volume", "remove"): "rm",
    ("volume", "umount"): "unmount",
}


def find(words: list[str]) -> tuple[str, int] | None:
    """Return the module that the line's first words name, and how many words that took."""
    if not words:
        return None
    group = GROUPS.get(words[0])
    if group is None:
        entry = COMMANDS.get(ALIASES.get(("", words[0]), words[0]))
        return (entry[0], 1) if entry else None
    if len(words) < 2:
        return None
    entry = group[1].get(ALIASES.get((words[0], words[1]), words[1]))
    if entry is None or entry[0]:
        return (entry[0], 2) if entry else None
    below = GROUPS[f"{words[0]} {words[1]}"][1].get(words[2]) if len(words) > 2 else None
    return (below[0], 3) if below else None
