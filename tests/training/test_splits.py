"""Splits: no group torn apart, shares as near as groups let them be, classes shared out, the same everywhere."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.common import FIXTURES, Outcome

import masksdb
from masksdb import NotFoundError, QueryError
from masksdb.training.splits import balanced, deal

PARTS = {"train": 0.8, "val": 0.1, "test": 0.1}


def frames_of(groups: list[int]) -> list[dict[str, Any]]:
    """Groups of so many frames each."""
    return [{"id": f"{group}_{n}", "context_id": f"g{group}"} for group, size in enumerate(groups) for n in range(size)]


def parts_of(db: masksdb.Database, dataset: str, name: str = "split") -> dict[str, str]:
    query = "SELECT frame_id, part FROM frame_splits WHERE dataset = $d AND split = $n"
    return dict(db.sql(query, {"d": dataset, "n": name}).fetchall())


def off_by(parts: list[int], sizes: list[int], target: list[int]) -> float:
    """By what share the part that is farthest off is."""
    held = Counter(dict.fromkeys(range(len(target)), 0))
    for part, size in zip(parts, sizes, strict=True):
        held[part] += size
    return max(abs(held[part] / sum(sizes) - share / 1_000_000) for part, share in enumerate(target))


SHARES = st.sampled_from([[800_000, 100_000, 100_000], [500_000, 300_000, 200_000], [333_333, 333_333, 333_334]])


@given(st.lists(st.integers(1, 12), min_size=1, max_size=7), SHARES)
@settings(max_examples=100, deadline=None)
def test_three_parts_are_as_good_as_the_best_of_all(sizes: list[int], target: list[int]) -> None:
    best = min(off_by(list(item), sizes, target) for item in itertools.product(range(3), repeat=len(sizes)))
    assert off_by(deal(sizes, target), sizes, target) <= max(best, 0.01) + 1e-9


@given(st.lists(st.integers(1, 50), min_size=200, max_size=300), SHARES)
@settings(max_examples=30, deadline=None)
def test_many_groups_come_within_one_percent(sizes: list[int], target: list[int]) -> None:
    assert off_by(deal(sizes, target), sizes, target) <= 0.01


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 50), st.integers(0, 50)), min_size=3, max_size=30), SHARES)
@settings(max_examples=60, deadline=None)
def test_to_balance_costs_no_share_and_makes_no_class_worse_on_the_whole(
    groups: list[tuple[int, int, int]], target: list[int]
) -> None:
    sizes = [size for size, _, _ in groups]
    pixels = np.array([item[1:] for item in groups], np.int64)
    pixels = pixels * 1_000_000 // np.maximum(pixels.sum(axis=0), 1)

    def cost(parts: list[int]) -> int:
        held = [pixels[np.array(parts) == part].sum(axis=0) - share for part, share in enumerate(target)]
        return int((np.array(held) ** 2).sum())

    plain = deal(sizes, target)
    result = balanced(pixels, sizes, target, plain)
    assert off_by(result, sizes, target) <= max(off_by(plain, sizes, target), 0.01) + 1e-9
    assert cost(result) <= cost(plain)


def test_groups_stay_together_whatever_they_are_grouped_by(db: masksdb.Database) -> None:
    cities = {f"f{n}": f"c{n % 17}" if n % 5 else None for n in range(200)}
    frames = [{"id": name, "meta": {"city": city} if city else {}} for name, city in cities.items()]
    db.ingest(frames, dataset="d", version="v")
    report = db.split("d", "v", {"a": 0.5, "b": 0.5}, by="frame_meta.city", seed=3, name="city")
    result = parts_of(db, "d", "city")
    parts: dict[str, set[str]] = {}
    for name, city in cities.items():
        parts.setdefault(city or name, set()).add(result[name])
    assert len(result) == 200
    assert all(len(item) == 1 for item in parts.values())
    # A frame that has no city is a group of its own.
    assert sum(part.groups for part in report.parts) == 17 + 40


def test_the_order_of_groups_is_that_of_md5_and_nothing_else(db: masksdb.Database) -> None:
    frames = frames_of([1] * 10)
    with masksdb.connect(":memory:") as other:
        other.ingest([{"id": "x"}], dataset="before", version="v")
        other.ingest(frames[::-1], dataset="d", version="v")
        db.ingest(frames, dataset="d", version="v")
        for item in (db, other):
            item.split("d", "v", {"a": 0.5, "b": 0.5}, seed=7)
        assert parts_of(db, "d") == parts_of(other, "d")

    def place(group: str) -> str:
        return hashlib.md5(json.dumps(["7", json.dumps([group])], separators=(",", ":")).encode()).hexdigest()

    order = sorted(range(10), key=lambda group: place(f"g{group}"))
    expected = {f"{group}_0": "ab"[turn % 2] for turn, group in enumerate(order)}
    assert parts_of(db, "d") == expected


def test_a_balanced_split_shares_out_a_rare_class(db: masksdb.Database, tmp_path: Path) -> None:
    frames = []
    for number in range(40):
        pixels = np.zeros((10, 10), np.uint8)
        # Eight frames have the rare class, one of them most of it.
        pixels[: 1 + number % 5] = 1
        if number % 5 == 0:
            pixels[9] = 2
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        rois = [{"label": [name], "mask": {"value": [value]}} for value, name in enumerate(["rest", "common", "rare"])]
        source = {"uri": f"{number}.jpg", "masks": [{"id": "seg", "uri": f"{number}.png"}]}
        frames.append({"id": str(number), "context_id": str(number), "sources": [source], "rois": rois})
    db.ingest(frames, dataset="d", version="v", media_root=str(tmp_path))
    db.analyze("d", "v")
    for seed in range(5):
        report = db.split("d", "v", {"a": 0.75, "b": 0.25}, seed=seed, balance=True)
        assert [part.frames for part in report.parts] == [30, 10]
        rare = Counter(parts_of(db, "d")[str(number)] for number in range(0, 40, 5))
        assert rare == {"a": 6, "b": 2}


def test_a_second_split_of_a_name_replaces_the_first_and_others_stay(db: masksdb.Database) -> None:
    db.ingest(frames_of([1] * 10), dataset="d", version="v")
    db.version("d", "v").publish_version()
    db.split("d", "v", {"a": 1}, name="other")
    for share in (0.5, 0.2):
        db.split("d", "v", {"a": share, "b": 1 - share})
        assert Counter(parts_of(db, "d").values()) == {"a": 10 * share, "b": 10 - 10 * share}
    assert set(parts_of(db, "d", "other").values()) == {"a"}


def test_what_a_split_cannot_be_made_by_is_refused(db: masksdb.Database) -> None:
    db.ingest(frames_of([1, 2]), dataset="d", version="v")
    for by in ("no_such_column", "1); DROP TABLE frames; --", "count(*"):
        with pytest.raises((QueryError, masksdb.UsageError), match="by "):
            db.split("d", "v", PARTS, by=by)
    with pytest.raises(NotFoundError, match="no version 'w'"):
        db.split("d", "w", PARTS)
    assert db.sql("SELECT count(*) FROM frames").fetchall() == [(3,)]
    assert db.sql("SELECT count(*) FROM splits").fetchall() == [(0,)]


def test_a_version_without_frames_has_empty_parts(db: masksdb.Database) -> None:
    db.create_version("d", "v")
    assert [part.frames for part in db.split("d", "v", PARTS).parts] == [0, 0, 0]


def test_splits_are_read_without_masksdb(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest(frames_of([1] * 10), dataset="d", version="v")
    db.split("d", "v", {"a": 0.5, "b": 0.5})
    db.connection.execute(f"EXPORT DATABASE '{tmp_path}/out'")
    with duckdb.connect() as other:
        other.execute(f"IMPORT DATABASE '{tmp_path}/out'")
        result = dict(other.execute("SELECT frame_id, part FROM frame_splits").fetchall())
    assert result == parts_of(db, "d")


def test_the_command_prints_what_each_part_has(run: Callable[..., Outcome], db_path: str) -> None:
    run("ingest", db_path, FIXTURES / "street/frames.jsonl", "--dataset", "street", "--version", "v1")
    asked = ("split", db_path, "--dataset", "street", "--by", "frame_id", "--seed", 7)
    done = run(*asked, "--parts", "train=0.5,val=0.25,test=0.25")
    assert done.status == 0
    assert [line.split() for line in done.out.splitlines()[2:]] == [
        ["train", "6", "6", "0.5000", "0.5"],
        ["val", "3", "3", "0.2500", "0.25"],
        ["test", "3", "3", "0.2500", "0.25"],
    ]
    for wrong, message in {
        "train=0.5": "expected shares from 0 to 1 whose sum is 1",
        "train": "expected NAME=SHARE",
        "a=0.5,a=0.5": "each name once",
        "a=nan,b=1": "its share from 0 to 1",
    }.items():
        failed = run(*asked, "--parts", wrong)
        assert failed.status in (1, 2)
        assert message in failed.err
    failed = run(*asked, "--parts", "a=0.5,b=0.5", "--balance")
    assert (failed.status, failed.out) == (1, "")
    assert "run 'masksdb analyze' first" in failed.err


def test_a_group_that_is_missing_and_a_part_that_is_empty_are_told(db: masksdb.Database) -> None:
    db.ingest([{"id": f"f{n}", "meta": {"city": "ulm"} if n else {}} for n in range(9)], dataset="d", version="v")
    report = db.split("d", "v", PARTS, by="frame_meta.city")
    assert report.notes[0] == "frame_meta.city is NULL for 1 of 9 frames; each is a group of its own"
    assert report.notes[1].endswith(": no frames, for there are 2 groups")
    assert db.split("d", "v", {"a": 0.5, "b": 0.5}, by="frame_id").notes == ()
