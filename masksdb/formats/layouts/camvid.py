"""CamVid: ``train/`` and ``trainannot/``, ``val/`` and ``valannot/``, ``test/`` and ``testannot/``, and lists of pairs.

Annotations are the indexes of SegNet's tutorial (twelve classes, 11 is Unlabelled), or the colours of a
``label_colors.txt``, by default those of the Cambridge-driving Labeled Video Database (32 classes, black is Void).
Unlabelled and Void count for nothing; there is no background, and there are no crowds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from masksdb.errors import IngestError
from masksdb.formats.label_map import Entry, LabelMap, read_entries
from masksdb.formats.reading import (
    IMAGE_SUFFIXES,
    Frame,
    Size,
    Tree,
    image_files,
    mask_of,
    read_text,
    roi_of,
    source_of,
)
from masksdb.pixels.masks import MaskFacts

ANNOTATIONS = "annot"
"""What folders of annotations end in, and the id of the masks."""

LABEL_COLOURS = "label_colors.txt"

SEGNET_CLASSES = (
    "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian", "Bicyclist",
    "Unlabelled",
)  # fmt: skip

COLOURS = {
    "Animal": (64, 128, 64),
    "Archway": (192, 0, 128),
    "Bicyclist": (0, 128, 192),
    "Bridge": (0, 128, 64),
    "Building": (128, 0, 0),
    "Car": (64, 0, 128),
    "CartLuggagePram": (64, 0, 192),
    "Child": (192, 128, 64),
    "Column_Pole": (192, 192, 128),
    "Fence": (64, 64, 128),
    "LaneMkgsDriv": (128, 0, 192),
    "LaneMkgsNonDriv": (192, 0, 64),
    "Misc_Text": (128, 128, 64),
    "MotorcycleScooter": (192, 0, 192),
    "OtherMoving": (128, 64, 64),
    "ParkingBlock": (64, 192, 128),
    "Pedestrian": (64, 64, 0),
    "Road": (128, 64, 128),
    "RoadShoulder": (128, 128, 192),
    "Sidewalk": (0, 0, 192),
    "SignSymbol": (192, 128, 128),
    "Sky": (128, 128, 128),
    "SUVPickupTruck": (64, 128, 192),
    "TrafficCone": (0, 0, 64),
    "TrafficLight": (0, 64, 64),
    "Train": (192, 64, 128),
    "Tree": (128, 128, 0),
    "Truck_Bus": (192, 128, 192),
    "Tunnel": (64, 0, 64),
    "VegetationMisc": (192, 192, 0),
    "Void": (0, 0, 0),
    "Wall": (64, 192, 0),
}


class _Item(NamedTuple):
    """An image and its annotation, if it has one."""

    split: str
    image: Path
    mask: Path | None


def recognise(path: Path) -> str | None:
    """Why a path has this layout."""
    found = [split.name for split, _ in _splits(path)]
    return f"{found[0]}/ and {found[0]}{ANNOTATIONS}/" if found else None


def _splits(path: Path) -> list[tuple[Path, Path]]:
    """The folders of images with those of their annotations."""
    if not path.is_dir():
        return []
    folders = {each.name: each for each in path.iterdir() if each.is_dir()}
    return [
        (folders[name], folders[name + ANNOTATIONS]) for name in sorted(folders) if f"{name}{ANNOTATIONS}" in folders
    ]


def read(tree: Tree) -> Iterator[Frame | IngestError]:
    """The frames of all splits, an image each."""
    splits = _splits(tree.path)
    if not splits:
        yield tree.error(tree.path, "no CamVid there; expected train/ and trainannot/, or such")
        return
    entries = [Entry(name, None, colour) for name, colour in COLOURS.items()]
    path = tree.path / LABEL_COLOURS
    if path.is_file():
        try:
            entries = read_entries(tree, path)
        except IngestError as error:
            yield error
    label_map = LabelMap(path, entries)
    items: list[_Item] = []
    for images, masks_folder in splits:
        for each in _items(tree, images, masks_folder):
            if isinstance(each, IngestError):
                yield each
            else:
                items.append(each)
    told: set[str] = set()
    with_mask = [item for item in items if item.mask]
    masks = tree.with_facts(with_mask, [item.mask for item in with_mask if item.mask])
    for item in items:
        facts = next(masks)[1] if item.mask else None
        size = tree.size(item.image)
        yield from (each for each in (size, facts) if isinstance(each, IngestError))
        if isinstance(size, Size) and not isinstance(facts, IngestError):
            yield _frame(tree, item, size, facts, label_map, told)


def _items(tree: Tree, images: Path, annotations: Path) -> Iterator[_Item | IngestError]:
    """What a split has: what its list names, else what is in its folders."""
    split = images.name
    list_path = tree.path / f"{split}.txt"
    refused: list[IngestError] = []
    own, masks = image_files(images, refused), image_files(annotations, refused)
    yield from refused
    if not list_path.is_file():
        for stem, path in own.items():
            yield _Item(split, path, masks.pop(stem, None))
        for alone in masks.values():
            yield tree.error(alone, f"an annotation without its image, of which there is none in {split}/")
        return
    try:
        lines = read_text(list_path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        yield tree.error(list_path, f"cannot be read as text: {error}")
        return
    seen: set[Path] = set()
    for number, line in enumerate(lines, 1):
        parts = line.split()
        if not parts:
            continue
        found = [_file(tree.path, part) for part in parts]
        if len(parts) > 2 or None in found:
            missing = next((part for part, path in zip(parts, found, strict=True) if path is None), line)
            reason = f"found {missing!r}, expected an image and its annotation that are there"
            yield IngestError(reason, str(list_path), line=number)
            continue
        image, mask = found[0], found[1] if len(found) > 1 else None
        if image is None:
            continue
        if image in seen:
            yield IngestError(f"{parts[0]} again", str(list_path), line=number)
            continue
        seen.add(image)
        yield _Item(split, image, mask or masks.get(image.stem))
    if unlisted := len(own) - len(seen.intersection(own.values())):
        tree.note(list_path, f"{unlisted} images of {split}/ are not in it, and no frames")


def _file(root: Path, name: str) -> Path | None:
    """A file that a list names, which may begin with folders above the root."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    for start in range(len(parts)):
        path = root.joinpath(*parts[start:])
        if ".." not in parts and path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
            return path
    return None


def _frame(
    tree: Tree, item: _Item, size: Size, facts: MaskFacts | None, label_map: LabelMap, told: set[str]
) -> Frame | IngestError:
    name = item.image.relative_to(tree.root).with_suffix("").as_posix()
    frame: Frame = {"id": name, "meta": {"split": item.split}}
    sequence = item.image.stem.partition("_")[0]
    if sequence != item.image.stem:
        frame["context_id"] = sequence
    uri = tree.uri(item.image)
    if facts is None or item.mask is None:
        tree.note(item.image, f"no annotation in {item.split}{ANNOTATIONS}/; its frame has no mask")
        return frame | {"sources": [source_of(uri, size)], "rois": []}
    if (found := (facts.regions.width, facts.regions.height)) != size:
        reason = f"{found[0]} x {found[1]} pixels on an image of {size.width} x {size.height}; masks are never resized"
        return tree.error(item.mask, reason)
    known = _known(tree, facts, label_map)
    rois = []
    for value in facts.stored_values():
        value = value[:3]
        entry = known.get(tuple(value))
        label = entry.label if entry else ",".join(map(str, value))
        if entry is None and label not in told:
            told.add(label)
            tree.note(item.mask, f"the value {label} is no class of CamVid; its label is {label!r}")
        rois.append(roi_of(label, ANNOTATIONS, value, is_ignored=entry is not None and entry.is_ignored))
    masks = [mask_of(ANNOTATIONS, tree.uri(item.mask))]
    return frame | {"sources": [source_of(uri, size, masks)], "rois": rois}


def _known(tree: Tree, facts: MaskFacts, label_map: LabelMap) -> dict[tuple[int, ...], Entry]:
    """The classes by the values of a mask, which are declared."""
    if facts.image.has_sample:
        found: dict[tuple[int, ...], Entry] = {(index,): Entry(name) for index, name in enumerate(SEGNET_CLASSES)}
    else:
        found = {colour: entry for colour, entry in label_map.by_colour.items()}  # noqa: C416  # of another type
    for value, entry in found.items():
        tree.declare(ANNOTATIONS, value, entry.label, is_ignored=entry.is_ignored)
    return found
