"""Query results as a table for people, or as JSON, CSV, Markdown, Parquet or Arrow for programs."""

from __future__ import annotations

import os
import shutil
import tempfile
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TextIO

from masksdb.types import RowFormat

if TYPE_CHECKING:
    import duckdb

CELL_WIDTH = 80
ROWS_PER_FETCH = 10_000

_NUMERIC = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "UBIGINT", "UINTEGER")


def write_rows(relation: duckdb.DuckDBPyRelation, format: RowFormat, out: str | TextIO) -> None:
    """Write a query result.

    Args:
        relation: the result.
        format: ``table`` (cells cut at 80 characters), ``markdown``, ``json`` (one array), ``jsonl``, ``csv``,
            ``parquet`` or ``arrow`` (an IPC stream).
        out: path of the file to write, or an open stream such as ``sys.stdout``.
    """
    if isinstance(out, str):
        _write_file(relation, format, out)
    elif format in ("csv", "parquet", "arrow"):
        # DuckDB and Arrow write files, so what goes to a stream takes a turn through one.
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "rows")
            _write_file(relation, format, path)
            out.flush()
            with open(path, "rb") as file:
                shutil.copyfileobj(file, out.buffer)
    else:
        _write_text(relation, format, out)


def _write_file(relation: duckdb.DuckDBPyRelation, format: RowFormat, path: str) -> None:
    if format == "csv":
        relation.write_csv(path)
    elif format == "parquet":
        relation.write_parquet(path)
    elif format == "arrow":
        import pyarrow as pa

        with relation.to_arrow_reader(ROWS_PER_FETCH) as reader, pa.ipc.new_stream(path, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
    else:
        with open(path, "w", encoding="utf-8") as file:
            _write_text(relation, format, file)


def _write_text(relation: duckdb.DuckDBPyRelation, format: RowFormat, file: TextIO) -> None:
    if format in ("json", "jsonl"):
        _write_json(relation, file, as_array=format == "json")
        return
    texts = _select(relation, "CAST(COLUMNS(*) AS VARCHAR)").fetchall()
    is_numeric = [str(kind).startswith(_NUMERIC) and "[" not in str(kind) for kind in relation.types]
    write_table(relation.columns, texts, is_numeric, file, markdown=format == "markdown")


def _select(relation: duckdb.DuckDBPyRelation, expression: str) -> duckdb.DuckDBPyRelation:
    selected = relation.query("result", f"SELECT {expression} FROM result")  # noqa: S608  # no input in it
    assert selected is not None
    return selected


def _write_json(relation: duckdb.DuckDBPyRelation, file: TextIO, *, as_array: bool) -> None:
    rows = _select(relation, "CAST(to_json(result) AS VARCHAR)")
    separator = "[" if as_array else ""
    for batch in rows.to_arrow_reader(ROWS_PER_FETCH):
        for text in batch.column(0).to_pylist():
            file.write(f"{separator}{text}")
            separator = ",\n" if as_array else "\n"
    file.write(("[]\n" if separator == "[" else "]\n") if as_array else separator)


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


def _cell(value: str | None, markdown: bool) -> str:
    text = "NULL" if value is None else " ".join(value.split("\n"))
    if markdown:
        return text.replace("|", "\\|")
    return text if len(text) <= CELL_WIDTH else text[: CELL_WIDTH - 1] + "…"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else not unicodedata.combining(char) for char in text)
