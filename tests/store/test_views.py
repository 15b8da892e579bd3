"""The persisted views: inheritance, labels, regions, and other clients."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.common import FIXTURES, ROOT, exported

import masksdb

VIEWS = [
    "dataset_frames",
    "frame_masks",
    "frame_splits",
    "mask_labels",
    "mask_labels_by_id",
    "mask_roi_labels",
    "mask_roi_regions",
    "mask_rois",
    "mask_segment_regions",
    "mask_segments",
    "roi_labels",
    "version_tree",
]


def frame(name: str, label: str) -> dict[str, Any]:
    return {
        "id": name,
        "sources": [{"id": "s", "uri": f"{name}.jpg", "masks": [{"id": "seg", "uri": f"{name}.png"}]}],
        "rois": [{"label": [label], "mask": {"id": "seg", "value": [1, 1, 1]}}],
    }


def make_child(db: masksdb.Database, child: str, *parents: str) -> int:
    """A draft child of parents, which are published."""
    for parent in parents:
        db.version("d", parent).publish_version()
    return db.create_version("d", child, parents=parents).version_id


def labels_of(db: masksdb.Database, version: str) -> list[tuple[str, str]]:
    query = "SELECT frame_id, class_labels[1] FROM mask_rois WHERE version = ? ORDER BY frame_id"
    return db.sql(query, [version]).fetchall()


def test_a_child_sees_its_parents_frames_and_shadows_them(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest([frame("a", "car"), frame("b", "car"), frame("c", "car")], dataset="d", version="v1")
    make_child(db, "v2", "v1")
    assert exported(db, "d", "v2", tmp_path) == exported(db, "d", "v1", tmp_path)
    report = db.ingest([frame("b", "bus"), frame("a", "car"), frame("e", "bus")], dataset="d", version="v2")
    assert (report.new, report.updated, report.unchanged) == (1, 1, 1)
    assert labels_of(db, "v1") == [("a", "car"), ("b", "car"), ("c", "car")]
    assert labels_of(db, "v2") == [("a", "car"), ("b", "bus"), ("c", "car"), ("e", "bus")]
    assert exported(db, "d", "v2", tmp_path) == [
        frame("a", "car"), frame("b", "bus"), frame("c", "car"), frame("e", "bus")
    ]  # fmt: skip
    make_child(db, "v3", "v2")
    db.ingest([frame("b", "van")], dataset="d", version="v3")
    assert labels_of(db, "v3") == [("a", "car"), ("b", "van"), ("c", "car"), ("e", "bus")]
    assert labels_of(db, "v2") == [("a", "car"), ("b", "bus"), ("c", "car"), ("e", "bus")]
    assert db.sql("SELECT count(*) FROM frames").fetchall() == [(6,)], "nothing was copied"


def test_a_child_updated_twice_keeps_one_shadow(db: masksdb.Database) -> None:
    db.ingest([frame("a", "car")], dataset="d", version="v1")
    make_child(db, "v2", "v1")
    for label in ("bus", "van"):
        db.ingest([frame("a", label)], dataset="d", version="v2")
    assert labels_of(db, "v2") == [("a", "van")]
    assert db.sql("SELECT count(*) FROM frame_shadows").fetchall() == [(1,)]


def test_a_child_resolves_its_parents_uris_where_they_were_ingested(
    db: masksdb.Database, tmp_path: Path, write: Callable[..., str]
) -> None:
    db.ingest(write("one/f.jsonl", [frame("a", "car"), frame("b", "car")]), dataset="d", version="v1")
    make_child(db, "v2", "v1")
    db.ingest(write("two/f.jsonl", [frame("b", "bus")]), dataset="d", version="v2")
    rows = db.sql("SELECT frame_id, mask_uri FROM frame_masks WHERE version = 'v2' ORDER BY 1").fetchall()
    assert rows == [("a", f"{tmp_path}/one/a.png"), ("b", f"{tmp_path}/two/b.png")]


def test_context_falls_back_to_the_first_sources_uri(db: masksdb.Database) -> None:
    sources = [{"uri": "z.png"}, {"uri": "a.png"}]
    db.ingest([{"id": "a", "sources": sources}, {"id": "b", "context_id": "c", "sources": sources}], dataset="d")
    query = "SELECT context_id FROM dataset_frames ORDER BY position"
    assert db.sql(query).fetchall() == [("z.png",), ("c",)]
    assert db.sql("SELECT context_id FROM frames ORDER BY position").fetchall() == [(None,), ("c",)]


def test_a_masks_own_label_goes_before_all(db: masksdb.Database) -> None:
    db.ingest([frame("a", "car")], dataset="d", version="v")
    value = {"value": [1, 1, 1]}
    other = {"value": [2, 2, 2], "labels": ["other"]}
    version = db.version("d", "v")
    version.set_metadata({"mask_labels": {"_all_": [{**value, "labels": ["any"]}, other]}})
    assert db.sql("SELECT value_labels FROM mask_roi_labels").fetchall() == [(["any"],)]
    version.set_metadata(
        {"mask_labels": {"_all_": [{**value, "labels": ["any"]}, other], "seg": [{**value, "labels": ["own"]}]}}
    )
    assert db.sql("SELECT value_labels FROM mask_roi_labels").fetchall() == [(["own"],)]
    segments = db.sql("SELECT mask_id, value, labels FROM mask_segments ORDER BY value").fetchall()
    assert segments == [("seg", [1, 1, 1], ["own"]), ("seg", [2, 2, 2], ["other"])]


def test_each_mask_id_has_one_label_for_a_value(db: masksdb.Database) -> None:
    one = frame("a", "car")
    one["sources"][0]["masks"] += [{"id": "other", "uri": "b.png"}, {"uri": "c.png"}]
    db.ingest([one], dataset="d", version="v")
    shared = [{"value": [1, 1, 1], "labels": ["any"]}, {"value": [2, 2, 2], "labels": ["a", "b"]}]
    own = [{"value": [1, 1, 1], "labels": ["own"]}, {"value": [1, 1, 1], "labels": ["later"]}]
    db.version("d", "v").set_metadata({"mask_labels": {"_all_": shared, "seg": own}})
    query = "SELECT mask_id, value[1], label, declared_for FROM mask_labels_by_id ORDER BY ALL"
    assert db.sql(query).fetchall() == [
        ("other", 1, "any", "_all_"),
        ("other", 2, "a, b", "_all_"),
        ("seg", 1, "own", "seg"),
        ("seg", 2, "a, b", "_all_"),
        (None, 1, "any", "_all_"),
        (None, 2, "a, b", "_all_"),
    ]


NUMBER, COLOUR = {"value": [7], "labels": ["number"]}, {"value": [7, 7, 7], "labels": ["colour"]}


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ({"index": [1], "rgb": [1, 2, 3]}, {"index": ["number"], "rgb": ["colour"]}),
        ({"index": [1], "none": None}, {"index": ["number"], "none": ["colour", "number"]}),
        ({"rgb": [1, 2, 3], "rgba": [1, 2, 3, 4]}, {"rgb": ["colour", "number"], "rgba": ["colour", "number"]}),
        ({"index": [1]}, {"index": ["colour", "number"]}),
    ],
)
@pytest.mark.parametrize("by_roi", [True, False])
def test_colours_of_all_are_not_for_masks_of_numbers(
    db: masksdb.Database, ids: dict[str, list[int] | None], expected: dict[str, list[str]], by_roi: bool
) -> None:
    values = {name: value for name, value in ids.items() if value}
    rois = [{"label": ["x"], "mask": {"id": name, "value": value}} for name, value in values.items()]
    source = {"masks": [{"id": name, "uri": f"{name}.png"} for name in ids]}
    db.ingest([{"id": "f", "sources": [source], "rois": rois if by_roi else []}], dataset="d", version="v")
    entries = {} if by_roi else {name: [{"value": value, "labels": ["x"]}] for name, value in values.items()}
    db.version("d", "v").set_metadata({"mask_labels": {"_all_": [NUMBER, COLOUR], **entries}})
    make_child(db, "w", "v")
    sevens = "(SELECT mask_id, labels[1] AS label FROM mask_segments WHERE version = ? AND value[1] = 7)"
    query = f"SELECT mask_id, list(label ORDER BY label) FROM {sevens} GROUP BY mask_id"
    for version in ("v", "w"):
        assert dict(db.sql(query, [version]).fetchall()) == expected


def test_a_value_without_a_label_has_none(db: masksdb.Database) -> None:
    db.ingest([frame("a", "car")], dataset="d", version="v")
    assert db.sql("SELECT value_labels FROM mask_roi_labels").fetchall() == [(None,)]
    assert db.sql("FROM mask_segments").fetchall() == []


REGION = "INSERT INTO mask_regions VALUES (1, ?, ?, ?, ?, ?, 255, ?, ?, ?, ?, ?, ?, ?, NULL)"


def test_regions_answer_to_colours_indexes_and_wildcards(db: masksdb.Database) -> None:
    one = frame("a", "x")
    values = [[1, 1, 1], [9], [-1, 1, -1], [1, 1, 1, 255], [5, 5, 5], None]
    one["rois"] = [{"label": ["x"], "mask": {"id": "seg"} | ({"value": value} if value else {})} for value in values]
    db.ingest([one], dataset="d", media_root="/m")
    db.connection.execute(
        "INSERT INTO mask_files (mask_file_key, uri, height, width, mode, is_video)"
        " VALUES (1, '/m/a.png', 10, 20, 'P8', false)"
    )
    db.connection.execute(REGION, [0, 9, 1, 1, 1, 30, 2, 3, 6, 9, 120, 180])
    db.connection.execute(REGION, [1, 4, 0, 1, 0, 10, 0, 0, 1, 4, 5, 20])
    rows = db.sql("SELECT area, coverage, bbox, centroid FROM mask_roi_regions ORDER BY roi_index").fetchall()
    region = (30, 0.15, {"x": 2, "y": 3, "width": 5, "height": 7}, {"x": 4.0, "y": 6.0})
    both = (40, 0.2, {"x": 0, "y": 0, "width": 7, "height": 10}, {"x": 3.125, "y": 5.0})
    assert rows == [region, region, both, region, (0, 0.0, None, None), (None, None, None, None)]


def test_a_region_not_analysed_has_no_area(db: masksdb.Database) -> None:
    db.ingest([frame("a", "x")], dataset="d", media_root="/m")
    db.version("d").set_masks_labels({(1, 1, 1): ["x"]})
    query = "SELECT area FROM {}"
    for view in ("mask_roi_regions", "mask_segment_regions"):
        assert db.sql(query.format(view)).fetchall() == [(None,)]
    db.connection.execute("INSERT INTO mask_files (mask_file_key, uri, error) VALUES (1, '/m/a.png', 'gone')")
    for view in ("mask_roi_regions", "mask_segment_regions"):
        assert db.sql(query.format(view)).fetchall() == [(None,)], "nor has an unreadable one"
    db.connection.execute("DELETE FROM mask_files")
    db.connection.execute("INSERT INTO mask_files (mask_file_key, uri, height, width) VALUES (1, '/m/a.png', 2, 2)")
    for view in ("mask_roi_regions", "mask_segment_regions"):
        assert db.sql(query.format(view)).fetchall() == [(0,)], "analysed and absent is 0"


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("street") / "street.duckdb"
    with masksdb.connect(path) as db:
        db.ingest(FIXTURES / "street" / "frames.jsonl", dataset="street", version="v1")
        db.version("street").set_metadata(
            {"mask_labels": json.loads((FIXTURES / "street" / "labels.json").read_text())}
        )
    return path


def test_the_views_are_the_documented_ones(street: Path) -> None:
    with masksdb.connect(street, read_only=True) as db:
        views = db.sql("SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY view_name").fetchall()
    assert [name for (name,) in views] == VIEWS


def test_every_view_says_which_version_and_frame_it_is_about(street: Path) -> None:
    with masksdb.connect(street, read_only=True) as db:
        for view in VIEWS:
            columns = db.sql(f"FROM {view}").columns
            expected = ["dataset", "version", "version_id"]
            expected += (
                [] if view in ("mask_labels", "mask_labels_by_id", "version_tree") else ["frame_key", "frame_id"]
            )
            assert columns[: len(expected)] == expected, view


def test_export_and_import_of_the_whole_database_keep_every_view(street: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(street), read_only=True) as plain:
        before = {view: plain.execute(f"FROM {view} ORDER BY ALL").fetchall() for view in VIEWS}
        plain.execute(f"EXPORT DATABASE '{tmp_path}/out'")
    with duckdb.connect() as other:
        other.execute(f"IMPORT DATABASE '{tmp_path}/out'")
        assert {view: other.execute(f"FROM {view} ORDER BY ALL").fetchall() for view in VIEWS} == before
    assert all(rows for view, rows in before.items() if view != "frame_splits")


MOVE = """
import sys, duckdb
with duckdb.connect(sys.argv[1], read_only=True) as plain:
    plain.execute("SET enable_progress_bar = false")
    plain.execute(f"EXPORT DATABASE '{sys.argv[2]}'")
with duckdb.connect() as other:
    other.execute(f"IMPORT DATABASE '{sys.argv[2]}'")
    print(duckdb.__version__, [len(other.execute("FROM " + view).fetchall()) for view in sys.argv[3:]])
"""


def test_the_oldest_client_exports_and_imports_every_view(street: Path, tmp_path: Path) -> None:
    old = ROOT / ".venv" / "duckdb-1.4"
    if not old.is_dir():
        pytest.skip("DuckDB 1.4 is not installed; 'make test' does that")
    command = [sys.executable, "-c", MOVE, str(street), str(tmp_path / "out"), *VIEWS]
    environment = {"PYTHONPATH": str(old)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=street.parent)
    with masksdb.connect(street, read_only=True) as db:
        counts = [len(db.sql(f"FROM {view}").fetchall()) for view in VIEWS]
    version, _, printed = done.stdout.partition(" ")
    assert version.startswith("1.4.")
    assert json.loads(printed) == counts


READ = """
import json, sys, duckdb
with duckdb.connect(sys.argv[1], read_only=True) as plain:
    plain.execute("SET enable_progress_bar = false")
    counts = {view: len(plain.execute("FROM " + view).fetchall()) for view in sys.argv[2:]}
print(json.dumps([duckdb.__version__, "masksdb" in sys.modules, counts]))
"""


@pytest.mark.parametrize("client", ["oldest", "newest"])
def test_a_client_without_masksdb_reads_every_view(street: Path, client: str) -> None:
    old = ROOT / ".venv" / "duckdb-1.4"
    if client == "oldest" and not old.is_dir():
        pytest.skip("DuckDB 1.4 is not installed; 'make test' does that")
    environment = {"PYTHONPATH": str(old)} if client == "oldest" else {}
    command = [sys.executable, "-c", READ, str(street), *VIEWS]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=street.parent)
    version, loaded, counts = json.loads(done.stdout)
    assert version.startswith("1.4." if client == "oldest" else "2.")
    assert not loaded
    with masksdb.connect(street, read_only=True) as db:
        assert counts == {view: len(db.sql(f"FROM {view}").fetchall()) for view in VIEWS}
