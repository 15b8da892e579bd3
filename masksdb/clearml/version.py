"""One version of a dataset under the name that ClearML users know, ``DatasetVersion``: its frames, labels and metadata.

Class methods use the default database (see :func:`masksdb.set_default`); objects belong to the database that returned
them. Arguments that only matter with a server (``batch_size``, ``upload_retries``, ``refresh_version_stats``) are
accepted and have no effect.
"""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from masksdb.clearml.arguments import Id, id_or_name, one_of
from masksdb.clearml.default_database import default_engine
from masksdb.clearml.frame_group import FrameGroup, frame_from_dict
from masksdb.clearml.single_frame import SingleFrame
from masksdb.errors import UnsupportedFormatError, UsageError
from masksdb.exchange.ingest import ingest
from masksdb.exchange.staging import FramesAt
from masksdb.store import versions
from masksdb.store.engine import Engine
from masksdb.store.frames import find_frame
from masksdb.store.mask_labels import EVERY_MASK, MaskLabels, entries_of
from masksdb.store.versions import VersionDetails

if TYPE_CHECKING:
    from masksdb.clearml.dataset import Dataset

FrameLike = SingleFrame | FrameGroup | Mapping[str, Any]
"""A frame as an object, or as its JSON object."""


@dataclass(frozen=True)
class DatasetVersion:
    """One version of a dataset: get one with :meth:`get_version` or :meth:`create_version`.

    Attributes:
        engine: the database it lives in.
        version_id: its key in the table ``versions``.
    """

    engine: Engine
    version_id: int

    @classmethod
    def create_new_dataset(
        cls,
        dataset_name: str,
        description: str | None = None,
        tags: Sequence[str] | None = None,
        raise_if_exists: bool = False,
        dataset_project: str | None = None,
    ) -> Dataset:
        """A dataset; see :meth:`Dataset.create`."""
        from masksdb.clearml.dataset import Dataset

        return Dataset.create(dataset_name, description, tags, raise_if_exists, dataset_project)

    @classmethod
    def get_current(
        cls, dataset_id: Id | None = None, dataset_name: str | None = None, dataset_project: str | None = None
    ) -> DatasetVersion:
        """The newest draft of a dataset, else its newest published version."""
        return _dataset(dataset_id, dataset_name, dataset_project).get_version()

    @classmethod
    def get_version(
        cls,
        dataset_id: Id | None = None,
        dataset_name: str | None = None,
        version_id: Id | None = None,
        version_name: str | None = None,
        raise_on_multiple: bool = False,
        dataset_project: str | None = None,
    ) -> DatasetVersion:
        """The version of that name or id.

        Without either it is the newest draft, else the newest published version. If there are several versions this
        warns, or raises with ``raise_on_multiple``.

        Raises:
            NotFoundError: no such dataset or version; also a ValueError.
            UsageError: there are several versions and ``raise_on_multiple`` is set.
        """
        dataset = _dataset(dataset_id, dataset_name, dataset_project)
        version = dataset.get_version(version_id, version_name)
        if version_id is None and version_name is None and (count := len(dataset.get_versions())) > 1:
            message = f"dataset {dataset.name!r} has {count} versions; this is {version.version_name!r}"
            if raise_on_multiple:
                raise UsageError(f"{message}; name the one you want")
            warnings.warn(message, stacklevel=2)
        return version

    @classmethod
    def get_versions(
        cls,
        dataset_name: str | None = None,
        dataset_id: Id | None = None,
        only_published: bool = False,
        only_draft: bool = False,
        dataset_project: str | None = None,
    ) -> list[DatasetVersion]:
        """The versions of a dataset, or only the published ones or the drafts, newest first."""
        dataset = _dataset(dataset_id, dataset_name, dataset_project)
        return dataset.get_versions(only_published, only_draft)

    @classmethod
    def create_version(
        cls,
        version_name: str,
        description: str | None = None,
        dataset_id: Id | None = None,
        dataset_name: str | None = None,
        parent_version_ids: Sequence[Id] | None = None,
        parent_version_names: Sequence[str] | None = None,
        raise_if_exists: bool = False,
        dataset_project: str | None = None,
    ) -> DatasetVersion:
        """The version of that name, created as a draft if the dataset does not have it.

        Args:
            version_name: its name.
            description: free text.
            dataset_id: the id of its dataset, or
            dataset_name: its name; the dataset is created if it does not exist.
            parent_version_ids: published versions that it inherits from, by id, or
            parent_version_names: by name; if two parents have the same frame id, the first wins.
            raise_if_exists: raise instead of returning an existing version.
            dataset_project: the project that the dataset must be in.

        Raises:
            UsageError: it exists and ``raise_if_exists`` is set, or a parent is a draft; also a ValueError.
            NotFoundError: no such parent.
        """
        parents = one_of("parent_version_ids", parent_version_ids, "parent_version_names", parent_version_names)
        engine = default_engine(create=True)
        if dataset_id is not None or dataset_project is not None or dataset_name is None:
            dataset_name = _dataset(dataset_id, dataset_name, dataset_project).name
        with engine.transaction() as cursor:
            row = versions.create_version(
                cursor,
                dataset_name,
                version_name,
                parents=parents or (),
                comment=description,
                raise_if_exists=raise_if_exists,
            )
        return cls(engine, row.version_id)

    @classmethod
    def create_snapshot(
        cls,
        version_name: str | None = None,
        version_id: Id | None = None,
        dataset_name: str | None = None,
        dataset_id: Id | None = None,
        publish_name: str | None = None,
        publish_comment: str | None = None,
        publish_metadata: Mapping[str, Any] | None = None,
        child_name: str | None = None,
        child_comment: str | None = None,
        child_metadata: Mapping[str, Any] | None = None,
        dataset_project: str | None = None,
    ) -> DatasetVersion:
        """Publish a draft under a name of its own, and continue in a new draft that inherits from it.

        Args:
            version_name: the draft, by name, or
            version_id: by id; without either, the only draft of the dataset.
            dataset_name: its dataset, by name, or
            dataset_id: by id.
            publish_name: the new name of the published draft; without it ``snapshot`` and the time, as in
                ``snapshot 2020-03-26T16:55:38.441671``.
            publish_comment: its new comment.
            publish_metadata: keys that are added to its metadata.
            child_name: the name of the new draft; without it ``Current``.
            child_comment: the comment of the new draft.
            child_metadata: the metadata of the new draft, beside the inherited ``mask_labels``.
            dataset_project: the project that the dataset must be in.

        Returns:
            The new draft; the published version keeps its id.

        Raises:
            UsageError: no version is named and the dataset does not have exactly one draft, or a name is taken.
            VersionPublishedError: the version is published.
        """
        dataset = _dataset(dataset_id, dataset_name, dataset_project)
        name, version = dataset.name, id_or_name("version", version_id, version_name)
        with dataset.engine.transaction() as cursor:
            child = versions.create_snapshot(
                cursor,
                name,
                version,
                publish_name=publish_name,
                publish_comment=publish_comment,
                publish_metadata=publish_metadata,
                child_name=child_name,
                child_comment=child_comment,
                child_metadata=child_metadata,
            )
        return cls(dataset.engine, child.version_id)

    @classmethod
    def get_single_frame(
        cls,
        frame_id: str,
        dataset_id: Id | None = None,
        dataset_name: str | None = None,
        version_id: Id | None = None,
        version_name: str | None = None,
        dataset_project: str | None = None,
    ) -> SingleFrame | FrameGroup:
        """A frame of a version as an object: a SingleFrame if its only source is ``default``, else a FrameGroup.

        Raises:
            NotFoundError: no such dataset, version or frame.
        """
        dataset = _dataset(dataset_id, dataset_name, dataset_project)
        return dataset.get_version(version_id, version_name).get_frame(frame_id)

    @property
    def _details(self) -> VersionDetails:
        with self.engine.reading() as cursor:
            return versions.details(cursor, self.version_id)

    @property
    def dataset_name(self) -> str:
        """The name of its dataset."""
        return self._details.dataset_name

    @property
    def version_name(self) -> str:
        """Its name."""
        return self._details.version_name

    @property
    def status(self) -> str:
        """``draft`` or ``published``."""
        return self._details.status

    @property
    def draft(self) -> bool:
        """Whether it is a draft, which can still be changed."""
        return self.status == "draft"

    @property
    def comment(self) -> str | None:
        """Its comment."""
        return self._details.comment

    @property
    def parents(self) -> list[str]:
        """The names of the versions that it inherits from."""
        return self._details.parent_names

    def get_frame(self, frame_id: str) -> SingleFrame | FrameGroup:
        """A frame of this version as an object; see :meth:`~masksdb.DatasetVersion.get_single_frame`."""
        row = find_frame(self.engine, self.version_id, frame_id)
        frame = frame_from_dict(row.frame)
        details = self._details
        frame.origin = {"Dataset Name": details.dataset_name, "Version Name": details.version_name}
        frame.media_root = row.media_root
        frame.prefixes = self.engine.settings.prefixes
        return frame

    def add_frames(
        self,
        frames: Iterable[FrameLike],
        warn_on_duplicate_frames: bool = False,
        batch_size: int = 1000,
        refresh_version_stats: bool = True,
        auto_upload_destination: str | None = None,
        local_dataset_root_path: str | os.PathLike[str] | None = None,
        upload_retries: int = 5,
    ) -> list[dict[str, Any]]:
        """Save frames in this draft; a frame with the id of an existing one replaces it.

        Args:
            frames: SingleFrames, FrameGroups, or JSON objects of frames. Relative URIs start at the working directory;
                those of a frame that was read from a database keep their folder.
            warn_on_duplicate_frames: no effect.
            batch_size: no effect.
            refresh_version_stats: no effect.
            auto_upload_destination: not supported; files stay where they are.
            local_dataset_root_path: no effect without it.
            upload_retries: no effect.

        Returns:
            The frames that were not saved, each as ``{"frame": ..., "error": ..., "error_type": "validation"}``.

        Raises:
            VersionPublishedError: the version is published.
        """
        if auto_upload_destination is not None:
            raise UnsupportedFormatError(
                "add_frames(auto_upload_destination=...): uploading is not supported; files stay where they are"
            )
        listed = list(frames)
        sources, first = [], 0
        for root, group in itertools.groupby(listed, key=lambda frame: getattr(frame, "media_root", None)):
            dicts = [_frame_dict(frame) for frame in group]
            sources.append(FramesAt(dicts, root, first))
            first += len(dicts)
        if not sources:
            return []
        details = self._details
        report = ingest(
            self.engine, *sources, dataset=details.dataset_name, version=self.version_id, on_error="skip"
        )  # fmt: skip
        return [
            {"frame": listed[error.record or 0], "error": str(error), "error_type": "validation"}
            for error in report.errors
        ]

    def update_frames(
        self,
        frames: Iterable[FrameLike],
        batch_size: int = 1000,
        refresh_version_stats: bool = True,
    ) -> None:
        """Save frames in this draft in place of those with the same ids, its own or inherited.

        Raises:
            VersionPublishedError: the version is published.
            UsageError: a frame is not valid; the valid ones are saved.
        """
        for failure in self.add_frames(frames):
            raise UsageError(failure["error"])

    def delete_frames(
        self,
        frames: Iterable[FrameLike | str],
        batch_size: int = 1000,
        refresh_version_stats: bool = True,
        delete_sources: bool = False,
    ) -> None:
        """Delete frames from this draft, named by object or by id; its parents keep theirs.

        Raises:
            VersionPublishedError: the version is published.
            NotFoundError: it has no frame with such an id.
        """
        refuse_deleting_sources(delete_sources)
        ids = [frame if isinstance(frame, str) else str(_frame_dict(frame).get("id")) for frame in frames]
        with self.engine.transaction() as cursor:
            versions.delete_frames(cursor, self.version_id, ids)

    def commit_version(self) -> bool:
        """Do nothing and return True: every change is committed when its call returns."""
        return True

    def publish_version(self) -> bool:
        """Freeze the version: later writes to it are refused. Publishing it again changes nothing; returns True."""
        with self.engine.transaction() as cursor:
            versions.publish_version(cursor, self.version_id)
        return True

    def set_version_name(self, name: str) -> bool:
        """Rename the draft; returns True."""
        with self.engine.transaction() as cursor:
            versions.rename_version(cursor, self.version_id, name)
        return True

    def get_metadata(self) -> dict[str, Any]:
        """A copy of the version's metadata; its ``mask_labels`` are by mask id, ``_all_`` for every mask."""
        return self._details.metadata

    def set_metadata(self, metadata: Mapping[str, Any]) -> bool:
        """Replace the version's metadata, but keep its ``mask_labels`` if the new metadata has none; returns True.

        Raises:
            UsageError: the metadata is not JSON, or its ``mask_labels`` are not label mappings; also a ValueError.
            VersionPublishedError: the version is published.
        """
        with self.engine.transaction() as cursor:
            versions.set_metadata(cursor, self.version_id, metadata)
        return True

    def set_masks_labels(self, masks_labels: MaskLabels) -> bool:
        """Set the labels of pixel values in every mask of the version, in place of those set before; returns True.

        Args:
            masks_labels: for example ``{(0, 0, 0): ["background"], (1, 1, 1): ["person", "sitting"]}``. Labels
                that belong to one mask id are kept.

        Raises:
            UsageError: a key is not 1, 3 or 4 integers from -1 to 65535, or a value not a list of labels.
            VersionPublishedError: the version is published.
        """
        metadata = self.get_metadata()
        metadata["mask_labels"] = {**metadata.get("mask_labels", {}), EVERY_MASK: entries_of(masks_labels)}
        return self.set_metadata(metadata)

    def get_masks_labels(self) -> dict[tuple[int, ...], tuple[str, ...]]:
        """The labels set by :meth:`set_masks_labels`, by pixel value."""
        entries = self.get_metadata().get("mask_labels", {}).get(EVERY_MASK, [])
        return {tuple(entry["value"]): tuple(entry["labels"]) for entry in entries}


def _dataset(dataset_id: Id | None, dataset_name: str | None, dataset_project: str | None) -> Dataset:
    # The module of datasets imports this one.
    from masksdb.clearml.dataset import Dataset

    return Dataset.get(dataset_id, dataset_name, dataset_project)


def _frame_dict(frame: FrameLike) -> dict[str, Any]:
    return frame.to_dict() if isinstance(frame, SingleFrame | FrameGroup) else dict(frame)


def refuse_deleting_sources(delete_sources: bool) -> None:
    """Raise UnsupportedFormatError if source files should be deleted."""
    if delete_sources:
        raise UnsupportedFormatError("delete_sources=True: deleting source files is not supported; do it yourself")
