"""The base of frame objects: each holds the JSON object of its frame and changes it in place.

So unknown keys of a stored frame are kept when the frame is saved again.
"""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Mapping
from typing import Any, Generic, TypeVar, cast, overload

from masksdb.clearml.annotations import Fresh, plain

DEFAULT_SOURCE = "default"
"""The id of the only source of a SingleFrame."""

Value = TypeVar("Value")


class Member(Generic[Value]):
    """A member of a frame's or source's JSON object as an attribute; None is an absent member."""

    def __init__(self, holder: str, key: str) -> None:
        self.holder = holder
        self.key = key

    @overload
    def __get__(self, frame: None, owner: type) -> Member[Value]: ...
    @overload
    def __get__(self, frame: object, owner: type) -> Value | None: ...
    def __get__(self, frame: object | None, owner: type) -> Member[Value] | Value | None:
        if frame is None:
            return self
        return cast("Value | None", getattr(frame, self.holder).get(self.key))

    def __set__(self, frame: object, value: Value | None) -> None:
        holder = getattr(frame, self.holder)
        if value is None:
            holder.pop(self.key, None)
        else:
            holder[self.key] = value


class FrameObject:
    """The base of SingleFrame and FrameGroup.

    Attributes:
        origin: names of the dataset and version that the frame was read from; empty for a new frame.
        media_root: the folder that its relative URIs are relative to; None is the working directory.
        prefixes: URI prefixes that its database maps, and what they are replaced by.
    """

    def __init__(self) -> None:
        self._object: dict[str, Any] = {}
        self.origin: dict[str, str] = {}
        self.media_root: str | None = None
        self.prefixes: Mapping[str, str] = {}

    blob = Member[str]("_object", "blob")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.to_dict()})"

    @property
    def id(self) -> str:
        """The frame's id, unique in its version."""
        return str(self._object.get("id", ""))

    @id.setter
    def id(self, value: str | int) -> None:
        self._object["id"] = str(value)

    @property
    def metadata(self) -> dict[str, Any]:
        """Any JSON object about the whole frame; change it in place or assign another."""
        return cast("dict[str, Any]", self._object.setdefault("meta", Fresh()))

    @metadata.setter
    def metadata(self, value: Mapping[str, Any] | None) -> None:
        self._object["meta"] = dict(value or {})

    meta = metadata

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of the frame, a copy."""
        raise NotImplementedError

    def copy(self) -> Any:
        """A copy of the frame with a new random id."""
        other = copy.deepcopy(self)
        other.id = random_id()
        return other


def frame_dict(frame: Mapping[str, Any], sources: list[dict[str, Any]], rois: list[dict[str, Any]]) -> dict[str, Any]:
    """A copy of a frame's JSON object with these sources and ROIs; empty lists that it did not have are left out."""
    whole = {key: value for key, value in frame.items() if key not in ("sources", "rois")}
    if sources != [{"id": DEFAULT_SOURCE}] and (sources or "sources" in frame):
        whole["sources"] = sources
    if rois or "rois" in frame:
        whole["rois"] = rois
    return cast("dict[str, Any]", plain(whole))


def stable_id(*parts: object) -> str:
    """An id computed from its parts, always the same for the same parts."""
    return hashlib.md5("\n".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()


def random_id() -> str:
    """A random id."""
    return os.urandom(16).hex()
