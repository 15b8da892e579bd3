"""The order of a DataView's frames: seeds, weights, repetition, shares among workers; and its SQL."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import masksdb
from masksdb import DataView
from masksdb.clearml.views.frames import frames_of

FRAMES = [{"id": f"f{i:03d}", "context_id": f"c{i % 7}", "timestamp": i, "meta": {"n": i}} for i in range(300)]


@pytest.fixture(scope="module")
def db() -> Iterator[masksdb.Database]:
    with masksdb.connect(":memory:") as database:
        database.ingest(FRAMES, dataset="d", version="v")
        yield database


def view_of(db: masksdb.Database, order: str = "random", seed: int = 7, **parameters: Any) -> DataView:
    view = DataView(iteration_order=order, iteration_random_seed=seed, database=db, **parameters)
    view.add_query(dataset_name="d", version_name="v")
    return view


def ids(view: DataView, count: int | None = None) -> list[str]:
    return [frame["id"] for frame in itertools.islice(view.get_iterator(["id"]), count)]


def digest(*parts: str) -> str:
    return hashlib.md5(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


def shuffled(seed: int) -> list[str]:
    """The ids in the order of their hashes, which is all that a random order depends on."""
    return sorted((str(frame["id"]) for frame in FRAMES), key=lambda name: digest(str(seed), "d", name))


def test_the_sequential_order_is_by_context_then_time(db: masksdb.Database) -> None:
    expected = sorted(FRAMES, key=lambda frame: (frame["context_id"], frame["timestamp"]))
    assert ids(view_of(db, "sequential")) == [frame["id"] for frame in expected]


def test_a_random_order_has_each_frame_once_and_follows_from_the_seed(db: masksdb.Database) -> None:
    first = ids(view_of(db))
    assert sorted(first) == [frame["id"] for frame in FRAMES]
    assert first == ids(view_of(db))
    assert first != ids(view_of(db, seed=8))
    assert first == shuffled(7)


def test_draws_follow_from_the_seed(db: masksdb.Database) -> None:
    first = ids(view_of(db, iteration_infinite=True), 1000)
    assert first == ids(view_of(db, iteration_infinite=True), 1000)
    assert len(set(first)) > 250
    assert max(Counter(first).values()) < 20
    pool = shuffled(7)
    for draw, frame_id in enumerate(first):
        assert frame_id == pool[int(digest("7", str(draw))[12:24], 16) * 300 >> 48]


def test_an_order_does_not_depend_on_how_the_frames_came_in(db: masksdb.Database) -> None:
    with masksdb.connect(":memory:") as other:
        other.ingest([{"id": "x"}], dataset="before", version="v")
        for start in (200, 0, 100):
            other.ingest(FRAMES[start : start + 100][::-1], dataset="d", version="v")
        for infinite in (False, True):
            views = [view_of(database, iteration_infinite=infinite) for database in (other, db)]
            assert ids(views[0], 300) == ids(views[1], 300)


def test_weights_come_out_within_two_percent(db: masksdb.Database) -> None:
    view = DataView(iteration_order="random", iteration_infinite=True, iteration_random_seed=3, database=db)
    weights = {"n:[0 TO 9]": 1.0, "n:[10 TO 299]": 5.0, "n:[5 TO 7]": 0.5, "n:1000": 100.0}
    for query, weight in weights.items():
        view.add_query(dataset_name="d", version_name="v", frame_query=f"meta.{query}", weight=weight)
    draws = Counter(row[0] for row in db.sql(f"SELECT query_index FROM ({view.sql()})", view.parameters()).fetchall())
    assert sum(draws.values()) == 100_000
    assert set(draws) == {0, 1, 2}
    for index, weight in enumerate([1.0, 5.0, 0.5]):
        assert draws[index] / 100_000 == pytest.approx(weight / 6.5, rel=0.02)


def test_without_repetition_queries_take_turns_by_weight(db: masksdb.Database) -> None:
    view = DataView(iteration_order="random", maximum_number_of_frames=120, database=db)
    view.add_query(dataset_name="d", version_name="v", frame_query="meta.n:[0 TO 99]", weight=1)
    view.add_query(dataset_name="d", version_name="v", frame_query="meta.n:[100 TO 299]", weight=5)
    frame_ids = ids(view)
    assert len(set(frame_ids)) == 120
    assert sum(frame < "f100" for frame in frame_ids) in (19, 20, 21)


def test_repetition_balances_the_queries(db: masksdb.Database) -> None:
    view = DataView(database=db)
    view.add_query(dataset_name="d", version_name="v", frame_query="meta.n:<20", weight=1)
    view.add_query(dataset_name="d", version_name="v", frame_query="meta.n:>=20", weight=1)
    frames = view.to_list(allow_repetition=True)
    assert len(frames) == 560
    assert 220 < sum(frame.id < "f020" for frame in frames) < 340
    view.set_iteration_parameters(maximum_number_of_frames=10)
    assert len(view.to_list(allow_repetition=True)) == 10


def test_a_view_without_end_begins_again(db: masksdb.Database) -> None:
    view = view_of(db, "sequential", iteration_infinite=True)
    once = ids(view_of(db, "sequential"))
    assert ids(view, 650) == [*once, *once, *once[:50]]
    assert len(view.to_list()) == 300
    view.set_iteration_parameters(maximum_number_of_frames=310)
    assert ids(view) == [*once, *once[:10]]


@pytest.mark.parametrize("order", ["sequential", "random"])
def test_a_view_without_frames_ends(db: masksdb.Database, order: str) -> None:
    view = DataView(iteration_order=order, iteration_infinite=True, database=db)
    view.add_query(dataset_name="d", frame_query="meta.n:1000")
    assert list(view) == view.to_list() == view.to_list(allow_repetition=True) == []
    assert view.get_count() == (0, [0])
    assert view.arrow().num_rows == 0


def test_workers_share_the_frames(db: masksdb.Database) -> None:
    view = view_of(db)
    shares = [[frame.id for frame in view.get_iterator(worker_index=index, num_workers=3)] for index in range(3)]
    assert [frame_id for turn in itertools.zip_longest(*shares) for frame_id in turn] == ids(view)


def test_frames_are_read_a_few_at_a_time(db: masksdb.Database, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counted(engine: Any, keys: Any, labels: Any) -> Any:
        read.append(len(keys))
        return frames_of(engine, keys, labels)

    monkeypatch.setattr("masksdb.clearml.views.results.frames_of", counted)
    iterator = view_of(db).get_iterator(query_cache_size=50)
    next(iterator)
    assert read == [50]
    assert len(list(iterator)) == 299


def test_frames_that_go_away_meanwhile_are_an_error(tmp_path: Any) -> None:
    with masksdb.connect(tmp_path / "x.duckdb") as database:
        database.ingest(FRAMES[:20], dataset="d", version="v")
        iterator = view_of(database).get_iterator(query_cache_size=1)
        first = next(iterator)
        database.version("d", "v").delete_frames([f"f{i:03d}" for i in range(20) if f"f{i:03d}" != first.id])
        with pytest.raises(masksdb.MasksDBError, match="replaced or deleted since the iteration started"):
            next(iterator)


def test_the_sql_is_one_statement_with_every_value_bound(db: masksdb.Database) -> None:
    view = DataView(iteration_order="random", database=db)
    hostile = "'; DROP TABLE frames; --"
    view.add_query(
        dataset_name="d", version_name="v", roi_query=[hostile], frame_query=f'meta.n:"{hostile}"', weight=2.5
    )
    view.add_query(dataset_name="*", roi_query=f'"{hostile}"', source_query=r"meta.\'\;\ DROP:1")
    text, values = view.sql(), view.parameters()
    assert "DROP" not in text
    assert not re.search(r"2\.5|'d'|'v'", text)
    assert len(db.connection.extract_statements(text)) == 1
    assert set(re.findall(r"\$(\w+)", text)) - {"seed"} == set(values) - {"seed"}
    assert db.sql(text, values).fetchall() == []
    assert db.sql(text, values).columns == view.relation().columns


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dataset_name": "d", "dataset_id": 1}, "dataset_id and dataset_name: both given"),
        ({"version_name": "v", "version_id": 1}, "version_id and version_name: both given"),
        ({"dataset_name": "d", "weight": 0}, "weight: found 0, expected a number above 0"),
        ({"dataset_name": "d", "weight": float("nan")}, "weight: found nan"),
        ({"dataset_name": "d", "roi_query": "car~"}, "roi_query, column 1: fuzzy"),
        ({"dataset_name": "d", "roi_query": []}, "expected a label, a list of labels or Lucene"),
        ({"dataset_name": "d", "count_range": (3, 1)}, "the least not above the most"),
        ({"dataset_name": "d", "conf_range": (0, 1, 2)}, "expected \\(least, most\\)"),
        ({"dataset_name": "d", "count_range": (-2, 1)}, "expected \\(least, most\\)"),
        ({"project_name": "p"}, "no dataset is named"),
    ],
)
def test_arguments_are_checked_at_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DataView().add_query(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dataset_name": "e"}, "no dataset 'e'; did you mean"),
        ({"dataset_name": "d", "version_name": "w"}, "no version 'w'"),
        ({"dataset_name": "d", "project_name": "p"}, "not in the project 'p'"),
        ({"version_id": 99}, "version 99: deleted"),
    ],
)
def test_names_are_looked_up_when_they_are_needed(
    db: masksdb.Database, arguments: dict[str, Any], message: str
) -> None:  # fmt: skip
    view = DataView(database=db)
    view.add_query(**arguments)
    with pytest.raises(masksdb.NotFoundError, match=message):
        view.get_count()


def test_other_arguments_are_checked_too(default_db: masksdb.Database) -> None:  # noqa: ARG001  # it is where views are sought
    view = DataView(auto_connect_with_task=False)
    calls: list[tuple[Callable[[], object], str]] = [
        (lambda: view.set_iteration_parameters(order="sideways"), "expected 'sequential' or 'random'"),
        (lambda: view.set_iteration_parameters(maximum_number_of_frames=-1), "expected a number of frames"),
        (lambda: view.add_mapping_rule([], "x"), "from_labels"),
        (lambda: view.add_mapping_rule("x", ""), "to_label"),
        (lambda: view.add_multi_query(roi_queries=[{"colour": 1}]), "expected DataView.RoiQuery"),
        (lambda: DataView(queries=["cat"]), "expected what get_queries"),  # type: ignore[list-item]
        (lambda: view.store(), "stored under its name"),
        (lambda: DataView.get(), "give dataview_id or dataview_name"),
        (lambda: view.to_list(), "no query"),
    ]
    for call, message in calls:
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(masksdb.UnsupportedFormatError, match="prefetch_files"):
        view.prefetch_files(num_workers=10)
    with pytest.raises(masksdb.UnsupportedFormatError, match="split_to_lists"):
        view.split_to_lists(ratio=[80, 20])
