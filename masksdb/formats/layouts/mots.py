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
from typing import Any

from PIL import Image

from masksdb.errors import IngestError
from masksdb.formats.layouts.coco import run_lengths
from masksdb.formats.reading import (
    BACKGROUND,
    Frame,
    Size,
    Tree,
    image_files,
    is_whole,
    mask_of,
    open_file,
    read_text,
    roi_of,
    source_of,
)
from masksdb.pixels.masks import MaskFacts

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
        with open_file(path) as file, Image.open(file) as image:
            return image.mode.startswith("I")
    except (OSError, ValueError, Image.DecompressionBombError):
        return False


def _has_run_lengths(path: Path) -> bool:
    """Whether the first line is one of these, and not of boxes, as MOT has them under the same names."""
    try:
        with open_file(path) as file:
            line = file.readline(1 << 20).decode().split()
    except (OSError, ValueError):
        return False
    return len(line) == _COLUMNS and all(column.isdecimal() for column in line[:-1])


def read(tree: Tree) -> Iterator[Frame | IngestError]:
    """The frames of all sequences that have annotations; PNGs go before the same as text."""
    if not tree.path.is_dir():
        yield tree.error(tree.path, f"a file; expected a folder with {INSTANCES} or {TEXTS}")
        return
    pngs = {folder.name: folder for folder in (tree.path / INSTANCES).glob("*") if any(folder.glob("*.png"))}
    texts = {path.parent.parent.name: path for path in tree.path.glob("*/gt/gt.txt")}
    texts |= {path.stem: path for path in (tree.path / TEXTS).glob("*.txt")}
    if not pngs and not texts:
        yield tree.error(tree.path, f"no {INSTANCES}/<sequence>/000000.png and no {TEXTS}/<sequence>.txt there")
        return
    if both := pngs.keys() & texts.keys():
        tree.note(tree.path / TEXTS, f"not read for the {len(both):,} sequences that have PNGs, which say the same")
    reader = _Reader(tree)
    for sequence in sorted({*pngs, *texts}):
        refused: list[IngestError] = []
        images = reader.images(sequence, refused)
        yield from refused
        if sequence in pngs:
            yield from reader.from_pngs(sequence, pngs[sequence], images)
        else:
            yield from reader.from_text(sequence, texts[sequence], images)


class _Reader:
    """One such tree."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.unknown: set[int] = set()
        for number, name in CLASSES.items():
            tree.declare(CLASS_ID, [number], name, is_ignored=number == IGNORED)

    def images(self, sequence: str, refused: list[IngestError]) -> dict[str, Path]:
        """The images of a sequence by name, and an error for each whose name is that of one before."""
        folders = [self.tree.path / name / sequence for name in IMAGE_FOLDERS] + [self.tree.path / sequence / "img1"]
        for folder in folders:
            if found := image_files(folder, refused):
                return found
        return {}

    def from_pngs(self, sequence: str, folder: Path, images: dict[str, Path]) -> Iterator[Frame | IngestError]:
        """The frames of a sequence of PNGs."""
        self.tree.declare(INSTANCES, [0], BACKGROUND)
        self.tree.declare(INSTANCES, [IGNORED * _OBJECTS], CLASSES[IGNORED], is_ignored=True)
        masks = {file.stem: file for file in sorted(folder.glob("*.png"))}
        bare = len(images.keys() - masks.keys())
        if bare:
            self.tree.note(folder, f"{bare:,} images of the sequence have no mask")
        names = sorted({*images, *masks})
        files = [{INSTANCES: masks[name]} if name in masks else {} for name in names]
        for name, found in self.tree.with_masks(names, files):
            facts = found.get(INSTANCES)
            if isinstance(facts, IngestError):
                yield facts
            elif images and name not in images:
                yield self.tree.error(masks[name], "no image of its sequence has this name; add it, or remove the mask")
            elif facts and not facts.image.has_sample:
                told = f"{facts.image.mode}, where one number is expected that is class * {_OBJECTS} + object"
                yield self.tree.error(masks[name], told)
            else:
                yield self._frame(sequence, name, images.get(name), masks.get(name), facts)

    def _frame(
        self, sequence: str, name: str, image: Path | None, path: Path | None, facts: MaskFacts | None
    ) -> Frame | IngestError:
        size = self.tree.size(image) if image else None
        if isinstance(size, IngestError):
            return size
        masks, rois = [], []
        if facts and path:
            own = Size(facts.regions.width, facts.regions.height)
            size = size or own
            if own != size:
                told = f"{own.width} x {own.height} pixels, and its image {size.width} x {size.height}"
                self.tree.note(path, told)
            masks.append(mask_of(INSTANCES, self.tree.uri(path)))
            for (value,) in facts.stored_values():
                if value:
                    number = value // _OBJECTS
                    label = self._label(number, path)
                    roi = roi_of(label, INSTANCES, [value], is_ignored=number == IGNORED)
                    rois.append({"id": value, **roi})
        return self._written(sequence, name, source_of(self.tree.uri(image) if image else None, size, masks), rois)

    def _written(self, sequence: str, name: str, source: dict[str, Any], rois: list[dict[str, Any]]) -> Frame:
        return {"id": f"{sequence}/{name}", "context_id": sequence, "sources": [source], "rois": rois}

    def _label(self, number: int, path: Path) -> str:
        if number not in CLASSES and number not in self.unknown:
            self.unknown.add(number)
            self.tree.note(path, f"the class {number} has no name; known are 1 (car), 2 (pedestrian), 10 (ignore)")
        return CLASSES.get(number, str(number))

    def from_text(self, sequence: str, path: Path, images: dict[str, Path]) -> Iterator[Frame | IngestError]:
        """The frames of a sequence of run lengths: those of its images, or where there are none of the lines."""
        try:
            lines = read_text(path).split("\n")
        except (OSError, ValueError):
            yield self.tree.error(path, "cannot be read as UTF-8 text")
            return
        names = {int(name): name for name in images if is_whole(name)}
        sizes: dict[str, Size | IngestError] = {name: self.tree.size(file) for name, file in images.items()}
        rois: dict[str, list[dict[str, Any]]] = {name: [] for name in sorted(images)}
        ids: set[tuple[str, int]] = set()
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            found = self._parsed(line, path)
            if isinstance(found, str):
                yield IngestError(found, str(path), line=number)
                continue
            time, roi = found
            name = names.get(time, f"{time:06d}")
            height, width = roi["rle"]["size"]
            size = sizes.setdefault(name, Size(width, height))
            if images and name not in images:
                yield self._line_error(
                    path, number, roi, f"the sequence has no image {time}; add it, or remove the line"
                )
            elif (name, roi["id"]) in ids:
                yield self._line_error(path, number, roi, f"again in frame {time}; give each object its own id")
            elif isinstance(size, Size) and size != (width, height):
                told = f"{width} x {height} pixels, and frame {time} has {size.width} x {size.height}"
                yield self._line_error(path, number, roi, told)
            else:
                ids.add((name, roi["id"]))
                rois.setdefault(name, []).append(roi)
        for name in sorted(rois):
            size = sizes[name]
            image = images.get(name)
            if isinstance(size, IngestError):
                yield size
            else:
                source = source_of(self.tree.uri(image) if image else None, size)
                yield self._written(sequence, name, source, rois[name])

    def _line_error(self, path: Path, number: int, roi: dict[str, Any], reason: str) -> IngestError:
        return IngestError(f"object {roi['id']}: {reason}", str(path), line=number)

    def _parsed(self, line: str, path: Path) -> tuple[int, dict[str, Any]] | str:
        """The frame and the ROI in a line, or what is wrong with it."""
        columns = line.split()
        if len(columns) != _COLUMNS or not all(map(is_whole, columns[:-1])):
            return f"found {line[:60]!r}, expected frame object class height width rle"
        time, own, number, height, width = (int(each) for each in columns[:-1])
        lengths = run_lengths({"size": [height, width], "counts": columns[-1]}, None)
        if isinstance(lengths, str):
            return f"object {own}: {lengths}"
        roi: dict[str, Any] = {"id": own, "label": [self._label(number, path)], "rle": lengths}
        return time, roi | ({"meta": {"ignore": True}} if number == IGNORED else {})
