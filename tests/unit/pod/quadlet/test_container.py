"""`.container` files: a row for each key, and what the service is besides."""

from __future__ import annotations

import pytest

from pod.cli import exec, kill, rm, run
from pod.cli.app import parse as parse_command_line
from pod.quadlet.kinds.table import KINDS
from tests.fixtures.quadlets import COMMAND, PLACE, converted, has, service, told, values, words

# A key's line or lines; the words of ExecStart that they become.
KEYS = """
AddCapability=CAP_CHOWN NET_RAW | --cap-add cap_chown --cap-add net_raw
AddDevice=/dev/fuse | --device /dev/fuse
AddDevice=-/dev/null:/dev/there:r | --device /dev/null:/dev/there:r
AddHost=db:10.0.0.1 \\n AddHost=web:host-gateway | --add-host db:10.0.0.1 --add-host web:host-gateway
Annotation=a=1 "b=two words" | --annotation a=1 --annotation "b=two words"
AppArmor=unconfined | --security-opt apparmor=unconfined
AutoUpdate=registry | --label io.containers.autoupdate=registry
CgroupsMode=no-conmon | --cgroups no-conmon
ContainerName=web | --name web
ContainersConfModule=/etc/m.conf | /opt/pod/bin/pod --module=/etc/m.conf run
DNS=1.1.1.1 \\n DNS=9.9.9.9 | --dns 1.1.1.1 --dns 9.9.9.9
DNSOption=ndots:1 | --dns-option ndots:1
DNSSearch=example.com | --dns-search example.com
DropCapability=ALL | --cap-drop all
Entrypoint=/bin/sh | --entrypoint=/bin/sh
Entrypoint= | --entrypoint=
Environment=A=1 "B=two words" C | --env A=1 --env "B=two words" --env C
EnvironmentFile=/e rel/env %h/e | --env-file /e --env-file /etc/containers/systemd/rel/env --env-file %h/e
EnvironmentHost=yes | --env-host
EnvironmentHost=no | --env-host=false
Exec=sh -c "echo \\"a  b\\" ; exit 3" | localhost/x sh -c "echo \\"a  b\\" ; exit 3"
Exec=echo 'a\\tb' \\x41\\u0042 %i $HOME | localhost/x echo "a\\tb" AB %i $HOME
ExposeHostPort=80 \\n ExposeHostPort=53/udp \\n ExposeHostPort=90-99 | --expose 80 --expose 53/udp --expose 90-99
GIDMap=0:10000:10 10:20000:1 | --gidmap 0:10000:10 --gidmap 10:20000:1
GlobalArgs=--log-level "debug" | /opt/pod/bin/pod --log-level debug run
User=1 \\n Group=2 | --user 1:2
GroupAdd=keep-groups | --group-add keep-groups
HealthCmd=curl -f http://localhost/ || exit 1 | --health-cmd "curl -f http://localhost/ || exit 1"
HealthInterval=5s | --health-interval 5s
HealthLogDestination=/var/log | --health-log-destination /var/log
HealthMaxLogCount=3 | --health-max-log-count 3
HealthMaxLogSize=100 | --health-max-log-size 100
HealthOnFailure=kill | --health-on-failure kill
HealthRetries=2 | --health-retries 2
HealthStartPeriod=1m | --health-start-period 1m
HealthStartupCmd=true | --health-startup-cmd true
HealthStartupInterval=1s | --health-startup-interval 1s
HealthStartupRetries=4 | --health-startup-retries 4
HealthStartupSuccess=2 | --health-startup-success 2
HealthStartupTimeout=1s | --health-startup-timeout 1s
HealthTimeout=2s | --health-timeout 2s
HostName=web.example.com | --hostname web.example.com
HttpProxy=false | --http-proxy=false
IP=10.88.1.2 | --ip 10.88.1.2
IP6=fd00::2 | --ip6 fd00::2
Image=quay.io/other:1 | -d quay.io/other:1
Label=a=1 \\n Label= \\n Label="b=x y" | -d --label "b=x y" localhost/x
LogDriver=journald | --log-driver journald
LogOpt=tag=web path=/l | --log-opt tag=web --log-opt path=/l
Mask=/proc/a:/proc/b | --security-opt mask=/proc/a:/proc/b
Memory=20G | --memory 20G
Mount=type=tmpfs,dst=/t | --mount type=tmpfs,dst=/t
Mount=type=bind,src=./d,dst=/d | --mount type=bind,source=/etc/containers/systemd/d,dst=/d
Mount=source=data,dst=/d | --mount type=volume,source=data,dst=/d
Mount="type=bind,src=/a b,dst=/d" | --mount "type=bind,source=/a b,dst=/d"
Mount=type=bind,src=/a,\\"dst=/d,1\\" | --mount "type=bind,source=/a,\\"dst=/d,1\\""
Network=host | --network host
Network=net:ip=10.0.0.2 | --network net:ip=10.0.0.2
NetworkAlias=db | --network-alias db
NoNewPrivileges=true | --security-opt=no-new-privileges
Notify=true | --sdnotify=container -d
Notify=healthy | --sdnotify=healthy -d
PidsLimit=100 | --pids-limit 100
PodmanArgs=--cpus 2 "--env=A=b c" | --cpus 2 "--env=A=b c" localhost/x
PublishPort=8080:80 \\n PublishPort=[::1]:53:53/udp | --publish 8080:80 --publish [::1]:53:53/udp
Pull=newer | --pull newer
ReadOnly=yes | --read-only
ReadOnly=no | --read-only=false
ReadOnlyTmpfs=no | --read-only-tmpfs=false
UserNS=keep-id:uid=200 | --userns keep-id:uid=200
RemapUsers=auto \\n RemapUid=0:1:2 \\n RemapGid=3:4:5 | --userns auto:uidmapping=0:1:2,gidmapping=3:4:5
RemapUsers=auto \\n RemapUidSize=9 | --userns auto:size=9
RemapUsers=manual \\n RemapUid=0:1:2 \\n RemapGid=3:4:5 | --uidmap 0:1:2 --gidmap 3:4:5
RemapUsers=keep-id \\n RemapUid=5 \\n RemapGid=6 | --userns keep-id:uid=5,gid=6
Retry=5 | --retry 5
RetryDelay=10s | --retry-delay 10s
RunInit=yes | --init
SeccompProfile=unconfined | --security-opt seccomp=unconfined
Secret=key,type=env,target=KEY \\n Secret=other | --secret key,type=env,target=KEY --secret other
SecurityLabelDisable=yes | --security-opt label=disable
SecurityLabelFileType=usr_t | --security-opt label=filetype:usr_t
SecurityLabelLevel=s0:c1,c2 | --security-opt label=level:s0:c1,c2
SecurityLabelNested=yes | --security-opt label=nested
SecurityLabelType=spc_t | --security-opt label=type:spc_t
ShmSize=100m | --shm-size 100m
StopSignal=SIGINT | --stop-signal SIGINT
StopTimeout=20 | --stop-timeout 20
SubGIDMap=gids | --subgidname gids
SubUIDMap=uids | --subuidname uids
Sysctl=net.a=1 net.b=2 | --sysctl net.a=1 --sysctl net.b=2
Timezone=local | --tz local
Tmpfs=/tmp:size=1m | --tmpfs /tmp:size=1m
UIDMap=0:10000:10 | --uidmap 0:10000:10
Ulimit=nofile=10:20 | --ulimit nofile=10:20
Unmask=ALL | --security-opt unmask=ALL
User=web | --user web
VolatileTmp=true | --tmpfs /tmp:rw,size=512M,mode=1777
Volume=/a b:/d:ro \\n Volume=./x:/x \\n Volume=/new | -v "/a b:/d:ro" -v /etc/containers/systemd/x:/x -v /new
WorkingDir=/srv | --workdir /srv
"""
# Keys that do not become words of ExecStart alone: tests below are theirs.
ELSEWHERE = {"Pod", "StartWithPod", "ReloadCmd", "ReloadSignal", "Rootfs", "ServiceName"}
ROWS = [row.split(" | ") for row in KEYS.strip().splitlines()]


def _file(lines: str) -> str:
    image = "" if lines.startswith("Image=") else "Image=localhost/x\n"
    return f"[Container]\n{image}" + lines.replace(" \\n ", "\n") + "\n"


@pytest.mark.parametrize(("lines", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_a_key_becomes_its_flag(lines: str, expected: str) -> None:
    from pod.quadlet.quoting import split_words

    unit = service("x.container", _file(lines))
    assert has(words(unit), split_words(expected)), words(unit)


@pytest.mark.parametrize("lines", [row[0] for row in ROWS if "GlobalArgs" not in row[0] and "Module" not in row[0]])
def test_what_a_service_runs_is_a_command_line_of_pods(lines: str) -> None:
    unit = service("x.container", _file(lines))
    for key, module in (("ExecStart", run), ("ExecStop", rm), ("ExecStopPost", rm)):
        assert parse_command_line(module, "pod", words(unit, key)[2:])


def test_every_key_has_a_row() -> None:
    tested = {line.partition("=")[0] for row in ROWS for line in row[0].split(" \\n ")}
    assert tested | ELSEWHERE == set(KINDS["container"].keys)


def test_what_a_service_has_without_any_key() -> None:
    unit = service("web.container", "[Container]\nImage=localhost/x\n")
    assert unit.service.name == "web.service"
    assert words(unit) == [
        *(COMMAND, "run", "--name", "systemd-%N", "--replace", "--rm", "--cgroups=split", "--sdnotify=conmon", "-d"),
        "localhost/x",
    ]
    assert words(unit, "ExecStop") == [COMMAND, "rm", "-v", "-f", "-i", "systemd-%N"]
    assert words(unit, "ExecStopPost") == [f"-{COMMAND}", "rm", "-v", "-f", "-i", "systemd-%N"]
    for key, value in (
        ("Environment", "PODMAN_SYSTEMD_UNIT=%n"),
        ("KillMode", "mixed"),
        ("Delegate", "yes"),
        ("Type", "notify"),
        ("NotifyAccess", "all"),
        ("SyslogIdentifier", "%N"),
    ):
        assert values(unit, "Service", key) == [value]
    assert values(unit, "Unit", "SourcePath") == [f"{PLACE}/web.container"]
    assert values(unit, "Unit", "RequiresMountsFor") == ["%t/containers"]
    assert values(unit, "Unit", "Wants") == values(unit, "Unit", "After") == ["network-online.target"]
    assert values(unit, "X-Container", "Image") == ["localhost/x"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("Image=", ":2: no Image or Rootfs key specified; write Image=registry/name:tag"),
        ("Rootfs=/r", ":3: the Image And Rootfs keys conflict can not be specified together; leave out one"),
        ("Group=2", ":3: invalid Group set without User; write User= too"),
        ("ExposeHostPort=http", ":3: invalid port format 'http'; write 80, 80/udp or 80-90"),
        ("ExposeHostPort=1\nExposeHostPort=x\nExposeHostPort=2", ":4: invalid port format 'x'"),
        ("ReloadCmd=a\nReloadSignal=HUP", ":4: ReloadCmd and ReloadSignal are mutually exclusive but both are set"),
        ("UserNS=auto\nRemapUsers=auto", ":4: deprecated Remap keys are set along with explicit mapping keys"),
        ("RemapUid=1:2:3", ":3: UidMap set without RemapUsers"),
        ("RemapGid=1:2:3", ":3: GidMap set without RemapUsers"),
        ("RemapUsers=some", ":3: unsupported RemapUsers option 'some'; write manual, auto or keep-id"),
        ("RemapUsers=keep-id\nRemapUid=1 2", ":4: RemapUsers=keep-id supports only a single value for UID mapping"),
        ("RemapUsers=auto\nRemapUidSize=x", ":4: invalid RemapUidSize 'x'; write a number"),
        ("Mount=type=image,dst=/a", ":3: source parameter is required for mount type image"),
        ("Mount=type=bind,src,dst=/a", ":3: source parameter does not include a value"),
        ("Mount='type=bind,\"src=/a,dst=/b'", ":3: incorrect mount format"),
        ("Mount=type=bind,dst=/a", ":3: source parameter is required for mount type bind"),
        ("Volume=data.volume:/d", ":3: requested Quadlet source data.volume was not found; put data.volume beside"),
        ("Mount=src=data.volume,dst=/d", ":3: requested Quadlet source data.volume was not found"),
        ("Image=app.build", ":3: requested Quadlet image app.build was not found"),
        ("Network=net.network", ":3: requested Quadlet unit net.network was not found"),
        ("Network=x.container:ip=1", ":3: extra options are not supported when joining another container's network"),
        ("[Service]\nType=forking", ":4: invalid service Type 'forking'; write notify or oneshot, or leave it out"),
        ("[Service]\nKillMode=process", ":4: invalid KillMode 'process'; write mixed or control-group"),
        ("[Unit]\nAfter=other.container", ":4: unable to translate dependency for other.container"),
        ("[Quadlet]\nDefaultDeps=no", ":4: unsupported key 'DefaultDeps' in group 'Quadlet'"),
        ("ServiceName=../../x", ":3: invalid service name '../../x'"),
        ("image=localhost/x", ":3: unsupported key 'image' in group 'Container'; did you mean 'Image'?"),
        ("this is no line", ":3: “this is no line” is not a key-value pair, group, or comment; write Key=value"),
    ],
)
def test_what_no_service_can_be_made_of(lines: str, message: str) -> None:
    image = "" if lines == "Image=" else "Image=localhost/x\n"
    unit = converted({"x.container": f"[Container]\n{image}{lines}\n"})["x.container"]
    assert unit.failed
    assert [line for line in told(unit) if line.startswith(f"{PLACE}/x.container{message}")], told(unit)


def test_all_that_is_wrong_is_told_at_once() -> None:
    unit = converted({"x.container": "[Container]\nImge=y\nwhatever=1\nGroup=1\n"})["x.container"]
    assert told(unit) == [
        f"{PLACE}/x.container:2: unsupported key 'Imge' in group 'Container'; did you mean 'Image'?",
        f"{PLACE}/x.container:3: unsupported key 'whatever' in group 'Container';"
        " flags without a key of their own go into PodmanArgs=",
        f"{PLACE}/x.container:1: no Image or Rootfs key specified; write Image=registry/name:tag",
        f"{PLACE}/x.container:4: invalid Group set without User; write User= too",
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("Image=short", ':3: Warning: image "short" is not a fully qualified image name; write the registry, too:'),
        ("[Service]\nUser=1", ":4: Warning: using key User in the Service group is not supported; write it in"),
        ("[Service]\nDynamicUser=1", ":4: Warning: using key DynamicUser in the Service group is not supported"),
        (
            "[Contaner]\nA=1",
            ":4: Warning: section [Contaner] means nothing in a .container file; did you mean [Container]?",
        ),
        ("Label=a\\?b", ":3: Warning: Label is ignored: unsupported escape char '\\?'; write \\\\ for a backslash"),
        ("Exec=a\\?b", ":3: Warning: Exec is ignored: unsupported escape char"),
        ('Sysctl=a "b', ":3: Warning: Sysctl is ignored: unbalanced quotes"),
        ("[Install]\nAlias=../x.service", ":4: Warning: Alias ../x.service is ignored"),
        ("[Install]\nWantedBy=a/b", ":4: Warning: WantedBy a/b is ignored: it is a path"),
    ],
)
def test_what_is_hardly_meant_so(lines: str, message: str) -> None:
    unit = service("x.container", f"[Container]\nImage=localhost/x\n{lines}\n")
    assert [line for line in told(unit) if line.startswith(f"{PLACE}/x.container{message}")], told(unit)


def test_sections_of_ones_own_are_nobodys_business() -> None:
    unit = service("x.container", "[Container]\nImage=localhost/x\n[X-Mine]\nA=1\n[Unit]\nDescription=It\n")
    assert not unit.problems
    assert values(unit, "X-Mine", "A") == ["1"]
    assert values(unit, "Unit", "Description") == ["It"]


def test_a_root_file_system_in_place_of_an_image() -> None:
    unit = service("x.container", "[Container]\nRootfs=/srv/x:O\nExec=a\n")
    assert words(unit)[-3:] == ["--rootfs", "/srv/x:O", "a"]


def test_reloading() -> None:
    unit = service("x.container", _file('ReloadCmd=sh -c "kill -HUP 1"'))
    assert words(unit, "ExecReload") == [COMMAND, "exec", "systemd-%N", "sh", "-c", "kill -HUP 1"]
    assert parse_command_line(exec, "pod", words(unit, "ExecReload")[2:])
    unit = service("x.container", _file("ReloadSignal=SIGHUP"))
    assert words(unit, "ExecReload") == [COMMAND, "kill", "--signal", "SIGHUP", "systemd-%N"]
    assert parse_command_line(kill, "pod", words(unit, "ExecReload")[2:])


def test_a_oneshot_tells_nobody_that_it_is_ready() -> None:
    unit = service("x.container", _file("[Service] \\n Type=oneshot"))
    assert values(unit, "Service", "Type") == ["oneshot"]
    assert not values(unit, "Service", "NotifyAccess")
    assert not {"-d", "--sdnotify=conmon"} & set(words(unit))


def test_a_read_only_file_system_has_no_volatile_tmp() -> None:
    unit = service("x.container", _file("VolatileTmp=yes \\n ReadOnly=yes"))
    assert "--tmpfs" not in words(unit)


def test_a_device_that_may_be_missing_and_is() -> None:
    assert "--device" not in words(service("x.container", _file("AddDevice=-/dev/there-is-none")))


def test_mounts_wait_for_their_file_systems() -> None:
    unit = service("x.container", _file("Volume=/a b:/a \n Volume=./c:/c \n Mount=type=bind,src=/d,dst=/d"))
    assert values(unit, "Unit", "RequiresMountsFor") == ["%t/containers", '"/a b"', f"{PLACE}/c", "/d"]


def test_for_a_user_it_waits_for_the_network_by_a_service() -> None:
    unit = service("x.container", _file("HostName=x"), user=True)
    assert values(unit, "Unit", "After") == ["podman-user-wait-network-online.service"]


def test_it_need_not_wait_for_the_network() -> None:
    unit = service("x.container", _file("[Quadlet] \n DefaultDependencies=no"))
    assert not values(unit, "Unit", "After")
    assert not values(unit, "Unit", "Wants")
    assert values(unit, "X-Quadlet", "DefaultDependencies") == ["no"]


def test_an_empty_after_takes_away_the_network() -> None:
    unit = service("x.container", _file("[Unit] \n After= \n After=y.service"))
    assert values(unit, "Unit", "After") == ["y.service"]


def test_the_network_of_another_container() -> None:
    others = {"db.container": _file("ServiceName=database"), "named.container": _file("ContainerName=n")}
    unit = service("x.container", _file("Network=db.container"), others)
    assert has(words(unit), ["--network", "container:systemd-database"])
    assert values(unit, "Unit", "Requires") == ["database.service"]
    assert values(unit, "Unit", "After") == ["network-online.target", "database.service"]
    assert has(words(service("x.container", _file("Network=named.container"), others)), ["--network", "container:n"])
