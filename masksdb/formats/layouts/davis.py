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

from masksdb.formats.frame import Frame, Roi, mask_of, roi_of, source_of
from masksdb.formats.label_map import label_map_files
from masksdb.formats.layouts.davis_writing import ANNOTATIONS, META, SETS, write
from masksdb.formats.palette import VOID_INDEX
from masksdb.formats.reading import BACKGROUND, IMAGE_SUFFIXES, VOID, Fault, Tree, check_colours, open_file, split_lists
from masksdb.pixels.colours import voc_colour
from masksdb.pixels.masks import MaskFacts
from masksdb.pixels.pillow import open_image

__all__ = ["read", "recognise", "write"]

IMAGES = "JPEGImages"

_PNG = (".png",)

_USUAL = "480p"

_MOST_CHECKED = 8
"""Folders of each level, and files of each folder, that are checked to recognise the layout."""

_MOST_IN_ERRORS = 100
"""Files that are opened to say why a layout was not recognised."""

_INDEX_OF = {voc_colour(index): index for index in range(256)}

Paths = dict[str, dict[str, Path]]
"""Files by sequence and name."""


def recognise(path: Path) -> str | None:
    """Why a path has this layout."""
    return (_annotation(path) or _result(path)) if path.is_dir() else None


def _annotation(path: Path) -> str | None:
    """A PNG of a sequence in Annotations."""
    for folder in _folders(path):
        for child in _folders(folder)[:_MOST_CHECKED] if folder.name.startswith(ANNOTATIONS) else ():
            for sequence in (child, *_folders(child)[:_MOST_CHECKED]):
                for file in _files(sequence, _PNG, 1):
                    return file.relative_to(path).as_posix()
    return None


def _result(path: Path) -> str | None:
    """A PNG of a sequence, if its folder and those beside it have only such, as they may be anything else."""
    folders = _folders(path)[:_MOST_CHECKED]
    if label_map_files(path) or [folder.name for folder in folders] == ["masks"]:
        return None
    if not any(_files(folder, IMAGE_SUFFIXES, 1) for folder in folders):
        folders = [child for folder in folders for child in _folders(folder)[:_MOST_CHECKED] or [folder]]
    pngs = [_palette_png(folder) for folder in folders]
    return f"{pngs[0].relative_to(path).as_posix()}, a palette PNG" if pngs and pngs[0] and all(pngs) else None


def _palette_png(folder: Path) -> Path | None:
    """A mask in a folder of numbered palette PNGs and nothing else."""
    files = _files(folder, ("",), _MOST_CHECKED)
    if not files or not all(file.suffix == ".png" and file.stem.isdecimal() for file in files) or _folders(folder):
        return None
    return files[0] if _has_palette(files[0]) else None


def _has_palette(path: Path) -> bool:
    try:
        with open_file(path) as file, open_image(file) as image:
            return image.mode == "P"
    except OSError:
        return False


def obstacle(path: Path) -> str | None:
    """The file because of which a folder of sequences is not recognised, if most of its files are such masks."""
    folders = _folders(path)
    listed = (file for folder in folders or [path] for file in _files(folder, ("",)))
    files = list(itertools.islice(listed, _MOST_IN_ERRORS))
    odd = {file: reason for file in files if (reason := _oddness(file))}
    if not odd or 2 * len(odd) > len(files):
        return None
    first, reason = next(iter(odd.items()))
    return f"{first.relative_to(path).as_posix()} {reason}, unlike {len(files) - len(odd)} of {len(files)} files"


def _oddness(path: Path) -> str | None:
    """Why a file is not a mask of a sequence."""
    if path.suffix != ".png":
        return "is not a PNG"
    if not path.stem.isdecimal():
        return "has no number as its name"
    return None if _has_palette(path) else "is not a palette PNG"


def _folders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        # A link may lead nowhere, or to itself, at which entry.is_dir() fails.
        return sorted(Path(entry) for entry in entries if not entry.name.startswith(".") and os.path.isdir(entry))


def _files(folder: Path, suffixes: tuple[str, ...], most: int | None = None) -> list[Path]:
    """The files of a folder that end so, or only so many."""
    files = (path for path in _named(folder, suffixes) if os.path.isfile(path))
    return sorted(itertools.islice(files, most))


def _named(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """The files of a folder that end so; also what is not a file, which reading it reports."""
    with os.scandir(folder) as entries:
        yield from (Path(entry) for entry in entries if entry.name.lower().endswith(suffixes) and entry.name[0] != ".")


def read(tree: Tree) -> Iterator[Frame]:
    """The frames of all sequences: those of the images, where there are any, else of the masks."""
    if not tree.path.is_dir():
        raise Fault("a file; expected a folder with Annotations, or with sequences of PNGs", tree.path)
    folders = [folder for folder in _folders(tree.path) if folder.name.startswith(ANNOTATIONS)]
    if folders:
        masks, resolution = {}, ""
        for folder in folders:
            masks[folder.name], resolution = _sequences(tree, folder, _PNG, resolution)
        images = _sequences(tree, tree.path / IMAGES, IMAGE_SUFFIXES, resolution)[0]
    else:
        masks, images = _results(tree), {}
    if not any(masks.values()):
        raise Fault("no PNG of a sequence there; expected Annotations/<sequence>/00000.png", tree.path)
    yield from _Reader(tree, masks, images).frames()


def _sequences(tree: Tree, folder: Path, suffixes: tuple[str, ...], resolution: str = "") -> tuple[Paths, str]:
    """The files of a folder of sequences, and their resolution, if there are several or one is named."""
    if not folder.is_dir():
        return {}, ""
    if paths := _by_sequence(folder, suffixes):
        return paths, ""
    resolutions = {child.name: paths for child in _folders(folder) if (paths := _by_sequence(child, suffixes))}
    if not resolutions:
        return {}, ""
    name = next((name for name in (resolution, _USUAL) if name in resolutions), min(resolutions))
    if len(resolutions) > 1:
        tree.note(folder, f"only {name} is read, not {', '.join(sorted(resolutions.keys() - {name}))}")
    return resolutions[name], name


def _by_sequence(folder: Path, suffixes: tuple[str, ...]) -> Paths:
    sequences = {child.name: {file.stem: file for file in _named(child, suffixes)} for child in _folders(folder)}
    return {sequence: files for sequence, files in sequences.items() if files}


def _results(tree: Tree) -> dict[str, Paths]:
    """The masks of methods, each a folder of sequences; or of the only one, which has the folder's name."""
    name = tree.path.resolve().name or "masks"
    if paths := _by_sequence(tree.path, _PNG):
        return {name: paths}
    if methods := {child.name: paths for child in _folders(tree.path) if (paths := _by_sequence(child, _PNG))}:
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
        self.seen: dict[str, set[str]] = {}
        self.declared: set[tuple[str, tuple[int, ...]]] = set()
        self.is_grey_noted = False

    def frames(self) -> Iterator[Frame]:
        sequences = sorted({*self.images, *(name for paths in self.masks.values() for name in paths)})
        with self.tree.part(self.tree.path / META):
            self._read_meta()
        splits = self._splits(set(sequences))
        # A tree of one split is in a folder of its name.
        own_split = self.tree.path.resolve().name
        own_split = own_split if own_split in ("train", "val", "valid", "test") else ""
        for sequence in sequences:
            split = splits.get(sequence) or own_split
            for frame in self._sequence(sequence):
                yield frame | {"meta": {"split": split}} if split else frame
        for sequence, known in self.objects.items():
            for name in known:
                if sequence in sequences and name not in self.seen.get(sequence, ()):
                    reason = f"no PNG of {sequence} has the object {name}; remove it, or add the mask"
                    self.tree.refuse(Fault(reason, self.tree.path / META, f"videos.{sequence}.objects.{name}"))

    def _read_meta(self) -> None:
        path = self.tree.path / META
        if not os.path.lexists(path):
            return
        document = self.tree.read_json(path)
        videos = document.get("videos") if isinstance(document, dict) else None
        if not isinstance(videos, dict):
            raise Fault("no object 'videos'; expected the meta.json of YouTube-VOS")
        for sequence, video in videos.items():
            with self.tree.part(path, f"videos.{sequence}"):
                objects = video.get("objects") if isinstance(video, dict) else None
                if not isinstance(objects, dict):
                    raise Fault("expected an object with 'objects'")
                self.objects[sequence], self.listed[sequence] = {}, {}
                for name, about in objects.items():
                    with self.tree.part(path, f"videos.{sequence}.objects.{name}.category"):
                        self._read_object(sequence, name, about if isinstance(about, dict) else {})

    def _read_object(self, sequence: str, name: str, about: Mapping[str, Any]) -> None:
        frames = about.get("frames")
        for frame in frames if isinstance(frames, list) else ():
            self.listed[sequence].setdefault(str(frame), []).append(name)
        category = about.get("category", name)
        if not isinstance(category, str):
            raise Fault(f"found {category!r}, expected a text")
        self.objects[sequence][name] = category

    def _splits(self, sequences: set[str]) -> dict[str, str]:
        """The sequences with the split that lists them."""
        folder = self.tree.path / SETS
        if not folder.is_dir() and folder.parent.is_dir():
            folder = max(_folders(folder.parent), default=folder)
        lists = sorted(_named(folder, (".txt",))) if folder.is_dir() else []
        return split_lists(self.tree, lists, sequences, _sequence_in, "no such sequence; add it, or remove the line")

    def _sequence(self, sequence: str) -> Iterator[Frame]:
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
                reason = f"{sequence}: no mask {name}, where it lists the objects {', '.join(known)}"
                self.tree.note(self.tree.path / META, reason)
        for (name, paths), facts in self.tree.with_masks(zip(names, files, strict=True), files):
            with self.tree.part(self.tree.path):
                if self.images and name not in images:
                    reason = f"no image {sequence}/{name} in {IMAGES}; add it, or remove the mask"
                    raise Fault(reason, next(iter(paths.values())))
                if len(facts) == len(paths):
                    yield self._frame(sequence, name, images.get(name), paths, facts)

    def _frame(
        self, sequence: str, name: str, image: Path | None, paths: Mapping[str, Path], facts: Mapping[str, MaskFacts]
    ) -> Frame:
        size, paths = self.tree.check_sizes(image, paths, facts)
        rois = []
        for mask_id, mask in facts.items():
            if not mask.image.has_sample:
                check_colours(paths[mask_id], mask, range(len(mask.colours)), {}, None)
            for value in dict.fromkeys(_value(mask, stored) for stored in mask.stored_values()):
                with self.tree.part(paths[mask_id]):
                    roi = self._roi(sequence, mask_id, value, mask, paths[mask_id])
                    rois += [roi] if roi else []
        masks = [mask_of(mask_id, self.tree.uri(path)) for mask_id, path in paths.items()]
        source = source_of(self.tree.uri(image) if image else None, size, masks)
        return {"id": f"{sequence}/{name}", "context_id": sequence, "sources": [source], "rois": rois}

    def _roi(self, sequence: str, mask_id: str, value: tuple[int, ...], facts: MaskFacts, path: Path) -> Roi | None:
        """The ROI of a value; None for the background, and again for an object that is not in meta.json."""
        index = value[0] if len(value) == 1 else _INDEX_OF.get((value[0], value[1], value[2]))
        is_grey = index == VOID_INDEX and facts.image.mode == "grey"
        if is_grey and not self.is_grey_noted:
            self.is_grey_noted = True
            self.tree.note(path, "grey, not a palette, so 255 is taken for an object and not for void")
        is_void = index == VOID_INDEX and not is_grey
        name = ",".join(map(str, value)) if index is None else str(index)
        if is_void or index == 0:
            name = VOID if is_void else BACKGROUND
        known = self.objects.get(sequence)
        label = name if known is None or is_void or index == 0 else known.get(name)
        seen = self.seen.setdefault(sequence, set())
        is_new = name not in seen
        seen.add(name)
        if label is None and is_new:
            raise Fault(f"the object {name} is not in {META}; add it under videos.{sequence}.objects")
        if label is None:
            return None
        if label == name and (mask_id, value) not in self.declared:
            self.declared.add((mask_id, value))
            self.tree.declare(mask_id, value, label, is_ignored=is_void)
        if index == 0:
            return None
        roi = roi_of(label, mask_id, value, is_ignored=is_void)
        return roi if label == name else Roi(id=name, **roi)


def _sequence_in(line: str) -> str:
    """The sequence that a line of a list names; DAVIS 2016 lists the files of each frame."""
    return PurePosixPath(line.split()[0]).parent.name if "/" in line else line


def _value(facts: MaskFacts, stored: Sequence[int]) -> tuple[int, ...]:
    """A stored value as ROIs have it, without alpha."""
    return tuple(stored) if facts.image.has_sample else tuple(stored[:3])
