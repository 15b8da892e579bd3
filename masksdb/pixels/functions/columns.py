"""Arrow columns of a query in the form that the functions compute with: each distinct mask and value once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from masksdb.errors import UsageError
from masksdb.pixels.masks import NONE, Flags, Integers, MaskRef

LARGEST = 65535
"""The largest number in a value: that of a sample of 16 bits."""

_NO_TIME = np.iinfo(np.int64).min


@dataclass(frozen=True)
class MaskColumn:
    """A column of masks; n rows.

    Attributes:
        refs: each distinct mask.
        index: for each row the index of its mask in ``refs``, -1 for NULL; shape (n,), int64.
    """

    refs: list[MaskRef]
    index: Integers


@dataclass(frozen=True)
class ValueColumn:
    """A column of values; n rows, m of them distinct.

    Attributes:
        numbers: each distinct value, shape (m, 4), int64; what is beyond its length is -1, which matches anything.
        lengths: how many numbers each has: 1, 3 or 4; shape (m,).
        index: for each row the index of its value in ``numbers``, -1 for NULL; shape (n,), int64.
    """

    numbers: Integers
    lengths: Integers
    index: Integers

    def value(self, index: int) -> list[int]:
        """A distinct value as a list of 1, 3 or 4 numbers."""
        numbers: list[int] = self.numbers[index, : self.lengths[index]].tolist()
        return numbers


def mask_column(column: pa.ChunkedArray) -> MaskColumn:
    """The masks of a column of structs with a ``uri`` and perhaps a ``timestamp``, or of URIs.

    Raises:
        UsageError: the column has another type.
    """
    array = _combined(column)
    if pa.types.is_null(array.type):
        return MaskColumn([], np.full(len(array), NONE, np.int64))
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
    pairs, index = _distinct(name_ids != NONE, time_ids * len(names) + name_ids)
    refs = [
        MaskRef(
            names[pair % len(names)], None if (time := distinct_times[pair // len(names)]) == _NO_TIME else int(time)
        )
        for pair in pairs
    ]
    return MaskColumn(refs, index)


def value_column(column: pa.ChunkedArray) -> ValueColumn:
    """The values of a column of lists of 1, 3 or 4 whole numbers from -1 to 65535, or of whole numbers.

    Raises:
        UsageError: the column has another type, or a list that is not such a value.
    """
    array = _combined(column)
    if pa.types.is_null(array.type):
        return ValueColumn(np.zeros((0, 4), np.int64), np.zeros(0, np.int64), np.full(len(array), NONE, np.int64))
    if not (pa.types.is_list(array.type) or pa.types.is_fixed_size_list(array.type)):
        array = pa.FixedSizeListArray.from_arrays(_whole(array, "value"), 1, mask=array.is_null())
    is_valid = array.is_valid().to_numpy(zero_copy_only=False)
    lengths = _to_numpy(pc.list_value_length(array).cast(pa.int64()), 0)
    flat = _whole(array.flatten(), "value")
    rows = np.full((len(array), 4), NONE, np.int64)
    if flat.null_count or not np.isin(lengths[is_valid], (1, 3, 4)).all():
        raise _value_error(array)
    numbers = flat.to_numpy(zero_copy_only=False)
    if len(numbers) and (numbers.min() < NONE or numbers.max() > LARGEST):
        raise _value_error(array)
    rows[np.arange(4) < np.where(is_valid, lengths, 0)[:, None]] = numbers
    # Two numbers that fit into 64 bits hold a value and its length.
    high = (rows[:, 0] + 1) << 34 | (rows[:, 1] + 1) << 17 | rows[:, 2] + 1
    low = (rows[:, 3] + 1) << 3 | lengths
    _, high_ids = np.unique(high, return_inverse=True)
    distinct_low, low_ids = np.unique(low, return_inverse=True)
    keys, index = _distinct(is_valid, high_ids * len(distinct_low) + low_ids)
    row_of_value = np.zeros(len(keys), np.int64)
    row_of_value[index[is_valid]] = np.flatnonzero(is_valid)
    return ValueColumn(rows[row_of_value], lengths[row_of_value], index)


def whole_numbers(column: pa.ChunkedArray, name: str) -> tuple[Integers, Flags]:
    """The whole numbers of a column, and for each row whether it has one; a row without one has 0.

    Raises:
        UsageError: the column has other numbers, or another type.
    """
    array = _combined(column)
    if pa.types.is_null(array.type):
        return np.zeros(len(array), np.int64), np.zeros(len(array), np.bool_)
    numbers = _whole(array, name)
    return _to_numpy(numbers, 0), numbers.is_valid().to_numpy(zero_copy_only=False)


def tolerances(column: pa.ChunkedArray | None, rows: int) -> tuple[Integers, Flags]:
    """The tolerance of each row, and whether it has one; without a column it is 0 in each row.

    Raises:
        UsageError: a tolerance is negative or not a whole number.
    """
    if column is None:
        return np.zeros(rows, np.int64), np.ones(rows, np.bool_)
    numbers, has_number = whole_numbers(column, "tolerance")
    if numbers.min(initial=0) < 0:
        raise UsageError(f"tolerance: found {numbers.min()}, expected 0 or more")
    return numbers, has_number


def _combined(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _whole(array: Any, name: str) -> Any:
    try:
        return array.cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise UsageError(f"{name}: found {array.type}, expected whole numbers") from None


def _value_error(array: Any) -> UsageError:
    for value in array.to_pylist():
        if value is not None and not (
            len(value) in (1, 3, 4) and all(number is not None and NONE <= number <= LARGEST for number in value)
        ):
            return UsageError(f"value: found {value}, expected 1, 3 or 4 whole numbers from -1 to 65535")
    raise AssertionError


def _to_numpy(array: Any, null: int) -> Integers:
    numbers: Integers = array.fill_null(null).to_numpy(zero_copy_only=False)
    return numbers


def _distinct(is_valid: Flags, keys: Integers) -> tuple[list[int], Integers]:
    """The distinct keys of the rows that are not NULL, and for each row the index of its key, -1 for NULL."""
    distinct, ids = np.unique(keys[is_valid], return_inverse=True)
    index = np.full(len(keys), NONE, np.int64)
    index[is_valid] = ids
    return distinct.tolist(), index
