"""Cityscapes: leftImg8bit, gtFine and gtCoarse, a folder a split and in it a folder a city.

The layout and its label table are those of cityscapesScripts. A value v of ``instanceIds`` is the class v below 1000,
and the class v // 1000 from there on. Ignored are the classes with ``ignoreInEval`` and the trainId 255; no class has
the trainId -1 in an image. A crowd is a class that has instances without a number, or a polygon whose label ends in
``group``. Classes of other datasets are described by ``labels.json`` beside gtFine, which an export writes, or by
``label_colors.txt`` (red, green, blue and a name a line; the id is the number of the line, from 0).
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from masksdb.formats.frame import Frame, Roi, Size, mask_of, roi_of, source_of
from masksdb.formats.layouts.cityscapes_labels import (
    COLOUR,
    INSTANCES,
    LABEL_TABLE,
    LABELS,
    LAST,
    MASKS,
    OWN_LABELS,
    TRAIN_LABELS,
    TRAIN_VOID,
    Label,
    load_labels,
    value_of,
)
from masksdb.formats.reading import IMAGE_SUFFIXES, VOID, Fault, Tree, check_colours
from masksdb.formats.writing import OutFrame, Region, Writing, file_name, value_key
from masksdb.pixels import polygons
from masksdb.pixels.masks import BLUE, RED, MaskFacts

IMAGES, KINDS = "leftImg8bit", ("gtFine", "gtCoarse")

MASK_IDS = (*MASKS, *(f"coarse_{name}" for name in MASKS))

PER_CLASS = 1000
"""What the id of a class is multiplied with where its instances are numbered."""

FIRST_FREE, LAST_WITH_INSTANCES = 34, 65
"""The first id for classes that are not Cityscapes' own, and the last whose instances fit into 16 bits."""


def recognise(path: Path) -> str | None:
    """Why a path has this layout."""
    home = _home(path)
    if home is None:
        return None
    files = (file for kind in KINDS for file in (home / kind).glob(f"*/*/*_{kind}_*"))
    return next((str(file.relative_to(home)) for file in files), None)


def _home(path: Path) -> Path | None:
    """The folder that has gtFine or gtCoarse in it."""
    candidates = [path, path.parent] if path.name in KINDS else [path]
    return next((folder for folder in candidates for kind in KINDS if (folder / kind).is_dir()), None)


@dataclasses.dataclass
class _Entry:
    """An image and what belongs to it."""

    split: str
    city: str
    stem: str
    image: Path | None = None
    kind: str = ""
    masks: dict[str, Path] = dataclasses.field(default_factory=dict)
    polygons: Path | None = None

    @property
    def primary(self) -> str | None:
        """The mask that ROIs live in."""
        return next((name for name in MASKS if name in self.masks), None)

    @property
    def file(self) -> Path:
        """The file that messages name."""
        primary = self.primary
        return (self.masks[primary] if primary else self.polygons or self.image) or Path(self.stem)


def read(tree: Tree) -> Iterator[Frame]:
    """The frames, one for each image, those with masks first."""
    home = _home(tree.path)
    if home is None:
        raise Fault(f"no Cityscapes there; expected the folder {KINDS[0]} or {KINDS[1]} in it", tree.path)
    reader = _Reader(tree, home, load_labels(tree, home))
    entries = list(_entries(home).values())
    reader.declare({name for entry in entries for name in entry.masks})
    reader.stems = Counter(entry.stem for entry in entries)
    entries.sort(key=lambda entry: entry.primary is None)
    for entry, facts in tree.with_facts(entries, [entry.masks.get(entry.primary or "") for entry in entries]):
        with tree.part(entry.file):
            yield reader.frame(entry, facts)


def _entries(home: Path) -> dict[tuple[str, str, str], _Entry]:
    entries: dict[tuple[str, str, str], _Entry] = {}
    for kind in KINDS:
        pattern = re.compile(rf"(.+)_{kind}_({'|'.join(MASKS)}|polygons)\.(png|json)")
        for path in sorted((home / kind).glob("*/*/*")):
            match = pattern.fullmatch(path.name)
            if match is None or (match[2] == "polygons") != (match[3] == "json"):
                continue
            key = (path.parent.parent.name, path.parent.name, match[1])
            entry = entries.setdefault(key, _Entry(*key, kind=kind))
            # Of an image that has both kinds, the coarse masks are listed beside the fine ones.
            if match[2] == "polygons":
                entry.polygons = entry.polygons or path
            else:
                entry.masks[match[2] if entry.kind == kind else f"coarse_{match[2]}"] = path
    for path in sorted((home / IMAGES).glob(f"*/*/*_{IMAGES}.*")):
        if path.suffix.lower() in IMAGE_SUFFIXES:
            key = (path.parent.parent.name, path.parent.name, path.stem.removesuffix(f"_{IMAGES}"))
            entries.setdefault(key, _Entry(*key)).image = path
    return dict(sorted(entries.items()))


class _Reader:
    """What frames are made with."""

    def __init__(self, tree: Tree, home: Path, labels: Sequence[Label]) -> None:
        self.tree = tree
        self.labels = labels
        self.stems: Mapping[str, int] = {}
        self.has_images = (home / IMAGES).is_dir()
        self.by_name = {label.name: label for label in labels}
        self.by_id = {label.id: label for label in reversed(labels)}
        self.unknown: set[str] = set()

    def declare(self, mask_ids: set[str]) -> None:
        """Say what the values of the masks that are there mean."""
        for mask_id in MASK_IDS:
            for label in self.labels if mask_id in mask_ids else ():
                value = value_of(label, mask_id.removeprefix("coarse_"))
                if min(value) >= 0 and value != [TRAIN_VOID]:
                    colour = None if mask_id.endswith(COLOUR) else label.colour
                    self.tree.declare(mask_id, value, label.name, is_ignored=label.is_ignored, colour=colour)
            if mask_id.endswith(TRAIN_LABELS) and mask_id in mask_ids:
                self.tree.declare(mask_id, [TRAIN_VOID], VOID, is_ignored=True)

    def frame(self, entry: _Entry, facts: MaskFacts | None) -> Frame:
        """The frame of an image."""
        if entry.image is None and self.has_images:
            expected = f"{IMAGES}/{entry.split}/{entry.city}/{entry.stem}_{IMAGES}.png"
            raise Fault(f"no image belongs to it; expected {expected}")
        in_order = {name: entry.masks[name] for name in sorted(entry.masks, key=MASK_IDS.index)}
        size, files = self.tree.check_sizes(entry.image, in_order, {entry.primary: facts})
        rois: list[Roi] = []
        if facts is not None and entry.primary:
            with self.tree.part(files[entry.primary]):
                rois = self._mask_rois(files[entry.primary], entry.primary, facts)
        elif entry.polygons:
            with self.tree.part(entry.polygons):
                drawn_size, rois = self._polygon_rois(entry.polygons)
                size = size or drawn_size
        else:
            self.tree.note(entry.file, "no mask belongs to this image; its frame has none")
        image_uri = self.tree.uri(entry.image) if entry.image else None
        masks = [mask_of(name, self.tree.uri(path)) for name, path in files.items()]
        unique = entry.stem if self.stems[entry.stem] == 1 else f"{entry.split}/{entry.city}/{entry.stem}"
        frame: Frame = {"id": unique, "sources": [source_of(image_uri, size, masks)], "rois": rois}
        if sequence := re.fullmatch(r"(.+_\d+)_\d+", entry.stem):
            frame["context_id"] = sequence[1]
        frame["meta"] = {"split": entry.split, "city": entry.city}
        if entry.kind:
            frame["meta"]["annotation"] = entry.kind
        return frame

    def _mask_rois(self, path: Path, mask_id: str, facts: MaskFacts) -> list[Roi]:
        if (mask_id == COLOUR) == facts.image.has_sample and facts.image.mode != "palette":
            expected = "a colour image" if mask_id == COLOUR else "one number a pixel"
            raise Fault(f"found {facts.image.mode.replace('_', ' and ')}, expected {expected}")
        values = facts.stored_values()
        if mask_id == COLOUR:
            names = {label.colour: label.name for label in self.labels}
            shown = map(tuple, facts.colours[:, RED : BLUE + 1].tolist())
            unnamed = [row for row, colour in enumerate(shown) if colour not in names]
            check_colours(path, facts, unnamed, names, "the label table")
            values = [list(value) for value in dict.fromkeys(tuple(row[1:4]) for row in facts.colours.tolist())]
        return [self._roi(path, mask_id, value) for value in values]

    def _roi(self, path: Path, mask_id: str, value: list[int]) -> Roi:
        of_class = [value[0] // PER_CLASS] if mask_id == INSTANCES and value[0] >= PER_CLASS else value
        if mask_id == TRAIN_LABELS and value == [TRAIN_VOID]:
            return roi_of(VOID, mask_id, value, is_ignored=True)
        if mask_id in (INSTANCES, LABELS):
            label = self.by_id.get(of_class[0])
        else:
            label = next((one for one in self.labels if value_of(one, mask_id) == of_class), None)
        if label is None:
            name = ",".join(map(str, of_class))
            if name not in self.unknown:
                self.unknown.add(name)
                self.tree.note(path, f"the class {name} of {mask_id} is not in the label table; it is called {name!r}")
            return roi_of(name, mask_id, value)
        is_crowd = mask_id == INSTANCES and label.has_instances and value[0] < PER_CLASS
        return roi_of(label.name, mask_id, value, is_ignored=label.is_ignored, is_crowd=is_crowd)

    def _polygon_rois(self, path: Path) -> tuple[Size | None, list[Roi]]:
        """The size and the ROIs that a JSON of polygons says."""
        document = self.tree.read_json(path)
        if not isinstance(document, dict) or not isinstance(document.get("objects"), list):
            raise Fault("expected an object with a list 'objects'")
        width, height = document.get("imgWidth"), document.get("imgHeight")
        size = None
        if type(width) is int and type(height) is int and width > 0 and height > 0:
            size = Size(width, height)
        rois = []
        for index, entry in enumerate(document["objects"]):
            with self.tree.part(path, f"objects[{index}]"):
                drawn = entry if isinstance(entry, dict) else {}
                if not isinstance(drawn.get("label"), str) or not _is_polygon(drawn.get("polygon")):
                    raise Fault("expected an object with 'label' and 'polygon', a list of 3 or more points")
                if not drawn.get("deleted"):
                    rois.append(self._polygon_roi(drawn["label"], drawn["polygon"]))
        return size, rois

    def _polygon_roi(self, name: str, points: Sequence[Sequence[float]]) -> Roi:
        is_crowd = name not in self.by_name and name.removesuffix("group") in self.by_name
        name = name.removesuffix("group") if is_crowd else name
        roi: Roi = {"label": [name], "poly": [number for point in points for number in point]}
        label = self.by_name.get(name)
        if is_crowd:
            roi["is_crowd"] = True
        if label and label.is_ignored:
            roi["meta"] = {"ignore": True}
        return roi


def _is_polygon(points: Any) -> bool:
    return isinstance(points, list) and len(points) >= 3 and all(
        isinstance(point, list) and len(point) == 2 and all(_is_coordinate(number) for number in point)
        for point in points
    )  # fmt: skip


def _is_coordinate(number: Any) -> bool:
    return type(number) in (int, float) and math.isfinite(number) and number != polygons.SEPARATOR


def write(out: Writing) -> None:
    """Write the four masks of every frame, and ``labels.json`` where classes are not Cityscapes' own."""
    labels = _written_labels(out)
    used = set()
    for frame in out.frames():
        split = frame.split or "default"
        city = file_name(frame.meta.get("city"), "default")
        out.copy_image(frame, f"{IMAGES}/{split}/{city}/{frame.flat_name}_{IMAGES}{Path(frame.image_name).suffix}")
        if not frame.width or not frame.height:
            out.notes.append(f"{frame.frame_id}: has no size, so no masks were written")
            continue
        numbered = _numbered(out, frame, labels)
        for region, value in numbered:
            out.wrote(frame, region, frame.flat_name, value_key(INSTANCES, [value]))
            used.add(region.label)
        kept = dataclasses.replace(frame, regions=[region for region, _ in numbered])
        instances = kept.paint([value for _, value in numbered])
        ids = np.where(instances >= PER_CLASS, instances // PER_CLASS, instances).astype(np.uint8)
        written: dict[str, npt.NDArray[np.unsignedinteger]] = {INSTANCES: instances.astype(np.uint16), LABELS: ids}
        for mask_id in (TRAIN_LABELS, COLOUR):
            table = np.zeros((LAST + 1, len(value_of(LABEL_TABLE[0], mask_id))), np.uint8)
            for label in labels.values():
                table[label.id] = value_of(label, mask_id)
            written[mask_id] = table[ids] if mask_id == COLOUR else table[ids, 0]
        for mask_id, pixels in written.items():
            name = f"{KINDS[0]}/{split}/{city}/{frame.flat_name}_{KINDS[0]}_{mask_id}.png"
            Image.fromarray(pixels).save(out.path(name))
    # What trainIds call void is no further class where nothing is.
    further = [label for name, label in labels.items() if name not in OWN_LABELS and (name != VOID or name in used)]
    if further:
        documents = [
            {
                "name": label.name,
                "id": label.id,
                "trainId": label.train_id,
                "hasInstances": label.has_instances,
                "ignoreInEval": label.is_ignored,
                "color": label.colour,
            }
            for label in further
        ]
        out.path("labels.json").write_text(json.dumps(documents, indent=1) + "\n", encoding="utf-8")


def _written_labels(out: Writing) -> dict[str, Label]:
    """The label table of an export by name: Cityscapes' own, then the other classes as far as there are ids."""
    labels = dict(OWN_LABELS)
    names = [name for name in out.classes.names if name not in labels]
    numbers: dict[str, int] = {}
    if len(names) > LAST_WITH_INSTANCES - FIRST_FREE + 1:
        # Ids that allow for instances go to the classes that have some.
        repeated = _repeated(out)
        names.sort(key=lambda name: name not in repeated)
        first = [name for name in names if name in repeated]
        numbers = dataclasses.replace(out.classes, names=first).indexes(FIRST_FREE, most=LAST_WITH_INSTANCES)
    most = LAST_WITH_INSTANCES if len(names) <= LAST_WITH_INSTANCES - FIRST_FREE + 1 else LAST
    further = dataclasses.replace(out.classes, names=names)
    next_train_id = 1 + max(label.train_id for label in LABEL_TABLE if label.train_id != TRAIN_VOID)
    colours = further.colours_beside(label.colour for label in LABEL_TABLE)
    for name, number in further.indexes(FIRST_FREE, most=most, fixed=numbers).items():
        is_ignored = name in out.classes.ignored
        train_id = TRAIN_VOID if is_ignored else min(next_train_id, TRAIN_VOID)
        next_train_id += not is_ignored
        has_instances = number <= LAST_WITH_INSTANCES and not is_ignored
        labels[name] = Label(name, number, train_id, has_instances, is_ignored, colours[name])
    return labels


def _repeated(out: Writing) -> set[str]:
    """The classes that have several regions in one image."""
    repeated: set[str] = set()
    for frame in out.frames():
        repeated.update(name for name, count in Counter(region.label for region in frame.regions).items() if count > 1)
    return repeated


def _numbered(out: Writing, frame: OutFrame, labels: Mapping[str, Label]) -> list[tuple[Region, int]]:
    """The regions that can be written, each with its value in the instanceIds."""
    numbered: list[tuple[Region, int]] = []
    totals = Counter(region.label for region in frame.regions)
    used: Counter[str] = Counter()
    for region in frame.regions:
        label = labels.get(region.label)
        if label is None:
            out.cannot_hold(frame, region, f"no id up to {LAST} is left for its class")
            continue
        is_numbered = not region.is_crowd if label.has_instances else totals[region.label] > 1
        if not is_numbered or not 0 < label.id <= LAST_WITH_INSTANCES:
            numbered.append((region, label.id))
        elif used[region.label] == PER_CLASS:
            out.cannot_hold(frame, region, f"more than {PER_CLASS} instances of its class in one image")
        else:
            numbered.append((region, label.id * PER_CLASS + used[region.label]))
            used[region.label] += 1
    return numbered
