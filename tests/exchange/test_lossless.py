"""What goes in comes out: every JSON frame, value and kind."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.common import FIXTURES, exported, same_json

import masksdb

KEYS = st.one_of(
    st.sampled_from(
        ["a", "a.b", 'q"q', "$", "$.a", "/", "~0", "x/y", "", "[0]", "*", "naïve", "日本", "meta", "labels"]
    ),
    st.text(max_size=6),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**53 + 1, -(2**63), 2**63, 2**64, 10**30, -(10**30), -999999999, -1]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["NaN", "null", "inf", '"', "\\", "\u0000", "1", "true", "😀"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
IDS = st.one_of(st.text(max_size=6), st.integers(), st.sampled_from(["0", "00", 0, "_all_"]), st.none())
WHOLE = st.one_of(st.integers(0, 2**31 - 1), st.integers(0, 10**6).map(float), st.none())
TIMES = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(0, 10**9).map(float), st.none())
NAMES = st.one_of(st.none(), st.lists(st.one_of(st.text(max_size=5), st.integers()), max_size=3), st.text(max_size=5))
SAMPLES = st.integers(-1, 65535)
MASK_VALUES = st.one_of(
    st.none(),
    st.lists(SAMPLES, min_size=1, max_size=1),
    st.lists(st.one_of(SAMPLES, st.just(7.0)), min_size=3, max_size=4),
)
POLYGONS = st.one_of(
    st.none(),
    st.lists(st.one_of(st.integers(-999999999, 10**6), st.floats(-1e6, 1e6), st.just(-999999999)), max_size=8),
)
RLE = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {"counts": st.text(max_size=6), "size": st.lists(st.integers(1, 9999), min_size=2, max_size=2)},
        optional={"extra": VALUES},
    ),
)


def objects(known: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with any of the known keys, any other keys, in any order."""
    others = st.dictionaries(KEYS.filter(lambda key: key not in known), VALUES, max_size=2)
    return st.builds(
        lambda mine, other, order: dict(sorted({**other, **mine}.items(), key=lambda item: hash((order, item[0])))),
        st.fixed_dictionaries({}, optional=known),
        others,
        st.integers(0, 3),
    )


MASKS = objects(
    {
        "id": IDS,
        "uri": st.text(max_size=8) | st.none(),
        "content_type": st.text(max_size=8) | st.none(),
        "timestamp": TIMES,
        "width": WHOLE,
        "height": WHOLE,
    }
)
SOURCES = objects(
    {
        "id": IDS,
        "uri": st.text(max_size=8) | st.none(),
        "content_type": st.text(max_size=8) | st.none(),
        "timestamp": TIMES,
        "width": WHOLE,
        "height": WHOLE,
        "preview": VALUES,
        "meta": VALUES,
        "masks": st.none() | st.lists(MASKS, max_size=3),
    }
)
ROIS = objects(
    {
        "id": IDS,
        "label": NAMES,
        "labels": NAMES,
        "sources": st.just([]) | st.none(),
        "confidence": st.one_of(st.none(), st.integers(0, 2**53), st.floats(-1e300, 1e300)),
        "poly": POLYGONS,
        "rle": RLE,
        "is_crowd": st.sampled_from([True, False, 0, 1, None]),
        "meta": VALUES,
        "mask": st.none() | objects({"id": IDS, "value": MASK_VALUES}),
    }
)
FRAMES = objects(
    {
        "context_id": IDS,
        "timestamp": TIMES,
        "meta": VALUES,
        "sources": st.none() | st.lists(SOURCES, max_size=3),
        "rois": st.none() | st.lists(ROIS, max_size=4),
    }
)


@pytest.fixture(scope="module")
def shared_db() -> Iterator[masksdb.Database]:
    with masksdb.connect(":memory:") as database:
        yield database


DATASETS = itertools.count()


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(frames=st.lists(FRAMES, min_size=4, max_size=14), with_ids=st.booleans())
def test_any_frame_comes_out_equal(
    frames: list[dict[str, Any]], with_ids: bool, shared_db: masksdb.Database, tmp_path: Path
) -> None:
    for number, frame in enumerate(frames):
        frame["id" if with_ids else "timestamp"] = number
    dataset = f"d{next(DATASETS)}"
    shared_db.ingest(frames, dataset=dataset, version="v")
    results = exported(shared_db, dataset, "v", tmp_path)
    assert len(results) == len(frames)
    for result, frame in zip(results, frames, strict=True):
        assert same_json(result, frame), f"{frame}\ncame out as\n{result}"
    again = shared_db.ingest(results, dataset=dataset, version="v")
    assert again.unchanged == len(frames), "what was exported is what is there"


@pytest.mark.parametrize("name", ["masks_document/example_1.json", "masks_document/example_2.json"])
def test_the_documented_frames_come_out_equal(db: masksdb.Database, tmp_path: Path, name: str) -> None:
    db.ingest(FIXTURES / name, dataset="d", version="v")
    assert same_json(exported(db, "d", "v", tmp_path), [json.loads((FIXTURES / name).read_text())])


def test_an_export_named_json_is_one_array(db: masksdb.Database, tmp_path: Path) -> None:
    frames = [{"id": "a", "sources": []}, {"id": "b", "rois": []}]
    db.ingest(frames, dataset="d", version="v")
    assert db.export(tmp_path / "out.json", dataset="d", version="v") == 2
    assert json.loads((tmp_path / "out.json").read_text()) == frames


def test_an_export_of_no_frames_is_an_empty_array(db: masksdb.Database, tmp_path: Path) -> None:
    db.create_version("d", "v")
    assert db.export(tmp_path / "out.json", dataset="d", version="v") == 0
    assert json.loads((tmp_path / "out.json").read_text()) == []


def test_get_frame_gives_the_frame_as_a_dict(db: masksdb.Database) -> None:
    frame = {"id": 7, "meta": {"deep": [1, 1.0, True, None]}, "unknown": {"a.b": None}}
    db.ingest([frame], dataset="d", version="v")
    assert same_json(db.get_frame("d", "v", "7"), frame)


def test_frames_without_an_id_get_one_that_is_not_exported(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest([{"timestamp": 1}], dataset="d", version="v")
    assert db.sql("SELECT frame_id[1], id_given FROM frames").fetchall() == [("~", False)]
    assert exported(db, "d", "v", tmp_path) == [{"timestamp": 1}]


def test_extra_holds_only_what_the_columns_cannot_reproduce(db: masksdb.Database) -> None:
    plain = {
        "id": "a",
        "timestamp": 1,
        "sources": [{"id": "s", "width": 8, "masks": [{"id": "m", "uri": "m.png"}]}],
        "rois": [{"label": ["x"], "confidence": 0.5, "mask": {"id": "m", "value": [1, 2, 3]}, "poly": [0.5, 1.0]}],
    }
    db.ingest([plain], dataset="d", version="v")
    for table in ("frames", "sources", "masks", "rois"):
        assert db.sql(f"SELECT count(extra) FROM {table}").fetchall() == [(0,)], table
