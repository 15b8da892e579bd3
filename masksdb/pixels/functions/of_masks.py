"""The SQL functions over pixels: Arrow columns in, an Arrow column out; they know no DuckDB.

Each is called with up to 2,048 rows, from several threads at once. NULL in, NULL out. What each returns in SQL stands
in :mod:`masksdb.pixels.functions.registration`.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksdb.errors import MaskDecodeError, MasksDBError, UsageError
from masksdb.pixels import rle
from masksdb.pixels.functions import columns as arguments
from masksdb.pixels.functions.columns import Masks, Values
from masksdb.pixels.functions.measures import Measured, measure
from masksdb.pixels.mask_cache import Result, facts_cache
from masksdb.pixels.mask_reads import MaskReads
from masksdb.pixels.masks import ALPHA, NONE, RED, MaskFacts
from masksdb.pixels.read import read_images
from masksdb.pixels.regions import joint_histogram
from masksdb.pixels.selection import select

BATCH_LIMIT = 1 << 30
"""Bytes of pixels that one batch of ``decode_mask`` may hold."""

Column = Any

Flags = npt.NDArray[np.bool_]

_POINT = pa.struct([("x", pa.float64()), ("y", pa.float64())])

BOX = pa.struct([("x", pa.int32()), ("y", pa.int32()), ("width", pa.int32()), ("height", pa.int32())])

RLE = pa.struct([("size", pa.list_(pa.int32())), ("counts", pa.string())])

_MASK = pa.struct([("uri", pa.string()), ("content_type", pa.string()), ("timestamp", pa.int64())])

_VALUE = pa.struct(
    [("value", pa.list_(pa.int32())), ("rgb", pa.list_(pa.int32())), ("area", pa.int64()), ("bbox", BOX),
     ("centroid", _POINT)]
)  # fmt: skip

_PAIR = pa.struct([("value_a", pa.list_(pa.int32())), ("value_b", pa.list_(pa.int32())), ("pixels", pa.int64())])

_PIXELS = pa.struct(
    [("height", pa.int32()), ("width", pa.int32()), ("channels", pa.int32()), ("dtype", pa.string()),
     ("pixels", pa.binary())]
)  # fmt: skip

_ALPHA = pa.struct([("mean", pa.float64()), ("min", pa.float64()), ("max", pa.float64())])


def _found(reads: MaskReads, masks: Masks, wanted: Flags) -> list[Result | None]:
    """The facts of the masks that the wanted rows have; None for the others."""
    used = np.unique(masks.index[wanted & (masks.index != NONE)])
    results = facts_cache.get([masks.refs[mask] for mask in used], reads.settings)
    reads.report([each for each in results if isinstance(each, MasksDBError)])
    found: list[Result | None] = [None] * len(masks.refs)
    for mask, result in zip(used, results, strict=True):
        found[mask] = result
    return found


def _measured(
    reads: MaskReads, mask: Column, value: Column, tolerance: Column | None, *, only_area: bool = False
) -> Measured:
    masks, values = arguments.masks(mask), arguments.values(value)
    tolerances, is_given = np.zeros(len(masks.index), np.int64), np.ones(len(masks.index), np.bool_)
    if tolerance is not None:
        tolerances, is_given = arguments.whole_numbers(tolerance, "tolerance")
        if tolerances.min(initial=0) < 0:
            raise UsageError(f"tolerance: found {tolerances.min()}, expected 0 or more")
        values = Values(values.numbers, values.lengths, np.where(is_given, values.index, NONE))
    found = _found(reads, masks, values.index != NONE)
    measured = measure(masks, found, values, tolerances, only_area=only_area)
    reads.report(measured.errors)
    return measured


def mask_area(reads: MaskReads, mask: Column, value: Column, tolerance: Column | None = None) -> Column:
    """Pixels of a value; 0 where it is absent."""
    measured = _measured(reads, mask, value, tolerance, only_area=True)
    return pa.array(measured.sizes[:, 0], mask=~measured.is_known)


def mask_coverage(reads: MaskReads, mask: Column, value: Column, tolerance: Column | None = None) -> Column:
    """The part of the mask that a value covers, 0..1."""
    measured = _measured(reads, mask, value, tolerance, only_area=True)
    return pa.array(measured.sizes[:, 0] / np.maximum(measured.pixels, 1), mask=~measured.is_known)


def mask_bbox(reads: MaskReads, mask: Column, value: Column, tolerance: Column | None = None) -> Column:
    """The smallest box around a value, in pixels; NULL where it is absent."""
    measured = _measured(reads, mask, value, tolerance)
    return _boxes(measured.sizes, ~measured.is_known | (measured.sizes[:, 0] == 0))


def mask_centroid(reads: MaskReads, mask: Column, value: Column, tolerance: Column | None = None) -> Column:
    """The mean x and y index of the pixels of a value; NULL where it is absent."""
    measured = _measured(reads, mask, value, tolerance)
    return _centroids(measured.sizes, ~measured.is_known | (measured.sizes[:, 0] == 0))


def _boxes(sizes: npt.NDArray[np.int64], is_null: Flags) -> Column:
    x, y, x_max, y_max = (sizes[:, column].astype(np.int32) for column in (1, 2, 3, 4))
    columns = (x, y, x_max - x + 1, y_max - y + 1)
    return pa.StructArray.from_arrays(map(pa.array, columns), fields=list(BOX), mask=pa.array(is_null))


def _centroids(sizes: npt.NDArray[np.int64], is_null: Flags) -> Column:
    area = np.maximum(sizes[:, 0], 1)
    columns = (sizes[:, 5] / area, sizes[:, 6] / area)
    return pa.StructArray.from_arrays(map(pa.array, columns), fields=list(_POINT), mask=pa.array(is_null))


def mask_values(reads: MaskReads, mask: Column) -> Column:
    """The distinct values of a mask as stored, with their colours and what they cover."""

    def row(facts: MaskFacts) -> list[dict[str, Any]]:
        sizes = facts.sizes
        is_null = np.zeros(len(sizes), np.bool_)
        rows = zip(
            facts.stored_values(),
            facts.colours[:, RED:ALPHA].tolist(),
            sizes[:, 0].tolist(),
            _boxes(sizes, is_null).to_pylist(),
            _centroids(sizes, is_null).to_pylist(),
            strict=True,
        )
        return [dict(zip(("value", "rgb", "area", "bbox", "centroid"), each, strict=True)) for each in rows]

    return _per_mask(reads, mask, row, pa.list_(_VALUE))


def _per_mask(reads: MaskReads, mask: Column, row: Callable[[MaskFacts], Any], kind: pa.DataType) -> Column:
    """What ``row`` makes of each distinct mask, for each row."""
    masks = arguments.masks(mask)
    found = _found(reads, masks, masks.index != NONE)
    rows = [row(each) if isinstance(each, MaskFacts) else None for each in found]
    return pa.array(rows, kind).take(pa.array(masks.index, mask=masks.index == NONE))


def mask_rle(reads: MaskReads, mask: Column, value: Column, tolerance: Column | None = None) -> Column:
    """The region of a value in COCO's compressed run lengths."""

    def row(facts: MaskFacts, flags: Flags) -> dict[str, Any]:
        size = [facts.regions.height, facts.regions.width]
        return {"size": size, "counts": rle.encode_counts(facts.regions.counts(flags))}

    return _per_region(reads, row, RLE, mask, value, tolerance)


def mask_png(reads: MaskReads, mask: Column, value: Column, tolerance: Column | None = None) -> Column:
    """The region of a value as a PNG file of 1 bit a pixel."""
    from PIL import Image

    def row(facts: MaskFacts, flags: Flags) -> bytes:
        pixels = flags[facts.regions.index]
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        return file.getvalue()

    return _per_region(reads, row, pa.binary(), mask, value, tolerance)


def _per_region(
    reads: MaskReads,
    row: Callable[[MaskFacts, Flags], Any],
    kind: pa.DataType,
    mask: Column,
    value: Column,
    tolerance: Column | None,
) -> Column:
    """What ``row`` makes of each distinct mask and value, for each row."""
    masks, values = arguments.masks(mask), arguments.values(value)
    tolerances, is_given = (
        arguments.whole_numbers(tolerance, "tolerance")
        if tolerance is not None
        else (np.zeros(len(masks.index), np.int64), np.ones(len(masks.index), np.bool_))
    )
    is_wanted = (values.index != NONE) & is_given
    found = _found(reads, masks, is_wanted)
    made: dict[tuple[int, int, int], Any] = {}
    rows: list[Any] = []
    for wanted, *key in zip(
        is_wanted.tolist(), masks.index.tolist(), values.index.tolist(), tolerances.tolist(), strict=True
    ):
        which = (key[0], key[1], key[2])
        facts = found[which[0]] if wanted and which[0] != NONE else None
        if not isinstance(facts, MaskFacts):
            rows.append(None)
            continue
        if which not in made:
            number = values.numbers[which[1], : values.lengths[which[1]]].tolist()
            try:
                made[which] = row(facts, select(facts, number, which[2], masks.refs[which[0]].uri))
            except MaskDecodeError as error:
                reads.report([error])
                made[which] = None
        rows.append(made[which])
    return pa.array(rows, kind)


def mask_value_at(reads: MaskReads, mask: Column, x: Column, y: Column) -> Column:
    """The stored value under a pixel; NULL outside of the mask."""
    masks = arguments.masks(mask)
    (xs, has_x), (ys, has_y) = arguments.whole_numbers(x, "x"), arguments.whole_numbers(y, "y")
    found = _found(reads, masks, has_x & has_y)
    stored = [each.stored_values() if isinstance(each, MaskFacts) else [] for each in found]
    rows: list[Any] = []
    for mask_index, column, line, is_wanted in zip(masks.index, xs, ys, has_x & has_y, strict=True):
        facts = found[mask_index] if is_wanted and mask_index != NONE else None
        is_inside = (
            isinstance(facts, MaskFacts)
            and 0 <= column < facts.regions.width
            and 0 <= line < facts.regions.height
        )  # fmt: skip
        rows.append(
            stored[mask_index][facts.regions.value_at(column, line)]
            if is_inside and isinstance(facts, MaskFacts)
            else None
        )
    return pa.array(rows, pa.list_(pa.int32()))


def mask_confusion(reads: MaskReads, mask_a: Column, mask_b: Column) -> Column:
    """How many pixels have which pair of stored values in two masks of equal size."""
    left, right = arguments.masks(mask_a), arguments.masks(mask_b)
    is_pair = (left.index != NONE) & (right.index != NONE)
    found_left, found_right = _found(reads, left, is_pair), _found(reads, right, is_pair)
    made: dict[tuple[int, int], Any] = {}
    rows: list[Any] = []
    for which in zip(np.where(is_pair, left.index, NONE).tolist(), right.index.tolist(), strict=True):
        if which[0] == NONE:
            rows.append(None)
            continue
        if which not in made:
            pair = found_left[which[0]], found_right[which[1]]
            made[which] = _confusion(reads, left.refs[which[0]].uri, *pair)
        rows.append(made[which])
    return pa.array(rows, pa.list_(_PAIR))


def _confusion(reads: MaskReads, uri: str, left: Result | None, right: Result | None) -> Any:
    if not isinstance(left, MaskFacts) or not isinstance(right, MaskFacts):
        return None
    sizes = [f"{each.regions.width} x {each.regions.height}" for each in (left, right)]
    if sizes[0] != sizes[1]:
        reads.report([MaskDecodeError(uri, f"{sizes[0]} pixels, and the mask to compare it with has {sizes[1]}")])
        return None
    values_left, values_right = left.stored_values(), right.stored_values()
    pairs = zip(*(each.tolist() for each in joint_histogram(left.regions, right.regions)), strict=True)
    return [{"value_a": values_left[a], "value_b": values_right[b], "pixels": pixels} for a, b, pixels in pairs]


def mask_alpha(reads: MaskReads, mask: Column) -> Column:
    """The opacity of a mask, 0..1: its alpha where it has some, else its grey level, or the mean of its colours."""

    def row(facts: MaskFacts) -> dict[str, float]:
        opacity = facts.opacity
        mean = float((opacity * facts.regions.area).sum() / facts.pixels)
        return {"mean": mean, "min": float(opacity.min()), "max": float(opacity.max())}

    return _per_mask(reads, mask, row, _ALPHA)


def decode_mask(reads: MaskReads, mask: Column) -> Column:
    """The pixels of a mask as stored, row by row."""
    masks = arguments.masks(mask)
    images = read_images(masks.refs, reads.settings)
    reads.report([each for each in images if isinstance(each, MasksDBError)])
    samples = [None if isinstance(each, MasksDBError) else each.samples for each in images]
    sizes = np.array([0 if each is None else each.nbytes for each in samples] or [0])
    if (total := int(sizes[masks.index[masks.index != NONE]].sum())) > BATCH_LIMIT:
        raise UsageError(
            f"decode_mask: a batch of {total:,} bytes; stream with db.iter_masks(query), or take fewer rows"
        )
    rows = [
        None
        if each is None
        else {
            "height": each.shape[0],
            "width": each.shape[1],
            "channels": 1 if each.ndim == 2 else each.shape[2],
            "dtype": each.dtype.name,
            "pixels": each.tobytes(),
        }
        for each in samples
    ]
    return pa.array([None if index == NONE else rows[index] for index in masks.index], _PIXELS)


def mask_ref(_: MaskReads, uri: Column, timestamp: Column | None = None) -> Column:
    """The mask of a URI, as the functions take it."""
    masks = arguments.masks(uri)
    times = None if timestamp is None else arguments.whole_numbers(timestamp, "timestamp")
    rows: list[Any] = [None if index == NONE else {"uri": masks.refs[index].uri} for index in masks.index]
    for row, time, is_given in zip(rows, *times, strict=True) if times else ():
        if row is not None and is_given:
            row["timestamp"] = int(time)
    return pa.array(rows, _MASK)
