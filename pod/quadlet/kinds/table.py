"""The kinds of files that there are, and the keys of each.

Source: podman-systemd.unit(5).
"""

from __future__ import annotations

_ALL = "ContainersConfModule GlobalArgs PodmanArgs ServiceName"
_NAMES = "AddHost DNS DNSOption DNSSearch HostName IP IP6 Network NetworkAlias PublishPort"
_USERS = "GIDMap RemapGid RemapUid RemapUidSize RemapUsers SubGIDMap SubUIDMap UIDMap UserNS"
_HEALTH = """HealthCmd HealthInterval HealthLogDestination HealthMaxLogCount HealthMaxLogSize HealthOnFailure
    HealthRetries HealthStartPeriod HealthStartupCmd HealthStartupInterval HealthStartupRetries
    HealthStartupSuccess HealthStartupTimeout HealthTimeout"""
_CONTAINER = """AddCapability AddDevice Annotation AppArmor AutoUpdate CgroupsMode ContainerName
    DropCapability Entrypoint Environment EnvironmentFile EnvironmentHost Exec ExposeHostPort Group GroupAdd
    HttpProxy Image Label LogDriver LogOpt Mask Memory Mount NoNewPrivileges Notify PidsLimit Pod Pull
    ReadOnly ReadOnlyTmpfs ReloadCmd ReloadSignal Retry RetryDelay Rootfs RunInit SeccompProfile Secret
    SecurityLabelDisable SecurityLabelFileType SecurityLabelLevel SecurityLabelNested SecurityLabelType
    ShmSize StartWithPod StopSignal StopTimeout Sysctl Timezone Tmpfs Ulimit Unmask User VolatileTmp Volume
    WorkingDir"""
_POD = "ExitPolicy Label PodName ShmSize StopTimeout Volume"
_KUBE = """AutoUpdate ConfigMap ExitCodePropagation KubeDownForce LogDriver LogOpt Network PublishPort
    RemapGid RemapUid RemapUidSize RemapUsers SetWorkingDirectory UserNS Yaml"""
_NETWORK = """DNS DisableDNS Driver Gateway IPAMDriver IPRange IPv6 InterfaceName Internal Label
    NetworkDeleteOnStop NetworkName Options Subnet"""
_VOLUME = "Copy Device Driver GID Group Image Label Options Type UID User VolumeName"
_PULL = "AuthFile Retry RetryDelay TLSVerify"
_REGISTRY = f"{_PULL} CertDir Creds DecryptionKey"
_IMAGE = f"{_REGISTRY} AllTags Arch Image ImageTag OS Policy Variant"
_BUILD = f"""{_PULL} Annotation Arch BuildArg DNS DNSOption DNSSearch Environment File ForceRM GroupAdd
    IgnoreFile ImageTag Label Network Pull Secret SetWorkingDirectory Target Variant Volume"""
_ARTIFACT = f"{_REGISTRY} Artifact Quiet"

QUADLET_SECTION = "Quadlet"
QUADLET_KEYS = frozenset(("DefaultDependencies",))


class Kind:
    """A kind of file: its section, its keys, and what the name of its service has more than that of the file."""

    __slots__ = ("keys", "module", "order", "section", "service_suffix")

    def __init__(self, module: str, keys: str, *, order: int, alike: bool = False) -> None:
        self.module = module  # in pod.quadlet.kinds; also the suffix of the files, without the dot
        self.section = module.capitalize()
        self.keys = frozenset(f"{_ALL} {keys}".split())
        self.service_suffix = "" if alike else f"-{module}"
        self.order = order  # what others depend on comes first; pods last, for they know their containers then


KINDS = {
    kind.module: kind
    for kind in (
        Kind("artifact", _ARTIFACT, order=1),
        Kind("image", _IMAGE, order=1),
        Kind("network", _NETWORK, order=2),
        Kind("volume", _VOLUME, order=2),
        Kind("build", _BUILD, order=3),
        Kind("container", f"{_CONTAINER} {_NAMES} {_USERS} {_HEALTH}", order=4, alike=True),
        Kind("kube", _KUBE, order=4, alike=True),
        Kind("pod", f"{_POD} {_NAMES} {_USERS}", order=5),
    )
}


def find(name: str) -> Kind | None:
    """Return the kind of a file by its name."""
    base, dot, suffix = name.rpartition(".")
    return KINDS.get(suffix) if base and dot else None
