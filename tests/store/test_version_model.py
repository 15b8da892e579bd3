"""Versions behave as dicts of frames that their children copy, whatever happens to them in whatever order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.common import exported

import masksdb

IDS = ("a", "b", "c", "d", "e")
LABELS = ("car", "bus")

Version = dict[str, str]
"""The model of a version: label by frame id."""

STEPS = st.one_of(
    st.tuples(
        st.just("ingest"),
        st.integers(0, 99),
        st.dictionaries(st.sampled_from(IDS), st.sampled_from(LABELS), min_size=1, max_size=4),
    ),
    st.tuples(st.just("delete"), st.integers(0, 99), st.sets(st.sampled_from(IDS), min_size=1, max_size=3)),
    st.tuples(st.just("publish"), st.integers(0, 99)),
    st.tuples(st.just("snapshot"), st.integers(0, 99)),
    st.tuples(st.just("child"), st.integers(0, 99)),
    st.tuples(st.just("merge"), st.lists(st.integers(0, 99), min_size=2, max_size=3)),
    st.tuples(st.just("drop"), st.integers(0, 99)),
    st.tuples(st.just("root")),
)


def frame(frame_id: str, label: str) -> dict[str, Any]:
    masks = [{"id": "seg", "uri": f"{frame_id}.png"}]
    return {
        "id": frame_id,
        "sources": [{"id": "s", "uri": f"{frame_id}.jpg", "masks": masks}],
        "rois": [{"label": [label], "mask": {"id": "seg", "value": [1]}}],
    }


class Model:
    """The versions of a dataset as dicts, and the same in a database."""

    def __init__(self, db: masksdb.Database, dataset: str) -> None:
        self.db = db
        self.dataset = dataset
        self.frames: dict[str, Version] = {}
        self.parents: dict[str, list[str]] = {}
        self.published: set[str] = set()
        self.names = (f"v{number}" for number in itertools.count())

    def drafts(self) -> list[str]:
        return [name for name in self.frames if name not in self.published]

    def create(self, *parents: str) -> str:
        name = next(self.names)
        self.db.create_version(self.dataset, name, parents=parents)
        self.parents[name] = list(parents)
        self.frames[name] = {}
        for parent in reversed(parents):
            self.frames[name].update(self.frames[parent])
        return name

    def run(self, step: tuple[Any, ...]) -> None:
        kind, *arguments = step
        if kind == "root":
            self.create()
        elif kind == "merge":
            known = sorted(self.published)
            chosen = list(dict.fromkeys(known[pick % len(known)] for pick in arguments[0])) if known else []
            if chosen:
                self.create(*chosen)
        elif kind == "child" and self.published:
            self.create(sorted(self.published)[arguments[0] % len(self.published)])
        elif self.drafts() and kind != "child":
            getattr(self, kind)(self.drafts()[arguments[0] % len(self.drafts())], *arguments[1:])

    def ingest(self, name: str, labels: dict[str, str]) -> None:
        before = dict(self.frames[name])
        frames = [frame(frame_id, label) for frame_id, label in labels.items()]
        report = self.db.ingest(frames, dataset=self.dataset, version=name)
        self.frames[name].update(labels)
        kept = sum(before.get(frame_id) == label for frame_id, label in labels.items())
        new = sum(frame_id not in before for frame_id in labels)
        assert (report.new, report.updated, report.unchanged) == (new, len(labels) - new - kept, kept)

    def delete(self, name: str, ids: set[str]) -> None:
        version = self.db.version(self.dataset, name)
        if ids <= self.frames[name].keys():
            version.delete_frames(sorted(ids))
            for frame_id in ids:
                del self.frames[name][frame_id]
        else:
            with pytest.raises(masksdb.NotFoundError):
                version.delete_frames(sorted(ids))

    def publish(self, name: str) -> None:
        self.db.version(self.dataset, name).publish_version()
        self.published.add(name)

    def snapshot(self, name: str) -> None:
        snapshot, child = next(self.names), next(self.names)
        self.db.create_snapshot(self.dataset, name, publish_name=snapshot, child_name=child)
        self.frames[snapshot], self.frames[child] = self.frames.pop(name), {}
        self.frames[child].update(self.frames[snapshot])
        self.parents[snapshot], self.parents[child] = self.parents.pop(name), [snapshot]
        self.published.add(snapshot)

    def drop(self, name: str) -> None:
        self.db.dataset(self.dataset).delete_version(version_name=name)
        del self.frames[name], self.parents[name]

    def check(self, folder: Path) -> None:
        for name, labels in self.frames.items():
            frames = exported(self.db, self.dataset, name, folder)
            assert {one["id"]: one for one in frames} == {key: frame(key, labels[key]) for key in labels}, name
            assert len(frames) == len(labels)
        query = "SELECT version, frame_id, class_labels[1] FROM mask_rois WHERE dataset = ? ORDER BY ALL"
        expected = [(name, *labelled) for name, labels in self.frames.items() for labelled in labels.items()]
        assert self.db.sql(query, [self.dataset]).fetchall() == sorted(expected)
        tree = self.db.sql("SELECT version, parents FROM version_tree WHERE dataset = ?", [self.dataset]).fetchall()
        assert dict(tree) == self.parents


@pytest.fixture(scope="module")
def shared_db() -> Iterator[masksdb.Database]:
    with masksdb.connect(":memory:") as database:
        yield database


DATASETS = itertools.count()

SAVED_HASHES = """
SELECT version_id, saved_hash, CAST(coalesce(recomputed, 0) AS VARCHAR)
FROM versions
LEFT JOIN (
    SELECT version_id, bit_xor(md5_number(to_json([kind, frame_id, content_hash, CAST(position AS VARCHAR)])))
        AS recomputed
    FROM (
        SELECT 'frame' AS kind, frame_id, content_hash, position, version_id FROM frames
        UNION ALL
        SELECT 'shadow', frame_id, content_hash, position, frame_shadows.version_id
        FROM frame_shadows JOIN frames USING (frame_key)
    )
    GROUP BY version_id
) USING (version_id)
"""


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEPS, min_size=3, max_size=14))
def test_versions_are_what_plain_dicts_would_be(
    steps: list[tuple[Any, ...]], shared_db: masksdb.Database, tmp_path: Path
) -> None:
    model = Model(shared_db, f"d{next(DATASETS)}")
    model.create()
    for step in steps:
        model.run(step)
    model.check(tmp_path)
    for _, kept, recomputed in shared_db.sql(SAVED_HASHES).fetchall():
        assert kept == recomputed, "the hash that writes keep up to date is that of the rows"
    shared_db.delete_dataset(model.dataset, delete_all_versions=True, force=True)


def test_what_one_parent_deleted_another_may_still_show(db: masksdb.Database, tmp_path: Path) -> None:
    model = Model(db, "d")
    base = model.create()
    model.ingest(base, {"a": "car", "b": "car"})
    model.publish(base)
    left, right = model.create(base), model.create(base)
    model.delete(left, {"a"})
    model.ingest(left, {"b": "bus"})
    model.ingest(right, {"c": "bus"})
    model.publish(left)
    model.publish(right)
    merged = model.create(left, right)
    assert model.frames[merged] == {"a": "car", "b": "bus", "c": "bus"}
    model.check(tmp_path)
    model.publish(merged)
    child = model.create(merged)
    model.delete(child, {"a"})
    model.check(tmp_path)
    assert db.sql("SELECT count(*) FROM frames").fetchall() == [(4,)], "nothing was copied"
