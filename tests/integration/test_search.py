"""`search`: what it prints of hits and tags, and what it says when there are none."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.registry import Basic, FakeRegistry
from tests.fixtures.command import Pod


@pytest.fixture(scope="module")
def catalog() -> Iterator[FakeRegistry]:
    """A registry with a list of its repositories."""
    with FakeRegistry() as running:
        running.tag_page = 10
        for number in range(30):
            running.add_image("team/app", f"v{number:02}")
        running.add_image("app", "latest")
        yield running


@pytest.fixture(scope="module")
def index() -> Iterator[FakeRegistry]:
    """A registry with docker's search API."""
    with FakeRegistry() as running:
        running.index = [
            {"name": "app", "description": "x" * 60, "star_count": 12, "is_official": True},
            {"name": "me/app", "description": "mine", "star_count": 3, "is_automated": True},
        ]
        yield running


def test_searching(pod: Pod, catalog: FakeRegistry, index: FakeRegistry) -> None:
    told = pod.run("search", f"{index.domain}/app").stdout.splitlines()
    width = len(f"{index.domain}/me/app") + 2
    assert told == [
        f"{'NAME':<{width}}DESCRIPTION",
        f"{index.domain + '/app':<{width}}{'x' * 44}...",
        f"{index.domain + '/me/app':<{width}}mine",
    ]
    assert "x" * 60 in pod.run("search", "--no-trunc", f"{index.domain}/app").stdout
    told = pod.run("search", "--compatible", f"{index.domain}/app").stdout.splitlines()
    assert told[0].split() == ["NAME", "DESCRIPTION", "STARS", "OFFICIAL", "AUTOMATED"]
    assert told[1].split()[2:] == ["12", "[OK]"]
    for filters, expected in (
        ("stars=4", "app"),
        ("is-official", "app"),
        ("is-official=false", "me/app"),
        ("is-automated=true,stars=1", "me/app"),
    ):
        words = ["search", "--filter", filters, "--format", "{{.Name}}", f"{index.domain}/app"]
        assert pod.run(*words).out == f"{index.domain}/{expected}"
    hits = json.loads(pod.run("image", "search", "--limit", "1", "--format", "json", f"{index.domain}/app").stdout)
    assert hits == [
        {
            "Index": index.domain,
            "Name": f"{index.domain}/app",
            "Description": "x" * 60,
            "Stars": 12,
            "Official": "[OK]",
            "Automated": "",
            "Tag": "",
        }
    ]
    assert pod.run("search", f"{catalog.domain}/nothing").stdout == ""


def test_search_registries(pod: Pod, catalog: FakeRegistry, index: FakeRegistry) -> None:
    path = os.path.join(pod.home, ".config/containers/registries.conf")
    os.makedirs(os.path.dirname(path))
    Path(path).write_text("unqualified-search-registries = []\n")
    told = pod.run("search", "app")
    assert told.stdout == ""
    assert told.stderr == f"Warning: no unqualified-search registries are defined in {path}\n"
    Path(path).write_text(f'unqualified-search-registries = ["{catalog.domain}", "127.0.0.1:1", "{index.domain}"]\n')
    assert pod.run("search", "--limit", "1", "--format", "{{.Index}} {{.Name}}", "app").out.splitlines() == [
        f"{catalog.domain} {catalog.domain}/app",
        f"{index.domain} {index.domain}/app",
    ]
    words = ["search", "--list-tags", "--format", "{{.Name}}:{{.Tag}}"]
    assert pod.run(*words, "app").out == f"{catalog.domain}/app:latest"
    assert pod.run(*words, f"{index.domain}/app", check=False).out == ""
    Path(path).write_text('unqualified-search-registries = ["127.0.0.1:1", "127.0.0.1:2"]\n')
    failed = pod.run("search", "--list-tags", "app", check=False)
    assert failed.code == 125
    assert failed.stderr.startswith(
        "Error: 2 errors occurred:\n\t* getting repository tags: pinging container registry "
    )
    failed = pod.run("search", "app", check=False)
    assert failed.code == 125
    assert failed.stderr.startswith('Error: 2 errors occurred:\n\t* couldn\'t search registry "127.0.0.1:1": pinging ')


def test_tags(pod: Pod, catalog: FakeRegistry) -> None:
    name = f"{catalog.domain}/team/app"
    told = pod.run("search", "--list-tags", name).stdout.splitlines()
    assert told[0].split() == ["NAME", "TAG"]
    assert told[1].split() == [name, "v00"]
    assert len(told) == 26
    listed = pod.run("search", "--list-tags", "--limit=30", "--format", "json", f"docker://{name}").stdout
    assert json.loads(listed) == [{"Name": name, "Tags": [f"v{number:02}" for number in range(30)]}]
    assert pod.run("search", "--list-tags", f"{catalog.domain}/none").stdout == ""


def test_searching_with_credentials(pod: Pod, tmp_path: Path) -> None:
    with FakeRegistry() as running:
        running.add_image("app", "1")
        running.auth = Basic("user", "secret")
        assert pod.run("search", "--creds", "user:secret", f"{running.domain}/app").out
        refused = pod.run("search", f"{running.domain}/app", check=False)
        assert refused.code == 125
        assert "unauthorized: authentication required" in refused.stderr
        file = os.path.join(pod.home, "auth.json")
        pod.run("login", "-u", "user", "-p", "secret", "--authfile", file, running.domain)
        assert pod.run("search", "--authfile", file, "--tls-verify=false", f"{running.domain}/app").out
        refused = pod.run("search", "--tls-verify", "--cert-dir", pod.home, f"{running.domain}/app", check=False)
        assert "HTTP response to HTTPS client" in refused.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--filter", "is-official", "--list-tags", "a.b/c"], "filters are not applicable to list tags result"),
        (["--filter", "foo=1", "a"], 'invalid filter type "foo=1"'),
        (["--filter", "stars", "a"], 'invalid filter ["stars"], should be stars=<value>'),
        (
            ["--filter", "stars=x", "a"],
            'incorrect value type for stars filter: strconv.Atoi: parsing "x": invalid syntax',
        ),
        (
            ["--limit", "x", "a"],
            'invalid argument "x" for "--limit" flag: strconv.ParseInt: parsing "x": invalid syntax',
        ),
        (["--authfile", "/nowhere", "a"], "stat /nowhere: no such file or directory"),
        (["--list-tags", "127.0.0.1:1/A"], 'reference "127.0.0.1:1/A" must be a docker reference'),
        ([], "accepts 1 arg(s), received 0"),
    ],
)
def test_what_cannot_be_searched(pod: Pod, words: list[str], message: str) -> None:
    refused = pod.run("search", *words, check=False)
    assert refused.code == 125
    assert refused.stderr.splitlines()[0] == f"Error: {message}"
