"""What frames are read from."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.common import Outcome, exported, same_json

import masksdb

FRAMES: list[dict[str, Any]] = [
    {"id": "a", "sources": [{"id": "s", "uri": "a.png", "masks": [{"id": "m", "uri": "m/a.png"}]}]},
    {"id": "b", "rois": [{"label": ["x"]}], "meta": {"text": "line\nbreak \u2028 \u0085 ünï"}},
    {"id": "c", "timestamp": 3},
]
LINES = "".join(json.dumps(frame) + "\n" for frame in FRAMES)

SHAPES = {
    "lines": LINES,
    "lines without a last newline": LINES.rstrip("\n"),
    "lines with blank ones and CRLF": "\n" + LINES.replace("\n", "\r\n\r\n"),
    "lines with a byte order mark": "\ufeff" + LINES,
    "an array": json.dumps(FRAMES),
    "an array over lines": json.dumps(FRAMES, indent=2),
    "frames in an object": json.dumps({"frames": FRAMES}),
    "frames in an object over lines": json.dumps({"version": 1, "frames": FRAMES, "more": [1]}, indent=2),
    "frames in an object, later key": json.dumps({"version": {"frames": 0}, "frames": FRAMES}),
    "objects over lines": "\n".join(json.dumps(frame, indent=2) for frame in FRAMES),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("suffix", [".json", ".json.gz", ".json.zst"])
def test_every_shape_is_read(
    db: masksdb.Database, tmp_path: Path, write: Callable[..., str], shape: str, suffix: str
) -> None:
    content = SHAPES[shape].encode()
    if suffix.endswith(".gz"):
        content = gzip.compress(content)
    elif suffix.endswith(".zst"):
        content = bytes(pa.compress(content, codec="zstd", asbytes=True))
    db.ingest(write("frames" + suffix, content), dataset="d", version="v")
    assert same_json(exported(db, "d", "v", tmp_path), FRAMES)


def test_one_object_is_one_frame(db: masksdb.Database, write: Callable[..., str]) -> None:
    assert db.ingest(write("f.json", json.dumps(FRAMES[0])), dataset="d").new == 1
    assert db.ingest(write("g.json", json.dumps(FRAMES[1], indent=4)), dataset="d").new == 1


def test_a_frame_may_have_a_key_named_frames(db: masksdb.Database, write: Callable[..., str]) -> None:
    frame = {"id": "a", "sources": [], "frames": [1, 2]}
    db.ingest(write("f.json", json.dumps(frame)), dataset="d")
    assert db.get_frame("d", None, "a") == frame


def test_a_folder_is_read_in_order_of_names(db: masksdb.Database, tmp_path: Path, write: Callable[..., str]) -> None:
    write("in/2.jsonl", [FRAMES[1]])
    write("in/1.json", json.dumps([FRAMES[0]]))
    write("in/sub/3.jsonl.gz", gzip.compress(json.dumps(FRAMES[2]).encode()))
    write("in/readme.txt", "not frames")
    db.ingest(tmp_path / "in", dataset="d", version="v")
    assert exported(db, "d", "v", tmp_path) == FRAMES


def test_a_pattern_and_several_sources_are_read(
    db: masksdb.Database, tmp_path: Path, write: Callable[..., str]
) -> None:
    write("p_1.jsonl", [FRAMES[0]])
    write("p_2.jsonl", [FRAMES[1]])
    other = write("other.json", json.dumps(FRAMES[2]))
    report = db.ingest(str(tmp_path / "p_*.jsonl"), other, dataset="d", version="v")
    assert (report.new, exported(db, "d", "v", tmp_path)) == (3, FRAMES)


def test_a_path_with_pattern_characters_is_a_path(db: masksdb.Database, write: Callable[..., str]) -> None:
    write("a1.jsonl", [FRAMES[0]])
    assert db.ingest(write("a[1]*?.jsonl", FRAMES[:2]), dataset="d").new == 2


def test_a_file_named_twice_is_read_once(db: masksdb.Database, write: Callable[..., str]) -> None:
    path = write("f.jsonl", FRAMES)
    assert db.ingest(path, path, dataset="d").new == 3


def test_standard_input_is_read(db_path: str) -> None:
    command = [sys.executable, "-m", "masksdb.cli", "ingest", db_path, "-", "--dataset", "d"]
    done = subprocess.run(command, input=LINES, capture_output=True, text=True, check=True)
    assert done.stderr == "d/Current: 3 new, 0 updated, 0 unchanged\n"
    with masksdb.connect(db_path, read_only=True) as db:
        assert db.sql("SELECT path, media_root FROM inputs").fetchall() == [("-", str(Path.cwd()))]


def test_python_dicts_are_read(db: masksdb.Database, tmp_path: Path) -> None:
    assert db.ingest((dict(frame) for frame in FRAMES), dataset="d", version="v").new == 3
    assert exported(db, "d", "v", tmp_path) == FRAMES


def test_an_arrow_table_is_read_nulls_being_absent_keys(db: masksdb.Database, tmp_path: Path) -> None:
    keys = ("id", "timestamp", "meta", "sources", "rois")
    table = pa.Table.from_pylist([{key: frame.get(key) for key in keys} for frame in FRAMES])
    assert db.ingest(table, dataset="d", version="v").new == 3
    assert exported(db, "d", "v", tmp_path) == FRAMES


def test_a_frame_of_20_mb_is_read(db: masksdb.Database, write: Callable[..., str]) -> None:
    frame = {"id": "big", "meta": {"text": "x" * 20_000_000}}
    db.ingest(write("big.jsonl", [FRAMES[0], frame]), dataset="d")
    db.ingest(write("big.json", json.dumps([FRAMES[1], {**frame, "id": "big2"}])), dataset="d")
    assert db.get_frame("d", None, "big") == frame
    assert db.get_frame("d", None, "big2")["meta"] == frame["meta"]


def test_relative_uris_are_relative_to_the_file(
    db: masksdb.Database, tmp_path: Path, write: Callable[..., str]
) -> None:
    db.ingest(write("in/f.jsonl", FRAMES), dataset="d", version="v")
    rows = db.sql("SELECT source_uri, mask_uri, mask.uri FROM frame_masks").fetchall()
    assert rows == [(f"{tmp_path}/in/a.png", f"{tmp_path}/in/m/a.png", f"{tmp_path}/in/m/a.png")]


@pytest.mark.parametrize("uri", ["/abs/m.png", "s3://b/m.png", "https://h/m.png", "file:///m.png", "C:\\m.png"])
def test_absolute_uris_are_left_alone(db: masksdb.Database, uri: str) -> None:
    frame = {"id": "a", "sources": [{"masks": [{"uri": uri}]}]}
    db.ingest([frame], dataset="d", media_root="/elsewhere")
    assert db.sql("SELECT mask_uri FROM frame_masks").fetchall() == [(uri,)]


def test_a_media_root_replaces_the_folder_of_the_file(db: masksdb.Database, write: Callable[..., str]) -> None:
    db.ingest(write("f.jsonl", FRAMES), dataset="d", media_root="s3://bucket/masks")
    assert db.sql("SELECT mask_uri FROM frame_masks").fetchall() == [("s3://bucket/masks/m/a.png",)]


def test_the_same_file_twice_changes_nothing(
    run: Callable[..., Outcome], db_path: str, write: Callable[..., str]
) -> None:
    path = write("f.jsonl", FRAMES)
    run("ingest", db_path, path, "--dataset", "d")
    with masksdb.connect(db_path) as db:
        tables = [name for (name,) in db.sql("SELECT table_name FROM duckdb_tables()").fetchall()]
        before = {name: db.sql(f"FROM {name}").fetchall() for name in tables}
        assert db.ingest(path, dataset="d").unchanged == 3
        assert {name: db.sql(f"FROM {name}").fetchall() for name in tables} == before


def test_a_report_counts_new_updated_and_unchanged(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest(FRAMES, dataset="d", version="v")
    changed = [{"id": "d"}, FRAMES[0], {"id": "b", "rois": [{"label": ["y"]}]}]
    report = db.ingest(changed, dataset="d", version="v")
    assert (report.new, report.updated, report.unchanged) == (1, 1, 1)
    ids = [frame["id"] for frame in exported(db, "d", "v", tmp_path)]
    assert ids == ["a", "b", "c", "d"], "an updated frame keeps its place, a new one comes last"
    assert db.sql("SELECT label FROM roi_labels").fetchall() == [("y",)]
    for table in ("frames", "sources", "masks", "rois", "roi_masks"):
        orphans = f"SELECT count(*) FROM {table} WHERE frame_key NOT IN (SELECT frame_key FROM dataset_frames)"
        assert db.sql(orphans).fetchall() == [(0,)], table


def test_equal_frames_without_ids_get_different_ids(db: masksdb.Database) -> None:
    frames = [{"timestamp": 1, "meta": {"n": n}} for n in range(3)]
    assert db.ingest(frames, dataset="d").new == 3
    assert db.ingest(frames, dataset="d").unchanged == 3
    assert db.sql("SELECT count(DISTINCT frame_id) FROM frames").fetchall() == [(3,)]


def test_key_order_and_white_space_are_no_change(db: masksdb.Database, write: Callable[..., str]) -> None:
    db.ingest(write("a.json", '{"id": "a", "meta": {"x": 1, "y": [2]}, "rois": []}'), dataset="d")
    report = db.ingest(write("b.json", '{"rois":[],"meta":{"y":[2],  "x":1},"id":"a"}'), dataset="d")
    assert report.unchanged == 1
