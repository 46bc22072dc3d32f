"""OpenPGP by the system's `gpg`, in a home directory of its own that has only the keys which are trusted here.

Nothing of the user's keyring, of its trust or of any agent, key server or configuration file counts. What gpg says is
read from its status lines alone (doc/DETAILS of GnuPG), which go where no text of a message can.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.trust.errors import PolicyError, RejectedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_SIGNED = 4 << 20
_TIMEOUT_SECONDS = 60
_OPTIONS = (
    "--no-options",
    "--batch",
    "--no-tty",
    "--quiet",
    "--no-autostart",
    "--disable-dirmngr",
    "--no-auto-key-locate",
    "--no-auto-key-retrieve",
    "--no-auto-check-trustdb",
    "--trust-model=always",
    "--status-fd=1",
)
# Any of these means that the signature does not count, whatever else is said.
_BAD = frozenset(
    ["BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "NODATA", "BADARMOR", "UNEXPECTED", "FAILURE", "ERROR"]
)
_BINARY_DOCUMENT = "00"


@dataclass(frozen=True)
class Keyring:
    """A private home directory of gpg with the trusted keys; `fingerprints` are those of their primary keys.

    gpg is looked for in `search_path`, which is written as PATH.
    """

    home: str
    search_path: str
    fingerprints: frozenset[str]

    def verified(self, signed_message: bytes) -> bytes:
        """Give what a message says if exactly one signature by a trusted key is on it. Raises RejectedError."""
        # Armoured, clear-signed and empty texts are none of what may be a signature (RFC 4880, 4.2).
        if not signed_message or not signed_message[0] & 0x80:
            raise RejectedError("unrecognized signature format")
        output = os.path.join(self.home, "payload")
        arguments = (f"--max-output={MAX_SIGNED}", "--output", output, "--verify")
        try:
            result = _run(self.home, self.search_path, arguments, signed_message)
            _check(_statuses(result.stdout), result.returncode, self.fingerprints)
            with open(output, "rb") as file:
                return file.read(MAX_SIGNED + 1)
        except FileNotFoundError:
            raise RejectedError("Invalid GPG signature: nothing is signed") from None
        finally:
            if os.path.lexists(output):
                os.unlink(output)


@contextmanager
def keyring(keys: Sequence[bytes], search_path: str) -> Iterator[Keyring]:
    """Make a keyring of these files of public keys, which is gone at the end, for the gpg of a search path.

    Raises RejectedError if there is no key in them, PolicyError without a gpg that works.
    """
    with tempfile.TemporaryDirectory(prefix="pod-trust-", ignore_cleanup_errors=True) as home:
        imported: set[str] = set()
        for one in keys:
            result = _run(home, search_path, ("--import",), one)
            imported.update(words[2] for words in _statuses(result.stdout) if words[0] == "IMPORT_OK")
        if not imported:
            raise RejectedError("No public keys imported")
        yield Keyring(home, search_path, frozenset(imported))


def owners(keys: bytes, search_path: str) -> list[str]:
    """List the addresses (or names) of the owners of keys; none for what are no keys, or without gpg."""
    try:
        with tempfile.TemporaryDirectory(prefix="pod-trust-", ignore_cleanup_errors=True) as home:
            result = _run(home, search_path, ("--with-colons", "--show-keys"), keys, status=False)
    except PolicyError:
        return []
    found = []
    for line in result.stdout.decode("utf-8", "replace").splitlines():
        fields = line.split(":")
        if fields[0] == "uid" and len(fields) > 9:
            name = fields[9]
            found.append(name.partition("<")[2].partition(">")[0] or name)
    return ["".join(letter for letter in one if letter.isprintable()) for one in found]


def _run(
    home: str, search_path: str, arguments: Sequence[str], data: bytes, *, status: bool = True
) -> subprocess.CompletedProcess[bytes]:
    options = _OPTIONS if status else _OPTIONS[:-1]
    environment = {"PATH": search_path, "LC_ALL": "C"}
    try:
        return subprocess.run(
            ["gpg", *options, "--homedir", home, *arguments],
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd="/",
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise PolicyError(
            "signatures cannot be checked: there is no gpg", hint="install GnuPG (the package gnupg)"
        ) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PolicyError(f"signatures cannot be checked: gpg: {error}") from None


def _statuses(output: bytes) -> list[list[str]]:
    """Read status lines, each with its keyword first."""
    lines = output.decode("utf-8", "replace").split("\n")
    return [words for line in lines if line.startswith("[GNUPG:] ") and (words := line[9:].split(" "))]


def _check(statuses: list[list[str]], code: int, trusted: frozenset[str]) -> None:
    said = [words[0] for words in statuses]
    if "NO_PUBKEY" in said:
        key = next((words[1] for words in statuses if words[0] == "NO_PUBKEY" and len(words) > 1), "")
        raise RejectedError(f"Signature by key {key} is not accepted")
    for word, text in _REASONS.items():
        if word in said:
            raise RejectedError(f"Invalid GPG signature: {text}")
    # One signature over one text: anything else could be read in two ways.
    counts = [said.count(word) for word in ("NEWSIG", "GOODSIG", "VALIDSIG", "PLAINTEXT")]
    if code != 0 or counts != [1, 1, 1, 1] or _BAD.intersection(said):
        raise RejectedError("Invalid GPG signature")
    valid = next(words for words in statuses if words[0] == "VALIDSIG")
    # VALIDSIG fingerprint date time expires version reserved algorithm hash class primary-fingerprint
    if len(valid) != 11 or valid[9] != _BINARY_DOCUMENT:
        raise RejectedError("Invalid GPG signature: not one on a document")
    if valid[10] not in trusted:
        raise RejectedError(f"Signature by key {valid[1]} is not accepted")


_REASONS = {
    "EXPKEYSIG": "the key has expired",
    "EXPSIG": "the signature has expired",
    "REVKEYSIG": "the key was revoked",
    "BADSIG": "it does not match what is signed",
    "NODATA": "no OpenPGP data",
}
