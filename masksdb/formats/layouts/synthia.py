"""SYNTHIA-RAND-CITYSCAPES: ``RGB/``, ``GT/LABELS/`` and ``GT/COLOR/``.

``LABELS`` are RGB PNGs of 16 bits: red is the class, green the number of the instance where the class is of moving
things, blue is 0. So the value of a region is [class, instance, 0], and [class, -1, -1] is all of a class. Class 0,
void, counts for nothing; there is no background, and there are no crowds. ``COLOR`` is listed, and no ROI lives in it.
A PNG of one channel is the class alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from masksdb.errors import IngestError
from masksdb.formats.reading import VOID, Frame, Size, Tree, image_files, mask_of, roi_of, source_of
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


def read(tree: Tree) -> Iterator[Frame | IngestError]:
    """The frames, an image each; a folder of images is a sequence."""
    if not recognise(tree.path):
        yield tree.error(tree.path, f"no SYNTHIA there; expected {IMAGES}/ and {TRUTH}/{LABELS}/")
        return
    refused: list[IngestError] = []
    images = image_files(tree.path / IMAGES, refused)
    masks = {name: image_files(tree.path / TRUTH / name, refused) for name in (LABELS, COLOUR)}
    yield from refused
    for files in masks.values():
        for stem, path in files.items():
            if stem not in images:
                yield tree.error(path, f"a mask without its image, of which there is none in {IMAGES}/")
    items = [
        _Item(stem, image, {name: files[stem] for name, files in masks.items() if stem in files})
        for stem, image in images.items()
    ]
    told: set[int] = set()
    with_labels = [item for item in items if LABELS in item.masks]
    facts = tree.with_facts(with_labels, [item.masks[LABELS] for item in with_labels])
    for item in items:
        found = next(facts)[1] if LABELS in item.masks else None
        size = tree.size(item.image)
        yield from (each for each in (size, found) if isinstance(each, IngestError))
        if isinstance(size, Size) and not isinstance(found, IngestError):
            yield _frame(tree, item, size, found, told)


def _frame(tree: Tree, item: _Item, size: Size, facts: MaskFacts | None, told: set[int]) -> Frame | IngestError:
    rois = []
    if facts is None:
        tree.note(item.image, f"no mask in {TRUTH}/{LABELS}/; its frame has no ROIs")
    else:
        path = item.masks[LABELS]
        if (found := Size(facts.regions.width, facts.regions.height)) != size:
            told_sizes = f"{found.width} x {found.height} pixels on an image of {size.width} x {size.height}"
            return tree.error(path, f"{told_sizes}; masks are never resized")
        if not facts.image.has_sample and facts.image.depth < 16:
            return tree.error(
                path, f"RGB of {facts.image.depth} bits; expected 16, class and instance in red and green"
            )
        for number, label in enumerate(CLASSES):
            value = [number] if facts.image.has_sample else [number, -1, -1]
            tree.declare(LABELS, value, label, is_ignored=label == VOID)
        for value in facts.stored_values():
            number = value[0]
            label = CLASSES[number] if number < len(CLASSES) else str(number)
            if number >= len(CLASSES) and number not in told:
                told.add(number)
                tree.note(path, f"the class {number} is none of SYNTHIA; its label is {label!r}")
            rois.append(roi_of(label, LABELS, value, is_ignored=label == VOID))
    masks = [mask_of(name, tree.uri(path)) for name, path in item.masks.items()]
    frame: Frame = {"id": item.name, "sources": [source_of(tree.uri(item.image), size, masks)], "rois": rois}
    sequence = item.name.rpartition("/")[0]
    return frame | ({"context_id": sequence} if sequence else {})
