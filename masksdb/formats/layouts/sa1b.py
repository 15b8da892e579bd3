"""SA-1B: beside each image a JSON of its regions as run lengths; they have no classes.

The format is that of the dataset's page: ``{"image": {...}, "annotations": [{"segmentation": {size, counts}, ...}]}``.
There is no void, no crowd and no background.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from masksdb.formats.frame import Frame, Roi, Size, source_of
from masksdb.formats.layouts.coco import IMAGE_KEYS, run_lengths
from masksdb.formats.reading import Fault, Tree, declared_size, documents, read_documents, recognise_document
from masksdb.pixels import rle

LABEL = "object"
"""What every region is called, for nothing says more."""

_OWN_KEYS = ("id", "segmentation", "predicted_iou")


def recognise(path: Path) -> str | None:
    """Why a path has this layout."""
    document = recognise_document(_documents(path), _has_regions)
    return f"{document.name}, an image with regions that have a predicted_iou" if document else None


def _has_regions(head: bytes) -> bool:
    return b'"image"' in head and b'"annotations"' in head and (b'"predicted_iou"' in head or b'"crop_box"' in head)


def _documents(path: Path) -> list[Path]:
    return documents(path, "*.json") or documents(path, "sa_*/*.json")


def read(tree: Tree) -> Iterator[Frame]:
    """The frames, one for each JSON."""
    return read_documents(tree, _documents(tree.path), _frame)


def _frame(tree: Tree, path: Path) -> Frame:
    document = tree.read_json(path)
    image = document.get("image") if isinstance(document, dict) else None
    if not isinstance(image, dict) or not isinstance(image.get("file_name"), str):
        raise Fault("expected an object with 'image', whose 'file_name' names it, and 'annotations'")
    picture = path.parent / image["file_name"]
    stored = tree.size(picture)
    declared = image.get("width"), image.get("height")
    size = stored
    if declared != (None, None):
        with tree.placed(path, "image"):
            size = declared_size(*declared, tree.settings.pixel_limit)
    tree.note_size(picture, size, stored)
    annotations = document.get("annotations")
    if annotations is None:
        tree.note(path, "no list 'annotations'; its frame has no ROIs")
    elif not isinstance(annotations, list):
        raise Fault(f"found {str(annotations)[:60]!r}, expected a list of annotations", path, "annotations")
    rois: list[Roi] = []
    seen: set[Any] = set()
    for index, annotation in enumerate(annotations or ()):
        with tree.part(path, f"annotations[{index}]"):
            rois.append(roi := _roi(annotation, size, seen))
            if not rle.area(rle.decode_counts(roi["rle"]["counts"])):
                tree.note(path, f"annotation {annotation.get('id')}: an empty segmentation; it has no pixels")
    meta = {key: value for key, value in image.items() if key not in IMAGE_KEYS}
    uri = tree.uri(picture)
    return {"id": uri.rpartition(".")[0], "sources": [source_of(uri, size)], "rois": rois, "meta": meta}


def _roi(annotation: Any, size: Size, seen: set[Any]) -> Roi:
    """The ROI of an annotation."""
    if not isinstance(annotation, dict) or not isinstance(annotation.get("segmentation"), dict):
        raise Fault("expected an object with the run lengths 'segmentation'")
    number = annotation.get("id")
    name = f"annotation {number}: "
    if isinstance(number, list | dict):
        raise Fault(f"found the id {str(number)[:60]}, expected a number or a text")
    if number in seen:
        raise Fault(f"{name}its id again")
    try:
        roi: Roi = {"label": [LABEL], "rle": run_lengths(annotation["segmentation"], size)}
    except Fault as fault:
        raise Fault(name + fault.reason) from None
    if number is not None:
        seen.add(number)
        roi["id"] = number
    score = annotation.get("predicted_iou")
    if score is not None:
        if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
            raise Fault(f"{name}found the predicted_iou {str(score)[:60]!r}, expected a number")
        roi["confidence"] = score
    roi["meta"] = {key: value for key, value in annotation.items() if key not in _OWN_KEYS}
    return roi
