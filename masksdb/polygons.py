"""Polygons to run lengths and back: the rasterisation of COCO for many polygons at once, and outlines of pixels.

COCO puts vertices on a grid five times as fine as the pixels and walks along each edge from grid point to grid point,
along the longer of its two directions. Where the walk passes the middle of a column of pixels, the region begins or
ends in that column, at the pixel that the upper of the two grid points rounds up to. What is computed here are the same
grid points in the same floating-point steps, so that ties fall to the same side; but edges are not walked, they are
asked where they cross the columns, all at once and no matter how long they are.

Outlines go along the edges of pixels: pixel (x, y) reaches from x to x + 1 and from y to y + 1. COCO's rasterisation of
an outline is exactly the pixels inside of it: its vertices are grid points, none of them in the middle of a column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from masksdb import rle
from masksdb.errors import MasksDBError

Array = npt.NDArray[np.generic]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

SEPARATOR = -999999999
"""The number between the parts of a complex polygon in one flat list."""

_SCALE = 5
_FARTHEST = (1 << 31) / _SCALE
"""Pixels to where grid points can be; those of COCO are integers of 32 bits, and farther out it has no answer."""
_CROSSINGS = 1 << 19
"""About how many crossings of edges and columns are computed together; each takes some 150 bytes meanwhile."""
_NEAR = 512
"""Corners, counted upwards, among which an outline is joined to the nearest."""


def split_parts(flat: Sequence[float] | Array) -> list[Floats]:
    """The parts of a polygon given as one flat list, those without points left out; each of shape (n, 2), float64.

    Raises:
        MasksDBError: a part is not x and y in turn.

    >>> [part.tolist() for part in split_parts([0, 0, 8, 0, 8, 8, SEPARATOR, 1, 2, 3, 4])]
    [[[0.0, 0.0], [8.0, 0.0], [8.0, 8.0]], [[1.0, 2.0], [3.0, 4.0]]]
    """
    values = np.asarray(flat, np.float64)
    if not len(values) % 2 and len(values) and not (values == SEPARATOR).any():
        return [values.reshape(-1, 2)]
    first, *others = np.split(values, np.flatnonzero(values == SEPARATOR))
    parts = [first, *(part[1:] for part in others)]
    odd = [len(part) for part in parts if len(part) % 2]
    if odd:
        raise MasksDBError(f"poly: a part of {odd[0]} numbers; expected x and y in turn")
    return [part.reshape(-1, 2) for part in parts if len(part)]


def rasterize(polygons: Sequence[Sequence[Array]], heights: Sequence[int], widths: Sequence[int]) -> list[rle.Counts]:
    """The run lengths of objects given as polygons, equal to those of pycocotools' frPyObjects and merge.

    Args:
        polygons: the parts of each object, which are united; each of shape (n, 2), x and y in pixels, no NaN.
        heights: pixels of the picture of each object.
        widths: likewise.

    >>> square = np.array([[1, 1], [3, 1], [3, 3], [1, 3]])
    >>> [counts.tolist() for counts in rasterize([[square], []], [4, 2], [5, 3])]
    [[5, 2, 2, 2, 9], [6]]
    """
    found: list[rle.Counts] = []
    # Most polygons cross a column once on the way there and once back; more than that only costs time.
    sizes = [sum(4 * len(part) + width for part in parts) for parts, width in zip(polygons, widths, strict=True)]
    for start, stop in _portions(np.array(sizes, np.int64), _CROSSINGS):
        found += _rasterize(polygons[start:stop], *np.array([heights[start:stop], widths[start:stop]], np.int64))
    return found


def _portions(sizes: Integers, limit: int) -> Iterator[tuple[int, int]]:
    """Starts and stops of stretches of about so much in all, or of one that is more."""
    starts = np.flatnonzero(np.diff(np.cumsum(sizes) // limit, prepend=-1)).tolist()
    return zip(starts, [*starts[1:], len(sizes)], strict=False)


def _rasterize(polygons: Sequence[Sequence[Array]], heights: Integers, widths: Integers) -> list[rle.Counts]:
    parts = [part for each in polygons for part in each if len(part)]
    owners = np.repeat(np.arange(len(polygons)), [sum(len(part) > 0 for part in each) for each in polygons])
    # Pixels are numbered on from one to the next, with one number more for each, as a region may end behind the last.
    places = heights * widths + 1
    bases = np.cumsum(places) - places
    part_bases = np.cumsum(places[owners]) - places[owners]
    waiting = [np.zeros(0, np.int64)]
    for crossings in _crossings(parts, part_bases, heights[owners], widths[owners]):
        waiting.append(crossings)
        if sum(map(len, waiting[1:])) > 4 * _CROSSINGS:
            waiting = [_odd(np.concatenate(waiting))]
    changes = _odd(np.concatenate(waiting))
    part_sizes = np.diff(np.searchsorted(changes, part_bases), append=len(changes))
    changes += np.repeat(bases[owners] - part_bases, part_sizes)
    if (owners[1:] == owners[:-1]).any():
        changes = _united(changes)
    lasts = bases + places - 1
    found = np.searchsorted(changes, lasts)
    is_missing = np.append(changes, -1)[found] != lasts
    ends = np.insert(changes, found[is_missing], lasts[is_missing])
    stops = np.searchsorted(ends, lasts) + 1
    starts = np.append(0, stops[:-1])
    counts = np.diff(ends, prepend=0)
    counts[starts[1:]] -= 1
    return [counts[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]


def _odd(places: Integers) -> Integers:
    """The places that occur an odd number of times, each once, ascending."""
    # Stretches of it are in order already, which only this kind of sorting makes use of.
    places = np.sort(places, kind="stable")
    starts = np.flatnonzero(np.diff(places, prepend=-1))
    odd: Integers = places[starts[np.diff(starts, append=len(places)) % 2 == 1]]
    return odd


def _united(changes: Integers) -> Integers:
    """Where the union of regions begins and ends, given where each of them does, in turn, one after the other."""
    marked = np.sort(2 * changes + np.arange(len(changes)) % 2, kind="stable")
    depth = np.cumsum(1 - 2 * (marked & 1))
    is_last = np.diff(marked >> 1, append=-1) != 0
    places: Integers = (marked >> 1)[is_last][np.diff(depth[is_last] > 0, prepend=False)]
    return places


def _crossings(parts: Sequence[Array], bases: Integers, heights: Integers, widths: Integers) -> Iterator[Integers]:
    """Where polygons begin or end in a column, in any order, in portions.

    Args:
        parts: polygons, each of shape (n, 2), n > 0.
        bases: the number of the first pixel of each.
        heights: pixels of the picture of each.
        widths: likewise.
    """
    sizes = np.array([len(part) for part in parts], np.int64)
    owners = np.repeat(np.arange(len(parts)), sizes)
    lasts = np.cumsum(sizes) - 1
    points = np.trunc(_SCALE * np.clip(np.concatenate([np.zeros((0, 2)), *parts]).T, -_FARTHEST, _FARTHEST) + 0.5)
    others = np.roll(points, -1, axis=1)
    others[:, lasts] = points[:, lasts - sizes + 1]
    # Column k lies between 5k + 2 and 5k + 3.
    firsts = np.maximum((np.minimum(points[0], others[0]) + 2) // _SCALE, 0)
    stops = np.minimum((np.maximum(points[0], others[0]) + 2) // _SCALE, widths[owners])
    numbers = np.maximum(stops - firsts, 0).astype(np.int64)
    is_flat = np.abs(others[0] - points[0]) >= np.abs(others[1] - points[1])
    for along, rows_of in enumerate([_rows_of_flat, _rows_of_steep]):
        edges = np.flatnonzero((numbers > 0) & (is_flat == (along == 0)))
        is_turned = points[along, edges] > others[along, edges]
        begins = np.where(is_turned, others[:, edges], points[:, edges])
        spans = np.where(is_turned, points[:, edges], others[:, edges]) - begins
        for start, stop in _portions(numbers[edges], _CROSSINGS):
            some = edges[start:stop]
            each = np.repeat(np.arange(len(some)), numbers[some])
            columns = (firsts[some] - np.cumsum(numbers[some]) + numbers[some])[each] + np.arange(len(each))
            height = heights[owners[some]][each]
            rows = (rows_of(columns, each, begins[:, start:stop], spans[:, start:stop]) + 2) // _SCALE
            rows = np.minimum(np.maximum(rows, 0), height)
            yield bases[owners[some]][each] + (columns * height + rows).astype(np.int64)


def _rows_of_flat(columns: Floats, each: Integers, begins: Floats, spans: Floats) -> Floats:
    """The grid rows in which edges no higher than wide cross columns, shape (n,).

    Args:
        columns: shape (n,).
        each: index of the edge that crosses, shape (n,).
        begins: x and y on the grid of the left end of each edge, shape (2, edges).
        spans: x and y from there to its other end, shape (2, edges).
    """
    slopes = spans[1] / spans[0]
    # Of the grid points on both sides of the middle, the upper one.
    steps = _SCALE * columns + (2 + (slopes < 0) - begins[0])[each]
    rows: Floats = np.trunc((begins[1][each] + slopes[each] * steps) + 0.5)
    return rows


def _rows_of_steep(columns: Floats, each: Integers, begins: Floats, spans: Floats) -> Floats:
    """The grid rows in which edges higher than wide cross columns; as above, but with their upper ends."""
    slopes = spans[0] / spans[1]
    middles = _SCALE * columns + 2.5
    places = (middles - begins[0][each]) / slopes[each]
    # The first step beyond the middle; where that is all but a whole number, rounding decides.
    steps = np.ceil(places)
    close = np.flatnonzero(np.abs(places - np.rint(places)) < 1e-4)
    slope, begin = slopes[each[close]], begins[0][each[close]]
    step = np.rint(places[close]) - 1
    for _ in range(2):
        step += ((begin + slope * step) + 0.5 >= middles[close] + 0.5) != (slope > 0)
    steps[close] = step
    rows: Floats = begins[1][each] + steps - 1
    return rows


class Outline(NamedTuple):
    """A closed line along the edges of pixels, with the region on its right as one walks it.

    Attributes:
        points: the corners where it turns, x and y in pixels, shape (n, 2), int64, from the leftmost of the topmost on;
            clockwise as seen, the line around a hole the other way.
        is_hole: whether it goes around a hole.
    """

    points: Integers
    is_hole: bool


# Around a corner are four pixels: 1 upper left, 2 upper right, 4 lower left, 8 lower right. A line turns where one or
# three of them are in the region, and two lines do where two of them touch, the left one first.
_TURNS = np.array([0, 1, 1, 0, 1, 0, 2, 1, 1, 2, 0, 1, 0, 1, 1, 0], np.uint8)
_LEAVES_SIDEWAYS = np.isin(np.arange(16), [1, 8, 9, 11, 13])
_LEFT_IS_LOWER = 6
_FIRST_OF_HOLE = 7


def trace(pixels: Array) -> list[Outline]:
    """The outlines of a region; pixels that touch at a corner only have outlines of their own.

    Args:
        pixels: shape (height, width), not 0 inside.

    >>> [(each.points.tolist(), each.is_hole) for each in trace(np.array([[0, 0, 0], [0, 1, 1]]))]
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
    # Along a row, and likewise along a column, lines run from each turn with an even number to the next one.
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
    """The outer outlines of a region, each of shape (n, 2); rasterised by COCO they give it back, its holes filled."""
    return [each.points.astype(np.float64) for each in trace(pixels) if not each.is_hole]


def bridged(outlines: Sequence[Outline]) -> Integers:
    """One polygon of all outlines, shape (n, 2), each joined to one above it by a line that is walked there and back.

    The even-odd and the non-zero rule fill the region and not its holes; COCO's rasterisation gives it back exactly.
    """
    if not outlines:
        return np.zeros((0, 2), np.int64)
    sizes = np.array([len(each.points) for each in outlines])
    stops = np.cumsum(sizes)
    points = np.concatenate([each.points for each in outlines])
    order = np.lexsort((points[:, 0], points[:, 1]))
    ranks = np.argsort(order)
    # An outline is joined by its first corner in reading order; all corners before that one are of others.
    own_ranks = np.minimum.reduceat(ranks, stops - sizes)
    own_ranks = np.sort(own_ranks[own_ranks > 0])
    joined, targets = order[own_ranks], np.empty(len(own_ranks), np.int64)
    for number, (rank, corner) in enumerate(zip(own_ranks.tolist(), joined.tolist(), strict=True)):
        above = order[max(rank - _NEAR, 0) : rank]
        targets[number] = above[((points[above] - points[corner]) ** 2).sum(axis=1).argmin()]

    # The walk goes from the target over to the joined corner, around, and from copies of the two on as before.
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
    found = np.concatenate([points, points[joined], points[targets]])[walk]
    distinct: Integers = found[(found != np.roll(found, 1, axis=0)).any(axis=1)]
    return distinct
