"""Annotations as objects, under the names that ClearML users know; each represents one ROI of a frame.

A ROI stores polygons and boxes in ``poly`` and mask colours in ``mask``. Every shape except polygons and mask colours
is also stored unrounded, under the name of its argument (``box2d_xywh``, ``ellipse2d_xyrrt`` and so on).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, cast

from masksdb.errors import UsageError

PART_END = -999999999
"""The number that separates the parts of a complex polygon in ``poly``."""

Numbers = Sequence[float]


class Fresh(dict[str, Any]):
    """An object created on first access, such as ``metadata``; it is not stored while it is empty."""


def plain(value: Any) -> Any:
    """A copy of a JSON value without empty Fresh objects.

    >>> plain({"meta": Fresh(), "poly": (1, 2), "mask": {}})
    {'poly': [1, 2], 'mask': {}}
    """
    if isinstance(value, Mapping):
        return {key: plain(member) for key, member in value.items() if member or not isinstance(member, Fresh)}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


class Annotation:
    """The labels of a region of a frame, or of the whole frame.

    Attributes:
        roi: the JSON object that is stored.
        place: its index among the ROIs of the stored frame; infinity for a new annotation.
        argument: the argument of ``SingleFrame.add_annotation`` that takes this shape.
        label_enum: the number of its label in the DataView that returned it, -1 if the label has none.
    """

    argument: ClassVar[str] = ""
    type_name: ClassVar[str] = ""
    roi: dict[str, Any]
    place: float = math.inf
    label_enum: int | None = None

    def __init__(
        self,
        values: Any = None,
        id: str | None = None,
        labels: Sequence[str] | None = None,
        confidence: float | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        members = {
            "id": id,
            "label": None if labels is None else list(labels),
            "confidence": confidence,
            "meta": None if metadata is None else dict(metadata),
        }
        self.roi = {key: value for key, value in members.items() if value is not None}
        if values is not None:
            self.values = values

    @classmethod
    def from_roi(cls, roi: dict[str, Any]) -> Annotation:
        """The annotation of a ROI; changes to the annotation change that dict in place.

        >>> type(Annotation.from_roi({"poly": [0, 0, 8, 0, 8, 8]})).__name__
        'Polygon2D'
        """
        kind = next((kind for kind in SHAPES if kind.argument in roi), None)
        if kind is None and "mask" in roi:
            kind = Mask
        if kind is None and isinstance(roi.get("poly"), list):
            kind = ComplexPolygon2D if PART_END in roi["poly"] else Polygon2D
        annotation = (kind or ImageAnnotation).__new__(kind or ImageAnnotation)
        annotation.roi = roi
        return annotation

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Annotation) and self._without_sources() == other._without_sources()

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.roi})"

    def _without_sources(self) -> dict[str, Any]:
        return {key: value for key, value in self.to_dict().items() if key != "sources"}

    @property
    def id(self) -> str | None:
        """Its id; annotations of the same object share one."""
        return cast("str | None", self.roi.get("id"))

    @id.setter
    def id(self, value: str | None) -> None:
        _set(self.roi, "id", value)

    @property
    def labels(self) -> list[str]:
        """Its labels."""
        labels = [*_listed(self.roi.get("label")), *_listed(self.roi.get("labels"))]
        return list(dict.fromkeys(labels))

    @labels.setter
    def labels(self, value: Sequence[str] | None) -> None:
        key = "labels" if "labels" in self.roi and "label" not in self.roi else "label"
        self.roi.pop("labels", None)
        _set(self.roi, key, None if value is None else list(value))

    @property
    def confidence(self) -> float | None:
        """Confidence from 0 to 1."""
        return cast("float | None", self.roi.get("confidence"))

    @confidence.setter
    def confidence(self, value: float | None) -> None:
        _set(self.roi, "confidence", value)

    @property
    def metadata(self) -> dict[str, Any]:
        """Any JSON object; change it in place or assign another."""
        return cast("dict[str, Any]", self.roi.setdefault("meta", Fresh()))

    @metadata.setter
    def metadata(self, value: Mapping[str, Any] | None) -> None:
        _set(self.roi, "meta", None if value is None else dict(value))

    @property
    def values(self) -> Any:
        """Its shape, as passed to the constructor; None if it has none."""
        return self._read()

    @values.setter
    def values(self, values: Any) -> None:
        self._write(values)

    def _read(self) -> Any:
        return self.roi.get(self.argument)

    def _write(self, values: Any) -> None:
        self.roi[self.argument] = list(values)

    @classmethod
    def get_type(cls) -> str:
        """The short name of its type, such as ``p2d``."""
        return cls.type_name

    def to_dict(self) -> dict[str, Any]:
        """A copy of its ROI."""
        return cast("dict[str, Any]", plain(self.roi))

    def copy(self) -> Annotation:
        """An independent copy."""
        return Annotation.from_roi(self.to_dict())

    def get_bounding_box(self) -> list[float] | None:
        """Left, top, width and height in pixels of its polygon or box; None if it has neither."""
        points = [value for value in self.roi.get("poly") or [] if value != PART_END]
        if not points:
            return None
        xs, ys = points[::2], points[1::2]
        return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


class ImageAnnotation(Annotation):
    """Labels of a whole frame."""

    type_name = "im"

    def __init__(
        self,
        image_classes: Sequence[str] | None = None,
        id: str | None = None,
        labels: Sequence[str] | None = None,
        confidence: float | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(None, id, image_classes if labels is None else labels, confidence, metadata)


class Mask(Annotation):
    """The pixels of one colour in a mask: three integers, or one (a palette index or grey level), or four (RGBA)."""

    argument = "mask_rgb"
    type_name = "mask"

    def __init__(
        self,
        mask_rgb: Sequence[int] | None = None,
        id: str | None = None,
        labels: Sequence[str] | None = None,
        confidence: float | None = None,
        metadata: Mapping[str, Any] | None = None,
        mask_id: str | None = None,
    ) -> None:
        super().__init__(mask_rgb, id, labels, confidence, metadata)
        if mask_id is not None:
            self.mask_id = mask_id

    @property
    def mask_id(self) -> str | None:
        """Id of the mask that has the colour."""
        return cast("str | None", self.roi.get("mask", {}).get("id"))

    @mask_id.setter
    def mask_id(self, value: str | None) -> None:
        _set(self.roi.setdefault("mask", {}), "id", value)

    @property
    def mask_rgb(self) -> list[int] | None:
        """The colour."""
        return cast("list[int] | None", self._read())

    def _read(self) -> Any:
        return self.roi.get("mask", {}).get("value")

    def _write(self, values: Any) -> None:
        numbers = list(values)
        if len(numbers) not in (1, 3, 4) or not all(number == int(number) for number in numbers):
            raise UsageError(f"mask_rgb: found {values!r}, expected 1, 3 or 4 whole numbers")
        self.roi.setdefault("mask", {})["value"] = [int(number) for number in numbers]


class Polygon2D(Annotation):
    """One polygon: x, y, x, y, ... in pixels."""

    argument = "poly2d_xy"
    type_name = "p2d"

    def _read(self) -> Any:
        return self.roi.get("poly")

    def _write(self, values: Any) -> None:
        self.roi["poly"] = _points(self.argument, values, 2)


class ComplexPolygon2D(Annotation):
    """Several polygons that form one region, each a list x, y, x, y, ..."""

    argument = "poly2d_xy"
    type_name = "p2d"

    def _read(self) -> Any:
        parts: list[list[float]] = [[]]
        for value in self.roi.get("poly") or []:
            if value == PART_END:
                parts.append([])
            else:
                parts[-1].append(value)
        return parts

    def _write(self, values: Any) -> None:
        flat: list[float] = []
        for number, part in enumerate(values):
            flat += ([PART_END] if number else []) + _points(self.argument, part, 2)
        self.roi["poly"] = flat


class BoundingBox2D(Annotation):
    """A box: left, top, width and height in pixels, and optionally its rotation about its centre in radians."""

    argument = "box2d_xywh"
    type_name = "b2d"

    def _write(self, values: Any) -> None:
        box = [float(value) for value in values]
        if len(box) not in (4, 5):
            raise UsageError(f"box2d_xywh: found {len(box)} numbers, expected x, y, width, height and perhaps an angle")
        self.roi["box2d_xywh"] = list(values)
        self.roi["poly"] = _corners(box)


class _Flat(Annotation):
    """A shape that is stored as a flat list of numbers, ``per_point`` for each point."""

    per_point: ClassVar[int] = 1
    numbers: ClassVar[int | None] = None

    def _write(self, values: Any) -> None:
        flat = _points(self.argument, values, self.per_point)
        if self.numbers is not None and len(flat) != self.numbers:
            raise UsageError(f"{self.argument}: found {len(flat)} numbers, expected {self.numbers}")
        self.roi[self.argument] = flat


class Ellipse2D(_Flat):
    """An ellipse: cx, cy, rx, ry in pixels and the angle theta in radians."""

    argument, type_name, numbers = "ellipse2d_xyrrt", "elp", 5


class KeyPoints2D(_Flat):
    """Points: x, y, x, y, ... in pixels."""

    argument, type_name, per_point = "points2d_xy", "k2d", 2


class KeyPoints3D(_Flat):
    """Points in 3D: x, y, z, x, y, z, ..."""

    argument, type_name, per_point = "points3d_xyz", "k3d", 3


class Polygon3D(_Flat):
    """A polygon in 3D: x, y, z, x, y, z, ..."""

    argument, type_name, per_point = "poly3d_xyz", "p3d", 3


class BoundingBox3D(_Flat):
    """A box in 3D: x, y, z, width, height of its front, then of its back."""

    argument, type_name, numbers = "box3d_xyzwhxyzwh", "b3d", 10


SHAPES: tuple[type[Annotation], ...] = (BoundingBox2D, Ellipse2D, KeyPoints2D, KeyPoints3D, Polygon3D, BoundingBox3D)
"""The shapes that a ROI stores under the name of their argument."""


def annotations_of(shapes: Mapping[str, Any], **common: Any) -> Iterable[Annotation]:
    """One annotation for each shape; shapes are passed by the name of their argument.

    >>> [annotation.roi["poly"] for annotation in annotations_of({"box2d_xywh": (10, 10, 30, 20)})]
    [[10.0, 10.0, 40.0, 10.0, 40.0, 30.0, 10.0, 30.0]]
    """
    kinds = {kind.argument: kind for kind in SHAPES}
    for argument, values in shapes.items():
        if argument == "poly2d_xy":
            kind: type[Annotation] = ComplexPolygon2D if _is_complex(values) else Polygon2D
            yield kind(values, **common)
        else:
            yield kinds[argument](values, **common)


def _is_complex(values: Sequence[Any]) -> bool:
    return bool(values) and all(isinstance(part, Sequence) and len(part) > 3 for part in values)


def _points(argument: str, values: Any, per_point: int) -> list[float]:
    flat: list[float] = []
    for value in values:
        flat += value if isinstance(value, Sequence) else [value]
    if len(flat) % per_point:
        raise UsageError(f"{argument}: found {len(flat)} numbers, expected {per_point} for each point")
    return [number if isinstance(number, int) else float(number) for number in flat]


def _corners(box: Numbers) -> list[float]:
    x, y, width, height = box[:4]
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    if len(box) == 5:
        sine, cosine = math.sin(box[4]), math.cos(box[4])
        middle_x, middle_y = x + width / 2, y + height / 2
        corners = [
            (
                middle_x + (left - middle_x) * cosine - (top - middle_y) * sine,
                middle_y + (left - middle_x) * sine + (top - middle_y) * cosine,
            )
            for left, top in corners
        ]
    return [number for corner in corners for number in corner]


def _listed(value: Any) -> list[Any]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _set(target: dict[str, Any], key: str, value: Any) -> None:
    if value is None:
        target.pop(key, None)
    else:
        target[key] = value
