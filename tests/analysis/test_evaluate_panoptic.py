"""Panoptic quality equals what panopticapi's algorithm gives, here from its definition, with void and crowds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from support.real_frames import coco_panoptic_frames

import masksdb
from masksdb.analysis.scores import Evaluation

Ids = npt.NDArray[np.int64]
VOID = 0


@dataclass
class Panoptic:
    """A panoptic image: the id of each pixel's segment, 0 for none, the class of each, and which are crowds."""

    ids: Ids
    classes: dict[int, str]
    crowds: set[int] = field(default_factory=set)

    def frame(self, name: str, path: Path) -> dict[str, Any]:
        """The image as a file, and the frame that says so."""
        channels = [(self.ids >> shift & 255).astype(np.uint8) for shift in (0, 8, 16)]
        Image.fromarray(np.dstack(channels)).save(path)
        rois = [
            {
                "label": [label],
                "mask": {"id": "panoptic", "value": [each >> shift & 255 for shift in (0, 8, 16)]},
                "is_crowd": each in self.crowds,
            }
            for each, label in self.classes.items()
        ]
        return {"id": name, "sources": [{"masks": [{"id": "panoptic", "uri": str(path)}]}], "rois": rois}


def quality(pairs: Sequence[tuple[Panoptic, Panoptic]]) -> dict[str, dict[str, float]]:
    """PQ, SQ, RQ of each class and what is counted for them, as panopticapi computes them."""
    counts: dict[str, dict[str, float]] = defaultdict(lambda: {"iou": 0.0, "tp": 0, "fp": 0, "fn": 0})
    for truth, prediction in pairs:
        _count(truth, prediction, counts)
    found = {}
    for name, each in counts.items():
        weight = each["tp"] + each["fp"] / 2 + each["fn"] / 2
        if weight:
            sq = each["iou"] / each["tp"] if each["tp"] else 0.0
            found[name] = each | {"pq": each["iou"] / weight, "sq": sq, "rq": each["tp"] / weight}
    return found


def _count(truth: Panoptic, prediction: Panoptic, counts: Mapping[str, dict[str, float]]) -> None:
    both = list(zip(truth.ids.reshape(-1).tolist(), prediction.ids.reshape(-1).tolist(), strict=True))
    common: dict[tuple[int, int], int] = defaultdict(int)
    areas: dict[int, int] = defaultdict(int)
    truth_areas: dict[int, int] = defaultdict(int)
    for left, right in both:
        common[left, right] += 1
        truth_areas[left] += 1
        areas[right] += 1
    matched: set[int] = set()
    missed = {each for each in truth.classes if each not in truth.crowds}
    for (left, right), pixels in common.items():
        if left not in missed or right not in prediction.classes:
            continue
        if truth.classes[left] == prediction.classes[right]:
            union = truth_areas[left] + areas[right] - pixels - common.get((VOID, right), 0)
            if pixels / union > 0.5:
                counts[truth.classes[left]]["tp"] += 1
                counts[truth.classes[left]]["iou"] += pixels / union
                missed.discard(left)
                matched.add(right)
    for left in missed:
        counts[truth.classes[left]]["fn"] += 1
    # Of the crowds of a class the last one counts.
    crowds = {truth.classes[each]: each for each in truth.classes if each in truth.crowds}
    for right, name in prediction.classes.items():
        if right not in matched:
            pixels = common.get((VOID, right), 0)
            if name in crowds:
                pixels += common.get((crowds[name], right), 0)
            if pixels / areas[right] <= 0.5:
                counts[name]["fp"] += 1


def perturbed(truth: Panoptic, seed: int) -> Panoptic:
    """A prediction: the segments moved, some merged, halved, named wrongly, dropped; new ones where nothing is."""
    rng = np.random.default_rng(seed)
    ids = np.roll(truth.ids, rng.integers(-9, 10, 2), (0, 1))
    names = sorted(set(truth.classes.values()))
    classes: dict[int, str] = {}
    number = 1000 * (seed + 1)
    found = np.zeros_like(ids)
    for each, name in truth.classes.items():
        number += 7
        place = ids == each
        kind = rng.choice(["kept", "kept", "kept", "renamed", "dropped", "halved"])
        if kind == "dropped":
            continue
        found[place] = number
        classes[number] = str(rng.choice(names)) if kind == "renamed" else name
        if kind == "halved":
            rows = np.arange(len(ids))[:, None]
            found[place & (rows > np.median(rows[place.any(axis=1)]))] = number + 1
            classes[number + 1] = name
    # Segments in void and in crowds.
    for left, places in (("void", ids == VOID), ("crowd", np.isin(truth.ids, list(truth.crowds)))):
        number += 7
        if places.sum() > 100:
            found[places & (rng.random(ids.shape) < (0.95 if left == "void" else 0.7))] = number
            classes[number] = names[0] if left == "void" else truth.classes[min(truth.crowds)]
    present = set(np.unique(found).tolist())
    return Panoptic(found, {each: name for each, name in classes.items() if each in present})


def evaluated(
    db: masksdb.Database, folder: Path, pairs: Sequence[tuple[Panoptic, Panoptic]], **options: Any
) -> Evaluation:  # fmt: skip
    for version, side in (("truth", 0), ("prediction", 1)):
        (folder / version).mkdir()
        frames = [
            pair[side].frame(str(number), folder / version / f"{number}.png") for number, pair in enumerate(pairs)
        ]
        db.ingest(frames, dataset="d", version=version)
    return db.evaluate("d/truth", "d/prediction", panoptic=True, **options)


def check(rows: Sequence[Mapping[str, Any]], metrics: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    assert {row["class"] for row in rows} == set(wanted)
    for row in rows:
        for name in ("tp", "fp", "fn"):
            assert row[name] == wanted[row["class"]][name], (row["class"], name)
        for name in ("pq", "sq", "rq"):
            assert row[name] == pytest.approx(wanted[row["class"]][name], abs=1e-9), (row["class"], name)
    for name in ("pq", "sq", "rq"):
        assert metrics[name] == pytest.approx(np.mean([each[name] for each in wanted.values()]), abs=1e-9)


def coco_samples(root: Path) -> list[Panoptic]:
    """The panoptic images of COCO's samples."""
    found = []
    for frame in coco_panoptic_frames(root):
        with Image.open(root / frame["sources"][0]["masks"][0]["uri"]) as image:
            channels = np.asarray(image.convert("RGB")).astype(np.int64)
        classes = {roi["id"]: roi["label"][0] for roi in frame["rois"]}
        crowds = {roi["id"] for roi in frame["rois"] if roi["is_crowd"]}
        found.append(Panoptic(channels @ np.array([1, 1 << 8, 1 << 16]), classes, crowds))
    return found


def test_coco_samples_with_perturbed_predictions(db: masksdb.Database, tmp_path: Path, real_data: Path) -> None:
    truths = coco_samples(real_data / "coco_panoptic")
    pairs = [(truth, perturbed(truth, seed)) for seed, truth in enumerate(truths)]
    wanted = quality(pairs)
    assert sum(each["tp"] for each in wanted.values()) > 10
    assert all(sum(each[name] for each in wanted.values()) > 3 for name in ("fp", "fn"))
    found = evaluated(db, tmp_path, pairs)
    check(found.panoptic, found.metrics, wanted)


def test_coco_samples_predicted_rightly_are_perfect(db: masksdb.Database, tmp_path: Path, real_data: Path) -> None:
    truths = coco_samples(real_data / "coco_panoptic")
    rightly = [
        Panoptic(each.ids, {number: name for number, name in each.classes.items() if number not in each.crowds})
        for each in truths
    ]
    found = evaluated(db, tmp_path, list(zip(truths, rightly, strict=True)))
    assert {name: found.metrics[name] for name in ("pq", "sq", "rq")} == {"pq": 1, "sq": 1, "rq": 1}


def generated(seed: int) -> Panoptic:
    """Rectangles over each other, two of them crowds of one class, on void."""
    rng = np.random.default_rng(seed)
    ids = np.zeros((48, 64), np.int64)
    names = {}
    for number in range(1, 12):
        y, x = rng.integers(0, 40), rng.integers(0, 56)
        ids[y : y + rng.integers(6, 24), x : x + rng.integers(6, 30)] = 300 * number
        names[300 * number] = "abc"[number % 3]
    present = set(np.unique(ids).tolist())
    classes = {each: name for each, name in names.items() if each in present}
    return Panoptic(ids, classes, {each for each in classes if each in (3300, 2400)})


def test_generated_segments_with_crowds_of_one_class(db: masksdb.Database, tmp_path: Path) -> None:
    truths = [generated(seed) for seed in range(16)]
    pairs = [(truth, perturbed(truth, seed)) for seed, truth in enumerate(truths)]
    found = evaluated(db, tmp_path, pairs, by="CAST(frame_id AS INTEGER) % 2")
    check(found.panoptic[: len(quality(pairs))], found.metrics, quality(pairs))
    for row in found.groups:
        wanted = quality(pairs[int(row["by"]) :: 2])
        check([each for each in found.panoptic if each["by"] == row["by"]], row, wanted)
    db.version("d", "prediction").delete_frames(["3"])
    pairs[3] = truths[3], Panoptic(np.zeros_like(truths[3].ids), {})
    found = db.evaluate("d/truth", "d/prediction", panoptic=True, missing="count")
    check(found.panoptic, found.metrics, quality(pairs))
