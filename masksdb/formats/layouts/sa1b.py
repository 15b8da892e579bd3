"""SA-1B: beside each image a JSON of its regions as run lengths; they have no classes.

The format is that of the dataset's page: ``{"image": {...}, "annotations": [{"segmentation": {size, counts}, ...}]}``.
There is no void, no crowd and no background.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from masksdb.errors import IngestError
from masksdb.formats.layouts.coco import run_lengths
from masksdb.formats.reading import Frame, Size, Tree, declared_size, open_file, source_of
from masksdb.pixels import rle

LABEL = "object"
"""What every region is called, for nothing says more."""

_LOOKED_AT = 5

_JSON = "*.[jJ][sS][oO][nN]"

_OWN_KEYS = ("id", "segmentation", "predicted_iou")


def recognise(path: Path) -> str | None:
    """Why a path has this layout."""
    for each in islice(filter(os.path.isfile, _documents(path)), _LOOKED_AT):
        with open_file(each) as file:
            head = file.read(1 << 16)
        if b'"image"' in head and b'"annotations"' in head and (b'"predicted_iou"' in head or b'"crop_box"' in head):
            return f"{each.name}, an image with regions that have a predicted_iou"
    return None


def _documents(path: Path) -> Iterator[Path]:
    if path.is_file():
        return iter([path] if path.suffix.lower() == ".json" else [])
    return iter(sorted(path.glob(_JSON)) or sorted(path.glob(f"sa_*/{_JSON}")))


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
    image = document.get("image") if isinstance(document, dict) else None
    if not isinstance(image, dict) or not isinstance(image.get("file_name"), str):
        yield tree.error(path, "expected an object with 'image', whose 'file_name' names it, and 'annotations'")
        return
    picture = path.parent / image["file_name"]
    found = tree.size(picture)
    if isinstance(found, IngestError):
        yield found
        return
    given = image.get("width"), image.get("height")
    size = found if given == (None, None) else declared_size(*given, tree.settings.pixel_limit)
    if isinstance(size, str):
        yield tree.error(path, size, "image")
        return
    if size != found:
        tree.note(picture, f"{found.width} x {found.height} pixels, not {size.width} x {size.height}")
    rois: list[dict[str, Any]] = []
    seen: set[Any] = set()
    annotations = document.get("annotations")
    if annotations is None:
        tree.note(path, "no list 'annotations'; its frame has no ROIs")
    elif not isinstance(annotations, list):
        yield tree.error(path, f"found {str(annotations)[:60]!r}, expected a list of annotations", "annotations")
        return
    for index, annotation in enumerate(annotations or ()):
        roi = _roi(annotation, size, seen)
        if isinstance(roi, str):
            yield tree.error(path, roi, f"annotations[{index}]")
            continue
        rois.append(roi)
        if not rle.area(rle.decode_counts(roi["rle"]["counts"])):
            tree.note(path, f"annotation {annotation.get('id')}: an empty segmentation; it has no pixels")
    meta = {key: value for key, value in image.items() if key not in ("file_name", "width", "height")}
    uri = tree.uri(picture)
    yield {"id": uri.rpartition(".")[0], "sources": [source_of(uri, size)], "rois": rois, "meta": meta}


def _roi(annotation: Any, size: Size, seen: set[Any]) -> dict[str, Any] | str:
    """The ROI of an annotation, or what is wrong with it."""
    if not isinstance(annotation, dict) or not isinstance(annotation.get("segmentation"), dict):
        return "expected an object with the run lengths 'segmentation'"
    name = f"annotation {annotation.get('id')}: "
    if isinstance(annotation.get("id"), list | dict):
        return f"found the id {str(annotation['id'])[:60]}, expected a number or a text"
    if annotation.get("id") in seen:
        return f"{name}its id again"
    region = run_lengths(annotation["segmentation"], size)
    if isinstance(region, str):
        return name + region
    roi: dict[str, Any] = {"label": [LABEL], "rle": region}
    if annotation.get("id") is not None:
        seen.add(annotation["id"])
        roi["id"] = annotation["id"]
    score = annotation.get("predicted_iou")
    if score is not None:
        if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
            return f"{name}found the predicted_iou {str(score)[:60]!r}, expected a number"
        roi["confidence"] = score
    return roi | {"meta": {key: value for key, value in annotation.items() if key not in _OWN_KEYS}}
