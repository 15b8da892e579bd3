"""Outlines of regions: traced along pixel edges, and joined where they have holes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from masksdb.pixels.polygons import Array, Floats, Integers

_NEAR = 512
"""Corners above an outline that are candidates for joining it to the nearest."""


class Outline(NamedTuple):
    """A closed line along the edges of pixels, with the region to its right.

    Attributes:
        points: the corners where it turns, x and y in pixels, shape (n, 2), int64, beginning with the leftmost of the
            topmost; clockwise as displayed, but counterclockwise around a hole.
        is_hole: whether it goes around a hole.
    """

    points: Integers
    is_hole: bool


# Around a corner are four pixels: 1 upper left, 2 upper right, 4 lower left, 8 lower right. A line turns where one or
# three of them are in the region; where only two diagonal ones are, two lines turn, the left one first.
_TURNS = np.array([0, 1, 1, 0, 1, 0, 2, 1, 1, 2, 0, 1, 0, 1, 1, 0], np.uint8)

_LEAVES_SIDEWAYS = np.isin(np.arange(16), [1, 8, 9, 11, 13])

_LEFT_IS_LOWER = 6

_FIRST_OF_HOLE = 7


def trace(pixels: Array) -> list[Outline]:
    """The outlines of a region; pixels that only touch at a corner have separate outlines.

    Args:
        pixels: shape (height, width), not 0 inside.

    >>> [(line.points.tolist(), line.is_hole) for line in trace(np.array([[0, 0, 0], [0, 1, 1]]))]
    [([[1, 1], [3, 1], [3, 2], [1, 2]], False)]
    """
    inside = pixels != 0
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        return []
    top, left = int(rows[0]), int(columns[0])
    around = np.pad(inside[top : rows[-1] + 1, left : columns[-1] + 1], 1).astype(np.uint8)
    codes = around[:-1, :-1] + 2 * around[:-1, 1:] + 4 * around[1:, :-1] + 8 * around[1:, 1:]
    y, x = np.nonzero(_TURNS[codes])
    turns = _TURNS[codes[y, x]]
    is_second = np.diff(np.repeat(np.arange(len(turns)), turns), prepend=-1) == 0
    y, x = np.repeat(y, turns), np.repeat(x, turns)
    code = codes[y, x]
    # Along a row, and likewise along a column, lines run from a turn with an even number to the next one.
    downwards = np.lexsort((is_second != (code == _LEFT_IS_LOWER), y, x))
    following = np.empty(len(downwards), np.int64)
    following[downwards] = downwards.reshape(-1, 2)[:, ::-1].reshape(-1)
    sideways = np.flatnonzero(_LEAVES_SIDEWAYS[code])
    following[sideways] = sideways ^ 1

    after, points = following.tolist(), np.column_stack([x + left, y + top])
    is_seen = bytearray(len(after))
    outlines = []
    for start in range(len(after)):
        if is_seen[start]:
            continue
        line = [start]
        while (at := after[line[-1]]) != start:
            is_seen[at] = 1
            line.append(at)
        outlines.append(Outline(points[line], bool(code[start] == _FIRST_OF_HOLE)))
    return outlines


def coco_polygons(pixels: Array) -> list[Floats]:
    """The outer outlines of a region, each of shape (n, 2); COCO rasterises them to the region, its holes filled."""
    return [outline.points.astype(np.float64) for outline in trace(pixels) if not outline.is_hole]


def bridged(outlines: Sequence[Outline]) -> Integers:
    """One polygon of all outlines, shape (n, 2), each joined to one above it by a line that goes there and back.

    The even-odd and the non-zero rule fill the region and not its holes; COCO rasterises the polygon to exactly the
    region.
    """
    if not outlines:
        return np.zeros((0, 2), np.int64)
    sizes = np.array([len(outline.points) for outline in outlines])
    stops = np.cumsum(sizes)
    points = np.concatenate([outline.points for outline in outlines])
    order = np.lexsort((points[:, 0], points[:, 1]))
    ranks = np.argsort(order)
    # An outline is joined by its first corner in reading order; all corners before that belong to other outlines.
    own_ranks = np.minimum.reduceat(ranks, stops - sizes)
    own_ranks = np.sort(own_ranks[own_ranks > 0])
    joined, targets = order[own_ranks], np.empty(len(own_ranks), np.int64)
    for number, (rank, corner) in enumerate(zip(own_ranks.tolist(), joined.tolist(), strict=True)):
        above = order[max(rank - _NEAR, 0) : rank]
        targets[number] = above[((points[above] - points[corner]) ** 2).sum(axis=1).argmin()]

    # The walk goes from the target to the joined corner, around the outline, and back by copies of the two.
    backs = len(points) + np.arange(len(joined))
    before, following = np.arange(-1, len(points) - 1), np.arange(1, len(points) + 2 * len(joined) + 1)
    before[stops - sizes], following[stops - 1] = stops - 1, stops - sizes
    following[before[joined]], following[backs] = backs, backs + len(joined)
    after = following.tolist()
    for target, corner, on in zip(targets.tolist(), joined.tolist(), (backs + len(joined)).tolist(), strict=True):
        after[on], after[target] = after[target], corner
    walk = [int(order[0])]
    while after[walk[-1]] != walk[0]:
        walk.append(after[walk[-1]])
    corners = np.concatenate([points, points[joined], points[targets]])[walk]
    distinct: Integers = corners[(corners != np.roll(corners, 1, axis=0)).any(axis=1)]
    return distinct
