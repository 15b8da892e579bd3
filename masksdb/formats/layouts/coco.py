"""COCO instances: one JSON of images, annotations and categories; regions as polygons or run lengths.

The format is that of the COCO data page: polygons are lists of x, y; run lengths go down the columns, as a list or
compressed; a category id 0 is read as any other.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from masksdb.errors import MasksDBError
from masksdb.formats.frame import Frame, Roi, RunLengths, Size, Source, source_of
from masksdb.formats.reading import Fault, Tree, open_file
from masksdb.formats.writing import Classes, OutFrame, Region, Writing, roi_key
from masksdb.pixels import polygons, rle
from masksdb.pixels.outlines import bridged, trace

CATEGORIES = "category_id"
"""The mask id under which a version's label mapping keeps the category ids."""

_NO_ANNOTATIONS = re.compile(rb'"annotations"\s*:\s*\[\s*\]')

_NUMBERS = frozenset({int, float})

_OWN_KEYS = ("id", "image_id", "segmentation", "iscrowd", "ignore", "score")

IMAGE_KEYS = ("file_name", "width", "height")
"""What of an image in a JSON is not kept in its frame's meta, for it is the source's."""


def recognise(path: Path) -> str | None:
    """Why a path has this layout."""
    documents = _documents(path)
    if not documents:
        return None
    return f"{documents[0].relative_to(path) if path.is_dir() else path.name}, annotations with segmentation"


def _documents(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix == ".json" and _has_instances(path) else []
    files = sorted(file for folder in (path / "annotations", path) for file in folder.glob("*.json"))
    return [file for file in files if file.name.startswith("instances")] or [
        file for file in files if "keypoints" not in file.name and _has_instances(file)
    ]


def _has_instances(path: Path) -> bool:
    """Whether a file is such a JSON, by the keys in its text, for it may be long."""
    try:
        with _text_of(path) as text:
            has_lists = all(text.find(b'"%s"' % key) >= 0 for key in (b"images", b"annotations"))
            return has_lists and (text.find(b'"segmentation"') >= 0 or _NO_ANNOTATIONS.search(text) is not None)
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def _text_of(path: Path) -> Iterator[mmap.mmap]:
    """The bytes of a file, of which only what is searched comes into memory."""
    with open_file(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        yield text


def _mentions(path: Path, *words: bytes) -> bool:
    with _text_of(path) as text:
        return any(text.find(word) >= 0 for word in words)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


def _has_id(value: Any) -> bool:
    return isinstance(value, dict) and value.get("id") is not None and not isinstance(value["id"], dict | list)


def read(tree: Tree) -> Iterator[Frame]:
    """The frames of all such files of a dataset, one for each image."""
    documents = _documents(tree.path) or ([tree.path] if tree.path.is_file() else [])
    if not documents:
        raise Fault("no COCO instances there; expected annotations/instances_*.json or such a file", tree.path)
    seen: set[str] = set()
    for path in documents:
        split = path.stem.removeprefix("instances_") if path.stem.startswith("instances_") else None
        with tree.part(path):
            yield from _Document(tree, path, split if len(documents) > 1 or split else None, seen).frames()


class _Document:
    """One JSON file."""

    def __init__(self, tree: Tree, path: Path, split: str | None, seen: set[str]) -> None:
        self.tree = tree
        self.path = path
        self.split = split
        self.seen = seen
        self.names: dict[Any, str] = {}
        self.may_have_nan = False

    def frames(self) -> Iterator[Frame]:
        document = self.tree.read_json(self.path)
        self.may_have_nan = _mentions(self.path, b"NaN", b"Infinity")
        lists = ("images", "annotations", "categories")
        missing = [name for name in lists if not isinstance(document, dict) or not isinstance(document.get(name), list)]
        if missing:
            raise Fault(f"no list {', '.join(map(repr, missing))}; expected a COCO file of instances")
        self._read_categories(document["categories"])
        images: dict[Any, tuple[dict[str, Any], list[tuple[int, Any]]]] = {}
        for index, image in enumerate(document["images"]):
            with self.tree.part(self.path, f"images[{index}]"):
                self._check_image(image, images)
                images[image["id"]] = (image, [])
        ids: set[Any] = set()
        for index, annotation in enumerate(document["annotations"]):
            try:
                self._check_annotation(annotation, images, ids)
            except Fault as fault:
                self._refuse(annotation, index, fault)
                continue
            ids.add(annotation.get("id"))
            images[annotation["image_id"]][1].append((index, annotation))
        folder = coco_image_folder(self.path, self.split, [image["file_name"] for image, _ in images.values()])
        for image, own in images.values():
            yield self._frame(image, own, folder)

    def _read_categories(self, categories: Iterable[Any]) -> None:
        ids: dict[str, Any] = {}
        for index, category in enumerate(categories):
            with self.tree.part(self.path, f"categories[{index}]"):
                if not _has_id(category):
                    raise Fault("expected a category with 'id' and 'name'")
                number = category["id"]
                if number in self.names:
                    raise Fault(f"the category id {number} again")
                name = str(number if category.get("name") is None else category["name"])
                self.names[number] = name
                if ids.setdefault(name, number) != number:
                    self.tree.note(self.path, f"the categories {ids[name]} and {number} are one class, {name!r}")
                if number == 0:
                    self.tree.note(self.path, f"category id 0 ({name!r}) is a class like others; some tools skip it")
                if isinstance(number, int) and 0 <= number <= 65535:
                    self.tree.declare(CATEGORIES, [number], name)

    def _check_image(self, image: Any, images: Mapping[Any, Any]) -> None:
        if not _has_id(image) or not isinstance(image.get("file_name"), str):
            raise Fault("expected an image with 'id' and 'file_name'")
        if self.may_have_nan and not _is_json(image):
            raise Fault(f"image {image['id']}: holds NaN or Infinity")
        if image["id"] in images:
            raise Fault(f"the image id {image['id']} again")

    def _check_annotation(self, annotation: Any, images: Mapping[Any, Any], ids: set[Any]) -> None:
        if not isinstance(annotation, dict):
            raise Fault("expected an object")
        get = annotation.get
        keys = number, image_id, category_id = get("id"), get("image_id"), get("category_id")
        if any(isinstance(key, dict | list) for key in keys):
            raise Fault("expected numbers or texts as its ids")
        if image_id not in images:
            raise Fault(f"no image has the id {image_id!r}")
        if number is not None and number in ids:
            raise Fault("its id again")
        if category_id not in self.names:
            raise Fault(f"no category has the id {category_id!r}")
        if get("iscrowd") not in (None, 0, 1):
            raise Fault(f"iscrowd: found {get('iscrowd')!r}, expected 0 or 1")
        if get("score") is not None and type(get("score")) not in _NUMBERS:
            raise Fault(f"score: found {get('score')!r}, expected a number")
        if self.may_have_nan and not _is_json(annotation):
            raise Fault("holds NaN or Infinity")

    def _refuse(self, annotation: Any, index: int, fault: Fault) -> None:
        name = f"annotation {annotation['id']}" if isinstance(annotation, dict) and "id" in annotation else ""
        self.tree.refuse(fault.at(self.path, f"annotations[{index}]", name=name))

    def _frame(
        self, image: dict[str, Any], annotations: list[tuple[int, dict[str, Any]]], folder: Path | None
    ) -> Frame:
        uri, size = image_of(self.tree, self.path, image, folder)
        rois = []
        for index, annotation in annotations:
            try:
                rois.append(self._roi(annotation, size))
            except Fault as fault:
                self._refuse(annotation, index, fault)
        return frame_of(image, self.split, self.seen, source_of(uri, size), rois)

    def _roi(self, annotation: Mapping[str, Any], size: Size | None) -> Roi:
        """The ROI of an annotation."""
        label = [self.names[annotation["category_id"]]]
        roi: Roi = {"label": label} if annotation.get("id") is None else {"id": annotation["id"], "label": label}
        segmentation = annotation.get("segmentation")
        if isinstance(segmentation, list) and segmentation:
            roi["poly"] = _flat(segmentation)
        elif isinstance(segmentation, Mapping) and segmentation.get("counts"):
            roi["rle"] = run_lengths(segmentation, size)
            if not rle.area(rle.decode_counts(roi["rle"]["counts"])):
                self._note_empty(annotation)
        elif segmentation is not None and not isinstance(segmentation, list | Mapping):
            raise Fault(f"segmentation: found {segmentation!r}, expected polygons or run lengths")
        elif segmentation is not None or "bbox" not in annotation:
            self._note_empty(annotation)
        if annotation.get("iscrowd"):
            roi["is_crowd"] = True
        if annotation.get("score") is not None:
            roi["confidence"] = annotation["score"]
        roi["meta"] = {key: value for key, value in annotation.items() if key not in _OWN_KEYS}
        if annotation.get("ignore"):
            roi["meta"]["ignore"] = True
        return roi

    def _note_empty(self, annotation: Mapping[str, Any]) -> None:
        self.tree.note(self.path, f"annotation {annotation.get('id')}: an empty segmentation; it has no pixels")


def image_of(
    tree: Tree, path: Path, image: Mapping[str, Any], folder: Path | None
) -> tuple[str, Size | None]:  # fmt: skip
    """The URI and the size of an image of a JSON file, with a note where the image itself says otherwise.

    Args:
        tree: the dataset.
        path: the JSON file.
        image: what it says of the image.
        folder: where the images are, None where they are not there.
    """
    name, width, height = image["file_name"], image.get("width"), image.get("height")
    declared = None
    if type(width) is int and type(height) is int and width > 0 and height > 0:
        declared = Size(width, height)
    if folder is None:
        return name, declared
    try:
        size = tree.size(folder / name)
    except Fault as fault:
        tree.note(path, f"image {image['id']}: {fault.path}: {fault.reason}")
        return name, declared
    tree.note_size(folder / name, declared or size, size)
    return tree.uri(folder / name), declared or size


def frame_of(image: Mapping[str, Any], split: str | None, seen: set[str], source: Source, rois: list[Roi]) -> Frame:
    """The frame of an image of a JSON file; what else is said of the image is its meta."""
    meta = {key: value for key, value in image.items() if key not in IMAGE_KEYS} | ({"split": split} if split else {})
    return {"id": frame_id_of(image, split, seen), "sources": [source], "rois": rois, "meta": meta}


def frame_id_of(image: Mapping[str, Any], split: str | None, seen: set[str]) -> str:
    """The id of an image's frame: its name without the suffix, with the split where another split has that too."""
    name: str = image["file_name"]
    frame_id = name.rpartition(".")[0] or name
    if frame_id in seen and split:
        frame_id = f"{split}/{frame_id}"
    seen.add(frame_id)
    return frame_id


def _flat(parts: list[Any]) -> list[float]:
    """Polygons as one flat list."""
    flat: list[float] = []
    for part in parts:
        if not isinstance(part, list) or len(part) < 6 or len(part) % 2:
            count = len(part) if isinstance(part, list) else 0
            raise Fault(f"a polygon of {count} numbers; expected x and y of 3 or more points")
        if not _NUMBERS.issuperset(map(type, part)):
            wrong = next(number for number in part if type(number) not in _NUMBERS)
            raise Fault(f"a polygon with {wrong!r}; expected numbers")
        flat += ([polygons.SEPARATOR] if flat else []) + part
    return flat


def run_lengths(segmentation: Mapping[str, Any], size: Size | None) -> RunLengths:
    """Run lengths, compressed or as a list, in the compressed form.

    Raises:
        Fault: they are not run lengths, or those of an image of another size.
    """
    try:
        height, width = segmentation["size"]
        counts = segmentation["counts"]
        if isinstance(counts, list) and not {int}.issuperset(map(type, counts)):
            raise Fault("run lengths that are not such: expected whole numbers")
        lengths = rle.decode_counts(counts) if isinstance(counts, str) else np.array(counts, np.int64)
        rle.check_size(lengths, height, width)
    except Fault:
        raise
    except (KeyError, TypeError, ValueError, OverflowError, MasksDBError) as error:
        raise Fault(f"run lengths that are not such: {error}") from None
    if size and (width, height) != size and rle.area(lengths):
        raise Fault(f"run lengths of {width} x {height} pixels on an image of {size}")
    return {"size": [height, width], "counts": counts if isinstance(counts, str) else rle.encode_counts(lengths)}


def write(out: Writing) -> None:
    """Write ``annotations/instances_<split>.json`` for each split, ``default`` where frames have none."""
    files: dict[str, _OutDocument] = {}
    try:
        for frame in out.frames():
            split = frame.split or "default"
            if split not in files:
                files[split] = _OutDocument(out, split)
            files[split].add(frame)
    finally:
        for document in files.values():
            document.close()


class _OutDocument:
    """One JSON file under way: annotations are written as they come, images and categories at the end."""

    def __init__(self, out: Writing, split: str) -> None:
        self.out = out
        self.split = split
        self.categories = category_ids(out.classes)
        self.images: list[dict[str, Any]] = []
        self.ids: set[int] = set()
        self.next_id = 1
        self.file: IO[str] = open(out.path(f"annotations/instances_{split}.json"), "w", encoding="utf-8")  # noqa: SIM115
        self.file.write('{"annotations": [')

    def add(self, frame: OutFrame) -> None:
        image_id = len(self.images) + 1
        image = {"id": image_id, "file_name": frame.image_name, "width": frame.width, "height": frame.height}
        self.images.append(image)
        self.out.copy_image(frame, f"images/{self.split}/{frame.image_name}")
        for region in frame.regions:
            segmentation = self._segmentation(region)
            if not segmentation:
                self.out.cannot_hold(frame, region, "no polygon of it is left")
                continue
            annotation: dict[str, Any] = {
                "id": self._id(region),
                "image_id": image_id,
                "category_id": self.categories[region.label],
            }
            box = rle.box(region.counts, region.height)
            annotation |= {"segmentation": segmentation, "area": region.area, "bbox": list(map(float, box or ()))}
            annotation |= {"iscrowd": int(region.is_crowd)} | ({"ignore": 1} if region.is_ignored else {})
            self.file.write((",\n" if self.ids else "\n") + json.dumps(annotation))
            self.ids.add(annotation["id"])
            self.out.wrote(frame, region, frame.name, roi_key(annotation["id"]))

    def _segmentation(self, region: Region) -> Any:
        if region.parts is not None:
            return [part.reshape(-1).tolist() for part in region.parts]
        if self.out.polygons and not region.is_crowd:
            outlines = trace(region.pixels())
            has_holes = any(outline.is_hole for outline in outlines)
            parts = [bridged(outlines)] if has_holes else [outline.points for outline in outlines]
            return [part.astype(float).reshape(-1).tolist() for part in parts]
        return region.encoded()

    def _id(self, region: Region) -> int:
        if region.roi_id and region.roi_id.isdecimal() and int(region.roi_id) not in self.ids:
            return int(region.roi_id)
        while self.next_id in self.ids:
            self.next_id += 1
        return self.next_id

    def close(self) -> None:
        categories = [{"id": number, "name": name} for name, number in self.categories.items()]
        self.file.write(f'\n],\n"images": {json.dumps(self.images)},\n"categories": {json.dumps(categories)}}}\n')
        self.file.close()


def category_ids(classes: Classes) -> dict[str, int]:
    """A category id for each class: the one it came with, else the next from 1 on."""
    return classes.indexes(0 if 0 in classes.values.values() else 1)


def coco_image_folder(path: Path, split: str | None, names: Sequence[str]) -> Path | None:
    """The folder in which the images of a COCO file are, or None where none of the first few is there.

    Args:
        path: the JSON file.
        split: what its name says of the split.
        names: names of the images.
    """
    root = path.parent.parent if path.parent.name == "annotations" else path.parent
    homes = ["images", "", "data", "input_images", "JPEGImages"]
    candidates = [root / home / part for home in homes for part in dict.fromkeys([split or "", ""])]
    return next((folder for name in names[:3] for folder in candidates if os.path.isfile(folder / name)), None)
