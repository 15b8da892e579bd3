"""Arrow columns of a query as what the functions work on: each distinct mask and value once, and who has which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from masksdb.errors import UsageError
from masksdb.pixels.masks import NONE, MaskRef

Integers = npt.NDArray[np.int64]

LARGEST = 65535

_NO_TIME = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Masks:
    """The masks of a column.

    Attributes:
        refs: each distinct mask.
        index: which of them each row has, shape (n,), -1 for NULL.
    """

    refs: list[MaskRef]
    index: Integers


@dataclass(frozen=True)
class Values:
    """The values of a column.

    Attributes:
        numbers: each distinct value, shape (m, 4), int64; what is beyond its length is -1, which matches anything.
        lengths: how many numbers each has: 1, 3 or 4; shape (m,).
        index: which of them each row has, shape (n,), -1 for NULL.
    """

    numbers: Integers
    lengths: Integers
    index: Integers


def masks(column: pa.ChunkedArray) -> Masks:
    """The masks of a column of structs with a ``uri`` and perhaps a ``timestamp``, or of URIs.

    Raises:
        UsageError: it is neither.
    """
    array = _combined(column)
    if pa.types.is_null(array.type):
        return Masks([], np.full(len(array), NONE, np.int64))
    if pa.types.is_struct(array.type) and array.type.get_field_index("uri") >= 0:
        uris = pc.struct_field(array, "uri")
        has_time = array.type.get_field_index("timestamp") >= 0
        times = pc.struct_field(array, "timestamp") if has_time else pa.nulls(len(array), pa.int64())
    else:
        uris, times = array, pa.nulls(len(array), pa.int64())
    if not (pa.types.is_string(uris.type) or pa.types.is_large_string(uris.type) or pa.types.is_null(uris.type)):
        raise UsageError(f"mask: found {array.type}, expected the column 'mask' of a view, or mask_ref(uri)")
    encoded = uris.cast(pa.string()).dictionary_encode()
    names = encoded.dictionary.to_pylist()
    name_ids = _to_numpy(encoded.indices.cast(pa.int64()), NONE)
    distinct_times, time_ids = np.unique(_to_numpy(times.cast(pa.int64()), _NO_TIME), return_inverse=True)
    pairs, index = _distinct(name_ids, time_ids * len(names) + name_ids)
    refs = [
        MaskRef(
            names[pair % len(names)], None if (time := distinct_times[pair // len(names)]) == _NO_TIME else int(time)
        )
        for pair in pairs
    ]
    return Masks(refs, index)


def values(column: pa.ChunkedArray) -> Values:
    """The values of a column of lists of 1, 3 or 4 whole numbers from -1 to 65535, or of whole numbers.

    Raises:
        UsageError: a value is none.
    """
    array = _combined(column)
    if pa.types.is_null(array.type):
        return Values(np.zeros((0, 4), np.int64), np.zeros(0, np.int64), np.full(len(array), NONE, np.int64))
    if not (pa.types.is_list(array.type) or pa.types.is_fixed_size_list(array.type)):
        array = pa.FixedSizeListArray.from_arrays(_whole(array, "value"), 1, mask=array.is_null())
    is_valid = array.is_valid().to_numpy(zero_copy_only=False)
    lengths = _to_numpy(pc.list_value_length(array).cast(pa.int64()), 0)
    flat = _whole(array.flatten(), "value")
    rows = np.full((len(array), 4), NONE, np.int64)
    if flat.null_count or not np.isin(lengths[is_valid], (1, 3, 4)).all():
        raise _no_value(array)
    numbers = flat.to_numpy(zero_copy_only=False)
    if len(numbers) and (numbers.min() < NONE or numbers.max() > LARGEST):
        raise _no_value(array)
    rows[np.arange(4) < np.where(is_valid, lengths, 0)[:, None]] = numbers
    # Two numbers that fit into 64 bits hold a value and its length.
    high = (rows[:, 0] + 1) << 34 | (rows[:, 1] + 1) << 17 | rows[:, 2] + 1
    low = (rows[:, 3] + 1) << 3 | lengths
    _, high_ids = np.unique(high, return_inverse=True)
    distinct_low, low_ids = np.unique(low, return_inverse=True)
    keys, index = _distinct(np.where(is_valid, 0, NONE), high_ids * len(distinct_low) + low_ids)
    first = np.zeros(len(keys), np.int64)
    present = index >= 0
    first[index[present]] = np.flatnonzero(present)
    return Values(rows[first], lengths[first], index)


def whole_numbers(column: pa.ChunkedArray, name: str) -> tuple[Integers, npt.NDArray[np.bool_]]:
    """The whole numbers of a column, and which rows have one.

    Raises:
        UsageError: it has others.
    """
    array = _combined(column)
    if pa.types.is_null(array.type):
        return np.zeros(len(array), np.int64), np.zeros(len(array), np.bool_)
    found = _whole(array, name)
    return _to_numpy(found, 0), found.is_valid().to_numpy(zero_copy_only=False)


def _combined(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _whole(array: Any, name: str) -> Any:
    try:
        return array.cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise UsageError(f"{name}: found {array.type}, expected whole numbers") from None


def _no_value(array: Any) -> UsageError:
    for value in array.to_pylist():
        if value is not None and not (
            len(value) in (1, 3, 4) and all(number is not None and NONE <= number <= LARGEST for number in value)
        ):
            return UsageError(f"value: found {value}, expected 1, 3 or 4 whole numbers from -1 to 65535")
    raise AssertionError


def _to_numpy(array: Any, null: int) -> Integers:
    found: Integers = array.fill_null(null).to_numpy(zero_copy_only=False)
    return found


def _distinct(is_null: Integers, keys: Integers) -> tuple[list[int], Integers]:
    """The distinct keys of the rows that are not NULL (-1), and which each row has."""
    present = is_null >= 0
    distinct, ids = np.unique(keys[present], return_inverse=True)
    index = np.full(len(keys), NONE, np.int64)
    index[present] = ids
    return distinct.tolist(), index
