"""What a file says of sizes and numbers, looked at before anything is made as large as they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from masksdb import rle
from masksdb.formats.tree import Size

_DIGITS = 18
"""Digits of the longest whole number: it fits into 64 bits, and Python refuses to read those of thousands."""


def is_whole(text: str) -> bool:
    """Whether a text is a whole number, not below 0, that can be stored.

    >>> is_whole("007"), is_whole("-1"), is_whole("9" * 19)
    (True, False, False)
    """
    return text.isascii() and text.isdecimal() and len(text) <= _DIGITS


def declared_size(width: object, height: object, pixel_limit: int) -> Size | str:
    """The size that a file says of its image, or what is wrong with it.

    >>> declared_size(12, True, 100)
    'found an image of 12 x True pixels, expected whole numbers from 1 on'
    """
    if type(width) is not int or type(height) is not int or width < 1 or height < 1:
        return f"found an image of {width!r:.40} x {height!r:.40} pixels, expected whole numbers from 1 on"
    if width * height > pixel_limit:
        limit = f"more than the limit of {pixel_limit:,}; raise it with MASKSDB_PIXEL_LIMIT"
        return f"found an image of {width} x {height} pixels, {limit}"
    return Size(width, height)


def region_in(size: Size, left: int, top: int, pixels: npt.NDArray[np.bool_]) -> dict[str, Any] | str:
    """The run lengths in an image of a region given in a box, or what is wrong with the box.

    >>> region_in(Size(3, 2), 1, 0, np.array([[True], [False]]))
    {'size': [2, 3], 'counts': '213'}
    """
    height, width = pixels.shape
    if left < 0 or top < 0 or left + width > size.width or top + height > size.height:
        return f"{width} x {height} pixels at {left}, {top}, outside of its image"
    # Only the columns of the box: an image may be very large beside its regions.
    columns = np.zeros((min(width + 1, size.width - left), size.height), np.bool_)
    columns[:width, top : top + height] = pixels.T
    edges = np.flatnonzero(np.diff(columns.reshape(-1), prepend=False)) + left * size.height
    counts = np.diff(edges, prepend=0, append=size.width * size.height)
    return {"size": [size.height, size.width], "counts": rle.encode_counts(counts)}
