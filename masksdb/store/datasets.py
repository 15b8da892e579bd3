"""Datasets: create, describe and delete them, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from masksdb.errors import NotFoundError, UsageError, VersionPublishedError
from masksdb.store import versions

if TYPE_CHECKING:
    import duckdb


def create_dataset(
    cursor: duckdb.DuckDBPyConnection,
    dataset: str,
    *,
    description: str | None = None,
    tags: Sequence[str] = (),
    project: str | None = None,
    raise_if_exists: bool = False,
) -> int:
    """The id of the dataset of that name, which is created with an empty draft if there is none; tags are added to it.

    Raises:
        UsageError: it exists and ``raise_if_exists``.
    """
    known = cursor.execute("SELECT dataset_id FROM datasets WHERE name = ?", [dataset]).fetchone()
    if known and raise_if_exists:
        raise UsageError(f"dataset {dataset!r}: exists already; choose another name")
    if not known:
        versions.create_version(cursor, dataset, versions.CURRENT)
        values = [project, description, dataset]
        cursor.execute("UPDATE datasets SET project = ?, description = ? WHERE name = ?", values)
    dataset_id = versions.find_dataset(cursor, dataset)
    if tags:
        add_tags(cursor, dataset_id, tags)
    return dataset_id


def dataset_row(cursor: duckdb.DuckDBPyConnection, dataset_id: int) -> dict[str, Any]:
    """The columns of a dataset by name.

    Raises:
        NotFoundError: it has been deleted.
    """
    result = cursor.execute("SELECT * FROM datasets WHERE dataset_id = ?", [dataset_id])
    names = [column[0] for column in result.description or []]
    row = result.fetchone()
    if row is None:
        raise NotFoundError(f"dataset {dataset_id}: deleted since it was opened; get another by name")
    return dict(zip(names, row, strict=True))


def add_tags(cursor: duckdb.DuckDBPyConnection, dataset_id: int, tags: Sequence[str]) -> None:
    """Add the tags that a dataset lacks."""
    known = dataset_row(cursor, dataset_id)["tags"] or []
    set_tags(cursor, dataset_id, list(dict.fromkeys([*known, *tags])))


def set_tags(cursor: duckdb.DuckDBPyConnection, dataset_id: int, tags: Sequence[str]) -> None:
    """Replace a dataset's tags."""
    cursor.execute("UPDATE datasets SET tags = ? WHERE dataset_id = ?", [list(tags), dataset_id])


def delete_dataset(cursor: duckdb.DuckDBPyConnection, dataset: str, *, with_versions: bool, force: bool) -> None:
    """Delete a dataset, its versions only with ``with_versions``, published ones only with ``force``.

    Raises:
        NotFoundError: no such dataset.
        UsageError: it has versions and not ``with_versions``.
        VersionPublishedError: a version is published and not ``force``.
    """
    dataset_id = versions.find_dataset(cursor, dataset)
    rows = versions.list_versions(cursor, dataset)
    if rows and not with_versions:
        raise UsageError(f"{dataset}: has {len(rows)} versions; pass delete_all_versions=True to delete them too")
    published = next((row.version_name for row in rows if row.status == "published"), None)
    if published is not None and not force:
        raise VersionPublishedError(f"{dataset}/{published}: published; force=True deletes it all the same")
    versions.delete_rows(cursor, [row.version_id for row in rows])
    cursor.execute("DELETE FROM datasets WHERE dataset_id = ?", [dataset_id])
