"""storage.conf: which file counts, and what of it is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from pod import storage_conf
from pod.errors import ConfigError
from pod.storage_conf import StorageConf


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory, with a system whose file is `system.conf` in it."""
    monkeypatch.setattr(storage_conf, "_SYSTEM", (f"{tmp_path}/system.conf", f"{tmp_path}/vendor.conf"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("CONTAINERS_STORAGE_CONF", raising=False)
    monkeypatch.delenv("STORAGE_OPTS", raising=False)
    (tmp_path / ".config/containers").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    return tmp_path


def loaded(home: Path, *, rootless: bool = False) -> StorageConf:
    """Read the files twice: the second time, from what was kept."""
    first = storage_conf.load(rootless=rootless, home=str(home), uid=7, cache=f"{home}/run")
    second = storage_conf.load(rootless=rootless, home=str(home), uid=7, cache=f"{home}/run")
    for name in StorageConf.__slots__:
        assert getattr(first, name) == getattr(second, name)
    return second


def test_nothing_is_said_where_there_is_no_file(home: Path) -> None:
    found = loaded(home)
    assert (found.graphroot, found.runroot, found.image_stores, found.layers) == ("", "", [], "")


def test_root_takes_the_systems_file_before_the_vendors(home: Path) -> None:
    (home / "vendor.conf").write_text('[storage]\ngraphroot = "/vendor"\nrunroot = "/r"\n')
    assert (loaded(home).graphroot, loaded(home).runroot) == ("/vendor/pod", "/r/pod")
    (home / "system.conf").write_text('[storage]\ndriver = "vfs"\ngraphroot = "/data/"\n')
    assert (loaded(home).graphroot, loaded(home).runroot) == ("/data/pod", "")


def test_what_podmans_packages_say_changes_nothing(home: Path) -> None:
    text = '[storage]\ngraphroot = "/var/lib/containers/storage"\nrunroot = "/run/containers/storage"\n'
    (home / "system.conf").write_text(text)
    assert (loaded(home).graphroot, loaded(home).runroot) == ("", "")


def test_users_have_their_own_file_and_what_the_system_gives_to_all(home: Path) -> None:
    text = '[storage]\ngraphroot = "/g"\nrunroot = "/r"\nrootless_storage_path = "/scratch/$UID"\n'
    (home / "system.conf").write_text(text + '[storage.options]\nadditionalimagestores = ["/shared", "$HOME/x"]\n')
    found = loaded(home, rootless=True)
    assert (found.graphroot, found.runroot, found.image_stores) == ("/scratch/7/pod", "", ["/shared", f"{home}/x"])
    own = home / ".config/containers/storage.conf"
    own.write_text('[storage]\ngraphroot = "${HOME}/g"\n')
    assert loaded(home, rootless=True).graphroot == f"{home}/g/pod"
    assert loaded(home, rootless=True).image_stores == ["/shared", f"{home}/x"]


def test_variables_are_those_of_each_command(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[storage]\ngraphroot = "/data/$USER/${WHERE}x"\nrunroot = "/r/$HOMES$UID"\n'
    (home / "system.conf").write_text(text + '[storage.options]\nadditionalimagestores = ["$WHERE"]\n')
    monkeypatch.delenv("USER", raising=False)
    monkeypatch.delenv("HOMES", raising=False)
    monkeypatch.setenv("WHERE", "/here")
    found = loaded(home)
    assert (found.graphroot, found.runroot, found.image_stores) == ("/data///herex/pod", "/r/7/pod", ["/here"])
    monkeypatch.setenv("USER", "alice")
    assert loaded(home).graphroot == "/data/alice//herex/pod"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/$1x", "/x"),
        ("/${1}x", "/x"),
        ("/$_a$_b", "/A"),
        ("/a${}b", "/ab"),
        ("/a${b", "/ab"),
        ("/a${x.y}b", "/ab"),
        ("/a$$b", "/ab"),
        ("/a$-b", "/ab"),
        ("/a$/b", "/a$/b"),
        ("/a$.b$", "/a$.b$"),
        ("/a$\u00e4", "/a$\u00e4"),
    ],
)
def test_variables_are_read_as_go_reads_them(home: Path, monkeypatch: pytest.MonkeyPatch, text: str, path: str) -> None:
    monkeypatch.setenv("_a", "A")
    monkeypatch.delenv("_b", raising=False)
    (home / "system.conf").write_text(f'[storage]\ngraphroot = "{text}"\n')
    assert loaded(home).graphroot == f"{path}/pod"


def test_settings_are_named_in_any_case(home: Path) -> None:
    text = '[Storage]\nGraphRoot = "/g"\n[Storage.Options]\nAdditionalImageStores = ["/s"]\n'
    (home / "system.conf").write_text(text + '[storage.options.overlay]\npod_layers = "erofs"\n')
    found = loaded(home)
    assert (found.graphroot, found.image_stores, found.layers) == ("/g/pod", ["/s"], "erofs")


@pytest.mark.parametrize("name", ["graphroot", "runroot"])
def test_a_place_does_not_depend_on_the_working_directory(home: Path, name: str) -> None:
    (home / "system.conf").write_text(f'[storage]\n{name} = "there/it/is/"\n')
    with pytest.raises(ConfigError, match=f"storage.conf: {name}: there/it/is is no absolute path"):
        loaded(home)


def test_the_environment_names_another_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "system.conf").write_text('[storage]\ngraphroot = "/system"\n')
    (home / "own.conf").write_text('[storage]\ngraphroot = "/own"\n[storage.options.overlay]\npod_layers = "erofs"\n')
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", f"{home}/own.conf")
    assert (loaded(home).graphroot, loaded(home).layers) == ("/own/pod", "erofs")
    assert loaded(home, rootless=True).graphroot == "/own/pod"


def test_options_of_the_command_line_go_before_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert storage_conf.layers_asked(None) == ""
    monkeypatch.setenv("STORAGE_OPTS", "overlay.mountopt=nodev,overlay.pod_layers=erofs")
    assert storage_conf.layers_asked(None) == "erofs"
    assert storage_conf.layers_asked(["x=y"]) == ""
    assert storage_conf.layers_asked(["pod_layers=erofs", "overlay.pod_layers=directories"]) == "directories"


def test_the_largest_layer(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "system.conf").write_text('[storage.options.overlay]\npod_max_layer_size = "1.5g"\n')
    assert loaded(home).layer_limit == 3 << 29
    assert storage_conf.layer_limit_asked(["overlay.pod_max_layer_size=1k", "pod_max_layer_size=2k"]) == 2048
    monkeypatch.setenv("STORAGE_OPTS", "pod_max_layer_size=lots")
    with pytest.raises(ConfigError, match="pod_max_layer_size: invalid size: 'lots'"):
        storage_conf.layer_limit_asked(None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("storage", "reading"),
        ("storage = 1", "storage is not a table"),
        pytest.param(f"x = {'[' * 9000}{']' * 9000}", "nested too deeply", id="nested"),
        pytest.param(f"{'a.' * 3000}a = 1", "nested too deeply", id="dotted"),
        ("[storage]\ngraphroot = 1", "graphroot is not a text"),
        ('[storage.options]\nadditionalimagestores = "/x"', "not a list of paths"),
        ('[storage.options.overlay]\npod_layers = "zip"', '"zip" is unknown'),
        ("[storage.options.overlay]\npod_max_layer_size = true", "invalid size"),
    ],
)
def test_files_that_are_none(home: Path, text: str, message: str) -> None:
    (home / "system.conf").write_text(text)
    with pytest.raises(ConfigError, match=message):
        loaded(home)
