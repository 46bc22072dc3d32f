"""What --cap-add, --cap-drop, --security-opt and --privileged come to. Source: podman-run(1)."""

from __future__ import annotations

import posix

from pod.containers.security.privileges import capability
from pod.errors import PodError
from runtime import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.containers.configuration import Security
    from pod.containers.create import CreateOptions

_KNOWN = "apparmor, label, mask, no-new-privileges, proc-opts, seccomp, unmask"
_LABEL_KINDS = ("user", "role", "level", "type", "filetype")
_APPARMOR = "/sys/module/apparmor/parameters/enabled"
PROFILE_LABEL = "io.containers.seccomp.profile"


def settle(settings: dict[str, Any], options: CreateOptions) -> Security:
    """Return what the flags on privileges come to, the rest of it noted in `options.confinement`.

    `settings` is the table [containers] of containers.conf. Raises PodError for flags that contradict each other.
    """
    result: Security = {
        "privileged": options.privileged,
        "cap_add": [capability(name) for name in options.cap_add],
        "cap_drop": [capability(name) for name in options.cap_drop],
        "seccomp": "",
        "no_new_privileges": options.no_new_privileges or bool(settings.get("no_new_privileges")),
        "mask": [],
        "unmask": [],
    }
    both = (set(result["cap_add"]) & set(result["cap_drop"])) - {"ALL"}
    if both:
        raise PodError(f'capability "{min(both)}" cannot be dropped and added')
    for option in options.security_options:
        _take(option, result, options.confinement)
    if not result["seccomp"] and settings.get("seccomp_profile"):
        result["seccomp"] = _profile(str(settings["seccomp_profile"]))
    if settings.get("apparmor_profile") and "apparmor" not in options.confinement and _enabled(_APPARMOR):
        options.confinement["apparmor"] = str(settings["apparmor_profile"])
    if settings.get("label") is False:
        options.confinement.setdefault("label_options", ["disable"])
    return result


def _take(option: str, result: Security, confinement: dict[str, Any]) -> None:
    name, separator, value = _split(option)
    if name == "no-new-privileges":
        if value not in ("", "true", "false"):
            raise PodError(f'invalid --security-opt 2: "{option}"', hint="write no-new-privileges:true")
        result["no_new_privileges"] = value != "false"
    elif name == "seccomp" and separator:
        result["seccomp"] = _profile(value)
    elif name in ("mask", "unmask") and separator:
        paths = ["ALL" if path.upper() == "ALL" else path for path in value.split(":")]
        (result["mask"] if name == "mask" else result["unmask"]).extend(paths)
    elif name == "systempaths" and value == "unconfined":
        result["unmask"].append("ALL")
    elif name == "apparmor" and separator:
        if value != "unconfined" and not _enabled(_APPARMOR):
            raise PodError(f'apparmor profile "{value}" specified, but Apparmor is not enabled on this system')
        confinement["apparmor"] = value
    elif name == "label" and separator:
        confinement.setdefault("label_options", []).append(_label(value))
    elif name == "proc-opts" and separator:
        confinement["proc_options"] = [item for item in value.split(",") if item]
    else:
        raise PodError(f'invalid --security-opt {2 if separator else 1}: "{option}"', hint=f"known are {_KNOWN}")


def _split(option: str) -> tuple[str, str, str]:
    separators = [option.index(sign) for sign in "=:" if sign in option]
    if not separators:
        return option, "", ""
    at = min(separators)
    return option[:at], option[at], option[at + 1 :]


def _profile(path: str) -> str:
    if path == "unconfined":
        return path
    try:
        posix.stat(path)
    except OSError as error:
        raise PodError(f"opening seccomp profile failed: open {path}: {(error.strerror or '').lower()}") from error
    return paths.absolute(path)


def _label(text: str) -> str:
    """Return a label option once it is found to be one; where SELinux is not at work it comes to nothing, as podman."""
    kind, colon, value = text.partition(":")
    if text not in ("disable", "nested") and not (colon and value and kind in _LABEL_KINDS):
        raise PodError(
            f"Bad label option \"{text}\", valid options 'disable' or"
            f" '{', '.join(_LABEL_KINDS)}' followed by ':' and a value"
        )
    return text


def _enabled(path: str) -> bool:
    try:
        with open(path, encoding="ascii") as file:
            return file.read(1) == "Y"
    except OSError:
        return False
