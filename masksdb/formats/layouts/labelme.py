"""LabelMe: beside each image a JSON of its shapes.

The format is that of labelme's own files: shapes with a label, points and a shape_type. Polygons, rectangles and
circles have pixels, as have masks, which are PNGs in the JSON, laid at their box; points and lines have none and are
kept as they are. Shapes with one group_id are parts of one object. There is no void, no crowd and no background.
"""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from masksdb.errors import MasksDBError
from masksdb.formats.frame import Frame, Roi, RunLengths, Size, source_of
from masksdb.formats.reading import (
    Fault,
    Tree,
    declared_size,
    documents,
    read_documents,
    recognise_document,
    region_in,
)
from masksdb.pixels.decode import decode_image
from masksdb.pixels.polygons import SEPARATOR

_CIRCLE_POINTS = 72

_OWN_KEYS = ("label", "points", "mask", "shape_type", "group_id")


def recognise(path: Path) -> str | None:
    """Why a path has this layout."""
    document = recognise_document(_documents(path), _has_shapes)
    return f"{document.name}, an object with 'shapes'" if document else None


def _has_shapes(head: bytes) -> bool:
    return b'"shapes"' in head and (b'"imagePath"' in head or b'"shape_type"' in head)


def _documents(path: Path) -> list[Path]:
    return documents(path, "**/*.json")


def read(tree: Tree) -> Iterator[Frame]:
    """The frames, one for each JSON."""
    return read_documents(tree, _documents(tree.path), _frame)


def _frame(tree: Tree, path: Path) -> Frame:
    document = tree.read_json(path)
    if not isinstance(document, dict) or not isinstance(document.get("shapes"), list):
        raise Fault("no list 'shapes'; expected a file of LabelMe")
    picture, size = _image(tree, path, document)
    rois: dict[Any, Roi] = {}
    for index, shape in enumerate(document["shapes"]):
        with tree.part(path, f"shapes[{index}]"):
            roi = _roi(shape, size, tree.settings.pixel_limit)
            group = (shape.get("label"), shape.get("group_id"))
            if group[1] is None or "poly" not in roi or "poly" not in rois.get(group, {}):
                rois[group if group[1] is not None and group not in rois else index] = roi
            else:
                rois[group]["poly"] += [SEPARATOR, *roi["poly"]]
    flags = document.get("flags") or {}
    frame: Frame = {
        "id": path.relative_to(tree.root).with_suffix("").as_posix(),
        "sources": [source_of(tree.uri(picture) if picture else None, size)],
        "rois": list(rois.values()),
        "meta": {},
    }
    if flags:
        frame["meta"] = {"flags": flags}
    return frame


def _image(tree: Tree, path: Path, document: Mapping[str, Any]) -> tuple[Path | None, Size]:
    """The image of a JSON, None where it is inside the JSON, and its size."""
    name = document.get("imagePath")
    picture = path.parent / name.replace("\\", "/") if isinstance(name, str) and name else None
    declared = document.get("imageWidth"), document.get("imageHeight")
    size = None if declared == (None, None) else declared_size(*declared, tree.settings.pixel_limit)
    if picture is not None and os.path.isfile(picture):
        stored = tree.size(picture)
        tree.note_size(picture, size or stored, stored)
        return picture, size or stored
    if not document.get("imageData"):
        raise Fault(f"its image {name!r} is not there")
    tree.note(path, "its image is inside the JSON, and is not taken out")
    if size is None:
        raise Fault("nothing says how large its image is; expected imageWidth and imageHeight")
    return None, size


def _roi(shape: Any, size: Size, pixel_limit: int) -> Roi:
    """The ROI of a shape."""
    if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
        raise Fault("expected a shape with a label")
    kind = shape.get("shape_type") or "polygon"
    if isinstance(shape.get("group_id"), list | dict):
        raise Fault(f"found the group_id {str(shape['group_id'])[:60]}, expected a whole number")
    try:
        points = np.array(shape.get("points"), np.float64).reshape(-1, 2)
    except (TypeError, ValueError, OverflowError):
        raise Fault(f"points that are not such: {str(shape.get('points'))[:60]}") from None
    if not np.isfinite(points).all():
        raise Fault("points that are not finite")
    meta = {key: value for key, value in shape.items() if key not in _OWN_KEYS and value not in (None, {}, "")}
    meta |= {"shape_type": kind} | ({"group_id": shape["group_id"]} if shape.get("group_id") is not None else {})
    roi: Roi = {"label": [shape["label"]], "meta": meta}
    if kind == "mask":
        roi["rle"] = _mask(shape.get("mask"), points, size, pixel_limit)
        return roi
    if kind == "rectangle" and len(points) >= 2:
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        points = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    elif kind == "circle" and len(points) == 2:
        angles = np.arange(_CIRCLE_POINTS) * (2 * math.pi / _CIRCLE_POINTS)
        radius = float(np.hypot(*(points[1] - points[0])))
        points = points[0] + radius * np.column_stack([np.cos(angles), np.sin(angles)])
    elif kind != "polygon":
        meta["points"] = points.tolist()
        return roi
    if len(points) < 3:
        raise Fault(f"a {kind} of {len(points)} points")
    roi["poly"] = points.reshape(-1).tolist()
    return roi


def _mask(text: Any, points: npt.NDArray[np.float64], size: Size, pixel_limit: int) -> RunLengths:
    """The run lengths of a PNG in base64, laid at the left upper point."""
    if not isinstance(text, str) or len(points) != 2:
        raise Fault("a mask without its PNG or its two points")
    try:
        image = decode_image(base64.b64decode(text, validate=True), "mask", pixel_limit=pixel_limit)
    except (ValueError, MasksDBError) as error:
        raise Fault(f"a mask that cannot be read: {error}") from None
    samples = image.samples if image.samples.ndim == 2 else image.samples[:, :, 0]
    x, y = (int(part) for part in points[0])
    try:
        return region_in(size, x, y, samples > 0)
    except Fault as fault:
        raise Fault(f"a mask of {fault.reason}") from None
