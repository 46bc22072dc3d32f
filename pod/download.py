"""Files from the web, for builds, imports and units: read as they come, checked against what was promised.

Source: the Dockerfile reference, ADD, --checksum.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pod.errors import PodError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

_CHUNK = 1 << 20
_TIMEOUT = (30, 60)
_CHECKSUM = re.compile(r"(sha256|sha384|sha512):([0-9a-f]+)")


def is_url(text: str) -> bool:
    """Tell whether a word is the address of something in the web."""
    return text.startswith(("http://", "https://"))


def chunks(url: str) -> Iterator[bytes]:
    """Yield what an address gives; the connection is made with the first. Raises PodError for what cannot be had."""
    import requests

    try:
        with _answer(url) as answer:
            yield from answer.iter_content(_CHUNK)
    except requests.RequestException as error:
        raise PodError(f"downloading {url}: {_cause(error)}") from error


def download(url: str, directory: int, checksum: str = "") -> str:
    """Put what an address gives into a directory, mode 0600, with the time that the server says it is from; its name.

    Raises PodError for what cannot be had, or is not what the checksum promises; then nothing is left.
    """
    import requests

    name = name_of(url)
    expected = _expected(checksum)
    total = hashlib.new(checksum.partition(":")[0] or "sha256")
    writer = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory)
    try:
        with open(writer, "wb") as file, _answer(url) as answer:
            for chunk in answer.iter_content(_CHUNK):
                total.update(chunk)
                file.write(chunk)
            file.flush()
            _set_time(writer, answer)
        if expected and total.hexdigest() != expected:
            found = f"{total.name}:{total.hexdigest()}"
            raise PodError(
                f"unexpected response digest for {url}: expected {checksum}, got {found}",
                hint="the file has changed, or the checksum is of another",
            )
        return name
    except requests.RequestException as error:
        os.unlink(name, dir_fd=directory)
        raise PodError(f"downloading {url}: {_cause(error)}") from error
    except BaseException:
        os.unlink(name, dir_fd=directory)
        raise


def name_of(url: str) -> str:
    """Return the name that a file has by its address. Raises PodError for one without."""
    name = posixpath.basename(unquote(urlsplit(url).path))
    if name in ("", ".", "..") or "\0" in name or "/" in name:
        raise PodError(f"cannot determine filename from url: {url}", hint="the address must end in the name of a file")
    return name


def _expected(checksum: str) -> str:
    if not checksum:
        return ""
    found = _CHECKSUM.fullmatch(checksum)
    if not found or len(found[2]) != hashlib.new(found[1]).digest_size * 2:
        raise PodError(
            f'invalid checksum "{checksum}": invalid checksum digest format',
            hint="write sha256: and 64 hexadecimal digits",
        )
    return found[2]


def _answer(url: str) -> requests.Response:
    import requests

    answer = requests.get(url, stream=True, timeout=_TIMEOUT, headers={"Accept-Encoding": "identity"})
    if answer.status_code != requests.codes.ok:
        answer.close()
        raise PodError(f"invalid response status {answer.status_code} {answer.reason} from {url}")
    return answer


def _set_time(file: int, answer: requests.Response) -> None:
    from email.utils import parsedate_to_datetime

    said = answer.headers.get("Last-Modified")
    if said:
        try:
            seconds = parsedate_to_datetime(said).timestamp()
        except (ValueError, OverflowError):
            return
        os.utime(file, (seconds, seconds))


def _cause(error: Exception) -> str:
    """Return what is behind an error of the library, whose own words are of its insides."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror.lower()
        reason = getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)
        following = inner.__cause__ or inner.__context__
        inner = reason if isinstance(reason, BaseException) else following
    return str(error)
