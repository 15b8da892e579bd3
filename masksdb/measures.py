"""What values cover in masks, for all rows of a batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from masksdb.arguments import NONE, Masks, Values
from masksdb.errors import MaskDecodeError, MasksDBError
from masksdb.facts import RED, SAMPLE, MaskFacts, Result

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Measured:
    """What the rows' values cover in their masks; n rows.

    Attributes:
        is_known: whether there is an answer: neither mask nor value is NULL, and the mask could be read; shape (n,).
        sizes: area, and if they were asked for x_min, y_min, x_max, y_max, sum_x, sum_y; shape (n, 1 or 7), int64; all
            0 where the value is absent.
        pixels: pixels of the mask, shape (n,).
        errors: values that make no sense in their mask.
    """

    is_known: Flags
    sizes: Integers
    pixels: Integers
    errors: list[MasksDBError]


def select(facts: MaskFacts, value: Sequence[int], tolerance: int, uri: str) -> Flags:
    """Which of a mask's distinct values a ROI's value stands for.

    Args:
        facts: the mask.
        value: 1 number (the raw sample), 3 (red, green, blue as displayed) or 4 (and alpha); -1 matches anything.
        tolerance: by how much each channel may differ.
        uri: what errors call the mask.

    Returns:
        A flag for each row of ``facts.colours``.

    Raises:
        MaskDecodeError: one number, and the mask has no raw samples; or a tolerance between palette indexes.
    """
    if len(value) == 1 and not facts.image.has_sample:
        raise MaskDecodeError(uri, no_sample(facts))
    if len(value) == 1 and tolerance and facts.image.mode == "palette":
        raise MaskDecodeError(uri, "palette indexes, which are names; a tolerance means nothing between them")
    first = SAMPLE if len(value) == 1 else RED
    found = facts.colours[:, first : first + len(value)]
    wanted = np.array(value)
    flags: Flags = ((np.abs(found - wanted) <= tolerance) | (wanted == NONE)).all(axis=1)
    return flags


def no_sample(facts: MaskFacts) -> str:
    """Why a mask has no single raw sample."""
    what = (
        "a video" if facts.image.is_video else {"rgb": "RGB", "rgba": "RGBA"}.get(facts.image.mode, "grey with alpha")
    )
    return f"{what}, which has no single raw sample; give the value as 3 or 4 numbers"


def measure(
    masks: Masks, found: Sequence[Result | None], values: Values, tolerances: Integers, *, only_area: bool
) -> Measured:
    """What each row's value covers in its mask.

    Args:
        masks: the masks of the rows.
        found: the facts of each distinct mask, or why there are none; None for one that no row with a value has.
        values: the values of the rows.
        tolerances: by how much channels may differ, one for each row, not negative.
        only_area: whether where it is does not matter.
    """
    facts = [each if isinstance(each, MaskFacts) else None for each in found]
    readable = np.array([each is not None for each in facts] or [False])
    is_known = (masks.index != NONE) & (values.index != NONE) & readable[masks.index]
    rows = np.flatnonzero(is_known)
    keys = (masks.index[rows] * len(values.lengths) + values.index[rows]) * (1 + tolerances.max(initial=0))
    _, firsts, pairs = np.unique(keys + tolerances[rows], return_index=True, return_inverse=True)
    of_mask, of_value, tolerance = masks.index[rows[firsts]], values.index[rows[firsts]], tolerances[rows[firsts]]

    sizes = np.zeros((len(firsts), 1 if only_area else 7), np.int64)
    numbers, lengths = values.numbers[of_value], values.lengths[of_value]
    has_sample = np.array([each is not None and each.image.has_sample for each in facts] or [False])
    is_done = np.zeros(len(firsts), np.bool_)
    for length in (1, 3):
        exact = (lengths == length) & (tolerance == 0) & (numbers[:, :length] != NONE).all(axis=1)
        exact &= (length == 3) | has_sample[of_mask]
        sizes[exact] = _exact_sizes(facts, of_mask[exact], numbers[exact, :length], only_area)
        is_done |= exact
    errors: list[MasksDBError] = []
    for pair in np.flatnonzero(~is_done):
        mask = facts[of_mask[pair]]
        assert mask is not None
        value = numbers[pair, : lengths[pair]].tolist()
        try:
            flags = select(mask, value, int(tolerance[pair]), masks.refs[of_mask[pair]].uri)
        except MaskDecodeError as error:
            errors.append(error)
            continue
        sizes[pair] = combined(_sizes(mask, only_area)[flags])
        is_done[pair] = True

    every = np.zeros((len(masks.index), sizes.shape[1]), np.int64)
    every[rows] = sizes[pairs]
    is_known[rows] = is_done[pairs]
    pixels = np.array([each.pixels if each else 0 for each in facts] or [0], np.int64)[masks.index]
    return Measured(is_known, every, pixels, errors)


def _sizes(facts: MaskFacts, only_area: bool) -> Integers:
    return facts.regions.area[:, None] if only_area else facts.sizes


def _exact_sizes(
    facts: Sequence[MaskFacts | None], of_mask: Integers, numbers: Integers, only_area: bool
) -> Integers:  # fmt: skip
    """The sizes of values without wildcards: the values of all masks, sorted once, looked up at once."""
    if not len(of_mask):
        return np.zeros((0, 1 if only_area else 7), np.int64)
    used = np.unique(of_mask)
    owners = [each for mask in used if (each := facts[mask]) is not None]
    colours = np.concatenate([each.colours for each in owners])
    sizes = np.concatenate([_sizes(each, only_area) for each in owners])
    first = SAMPLE if numbers.shape[1] == 1 else RED
    keys = _packed(
        np.repeat(used, [len(each.colours) for each in owners]), colours[:, first : first + numbers.shape[1]]
    )
    order = np.argsort(keys, kind="stable")
    wanted = _packed(of_mask, numbers)
    begins = np.searchsorted(keys[order], wanted, side="left")
    ends = np.searchsorted(keys[order], wanted, side="right")
    found = np.zeros((len(of_mask), sizes.shape[1]), np.int64)
    is_single = ends - begins == 1
    found[is_single] = sizes[order[begins[is_single]]]
    # Two indexes of one colour, or two alphas of it.
    for pair in np.flatnonzero(ends - begins > 1):
        found[pair] = combined(sizes[order[begins[pair] : ends[pair]]])
    return found


def _packed(owners: Integers, numbers: Integers) -> Integers:
    keys = owners.copy()
    for column in range(numbers.shape[1]):
        # A mask without raw samples has -1 in their place, which is no key of any value.
        keys = keys << 16 | np.maximum(numbers[:, column], 0)
    return keys


def combined(sizes: Integers) -> Integers:
    """The sizes of several regions as one; all 0 for none."""
    total: Integers = sizes.sum(axis=0)
    if len(sizes) and len(total) > 1:
        total[1:3] = sizes[:, 1:3].min(axis=0)
        total[3:5] = sizes[:, 3:5].max(axis=0)
    return total
