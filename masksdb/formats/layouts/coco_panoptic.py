"""COCO panoptic: a JSON of segments, and beside it a folder of PNGs in which each pixel is the id of its segment.

The format is that of the COCO data page: id = R + 256 G + 65536 B. The id 0 is void, which is ignored;
an export writes ignored regions as void. A crowd has ``iscrowd``. An export calls a category a thing unless the version
says that it is not.
"""

from __future__ import annotations

import dataclasses
import json
import mmap
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from PIL import Image

from masksdb.formats.frame import Frame, Mask, Roi, mask_of, roi_of, source_of
from masksdb.formats.layouts.coco import CATEGORIES, category_ids, coco_image_folder, frame_of, image_of
from masksdb.formats.reading import VOID, Fault, Tree, open_file, size_of
from masksdb.formats.writing import OutFrame, Region, Writing, roi_key, value_key
from masksdb.pixels.masks import BLUE, RED, MaskFacts
from masksdb.pixels.regions import find_regions

PANOPTIC, COLOURS = "panoptic", "category_color"
"""The id of the mask, and that under which a version's label mapping keeps the colours of the categories."""

CATEGORY_FILE = "panoptic_coco_categories.json"

LARGEST_ID = (1 << 24) - 1

VOID_VALUE = (0, 0, 0)

_OWN_KEYS = ("id", "category_id", "iscrowd")


def recognise(path: Path) -> str | None:
    """Why a path has this layout; not where the instances of the same images stand beside it."""
    documents = _documents(path)
    if not documents or any(documents[0].parent.glob("instances_*.json")):
        return None
    return f"{documents[0].relative_to(path) if path.is_dir() else path.name}, annotations with segments_info"


def _documents(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix == ".json" and _has_segments(path) else []
    files = sorted(file for folder in (path / "annotations", path) for file in folder.glob("*.json"))
    documents = [file for file in files if _has_segments(file)]
    return [file for file in documents if file.name.startswith("panoptic_")] or documents


def _has_segments(path: Path) -> bool:
    """Whether a file is such a JSON, by the keys in its text, for it may be long."""
    try:
        with open_file(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            return all(text.find(b'"%s"' % key) >= 0 for key in (b"images", b"annotations", b"segments_info"))
    except (OSError, ValueError):
        return False


def read(tree: Tree) -> Iterator[Frame]:
    """The frames of all such files of a dataset, one for each image, those without an annotation last in a file."""
    documents = _documents(tree.path) or ([tree.path] if tree.path.is_file() else [])
    if not documents:
        raise Fault("no COCO panoptic there; expected annotations/panoptic_*.json or such a file", tree.path)
    seen: set[str] = set()
    for path in documents:
        with tree.part(path):
            yield from _Document(tree, path, seen).frames()


class _Category(NamedTuple):
    name: str
    is_thing: int | None


class _Annotated(NamedTuple):
    """An annotation of an image: its place in the JSON, its segments and its PNG."""

    place: str
    segments: list[Any]
    png: Path


def id_of(value: tuple[int, int, int]) -> int:
    """The id of a segment from its colour.

    >>> id_of((1, 2, 3))
    197121
    """
    return value[0] + 256 * value[1] + 65536 * value[2]


def value_of(number: int) -> list[int]:
    """The colour of a segment from its id.

    >>> value_of(197121)
    [1, 2, 3]
    """
    return [number & 255, number >> 8 & 255, number >> 16]


class _Document:
    """One JSON file."""

    def __init__(self, tree: Tree, path: Path, seen: set[str]) -> None:
        self.tree = tree
        self.path = path
        self.split = path.stem.removeprefix("panoptic_") if path.stem.startswith("panoptic_") else None
        self.seen = seen
        self.categories: dict[int, _Category] = {}
        self.has_categories = False
        self.folder: Path | None = None

    def frames(self) -> Iterator[Frame]:
        document = self.tree.read_json(self.path)
        self._read_categories(document.get("categories") if isinstance(document, dict) else None)
        keys = ("images", "annotations")
        if not isinstance(document, dict) or not all(isinstance(document.get(key), list) for key in keys):
            raise Fault("no lists 'images' and 'annotations'; expected a COCO panoptic file")
        self.tree.declare(PANOPTIC, VOID_VALUE, VOID, is_ignored=True)
        images: dict[int, dict[str, Any]] = {}
        for index, image in enumerate(document["images"]):
            with self.tree.part(self.path, f"images[{index}]"):
                _check_image(image, images)
                images[image["id"]] = image
        beside = self.path.with_suffix("")
        pngs = next((folder for folder in (beside, self.path.parent.parent / beside.name) if folder.is_dir()), beside)
        annotated: dict[int, _Annotated] = {}
        for index, annotation in enumerate(document["annotations"]):
            with self.tree.part(self.path, place := f"annotations[{index}]"):
                _check_annotation(annotation, images, annotated)
                png = pngs / annotation["file_name"]
                annotated[annotation["image_id"]] = _Annotated(place, annotation["segments_info"], png)
        self.folder = coco_image_folder(self.path, self.split, [image["file_name"] for image in images.values()])
        in_order = sorted(images.values(), key=lambda image: image["id"] not in annotated)
        files = [annotated[image["id"]].png if image["id"] in annotated else None for image in in_order]
        for image, facts in self.tree.with_facts(in_order, files):
            annotation = annotated.get(image["id"])
            if annotation is None:
                self.tree.note(self.path, f"image {image['id']}: no annotation has its id; its frame has no mask")
            with self.tree.part(self.path, annotation.place if annotation else None):
                yield self._frame(image, annotation, facts)

    def _read_categories(self, categories: Any) -> None:
        path = self.path
        if categories is None and (self.path.parent / CATEGORY_FILE).is_file():
            path = self.path.parent / CATEGORY_FILE
            categories = self.tree.read_json(path)
        if categories is None:
            self.tree.note(path, f"no categories, nor {CATEGORY_FILE} beside it; they are called by their ids")
            return
        with self.tree.part(path, "categories"):
            if not isinstance(categories, list):
                raise Fault("expected a list of categories")
            self.has_categories = True
        for index, category in enumerate(categories if self.has_categories else ()):
            with self.tree.part(path, f"categories[{index}]"):
                self._read_category(category)

    def _read_category(self, category: Any) -> None:
        if not isinstance(category, dict) or type(category.get("id")) is not int:
            raise Fault("expected a category with a whole number 'id'")
        number = category["id"]
        if number in self.categories:
            raise Fault(f"the category id {number} again")
        name, is_thing = str(category.get("name", number)), category.get("isthing")
        self.categories[number] = _Category(name, int(is_thing) if is_thing in (0, 1) else None)
        if 0 <= number <= 65535:
            self.tree.declare(CATEGORIES, [number], name)
        colour = category.get("color")
        if isinstance(colour, list) and len(colour) == 3 and all(type(c) is int and 0 <= c < 256 for c in colour):
            self.tree.declare(COLOURS, colour, name)

    def _frame(self, image: dict[str, Any], annotation: _Annotated | None, facts: MaskFacts | None) -> Frame:
        uri, size = image_of(self.tree, self.path, image, self.folder)
        masks: list[Mask] = []
        rois: list[Roi] = []
        if annotation is not None and facts is not None:
            size = size or size_of(facts)
            self.tree.check_size(annotation.png, size_of(facts), size)
            masks.append(mask_of(PANOPTIC, self.tree.uri(annotation.png)))
            with self.tree.part(annotation.png):
                rois = self._rois(annotation, facts)
        return frame_of(image, self.split, self.seen, source_of(uri, size, masks), rois)

    def _rois(self, annotation: _Annotated, facts: MaskFacts) -> list[Roi]:
        if facts.image.mode not in ("rgb", "rgba") or facts.image.depth > 8:
            mode = facts.image.mode.replace("_", " and ")
            raise Fault(f"found {mode} of {facts.image.depth} bits, expected RGB of 8 bits, which are the ids")
        areas: dict[int, int] = {}
        for value, area in zip(facts.colours[:, RED : BLUE + 1].tolist(), facts.regions.area.tolist(), strict=True):
            areas[id_of(value)] = areas.get(id_of(value), 0) + area
        seen: set[int] = set()
        rois: list[Roi] = []
        differing = []
        for index, segment in enumerate(annotation.segments):
            name = f"segment {segment['id']}" if isinstance(segment, dict) and "id" in segment else ""
            with self.tree.part(self.path, f"{annotation.place}.segments_info[{index}]", name=name):
                self._check_segment(segment, areas, seen)
                if segment.get("area", areas[segment["id"]]) != areas[segment["id"]]:
                    differing.append(segment["id"])
                rois.append(self._roi(segment))
        if differing:
            reason = f"{len(differing)} segments have another 'area' than pixels in {annotation.png.name}"
            self.tree.note(self.path, f"{annotation.place}: {reason}, the first is {differing[0]}")
        known = {segment["id"] for segment in annotation.segments if _is_segment(segment)}
        for number in sorted(areas.keys() - known - {0}):
            reason = f"id {number}: no segment of the JSON has it, but {areas[number]} pixels {value_of(number)} here"
            self.tree.refuse(Fault(reason, annotation.png))
        if 0 in areas:
            rois.append(roi_of(VOID, PANOPTIC, VOID_VALUE, is_ignored=True))
        return rois

    def _check_segment(self, segment: Any, areas: Mapping[int, int], seen: set[int]) -> None:
        if not _is_segment(segment):
            raise Fault(f"expected an object with an 'id' from 1 to {LARGEST_ID}")
        if segment["id"] in seen:
            raise Fault("its id again in this image")
        seen.add(segment["id"])
        number = segment.get("category_id")
        if type(number) is not int or (self.has_categories and number not in self.categories):
            raise Fault(f"no category has the id {number!r}")
        if segment["id"] not in areas:
            raise Fault("no pixel of the PNG has its id")

    def _roi(self, segment: Mapping[str, Any]) -> Roi:
        number = segment["category_id"]
        category = self.categories.get(number) or _Category(str(number), None)
        roi: Roi = {"id": segment["id"], "label": [category.name]}
        roi["mask"] = {"id": PANOPTIC, "value": value_of(segment["id"])}
        roi["meta"] = {key: value for key, value in segment.items() if key not in _OWN_KEYS}
        if category.is_thing is not None:
            roi["meta"]["isthing"] = category.is_thing
        if segment.get("iscrowd"):
            roi["is_crowd"] = True
        return roi


def _is_name(name: Any) -> bool:
    """Whether a file may have such a name."""
    return isinstance(name, str) and bool(name) and "\0" not in name and not re.search("[\ud800-\udfff]", name)


def _is_segment(segment: Any) -> bool:
    return isinstance(segment, dict) and type(segment.get("id")) is int and 0 < segment["id"] <= LARGEST_ID


def _check_image(image: Any, images: Mapping[int, Any]) -> None:
    if not isinstance(image, dict) or type(image.get("id")) is not int or not _is_name(image.get("file_name")):
        raise Fault("expected an image with a whole number 'id' and a 'file_name'")
    if image["id"] in images:
        raise Fault(f"the image id {image['id']} again")


def _check_annotation(annotation: Any, images: Mapping[int, Any], annotated: Mapping[int, Any]) -> None:
    if not isinstance(annotation, dict) or not isinstance(annotation.get("segments_info"), list):
        raise Fault("expected an object with a list 'segments_info'")
    image_id = annotation.get("image_id")
    if type(image_id) is not int or image_id not in images:
        raise Fault(f"no image has the id {image_id!r}")
    if image_id in annotated:
        raise Fault(f"the image id {image_id} again")
    if not _is_name(annotation.get("file_name")):
        raise Fault(f"image {image_id}: expected a 'file_name', that of its PNG")


def write(out: Writing) -> None:
    """Write ``annotations/panoptic_<split>.json`` and its folder for each split, ``default`` where frames have none."""
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
        names = [name for name in out.classes.names if name != VOID]
        self.categories = category_ids(dataclasses.replace(out.classes, names=names))
        self.is_thing: dict[str, int] = {}
        self.images: list[dict[str, Any]] = []
        self.image_ids: set[int] = set()
        self.count = 0
        path = out.path(f"annotations/panoptic_{split}.json")
        self.file: IO[str] = open(path, "w", encoding="utf-8")  # noqa: SIM115
        self.file.write('{"annotations": [')

    def add(self, frame: OutFrame) -> None:
        image_id = self._image_id(frame)
        image = {"id": image_id, "file_name": frame.image_name, "width": frame.width, "height": frame.height}
        self.images.append(image)
        self.out.copy_image(frame, f"images/{self.split}/{frame.image_name}")
        if not frame.width or not frame.height:
            self.out.notes.append(f"{frame.frame_id}: has no size, so no PNG was written")
            return
        ids = _ids(frame)
        painted = frame.paint(ids)
        pixels = np.stack([painted & 255, painted >> 8 & 255, painted >> 16], axis=-1).astype(np.uint8)
        name = f"{frame.name}.png"
        Image.fromarray(pixels).save(self.out.path(f"annotations/panoptic_{self.split}/{name}"))
        found = find_regions(pixels)
        # The codes of regions have red highest, ids have it lowest.
        places = {
            code >> 16 | (code >> 8 & 255) << 8 | (code & 255) << 16: n for n, code in enumerate(found.codes.tolist())
        }
        segments = []
        for region, number in zip(frame.regions, ids, strict=True):
            if number not in places:
                self.out.cannot_hold(frame, region, "all of it lies under later regions")
                continue
            key = roi_key(number) if number else value_key(PANOPTIC, VOID_VALUE)
            self.out.wrote(frame, region, frame.name, key)
            if number:
                left, top, right, bottom = found.geometry[places[number], :4].tolist()
                segment = {"id": number, "category_id": self.categories[region.label], "iscrowd": int(region.is_crowd)}
                box = [left, top, right - left + 1, bottom - top + 1]
                segments.append(segment | {"area": int(found.area[places[number]]), "bbox": box})
                if region.meta.get("isthing") in (0, 1):
                    self.is_thing.setdefault(region.label, int(region.meta["isthing"]))
        annotation = {"image_id": image_id, "file_name": name, "segments_info": segments}
        self.file.write((",\n" if self.count else "\n") + json.dumps(annotation))
        self.count += 1

    def _image_id(self, frame: OutFrame) -> int:
        """The id that an image came with, so that predictions for it are found; else the next."""
        given = frame.meta.get("id")
        found: int = given if type(given) is int and given not in self.image_ids else len(self.images) + 1
        while found in self.image_ids:
            found += 1
        self.image_ids.add(found)
        return found

    def close(self) -> None:
        categories = [
            {"id": number, "name": name, "isthing": self.is_thing.get(name, 1), "color": self.out.classes.colours[name]}
            for name, number in self.categories.items()
        ]
        self.file.write(f'\n],\n"images": {json.dumps(self.images)},\n"categories": {json.dumps(categories)}}}\n')
        self.file.close()


def _ids(frame: OutFrame) -> list[int]:
    """The id of each region's segment: its ROI's where that is one, else the next; 0 for what counts for nothing."""
    is_void = [region.is_ignored or region.label == VOID for region in frame.regions]
    given = [_given_id(region) for region in frame.regions]
    taken: set[int] = set()
    found: list[int] = []
    wanted = {number for number in given if number}
    following = 1
    for number, void in zip(given, is_void, strict=True):
        if void:
            found.append(0)
            continue
        if not number or number in taken:
            while following in taken or following in wanted:
                following += 1
            number = following
        taken.add(number)
        found.append(number)
    return found


def _given_id(region: Region) -> int:
    """The id of a region's ROI as that of a segment, 0 where it is none."""
    text = region.roi_id or ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 and int(text) <= LARGEST_ID else 0
