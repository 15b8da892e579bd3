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

from masksdb.errors import IngestError, MasksDBError
from masksdb.formats.reading import Frame, Size, Tree, open_file, source_of
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
    found = _documents(path)
    return (
        f"{found[0].relative_to(path) if path.is_dir() else path.name}, annotations with segmentation"
        if found
        else None
    )


def _documents(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix == ".json" and _has_instances(path) else []
    known = sorted(each for folder in (path / "annotations", path) for each in folder.glob("*.json"))
    return [each for each in known if each.name.startswith("instances")] or [
        each for each in known if "keypoints" not in each.name and _has_instances(each)
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
    """The bytes of a file, of which only what is looked at comes into memory."""
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


def read(tree: Tree) -> Iterator[Frame | IngestError]:
    """The frames of all such files of a dataset, an image each."""
    found = _documents(tree.path) or ([tree.path] if tree.path.is_file() else [])
    if not found:
        yield tree.error(tree.path, "no COCO instances there; expected annotations/instances_*.json or such a file")
    seen: set[str] = set()
    for path in found:
        split = path.stem.removeprefix("instances_") if path.stem.startswith("instances_") else None
        yield from _Document(tree, path, split if len(found) > 1 or split else None, seen).frames()


class _Document:
    """One JSON file."""

    def __init__(self, tree: Tree, path: Path, split: str | None, seen: set[str]) -> None:
        self.tree = tree
        self.path = path
        self.split = split
        self.seen = seen
        self.names: dict[Any, str] = {}
        self.may_have_nan = False

    def frames(self) -> Iterator[Frame | IngestError]:
        try:
            document = self.tree.read_json(self.path)
            self.may_have_nan = _mentions(self.path, b"NaN", b"Infinity")
        except IngestError as error:
            yield error
            return
        lists = ("images", "annotations", "categories")
        missing = [name for name in lists if not isinstance(document, dict) or not isinstance(document.get(name), list)]
        if missing:
            names = ", ".join(map(repr, missing))
            yield self.tree.error(self.path, f"no list {names}; expected a COCO file of instances")
            return
        yield from self._categories(document["categories"])
        images: dict[Any, tuple[dict[str, Any], list[Any]]] = {}
        for index, image in enumerate(document["images"]):
            if not _has_id(image) or not isinstance(image.get("file_name"), str):
                yield self.tree.error(self.path, "expected an image with 'id' and 'file_name'", f"images[{index}]")
            elif self.may_have_nan and not _is_json(image):
                yield self.tree.error(self.path, f"image {image['id']}: holds NaN or Infinity", f"images[{index}]")
            elif image["id"] in images:
                yield self.tree.error(self.path, f"the image id {image['id']} again", f"images[{index}]")
            else:
                images[image["id"]] = (image, [])
        ids: set[Any] = set()
        for index, annotation in enumerate(document["annotations"]):
            reason = self._misplaced(annotation, images, ids)
            if reason:
                yield self._refused(annotation, index, reason)
                continue
            ids.add(annotation.get("id"))
            images[annotation["image_id"]][1].append((index, annotation))
        folder = coco_image_folder(self.path, self.split, [image["file_name"] for image, _ in images.values()])
        for image, own in images.values():
            yield from self._frame(image, own, folder)

    def _categories(self, categories: Iterable[Any]) -> Iterator[IngestError]:
        ids: dict[str, Any] = {}
        for index, category in enumerate(categories):
            if not _has_id(category):
                yield self.tree.error(self.path, "expected a category with 'id' and 'name'", f"categories[{index}]")
                continue
            if category["id"] in self.names:
                yield self.tree.error(self.path, f"the category id {category['id']} again", f"categories[{index}]")
                continue
            given = category.get("name")
            name = str(category["id"] if given is None else given)
            self.names[category["id"]] = name
            if ids.setdefault(name, category["id"]) != category["id"]:
                self.tree.note(self.path, f"the categories {ids[name]} and {category['id']} are one class, {name!r}")
            if category["id"] == 0:
                self.tree.note(
                    self.path, f"category id 0 ({self.names[0]!r}) is a class like others; some tools skip it"
                )
            if isinstance(category["id"], int) and 0 <= category["id"] <= 65535:
                self.tree.declare(CATEGORIES, [category["id"]], self.names[category["id"]])

    def _misplaced(self, annotation: Any, images: Mapping[Any, Any], ids: set[Any]) -> str | None:
        if not isinstance(annotation, dict):
            return "expected an object"
        get = annotation.get
        keys = number, image_id, category_id = get("id"), get("image_id"), get("category_id")
        if any(isinstance(key, dict | list) for key in keys):
            return "expected numbers or texts as its ids"
        if image_id not in images:
            return f"no image has the id {image_id!r}"
        if number is not None and number in ids:
            return "its id again"
        if category_id not in self.names:
            return f"no category has the id {category_id!r}"
        if get("iscrowd") not in (None, 0, 1):
            return f"iscrowd: found {get('iscrowd')!r}, expected 0 or 1"
        if get("score") is not None and type(get("score")) not in _NUMBERS:
            return f"score: found {get('score')!r}, expected a number"
        if self.may_have_nan and not _is_json(annotation):
            return "holds NaN or Infinity"
        return None

    def _refused(self, annotation: Any, index: int, reason: str) -> IngestError:
        name = f"annotation {annotation['id']}: " if isinstance(annotation, dict) and "id" in annotation else ""
        return self.tree.error(self.path, f"{name}{reason}", f"annotations[{index}]")

    def _frame(
        self, image: dict[str, Any], annotations: list[tuple[int, dict[str, Any]]], folder: Path | None
    ) -> Iterator[Frame | IngestError]:
        uri, size = image_of(self.tree, self.path, image, folder)
        rois = []
        for index, annotation in annotations:
            roi = self._roi(annotation, size)
            if isinstance(roi, str):
                yield self._refused(annotation, index, roi)
            else:
                rois.append(roi)
        frame_id = frame_id_of(image, self.split, self.seen)
        meta = {key: value for key, value in image.items() if key not in IMAGE_KEYS}
        frame: Frame = {"id": frame_id, "sources": [source_of(uri, size)], "rois": rois}
        yield frame | {"meta": meta | ({"split": self.split} if self.split else {})}

    def _roi(self, annotation: Mapping[str, Any], size: Size | None) -> dict[str, Any] | str:
        """The ROI of an annotation, or why there is none."""
        roi: dict[str, Any] = {"label": [self.names[annotation["category_id"]]]}
        if annotation.get("id") is not None:
            roi = {"id": annotation["id"], **roi}
        segmentation = annotation.get("segmentation")
        if isinstance(segmentation, list) and segmentation:
            flat = _flat(segmentation)
            if isinstance(flat, str):
                return flat
            roi["poly"] = flat
        elif isinstance(segmentation, Mapping) and segmentation.get("counts"):
            found = run_lengths(segmentation, size)
            if isinstance(found, str):
                return found
            roi["rle"] = found
            if not rle.area(rle.decode_counts(found["counts"])):
                self._note_empty(annotation)
        elif segmentation is not None and not isinstance(segmentation, list | Mapping):
            return f"segmentation: found {segmentation!r}, expected polygons or run lengths"
        elif segmentation is not None or "bbox" not in annotation:
            self._note_empty(annotation)
        if annotation.get("iscrowd"):
            roi["is_crowd"] = True
        if annotation.get("score") is not None:
            roi["confidence"] = annotation["score"]
        meta = {key: value for key, value in annotation.items() if key not in _OWN_KEYS}
        return roi | {"meta": meta | ({"ignore": True} if annotation.get("ignore") else {})}

    def _note_empty(self, annotation: Mapping[str, Any]) -> None:
        self.tree.note(self.path, f"annotation {annotation.get('id')}: an empty segmentation; it has no pixels")


def image_of(
    tree: Tree, path: Path, image: Mapping[str, Any], folder: Path | None
) -> tuple[str, Size | None]:  # fmt: skip
    """The URI and the size of an image of a JSON file; told where the image itself says otherwise.

    Args:
        tree: the dataset.
        path: the JSON file.
        image: what it says of the image.
        folder: where the images are, None where they are not there.
    """
    name, width, height = image["file_name"], image.get("width"), image.get("height")
    size = None
    if type(width) is int and type(height) is int and width > 0 and height > 0:
        size = Size(width, height)
    if folder is None:
        return name, size
    found = tree.size(folder / name)
    if not isinstance(found, Size):
        tree.note(path, f"image {image['id']}: {found}")
        return name, size
    size = size or found
    if size != found:
        tree.note(folder / name, f"{found.width} x {found.height} pixels, not {size.width} x {size.height}")
    return tree.uri(folder / name), size


def frame_id_of(image: Mapping[str, Any], split: str | None, seen: set[str]) -> str:
    """The id of an image's frame: its name without the suffix, with the split where another split has that too."""
    name: str = image["file_name"]
    frame_id = name.rpartition(".")[0] or name
    if frame_id in seen and split:
        frame_id = f"{split}/{frame_id}"
    seen.add(frame_id)
    return frame_id


def _flat(parts: list[Any]) -> list[float] | str:
    """Polygons as one flat list, or what is wrong with them."""
    flat: list[float] = []
    for part in parts:
        if not isinstance(part, list) or len(part) < 6 or len(part) % 2:
            count = len(part) if isinstance(part, list) else 0
            return f"a polygon of {count} numbers; expected x and y of 3 or more points"
        if not _NUMBERS.issuperset(map(type, part)):
            wrong = next(number for number in part if type(number) not in _NUMBERS)
            return f"a polygon with {wrong!r}; expected numbers"
        flat += ([polygons.SEPARATOR] if flat else []) + part
    return flat


def run_lengths(given: Mapping[str, Any], size: Size | None) -> dict[str, Any] | str:
    """Run lengths, compressed or as a list, in the compressed form; or what is wrong with them."""
    try:
        height, width = given["size"]
        counts = given["counts"]
        if isinstance(counts, list) and not {int}.issuperset(map(type, counts)):
            return "run lengths that are not such: expected whole numbers"
        lengths = rle.decode_counts(counts) if isinstance(counts, str) else np.array(counts, np.int64)
        rle.check_size(lengths, height, width)
    except (KeyError, TypeError, ValueError, OverflowError, MasksDBError) as error:
        return f"run lengths that are not such: {error}"
    if size and (width, height) != size and rle.area(lengths):
        return f"run lengths of {width} x {height} pixels on an image of {size.width} x {size.height}"
    return {"size": [height, width], "counts": counts if isinstance(counts, str) else rle.encode_counts(lengths)}


def write(out: Writing) -> None:
    """Write ``annotations/instances_<split>.json`` for each split, ``default`` where frames have none."""
    files: dict[str, _OutDocument] = {}
    try:
        for frame in out.frames():
            split = str(frame.meta.get("split") or "default").replace("/", "_")
            if split not in files:
                files[split] = _OutDocument(out, split)
            files[split].add(frame)
    finally:
        for each in files.values():
            each.close()


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
            has_holes = any(each.is_hole for each in outlines)
            parts = [bridged(outlines)] if has_holes else [each.points for each in outlines]
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
    given = {name: number for name, number in classes.values.items() if number == 0}
    return classes.indexes(0 if given else 1)


def coco_image_folder(path: Path, split: str | None, names: Sequence[str]) -> Path | None:
    """The folder in which the images of a COCO file are, or None where none of the first few is there.

    Args:
        path: the JSON file.
        split: what its name says of the split.
        names: names of the images.
    """
    root = path.parent.parent if path.parent.name == "annotations" else path.parent
    folders = ["images", "", "data", "input_images", "JPEGImages"]
    candidates = [root / folder / part for folder in folders for part in dict.fromkeys([split or "", ""])]
    return next((each for name in names[:3] for each in candidates if os.path.isfile(each / name)), None)
