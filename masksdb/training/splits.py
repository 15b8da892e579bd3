"""Splits: the groups of a version's frames dealt out to parts, no group torn apart.

Everything is counted in whole numbers and ordered by MD5, so that a split comes out the same on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import numpy.typing as npt

from masksdb.errors import UsageError
from masksdb.store.engine import Engine
from masksdb.store.grouping import group_frames
from masksdb.store.sql import statement
from masksdb.store.versions import find_version
from masksdb.training.settings import SPLIT_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable


_UNIT = 1_000_000
"""What shares are counted in: millionths."""

_NEAR = _UNIT // 100
"""A share this near to its target is near enough."""

_STATES = 300_000
"""The most sums of groups that are searched for the best split."""

_SWAPPED = 300
"""Groups among which all pairs are tried."""

_STEPS = 500

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """A part of a split.

    Attributes:
        name: what it is called.
        target: the share of the frames that it should have, 0..1.
        groups: how many groups it has.
        frames: how many frames it has.
        share: the share of the frames that it has, 0..1.
    """

    name: str
    target: float
    groups: int
    frames: int
    share: float


@dataclass(frozen=True)
class SplitReport:
    """The parts of a split.

    Attributes:
        dataset: name of the dataset.
        version: name of the version.
        name: name of the split.
        parts: its parts, in the order of the argument.
        notes: what a person should know.
    """

    dataset: str
    version: str
    name: str
    parts: tuple[Part, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        parts = ", ".join(f"{part.name} {part.frames:,} ({part.share:.1%})" for part in self.parts)
        return "\n".join([f"{self.dataset}/{self.version}: {self.name}: {parts}", *self.notes])


def split(
    engine: Engine,
    dataset: str,
    version: str | None,
    parts: Mapping[str, float],
    *,
    by: str = "context_id",
    seed: int = 0,
    balance: bool = False,
    name: str = SPLIT_NAME,
) -> SplitReport:
    """Deal the frames of a version out to parts, and store them in ``splits`` in place of a split of the name.

    Args:
        engine: the database.
        dataset: name of the dataset.
        version: name of the version, which may be published; None is the newest draft, else the newest published.
        parts: the share of each part, whose sum is 1.
        by: SQL over a frame, such as ``context_id`` or ``frame_meta.city``; frames of the same value are one
            group and stay together.
        seed: the seed of the order of the groups.
        balance: also give each part its share of the pixels of each class, as far as groups and shares let it; the
            masks must have been analysed.
        name: the name of the split.

    Raises:
        UsageError: the shares do not sum up to 1, or ``balance`` is set and no mask has been analysed.
        NotFoundError: no such dataset or version.
        QueryError: ``by`` is refused.
    """
    targets = _targets(parts)
    with engine.transaction() as cursor:
        row = find_version(cursor, dataset, version)
        keys = {"version_id": row.version_id, "name": name}
        cursor.register("frame_groups", group_frames(cursor, by, row.version_id))
        groups = cursor.execute(statement("training/splits/groups"), {"seed": seed}).fetchall()
        sizes = [frames for _, frames in groups]
        chosen = deal(sizes, targets)
        if balance and groups:
            chosen = balanced(_pixels(cursor, [key for key, _ in groups], row.version_id), sizes, targets, chosen)
        cursor.execute("DELETE FROM splits WHERE version_id = $version_id AND name = $name", keys)
        names = list(parts)
        values = {"group_keys": [key for key, _ in groups], "parts": [names[part] for part in chosen]}
        cursor.execute(statement("training/splits/insert"), {**keys, **values, "grouped_by": by})
        (ungrouped,) = cursor.execute("SELECT count(*) FROM frame_groups WHERE group_name IS NULL").fetchall()[0]
        cursor.unregister("frame_groups")
        rows = cursor.execute(statement("training/splits/shares"), keys).fetchall()
    shares = {part: figures for part, *figures in rows}
    made = tuple(Part(part, share, *shares.get(part, (0, 0, 0.0))) for part, share in parts.items())
    notes = (
        [f"{by} is NULL for {ungrouped:,} of {sum(sizes):,} frames; each is a group of its own"] if ungrouped else []
    )
    empty = [part.name for part in made if part.target and not part.frames]
    if empty:
        notes.append(f"{', '.join(empty)}: no frames, for there are {len(groups):,} groups")
    return SplitReport(dataset, row.version_name, name, made, tuple(notes))


def _targets(parts: Mapping[str, float]) -> list[int]:
    if not parts or not all(0 <= share <= 1 for share in parts.values()) or abs(sum(parts.values()) - 1) > 1e-6:
        shares = ", ".join(f"{name}={share:g}" for name, share in parts.items())
        raise UsageError(f"parts: found {shares or 'none'}, expected shares from 0 to 1 whose sum is 1")
    return [round(share * _UNIT) for share in parts.values()]


def _pixels(cursor: duckdb.DuckDBPyConnection, group_keys: Sequence[str], version_id: int) -> Integers:
    """The share of each class's pixels that each group has, shape (groups, classes), in millionths."""
    rows = cursor.execute(statement("training/splits/pixels"), {"version_id": version_id}).fetchall()
    if not rows:
        raise UsageError("balance: no pixels of classes are known; run 'masksdb analyze' first")
    places = {key: place for place, key in enumerate(group_keys)}
    classes = {name: place for place, name in enumerate(sorted({name for _, name, _ in rows}))}
    pixels = np.zeros((len(group_keys), len(classes)), np.int64)
    for key, name, count in rows:
        pixels[places[key], classes[name]] = count
    # A class of some 9 trillion pixels and more would overflow.
    shares: Integers = pixels * _UNIT // pixels.sum(axis=0)
    return shares


def deal(sizes: Sequence[int], targets: Sequence[int]) -> list[int]:
    """The part of each group: shares of the frames within 1 percent of their targets, or as near as groups let them.

    Groups go one by one, in their order, to the part that lacks most; then the larger ones are put right. Where that is
    not near enough, the sums that groups can make are searched for the best, if there are not too many.

    Args:
        sizes: the frames of each group.
        targets: the share of each part, in millionths.

    >>> deal([5, 1, 1, 1, 1, 1], [500_000, 500_000])
    [0, 1, 1, 1, 1, 1]
    """
    total = sum(sizes)
    dealt = _greedy(sizes, range(len(sizes)), targets)
    if _worst(dealt, sizes, targets) > _NEAR * total:
        # The largest first leaves small ones to fill what lacks.
        largest = sorted(range(len(sizes)), key=lambda place: -sizes[place])
        dealt = min(dealt, _greedy(sizes, largest, targets), key=lambda split: _worst(split, sizes, targets))
    if _worst(dealt, sizes, targets) > _NEAR * total:
        best = _searched(sizes, targets)
        dealt = dealt if best is None else min(dealt, best, key=lambda split: _worst(split, sizes, targets))
    return dealt


def _greedy(sizes: Sequence[int], order: Iterable[int], targets: Sequence[int]) -> list[int]:
    total = sum(sizes)
    lacking = [share * total for share in targets]
    dealt = [0] * len(sizes)
    for place in order:
        part = max(range(len(targets)), key=lambda place: (lacking[place], -place))
        dealt[place] = part
        lacking[part] -= sizes[place] * _UNIT
    return dealt


def _worst(parts: Sequence[int], sizes: Sequence[int], targets: Sequence[int]) -> int:
    """By how much the part that is farthest from its share is off, in millionths of a frame."""
    total, frames = sum(sizes), [0] * len(targets)
    for part, size in zip(parts, sizes, strict=True):
        frames[part] += size
    return max(abs(count * _UNIT - share * total) for count, share in zip(frames, targets, strict=True))


def _searched(sizes: Sequence[int], targets: Sequence[int]) -> list[int] | None:
    """The best split by all sums that the groups can make, or None where there are too many of them."""
    layers: list[dict[tuple[int, ...], tuple[tuple[int, ...], int]]] = []
    sums: Iterable[tuple[int, ...]] = [(0,) * len(targets)]
    states = 0
    for size in sizes:
        layer: dict[tuple[int, ...], tuple[tuple[int, ...], int]] = {}
        for before in sums:
            for part in range(len(targets)):
                after = (*before[:part], before[part] + size, *before[part + 1 :])
                layer.setdefault(after, (before, part))
            if states + len(layer) > _STATES:
                return None
        states += len(layer)
        layers.append(layer)
        sums = layer
    total = sum(sizes)

    def off(frames: tuple[int, ...]) -> int:
        return max(abs(count * _UNIT - share * total) for count, share in zip(frames, targets, strict=True))

    at = min(sums, key=off)
    dealt = []
    for layer in reversed(layers):
        at, part = layer[at]
        dealt.append(part)
    return dealt[::-1]


def balanced(pixels: Integers, sizes: Sequence[int], targets: Sequence[int], parts: Sequence[int]) -> list[int]:
    """A split whose parts have more nearly their shares of each class, and shares of frames as good as before.

    Groups are moved, and pairs of them exchanged, as long as that helps most; all classes count alike.

    Args:
        pixels: the share of each class's pixels that each group has, in millionths, shape (groups, classes).
        sizes: the frames of each group.
        targets: the share of each part, in millionths.
        parts: the part of each group.
    """
    owners, frames, total = np.array(parts), np.array(sizes, np.int64), sum(sizes)
    limit = max(_NEAR * total, _worst(parts, sizes, targets))
    shares = np.array(targets, np.int64)
    held = np.array([frames[owners == part].sum() for part in range(len(targets))])
    off = np.array([pixels[owners == part].sum(axis=0) for part in range(len(targets))]) - shares[:, None]
    swapped = np.arange(min(len(sizes), _SWAPPED))
    for _ in range(_STEPS):
        best: tuple[int, list[tuple[int, int]]] = (0, [])
        for source in range(len(targets)):
            for target in range(len(targets)):
                if source == target:
                    continue
                movers = np.flatnonzero(owners == source)
                backs = [(movers, np.full(len(movers), -1))]
                others = swapped[owners[swapped] == target] if source < target else swapped[:0]
                own = swapped[owners[swapped] == source]
                backs.append((np.repeat(own, len(others)), np.tile(others, len(own))))
                for there, back in backs:
                    if not len(there):
                        continue
                    returned = back >= 0
                    change = pixels[there] - pixels[back] * returned[:, None]
                    moved = frames[there] - frames[back] * returned
                    gain = (change * (off[target] - off[source] + change)).sum(axis=1)
                    is_off = np.abs((held[source] - moved) * _UNIT - shares[source] * total) > limit
                    is_off |= np.abs((held[target] + moved) * _UNIT - shares[target] * total) > limit
                    gain[is_off] = 0
                    at = int(gain.argmin())
                    if gain[at] < best[0]:
                        pair = [(int(there[at]), target)] + ([(int(back[at]), source)] if returned[at] else [])
                        best = (int(gain[at]), pair)
        if not best[1]:
            break
        for group, part in best[1]:
            for sign, owner in ((-1, owners[group]), (1, part)):
                held[owner] += sign * frames[group]
                off[owner] += sign * pixels[group]
            owners[group] = part
    return [int(part) for part in owners]
