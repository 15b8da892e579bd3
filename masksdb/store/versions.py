"""Versions of datasets: find, create, publish, change and delete them, inside the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from masksdb.errors import MasksDBError, NotFoundError, UsageError, VersionPublishedError
from masksdb.store.mask_labels import by_mask, check_mask_labels, inherited
from masksdb.store.sql import statement

if TYPE_CHECKING:
    import duckdb

CURRENT = "Current"
"""The version name that means the newest draft, else the newest published version."""

NO_NEW_FRAMES = 2**63 - 1
"""A frame_key above that of every frame."""


class VersionRow(NamedTuple):
    """The id, name and status of a version."""

    version_id: int
    version_name: str
    status: str


class VersionDetails(NamedTuple):
    """A version with its dataset, metadata and parents."""

    dataset_name: str
    version_name: str
    status: str
    comment: str | None
    metadata: dict[str, Any]
    parent_names: list[str]

    @property
    def full_name(self) -> str:
        """``DATASET/VERSION``."""
        return f"{self.dataset_name}/{self.version_name}"


def find_version(cursor: duckdb.DuckDBPyConnection, dataset: str, version: str | int | None) -> VersionRow:
    """The version of that name, or id.

    None is the newest draft, else the newest published. So is ``Current`` where no version has that name.

    Raises:
        NotFoundError: no such dataset or version; the message offers near names.
    """
    known = list_versions(cursor, dataset)
    for row in known:
        if version in (row.version_name, row.version_id):
            return row
    if known and version in (None, CURRENT):
        return known[0]
    if not known:
        find_dataset(cursor, dataset)
    names = [row.version_name for row in known]
    raise NotFoundError.named("version", str(version or CURRENT), f"dataset {dataset!r}", names)


def list_versions(cursor: duckdb.DuckDBPyConnection, dataset: str) -> list[VersionRow]:
    """The versions of a dataset, drafts first, then the newest first."""
    rows = cursor.execute(statement("store/versions/find"), {"dataset": dataset}).fetchall()
    return [VersionRow(*row) for row in rows]


def find_dataset(cursor: duckdb.DuckDBPyConnection, dataset: str | int) -> int:
    """The id of the dataset of that name, or id.

    Raises:
        NotFoundError: no such dataset; the message offers near names.
    """
    by_name = "SELECT dataset_id FROM datasets WHERE name = ?"
    by_id = "SELECT dataset_id FROM datasets WHERE dataset_id = ?"
    row = cursor.execute(by_id if isinstance(dataset, int) else by_name, [dataset]).fetchone()
    if row is None:
        names = [name for (name,) in cursor.execute("SELECT name FROM datasets").fetchall()]
        (path,) = cursor.execute(
            "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"
        ).fetchone() or (None,)
        raise NotFoundError.named("dataset", str(dataset), path or "database", names)
    return int(row[0])


def details(cursor: duckdb.DuckDBPyConnection, version_id: int) -> VersionDetails:
    """A version with its dataset, metadata and parents.

    Raises:
        NotFoundError: it has been deleted.
    """
    row = cursor.execute(statement("store/versions/details"), {"version_id": version_id}).fetchone()
    if row is None:
        raise NotFoundError(f"version {version_id}: deleted since it was opened; get another from its dataset")
    metadata = json.loads(row[4]) if row[4] else {}
    if "mask_labels" in metadata:
        metadata["mask_labels"] = by_mask(metadata["mask_labels"])
    return VersionDetails(*row)._replace(metadata=metadata)


def create_version(
    cursor: duckdb.DuckDBPyConnection,
    dataset: str,
    version: str,
    *,
    parents: Sequence[str | int] = (),
    comment: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    raise_if_exists: bool = True,
) -> VersionRow:
    """A new draft with the frames and label mapping of its parents; its dataset is created if there is none.

    Args:
        cursor: inside a transaction.
        dataset: name of the dataset.
        version: name of the version.
        parents: names or ids of published versions; where two hold a frame_id, the first wins.
        comment: free text.
        metadata: its metadata besides the inherited ``mask_labels``.
        raise_if_exists: raise an error rather than return an existing version of that name.

    Raises:
        UsageError: a parent is a draft, or there is a version of that name and ``raise_if_exists``.
        NotFoundError: no such parent.
    """
    _refuse_empty("version", version)
    known = next((row for row in list_versions(cursor, dataset) if row.version_name == version), None)
    if known is not None and raise_if_exists:
        raise UsageError(f"{dataset}/{version}: exists already; choose another name")
    if known is not None:
        return known
    rows = [find_version(cursor, dataset, parent) for parent in parents]
    for row in rows:
        if row.status != "published":
            raise UsageError(f"{dataset}/{row.version_name}: a draft, and children inherit from published versions; "
                             "publish it first")  # fmt: skip
    mask_labels = inherited(details(cursor, row.version_id).metadata for row in rows)
    version_id = _insert_version(cursor, dataset, version, comment, {**mask_labels, **(metadata or {})})
    for position, row in enumerate(rows):
        cursor.execute("INSERT INTO version_parents VALUES (?, ?, ?)", [version_id, position, row.version_id])
    cursor.execute(statement("store/versions/insert_lineage"), {"version_id": version_id})
    if len(rows) > 1:
        cursor.execute(statement("store/versions/dropped_frames"))
        cursor.execute(statement("store/versions/hidden_by_merge"), {"version_id": version_id})
        save_changes(cursor, version_id)
    return VersionRow(version_id, version, "draft")


def _insert_version(
    cursor: duckdb.DuckDBPyConnection, dataset: str, version: str, comment: str | None, metadata: Mapping[str, Any]
) -> int:
    """The id of a new version, whose dataset is created if there is none."""
    _refuse_empty("dataset", dataset)
    text = _metadata_text(metadata, f"{dataset}/{version}")
    cursor.execute("INSERT INTO datasets (name) VALUES (?) ON CONFLICT DO NOTHING", [dataset])
    row = cursor.execute(
        "INSERT INTO versions (dataset_id, name, comment, metadata) VALUES (?, ?, ?, ?) RETURNING version_id",
        [find_dataset(cursor, dataset), version, comment, text],
    ).fetchone()
    assert row is not None
    return int(row[0])


def writable_version(cursor: duckdb.DuckDBPyConnection, dataset: str, version: str | int | None) -> VersionRow:
    """The draft of that name, created (with its dataset) if there is none.

    Raises:
        VersionPublishedError: the version is published.
    """
    try:
        row = find_version(cursor, dataset, version)
    except NotFoundError:
        return create_version(cursor, dataset, CURRENT if version is None else str(version))
    refuse_published(cursor, row.version_id)
    return row


def refuse_published(cursor: duckdb.DuckDBPyConnection, version_id: int) -> VersionDetails:
    """The details of a draft.

    Raises:
        VersionPublishedError: the version is published.
    """
    version = details(cursor, version_id)
    if version.status == "published":
        raise VersionPublishedError(
            f"{version.full_name}: published, so it no longer changes; write to a draft version instead"
        )
    return version


def publish_version(cursor: duckdb.DuckDBPyConnection, version_id: int) -> None:
    """Freeze a version; publishing twice changes nothing."""
    cursor.execute(statement("store/versions/publish"), {"version_id": version_id})


def create_snapshot(
    cursor: duckdb.DuckDBPyConnection,
    dataset: str,
    version: str | int | None,
    *,
    publish_name: str | None = None,
    publish_comment: str | None = None,
    publish_metadata: Mapping[str, Any] | None = None,
    child_name: str | None = None,
    child_comment: str | None = None,
    child_metadata: Mapping[str, Any] | None = None,
) -> VersionRow:
    """Publish a draft (None: the only one) under a name of its own, and create a draft that inherits from it.

    The published version keeps its id. Its name is ``publish_name``, else ``snapshot`` and the time; the name of the
    new draft is ``child_name``, else ``Current``. A comment or metadata of None stays as it is.

    Raises:
        VersionPublishedError: the version is published.
        UsageError: no version is named and the dataset has no draft or several, or a name is taken.
    """
    version_id = find_version(cursor, dataset, version).version_id
    drafts = [row for row in list_versions(cursor, dataset) if row.status == "draft"]
    if version is None and len(drafts) != 1:
        raise UsageError(f"dataset {dataset!r}: has {len(drafts)} drafts; name the version to take a snapshot of")
    draft = refuse_published(cursor, version_id)
    rename_version(cursor, version_id, publish_name or f"snapshot {datetime.now().isoformat(timespec='microseconds')}")
    if publish_comment is not None:
        cursor.execute("UPDATE versions SET comment = ? WHERE version_id = ?", [publish_comment, version_id])
    if publish_metadata is not None:
        set_metadata(cursor, version_id, {**draft.metadata, **publish_metadata})
    publish_version(cursor, version_id)
    return create_version(
        cursor,
        dataset,
        child_name or CURRENT,
        parents=[version_id],
        comment=child_comment,
        metadata=child_metadata,
    )


def rename_version(cursor: duckdb.DuckDBPyConnection, version_id: int, name: str) -> None:
    """Give a draft another name.

    Raises:
        VersionPublishedError: the version is published.
        UsageError: another version of the dataset has that name.
    """
    draft = refuse_published(cursor, version_id)
    _refuse_empty("version", name)
    others = (row for row in list_versions(cursor, draft.dataset_name) if row.version_id != version_id)
    if any(row.version_name == name for row in others):
        raise UsageError(f"{draft.dataset_name}/{name}: exists already; choose another name")
    cursor.execute("UPDATE versions SET name = ? WHERE version_id = ?", [name, version_id])


def delete_version(cursor: duckdb.DuckDBPyConnection, version_id: int, *, force: bool = False) -> None:
    """Delete a draft with the frames that it saves, or with ``force`` a published version.

    Raises:
        VersionPublishedError: the version is published and not ``force``.
        UsageError: other versions inherit from it.
    """
    version = details(cursor, version_id)
    if version.status == "published" and not force:
        raise VersionPublishedError(f"{version.full_name}: published; force=True (--force) deletes it all the same")
    rows = cursor.execute(statement("store/versions/heirs"), {"version_id": version_id}).fetchall()
    if rows:
        heirs = ", ".join(repr(name) for (name,) in rows[:3])
        raise UsageError(f"{version.full_name}: {heirs} inherit from it; delete them first")
    delete_rows(cursor, [version_id])


def delete_rows(cursor: duckdb.DuckDBPyConnection, version_ids: list[int]) -> None:
    """Delete versions with the frames that they save, even if others inherit from them."""
    cursor.execute(statement("store/versions/dropped_frames"))
    for version_id in version_ids:
        cursor.execute(statement("store/versions/drop_saved"), {"version_id": version_id})
    delete_dropped(cursor)
    for deletion in cursor.extract_statements(statement("store/versions/delete_versions")):
        cursor.execute(deletion, {"version_ids": version_ids})


def delete_frames(cursor: duckdb.DuckDBPyConnection, version_id: int, frame_ids: Sequence[str]) -> None:
    """Delete frames from a draft; inherited ones stay in the versions that it inherits them from.

    Raises:
        VersionPublishedError: the version is published.
        NotFoundError: the version has no frame of one of the ids.
    """
    draft = refuse_published(cursor, version_id)
    parameters = {"version_id": version_id, "frame_ids": list(frame_ids)}
    missing = cursor.execute(statement("store/versions/unlisted_frame_ids"), parameters).fetchone()
    if missing:
        raise missing_frame(cursor, version_id, draft.full_name, missing[0])
    for name in ("dropped_frames", "hidden_frames"):
        cursor.execute(statement(f"store/versions/{name}"))
    for name in ("drop_deleted", "hide_deleted"):
        cursor.execute(statement(f"store/versions/{name}"), parameters)
    save_changes(cursor, version_id)


def missing_frame(cursor: duckdb.DuckDBPyConnection, version_id: int, where: str, frame_id: str) -> NotFoundError:
    """The error for a frame id that a version does not have; the message offers near ids."""
    query = statement("store/near_frame_ids")
    near = cursor.execute(query, {"version_id": version_id, "frame_id": frame_id}).fetchall()
    return NotFoundError.named("frame", frame_id, where, [name for (name,) in near])


def save_changes(cursor: duckdb.DuckDBPyConnection, version_id: int, first_frame_key: int = NO_NEW_FRAMES) -> None:
    """Delete the frames in ``dropped_frames``, shadow those in ``hidden_frames``, and bring the saved hash up to date.

    Args:
        cursor: inside a transaction, with these two temporary tables.
        version_id: the version that changes.
        first_frame_key: the first of the new frames of the version.
    """
    parameters = {"version_id": version_id, "first_frame_key": first_frame_key}
    cursor.execute(statement("store/versions/update_saved_hash"), parameters)
    cursor.execute(statement("store/versions/insert_shadows"), {"version_id": version_id})
    delete_dropped(cursor)


def delete_dropped(cursor: duckdb.DuckDBPyConnection) -> None:
    """Delete the frames in ``dropped_frames`` with all that belongs to them."""
    row = cursor.execute("SELECT count(*) FROM dropped_frames").fetchone()
    if row and row[0]:
        cursor.execute(statement("store/versions/delete_dropped"))


def set_metadata(cursor: duckdb.DuckDBPyConnection, version_id: int, metadata: Mapping[str, Any]) -> None:
    """Replace a draft's metadata; its ``mask_labels`` stay unless the new metadata has some.

    Raises:
        UsageError: the metadata is not JSON, or its ``mask_labels`` are not label mappings.
        VersionPublishedError: the version is published.
    """
    draft = refuse_published(cursor, version_id)
    kept = {key: value for key, value in draft.metadata.items() if key == "mask_labels"}
    text = _metadata_text({**kept, **metadata}, draft.full_name)
    cursor.execute("UPDATE versions SET metadata = ? WHERE version_id = ?", [text, version_id])


def _metadata_text(metadata: Mapping[str, Any], full_name: str) -> str | None:
    if "mask_labels" in metadata:
        check_mask_labels(metadata["mask_labels"])
    try:
        return json.dumps(metadata, allow_nan=False, ensure_ascii=False) if metadata else None
    except (TypeError, ValueError) as error:
        raise UsageError(f"metadata of {full_name}: not JSON: {error}") from None


def _refuse_empty(kind: str, name: str) -> None:
    if not name.strip():
        raise MasksDBError(f"{kind} name {name!r}: empty; give it a name")
