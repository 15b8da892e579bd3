"""Masks as numpy arrays, and the functions over pixels on a connection of one's own."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import duckdb

from masksdb.errors import MasksDBError, UsageError
from masksdb.pixels.mask_reads import MaskReads
from masksdb.pixels.settings import Settings

if TYPE_CHECKING:
    import numpy.typing as npt


MaskLike = str | Mapping[str, Any]
"""A mask of a view, as a dict with its ``uri`` and ``timestamp``, or a URI."""

MASKS_AT_ONCE = 16


def read_mask(settings: Settings, mask: MaskLike) -> npt.NDArray[Any]:
    """The pixels of a mask as stored.

    Returns:
        Shape (height, width) for grey levels and palette indexes, (height, width, channels) for colours and grey with
        alpha; uint8 or uint16.

    Raises:
        MaskDecodeError: the mask cannot be read.
    """
    facts = importlib.import_module("masksdb.pixels.mask_cache")
    (image,) = facts.read_images([_ref(mask)], settings)
    if isinstance(image, MasksDBError):
        raise image
    found: npt.NDArray[Any] = image.samples
    return found


def iter_masks(
    reads: MaskReads, relation: duckdb.DuckDBPyRelation
) -> Iterator[tuple[dict[str, Any], npt.NDArray[Any]]]:
    """The rows of a relation with a column ``mask``, each with the pixels of its mask."""
    if "mask" not in relation.columns:
        raise UsageError(
            f"iter_masks: a query with the columns {', '.join(relation.columns)}; expected one named 'mask'"
        )
    return _iter_masks(reads, relation)


def _iter_masks(
    reads: MaskReads, relation: duckdb.DuckDBPyRelation
) -> Iterator[tuple[dict[str, Any], npt.NDArray[Any]]]:
    facts = importlib.import_module("masksdb.pixels.mask_cache")
    for batch in relation.to_arrow_reader(MASKS_AT_ONCE):
        rows = [row for row in batch.to_pylist() if row["mask"] is not None]
        images = facts.read_images([_ref(row["mask"]) for row in rows], reads.settings)
        for row, image in zip(rows, images, strict=True):
            if isinstance(image, MasksDBError):
                reads.report([image])
            else:
                yield row, image.samples


def _ref(mask: MaskLike) -> Any:
    facts = importlib.import_module("masksdb.pixels.mask_cache")
    if isinstance(mask, str):
        return facts.MaskRef(mask)
    if not isinstance(mask, Mapping) or not isinstance(mask.get("uri"), str):
        raise UsageError(f"mask: found {mask!r}, expected a URI or the value of a column 'mask'")
    return facts.MaskRef(mask["uri"], mask.get("timestamp"))


def to_numpy(decoded: Mapping[str, Any]) -> npt.NDArray[Any]:
    """The array that a value of the SQL function ``decode_mask`` holds, read-only.

    Returns:
        Shape (height, width), or (height, width, channels) where there are several; uint8 or uint16.

    >>> to_numpy({"height": 1, "width": 2, "channels": 1, "dtype": "uint8", "pixels": b"ab"}).tolist()
    [[97, 98]]
    """
    numpy = importlib.import_module("numpy")
    shape = [decoded["height"], decoded["width"]] + [decoded["channels"]] * (decoded["channels"] > 1)
    array: npt.NDArray[Any] = numpy.frombuffer(decoded["pixels"], decoded["dtype"]).reshape(shape)
    return array
