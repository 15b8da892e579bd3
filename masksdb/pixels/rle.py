"""COCO run lengths: their text form, and what is computed from them without expanding them to pixels.

A region of height x width pixels is a list of run lengths, of background and region in turn, beginning with background
(perhaps of length 0), down one column after the other. COCO's compressed form writes each run length as its
difference from the one two before (the first three as they are), in groups of five bits with the lowest first, as
characters from ``0`` (48) on; 32 added to a group says that another follows, and the highest bit of the last group is
the sign. The format is that of ``maskApi.c`` in the COCO API.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from masksdb.errors import MasksDBError

Counts = npt.NDArray[np.int64]
"""Run lengths of background and region in turn, shape (n,), int64."""

_FIRST_CHARACTER = 48

_MORE = 32

_PIECE = 1 << 18

_GROUPS = 12
"""Groups of five bits in the longest number; no picture has more than 2 to the 59 pixels."""


class Box(NamedTuple):
    """A box in pixels: its left, top, width and height."""

    x: int
    y: int
    width: int
    height: int


def encode_counts(counts: Counts) -> str:
    """The compressed text of run lengths, equal to that of pycocotools.

    >>> encode_counts(np.array([0, 1, 3, 12]))
    '013;'
    """
    values = np.asarray(counts, np.int64).copy()
    values[3:] -= counts[1:-2]
    # In pieces, because the groups of a number take many times its memory.
    return b"".join(_characters(values[start : start + _PIECE]) for start in range(0, len(values), _PIECE)).decode()


def _characters(values: Counts) -> bytes:
    """Each number in groups of five bits, as characters."""
    groups = (values[:, None] >> (5 * np.arange(_GROUPS))) & 31
    # A group is the last one if all bits above it repeat its own sign bit.
    above = values[:, None] >> (5 * np.arange(1, _GROUPS + 1))
    is_last = above == np.where(groups & 16, -1, 0)
    length = is_last.argmax(axis=1) + 1
    used = np.arange(_GROUPS) < length[:, None]
    groups += np.where(np.arange(_GROUPS) < length[:, None] - 1, _MORE, 0) + _FIRST_CHARACTER
    characters: bytes = groups[used].astype(np.uint8).tobytes()
    return characters


def decode_counts(text: str) -> Counts:
    """The run lengths of a compressed text.

    Raises:
        MasksDBError: the text is not COCO's compressed form.

    >>> decode_counts("013;").tolist()
    [0, 1, 3, 12]
    """
    try:
        characters = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - _FIRST_CHARACTER
    except UnicodeEncodeError:
        raise MasksDBError(f"rle {text[:20]!r}: not COCO's compressed run lengths") from None
    if not len(characters):
        return np.zeros(0, np.int64)
    is_last = characters & _MORE == 0
    if characters.min() < 0 or characters.max() > 63 or not is_last[-1]:
        raise MasksDBError(f"rle {text[:20]!r}: not COCO's compressed run lengths")
    ends = np.flatnonzero(is_last)
    starts = np.concatenate(([0], ends[:-1] + 1))
    place = np.arange(len(characters)) - np.repeat(starts, ends - starts + 1)
    if place.max() >= _GROUPS:
        raise MasksDBError(f"rle {text[:20]!r}: a run length beyond 60 bits")
    values = np.add.reduceat((characters & 31) << (5 * place), starts)
    is_negative = characters[ends] & 16 != 0
    values -= np.where(is_negative, np.int64(1) << (5 * (ends - starts + 1)), 0)
    # A number is the difference from the one two before it, so both halves are sums; the first number stands alone.
    counts = values.copy()
    counts[1::2] = np.cumsum(values[1::2])
    counts[2::2] = np.cumsum(values[2::2])
    return counts


def check_size(counts: Counts, height: int, width: int) -> None:
    """Raise MasksDBError if run lengths are not those of an image of this size."""
    if len(counts) and counts.min() < 0:
        raise MasksDBError(f"rle: a run length of {counts.min()}")
    pixels = height * width
    # The sum of run lengths that are far too long may overflow to the right number.
    if counts.sum() != pixels or counts.max(initial=0) > pixels:
        raise MasksDBError(f"rle: run lengths of {sum(counts.tolist())} pixels, and its size is {height} x {width}")


def from_flags(flags: npt.NDArray[np.bool_], starts: npt.NDArray[np.int64], total: int) -> Counts:
    """The run lengths of a region that consists of stretches of pixels.

    Args:
        flags: for each stretch whether it belongs to the region.
        starts: the index of the first pixel of each stretch; the first stretch starts at 0.
        total: pixels in all.
    """
    edges = starts[np.flatnonzero(np.diff(flags, prepend=False))]
    return np.diff(edges, prepend=0, append=total)


def area(counts: Counts) -> int:
    """Pixels of the region."""
    return int(counts[1::2].sum())


def box(counts: Counts, height: int) -> Box | None:
    """The smallest box around the region; None if the region is empty."""
    ends = np.cumsum(counts)
    starts, stops = ends[0::2][: len(counts) // 2], ends[1::2]
    keep = stops > starts
    if not keep.any():
        return None
    first, last = starts[keep], stops[keep] - 1
    x_min, x_max = int(first[0]) // height, int(last[-1]) // height
    # A run that continues in the next column touches the last row of one column and the first row of the next.
    wraps = bool((first // height != last // height).any())
    y_min = 0 if wraps else int((first % height).min())
    y_max = height - 1 if wraps else int((last % height).max())
    return Box(x_min, y_min, x_max - x_min + 1, y_max - y_min + 1)


def sums(counts: Counts, height: int) -> tuple[int, int]:
    """The sums of the x and of the y indexes of the region's pixels."""
    ends = np.cumsum(counts)
    starts, stops = ends[0::2][: len(counts) // 2], ends[1::2]

    def below(position: Counts) -> tuple[int, int]:
        columns, rest = position // height, position % height
        sum_x = height * (columns * (columns - 1) // 2) + columns * rest
        sum_y = columns * (height * (height - 1) // 2) + rest * (rest - 1) // 2
        return int(sum_x.sum()), int(sum_y.sum())

    (x_to, y_to), (x_from, y_from) = below(stops), below(starts)
    return x_to - x_from, y_to - y_from


def union(left: Counts, right: Counts) -> Counts:
    """The run lengths of the pixels of one of two regions, or of both."""
    return _combined(left, right, is_union=True)


def intersection(left: Counts, right: Counts) -> Counts:
    """The run lengths of the pixels that two regions share."""
    return _combined(left, right, is_union=False)


def _combined(left: Counts, right: Counts, *, is_union: bool) -> Counts:
    total = int(left.sum())
    edges = np.unique(np.concatenate(([0], np.cumsum(left), np.cumsum(right))))
    starts = edges[edges < total]
    # An even number of edges at or before a pixel means background, an odd number region.
    inside = [np.searchsorted(np.cumsum(counts), starts, side="right") % 2 == 1 for counts in (left, right)]
    return from_flags(inside[0] | inside[1] if is_union else inside[0] & inside[1], starts, total)


def iou(left: Counts, right: Counts) -> float:
    """Pixels in both regions by pixels in either; 0 if both are empty, as in pycocotools."""
    both = area(intersection(left, right))
    either = area(left) + area(right) - both
    return both / either if either else 0.0


def to_pixels(counts: Counts, height: int, width: int) -> npt.NDArray[np.uint8]:
    """The region as an array of shape (height, width), uint8, 1 inside.

    Raises:
        MasksDBError: the run lengths are not those of an image of this size.

    >>> to_pixels(np.array([1, 2, 3]), 2, 3).tolist()
    [[0, 1, 0], [1, 0, 0]]
    """
    check_size(counts, height, width)
    flat = np.repeat(np.arange(len(counts), dtype=np.uint8) & 1, counts)
    return flat.reshape(width, height).T


def from_pixels(pixels: npt.NDArray[np.generic]) -> Counts:
    """The run lengths of the pixels that are not 0 in an array of shape (height, width)."""
    flags = np.ascontiguousarray((pixels != 0).T).reshape(-1)
    return from_flags(flags, np.arange(len(flags)), len(flags))
