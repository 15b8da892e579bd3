"""CVAT for images: one XML of polygons, masks and boxes by image.

The format is that of CVAT's XML 1.1. A mask is run lengths of background and region in turn, row by row inside its box.
Shapes lie over each other by ``z_order``. There is no void and no crowd; a label called background is one like others.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from masksdb import rle
from masksdb.errors import IngestError
from masksdb.formats.tree import Frame, Size, Tree, open_file, source_of

COLOURS = "color"
"""The mask id under which a version's label mapping keeps the colours of labels."""
_PLACES = {"points", "rle", "left", "top", "width", "height", "xtl", "ytl", "xbr", "ybr", "label"}


def recognise(path: Path) -> str | None:
    """Why a path has this layout."""
    for each in _documents(path):
        with open_file(each) as file:
            head = file.read(1 << 12)
        if b"<annotations>" in head and (b"<image " in head or b"<meta>" in head):
            return f"{each.name}, XML annotations of images"
    return None


def _documents(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix == ".xml" else []
    return sorted(each for each in path.glob("*.xml") if each.is_file())


def read(tree: Tree) -> Iterator[Frame | IngestError]:
    """The frames, one for each image."""
    for path in _documents(tree.path):
        seen: set[str] = set()
        try:
            with open_file(path) as file:
                for _, element in ElementTree.iterparse(file):
                    if element.tag == "label":
                        _declare(tree, element)
                    elif element.tag == "image":
                        yield from _frame(tree, path, element, seen)
                        element.clear()
        except ElementTree.ParseError as error:
            yield tree.error(path, f"not XML: {error}")
        except OSError as error:
            yield tree.error(path, f"cannot be read: {error.strerror}")


def _declare(tree: Tree, element: ElementTree.Element) -> None:
    name, colour = element.findtext("name"), (element.findtext("color") or "").removeprefix("#")
    if name and len(colour) == 6:
        try:
            tree.declare(COLOURS, list(bytes.fromhex(colour)), name)
        except ValueError:
            return


def _frame(tree: Tree, path: Path, image: ElementTree.Element, seen: set[str]) -> Iterator[Frame | IngestError]:
    name = image.get("name")
    try:
        size = Size(int(image.get("width", "")), int(image.get("height", "")))
    except ValueError:
        yield tree.error(path, f"image {name!r}: expected its width and height in pixels")
        return
    if not name or name in seen:
        yield tree.error(path, f"image {name!r} again; give each its own" if name else "an image without a name")
        return
    seen.add(name)
    rois = []
    shapes = [each for each in image if each.tag in ("polygon", "mask", "box", "polyline", "points", "tag")]
    for index, shape in enumerate(sorted(shapes, key=lambda each: _number(each.get("z_order")))):
        roi = _roi(shape, size)
        if isinstance(roi, str):
            yield tree.error(path, f"image {name!r}: {roi}", f"{shape.tag}[{index}]")
        else:
            rois.append(roi)
    folders = (path.parent / "images", path.parent, path.parent / "images" / image.get("subset", ""))
    picture = next((each / name for each in folders if (each / name).is_file()), None)
    if picture:
        found = tree.size(picture)
        if isinstance(found, Size) and found != size:
            tree.note(picture, f"{found.width} x {found.height} pixels, not {size.width} x {size.height}")
    meta = {"split": image.get("subset")} if image.get("subset") else {}
    source = source_of(tree.uri(picture) if picture else name, size)
    yield {"id": name.rpartition(".")[0] or name, "sources": [source], "rois": rois, "meta": meta}


def _number(text: str | None) -> int:
    return int(text) if text and text.lstrip("-").isdecimal() else 0


def _roi(shape: ElementTree.Element, size: Size) -> dict[str, Any] | str:
    """The ROI of a shape, or what is wrong with it."""
    label = shape.get("label")
    if not label:
        return f"a {shape.tag} without a label"
    meta: dict[str, Any] = {"shape": shape.tag} | {k: v for k, v in shape.attrib.items() if k not in _PLACES}
    attributes = {each.get("name", ""): each.text for each in shape.findall("attribute")}
    roi: dict[str, Any] = {"label": [label], "meta": meta | ({"attributes": attributes} if attributes else {})}
    try:
        if shape.tag == "mask":
            found = _mask(shape, size)
            return found if isinstance(found, str) else roi | {"rle": found}
        if shape.tag == "box":
            left, top, right, bottom = (float(shape.attrib[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
            return roi | {"poly": [left, top, right, top, right, bottom, left, bottom]}
        numbers = [float(part) for part in shape.get("points", "").replace(";", ",").split(",") if part.strip()]
    except (KeyError, ValueError) as error:
        return f"a {shape.tag} of {label!r} with numbers that are not such: {error}"
    if not np.isfinite(numbers).all():
        return f"a {shape.tag} of {label!r} with numbers that are not finite"
    if shape.tag == "polygon":
        if len(numbers) < 6 or len(numbers) % 2:
            return f"a polygon of {label!r} with {len(numbers)} numbers; expected x and y of 3 or more points"
        return roi | {"poly": numbers}
    if numbers:
        meta["points"] = numbers
    return roi


def _mask(shape: ElementTree.Element, size: Size) -> dict[str, Any] | str:
    """The run lengths of a mask in its box, as those of the image."""
    left, top, width, height = (int(float(shape.attrib[key])) for key in ("left", "top", "width", "height"))
    lengths = np.array([int(part) for part in shape.attrib["rle"].split(",")], np.int64)
    label = shape.get("label")
    if left < 0 or top < 0 or left + width > size.width or top + height > size.height:
        return f"a mask of {label!r}, {width} x {height} pixels at {left}, {top}, outside of its image"
    if (lengths < 0).any() or int(lengths.sum()) != width * height:
        return f"a mask of {label!r} whose run lengths are of {int(lengths.sum())} pixels, not of {width} x {height}"
    pixels = np.zeros((size.height, size.width), np.bool_)
    flat = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    pixels[top : top + height, left : left + width] = flat.reshape(height, width)
    return {"size": [size.height, size.width], "counts": rle.encode_counts(rle.from_pixels(pixels))}
