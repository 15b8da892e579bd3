"""SYNTHIA-RAND-CITYSCAPES: ``RGB/``, ``GT/LABELS/`` and ``GT/COLOR/``.

``LABELS`` are RGB PNGs of 16 bits: red is the class, green the number of the instance where the class is of moving
things, blue is 0. So the value of a region is [class, instance, 0], and [class, -1, -1] is all of a class. Class 0,
void, is ignored; there is no background, and there are no crowds. ``COLOR`` is listed, and no ROI lives in it. A PNG of
one channel is the class alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from masksdb.formats.frame import Frame, Roi, mask_of, roi_of, source_of
from masksdb.formats.reading import VOID, Fault, Tree
from masksdb.pixels.masks import MaskFacts

IMAGES, TRUTH, LABELS, COLOUR = "RGB", "GT", "LABELS", "COLOR"

CLASSES = (
    VOID, "sky", "building", "road", "sidewalk", "fence", "vegetation", "pole", "car", "traffic sign", "pedestrian",
    "bicycle", "motorcycle", "parking-slot", "road-work", "traffic light", "terrain", "rider", "truck", "bus", "train",
    "wall", "lanemarking",
)  # fmt: skip


class _Item(NamedTuple):
    """An image and its masks by id."""

    name: str
    image: Path
    masks: dict[str, Path]


def recognise(path: Path) -> str | None:
    """Why a path has this layout."""
    return (
        f"{IMAGES}/ and {TRUTH}/{LABELS}/"
        if (path / IMAGES).is_dir() and (path / TRUTH / LABELS).is_dir()
        else None
    )  # fmt: skip


def read(tree: Tree) -> Iterator[Frame]:
    """The frames, one for each image; a folder of images is a sequence."""
    if not recognise(tree.path):
        raise Fault(f"no SYNTHIA there; expected {IMAGES}/ and {TRUTH}/{LABELS}/", tree.path)
    images = tree.image_files(tree.path / IMAGES)
    folders = {name: tree.path / TRUTH / name for name in (LABELS, COLOUR)}
    masks = tree.masks_of_images(images, folders, IMAGES)
    items = [_Item(stem, image, masks[stem]) for stem, image in images.items()]
    unknown: set[int] = set()
    for item, facts in tree.with_facts(items, [item.masks.get(LABELS) for item in items]):
        with tree.part(item.image):
            yield _frame(tree, item, facts, unknown)


def _frame(tree: Tree, item: _Item, facts: MaskFacts | None, unknown: set[int]) -> Frame:
    if facts is None:
        tree.note(item.image, f"no mask in {TRUTH}/{LABELS}/; its frame has no ROIs")
    size, files = tree.check_sizes(item.image, item.masks, {LABELS: facts})
    masks = [mask_of(name, tree.uri(path)) for name, path in files.items()]
    frame: Frame = {
        "id": item.name,
        "sources": [source_of(tree.uri(item.image), size, masks)],
        "rois": _rois(tree, item.masks[LABELS], facts, unknown) if facts else [],
    }
    sequence = item.name.rpartition("/")[0]
    if sequence:
        frame["context_id"] = sequence
    return frame


def _rois(tree: Tree, path: Path, facts: MaskFacts, unknown: set[int]) -> list[Roi]:
    if not facts.image.has_sample and facts.image.depth < 16:
        raise Fault(f"RGB of {facts.image.depth} bits; expected 16, class and instance in red and green", path)
    for number, label in enumerate(CLASSES):
        value = [number] if facts.image.has_sample else [number, -1, -1]
        tree.declare(LABELS, value, label, is_ignored=label == VOID)
    rois = []
    for value in facts.stored_values():
        number = value[0]
        label = CLASSES[number] if number < len(CLASSES) else str(number)
        if number >= len(CLASSES) and number not in unknown:
            unknown.add(number)
            tree.note(path, f"the class {number} is none of SYNTHIA; its label is {label!r}")
        rois.append(roi_of(label, LABELS, value, is_ignored=label == VOID))
    return rois
