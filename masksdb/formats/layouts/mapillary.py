"""Mapillary Vistas: ``training/`` and ``validation/`` with ``images``, ``labels``, ``instances`` and ``panoptic``.

In 2.0 the masks are in ``v2.0/`` and ``v1.2/``, of which ROIs live in the newest. ``labels`` (palette) holds the place
of the class in the list of ``config*.json``, ``instances`` (16 bits) that place * 256 + number of the instance,
``panoptic`` ids of segments as red + 256 * green + 65536 * blue, with ``panoptic_*.json``, whose ``iscrowd`` is kept.
Classes with ``"evaluate": false`` are ignored; there is no background.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from masksdb.formats.frame import Frame, Roi, mask_of, roi_of, source_of
from masksdb.formats.reading import VOID, Fault, Tree
from masksdb.pixels.masks import MaskFacts
from masksdb.pixels.regions import joint_histogram

IMAGES, LABELS, INSTANCES, PANOPTIC = "images", "labels", "instances", "panoptic"

_MASKS = (LABELS, INSTANCES, PANOPTIC)

_VERSION = re.compile(r"v\d+(\.\d+)*")


class _Class(NamedTuple):
    """A class of ``config*.json``."""

    name: str
    colour: tuple[int, ...] | None
    is_ignored: bool


@dataclass
class _Item:
    """An image, its masks by id, and its segments by id: category and whether it is a crowd."""

    name: str
    image: Path
    masks: dict[str, Path] = field(default_factory=dict)
    segments: dict[int, tuple[str, bool]] | None = None

    @property
    def best(self) -> str | None:
        """The mask that says most."""
        if INSTANCES in self.masks:
            return INSTANCES
        if self.segments is not None:
            return PANOPTIC
        return LABELS if LABELS in self.masks else None

    @property
    def decoded(self) -> dict[str, Path]:
        """The masks whose pixels are needed: the best, and the one that says which instances are crowds."""
        has_crowds = any(is_crowd for _, is_crowd in (self.segments or {}).values())
        names = [self.best, PANOPTIC if has_crowds and self.best == INSTANCES else None]
        return {name: self.masks[name] for name in names if name in self.masks}


def recognise(path: Path) -> str | None:
    """Why a path has this layout."""
    for split in _splits(path):
        versions = _versions(split)
        config = next(iter(_configs(path, split, "")), None)
        if versions and (config or versions[0] != split):
            reason = f"{split.name}/{IMAGES}/ and {versions[0].relative_to(split.parent).as_posix()}/"
            return reason + (f", {config.name}" if config else "")
    return None


def _splits(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    splits = [path / name for name in ("training", "validation", "testing") if (path / name / IMAGES).is_dir()]
    return splits or ([path] if (path / IMAGES).is_dir() and _versions(path) else [])


def _versions(split: Path) -> list[Path]:
    """The folders that hold folders of masks, the newest first."""
    own = [split] if any((split / name).is_dir() for name in _MASKS) else []
    return own + sorted(
        (child for child in split.iterdir() if _VERSION.fullmatch(child.name) and child.is_dir()), reverse=True
    )


def _configs(root: Path, split: Path, version: str) -> list[Path]:
    """The files that may list the classes of a version, the likeliest first."""
    names = [f"config_{version}.json"] * bool(version) + ["config.json"]
    known = [folder / name for name in names for folder in (split, root) if (folder / name).is_file()]
    return known or sorted(path for folder in {split, root} for path in folder.glob("config*.json"))


def read(tree: Tree) -> Iterator[Frame]:
    """The frames of all splits, one for each image."""
    splits = _splits(tree.path)
    if not splits:
        raise Fault(f"no Mapillary Vistas there; expected training/{IMAGES}/ and training/{LABELS}/", tree.path)
    for split in splits:
        yield from _Split(tree, split).frames()


class _Split:
    """A folder of images and masks."""

    def __init__(self, tree: Tree, folder: Path) -> None:
        self.tree = tree
        self.folder = folder
        self.prefix = "" if folder == tree.path else f"{folder.name}/"
        self.classes: list[_Class] = []
        self.unknown: set[int] = set()

    def frames(self) -> Iterator[Frame]:
        images = self.tree.image_files(self.folder / IMAGES)
        items = {stem: _Item(self.prefix + stem, path) for stem, path in images.items()}
        versions = _versions(self.folder)
        for place, version in enumerate(versions):
            self._add_masks(items, version, f"{version.name}/" if place else "")
        if not versions:
            self.tree.note(self.folder, f"{len(items)} images without masks; their frames have none")
        mask_ids = dict.fromkeys(name for item in items.values() for name in item.masks)
        for item, facts in self.tree.with_masks(items.values(), [item.decoded for item in items.values()]):
            if item.best is None and versions:
                self.tree.note(item.image, "no mask; its frame has none")
            elif missing := [f"{name}/" for name in mask_ids if name not in item.masks]:
                self.tree.note(item.image, f"no mask in {' or '.join(missing)}; its ROIs are those of {item.best}/")
            if item.best is None or item.best in facts:
                with self.tree.part(item.image):
                    yield self._frame(item, facts)

    def _add_masks(self, items: Mapping[str, _Item], folder: Path, prefix: str) -> None:
        """Add the masks of a version to their images; ROIs live in those of the newest, the others are listed alone."""
        config = next(iter(_configs(self.tree.path, self.folder, folder.name if folder != self.folder else "")), None)
        classes: list[_Class] = []
        if config is None:
            self.tree.note(folder, "no config.json says what the classes are; labels are their numbers")
        else:
            with self.tree.part(config):
                classes = self._read_config(config)
        if not prefix:
            self.classes = classes
        images = {stem: item.image for stem, item in items.items()}
        folders = {prefix + name: folder / name for name in _MASKS}
        masks = self.tree.masks_of_images(images, folders, IMAGES)
        for stem, files in masks.items():
            items[stem].masks |= files
        for name in (LABELS, INSTANCES):
            if any(prefix + name in files for files in masks.values()):
                for index, known in enumerate(classes):
                    value = [index * 256] if name == INSTANCES else [index]
                    self.tree.declare(
                        prefix + name, value, known.name, is_ignored=known.is_ignored, colour=known.colour
                    )  # fmt: skip
        if not prefix:
            for path in sorted((folder / PANOPTIC).glob("panoptic_*.json")):
                with self.tree.part(path):
                    self._add_segments(items, path)

    def _read_config(self, path: Path) -> list[_Class]:
        document = self.tree.read_json(path)
        labels = document.get("labels") if isinstance(document, dict) else None
        if not isinstance(labels, list):
            raise Fault("no list 'labels'; expected the classes of Mapillary Vistas", path)
        classes = []
        for index, label in enumerate(labels):
            if not isinstance(label, dict) or not isinstance(label.get("name"), str):
                raise Fault("expected an object with 'name'", path, f"labels[{index}]")
            colour = label.get("color")
            is_colour = isinstance(colour, list) and len(colour) == 3 and all(part in range(256) for part in colour)
            classes.append(
                _Class(label["name"], tuple(colour) if is_colour and colour else None, label.get("evaluate") is False)
            )
        return classes

    def _add_segments(self, items: Mapping[str, _Item], path: Path) -> None:
        document = self.tree.read_json(path)
        lists = document if isinstance(document, dict) else {}
        categories, annotations = lists.get("categories"), lists.get("annotations")
        if not isinstance(categories, list) or not isinstance(annotations, list):
            raise Fault("no lists 'categories' and 'annotations'; expected COCO panoptic")
        names = {
            category["id"]: str(category.get("name", category["id"]))
            for category in categories
            if isinstance(category, dict) and type(category.get("id")) is int
        }
        for index, annotation in enumerate(annotations):
            with self.tree.part(path, f"annotations[{index}]"):
                self._add_annotation(items, annotation, names)

    def _add_annotation(self, items: Mapping[str, _Item], annotation: Any, names: Mapping[int, str]) -> None:
        """Add the segments of an annotation to its image."""
        if not isinstance(annotation, dict) or not isinstance(annotation.get("file_name"), str):
            raise Fault("expected an object with 'file_name'")
        item = items.get(annotation["file_name"].rpartition(".")[0])
        image = f"image {annotation.get('image_id')!r}"
        if item is None or PANOPTIC not in item.masks:
            raise Fault(f"{image}: no {PANOPTIC}/{annotation['file_name']} with its image")
        if item.segments is not None:
            raise Fault(f"{image}: its segments again")
        by_id: dict[int, tuple[str, bool]] = {}
        segments = annotation.get("segments_info")
        for segment in segments if isinstance(segments, list) else [segments]:
            own = segment if isinstance(segment, dict) else {}
            number, category = own.get("id"), own.get("category_id")
            if type(number) is not int or type(category) is not int or category not in names or number in by_id:
                raise Fault(f"{image}: found {segment!r}, expected an id of its own and a category")
            by_id[number] = (names[category], bool(own.get("iscrowd")))
        item.segments = by_id

    def _frame(self, item: _Item, facts: Mapping[str, MaskFacts]) -> Frame:
        size, files = self.tree.check_sizes(item.image, item.masks, facts)
        for mask_id, mask in facts.items():
            if mask.image.has_sample != (mask_id != PANOPTIC):
                expected = "red, green and blue" if mask_id == PANOPTIC else "a number a pixel"
                raise Fault(f"found {mask.image.mode}, expected {expected}", item.masks[mask_id])
            if mask_id == INSTANCES and mask.image.depth < 16:
                raise Fault(f"{mask.image.depth} bits; expected 16, class * 256 + instance", item.masks[mask_id])
        rois: list[Roi] = []
        if item.best == PANOPTIC:
            rois = self._segment_rois(item, facts[PANOPTIC])
        elif item.best:
            rois = self._value_rois(item, item.best, facts[item.best], _crowds(item, facts))
        masks = [mask_of(name, self.tree.uri(path)) for name, path in files.items()]
        source = source_of(self.tree.uri(item.image), size, masks)
        return {"id": item.name, "sources": [source], "rois": rois, "meta": {"split": self.folder.name}}

    def _value_rois(self, item: _Item, mask_id: str, facts: MaskFacts, crowds: set[int]) -> list[Roi]:
        rois = []
        for index, (value,) in enumerate(facts.stored_values()):
            number = value // 256 if mask_id == INSTANCES else value
            known = self.classes[number] if number < len(self.classes) else None
            if known is None and self.classes and number not in self.unknown:
                self.unknown.add(number)
                reason = f"the class {number} is not in the config, which has {len(self.classes)}"
                self.tree.note(item.masks[mask_id], f"{reason}; its label is '{number}'")
            label, is_ignored = (known.name, known.is_ignored) if known else (str(number), False)
            rois.append(roi_of(label, mask_id, [value], is_ignored=is_ignored, is_crowd=index in crowds))
        return rois

    def _segment_rois(self, item: _Item, facts: MaskFacts) -> list[Roi]:
        """A ROI for each segment; those on which the JSON and the PNG disagree are refused."""
        segments = dict(item.segments or {})
        ignored = {known.name for known in self.classes if known.is_ignored}
        path = item.masks[PANOPTIC]
        rois = []
        for colour in facts.stored_values():
            number = colour[0] + 256 * colour[1] + 65536 * colour[2]
            segment = segments.pop(number, None)
            if segment is not None:
                label, is_crowd = segment
                rois.append(roi_of(label, PANOPTIC, colour[:3], is_ignored=label in ignored, is_crowd=is_crowd))
            elif number == 0:
                rois.append(roi_of(VOID, PANOPTIC, [0, 0, 0], is_ignored=True))
            else:
                reason = f"segment {number} has pixels, and is not in the JSON; expected it there"
                self.tree.refuse(Fault(reason, path))
        for number in segments:
            self.tree.refuse(Fault(f"segment {number} is in the JSON, and has no pixels; expected some", path))
        return rois


def _crowds(item: _Item, facts: Mapping[str, MaskFacts]) -> set[int]:
    """Which values of the instances are crowds: those that lie on a segment that is one, for the most part."""
    instances, panoptic = facts.get(INSTANCES), facts.get(PANOPTIC)
    if instances is None or panoptic is None:
        return set()
    segments = item.segments or {}
    numbers = [
        red + 256 * green + 65536 * blue for red, green, blue in (value[:3] for value in panoptic.stored_values())
    ]
    is_crowd = np.array([segments.get(number, ("", False))[1] for number in numbers])
    instance, segment, pixels = joint_histogram(instances.regions, panoptic.regions)
    on_crowd = np.bincount(instance, pixels * is_crowd[segment], len(instances.colours))
    return set(np.flatnonzero(2 * on_crowd > instances.regions.area).tolist())
