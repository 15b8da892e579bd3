"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator

from masksdb.errors import MasksDBError

_DUCKDB_MAGIC = b"DUCK"


@contextlib.contextmanager
def replacing(path: str, *, databases: bool = False) -> Iterator[str]:
    """The path of a new file, which replaces ``path`` when the block ends; on an error ``path`` stays as it was.

    A link is followed, and the file keeps its mode. A pipe or a device is written to directly.

    Raises:
        MasksDBError: the file cannot be written, or is a DuckDB database and not ``databases``: only a copy of a
            database should take the place of one.
    """
    target = os.path.realpath(path)
    try:
        if os.path.isdir(target):
            raise MasksDBError(f"{path}: a folder, where a file to write was expected")
        if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):
            yield path
            return
        if not databases and is_database(target):
            raise MasksDBError(f"{path}: a DuckDB database; write to another file")
        partial = f"{target}.{secrets.token_hex(4)}.partial"
        try:
            yield partial
            if os.path.exists(target):
                shutil.copymode(target, partial)
            os.replace(partial, target)
        finally:
            with contextlib.suppress(OSError):
                os.remove(partial)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise MasksDBError(f"{path}: cannot be written: {error.strerror or error}") from None


def is_database(path: str) -> bool:
    """Whether a file is a DuckDB database."""
    try:
        with open(path, "rb") as file:
            return file.read(12)[8:] == _DUCKDB_MAGIC
    except OSError:
        return False
