"""What differs between two versions."""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.common import Outcome

import masksdb

Roi = dict[str, Any]
ROIS = st.fixed_dictionaries(
    {
        "label": st.lists(st.sampled_from(["car", "bus"]), min_size=1, max_size=1),
        "mask": st.fixed_dictionaries(
            {"id": st.sampled_from(["seg", "inst"]), "value": st.sampled_from([[1], [2], [1, 2, 3]])}
        ),
    },
    optional={"id": st.sampled_from(["1", "2"]), "confidence": st.sampled_from([0.5, 1.0])},
)
VERSIONS = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.lists(ROIS, max_size=5), max_size=3)


def paired(before: list[int], after: list[int], key: Callable[[str, int], object]) -> list[tuple[int, int]]:
    """The first of each key with the first, the second with the second; what is paired leaves the lists."""
    waiting: dict[object, list[int]] = defaultdict(list)
    for index in before:
        waiting[key("before", index)].append(index)
    pairs = []
    for index in list(after):
        if (match := key("after", index)) is not None and waiting[match]:
            pairs.append((waiting[match].pop(0), index))
    for old, new in pairs:
        before.remove(old)
        after.remove(new)
    return pairs


def roi_changes(frame_id: str, old: list[Roi], new: list[Roi]) -> Iterator[tuple[Any, ...]]:
    """The changes from some ROIs to others, by loops."""
    rois = {"before": old, "after": new}

    def labels(side: str, index: int) -> str:
        return json.dumps(rois[side][index]["label"])

    def place(side: str, index: int) -> str:
        return json.dumps(rois[side][index]["mask"], sort_keys=True)

    before, after = list(range(len(old))), list(range(len(new)))
    for left, right in paired(before, after, lambda side, index: rois[side][index].get("id")):
        if labels("before", left) != labels("after", right):
            yield ("roi", "relabelled", frame_id, right)
        if place("before", left) != place("after", right):
            yield ("roi", "moved", frame_id, right)
    paired(before, after, lambda side, index: labels(side, index) + place(side, index))
    for _, right in paired(before, after, place):
        yield ("roi", "relabelled", frame_id, right)
    for _, right in paired(before, after, labels):
        yield ("roi", "moved", frame_id, right)
    for index in before:
        yield ("roi", "removed", frame_id, index)
    for index in after:
        yield ("roi", "added", frame_id, index)


def changes(old: dict[str, list[Roi]], new: dict[str, list[Roi]]) -> Iterator[tuple[Any, ...]]:
    for frame_id in old.keys() | new.keys():
        if frame_id not in old:
            yield ("frame", "added", frame_id, None)
        elif frame_id not in new:
            yield ("frame", "removed", frame_id, None)
        elif old[frame_id] != new[frame_id]:
            yield ("frame", "changed", frame_id, None)
            yield from roi_changes(frame_id, old[frame_id], new[frame_id])


def frames(version: dict[str, list[Roi]]) -> list[dict[str, Any]]:
    return [{"id": frame_id, "rois": rois} for frame_id, rois in version.items()]


@pytest.fixture(scope="module")
def shared_db() -> Iterator[masksdb.Database]:
    with masksdb.connect(":memory:") as database:
        yield database


DATASETS = itertools.count()


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(old=VERSIONS, new=VERSIONS)
def test_the_changes_are_those_that_loops_find(
    old: dict[str, list[Roi]], new: dict[str, list[Roi]], shared_db: masksdb.Database
) -> None:
    dataset = f"d{next(DATASETS)}"
    for name, version in (("old", old), ("new", new)):
        shared_db.create_version(dataset, name)
        if version:
            shared_db.ingest(frames(version), dataset=dataset, version=name)
    report = shared_db.changes(dataset, "old", "new")
    rows = report.rows.project("item, change, frame_id, roi_index").fetchall()
    expected = list(changes(old, new))
    assert Counter(rows) == Counter(expected)
    assert report.counts == Counter((item, change) for item, change, *_ in expected)


def car(value: int, label: str = "car", **more: Any) -> Roi:
    return {"label": [label], "mask": {"id": "seg", "value": [value]}, **more}


def make(db: masksdb.Database) -> None:
    """Version v1 with three frames, and a child v2 that changes some."""
    db.ingest(frames({"a": [car(1), car(2)], "b": [car(1)], "c": [car(3)]}), dataset="d", version="v1")
    db.version("d", "v1").set_masks_labels({(1,): ["car"], (2,): ["bus"]})
    db.version("d", "v1").publish_version()
    child = db.create_version("d", "v2", parents=["v1"])
    db.ingest(frames({"a": [car(1, "bus"), car(5)], "e": [car(1)]}), dataset="d", version="v2")
    child.delete_frames(["b"])
    child.set_masks_labels({(1,): ["van"], (3,): ["car"]})


def test_a_child_is_compared_with_its_parent(db: masksdb.Database) -> None:
    make(db)
    report = db.changes("d", "v1", "v2")
    assert report.rows.fetchall() == [
        ("frame", "added", "e", None, None, None, None, None),
        ("frame", "changed", "a", None, None, None, None, None),
        ("frame", "removed", "b", None, None, None, None, None),
        ("mask_label", "added", None, None, "_all_", [3], None, '["car"]'),
        ("mask_label", "relabelled", None, None, "_all_", [1], '["car"]', '["van"]'),
        ("mask_label", "removed", None, None, "_all_", [2], '["bus"]', None),
        (
            "roi", "moved", "a", 1, "seg", [5],
            '{"labels":["car"],"mask_id":"seg","value":[2]}', '{"labels":["car"],"mask_id":"seg","value":[5]}',
        ),
        (
            "roi", "relabelled", "a", 0, "seg", [1],
            '{"labels":["car"],"mask_id":"seg","value":[1]}', '{"labels":["bus"],"mask_id":"seg","value":[1]}',
        ),
    ]  # fmt: skip
    assert str(report) == (
        "d: v1 -> v2\n"
        "  frames: 1 added, 1 changed, 1 removed\n"
        "  ROIs of frames in both: 1 moved, 1 relabelled\n"
        "  mask labels: 1 added, 1 relabelled, 1 removed"
    )


def test_the_command_line_gives_a_summary_or_rows(run: Callable[..., Outcome], db_path: str) -> None:
    with masksdb.connect(db_path) as db:
        make(db)
        summary = str(db.changes("d", "v1", "v2"))
        count = len(db.changes("d", "v1", "v2").rows.fetchall())
    assert run("version", "diff", db_path, "--dataset", "d", "v1", "v2") == (0, summary + "\n", "")
    rows = json.loads(run("version", "diff", db_path, "--dataset", "d", "v1", "v2", "--format", "json").out)
    assert len(rows) == count
    assert rows[-1]["after"] == {"labels": ["bus"], "mask_id": "seg", "value": [1]}
    table = run("version", "diff", db_path, "--dataset", "d", "v1", "v2", "--format", "table")
    assert table.out.splitlines()[0].split() == [
        "item", "change", "frame_id", "roi_index", "mask_id", "value", "before", "after"
    ]  # fmt: skip
    unknown = run("version", "diff", db_path, "--dataset", "d", "v1", "v3")
    assert (unknown.status, unknown.err.partition(";")[0]) == (1, "Error: dataset 'd': no version 'v3'")


def test_versions_are_made_and_deleted_from_the_command_line(run: Callable[..., Outcome], db_path: str) -> None:
    name = ["--dataset", "d"]
    assert run("version", "create", db_path, *name, "--version", "v1", "--comment", "hello").status == 0
    refused = run("version", "create", db_path, *name, "--version", "v2", "--parent", "v1")
    assert (refused.status, refused.err) == (
        1,
        "Error: d/v1: a draft, and children inherit from published versions; publish it first\n",
    )
    assert (
        run("version", "snapshot", db_path, *name, "--name", "first").err == "d/first: published; d/Current: created\n"
    )
    assert run("version", "create", db_path, *name, "--version", "v2", "--parent", "first").err == "d/v2: created\n"
    again = run("version", "create", db_path, *name, "--version", "v2")
    assert (again.status, again.err) == (1, "Error: d/v2: exists already; choose another name\n")
    assert run("version", "delete", db_path, *name, "--version", "v2").err == "d/v2: deleted\n"
    refused = run("version", "delete", db_path, *name, "--version", "first")
    assert refused.err == "Error: d/first: published; force=True (--force) deletes it all the same\n"
    refused = run("version", "delete", db_path, *name, "--version", "first", "--force")
    assert refused.err == "Error: d/first: 'Current' inherit from it; delete them first\n"
    listed = json.loads(run("version", "list", db_path, *name, "--format", "json").out)
    assert [(row["version"], row["status"]) for row in listed] == [("first", "published"), ("Current", "draft")]
