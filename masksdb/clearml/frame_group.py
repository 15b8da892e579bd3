"""Frames of several sources as objects, under the name that ClearML users know: ``FrameGroup``."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from masksdb.clearml.annotations import Annotation
from masksdb.clearml.frame_base import DEFAULT_SOURCE, FrameObject, frame_dict, stable_id
from masksdb.clearml.single_frame import SingleFrame
from masksdb.errors import UsageError


class FrameGroup(FrameObject, MutableMapping[str, SingleFrame]):
    """A frame of several sources: a dict of SingleFrames by the names of the sources.

    Each SingleFrame is one source with its masks and annotations; its metadata is stored in the metadata of the group,
    under the name of the source.

    >>> group = FrameGroup(front=SingleFrame(source="front.png"), rear=SingleFrame(source="rear.png"))
    >>> group["front"].metadata["fov"] = 120
    >>> [source["id"] for source in group.to_dict()["sources"]], group.to_dict()["meta"]
    (['front', 'rear'], {'front': {'fov': 120}})
    """

    def __init__(
        self,
        id: str | int | None = None,
        metadata: Mapping[str, Any] | None = None,
        *frames: Mapping[str, SingleFrame],
        **named: SingleFrame,
    ) -> None:
        """A new group.

        Args:
            id: its id; None computes one from the names and sources of the frames.
            metadata: any JSON object; no key may be the name of a frame.
            frames: SingleFrames by name.
            named: SingleFrames by name.
        """
        super().__init__()
        self._frames: dict[str, SingleFrame] = {}
        self._shared: list[Annotation] = []
        if id is not None:
            self.id = id
        if metadata is not None:
            self.metadata = dict(metadata)
        for frames_by_name in (*frames, named):
            self.update(frames_by_name)

    @property
    def id(self) -> str:
        """The group's id, unique in its version."""
        if "id" not in self._object:
            return stable_id(*((name, frame.source, frame.timestamp) for name, frame in self.items()))
        return str(self._object["id"])

    @id.setter
    def id(self, value: str | int) -> None:
        self._object["id"] = str(value)

    def __getitem__(self, name: str) -> SingleFrame:
        return self._frames[name]

    def __setitem__(self, name: str, frame: SingleFrame) -> None:
        if not isinstance(frame, SingleFrame):
            raise UsageError(f"FrameGroup[{name!r}]: found {type(frame).__name__}, expected a SingleFrame")
        self._frames[str(name)] = frame

    def __delitem__(self, name: str) -> None:
        del self._frames[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._frames)

    def __len__(self) -> int:
        return len(self._frames)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return object.__hash__(self)

    @property
    def timestamp(self) -> int:
        """Milliseconds: its own, else that of the first SingleFrame."""
        own: int | None = self._object.get("timestamp")
        return own if own is not None else next((frame.timestamp for frame in self.values()), 0)

    @timestamp.setter
    def timestamp(self, value: int) -> None:
        self._object["timestamp"] = value

    @property
    def context_id(self) -> str | None:
        """The id that frames of one context share: its own, else that of the first SingleFrame."""
        own: str | None = self._object.get("context_id")
        return own if own is not None else next((frame.context_id for frame in self.values()), None)

    @context_id.setter
    def context_id(self, value: str) -> None:
        self._object["context_id"] = value

    def add_global_annotation(self, annotation: Annotation) -> None:
        """Add a copy of an annotation to every SingleFrame."""
        for frame in self.values():
            frame.annotations.append(annotation.copy())

    def get_global_annotations(self) -> list[Annotation]:
        """The annotations that all SingleFrames have, and those that name several sources or none."""
        lists = [frame.annotations for frame in self.values()]
        if not lists:
            return []
        return [annotation for annotation in lists[0] if all(annotation in others for others in lists)] + self._shared

    def remove_global_annotation(self, annotation: Annotation) -> bool:
        """Remove an annotation from every SingleFrame; returns whether all had it."""
        was_shared = annotation in self._shared
        self._shared = [other for other in self._shared if other != annotation]
        had = [annotation in frame.annotations for frame in self.values()]
        for frame in self.values():
            frame.annotations = [other for other in frame.annotations if other != annotation]
        return was_shared or (bool(had) and all(had))

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of the frame, a copy.

        Raises:
            UsageError: a key of the group's metadata is the name of one of its SingleFrames with metadata.
        """
        whole: dict[str, Any] = {"id": self.id, "meta": self.metadata, **self._object}
        sources, rois = [], [(annotation.place, annotation.roi) for annotation in self._shared]
        for name, frame in self.items():
            is_stored = frame._loaded_as == name
            sources.append(frame._source if is_stored else {**frame._source, "id": name})
            for annotation in frame.annotations:
                is_new = not is_stored or annotation.place == math.inf
                rois.append((annotation.place, {**annotation.roi, "sources": [name]} if is_new else annotation.roi))
            for key in ("timestamp", "context_id"):
                if key in frame._object:
                    whole.setdefault(key, frame._object[key])
            if frame._object.get("meta"):
                if name in self.metadata:
                    raise UsageError(f"metadata key {name!r}: the name of a SingleFrame of the group; use another key")
                whole["meta"] = {**whole["meta"], name: frame.metadata}
        rois.sort(key=lambda place_and_roi: place_and_roi[0])
        return frame_dict(whole, sources, [roi for _, roi in rois])


def frame_from_dict(frame: Mapping[str, Any]) -> SingleFrame | FrameGroup:
    """The object of a frame's JSON object, which is copied.

    Returns:
        A SingleFrame if the frame has no source, or one whose id is ``default`` or missing; else a FrameGroup.
    """
    whole = copy.deepcopy(dict(frame))
    sources: list[dict[str, Any]] = whole.get("sources") or []
    annotations = [Annotation.from_roi(roi) for roi in whole.get("rois") or []]
    for place, annotation in enumerate(annotations):
        annotation.place = place
    if len(sources) <= 1 and all(source.get("id") in (DEFAULT_SOURCE, None) for source in sources):
        return _single(whole, next(iter(sources), {"id": DEFAULT_SOURCE}), annotations)
    group = FrameGroup()
    group._object = whole
    for index, source in enumerate(sources):
        name = str(source.get("id", f"{index:02d}"))
        name = name if name not in group else f"{name} {index:02d}"
        own = [annotation for annotation in annotations if _source_ids(annotation) == [name]]
        meta = group.metadata.pop(name) if isinstance(group.metadata.get(name), dict) else None
        group[name] = _single({} if meta is None else {"meta": meta}, source, own)
        group[name]._loaded_as = name
    taken = {id(annotation) for single in group.values() for annotation in single.annotations}
    group._shared = [annotation for annotation in annotations if id(annotation) not in taken]
    return group


def _source_ids(annotation: Annotation) -> list[str]:
    return list(map(str, annotation.roi.get("sources") or []))


def _single(frame: dict[str, Any], source: dict[str, Any], annotations: list[Annotation]) -> SingleFrame:
    single = SingleFrame()
    single._object, single._source, single.annotations = frame, source, annotations
    return single
