"""A new database file with all that can be read of a damaged one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

import duckdb

from masksdb.store.backup import new_database
from masksdb.store.engine import Engine
from masksdb.store.script import without_end
from masksdb.store.sql import filled, identifier, in_transaction, literal, statement

FRAMES_AT_ONCE = 20_000
"""Frames that one query hashes."""

EVERY_FRAME = {"first_frame_key": 0, "last_frame_key": 2**63 - 1}
"""The frames whose ROIs are resolved again."""

ROWS_AT_LEAST = 2048
"""Rows that are lost together where one of them cannot be read: DuckDB's vectors."""

EXAMPLES = 5
"""The most frames that a sentence names."""

_DERIVED = ("roi_masks", "version_lineage", "migrations")
"""Tables that are made again instead of copied."""

_SEQUENCES = {
    "dataset_ids": ("datasets", "dataset_id"),
    "version_ids": ("versions", "version_id"),
    "input_ids": ("inputs", "input_id"),
    "mask_pair_keys": ("mask_pairs", "mask_pair_key"),
    "dataview_ids": ("dataviews", "dataview_id"),
}
"""The column that each sequence counts."""


class AlteredFrame(NamedTuple):
    """A frame whose content is not that of its hash, with the hash of its content."""

    frame_key: int
    frame_id: str
    version: str
    content_hash: str


def altered_frames(connection: duckdb.DuckDBPyConnection) -> Iterator[AlteredFrame]:
    """The frames whose hash is not that of their content."""
    connection.execute(statement("store/temp/json_objects"))
    query = filled("store/doctor/frames_by_hash", frame_json=without_end(statement("store/frame_json")))
    keys = [key for (key,) in connection.execute("SELECT frame_key FROM frames ORDER BY frame_key").fetchall()]
    for start in range(0, len(keys), FRAMES_AT_ONCE):
        rows = connection.execute(query, {"frame_keys": keys[start : start + FRAMES_AT_ONCE]}).fetchall()
        yield from (AlteredFrame(*row) for row in rows)


def rebuild(source: str, out: str) -> list[str]:
    """Write a new database with what can be read of another.

    Args:
        source: a file that DuckDB opens.
        out: the new file.

    Returns:
        What is not in it, a sentence each.

    Raises:
        MasksDBError: it cannot be written.
    """
    with new_database(out) as partial:
        engine = Engine(os.path.realpath(partial), read_only=False)
        try:
            with engine.writing() as cursor:
                cursor.execute(f"ATTACH {literal(source)} AS damaged (READ_ONLY)")
                lost = list(_copied(cursor))
                cursor.execute("DETACH damaged")
                with in_transaction(cursor):
                    lost += _repair(cursor, is_incomplete=bool(lost))
        finally:
            engine.connection.close()
    return lost


def _copied(cursor: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Copies the tables, and yields a sentence for each of which rows cannot be read."""
    (own,) = cursor.execute("SELECT current_database()").fetchone() or ("",)
    query = statement("store/doctor/copied_tables")
    ours = dict(cursor.execute(query, {"database": own}).fetchall())
    for table, columns in cursor.execute(query, {"database": "damaged"}).fetchall():
        if table in _DERIVED:
            continue
        name = identifier(table)
        if table not in ours:
            cursor.execute(f"CREATE TABLE main.{name} AS FROM damaged.main.{name} LIMIT 0")
        cursor.execute(f"TRUNCATE main.{name}")
        rows_query = f"SELECT max(rowid) FROM damaged.main.{name}"  # noqa: S608  # the name is quoted
        try:
            (last,) = cursor.execute(rows_query).fetchone() or (None,)
        except duckdb.Error:
            yield f"{table}: all of its rows"
            continue
        shared = [identifier(column) for column in columns if column in ours.get(table, columns)]
        copy = filled("store/doctor/copy_rows", table=name, columns=", ".join(shared))
        if last is not None and (rows := sum(_copy(cursor, copy, 0, last))):
            yield f"{table}: {rows:,} rows that cannot be read"


def _copy(cursor: duckdb.DuckDBPyConnection, copy: str, first: int, last: int) -> Iterator[int]:
    """Copies a range of rows, or the halves of it that can be read; yields the numbers of rows that cannot be read."""
    try:
        cursor.execute(copy, {"first": first, "last": last})
    except duckdb.ConstraintException:
        raise
    except duckdb.Error:
        rows = last - first + 1
        if rows <= ROWS_AT_LEAST:
            yield rows
            return
        middle = first + -(-rows // 2 // ROWS_AT_LEAST) * ROWS_AT_LEAST
        yield from _copy(cursor, copy, first, middle - 1)
        yield from _copy(cursor, copy, middle, last)


def _repair(cursor: duckdb.DuckDBPyConnection, *, is_incomplete: bool) -> Iterator[str]:
    """Makes the new file agree with itself, and yields a sentence for what that takes out of it."""
    altered = list(altered_frames(cursor))
    keys = [frame.frame_key for frame in altered]
    if is_incomplete and altered:
        cursor.execute("DELETE FROM frames WHERE frame_key IN (SELECT unnest($keys))", {"keys": keys})
        names = ", ".join(f"{frame.version}: {frame.frame_id}" for frame in altered[:EXAMPLES])
        yield f"{len(altered):,} frames of which a part cannot be read: {names}"
    else:
        hashes = [frame.content_hash for frame in altered]
        cursor.execute(statement("store/doctor/update_hashes"), {"keys": keys, "hashes": hashes})
    cursor.execute(statement("store/doctor/delete_orphans"))
    cursor.execute(f"INSERT INTO version_lineage {statement('store/doctor/lineage')}")
    cursor.execute(f"INSERT INTO roi_masks\n{statement('store/roi_masks')}", EVERY_FRAME)
    cursor.execute(filled("store/doctor/update_saved_hashes", content_hashes=statement("store/content_hashes")))
    for sequence, (table, column) in _SEQUENCES.items():
        cursor.execute(filled("store/doctor/advance", sequence=literal(sequence), table=table, column=column))
