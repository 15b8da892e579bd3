"""A check finds what raw SQL changes in a published version, column by column, and files that change later."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image
from support.common import ROOT, Outcome

import masksdb

PLAIN: dict[str, Any] = {
    "context_id": "drive",
    "timestamp": 5,
    "meta": {"city": "haifa"},
    "more": "kept",
    "sources": [
        {
            "id": "front",
            "uri": "front.png",
            "content_type": "image/png",
            "width": 4,
            "height": 2,
            "timestamp": 3,
            "preview": {"uri": "p"},
            "meta": {"fov": 1},
            "more": 1,
            "masks": [
                {"id": "seg", "uri": "seg.png", "content_type": "image/png", "timestamp": 0, "width": 4, "height": 2},
                {"id": "other", "uri": "other.png", "more": 2},
            ],
        },
        {"id": "rear", "uri": "rear.png"},
    ],
    "rois": [
        {"id": "r", "label": ["car"], "sources": ["front"], "mask": {"id": "seg", "value": [1]}, "confidence": 0.5},
        {"label": ["road"], "poly": [0.5, 0.5, 3.5, 0.5, 3.5, 1.5], "meta": {"by": "hand"}, "more": 3},
        {"label": ["sky"], "rle": {"size": [2, 4], "counts": "35"}, "is_crowd": True},
    ],
}
"""A frame of which every column has a value."""

ODD: dict[str, Any] = {
    "context_id": 7,
    "timestamp": 5.0,
    "sources": [
        {
            "id": 1,
            "uri": "front.png",
            "width": 4.0,
            "height": 2.0,
            "timestamp": 3.0,
            "masks": [{"id": 2, "uri": "seg.png", "timestamp": 0.0, "width": 4.0, "height": 2.0}],
        }
    ],
    "rois": [
        {"id": 3, "labels": [4], "sources": [1], "mask": {"id": 2, "value": [1.0]}, "confidence": 1},
        {"label": ["road"], "poly": [0, 0, 3, 0, 3, 1]},
        {"label": ["sky"], "rle": {"size": [2.0, 4.0], "counts": "35"}, "is_crowd": 1},
    ],
}
"""A frame whose values extra keeps verbatim, for their columns write them otherwise."""

FRAME_TABLES = ("frames", "sources", "masks", "rois", "roi_masks")
CHANGED = {
    "VARCHAR": "coalesce({0}, '') || 'x'",
    "JSON": "json_object('changed', 1)",
    "BOOLEAN": "NOT coalesce({0}, false)",
    "INTEGER": "coalesce({0}, 0) + 1",
    "BIGINT": "coalesce({0}, 0) + 1000",
    "DOUBLE": "coalesce({0}, 0) + 0.25",
    "TIMESTAMP": "coalesce({0}, TIMESTAMP '2000-01-01') + INTERVAL 1 DAY",
    "VARCHAR[]": "list_append(coalesce({0}, []), 'x')",
    "INTEGER[]": "[77]",
    "DOUBLE[]": "[0, 0, 1, 0, 1, 1]",
    "STRUCT(size INTEGER[], counts VARCHAR)": "{{'size': [1, 8], 'counts': '35'}}",
}
"""Another value of a column, by its type."""


class Change(NamedTuple):
    """A change by raw SQL: a column, else a row that is deleted or copied."""

    table: str
    what: str

    def statement(self, where: str, kind: str = "") -> str:
        """SQL that changes the rows WHERE a condition holds."""
        if self.what == "delete":
            return f"DELETE FROM {self.table} WHERE {where}"
        if self.what.startswith("copy"):
            times = int(self.what.removeprefix("copy"))
            return f"INSERT INTO {self.table} SELECT rows.* FROM {self.table} AS rows, range({times}) WHERE {where}"
        column = f'"{self.what}"'
        return f"UPDATE {self.table} SET {column} = {CHANGED[kind].format(column)} WHERE {where}"


def columns() -> dict[str, dict[str, str]]:
    """The types of the columns of every table, by name."""
    kinds: dict[str, dict[str, str]] = {}
    with masksdb.connect(":memory:") as db:
        query = "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
        views = {name for (name,) in db.sql("SELECT view_name FROM duckdb_views()").fetchall()}
        for table, column, kind in db.sql(query).fetchall():
            if table not in views:
                kinds.setdefault(table, {})[column] = kind.replace('"', "")
    return kinds


COLUMNS = columns()
OF_FRAMES = [
    *(Change(table, column) for table in FRAME_TABLES for column in COLUMNS[table]),
    *(Change(table, what) for table in FRAME_TABLES[1:] for what in ("delete", "copy1", "copy2")),
]


def the_row(db: masksdb.Database, change: Change, where: str) -> str:
    """A condition that holds for one of some rows: one where the column has a value, else the first."""
    order = "rowid" if change.what not in COLUMNS[change.table] else f'"{change.what}" IS NULL, rowid'
    row = db.connection.execute(f"SELECT rowid FROM {change.table} WHERE {where} ORDER BY {order} LIMIT 1").fetchone()
    assert row is not None, change
    return f"rowid = {row[0]}"


def change(db: masksdb.Database, one: Change, where: str) -> None:
    """Make a change to one of the rows where a condition holds."""
    kind = COLUMNS[one.table].get(one.what, "")
    db.connection.execute(one.statement(the_row(db, one, where), kind))


def reported(db: masksdb.Database, check: str, columns: str) -> set[tuple[Any, ...]]:
    return set(db.sql(f'SELECT {columns} FROM version_findings WHERE "check" = ?', [check]).fetchall())


OF_LISTS = [Change("frames", what) for what in ("frame_id", "input_id", "position", "version_id")]
"""Changes that a version's list of frames shows, rather than the frame."""


def test_every_changed_frame_is_reported(db: masksdb.Database) -> None:
    for version, frame in (("plain", PLAIN), ("odd", ODD)):
        db.ingest([{"id": f"f{at}", **frame} for at in range(len(OF_FRAMES) + 1)], dataset="d", version=version)
        db.version("d", version).publish_version()
    db.check()
    assert reported(db, "altered", "version, frame_id") == set()
    rows = db.sql("SELECT version, frame_id, frame_key FROM dataset_frames").fetchall()
    keys = {(version, frame_id): key for version, frame_id, key in rows}
    for version in ("plain", "odd"):
        for at, one in enumerate(OF_FRAMES, 1):
            change(db, one, f"frame_key = {keys[version, f'f{at}']}")
    db.check()
    altered = reported(db, "altered", "version, frame_id")
    for version in ("plain", "odd"):
        missed = [one for at, one in enumerate(OF_FRAMES, 1) if (version, f"f{at}") not in altered]
        assert set(missed) <= set(OF_LISTS)
        assert (version, "f0") not in altered


OF_VERSIONS = [
    *OF_LISTS,
    *(Change("frames", what) for what in ("delete", "copy1", "copy2")),
    *(Change(table, what)
      for table in ("frame_shadows", "version_lineage", "version_parents")
      for what in (*COLUMNS[table], "delete", "copy1", "copy2")
      if (table, what) != ("version_parents", "position")),
    *(Change("versions", what) for what in ("version_id", "metadata", "content_hash")),
]  # fmt: skip


def test_every_changed_version_is_reported(db: masksdb.Database) -> None:
    db.ingest([{"id": name} for name in "abc"], dataset="d", version="base")
    db.version("d", "base").publish_version()
    names = ["-".join(one) for one in OF_VERSIONS]
    for name in [*names, "to draft", "whole"]:
        child = db.create_version("d", name, parents=["base"])
        child.delete_frames(["a"])
        if name.startswith("frames"):
            db.ingest([{"id": "new"}, {"id": "b", "meta": 1}], dataset="d", version=name)
        child.publish_version()
    db.check()
    assert reported(db, "altered", "version") == set()
    ids = dict(db.sql("SELECT name, version_id FROM versions").fetchall())
    for name, one in zip(names, OF_VERSIONS, strict=True):
        change(db, one, f"version_id = {ids[name]}")
    db.connection.execute("UPDATE versions SET status = 'draft' WHERE name = 'to draft'")
    db.check()
    assert reported(db, "altered", "version") == {(name,) for name in [*names, "to draft"]}


OF_ANALYSES = [
    *(Change("mask_regions", what) for what in (*COLUMNS["mask_regions"], "delete", "copy1")),
    *(Change("mask_files", what) for what in (*COLUMNS["mask_files"], "delete", "copy1")),
]
RENEWED = {"is_lossy", "uri", "timestamp", "snap_key", "fingerprint", "error", "analyzed_at", "failed_at", "delete"}
"""Changes after which the file is read again, or which say nothing of its pixels."""


def test_every_changed_analysis_is_reported(db: masksdb.Database, tmp_path: Path) -> None:
    frames = []
    for at in range(len(OF_ANALYSES) + 1):
        Image.fromarray(np.array([[0, 1, 1, at]], np.uint8)).save(tmp_path / f"{at}.png")
        frames.append({"id": str(at), "sources": [{"masks": [{"id": "m", "uri": f"{at}.png"}]}]})
    db.ingest(frames, dataset="d", media_root=tmp_path)
    db.analyze(with_rle=True)
    db.check()
    assert reported(db, "analysis_altered", "frame_id") == set()
    before = db.sql(REGIONS).fetchall()
    rows = db.sql("SELECT parse_filename(uri, true), mask_file_key FROM mask_files").fetchall()
    keys = {int(name): key for name, key in rows}
    for at, one in enumerate(OF_ANALYSES, 1):
        change(db, one, f"mask_file_key = {keys[at]}")
    db.check()
    renewed = {Change("mask_files", what) for what in RENEWED}
    expected = {(str(at),) for at, one in enumerate(OF_ANALYSES, 1) if one not in renewed}
    assert reported(db, "analysis_altered", "frame_id") == expected
    db.check(rehash=True)
    assert reported(db, "analysis_altered", "frame_id") == set()
    assert db.sql(REGIONS).fetchall() == before


REGIONS = """
SELECT frame_id, COLUMNS(mask_regions.* EXCLUDE (mask_file_key, rle))
FROM frame_masks
JOIN mask_files ON mask_files.uri = mask_uri AND mask_files."timestamp" IS NULL
JOIN mask_regions USING (mask_file_key)
ORDER BY ALL
"""


def test_every_table_is_compared_or_the_page_says_why_not() -> None:
    page = (ROOT / "docs" / "checks.md").read_text()
    section = page[page.index("## Changes behind masksdb's back") :]
    compared = {one.table for one in (*OF_FRAMES, *OF_VERSIONS, *OF_ANALYSES)}
    assert set(COLUMNS) - compared == set(re.findall(r"`(\w+)`", section)) & set(COLUMNS) - compared


@pytest.fixture
def masked(db: masksdb.Database, tmp_path: Path) -> Callable[[int], None]:
    """Writes the mask of the one frame of a draft, with another value."""

    def write(value: int) -> None:
        Image.fromarray(np.full((3, 4), value, np.uint8)).save(tmp_path / "m.png")

    write(1)
    source = {"masks": [{"id": "m", "uri": "m.png"}]}
    db.ingest([{"id": "f", "sources": [source]}], dataset="d", version="v", media_root=tmp_path)
    return write


@pytest.mark.parametrize("is_analysed_first", [True, False])
def test_a_mask_that_changes_after_publishing_is_reported(
    db: masksdb.Database, masked: Callable[[int], None], tmp_path: Path, is_analysed_first: bool
) -> None:
    for step in (db.analyze, db.version("d", "v").publish_version)[:: 1 if is_analysed_first else -1]:
        step()
    os.utime(tmp_path / "m.png")
    db.check()
    assert reported(db, "mask_altered", "1") == set(), "another date alone is no change"
    masked(2)
    db.create_version("d", "w", parents=["v"])
    for analysis in (db.analyze, db.check, db.check):
        analysis()
    query = (
        "severity, version, frame_id, parse_filename(mask_uri), count, message LIKE 'other pixels than when v was %'"
    )
    assert reported(db, "mask_altered", query) == {
        ("error", version, "f", "m.png", 1, True) for version in ("v", "w")
    }  # fmt: skip
    masked(1)
    db.check()
    assert reported(db, "mask_altered", "1") == set(), "the file is back"


def test_a_mask_that_changes_before_publishing_is_fine(db: masksdb.Database, masked: Callable[[int], None]) -> None:
    db.analyze()
    masked(2)
    db.version("d", "v").publish_version()
    db.check()
    assert reported(db, "mask_altered", "1") == set()


def test_a_mask_replaced_at_the_same_size_and_date_takes_rehash(
    db: masksdb.Database, db_path: str, masked: Callable[[int], None], tmp_path: Path, run: Callable[..., Outcome]
) -> None:
    db.version("d", "v").publish_version()
    db.check()
    before = os.stat(tmp_path / "m.png")
    masked(2)
    os.utime(tmp_path / "m.png", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert os.stat(tmp_path / "m.png").st_size == before.st_size
    db.check()
    assert reported(db, "mask_altered", "1") == set()
    db.close()
    outcome = run("check", db_path, "--rehash")
    assert (outcome.status, "error: mask_altered: 1" in outcome.err) == (1, True)
