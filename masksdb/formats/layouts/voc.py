"""Pascal VOC and CVAT's "Segmentation mask": PNGs of classes and of objects, under one name each.

The layout is that of the VOC devkit, whose PNGs are palette indexes (255, or 224, 224, 192 as a colour, is the border
that is ignored), and of CVAT, whose PNGs are RGB in the colours of ``labelmap.txt``: a line
``name:r,g,b:parts:actions`` for each class; a ``labels.txt`` or other label map of the layout ``folder`` is read in its
place. 0 is the background in both. An object has the class that most of its pixels have in SegmentationClass; void and
background do not count there. There are no crowds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from masksdb.formats.frame import Frame, Roi, mask_of, roi_of, source_of
from masksdb.formats.label_map import find_label_map
from masksdb.formats.layouts.voc_names import (
    LABEL_MAP,
    WrittenNames,
    colour_of,
    names_of,
    read_label_map,
    standard_names,
    text_of,
    value_of,
)
from masksdb.formats.palette import MOST, VOID_INDEX, free_numbers, save_coloured, save_indexed, voc_colours
from masksdb.formats.reading import BACKGROUND, Fault, Tree, check_colours, split_lists
from masksdb.formats.writing import OutFrame, Writing, value_key
from masksdb.pixels.colours import BLACK, VOID_COLOUR
from masksdb.pixels.masks import BLUE, RED, MaskFacts
from masksdb.pixels.regions import joint_histogram

CLASSES, OBJECTS = "SegmentationClass", "SegmentationObject"

IMAGES, SETS = "JPEGImages", "ImageSets/Segmentation"

_FILES_CHECKED = 1000
"""Files that are checked for a first mask."""


def recognise(path: Path) -> str | None:
    """Why a path has this layout."""
    for folder in (path / CLASSES, path / OBJECTS):
        for file in itertools.islice(folder.rglob("*"), _FILES_CHECKED) if folder.is_dir() else ():
            if file.suffix.lower() == ".png":
                return file.relative_to(path).as_posix()
    return None


def read(tree: Tree) -> Iterator[Frame]:
    """The frames of the names that have a mask, or are listed in ImageSets/Segmentation."""
    yield from _Reader(tree).frames()


class _Reader:
    """One such tree."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.names = standard_names()
        self.unknown: set[tuple[int, ...]] = set()
        self.declared: set[tuple[str, bool]] = set()

    def frames(self) -> Iterator[Frame]:
        root = self.tree.path
        masks = {mask_id: self.tree.image_files(root / mask_id, (".png",)) for mask_id in (CLASSES, OBJECTS)}
        if not any(masks.values()):
            raise Fault(f"no PNG in {CLASSES} or {OBJECTS} there; expected masks as VOC has them", root)
        with self.tree.part(root / LABEL_MAP):
            if (root / LABEL_MAP).is_file():
                self.names = read_label_map(self.tree, root / LABEL_MAP)
            elif label_map := find_label_map(self.tree, root):
                self.names = names_of(label_map)
                self.tree.note(label_map.path, "names the classes")
        images = self.tree.image_files(root / IMAGES)
        splits = self._splits({*images, *masks[CLASSES], *masks[OBJECTS]})
        names = sorted({*masks[CLASSES], *masks[OBJECTS], *splits})
        files = {name: {mask_id: own[name] for mask_id, own in masks.items() if name in own} for name in names}
        bare = sum(not own for own in files.values())
        if bare:
            self.tree.note(root / SETS, f"{bare:,} of the images listed have no mask")
        for name in names if masks[OBJECTS] else ():
            if list(files[name]) == [CLASSES]:
                self.tree.note(files[name][CLASSES], f"no mask in {OBJECTS}; its classes are its ROIs")
        for name, facts in self.tree.with_masks(names, files.values()):
            with self.tree.part(root):
                if images and name not in images:
                    path = next(iter(files[name].values()))
                    raise Fault(f"no image {name} in {IMAGES}; add it, or remove the mask", path)
                if len(facts) == len(files[name]):
                    frame = self._frame(name, images.get(name), files[name], facts)
                    yield frame | {"meta": {"split": splits[name]}} if name in splits else frame

    def _splits(self, known: set[str]) -> dict[str, str]:
        """The names with the split that lists them first, trainval last."""
        lists = sorted((self.tree.path / SETS).glob("*.txt"), key=lambda path: (path.stem == "trainval", path.name))
        reason = "no such image or mask; add it, or remove the line"
        return split_lists(self.tree, lists, known, lambda line: line.strip('"'), reason)

    def _frame(self, name: str, image: Path | None, files: Mapping[str, Path], facts: Mapping[str, MaskFacts]) -> Frame:
        self._check_colours(files, facts)
        size, files = self.tree.check_sizes(image, files, facts)
        masks = [mask_of(mask_id, self.tree.uri(path)) for mask_id, path in files.items()]
        source = source_of(self.tree.uri(image) if image else None, size, masks)
        return {"id": name, "sources": [source], "rois": list(self._rois(facts, files))}

    def _check_colours(self, files: Mapping[str, Path], masks: Mapping[str, MaskFacts]) -> None:
        for mask_id, facts in masks.items():
            rows = range(len(facts.colours))
            if mask_id == CLASSES and self.names.is_by_colour(facts):
                where = self.names.path.name if self.names.path else None
                unnamed = [row for row in rows if self.names.find(facts, row) is None]
                check_colours(files[mask_id], facts, unnamed, self.names.colours, where)
            elif not facts.image.has_sample:
                # Of very many objects each has a colour of VOC's palette, whose first 65,536 have these bits alone.
                is_odd = (facts.colours[:, RED : BLUE + 1] & (3, 7, 7)).any(axis=1)
                check_colours(files[mask_id], facts, np.flatnonzero(is_odd).tolist(), {}, None)

    def _rois(self, masks: Mapping[str, MaskFacts], files: Mapping[str, Path]) -> Iterator[Roi]:
        for mask_id, facts in masks.items():
            self._declare(mask_id, facts)
        classes, objects = masks.get(CLASSES), masks.get(OBJECTS)
        labels = [self._label(classes, row, files[CLASSES]) for row in range(len(classes.colours))] if classes else []
        covered = {BACKGROUND}
        if objects:
            shares = _shares(objects, classes, labels)
            loose = shares.pop((0,), {}) | shares.pop(BLACK, {})
            for value, by_label in shares.items():
                roi = self._object(value, by_label, files[OBJECTS])
                covered.add(roi["label"][0])
                yield roi
            for label in sorted(loose.keys() & covered - {BACKGROUND, self.names.void}):
                self.tree.note(files[OBJECTS], f"{loose[label]:,} pixels of {label} are in no object")
        if classes:
            for value, label in {value_of(classes, row): label for row, label in enumerate(labels)}.items():
                if label not in covered:
                    yield roi_of(label, CLASSES, value, is_ignored=label == self.names.void)

    def _object(self, value: tuple[int, ...], by_label: Mapping[str, int], path: Path) -> Roi:
        """The ROI of a value of SegmentationObject, from the number of its pixels of each class."""
        void = self.names.void
        named = {label: pixels for label, pixels in by_label.items() if label not in (BACKGROUND, void)}
        label = max(named, key=named.__getitem__, default="")
        # In CVAT the colour of void is also that of object 255, which then has a class.
        if value == (VOID_INDEX,) or (not label and (value == VOID_COLOUR or void in by_label)):
            return roi_of(void, OBJECTS, value, is_ignored=True)
        if not label:
            self.tree.note(path, f"object {text_of(value)}: {CLASSES} has no class for it")
        elif len(named) > 1:
            others = sum(named.values()) - named[label]
            self.tree.note(path, f"object {text_of(value)}: {others:,} pixels of it are not {label} in {CLASSES}")
        return roi_of(label or text_of(value), OBJECTS, value)

    def _label(self, facts: MaskFacts, row: int, path: Path) -> str:
        name = self.names.find(facts, row)
        if name is not None:
            return name
        value = value_of(facts, row)
        if value not in self.unknown:
            self.unknown.add(value)
            colour = f" in the colour {text_of(colour_of(facts, row))}" if len(value) == 1 else ""
            where = self.names.path.name if self.names.path else "the classes of VOC"
            self.tree.note(path, f"the value {text_of(value)}{colour} is not in {where}")
        return text_of(value)

    def _declare(self, mask_id: str, facts: MaskFacts) -> None:
        """Say what the values of such masks mean, once for indexes and once for colours."""
        has_sample = facts.image.has_sample
        if (mask_id, has_sample) in self.declared:
            return
        self.declared.add((mask_id, has_sample))
        values = self.names.values(facts) if mask_id == CLASSES else iter([((0,) if has_sample else BLACK, BACKGROUND)])
        colours = {name: colour for colour, name in self.names.colours.items()} if has_sample else {}
        for value, name in values:
            is_void = name == self.names.void
            self.tree.declare(mask_id, value, name, is_ignored=is_void, colour=colours.get(name))
        void = (VOID_INDEX,) if has_sample else VOID_COLOUR
        self.tree.declare(mask_id, void, self.names.void, is_ignored=True)


def _shares(
    objects: MaskFacts, classes: MaskFacts | None, labels: list[str]
) -> dict[tuple[int, ...], dict[str, int]]:  # fmt: skip
    """For each value of a mask of objects the number of its pixels of each class."""
    shares: dict[tuple[int, ...], dict[str, int]] = {value_of(objects, row): {} for row in range(len(objects.colours))}
    if classes:
        for left, right, pixels in zip(*joint_histogram(objects.regions, classes.regions), strict=True):
            own = shares[value_of(objects, int(left))]
            own[labels[right]] = own.get(labels[right], 0) + int(pixels)
    return shares


def write(out: Writing) -> None:
    """Write the masks, ``labelmap.txt``, and the names of each split, ``default`` where frames have none."""
    names = WrittenNames.of(out.classes)
    for name, written in names.save(out.path(LABEL_MAP)).items():
        out.notes.append(f"{LABEL_MAP}: the class {name!r} stands there as {written!r}")
    listed: dict[str, list[str]] = {}
    crowds = unnamed = 0
    for frame in out.frames():
        if not frame.width or not frame.height:
            out.notes.append(f"{frame.frame_id}: nothing says how large the image is, so it is left out")
            continue
        listed.setdefault(frame.split or "default", []).append(frame.name)
        out.copy_image(frame, f"{IMAGES}/{frame.image_name}")
        _write_masks(out, frame, names)
        crowds += sum(region.is_crowd for region in frame.regions)
        unnamed += sum(_is_void(out, region.label, region.is_ignored) and region.label != names.void
                       for region in frame.regions)  # fmt: skip
    for split, its_names in listed.items():
        out.path(f"{SETS}/{split}.txt").write_text("".join(f"{name}\n" for name in its_names), encoding="utf-8")
    if crowds:
        out.notes.append(f"{crowds:,} crowds are written as objects; the layout has no crowds")
    if unnamed:
        out.notes.append(f"{unnamed:,} ignored regions are written as {names.void}, without their own class")


def _is_void(out: Writing, label: str, is_ignored: bool) -> bool:
    return is_ignored or label in out.classes.ignored


def _write_masks(out: Writing, frame: OutFrame, names: WrittenNames) -> None:
    regions = [region for region in frame.regions if region.label != BACKGROUND]
    for region in frame.regions:
        if region.label == BACKGROUND:
            out.cannot_hold(frame, region, "background is what no region covers")
    is_void = [_is_void(out, region.label, region.is_ignored) for region in regions]
    is_many = len(regions) - sum(is_void) > MOST
    # An object keeps its value where it can; in colours the number of void is left out.
    wishes = [[region.value[0] if region.value and len(region.value) == 1 else None] for region in regions]
    most = MOST if not is_many else len(regions)
    given = iter(free_numbers([wish for wish, void in zip(wishes, is_void, strict=True) if not void], most))
    objects = [VOID_INDEX if void else _object_number(next(given)) for void in is_void]
    void_row = len(names.indexes) + 1 if names.is_coloured else VOID_INDEX
    classes = [void_row if void else names.indexes[region.label] for region, void in zip(regions, is_void, strict=True)]
    painted = replace(frame, regions=regions)

    path = out.path(f"{CLASSES}/{frame.name}.png")
    if names.is_coloured:
        save_coloured(path, painted.paint(classes), names.palette())
    else:
        save_indexed(path, painted.paint(classes), names.palette())
    path = out.path(f"{OBJECTS}/{frame.name}.png")
    colours = voc_colours(np.arange(max(objects, default=0) + 1))
    if is_many:
        save_coloured(path, painted.paint(objects), colours)
    else:
        save_indexed(path, painted.paint(objects))
    for region, number in zip(regions, objects, strict=True):
        value = colours[number].tolist() if is_many else [number]
        out.wrote(frame, region, frame.name, value_key(OBJECTS, value))


def _object_number(number: int | None) -> int:
    assert number is not None
    return number + (number >= VOID_INDEX)
