"""Masks to class masks: for every pixel the number of the class that its topmost region has.

The regions of one image may lie in several masks, and have run lengths or polygons of their own; they are painted in
their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from masksdb.errors import MasksDBError
from masksdb.pixels import polygons, rle
from masksdb.pixels.masks import MaskFacts, MaskImage, MaskRef
from masksdb.pixels.painting import Array, Cut, Layer, layer_of_run_lengths, no_places, paint
from masksdb.pixels.selection import distances, select
from masksdb.pixels.settings import LOSSY_TOLERANCE

_EVERY_BYTE = np.arange(256, dtype=np.uint8).reshape(1, -1)


@dataclass(frozen=True)
class ClassRegion:
    """A region that has a class.

    Attributes:
        class_number: the class; less than 0 is none.
        ref: the mask that the region lies in; None if it has run lengths or a polygon of its own.
        mask_value: its value in that mask; None is where the mask, as opacity, is half opaque or more.
        rle: its own run lengths.
        poly: its own polygon.
    """

    class_number: int
    ref: MaskRef | None = None
    mask_value: Sequence[int] | None = None
    rle: Mapping[str, Any] | None = None
    poly: Sequence[float] | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> ClassRegion:
        """The region of a row of a table of regions."""
        uri, number = row["mask"]["uri"], row["class"]
        has_own = row["mask_value"] is None and (row["rle"] is not None or row["poly"] is not None)
        ref = None if uri is None or has_own else MaskRef(uri, row["mask"]["timestamp"])
        return cls(-1 if number is None else number, ref, row["mask_value"], row["rle"], row["poly"])


def class_mask(
    regions: Sequence[ClassRegion],
    images: Mapping[MaskRef, MaskImage],
    shape: tuple[int, int],
    cut: Cut,
    void: int,
    kind: type[np.generic],
) -> Array:
    """The class of every pixel.

    Args:
        regions: the regions in painting order.
        images: the masks that they lie in.
        shape: height and width of the image and of all masks.
        cut: takes the part of an array that is asked for.
        void: the number of a pixel without a region, or whose topmost region has no class.
        kind: the type of the numbers.

    Returns:
        The shape of what ``cut`` takes of (height, width), of type ``kind``.

    Raises:
        MasksDBError: a value that no mask of this kind can have, or a region of another size.
    """
    numbers = [void, *(void if region.class_number < 0 else region.class_number for region in regions)]
    by_mask: dict[MaskRef, dict[int, ClassRegion]] = {}
    own: dict[int, ClassRegion] = {}
    for place, region in enumerate(regions, 1):
        if region.ref is not None:
            by_mask.setdefault(region.ref, {})[place] = region
        elif region.rle is not None or region.poly is not None:
            own[place] = region
    layers = [_mask_layer(members, ref.uri, images[ref], cut, len(regions)) for ref, members in by_mask.items()]
    if own or not layers:
        layers.append(layer_of_run_lengths(_run_lengths(own, shape), *shape).cut(cut))
    return paint(layers, np.array(numbers, kind))


def _mask_layer(regions: Mapping[int, ClassRegion], uri: str, image: MaskImage, cut: Cut, count: int) -> Layer:
    """The part of a mask that is asked for; of several single bytes, without a search for those that occur."""
    samples = cut(image.samples)
    if samples.ndim == 2 and samples.dtype == np.uint8:
        # An image of one row that has every byte once stands for the mask.
        facts = MaskFacts.of(replace(image, samples=_EVERY_BYTE))
        return Layer(_places(regions, uri, facts, count), samples)
    facts = MaskFacts.of(replace(image, samples=np.ascontiguousarray(samples)))
    return Layer(_places(regions, uri, facts, count), facts.regions)


def _places(regions: Mapping[int, ClassRegion], uri: str, facts: MaskFacts, count: int) -> Array:
    """For each distinct value of a mask the place of the topmost region that it belongs to, 0 where there is none.

    A value of a lossy mask belongs to the nearest region within the tolerance, the later one of two as near.
    """
    places = no_places(len(facts.colours), count)
    nearest = np.full(len(facts.colours), LOSSY_TOLERANCE)
    for place, region in regions.items():
        if region.mask_value is None:
            places[facts.opacity >= 0.5] = place
            continue
        is_selected = select(facts, region.mask_value, 0, uri)
        if facts.image.is_lossy:
            differences = distances(facts, region.mask_value)
            is_selected = differences <= nearest
            nearest = np.minimum(nearest, differences)
        places[is_selected] = place
    return places


def _run_lengths(regions: Mapping[int, ClassRegion], shape: tuple[int, int]) -> dict[int, rle.Counts]:
    """The run lengths of regions that lie in no mask, in the order of the regions."""
    height, width = shape
    outlined = {
        place: polygons.split_parts(region.poly)
        for place, region in regions.items()
        if region.poly is not None and region.rle is None
    }
    filled = polygons.rasterize(list(outlined.values()), [height] * len(outlined), [width] * len(outlined))
    counts = dict(zip(outlined, filled, strict=True))
    for place, region in regions.items():
        if region.rle is None:
            continue
        if tuple(region.rle["size"]) != shape:
            size = "{1} x {0}".format(*region.rle["size"])
            raise MasksDBError(f"rle: of {size} pixels, and the image has {width} x {height}")
        counts[place] = rle.decode_counts(region.rle["counts"])
    return dict(sorted(counts.items()))
