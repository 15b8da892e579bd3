"""Mapillary Vistas: ``training/`` and ``validation/`` with ``images``, ``labels``, ``instances`` and ``panoptic``.

In 2.0 the masks are in ``v2.0/`` and ``v1.2/``, of which ROIs live in the newest. ``labels`` (palette) holds the place
of the class in the list of ``config*.json``, ``instances`` (16 bits) that place * 256 + number of the instance,
``panoptic`` ids of segments as red + 256 * green + 65536 * blue, with ``panoptic_*.json``, whose ``iscrowd`` is kept.
Classes with ``"evaluate": false`` count for nothing; there is no background.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from masksdb.errors import IngestError
from masksdb.formats.reading import VOID, Frame, Tree, image_files, mask_of, roi_of, source_of
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
        return PANOPTIC if self.segments is not None else LABELS if LABELS in self.masks else None

    @property
    def has_crowds(self) -> bool:
        """Whether another mask says which instances are crowds."""
        crowds = any(is_crowd for _, is_crowd in (self.segments or {}).values())
        return crowds and self.best == INSTANCES and PANOPTIC in self.masks


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
    found = [path / name for name in ("training", "validation", "testing") if (path / name / IMAGES).is_dir()]
    return found or ([path] if (path / IMAGES).is_dir() and _versions(path) else [])


def _versions(split: Path) -> list[Path]:
    """The folders that hold folders of masks, the newest first."""
    own = [split] if any((split / name).is_dir() for name in _MASKS) else []
    return own + sorted(
        (each for each in split.iterdir() if _VERSION.fullmatch(each.name) and each.is_dir()), reverse=True
    )


def _configs(root: Path, split: Path, version: str) -> list[Path]:
    """The files that may list the classes of a version, the likeliest first."""
    names = [f"config_{version}.json"] * bool(version) + ["config.json"]
    known = [folder / name for name in names for folder in (split, root) if (folder / name).is_file()]
    return known or sorted(path for folder in {split, root} for path in folder.glob("config*.json"))


def read(tree: Tree) -> Iterator[Frame | IngestError]:
    """The frames of all splits, an image each."""
    splits = _splits(tree.path)
    if not splits:
        expected = f"training/{IMAGES}/ and training/{LABELS}/"
        yield tree.error(tree.path, f"no Mapillary Vistas there; expected {expected}")
    for split in splits:
        yield from _Split(tree, split).frames()


class _Split:
    """A folder of images and masks."""

    def __init__(self, tree: Tree, folder: Path) -> None:
        self.tree = tree
        self.folder = folder
        self.prefix = "" if folder == tree.path else f"{folder.name}/"
        self.classes: list[_Class] = []
        self.told: set[int] = set()

    def frames(self) -> Iterator[Frame | IngestError]:
        refused: list[IngestError] = []
        images = image_files(self.folder / IMAGES, refused)
        yield from refused
        items = {stem: _Item(self.prefix + stem, path) for stem, path in images.items()}
        versions = _versions(self.folder)
        for place, version in enumerate(versions):
            prefix = f"{version.name}/" if place else ""
            yield from self._add_masks(items, version, prefix)
        if not versions:
            self.tree.note(self.folder, f"{len(items)} images without masks; their frames have none")
        mask_ids = dict.fromkeys(name for item in items.values() for name in item.masks)
        best = [item for item in items.values() if item.best]
        facts = self.tree.with_facts(best, [item.masks[item.best] for item in best if item.best])
        crowded = [item for item in items.values() if item.has_crowds]
        panoptic = self.tree.with_facts(crowded, [item.masks[PANOPTIC] for item in crowded])
        for item in items.values():
            found = next(facts)[1] if item.best else None
            crowds = next(panoptic)[1] if item.has_crowds else None
            if found is None and versions:
                self.tree.note(item.image, "no mask; its frame has none")
            elif missing := [f"{name}/" for name in mask_ids if name not in item.masks]:
                self.tree.note(item.image, f"no mask in {' or '.join(missing)}; its ROIs are those of {item.best}/")
            yield from self._frame(item, found, crowds)

    def _add_masks(self, items: Mapping[str, _Item], folder: Path, prefix: str) -> Iterator[IngestError]:
        """Give the images their masks of a version; all but the newest version's are listed alone."""
        config = next(iter(_configs(self.tree.path, self.folder, folder.name if folder != self.folder else "")), None)
        classes: list[_Class] = []
        if config is None:
            self.tree.note(folder, "no config.json says what the classes are; labels are their numbers")
        else:
            try:
                classes = self._read_config(config)
            except IngestError as error:
                yield error
        if not prefix:
            self.classes = classes
        for name in _MASKS:
            refused: list[IngestError] = []
            files = image_files(folder / name, refused)
            yield from refused
            for stem, path in files.items():
                if stem in items:
                    items[stem].masks[prefix + name] = path
                else:
                    yield self.tree.error(path, f"a mask without its image, of which there is none in {IMAGES}/")
            for index, each in enumerate(classes if files and name != PANOPTIC else ()):
                value = [index * 256] if name == INSTANCES else [index]
                self.tree.declare(
                    prefix + name, value, each.name, is_ignored=each.is_ignored, colour=each.colour
                )  # fmt: skip
        if not prefix:
            yield from self._add_segments(items, folder)

    def _read_config(self, path: Path) -> list[_Class]:
        document = self.tree.read_json(path)
        labels = document.get("labels") if isinstance(document, dict) else None
        if not isinstance(labels, list):
            raise self.tree.error(path, "no list 'labels'; expected the classes of Mapillary Vistas")
        found = []
        for index, label in enumerate(labels):
            if not isinstance(label, dict) or not isinstance(label.get("name"), str):
                raise self.tree.error(path, "expected an object with 'name'", f"labels[{index}]")
            colour = label.get("color")
            is_colour = isinstance(colour, list) and len(colour) == 3 and all(part in range(256) for part in colour)
            found.append(
                _Class(label["name"], tuple(colour) if is_colour and colour else None, label.get("evaluate") is False)
            )
        return found

    def _add_segments(self, items: Mapping[str, _Item], folder: Path) -> Iterator[IngestError]:
        for path in sorted((folder / PANOPTIC).glob("panoptic_*.json")):
            try:
                document = self.tree.read_json(path)
            except IngestError as error:
                yield error
                continue
            given = document if isinstance(document, dict) else {}
            categories, annotations = given.get("categories"), given.get("annotations")
            if not isinstance(categories, list) or not isinstance(annotations, list):
                yield self.tree.error(path, "no lists 'categories' and 'annotations'; expected COCO panoptic")
                continue
            names = {
                each["id"]: str(each.get("name", each["id"]))
                for each in categories
                if isinstance(each, dict) and type(each.get("id")) is int
            }
            for index, each in enumerate(annotations):
                reason = self._add_annotation(items, each, names)
                if reason:
                    yield self.tree.error(path, reason, f"annotations[{index}]")

    def _add_annotation(self, items: Mapping[str, _Item], given: Any, names: Mapping[int, str]) -> str | None:
        """Give an image its segments; or say why not."""
        if not isinstance(given, dict) or not isinstance(given.get("file_name"), str):
            return "expected an object with 'file_name'"
        item = items.get(given["file_name"].rpartition(".")[0])
        if item is None or PANOPTIC not in item.masks:
            return f"image {given.get('image_id')!r}: no {PANOPTIC}/{given['file_name']} with its image"
        if item.segments is not None:
            return f"image {given.get('image_id')!r}: its segments again"
        found: dict[int, tuple[str, bool]] = {}
        segments = given.get("segments_info")
        for segment in segments if isinstance(segments, list) else [segments]:
            own = segment if isinstance(segment, dict) else {}
            number, category = own.get("id"), own.get("category_id")
            if type(number) is not int or type(category) is not int or category not in names or number in found:
                return f"image {given.get('image_id')!r}: found {segment!r}, expected an id of its own and a category"
            found[number] = (names[category], bool(own.get("iscrowd")))
        item.segments = found
        return None

    def _frame(
        self, item: _Item, facts: MaskFacts | IngestError | None, crowds: MaskFacts | IngestError | None
    ) -> Iterator[Frame | IngestError]:
        size = self.tree.size(item.image)
        yield from (each for each in (size, facts, crowds) if isinstance(each, IngestError))
        if isinstance(size, IngestError) or isinstance(facts, IngestError):
            return
        rois: list[dict[str, Any]] = []
        for mask_id, found in ((item.best, facts), (PANOPTIC, crowds)):
            if mask_id is None or not isinstance(found, MaskFacts):
                continue
            if (found.regions.width, found.regions.height) != size:
                told = (
                    f"{found.regions.width} x {found.regions.height} pixels on an image of {size.width} x {size.height}"
                )
                yield self.tree.error(item.masks[mask_id], f"{told}; masks are never resized")
                return
            if found.image.has_sample != (mask_id != PANOPTIC):
                expected = "red, green and blue" if mask_id == PANOPTIC else "a number a pixel"
                yield self.tree.error(item.masks[mask_id], f"found {found.image.mode}, expected {expected}")
                return
            if mask_id == INSTANCES and found.image.depth < 16:
                told = f"{found.image.depth} bits; expected 16, class * 256 + instance"
                yield self.tree.error(item.masks[mask_id], told)
                return
        if facts is not None and item.best == PANOPTIC:
            for each in self._segment_rois(item, facts):
                if isinstance(each, IngestError):
                    yield each
                else:
                    rois.append(each)
        elif facts is not None and item.best:
            rois = self._value_rois(item, item.best, facts, _crowds(item, facts, crowds))
        masks = [mask_of(name, self.tree.uri(path)) for name, path in item.masks.items()]
        source = source_of(self.tree.uri(item.image), size, masks)
        yield {"id": item.name, "sources": [source], "rois": rois, "meta": {"split": self.folder.name}}

    def _value_rois(self, item: _Item, mask_id: str, facts: MaskFacts, crowds: set[int]) -> list[dict[str, Any]]:
        rois = []
        for index, (value,) in enumerate(facts.stored_values()):
            number = value // 256 if mask_id == INSTANCES else value
            known = self.classes[number] if number < len(self.classes) else None
            if known is None and self.classes and number not in self.told:
                self.told.add(number)
                told = f"the class {number} is not in the config, which has {len(self.classes)}"
                self.tree.note(item.masks[mask_id], f"{told}; its label is '{number}'")
            label, is_ignored = (known.name, known.is_ignored) if known else (str(number), False)
            rois.append(roi_of(label, mask_id, [value], is_ignored=is_ignored, is_crowd=index in crowds))
        return rois

    def _segment_rois(self, item: _Item, facts: MaskFacts) -> Iterator[dict[str, Any] | IngestError]:
        """A ROI for each segment; and why there is none where the JSON and the PNG disagree."""
        segments = dict(item.segments or {})
        ignored = {each.name for each in self.classes if each.is_ignored}
        path = item.masks[PANOPTIC]
        for colour in facts.stored_values():
            number = colour[0] + 256 * colour[1] + 65536 * colour[2]
            segment = segments.pop(number, None)
            if segment is not None:
                label, is_crowd = segment
                yield roi_of(label, PANOPTIC, colour[:3], is_ignored=label in ignored, is_crowd=is_crowd)
            elif number == 0:
                yield roi_of(VOID, PANOPTIC, [0, 0, 0], is_ignored=True)
            else:
                yield self.tree.error(path, f"segment {number} has pixels, and is not in the JSON; expected it there")
        for number in segments:
            yield self.tree.error(path, f"segment {number} is in the JSON, and has no pixels; expected some")


def _crowds(item: _Item, facts: MaskFacts, panoptic: MaskFacts | IngestError | None) -> set[int]:
    """Which values of the instances are crowds: those that lie on a segment that is one, for the most part."""
    if not isinstance(panoptic, MaskFacts):
        return set()
    segments = item.segments or {}
    numbers = [red + 256 * green + 65536 * blue for red, green, blue in (each[:3] for each in panoptic.stored_values())]
    is_crowd = np.array([segments.get(number, ("", False))[1] for number in numbers])
    instance, segment, pixels = joint_histogram(facts.regions, panoptic.regions)
    on_crowd = np.bincount(instance, pixels * is_crowd[segment], len(facts.colours))
    return set(np.flatnonzero(2 * on_crowd > facts.regions.area).tolist())
