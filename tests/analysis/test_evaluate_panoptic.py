"""Panoptic quality equals that of panopticapi's algorithm, here from its definition, with void and crowds."""

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
                "mask": {"id": "panoptic", "value": [segment >> shift & 255 for shift in (0, 8, 16)]},
                "is_crowd": segment in self.crowds,
            }
            for segment, label in self.classes.items()
        ]
        return {"id": name, "sources": [{"masks": [{"id": "panoptic", "uri": str(path)}]}], "rois": rois}


def quality(pairs: Sequence[tuple[Panoptic, Panoptic]]) -> dict[str, dict[str, float]]:
    """PQ, SQ, RQ of each class and what is counted for them, as panopticapi computes them."""
    counts: dict[str, dict[str, float]] = defaultdict(lambda: {"iou": 0.0, "tp": 0, "fp": 0, "fn": 0})
    for truth, prediction in pairs:
        _count(truth, prediction, counts)
    qualities = {}
    for name, counted in counts.items():
        weight = counted["tp"] + counted["fp"] / 2 + counted["fn"] / 2
        if weight:
            sq = counted["iou"] / counted["tp"] if counted["tp"] else 0.0
            qualities[name] = counted | {"pq": counted["iou"] / weight, "sq": sq, "rq": counted["tp"] / weight}
    return qualities


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
    missed = {segment for segment in truth.classes if segment not in truth.crowds}
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
    crowds = {truth.classes[segment]: segment for segment in truth.classes if segment in truth.crowds}
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
    predicted = np.zeros_like(ids)
    for segment, name in truth.classes.items():
        number += 7
        place = ids == segment
        kind = rng.choice(["kept", "kept", "kept", "renamed", "dropped", "halved"])
        if kind == "dropped":
            continue
        predicted[place] = number
        classes[number] = str(rng.choice(names)) if kind == "renamed" else name
        if kind == "halved":
            rows = np.arange(len(ids))[:, None]
            predicted[place & (rows > np.median(rows[place.any(axis=1)]))] = number + 1
            classes[number + 1] = name
    # Segments in void and in crowds.
    for left, places in (("void", ids == VOID), ("crowd", np.isin(truth.ids, list(truth.crowds)))):
        number += 7
        if places.sum() > 100:
            predicted[places & (rng.random(ids.shape) < (0.95 if left == "void" else 0.7))] = number
            classes[number] = names[0] if left == "void" else truth.classes[min(truth.crowds)]
    present = set(np.unique(predicted).tolist())
    return Panoptic(predicted, {segment: name for segment, name in classes.items() if segment in present})


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


def check(rows: Sequence[Mapping[str, Any]], metrics: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    assert {row["class"] for row in rows} == set(expected)
    for row in rows:
        for name in ("tp", "fp", "fn"):
            assert row[name] == expected[row["class"]][name], (row["class"], name)
        for name in ("pq", "sq", "rq"):
            assert row[name] == pytest.approx(expected[row["class"]][name], abs=1e-9), (row["class"], name)
    for name in ("pq", "sq", "rq"):
        assert metrics[name] == pytest.approx(np.mean([of_class[name] for of_class in expected.values()]), abs=1e-9)


def coco_samples(root: Path) -> list[Panoptic]:
    """The panoptic images of COCO's samples."""
    images = []
    for frame in coco_panoptic_frames(root):
        with Image.open(root / frame["sources"][0]["masks"][0]["uri"]) as image:
            channels = np.asarray(image.convert("RGB")).astype(np.int64)
        classes = {roi["id"]: roi["label"][0] for roi in frame["rois"]}
        crowds = {roi["id"] for roi in frame["rois"] if roi["is_crowd"]}
        images.append(Panoptic(channels @ np.array([1, 1 << 8, 1 << 16]), classes, crowds))
    return images


def test_coco_samples_with_perturbed_predictions(db: masksdb.Database, tmp_path: Path, real_data: Path) -> None:
    truths = coco_samples(real_data / "coco_panoptic")
    pairs = [(truth, perturbed(truth, seed)) for seed, truth in enumerate(truths)]
    expected = quality(pairs)
    assert sum(of_class["tp"] for of_class in expected.values()) > 10
    assert all(sum(of_class[name] for of_class in expected.values()) > 3 for name in ("fp", "fn"))
    evaluation = evaluated(db, tmp_path, pairs)
    check(evaluation.panoptic, evaluation.metrics, expected)


def test_coco_samples_predicted_rightly_are_perfect(db: masksdb.Database, tmp_path: Path, real_data: Path) -> None:
    truths = coco_samples(real_data / "coco_panoptic")
    rightly = [
        Panoptic(truth.ids, {number: name for number, name in truth.classes.items() if number not in truth.crowds})
        for truth in truths
    ]
    evaluation = evaluated(db, tmp_path, list(zip(truths, rightly, strict=True)))
    assert {name: evaluation.metrics[name] for name in ("pq", "sq", "rq")} == {"pq": 1, "sq": 1, "rq": 1}


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
    classes = {segment: name for segment, name in names.items() if segment in present}
    return Panoptic(ids, classes, {segment for segment in classes if segment in (3300, 2400)})


def test_generated_segments_with_crowds_of_one_class(db: masksdb.Database, tmp_path: Path) -> None:
    truths = [generated(seed) for seed in range(16)]
    pairs = [(truth, perturbed(truth, seed)) for seed, truth in enumerate(truths)]
    evaluation = evaluated(db, tmp_path, pairs, by="CAST(frame_id AS INTEGER) % 2")
    check(evaluation.panoptic[: len(quality(pairs))], evaluation.metrics, quality(pairs))
    for row in evaluation.groups:
        expected = quality(pairs[int(row["by"]) :: 2])
        check([class_row for class_row in evaluation.panoptic if class_row["by"] == row["by"]], row, expected)
    db.version("d", "prediction").delete_frames(["3"])
    pairs[3] = truths[3], Panoptic(np.zeros_like(truths[3].ids), {})
    evaluation = db.evaluate("d/truth", "d/prediction", panoptic=True, missing="count")
    check(evaluation.panoptic, evaluation.metrics, quality(pairs))
