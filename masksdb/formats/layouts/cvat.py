"""CVAT for images: one XML of polygons, masks and boxes by image.

The format is that of CVAT's XML 1.1. A mask is run lengths of background and region in turn, row by row inside its box.
Shapes lie over each other by ``z_order``. Boxes may be turned. Ellipses, lines, points and tags are kept as they are
and have no pixels; cuboids and skeletons are told, and CVAT for video is refused. There is no void and no crowd; a
label called background is one like others.
"""

from __future__ import annotations

import cmath
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from masksdb.errors import IngestError
from masksdb.formats.reading import Frame, Size, Tree, declared_size, is_whole, open_file, region_in, source_of

COLOURS = "color"
"""The mask id under which a version's label mapping keeps the colours of labels."""

_SHAPES = ("polygon", "mask", "box", "ellipse", "polyline", "points", "tag")

_CORNERS, _ELLIPSE, _BOX = ("xtl", "ytl", "xbr", "ybr"), ("cx", "cy", "rx", "ry"), ("left", "top", "width", "height")

_PLACES = {"points", "rle", "label", *_CORNERS, *_ELLIPSE, *_BOX}


def recognise(path: Path) -> str | None:
    """Why a path has this layout."""
    for each in filter(os.path.isfile, _documents(path)):
        with open_file(each) as file:
            head = file.read(1 << 12)
        if b"<annotations>" in head and (b"<image " in head or b"<meta>" in head):
            return f"{each.name}, XML annotations of images"
    return None


def _documents(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.lower() == ".xml" else []
    return sorted(path.glob("*.[xX][mM][lL]"))


def read(tree: Tree) -> Iterator[Frame | IngestError]:
    """The frames, one for each image."""
    for path in _documents(tree.path):
        try:
            yield from _frames(tree, path)
        except IngestError as error:
            yield error


def _frames(tree: Tree, path: Path) -> Iterator[Frame | IngestError]:
    seen: set[str] = set()
    for element in _elements(tree, path):
        if element.tag == "label":
            _declare(tree, element)
        elif element.tag == "track":
            told = f"track {element.get('id')} of {element.get('label')!r}: this is CVAT for video"
            yield tree.error(path, f"{told}; expected CVAT for images, as which CVAT exports it too")
            element.clear()
        elif element.tag == "image":
            yield from _frame(tree, path, element, seen)
            element.clear()


def _elements(tree: Tree, path: Path) -> Iterator[ElementTree.Element]:
    try:
        with open_file(path) as file:
            yield from (element for _, element in ElementTree.iterparse(file))
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        # The latter two are for encodings that are not known.
        raise tree.error(path, f"not XML: {error}") from None
    except OSError as error:
        raise tree.error(path, f"cannot be read: {error.strerror}") from None


def _declare(tree: Tree, element: ElementTree.Element) -> None:
    name, colour = element.findtext("name"), (element.findtext("color") or "").removeprefix("#")
    if name and len(colour) == 6:
        try:
            tree.declare(COLOURS, list(bytes.fromhex(colour)), name)
        except ValueError:
            return


def _frame(tree: Tree, path: Path, image: ElementTree.Element, seen: set[str]) -> Iterator[Frame | IngestError]:
    name = image.get("name")
    width, height = (int(text) if text and is_whole(text) else text for text in map(image.get, ("width", "height")))
    size = declared_size(width, height, tree.settings.pixel_limit)
    if isinstance(size, str):
        yield tree.error(path, f"image {name!r}: {size}")
        return
    if not name or name in seen:
        yield tree.error(path, f"image {name!r} again; give each its own" if name else "an image without a name")
        return
    seen.add(name)
    rois = []
    for other in (each for each in image if each.tag not in _SHAPES):
        tree.note(path, f"image {name!r}: a {other.tag} of {other.get('label')!r} is left out, which has no outline")
    shapes = [each for each in image if each.tag in _SHAPES]
    for index, shape in enumerate(sorted(shapes, key=lambda each: _number(each.get("z_order")))):
        roi = _roi(shape, size)
        if isinstance(roi, str):
            yield tree.error(path, f"image {name!r}: {roi}", f"{shape.tag}[{index}]")
        else:
            rois.append(roi)
    folders = (path.parent / "images", path.parent, path.parent / "images" / image.get("subset", ""))
    picture = next((each / name for each in folders if os.path.isfile(each / name)), None)
    if picture:
        found = tree.size(picture)
        if isinstance(found, Size) and found != size:
            tree.note(picture, f"{found.width} x {found.height} pixels, not {size.width} x {size.height}")
    meta = {"split": image.get("subset")} if image.get("subset") else {}
    source = source_of(tree.uri(picture) if picture else name, size)
    yield {"id": name.rpartition(".")[0] or name, "sources": [source], "rois": rois, "meta": meta}


def _number(text: str | None) -> int:
    return int(text) if text and is_whole(text.removeprefix("-")) else 0


def _roi(shape: ElementTree.Element, size: Size) -> dict[str, Any] | str:
    """The ROI of a shape, or what is wrong with it."""
    label = shape.get("label")
    if not label:
        return f"a {shape.tag} without a label"
    meta: dict[str, Any] = {"shape": shape.tag} | {k: v for k, v in shape.attrib.items() if k not in _PLACES}
    attributes = {each.get("name", ""): each.text for each in shape.findall("attribute")}
    roi: dict[str, Any] = {"label": [label], "meta": meta | ({"attributes": attributes} if attributes else {})}
    kind = f"an {shape.tag}" if shape.tag == "ellipse" else f"a {shape.tag}"
    keys = {"mask": _BOX, "box": (*_CORNERS, "rotation"), "ellipse": (*_ELLIPSE, "rotation")}.get(shape.tag)
    try:
        texts = [shape.get("rotation", "0") if key == "rotation" else shape.attrib[key] for key in keys or ()]
        texts = texts if keys else shape.get("points", "").replace(";", ",").split(",")
        numbers = [float(text) for text in texts if text.strip() or keys]
        if not np.isfinite(numbers).all():
            return f"{kind} of {label!r} with numbers that are not finite"
        if shape.tag == "mask":
            found = _mask(shape.attrib["rle"], [int(number) for number in numbers], size)
            return f"a mask of {label!r}, {found}" if isinstance(found, str) else roi | {"rle": found}
    except (KeyError, ValueError) as error:
        return f"{kind} of {label!r} with numbers that are not such: {error}"
    if shape.tag == "box":
        return roi | {"poly": _corners(*numbers)}
    if shape.tag == "ellipse":
        return roi | {"ellipse2d_xyrrt": [*numbers[:4], math.radians(numbers[4])]}
    if shape.tag == "polygon":
        if len(numbers) < 6 or len(numbers) % 2:
            return f"a polygon of {label!r} with {len(numbers)} numbers; expected x and y of 3 or more points"
        return roi | {"poly": numbers}
    if numbers:
        roi["meta"]["points"] = numbers
    return roi


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
        corners = [complex(round(each.real, 9), round(each.imag, 9)) for each in turned]
    return [number for corner in corners for number in (corner.real, corner.imag)]


def _mask(text: str, box: list[int], size: Size) -> dict[str, Any] | str:
    """The run lengths of a mask in its box, as those of the image, or what is wrong with it."""
    left, top, width, height = box
    # Python's numbers do not overflow, and are only taken as others when they are known to fit.
    lengths = [int(part) for part in text.split(",")]
    if min(lengths) < 0 or sum(lengths) != width * height:
        return f"whose run lengths are of {sum(lengths)} pixels, not of {width} x {height}"
    if min(width, height) < 0 or width * height > size.width * size.height:
        return f"{width} x {height} pixels at {left}, {top}, outside of its image"
    flat = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return region_in(size, left, top, flat.reshape(height, width))
