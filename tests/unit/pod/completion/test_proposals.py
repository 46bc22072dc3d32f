"""What may follow, without a store: commands, flags and their values."""

from __future__ import annotations

import pytest

from pod.completion import objects
from pod.completion.proposals import kinds_of, propose


@pytest.fixture(autouse=True)
def things(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of one object of each kind."""
    held = {
        "anything": [("web", ""), ("box", "")],
        "container": [("web", "Up"), ("db", "Exited")],
        "image": [("box", "")],
        "list": [("many", "")],
        "paused": [("still", "")],
        "resting": [("db", "")],
        "running": [("web", "")],
        "secret": [("key", "")],
        "volume": [("data", "")],
    }
    monkeypatch.setattr(objects, "named", lambda kind: held[kind])


@pytest.mark.parametrize(
    ("words", "expected", "directive"),
    [
        (["im"], ["image", "images", "import"], "none"),
        (["image", "e"], ["exists"], "none"),
        (["pull", "--all"], ["--all-tags"], "none"),
        (["--log-l"], ["--log-level"], "none"),
        (["--log-level", "d"], ["debug"], "none"),
        (["ps", "--filter", "stat"], ["status="], "open"),
        (["ps", "-f", "status=ru"], ["status=running"], "none"),
        (["ps", "--filter=status=ru"], ["--filter=status=running"], "none"),
        (["ps", "-af", "name=w"], ["name=web"], "none"),
        (["volume", "ls", "--filter", "dan"], ["dangling="], "open"),
        (["stop", ""], ["web"], "none"),
        (["stop", "web", ""], [], "none"),
        (["start", ""], ["db"], "none"),
        (["rm", "-f", ""], ["db", "web"], "none"),
        (["rm", "--", ""], ["db", "web"], "none"),
        (["container", "rm", "w"], ["web"], "none"),
        (["volume", "rm", ""], ["data"], "none"),
        (["manifest", "push", ""], ["many"], "none"),
        (["manifest", "add", "many", ""], ["box"], "none"),
        (["push", ""], ["box"], "none"),
        (["run", "-it", "b"], ["box"], "none"),
        (["run", "--name", ""], [], "none"),
        (["run", "--name", "x", ""], ["box"], "none"),
        (["run", "box", "-"], [], "files"),
        (["run", "-v", "d"], ["data:"], "files"),
        (["run", "--env-file", ""], [], "files"),
        (["run", "--network", "container:"], ["container:db", "container:web"], "none"),
        (["run", "--pull", "n"], ["never", "newer"], "none"),
        (["inspect", "--type", "v"], ["volume"], "none"),
        (["inspect", ""], ["box", "web"], "none"),
        (["completion", "z"], ["zsh"], "none"),
        (["nosuch", ""], [], "none"),
        (["volume", "nosuch", ""], [], "none"),
    ],
)
def test_proposals(words: list[str], expected: list[str], directive: str) -> None:
    found = propose(words)
    assert [name for name, _ in found.candidates] == expected
    assert found.directive == directive


def test_candidates_are_described() -> None:
    assert dict(propose(["ps", "--no-t"]).candidates) == {"--no-trunc": "Display the extended information"}
    assert dict(propose(["rm", "w"]).candidates) == {"web": "Up"}


def test_a_command_that_is_not_listed_takes_the_objects_of_its_group() -> None:
    assert kinds_of("volume_new") == ("volume",)
    assert kinds_of("image_new") == ("image",)
    assert kinds_of("container_new") == ("container",)
    assert kinds_of("volume_ls") == kinds_of("system_df") == kinds_of("container_prune") == ("none",)
