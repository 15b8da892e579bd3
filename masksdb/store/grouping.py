"""Groups of frames by an expression that a person writes, such as ``meta.city``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import duckdb

from masksdb.errors import QueryError, UsageError
from masksdb.store.script import without_end
from masksdb.store.sql import filled

if TYPE_CHECKING:
    import pyarrow as pa

_META = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\b(?:frame_)?meta((?:\.\w+)+)""")


def expand_meta(expression: str) -> str:
    """An expression in SQL with ``meta.key`` and ``frame_meta.key`` replaced by SQL for the text of that key.

    >>> expand_meta("upper(frame_meta.city) || ' frame_meta.city' || context_id")
    "upper((frame_meta->>'$.city')) || ' frame_meta.city' || context_id"
    """

    def expanded(match: re.Match[str]) -> str:
        return f"(frame_meta->>'${match[1]}')" if match[1] else match[0]

    return _META.sub(expanded, expression)


def group_frames(
    cursor: duckdb.DuckDBPyConnection, expression: str | None, version_id: int, option: str = "by"
) -> pa.Table:
    """The rows of ``sql/store/frame_groups.sql``: the frames of a version, and their groups.

    Args:
        cursor: where the query runs.
        expression: SQL over a frame, by the person whose database this is; with None each frame is a group.
        version_id: the version.
        option: what errors call the expression.

    Raises:
        UsageError: it is not one expression.
        QueryError: DuckDB refuses it.
    """
    query = filled("store/frame_groups", expression="NULL" if expression is None else expand_meta(expression))
    try:
        if len(cursor.extract_statements(query)) != 1:
            raise UsageError(f"{option} {expression!r}: expected one expression over a frame")
        return cursor.sql(without_end(query), params={"version_id": version_id}).to_arrow_table()
    except duckdb.Error as error:
        reason = re.split(r"\n\s*\n|\nLINE |\n", str(error))[0]
        raise QueryError(f"{option} {expression!r}: {reason}") from None


def frames_where(cursor: duckdb.DuckDBPyConnection, condition: str, version_id: int) -> frozenset[int]:
    """The keys of the frames of a version that meet a condition; those for which it is NULL do not.

    Args:
        cursor: where the query runs.
        condition: SQL over a frame, by the person whose database this is, such as ``meta.city = 'ulm'``.
        version_id: the version.

    Raises:
        UsageError: it is not one condition.
        QueryError: DuckDB refuses it.
    """
    groups = group_frames(cursor, condition, version_id, "where")
    answers = groups["group_name"].to_pylist()
    other = next((answer for answer in answers if answer not in ("true", "false", None)), None)
    if other is not None:
        raise UsageError(f"where {condition!r}: found {other!r} for a frame, expected true or false")
    keys = groups["frame_key"].to_pylist()
    return frozenset(key for key, answer in zip(keys, answers, strict=True) if answer == "true")
