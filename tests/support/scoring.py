"""The figures of an evaluation by numpy, from arrays of class numbers: the reference in tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class Scores(NamedTuple):
    """The scores of each class, shape (n,), NaN where it has none; and those over all classes."""

    iou: Floats
    dice: Floats
    precision: Floats
    recall: Floats
    mean_iou: float
    mean_dice: float
    pixel_accuracy: float
    mean_accuracy: float
    frequency_weighted_iou: float


def matrix(truth: npt.NDArray[Any], prediction: npt.NDArray[Any], classes: int) -> Numbers:
    """Pixels of each class of the truth by what they were predicted as."""
    flat = truth.astype(np.uint16).reshape(-1) * np.uint16(classes) + prediction.reshape(-1)
    counts: Numbers = np.bincount(flat, minlength=classes * classes).reshape(classes, classes)
    return counts


def total(matrices: Sequence[Numbers]) -> Numbers:
    """The sum of confusion matrices."""
    sums: Numbers = np.sum(matrices, axis=0)
    return sums


def scores(confusion: Numbers, scored: Sequence[int], absent: float = math.nan) -> Scores:
    """The scores of some classes, by the definitions, from a confusion matrix over all that counts."""
    rows: list[list[float]] = []
    for number in scored:
        right = int(confusion[number, number])
        missed = int(confusion[number].sum()) - right
        false = int(confusion[:, number].sum()) - right
        if right + missed + false == 0:
            rows.append([absent] * 4)
            continue
        rows.append(
            [
                right / (right + missed + false),
                2 * right / (2 * right + missed + false),
                right / (right + false) if right + false else math.nan,
                right / (right + missed) if right + missed else math.nan,
            ]
        )
    iou, dice, precision, recall = np.array(rows).T
    share = confusion.sum(axis=1)[list(scored)].astype(np.float64)
    weighted = float(np.nansum(share * iou) / share.sum()) if share.sum() else math.nan
    return Scores(
        iou,
        dice,
        precision,
        recall,
        float(np.nanmean(iou)),
        float(np.nanmean(dice)),
        float(np.trace(confusion) / confusion.sum()),
        float(np.nanmean(recall)),
        weighted,
    )


def mean_scores(images: Sequence[Scores]) -> Scores:
    """The mean over images of the scores of each image."""
    columns = [np.array([getattr(image, name) for image in images]) for name in Scores._fields]
    return Scores(*(_mean(column) for column in columns))  # type: ignore[arg-type]  # arrays, and then numbers


def _mean(values: Floats) -> Floats:
    known = ~np.isnan(values)
    counts = np.where(known.any(axis=0), known.sum(axis=0), math.nan)
    means: Floats = np.where(known, values, 0).sum(axis=0) / counts
    return means


def boundary(region: Flags, depth: int) -> Flags:
    """A region without what remains after so many erosions by 3 x 3, where all beyond the image is outside."""
    inner = np.pad(region, 1)
    for _ in range(depth):
        around = np.pad(inner, 1)
        height, width = inner.shape
        inner = np.logical_and.reduce([around[y : y + height, x : x + width] for y in range(3) for x in range(3)])
    edge: Flags = region & ~inner[1:-1, 1:-1]
    return edge


def davis_j(matrices: Sequence[Numbers], *, is_inner: bool) -> dict[int, float]:
    """The J of each object of a sequence (a value of the truth except 0), from the confusion matrix of each frame."""
    objects = [number for number in range(1, len(matrices[0])) if any(matrix[number].any() for matrix in matrices)]
    means: dict[int, float] = {}
    for number in objects:
        values = []
        for frame in matrices[1:-1] if is_inner else matrices:
            both = int(frame[number, number])
            either = int(frame[number].sum() + frame[:, number].sum()) - both
            values.append(both / either if either else 1.0)
        means[number] = float(np.mean(values))
    return means
