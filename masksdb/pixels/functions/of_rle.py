"""The SQL functions over COCO run lengths, which never go back to pixels."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa

from masksdb.errors import UsageError
from masksdb.pixels import rle
from masksdb.pixels.functions.of_masks import BOX, RLE, Column
from masksdb.pixels.mask_reads import MaskReads


def _regions(column: Column) -> list[tuple[int, int, rle.Counts] | None]:
    """The regions of a column of COCO run lengths: height, width, run lengths."""
    kind = column.type
    if not (
        pa.types.is_null(kind) or (pa.types.is_struct(kind) and {"size", "counts"} <= {each.name for each in kind})
    ):
        raise UsageError(f"rle: found {kind}, expected a struct of size and counts, as mask_rle returns it")
    found: list[tuple[int, int, rle.Counts] | None] = []
    for value in column.to_pylist():
        if value is None or value["size"] is None or value["counts"] is None:
            found.append(None)
            continue
        size, text = value["size"], value["counts"]
        if not (isinstance(size, list) and len(size) == 2 and all(map(_is_side, size)) and isinstance(text, str)):
            found_size, found_counts = repr(size)[:40], repr(text)[:20]
            raise UsageError(
                f"rle: found size {found_size} and counts {found_counts}, expected [height, width] and text"
            )
        height, width = map(int, size)
        counts = rle.decode_counts(text)
        rle.check_size(counts, height, width)
        found.append((height, width, counts))
    return found


def _is_side(number: object) -> bool:
    """Whether a number can be a height or a width: whole, of whatever type, and no larger than SQL returns them."""
    return isinstance(number, (int, float, Decimal)) and 0 <= number < 1 << 31 and number % 1 == 0


def rle_area(_: MaskReads, region: Column) -> Column:
    """Pixels of a region."""
    return pa.array([None if each is None else rle.area(each[2]) for each in _regions(region)], pa.int64())


def rle_bbox(_: MaskReads, region: Column) -> Column:
    """The smallest box around a region; NULL where it is empty."""
    boxes = [None if each is None else rle.box(each[2], each[0]) for each in _regions(region)]
    return pa.array([None if box is None else box._asdict() for box in boxes], BOX)


def _of_two(a: Column, b: Column, row: Callable[[int, int, rle.Counts, rle.Counts], Any], kind: pa.DataType) -> Column:
    rows: list[Any] = []
    for left, right in zip(_regions(a), _regions(b), strict=True):
        if left is None or right is None:
            rows.append(None)
            continue
        if left[:2] != right[:2]:
            raise UsageError(f"rle: a region of {left[0]} x {left[1]} pixels beside one of {right[0]} x {right[1]}")
        rows.append(row(left[0], left[1], left[2], right[2]))
    return pa.array(rows, kind)


def rle_iou(_: MaskReads, a: Column, b: Column) -> Column:
    """Pixels in both regions by pixels in either; 0 where both are empty."""
    return _of_two(a, b, lambda _h, _w, left, right: rle.iou(left, right), pa.float64())


def rle_union(_: MaskReads, a: Column, b: Column) -> Column:
    """What is in one of two regions, or in both."""
    return _of_two(a, b, lambda *four: _region(rle.union, *four), RLE)


def rle_intersection(_: MaskReads, a: Column, b: Column) -> Column:
    """What is in both of two regions."""
    return _of_two(a, b, lambda *four: _region(rle.intersection, *four), RLE)


def _region(
    combine: Callable[[rle.Counts, rle.Counts], rle.Counts],
    height: int,
    width: int,
    left: rle.Counts,
    right: rle.Counts,
) -> dict[str, Any]:
    return {"size": [height, width], "counts": rle.encode_counts(combine(left, right))}
