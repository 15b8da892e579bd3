"""What the value of each row covers in the mask of the row, for all rows of a batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from masksdb.errors import MaskDecodeError, MasksDBError
from masksdb.pixels.functions.columns import MaskColumn, ValueColumn
from masksdb.pixels.mask_cache import Result
from masksdb.pixels.masks import NONE, RED, SAMPLE, Flags, Integers, MaskFacts
from masksdb.pixels.selection import combined, select


@dataclass(frozen=True)
class RowSizes:
    """What the values of rows cover in their masks; n rows.

    Attributes:
        is_known: whether there is an answer: neither mask nor value is NULL, and the mask is readable; shape (n,).
        sizes: area, and unless only the area is asked for x_min, y_min, x_max, y_max, sum_x, sum_y; shape (n, 1 or 7),
            int64; all 0 where the value is absent.
        pixels: pixels of the mask, shape (n,).
        errors: values that masks of their kind cannot have.
    """

    is_known: Flags
    sizes: Integers
    pixels: Integers
    errors: list[MasksDBError]


def row_sizes(
    masks: MaskColumn, results: Sequence[Result | None], values: ValueColumn, tolerances: Integers, *, only_area: bool
) -> RowSizes:
    """What the value of each row covers in its mask.

    Args:
        masks: the masks of the rows.
        results: for each distinct mask its facts, or why it is unreadable; None if no row with a value has it.
        values: the values of the rows.
        tolerances: by how much channels may differ, one for each row, not negative.
        only_area: whether positions are not asked for.
    """
    facts = [result if isinstance(result, MaskFacts) else None for result in results]
    is_readable = np.array([mask is not None for mask in facts] or [False])
    is_known = (masks.index != NONE) & (values.index != NONE) & is_readable[masks.index]
    rows = np.flatnonzero(is_known)
    keys = (masks.index[rows] * len(values.lengths) + values.index[rows]) * (1 + tolerances.max(initial=0))
    _, firsts, pairs = np.unique(keys + tolerances[rows], return_index=True, return_inverse=True)
    # From here on each distinct mask, value and tolerance is computed once.
    of_mask, of_value, tolerance = masks.index[rows[firsts]], values.index[rows[firsts]], tolerances[rows[firsts]]

    sizes = np.zeros((len(firsts), 1 if only_area else 7), np.int64)
    numbers, lengths = values.numbers[of_value], values.lengths[of_value]
    has_sample = np.array([mask is not None and mask.image.has_sample for mask in facts] or [False])
    is_done = np.zeros(len(firsts), np.bool_)
    for length in (1, 3):
        is_exact = (lengths == length) & (tolerance == 0) & (numbers[:, :length] != NONE).all(axis=1)
        is_exact &= (length == 3) | has_sample[of_mask]
        sizes[is_exact] = _exact_sizes(facts, of_mask[is_exact], numbers[is_exact, :length], only_area)
        is_done |= is_exact
    errors: list[MasksDBError] = []
    for pair in np.flatnonzero(~is_done):
        mask = facts[of_mask[pair]]
        assert mask is not None
        try:
            flags = select(mask, values.value(of_value[pair]), int(tolerance[pair]), masks.refs[of_mask[pair]].uri)
        except MaskDecodeError as error:
            errors.append(error)
            continue
        sizes[pair] = combined(_sizes(mask, only_area)[flags])
        is_done[pair] = True

    sizes_of_rows = np.zeros((len(masks.index), sizes.shape[1]), np.int64)
    sizes_of_rows[rows] = sizes[pairs]
    is_known[rows] = is_done[pairs]
    pixels = np.array([mask.pixels if mask else 0 for mask in facts] or [0], np.int64)[masks.index]
    return RowSizes(is_known, sizes_of_rows, pixels, errors)


def _sizes(facts: MaskFacts, only_area: bool) -> Integers:
    return facts.regions.area[:, None] if only_area else facts.sizes


def _exact_sizes(
    facts: Sequence[MaskFacts | None], of_mask: Integers, numbers: Integers, only_area: bool
) -> Integers:  # fmt: skip
    """The sizes of values without wildcards: the values of all masks, sorted once, looked up at once."""
    if not len(of_mask):
        return np.zeros((0, 1 if only_area else 7), np.int64)
    used = np.unique(of_mask)
    owners = [mask for index in used if (mask := facts[index]) is not None]
    colours = np.concatenate([mask.colours for mask in owners])
    sizes = np.concatenate([_sizes(mask, only_area) for mask in owners])
    first = SAMPLE if numbers.shape[1] == 1 else RED
    keys = _packed(
        np.repeat(used, [len(mask.colours) for mask in owners]), colours[:, first : first + numbers.shape[1]]
    )
    order = np.argsort(keys, kind="stable")
    sought = _packed(of_mask, numbers)
    begins = np.searchsorted(keys[order], sought, side="left")
    ends = np.searchsorted(keys[order], sought, side="right")
    sums = np.zeros((len(of_mask), sizes.shape[1]), np.int64)
    is_single = ends - begins == 1
    sums[is_single] = sizes[order[begins[is_single]]]
    # Two indexes of one colour, or two alphas of it.
    for pair in np.flatnonzero(ends - begins > 1):
        sums[pair] = combined(sizes[order[begins[pair] : ends[pair]]])
    return sums


def _packed(owners: Integers, numbers: Integers) -> Integers:
    keys = owners.copy()
    for column in range(numbers.shape[1]):
        # A mask without raw samples has -1 in their place, which is no key of any value.
        keys = keys << 16 | np.maximum(numbers[:, column], 0)
    return keys
