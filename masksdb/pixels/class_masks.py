"""Masks to class masks: for every pixel the number of the class that its region is.

Pixels are looked up by their distinct values, never one by one in Python: a byte a pixel through a table of 256,
anything else by its runs. Regions of one image may lie in several masks, and in run lengths and polygons of their own;
they are painted in their order, a later one over an earlier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from masksdb.errors import MasksDBError
from masksdb.pixels import polygons, rle
from masksdb.pixels.masks import ALPHA, NONE, RED, SAMPLE, MaskFacts, MaskImage, MaskRef
from masksdb.pixels.selection import select
from masksdb.pixels.settings import LOSSY_TOLERANCE

Array = npt.NDArray[Any]

Cut = Callable[[Array], Array]
"""What takes the wanted part of an array whose first two dimensions are the rows and columns of the image."""

_EVERY_BYTE = np.arange(256, dtype=np.uint8).reshape(1, -1)


@dataclass(frozen=True)
class Region:
    """What has one class.

    Attributes:
        class_number: the class; less than 0 is none.
        ref: the mask that it lives in, if it does.
        mask_value: the value that it has there; None is all of a mask that is opacity, where that is half or more.
        rle: its own run lengths, of a region without a mask value.
        poly: its own polygon, likewise.
    """

    class_number: int
    ref: MaskRef | None = None
    mask_value: Sequence[int] | None = None
    rle: Mapping[str, Any] | None = None
    poly: Sequence[float] | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Region:
        """The region of a row of a table of regions."""
        uri, number = given["mask"]["uri"], given["class"]
        has_own = given["mask_value"] is None and (given["rle"] is not None or given["poly"] is not None)
        ref = None if uri is None or has_own else MaskRef(uri, given["mask"]["timestamp"])
        return cls(-1 if number is None else number, ref, given["mask_value"], given["rle"], given["poly"])

    @property
    def has_geometry(self) -> bool:
        """Whether it has pixels of its own."""
        return self.ref is None and (self.rle is not None or self.poly is not None)


def class_mask(
    regions: Sequence[Region],
    images: Mapping[MaskRef, MaskImage],
    shape: tuple[int, int],
    cut: Cut,
    void: int,
    kind: type[np.generic],
) -> Array:
    """The class of every pixel.

    Args:
        regions: what has a class, from the lowest up.
        images: the masks that regions live in.
        shape: height and width of the image, as those of all masks.
        cut: what takes the wanted part.
        void: what a pixel has that no region explains, or the last one of no class.
        kind: the type of the numbers.

    Raises:
        MasksDBError: a value that makes no sense in its mask, or a region of another size.
    """
    numbers = [void, *(void if each.class_number < 0 else each.class_number for each in regions)]
    classes = np.array(numbers, kind)
    # Each layer has the place of a pixel's topmost region, from 1, so that the highest place of all layers is on top.
    place_kind = np.uint8 if len(regions) < 256 else np.uint32
    by_mask: dict[MaskRef, dict[int, Region]] = {}
    for place, region in enumerate(regions, 1):
        if region.ref is not None:
            by_mask.setdefault(region.ref, {})[place] = region
    own = {place: region for place, region in enumerate(regions, 1) if region.has_geometry}
    if len(by_mask) == 1 and not own:
        ((ref, members),) = by_mask.items()
        return _spread(images[ref], cut, lambda facts: classes[_places(members, ref.uri, place_kind, facts)])
    top = cut(_geometry(own, shape, place_kind))
    for ref, members in by_mask.items():
        top = np.maximum(top, _spread(images[ref], cut, partial(_places, members, ref.uri, place_kind)))
    return _looked_up(classes, top)


def _spread(image: MaskImage, cut: Cut, of_values: Callable[[MaskFacts], Array]) -> Array:
    """What ``of_values`` says of each distinct value, for every pixel."""
    samples = cut(image.samples)
    if samples.ndim == 2 and samples.dtype == np.uint8:
        # An image of one row that has every byte once stands for the mask.
        return _looked_up(of_values(MaskFacts.of(replace(image, samples=_EVERY_BYTE))), samples)
    facts = MaskFacts.of(replace(image, samples=np.ascontiguousarray(samples)))
    runs = facts.regions.runs
    spread = np.repeat(of_values(facts)[runs.values], np.diff(runs.starts, append=runs.total))
    return spread.reshape(samples.shape[:2])


def _looked_up(table: Array, samples: Array) -> Array:
    if table.dtype == np.uint8 and samples.dtype == np.uint8:
        samples = np.ascontiguousarray(samples)
        occurring = table[: int(samples.max(initial=0)) + 1]
        if (occurring == _EVERY_BYTE[0, : len(occurring)]).all():
            # Masks often have the numbers of classes as they are.
            return samples
        # Several times as fast as to index the table.
        whole = np.zeros(256, np.uint8)
        whole[: len(table)] = table[:256]
        data = bytearray(samples).translate(whole.tobytes())
        return np.frombuffer(data, np.uint8).reshape(samples.shape)
    found: Array = table[samples]
    return found


def _places(regions: Mapping[int, Region], uri: str, kind: type[np.generic], facts: MaskFacts) -> Array:
    """For each distinct value of a mask the highest place of a region that it belongs to, 0 where there is none."""
    found = np.zeros(len(facts.colours), kind)
    nearest = np.full(len(facts.colours), LOSSY_TOLERANCE)
    for place, region in regions.items():
        if region.mask_value is None:
            found[_is_opaque(facts)] = place
        elif facts.image.is_lossy:
            select(facts, region.mask_value, 0, uri)
            distance = _distance(facts, region.mask_value)
            found[distance <= nearest] = place
            nearest = np.minimum(nearest, distance)
        else:
            found[select(facts, region.mask_value, 0, uri)] = place
    return found


def _distance(facts: MaskFacts, value: Sequence[int]) -> npt.NDArray[np.int64]:
    """By how much the distinct values of a lossy mask differ from a value, in the channel that differs most."""
    first, wanted = SAMPLE if len(value) == 1 else RED, np.array(value)
    differences = np.abs(facts.colours[:, first : first + len(value)] - wanted)
    distance: npt.NDArray[np.int64] = np.where(wanted == NONE, 0, differences).max(axis=1)
    return distance


def _is_opaque(facts: MaskFacts) -> npt.NDArray[np.bool_]:
    """Whether each distinct value is at least half there: by its alpha if the mask has some, else by its grey level."""
    alpha = facts.colours[:, ALPHA]
    has_none = facts.has_no_alpha and bool((alpha == facts.image.maximum).all())
    levels = facts.colours[:, RED:ALPHA].mean(axis=1) if has_none else alpha
    found: npt.NDArray[np.bool_] = 2 * levels >= facts.image.maximum
    return found


def _geometry(regions: Mapping[int, Region], shape: tuple[int, int], kind: type[np.generic]) -> Array:
    """The layer of regions that have pixels of their own."""
    layer = np.zeros(shape, kind)
    height, width = shape
    shapes = {place: polygons.split_parts(each.poly) for place, each in regions.items() if each.poly and not each.rle}
    outlines = polygons.rasterize(list(shapes.values()), [height] * len(shapes), [width] * len(shapes))
    counts = dict(zip(shapes, outlines, strict=True))
    for place, region in regions.items():
        if region.rle is not None:
            if tuple(region.rle["size"]) != shape:
                found = "{1} x {0}".format(*region.rle["size"])
                raise MasksDBError(f"rle: of {found} pixels, and the image has {width} x {height}")
            counts[place] = rle.decode_counts(region.rle["counts"])
        if place in counts:
            layer[rle.to_pixels(counts[place], height, width).astype(np.bool_)] = place
    return layer
