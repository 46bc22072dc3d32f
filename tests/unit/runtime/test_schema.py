"""A configuration with each field wrong in turn: the error names the field, and there is no other kind of error."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import devices, hooks, idmap, inherited, netdevices, schema, shape, spec
from runtime.cgroups import v1_settings, v2_settings
from runtime.cgroups.errors import CgroupUnavailableError
from runtime.errors import OCIRuntimeError, SpecError
from runtime.mounting import mounts, rootfs
from runtime.seccomp import compile_profile, filter_flags
from tests.fixtures.bundle import configuration, with_user_namespace
from tests.fixtures.configurations import MAPPINGS, everything, find, paths, replaced, shown, wrong_values

EVERYTHING = everything()
PATHS = list(paths(EVERYTHING))


def test_a_configuration_with_everything_is_valid() -> None:
    spec.validate(EVERYTHING)
    read(EVERYTHING)


@pytest.mark.parametrize("path", PATHS, ids=shown)
def test_a_wrong_value_is_named_by_its_path(path: Any) -> None:
    for wrong in wrong_values(find(EVERYTHING, path)):
        with pytest.raises(SpecError) as caught:
            spec.validate(replaced(EVERYTHING, path, wrong))
        assert str(caught.value).startswith(f"{shown(path)} ")
        assert len(str(caught.value)) < 500
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("process", "user", "uid"), -1),
        (("process", "user", "uid"), 2**32 - 1),
        (("process", "user", "additionalGids", 1), 2**32),
        (("process", "user", "umask"), 0o10000),
        (("process", "rlimits", 0, "type"), "RLIMIT_BOGUS"),
        (("process", "rlimits", 0, "soft"), -2),
        (("process", "oomScoreAdj"), 1001),
        (("process", "consoleSize", "width"), 65536),
        (("process", "scheduler", "policy"), "SCHED_FUTURE"),
        (("process", "scheduler", "flags", 0), "SCHED_FLAG_FUTURE"),
        (("process", "scheduler", "nice"), 20),
        (("process", "ioPriority", "class"), ""),
        (("process", "ioPriority", "priority"), 8),
        (("hooks", "prestart", 0, "path"), "true"),
        (("hooks", "poststop", 0, "timeout"), 0),
        (("root", "path"), ""),
        (("mounts", 0, "destination"), ""),
        (("mounts", 0, "uidMappings", 0, "size"), 0),
        (("annotations", ""), "x"),
        (("linux", "namespaces", 2, "type"), "net"),
        (("linux", "devices", 0, "type"), "x"),
        (("linux", "devices", 0, "major"), 4096),
        (("linux", "devices", 0, "minor"), 2**31),
        (("linux", "devices", 0, "path"), "dev/fuse"),
        (("linux", "rootfsPropagation"), "rrshared"),
        (("linux", "timeOffsets", "boottime", "nanosecs"), 10**9),
        (("linux", "personality", "domain"), "BSD"),
        (("linux", "memoryPolicy", "mode"), "MPOL_FUTURE"),
        (("linux", "memoryPolicy", "flags", 0), "x"),
        (("linux", "seccomp", "defaultAction"), "SCMP_ACT_FUTURE"),
        (("linux", "seccomp", "syscalls", 0, "action"), ""),
        (("linux", "seccomp", "syscalls", 0, "args", 0, "op"), "EQ"),
        (("linux", "seccomp", "syscalls", 0, "args", 0, "index"), 6),
        (("linux", "resources", "blockIO", "weight"), 1001),
        (("linux", "resources", "cpu", "idle"), 2),
        (("linux", "intelRdt"), {}),
        (("vm",), {"hypervisor": {"path": "/x"}}),
        (("windows",), {}),
        (("solaris",), {}),
        (("zos",), {}),
        (("freebsd",), {}),
    ],
    ids=repr,
)
def test_what_is_out_of_range_or_unknown_is_named(path: Any, value: Any) -> None:
    with pytest.raises(SpecError) as caught:
        spec.validate(replaced(EVERYTHING, path, value))
    assert str(caught.value).startswith(f"{shown(path)} ")


def is_field(path: Any) -> bool:
    """Tell whether a path leads to a field, not to an element of a list or of an object with keys of the user's own."""
    return isinstance(path[-1], str) and not MAPPINGS & set(path[-2:-1])


@pytest.mark.parametrize("path", [path for path in PATHS if is_field(path)], ids=shown)
def test_a_field_that_is_null_is_missing(path: Any) -> None:
    missing = copy.deepcopy(EVERYTHING)
    del find(missing, path[:-1])[path[-1]]
    assert outcome(replaced(EVERYTHING, path, None)) == outcome(missing)


def outcome(document: dict[str, Any]) -> str:
    """Return the error of a document, or nothing."""
    try:
        spec.validate(document)
        read(document)
    except SpecError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("path", [path for path in PATHS if not is_field(path)], ids=shown)
def test_an_element_cannot_be_null(path: Any) -> None:
    with pytest.raises(SpecError) as caught:
        spec.validate(replaced(EVERYTHING, path, None))
    assert str(caught.value).startswith(f"{shown(path)} is not a")


@pytest.mark.parametrize("path", [(), *PATHS], ids=shown)
def test_unknown_fields_are_ignored(path: Any) -> None:
    document = copy.deepcopy(EVERYTHING)
    place = find(document, path)
    if isinstance(place, dict) and not MAPPINGS & set(path[-1:]):
        place["org.example.future"] = {"a": [1]}
        spec.validate(document)
        read(document)


def read(document: dict[str, Any]) -> None:
    """Read a valid configuration as `create` does, as far as that touches nothing."""
    linux = document.get("linux") or {}
    if document.get("process"):
        spec.Process(document["process"])
    mounts.read_mounts(document, "/bundle")
    devices.read_devices(linux)
    rootfs.read_propagation(linux)
    hooks.read_hooks(document)
    inherited.Inherited(linux)
    netdevices.read_names(linux.get("netDevices") or {})
    for name in ("uidMappings", "gidMappings"):
        idmap.read_mappings(linux.get(name), f"linux.{name}")
    resources = linux.get("resources") or {}
    v1_settings.settings(resources)
    v1_settings.device_rules(resources.get("devices") or [])
    with contextlib.suppress(CgroupUnavailableError):  # not all of this can be had with v2
        list(v2_settings.settings(resources))
    if linux.get("seccomp"):
        compile_profile(linux["seccomp"], "x86_64")
        filter_flags(linux["seccomp"])


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["/", "..", "SCHED_FIFO", "a=b", "0-", "-1", "\0", "\udc80", "pid"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
MODELS = [EVERYTHING, configuration("sh"), with_user_namespace(configuration("sh", terminal=True))]


@given(st.data())
def test_whatever_is_wrong_is_an_error_of_ours(data: st.DataObject) -> None:
    document = copy.deepcopy(data.draw(st.sampled_from(MODELS)))
    for _change in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(paths(document)) or [("x",)]))
        place = find(document, path[:-1])
        if data.draw(st.booleans()):
            del place[path[-1]]
        else:
            place[path[-1]] = data.draw(json_values)
    with contextlib.suppress(OCIRuntimeError):
        spec.validate(document)
        read(document)


@given(json_values)
def test_any_document_at_all_is_an_error_of_ours(document: Any) -> None:
    for check in (schema.check_document, schema.check_process, schema.check_resources):
        with contextlib.suppress(SpecError):
            check(document)


@pytest.mark.parametrize("path", ["/", "/..", "/dev/..", "/dev/x/", "/dev/."])
def test_a_device_needs_a_name(path: str) -> None:
    with pytest.raises(SpecError, match=r"linux.devices\[0\].path does not name a file"):
        devices.read_devices({"devices": [{"path": path, "type": "p"}]})


def test_what_is_shown_is_short_and_printable() -> None:
    assert shape.shown("x" * 1000) == f"`{'x' * 59}…"
    assert shape.shown("a\nb") == "'a\\nb'"
