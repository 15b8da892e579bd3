"""A consistent copy of a database, taken while it is in use."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator

import duckdb

from masksdb.errors import DatabaseLockedError, MasksDBError
from masksdb.store.duckdb_errors import translate
from masksdb.store.engine import find_file
from masksdb.store.files import replacing
from masksdb.store.sql import identifier, in_transaction, literal


@contextlib.contextmanager
def new_database(out: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[str]:
    """The path of a new database, which is at ``out`` when the block ends, without an old log beside it.

    Raises:
        MasksDBError: there is a file and not ``overwrite``, or it cannot be written.
        DatabaseLockedError: a process has the old database open for writing.
    """
    target = os.path.realpath(out)
    log = f"{target}.wal"
    if not overwrite and (os.path.exists(target) or os.path.exists(log)):
        raise MasksDBError(f"{os.fspath(out)}: exists, or its log {log}; name a new file, or overwrite it")
    if os.path.isfile(target):
        try:
            duckdb.connect(target, read_only=True).close()
        except duckdb.Error as error:
            if isinstance(translated := translate(error, target), DatabaseLockedError):
                raise translated from error
    with replacing(os.fspath(out), databases=overwrite) as partial:
        try:
            yield partial
        finally:
            with contextlib.suppress(OSError):
                os.remove(f"{partial}.wal")
        # DuckDB would add the changes in the log of the old file to the new one.
        with contextlib.suppress(FileNotFoundError):
            os.remove(log)


def backup(connection: duckdb.DuckDBPyConnection, out: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a copy of the database of a connection, as it is for that connection now.

    Args:
        connection: others may read and write at the same time.
        out: the new file.
        overwrite: replace a file that is there.

    Raises:
        MasksDBError: there is a file and not ``overwrite``, or it cannot be written.
    """
    (source, path) = connection.execute(
        "SELECT database_name, path FROM duckdb_databases() WHERE database_name = current_database()"
    ).fetchone() or ("", None)
    if path is not None and os.path.realpath(path) == os.path.realpath(out):
        raise MasksDBError(f"{os.fspath(out)}: the database itself; name another file for its copy")
    name = f"backup_{secrets.token_hex(4)}"
    with new_database(out, overwrite=overwrite) as partial:
        connection.execute(f"ATTACH {literal(partial)} AS {name} (READ_WRITE, STORAGE_VERSION 'v1.4.0')")
        try:
            with in_transaction(connection):
                connection.execute(f"COPY FROM DATABASE {identifier(source)} TO {name}")
        finally:
            connection.execute(f"DETACH {name}")


def backup_file(path: str | os.PathLike[str], out: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a copy of a database file, which other processes may have open to read; any schema will do.

    Raises:
        NotFoundError: there is no such file.
        DatabaseLockedError: a process has it open for writing; ask that one, with :meth:`masksdb.Database.backup`.
        DatabaseDamagedError: a block of it cannot be read.
        MasksDBError: there is a file and not ``overwrite``, or it cannot be written.
    """
    real = find_file(path)
    try:
        with contextlib.closing(duckdb.connect(real, read_only=True)) as connection:
            connection.execute("SET enable_progress_bar = false")
            backup(connection, out, overwrite=overwrite)
    except duckdb.Error as error:
        raise translate(error, real) from error
