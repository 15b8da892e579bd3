"""Regions painted in order, a later one over an earlier one: which region is the topmost under each pixel.

A region is known by its place in the order, counted from 1; place 0 is no region. What a pixel shows (a number, a
class, a colour) is looked up by the place of its topmost region, so each distinct value of a mask is looked up once and
then spread over the runs, or over the bytes, that have it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from masksdb.pixels import rle
from masksdb.pixels.regions import Regions

Array = npt.NDArray[Any]

Cut = Callable[[Array], Array]
"""A function that takes part of an array whose first two dimensions are the rows and columns of an image."""

_EVERY_BYTE = np.arange(256, dtype=np.uint8)


@dataclass(frozen=True)
class Layer:
    """Regions that lie in one mask, or that have run lengths of their own.

    Attributes:
        places: for each distinct value of the mask the place of the topmost region that has the value, shape (n,).
        pixels: for every pixel the index of its value: shape (height, width), or the regions of the mask as runs.
    """

    places: Array
    pixels: Array | Regions

    def spread(self, by_value: Array) -> Array:
        """For every pixel the element of an array that belongs to its value, shape (height, width)."""
        if isinstance(self.pixels, Regions):
            return self.pixels.runs.spread(by_value).reshape(self.pixels.height, self.pixels.width)
        return look_up(by_value, self.pixels)

    def cut(self, cut: Cut) -> Layer:
        """The part of the layer that a function takes of an array."""
        return Layer(self.places, cut(self.pixels.index if isinstance(self.pixels, Regions) else self.pixels))


def no_places(values: int, regions: int) -> Array:
    """The places of so many values before any of so many regions is painted, shape (values,): all 0."""
    return np.zeros(values, np.uint8 if regions < 256 else np.uint32)


def layer_of_run_lengths(counts: Mapping[int, rle.Counts], height: int, width: int) -> Layer:
    """A layer of regions with run lengths of their own.

    Args:
        counts: COCO run lengths by place, in ascending order of the places.
        height: pixels.
        width: pixels.

    Raises:
        MasksDBError: run lengths are not those of so many pixels.
    """
    places = np.arange(max(counts, default=0) + 1)
    columns = no_places(height * width, len(places) - 1)
    for place, lengths in counts.items():
        rle.check_size(lengths, height, width)
        edges = np.cumsum(lengths).tolist()
        for start, stop in zip(edges[0::2], edges[1::2], strict=False):
            columns[start:stop] = place
    return Layer(places.astype(columns.dtype), columns.reshape(width, height).T)


def topmost(layers: Sequence[Layer]) -> Array:
    """The place of the topmost region under each pixel, 0 where there is none; shape (height, width), unsigned.

    Args:
        layers: at least one, all of one shape.

    >>> below = layer_of_run_lengths({1: np.array([0, 3, 1])}, 2, 2)
    >>> above = layer_of_run_lengths({2: np.array([2, 2])}, 2, 2)
    >>> topmost([above, below]).tolist()
    [[1, 2], [1, 2]]
    """
    places = [layer.spread(layer.places) for layer in layers]
    # Places are in painting order, so the highest one lies on top whatever layer it is in.
    top = places[0]
    for other in places[1:]:
        top = np.maximum(top, other)
    return top


def paint(layers: Sequence[Layer], by_place: Array) -> Array:
    """For every pixel the element of an array that belongs to its topmost region, shape (height, width).

    Args:
        layers: at least one, all of one shape.
        by_place: what each region is painted with, by its place; its first element is for pixels without a region.
    """
    if len(layers) == 1:
        return layers[0].spread(by_place[layers[0].places])
    return look_up(by_place, topmost(layers))


def look_up(table: Array, indexes: Array) -> Array:
    """The elements of a table at some indexes, in the shape of the indexes; perhaps the indexes themselves."""
    if table.dtype != np.uint8 or indexes.dtype != np.uint8:
        found: Array = table[indexes]
        return found
    indexes = np.ascontiguousarray(indexes)
    occurring = table[: int(indexes.max(initial=0)) + 1]
    if (occurring == _EVERY_BYTE[: len(occurring)]).all():
        # Masks often have the numbers of classes as they are.
        return indexes
    # Several times as fast as to index the table.
    whole = np.zeros(256, np.uint8)
    whole[: len(table)] = table[:256]
    data = bytearray(indexes).translate(whole.tobytes())
    return np.frombuffer(data, np.uint8).reshape(indexes.shape)
