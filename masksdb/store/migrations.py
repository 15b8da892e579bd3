"""The schema of a file, brought forward on opening, and the views and macros in it."""

from __future__ import annotations

import hashlib

import duckdb

from masksdb.errors import SchemaVersionError
from masksdb.store.sql import in_transaction, names, statement


def migrate(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    """Bring the schema, macros and views of a file forward.

    Raises:
        SchemaVersionError: the file is from a newer masksdb.
    """
    applied = _applied(connection)
    _refuse_newer(applied, path)
    missing = [name for name in names("schema") if name not in applied]
    with in_transaction(connection):
        for name in missing:
            connection.execute(statement(name))
            connection.execute("INSERT INTO migrations (name) VALUES (?)", [name])
        put_views(connection, "macros", "views", is_new=bool(missing))


def put_views(connection: duckdb.DuckDBPyConnection, *folders: str, is_new: bool = False) -> None:
    """Make the views and macros of folders of ``sql/`` where they are not there as they are now.

    Args:
        connection: inside a transaction.
        folders: the folders; the last one's name stands for them.
        is_new: whether the tables that they read have changed.
    """
    files = [name for folder in folders for name in names(folder)]
    digest = hashlib.md5("".join(map(statement, files)).encode(), usedforsecurity=False).hexdigest()
    prefix = f"{folders[-1]}/"
    if not is_new and f"{prefix}{digest}" in _applied(connection):
        return
    for name in files:
        connection.execute(statement(name))
    connection.execute("DELETE FROM migrations WHERE starts_with(name, ?)", [prefix])
    connection.execute("INSERT INTO migrations (name) VALUES (?)", [f"{prefix}{digest}"])


def check_schema(connection: duckdb.DuckDBPyConnection, path: str, read_only: bool) -> None:
    """Refuse a file that cannot be used as it is.

    Raises:
        SchemaVersionError: it has no tables of masksdb, or those of another version.
    """
    applied = _applied(connection)
    if not applied:
        raise SchemaVersionError(f"{path}: a DuckDB file without masksdb's tables; 'masksdb ingest' adds them")
    _refuse_newer(applied, path)
    if read_only and not applied.issuperset(names("schema")):
        raise SchemaVersionError(f"{path}: made by an older masksdb; open it once for writing to migrate it")


def _applied(connection: duckdb.DuckDBPyConnection) -> set[str]:
    has_table = connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'migrations'").fetchone()
    if not has_table or not has_table[0]:
        return set()
    return {name for (name,) in connection.execute("SELECT name FROM migrations").fetchall()}


def _refuse_newer(applied: set[str], path: str) -> None:
    newer = sorted(name for name in applied if name.startswith("schema/") and name not in names("schema"))
    if newer:
        raise SchemaVersionError(
            f"{path}: made by a newer masksdb (it has {newer[-1]!r}); upgrade with 'pip install --upgrade masksdb'"
        )
