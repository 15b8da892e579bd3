"""Compare masks pixel by pixel: write how many pixels have which values in both of two masks.

A few hundred pairs are one transaction. Pairs whose files are unchanged are not compared again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksdb.errors import MasksDBError
from masksdb.pixels.mask_cache import Result, facts_cache
from masksdb.pixels.masks import RED, MaskFacts, MaskRef
from masksdb.pixels.read import locate_masks
from masksdb.pixels.regions import joint_histogram
from masksdb.store.engine import Engine
from masksdb.store.sql import statement

PAIRS_AT_ONCE = 256

_log = logging.getLogger("masksdb")

MOST_VALUES = 1 << 16
"""The most pairs of values of two masks; with more of them they are pictures, of which every colour would be a row."""

Integers = npt.NDArray[np.int64]

Fingerprints = tuple[str | None, str | None]
"""The fingerprints of the files of a pair."""

Mask = tuple[str, int | None]
"""A mask's URI as resolved for reading, and its milliseconds or None."""

_SIDES = [("uri_a", pa.string()), ("timestamp_a", pa.int64()), ("uri_b", pa.string()), ("timestamp_b", pa.int64())]

_PAIRS_TO_COMPARE = pa.schema([("place", pa.int64()), *_SIDES])

_PAIRS = pa.schema(
    [("place", pa.int64()), *_SIDES, ("fingerprint_a", pa.string()), ("fingerprint_b", pa.string()),
     ("height", pa.int32()), ("width", pa.int32()), ("error", pa.string())]
)  # fmt: skip


class _Pair(NamedTuple):
    left: MaskRef
    right: MaskRef


class _SharedValues(NamedTuple):
    """The n pairs of values that share pixels in two masks.

    Attributes:
        left: the value in the first mask as stored, shape (n, 1), (n, 3) or (n, 4), int64.
        right: the value in the second mask, likewise.
        left_colours: red, green, blue, alpha of the value in the first mask, shape (n, 4), int64.
        right_colours: red, green, blue, alpha of the value in the second mask, shape (n, 4), int64.
        pixels: how many pixels each pair of values shares, shape (n,), int64.
    """

    left: Integers
    right: Integers
    left_colours: Integers
    right_colours: Integers
    pixels: Integers


def compare_masks(
    engine: Engine,
    pairs: Iterable[tuple[Mask, Mask]],
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Fill ``mask_pairs`` and ``mask_pair_values`` for the pairs that are new or of which a file has changed.

    Of a pair with a file that cannot be reached, an earlier comparison stays.

    Args:
        engine: the database; it is written to only if there are such pairs.
        pairs: pairs of masks, in the order in which they are stored.
        progress: called with the number of pairs done and of all pairs.
    """
    distinct = [_Pair(MaskRef(*left), MaskRef(*right)) for left, right in dict.fromkeys(pairs)]
    if not distinct:
        return
    known = _known_fingerprints(engine, distinct)
    fingerprints = _fingerprints(engine, distinct)
    changed = [
        pair
        for place, pair in enumerate(distinct)
        if _is_changed(known.get(place, (None, None)), (fingerprints[pair.left], fingerprints[pair.right]))
    ]
    compared_before = set(distinct) - set(changed)
    if lost := [ref.uri for pair in compared_before for ref in pair if fingerprints[ref] is None]:
        _log.warning("%s: out of reach now, as %d of the masks are; their last comparison is used", lost[0], len(lost))
    for start in range(0, len(changed), PAIRS_AT_ONCE):
        _compare(engine, changed[start : start + PAIRS_AT_ONCE], fingerprints)
        progress(min(start + PAIRS_AT_ONCE, len(changed)), len(changed))


def _is_changed(known: Fingerprints, current: Fingerprints) -> bool:
    """Whether a pair is to be compared: it never was, or a file has changed; one that is out of reach has not."""
    return any(old is None or new not in (None, old) for old, new in zip(known, current, strict=True))


def _known_fingerprints(engine: Engine, pairs: Sequence[_Pair]) -> dict[int, Fingerprints]:
    """The fingerprints of the files when they were compared, by the place of their pair."""
    with engine.reading() as cursor:
        cursor.register("pairs_to_compare", pa.table(_sides(pairs), _PAIRS_TO_COMPARE))
        rows = cursor.execute(statement("analysis/compare/known_pairs")).fetchall()
    return {place: (left, right) for place, left, right in rows}


def _fingerprints(engine: Engine, pairs: Sequence[_Pair]) -> dict[MaskRef, str | None]:
    """The fingerprint of each mask's file now, None where it cannot be located."""
    refs = dict.fromkeys(ref for pair in pairs for ref in pair)
    located = locate_masks(refs, engine.settings)
    return {ref: None if isinstance(file, MasksDBError) else file.fingerprint for ref, file in located.items()}


def _sides(pairs: Sequence[_Pair]) -> dict[str, list[Any]]:
    return {
        "place": list(range(len(pairs))),
        "uri_a": [pair.left.uri for pair in pairs],
        "timestamp_a": [pair.left.timestamp_ms for pair in pairs],
        "uri_b": [pair.right.uri for pair in pairs],
        "timestamp_b": [pair.right.timestamp_ms for pair in pairs],
    }


def _compare(engine: Engine, pairs: Sequence[_Pair], fingerprints: Mapping[MaskRef, str | None]) -> None:
    """Compare pairs in one transaction; why some could not be compared is in ``mask_pairs.error``."""
    refs = list(dict.fromkeys(ref for pair in pairs for ref in pair))
    facts = dict(zip(refs, facts_cache.get(refs, engine.settings), strict=True))
    columns: dict[str, list[Any]] = _sides(pairs) | {
        name: [None] * len(pairs) for name in _PAIRS.names if name not in _PAIRS_TO_COMPARE.names
    }
    shared: dict[int, _SharedValues] = {}
    for place, pair in enumerate(pairs):
        # A mask that could not be read has no fingerprint, and so is read again the next time.
        for name, ref in (("fingerprint_a", pair.left), ("fingerprint_b", pair.right)):
            columns[name][place] = fingerprints[ref] if isinstance(facts[ref], MaskFacts) else None
        try:
            left, right = _facts_of(pair, facts)
            shared[place] = _shared_values(pair, left, right)
            columns["height"][place], columns["width"][place] = left.regions.height, left.regions.width
        except MasksDBError as error:
            columns["error"][place] = str(error)
    with engine.transaction() as cursor:
        cursor.register("new_pairs", pa.table(columns, _PAIRS))
        cursor.register("new_values", _values_table(shared))
        for name in ("delete_pairs", "insert_pairs", "insert_values"):
            cursor.execute(statement(f"analysis/compare/{name}"))


def _facts_of(pair: _Pair, facts: Mapping[MaskRef, Result]) -> tuple[MaskFacts, MaskFacts]:
    """The facts of two masks of equal size."""
    left, right = facts[pair.left], facts[pair.right]
    if isinstance(left, MasksDBError):
        raise left
    if isinstance(right, MasksDBError):
        raise right
    sizes = [f"{mask.regions.width} x {mask.regions.height}" for mask in (left, right)]
    if sizes[0] != sizes[1]:
        raise MasksDBError(
            f"{pair.left.uri}: {sizes[0]} pixels, and {pair.right.uri} {sizes[1]}; compared are masks of equal size"
        )
    return left, right


def _shared_values(pair: _Pair, left: MaskFacts, right: MaskFacts) -> _SharedValues:
    """The values that share pixels in two masks."""
    of_left, of_right, pixels = joint_histogram(left.regions, right.regions)
    if len(pixels) > MOST_VALUES:
        raise MasksDBError(
            f"{pair.left.uri}: {len(pixels):,} pairs of values with {pair.right.uri}; of masks {MOST_VALUES:,} at most"
        )
    colours_a, colours_b = left.colours[of_left], right.colours[of_right]
    stored_a, stored_b = colours_a[:, left.stored_columns], colours_b[:, right.stored_columns]
    return _SharedValues(stored_a, stored_b, colours_a[:, RED:], colours_b[:, RED:], pixels)


def _values_table(shared: Mapping[int, _SharedValues]) -> pa.Table:
    """One row for each two values that share pixels, with the place of their pair of masks."""
    pairs = list(shared.values())
    counts = [len(pair.pixels) for pair in pairs]
    return pa.table(
        {
            "place": np.repeat(np.array(list(shared), np.int64), counts),
            "value_a": _lists([pair.left for pair in pairs]),
            "value_b": _lists([pair.right for pair in pairs]),
            "pixels": np.concatenate([np.zeros(0, np.int64), *(pair.pixels for pair in pairs)]),
            "colour_a": _lists([pair.left_colours for pair in pairs]),
            "colour_b": _lists([pair.right_colours for pair in pairs]),
        }
    )


def _lists(arrays: Sequence[Integers]) -> pa.Array:
    """The rows of arrays of different widths, one after the other, as an Arrow array of lists."""
    lengths = np.concatenate([np.zeros(1, np.int64), *(np.full(len(array), array.shape[1]) for array in arrays)])
    flat = np.concatenate([np.zeros(0, np.int64), *(array.reshape(-1) for array in arrays)])
    return pa.ListArray.from_arrays(pa.array(np.cumsum(lengths), pa.int32()), pa.array(flat, pa.int32()))
