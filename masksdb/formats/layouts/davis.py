"""DAVIS and YouTube-VOS: a folder for each sequence, a palette PNG for each frame, whose indexes are the objects.

The layouts are those of davischallenge.org (``JPEGImages/480p/<sequence>``, ``Annotations/480p/<sequence>``,
``ImageSets/2017``), of youtube-vos.org (the same without a resolution, and ``meta.json`` with the objects' categories)
and of results (``<sequence>/00000.png``, perhaps in a folder for each method). 0 is the background; 255 is void, but in
a grey PNG, as in DAVIS 2016, the object. There are no crowds.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from masksdb.errors import IngestError
from masksdb.formats.label_map import label_map_files
from masksdb.formats.layouts.davis_writing import ANNOTATIONS, META, SETS, write
from masksdb.formats.palette import VOID_INDEX, voc_colour
from masksdb.formats.reading import (
    BACKGROUND,
    IMAGE_SUFFIXES,
    VOID,
    Frame,
    Size,
    Tree,
    lines_of,
    mask_of,
    open_file,
    roi_of,
    source_of,
)
from masksdb.pixels.masks import MaskFacts

__all__ = ["read", "recognise", "write"]

IMAGES = "JPEGImages"

_PNG = (".png",)

_USUAL = "480p"

_LOOKED_AT = 8
"""Folders of each level, and files of each folder, that are looked at to recognise the layout."""

_INDEX_OF = {voc_colour(index): index for index in range(256)}

Paths = dict[str, dict[str, Path]]
"""Files by sequence and name."""


def recognise(path: Path) -> str | None:
    """Why a path has this layout."""
    return (_annotation(path) or _result(path)) if path.is_dir() else None


def _annotation(path: Path) -> str | None:
    """A PNG of a sequence in Annotations."""
    for folder in _folders(path):
        if folder.name.startswith(ANNOTATIONS):
            for child in _folders(folder)[:_LOOKED_AT]:
                for each in (child, *_folders(child)[:_LOOKED_AT]):
                    for file in _files(each, _PNG, 1):
                        return file.relative_to(path).as_posix()
    return None


def _result(path: Path) -> str | None:
    """A PNG of a sequence, if its folder and those beside it have only such, as they may be anything else."""
    folders = _folders(path)[:_LOOKED_AT]
    if label_map_files(path) or [each.name for each in folders] == ["masks"]:
        return None
    if not any(_files(each, IMAGE_SUFFIXES, 1) for each in folders):
        folders = [each for folder in folders for each in _folders(folder)[:_LOOKED_AT] or [folder]]
    found = [_palette_png(folder) for folder in folders]
    return f"{found[0].relative_to(path).as_posix()}, a palette PNG" if found and found[0] and all(found) else None


def _palette_png(folder: Path) -> Path | None:
    """A mask in a folder of numbered palette PNGs and nothing else."""
    files = _files(folder, ("",), _LOOKED_AT)
    if not files or not all(file.suffix == ".png" and file.stem.isdecimal() for file in files) or _folders(folder):
        return None
    try:
        with open_file(files[0]) as file, Image.open(file) as image:
            return files[0] if image.mode == "P" else None
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


def _folders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        # A link may lead nowhere, or to itself, at which each.is_dir() fails.
        return sorted(Path(each) for each in entries if not each.name.startswith(".") and os.path.isdir(each))


def _files(folder: Path, suffixes: tuple[str, ...], most: int | None = None) -> list[Path]:
    """The files of a folder that end so, or only so many."""
    found = (each for each in _named(folder, suffixes) if os.path.isfile(each))
    return sorted(itertools.islice(found, most))


def _named(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """What in a folder ends so: files, and what should be one, of which reading it says what it is."""
    with os.scandir(folder) as entries:
        yield from (Path(each) for each in entries if each.name.lower().endswith(suffixes) and each.name[0] != ".")


def read(tree: Tree) -> Iterator[Frame | IngestError]:
    """The frames of all sequences: those of the images, where there are any, else of the masks."""
    if not tree.path.is_dir():
        yield tree.error(tree.path, "a file; expected a folder with Annotations, or with sequences of PNGs")
        return
    folders = [folder for folder in _folders(tree.path) if folder.name.startswith(ANNOTATIONS)]
    if folders:
        masks, resolution = {}, ""
        for folder in folders:
            masks[folder.name], resolution = _sequences(tree, folder, _PNG, resolution)
        images = _sequences(tree, tree.path / IMAGES, IMAGE_SUFFIXES, resolution)[0]
    else:
        masks, images = _results(tree), {}
    if not any(masks.values()):
        yield tree.error(tree.path, "no PNG of a sequence there; expected Annotations/<sequence>/00000.png")
        return
    yield from _Reader(tree, masks, images).frames()


def _sequences(tree: Tree, folder: Path, suffixes: tuple[str, ...], wanted: str = "") -> tuple[Paths, str]:
    """The files of a folder of sequences, and the resolution that they are of, if there are several or one is named."""
    if not folder.is_dir():
        return {}, ""
    if found := _by_sequence(folder, suffixes):
        return found, ""
    resolutions = {each.name: found for each in _folders(folder) if (found := _by_sequence(each, suffixes))}
    if not resolutions:
        return {}, ""
    name = next((each for each in (wanted, _USUAL) if each in resolutions), min(resolutions))
    if len(resolutions) > 1:
        tree.note(folder, f"only {name} is read, not {', '.join(sorted(resolutions.keys() - {name}))}")
    return resolutions[name], name


def _by_sequence(folder: Path, suffixes: tuple[str, ...]) -> Paths:
    found = {each.name: {file.stem: file for file in _named(each, suffixes)} for each in _folders(folder)}
    return {sequence: files for sequence, files in found.items() if files}


def _results(tree: Tree) -> dict[str, Paths]:
    """The masks of methods, each a folder of sequences; or of the only one, which has the folder's name."""
    name = tree.path.resolve().name or "masks"
    if found := _by_sequence(tree.path, _PNG):
        return {name: found}
    if methods := {each.name: found for each in _folders(tree.path) if (found := _by_sequence(each, _PNG))}:
        return methods
    own = {file.stem: file for file in _named(tree.path, _PNG)}
    return {"masks": {name: own} if own else {}}


@dataclass
class _Reader:
    """Sequences on their way to frames.

    Attributes:
        tree: the dataset.
        masks: its masks, by mask id.
        images: its images; none where it has only masks.
    """

    tree: Tree
    masks: Mapping[str, Paths]
    images: Paths

    def __post_init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.listed: dict[str, dict[str, list[str]]] = {}
        self.met: dict[str, set[str]] = {}
        self.declared: set[tuple[str, tuple[int, ...]]] = set()
        self.is_grey_told = False

    def frames(self) -> Iterator[Frame | IngestError]:
        sequences = sorted({*self.images, *(name for paths in self.masks.values() for name in paths)})
        yield from self._read_meta()
        splits: dict[str, str] = {}
        for listed in self._listed(set(sequences)):
            if isinstance(listed, IngestError):
                yield listed
            else:
                splits.setdefault(*listed)
        # A tree of one split is in a folder of its name.
        own_split = self.tree.path.resolve().name
        own_split = own_split if own_split in ("train", "val", "valid", "test") else ""
        for sequence in sequences:
            for frame in self._sequence(sequence):
                split = splits.get(sequence) or own_split
                yield frame | {"meta": {"split": split}} if isinstance(frame, dict) and split else frame
        for sequence, known in self.objects.items():
            for name in known:
                if sequence in sequences and name not in self.met.get(sequence, ()):
                    reason = f"no PNG of {sequence} has the object {name}; remove it, or add the mask"
                    yield self.tree.error(self.tree.path / META, reason, f"videos.{sequence}.objects.{name}")

    def _read_meta(self) -> Iterator[IngestError]:
        path = self.tree.path / META
        if not os.path.lexists(path):
            return
        try:
            document = self.tree.read_json(path)
        except IngestError as error:
            yield error
            return
        videos = document.get("videos") if isinstance(document, dict) else None
        if not isinstance(videos, dict):
            yield self.tree.error(path, "no object 'videos'; expected the meta.json of YouTube-VOS")
            return
        for sequence, video in videos.items():
            objects = video.get("objects") if isinstance(video, dict) else None
            if not isinstance(objects, dict):
                yield self.tree.error(path, "expected an object with 'objects'", f"videos.{sequence}")
                continue
            self.objects[sequence], self.listed[sequence] = {}, {}
            for name, about in objects.items():
                frames = about.get("frames") if isinstance(about, dict) else None
                for frame in frames if isinstance(frames, list) else ():
                    self.listed[sequence].setdefault(str(frame), []).append(name)
                category = about.get("category", name) if isinstance(about, dict) else name
                if isinstance(category, str):
                    self.objects[sequence][name] = category
                else:
                    place = f"videos.{sequence}.objects.{name}.category"
                    yield self.tree.error(path, f"found {category!r}, expected a text", place)

    def _listed(self, known: set[str]) -> Iterator[tuple[str, str] | IngestError]:
        """Sequences with the split that lists them."""
        folder = self.tree.path / SETS
        if not folder.is_dir() and folder.parent.is_dir():
            folder = max(_folders(folder.parent), default=folder)
        for path in sorted(_named(folder, (".txt",))) if folder.is_dir() else ():
            lines = lines_of(path)
            if isinstance(lines, IngestError):
                yield lines
                continue
            for number, line in enumerate(lines, 1):
                name = line.strip()
                if "/" in name:
                    # DAVIS 2016 lists the files of each frame.
                    name = PurePosixPath(name.split()[0]).parent.name
                if name in known:
                    yield name, path.stem
                elif name:
                    reason = f"{name}: no such sequence; add it, or remove the line"
                    yield IngestError(reason, str(path), line=number)

    def _sequence(self, sequence: str) -> Iterator[Frame | IngestError]:
        images = self.images.get(sequence, {})
        masks = {mask_id: paths.get(sequence, {}) for mask_id, paths in self.masks.items()}
        names = sorted({*images, *(name for files in masks.values() for name in files)})
        files = [{mask_id: own[name] for mask_id, own in masks.items() if name in own} for name in names]
        if not any(files):
            self.tree.note(self.tree.path / IMAGES, f"{sequence}: its {len(names):,} images have no mask")
        for mask_id, own in masks.items():
            if any(files) and len(own) < len(names):
                self.tree.note(self.tree.path, f"{sequence}: {mask_id} has {len(own):,} of {len(names):,} masks")
        for name in names:
            if (known := self.listed.get(sequence, {}).get(name)) and not any(name in own for own in masks.values()):
                told = f"{sequence}: no mask {name}, where it lists the objects {', '.join(known)}"
                self.tree.note(self.tree.path / META, told)
        paths = dict(zip(names, files, strict=True))
        for name, found in self.tree.with_masks(names, files):
            if self.images and name not in images:
                path = next(iter(paths[name].values()))
                reason = f"no image {sequence}/{name} in {IMAGES}; add it, or remove the mask"
                yield self.tree.error(path, reason)
            else:
                yield from self._frame(sequence, name, images.get(name), paths[name], found)

    def _frame(
        self,
        sequence: str,
        name: str,
        image: Path | None,
        paths: Mapping[str, Path],
        found: Mapping[str, MaskFacts | IngestError],
    ) -> Iterator[Frame | IngestError]:
        measured = self.tree.size(image) if image else None
        errors = [each for each in (measured, *found.values()) if isinstance(each, IngestError)]
        if errors:
            yield from errors
            return
        size = measured if isinstance(measured, Size) else None
        masks, rois = [], []
        for mask_id, facts in found.items():
            assert isinstance(facts, MaskFacts)
            own = Size(facts.regions.width, facts.regions.height)
            size = size or own
            if own != size:
                told = f"{own.width} x {own.height} pixels, and its image or another mask"
                self.tree.note(paths[mask_id], f"{told} {size.width} x {size.height}")
            masks.append(mask_of(mask_id, self.tree.uri(paths[mask_id])))
            for value in dict.fromkeys(_value(facts, each) for each in facts.stored_values()):
                roi = self._roi(sequence, mask_id, value, facts, paths[mask_id])
                if isinstance(roi, IngestError):
                    yield roi
                elif roi:
                    rois.append(roi)
        source = source_of(self.tree.uri(image) if image else None, size, masks)
        yield {"id": f"{sequence}/{name}", "context_id": sequence, "sources": [source], "rois": rois}

    def _roi(
        self, sequence: str, mask_id: str, value: tuple[int, ...], facts: MaskFacts, path: Path
    ) -> dict[str, Any] | IngestError | None:
        """The ROI of a value; none of the background."""
        index = value[0] if len(value) == 1 else _INDEX_OF.get((value[0], value[1], value[2]))
        is_grey = index == VOID_INDEX and facts.image.mode == "grey"
        if is_grey and not self.is_grey_told:
            self.is_grey_told = True
            self.tree.note(path, "grey, not a palette, so 255 is taken for an object and not for void")
        is_void = index == VOID_INDEX and not is_grey
        name = (
            VOID
            if is_void
            else BACKGROUND
            if index == 0
            else ",".join(map(str, value))
            if index is None
            else str(index)
        )
        known = self.objects.get(sequence)
        label = name if known is None or is_void or index == 0 else known.get(name)
        is_new = name not in self.met.setdefault(sequence, set())
        self.met[sequence].add(name)
        if label is None:
            reason = f"the object {name} is not in {META}; add it under videos.{sequence}.objects"
            return self.tree.error(path, reason) if is_new else None
        if label == name and (mask_id, value) not in self.declared:
            self.declared.add((mask_id, value))
            self.tree.declare(mask_id, value, label, is_ignored=is_void)
        if index == 0:
            return None
        further = {"id": name} if label != name else {}
        roi = roi_of(label, mask_id, value, is_ignored=is_void)
        return {**further, **roi}


def _value(facts: MaskFacts, stored: Sequence[int]) -> tuple[int, ...]:
    """A stored value as ROIs have it, without alpha."""
    return tuple(stored) if facts.image.has_sample else tuple(stored[:3])
