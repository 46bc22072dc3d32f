"""Every verb and its options: the union of runc's and crun's, so that callers of either find theirs.

Plain constants: the interpreter reads them with the module, and only `help` looks at the words of explanation.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    # long name, short name, what its value is called (empty for a switch), explanation
    Option = tuple[str, str, str, str]
    # how its arguments are called, how many at least, how many at most (-1: any number), explanation, options
    Verb = tuple[str, int, int, str, tuple[Option, ...]]

NAME = "pod-runtime"
VERSION = "0.1.0"

# These may be given several times.
REPEATED = ("additional-gids", "cap", "cgroup", "empty-ns", "env")
# What follows their first argument belongs to another program.
IN_ORDER = ("exec", "ps")

HELP: Option = ("help", "h", "", "show this help")
GLOBAL: tuple[Option, ...] = (
    ("root", "", "DIR", "where the state of containers is kept"),
    ("log", "", "FILE", "append errors to this file; also file:PATH, journald:NAME or syslog:NAME"),
    ("log-format", "", "FORMAT", "text or json (default: text)"),
    ("log-level", "", "LEVEL", "error, warning or debug (default: error)"),
    ("debug", "", "", "the same as --log-level debug"),
    ("systemd-cgroup", "", "", "let systemd make the control groups; the same as --cgroup-manager systemd"),
    ("cgroup-manager", "", "NAME", "cgroupfs, systemd or disabled (default: cgroupfs)"),
    ("rootless", "", "BOOL", "true, false or auto: keep state where an ordinary user may (default: auto)"),
    ("criu", "", "PATH", "the criu to checkpoint and restore with"),
    ("version", "v", "", "show the version"),
    HELP,
)
_PROCESS_FILES: tuple[Option, ...] = (
    ("console-socket", "", "SOCKET", "send the terminal's master to this AF_UNIX socket"),
    ("pidfd-socket", "", "SOCKET", "send a pidfd of the process to this AF_UNIX socket"),
    ("pid-file", "", "FILE", "write the process's ID to this file"),
    ("preserve-fds", "", "N", "pass N more file descriptors after standard input, output and error"),
)
_CREATE: tuple[Option, ...] = (
    ("bundle", "b", "DIR", "the bundle (default: the current directory)"),
    ("config", "f", "FILE", "the configuration (default: the bundle's config.json)"),
    *_PROCESS_FILES,
    ("no-pivot", "", "", "do not use pivot_root: for a root file system on a ramdisk"),
    ("no-new-keyring", "", "", "keep the caller's session keyring"),
    ("no-subreaper", "", "", "with run in the foreground: do not adopt orphaned processes"),
)
_DETACH: Option = ("detach", "d", "", "do not wait for the process")
_IMAGES: tuple[Option, ...] = (
    ("image-path", "", "DIR", "where the images are (default: checkpoint in the current directory)"),
    ("work-path", "", "DIR", "where criu keeps its log and other files (default: as --image-path)"),
    ("tcp-established", "", "", "with open TCP connections"),
    ("ext-unix-sk", "", "", "with UNIX sockets to the outside"),
    ("shell-job", "", "", "with the terminal of a shell's job"),
    ("file-locks", "", "", "with file locks"),
    ("link-remap", "", "", "with files that are open and removed"),
    ("lazy-pages", "", "", "with memory that is fetched when it is first used"),
    ("auto-dedup", "", "", "without what parent images have too"),
    ("manage-cgroups-mode", "", "MODE", "how to treat control groups: soft, full, strict or ignore (default: soft)"),
    ("empty-ns", "", "NAMESPACE", "do not save or restore what is in a namespace: network; may be repeated"),
)
VERBS: dict[str, Verb] = {
    "create": ("CONTAINER", 1, 1, "create a container, ready to be started", _CREATE),
    "run": (
        "CONTAINER",
        1,
        1,
        "create and start a container, wait for it, and delete it",
        (*_CREATE, _DETACH, ("keep", "", "", "do not delete the container when it has ended")),
    ),
    "start": ("CONTAINER", 1, 1, "start a created container", ()),
    "state": ("CONTAINER", 1, 1, "print the state of a container as JSON", ()),
    "kill": (
        "CONTAINER [SIGNAL]",
        1,
        2,
        "send a signal (default: TERM) to a container's first process",
        (
            ("all", "a", "", "signal all processes of the container"),
            ("regex", "r", "", "CONTAINER is a regular expression: signal all containers whose ID it matches"),
        ),
    ),
    "delete": (
        "CONTAINER",
        1,
        1,
        "delete a container that has ended",
        (
            ("force", "f", "", "kill it first if it still runs; be content if it is missing"),
            ("regex", "r", "", "CONTAINER is a regular expression: delete all containers whose ID it matches"),
        ),
    ),
    "list": (
        "",
        0,
        0,
        "list the containers below the root",
        (
            ("format", "f", "FORMAT", "table or json (default: table)"),
            ("quiet", "q", "", "print IDs only"),
        ),
    ),
    "ps": (
        "CONTAINER [PS-OPTION...]",
        1,
        -1,
        "show the processes of a container, by ps(1) with these options (default: -ef)",
        (("format", "f", "FORMAT", "table or json: a list of process IDs (default: table)"),),
    ),
    "pause": ("CONTAINER", 1, 1, "stop all processes of a container where they are", ()),
    "resume": ("CONTAINER", 1, 1, "let a paused container go on", ()),
    "update": (
        "CONTAINER",
        1,
        1,
        "change the limits of a container; what is not given stays as it is",
        (
            ("resources", "r", "FILE", "take them as JSON (config.md, linux.resources) from a file, or - for stdin"),
            ("memory", "", "BYTES", "memory limit; with a unit as in 64m, -1 for none"),
            ("memory-reservation", "", "BYTES", "soft memory limit"),
            ("memory-swap", "", "BYTES", "limit of memory and swap together"),
            ("pids-limit", "", "N", "how many processes there may be, -1 for any number"),
            ("cpu-share", "", "N", "share of the processors when they are busy (2 to 262144)"),
            ("cpu-quota", "", "USEC", "processor time in each period, -1 for no limit"),
            ("cpu-period", "", "USEC", "length of the period"),
            ("cpu-burst", "", "USEC", "unused time that may be added in a later period"),
            ("cpu-rt-period", "", "USEC", "period of realtime processes (cgroup v1)"),
            ("cpu-rt-runtime", "", "USEC", "time of realtime processes in it (cgroup v1)"),
            ("cpu-idle", "", "0|1", "1: run only when nobody else wants to"),
            ("cpuset-cpus", "", "LIST", "processors to run on, as in 0-3,8"),
            ("cpuset-mems", "", "LIST", "memory nodes to use"),
            ("blkio-weight", "", "N", "share of block input and output (10 to 1000)"),
            ("kernel-memory", "", "BYTES", "ignored: kernels no longer have it"),
            ("kernel-memory-tcp", "", "BYTES", "ignored: kernels no longer have it"),
            ("l3-cache-schema", "", "SCHEMA", "refused: Intel RDT is not supported"),
            ("mem-bw-schema", "", "SCHEMA", "refused: Intel RDT is not supported"),
        ),
    ),
    "events": (
        "CONTAINER",
        1,
        1,
        "print a line of JSON about what a container uses every so often, and when it runs out of memory",
        (
            ("interval", "", "DURATION", "how often (default: 5s)"),
            ("stats", "", "", "print one such line, and end"),
        ),
    ),
    "features": ("", 0, 0, "print what this runtime can do, as JSON (runtime-spec, features.md)", ()),
    "spec": (
        "",
        0,
        0,
        "write a config.json to begin with",
        (
            ("bundle", "b", "DIR", "the bundle (default: the current directory)"),
            ("file", "f", "FILE", "write this file instead of the bundle's config.json"),
            ("rootless", "", "", "for an ordinary user, who becomes root in the container"),
        ),
    ),
    "checkpoint": (
        "CONTAINER",
        1,
        1,
        "save a running container to images, with criu, and end it",
        (
            *_IMAGES,
            ("parent-path", "", "DIR", "images of a pre-dump, relative to --image-path"),
            ("pre-dump", "", "", "save memory only, and let the container run"),
            ("leave-running", "", "", "let the container run"),
            ("tcp-skip-in-flight", "", "", "without TCP connections that are not established yet"),
            ("page-server", "", "ADDRESS:PORT", "send memory to a page server"),
            ("status-fd", "", "FD", "write a null byte there when lazy pages can be served"),
        ),
    ),
    "restore": (
        "CONTAINER",
        1,
        1,
        "start a container from the images of a checkpoint",
        (
            *_IMAGES,
            ("bundle", "b", "DIR", "the bundle (default: the current directory)"),
            ("console-socket", "", "SOCKET", "send the terminal's master to this AF_UNIX socket"),
            ("pid-file", "", "FILE", "write the process's ID to this file"),
            _DETACH,
            ("tcp-close", "", "", "close TCP connections that were open"),
            ("no-subreaper", "", "", "in the foreground: do not adopt orphaned processes"),
            ("no-pivot", "", "", "do not use pivot_root: for a root file system on a ramdisk"),
            ("no-new-keyring", "", "", "keep the caller's session keyring"),
            ("lsm-profile", "", "TYPE:NAME", "another LSM profile: apparmor:NAME or selinux:LABEL"),
            ("lsm-mount-context", "", "CONTEXT", "another SELinux context of mounts"),
        ),
    ),
    "exec": (
        "CONTAINER COMMAND [ARGUMENT...]",
        1,
        -1,
        "run a process in a running container",
        (
            ("process", "p", "FILE", "the process as JSON, in place of COMMAND and the options about it"),
            *_PROCESS_FILES,
            _DETACH,
            ("tty", "t", "", "give the process a terminal"),
            ("cwd", "", "DIR", "its working directory"),
            ("env", "e", "KEY=VALUE", "set a variable of its environment; may be repeated"),
            ("user", "u", "UID[:GID]", "whom it runs as"),
            ("additional-gids", "g", "GID", "one more group of its; may be repeated"),
            ("cap", "c", "CAP", "one more capability; may be repeated"),
            ("no-new-privs", "", "", "it cannot gain privileges by executing a program"),
            ("apparmor", "", "PROFILE", "its AppArmor profile"),
            ("process-label", "", "LABEL", "its SELinux label"),
            ("cgroup", "", "[CTRL:]PATH", "a control group below the container's to run it in; may be repeated"),
            ("ignore-paused", "", "", "also in a paused container"),
        ),
    ),
}
