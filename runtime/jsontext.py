"""JSON on the C scanner and encoder of CPython alone: `import json` costs 8 ms, this costs 1.

Lone surrogates survive a round trip, so that file names that are not UTF-8 can be kept in documents.
"""

from __future__ import annotations

from _json import encode_basestring_ascii, make_encoder, make_scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WHITESPACE = " \t\n\r"


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


class _ScannerContext:
    """What `_json.make_scanner` reads its settings from."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_refuse_constant)
    memo: dict[str, str] = {}


def _refuse_value(value: object) -> object:
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


_scan = make_scanner(_ScannerContext())  # type: ignore[arg-type]
_encode = make_encoder(None, _refuse_value, encode_basestring_ascii, None, ":", ",", False, False, False)


def loads(text: str | bytes) -> Any:
    """Parse one JSON document; raise ValueError if it is none."""
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    text = text.strip(_WHITESPACE)
    try:
        value, end = _scan(text, 0)
    except StopIteration as error:
        raise ValueError(f"no JSON value at character {error.value}") from None
    except SystemError:
        # The C scanner finds its exception class in `json.decoder`, and just returns NULL when that is not loaded.
        import json

        json.loads(text)
        raise ValueError("malformed JSON") from None
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None
    if end != len(text):
        raise ValueError(f"unexpected text after the JSON value at character {end}")
    return value


def dumps(value: object) -> str:
    """Write `value` as compact ASCII JSON."""
    return "".join(_encode(value, 0))
