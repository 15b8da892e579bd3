"""LabelMe: beside each image a JSON of its shapes.

The format is that of labelme's own files: shapes with a label, points and a shape_type. Polygons, rectangles and
circles have pixels, as have masks, which are PNGs in the JSON, laid at their box; points and lines have none and are
kept as they are. Shapes with one group_id are parts of one object. There is no void, no crowd and no background.
"""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from masksdb.errors import IngestError, MasksDBError
from masksdb.formats.reading import Frame, Size, Tree, declared_size, open_file, region_in, source_of
from masksdb.pixels.decode import decode_image
from masksdb.pixels.polygons import SEPARATOR

_LOOKED_AT = 5

_CIRCLE_POINTS = 72

_OWN_KEYS = ("label", "points", "mask", "shape_type", "group_id")


def recognise(path: Path) -> str | None:
    """Why a path has this layout."""
    for each in islice(filter(os.path.isfile, _documents(path)), _LOOKED_AT):
        with open_file(each) as file:
            text = file.read(1 << 16)
        if b'"shapes"' in text and (b'"imagePath"' in text or b'"shape_type"' in text):
            return f"{each.name}, an object with 'shapes'"
    return None


def _documents(path: Path) -> Iterator[Path]:
    if path.is_file():
        return iter([path] if path.suffix.lower() == ".json" else [])
    return iter(sorted(path.rglob("*.[jJ][sS][oO][nN]")))


def read(tree: Tree) -> Iterator[Frame | IngestError]:
    """The frames, a JSON each."""
    for path in _documents(tree.path):
        try:
            yield from _frame(tree, path)
        except IngestError as error:
            yield error


def _frame(tree: Tree, path: Path) -> Iterator[Frame | IngestError]:
    if not os.path.isfile(path):
        yield tree.error(path, "not a file that can be read; expected JSON")
        return
    document = tree.read_json(path)
    if not isinstance(document, dict) or not isinstance(document.get("shapes"), list):
        yield tree.error(path, "no list 'shapes'; expected a file of LabelMe")
        return
    name = document.get("imagePath")
    picture = path.parent / name.replace("\\", "/") if isinstance(name, str) and name else None
    given = document.get("imageWidth"), document.get("imageHeight")
    size = None if given == (None, None) else declared_size(*given, tree.settings.pixel_limit)
    if isinstance(size, str):
        yield tree.error(path, size)
        return
    if picture is not None and os.path.isfile(picture):
        found = tree.size(picture)
        if isinstance(found, IngestError):
            yield found
            return
        size = size or found
        if size != found:
            tree.note(picture, f"{found.width} x {found.height} pixels, not {size.width} x {size.height}")
    elif document.get("imageData"):
        picture = None
        tree.note(path, "its image is inside the JSON, and is not taken out")
    else:
        yield tree.error(path, f"its image {name!r} is not there")
        return
    if size is None:
        yield tree.error(path, "nothing says how large its image is; expected imageWidth and imageHeight")
        return
    rois: dict[Any, dict[str, Any]] = {}
    for index, shape in enumerate(document["shapes"]):
        roi = _roi(shape, size, tree.settings.pixel_limit)
        if isinstance(roi, str):
            yield tree.error(path, roi, f"shapes[{index}]")
            continue
        group = (shape.get("label"), shape.get("group_id"))
        if group[1] is None or "poly" not in roi or "poly" not in rois.get(group, {}):
            rois[group if group[1] is not None and group not in rois else index] = roi
        else:
            rois[group]["poly"] += [SEPARATOR, *roi["poly"]]
    flags = document.get("flags") or {}
    frame_id = path.relative_to(tree.root).with_suffix("").as_posix()
    source = source_of(tree.uri(picture) if picture else None, size)
    yield {"id": frame_id, "sources": [source], "rois": list(rois.values()), "meta": {"flags": flags} if flags else {}}


def _roi(shape: Any, size: Size, pixel_limit: int) -> dict[str, Any] | str:
    """The ROI of a shape, or what is wrong with it."""
    if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
        return "expected a shape with a label"
    kind = shape.get("shape_type") or "polygon"
    if isinstance(shape.get("group_id"), list | dict):
        return f"found the group_id {str(shape['group_id'])[:60]}, expected a whole number"
    try:
        points = np.array(shape.get("points"), np.float64).reshape(-1, 2)
    except (TypeError, ValueError, OverflowError):
        return f"points that are not such: {str(shape.get('points'))[:60]}"
    if not np.isfinite(points).all():
        return "points that are not finite"
    meta = {key: value for key, value in shape.items() if key not in _OWN_KEYS and value not in (None, {}, "")}
    meta |= {"shape_type": kind} | ({"group_id": shape["group_id"]} if shape.get("group_id") is not None else {})
    roi: dict[str, Any] = {"label": [shape["label"]], "meta": meta}
    if kind == "mask":
        found = _mask(shape.get("mask"), points, size, pixel_limit)
        return found if isinstance(found, str) else roi | {"rle": found}
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
        return f"a {kind} of {len(points)} points"
    return roi | {"poly": points.reshape(-1).tolist()}


def _mask(text: Any, points: Any, size: Size, pixel_limit: int) -> dict[str, Any] | str:
    """The run lengths of a PNG in base64, laid at the left upper point."""
    if not isinstance(text, str) or len(points) != 2:
        return "a mask without its PNG or its two points"
    try:
        image = decode_image(base64.b64decode(text, validate=True), "mask", pixel_limit=pixel_limit)
    except (ValueError, MasksDBError) as error:
        return f"a mask that cannot be read: {error}"
    samples = image.samples if image.samples.ndim == 2 else image.samples[:, :, 0]
    x, y = (int(part) for part in points[0])
    found = region_in(size, x, y, samples > 0)
    return f"a mask of {found}" if isinstance(found, str) else found
