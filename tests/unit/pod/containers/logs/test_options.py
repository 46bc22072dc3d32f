import os

import pytest

from pod.config import Config
from pod.containers.create import CreateOptions
from pod.containers.logs import logged
from pod.containers.logs import options as log_options
from pod.errors import PodError


@pytest.fixture(name="config")
def configuration(tmp_path: os.PathLike[str]) -> Config:
    root = os.fspath(tmp_path)
    return Config(graphroot=root, runroot=root, uid=0, rootless=False, home="/", user="")


def asked(driver: str = "", *items: str, tty: bool = False) -> CreateOptions:
    options = CreateOptions()
    options.log_driver = log_options.driver(driver)
    options.log_options = log_options.parse(list(items))
    options.tty = tty
    return options


def test_logs_are_rotated_by_default(config: Config) -> None:
    driver, log = log_options.settle(config, asked())
    assert driver == "k8s-file"
    assert (log["max_size"], log["max_file"], log["path"]) == (10_000_000, 3, "")


@pytest.mark.parametrize(
    ("text", "size"),
    [("10mb", 10**7), ("10M", 10**7), ("1.5k", 1500), ("2GiB", 2 * 10**9), ("7", 7), ("7b", 7), ("0", 0), ("-1", 0)],
)
def test_sizes_are_decimal_as_podmans(config: Config, text: str, size: int) -> None:
    assert log_options.settle(config, asked("json-file", f"max-size={text}"))[1]["max_size"] == size


@pytest.mark.parametrize(
    "item",
    ["max-size=", "max-size=1x", "max-size=-2", "max-file=0", "max-file=1001", "label==x", "label=A B=x", "path"],
)
def test_senseless_options(item: str) -> None:
    with pytest.raises(PodError):
        log_options.parse([item])


def test_what_containers_conf_says(config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]) -> None:
    config.containers |= {"log_driver": "journald", "log_size_max": -1, "log_tag": "{{.Name}}"}
    monkeypatch.setenv("POD_JOURNAL_SOCKET", "/no/journal")
    driver, log = log_options.settle(config, asked())
    assert (driver, log["max_size"], log["tag"]) == ("k8s-file", 0, "")
    monkeypatch.setenv("POD_JOURNAL_SOCKET", os.fspath(tmp_path))
    driver, log = log_options.settle(config, asked("", "label=A=b", "label=C=d"))
    assert (driver, log["tag"], log["labels"]) == ("journald", "{{.Name}}", {"A": "b", "C": "d"})


def test_refusals(config: Config) -> None:
    with pytest.raises(PodError, match="invalid log driver"):
        log_options.driver("syslog")
    with pytest.raises(PodError, match="doesn't support the option tag"):
        log_options.settle(config, asked("k8s-file", "tag=x"))
    with pytest.raises(PodError, match="together with --tty"):
        log_options.settle(config, asked("passthrough-tty", tty=True))


def test_passthrough_takes_the_input(config: Config) -> None:
    options = asked("passthrough-tty")
    options.stdin = True
    assert log_options.settle(config, options)[0] == "passthrough"
    assert not options.stdin


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0B"), (999, "999B"), (1500, "1.5kB"), (10**7, "10MB"), (123456, "123.5kB")]
)
def test_human_size(count: int, text: str) -> None:
    assert logged.human_size(count) == text
