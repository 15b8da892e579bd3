"""Frames of one source as objects, under the name that ClearML users know: ``SingleFrame``."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from typing import Any, cast

from masksdb.clearml.annotations import Annotation, Fresh, ImageAnnotation, Mask, annotations_of
from masksdb.clearml.frame_base import DEFAULT_SOURCE, FrameObject, Member, frame_dict, random_id, stable_id
from masksdb.errors import MaskDecodeError, MasksDBError, UsageError
from masksdb.pixels.media import locate


class SingleFrame(FrameObject):
    """A frame with one source: an image, or one point in time of a video."""

    def __init__(
        self,
        id: str | int | None = None,
        source: str | None = None,
        width: int | None = None,
        height: int | None = None,
        timestamp: int | None = None,
        size: int | None = None,
        hash: str | None = None,
        preview_uri: str | None = None,
        preview_uri_timestamp: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        annotations: Sequence[Annotation] | None = None,
        mask_source: str | None = None,
        context_id: str | None = None,
    ) -> None:
        """A new frame.

        Args:
            id: its id; None computes one from the source and timestamp, or draws a random one without a source.
            source: URI of the image or video.
            width: pixels.
            height: pixels.
            timestamp: milliseconds into the video.
            size: bytes.
            hash: hash of the content of the source.
            preview_uri: URI of an image or video to show in place of the source.
            preview_uri_timestamp: milliseconds into the preview, if it is a video.
            metadata: any JSON object.
            annotations: its annotations.
            mask_source: URI of its mask; the mask gets the id ``00``.
            context_id: an id that the frames of one context share; None is the URI of the source.
        """
        super().__init__()
        self._source: dict[str, Any] = {"id": DEFAULT_SOURCE}
        self._loaded_as: str | None = None
        new_id = stable_id(source, timestamp or 0) if source else random_id()
        self.id = new_id if id is None else id
        self.source, self.width, self.height, self.timestamp = source, width, height, timestamp
        self.size, self.hash = size, hash
        self.preview_uri, self.preview_uri_timestamp = preview_uri, preview_uri_timestamp
        if metadata is not None:
            self.metadata = dict(metadata)
        self.annotations: list[Annotation] = list(annotations or [])
        self.context_id = context_id
        if mask_source is not None:
            self.mask_source = mask_source

    width = Member[int]("_source", "width")
    height = Member[int]("_source", "height")
    size = Member[int]("_source", "size")
    hash = Member[str]("_source", "hash")
    source = Member[str]("_source", "uri")

    @property
    def timestamp(self) -> int:
        """Milliseconds into the video; 0 for a still."""
        return cast("int", self._source.get("timestamp", self._object.get("timestamp", 0)))

    @timestamp.setter
    def timestamp(self, value: int | None) -> None:
        for holder in (self._source, self._object):
            if value is None:
                holder.pop("timestamp", None)
            else:
                holder["timestamp"] = value

    @property
    def context_id(self) -> str | None:
        """The id that frames of one context share: its own, else the URI of the source."""
        return cast("str | None", self._object.get("context_id", self.source))

    @context_id.setter
    def context_id(self, value: str | None) -> None:
        if value is None:
            self._object.pop("context_id", None)
        else:
            self._object["context_id"] = value

    @property
    def sourcedata(self) -> dict[str, Any]:
        """Any JSON object about the source; change it in place."""
        return cast("dict[str, Any]", self._source.setdefault("meta", Fresh()))

    @property
    def preview_uri(self) -> str | None:
        """URI of an image or video to show in place of the source."""
        return cast("str | None", self._preview().get("uri"))

    @preview_uri.setter
    def preview_uri(self, value: str | None) -> None:
        self._set_preview("uri", value)

    preview_source = preview_uri

    @property
    def preview_uri_timestamp(self) -> int:
        """Milliseconds into the preview, if it is a video."""
        return cast("int", self._preview().get("timestamp", 0))

    @preview_uri_timestamp.setter
    def preview_uri_timestamp(self, value: int | None) -> None:
        self._set_preview("timestamp", value)

    def _preview(self) -> dict[str, Any]:
        preview = self._source.get("preview")
        return preview if isinstance(preview, dict) else {} if preview is None else {"uri": preview}

    def _set_preview(self, key: str, value: Any) -> None:
        preview = {name: member for name, member in self._preview().items() if name != key}
        if value is not None:
            preview[key] = value
        if preview:
            self._source["preview"] = preview
        else:
            self._source.pop("preview", None)

    @property
    def masks_source(self) -> dict[str, str]:
        """URIs of its masks by mask id; assign such a dict, or a list of URIs, which get the ids ``00``, ``01``, ..."""
        return {str(mask.get("id", "")): mask.get("uri") for mask in self._source.get("masks") or []}

    @masks_source.setter
    def masks_source(self, value: Mapping[str, str] | Sequence[str]) -> None:
        uris = value if isinstance(value, Mapping) else {f"{index:02d}": uri for index, uri in enumerate(value)}
        known = {str(mask.get("id")): mask for mask in self._source.get("masks") or []}
        self._source["masks"] = [{**known.get(str(name), {}), "id": name, "uri": uri} for name, uri in uris.items()]

    @property
    def mask_source(self) -> str | None:
        """URI of its first mask; assigning one makes it the only mask."""
        return next(iter(self.masks_source.values()), None)

    @mask_source.setter
    def mask_source(self, value: str | None) -> None:
        self.masks_source = [] if value is None else [value]

    def add_annotation(
        self,
        poly2d_xy: Sequence[Any] | None = None,
        poly3d_xyz: Sequence[Any] | None = None,
        points2d_xy: Sequence[Any] | None = None,
        points3d_xyz: Sequence[Any] | None = None,
        box2d_xywh: Sequence[float] | None = None,
        box3d_xyzwhxyzwh: Sequence[float] | None = None,
        ellipse2d_xyrrt: Sequence[float] | None = None,
        mask_rgb: Sequence[int] | None = None,
        frame_class: Sequence[str] | None = None,
        id: str | None = None,
        labels: Sequence[str] | None = None,
        confidence: float | None = None,
        metadata: Mapping[str, Any] | None = None,
        mask_id: str | None = None,
    ) -> list[int]:
        """Annotate the frame; several shapes become several annotations with the same id.

        Args:
            poly2d_xy: a polygon x, y, x, y, ... in pixels, or a list of such, which form one region.
            poly3d_xyz: a 3D polygon x, y, z, x, y, z, ...
            points2d_xy: points x, y, x, y, ...
            points3d_xyz: points x, y, z, x, y, z, ...
            box2d_xywh: left, top, width and height in pixels, and optionally an angle in radians.
            box3d_xyzwhxyzwh: x, y, z, width and height of the front, then of the back.
            ellipse2d_xyrrt: cx, cy, rx, ry in pixels and an angle in radians.
            mask_rgb: a colour in a mask: 3 integers, or 1 (a palette index or grey level), or 4 (RGBA).
            frame_class: labels of the whole frame.
            id: the id of the annotations; None makes a new one.
            labels: their labels; without a shape, labels of the whole frame.
            confidence: 0 to 1.
            metadata: any JSON object.
            mask_id: id of the mask that has the colour ``mask_rgb``.

        Returns:
            The indexes of the new annotations.

        Raises:
            UsageError: a shape has the wrong number of numbers; also a ValueError.

        >>> frame = SingleFrame(source="a.png", mask_source="mask.png")
        >>> frame.add_annotation(mask_rgb=(0, 0, 142), labels=["car"], id="c1")
        [0]
        >>> frame.to_dict()["rois"]
        [{'id': 'c1', 'label': ['car'], 'mask': {'value': [0, 0, 142]}}]
        """
        arguments = {
            "poly2d_xy": poly2d_xy,
            "poly3d_xyz": poly3d_xyz,
            "points2d_xy": points2d_xy,
            "points3d_xyz": points3d_xyz,
            "box2d_xywh": box2d_xywh,
            "box3d_xyzwhxyzwh": box3d_xyzwhxyzwh,
            "ellipse2d_xyrrt": ellipse2d_xyrrt,
        }
        common: dict[str, Any] = {"id": id or self._new_id(), "confidence": confidence, "metadata": metadata}
        shapes = {argument: values for argument, values in arguments.items() if values is not None}
        added = list(annotations_of(shapes, labels=labels, **common))
        if mask_rgb is not None:
            added.append(Mask(mask_rgb, labels=labels, mask_id=mask_id, **common))
        if frame_class is not None or not added:
            added.append(ImageAnnotation(frame_class, labels=None if frame_class else labels, **common))
        self.annotations += added
        return list(range(len(self.annotations) - len(added), len(self.annotations)))

    def _new_id(self) -> str:
        # The same calls give the same ids, so that running a script again changes nothing.
        known = {annotation.id for annotation in self.annotations}
        candidates = (stable_id(self.id, number) for number in itertools.count(len(self.annotations)))
        return next(candidate for candidate in candidates if candidate not in known)

    def get_annotations(self, id: str | None = None, index: int | None = None) -> list[Annotation]:
        """All its annotations, or those with an id, or the one at an index."""
        if index is not None:
            return self.annotations[index : index + 1]
        return [annotation for annotation in self.annotations if id is None or annotation.id == id]

    def remove_annotation(self, index: int | None = None) -> Annotation | None:
        """Remove and return the annotation at an index; None if there is none."""
        if index is None or not 0 <= index < len(self.annotations):
            return None
        return self.annotations.pop(index)

    def remove_annotations(
        self, id: str | None = None, label: str | None = None, labels: Sequence[str] | None = None
    ) -> list[Annotation]:
        """Remove and return the annotations that have this id, this label and exactly these labels; None is any."""

        def is_removed(annotation: Annotation) -> bool:
            return (
                (id is None or annotation.id == id)
                and (label is None or label in annotation.labels)
                and (labels is None or annotation.labels == list(labels))
            )

        removed = [annotation for annotation in self.annotations if is_removed(annotation)]
        self.annotations = [annotation for annotation in self.annotations if not is_removed(annotation)]
        return removed

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of the frame, a copy."""
        return frame_dict(self._object, [self._source], [annotation.roi for annotation in self.annotations])

    def get_local_source(
        self, raise_on_error: bool = False, skip_size_check: bool = False, force_download: bool = False
    ) -> str | None:
        """The path of a local file with the content of the source, fetched if needed; None and a log line on failure.

        Args:
            raise_on_error: raise a ValueError instead.
            skip_size_check: accept an empty file.
            force_download: no effect; a file that has changed is fetched again anyway.
        """
        return self._local(self.source, raise_on_error, skip_size_check, force_download)

    def get_local_preview_source(
        self, raise_on_error: bool = False, skip_size_check: bool = False, force_download: bool = False
    ) -> str | None:
        """The same for the preview; see :meth:`get_local_source`."""
        return self._local(self.preview_uri, raise_on_error, skip_size_check, force_download)

    def get_local_mask_source(
        self,
        raise_on_error: bool = False,
        mask_id: str | None = None,
        skip_size_check: bool = False,
        force_download: bool = False,
    ) -> str | None:
        """The same for the mask with an id, or the first mask; see :meth:`get_local_source`."""
        uri = self.mask_source if mask_id is None else self.masks_source.get(mask_id)
        return self._local(uri, raise_on_error, skip_size_check, force_download)

    def get_local_masks_source(
        self, raise_on_error: bool = False, skip_size_check: bool = False, force_download: bool = False
    ) -> dict[str, str | None]:
        """The same for all masks, by mask id; see :meth:`get_local_source`."""
        return {
            mask_id: self._local(uri, raise_on_error, skip_size_check, force_download)
            for mask_id, uri in self.masks_source.items()
        }

    def _local(self, uri: str | None, raise_on_error: bool, skip_size_check: bool, force_download: bool) -> str | None:
        try:
            if not uri:
                raise MaskDecodeError("get_local_source", "the frame names no file")
            resolved = uri if "://" in uri else os.path.join(self.media_root or "", uri)
            file = locate(resolved, self.prefixes)
            if not file.size and not skip_size_check:
                raise MaskDecodeError(uri, "an empty file")
            return file.path
        except MasksDBError as error:
            if raise_on_error:
                raise UsageError(f"no local file: {error}") from None
            import logging  # imported here to keep the start of the program fast

            logging.getLogger("masksdb").warning("no local file: %s", error)
        return None
