"""`.kube`: a service that plays Kubernetes YAML. Source: podman-kube.unit(5)."""

from __future__ import annotations

from pod.quadlet import options, references, services, working_directory
from pod.quadlet.command import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.quadlet.units import Unit

_AUTO_UPDATE = "io.containers.autoupdate"
_PROPAGATIONS = ("all", "any", "none")


def resource_name(_unit: Unit) -> str:
    """Return nothing: what a file of YAML makes has names of its own."""
    return ""


def convert(unit: Unit) -> None:
    """Let the service play the files, and take down at its end what they made, however it ends."""
    files = [references.absolute(unit, path) for path in unit.items("Yaml")]
    if not files:
        unit.error("no Yaml key specified", hint="Yaml=FILE")
    services.kill_mode(unit)
    services.notify_type(unit)
    services.default(unit, "SyslogIdentifier", "%N")
    unit.service.add("Service", "Environment", "PODMAN_SYSTEMD_UNIT=%n")
    play = Command(unit)
    # Like a container's service: what an earlier run left is replaced, and the service ends with its containers.
    play.add("kube", "play", "--replace", "--service-container=true")
    _add_propagation(unit, play)
    options.add_log(unit, play)
    options.add_user_mappings(unit, play, manual=False)
    options.add_networks(unit, play)
    _add_auto_update(unit, play)
    for path in unit.items("ConfigMap"):
        play.add("--configmap", references.absolute(unit, path))
    options.add_published_ports(unit, play)
    options.add_podman_args(unit, play)
    play.add(*files)
    play.into("ExecStart")
    down = Command(unit)
    down.add("kube", "down")
    down.add_booleans({"KubeDownForce": "--force"})
    down.add(*files)
    down.into("ExecStopPost")
    working_directory.of_kube(unit)


def _add_propagation(unit: Unit, play: Command) -> None:
    said = unit.string("ExitCodePropagation")
    if said and said not in _PROPAGATIONS:
        hint = f"it is one of {', '.join(_PROPAGATIONS)}"
        unit.error(f"invalid ExitCodePropagation '{said}'", key="ExitCodePropagation", hint=hint)
    if said:
        play.add(f"--service-exit-code-propagation={said}")


def _add_auto_update(unit: Unit, play: Command) -> None:
    """Add the policy of all containers, or of the one that is named before the slash."""
    for update in unit.items("AutoUpdate"):
        container, slash, policy = update.partition("/")
        name = f"{_AUTO_UPDATE}/{container}" if slash else _AUTO_UPDATE
        play.add(f"--annotation={name}={policy if slash else update}")
