"""Generated masks with void regions, predictions of them, and a comparison of evaluations with numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import masksdb
from masksdb.analysis.scores import Evaluation
from support import scoring

Pixels = npt.NDArray[np.uint8]
VOID = 255
CLASSES = 6
"""Values of the generated masks but void; of the last no mask has a pixel."""
SIZE = (40, 56)


def check(evaluation: Evaluation, expected: scoring.Scores, names: Sequence[str]) -> None:
    """Raise where the figures are not those of numpy."""
    rows = {row["class"]: row for row in evaluation.classes}
    assert set(rows) == set(names)
    for column in ("iou", "dice", "precision", "recall"):
        for name, value in zip(names, getattr(expected, column), strict=True):
            ours = rows[name][column]
            assert (ours is None) == math.isnan(value), (name, column)
            assert ours is None or ours == pytest.approx(value, abs=1e-9), (name, column)
    for name, value in evaluation.metrics.items():
        assert value == pytest.approx(getattr(expected, name), abs=1e-9), name


class Made:
    """A database of generated masks with void regions, their predictions, and the pixels of both."""

    def __init__(self, db: masksdb.Database, folder: Path, count: int = 12) -> None:
        self.db = db
        self.folder = folder
        rng = np.random.default_rng(7)
        self.truth = [self._mask(rng, is_truth=True) for _ in range(count)]
        self.prediction = [self._perturbed(rng, mask) for mask in self.truth]
        self.frames: dict[str, list[dict[str, Any]]] = {}
        for name, masks in (("truth", self.truth), ("prediction", self.prediction)):
            (folder / name).mkdir()
            self.frames[name] = [self._frame(name, number, mask) for number, mask in enumerate(masks)]

    @staticmethod
    def _mask(rng: np.random.Generator, *, is_truth: bool) -> Pixels:
        """Rectangles of five classes, some of them void, on a ground of class 0."""
        mask = np.zeros(SIZE, np.uint8)
        for value in rng.permutation([1, 1, 2, 3, 4, *([VOID, VOID] if is_truth else [])])[: rng.integers(2, 7)]:
            y, x = rng.integers(0, SIZE[0] - 4), rng.integers(0, SIZE[1] - 4)
            mask[y : y + rng.integers(3, 20), x : x + rng.integers(3, 24)] = value
        return mask

    def _perturbed(self, rng: np.random.Generator, mask: Pixels) -> Pixels:
        """A mask moved, some of its classes taken for others, and never void but at a few pixels."""
        moved = np.roll(mask, rng.integers(-3, 4, 2), (0, 1))
        moved = np.where(moved == VOID, self._mask(rng, is_truth=False), moved)
        noise = rng.random(SIZE) < 0.05
        return np.where(noise, rng.choice([0, 1, 2, 3, 4, VOID], SIZE), moved).astype(np.uint8)

    def _frame(self, name: str, number: int, mask: Pixels) -> dict[str, Any]:
        path = self.folder / name / f"{number}.png"
        Image.fromarray(mask).save(path)
        source = {"id": "camera", "uri": f"image_{number}.png", "masks": [{"id": "seg", "uri": str(path)}]}
        meta = {"city": ("haifa", "bergen", "lima")[number % 3]}
        return {"id": f"f{number}", "context_id": f"drive_{number % 2}", "sources": [source], "meta": meta}

    def ingest(self) -> None:
        """Both as versions, with names for the values."""
        values = [*range(CLASSES), VOID]
        entries = [{"value": [value], "labels": [name_of(value)]} | _ignored(value) for value in values]
        for name, frames in self.frames.items():
            self.db.ingest(frames, dataset="made", version=name)
            self.db.version("made", name).set_metadata({"mask_labels": {"seg": entries}})

    def evaluate(self, **options: Any) -> Evaluation:
        return self.db.evaluate("made/truth", "made/prediction", **options)

    def matrices(self) -> list[scoring.Numbers]:
        """The confusion matrix of each pair of masks, by value."""
        return [scoring.matrix(left, right, 256) for left, right in zip(self.truth, self.prediction, strict=True)]


def _ignored(value: int) -> dict[str, bool]:
    return {"ignore": True} if value == VOID else {}


def name_of(value: int) -> str:
    return "void" if value == VOID else f"class_{value}"
