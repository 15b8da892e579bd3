"""COCO panoptic: a JSON of segments, and beside it a folder of PNGs in which each pixel is the id of its segment.

The format is that of the COCO data page: id = R + 256 G + 65536 B. The id 0 is void, which counts for nothing; so does
what is to be ignored, which an export writes as void. A crowd has ``iscrowd``. A category that an export knows nothing
else of is a thing.
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

from masksdb.errors import IngestError
from masksdb.formats.layouts.coco import CATEGORIES, IMAGE_KEYS, category_ids, coco_image_folder, frame_id_of, image_of
from masksdb.formats.reading import VOID, Frame, Size, Tree, mask_of, open_file, roi_of, source_of
from masksdb.formats.writing import OutFrame, Region, Writing, folder_name, roi_key, value_key
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
    found = _documents(path)
    if not found or any(found[0].parent.glob("instances_*.json")):
        return None
    return f"{found[0].relative_to(path) if path.is_dir() else path.name}, annotations with segments_info"


def _documents(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix == ".json" and _has_segments(path) else []
    known = sorted(each for folder in (path / "annotations", path) for each in folder.glob("*.json"))
    found = [each for each in known if _has_segments(each)]
    return [each for each in found if each.name.startswith("panoptic_")] or found


def _has_segments(path: Path) -> bool:
    """Whether a file is such a JSON, by the keys in its text, for it may be long."""
    try:
        with open_file(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            return all(text.find(b'"%s"' % key) >= 0 for key in (b"images", b"annotations", b"segments_info"))
    except (OSError, ValueError):
        return False


def read(tree: Tree) -> Iterator[Frame | IngestError]:
    """The frames of all such files of a dataset, an image each."""
    found = _documents(tree.path) or ([tree.path] if tree.path.is_file() else [])
    if not found:
        yield tree.error(tree.path, "no COCO panoptic there; expected annotations/panoptic_*.json or such a file")
    seen: set[str] = set()
    for path in found:
        yield from _Document(tree, path, seen).frames()


class _Category(NamedTuple):
    name: str
    is_thing: int | None


class _Annotated(NamedTuple):
    """An annotation of an image: where it stands in the JSON, what it says, and its PNG."""

    place: str
    given: Mapping[str, Any]
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

    def frames(self) -> Iterator[Frame | IngestError]:
        try:
            document = self.tree.read_json(self.path)
            yield from self._read_categories(document.get("categories") if isinstance(document, dict) else None)
        except IngestError as error:
            yield error
            return
        keys = ("images", "annotations")
        if not isinstance(document, dict) or not all(isinstance(document.get(key), list) for key in keys):
            yield self.tree.error(self.path, "no lists 'images' and 'annotations'; expected a COCO panoptic file")
            return
        self.tree.declare(PANOPTIC, VOID_VALUE, VOID, is_ignored=True)
        images: dict[int, dict[str, Any]] = {}
        for index, image in enumerate(document["images"]):
            if not isinstance(image, dict) or type(image.get("id")) is not int or not _is_name(image.get("file_name")):
                expected = "expected an image with a whole number 'id' and a 'file_name'"
                yield self.tree.error(self.path, expected, f"images[{index}]")
            elif image["id"] in images:
                yield self.tree.error(self.path, f"the image id {image['id']} again", f"images[{index}]")
            else:
                images[image["id"]] = image
        annotated: dict[int, _Annotated] = {}
        beside = self.path.with_suffix("")
        png_folder = beside if beside.is_dir() else self.path.parent.parent / beside.name
        png_folder = png_folder if png_folder.is_dir() else beside
        for index, given in enumerate(document["annotations"]):
            reason = _misplaced(given, images, annotated)
            if reason:
                yield self.tree.error(self.path, reason, f"annotations[{index}]")
            else:
                annotated[given["image_id"]] = _Annotated(
                    f"annotations[{index}]", given, png_folder / given["file_name"]
                )
        self.folder = coco_image_folder(self.path, self.split, [image["file_name"] for image in images.values()])
        with_png = [image for image in images.values() if image["id"] in annotated]
        paths = [annotated[image["id"]].png for image in with_png]
        for image, facts in self.tree.with_facts(with_png, paths):
            yield from self._frame(image, annotated[image["id"]], facts)
        for image in images.values():
            if image["id"] not in annotated:
                self.tree.note(self.path, f"image {image['id']}: no annotation has its id; its frame has no mask")
                yield from self._frame(image, None, None)

    def _read_categories(self, given: Any) -> Iterator[IngestError]:
        path = self.path
        if given is None and (self.path.parent / CATEGORY_FILE).is_file():
            path = self.path.parent / CATEGORY_FILE
            given = self.tree.read_json(path)
        if given is None:
            self.tree.note(path, f"no categories, nor {CATEGORY_FILE} beside it; they are called by their ids")
            return
        if not isinstance(given, list):
            yield self.tree.error(path, "expected a list of categories", "categories")
            return
        self.has_categories = True
        for index, each in enumerate(given):
            if not isinstance(each, dict) or type(each.get("id")) is not int:
                yield self.tree.error(path, "expected a category with a whole number 'id'", f"categories[{index}]")
                continue
            if each["id"] in self.categories:
                yield self.tree.error(path, f"the category id {each['id']} again", f"categories[{index}]")
                continue
            name, is_thing = str(each.get("name", each["id"])), each.get("isthing")
            self.categories[each["id"]] = _Category(name, int(is_thing) if is_thing in (0, 1) else None)
            if 0 <= each["id"] <= 65535:
                self.tree.declare(CATEGORIES, [each["id"]], name)
            colour = each.get("color")
            if isinstance(colour, list) and len(colour) == 3 and all(type(c) is int and 0 <= c < 256 for c in colour):
                self.tree.declare(COLOURS, colour, name)

    def _frame(
        self, image: dict[str, Any], annotation: _Annotated | None, facts: MaskFacts | IngestError | None
    ) -> Iterator[Frame | IngestError]:
        if isinstance(facts, IngestError):
            yield self.tree.error(self.path, f"image {image['id']}: {facts}", annotation.place if annotation else None)
            return
        uri, size = image_of(self.tree, self.path, image, self.folder)
        masks, rois = [], []
        if annotation is not None and facts is not None:
            found = Size(facts.regions.width, facts.regions.height)
            size = size or found
            if size != found:
                told = f"{found.width} x {found.height} pixels, where the image has {size.width} x {size.height}"
                self.tree.note(annotation.png, told)
            masks.append(mask_of(PANOPTIC, self.tree.uri(annotation.png)))
            for each in self._rois(annotation, facts):
                if isinstance(each, IngestError):
                    yield each
                else:
                    rois.append(each)
        frame_id = frame_id_of(image, self.split, self.seen)
        meta = {key: value for key, value in image.items() if key not in IMAGE_KEYS}
        frame: Frame = {"id": frame_id, "sources": [source_of(uri, size, masks)], "rois": rois}
        yield frame | {"meta": meta | ({"split": self.split} if self.split else {})}

    def _rois(self, annotation: _Annotated, facts: MaskFacts) -> Iterator[dict[str, Any] | IngestError]:
        if facts.image.mode not in ("rgb", "rgba") or facts.image.depth > 8:
            found = f"{facts.image.mode.replace('_', ' and ')} of {facts.image.depth} bits"
            yield self.tree.error(annotation.png, f"found {found}, expected RGB of 8 bits, which are the ids")
            return
        areas: dict[int, int] = {}
        for value, area in zip(facts.colours[:, RED : BLUE + 1].tolist(), facts.regions.area.tolist(), strict=True):
            areas[id_of(value)] = areas.get(id_of(value), 0) + area
        seen: set[int] = set()
        differing = []
        for index, segment in enumerate(annotation.given["segments_info"]):
            reason = self._misplaced_segment(segment, areas, seen)
            if reason:
                name = f"segment {segment['id']}: " if isinstance(segment, dict) and "id" in segment else ""
                yield self.tree.error(self.path, f"{name}{reason}", f"{annotation.place}.segments_info[{index}]")
                continue
            if segment.get("area", areas[segment["id"]]) != areas[segment["id"]]:
                differing.append(segment["id"])
            yield self._roi(segment)
        if differing:
            told = f"{len(differing)} segments have another 'area' than pixels in {annotation.png.name}"
            self.tree.note(self.path, f"{annotation.place}: {told}, the first is {differing[0]}")
        known = {segment["id"] for segment in annotation.given["segments_info"] if _is_id(segment)}
        for number in sorted(areas.keys() - known - {0}):
            reason = f"id {number}: no segment of the JSON has it, but {areas[number]} pixels {value_of(number)} here"
            yield self.tree.error(annotation.png, reason)
        if 0 in areas:
            yield roi_of(VOID, PANOPTIC, VOID_VALUE, is_ignored=True)

    def _misplaced_segment(self, segment: Any, areas: Mapping[int, int], seen: set[int]) -> str | None:
        if not _is_id(segment):
            return f"expected an object with an 'id' from 1 to {LARGEST_ID}"
        if segment["id"] in seen:
            return "its id again in this image"
        seen.add(segment["id"])
        number = segment.get("category_id")
        if type(number) is not int or (self.has_categories and number not in self.categories):
            return f"no category has the id {number!r}"
        return None if segment["id"] in areas else "no pixel of the PNG has its id"

    def _roi(self, segment: Mapping[str, Any]) -> dict[str, Any]:
        number = segment["category_id"]
        category = self.categories.get(number) or _Category(str(number), None)
        meta = {key: value for key, value in segment.items() if key not in _OWN_KEYS}
        meta |= {} if category.is_thing is None else {"isthing": category.is_thing}
        is_crowd = bool(segment.get("iscrowd"))
        roi = roi_of(category.name, PANOPTIC, value_of(segment["id"]), is_crowd=is_crowd, meta=meta)
        return {"id": segment["id"], **roi}


def _is_name(given: Any) -> bool:
    """Whether something is a name that a file may have."""
    return isinstance(given, str) and bool(given) and "\0" not in given and not re.search("[\ud800-\udfff]", given)


def _is_id(segment: Any) -> bool:
    return isinstance(segment, dict) and type(segment.get("id")) is int and 0 < segment["id"] <= LARGEST_ID


def _misplaced(given: Any, images: Mapping[int, Any], annotated: Mapping[int, Any]) -> str | None:
    """What is wrong with an annotation as a whole."""
    if not isinstance(given, dict) or not isinstance(given.get("segments_info"), list):
        return "expected an object with a list 'segments_info'"
    image_id = given.get("image_id")
    if type(image_id) is not int or image_id not in images:
        return f"no image has the id {image_id!r}"
    if image_id in annotated:
        return f"the image id {image_id} again"
    return None if _is_name(given.get("file_name")) else f"image {image_id}: expected a 'file_name', that of its PNG"


def write(out: Writing) -> None:
    """Write ``annotations/panoptic_<split>.json`` and its folder for each split, ``default`` where frames have none."""
    files: dict[str, _OutDocument] = {}
    try:
        for frame in out.frames():
            split = folder_name(frame.meta.get("split"))
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
