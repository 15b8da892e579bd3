"""Query results as a table for people, or as JSON, CSV, Markdown, Parquet or Arrow for programs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, TextIO

from masksdb.store.files import replacing

if TYPE_CHECKING:
    import duckdb

RowFormat = Literal["table", "json", "jsonl", "csv", "markdown", "parquet", "arrow"]
"""How query results are written."""

CELL_WIDTH = 80

ROWS_PER_FETCH = 10_000

_NUMERIC = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "UBIGINT", "UINTEGER")


@contextlib.contextmanager
def output_to(path: str | None) -> Iterator[TextIO]:
    """Standard output where the path is None or ``-``, else a file that is there once all is written."""
    if path is None or path == "-":
        yield sys.stdout
    else:
        with replacing(path) as partial, open(partial, "w", encoding="utf-8") as file:
            yield file


def write_rows(relation: duckdb.DuckDBPyRelation, format: RowFormat, out: TextIO) -> None:
    """Write a query result.

    Args:
        relation: the result.
        format: ``table`` (cells cut at 80 characters), ``markdown``, ``json`` (one array), ``jsonl``, ``csv``,
            ``parquet`` or ``arrow`` (an IPC stream).
        out: an open stream such as ``sys.stdout``; of a text file, where bytes are written.
    """
    if format not in ("csv", "parquet", "arrow"):
        _write_text(relation, format, out)
        return
    # DuckDB and Arrow write files, so what goes to a stream takes a turn through one.
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "rows")
        _write_file(relation, format, path)
        out.flush()
        with open(path, "rb") as file:
            shutil.copyfileobj(file, out.buffer)


def _write_file(relation: duckdb.DuckDBPyRelation, format: RowFormat, path: str) -> None:
    if format == "csv":
        relation.write_csv(path)
    elif format == "parquet":
        relation.write_parquet(path)
    else:
        import pyarrow as pa

        with relation.to_arrow_reader(ROWS_PER_FETCH) as reader, pa.ipc.new_stream(path, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)


def _write_text(relation: duckdb.DuckDBPyRelation, format: RowFormat, file: TextIO) -> None:
    if format in ("json", "jsonl"):
        _write_json(relation, file, as_array=format == "json")
        return
    if relation.columns == ["explain_key", "explain_value"]:
        # A plan is a drawing, not a cell.
        file.writelines(f"{plan}\n" for _, plan in relation.fetchall())
        return
    texts = _select(relation, "SELECT CAST(COLUMNS(*) AS VARCHAR) FROM result").fetchall()
    is_numeric = [str(kind).startswith(_NUMERIC) and "[" not in str(kind) for kind in relation.types]
    write_table(relation.columns, texts, is_numeric, file, markdown=format == "markdown")


def _select(relation: duckdb.DuckDBPyRelation, query: str) -> duckdb.DuckDBPyRelation:
    selected = relation.query("result", query)
    assert selected is not None
    return selected


def _write_json(relation: duckdb.DuckDBPyRelation, file: TextIO, *, as_array: bool) -> None:
    rows = _select(relation, "SELECT CAST(to_json(result) AS VARCHAR) FROM result")
    separator = "[" if as_array else ""
    for batch in rows.to_arrow_reader(ROWS_PER_FETCH):
        for text in batch.column(0).to_pylist():
            file.write(f"{separator}{_finite(text)}")
            separator = ",\n" if as_array else "\n"
    file.write(("[]\n" if separator == "[" else "]\n") if as_array else separator)


def _finite(text: str) -> str:
    """A row's JSON with null for NaN and the infinities, which DuckDB writes and JSON does not have.

    >>> _finite('{"a":NaN,"b":"NaN","c":[-Infinity]}')
    '{"a": null, "b": "NaN", "c": [null]}'
    """
    if "NaN" not in text and "Infinity" not in text:
        return text
    return json.dumps(json.loads(text, parse_constant=lambda _: None), ensure_ascii=False)


def write_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str | None]],
    is_numeric: Sequence[bool],
    file: TextIO,
    *,
    markdown: bool = False,
) -> None:
    """Write rows of text as an aligned table, numbers to the right."""
    cells = [[_cell(value, markdown) for value in row] for row in rows]
    header = [_cell(name, markdown) for name in columns]
    widths = [max([_width(name), *(_width(row[at]) for row in cells)]) for at, name in enumerate(header)]
    if markdown:
        rule = [
            ("-" * max(2, width - 1) + ":" if number else "-" * max(3, width))
            for width, number in zip(widths, is_numeric, strict=True)
        ]
        widths = [max(width, len(line)) for width, line in zip(widths, rule, strict=True)]
    else:
        rule = ["-" * width for width in widths]
    for line in (header, rule, *cells):
        padded = [
            " " * (width - _width(cell)) + cell if number else cell + " " * (width - _width(cell))
            for cell, width, number in zip(line, widths, is_numeric, strict=True)
        ]
        file.write(f"| {' | '.join(padded)} |\n" if markdown else "  ".join(padded).rstrip() + "\n")


def printable(text: str) -> str:
    r"""A text for a terminal, in which characters that could steer it are escaped.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _cell(value: str | None, markdown: bool) -> str:
    text = printable("NULL" if value is None else " ".join(value.split("\n")))
    if markdown:
        return text.replace("|", "\\|")
    return text if len(text) <= CELL_WIDTH else text[: CELL_WIDTH - 1] + "…"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else not unicodedata.combining(char) for char in text)
