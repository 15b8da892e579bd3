"""ADE20K of 2017 and of 2020: beside each image NAME.jpg its objects NAME_seg.png and parts NAME_parts_1.png, ....

As in its development kit the class is R // 10 * 256 + G and B tells instances apart. Names come from NAME.json, whose
``name_ndx`` is the class, or from NAME_atr.txt, whose first number is B or the rank of B in the mask. Black is what
nothing was said of, and no region. Of the SceneParse150 benchmark annotations/SPLIT/NAME.png is read too: grey,
1 to 150 as in objectInfo150.txt, 0 what does not count.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from masksdb.errors import IngestError
from masksdb.formats.reading import (
    BACKGROUND,
    IMAGE_SUFFIXES,
    VOID,
    Frame,
    Size,
    Tree,
    mask_of,
    open_file,
    roi_of,
    source_of,
)
from masksdb.pixels.masks import BLUE, RED, MaskFacts

SEG, PARTS = "seg", "parts"

SCENE_PARSING = "annotations"

CLASS_TABLE = "objectInfo150.txt"

SPLITS = ("training", "validation", "testing", "test", "consistency")

_HOMES = ("images/ADE", "images", "ADE", "")

_LOOKED_AT = 400
"""Entries of a folder that are looked at to recognise it."""


def recognise(path: Path) -> str | None:
    """Why a path has this layout."""
    if not path.is_dir():
        return None
    found = None
    for home in (path / each for each in _HOMES):
        for split in SPLITS:
            found = found or _first_objects(home / split, 4)
    found = found or _first_objects(path, 0) or _first_scene_mask(path)
    return str(found.relative_to(path)) if found else None


def _first_objects(folder: Path, depth: int) -> Path | None:
    """A mask of objects with its description beside it, in a folder or a little below."""
    try:
        with os.scandir(folder) as entries:
            some = sorted(itertools.islice(entries, _LOOKED_AT), key=lambda entry: entry.name)
    except OSError:
        return None
    for entry in some:
        if entry.name.endswith("_seg.png"):
            stem = entry.path.removesuffix("_seg.png")
            if os.path.isfile(f"{stem}.json") or os.path.isfile(f"{stem}_atr.txt"):
                return Path(entry.path)
    folders = [Path(entry.path) for entry in some if depth and os.path.isdir(entry)]
    return next((found for each in folders[:8] if (found := _first_objects(each, depth - 1))), None)


def _first_scene_mask(path: Path) -> Path | None:
    folders = [path / SCENE_PARSING / split for split in SPLITS]
    found = next((each for folder in folders for each in folder.glob("ADE_*.png")), None)
    return found if found or not (path / CLASS_TABLE).is_file() else next((path / SCENE_PARSING).glob("*/*.png"), None)


class _Object(NamedTuple):
    """An object or a part, as the description of its image has it."""

    name: str
    level: int
    number: int
    meta: Mapping[str, Any]


@dataclass
class _Entry:
    """An image and what belongs to it.

    Attributes:
        stem: the image without its suffix.
        image: the image, if it is there.
        masks: the masks by their ids, that of the objects first.
        facts: what is in them.
    """

    stem: Path
    image: Path | None
    masks: dict[str, Path] = field(default_factory=dict)
    facts: dict[str, MaskFacts | IngestError] = field(default_factory=dict)


def read(tree: Tree) -> Iterator[Frame | IngestError]:
    """The frames, an image each; images without masks last."""
    if not tree.path.is_dir():
        yield tree.error(tree.path, "expected the folder of the dataset")
        return
    is_scene_parsing = _first_scene_mask(tree.path) is not None
    entries = list(_scene_entries(tree.path) if is_scene_parsing else _entries(tree.path))
    reader = _SceneReader(tree) if is_scene_parsing else _Reader(tree)
    yield from reader.faults
    tasks = [(entry, mask_id) for entry in entries for mask_id in entry.masks]
    decoded = tree.with_facts(tasks, [entry.masks[mask_id] for entry, mask_id in tasks])
    for _, group in itertools.groupby(decoded, key=lambda each: id(each[0][0])):
        for (each, mask_id), facts in group:
            entry = each
            entry.facts[mask_id] = facts
        yield from reader.frame(entry)
        entry.facts.clear()
    for entry in entries:
        if not entry.masks:
            yield from reader.frame(entry)


def _image(stem: Path) -> Path | None:
    candidates = (stem.with_name(stem.name + suffix) for suffix in IMAGE_SUFFIXES)
    return next((each for each in candidates if each.is_file()), None)


def _entries(root: Path) -> Iterator[_Entry]:
    for folder, folders, names in os.walk(root):
        # The folder of an image has masks of its objects in it.
        folders[:] = sorted(name for name in folders if f"{name}_seg.png" not in names)
        for name in sorted(names):
            path = Path(folder, name)
            if name.endswith("_seg.png"):
                stem = path.with_name(name.removesuffix("_seg.png"))
                levels = (stem.with_name(f"{stem.name}_{PARTS}_{level}.png") for level in itertools.count(1))
                # A link that leads nowhere is told when it is read.
                parts = itertools.takewhile(os.path.lexists, levels)
                found = {SEG: path} | {f"{PARTS}_{level}": each for level, each in enumerate(parts, 1)}
                yield _Entry(stem, _image(stem), found)
            elif path.suffix == ".jpg" and f"{path.stem}_seg.png" not in names:
                yield _Entry(path.with_suffix(""), path)


def _scene_entries(root: Path) -> Iterator[_Entry]:
    for path in sorted((root / SCENE_PARSING).rglob("*.png")):
        stem = root / "images" / path.relative_to(root / SCENE_PARSING).with_suffix("")
        yield _Entry(stem, _image(stem), {SCENE_PARSING: path})
    for path in sorted((root / "images").rglob("*.jpg")):
        if not (root / SCENE_PARSING / path.relative_to(root / "images")).with_suffix(".png").is_file():
            yield _Entry(path.with_suffix(""), path)


class _Reader:
    """What frames are made with."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.home = next(each for name in _HOMES if (each := tree.path / name).is_dir())
        self.faults: list[IngestError] = []
        self.unknown: set[int] = set()
        self.declared: set[tuple[Any, ...]] = set()

    def frame(self, entry: _Entry) -> Iterator[Frame | IngestError]:
        """The frame of an image, and what is wrong with it."""
        for facts in entry.facts.values():
            if isinstance(facts, IngestError):
                yield facts
        sound = {name: facts for name, facts in entry.facts.items() if isinstance(facts, MaskFacts)}
        if entry.masks and not sound:
            return
        if entry.image is None:
            first = next(iter(entry.masks.values()))
            yield self.tree.error(first, f"no image belongs to it; expected {entry.stem}.jpg")
            return
        size = self.tree.size(entry.image)
        if isinstance(size, IngestError):
            yield size
            return
        if not entry.masks:
            self.tree.note(entry.image, "no mask belongs to this image; its frame has none")
        rois = []
        meta: dict[str, Any] = {}
        for item in self._content(entry, sound, meta):
            if isinstance(item, IngestError):
                yield item
            else:
                rois.append(item)
        for name, facts in sound.items():
            found = Size(facts.regions.width, facts.regions.height)
            if found != size:
                told = f"{found.width} x {found.height} pixels, where the image has {size.width} x {size.height}"
                self.tree.note(entry.masks[name], told)
        frame_id = entry.stem.relative_to(self.home if entry.stem.is_relative_to(self.home) else self.tree.path)
        split = next((part for part in frame_id.parts[:-1] if part in SPLITS), None)
        masks = [mask_of(name, self.tree.uri(entry.masks[name])) for name in sound]
        frame: Frame = {"id": frame_id.as_posix(), "sources": [source_of(self.tree.uri(entry.image), size, masks)]}
        yield frame | {"rois": rois, "meta": ({"split": split} if split else {}) | meta}

    def _content(
        self, entry: _Entry, sound: Mapping[str, MaskFacts], meta: dict[str, Any]
    ) -> Iterator[dict[str, Any] | IngestError]:
        """The ROIs of an image, and what is wrong with them."""
        described = _description(self.tree, entry.stem, meta) if entry.masks else []
        objects = [each for each in described if isinstance(each, _Object)]
        yield from (each for each in described if isinstance(each, IngestError))
        for level, (name, path) in enumerate(entry.masks.items()):
            facts = sound.get(name)
            if facts is None:
                continue
            if facts.image.mode not in ("rgb", "rgba") or facts.image.depth > 8:
                found = f"{facts.image.mode.replace('_', ' and ')} of {facts.image.depth} bits"
                yield self.tree.error(path, f"found {found}, expected RGB of 8 bits, with the class in R and G")
                continue
            self.tree.declare(name, [0, 0, 0], BACKGROUND)
            values = list(dict.fromkeys(tuple(row) for row in facts.colours[:, RED : BLUE + 1].tolist()))
            yield from self._rois(name, path, level, [value for value in values if any(value)], objects)

    def _rois(
        self, mask_id: str, path: Path, level: int, values: Sequence[tuple[int, ...]], objects: Sequence[_Object]
    ) -> Iterator[dict[str, Any]]:
        own = [each for each in objects if each.level == level]
        numbered = _numbered(values, [each for each in own if "name_ndx" not in each.meta])
        regions = Counter(class_of(value) for value in values)
        for value in values:
            number = class_of(value)
            known = [each for each in objects if each.meta.get("name_ndx") == number]
            match = numbered.get(value)
            if known:
                of_class = [each for each in own if each in known]
                # Which region is which of several of a class, nothing says.
                match = of_class[0] if len(of_class) == 1 and regions[number] == 1 else None
            meta = {**(match.meta if match else {}), **({"part_level": level} if level else {})}
            name = known[0].name if known else match.name if match else str(number)
            if not known and not match and number not in self.unknown:
                self.unknown.add(number)
                self.tree.note(path, f"the class {number} is named nowhere; it is called {name!r}")
            if (mask_id, *value[:2]) not in self.declared:
                self.declared.add((mask_id, *value[:2]))
                self.tree.declare(mask_id, [*value[:2], -1], name)
            roi = roi_of(name, mask_id, value)
            yield roi | ({"meta": meta} if meta else {})


def _numbered(values: Sequence[tuple[int, ...]], objects: Sequence[_Object]) -> dict[tuple[int, ...], _Object]:
    """The objects of values by their numbers: B, if that gives all of a class one name, else the rank of B."""
    by_number = {each.number: each for each in objects}
    direct = {value: by_number[value[2]] for value in values if value[2] in by_number}
    names: dict[int, set[str]] = {}
    for value, each in direct.items():
        names.setdefault(class_of(value), set()).add(each.name)
    if len(direct) == len(values) and all(len(each) == 1 for each in names.values()):
        return direct
    ranks = {blue: rank for rank, blue in enumerate(sorted({value[2] for value in values if value[2]}), 1)}
    return {value: by_number[ranks[value[2]]] for value in values if ranks.get(value[2]) in by_number}


def class_of(value: Sequence[int]) -> int:
    """The class of a colour.

    >>> class_of((71, 39, 1))
    1831
    """
    return value[0] // 10 * 256 + value[1]


def _description(tree: Tree, stem: Path, meta: dict[str, Any]) -> list[_Object | IngestError]:
    """The objects of an image, and what is wrong with their description; the scene goes into the frame's meta."""
    document, attributes = stem.with_name(f"{stem.name}.json"), stem.with_name(f"{stem.name}_atr.txt")
    path = document if document.is_file() else attributes
    try:
        text = _text(path)
        if path == attributes:
            lines = enumerate(text.splitlines(), 1)
            return [_attributed(tree, path, number, line) for number, line in lines if line.strip()]
        annotation = json.loads(text)["annotation"]
        objects = annotation["object"]
        if not isinstance(objects, list):
            raise TypeError
    except OSError:
        return [tree.error(path, f"no such file, nor {document.name}; the classes have no names")]
    except (ValueError, RecursionError) as error:
        return [tree.error(path, f"not JSON: {error}")]
    except (KeyError, TypeError):
        return [tree.error(path, "expected an object 'annotation' with a list 'object'")]
    if annotation.get("scene"):
        meta["scene"] = annotation["scene"]
    return [_described(tree, path, index, each) for index, each in enumerate(objects)]


def _text(path: Path) -> str:
    """A text, which in the older files is Latin 1."""
    with open_file(path) as file:
        data = file.read()
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _described(tree: Tree, path: Path, index: int, given: Any) -> _Object | IngestError:
    parts = given.get("parts") if isinstance(given, dict) else None
    level = parts.get("part_level", 0) if isinstance(parts, dict) else 0
    if not isinstance(given, dict) or not isinstance(given.get("name"), str) or type(given.get("name_ndx")) is not int:
        expected = "expected an object with 'name' and a whole number 'name_ndx'"
        return tree.error(path, expected, f"annotation.object[{index}]")
    keys = ("id", "name_ndx", "raw_name", "attributes", "occluded", "crop", "depth_ordering_rank", "instance_mask")
    return _Object(given["name"], level, index, {key: given[key] for key in keys if key in given})


def _attributed(tree: Tree, path: Path, number: int, line: str) -> _Object | IngestError:
    fields = [each.strip() for each in line.split("#")]
    if len(fields) < 6 or not all(re.fullmatch(r"\d{1,9}", each) for each in fields[:3]):
        expected = "expected number # part level # occluded # class # name # attributes"
        return tree.error(path, f"line {number}: {expected}")
    meta: dict[str, Any] = {"raw_name": fields[4], "occluded": int(fields[2])}
    named = [each.strip() for each in fields[5].strip('" ').split(",") if each.strip()]
    return _Object(fields[3], int(fields[1]), int(fields[0]), meta | ({"attributes": named} if named else {}))


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
                reason = (
                    f"found {' '.join(fields)!r}, expected a number first and a name last of {len(rows[0])} columns"
                )
                self.faults.append(IngestError(reason, str(table), line=number))
        tree.declare(SCENE_PARSING, [0], VOID, is_ignored=True)
        for value, name in self.names.items():
            tree.declare(SCENE_PARSING, [value], name)

    def _content(
        self, entry: _Entry, sound: Mapping[str, MaskFacts], meta: dict[str, Any]
    ) -> Iterator[dict[str, Any] | IngestError]:
        del meta  # nothing is known of the scene
        for mask_id, facts in sound.items():
            if not facts.image.has_sample:
                found = facts.image.mode.replace("_", " and ")
                yield self.tree.error(entry.masks[mask_id], f"found {found}, expected one number a pixel")
                continue
            for (value,) in facts.stored_values():
                name = VOID if value == 0 else self.names.get(value)
                if name is None and value not in self.unknown:
                    self.unknown.add(value)
                    told = f"the class {value} is not in {CLASS_TABLE}; it is called {str(value)!r}"
                    self.tree.note(entry.masks[mask_id], told)
                yield roi_of(name or str(value), mask_id, [value], is_ignored=value == 0)
