"""Datasets and versions under the names that ClearML users know: ``Dataset`` and ``DatasetVersion``.

Names, arguments and behaviour follow the public documentation of ClearML Hyper-Datasets. Class methods use the default
database (see :func:`masksdb.set_default`); objects belong to the database that they came from. Arguments that only mean
something with a server (``batch_size``, ``upload_retries``, ``refresh_version_stats``) are taken and have no effect.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from masksdb.clearml.default_database import default_engine
from masksdb.clearml.frame_group import FrameGroup
from masksdb.clearml.single_frame import SingleFrame
from masksdb.clearml.version import BoundVersion, refuse_deleting_sources
from masksdb.errors import UsageError
from masksdb.store import catalog, versions
from masksdb.store.catalog import Id, id_or_name, one_of
from masksdb.store.engine import Engine


@dataclass(frozen=True)
class Dataset:
    """A dataset: get one with :meth:`get` or :meth:`create`.

    Attributes:
        engine: the database it lives in.
        id: its key in the table ``datasets``.
    """

    engine: Engine
    id: int

    @classmethod
    def create(
        cls,
        dataset_name: str,
        comment: str | None = None,
        tags: Sequence[str] | None = None,
        raise_if_exists: bool = False,
        dataset_project: str | None = None,
    ) -> Dataset:
        """The dataset of that name; where there is none it is made, with an empty draft ``Current``.

        Args:
            dataset_name: its name, unique in the database.
            comment: what it is about.
            tags: short texts; those that an existing dataset lacks are added to its tags.
            raise_if_exists: do not return an existing one.
            dataset_project: the project that a new dataset belongs to.

        Raises:
            UsageError: it exists and ``raise_if_exists``; also a ValueError.
        """
        engine = default_engine()
        return cls(
            engine, catalog.create_dataset(engine, dataset_name, comment, tags, raise_if_exists, dataset_project)
        )

    @classmethod
    def get(
        cls, dataset_id: Id | None = None, dataset_name: str | None = None, dataset_project: str | None = None
    ) -> Dataset:
        """The dataset of that name or id.

        Raises:
            NotFoundError: no such dataset, or in another project.
        """
        engine = default_engine()
        return cls(engine, catalog.get_dataset(engine, dataset_id, dataset_name, dataset_project))

    @classmethod
    def delete(
        cls,
        dataset_id: Id | None = None,
        dataset_name: str | None = None,
        delete_all_versions: bool = False,
        force: bool = False,
        delete_sources: bool = False,
        show_progress: bool = True,
        dataset_project: str | None = None,
    ) -> None:
        """Delete a dataset.

        Args:
            dataset_id: its id, or
            dataset_name: its name.
            delete_all_versions: with all its versions; else it must have none.
            force: even where versions are published.
            delete_sources: not supported; ignored without ``delete_all_versions``.
            show_progress: no effect.
            dataset_project: the project that it is looked for in.

        Raises:
            NotFoundError: no such dataset.
            UsageError: it has versions and not ``delete_all_versions``.
            VersionPublishedError: a version is published and not ``force``.
        """
        if delete_all_versions:
            refuse_deleting_sources(delete_sources)
        dataset = Dataset.get(dataset_id, dataset_name, dataset_project)
        with dataset.engine.transaction() as cursor:
            versions.delete_dataset(cursor, dataset.name, with_versions=delete_all_versions, force=force)

    @property
    def name(self) -> str:
        """Its name."""
        return str(self._column("name"))

    @property
    def project(self) -> str | None:
        """The project that it belongs to."""
        project: str | None = self._column("project")
        return project

    @property
    def description(self) -> str | None:
        """What it is about."""
        description: str | None = self._column("description")
        return description

    @property
    def tags(self) -> list[str]:
        """Its tags, in the order in which they were added."""
        return list(self._column("tags") or [])

    def _column(self, name: str) -> Any:
        with self.engine.reading() as cursor:
            return versions.dataset_row(cursor, self.id)[name]

    def add_tags(self, tags: str | Sequence[str]) -> None:
        """Add tags to those that it has."""
        with self.engine.transaction() as cursor:
            versions.add_tags(cursor, self.id, [tags] if isinstance(tags, str) else tags)

    def remove_tags(self, tags: str | Sequence[str] | None = None) -> None:
        """Remove these tags, or all of them."""
        removed = self.tags if tags is None else [tags] if isinstance(tags, str) else tags
        with self.engine.transaction() as cursor:
            versions.set_tags(cursor, self.id, [tag for tag in self.tags if tag not in removed])

    def create_version(
        self,
        version_name: str,
        description: str | None = None,
        parent_version_ids: Sequence[Id] | None = None,
        parent_version_names: Sequence[str] | None = None,
        raise_if_exists: bool = False,
    ) -> DatasetVersion:
        """A version of this dataset; see :meth:`DatasetVersion.create_version`."""
        parents = one_of("parent_version_ids", parent_version_ids, "parent_version_names", parent_version_names)
        version_id = catalog.create_version(
            self.engine, self.name, version_name, parents or (), description, raise_if_exists
        )
        return DatasetVersion(self.engine, version_id)

    def get_version(self, version_id: Id | None = None, version_name: str | None = None) -> DatasetVersion:
        """The version of that name or id; without either the newest draft, else the newest published."""
        wanted = id_or_name(version_id, version_name)
        return DatasetVersion(self.engine, catalog.open_version(self.engine, self.name, wanted))

    def get_versions(self, only_published: bool = False, only_draft: bool = False) -> list[DatasetVersion]:
        """Its versions, or only the published ones or the drafts, the newest first."""
        found = catalog.list_versions(self.engine, self.name, only_published=only_published, only_draft=only_draft)
        return [DatasetVersion(self.engine, version_id) for version_id in found]

    def delete_version(
        self,
        version_id: Id | None = None,
        version_name: str | None = None,
        force: bool = False,
        delete_sources: bool = False,
        show_progress: bool = True,
    ) -> None:
        """Delete a draft, or with ``force`` a published version, that no other inherits from.

        Raises:
            NotFoundError: no such version.
            VersionPublishedError: it is published and not ``force``.
            UsageError: other versions inherit from it.
        """
        refuse_deleting_sources(delete_sources)
        version = self.get_version(version_id, version_name)
        with self.engine.transaction() as cursor:
            versions.delete_version(cursor, version.version_id, force=force)


@dataclass(frozen=True)
class DatasetVersion(BoundVersion):
    """One version of a dataset: get one with :meth:`get_version` or :meth:`create_version`."""

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
        return Dataset.create(dataset_name, description, tags, raise_if_exists, dataset_project)

    @classmethod
    def get_current(
        cls, dataset_id: Id | None = None, dataset_name: str | None = None, dataset_project: str | None = None
    ) -> DatasetVersion:
        """The newest draft of a dataset, else its newest published version."""
        return Dataset.get(dataset_id, dataset_name, dataset_project).get_version()

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

        Without either it is the newest draft, else the newest published, with a warning where there are several
        versions (an error with ``raise_on_multiple``).

        Raises:
            NotFoundError: no such dataset or version; also a ValueError.
        """
        dataset = Dataset.get(dataset_id, dataset_name, dataset_project)
        found = dataset.get_version(version_id, version_name)
        if version_id is None and version_name is None and (count := len(dataset.get_versions())) > 1:
            message = f"dataset {dataset.name!r} has {count} versions; this is {found.version_name!r}"
            if raise_on_multiple:
                raise UsageError(f"{message}; name the one you want")
            warnings.warn(message, stacklevel=2)
        return found

    @classmethod
    def get_versions(
        cls,
        dataset_name: str | None = None,
        dataset_id: Id | None = None,
        only_published: bool = False,
        only_draft: bool = False,
        dataset_project: str | None = None,
    ) -> list[DatasetVersion]:
        """The versions of a dataset, or only the published ones or the drafts, the newest first."""
        dataset = Dataset.get(dataset_id, dataset_name, dataset_project)
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
        """A draft, made where the dataset has no version of that name.

        Args:
            version_name: its name.
            description: free text.
            dataset_id: the id of its dataset, or
            dataset_name: the name, of a dataset that is made where there is none.
            parent_version_ids: published versions that it inherits from, by id, or
            parent_version_names: by name; where two hold a frame id, the first wins.
            raise_if_exists: do not return an existing version.
            dataset_project: the project that the dataset is looked for in.

        Raises:
            UsageError: it exists and ``raise_if_exists``, or a parent is a draft; also a ValueError.
            NotFoundError: no such parent.
        """
        parents = one_of("parent_version_ids", parent_version_ids, "parent_version_names", parent_version_names)
        engine = default_engine()
        if dataset_id is not None or dataset_project is not None or dataset_name is None:
            dataset_name = Dataset.get(dataset_id, dataset_name, dataset_project).name
        version_id = catalog.create_version(
            engine, dataset_name, version_name, parents or (), description, raise_if_exists
        )
        return cls(engine, version_id)

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
        """Publish a draft under a name of its own, and go on in a new draft that inherits it.

        Args:
            version_name: the draft, by name, or
            version_id: by id; without either the only draft of the dataset.
            dataset_name: its dataset, by name, or
            dataset_id: by id.
            publish_name: what it is called from then on; without it ``snapshot`` and the time, as in
                ``snapshot 2020-03-26T16:55:38.441671``.
            publish_comment: its comment from then on.
            publish_metadata: joins its metadata.
            child_name: what the new draft is called; without it ``Current``.
            child_comment: its comment.
            child_metadata: its metadata, beside the inherited ``mask_labels``.
            dataset_project: the project that the dataset is looked for in.

        Returns:
            The new draft; the snapshot keeps its id.

        Raises:
            UsageError: no version is named and the dataset has not just one draft, or a name is taken.
            VersionPublishedError: the version is published.
        """
        dataset = Dataset.get(dataset_id, dataset_name, dataset_project)
        child_id = catalog.create_snapshot(
            dataset.engine,
            dataset.name,
            id_or_name(version_id, version_name),
            publish_name=publish_name,
            publish_comment=publish_comment,
            publish_metadata=publish_metadata,
            child_name=child_name,
            child_comment=child_comment,
            child_metadata=child_metadata,
        )
        return cls(dataset.engine, child_id)

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
        """A frame of a version as an object: a SingleFrame where its only source is ``default``, else a FrameGroup.

        Raises:
            NotFoundError: no such dataset, version or frame.
        """
        dataset = Dataset.get(dataset_id, dataset_name, dataset_project)
        return dataset.get_version(version_id, version_name).get_frame(frame_id)
