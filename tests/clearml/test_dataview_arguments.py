"""What a DataView says to arguments that are not what they should be, and to those that say nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import masksdb
from masksdb import DataView, UsageError

CAR = {"label": ["car"], "confidence": 0.9}
WET = {"label": ["wet", "car"], "confidence": 0.2}
FRAMES: list[dict[str, Any]] = [
    {"id": "none", "rois": []},
    {"id": "one", "rois": [CAR]},
    {"id": "two", "rois": [CAR, WET], "meta": {"city": "kiel"}},
    {"id": "three", "rois": [CAR, CAR, CAR], "sources": [{"id": "s", "uri": "three.png"}]},
    {"id": "bear", "rois": [{"label": ["teddy bear"]}]},
]


@pytest.fixture
def cars(db: masksdb.Database) -> masksdb.Database:
    db.ingest(FRAMES, dataset="cars", version="v1")
    return db


def view_of(database: masksdb.Database, **query: Any) -> DataView:
    view = DataView(database=database)
    view.add_query(**{"dataset_name": "cars", **query})
    return view


def ids(view: DataView) -> list[str]:
    return sorted(frame.id for frame in view.to_list())


def test_an_empty_query_asks_for_nothing(cars: masksdb.Database) -> None:
    assert len(ids(view_of(cars, roi_query="", frame_query="", source_query=""))) == 5


def test_words_alone_are_one_label(cars: masksdb.Database) -> None:
    assert ids(view_of(cars, roi_query="teddy bear")) == ["bear"]
    assert ids(view_of(cars, roi_query="wet car")) == []
    assert ids(view_of(cars, roi_query="(wet car)")) == ["two"]


def test_a_rule_may_have_a_count_and_a_confidence(cars: masksdb.Database) -> None:
    assert ids(view_of(cars, roi_query="car", count_range=(2, 3))) == ["three", "two"]
    assert ids(view_of(cars, roi_query="car", count_range=(2, 3), conf_range=(0.5, 1))) == ["three"]


def test_one_rule_needs_no_list_and_goes_with_the_other_queries(cars: masksdb.Database) -> None:
    view = DataView(database=cars)
    view.add_multi_query(
        dataset_name="cars", roi_queries=DataView.RoiQuery("car"), frame_query="meta.city:kiel", weight=2
    )
    assert ids(view) == ["two"]
    view = DataView(database=cars)
    view.add_multi_query(dataset_name="cars", roi_queries=[DataView.RoiQuery("car")], source_query="uri:three.png")
    assert ids(view) == ["three"]


def test_datasets_and_versions_are_found_by_their_ids(cars: masksdb.Database) -> None:
    ((dataset_id, version_id),) = cars.sql("SELECT dataset_id, version_id FROM versions").fetchall()
    for as_passed in (version_id, str(version_id)):
        assert len(ids(view_of(cars, dataset_name=None, version_id=as_passed))) == 5
    assert len(ids(view_of(cars, dataset_name=None, dataset_id=dataset_id, version_id=version_id))) == 5


@pytest.mark.parametrize("argument", ["dataset_id", "version_id"])
@pytest.mark.parametrize("value", ["7f2c3ab0", 2.5, "-1"])
def test_an_id_is_a_whole_number(cars: masksdb.Database, argument: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"{argument}: found {value!r}"):
        view_of(cars, **{"dataset_name": None, argument: value})
    with pytest.raises(UsageError, match=f"{argument}: found {value!r}"):
        view_of(cars).add_mapping_rule("car", "vehicle", **{argument: value})


def test_a_frame_that_a_version_has_changed_comes_as_each_version_has_it(cars: masksdb.Database) -> None:
    cars.version("cars", "v1").publish_version()
    cars.create_version("cars", "v2", parents=["v1"])
    cars.ingest([{"id": "one", "rois": [CAR, CAR]}], dataset="cars", version="v2")
    assert ids(view_of(cars, version_name="*")).count("one") == 2
    assert ids(view_of(cars, version_name="v2")).count("one") == 1
    assert ids(view_of(cars, version_name="*")).count("two") == 1


def test_repetition_ends_where_the_largest_query_is_through(cars: masksdb.Database) -> None:
    for infinite in (False, True):
        view = view_of(cars)
        view.set_iteration_parameters(order="random", infinite=infinite)
        assert len(list(view.get_iterator(allow_repetition=True))) == 5
        assert len(list(view.get_iterator(auto_synthetic_epoch_limit=True))) == 5


def test_arguments_that_change_nothing_are_taken(cars: masksdb.Database) -> None:
    frames = view_of(cars).get_iterator(query_queue_depth=2, node_id=3, cache_in_memory=True)
    assert [frame.id for frame in frames] == [frame.id for frame in view_of(cars)]


def test_workers_share_the_frames(cars: masksdb.Database) -> None:
    parts = [[f.id for f in view_of(cars).get_iterator(num_workers=2, worker_index=index)] for index in (0, 1)]
    assert sorted(parts[0] + parts[1]) == ids(view_of(cars))
    assert abs(len(parts[0]) - len(parts[1])) == 1


WRONG: dict[str, tuple[Callable[[DataView], Any], str]] = {
    "worker alone": (lambda view: view.get_iterator(worker_index=1), "worker_index: found 1"),
    "no such worker": (lambda view: view.get_iterator(worker_index=2, num_workers=2), "worker_index: found 2"),
    "no workers": (lambda view: view.get_iterator(num_workers=0), "num_workers: found 0"),
    "no cache": (lambda view: view.get_iterator(query_cache_size=-1), "query_cache_size: found -1"),
    "projection": (lambda view: view.to_dict(projection="id"), "projection: found 'id', expected a list"),
    "large number": (lambda view: view.set_labels({"car": 1 << 63}), "set_labels: found 'car': 9223372036854775808"),
    "seed": (lambda view: view.set_iteration_parameters(random_seed="abc"), "random_seed: found 'abc'"),  # type: ignore[arg-type]
    "mask": (lambda view: view.arrays(mask="sge"), "mask 'sge': no mask has this id; found none"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told(cars: masksdb.Database, name: str) -> None:
    view = view_of(cars)
    view.set_labels({"car": 1})
    call, text = WRONG[name]
    with pytest.raises(UsageError, match=text):
        call(view)


def test_numbers_of_numpy_are_numbers(cars: masksdb.Database) -> None:
    view = view_of(cars)
    view.set_labels({"car": np.int64(3)})  # type: ignore[dict-item]
    assert view.get_labels() == {"car": 3}
    assert type(view.get_labels()["car"]) is int
