"""The part of a version that an export writes: some of its frames, some of its labels, and the split of each frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from masksdb.errors import NotFoundError
from masksdb.store.grouping import frames_where
from masksdb.store.sql import statement


@dataclass(frozen=True)
class Subset:
    """What of a version is written.

    Attributes:
        frame_keys: the frames; None means all.
        labels: the labels of the ROIs; none means all.
        classes: the names of their classes; None means all.
        split: the split whose parts are written; None means the one in each frame's meta.
        parts: the part of each frame in that split, by frame key.
        notes: what is left out, and which split is written.
    """

    frame_keys: frozenset[int] | None = None
    labels: tuple[str, ...] = ()
    classes: frozenset[str] | None = None
    split: str | None = None
    parts: Mapping[int, str] | None = None
    notes: tuple[str, ...] = ()

    @property
    def parameters(self) -> dict[str, list[int] | list[str] | None]:
        """The values for SQL: ``frame_keys`` and ``labels``, each NULL for all."""
        keys = None if self.frame_keys is None else sorted(self.frame_keys)
        return {"frame_keys": keys, "labels": list(self.labels) or None}


def find_subset(
    cursor: duckdb.DuckDBPyConnection,
    version_id: int,
    *,
    where: str | None = None,
    labels: Sequence[str] = (),
    split: str | None = None,
    with_split: bool = True,
) -> Subset:
    """The part of a version that options ask for.

    Args:
        cursor: where the queries run.
        version_id: the version.
        where: SQL over a frame, such as ``frame_meta.city = 'ulm'``; None means all frames.
        labels: only ROIs that have one of these labels; none means all.
        split: name of a split that ``masksdb split`` made; None means the only one, an empty text means none.
        with_split: whether parts of a split are written at all.

    Raises:
        NotFoundError: the version has no such label or split.
        QueryError: DuckDB refuses ``where``.
        UsageError: ``where`` is not one condition.
    """
    notes: list[str] = []
    classes = _classes(cursor, version_id, labels) if labels else None
    (total,) = cursor.execute("SELECT count(*) FROM dataset_frames WHERE version_id = ?", [version_id]).fetchall()[0]
    keys = None if where is None else frames_where(cursor, where, version_id)
    if keys is not None:
        notes.append(f"{len(keys):,} of {total:,} frames are written: those where {where}")
    name = _split_name(cursor, version_id, split, notes) if with_split else None
    parts = None
    if name is not None:
        query = "SELECT frame_key, part FROM frame_splits WHERE version_id = ? AND split = ?"
        parts = dict(cursor.execute(query, [version_id, name]).fetchall())
        chosen = len(parts) if keys is None else len(keys & parts.keys())
        if without := (total if keys is None else len(keys)) - chosen:
            notes.append(f"{without:,} frames are in no part of the split {name!r} and are left out; split again")
        keys = frozenset(parts) if keys is None else keys & parts.keys()
    subset = Subset(keys, tuple(labels), classes, name, parts)
    if labels:
        query = statement("exchange/export/other_labels")
        (others,) = cursor.execute(query, {"version_id": version_id, **subset.parameters}).fetchall()[0]
        if others:
            notes.append(f"{others:,} ROIs of other labels are left out")
    return replace(subset, notes=tuple(notes))


def _classes(cursor: duckdb.DuckDBPyConnection, version_id: int, labels: Sequence[str]) -> frozenset[str]:
    """The names of the classes that have one of some labels."""
    rows = cursor.execute(statement("exchange/export/label_lists"), {"version_id": version_id}).fetchall()
    known = {name for (own,) in rows for name in own}
    for label in labels:
        if label not in known:
            raise NotFoundError.named("label", label, "export", known)
    return frozenset(", ".join(own) for (own,) in rows if not set(own).isdisjoint(labels))


def _split_name(
    cursor: duckdb.DuckDBPyConnection, version_id: int, split: str | None, notes: list[str]
) -> str | None:  # fmt: skip
    query = "SELECT DISTINCT name FROM splits WHERE version_id = ? ORDER BY name"
    names = [name for (name,) in cursor.execute(query, [version_id]).fetchall()]
    if split is None and len(names) == 1:
        notes.append(f"the parts are those of the version's only split, {names[0]!r}; --split '' writes without it")
        return str(names[0])
    if split is None and names:
        notes.append(f"no split is written; choose one of {', '.join(names)} with --split")
    elif split and split not in names:
        raise NotFoundError.named("split", split, "export", names)
    return split or None
