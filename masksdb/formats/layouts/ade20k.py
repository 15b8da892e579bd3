"""ADE20K of 2017 and of 2020: beside each image NAME.jpg its objects NAME_seg.png and parts NAME_parts_1.png, ....

As in its development kit the class is R // 10 * 256 + G and B tells instances apart. Names come from NAME.json, whose
``name_ndx`` is the class, or from NAME_atr.txt, whose first number is B or the rank of B in the mask. Black is not
annotated, and no region. Of the SceneParse150 benchmark annotations/SPLIT/NAME.png is read too: grey, 1 to 150 as in
objectInfo150.txt, 0 is ignored.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from masksdb.formats.frame import Frame, Roi, mask_of, roi_of, source_of
from masksdb.formats.reading import BACKGROUND, IMAGE_SUFFIXES, VOID, Fault, Tree, check_colours, open_file
from masksdb.pixels.masks import BLUE, RED, MaskFacts

SEG, PARTS = "seg", "parts"

SCENE_PARSING = "annotations"

CLASS_TABLE = "objectInfo150.txt"

SPLITS = ("training", "validation", "testing", "test", "consistency")

_HOMES = ("images/ADE", "images", "ADE", "")

_ENTRIES_CHECKED = 400
"""Entries of a folder that are checked to recognise it."""


def recognise(path: Path) -> str | None:
    """Why a path has this layout."""
    if not path.is_dir():
        return None
    homes = [path / home / split for home in _HOMES for split in SPLITS]
    mask = next((mask for home in homes if (mask := _first_objects(home, 4))), None)
    mask = mask or _first_objects(path, 0) or _first_scene_mask(path)
    return str(mask.relative_to(path)) if mask else None


def _first_objects(folder: Path, depth: int) -> Path | None:
    """A mask of objects with its description beside it, in a folder or a little below."""
    try:
        with os.scandir(folder) as entries:
            some = sorted(itertools.islice(entries, _ENTRIES_CHECKED), key=lambda entry: entry.name)
    except OSError:
        return None
    for entry in some:
        if entry.name.endswith("_seg.png"):
            stem = entry.path.removesuffix("_seg.png")
            if os.path.isfile(f"{stem}.json") or os.path.isfile(f"{stem}_atr.txt"):
                return Path(entry.path)
    folders = [Path(entry.path) for entry in some if depth and os.path.isdir(entry)]
    return next((mask for child in folders[:8] if (mask := _first_objects(child, depth - 1))), None)


def _first_scene_mask(path: Path) -> Path | None:
    folders = [path / SCENE_PARSING / split for split in SPLITS]
    mask = next((mask for folder in folders for mask in folder.glob("ADE_*.png")), None)
    return mask if mask or not (path / CLASS_TABLE).is_file() else next((path / SCENE_PARSING).glob("*/*.png"), None)


class _Object(NamedTuple):
    """An object or a part, as the description of its image has it."""

    name: str
    level: int
    number: int
    meta: Mapping[str, Any]


class _Entry(NamedTuple):
    """An image and what belongs to it.

    Attributes:
        stem: the image without its suffix.
        image: the image, if it is there.
        masks: the masks by their ids, that of the objects first.
    """

    stem: Path
    image: Path | None
    masks: Mapping[str, Path]


def read(tree: Tree) -> Iterator[Frame]:
    """The frames, one for each image; images without masks last."""
    if not tree.path.is_dir():
        raise Fault("expected the folder of the dataset", tree.path)
    is_scene_parsing = _first_scene_mask(tree.path) is not None
    reader = _SceneReader(tree) if is_scene_parsing else _Reader(tree)
    entries = list(_scene_entries(tree.path) if is_scene_parsing else _entries(tree.path))
    entries.sort(key=lambda entry: not entry.masks)
    for entry, facts in tree.with_masks(entries, [entry.masks for entry in entries]):
        if facts or not entry.masks:
            with tree.part(entry.stem):
                yield reader.frame(entry, facts)


def _image(stem: Path) -> Path | None:
    candidates = (stem.with_name(stem.name + suffix) for suffix in IMAGE_SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def _entries(root: Path) -> Iterator[_Entry]:
    for folder, folders, names in os.walk(root):
        # The folder of an image has masks of its objects in it.
        folders[:] = sorted(name for name in folders if f"{name}_seg.png" not in names)
        for name in sorted(names):
            path = Path(folder, name)
            if name.endswith("_seg.png"):
                stem = path.with_name(name.removesuffix("_seg.png"))
                levels = (stem.with_name(f"{stem.name}_{PARTS}_{level}.png") for level in itertools.count(1))
                # A link that leads nowhere is reported when it is read.
                parts = itertools.takewhile(os.path.lexists, levels)
                masks = {SEG: path} | {f"{PARTS}_{level}": part for level, part in enumerate(parts, 1)}
                yield _Entry(stem, _image(stem), masks)
            elif path.suffix == ".jpg" and f"{path.stem}_seg.png" not in names:
                yield _Entry(path.with_suffix(""), path, {})


def _scene_entries(root: Path) -> Iterator[_Entry]:
    for path in sorted((root / SCENE_PARSING).rglob("*.png")):
        stem = root / "images" / path.relative_to(root / SCENE_PARSING).with_suffix("")
        yield _Entry(stem, _image(stem), {SCENE_PARSING: path})
    for path in sorted((root / "images").rglob("*.jpg")):
        if not (root / SCENE_PARSING / path.relative_to(root / "images")).with_suffix(".png").is_file():
            yield _Entry(path.with_suffix(""), path, {})


class _Reader:
    """What frames are made with."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.home = next(folder for name in _HOMES if (folder := tree.path / name).is_dir())
        self.unknown: set[int] = set()
        self.declared: set[tuple[Any, ...]] = set()

    def frame(self, entry: _Entry, facts: Mapping[str, MaskFacts]) -> Frame:
        """The frame of an image, with those of its masks that could be decoded."""
        if entry.image is None:
            first = next(iter(entry.masks.values()))
            raise Fault(f"no image belongs to it; expected {entry.stem}.jpg", first)
        if not entry.masks:
            self.tree.note(entry.image, "no mask belongs to this image; its frame has none")
        size, files = self.tree.check_sizes(entry.image, {name: entry.masks[name] for name in facts}, facts)
        frame_id = entry.stem.relative_to(self.home if entry.stem.is_relative_to(self.home) else self.tree.path)
        split = next((part for part in frame_id.parts[:-1] if part in SPLITS), None)
        masks = [mask_of(name, self.tree.uri(path)) for name, path in files.items()]
        meta: dict[str, Any] = {"split": split} if split else {}
        return {
            "id": frame_id.as_posix(),
            "sources": [source_of(self.tree.uri(entry.image), size, masks)],
            "rois": self._rois(entry, facts, meta),
            "meta": meta,
        }

    def _rois(self, entry: _Entry, facts: Mapping[str, MaskFacts], meta: dict[str, Any]) -> list[Roi]:
        """The ROIs of an image; what else its description says goes into the frame's meta."""
        objects: list[_Object] = []
        if entry.masks:
            with self.tree.part(entry.stem):
                objects = _description(self.tree, entry.stem, meta)
        rois: list[Roi] = []
        for level, (name, path) in enumerate(entry.masks.items()):
            if name in facts:
                with self.tree.part(path):
                    rois += self._mask_rois(name, path, level, facts[name], objects)
        return rois

    def _mask_rois(
        self, mask_id: str, path: Path, level: int, facts: MaskFacts, objects: Sequence[_Object]
    ) -> list[Roi]:  # fmt: skip
        if facts.image.mode not in ("rgb", "rgba") or facts.image.depth > 8:
            mode = f"{facts.image.mode.replace('_', ' and ')} of {facts.image.depth} bits"
            raise Fault(f"found {mode}, expected RGB of 8 bits, with the class in R and G")
        check_colours(path, facts, range(len(facts.colours)), {}, None)
        self.tree.declare(mask_id, [0, 0, 0], BACKGROUND)
        shown = dict.fromkeys(tuple(row) for row in facts.colours[:, RED : BLUE + 1].tolist())
        values = [value for value in shown if any(value)]
        own = [known for known in objects if known.level == level]
        numbered = _numbered(values, [known for known in own if "name_ndx" not in known.meta])
        regions = Counter(class_of(value) for value in values)
        rois = []
        for value in values:
            number = class_of(value)
            of_class = [known for known in objects if known.meta.get("name_ndx") == number]
            match = numbered.get(value)
            if of_class:
                on_level = [known for known in own if known in of_class]
                # Which region is which of several of a class, nothing says.
                match = on_level[0] if len(on_level) == 1 and regions[number] == 1 else None
            name = of_class[0].name if of_class else match.name if match else str(number)
            if not of_class and not match and number not in self.unknown:
                self.unknown.add(number)
                self.tree.note(path, f"the class {number} is named nowhere; it is called {name!r}")
            if (mask_id, *value[:2]) not in self.declared:
                self.declared.add((mask_id, *value[:2]))
                self.tree.declare(mask_id, [*value[:2], -1], name)
            roi = roi_of(name, mask_id, value)
            if meta := {**(match.meta if match else {}), **({"part_level": level} if level else {})}:
                roi["meta"] = meta
            rois.append(roi)
        return rois


def _numbered(values: Sequence[tuple[int, ...]], objects: Sequence[_Object]) -> dict[tuple[int, ...], _Object]:
    """The objects of values by their numbers: B, if that gives all of a class one name, else the rank of B."""
    by_number = {known.number: known for known in objects}
    direct = {value: by_number[value[2]] for value in values if value[2] in by_number}
    names: dict[int, set[str]] = {}
    for value, known in direct.items():
        names.setdefault(class_of(value), set()).add(known.name)
    if len(direct) == len(values) and all(len(of_class) == 1 for of_class in names.values()):
        return direct
    ranks = {blue: rank for rank, blue in enumerate(sorted({value[2] for value in values if value[2]}), 1)}
    return {value: by_number[ranks[value[2]]] for value in values if ranks.get(value[2]) in by_number}


def class_of(value: Sequence[int]) -> int:
    """The class of a colour.

    >>> class_of((71, 39, 1))
    1831
    """
    return value[0] // 10 * 256 + value[1]


def _description(tree: Tree, stem: Path, meta: dict[str, Any]) -> list[_Object]:
    """The objects that the description of an image names; the scene goes into the frame's meta."""
    document, attributes = stem.with_name(f"{stem.name}.json"), stem.with_name(f"{stem.name}_atr.txt")
    path = document if document.is_file() else attributes
    objects: list[_Object] = []
    try:
        text = _text(path)
    except OSError:
        raise Fault(f"no such file, nor {document.name}; the classes have no names", path) from None
    if path == attributes:
        for number, line in enumerate(text.splitlines(), 1):
            with tree.part(path):
                objects += [_attributed(number, line)] if line.strip() else []
        return objects
    try:
        annotation = json.loads(text)["annotation"]
        listed = annotation["object"]
        if not isinstance(listed, list):
            raise TypeError
    except (ValueError, RecursionError) as error:
        raise Fault(f"not JSON: {error}", path) from None
    except (KeyError, TypeError):
        raise Fault("expected an object 'annotation' with a list 'object'", path) from None
    if annotation.get("scene"):
        meta["scene"] = annotation["scene"]
    for index, entry in enumerate(listed):
        with tree.part(path, f"annotation.object[{index}]"):
            objects.append(_described(index, entry))
    return objects


def _text(path: Path) -> str:
    """A text, which in the older files is Latin 1."""
    with open_file(path) as file:
        data = file.read()
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _described(index: int, entry: Any) -> _Object:
    """An object of the JSON."""
    parts = entry.get("parts") if isinstance(entry, dict) else None
    level = parts.get("part_level", 0) if isinstance(parts, dict) else 0
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or type(entry.get("name_ndx")) is not int:
        raise Fault("expected an object with 'name' and a whole number 'name_ndx'")
    keys = ("id", "name_ndx", "raw_name", "attributes", "occluded", "crop", "depth_ordering_rank", "instance_mask")
    return _Object(entry["name"], level, index, {key: entry[key] for key in keys if key in entry})


def _attributed(number: int, line: str) -> _Object:
    """An object of a line of NAME_atr.txt."""
    fields = [text.strip() for text in line.split("#")]
    if len(fields) < 6 or not all(re.fullmatch(r"\d{1,9}", text) for text in fields[:3]):
        raise Fault(f"line {number}: expected number # part level # occluded # class # name # attributes")
    meta: dict[str, Any] = {"raw_name": fields[4], "occluded": int(fields[2])}
    if attributes := [text.strip() for text in fields[5].strip('" ').split(",") if text.strip()]:
        meta["attributes"] = attributes
    return _Object(fields[3], int(fields[1]), int(fields[0]), meta)


class _SceneReader(_Reader):
    """SceneParse150."""

    def __init__(self, tree: Tree) -> None:
        super().__init__(tree)
        self.names: dict[int, str] = {}
        table = tree.path / CLASS_TABLE
        rows = [row.split("\t") for row in _text(table).splitlines()] if table.is_file() else []
        for number, fields in enumerate(rows, 1):
            if re.fullmatch(r"\s*\d{1,5}\s*", fields[0]) and len(fields) == len(rows[0]) > 1 and fields[-1].strip():
                self.names[int(fields[0])] = fields[-1].strip()
            elif any(map(str.strip, fields)) and number > 1:
                expected = f"expected a number first and a name last of {len(rows[0])} columns"
                tree.refuse(Fault(f"found {' '.join(fields)!r}, {expected}", table, line=number))
        tree.declare(SCENE_PARSING, [0], VOID, is_ignored=True)
        for value, name in self.names.items():
            tree.declare(SCENE_PARSING, [value], name)

    def _rois(self, entry: _Entry, facts: Mapping[str, MaskFacts], meta: dict[str, Any]) -> list[Roi]:
        del meta  # nothing is known of the scene
        rois: list[Roi] = []
        for mask_id, mask in facts.items():
            with self.tree.part(entry.masks[mask_id]):
                if not mask.image.has_sample:
                    raise Fault(f"found {mask.image.mode.replace('_', ' and ')}, expected one number a pixel")
                rois += [self._scene_roi(entry.masks[mask_id], mask_id, value) for (value,) in mask.stored_values()]
        return rois

    def _scene_roi(self, path: Path, mask_id: str, value: int) -> Roi:
        name = VOID if value == 0 else self.names.get(value)
        if name is None and value not in self.unknown:
            self.unknown.add(value)
            self.tree.note(path, f"the class {value} is not in {CLASS_TABLE}; it is called {str(value)!r}")
        return roi_of(name or str(value), mask_id, [value], is_ignored=value == 0)
