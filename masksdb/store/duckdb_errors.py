"""DuckDB's errors, translated into masksdb's."""

from __future__ import annotations

import errno
import os
import re
import shutil

import duckdb

from masksdb.errors import (
    DatabaseDamagedError,
    DatabaseLockedError,
    DiskFullError,
    MasksDBError,
    QueryError,
    SchemaVersionError,
)

_IS_FULL = re.compile(
    "No space left on device|File too large|[Dd]isk quota|max_temp_directory_size|Could not write all bytes"
)


def translate(error: duckdb.Error, path: str, raised: MasksDBError | None = None) -> MasksDBError:
    """The error of masksdb for one of DuckDB, in one sentence that starts with the place.

    Args:
        error: the error.
        path: the database.
        raised: the error that a SQL function over pixels raised last, of which DuckDB keeps only the text.
    """
    text = str(error)
    if raised is not None and str(raised) in text:
        return raised
    own = re.search(r"executing the UDF: (?:MaskDecode|Usage|UnsupportedFormat|MasksDB)Error: (.*)", text)
    if own:
        return MasksDBError(own[1])
    head = re.split(r"\n\s*\n|\nLINE |\nPossible solutions:", text)[0]
    sentence = re.sub(r"^[A-Z][\w ]*? Error: ", "", " ".join(head.split()))
    damaged = _damaged(text, sentence, path)
    if damaged is not None:
        return damaged
    if _IS_FULL.search(text):
        return _full(path, sentence)
    if "Could not set lock" in text:
        owner = re.search(r"PID (\d+)", text)
        who = f"process {owner[1]}" if owner else "another process"
        return DatabaseLockedError(
            f"{path}: open in {who}; close it there, or open it in both only to read (read_only=True)"
        )
    if "different configuration" in text:
        return DatabaseLockedError(f"{path}: open in this process ({os.getpid()}) with another configuration; close it")
    if "not a valid DuckDB database file" in text:
        return MasksDBError(f"{path}: not a DuckDB database file; give the path of one, or of a file to create")
    if "can only read version" in text:
        return SchemaVersionError(f"{path}: written by a newer DuckDB; upgrade with 'pip install --upgrade duckdb'")
    if "disabled by configuration" in text:
        return QueryError(f"{path}: opened without external access, so SQL uses no other file: {sentence}")
    if "is not an scalar function" in text:
        return MasksDBError(
            f"{path}: a macro of this file has the name of a function of masksdb: {sentence}; 'masksdb doctor {path}' "
            "lists the macros that masksdb did not make"
        )
    if "Connection already closed" in text:
        return MasksDBError(f"{path}: closed; connect to it again")
    if "read-only mode" in text:
        return QueryError(f"{path}: opened read-only; open it for writing ('masksdb sql --write') to change it")
    if re.search(r"Table with name version_(?:declared_values|findings|faults_\w+) does not exist", text):
        return QueryError(f"{path}: not checked yet; 'masksdb check' makes this view")
    if isinstance(error, (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)):
        line = re.search(r"\nLINE (\d+):", text)
        return QueryError(f"SQL, line {line[1] if line else 1}: {sentence}")
    if isinstance(error, (duckdb.IOException, duckdb.FatalException)):
        return MasksDBError(f"{path}: {sentence}")
    if isinstance(error, duckdb.OutOfMemoryException):
        return MasksDBError(f"{path}: not enough memory for this query; {sentence}")
    return QueryError(f"SQL: {sentence}")


def _damaged(text: str, sentence: str, path: str) -> DatabaseDamagedError | None:
    """The error of a file whose content does not match its checksums or is cut off."""
    log = re.search(r'replaying WAL file "(.*?)": (.*)', sentence)
    if log and "Corrupt database file" not in text:
        return DatabaseDamagedError(path, log[1], log[2])
    if re.search(r"Corrupt(?:ed)? database|[Cc]hecksum|Could not read enough bytes|reached the end of the file", text):
        return DatabaseDamagedError(path, path, log[2] if log else sentence)
    return None


def full_disk(error: OSError, path: str) -> DiskFullError | None:
    """The error of a disk that is full, or of a limit of the system; None for other errors."""
    is_full = error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
    return _full(path, f"{error.filename or path}: {error.strerror}") if is_full else None


def _full(path: str, reason: str) -> DiskFullError:
    try:
        free = shutil.disk_usage(os.path.dirname(os.path.realpath(path))).free
    except OSError:
        free = 0
    return DiskFullError(
        f"{path}: no room to write, on the disk ({free / 1e6:,.0f} MB are free) or under a limit of this process; "
        f"make room, and do it again: {reason}"
    )
