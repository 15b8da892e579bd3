"""KITTI semantics of 2015: ``training/`` with ``image_2``, ``semantic``, ``instance`` and ``semantic_rgb``.

``semantic`` holds the ids of Cityscapes, ``instance`` (16 bits) id * 256 + number of the instance, 0 being none or
stuff. What Cityscapes ignores in its evaluation counts for nothing here too; there is no background, and there are no
crowds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from masksdb.errors import IngestError
from masksdb.formats.layouts.cityscapes_labels import LABEL_TABLE
from masksdb.formats.reading import Frame, Size, Tree, image_files, mask_of, roi_of, source_of
from masksdb.pixels.masks import MaskFacts

IMAGES, SEMANTIC, INSTANCE, COLOUR = "image_2", "semantic", "instance", "semantic_rgb"

_SPLITS = ("training", "testing")

_LABELS = {label.id: label for label in LABEL_TABLE if label.id >= 0}


class _Item(NamedTuple):
    """An image and its masks by id."""

    split: str
    name: str
    image: Path
    masks: dict[str, Path]

    @property
    def best(self) -> str | None:
        """The mask that says most."""
        return next((name for name in (INSTANCE, SEMANTIC) if name in self.masks), None)


def recognise(path: Path) -> str | None:
    """Why a path has this layout."""
    for folder in (path / "training", path):
        masks = next((name for name in (SEMANTIC, INSTANCE) if (folder / name).is_dir()), None)
        if masks and (folder / IMAGES).is_dir():
            where = f"{folder.name}/" if folder != path else ""
            return f"{where}{IMAGES}/ and {where}{masks}/"
    return None


def read(tree: Tree) -> Iterator[Frame | IngestError]:
    """The frames of both splits, an image each."""
    folders = [tree.path / name for name in _SPLITS if (tree.path / name / IMAGES).is_dir()]
    if not folders and (tree.path / IMAGES).is_dir():
        folders = [tree.path]
    if not folders:
        yield tree.error(tree.path, f"no KITTI semantics there; expected training/{IMAGES} and training/{SEMANTIC}")
    for folder in folders:
        yield from _Split(tree, folder, "" if folder == tree.path else f"{folder.name}/").frames()


class _Split:
    """A folder of images and masks."""

    def __init__(self, tree: Tree, folder: Path, prefix: str) -> None:
        self.tree = tree
        self.folder = folder
        self.prefix = prefix
        self.told: set[int] = set()

    def frames(self) -> Iterator[Frame | IngestError]:
        refused: list[IngestError] = []
        images = image_files(self.folder / IMAGES, refused)
        masks = {name: image_files(self.folder / name, refused) for name in (SEMANTIC, INSTANCE, COLOUR)}
        yield from refused
        for name, files in masks.items():
            for stem, path in files.items():
                if stem not in images:
                    yield self.tree.error(path, f"a mask without its image, of which there is none in {IMAGES}/")
            self._declare(name, bool(files))
        items = [
            _Item(self.folder.name, stem, image, {name: files[stem] for name, files in masks.items() if stem in files})
            for stem, image in images.items()
        ]
        if not any(masks.values()):
            self.tree.note(self.folder, f"{len(items)} images without masks; their frames have none")
        with_facts = [(item, item.masks[item.best]) for item in items if item.best]
        facts = self.tree.with_facts(with_facts, [path for _, path in with_facts])
        for item in items:
            found = next(facts)[1] if item.best else None
            if found is None and any(masks.values()):
                self.tree.note(item.image, f"no mask in {SEMANTIC}/ or {INSTANCE}/; its frame has no ROIs")
            elif missing := [f"{name}/" for name, files in masks.items() if files and name not in item.masks]:
                self.tree.note(item.image, f"no mask in {' or '.join(missing)}; its ROIs are those of {item.best}/")
            yield from self._frame(item, found)

    def _declare(self, mask_id: str, is_there: bool) -> None:
        for number, label in _LABELS.items() if is_there else ():
            # All that is ignored may be black, so black says no class.
            if mask_id == COLOUR and any(label.colour):
                self.tree.declare(mask_id, label.colour, label.name, is_ignored=label.is_ignored)
            elif mask_id != COLOUR:
                value = [number * 256] if mask_id == INSTANCE else [number]
                self.tree.declare(mask_id, value, label.name, is_ignored=label.is_ignored, colour=label.colour)

    def _frame(self, item: _Item, facts: MaskFacts | IngestError | None) -> Iterator[Frame | IngestError]:
        size = self.tree.size(item.image)
        yield from (each for each in (size, facts) if isinstance(each, IngestError))
        if isinstance(size, IngestError) or isinstance(facts, IngestError):
            return
        rois = []
        if facts is not None and item.best:
            path = item.masks[item.best]
            if (found := Size(facts.regions.width, facts.regions.height)) != size:
                told = f"{found.width} x {found.height} pixels on an image of {size.width} x {size.height}"
                yield self.tree.error(path, f"{told}; masks are never resized")
                return
            if not facts.image.has_sample:
                yield self.tree.error(path, f"found {facts.image.mode}, expected ids as grey levels")
                return
            if item.best == INSTANCE and facts.image.depth < 16:
                yield self.tree.error(path, f"{facts.image.depth} bits; expected 16, class id * 256 + instance")
                return
            for (value,) in facts.stored_values():
                number = value // 256 if item.best == INSTANCE else value
                label = _LABELS.get(number)
                if label is None and number not in self.told:
                    self.told.add(number)
                    self.tree.note(path, f"the id {number} is none of Cityscapes; its label is '{number}'")
                name, is_ignored = (label.name, label.is_ignored) if label else (str(number), False)
                rois.append(roi_of(name, item.best, [value], is_ignored=is_ignored))
        masks = [mask_of(name, self.tree.uri(path)) for name, path in item.masks.items()]
        frame: Frame = {"id": self.prefix + item.name}
        frame |= {"sources": [source_of(self.tree.uri(item.image), size, masks)], "rois": rois}
        yield frame | {"meta": {"split": item.split}}
