"""CVAT for images: one XML of polygons, masks and boxes by image.

The format is that of CVAT's XML 1.1. A mask is run lengths of background and region in turn, row by row inside its box.
Shapes lie over each other by ``z_order``. Boxes may be turned. Ellipses, lines, points and tags are kept as they are
and have no pixels; cuboids and skeletons are skipped with a note, and CVAT for video is refused. There is no void and
no crowd; a label called background is a label like others.
"""

from __future__ import annotations

import cmath
import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from masksdb.formats.frame import Frame, Roi, RunLengths, Size, source_of
from masksdb.formats.reading import (
    Fault,
    Tree,
    declared_size,
    documents,
    is_whole,
    open_file,
    recognise_document,
    region_in,
)

COLOURS = "color"
"""The mask id under which a version's label mapping keeps the colours of labels."""

_SHAPES = ("polygon", "mask", "box", "ellipse", "polyline", "points", "tag")

_CORNERS, _ELLIPSE, _BOX = ("xtl", "ytl", "xbr", "ybr"), ("cx", "cy", "rx", "ry"), ("left", "top", "width", "height")

_PLACES = {"points", "rle", "label", *_CORNERS, *_ELLIPSE, *_BOX}


def recognise(path: Path) -> str | None:
    """Why a path has this layout."""
    document = recognise_document(_documents(path), _has_images, most=None)
    return f"{document.name}, XML annotations of images" if document else None


def _has_images(head: bytes) -> bool:
    return b"<annotations>" in head and (b"<image " in head or b"<meta>" in head)


def _documents(path: Path) -> list[Path]:
    return documents(path, "*.xml")


def read(tree: Tree) -> Iterator[Frame]:
    """The frames, one for each image."""
    for path in _documents(tree.path):
        with tree.part(path):
            yield from _frames(tree, path)


def _frames(tree: Tree, path: Path) -> Iterator[Frame]:
    seen: set[str] = set()
    for element in _elements(path):
        if element.tag == "label":
            _declare(tree, element)
        elif element.tag == "track":
            track = f"track {element.get('id')} of {element.get('label')!r}: this is CVAT for video"
            tree.refuse(Fault(f"{track}; expected CVAT for images, as which CVAT exports it too", path))
            element.clear()
        elif element.tag == "image":
            with tree.part(path):
                yield _frame(tree, path, element, seen)
            element.clear()


def _elements(path: Path) -> Iterator[ElementTree.Element]:
    try:
        with open_file(path) as file:
            yield from (element for _, element in ElementTree.iterparse(file))
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        # The latter two are for encodings that are not known.
        raise Fault(f"not XML: {error}", path) from None
    except OSError as error:
        raise Fault(f"cannot be read: {error.strerror}", path) from None


def _declare(tree: Tree, element: ElementTree.Element) -> None:
    name, colour = element.findtext("name"), (element.findtext("color") or "").removeprefix("#")
    if name and len(colour) == 6:
        try:
            tree.declare(COLOURS, list(bytes.fromhex(colour)), name)
        except ValueError:
            return


def _frame(tree: Tree, path: Path, image: ElementTree.Element, seen: set[str]) -> Frame:
    name = image.get("name")
    size = _declared_size(tree, image)
    if not name or name in seen:
        raise Fault(f"image {name!r} again; give each its own" if name else "an image without a name")
    seen.add(name)
    for other in (child for child in image if child.tag not in _SHAPES):
        tree.note(path, f"image {name!r}: a {other.tag} of {other.get('label')!r} is left out, which has no outline")
    rois = []
    shapes = [child for child in image if child.tag in _SHAPES]
    for index, shape in enumerate(sorted(shapes, key=lambda shape: _number(shape.get("z_order")))):
        with tree.part(path, f"{shape.tag}[{index}]", name=f"image {name!r}"):
            rois.append(_roi(shape, size))
    folders = (path.parent / "images", path.parent, path.parent / "images" / image.get("subset", ""))
    picture = next((folder / name for folder in folders if os.path.isfile(folder / name)), None)
    if picture:
        with contextlib.suppress(Fault):
            tree.note_size(picture, size, tree.size(picture))
    source = source_of(tree.uri(picture) if picture else name, size)
    meta = {"split": image.get("subset")} if image.get("subset") else {}
    return {"id": name.rpartition(".")[0] or name, "sources": [source], "rois": rois, "meta": meta}


def _declared_size(tree: Tree, image: ElementTree.Element) -> Size:
    width, height = (int(text) if text and is_whole(text) else text for text in map(image.get, ("width", "height")))
    try:
        return declared_size(width, height, tree.settings.pixel_limit)
    except Fault as fault:
        raise Fault(f"image {image.get('name')!r}: {fault.reason}") from None


def _number(text: str | None) -> int:
    return int(text) if text and is_whole(text.removeprefix("-")) else 0


def _roi(shape: ElementTree.Element, size: Size) -> Roi:
    """The ROI of a shape."""
    label = shape.get("label")
    if not label:
        raise Fault(f"a {shape.tag} without a label")
    meta: dict[str, Any] = {"shape": shape.tag} | {k: v for k, v in shape.attrib.items() if k not in _PLACES}
    if attributes := {element.get("name", ""): element.text for element in shape.findall("attribute")}:
        meta["attributes"] = attributes
    roi: Roi = {"label": [label], "meta": meta}
    kind = f"an {shape.tag}" if shape.tag == "ellipse" else f"a {shape.tag}"
    try:
        numbers = _numbers(shape)
        if not np.isfinite(numbers).all():
            raise Fault(f"{kind} of {label!r} with numbers that are not finite")
        if shape.tag == "mask":
            roi["rle"] = _mask(shape.attrib["rle"], label, [int(number) for number in numbers], size)
            return roi
    except (KeyError, ValueError) as error:
        raise Fault(f"{kind} of {label!r} with numbers that are not such: {error}") from None
    if shape.tag == "polygon" and (len(numbers) < 6 or len(numbers) % 2):
        raise Fault(f"a polygon of {label!r} with {len(numbers)} numbers; expected x and y of 3 or more points")
    if shape.tag == "polygon":
        roi["poly"] = numbers
    elif shape.tag == "box":
        roi["poly"] = _corners(*numbers)
    elif shape.tag == "ellipse":
        roi["ellipse2d_xyrrt"] = [*numbers[:4], math.radians(numbers[4])]
    elif numbers:
        meta["points"] = numbers
    return roi


def _numbers(shape: ElementTree.Element) -> list[float]:
    """The numbers of a shape: its box and how it is turned, or its points."""
    keys = {"mask": _BOX, "box": (*_CORNERS, "rotation"), "ellipse": (*_ELLIPSE, "rotation")}.get(shape.tag)
    if keys:
        return [float(shape.get("rotation", "0") if key == "rotation" else shape.attrib[key]) for key in keys]
    return [float(text) for text in shape.get("points", "").replace(";", ",").split(",") if text.strip()]


def _corners(left: float, top: float, right: float, bottom: float, degrees: float) -> list[float]:
    """The corners of a box that is turned about its middle, as x and y in turn; clockwise as it is seen.

    >>> _corners(2, 4, 10, 6, 90)
    [7.0, 1.0, 7.0, 9.0, 5.0, 9.0, 5.0, 1.0]
    """
    corners = [complex(left, top), complex(right, top), complex(right, bottom), complex(left, bottom)]
    if degrees:
        middle, turn = (corners[0] + corners[2]) / 2, cmath.rect(1, math.radians(degrees))
        # Rounded, so that a quarter turn gives the numbers that it has on paper.
        turned = [middle + (corner - middle) * turn for corner in corners]
        corners = [complex(round(corner.real, 9), round(corner.imag, 9)) for corner in turned]
    return [number for corner in corners for number in (corner.real, corner.imag)]


def _mask(text: str, label: str, box: list[int], size: Size) -> RunLengths:
    """The run lengths of a mask in its box, as those of the image."""
    left, top, width, height = box
    # Python's numbers do not overflow, and are only made 64-bit when they are known to fit.
    lengths = [int(part) for part in text.split(",")]
    if min(lengths) < 0 or sum(lengths) != width * height:
        of = f"whose run lengths are of {sum(lengths)} pixels, not of {width} x {height}"
        raise Fault(f"a mask of {label!r}, {of}")
    if min(width, height) < 0 or width * height > size.width * size.height:
        raise Fault(f"a mask of {label!r}, {width} x {height} pixels at {left}, {top}, outside of its image")
    flat = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    try:
        return region_in(size, left, top, flat.reshape(height, width))
    except Fault as fault:
        raise Fault(f"a mask of {label!r}, {fault.reason}") from None
