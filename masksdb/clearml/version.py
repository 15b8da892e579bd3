"""One version in one database: its frames, labels and metadata, read and written."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

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

Frame = SingleFrame | FrameGroup | Mapping[str, Any]
"""A frame object, or the JSON object of one."""


@dataclass(frozen=True)
class BoundVersion:
    """A version in the database that it came from.

    Attributes:
        engine: the database it lives in.
        version_id: its key in the table ``versions``.
    """

    engine: Engine
    version_id: int

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
        """Whether it may still be written to."""
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
        found = find_frame(self.engine, self.version_id, frame_id)
        frame = frame_from_dict(found.frame)
        details = self._details
        frame.origin = {"Dataset Name": details.dataset_name, "Version Name": details.version_name}
        frame.media_root = found.media_root
        frame.prefixes = self.engine.settings.prefixes
        return frame

    def add_frames(
        self,
        frames: Iterable[Frame],
        warn_on_duplicate_frames: bool = False,
        batch_size: int = 1000,
        refresh_version_stats: bool = True,
        auto_upload_destination: str | None = None,
        local_dataset_root_path: str | os.PathLike[str] | None = None,
        upload_retries: int = 5,
    ) -> list[dict[str, Any]]:
        """Save frames in this draft; those whose id it has already are replaced.

        Args:
            frames: SingleFrames, FrameGroups, or JSON objects of frames. Relative URIs are relative to the working
                directory, or to where a frame that came from a database was relative to.
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
        given = list(frames)
        sources = []
        for root, group in itertools.groupby(enumerate(given), key=lambda each: getattr(each[1], "media_root", None)):
            numbered = list(group)
            dicts = [_frame_dict(frame) for _, frame in numbered]
            sources.append(FramesAt(dicts, root, numbered[0][0]))
        if not sources:
            return []
        details = self._details
        report = ingest(
            self.engine, *sources, dataset=details.dataset_name, version=self.version_id, on_error="skip"
        )  # fmt: skip
        return [
            {"frame": given[error.record or 0], "error": str(error), "error_type": "validation"}
            for error in report.errors
        ]

    def update_frames(
        self,
        frames: Iterable[Frame],
        batch_size: int = 1000,
        refresh_version_stats: bool = True,
    ) -> None:
        """Save frames in this draft in place of those of the same ids, own or inherited.

        Raises:
            VersionPublishedError: the version is published.
            UsageError: a frame is not what it should be; the others are saved.
        """
        for failure in self.add_frames(frames):
            raise UsageError(failure["error"])

    def delete_frames(
        self,
        frames: Iterable[Frame | str],
        batch_size: int = 1000,
        refresh_version_stats: bool = True,
        delete_sources: bool = False,
    ) -> None:
        """Delete frames, given as objects or by id, from this draft; its parents keep theirs.

        Raises:
            VersionPublishedError: the version is published.
            NotFoundError: it has no frame of such an id.
        """
        refuse_deleting_sources(delete_sources)
        ids = [frame if isinstance(frame, str) else str(_frame_dict(frame).get("id")) for frame in frames]
        with self.engine.transaction() as cursor:
            versions.delete_frames(cursor, self.version_id, ids)

    def commit_version(self) -> bool:
        """Every change is committed when its call returns, so this does nothing; True."""
        return True

    def publish_version(self) -> bool:
        """Freeze the version: from now on every write to it is refused. Publishing twice changes nothing; True."""
        with self.engine.transaction() as cursor:
            versions.publish_version(cursor, self.version_id)
        return True

    def set_version_name(self, name: str) -> bool:
        """Give the draft another name; True."""
        with self.engine.transaction() as cursor:
            versions.rename_version(cursor, self.version_id, name)
        return True

    def get_metadata(self) -> dict[str, Any]:
        """The version's metadata, a dict of its own; ``mask_labels`` by mask id, ``_all_`` being every mask."""
        return self._details.metadata

    def set_metadata(self, metadata: Mapping[str, Any]) -> bool:
        """Replace the version's metadata; ``mask_labels`` stays where the new metadata has none; True.

        Raises:
            UsageError: the metadata is not JSON, or its ``mask_labels`` are not label mappings; also a ValueError.
            VersionPublishedError: the version is published.
        """
        with self.engine.transaction() as cursor:
            versions.set_metadata(cursor, self.version_id, metadata)
        return True

    def set_masks_labels(self, masks_labels: MaskLabels) -> bool:
        """Say what pixel values mean in every mask of the version, in place of what was said before; True.

        Args:
            masks_labels: for example ``{(0, 0, 0): ["background"], (1, 1, 1): ["person", "sitting"]}``. What
                single masks have of their own is kept.

        Raises:
            UsageError: a key is not 1, 3 or 4 integers from -1 to 65535, or a value not a list of labels.
            VersionPublishedError: the version is published.
        """
        metadata = self.get_metadata()
        metadata["mask_labels"] = {**metadata.get("mask_labels", {}), EVERY_MASK: entries_of(masks_labels)}
        return self.set_metadata(metadata)

    def get_masks_labels(self) -> dict[tuple[int, ...], tuple[str, ...]]:
        """What :meth:`set_masks_labels` has set: labels by pixel value."""
        entries = self.get_metadata().get("mask_labels", {}).get(EVERY_MASK, [])
        return {tuple(entry["value"]): tuple(entry["labels"]) for entry in entries}


def _frame_dict(frame: Frame) -> dict[str, Any]:
    return frame.to_dict() if isinstance(frame, SingleFrame | FrameGroup) else dict(frame)


def refuse_deleting_sources(delete_sources: bool) -> None:
    """Raise UnsupportedFormatError where source files are to be deleted."""
    if delete_sources:
        raise UnsupportedFormatError("delete_sources=True: deleting source files is not supported; do it yourself")
