"""Polygons to run lengths and back: the rasterisation of COCO for many polygons at once, and outlines of pixels.

COCO puts vertices on a grid five times as fine as the pixels and walks along an edge from grid point to grid point,
along the longer of its two directions. Where the walk passes the middle of a column of pixels, the region begins or
ends in that column, at the pixel that the upper of the two grid points rounds up to. This module computes the same grid
points in the same floating-point steps, so that ties fall to the same side; but it computes where all edges cross the
columns at once, in a time that does not depend on their lengths.

Outlines go along the edges of pixels: pixel (x, y) reaches from x to x + 1 and from y to y + 1. COCO rasterises an
outline to exactly the pixels inside, because its vertices are grid points and none is in the middle of a column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from masksdb.errors import MasksDBError
from masksdb.pixels import rle

Array = npt.NDArray[np.generic]

Floats = npt.NDArray[np.float64]

Integers = npt.NDArray[np.int64]

SEPARATOR = -999999999
"""The number between the parts of a complex polygon in one flat list."""

_SCALE = 5

_FARTHEST = (1 << 31) / _SCALE
"""The largest coordinate in pixels; grid points of COCO are integers of 32 bits, which end there."""

_CROSSINGS = 1 << 19
"""About how many crossings of edges and columns are computed together; one takes some 150 bytes of memory."""


def split_parts(flat: Sequence[float] | Array) -> list[Floats]:
    """The parts of a polygon in one flat list, without empty ones; each of shape (n, 2), float64.

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
    """The run lengths of objects that are polygons, equal to those of pycocotools' frPyObjects and merge.

    Args:
        polygons: the parts of each object, which are united; a part has shape (n, 2), x and y in pixels, no NaN.
        heights: the height of the image of each object in pixels.
        widths: the width of the image of each object in pixels.

    >>> square = np.array([[1, 1], [3, 1], [3, 3], [1, 3]])
    >>> [counts.tolist() for counts in rasterize([[square], []], [4, 2], [5, 3])]
    [[5, 2, 2, 2, 9], [6]]
    """
    counts: list[rle.Counts] = []
    # Most polygons cross a column once on the way there and once back; more than that only costs time.
    sizes = [sum(4 * len(part) + width for part in parts) for parts, width in zip(polygons, widths, strict=True)]
    for start, stop in _portions(np.array(sizes, np.int64), _CROSSINGS):
        counts += _rasterize(polygons[start:stop], *np.array([heights[start:stop], widths[start:stop]], np.int64))
    return counts


def _portions(sizes: Integers, limit: int) -> Iterator[tuple[int, int]]:
    """Starts and stops of stretches whose sizes add up to about a limit, or of a single size above it."""
    starts = np.flatnonzero(np.diff(np.cumsum(sizes) // limit, prepend=-1)).tolist()
    return zip(starts, [*starts[1:], len(sizes)], strict=False)


def _rasterize(polygons: Sequence[Sequence[Array]], heights: Integers, widths: Integers) -> list[rle.Counts]:
    parts = [part for polygon in polygons for part in polygon if len(part)]
    owners = np.repeat(np.arange(len(polygons)), [sum(len(part) > 0 for part in polygon) for polygon in polygons])
    # Pixels are numbered through all images, with one extra number an image, as a region may end after its last pixel.
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
    places_of_lasts = np.searchsorted(changes, lasts)
    is_missing = np.append(changes, -1)[places_of_lasts] != lasts
    ends = np.insert(changes, places_of_lasts[is_missing], lasts[is_missing])
    stops = np.searchsorted(ends, lasts) + 1
    starts = np.append(0, stops[:-1])
    counts = np.diff(ends, prepend=0)
    counts[starts[1:]] -= 1
    return [counts[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]


def _odd(places: Integers) -> Integers:
    """The places that occur an odd number of times, every one once, ascending."""
    # Stretches of it are sorted already, which makes a stable sort fast.
    places = np.sort(places, kind="stable")
    starts = np.flatnonzero(np.diff(places, prepend=-1))
    odd: Integers = places[starts[np.diff(starts, append=len(places)) % 2 == 1]]
    return odd


def _united(changes: Integers) -> Integers:
    """Where the union of regions begins and ends; ``changes`` are the begins and ends of one region after the other."""
    marked = np.sort(2 * changes + np.arange(len(changes)) % 2, kind="stable")
    depth = np.cumsum(1 - 2 * (marked & 1))
    is_last = np.diff(marked >> 1, append=-1) != 0
    places: Integers = (marked >> 1)[is_last][np.diff(depth[is_last] > 0, prepend=False)]
    return places


def _crossings(parts: Sequence[Array], bases: Integers, heights: Integers, widths: Integers) -> Iterator[Integers]:
    """The pixels at which polygons begin or end in a column, in any order, in portions.

    Args:
        parts: polygons, each of shape (n, 2), n > 0.
        bases: the number of the first pixel of the image of each polygon.
        heights: the height of the image of each polygon in pixels.
        widths: the width of the image of each polygon in pixels.
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
            edge = np.repeat(np.arange(len(some)), numbers[some])
            columns = (firsts[some] - np.cumsum(numbers[some]) + numbers[some])[edge] + np.arange(len(edge))
            height = heights[owners[some]][edge]
            rows = (rows_of(columns, edge, begins[:, start:stop], spans[:, start:stop]) + 2) // _SCALE
            rows = np.minimum(np.maximum(rows, 0), height)
            yield bases[owners[some]][edge] + (columns * height + rows).astype(np.int64)


def _rows_of_flat(columns: Floats, edge: Integers, begins: Floats, spans: Floats) -> Floats:
    """The grid rows in which edges no higher than wide cross columns, shape (n,).

    Args:
        columns: the column of each crossing, shape (n,).
        edge: the index of the edge of each crossing, shape (n,).
        begins: x and y on the grid of the left end of each edge, shape (2, edges).
        spans: x and y from there to its other end, shape (2, edges).
    """
    slopes = spans[1] / spans[0]
    # The upper one of the two grid points beside the middle.
    steps = _SCALE * columns + (2 + (slopes < 0) - begins[0])[edge]
    rows: Floats = np.trunc((begins[1][edge] + slopes[edge] * steps) + 0.5)
    return rows


def _rows_of_steep(columns: Floats, edge: Integers, begins: Floats, spans: Floats) -> Floats:
    """The grid rows in which edges higher than wide cross columns; as above, but with their upper ends."""
    slopes = spans[0] / spans[1]
    middles = _SCALE * columns + 2.5
    places = (middles - begins[0][edge]) / slopes[edge]
    # The first step beyond the middle; if that is almost a whole number, rounding decides.
    steps = np.ceil(places)
    close = np.flatnonzero(np.abs(places - np.rint(places)) < 1e-4)
    slope, begin = slopes[edge[close]], begins[0][edge[close]]
    step = np.rint(places[close]) - 1
    for _ in range(2):
        step += ((begin + slope * step) + 0.5 >= middles[close] + 0.5) != (slope > 0)
    steps[close] = step
    rows: Floats = begins[1][edge] + steps - 1
    return rows
