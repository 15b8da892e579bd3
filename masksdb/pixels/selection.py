"""The distinct values of a mask that match the value of a ROI."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from masksdb.errors import MaskDecodeError
from masksdb.pixels.masks import NONE, RED, SAMPLE, Flags, Integers, MaskFacts


def select(facts: MaskFacts, value: Sequence[int], tolerance: int, uri: str) -> Flags:
    """The distinct values of a mask that match the value of a ROI.

    Args:
        facts: the mask.
        value: 1 number (the raw sample), 3 (red, green, blue as displayed) or 4 (and alpha); -1 matches anything.
        tolerance: by how much each channel may differ.
        uri: the name of the mask in errors.

    Returns:
        For each row of ``facts.colours`` whether it matches, shape (n,).

    Raises:
        MaskDecodeError: one number, but the mask has no raw samples; or a tolerance between palette indexes.
    """
    if len(value) == 1 and not facts.image.has_sample:
        raise MaskDecodeError(uri, no_sample(facts))
    if len(value) == 1 and tolerance and facts.image.mode == "palette":
        raise MaskDecodeError(uri, "palette indexes, which are names; a tolerance means nothing between them")
    is_selected: Flags = distances(facts, value) <= tolerance
    return is_selected


def distances(facts: MaskFacts, value: Sequence[int]) -> Integers:
    """By how much each of a mask's distinct values differs from a value, in the channel that differs most.

    Args:
        facts: the mask.
        value: as :func:`select` takes it.
    """
    first, numbers = SAMPLE if len(value) == 1 else RED, np.array(value)
    differences = np.abs(facts.colours[:, first : first + len(value)] - numbers)
    largest: Integers = np.where(numbers == NONE, 0, differences).max(axis=1, initial=0)
    return largest


def no_sample(facts: MaskFacts) -> str:
    """Why a mask has no single raw sample."""
    what = (
        "a video" if facts.image.is_video else {"rgb": "RGB", "rgba": "RGBA"}.get(facts.image.mode, "grey with alpha")
    )
    return f"{what}, which has no single raw sample; give the value as 3 or 4 numbers"


def combined(sizes: Integers) -> Integers:
    """The sizes of several regions as one; all 0 for none."""
    total: Integers = sizes.sum(axis=0)
    if len(sizes) and len(total) > 1:
        total[1:3] = sizes[:, 1:3].min(axis=0)
        total[3:5] = sizes[:, 3:5].max(axis=0)
    return total
