"""KITTI MOTS and MOTSChallenge: 16-bit PNGs of tracked objects, or a line of text with run lengths for each.

The formats are those of www.vision.rwth-aachen.de/page/mots: a value of a PNG in ``instances/<sequence>`` is
class * 1000 + object, class 1 a car, 2 a pedestrian, 10 (the value 10000) a region to ignore, 0 the background. A line
of ``instances_txt/<sequence>.txt``, or of ``<sequence>/gt/gt.txt``, is ``frame object class height width rle``. There
is no void beside the ignored regions, and there are no crowds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from masksdb.formats.frame import Frame, Roi, Size, Source, mask_of, roi_of, source_of
from masksdb.formats.layouts.coco import run_lengths
from masksdb.formats.reading import BACKGROUND, Fault, Tree, is_whole, open_file, read_text
from masksdb.pixels.masks import MaskFacts
from masksdb.pixels.pillow import open_image

INSTANCES, TEXTS = "instances", "instances_txt"

CLASS_ID = "class_id"
"""The mask id under which a version's label mapping keeps the class ids."""

CLASSES = {1: "car", 2: "pedestrian", 10: "ignore"}

IGNORED = 10

IMAGE_FOLDERS = ("training/image_02", "image_02", "images", "train/images")

_OBJECTS = 1000

_COLUMNS = 6


def recognise(path: Path) -> str | None:
    """Why a path has this layout."""
    for file in itertools.islice((path / INSTANCES).glob("*/*.png"), 1):
        return f"{file.relative_to(path).as_posix()}, a PNG of 16 bits" if _is_16_bit(file) else None
    texts = itertools.chain((path / TEXTS).glob("*.txt"), path.glob("*/gt/gt.txt"))
    for file in itertools.islice(texts, 1):
        return f"{file.relative_to(path).as_posix()}, lines of run lengths" if _has_run_lengths(file) else None
    return None


def _is_16_bit(path: Path) -> bool:
    try:
        with open_file(path) as file, open_image(file) as image:
            return image.mode.startswith("I")
    except OSError:
        return False


def _has_run_lengths(path: Path) -> bool:
    """Whether the first line is one of these, and not of boxes, as MOT has them under the same names."""
    try:
        with open_file(path) as file:
            line = file.readline(1 << 20).decode().split()
    except (OSError, ValueError):
        return False
    return len(line) == _COLUMNS and all(column.isdecimal() for column in line[:-1])


def read(tree: Tree) -> Iterator[Frame]:
    """The frames of all sequences that have annotations; PNGs go before the same as text."""
    if not tree.path.is_dir():
        raise Fault(f"a file; expected a folder with {INSTANCES} or {TEXTS}", tree.path)
    pngs = {folder.name: folder for folder in (tree.path / INSTANCES).glob("*") if any(folder.glob("*.png"))}
    texts = {path.parent.parent.name: path for path in tree.path.glob("*/gt/gt.txt")}
    texts |= {path.stem: path for path in (tree.path / TEXTS).glob("*.txt")}
    if not pngs and not texts:
        raise Fault(f"no {INSTANCES}/<sequence>/000000.png and no {TEXTS}/<sequence>.txt there", tree.path)
    if both := pngs.keys() & texts.keys():
        tree.note(tree.path / TEXTS, f"not read for the {len(both):,} sequences that have PNGs, which say the same")
    reader = _Reader(tree)
    for sequence in sorted({*pngs, *texts}):
        images = reader.images(sequence)
        if sequence in pngs:
            yield from reader.from_pngs(sequence, pngs[sequence], images)
        else:
            with tree.part(texts[sequence]):
                yield from reader.from_text(sequence, texts[sequence], images)


class _Reader:
    """One such tree."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.unknown: set[int] = set()
        for number, name in CLASSES.items():
            tree.declare(CLASS_ID, [number], name, is_ignored=number == IGNORED)

    def images(self, sequence: str) -> dict[str, Path]:
        """The images of a sequence by name."""
        folders = [self.tree.path / name / sequence for name in IMAGE_FOLDERS] + [self.tree.path / sequence / "img1"]
        return next((images for folder in folders if (images := self.tree.image_files(folder))), {})

    def from_pngs(self, sequence: str, folder: Path, images: dict[str, Path]) -> Iterator[Frame]:
        """The frames of a sequence of PNGs."""
        self.tree.declare(INSTANCES, [0], BACKGROUND)
        self.tree.declare(INSTANCES, [IGNORED * _OBJECTS], CLASSES[IGNORED], is_ignored=True)
        masks = {file.stem: file for file in sorted(folder.glob("*.png"))}
        bare = len(images.keys() - masks.keys())
        if bare:
            self.tree.note(folder, f"{bare:,} images of the sequence have no mask")
        names = sorted({*images, *masks})
        for name, facts in self.tree.with_facts(names, map(masks.get, names)):
            path = masks.get(name, folder)
            with self.tree.part(path):
                if images and name not in images:
                    raise Fault("no image of its sequence has this name; add it, or remove the mask")
                if facts and not facts.image.has_sample:
                    expected = f"one number is expected that is class * {_OBJECTS} + object"
                    raise Fault(f"{facts.image.mode}, where {expected}")
                own = {INSTANCES: path} if facts else {}
                size, files = self.tree.check_sizes(images.get(name), own, {INSTANCES: facts})
                listed = [mask_of(mask_id, self.tree.uri(file)) for mask_id, file in files.items()]
                source = source_of(self.tree.uri(images[name]) if images else None, size, listed)
                yield _frame(sequence, name, source, self._rois(path, facts) if facts else [])

    def _rois(self, path: Path, facts: MaskFacts) -> list[Roi]:
        rois = []
        for (value,) in facts.stored_values():
            if value:
                number = value // _OBJECTS
                roi = roi_of(self._label(number, path), INSTANCES, [value], is_ignored=number == IGNORED)
                rois.append(Roi(id=value, **roi))
        return rois

    def _label(self, number: int, path: Path) -> str:
        if number not in CLASSES and number not in self.unknown:
            self.unknown.add(number)
            self.tree.note(path, f"the class {number} has no name; known are 1 (car), 2 (pedestrian), 10 (ignore)")
        return CLASSES.get(number, str(number))

    def from_text(self, sequence: str, path: Path, images: dict[str, Path]) -> Iterator[Frame]:
        """The frames of a sequence of run lengths: those of its images, or where there are none of the lines."""
        try:
            lines = read_text(path).split("\n")
        except (OSError, ValueError):
            raise Fault("cannot be read as UTF-8 text", path) from None
        names = {int(name): name for name in images if is_whole(name)}
        sizes: dict[str, Size] = {}
        for name, file in images.items():
            with self.tree.part(file):
                sizes[name] = self.tree.size(file)
        rois: dict[str, dict[int, Roi]] = {name: {} for name in images}
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            with self.tree.part(path, line=number):
                time, own, roi = self._parsed(line, path)
                name = names.get(time, f"{time:06d}")
                if images and name not in images:
                    raise Fault(f"object {own}: the sequence has no image {time}; add it, or remove the line")
                if own in rois.setdefault(name, {}):
                    raise Fault(f"object {own}: again in frame {time}; give each object its own id")
                height, width = roi["rle"]["size"]
                size = Size(width, height)
                if name not in images:
                    sizes.setdefault(name, size)
                if sizes.get(name, size) != size:
                    raise Fault(f"object {own}: {size} pixels, and frame {time} has {sizes[name]}")
                rois[name][own] = roi
        for name in sorted(rois.keys() & sizes.keys()):
            source = source_of(self.tree.uri(images[name]) if images else None, sizes[name])
            yield _frame(sequence, name, source, list(rois[name].values()))

    def _parsed(self, line: str, path: Path) -> tuple[int, int, Roi]:
        """The frame, the object and the ROI in a line."""
        columns = line.split()
        if len(columns) != _COLUMNS or not all(map(is_whole, columns[:-1])):
            raise Fault(f"found {line[:60]!r}, expected frame object class height width rle")
        time, own, number, height, width = map(int, columns[:-1])
        try:
            lengths = run_lengths({"size": [height, width], "counts": columns[-1]}, None)
        except Fault as fault:
            raise Fault(f"object {own}: {fault.reason}") from None
        roi: Roi = {"id": own, "label": [self._label(number, path)], "rle": lengths}
        if number == IGNORED:
            roi["meta"] = {"ignore": True}
        return time, own, roi


def _frame(sequence: str, name: str, source: Source, rois: list[Roi]) -> Frame:
    return {"id": f"{sequence}/{name}", "context_id": sequence, "sources": [source], "rois": rois}
