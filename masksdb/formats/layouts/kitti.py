"""KITTI semantics of 2015: ``training/`` with ``image_2``, ``semantic``, ``instance`` and ``semantic_rgb``.

``semantic`` holds the ids of Cityscapes, ``instance`` (16 bits) id * 256 + number of the instance, 0 being none or
stuff. What Cityscapes ignores in its evaluation is ignored here too; there is no background, and there are no crowds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from masksdb.formats.frame import Frame, Roi, mask_of, roi_of, source_of
from masksdb.formats.layouts.cityscapes_labels import LABEL_TABLE
from masksdb.formats.reading import Fault, Tree
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


def read(tree: Tree) -> Iterator[Frame]:
    """The frames of both splits, one for each image."""
    folders = [tree.path / name for name in _SPLITS if (tree.path / name / IMAGES).is_dir()]
    if not folders and (tree.path / IMAGES).is_dir():
        folders = [tree.path]
    if not folders:
        raise Fault(f"no KITTI semantics there; expected training/{IMAGES} and training/{SEMANTIC}", tree.path)
    for folder in folders:
        yield from _Split(tree, folder, "" if folder == tree.path else f"{folder.name}/").frames()


class _Split:
    """A folder of images and masks."""

    def __init__(self, tree: Tree, folder: Path, prefix: str) -> None:
        self.tree = tree
        self.folder = folder
        self.prefix = prefix
        self.unknown: set[int] = set()

    def frames(self) -> Iterator[Frame]:
        images = self.tree.image_files(self.folder / IMAGES)
        folders = {name: self.folder / name for name in (SEMANTIC, INSTANCE, COLOUR)}
        masks = self.tree.masks_of_images(images, folders, IMAGES)
        present = {mask_id for files in masks.values() for mask_id in files}
        for mask_id in (SEMANTIC, INSTANCE, COLOUR):
            self._declare(mask_id, mask_id in present)
        items = [_Item(self.folder.name, stem, image, masks[stem]) for stem, image in images.items()]
        if not present:
            self.tree.note(self.folder, f"{len(items)} images without masks; their frames have none")
        for item, facts in self.tree.with_facts(items, [item.masks.get(item.best or "") for item in items]):
            if facts is None and present:
                self.tree.note(item.image, f"no mask in {SEMANTIC}/ or {INSTANCE}/; its frame has no ROIs")
            elif missing := [f"{name}/" for name in (SEMANTIC, INSTANCE, COLOUR) if name in present - {*item.masks}]:
                self.tree.note(item.image, f"no mask in {' or '.join(missing)}; its ROIs are those of {item.best}/")
            with self.tree.part(item.image):
                yield self._frame(item, facts)

    def _declare(self, mask_id: str, is_there: bool) -> None:
        for number, label in _LABELS.items() if is_there else ():
            # All that is ignored may be black, so black says no class.
            if mask_id == COLOUR and any(label.colour):
                self.tree.declare(mask_id, label.colour, label.name, is_ignored=label.is_ignored)
            elif mask_id != COLOUR:
                value = [number * 256] if mask_id == INSTANCE else [number]
                self.tree.declare(mask_id, value, label.name, is_ignored=label.is_ignored, colour=label.colour)

    def _frame(self, item: _Item, facts: MaskFacts | None) -> Frame:
        size, files = self.tree.check_sizes(item.image, item.masks, {item.best: facts})
        masks = [mask_of(name, self.tree.uri(path)) for name, path in files.items()]
        return {
            "id": self.prefix + item.name,
            "sources": [source_of(self.tree.uri(item.image), size, masks)],
            "rois": self._rois(item.best, item.masks[item.best], facts) if facts and item.best else [],
            "meta": {"split": item.split},
        }

    def _rois(self, mask_id: str, path: Path, facts: MaskFacts) -> list[Roi]:
        if not facts.image.has_sample:
            raise Fault(f"found {facts.image.mode}, expected ids as grey levels", path)
        if mask_id == INSTANCE and facts.image.depth < 16:
            raise Fault(f"{facts.image.depth} bits; expected 16, class id * 256 + instance", path)
        rois = []
        for (value,) in facts.stored_values():
            number = value // 256 if mask_id == INSTANCE else value
            label = _LABELS.get(number)
            if label is None and number not in self.unknown:
                self.unknown.add(number)
                self.tree.note(path, f"the id {number} is none of Cityscapes; its label is '{number}'")
            name, is_ignored = (label.name, label.is_ignored) if label else (str(number), False)
            rois.append(roi_of(name, mask_id, [value], is_ignored=is_ignored))
        return rois
