"""Two masks compared pixel by pixel, and how many pixels have which pair of values kept in tables.

A few hundred pairs are one transaction. Pairs whose files are as they were are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksdb.errors import MasksDBError
from masksdb.pixels.mask_cache import Result, facts_cache
from masksdb.pixels.masks import RED, MaskFacts, MaskRef
from masksdb.pixels.media import locate
from masksdb.pixels.regions import joint_histogram
from masksdb.store.engine import Engine
from masksdb.store.sql import statement

PAIRS_AT_ONCE = 256

MOST_VALUES = 1 << 16
"""Pairs of values that two masks may have: beyond that they are pictures, whose every colour would be a row."""

Integers = npt.NDArray[np.int64]

Mask = tuple[str, int | None]
"""URI as resolved for reading, and milliseconds or None."""

_SIDES = [("uri_a", pa.string()), ("timestamp_a", pa.int64()), ("uri_b", pa.string()), ("timestamp_b", pa.int64())]

_WANTED = pa.schema([("place", pa.int64()), *_SIDES])

_PAIRS = pa.schema(
    [("place", pa.int64()), *_SIDES, ("fingerprint_a", pa.string()), ("fingerprint_b", pa.string()),
     ("height", pa.int32()), ("width", pa.int32()), ("error", pa.string())]
)  # fmt: skip


@dataclass(frozen=True)
class PairsReport:
    """What a comparison did, in pairs of masks.

    Attributes:
        compared: compared and written.
        unchanged: known already, and their files as they were.
        failures: those that could not be compared now, and why; it is in ``mask_pairs.error`` too.
    """

    compared: int
    unchanged: int
    failures: Sequence[MasksDBError]


class _Pair(NamedTuple):
    left: MaskRef
    right: MaskRef


class _Shared(NamedTuple):
    """The values that share pixels in two masks, n pairs of them.

    Attributes:
        left: the values in the one mask as stored, shape (n, 1, 3 or 4), int64.
        right: those in the other.
        left_colours: red, green, blue, alpha of the values in the one mask, shape (n, 4), int64.
        right_colours: those in the other.
        pixels: how many each pair of values shares, shape (n,), int64.
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
) -> PairsReport:
    """Fill ``mask_pairs`` and ``mask_pair_values`` for the pairs that are new or of which a file has changed.

    Args:
        engine: the database; it is written to only where something is new.
        pairs: two masks each, in the order in which they are to be stored.
        progress: called with the pairs done and all pairs.
    """
    wanted = [_Pair(MaskRef(*left), MaskRef(*right)) for left, right in dict.fromkeys(pairs)]
    if not wanted:
        return PairsReport(0, 0, [])
    known = _known(engine, wanted)
    now = _fingerprints(engine, wanted)
    todo = [
        pair
        for place, pair in enumerate(wanted)
        if None in (now[pair.left], now[pair.right]) or known.get(place) != (now[pair.left], now[pair.right])
    ]
    failures: list[MasksDBError] = []
    for start in range(0, len(todo), PAIRS_AT_ONCE):
        failures += _compare(engine, todo[start : start + PAIRS_AT_ONCE], now)
        progress(min(start + PAIRS_AT_ONCE, len(todo)), len(todo))
    return PairsReport(len(todo) - len(failures), len(wanted) - len(todo), failures)


def _known(engine: Engine, wanted: Sequence[_Pair]) -> dict[int, tuple[str | None, str | None]]:
    """The fingerprints of the pairs that have been compared, by their place."""
    with engine.reading() as cursor:
        cursor.register("pairs_to_compare", pa.table(_sides(wanted), _WANTED))
        found = cursor.execute(statement("analysis/compare/known_pairs")).fetchall()
    return {place: (left, right) for place, left, right in found}


def _fingerprints(engine: Engine, wanted: Sequence[_Pair]) -> dict[MaskRef, str | None]:
    found: dict[MaskRef, str | None] = {}
    for ref in dict.fromkeys(ref for pair in wanted for ref in pair):
        try:
            found[ref] = locate(ref.uri, engine.settings.prefixes).fingerprint
        except MasksDBError:
            found[ref] = None
    return found


def _sides(pairs: Sequence[_Pair]) -> dict[str, list[Any]]:
    return {
        "place": list(range(len(pairs))),
        "uri_a": [pair.left.uri for pair in pairs],
        "timestamp_a": [pair.left.timestamp_ms for pair in pairs],
        "uri_b": [pair.right.uri for pair in pairs],
        "timestamp_b": [pair.right.timestamp_ms for pair in pairs],
    }


def _compare(engine: Engine, pairs: Sequence[_Pair], now: Mapping[MaskRef, str | None]) -> list[MasksDBError]:
    """Compare some pairs in one transaction; why some could not be compared."""
    refs = list(dict.fromkeys(ref for pair in pairs for ref in pair))
    facts = dict(zip(refs, facts_cache.get(refs, engine.settings), strict=True))
    columns: dict[str, list[Any]] = _sides(pairs) | {
        name: [None] * len(pairs) for name in _PAIRS.names if name not in _WANTED.names
    }
    shared: dict[int, _Shared] = {}
    failures: list[MasksDBError] = []
    for place, pair in enumerate(pairs):
        # What could not be read is looked at again the next time.
        for name, ref in (("fingerprint_a", pair.left), ("fingerprint_b", pair.right)):
            columns[name][place] = now[ref] if isinstance(facts[ref], MaskFacts) else None
        try:
            left, right = _both(pair, facts)
            shared[place] = _shared(pair, left, right)
            columns["height"][place], columns["width"][place] = left.regions.height, left.regions.width
        except MasksDBError as error:
            columns["error"][place] = str(error)
            failures.append(error)
    with engine.transaction() as cursor:
        cursor.register("new_pairs", pa.table(columns, _PAIRS))
        cursor.register("new_values", _values_table(shared))
        for name in ("delete_pairs", "insert_pairs", "insert_values"):
            cursor.execute(statement(f"analysis/compare/{name}"))
    return failures


def _both(pair: _Pair, facts: Mapping[MaskRef, Result]) -> tuple[MaskFacts, MaskFacts]:
    found = []
    for ref in pair:
        each = facts[ref]
        if not isinstance(each, MaskFacts):
            raise each
        found.append(each)
    left, right = found
    sizes = [f"{each.regions.width} x {each.regions.height}" for each in found]
    if sizes[0] != sizes[1]:
        raise MasksDBError(
            f"{pair.left.uri}: {sizes[0]} pixels, and {pair.right.uri} {sizes[1]}; compared are masks of equal size"
        )
    return left, right


def _shared(pair: _Pair, left: MaskFacts, right: MaskFacts) -> _Shared:
    """The values that two masks share pixels of."""
    of_left, of_right, pixels = joint_histogram(left.regions, right.regions)
    if len(pixels) > MOST_VALUES:
        raise MasksDBError(
            f"{pair.left.uri}: {len(pixels):,} pairs of values with {pair.right.uri}; of masks {MOST_VALUES:,} at most"
        )
    colours_a, colours_b = left.colours[of_left], right.colours[of_right]
    stored_a, stored_b = colours_a[:, left.stored_columns], colours_b[:, right.stored_columns]
    return _Shared(stored_a, stored_b, colours_a[:, RED:], colours_b[:, RED:], pixels)


def _values_table(shared: Mapping[int, _Shared]) -> pa.Table:
    """One row for each two values that share pixels, with the place of their pair of masks."""
    found = list(shared.values())
    counts = [len(each.pixels) for each in found]
    return pa.table(
        {
            "place": np.repeat(np.array(list(shared), np.int64), counts),
            "value_a": _lists([each.left for each in found]),
            "value_b": _lists([each.right for each in found]),
            "pixels": np.concatenate([np.zeros(0, np.int64), *(each.pixels for each in found)]),
            "colour_a": _lists([each.left_colours for each in found]),
            "colour_b": _lists([each.right_colours for each in found]),
        }
    )


def _lists(arrays: Sequence[Integers]) -> pa.Array:
    """The rows of arrays of different widths, one after the other, as an Arrow array of lists."""
    lengths = np.concatenate([np.zeros(1, np.int64), *(np.full(len(each), each.shape[1]) for each in arrays)])
    flat = np.concatenate([np.zeros(0, np.int64), *(each.reshape(-1) for each in arrays)])
    return pa.ListArray.from_arrays(pa.array(np.cumsum(lengths), pa.int32()), pa.array(flat, pa.int32()))
