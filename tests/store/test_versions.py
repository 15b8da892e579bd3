"""Versions: finding, making, publishing, and what their mask labels say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.common import Outcome, exported

import masksdb
from masksdb.clearml import default_database
from masksdb.clearml.default_database import close_defaults


def test_the_documented_label_mapping_prints_to_the_letter(
    default_db: masksdb.Database, capsys: pytest.CaptureFixture[str]
) -> None:
    default_db.ingest([{"id": "a"}], dataset="MyDataset", version="VersionName")

    from masksdb.clearml.version import DatasetVersion

    my_version = DatasetVersion.get_version(dataset_name="MyDataset", version_name="VersionName")
    my_version.set_masks_labels(
        {
            (0, 0, 0): ["background"],
            (1, 1, 1): ["person", "sitting"],
            (2, 2, 2): ["cat"],
        }
    )
    print(my_version.get_metadata()["mask_labels"])
    assert capsys.readouterr().out == (
        "{'_all_': [{'value': [0, 0, 0], 'labels': ['background']}, "
        "{'value': [1, 1, 1], 'labels': ['person', 'sitting']}, {'value': [2, 2, 2], 'labels': ['cat']}]}\n"
    )


def test_the_default_database_may_be_set(tmp_path: Path) -> None:
    masksdb.set_default(tmp_path / "mine.duckdb")
    try:
        masksdb.DatasetVersion.create_version(dataset_name="d", version_name="v")
        with masksdb.connect(tmp_path / "mine.duckdb") as db:
            assert db.version("d", "v").status == "draft"
    finally:
        close_defaults()
        default_database._default.clear()


def test_labels_are_rows_in_sql(db: masksdb.Database) -> None:
    version = db.create_version("d", "v")
    version.set_masks_labels({(0, 0, 0): ["sky"], (7,): ["car", "big"]})
    query = "SELECT dataset, version, mask_id, value, labels FROM mask_labels ORDER BY value DESC"
    assert db.sql(query).fetchall() == [
        ("d", "v", "_all_", [7], ["car", "big"]),
        ("d", "v", "_all_", [0, 0, 0], ["sky"]),
    ]


def test_both_shapes_of_mask_labels_are_read_and_one_is_printed(db: masksdb.Database) -> None:
    version = db.create_version("d", "v")
    entries = [{"value": [1, 1, 1], "labels": ["cat"], "ignore": True}]
    version.set_metadata({"mask_labels": entries})
    assert version.get_metadata() == {"mask_labels": {"_all_": entries}}
    assert db.sql("SELECT mask_id, labels, entry->>'ignore' FROM mask_labels").fetchall() == [
        ("_all_", ["cat"], "true")
    ]


def test_set_masks_labels_replaces_all_and_keeps_the_rest(db: masksdb.Database) -> None:
    version = db.create_version("d", "v")
    own = [{"value": [1], "labels": ["dog"]}]
    version.set_metadata({"note": [1, None], "mask_labels": {"_all_": [], "seg": own}})
    version.set_masks_labels({(2,): ["cat"]})
    expected = {"_all_": [{"value": [2], "labels": ["cat"]}], "seg": own}
    assert version.get_metadata() == {"note": [1, None], "mask_labels": expected}


def test_set_metadata_keeps_the_labels_it_does_not_name(db: masksdb.Database) -> None:
    version = db.create_version("d", "v")
    version.set_masks_labels({(2,): ["cat"]})
    version.set_metadata({"author": "me"})
    assert version.get_metadata() == {
        "author": "me",
        "mask_labels": {"_all_": [{"value": [2], "labels": ["cat"]}]},
    }


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ({(1, 2): ["a"]}, r"mask_labels\._all_\[0\]\.value: found \[1, 2\]"),
        ({(70000,): ["a"]}, "from -1 to 65535"),
        ({("1",): ["a"]}, "expected 1, 3 or 4 whole numbers"),
        ({(True,): ["a"]}, "expected 1, 3 or 4 whole numbers"),
        ({(1,): "cat"}, r"labels: found 'cat', expected a list of strings"),
    ],
)
def test_labels_that_are_none_are_refused(db: masksdb.Database, labels: Any, says: str) -> None:
    version = db.create_version("d", "v")
    with pytest.raises(ValueError, match=says):
        version.set_masks_labels(labels)
    assert version.get_metadata() == {}


def test_current_is_the_newest_draft_else_the_newest_published(db: masksdb.Database) -> None:
    assert db.ingest([{"id": "a"}], dataset="d").version == "Current"
    db.create_version("d", "next")
    assert db.version("d").version_name == "next"
    assert db.version("d", "Current").version_name == "Current"
    db.version("d", "next").publish_version()
    assert db.version("d").version_name == "Current"
    db.version("d").publish_version()
    assert db.version("d").version_name == "next"
    with pytest.raises(masksdb.VersionPublishedError):
        db.ingest([{"id": "b"}], dataset="d")


def test_current_stands_for_another_version_where_none_has_that_name(db: masksdb.Database) -> None:
    db.create_version("d", "first")
    assert db.version("d", "Current").version_name == "first"


def test_what_deletes_takes_exact_names(db: masksdb.Database) -> None:
    db.ingest([{"id": "a"}], dataset="d")
    db.create_version("d", "sub")
    db.dataset("d").delete_version(version_name="Current")
    assert [version.version_name for version in db.dataset("d").get_versions()] == ["sub"]
    with pytest.raises(masksdb.NotFoundError, match="no version 'Current'; did you mean 'sub'"):
        db.dataset("d").delete_version(version_name="Current")
    with pytest.raises(masksdb.UsageError, match="not named"):
        db.dataset("d").delete_version()
    assert [version.version_name for version in db.dataset("d").get_versions()] == ["sub"]


def test_a_published_version_refuses_every_write(run: Callable[..., Outcome], db_path: str, tmp_path: Path) -> None:
    with masksdb.connect(db_path) as db:
        db.ingest([{"id": "a"}], dataset="d", version="v")
    assert run("version", "publish", db_path, "--dataset", "d", "--version", "v").err == "d/v: published\n"
    with masksdb.connect(db_path) as db:
        version = db.version("d", "v")
        assert version.status == "published"
        with pytest.raises(masksdb.VersionPublishedError, match="d/v: published, so it no longer changes"):
            db.ingest([{"id": "b"}], dataset="d", version="v")
        with pytest.raises(masksdb.VersionPublishedError):
            version.set_masks_labels({(1,): ["x"]})
        with pytest.raises(masksdb.VersionPublishedError):
            version.set_metadata({})
        assert exported(db, "d", "v", tmp_path) == [{"id": "a"}]
    outcome = run("ingest", db_path, tmp_path / "exported.jsonl", "--dataset", "d", "--version", "v")
    assert (outcome.status, outcome.err.count("\n")) == (1, 1)


def test_publishing_twice_changes_nothing(db: masksdb.Database) -> None:
    db.ingest([{"id": "a"}], dataset="d", version="v")
    db.version("d", "v").publish_version()
    before = db.sql("FROM versions").fetchall()
    db.version("d", "v").publish_version()
    assert db.sql("FROM versions").fetchall() == before


def test_the_published_hash_depends_on_what_is_in_the_version(tmp_path: Path) -> None:
    def published_hash(name: str, frames: list[dict[str, Any]], labels: dict[tuple[int, ...], list[str]]) -> str:
        with masksdb.connect(tmp_path / name) as db:
            db.ingest(frames, dataset="d", version="v")
            version = db.version("d", "v")
            version.set_masks_labels(labels)
            version.publish_version()
            (row,) = db.sql("SELECT content_hash FROM versions").fetchall()
            return str(row[0])

    two = [{"id": "a"}, {"id": "b"}]
    base = published_hash("1", two, {(1,): ["x"]})
    assert published_hash("2", [{"id": "a"}, {"id": "b"}], {(1,): ["x"]}) == base
    others = {
        published_hash("3", [*two, {"id": "c"}], {(1,): ["x"]}),
        published_hash("4", [{"id": "a"}, {"id": "b", "meta": 1}], {(1,): ["x"]}),
        published_hash("5", two[::-1], {(1,): ["x"]}),
        published_hash("6", two, {(1,): ["y"]}),
    }
    assert len(others | {base}) == 5


def test_unknown_names_offer_near_ones(db: masksdb.Database) -> None:
    db.ingest([{"id": "frame_1"}], dataset="cars", version="v1")
    with pytest.raises(masksdb.NotFoundError, match="no dataset 'car'; did you mean 'cars'"):
        db.version("car", "v1")
    with pytest.raises(masksdb.NotFoundError, match="dataset 'cars': no version 'v2'; did you mean 'v1'"):
        db.version("cars", "v2")
    with pytest.raises(masksdb.NotFoundError, match="cars/v1: no frame 'frame_2'; did you mean 'frame_1'"):
        db.get_frame("cars", "v1", "frame_2")
    with pytest.raises(masksdb.NotFoundError, match="no dataset 'x'"):
        db.export("/dev/null", dataset="x")


def test_create_version_makes_one_once(db: masksdb.Database) -> None:
    first = db.create_version("d", "v", comment="hello")
    assert db.create_version("d", "v") == first
    with pytest.raises(ValueError, match="exists already"):
        db.create_version("d", "v", raise_if_exists=True)
    with pytest.raises(masksdb.MasksDBError, match="empty"):
        db.create_version("d", " ")


def test_labels_go_in_and_out_by_the_command_line(
    run: Callable[..., Outcome], db_path: str, write: Callable[..., str]
) -> None:
    with masksdb.connect(db_path) as db:
        db.create_version("d", "v")
    labels = {"seg": [{"value": [1, 2, 3], "labels": ["naïve"]}], "_all_": []}
    name = ["--dataset", "d", "--version", "v"]
    assert run("labels", "set", db_path, *name, write("l.json", json.dumps(labels))).err == "d/v: mask_labels set\n"
    outcome = run("labels", "show", db_path, *name)
    assert (json.loads(outcome.out), outcome.err) == (labels, "")
    bad = run("labels", "set", db_path, *name, write("bad.json", '{"seg": [{"value": [1, 2]}]}'))
    assert bad.status == 1
    assert "bad.json: mask_labels.seg[0].value: found [1, 2]" in bad.err
    broken = run("labels", "set", db_path, *name, write("bad.json", "{"))
    assert (broken.status, broken.err.count("\n"), broken.err[:7]) == (1, 1, "Error: ")
    assert json.loads(run("labels", "show", db_path, *name).out) == labels


def test_a_child_resolves_its_parents_relative_uris(db: masksdb.Database, write: Callable[..., str]) -> None:
    def frame(name: str) -> dict[str, Any]:
        return {"id": name, "sources": [{"uri": f"{name}.jpg", "masks": [{"id": "seg", "uri": f"masks/{name}.png"}]}]}

    first = write("one/frames.jsonl", [frame("a"), frame("b")])
    db.ingest(first, dataset="d", version="v1")
    db.version("d", "v1").publish_version()
    child = db.create_version("d", "v2", parents=["v1"])
    second = write("two/frames.jsonl", [frame("c")])
    db.ingest(second, dataset="d", version="v2")
    unchanged = child.get_frame("a")
    unchanged.metadata["seen"] = True
    child.update_frames([unchanged])
    one, two = Path(first).parent, Path(second).parent
    rows = db.sql("SELECT frame_id, mask_uri, source_uri FROM frame_masks WHERE version = 'v2' ORDER BY 1").fetchall()
    assert rows == [
        ("a", f"{one}/masks/a.png", f"{one}/a.jpg"),
        ("b", f"{one}/masks/b.png", f"{one}/b.jpg"),
        ("c", f"{two}/masks/c.png", f"{two}/c.jpg"),
    ]
