"""The schema, macros and views of a file, brought up to date when it is opened."""

from __future__ import annotations

import hashlib

import duckdb

from masksdb.errors import SchemaVersionError
from masksdb.store.findings import finding_views
from masksdb.store.sql import in_transaction, names, statement

_FINDINGS = "check/views"
"""The name under which the table migrations records the views of the findings."""


_ONLY_WRITTEN = {"schema/005_failed_at", "schema/006_alterations"}
"""Schema files of which only what writes makes use: a file without them can be opened read-only."""


def migrate(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    """Bring the schema, macros and views of a file up to date.

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
        is_changed = _put_views(connection, "views", _persisted(), applied, is_new=bool(missing))
        if is_changed and any(name.startswith(f"{_FINDINGS}/") for name in applied):
            _put_views(connection, _FINDINGS, finding_views(), applied, is_new=True)


def put_finding_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the views of the findings, inside a transaction, unless the file has them as they are now.

    They take longer to create than all others together, and have no use before a check.
    """
    _put_views(connection, _FINDINGS, finding_views(), _applied(connection))


def temporary_objects(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Statements that give one connection the macros and missing views of now, for a read-only file without them."""
    if is_current(connection):
        return []
    known = {name for (name,) in connection.execute("SELECT view_name FROM duckdb_views()").fetchall()}
    newer = [name for name in names("views") if name.rpartition("/")[2] not in known]
    made = [*names("macros"), *newer]
    return [statement(name).replace("CREATE OR REPLACE", "CREATE OR REPLACE TEMP") for name in made]


def is_current(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the views and macros of a file are recorded as those of this masksdb."""
    return _record("views", _persisted()) in _applied(connection)


def _persisted() -> list[str]:
    """The statements of the macros and views that every file has, each after those that it calls."""
    return [statement(name) for folder in ("macros", "macros/tables", "views") for name in names(folder)]


def _record(kind: str, statements: list[str]) -> str:
    """The row of the table migrations for a file with the views and macros of these statements."""
    return f"{kind}/{hashlib.md5(''.join(statements).encode(), usedforsecurity=False).hexdigest()}"


def _put_views(
    connection: duckdb.DuckDBPyConnection, kind: str, statements: list[str], applied: set[str], *, is_new: bool = False
) -> bool:
    """Create views and macros where others are recorded or the tables that they read are new; whether it did."""
    record = _record(kind, statements)
    if not is_new and record in applied:
        return False
    for text in statements:
        connection.execute(text)
    connection.execute("DELETE FROM migrations WHERE starts_with(name, ?)", [f"{kind}/"])
    connection.execute("INSERT INTO migrations (name) VALUES (?)", [record])
    return True


def check_schema(connection: duckdb.DuckDBPyConnection, path: str, read_only: bool) -> None:
    """Refuse a file that cannot be used as it is.

    Raises:
        SchemaVersionError: it has no tables of masksdb, those of a newer one, or to read only those of an older one.
    """
    applied = _applied(connection)
    if not applied:
        raise SchemaVersionError(f"{path}: a DuckDB file without masksdb's tables; 'masksdb ingest' adds them")
    _refuse_newer(applied, path)
    if read_only and not applied.issuperset(set(names("schema")) - _ONLY_WRITTEN):
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
