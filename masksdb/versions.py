"""Datasets and their versions: find one, make one, publish one, and read and write its metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from masksdb.engine import Engine, default_engine
from masksdb.errors import MasksDBError, NotFoundError, VersionPublishedError
from masksdb.statements import statement
from masksdb.types import CURRENT

if TYPE_CHECKING:
    import duckdb

MaskLabels = Mapping[tuple[int, ...], Sequence[str]]
"""Pixel value (1, 3 or 4 integers) to labels."""


class VersionRow(NamedTuple):
    """A version as its table knows it."""

    version_id: int
    version_name: str
    status: str


def find_version(cursor: duckdb.DuckDBPyConnection, dataset: str, version: str | None) -> VersionRow:
    """The version of that name; None and ``Current`` are the newest draft, else the newest published.

    Raises:
        NotFoundError: no such dataset or version; the message offers near names.
    """
    known = _versions(cursor, dataset)
    if version is None or version == CURRENT:
        if known:
            return known[0]
    else:
        for row in known:
            if row.version_name == version:
                return row
    if not known and not _dataset_id(cursor, dataset):
        datasets = [name for (name,) in cursor.execute("SELECT name FROM datasets").fetchall()]
        raise NotFoundError.named("dataset", dataset, "database", datasets)
    raise NotFoundError.named(
        "version", version or CURRENT, f"dataset {dataset!r}", [row.version_name for row in known]
    )


def writable_version(cursor: duckdb.DuckDBPyConnection, dataset: str, version: str | None) -> VersionRow:
    """The draft of that name, made (with its dataset) where there is none; call inside a transaction.

    Raises:
        VersionPublishedError: the version is published.
    """
    try:
        found = find_version(cursor, dataset, version)
    except NotFoundError:
        return _insert_version(cursor, dataset, version or CURRENT, None)
    return _refuse_published(found, dataset)


def _refuse_published(found: VersionRow, dataset: str) -> VersionRow:
    if found.status == "published":
        raise VersionPublishedError(
            f"{dataset}/{found.version_name}: published, so it no longer changes; write to a draft version instead"
        )
    return found


def _versions(cursor: duckdb.DuckDBPyConnection, dataset: str) -> list[VersionRow]:
    rows = cursor.execute(statement("versions/find"), {"dataset": dataset}).fetchall()
    return [VersionRow(*row) for row in rows]


def _dataset_id(cursor: duckdb.DuckDBPyConnection, dataset: str) -> int | None:
    row = cursor.execute("SELECT dataset_id FROM datasets WHERE name = ?", [dataset]).fetchone()
    return row[0] if row else None


def _insert_version(cursor: duckdb.DuckDBPyConnection, dataset: str, version: str, comment: str | None) -> VersionRow:
    for kind, name in (("dataset", dataset), ("version", version)):
        if not name.strip():
            raise MasksDBError(f"{kind} name {name!r}: empty; give it a name")
    cursor.execute("INSERT INTO datasets (name) VALUES (?) ON CONFLICT DO NOTHING", [dataset])
    row = cursor.execute(
        "INSERT INTO versions (dataset_id, name, comment) VALUES (?, ?, ?) RETURNING version_id",
        [_dataset_id(cursor, dataset), version, comment],
    ).fetchone()
    assert row is not None
    cursor.execute("INSERT INTO version_lineage VALUES (?, ?, 0)", [row[0], row[0]])
    return VersionRow(row[0], version, "draft")


@dataclass(frozen=True)
class DatasetVersion:
    """One version of a dataset in a database.

    Attributes:
        engine: the database it lives in.
        version_id: its key in the table ``versions``.
        dataset_name: name of its dataset.
        version_name: its name.
    """

    engine: Engine
    version_id: int
    dataset_name: str
    version_name: str

    @classmethod
    def get_version(cls, dataset_name: str, version_name: str | None = None) -> DatasetVersion:
        """A version in the default database.

        Args:
            dataset_name: name of the dataset.
            version_name: name of the version; None is the newest draft, else the newest published.

        Raises:
            NotFoundError: no such dataset or version.
        """
        return open_version(default_engine(), dataset_name, version_name)

    @classmethod
    def create_version(
        cls, dataset_name: str, version_name: str, *, description: str | None = None, raise_if_exists: bool = False
    ) -> DatasetVersion:
        """A draft version without parents in the default database, made where there is none of that name.

        Raises:
            ValueError: it exists and ``raise_if_exists``.
        """
        return create_version(
            default_engine(), dataset_name, version_name, comment=description, raise_if_exists=raise_if_exists
        )

    @property
    def status(self) -> str:
        """``draft`` or ``published``."""
        with self.engine.errors():
            return find_version(self.engine.cursor(), self.dataset_name, self.version_name).status

    def publish_version(self) -> None:
        """Freeze the version: from now on every write to it is refused. Publishing twice changes nothing."""
        with self.engine.transaction() as cursor:
            cursor.execute(statement("versions/publish"), {"version_id": self.version_id})

    def get_metadata(self) -> dict[str, Any]:
        """The version's metadata, a dict of its own; ``mask_labels`` by mask id, ``_all_`` being every mask."""
        with self.engine.errors():
            row = (
                self.engine.cursor()
                .execute("SELECT metadata FROM versions WHERE version_id = ?", [self.version_id])
                .fetchone()
            )
        if row is None:
            raise NotFoundError(f"{self.dataset_name}/{self.version_name}: deleted since it was opened")
        metadata: dict[str, Any] = json.loads(row[0]) if row[0] else {}
        if isinstance(metadata.get("mask_labels"), list):
            metadata["mask_labels"] = {"_all_": metadata["mask_labels"]}
        return metadata

    def set_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Replace the version's metadata; ``mask_labels`` stays where the new metadata has none.

        Raises:
            ValueError: the metadata is not JSON, or its ``mask_labels`` are not label mappings.
            VersionPublishedError: the version is published.
        """
        merged = dict(metadata)
        current = self.get_metadata()
        if "mask_labels" not in merged and "mask_labels" in current:
            merged["mask_labels"] = current["mask_labels"]
        if "mask_labels" in merged:
            check_mask_labels(merged["mask_labels"])
        try:
            text = json.dumps(merged, allow_nan=False, ensure_ascii=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"metadata of {self.dataset_name}/{self.version_name}: not JSON: {error}") from None
        with self.engine.transaction() as cursor:
            _refuse_published(find_version(cursor, self.dataset_name, self.version_name), self.dataset_name)
            cursor.execute("UPDATE versions SET metadata = ? WHERE version_id = ?", [text, self.version_id])

    def set_masks_labels(self, masks_labels: MaskLabels) -> None:
        """Say what pixel values mean in every mask of the version, in place of what was said before.

        Args:
            masks_labels: for example ``{(0, 0, 0): ["background"], (1, 1, 1): ["person", "sitting"]}``. What
                single masks have of their own is kept.

        Raises:
            ValueError: a key is not 1, 3 or 4 integers from -1 to 65535, or a value not a list of labels.
            VersionPublishedError: the version is published.
        """
        entries = [{"value": _as_list(value), "labels": _as_list(labels)} for value, labels in masks_labels.items()]
        metadata = self.get_metadata()
        metadata["mask_labels"] = {**metadata.get("mask_labels", {}), "_all_": entries}
        self.set_metadata(metadata)


def _as_list(value: object) -> object:
    return list(value) if isinstance(value, tuple | list) else value


def check_mask_labels(mask_labels: object) -> None:
    """Raise ValueError where a ``mask_labels`` document is of neither known shape.

    >>> check_mask_labels([{"value": [0, 0, 0], "labels": ["background"]}])
    >>> check_mask_labels({"seg": [{"value": [300000], "labels": ["car"]}]})
    Traceback (most recent call last):
        ...
    ValueError: mask_labels.seg[0].value: found [300000], expected 1, 3 or 4 whole numbers from -1 to 65535
    """
    by_mask = {"_all_": mask_labels} if isinstance(mask_labels, list) else mask_labels
    if not isinstance(by_mask, Mapping):
        raise ValueError(f"mask_labels: found {mask_labels!r}, expected an object of lists by mask id, or a list")
    for mask_id, entries in by_mask.items():
        if not isinstance(entries, list):
            raise ValueError(f"mask_labels.{mask_id}: found {entries!r}, expected a list of entries")
        for index, entry in enumerate(entries):
            place = f"mask_labels.{mask_id}[{index}]"
            if not isinstance(entry, Mapping):
                raise ValueError(f"{place}: found {entry!r}, expected an object with 'value' and 'labels'")
            value, labels = entry.get("value"), entry.get("labels")
            if not _is_value(value):
                raise ValueError(f"{place}.value: found {value!r}, expected 1, 3 or 4 whole numbers from -1 to 65535")
            if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
                raise ValueError(f"{place}.labels: found {labels!r}, expected a list of strings")


def _is_value(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) in (1, 3, 4)
        and all(type(part) is int and -1 <= part <= 65535 for part in value)
    )


def open_version(engine: Engine, dataset: str, version: str | None) -> DatasetVersion:
    """The version of that name in a database."""
    with engine.errors():
        found = find_version(engine.cursor(), dataset, version)
    return DatasetVersion(engine, found.version_id, dataset, found.version_name)


def create_version(
    engine: Engine, dataset: str, version: str, *, comment: str | None = None, raise_if_exists: bool = False
) -> DatasetVersion:
    """A draft version without parents, made (with its dataset) where there is none of that name."""
    with engine.transaction() as cursor:
        existing = next((row for row in _versions(cursor, dataset) if row.version_name == version), None)
        if existing and raise_if_exists:
            raise ValueError(f"{dataset}/{version}: exists already; choose another name")
        found = existing or _insert_version(cursor, dataset, version, comment)
    return DatasetVersion(engine, found.version_id, dataset, version)
