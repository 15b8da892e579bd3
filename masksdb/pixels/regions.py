"""Pixels to regions: the area and position of every distinct value of a mask, from runs of equal pixels.

A mask of a million pixels has some thousand runs, so everything is computed from runs: areas, boxes, sums, COCO run
lengths, the value under a pixel, the joint histogram of two masks.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from masksdb.errors import MasksDBError
from masksdb.pixels import rle
from masksdb.pixels.kernel import kernel
from masksdb.pixels.settings import run_limit

Array = npt.NDArray[np.generic]

Integers = npt.NDArray[np.int64]

Codes = npt.NDArray[np.unsignedinteger]

Flags = npt.NDArray[np.bool_]

_PIECE = 1 << 22
"""Pixels that are searched for the ends of runs at once."""

_FEW_PAIRS = 1 << 12
"""The most pairs of values that are counted in a table of all possible pairs."""


@dataclass(frozen=True)
class Runs:
    """Runs of equal pixels; n of them.

    Attributes:
        starts: the flat index of the first pixel of each run, shape (n,), int64, ascending from 0.
        values: index of the run's value among the distinct values of the mask, shape (n,), unsigned.
        total: pixels of the mask.
    """

    starts: Integers
    values: Codes
    total: int

    def pixels(self) -> Codes:
        """The index of the value of every pixel, flat, shape (total,)."""
        return np.repeat(self.values, np.diff(self.starts, append=self.total))

    def spread(self, by_value: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """For every pixel the element of an array that belongs to its value, flat, shape (total,)."""
        return np.repeat(by_value[self.values], np.diff(self.starts, append=self.total))


@dataclass(frozen=True)
class Regions:
    """The distinct values of a mask and the pixels of each; n values, in ascending order of their codes, and r runs.

    Attributes:
        height: pixels.
        width: pixels.
        codes: the values as one number each, shape (n,), unsigned.
        area: the pixels of each value, shape (n,), int64.
        starts: the flat index of the first pixel of each run, in reading order, shape (r,), int64.
        run_codes: the code of the value of each run, shape (r,).
    """

    height: int
    width: int
    codes: Codes
    area: Integers
    starts: Integers
    run_codes: Codes

    @classmethod
    def of_arrays(cls, height: int, width: int, kind: npt.DTypeLike, arrays: Sequence[bytes]) -> Regions:
        """The regions that the compiled kernel returned as (codes, sizes, starts, ids), with codes of a type."""
        codes: Codes = np.frombuffer(arrays[0], kind)
        sizes = np.frombuffer(arrays[1], np.int64).reshape(-1, 7)
        starts = np.frombuffer(arrays[2], np.int64)
        ids: Codes = np.frombuffer(arrays[3], _index_type(len(codes)))
        regions = cls(height, width, codes, sizes[:, 0], starts, codes[ids])
        # It has computed already what is else computed on demand.
        vars(regions).update(runs=Runs(starts, ids, height * width), geometry=sizes[:, 1:])
        return regions

    @cached_property
    def runs(self) -> Runs:
        """The mask as runs in reading order, which may continue in the next rows."""
        return Runs(self.starts, _index(self.run_codes, self.codes), self.height * self.width)

    @property
    def index(self) -> Codes:
        """For every pixel the index of its value, shape (height, width)."""
        return self.runs.pixels().reshape(self.height, self.width)

    @cached_property
    def columns(self) -> Runs:
        """The columns of the mask, one after the other, as runs."""
        runs, compiled = self.runs, kernel()
        # Of a mask with no more pixels than runs are allowed the kernel needs no limit.
        if compiled and runs.total <= run_limit():
            arrays = compiled.column_runs(runs.starts, runs.values, len(self.codes), self.height, self.width)
            return Runs(np.frombuffer(arrays[0], np.int64), np.frombuffer(arrays[1], runs.values.dtype), runs.total)
        flat = np.ascontiguousarray(self.index.T).reshape(-1)
        starts = _starts(flat, 1)
        return Runs(starts, flat[starts], len(flat))

    @cached_property
    def geometry(self) -> Integers:
        """Of each value x_min, y_min, x_max, y_max, sum_x and sum_y as pixel indexes; shape (n, 6), int64."""
        ids = self.runs.values
        order = np.argsort(ids, kind="stable")
        firsts = np.searchsorted(ids[order], np.arange(len(self.codes), dtype=ids.dtype))
        lasts = np.append(firsts[1:], len(order)) - 1

        width = self.width
        edges = np.append(self.starts, self.height * width)
        rows = edges // width
        columns = edges - rows * width
        # Sums over all pixels before an edge: those of whole rows, then those of the row that the edge is in.
        sum_x = np.diff(rows * (width * (width - 1) // 2) + columns * (columns - 1) // 2)
        sum_y = np.diff(rows * (rows - 1) // 2 * width + rows * columns)
        last_rows = (edges[1:] - 1) // width
        is_one_row = last_rows == rows[:-1]
        left = np.where(is_one_row, columns[:-1], 0)
        right = np.where(is_one_row, edges[1:] - 1 - last_rows * width, width - 1)
        return np.column_stack(
            [
                np.minimum.reduceat(left[order], firsts),
                # Runs are in reading order, so the first of a value is its highest and the last its lowest.
                rows[order[firsts]],
                np.maximum.reduceat(right[order], firsts),
                last_rows[order[lasts]],
                np.add.reduceat(sum_x[order], firsts),
                np.add.reduceat(sum_y[order], firsts),
            ]
        )

    @property
    def nbytes(self) -> int:
        """Bytes in memory, about as many as when everything cached here has been computed."""
        return 4 * self.starts.nbytes + self.run_codes.nbytes + 8 * self.codes.size * 8

    def counts(self, selected: Flags) -> rle.Counts:
        """COCO run lengths of all pixels whose value is selected; one flag for each distinct value."""
        return rle.from_flags(selected[self.columns.values], self.columns.starts, self.columns.total)

    def value_at(self, x: int, y: int) -> int:
        """The index of the value under a pixel."""
        run = np.searchsorted(self.starts, y * self.width + x, side="right") - 1
        return int(np.searchsorted(self.codes, self.run_codes[run]))


def find_regions(pixels: npt.NDArray[np.unsignedinteger]) -> Regions:
    """The distinct values of a mask and the pixels of each.

    Args:
        pixels: shape (height, width) or (height, width, channels), uint8 or uint16. The code of a pixel with several
            channels has them side by side, the first one highest.

    Raises:
        MasksDBError: there are more runs of equal pixels than ``MASKSDB_RUN_LIMIT``.

    >>> regions = find_regions(np.array([[7, 7, 3], [3, 7, 3]], np.uint8))
    >>> regions.codes.tolist(), regions.area.tolist(), regions.geometry[:, :4].tolist()
    ([3, 7], [3, 3], [[0, 0, 2, 1], [0, 0, 1, 1]])
    """
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    compiled = kernel()
    if compiled:
        samples = np.ascontiguousarray(pixels)
        arrays = compiled.array_regions(samples, height, width, channels, samples.itemsize, run_limit())
        if arrays is None:
            raise _too_many_runs()
        return Regions.of_arrays(height, width, code_type(channels, samples.itemsize), arrays)
    flat = pixels.reshape(-1)
    starts = _starts(flat, channels)
    lengths = np.empty(len(starts), np.int64)
    np.subtract(starts[1:], starts[:-1], out=lengths[:-1])
    lengths[-1] = height * width - starts[-1]
    if channels == 1 and flat.dtype == np.uint8:
        run_codes: Codes = flat[starts]
        areas = np.bincount(run_codes, lengths, 256).astype(np.int64)
        codes: Codes = np.flatnonzero(areas).astype(np.uint8)
        return Regions(height, width, codes, areas[codes], starts, run_codes)
    run_codes = _packed(flat, starts, channels)
    codes = _distinct(run_codes)
    areas = np.bincount(_index(run_codes, codes), lengths).astype(np.int64)
    return Regions(height, width, codes, areas, starts, run_codes)


def _too_many_runs() -> MasksDBError:
    return MasksDBError(f"more than {run_limit():,} runs of equal pixels; raise that limit with MASKSDB_RUN_LIMIT")


def code_type(channels: int, sample_bytes: int) -> type[np.unsignedinteger]:
    """The type of the codes of pixels: that of a sample, or one that holds those of all channels."""
    if channels == 1:
        return np.uint8 if sample_bytes == 1 else np.uint16
    return np.uint32 if channels * sample_bytes <= 4 else np.uint64


def _packed(flat: npt.NDArray[np.unsignedinteger], starts: Integers, channels: int) -> Codes:
    """The codes of the pixels at some indexes."""
    if channels == 1:
        return flat[starts]
    bits = flat.itemsize * 8
    kind = code_type(channels, flat.itemsize)
    at = starts * channels
    codes: Codes = flat[at].astype(kind)
    for channel in range(1, channels):
        codes = codes << kind(bits) | flat[at + channel]
    return codes


def _starts(flat: Array, channels: int) -> Integers:
    """The indexes of the pixels that differ from the one before, and of the first pixel.

    Raises:
        MasksDBError: there are more than :func:`masksdb.pixels.settings.run_limit`.
    """
    parts, count, limit = [np.zeros(1, np.int64)], 1, run_limit()
    # In pieces, so that pixels of all kinds of noise are refused before their runs take more memory than they do.
    for start in range(0, len(flat) - channels, channels * _PIECE):
        stop = start + channels * _PIECE
        after = flat[start + channels : stop + channels]
        changed = np.flatnonzero(after != flat[start : start + len(after)])
        if channels > 1:
            changed //= channels
            changed = changed[np.diff(changed, prepend=-1) > 0]
        count += len(changed)
        if count > limit:
            raise _too_many_runs()
        changed += start // channels + 1
        parts.append(changed)
    return np.concatenate(parts)


_local = threading.local()


def _table() -> npt.NDArray[np.int32]:
    """A table of all 24-bit codes, one for each thread; only the entries of codes that occur are ever used."""
    if not hasattr(_local, "table"):
        _local.table = np.empty(1 << 24, np.int32)
    table: npt.NDArray[np.int32] = _local.table
    return table


def _distinct(codes: Codes) -> Codes:
    """The distinct codes in ascending order."""
    if codes.dtype != np.uint32 or int(codes.max()) >= 1 << 24:
        return np.unique(codes)
    table, places = _table(), np.arange(len(codes), dtype=np.int32)
    table[codes] = places
    # The table has one place for equal codes now.
    return np.sort(codes[table[codes] == places])


def _index_type(count: int) -> type[np.unsignedinteger]:
    """The smallest type that holds the indexes of so many values."""
    return np.uint8 if count <= 1 << 8 else np.uint16 if count <= 1 << 16 else np.uint32


def _index(codes: Codes, distinct: Codes) -> Codes:
    """For each code its index among the distinct codes, in the smallest type that is large enough."""
    count = len(distinct)
    kind = _index_type(count)
    if codes.dtype.itemsize > 4 or int(distinct[-1]) >= 1 << 24:
        return np.searchsorted(distinct, codes).astype(kind)
    table = _table()
    table[distinct] = np.arange(count, dtype=np.int32)
    indexes: Codes = table[codes].astype(kind)
    return indexes


def joint_histogram(left: Regions, right: Regions) -> tuple[Integers, Integers, Integers]:
    """The pixels of every pair of values that two masks of equal size have in the same place.

    Returns:
        The index of the value in the left mask, the index in the right mask, and the pixels of every pair that occurs:
        three arrays of shape (n,), int64, in ascending order of the pairs.
    """
    of_left, of_right, compiled = left.runs, right.runs, kernel()
    if compiled:
        arrays = compiled.joint_histogram(
            of_left.starts,
            of_left.values,
            len(left.codes),
            of_right.starts,
            of_right.values,
            len(right.codes),
            of_left.total,
        )
        both, counted = (np.frombuffer(array, np.int64) for array in arrays)
        return *np.divmod(both, len(right.codes)), counted
    starts = np.concatenate((of_left.starts, of_right.starts))
    # Both halves are sorted, so a stable sort only merges them.
    order = np.argsort(starts, kind="stable")
    # The runs of each side that have begun; where two begin together, the first stretch is empty and adds nothing.
    begun_left = np.cumsum(order < len(of_left.starts))
    begun_right = np.arange(1, len(order) + 1) - begun_left
    lengths = np.diff(starts[order], append=of_left.total)
    pairs = of_left.values[begun_left - 1].astype(np.int64)
    pairs *= len(right.codes)
    pairs += of_right.values[begun_right - 1]
    possible = len(left.codes) * len(right.codes)
    if possible <= max(_FEW_PAIRS, len(pairs)):
        counts = np.bincount(pairs, lengths, possible)
        distinct = np.arange(possible)
    else:
        distinct, ids = np.unique(pairs, return_inverse=True)
        counts = np.bincount(ids, lengths)
    is_there = counts > 0
    return *np.divmod(distinct[is_there], len(right.codes)), counts[is_there].astype(np.int64)
