"""How a ROI finds the masks it lives in."""

from __future__ import annotations

from typing import Any

import pytest
from support.common import FIXTURES

import masksdb

Rows = list[tuple[Any, ...]]


def resolve(db: masksdb.Database, masks: dict[str, list[Any]], roi: dict[str, Any]) -> Rows:
    """(source_id, mask_id, class_labels, matched_by) of one ROI in a frame with these masks by source."""
    sources = [
        {"id": source, "uri": f"{source}.png", "masks": [{"id": name, "uri": f"{name}.png"} for name in names]}
        for source, names in masks.items()
    ]
    db.ingest([{"id": "f", "sources": sources, "rois": [roi]}], dataset="d", version="v")
    query = "SELECT source_id, mask_id, class_labels, matched_by FROM mask_rois ORDER BY source_index, mask_index"
    return db.sql(query).fetchall()


CASES = [
    # masks by source, ROI, rows
    ({"s": ["a", "b"]}, {"label": ["car"], "mask": {"id": "b"}}, [("s", "b", ["car"], "mask_id")]),
    ({"s": ["a", "b"]}, {"label": ["a"], "mask": {"id": "car"}}, [("s", "a", ["car"], "label")]),
    ({"s": ["a", "b"]}, {"label": ["a", "x"], "mask": {"id": "car"}}, [("s", "a", ["car", "x"], "label")]),
    ({"s": ["a", "b"]}, {"label": ["a", "x"]}, [("s", "a", ["x"], "label")]),
    ({"s": ["a", "b"]}, {"label": ["a"]}, [("s", "a", ["a"], "label")]),
    ({"s": ["a", "b"]}, {"label": ["b", "a"]}, [("s", "a", ["b", "a"], "label"), ("s", "b", ["b", "a"], "label")]),
    # a mask id before a label
    ({"s": ["a", "b"]}, {"label": ["a"], "mask": {"id": "b"}}, [("s", "b", ["a"], "mask_id")]),
    ({"s": ["a"]}, {"label": ["car"]}, [("s", "a", ["car"], "only_mask")]),
    ({"s": ["a"]}, {"label": ["car"], "mask": {"id": "z"}}, [("s", "a", ["car"], "only_mask")]),
    ({"s": ["a", "b"]}, {"label": ["car"]}, [("s", None, ["car"], "none")]),
    ({"s": []}, {"label": ["car"]}, [("s", None, ["car"], "none")]),
    ({}, {"label": ["car"]}, [(None, None, ["car"], "none")]),
    # decided for each source by itself; no sources, or an empty list, mean all
    ({"s": ["a"], "t": ["b", "c"]}, {"label": ["x"]}, [("s", "a", ["x"], "only_mask"), ("t", None, ["x"], "none")]),
    ({"s": ["a"], "t": ["a", "c"]}, {"label": ["x"], "mask": {"id": "a"}, "sources": []},
     [("s", "a", ["x"], "mask_id"), ("t", "a", ["x"], "mask_id")]),
    ({"s": ["a"], "t": ["a", "c"]}, {"label": ["x"], "mask": {"id": "a"}, "sources": ["t"]},
     [("t", "a", ["x"], "mask_id")]),
    # 0 and "0" are the same id, "00" is not
    ({"s": [0, "00"]}, {"label": ["x"], "mask": {"id": "0"}}, [("s", "0", ["x"], "mask_id")]),
    ({"s": ["0", "00"]}, {"label": ["x"], "mask": {"id": 0}}, [("s", "0", ["x"], "mask_id")]),
    # two masks of one id
    ({"s": ["a", "a"]}, {"label": ["x"], "mask": {"id": "a"}}, [("s", "a", ["x"], "mask_id")] * 2),
    # nothing said
    ({"s": ["a", "b"]}, {}, [("s", None, None, "none")]),
]  # fmt: skip


@pytest.mark.parametrize(("masks", "roi", "expected"), CASES)
def test_the_first_rule_with_a_match_decides(
    db: masksdb.Database, masks: dict[str, list[Any]], roi: dict[str, Any], expected: Rows
) -> None:
    assert resolve(db, masks, roi) == expected


def test_example_1_resolves_by_label(db: masksdb.Database) -> None:
    db.ingest(FIXTURES / "masks_document" / "example_1.json", dataset="d", version="v")
    counts = "SELECT (SELECT count(*) FROM frames), (SELECT count(*) FROM sources), (SELECT count(*) FROM masks), "
    assert db.sql(counts + "(SELECT count(*) FROM rois)").fetchall() == [(1, 1, 2, 5)]
    rows = db.sql("SELECT mask_id, class_labels, matched_by FROM mask_rois").fetchall()
    assert rows == [("seg", [name], "label") for name in ("car", "person", "road", "street", "building")]


def test_example_2_resolves_by_mask_id(db: masksdb.Database) -> None:
    db.ingest(FIXTURES / "masks_document" / "example_2.json", dataset="d", version="v")
    rows = db.sql("SELECT mask_id, class_labels, mask_value, matched_by FROM mask_rois").fetchall()
    assert rows == [
        ("car", ["right_lane"], [210, 210, 120], "mask_id"),
        ("road", ["right_lane"], [197, 135, 146], "mask_id"),
    ]


def test_a_roi_without_a_mask_has_no_mask_struct(db: masksdb.Database) -> None:
    resolve(db, {"s": ["a", "b"]}, {"label": ["car"]})
    assert db.sql("SELECT mask, mask_uri FROM mask_rois").fetchall() == [(None, None)]
