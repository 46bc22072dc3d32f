"""The C module behind `sqlite3`, imported without what it would drag along.

At its import `_sqlite3` asks for `functools.lru_cache`, to keep compiled statements, and with functools come
collections and types: 3 ms that every command would pay. The cache itself is C and needs none of them, so for the
moment of the import a namespace with that one function stands in for functools, unless the real one is loaded already.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3 as _sqlite3
    from collections.abc import Callable
    from typing import Any
else:
    if "functools" in sys.modules:
        import _sqlite3
    else:
        from _functools import _lru_cache_wrapper

        class _Functools:
            @staticmethod
            def lru_cache(maxsize: int = 128, typed: bool = False) -> Callable[[Callable[..., Any]], Any]:
                """Return what functools.lru_cache does, but for the names of cache_info()."""
                return lambda function: _lru_cache_wrapper(function, maxsize, typed, tuple)

        sys.modules["functools"] = _Functools
        try:
            import _sqlite3
        finally:
            del sys.modules["functools"]

connect = _sqlite3.connect
Error = _sqlite3.Error
IntegrityError = _sqlite3.IntegrityError
OperationalError = _sqlite3.OperationalError
BUSY, LOCKED, IOERR = _sqlite3.SQLITE_BUSY, _sqlite3.SQLITE_LOCKED, _sqlite3.SQLITE_IOERR
