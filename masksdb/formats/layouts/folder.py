"""A folder of masks: beside their images or apart from them, paired by name, with a label map.

Masks are PNGs (TIFF, BMP and GIF too) of indexes, palette or RGB, in ``masks/``, ``labels/``, ``annotations/``, ``gt/``
or ``segmentation/`` beside ``images/``, each perhaps with a folder for each split, or in a folder for each split; or
named after their image (``a.jpg`` with ``a_mask.png``, ``a_seg.png``, ``a.png``). ``instances/`` beside the masks has
the objects numbered, 0 being no object. Crowds are not marked.

The label map is one of: ``labels.txt`` or ``classes.txt`` (a name a line, whose index is the number of the line from 0;
``index name``; ``r g b name``; ``name:r,g,b::``), ``*.csv`` with the columns name, r, g, b or name and index,
``labels.json`` (``{name: value}``, ``{value: name}``, a list of names), ``dataset_meta.json`` of Datumaro, and
``*.yaml`` with ``names``. Index 0 and black are background and 255 is void unless it names them; in masks of black and
white only, white is the object. The classes void, ignore, ignored, unlabelled and unlabeled are ignored.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from masksdb.formats.frame import Frame, Mask, Roi, mask_of, roi_of, source_of
from masksdb.formats.label_map import Entry, LabelMap, find_label_map, is_background, is_void
from masksdb.formats.layouts.folder_meanings import VOID_INDEX, Meanings, is_black_and_white
from masksdb.formats.layouts.folder_pairs import (
    IMAGE_FOLDERS,
    INSTANCES,
    MASK_FOLDERS,
    MASK_SUFFIXES,
    SPLIT,
    WITHOUT_IMAGE,
    Pair,
    find_parts,
    pairs_of,
)
from masksdb.formats.reading import IMAGE_SUFFIXES, Fault, Tree, ignore_fault
from masksdb.formats.writing import Classes, OutFrame, Region, Writing, unused_name, value_key
from masksdb.pixels import rle
from masksdb.pixels.colours import BLACK
from masksdb.pixels.masks import MaskFacts
from masksdb.pixels.regions import joint_histogram

MASKS = "masks"

_TYPES = {".png": "image/png", ".bmp": "image/bmp", ".gif": "image/gif"}

_MOST = 65535


def recognise(path: Path) -> str | None:
    """Why a path has this layout."""
    parts = find_parts(path) if path.is_dir() else []
    return ", ".join(part.describe(path) for part in parts) or None


def obstacle(path: Path) -> str | None:
    """What a folder with images lacks to be one of images and masks."""
    names = [child.name for child in path.iterdir() if child.is_dir()]
    masks = next((name for name in names if name.casefold() in MASK_FOLDERS), None)
    if masks is not None:
        return f"{masks}/ has no file *{', *'.join(MASK_SUFFIXES)}"
    images = next((name for name in names if name.casefold() in IMAGE_FOLDERS), None)
    return f"beside {images}/ is no folder {', '.join(MASK_FOLDERS[:5])} or such" if images else None


def read(tree: Tree) -> Iterator[Frame]:
    """The frames of a folder, one for each image or mask."""
    parts = find_parts(tree.path) if tree.path.is_dir() else []
    if not parts:
        raise Fault("no masks there; expected images/ and masks/, or masks beside images (a_mask.png)", tree.path)
    label_map = None
    with tree.part(tree.path):
        label_map = find_label_map(tree, tree.path)
    pairs = [pair for part in parts for pair in pairs_of(tree, part)]
    reader = _Reader(tree, Meanings(tree, label_map, _is_binary(tree, label_map, pairs)))
    files = [pair.files for pair in pairs]
    for (pair, own), facts in tree.with_masks(zip(pairs, files, strict=True), files):
        if not pair.mask or pair.mask_id in facts:
            with tree.part(tree.path):
                yield reader.frame(pair, {mask_id: own[mask_id] for mask_id in facts}, facts)


def _is_binary(tree: Tree, label_map: LabelMap | None, pairs: Sequence[Pair]) -> bool:
    """Whether all masks are black and white, where it matters: white may be the one object."""
    entries = label_map.entries if label_map else ()
    if sum(not entry.is_background and not entry.is_ignored for entry in entries) > 1:
        return False
    # Masks that cannot be decoded are refused when their frames are read.
    quiet = Tree(tree.path, tree.settings, on_fault=ignore_fault)
    masks = quiet.with_facts(pairs, [pair.mask for pair in pairs])
    return all(facts is None or is_black_and_white(facts) for _, facts in masks)


@dataclasses.dataclass
class _Reader:
    """Pairs on their way to frames."""

    tree: Tree
    meanings: Meanings

    def frame(self, pair: Pair, files: Mapping[str, Path], facts: Mapping[str, MaskFacts]) -> Frame:
        """The frame of a pair, with those of its masks that could be decoded."""
        size, files = self.tree.check_sizes(pair.image, files, facts)
        uri = self.tree.uri(pair.image) if pair.image else None
        masks = [self._mask(mask_id, path) for mask_id, path in files.items()]
        frame: Frame = {
            "id": pair.name,
            "sources": [source_of(uri, size, masks)],
            "rois": self._rois(pair, facts) if pair.mask else [],
        }
        if pair.split:
            frame["meta"] = {"split": pair.split}
        return frame

    def _mask(self, mask_id: str, path: Path) -> Mask:
        mask = mask_of(mask_id, self.tree.uri(path))
        mask["content_type"] = _TYPES.get(path.suffix.lower(), "image/tiff")
        return mask

    def _rois(self, pair: Pair, facts: Mapping[str, MaskFacts]) -> list[Roi]:
        assert pair.mask is not None
        mask = facts[pair.mask_id]
        entries = self.meanings.of_mask(pair.mask_id, pair.mask, mask)
        if mask.image.is_lossy:
            self.tree.note(pair.mask, "a lossy image; its values are not exact")
        if pair.instances and INSTANCES in facts:
            return list(self._instance_rois(pair.mask_id, mask, entries, pair.instances, facts[INSTANCES]))
        return _value_rois(pair.mask_id, entries)

    def _instance_rois(
        self,
        mask_id: str,
        mask: MaskFacts,
        entries: Sequence[tuple[list[int], Entry]],
        path: Path,
        instances: MaskFacts,
    ) -> Iterator[Roi]:
        """A ROI for each instance, and for each class without; where neither is a value, with pixels of its own."""
        numbers = instances.stored_values()
        is_none = [not any(number[:3]) for number in numbers]
        joint = joint_histogram(instances.regions, mask.regions)
        cells = list(zip(*(column.tolist() for column in joint), strict=True))
        parts = Counter(instance for instance, _, _ in cells)
        covered = Counter(of_class for _, of_class, _ in cells)
        with_class = {instance for instance, of_class, _ in cells if not entries[of_class][1].is_background}
        for instance, of_class, pixels in cells:
            value, entry = entries[of_class]
            number = numbers[instance]
            if entry.is_background:
                if not is_none[instance] and instance not in with_class:
                    reason = f"instance {_text(number)} is background in {mask_id}; expected a class there"
                    self.tree.refuse(Fault(reason, path))
            elif not is_none[instance] and parts[instance] == 1:
                yield roi_of(entry.label, INSTANCES, number, is_ignored=entry.is_ignored)
            elif is_none[instance] and covered[of_class] == 1:
                yield roi_of(entry.label, mask_id, value, is_ignored=entry.is_ignored)
            else:
                what = "no instance" if is_none[instance] else f"instance {_text(number)}"
                reason = f"{what} has {pixels} pixels of {entry.label!r}, but not alone"
                self.tree.note(path, f"{reason}; they are a ROI with pixels of its own")
                yield _own_roi(entry, instances, instance, mask, of_class)


def _text(value: Sequence[int]) -> str:
    return ",".join(map(str, value))


def _value_rois(mask_id: str, entries: Sequence[tuple[list[int], Entry]]) -> list[Roi]:
    # Colours that differ in their alpha alone are one value.
    by_value = {tuple(value): entry for value, entry in entries if not entry.is_background}
    return [roi_of(entry.label, mask_id, value, is_ignored=entry.is_ignored) for value, entry in by_value.items()]


def _own_roi(entry: Entry, instances: MaskFacts, instance: int, mask: MaskFacts, of_class: int) -> Roi:
    """A ROI that is where an instance and a class meet."""
    own = [
        facts.regions.counts(np.arange(len(facts.colours)) == index)
        for facts, index in ((instances, instance), (mask, of_class))
    ]
    counts = rle.encode_counts(rle.intersection(*own))
    roi: Roi = {
        "label": [entry.label],
        "rle": {"size": [mask.regions.height, mask.regions.width], "counts": counts},
    }
    if entry.is_ignored:
        roi["meta"] = {"ignore": True}
    return roi


def write(out: Writing) -> None:
    """Write ``masks/``, ``labels.json``, ``instances/`` where a class has several ROIs in a frame, and ``images/``.

    Each of them has a folder for each split.
    """
    writer = _Writer(out)
    without_instances = None
    for number, frame in enumerate(out.frames()):
        if without_instances is None and writer.has_several(frame):
            without_instances = number
        writer.write(frame, with_instances=without_instances is not None)
    if without_instances:
        # Frames before the first that needs them.
        for frame in itertools.islice(out.frames(), without_instances):
            writer.write_instances(frame)
    writer.finish()


class _Writer:
    """An export under way."""

    def __init__(self, out: Writing) -> None:
        self.out = out
        self.indexes = class_indexes(out.classes)
        self.palette = None
        if max(self.indexes.values(), default=0) < 256:
            ground = next((each for name, each in out.classes.colours.items() if is_background(name)), BLACK)
            colours = out.classes.colours_beside([ground])
            self.palette = np.zeros((256, 3), np.uint8)
            self.palette[0] = ground
            for name, index in self.indexes.items():
                self.palette[index] = colours[name]
        self.without_image: list[str] = []
        self.names: dict[str, str] = {}
        self.taken: dict[str, int] = {}
        self.lost_splits: set[str] = set()
        self.crowds = 0
        self.ignored: set[str] = set()

    def name(self, frame: OutFrame) -> str:
        """The name of a frame, in the folder of its split."""
        if frame.name not in self.names:
            is_in_folder = frame.split is None or frame.name.startswith(f"{frame.split}/")
            name = frame.name if is_in_folder else f"{frame.split}/{frame.name}"
            self.names[frame.name] = unused_name(name, self.taken)
        return self.names[frame.name]

    def has_several(self, frame: OutFrame) -> bool:
        """Whether a class has several regions in a frame."""
        counts = Counter(region.label for region in frame.regions if region.label in self.indexes)
        return any(count > 1 for count in counts.values())

    def write(self, frame: OutFrame, *, with_instances: bool) -> None:
        name = self.name(frame)
        image_file = name + Path(frame.image_name).suffix
        self.out.copy_image(frame, f"images/{image_file}")
        has_suffix = Path(image_file).suffix.lower() in IMAGE_SUFFIXES
        is_there = has_suffix and (self.out.folder / "images" / image_file).is_file()
        if frame.split is not None and not SPLIT.fullmatch(frame.split):
            self.lost_splits.add(frame.split)
        self.crowds += sum(region.is_crowd for region in frame.regions)
        self.ignored |= {region.label for region in frame.regions if region.is_ignored and not is_void(region.label)}
        if not frame.width or not frame.height:
            self.out.notes.append(f"{frame.frame_id}: nothing says how large it is; no mask written")
            for region in frame.regions:
                self.out.cannot_hold(frame, region, "nothing says how large the image is")
            return
        if self.out.with_images and not is_there:
            self.without_image.append(name)
        held = self._held(frame)
        numbers = held.paint([self.indexes[region.label] for region in held.regions])
        path = self.out.path(f"{MASKS}/{name}.png")
        if self.palette is None:
            Image.fromarray(numbers.astype(np.uint16)).save(path)
        else:
            image = Image.fromarray(numbers.astype(np.uint8))
            image.putpalette(self.palette.tobytes())
            image.save(path)
        if with_instances:
            self.write_instances(frame)
            return
        for region in held.regions:
            self.out.wrote(frame, region, name, value_key(MASKS, [self.indexes[region.label]]))

    def write_instances(self, frame: OutFrame) -> None:
        if not frame.width or not frame.height:
            return
        held, name = self._held(frame), self.name(frame)
        numbers = held.paint(range(1, len(held.regions) + 1))
        Image.fromarray(numbers.astype(np.uint16)).save(self.out.path(f"{INSTANCES}/{name}.png"))
        for number, region in enumerate(held.regions, 1):
            self.out.wrote(frame, region, name, value_key(INSTANCES, [number]))

    def _held(self, frame: OutFrame) -> OutFrame:
        """A frame with the regions alone that can be written."""
        held: list[Region] = []
        for region in frame.regions:
            if is_background(region.label):
                self.out.cannot_hold(frame, region, "background, which is where no object is, and no region when read")
            elif region.label not in self.indexes:
                self.out.cannot_hold(frame, region, f"more than {_MOST} classes")
            elif len(held) == _MOST:
                self.out.cannot_hold(frame, region, f"more than {_MOST} regions in an image")
            else:
                held.append(region)
        return dataclasses.replace(frame, regions=held)

    def finish(self) -> None:
        text = json.dumps({"background": 0, **self.indexes}, indent=1, ensure_ascii=False)
        self.out.path("labels.json").write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
        if self.without_image:
            self.out.path(WITHOUT_IMAGE).write_text("\n".join(self.without_image) + "\n", encoding="utf-8")
        if self.lost_splits:
            names = ", ".join(sorted(self.lost_splits))
            self.out.notes.append(f"{names}: folders, but no names of splits that are known when the export is read")
        if self.crowds:
            self.out.notes.append(f"{self.crowds:,} regions are crowds, which this layout does not say")
        if self.ignored:
            self.out.notes.append(f"{', '.join(sorted(self.ignored))}: ignored, which this layout says of void alone")


def class_indexes(classes: Classes) -> Mapping[str, int]:
    """An index for each class but background: its value, void at 255 if nothing else says, others from 1 on."""
    names = [name for name in classes.names if not is_background(name)]
    most = 255 if len(names) < 256 else _MOST
    voids = [name for name in names if is_void(name)]
    is_free = VOID_INDEX not in classes.values.values() and not any(name in classes.values for name in voids)
    void = {voids[0]: VOID_INDEX} if len(voids) == 1 and is_free else {}
    return dataclasses.replace(classes, names=names).indexes(1, most=most, fixed=void)
