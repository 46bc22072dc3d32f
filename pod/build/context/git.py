"""Contexts and sources of ADD from git repositories, fetched by the system's git with nothing but fetching allowed.

A repository runs nothing here: no hooks, no templates of the user's, no transports but the network's, no file system
monitor; names and references are never options. Of the environment git sees what it needs to reach a server as the
user does, for it is the user who may have access. Source: the Dockerfile reference, ADD; docker's "Build context".
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from pod.build.context import resolution
from pod.errors import PodError
from storage.syscalls import set_parent_death_signal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SCP = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9._-]+:[^#]+")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
# What the keys of a query say, and how that begins; a branch is no tag of the same name.
_QUERIES = {
    "ref": ("reference", ""),
    "branch": ("reference", "refs/heads/"),
    "tag": ("reference", "refs/tags/"),
    "subdir": ("directory", ""),
    "checksum": ("checksum", ""),
    "commit": ("checksum", ""),
}
_OTHER_QUERIES = ("keep-git-dir", "submodules")  # of BuildKit's, which are not known here
# Of the user's environment; the rest may point git elsewhere, or have it run something.
_KEPT = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "XDG_CONFIG_HOME", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
)
_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.symlinks": "true",
    "protocol.allow": "never",
    "protocol.https.allow": "always",
    "protocol.http.allow": "always",
    "protocol.ssh.allow": "always",
    "protocol.git.allow": "always",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "transfer.bundleURI": "false",
    "advice.detachedHead": "false",
    "init.defaultRefFormat": "files",  # HEAD is read here
    # Less than this many bytes a second, for so many seconds, is a server that has fallen silent.
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "60",
    "maintenance.auto": "false",
    "gc.auto": "0",
}
_ALLOWED = "https:http:ssh:git"


@dataclass(frozen=True)
class Repository:
    """A repository by its address, what of it is wanted, and the directory in it.

    `checksum` is what the name of the commit that this is must begin with, if that is said.
    """

    url: str
    reference: str = ""
    directory: str = ""
    checksum: str = ""


def parse(text: str) -> Repository | None:
    """Return the repository that a word names; None if it names none.

    That is `ADDRESS[?KEY=VALUE&...][#REFERENCE[:DIRECTORY]]`, as podman and BuildKit have it; a query that has none of
    BuildKit's keys is the server's. Raises PodError for what cannot be one, and for what contradicts itself.
    """
    address, _, fragment = text.partition("#")
    if address.startswith("github.com/"):
        address = f"https://{address}"
    elif address.startswith(("http://", "https://")):
        path = address.partition("?")[0].partition("://")[2].partition("/")[2]
        if not path.rstrip("/").endswith(".git"):
            return None
    elif not address.startswith(("git://", "ssh://")) and not _SCP.fullmatch(address):
        return None
    reference, _, directory = fragment.partition(":")
    plain, _, query = address.partition("?")
    said = parse_qsl(query, keep_blank_values=True)
    if not any(key in _QUERIES or key in _OTHER_QUERIES for key, _ in said):
        return Repository(address, _checked(reference, text), directory)
    return _queried(Repository(plain, reference, directory), said, text)


def _checked(reference: str, text: str) -> str:
    if reference.startswith("-") or any(letter.isspace() or letter in "\0~^:?*[\\" for letter in reference):
        raise PodError(f'invalid git reference "{reference}" in {text}', hint="write #BRANCH, #TAG or #COMMIT")
    return reference


def _queried(repository: Repository, said: Sequence[tuple[str, str]], text: str) -> Repository:
    """Return a repository with what the query of its address says of it."""
    fields = {"reference": repository.reference, "directory": repository.directory, "checksum": ""}
    for key, value in said:
        if key not in _QUERIES:
            raise PodError(f'unexpected "{key}" in the query of {text}', hint=f"known are {', '.join(_QUERIES)}")
        if not value:
            raise PodError(f'"{key}" has no value in the query of {text}')
        field, begin = _QUERIES[key]
        found = begin + value.removeprefix(begin)
        if fields[field] not in ("", found):
            raise PodError(f'{text} names two: {field} "{fields[field]}" and "{found}"', hint="name one of them")
        fields[field] = found
    checked = Repository(repository.url, _checked(fields["reference"], text), fields["directory"])
    return promised(checked, fields["checksum"]) if fields["checksum"] else checked


def promised(repository: Repository, checksum: str) -> Repository:
    """Return a repository that must be the commit whose name begins so: that commit, if no other reference is named.

    Raises PodError for what is no such name, or not that which the address has.
    """
    if not _COMMIT.fullmatch(checksum):
        raise PodError(
            f'invalid checksum "{checksum}" for {repository.url}', hint="write seven digits of the commit or more"
        )
    if repository.checksum not in ("", checksum):
        raise PodError(f"{repository.url}: it cannot be both {repository.checksum} and {checksum}")
    return replace(repository, checksum=checksum, reference=repository.reference or checksum)


def fetch(repository: Repository, place: str, environment: Mapping[str, str], *, keep_git_dir: bool = False) -> None:
    """Check out what is wanted in a new directory `place`.

    Raises PodError for what cannot be had, with git's own words.
    """
    git = _Git(place, environment)
    os.mkdir(place, 0o755)
    git.run("init", "--quiet", "--template=", "--initial-branch=pod")
    git.fetch(repository)
    if os.path.lexists(f"{place}/.gitmodules"):
        git.run("submodule", "--quiet", "update", "--init", "--recursive", "--depth=1")
    if not keep_git_dir:
        _remove_git(place)


def inside(place: str, repository: Repository) -> int:
    """Open the directory of a checkout that is wanted. Raises PodError if there is none.

    No link of the repository leads out of it (CVE-2024-9407 and its kind).
    """
    root = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = resolution.find(root, repository.directory)
        if not stat.S_ISDIR(found.status.st_mode):
            raise NotADirectoryError
        return resolution.open_directory(root, found.path)
    except OSError as error:
        raise PodError(f"{repository.url}: it has no directory {repository.directory}") from error
    finally:
        os.close(root)


def _remove_git(place: str) -> None:
    """Remove git's own files, of submodules too."""
    for directory, directories, files in os.walk(place):
        if ".git" in directories:
            shutil.rmtree(f"{directory}/.git")
            directories.remove(".git")
        elif ".git" in files:
            os.unlink(f"{directory}/.git")


class _Git:
    """Calls of git on one directory."""

    def __init__(self, place: str, environment: Mapping[str, str]) -> None:
        self._place = place
        self._environment = {name: environment[name] for name in _KEPT if name in environment}
        self._environment |= {
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": _ALLOWED,
            "GIT_TEMPLATE_DIR": "",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=30 -oServerAliveInterval=20",
            "LC_ALL": "C.UTF-8",
        }

    def run(self, *arguments: str) -> None:
        """Run one command. Raises PodError with the last thing it said."""
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        try:
            done = subprocess.run(
                ["git", "-C", self._place, *settings, *arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                check=False,
                preexec_fn=lambda: set_parent_death_signal(signal.SIGKILL),
            )
        except FileNotFoundError:
            raise PodError("git is not installed", hint="as root: apt install git") from None
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            told = next((line for line in said if line.startswith(("fatal: ", "error: "))), said[-1] if said else "")
            raise PodError(f"git {arguments[0]}: {told or f'exit status {done.returncode}'}")

    def fetch(self, repository: Repository) -> None:
        """Fetch and check out what is wanted: no history, where the server allows that."""
        wanted = repository.reference or "HEAD"
        try:
            self._fetch(repository.url, wanted, "--depth=1")
            commit = "FETCH_HEAD"
        except PodError:
            # Servers that only hand out files have no shallow copies, others no single commits.
            is_commit = _COMMIT.fullmatch(wanted) is not None
            self._fetch(repository.url, "+refs/heads/*:refs/remotes/origin/*" if is_commit else wanted)
            commit = wanted if is_commit else "FETCH_HEAD"
        self.run("checkout", "--quiet", "--detach", "--force", f"{commit}^{{commit}}", "--")
        if repository.checksum:
            self._verify(repository, ("HEAD",) if commit == wanted else ("HEAD", commit))

    def _verify(self, repository: Repository, files: Sequence[str]) -> None:
        """Refuse another commit than the one that is promised; a tag that was fetched has a name of its own, too."""
        names = [self._first_word(name) for name in files]
        if not any(name.startswith(repository.checksum) for name in names):
            raise PodError(
                f"{repository.url}: {repository.reference} is the commit {names[0]}, not {repository.checksum}",
                hint="it has changed, or the checksum is of another",
            )

    def _first_word(self, name: str) -> str:
        with open(f"{self._place}/.git/{name}", encoding="utf-8", errors="replace") as file:
            return file.read().partition("\n")[0].split()[0]

    def _fetch(self, url: str, wanted: str, *more: str) -> None:
        options = ("--quiet", "--no-recurse-submodules", "--no-write-commit-graph", *more)
        self.run("fetch", *options, "--end-of-options", url, wanted)
