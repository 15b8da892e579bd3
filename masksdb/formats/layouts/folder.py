"""A folder of masks: beside their images or apart from them, paired by name, with a label map.

Masks are PNGs (TIFF, BMP and GIF too) of indexes, palette or RGB, in ``masks/``, ``labels/``, ``annotations/``, ``gt/``
or ``segmentation/`` beside ``images/``, each perhaps with a folder for each split, or in a folder for each split; or
named after their image (``a.jpg`` with ``a_mask.png``, ``a_seg.png``, ``a.png``). ``instances/`` beside the masks has
the objects numbered, 0 being none. What values mean is in
:mod:`masksdb.formats.layouts.folder_meanings`, which label maps are read in
:mod:`masksdb.formats.label_map`. Crowds are not told apart.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from masksdb.errors import IngestError
from masksdb.formats.label_map import Entry, find_label_map, is_background, is_void
from masksdb.formats.layouts.folder_meanings import VOID_INDEX, Meanings, is_black_and_white
from masksdb.formats.layouts.folder_pairs import INSTANCES, WITHOUT_IMAGE, Pair, find_parts, pairs_of
from masksdb.formats.reading import IMAGE_SUFFIXES, Frame, Size, Tree, mask_of, roi_of, source_of
from masksdb.formats.writing import Classes, OutFrame, Region, Writing, value_key
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


def read(tree: Tree) -> Iterator[Frame | IngestError]:
    """The frames of a folder, an image or a mask each."""
    parts = find_parts(tree.path) if tree.path.is_dir() else []
    if not parts:
        yield tree.error(tree.path, "no masks there; expected images/ and masks/, or masks beside images (a_mask.png)")
        return
    label_map = None
    try:
        label_map = find_label_map(tree, tree.path)
    except IngestError as error:
        yield error
    pairs: list[Pair] = []
    for part in parts:
        for each in pairs_of(tree, part):
            if isinstance(each, IngestError):
                yield each
            else:
                pairs.append(each)
    with_mask = [pair for pair in pairs if pair.mask]
    masks = tree.with_facts(with_mask, [pair.mask for pair in with_mask if pair.mask])
    objects = (
        [entry for entry in label_map.entries if not entry.is_background and not entry.is_ignored] if label_map else []
    )
    # Only where white may be the one object does it matter whether all masks are black and white.
    is_binary = len(objects) < 2 and all(
        isinstance(facts, IngestError) or is_black_and_white(facts)
        for _, facts in tree.with_facts(with_mask, [pair.mask for pair in with_mask if pair.mask])
    )
    yield from _Reader(tree, Meanings(tree, label_map, is_binary)).frames(pairs, masks)


@dataclasses.dataclass
class _Reader:
    """Pairs on their way to frames."""

    tree: Tree
    meanings: Meanings

    def frames(
        self, pairs: Sequence[Pair], masks: Iterator[tuple[Pair, MaskFacts | IngestError]]
    ) -> Iterator[Frame | IngestError]:
        with_instances = [pair for pair in pairs if pair.instances]
        all_instances = self.tree.with_facts(
            with_instances, [each.instances for each in with_instances if each.instances]
        )
        for pair in pairs:
            mask = next(masks)[1] if pair.mask else None
            instances = next(all_instances)[1] if pair.instances else None
            yield from self._frame(pair, mask, instances)

    def _frame(
        self, pair: Pair, mask: MaskFacts | IngestError | None, instances: MaskFacts | IngestError | None
    ) -> Iterator[Frame | IngestError]:
        size = self.tree.size(pair.image) if pair.image else None
        faults = [each for each in (size, mask, instances) if isinstance(each, IngestError)]
        if isinstance(instances, IngestError):
            instances, pair = None, pair._replace(instances=None)
        yield from faults
        if isinstance(size, IngestError) or isinstance(mask, IngestError):
            return
        for path, facts in ((pair.mask, mask), (pair.instances, instances)):
            if facts is None or path is None:
                continue
            found = Size(facts.regions.width, facts.regions.height)
            size = size or found
            if found != size:
                told = f"{found.width} x {found.height} pixels on an image of {size.width} x {size.height}"
                yield self.tree.error(path, f"{told}; masks are never resized")
                return
        masks = [self._mask(pair.mask_id, pair.mask)] if pair.mask else []
        masks += [self._mask(INSTANCES, pair.instances)] if pair.instances else []
        rois: list[dict[str, Any]] = []
        if pair.mask and mask is not None:
            meant = self.meanings.of_mask(pair.mask_id, pair.mask, mask)
            if mask.image.is_lossy:
                self.tree.note(pair.mask, "a lossy image; its values are not exact")
            if pair.instances and instances is not None:
                for roi in self._instance_rois(pair, mask, meant, instances):
                    if isinstance(roi, IngestError):
                        yield roi
                    else:
                        rois.append(roi)
            else:
                rois = _value_rois(pair.mask_id, meant)
        uri = self.tree.uri(pair.image) if pair.image else None
        frame: Frame = {"id": pair.name, "sources": [source_of(uri, size, masks)], "rois": rois}
        yield frame | ({"meta": {"split": pair.split}} if pair.split else {})

    def _mask(self, mask_id: str, path: Path) -> dict[str, Any]:
        return mask_of(mask_id, self.tree.uri(path)) | {"content_type": _TYPES.get(path.suffix.lower(), "image/tiff")}

    def _instance_rois(
        self, pair: Pair, mask: MaskFacts, meant: Sequence[tuple[list[int], Entry]], instances: MaskFacts
    ) -> Iterator[dict[str, Any] | IngestError]:
        """A ROI for each instance, and for each class without; where neither is a value, with pixels of its own."""
        assert pair.instances is not None
        numbers = instances.stored_values()
        is_none = [not any(number[:3]) for number in numbers]
        pairs = list(zip(*(each.tolist() for each in joint_histogram(instances.regions, mask.regions)), strict=True))
        parts = Counter(instance for instance, _, _ in pairs)
        covered = Counter(of_class for _, of_class, _ in pairs)
        classes = {instance for instance, of_class, _ in pairs if not meant[of_class][1].is_background}
        for instance, of_class, pixels in pairs:
            value, entry = meant[of_class]
            number = numbers[instance]
            if entry.is_background:
                if not is_none[instance] and instance not in classes:
                    reason = f"instance {_text(number)} is background in {pair.mask_id}; expected a class there"
                    yield self.tree.error(pair.instances, reason)
            elif not is_none[instance] and parts[instance] == 1:
                yield roi_of(entry.label, INSTANCES, number, is_ignored=entry.is_ignored)
            elif is_none[instance] and covered[of_class] == 1:
                yield roi_of(entry.label, pair.mask_id, value, is_ignored=entry.is_ignored)
            else:
                what = "no instance" if is_none[instance] else f"instance {_text(number)}"
                told = f"{what} has {pixels} pixels of {entry.label!r}, but not alone"
                self.tree.note(pair.instances, f"{told}; they are a ROI with pixels of its own")
                yield _own_roi(entry, instances, instance, mask, of_class)


def _text(value: Sequence[int]) -> str:
    return ",".join(map(str, value))


def _value_rois(mask_id: str, meant: Sequence[tuple[list[int], Entry]]) -> list[dict[str, Any]]:
    # Colours that differ in their alpha alone are one value.
    found = {tuple(value): entry for value, entry in meant if not entry.is_background}
    return [roi_of(entry.label, mask_id, value, is_ignored=entry.is_ignored) for value, entry in found.items()]


def _own_roi(entry: Entry, instances: MaskFacts, instance: int, mask: MaskFacts, of_class: int) -> dict[str, Any]:
    """A ROI that is where an instance and a class meet."""
    own = [
        facts.regions.counts(np.arange(len(facts.colours)) == index)
        for facts, index in ((instances, instance), (mask, of_class))
    ]
    size = [mask.regions.height, mask.regions.width]
    roi = {"label": [entry.label], "rle": {"size": size, "counts": rle.encode_counts(rle.intersection(*own))}}
    return roi | ({"meta": {"ignore": True}} if entry.is_ignored else {})


def write(out: Writing) -> None:
    """Write ``masks/``, ``labels.json``, ``instances/`` where a class has several ROIs in a frame, and ``images/``."""
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
        self.lost_splits = 0
        self.crowds = 0
        self.ignored: set[str] = set()

    def has_several(self, frame: OutFrame) -> bool:
        """Whether a class has several regions in a frame."""
        counts = Counter(region.label for region in frame.regions if region.label in self.indexes)
        return any(count > 1 for count in counts.values())

    def write(self, frame: OutFrame, *, with_instances: bool) -> None:
        name = frame.image_name
        self.out.copy_image(frame, f"images/{name}")
        is_there = Path(name).suffix.lower() in IMAGE_SUFFIXES and (self.out.folder / "images" / name).is_file()
        split = frame.meta.get("split")
        self.lost_splits += split is not None and frame.name.partition("/")[0] != split
        self.crowds += sum(region.is_crowd for region in frame.regions)
        self.ignored |= {region.label for region in frame.regions if region.is_ignored and not is_void(region.label)}
        if not frame.width or not frame.height:
            self.out.notes.append(f"{frame.frame_id}: nothing says how large it is; no mask written")
            for region in frame.regions:
                self.out.cannot_hold(frame, region, "nothing says how large the image is")
            return
        if self.out.with_images and not is_there:
            self.without_image.append(frame.name)
        held = self._held(frame)
        numbers = held.paint([self.indexes[region.label] for region in held.regions])
        path = self.out.path(f"{MASKS}/{frame.name}.png")
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
            self.out.wrote(frame, region, frame.name, value_key(MASKS, [self.indexes[region.label]]))

    def write_instances(self, frame: OutFrame) -> None:
        if not frame.width or not frame.height:
            return
        held = self._held(frame)
        numbers = held.paint(range(1, len(held.regions) + 1))
        Image.fromarray(numbers.astype(np.uint16)).save(self.out.path(f"{INSTANCES}/{frame.name}.png"))
        for number, region in enumerate(held.regions, 1):
            self.out.wrote(frame, region, frame.name, value_key(INSTANCES, [number]))

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
            self.out.notes.append(f"{self.lost_splits:,} images are in a split that their name does not say: not kept")
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
