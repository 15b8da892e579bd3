"""CamVid: ``train/`` and ``trainannot/``, ``val/`` and ``valannot/``, ``test/`` and ``testannot/``, and lists of pairs.

Annotations are the indexes of SegNet's tutorial (twelve classes, 11 is Unlabelled), or the colours of a
``label_colors.txt``, by default those of the Cambridge-driving Labeled Video Database (32 classes, black is Void).
Unlabelled and Void are ignored; there is no background, and there are no crowds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from masksdb.formats.frame import Frame, mask_of, roi_of, source_of
from masksdb.formats.label_map import Entry, LabelMap, read_entries
from masksdb.formats.reading import IMAGE_SUFFIXES, Fault, Tree, check_colours, read_text
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
    splits = [images.name for images, _ in _splits(path)]
    return f"{splits[0]}/ and {splits[0]}{ANNOTATIONS}/" if splits else None


def _splits(path: Path) -> list[tuple[Path, Path]]:
    """The folders of images with those of their annotations."""
    if not path.is_dir():
        return []
    folders = {child.name: child for child in path.iterdir() if child.is_dir()}
    return [
        (folders[name], folders[name + ANNOTATIONS]) for name in sorted(folders) if f"{name}{ANNOTATIONS}" in folders
    ]


def read(tree: Tree) -> Iterator[Frame]:
    """The frames of all splits, one for each image."""
    splits = _splits(tree.path)
    if not splits:
        raise Fault("no CamVid there; expected train/ and trainannot/, or such", tree.path)
    entries = [Entry(name, None, colour) for name, colour in COLOURS.items()]
    path = tree.path / LABEL_COLOURS
    if path.is_file():
        with tree.part(path):
            entries = read_entries(tree, path)
    reader = _Reader(tree, LabelMap(path, entries))
    items = [item for images, annotations in splits for item in _items(tree, images, annotations)]
    for item, facts in tree.with_facts(items, [item.mask for item in items]):
        with tree.part(item.image):
            yield reader.frame(item, facts)


def _items(tree: Tree, images: Path, annotations: Path) -> Iterator[_Item]:
    """The images of a split: those that its list names, else those in its folder."""
    split = images.name
    list_path = tree.path / f"{split}.txt"
    own, masks = tree.image_files(images), tree.image_files(annotations)
    if list_path.is_file():
        with tree.part(list_path):
            yield from _listed(tree, list_path, own, masks)
        return
    for stem, path in own.items():
        yield _Item(split, path, masks.pop(stem, None))
    for path in masks.values():
        tree.refuse(Fault(f"an annotation without its image, of which there is none in {split}/", path))


def _listed(tree: Tree, list_path: Path, images: Mapping[str, Path], masks: Mapping[str, Path]) -> Iterator[_Item]:
    """The images that a list names, a line each, with their annotations."""
    try:
        lines = read_text(list_path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Fault(f"cannot be read as text: {error}", list_path) from None
    split = list_path.stem
    seen: set[Path] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        with tree.part(list_path, line=number):
            image, mask = _files(tree.path, line)
            if image in seen:
                raise Fault(f"{line.split()[0]} again")
            seen.add(image)
            yield _Item(split, image, mask or masks.get(image.stem))
    if unlisted := len(images) - len(seen.intersection(images.values())):
        tree.note(list_path, f"{unlisted} images of {split}/ are not in it, and no frames")


def _files(root: Path, line: str) -> tuple[Path, Path | None]:
    """The image and the annotation that a line names."""
    names = line.split()
    files = [_file(root, name) for name in names]
    missing = next((name for name, path in zip(names, files, strict=True) if path is None), line)
    if len(names) > 2 or files[0] is None or None in files:
        raise Fault(f"found {missing!r}, expected an image and its annotation that are there")
    return files[0], files[1] if len(files) > 1 else None


def _file(root: Path, name: str) -> Path | None:
    """A file that a list names, which may begin with folders above the root."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    for start in range(len(parts)):
        path = root.joinpath(*parts[start:])
        if ".." not in parts and path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
            return path
    return None


class _Reader:
    """One such tree."""

    def __init__(self, tree: Tree, label_map: LabelMap) -> None:
        self.tree = tree
        self.label_map = label_map
        self.unknown: set[str] = set()

    def frame(self, item: _Item, facts: MaskFacts | None) -> Frame:
        """The frame of an image."""
        tree = self.tree
        size, files = tree.check_sizes(item.image, {ANNOTATIONS: item.mask} if item.mask else {}, {ANNOTATIONS: facts})
        masks = [mask_of(mask_id, tree.uri(path)) for mask_id, path in files.items()]
        frame: Frame = {
            "id": item.image.relative_to(tree.root).with_suffix("").as_posix(),
            "sources": [source_of(tree.uri(item.image), size, masks)],
            "rois": [],
            "meta": {"split": item.split},
        }
        sequence = item.image.stem.partition("_")[0]
        if sequence != item.image.stem:
            frame["context_id"] = sequence
        if facts is None or item.mask is None:
            tree.note(item.image, f"no annotation in {item.split}{ANNOTATIONS}/; its frame has no mask")
            return frame
        known = self._known(facts)
        if not facts.image.has_sample:
            names = {colour: entry.label for colour, entry in self.label_map.by_colour.items()}
            unnamed = [row for row, value in enumerate(facts.stored_values()) if tuple(value[:3]) not in known]
            where = self.label_map.path.name if self.label_map.path.is_file() else "the label map of CamVid"
            check_colours(item.mask, facts, unnamed, names, where)
        for stored in facts.stored_values():
            value = stored[:3]
            entry = known.get(tuple(value))
            label = entry.label if entry else ",".join(map(str, value))
            if entry is None and label not in self.unknown:
                self.unknown.add(label)
                tree.note(item.mask, f"the value {label} is no class of CamVid; its label is {label!r}")
            is_ignored = entry is not None and entry.is_ignored
            frame["rois"].append(roi_of(label, ANNOTATIONS, value, is_ignored=is_ignored))
        return frame

    def _known(self, facts: MaskFacts) -> dict[tuple[int, ...], Entry]:
        """The classes by the values of a mask, which are declared."""
        known: dict[tuple[int, ...], Entry] = {(*colour,): entry for colour, entry in self.label_map.by_colour.items()}
        if facts.image.has_sample:
            known = {(index,): Entry(name) for index, name in enumerate(SEGNET_CLASSES)}
        for value, entry in known.items():
            self.tree.declare(ANNOTATIONS, value, entry.label, is_ignored=entry.is_ignored)
        return known
