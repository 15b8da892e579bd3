"""What the page on dataviews of ClearML Hyper-Datasets shows, in the default database."""

from __future__ import annotations

import itertools
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import masksdb
from masksdb import Dataset, DatasetVersion, DataView, FrameGroup, IterationOrder, SingleFrame
from masksdb.clearml.default_database import close_defaults

pytestmark = pytest.mark.usefixtures("zoo")


def roi(*labels: str, confidence: float | None = None) -> dict[str, Any]:
    return {"label": list(labels), **({} if confidence is None else {"confidence": confidence})}


FRAMES = [
    ("a1", "drive_a", 0, [roi("cat"), roi("dog", confidence=0.9)], {"city": "bremen", "seen": "2024-10-20T08:30:00"}),
    ("a2", "drive_a", 40, [roi("cat", "wet")], {"city": "bremen", "seen": "2024-10-20 23:59:59"}),
    ("b1", "drive_b", 0, [roi("dog", confidence=0.3), roi("wet")], {"city": "kiel", "seen": "2024-10-25"}),
    ("b2", "drive_b", 40, [roi("bird"), roi("bird"), roi("bird")], {"city": "kiel", "seen": "2024-10-31T00:00:00"}),
    ("c1", "drive_c", 0, [], {"city": "ulm"}),
]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with five frames of a dataset, saved in another order than that of their times, and of others."""
    path = tmp_path_factory.mktemp("zoo") / "zoo.duckdb"
    frames = [
        {
            "id": name,
            "context_id": context,
            "timestamp": timestamp,
            "meta": meta,
            "sources": [
                {"id": "default", "uri": f"{name}.png", "timestamp": timestamp, "preview": {"uri": f"{name}.jpg"}}
            ],
            "rois": rois,
        }
        for name, context, timestamp, rois, meta in FRAMES
    ]
    farm = [
        {
            "id": "f1",
            "sources": [{"id": "left", "uri": "l.png"}, {"id": "right", "uri": "r.png"}],
            "rois": [roi("Cat")],
        },
        {"id": "f2", "rois": [roi("Cat", "old")]},
        {"id": "f3", "rois": [roi("cow")]},
    ]
    with masksdb.connect(path) as database:
        database.ingest(frames[::-1], dataset="zoo", version="spring")
        database.version("zoo", "spring").publish_version()
        database.create_version("zoo", "summer", parents=["spring"])
        database.ingest([{"id": "s1", "rois": [roi("cat")]}], dataset="zoo", version="summer")
        database.ingest(farm, dataset="farm", version="one")
    return path


@pytest.fixture
def zoo(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[masksdb.Database]:
    """A copy of it, as the database that the ClearML names use."""
    shutil.copy(template, tmp_path / "default.duckdb")
    monkeypatch.setenv("MASKSDB_DATABASE", str(tmp_path / "default.duckdb"))
    with masksdb.connect(tmp_path / "default.duckdb") as database:
        yield database
    close_defaults()


def spring(**query: Any) -> list[str]:
    """The ids of the frames that a query finds."""
    view = DataView()
    view.add_query(dataset_name="zoo", version_name="spring", **query)
    found = [frame.id for frame in view.to_list()]
    assert [frame.id for frame in view.get_iterator()] == found
    return found


def singles(view: DataView) -> list[SingleFrame]:
    """The frames of a view that have one source."""
    return [frame for frame in view.to_list() if isinstance(frame, SingleFrame)]


def test_a_view_may_be_random_and_without_end() -> None:
    view = DataView(iteration_order=IterationOrder.random, iteration_infinite=True)
    view.add_query(dataset_name="zoo", version_name="spring")
    assert len(list(itertools.islice(view, 50))) == 50


def test_a_label_finds_the_frames_that_have_it() -> None:
    view = DataView(iteration_order=IterationOrder.random, iteration_infinite=False)
    view.add_query(dataset_name="zoo", version_name="spring", roi_query="cat")
    frames = view.to_list()
    assert all(isinstance(frame, SingleFrame) for frame in frames)
    assert {frame.id for frame in frames} == {"a1", "a2"}
    assert [frame.id for frame in view.get_iterator()] == [frame.id for frame in frames]
    assert next(view.get_iterator()).id == frames[0].id


def test_two_queries_find_what_either_finds() -> None:
    view = DataView()
    view.add_query(dataset_name="zoo", version_name="spring", roi_query="cat")
    view.add_query(dataset_name="zoo", version_name="spring", roi_query="dog")
    assert [frame.id for frame in view.to_list()] == ["a1", "a2", "b1"]
    assert view.get_count() == (3, [2, 2])


def test_labels_in_a_list_are_of_one_roi() -> None:
    assert spring(roi_query=["cat", "wet"]) == ["a2"]
    assert spring(roi_query=["dog", "wet"]) == []


def test_a_lucene_query_is_about_one_roi() -> None:
    assert spring(roi_query='label.keyword:"cat" AND NOT label.keyword:"wet"') == ["a1"]
    assert spring(roi_query='label.keyword:"cat" OR label.keyword:"bird"') == ["a1", "a2", "b2"]
    assert spring(roi_query="label:dog AND confidence:[0.5 TO 1]") == ["a1"]


def test_several_rules_may_be_about_several_rois(zoo: masksdb.Database) -> None:
    found = zoo.version("zoo", "spring")
    view = DataView()
    view.add_multi_query(
        dataset_id=zoo.dataset("zoo").id,
        version_id=found.version_id,
        roi_queries=[DataView.RoiQuery(label="cat"), DataView.RoiQuery(label="dog")],
    )
    assert [frame.id for frame in view.to_list()] == ["a1"]


def test_a_rule_may_exclude(zoo: masksdb.Database) -> None:
    view = DataView()
    view.add_multi_query(
        dataset_id=zoo.dataset("zoo").id,
        version_id=zoo.version("zoo", "spring").version_id,
        roi_queries=[DataView.RoiQuery(label="cat"), DataView.RoiQuery(label="dog", must_not=True)],
    )
    assert [frame.id for frame in view.to_list()] == ["a2"]


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ({"label": "bird", "count_range": (2, 4)}, ["b2"]),
        ({"label": "bird", "count_range": (4, -1)}, []),
        ({"label": "bird", "count_range": (0, 2)}, ["a1", "a2", "b1", "c1"]),
        ({"label": "bird", "count_range": (-1, 2)}, []),
        ({"label": "bird", "count_range": (0, -1)}, ["a1", "a2", "b1", "b2", "c1"]),
        ({"label": "bird", "count_range": (0, -1), "must_not": True}, []),
        ({"label": "bird", "count_range": (0, 2), "must_not": True}, ["b2"]),
        ({"label": "bird", "count_range": (2, 3), "must_not": True}, ["a1", "a2", "b1", "c1"]),
        ({"label": "dog", "conf_range": (0.8, 1.0)}, ["a1"]),
        ({"label": "dog", "conf_range": (-1, 0.5)}, ["b1"]),
        ({"label": "dog", "conf_range": (-1, 0.5), "must_not": True}, ["a1", "a2", "b2", "c1"]),
        ({"conf_range": (0, -1)}, ["a1", "b1"]),
        ({"label": "cat OR bird"}, ["a1", "a2", "b2"]),
        ({"label": ["*"]}, ["a1", "a2", "b1", "b2"]),
        ({}, ["a1", "a2", "b1", "b2"]),
    ],
)
def test_rules_have_ranges(rule: dict[str, Any], found: list[str]) -> None:
    view = DataView()
    view.add_multi_query(dataset_name="zoo", version_name="spring", roi_queries=[rule])
    assert [frame.id for frame in view.to_list()] == found


def test_add_query_takes_ranges_too() -> None:
    assert spring(roi_query="bird", count_range=(3, 3)) == ["b2"]
    assert spring(roi_query="dog", conf_range=(0.5, 1)) == ["a1"]
    assert spring(roi_query="*") == ["a1", "a2", "b1", "b2", "c1"]


def test_versions_of_several_datasets_are_one_view() -> None:
    view = DataView()
    lucene = 'label.keyword:"cat" OR label.keyword:"Cat" OR label.keyword:"cow"'
    view.add_query(dataset_name="zoo", version_name="spring", roi_query=lucene)
    view.add_query(dataset_name="zoo", version_name="summer", roi_query=lucene)
    view.add_query(dataset_name="farm", version_name="one", roi_query=lucene)
    assert Counter(frame.id for frame in view.to_list()) == Counter(["a1", "a2", "s1", "f1", "f2", "f3"])
    assert view.get_count() == (6, [2, 3, 3])
    group = next(frame for frame in view.to_list() if frame.id == "f1")
    assert isinstance(group, FrameGroup)
    assert group.origin == {"Dataset Name": "farm", "Version Name": "one"}


def test_frames_are_found_by_their_metadata() -> None:
    assert spring(frame_query='meta.city:"bremen"') == ["a1", "a2"]
    assert spring(frame_query="(meta.city:'kiel')", roi_query="dog") == ["b1"]
    assert spring(frame_query="meta.city:kiel AND NOT rois.label:bird") == ["b1"]
    assert spring(frame_query="rois.confidence:[0.5 TO *]") == ["a1"]
    assert spring(frame_query='id:a* AND context_id:"drive_a" AND timestamp:{0 TO *]') == ["a2"]


def test_frames_are_found_by_dates_and_times() -> None:
    assert spring(frame_query="meta.seen:[2024-10-20 TO 2024-10-20]") == ["a1", "a2"]
    assert spring(frame_query="meta.seen:[2024-10-20 TO 2024-10-30]") == ["a1", "a2", "b1"]
    assert spring(frame_query="meta.seen:[2024-10-20T08:00:00 TO 2024-10-20T09:00:00]") == ["a1"]


def test_frames_are_found_by_their_sources() -> None:
    assert spring(source_query="sources.uri:b*.png") == ["b1", "b2"]
    view = DataView()
    view.add_query(dataset_name="farm", source_query="(source.id:right AND uri:r.png)")
    assert [frame.id for frame in view.to_list()] == ["f1"]


def test_frames_come_by_context_and_time_or_as_seeded() -> None:
    view = DataView()
    view.set_iteration_parameters(order=IterationOrder.random, infinite=True)
    view.add_query(dataset_name="zoo", version_name="spring", roi_query="cat")
    assert len(list(itertools.islice(view.get_iterator(), 10))) == 10
    view.set_iteration_parameters(order=IterationOrder.random, infinite=False)
    assert len(view.to_list()) == 2
    assert spring() == ["a1", "a2", "b1", "b2", "c1"]


def test_there_may_be_a_most_of_frames() -> None:
    view = DataView(iteration_order=IterationOrder.random, iteration_infinite=True)
    view.add_query(dataset_name="zoo", version_name="spring")
    view.set_iteration_parameters(order=IterationOrder.random, infinite=False, maximum_number_of_frames=5000)
    assert len(view.to_list()) == 5
    view.set_iteration_parameters(maximum_number_of_frames=3)
    assert len(view.to_list()) == len(list(view)) == len(view.to_dict()) == view.arrow().num_rows == 3


def test_weights_say_how_often_frames_come() -> None:
    view = DataView(iteration_order=IterationOrder.random, iteration_infinite=True)
    view.add_query(dataset_name="zoo", version_name="spring", roi_query="bird", weight=1)
    view.add_query(
        dataset_name="zoo",
        version_name="spring",
        roi_query='label.keyword:"cat" AND label.keyword:"wet"',
        weight=5,
    )
    assert [query.weight for query in view.get_queries()] == [1, 5]
    found = Counter(frame.id for frame in itertools.islice(view, 1200))
    assert set(found) == {"b2", "a2"}
    assert 900 < found["a2"] < 1100


def test_labels_have_numbers() -> None:
    view = DataView(iteration_order=IterationOrder.random, iteration_infinite=True)
    for label in ("cat", "dog", "bird"):
        view.add_query(dataset_name="zoo", version_name="spring", roi_query=label)
    view.set_labels({"cat": 1, "dog": 2, "ignore": -1})
    assert view.get_labels() == {"cat": 1, "dog": 2, "ignore": -1}
    numbers = {tuple(item.labels): item.label_enum for frame in singles(view) for item in frame.annotations}
    assert numbers == {("cat",): 1, ("cat", "wet"): 1, ("dog",): 2, ("bird",): -1, ("wet",): -1}
    assert all(
        "label_num" not in item for frame in view.to_dict() for item in frame["rois"] if item["label"] == ["bird"]
    )
    view.set_labels(bird=3)
    assert view.get_labels() == {"bird": 3}
    with pytest.raises(ValueError, match="'bird': '3'"):
        view.set_labels({"bird": "3"})  # type: ignore[dict-item]


def test_mapping_comes_before_numbers_and_after_queries() -> None:
    view = DataView(iteration_order=IterationOrder.random, iteration_infinite=True)
    view.add_query(dataset_name="zoo", version_name="spring", roi_query="cat")
    view.add_query(dataset_name="farm", version_name="one", roi_query="Cat")
    view.add_mapping_rule(dataset_name="farm", version_name="one", from_labels=["Cat"], to_label="cat")
    view.set_labels({"cat": 7, "Cat": 1})
    frames = {frame.id: frame for frame in view.to_list()}
    assert set(frames) == {"a1", "a2", "f1", "f2"}
    group, single = frames["f1"], frames["f2"]
    assert isinstance(group, FrameGroup)
    assert isinstance(single, SingleFrame)
    labelled = [*group.get_global_annotations(), *single.annotations]
    assert [(item.labels, item.label_enum) for item in labelled] == [(["cat"], 7), (["cat", "old"], 7)]


@pytest.mark.parametrize(
    ("rules", "labels"),
    [
        ([(["Cat", "old"], "veteran")], ["veteran"]),
        ([("old", "Cat")], ["Cat"]),
        ([(["Cat", "tiny"], "kitten")], ["Cat", "old"]),
        ([("Cat", "cat"), ("cat", "feline")], ["cat", "old"]),
        ([("Cat", "first"), (["Cat", "old"], "second")], ["first", "second"]),
        ([("*", "animal")], ["animal"]),
    ],
)
def test_rules_name_all_labels_that_they_need(rules: list[tuple[Any, str]], labels: list[str]) -> None:
    view = DataView()
    view.add_query(dataset_name="farm", version_name="one", frame_query="id:f2")
    for from_labels, to_label in rules:
        view.add_mapping_rule(from_labels, to_label, dataset_name="farm", version_name="*")
    assert view.to_dict(["rois.label"]) == [{"rois": [{"label": labels}]}]
    assert view.arrow()["rois"].to_pylist()[0][0]["labels"] == labels


def test_a_rule_holds_where_it_says() -> None:
    view = DataView()
    view.add_query(dataset_name="zoo", version_name="summer", roi_query="cat")
    view.add_query(dataset_name="farm", roi_query="Cat")
    view.add_mapping_rule("cat", "lion", dataset_name="zoo", version_name="spring")
    view.add_mapping_rule("Cat", "lion")
    found = {item["id"]: item["rois"][0]["label"] for item in view.to_dict()}
    assert found == {"a1": ["cat"], "a2": ["cat", "wet"], "s1": ["cat"], "f1": ["lion"], "f2": ["lion", "old"]}


def test_a_stored_view_is_found_by_id_and_name() -> None:
    view = DataView("cats")
    view.add_query(dataset_name="zoo", version_name="spring", roi_query="cat")
    dataview_id = view.store()
    assert view.id == dataview_id
    for found in (
        DataView.get(dataview_id=dataview_id),
        DataView.get(str(dataview_id)),
        DataView.get(dataview_name="cats"),
    ):
        assert [frame.id for frame in found] == ["a1", "a2"]


def test_frames_come_as_dicts_with_the_fields_asked_for() -> None:
    view = DataView("cats")
    view.add_query(dataset_name="zoo", version_name="spring", roi_query="bird")
    view.store()
    dataset_id = Dataset.get(dataset_name="zoo").id
    source = {"id": "default", "uri": "b2.png", "timestamp": 40, "preview": {"uri": "b2.jpg"}}
    found = DataView.get(dataview_id=view.id).to_dict(projection=["id", "dataset.id", "sources"])
    assert found == [{"id": "b2", "dataset": {"id": dataset_id}, "sources": [source]}]
    assert list(view.get_iterator(projection=["sources.0.uri", "rois.*.label", "nothing.of.it"])) == [
        {"sources": [{"uri": "b2.png"}], "rois": [{"label": ["bird"]}] * 3}
    ]
    assert view.to_dict()[0]["meta"] == FRAMES[3][4]


def test_the_star_stands_for_what_the_view_names() -> None:
    view = DataView()
    view.add_query(dataset_name="*", version_name="*", roi_query="bird")
    with pytest.raises(masksdb.UsageError, match="no query names a dataset"):
        view.to_list()
    view.add_query(dataset_name="farm", version_name="*", roi_query="cow")
    assert [frame.id for frame in view.to_list()] == ["f3"]
    view.add_query(dataset_name="zoo", version_name="summer", roi_query="dog")
    assert view.get_count() == (4, [1, 1, 2])
    view.add_query(version_name="spring", roi_query="wet")
    assert view.get_count()[1] == [1, 1, 2, 2]


def test_a_frame_that_several_versions_show_comes_once() -> None:
    view = DataView()
    view.add_query(dataset_name="zoo", roi_query="cat")
    assert [(item["id"], item["dataset"]["version_name"]) for item in view.to_dict()] == [
        ("a1", "summer"), ("a2", "summer"), ("s1", "summer")
    ]  # fmt: skip


def test_a_version_shows_its_own_frames() -> None:
    summer = DatasetVersion.get_version(dataset_name="zoo", version_name="summer")
    summer.update_frames([{"id": "a1", "rois": [roi("ghost")]}])
    summer.delete_frames(["a2"])
    view = DataView()
    view.add_query(dataset_name="zoo", version_name="summer", roi_query="cat OR ghost")
    assert sorted(frame.id for frame in view.to_list()) == ["a1", "s1"]
    assert spring(roi_query="cat") == ["a1", "a2"]


def test_frames_of_a_view_are_those_of_the_version() -> None:
    version = DatasetVersion.get_version(dataset_name="farm", version_name="one")
    view = DataView(queries=[DataView().add_query(dataset_name="farm", version_name="one")])
    for frame in view.to_list():
        stored = version.get_frame(frame.id)
        assert (frame.to_dict(), frame.origin, frame.media_root) == (stored.to_dict(), stored.origin, stored.media_root)
        assert type(frame) is type(stored)
