"""YOLO segmentation as Ultralytics reads it: beside each image a text with one polygon a line, and a YAML of names.

A line is the number of a class and x, y of the corners in turn, each as a part of the width or height. Classes are
numbered from 0 on without a gap. There is no void, no crowd and no background, and an object is one polygon: parts and
holes are joined to it by lines there and back, so that the polygon fills the same pixels. Four numbers after the class
are a box: its middle and its size.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from masksdb.errors import UsageError
from masksdb.formats.frame import Frame, Roi, Size, source_of
from masksdb.formats.reading import Fault, Tree, ignore_fault, is_whole, open_file, read_text
from masksdb.formats.writing import Region, Writing, roi_key
from masksdb.formats.yaml_text import parse
from masksdb.pixels.outlines import bridged, trace

CLASSES = "class"
"""The mask id under which a version's label mapping keeps the numbers of classes."""

SPLITS = ("train", "val", "valid", "test")

_TEXTS = "*.[tT][xX][tT]"

_FILES_CHECKED = 5

_DIGITS = 10

_MOST = 65535
"""The largest number of a class."""


class _Split(NamedTuple):
    """A part of a dataset.

    Attributes:
        name: train, val or test; None where there is one part.
        images: the folder of its images.
    """

    name: str | None
    images: Path

    @property
    def labels(self) -> Path:
        """The folder of its texts: the last ``images`` in the path is ``labels``."""
        parts = list(self.images.parts)
        if "images" in parts:
            parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
        return Path(*parts)


def recognise(path: Path) -> str | None:
    """Why a path has this layout."""
    yaml = next((file for file in _yaml_files(path) if _is_dataset(file)), None)
    if yaml or path.is_file():
        return f"{yaml.name}, a YAML with names and train" if yaml else None
    texts = islice((text for split in _usual_splits(path) for text in split.labels.rglob(_TEXTS)), _FILES_CHECKED)
    return next((f"{text.relative_to(path)}, polygons as text" for text in texts if _is_polygons(text)), None)


def obstacle(path: Path) -> str | None:
    """Why the YAML of a dataset is not one, if a folder has one."""
    for file in _yaml_files(path):
        try:
            _dataset_of(file)
        except Fault as fault:
            return f"{file.name}: {fault.reason}"
    return None


def _yaml_files(path: Path) -> list[Path]:
    files = [path] if path.is_file() else path.glob("*")
    return sorted(file for file in files if file.suffix.lower() in (".yaml", ".yml"))


def _is_dataset(path: Path) -> bool:
    try:
        return _dataset_of(path) is not None
    except Fault:
        return False


def _dataset_of(path: Path) -> dict[str, Any] | None:
    """The content of a dataset's YAML, or None where a file is another YAML.

    Raises:
        Fault: it cannot be read.
    """
    data = b""
    try:
        with open_file(path) as file:
            data = file.read()
        document = parse(data.decode("utf-8"))
    except OSError as error:
        raise Fault(f"cannot be read: {error.strerror}", path) from None
    except UnicodeDecodeError as error:
        raise Fault("not UTF-8 text", path, line=data.count(b"\n", 0, error.start) + 1) from None
    except ValueError as error:
        # A broken YAML without names is not this dataset's.
        if path.stem == "data" or re.search(rb"(?m)^names\s*:", data):
            raise Fault(f"no YAML of names: {error}", path) from None
        return None
    is_dataset = isinstance(document, dict) and document.get("names") and any(map(document.get, SPLITS))
    return document if is_dataset else None


def _is_polygons(path: Path) -> bool:
    try:
        with open_file(path) as file:
            parts = file.readline().decode(errors="replace").split()
    except OSError:
        return False
    return (
        len(parts) >= 7
        and len(parts) % 2 == 1
        and parts[0].isdecimal()
        and all(_number(part) <= 1 for part in parts[1:])
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _usual_splits(root: Path) -> list[_Split]:
    folders = [(name, root / "images" / name) for name in SPLITS] + [(name, root / name / "images") for name in SPLITS]
    splits = [_Split(name, folder) for name, folder in folders]
    splits = [split for split in splits if split.images.is_dir() or split.labels.is_dir()]
    return splits or ([_Split(None, root / "images")] if (root / "labels").is_dir() else [])


def read(tree: Tree) -> Iterator[Frame]:
    """The frames, one for each image; texts without an image are refused."""
    path, document = _first_dataset(tree)
    names: dict[int, str] | None = None
    splits = _usual_splits(tree.root)
    if document is None:
        tree.note(tree.path, "no YAML with names there; classes are called by their numbers")
    else:
        names = _names(path, document["names"])
        splits = list(_declared_splits(tree, path, document)) or splits
    for number, name in (names or {}).items():
        tree.declare(CLASSES, [number], name)
    if not splits:
        raise Fault("no folders 'images' and 'labels' there", tree.path)
    # Tools want both train and val, and so one may be given as the other.
    for split in reversed({split.images.resolve(): split for split in reversed(splits)}.values()):
        yield from _split_frames(tree, split, names)


def _first_dataset(tree: Tree) -> tuple[Path, dict[str, Any] | None]:
    """The first YAML that describes the dataset, with what it says."""
    broken: list[Fault] = []
    for path in [tree.path] if tree.path.is_file() else _yaml_files(tree.path):
        try:
            document = _dataset_of(path)
        except Fault as fault:
            broken.append(fault)
            continue
        if document is not None:
            for other in broken:
                tree.note(other.path or path, other.reason)
            return path, document
    # Without it labels would be numbers, and what it says where images are would be unknown.
    for other in broken[:-1]:
        tree.refuse(other)
    if broken:
        raise broken[-1]
    return tree.path, None


def _names(path: Path, names: Any) -> dict[int, str]:
    """The names of classes by their numbers."""
    if not isinstance(names, list | Mapping):
        raise Fault(f"found {names!r}, expected a list of names or a map of numbers to them", path, "names")
    by_number: dict[int, str] = {}
    for number, name in enumerate(names) if isinstance(names, list) else names.items():
        if not is_whole(str(number)) or int(number) > _MOST:
            raise Fault(f"found the class {number!r}, expected a whole number from 0 to {_MOST}", path, "names")
        if not isinstance(name, str | int):
            reason = f"found the name {name!r} of the class {number}, expected a text"
            raise Fault(reason, path, "names")
        by_number[int(number)] = str(name)
    return by_number


def _declared_splits(tree: Tree, path: Path, document: Mapping[str, Any]) -> Iterator[_Split]:
    roots = [path.parent / str(document.get("path") or ""), path.parent]
    for name in SPLITS:
        folders = document.get(name)
        for folder in folders if isinstance(folders, list) else [folders] if folders else []:
            # Roboflow writes ../train/images for what lies beside the YAML.
            texts = (str(folder), str(folder).removeprefix("../"))
            candidates = [_Split("val" if name == "valid" else name, root / text) for text in texts for root in roots]
            split = next((one for one in candidates if one.images.is_dir() or one.labels.is_dir()), None)
            if split is None:
                tree.note(path, f"{name}: no folder {folder}")
            else:
                yield split


def _split_frames(tree: Tree, split: _Split, names: Mapping[int, str] | None) -> Iterator[Frame]:
    images = tree.image_files(split.images)
    texts = tree.by_name(split.labels, sorted(split.labels.rglob(_TEXTS)))
    for name in sorted(images.keys() | texts.keys()):
        with tree.part(texts.get(name, split.images)):
            image = images.get(name)
            if image is None:
                raise Fault(f"no image {name} in {split.images}, without which it has no size")
            size = tree.size(image)
            yield {
                "id": f"{split.name}/{name}" if split.name else name,
                "sources": [source_of(tree.uri(image), size)],
                "rois": list(_rois(tree, texts[name], size, names)) if name in texts else [],
                "meta": {"split": split.name} if split.name else {},
            }


def _rois(tree: Tree, path: Path, size: Size, names: Mapping[int, str] | None) -> Iterator[Roi]:
    """The ROIs of a text, whose ids are the numbers of its lines."""
    with tree.part(path):
        for number, line in enumerate(_lines(path), 1):
            if parts := line.split():
                with tree.part(path, line=number):
                    yield _roi(number, parts, size, names)


def _lines(path: Path) -> list[str]:
    try:
        return read_text(path).splitlines()
    except OSError as error:
        raise Fault(f"cannot be read: {error.strerror}", path) from None
    except UnicodeDecodeError as error:
        raise Fault(f"cannot be read: {error}", path) from None


def _roi(line: int, parts: Sequence[str], size: Size, names: Mapping[int, str] | None) -> Roi:
    """The ROI of a line."""
    numbers = [_number(part) for part in parts[1:]]
    if not is_whole(parts[0]) or (len(numbers) != 4 and (len(numbers) < 6 or len(numbers) % 2)):
        raise Fault(f"found {len(parts)} numbers, expected a class and x, y of 3 or more corners")
    if names is not None and int(parts[0]) not in names:
        raise Fault(f"the class {parts[0]}, which names does not have")
    bad = next((part for part, number in zip(parts[1:], numbers, strict=True) if not 0 <= number <= 1), None)
    if bad is not None:
        raise Fault(f"found {bad!r}, expected a part of the width or height, from 0 to 1")
    roi: Roi = {"id": line, "label": [names[int(parts[0])] if names is not None else parts[0]]}
    if len(numbers) == 4:
        x, y, width, height = numbers
        left, right, top, bottom = x - width / 2, x + width / 2, y - height / 2, y + height / 2
        numbers = [left, top, right, top, right, bottom, left, bottom]
        roi["meta"] = {"shape": "box"}
    roi["poly"] = [number * size[place % 2] for place, number in enumerate(numbers)]
    return roi


def write(out: Writing) -> None:
    """Write ``labels/<split>/NAME.txt`` for each image, and ``data.yaml``."""
    numbers = _numbers(out)
    splits: dict[str, None] = {}
    others: dict[str, int] = {}
    for frame in out.frames():
        split = _split_of(frame.split)
        if split is None:
            if out.split is not None:
                known = ", ".join(name for name in SPLITS if name != "valid")
                raise UsageError(f"--split {out.split}: found the part {frame.split!r}, and the layout has {known}")
            others[frame.split or ""] = others.get(frame.split or "", 0) + 1
        split = split or "train"
        splits[split] = None
        out.copy_image(frame, f"images/{split}/{frame.image_name}")
        lines: list[str] = []
        for region in frame.regions:
            is_ignored = region.is_ignored or region.label not in numbers
            line = None if region.is_crowd or is_ignored else _line(region)
            if line is None:
                what = "a crowd" if region.is_crowd else "what is ignored" if is_ignored else "nothing"
                out.cannot_hold(frame, region, f"{what}, for which there is no line")
                continue
            lines.append(f"{numbers[region.label]} {line}\n")
            out.wrote(frame, region, f"{split}/{frame.name}", roi_key(len(lines)))
        out.path(f"labels/{split}/{frame.name}.txt").write_text("".join(lines), encoding="utf-8")
    for name, count in others.items():
        out.notes.append(f"{count:,} images of the split {name!r} are in train, for the layout has no such split")
    names = "".join(f"  {number}: {_quoted(name)}\n" for name, number in numbers.items())
    folders = "".join(f"{split}: images/{split}\n" for split in splits)
    missing = "".join(
        f"{split}: images/{next(iter(splits))}\n" for split in ("train", "val") if splits and split not in splits
    )
    out.path("data.yaml").write_text(f"{folders}{missing}names:\n{names}", encoding="utf-8")


def _quoted(name: str) -> str:
    # Readers of YAML end lines at some of these, and Ultralytics takes the others out.
    text = json.dumps(name, ensure_ascii=False)
    return re.sub("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]", lambda match: f"\\u{ord(match[0]):04x}", text)


def _numbers(out: Writing) -> dict[str, int]:
    """The number of each class."""
    return {name: number for number, name in enumerate(n for n in out.classes.names if n not in out.classes.ignored)}


def _split_of(split: str | None) -> str | None:
    """The split of the layout that a split is, such as val for ``validation`` and ``val2017``; None if it is none."""
    match = re.fullmatch(r"(?i)(train|val|test)(ing|id|idation|val)?[_\-]?\d*", split or "train")
    return match[1].lower() if match else None


def _line(region: Region) -> str | None:
    """The corners of a region as parts of the width and height; None where it has none."""
    parts = region.parts or []
    points = parts[0] if len(parts) == 1 else bridged(trace(region.pixels()))
    if len(points) < 3:
        return None
    inside = [(min(max(x / region.width, 0), 1), min(max(y / region.height, 0), 1)) for x, y in points.tolist()]
    return " ".join(f"{x:.{_DIGITS}g} {y:.{_DIGITS}g}" for x, y in inside)


def reread(out: Writing) -> Iterable[Frame]:
    """What was written as frames, to compare: images may not be there to say how large they are."""
    tree = Tree(out.folder, out.settings, on_fault=ignore_fault)
    path = out.folder / "data.yaml"
    document = _dataset_of(path)
    read = _names(path, document["names"]) if document else {}
    # A class whose name does not come back is lost with all of its regions.
    names = {number: name for name, number in _numbers(out).items() if read.get(number) == name}
    for frame in out.frames():
        split = _split_of(frame.split) or "train"
        size = Size(frame.width, frame.height)
        rois = list(_rois(tree, out.folder / f"labels/{split}/{frame.name}.txt", size, names))
        yield {"id": f"{split}/{frame.name}", "sources": [source_of(None, size)], "rois": rois}
