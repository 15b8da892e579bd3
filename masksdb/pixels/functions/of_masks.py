"""The SQL functions over masks: Arrow columns in, an Arrow column out; they do not import DuckDB.

Each is called with up to 2,048 rows, from several threads at once. NULL in, NULL out. The SQL types that they return
stand in :mod:`masksdb.pixels.functions.registration`.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from masksdb.errors import MaskDecodeError, MasksDBError, UsageError
from masksdb.pixels import rle
from masksdb.pixels.functions.columns import MaskColumn, mask_column, tolerances, value_column, whole_numbers
from masksdb.pixels.functions.row_sizes import RowSizes, row_sizes
from masksdb.pixels.mask_cache import Result, facts_cache
from masksdb.pixels.mask_reads import MaskReads
from masksdb.pixels.masks import ALPHA, NONE, RED, Flags, Integers, MaskFacts
from masksdb.pixels.read import read_images
from masksdb.pixels.regions import joint_histogram
from masksdb.pixels.selection import select

BATCH_LIMIT = 1 << 30
"""Bytes of pixels that one batch of ``decode_mask`` may hold."""

Column = Any

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


def _facts(reads: MaskReads, masks: MaskColumn, is_needed: Flags) -> list[Result | None]:
    """The facts of each distinct mask of a column, or why it is unreadable; None if no row that needs one has it."""
    used = np.unique(masks.index[is_needed & (masks.index != NONE)])
    results = facts_cache.get([masks.refs[index] for index in used], reads.settings)
    reads.report([result for result in results if isinstance(result, MasksDBError)])
    of_all: list[Result | None] = [None] * len(masks.refs)
    for index, result in zip(used, results, strict=True):
        of_all[index] = result
    return of_all


def _sizes(
    reads: MaskReads, mask: Column, value: Column, tolerance: Column | None, *, only_area: bool = False
) -> RowSizes:
    masks, values = mask_column(mask), value_column(value)
    numbers, has_tolerance = tolerances(tolerance, len(masks.index))
    values = replace(values, index=np.where(has_tolerance, values.index, NONE))
    facts = _facts(reads, masks, values.index != NONE)
    sizes = row_sizes(masks, facts, values, numbers, only_area=only_area)
    reads.report(sizes.errors)
    return sizes


def mask_area(reads: MaskReads, mask: Column, value: Column, tolerance: Column | None = None) -> Column:
    """Pixels of a value; 0 where it is absent."""
    rows = _sizes(reads, mask, value, tolerance, only_area=True)
    return pa.array(rows.sizes[:, 0], mask=~rows.is_known)


def mask_coverage(reads: MaskReads, mask: Column, value: Column, tolerance: Column | None = None) -> Column:
    """The part of the mask that a value covers, 0..1."""
    rows = _sizes(reads, mask, value, tolerance, only_area=True)
    return pa.array(rows.sizes[:, 0] / np.maximum(rows.pixels, 1), mask=~rows.is_known)


def mask_bbox(reads: MaskReads, mask: Column, value: Column, tolerance: Column | None = None) -> Column:
    """The smallest box around a value, in pixels; NULL where it is absent."""
    rows = _sizes(reads, mask, value, tolerance)
    return _boxes(rows.sizes, ~rows.is_known | (rows.sizes[:, 0] == 0))


def mask_centroid(reads: MaskReads, mask: Column, value: Column, tolerance: Column | None = None) -> Column:
    """The mean x and y index of the pixels of a value; NULL where it is absent."""
    rows = _sizes(reads, mask, value, tolerance)
    return _centroids(rows.sizes, ~rows.is_known | (rows.sizes[:, 0] == 0))


def _boxes(sizes: Integers, is_null: Flags) -> Column:
    x, y, x_max, y_max = (sizes[:, column].astype(np.int32) for column in (1, 2, 3, 4))
    columns = (x, y, x_max - x + 1, y_max - y + 1)
    return pa.StructArray.from_arrays(map(pa.array, columns), fields=list(BOX), mask=pa.array(is_null))


def _centroids(sizes: Integers, is_null: Flags) -> Column:
    area = np.maximum(sizes[:, 0], 1)
    columns = (sizes[:, 5] / area, sizes[:, 6] / area)
    return pa.StructArray.from_arrays(map(pa.array, columns), fields=list(_POINT), mask=pa.array(is_null))


def mask_values(reads: MaskReads, mask: Column) -> Column:
    """The distinct values of a mask as stored, with their colours, areas, boxes and centroids."""

    def row(facts: MaskFacts) -> list[dict[str, Any]]:
        sizes = facts.sizes
        is_null = np.zeros(len(sizes), np.bool_)
        columns = {
            "value": facts.stored_values(),
            "rgb": facts.colours[:, RED:ALPHA].tolist(),
            "area": sizes[:, 0].tolist(),
            "bbox": _boxes(sizes, is_null).to_pylist(),
            "centroid": _centroids(sizes, is_null).to_pylist(),
        }
        return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]

    return _per_mask(reads, mask, row, pa.list_(_VALUE))


def _per_mask(reads: MaskReads, mask: Column, row: Callable[[MaskFacts], Any], kind: pa.DataType) -> Column:
    """For each row what ``row`` returns for its mask, called once for each distinct mask."""
    masks = mask_column(mask)
    facts = _facts(reads, masks, masks.index != NONE)
    cells = [row(result) if isinstance(result, MaskFacts) else None for result in facts]
    return pa.array(cells, kind).take(pa.array(masks.index, mask=masks.index == NONE))


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
        file = io.BytesIO()
        Image.fromarray(flags[facts.regions.index]).save(file, "PNG")
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
    """For each row what ``row`` returns for its mask and value, called once for each distinct mask and value."""
    masks, values = mask_column(mask), value_column(value)
    numbers, has_tolerance = tolerances(tolerance, len(masks.index))
    is_needed = (masks.index != NONE) & (values.index != NONE) & has_tolerance
    facts = _facts(reads, masks, is_needed)

    @functools.cache
    def cell(mask_index: int, value_index: int, number: int) -> Any:
        result = facts[mask_index]
        if not isinstance(result, MaskFacts):
            return None
        try:
            return row(result, select(result, values.value(value_index), number, masks.refs[mask_index].uri))
        except MasksDBError as error:
            uri = masks.refs[mask_index].uri
            reads.report([error if isinstance(error, MaskDecodeError) else MaskDecodeError(uri, str(error))])
            return None

    keys = zip(masks.index.tolist(), values.index.tolist(), numbers.tolist(), strict=True)
    return pa.array([cell(*key) if needed else None for needed, key in zip(is_needed, keys, strict=True)], kind)


def mask_value_at(reads: MaskReads, mask: Column, x: Column, y: Column) -> Column:
    """The stored value under a pixel; NULL outside of the mask."""
    masks = mask_column(mask)
    (xs, has_x), (ys, has_y) = whole_numbers(x, "x"), whole_numbers(y, "y")
    is_needed = (masks.index != NONE) & has_x & has_y
    facts = _facts(reads, masks, is_needed)
    stored = [result.stored_values() if isinstance(result, MaskFacts) else [] for result in facts]
    cells: list[list[int] | None] = [None] * len(masks.index)
    for row in np.flatnonzero(is_needed):
        result = facts[masks.index[row]]
        if not isinstance(result, MaskFacts):
            continue
        if 0 <= xs[row] < result.regions.width and 0 <= ys[row] < result.regions.height:
            cells[row] = stored[masks.index[row]][result.regions.value_at(xs[row], ys[row])]
    return pa.array(cells, pa.list_(pa.int32()))


def mask_confusion(reads: MaskReads, mask_a: Column, mask_b: Column) -> Column:
    """How many pixels have which pair of stored values in two masks of equal size."""
    left, right = mask_column(mask_a), mask_column(mask_b)
    is_pair = (left.index != NONE) & (right.index != NONE)
    left_facts, right_facts = _facts(reads, left, is_pair), _facts(reads, right, is_pair)

    @functools.cache
    def cell(a: int, b: int) -> Any:
        return _confusion(reads, left.refs[a].uri, left_facts[a], right_facts[b])

    keys = zip(left.index.tolist(), right.index.tolist(), strict=True)
    cells = [cell(*key) if is_known else None for is_known, key in zip(is_pair, keys, strict=True)]
    return pa.array(cells, pa.list_(_PAIR))


def _confusion(reads: MaskReads, uri: str, left: Result | None, right: Result | None) -> Any:
    if not isinstance(left, MaskFacts) or not isinstance(right, MaskFacts):
        return None
    sizes = [f"{facts.regions.width} x {facts.regions.height}" for facts in (left, right)]
    if sizes[0] != sizes[1]:
        reads.report([MaskDecodeError(uri, f"{sizes[0]} pixels, and the mask to compare it with has {sizes[1]}")])
        return None
    values_left, values_right = left.stored_values(), right.stored_values()
    pairs = zip(*(column.tolist() for column in joint_histogram(left.regions, right.regions)), strict=True)
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
    masks = mask_column(mask)
    images = read_images(masks.refs, reads.settings)
    reads.report([image for image in images if isinstance(image, MasksDBError)])
    arrays = [None if isinstance(image, MasksDBError) else image.samples for image in images]
    sizes = np.array([0 if array is None else array.nbytes for array in arrays] or [0])
    if (total := int(sizes[masks.index[masks.index != NONE]].sum())) > BATCH_LIMIT:
        raise UsageError(
            f"decode_mask: a batch of {total:,} bytes; stream with db.iter_masks(query), or take fewer rows"
        )
    cells = [
        None
        if array is None
        else {
            "height": array.shape[0],
            "width": array.shape[1],
            "channels": 1 if array.ndim == 2 else array.shape[2],
            "dtype": array.dtype.name,
            "pixels": array.tobytes(),
        }
        for array in arrays
    ]
    return pa.array([None if index == NONE else cells[index] for index in masks.index], _PIXELS)


def mask_ref(_: MaskReads, uri: Column, timestamp: Column | None = None) -> Column:
    """The mask of a URI, in the form that the functions take."""
    masks = mask_column(uri)
    times = None if timestamp is None else whole_numbers(timestamp, "timestamp")
    rows: list[Any] = [None if index == NONE else {"uri": masks.refs[index].uri} for index in masks.index]
    for row, time, has_time in zip(rows, *times, strict=True) if times else ():
        if row is not None and has_time:
            row["timestamp"] = int(time)
    return pa.array(rows, _MASK)
