"""What the page on datasets and versions of ClearML Hyper-Datasets shows, in the default database."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import masksdb
from masksdb import Dataset, DatasetVersion, DataView, SingleFrame
from masksdb.clearml.default_database import close_defaults

CAT = "https://data.example.org/animals/cat_7.jpg"

pytestmark = pytest.mark.usefixtures("default_db")


def version_named(name: str) -> DatasetVersion:
    return DatasetVersion.get_version(dataset_name="zoo", version_name=name)


@pytest.mark.parametrize(
    "read",
    [
        lambda: Dataset.get(dataset_name="zoo"),
        lambda: Dataset.delete(dataset_name="zoo"),
        lambda: DatasetVersion.get_version(dataset_name="zoo", version_name="v"),
        lambda: DatasetVersion.get_versions(dataset_name="zoo"),
        lambda: DatasetVersion.get_current(dataset_name="zoo"),
        lambda: list(DataView().get_iterator()),
    ],
)
def test_reading_makes_no_database(read: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    close_defaults()
    monkeypatch.setenv("MASKSDB_DATABASE", str(tmp_path / "none.duckdb"))
    with pytest.raises(masksdb.NotFoundError, match=r"none\.duckdb: no such database file"):
        read()
    assert not (tmp_path / "none.duckdb").exists()


def test_a_new_dataset_has_an_empty_version_called_current() -> None:
    dataset = Dataset.create(dataset_name="zoo")
    assert isinstance(dataset, Dataset)
    assert [(version.version_name, version.status) for version in dataset.get_versions()] == [("Current", "draft")]
    second = DatasetVersion.create_new_dataset(dataset_name="farm")
    assert isinstance(second, Dataset)
    assert second.name == "farm"


def test_a_dataset_may_belong_to_a_project() -> None:
    Dataset.create(dataset_name="zoo", dataset_project="animals")
    DatasetVersion.create_new_dataset(dataset_name="farm", dataset_project="animals")
    assert Dataset.get(dataset_name="zoo", dataset_project="animals").project == "animals"
    with pytest.raises(ValueError, match="not in the project 'plants' but in 'animals'"):
        Dataset.get(dataset_name="zoo", dataset_project="plants")


def test_an_existing_dataset_is_returned_or_refused_as_asked() -> None:
    first = Dataset.create(dataset_name="zoo", tags=["a"])
    assert Dataset.create(dataset_name="zoo", tags=["b"]) == first
    assert first.tags == ["a", "b"]
    with pytest.raises(ValueError, match="exists already"):
        Dataset.create(dataset_name="zoo", raise_if_exists=True)
    with pytest.raises(ValueError, match="exists already"):
        DatasetVersion.create_new_dataset(dataset_name="zoo", raise_if_exists=True)


def test_a_dataset_has_tags_and_a_description() -> None:
    dataset = DatasetVersion.create_new_dataset(
        dataset_name="zoo", tags=["night", "infra red"], description="animals at the fence"
    )
    assert (dataset.tags, dataset.description) == (["night", "infra red"], "animals at the fence")
    dataset.add_tags(["cats", "night"])
    dataset.remove_tags(["infra red"])
    assert Dataset.get(dataset_name="zoo").tags == ["night", "cats"]
    dataset.remove_tags()
    assert dataset.tags == []


def test_the_current_version_is_the_newest_draft() -> None:
    Dataset.create(dataset_name="zoo")
    assert DatasetVersion.get_current(dataset_name="zoo").version_name == "Current"
    DatasetVersion.create_version(dataset_name="zoo", version_name="other")
    assert DatasetVersion.get_current(dataset_name="zoo").version_name == "other"


def test_a_dataset_with_versions_is_deleted_only_when_that_is_said() -> None:
    Dataset.create(dataset_name="zoo")
    with pytest.raises(masksdb.UsageError, match="delete_all_versions=True"):
        Dataset.delete(dataset_name="zoo", delete_all_versions=False, force=False)
    Dataset.delete(dataset_name="zoo", delete_all_versions=True, force=False)
    with pytest.raises(masksdb.NotFoundError):
        Dataset.get(dataset_name="zoo")


def test_an_empty_dataset_is_deleted_without_more() -> None:
    dataset = Dataset.create(dataset_name="zoo")
    dataset.delete_version(version_name="Current")
    Dataset.delete(dataset_name="zoo", delete_all_versions=False, force=False)
    with pytest.raises(masksdb.NotFoundError):
        Dataset.get(dataset_name="zoo")


def test_published_versions_are_deleted_only_by_force(default_db: masksdb.Database) -> None:
    Dataset.create(dataset_name="zoo")
    DatasetVersion.get_current(dataset_name="zoo").add_frames([SingleFrame(source=CAT)])
    DatasetVersion.create_snapshot(dataset_name="zoo", publish_name="first")
    with pytest.raises(masksdb.VersionPublishedError, match="zoo/first: published"):
        Dataset.delete(dataset_name="zoo", delete_all_versions=True, force=False)
    Dataset.delete(dataset_name="zoo", delete_all_versions=True, force=True, delete_sources=False)
    for table in ("datasets", "versions", "version_lineage", "version_parents", "frames", "sources"):
        assert default_db.sql(f"SELECT count(*) FROM {table}").fetchall() == [(0,)], table


def test_deleting_source_files_is_refused_by_name() -> None:
    dataset = Dataset.create(dataset_name="zoo")
    with pytest.raises(masksdb.UnsupportedFormatError, match="delete_sources"):
        Dataset.delete(
            dataset_name="zoo", delete_all_versions=True, force=True, delete_sources=True, show_progress=True
        )
    with pytest.raises(masksdb.UnsupportedFormatError, match="delete_sources"):
        dataset.delete_version(version_name="Current", delete_sources=True)
    assert Dataset.get(dataset_name="zoo") == dataset


def test_a_snapshot_keeps_the_id_and_gets_the_time_as_its_name() -> None:
    Dataset.create(dataset_name="zoo")
    before = DatasetVersion.get_current(dataset_name="zoo")
    current = DatasetVersion.create_snapshot(dataset_name="zoo")
    assert re.fullmatch(r"snapshot \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", before.version_name)
    assert before.status == "published"
    assert (current.version_name, current.status) == ("Current", "draft")
    assert current.version_id != before.version_id
    assert current.parents == [before.version_name]


def test_a_snapshot_and_its_child_may_be_named() -> None:
    Dataset.create(dataset_name="zoo")
    before = DatasetVersion.get_current(dataset_name="zoo")
    DatasetVersion.create_snapshot(dataset_name="zoo", publish_name="clean")
    assert before.version_name == "clean"
    child = DatasetVersion.create_snapshot(dataset_name="zoo", child_name="next")
    assert (child.version_name, child.status) == ("next", "draft")
    with pytest.raises(ValueError, match="zoo/clean: exists already"):
        DatasetVersion.create_snapshot(dataset_name="zoo", publish_name="clean")
    assert child.version_name == "next", "a refused snapshot changes nothing"


def test_the_child_of_a_snapshot_has_its_labels_and_metadata_and_comment_of_its_own() -> None:
    Dataset.create(dataset_name="zoo")
    DatasetVersion.get_current(dataset_name="zoo").set_masks_labels({(1, 1, 1): ["cat"]})
    child = DatasetVersion.create_snapshot(
        dataset_name="zoo",
        publish_comment="what the paper used",
        publish_metadata={"doi": "1"},
        child_metadata={"abc": "1234", "def": "5678"},
        child_comment="the next round",
    )
    labels = {"_all_": [{"value": [1, 1, 1], "labels": ["cat"]}]}
    assert child.comment == "the next round"
    assert child.get_metadata() == {"mask_labels": labels, "abc": "1234", "def": "5678"}
    snapshot = version_named(child.parents[0])
    assert (snapshot.comment, snapshot.get_metadata()) == ("what the paper used", {"mask_labels": labels, "doi": "1"})


def test_a_snapshot_needs_to_know_which_of_several_drafts() -> None:
    Dataset.create(dataset_name="zoo")
    DatasetVersion.create_version(dataset_name="zoo", version_name="other")
    with pytest.raises(masksdb.UsageError, match="has 2 drafts"):
        DatasetVersion.create_snapshot(dataset_name="zoo")
    child = DatasetVersion.create_snapshot(dataset_name="zoo", version_name="other", child_name="more")
    assert child.parents[0].startswith("snapshot ")


def test_a_child_inherits_from_a_published_version() -> None:
    parent = DatasetVersion.create_version(dataset_name="zoo", version_name="wild")
    parent.add_frames([SingleFrame(id="cat", source=CAT)])
    with pytest.raises(masksdb.UsageError, match="zoo/wild: a draft"):
        DatasetVersion.create_version(dataset_name="zoo", parent_version_names=["wild"], version_name="tame")
    assert parent.publish_version() is True
    child = DatasetVersion.create_version(dataset_name="zoo", parent_version_names=["wild"], version_name="tame")
    assert child.get_frame("cat").source == CAT  # type: ignore[union-attr]  # it is a SingleFrame
    again = DatasetVersion.create_version(
        dataset_name="zoo", parent_version_ids=[parent.version_id], version_name="tame"
    )
    assert again == child
    with pytest.raises(ValueError, match="zoo/tame: exists already"):
        DatasetVersion.create_version(
            dataset_name="zoo", parent_version_names=["wild"], version_name="tame", raise_if_exists=True
        )


def test_a_root_version_is_empty(default_db: masksdb.Database) -> None:
    root = DatasetVersion.create_version(dataset_name="zoo", version_name="root", description="from nothing")
    assert (root.parents, root.comment) == ([], "from nothing")
    assert default_db.sql("SELECT count(*) FROM dataset_frames").fetchall() == [(0,)]


def test_versions_are_listed_newest_first_and_by_status() -> None:
    for name in ("a", "b", "c"):
        DatasetVersion.create_version(dataset_name="zoo", version_name=name)
    version_named("b").publish_version()
    assert [version.version_name for version in DatasetVersion.get_versions(dataset_name="zoo")] == ["c", "b", "a"]
    published = DatasetVersion.get_versions(dataset_name="zoo", only_published=True)
    assert [version.version_name for version in published] == ["b"]
    drafts = DatasetVersion.get_versions(dataset_name="zoo", only_draft=True)
    assert [version.version_name for version in drafts] == ["c", "a"]


def test_the_current_version_of_several_comes_with_a_warning() -> None:
    Dataset.create(dataset_name="zoo")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert DatasetVersion.get_version(dataset_name="zoo").version_name == "Current"
    DatasetVersion.create_version(dataset_name="zoo", version_name="other")
    with pytest.warns(UserWarning, match="has 2 versions; this is 'other'"):
        DatasetVersion.get_version(dataset_name="zoo")
    with pytest.raises(ValueError, match="name the one you want"):
        DatasetVersion.get_version(dataset_name="zoo", raise_on_multiple=True)


def test_a_version_that_is_not_there_is_a_value_error() -> None:
    Dataset.create(dataset_name="zoo")
    with pytest.raises(ValueError, match="no version 'VersionName'"):
        DatasetVersion.get_version(dataset_name="zoo", version_name="VersionName")
    with pytest.raises(ValueError, match="both given"):
        DatasetVersion.get_version(dataset_name="zoo", version_name="a", version_id=1)


def test_drafts_are_deleted_and_published_versions_refuse() -> None:
    dataset = Dataset.create(dataset_name="zoo")
    DatasetVersion.create_version(dataset_name="zoo", version_name="attempt").add_frames([SingleFrame(source=CAT)])
    Dataset.get(dataset_name="zoo").delete_version(version_name="attempt")
    assert [version.version_name for version in dataset.get_versions()] == ["Current"]
    DatasetVersion.create_snapshot(dataset_name="zoo", publish_name="first")
    with pytest.raises(masksdb.VersionPublishedError):
        dataset.delete_version(version_name="first")
    with pytest.raises(masksdb.UsageError, match="'Current' inherit from it"):
        dataset.delete_version(version_name="first", force=True)


def test_every_write_to_a_published_version_is_refused() -> None:
    version = DatasetVersion.create_version(dataset_name="zoo", version_name="v")
    version.add_frames([SingleFrame(id="cat", source=CAT)])
    assert version.commit_version() is True
    version.publish_version()
    frame = version.get_frame("cat")
    writes: list[Callable[[], object]] = [
        lambda: version.add_frames([SingleFrame(source="b.png")]),
        lambda: version.update_frames([frame]),
        lambda: version.delete_frames([frame]),
        lambda: version.set_masks_labels({(1,): ["x"]}),
        lambda: version.set_metadata({}),
        lambda: version.set_version_name("w"),
        lambda: DatasetVersion.create_snapshot(dataset_name="zoo", version_name="v"),
    ]
    for write in writes:
        with pytest.raises(masksdb.VersionPublishedError, match="zoo/v: published"):
            write()


def test_the_label_mapping_is_set_and_read() -> None:
    version = DatasetVersion.create_version(dataset_name="zoo", version_name="v")
    assert version.set_masks_labels({(0, 0, 0): ["grass"], (1, 1, 1): ["lion", "asleep"], (2, 2, 2): ["cat"]}) is True
    assert version.get_metadata()["mask_labels"] == {
        "_all_": [
            {"value": [0, 0, 0], "labels": ["grass"]},
            {"value": [1, 1, 1], "labels": ["lion", "asleep"]},
            {"value": [2, 2, 2], "labels": ["cat"]},
        ]
    }
    assert version.get_masks_labels()[(1, 1, 1)] == ("lion", "asleep")
