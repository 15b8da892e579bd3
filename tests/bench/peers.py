"""What a user would write without masksdb: the same file into DuckDB, sqlite3 and pandas by hand.

All three keep only the keys that their tables name, and take a ROI's first label as the mask that it lives in.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

PARSED = """
read_json(?, format = 'newline_delimited', columns = {
    id: 'VARCHAR',
    "timestamp": 'BIGINT',
    context_id: 'VARCHAR',
    meta: 'JSON',
    sources: 'STRUCT(
        id VARCHAR, content_type VARCHAR, width INTEGER, height INTEGER, uri VARCHAR, "timestamp" BIGINT, meta JSON,
        masks STRUCT(id VARCHAR, content_type VARCHAR, uri VARCHAR, "timestamp" BIGINT)[]
    )[]',
    rois: 'STRUCT(
        sources VARCHAR[], label VARCHAR[], confidence DOUBLE, meta JSON, mask STRUCT(id VARCHAR, "value" INTEGER[])
    )[]'
})
"""

PARSE = f"""
SELECT sum(len(rois)), sum(len(sources)), count(id), count("timestamp"), count(context_id), count(meta)
FROM {PARSED}
"""
"""Makes DuckDB build every nested value of a file, and keeps none."""

DUCKDB_LOAD = (
    f"CREATE TEMP TABLE staged AS SELECT row_number() OVER () AS frame_key, * FROM {PARSED}",
    'CREATE TABLE frames AS SELECT frame_key, id AS frame_id, "timestamp", context_id, meta FROM staged',
    """
    CREATE TABLE sources AS
    SELECT frame_key, source.id AS source_id, source.* EXCLUDE (id, masks)
    FROM (SELECT frame_key, unnest(sources) AS source FROM staged)
    """,
    """
    CREATE TABLE masks AS
    SELECT frame_key, source_id, mask.id AS mask_id, mask.* EXCLUDE (id)
    FROM (
        SELECT frame_key, source.id AS source_id, unnest(source.masks) AS mask
        FROM (SELECT frame_key, unnest(sources) AS source FROM staged)
    )
    """,
    """
    CREATE TABLE rois AS
    SELECT
        frame_key,
        roi_index,
        roi.sources[1] AS source_id,
        roi.label[1] AS mask_id,
        roi.mask.id AS class_name,
        roi.label AS labels,
        roi.mask."value" AS mask_value,
        roi.confidence,
        roi.meta
    FROM (SELECT frame_key, generate_subscripts(rois, 1) - 1 AS roi_index, unnest(rois) AS roi FROM staged)
    """,
)

MASK_JOIN = """
SELECT rois.class_name, count(masks.uri)
FROM rois
JOIN masks
    ON masks.frame_key = rois.frame_key AND masks.source_id = rois.source_id AND masks.mask_id = rois.mask_id
GROUP BY rois.class_name
ORDER BY rois.class_name
"""
"""ROI -> mask, counted per class: runs on the tables of DuckDB and of sqlite alike."""

SQLITE_TABLES = """
CREATE TABLE frames (
    frame_key INTEGER PRIMARY KEY, frame_id TEXT NOT NULL, "timestamp" INTEGER, context_id TEXT, meta TEXT
);
CREATE TABLE sources (
    frame_key INTEGER, source_id TEXT, content_type TEXT, width INTEGER, height INTEGER, uri TEXT,
    "timestamp" INTEGER, meta TEXT, PRIMARY KEY (frame_key, source_id)
) WITHOUT ROWID;
CREATE TABLE masks (
    frame_key INTEGER, source_id TEXT, mask_id TEXT, content_type TEXT, uri TEXT, "timestamp" INTEGER,
    PRIMARY KEY (frame_key, source_id, mask_id)
) WITHOUT ROWID;
CREATE TABLE rois (
    frame_key INTEGER, roi_index INTEGER, source_id TEXT, mask_id TEXT, class_name TEXT, labels TEXT,
    mask_value TEXT, confidence REAL, meta TEXT, PRIMARY KEY (frame_key, roi_index)
) WITHOUT ROWID;
"""

COLUMNS = {
    "frames": ("frame_key", "frame_id", "timestamp", "context_id", "meta"),
    "sources": ("frame_key", "source_id", "content_type", "width", "height", "uri", "timestamp", "meta"),
    "masks": ("frame_key", "source_id", "mask_id", "content_type", "uri", "timestamp"),
    "rois": (
        "frame_key",
        "roi_index",
        "source_id",
        "mask_id",
        "class_name",
        "labels",
        "mask_value",
        "confidence",
        "meta",
    ),
}

LINES_PER_BATCH = 10_000


class Rows(NamedTuple):
    """Rows of the four tables, in the order of ``COLUMNS``."""

    frames: list[tuple[Any, ...]]
    sources: list[tuple[Any, ...]]
    masks: list[tuple[Any, ...]]
    rois: list[tuple[Any, ...]]

    def add(self, frame_key: int, frame: dict[str, Any]) -> None:
        """Take the rows of one frame; lists and free-form values become JSON text."""
        self.frames.append((frame_key, frame["id"], frame["timestamp"], frame["context_id"], json.dumps(frame["meta"])))
        for source in frame["sources"]:
            self._add_source(frame_key, source)
        for roi_index, roi in enumerate(frame["rois"]):
            self._add_roi(frame_key, roi_index, roi)

    def _add_source(self, frame_key: int, source: dict[str, Any]) -> None:
        source_id = source["id"]
        self.sources.append(
            (
                frame_key,
                source_id,
                source["content_type"],
                source["width"],
                source["height"],
                source["uri"],
                source["timestamp"],
                json.dumps(source["meta"]),
            )
        )
        for mask in source["masks"]:
            self.masks.append((frame_key, source_id, mask["id"], mask["content_type"], mask["uri"], mask["timestamp"]))

    def _add_roi(self, frame_key: int, roi_index: int, roi: dict[str, Any]) -> None:
        meta = roi.get("meta")
        self.rois.append(
            (
                frame_key,
                roi_index,
                roi["sources"][0],
                roi["label"][0],
                roi["mask"]["id"],
                json.dumps(roi["label"]),
                json.dumps(roi["mask"]["value"]),
                roi.get("confidence"),
                None if meta is None else json.dumps(meta),
            )
        )


def _batches(path: str) -> Iterator[Rows]:
    with open(path, encoding="utf-8") as file:
        lines = enumerate(file)
        while batch := list(itertools.islice(lines, LINES_PER_BATCH)):
            rows = Rows([], [], [], [])
            for frame_key, line in batch:
                rows.add(frame_key, json.loads(line))
            yield rows


def duckdb_load(path: str, out: str) -> int:
    """Typed ``read_json`` into a temporary table, and from there one statement a table."""
    import duckdb

    with duckdb.connect(out) as connection:
        connection.execute("SET enable_progress_bar = false")
        for number, statement in enumerate(DUCKDB_LOAD):
            connection.execute(statement, [path] if number == 0 else None)
        return _count(connection.execute("SELECT count(*) FROM rois").fetchone())


def sqlite_load(path: str, out: str) -> int:
    """``json.loads`` a line, ``executemany`` a batch, one transaction; the keys serve the joins."""
    with contextlib.closing(sqlite3.connect(out)) as connection, connection:
        connection.executescript(SQLITE_TABLES)
        for rows in _batches(path):
            for table, columns in COLUMNS.items():
                places = ", ".join("?" * len(columns))
                connection.executemany(f"INSERT INTO {table} VALUES ({places})", getattr(rows, table))
        return _count(connection.execute("SELECT count(*) FROM rois").fetchone())


def pandas_load(path: str, out: str) -> int:
    """``json.loads`` a line, four lists of rows, four data frames, four Parquet files."""
    import pandas as pd

    os.makedirs(out)
    rows = Rows([], [], [], [])
    with open(path, encoding="utf-8") as file:
        for frame_key, line in enumerate(file):
            rows.add(frame_key, json.loads(line))
    for table, columns in COLUMNS.items():
        pd.DataFrame(getattr(rows, table), columns=columns).to_parquet(f"{out}/{table}.parquet", index=False)
    return len(rows.rois)


LOADS = {"duckdb": duckdb_load, "sqlite": sqlite_load, "pandas": pandas_load}

PACKAGES = {"duckdb": ["duckdb"], "sqlite": [], "pandas": ["pandas", "pyarrow.parquet"]}
"""What each of them imports."""


def _count(row: tuple[Any, ...] | None) -> int:
    assert row is not None
    return int(row[0])
