"""Datasets and versions of an open database, by name or id; each call is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from masksdb.errors import NotFoundError, UsageError
from masksdb.store import versions
from masksdb.store.engine import Engine
from masksdb.store.versions import CURRENT

Id = int | str
"""An id as the database knows it, or as text."""


def create_dataset(
    engine: Engine,
    dataset: str,
    description: str | None = None,
    tags: Sequence[str] | None = None,
    raise_if_exists: bool = False,
    project: str | None = None,
) -> int:
    """The id of the dataset of that name, made with an empty draft where there is none; tags are added to it.

    Raises:
        UsageError: it exists and ``raise_if_exists``.
    """
    with engine.transaction() as cursor:
        known = cursor.execute("SELECT dataset_id FROM datasets WHERE name = ?", [dataset]).fetchone()
        if known and raise_if_exists:
            raise UsageError(f"dataset {dataset!r}: exists already; choose another name")
        dataset_id = versions.create_dataset(cursor, dataset)
        if not known:
            values = [project, description, dataset_id]
            cursor.execute("UPDATE datasets SET project = ?, description = ? WHERE dataset_id = ?", values)
            versions.create_version(cursor, dataset, CURRENT)
        if tags:
            versions.add_tags(cursor, dataset_id, tags)
    return dataset_id


def get_dataset(engine: Engine, dataset_id: Id | None, dataset_name: str | None, project: str | None) -> int:
    """The id of the dataset of that name or id.

    Raises:
        NotFoundError: no such dataset, or in another project.
        UsageError: neither or both are given.
    """
    wanted = one_of("dataset_id", dataset_id, "dataset_name", dataset_name)
    if wanted is None:
        raise UsageError("dataset: not named; give dataset_name or dataset_id")
    with engine.reading() as cursor:
        found = versions.find_dataset(cursor, wanted if dataset_id is None else int(wanted))
        row = cursor.execute("SELECT project FROM datasets WHERE dataset_id = ?", [found]).fetchone()
    if project is not None and row is not None and row[0] != project:
        raise NotFoundError(f"dataset {wanted!r}: not in the project {project!r} but in {row[0]!r}")
    return found


def open_version(engine: Engine, dataset: str, version: str | int | None) -> int:
    """The id of the version of that name or id; None is the newest draft, else the newest published."""
    with engine.reading() as cursor:
        return versions.find_version(cursor, dataset, version).version_id


def list_versions(engine: Engine, dataset: str, *, only_published: bool = False, only_draft: bool = False) -> list[int]:
    """The ids of the versions of a dataset, or only of the published ones or the drafts, the newest first."""
    with engine.reading() as cursor:
        versions.find_dataset(cursor, dataset)
        rows = versions.list_versions(cursor, dataset)
    refused = {"draft": only_published, "published": only_draft}
    return sorted((row.version_id for row in rows if not refused[row.status]), reverse=True)


def create_version(
    engine: Engine,
    dataset: str,
    version: str,
    parents: Sequence[Id] = (),
    comment: str | None = None,
    raise_if_exists: bool = False,
) -> int:
    """The id of a draft that inherits from its parents, made where the dataset has no version of that name.

    Raises:
        UsageError: it exists and ``raise_if_exists``, or a parent is a draft.
        NotFoundError: no such parent.
    """
    with engine.transaction() as cursor:
        rows = versions.list_versions(cursor, dataset)
        known = next((row for row in rows if row.version_name == version), None)
        if known is None or raise_if_exists:
            ids = [versions.find_version(cursor, dataset, parent).version_id for parent in parents]
            known = versions.create_version(cursor, dataset, version, parents=ids, comment=comment)
    return known.version_id


def create_snapshot(engine: Engine, dataset: str, version: str | int | None, **names: Any) -> int:
    """Publish a draft (None: the only one) and go on in a child of it, whose id this is.

    ``names`` are those of :func:`masksdb.store.versions.create_snapshot`.

    Raises:
        UsageError: no version is named and the dataset has not just one draft, or a name is taken.
        VersionPublishedError: the version is published.
    """
    with engine.transaction() as cursor:
        found = versions.find_version(cursor, dataset, version)
        drafts = [row.version_name for row in versions.list_versions(cursor, dataset) if row.status == "draft"]
        if version is None and len(drafts) != 1:
            raise UsageError(f"dataset {dataset!r}: has {len(drafts)} drafts; name the version to take a snapshot of")
        return versions.create_snapshot(cursor, found.version_id, **names).version_id


def one_of(first_name: str, first: Any, second_name: str, second: Any) -> Any:
    """Whichever of two arguments is given, or None.

    Raises:
        UsageError: both are given.
    """
    if first is not None and second is not None:
        raise UsageError(f"{first_name} and {second_name}: both given; give one")
    return second if first is None else first


def id_or_name(version_id: Id | None, version_name: str | None) -> int | str | None:
    """What names a version: its id as a number, else its name."""
    wanted = one_of("version_id", version_id, "version_name", version_name)
    return wanted if version_id is None or wanted is None else int(wanted)
