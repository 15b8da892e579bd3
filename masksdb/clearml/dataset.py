"""Datasets under the name that ClearML users know, ``Dataset``.

Names, arguments and behaviour follow the public documentation of ClearML Hyper-Datasets. Class methods use the default
database (see :func:`masksdb.set_default`); objects belong to the database that returned them. Arguments that
only matter with a server (such as ``show_progress``) are accepted and have no effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from masksdb.clearml.arguments import Id, id_or_name, one_of
from masksdb.clearml.default_database import default_engine
from masksdb.clearml.version import DatasetVersion, refuse_deleting_sources
from masksdb.errors import NotFoundError, UsageError
from masksdb.store import datasets, versions
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
        """The dataset of that name, created with an empty draft ``Current`` if it does not exist.

        Args:
            dataset_name: its name, unique in the database.
            comment: its description.
            tags: short texts; an existing dataset gets those that it does not have yet.
            raise_if_exists: raise instead of returning an existing dataset.
            dataset_project: the project that a new dataset belongs to.

        Raises:
            UsageError: it exists and ``raise_if_exists`` is set; also a ValueError.
        """
        engine = default_engine(create=True)
        with engine.transaction() as cursor:
            dataset_id = datasets.create_dataset(
                cursor,
                dataset_name,
                description=comment,
                tags=tags or (),
                project=dataset_project,
                raise_if_exists=raise_if_exists,
            )
        return cls(engine, dataset_id)

    @classmethod
    def get(
        cls, dataset_id: Id | None = None, dataset_name: str | None = None, dataset_project: str | None = None
    ) -> Dataset:
        """The dataset of that name or id.

        Raises:
            NotFoundError: no such dataset, or it is in another project.
            UsageError: neither id nor name is passed, or both.
        """
        key = id_or_name("dataset", dataset_id, dataset_name)
        if key is None:
            raise UsageError("dataset: not named; give dataset_name or dataset_id")
        engine = default_engine()
        with engine.reading() as cursor:
            dataset = cls(engine, versions.find_dataset(cursor, key))
        if dataset_project is not None and dataset.project != dataset_project:
            raise NotFoundError(f"dataset {key!r}: not in the project {dataset_project!r} but in {dataset.project!r}")
        return dataset

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
            delete_all_versions: delete its versions too; without this it must have none.
            force: delete published versions too.
            delete_sources: not supported; ignored without ``delete_all_versions``.
            show_progress: no effect.
            dataset_project: the project that it must be in.

        Raises:
            NotFoundError: no such dataset.
            UsageError: it has versions and ``delete_all_versions`` is not set.
            VersionPublishedError: a version is published and ``force`` is not set.
        """
        if delete_all_versions:
            refuse_deleting_sources(delete_sources)
        dataset = Dataset.get(dataset_id, dataset_name, dataset_project)
        with dataset.engine.transaction() as cursor:
            datasets.delete_dataset(cursor, dataset.name, with_versions=delete_all_versions, force=force)

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
        """Its description."""
        description: str | None = self._column("description")
        return description

    @property
    def tags(self) -> list[str]:
        """Its tags, in the order they were added."""
        return list(self._column("tags") or [])

    def _column(self, name: str) -> Any:
        with self.engine.reading() as cursor:
            return datasets.dataset_row(cursor, self.id)[name]

    def add_tags(self, tags: str | Sequence[str]) -> None:
        """Add the tags that it does not have yet."""
        with self.engine.transaction() as cursor:
            datasets.add_tags(cursor, self.id, [tags] if isinstance(tags, str) else tags)

    def remove_tags(self, tags: str | Sequence[str] | None = None) -> None:
        """Remove these tags, or all of them."""
        removed = self.tags if tags is None else [tags] if isinstance(tags, str) else tags
        with self.engine.transaction() as cursor:
            datasets.set_tags(cursor, self.id, [tag for tag in self.tags if tag not in removed])

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
        dataset = self.name
        with self.engine.transaction() as cursor:
            row = versions.create_version(
                cursor,
                dataset,
                version_name,
                parents=parents or (),
                comment=description,
                raise_if_exists=raise_if_exists,
            )
        return DatasetVersion(self.engine, row.version_id)

    def get_version(self, version_id: Id | None = None, version_name: str | None = None) -> DatasetVersion:
        """The version of that name or id; without either, the newest draft, else the newest published version."""
        dataset, version = self.name, id_or_name("version", version_id, version_name)
        with self.engine.reading() as cursor:
            return DatasetVersion(self.engine, versions.find_version(cursor, dataset, version).version_id)

    def get_versions(self, only_published: bool = False, only_draft: bool = False) -> list[DatasetVersion]:
        """Its versions, or only the published ones or the drafts, newest first."""
        dataset, is_left_out = self.name, {"draft": only_published, "published": only_draft}
        with self.engine.reading() as cursor:
            rows = versions.list_versions(cursor, dataset)
        ids = sorted((row.version_id for row in rows if not is_left_out[row.status]), reverse=True)
        return [DatasetVersion(self.engine, version_id) for version_id in ids]

    def delete_version(
        self,
        version_id: Id | None = None,
        version_name: str | None = None,
        force: bool = False,
        delete_sources: bool = False,
        show_progress: bool = True,
    ) -> None:
        """Delete a draft, or with ``force`` a published version, unless another version inherits from it.

        Raises:
            NotFoundError: no version of exactly that name or id: ``Current`` stands for no other here.
            VersionPublishedError: it is published and ``force`` is not set.
            UsageError: it is not named, or other versions inherit from it.
        """
        refuse_deleting_sources(delete_sources)
        if version_id is None and version_name is None:
            raise UsageError("delete_version: not named; give version_id or version_name")
        version = self.get_version(version_id, version_name)
        if version_name is not None and version.version_name != version_name:
            names = [known.version_name for known in self.get_versions()]
            raise NotFoundError.named("version", version_name, f"dataset {self.name!r}", names)
        with self.engine.transaction() as cursor:
            versions.delete_version(cursor, version.version_id, force=force)
