"""SQL: the texts of the files in sql/, statements put together from them, values bound, transactions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

_PACKAGE = Path(__file__).parent.parent
_ROOT = _PACKAGE / "sql" if (_PACKAGE / "sql").is_dir() else _PACKAGE.parent / "sql"
"""Beside the package in a checkout, inside it in a wheel."""


@contextlib.contextmanager
def in_transaction(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """A transaction around a block: committed at its end, rolled back on an error."""
    cursor.execute("BEGIN")
    try:
        yield
    except BaseException:
        # After a failed write DuckDB has already rolled back, and refuses to do it again.
        with contextlib.suppress(duckdb.Error):
            cursor.execute("ROLLBACK")
        raise
    cursor.execute("COMMIT")


class Values:
    """The values of a statement, each bound under a name of its own.

    >>> values = Values()
    >>> values.bind("car"), values.bind(3), values.bound
    ('$v0', '$v1', {'v0': 'car', 'v1': 3})
    """

    def __init__(self) -> None:
        self.bound: dict[str, Any] = {}

    def bind(self, value: Any) -> str:
        """Add a value; its name as SQL text."""
        name = f"v{len(self.bound)}"
        self.bound[name] = value
        return f"${name}"


def identifier(name: str) -> str:
    """A name as SQL text.

    >>> identifier('a "b" c')
    '"a ""b"" c"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL text, where DuckDB binds no values.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


@cache
def statement(name: str) -> str:
    """The SQL text of ``sql/<name>.sql``.

    >>> statement("views/mask_rois").splitlines()[0][:34]
    '-- One row per ROI x source x mask'
    """
    return (_ROOT / f"{name}.sql").read_text(encoding="utf-8")


def filled(name: str, **parts: str) -> str:
    """The SQL text of ``sql/<name>.sql`` with each ``{part}`` in it replaced by other SQL; comments must have none."""
    text = statement(name)
    for part, sql in parts.items():
        text = text.replace(f"{{{part}}}", sql)
    return text


def frames_where(table: str, condition: str) -> str:
    """The SELECT of the frame keys of the rows of a table that meet a condition, whose values are bound.

    >>> frames_where("rois", "confidence > $v0")
    'SELECT frame_key FROM rois WHERE confidence > $v0'
    """
    return f"SELECT frame_key FROM {table} WHERE {condition}"  # noqa: S608  # no input is in it


@cache
def names(folder: str) -> tuple[str, ...]:
    """The names of the files in ``sql/<folder>/``, in the order in which DuckDB exports and imports views.

    >>> names("store/temp")
    ('store/temp/json_columns', 'store/temp/json_objects')
    """
    stems = (path.stem for path in (_ROOT / folder).glob("*.sql"))
    return tuple(f"{folder}/{stem}" for stem in sorted(stems, key=lambda stem: stem.replace("_", "~")))


@dataclass
class Statement:
    """A statement that is being put together: its common table expressions, in order, and its values.

    Attributes:
        tables: SQL by name.
        values: the bound values.
    """

    tables: dict[str, str] = field(default_factory=dict)
    values: Values = field(default_factory=Values)

    def add(self, **files: str) -> None:
        """Add tables whose SQL is in ``sql/clearml/views/``."""
        for name, file in files.items():
            self.tables[name] = statement(f"clearml/views/{file}").rstrip()

    def text(self, end: str) -> str:
        """The statement that ends with the SQL of ``end``."""
        tables = ",\n".join(f"{name} AS (\n{indented(sql)}\n)" for name, sql in self.tables.items())
        return f"WITH {tables}\n{end.rstrip()}\n"


def indented(sql: str) -> str:
    """SQL text indented by four columns."""
    return "\n".join(f"    {line}" if line else "" for line in sql.splitlines())
