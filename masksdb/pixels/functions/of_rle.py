"""The SQL functions over COCO run lengths, which are never expanded to pixels."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa

from masksdb.errors import UsageError
from masksdb.pixels import rle
from masksdb.pixels.functions.of_masks import BOX, RLE, Column
from masksdb.pixels.mask_reads import MaskReads


class _RleRegion(NamedTuple):
    """A region in a column of COCO run lengths."""

    height: int
    width: int
    counts: rle.Counts


def _regions(column: Column) -> list[_RleRegion | None]:
    """The regions of a column of COCO run lengths, None for NULL."""
    kind = column.type
    if not (
        pa.types.is_null(kind) or (pa.types.is_struct(kind) and {"size", "counts"} <= {field.name for field in kind})
    ):
        raise UsageError(f"rle: found {kind}, expected a struct of size and counts, as mask_rle returns it")
    return [
        None if value is None or value["size"] is None or value["counts"] is None else _region(**value)
        for value in column.to_pylist()
    ]


def _region(size: object, counts: object, **_: object) -> _RleRegion:
    if not (isinstance(size, list) and len(size) == 2 and all(map(_is_side, size)) and isinstance(counts, str)):
        raise UsageError(
            f"rle: found size {repr(size)[:40]} and counts {repr(counts)[:20]}, expected [height, width] and text"
        )
    height, width = map(int, size)
    lengths = rle.decode_counts(counts)
    rle.check_size(lengths, height, width)
    return _RleRegion(height, width, lengths)


def _is_side(number: object) -> bool:
    """Whether a number can be a height or a width: whole, of whatever type, and no larger than SQL returns them."""
    return isinstance(number, (int, float, Decimal)) and 0 <= number < 1 << 31 and number % 1 == 0


def rle_area(_: MaskReads, region: Column) -> Column:
    """Pixels of a region."""
    return pa.array([None if row is None else rle.area(row.counts) for row in _regions(region)], pa.int64())


def rle_bbox(_: MaskReads, region: Column) -> Column:
    """The smallest box around a region; NULL where it is empty."""
    boxes = [None if row is None else rle.box(row.counts, row.height) for row in _regions(region)]
    return pa.array([None if box is None else box._asdict() for box in boxes], BOX)


def _of_two(a: Column, b: Column, cell: Callable[[_RleRegion, _RleRegion], Any], kind: pa.DataType) -> Column:
    """For each row what ``cell`` returns for its two regions of equal size."""
    cells: list[Any] = []
    for left, right in zip(_regions(a), _regions(b), strict=True):
        if left is None or right is None:
            cells.append(None)
            continue
        if left[:2] != right[:2]:
            sizes = [f"{region.height} x {region.width}" for region in (left, right)]
            raise UsageError(f"rle: a region of {sizes[0]} pixels beside one of {sizes[1]}")
        cells.append(cell(left, right))
    return pa.array(cells, kind)


def rle_iou(_: MaskReads, a: Column, b: Column) -> Column:
    """Pixels in both regions by pixels in either; 0 where both are empty."""
    return _of_two(a, b, lambda left, right: rle.iou(left.counts, right.counts), pa.float64())


def rle_union(_: MaskReads, a: Column, b: Column) -> Column:
    """What is in one of two regions, or in both."""
    return _of_two(a, b, lambda left, right: _encoded(left, rle.union(left.counts, right.counts)), RLE)


def rle_intersection(_: MaskReads, a: Column, b: Column) -> Column:
    """What is in both of two regions."""
    return _of_two(a, b, lambda left, right: _encoded(left, rle.intersection(left.counts, right.counts)), RLE)


def _encoded(region: _RleRegion, counts: rle.Counts) -> dict[str, Any]:
    """Run lengths of the size of a region, as SQL returns them."""
    return {"size": [region.height, region.width], "counts": rle.encode_counts(counts)}
