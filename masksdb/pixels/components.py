"""The connected parts and the holes of a region, and what a change of the region does to them."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]

Labels = npt.NDArray[np.int32]

Integers = npt.NDArray[np.int64]


class RegionChange(NamedTuple):
    """The difference between a region and what it was before.

    Attributes:
        gained: pixels that were added.
        lost: pixels that were removed.
        holes_filled: holes that were filled completely.
        parts_dropped: parts (pixels that touch at a corner are one part) that were removed completely.
    """

    gained: int
    lost: int
    holes_filled: int
    parts_dropped: int


def components(pixels: Flags, connectivity: Literal[4, 8]) -> tuple[Labels, int]:
    """The connected parts of a region.

    Args:
        pixels: shape (height, width), bool.
        connectivity: 4, or 8 if pixels that touch at a corner are connected.

    Returns:
        The number of the part of every pixel, shape (height, width), int32: 0 outside, the parts from 1 on in the order
        of their first pixels, row by row; and how many parts there are.

    >>> components(np.array([[True, False, True], [True, False, False]]), 4)[0].tolist()
    [[1, 0, 2], [1, 0, 0]]
    """
    height, width = pixels.shape
    # Two columns of background keep the runs of one row from those of the next, also across corners.
    stride = width + 2
    flat = np.pad(pixels, ((0, 0), (1, 1))).reshape(-1)
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts, stops = edges[0::2], edges[1::2]
    reach = int(connectivity == 8)
    firsts = np.searchsorted(stops, starts + stride - reach, side="right")
    numbers = np.maximum(np.searchsorted(starts, stops + stride + reach) - firsts, 0)
    upper = np.repeat(np.arange(len(starts)), numbers)
    lower = (firsts - np.cumsum(numbers) + numbers)[upper] + np.arange(len(upper))

    roots = _roots(len(starts), upper, lower)
    is_root = roots == np.arange(len(roots))
    values = np.zeros(2 * len(starts) + 1, np.int32)
    values[1::2] = np.cumsum(is_root)[roots]
    labels = np.repeat(values, np.diff(edges, prepend=0, append=len(flat)))
    return labels.reshape(height, stride)[:, 1:-1], int(is_root.sum())


def _roots(count: int, left: Integers, right: Integers) -> Integers:
    """For each of ``count`` nodes the lowest one that it is connected to by pairs of neighbours."""
    roots = np.arange(count)
    while len(left):
        low, high = np.minimum(left, right), np.maximum(left, right)
        np.minimum.at(roots, high, low)
        while not np.array_equal(above := roots[roots], roots):
            roots = above
        left, right = roots[left], roots[right]
        is_apart = left != right
        left, right = left[is_apart], right[is_apart]
    return roots


def holes(pixels: Flags) -> tuple[Labels, int]:
    """The holes of a region: parts of its outside, connected by edges, that do not touch the border.

    Returns:
        The number of the hole of every pixel, and how many holes there are, as :func:`components` returns them.
    """
    # With a frame around the image everything that touches the border is one part, the first.
    labels, count = components(np.pad(~pixels, 1, constant_values=True), 4)
    numbers: Labels = np.maximum(labels[1:-1, 1:-1] - 1, 0)
    return numbers, count - 1


def compare(before: Flags, after: Flags) -> RegionChange:
    """The difference between two states of a region.

    Args:
        before: shape (height, width), bool.
        after: shape (height, width), bool.
    """
    changed = before != after
    if not changed.any():
        return RegionChange(0, 0, 0, 0)
    either = before | after
    rows, columns = np.flatnonzero(either.any(axis=1)), np.flatnonzero(either.any(axis=0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    before, after, changed = before[box], after[box], changed[box]
    gained, lost = int((changed & after).sum()), int((changed & before).sum())
    holes_filled = _unmarked(*holes(before), ~after) if gained else 0
    parts_dropped = _unmarked(*components(before, 8), after) if lost else 0
    return RegionChange(gained, lost, holes_filled, parts_dropped)


def _unmarked(labels: Labels, count: int, marked: Flags) -> int:
    """How many of the parts have no pixel among the marked ones."""
    return count - int(np.count_nonzero(np.bincount(labels[marked], minlength=1)[1:]))
