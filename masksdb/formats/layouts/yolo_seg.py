"""YOLO segmentation as Ultralytics reads it: beside each image a text with one polygon a line, and a YAML of names.

A line is the number of a class and x, y of the corners in turn, each as a part of the width or height. Classes are
numbered from 0 on without a gap. There is no void, no crowd and no background, and an object is one polygon: parts and
holes are joined to it by lines that are walked there and back, which fill as the region does. Four numbers after the
class are a box: its middle and its size.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from masksdb.errors import IngestError
from masksdb.formats.reading import Frame, Size, Tree, by_name, image_files, is_whole, open_file, read_text, source_of
from masksdb.formats.writing import OutFrame, Region, Writing, roi_key
from masksdb.formats.yaml_text import parse
from masksdb.pixels.outlines import bridged, trace

CLASSES = "class"
"""The mask id under which a version's label mapping keeps the numbers of classes."""

SPLITS = ("train", "val", "valid", "test")

_TEXTS = "*.[tT][xX][tT]"

_LOOKED_AT = 5

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
    if path.is_file():
        return f"{path.name}, a YAML with names and train" if _yaml_of(path) else None
    found = next((each for each in _yaml_files(path) if _yaml_of(each)), None)
    if found:
        return f"{found.name}, a YAML with names and train"
    texts = islice((each for split in _usual_splits(path) for each in split.labels.rglob(_TEXTS)), _LOOKED_AT)
    return next((f"{each.relative_to(path)}, polygons as text" for each in texts if _is_polygons(each)), None)


def _yaml_files(path: Path) -> list[Path]:
    return sorted(each for each in path.glob("*") if each.suffix.lower() in (".yaml", ".yml"))


def _yaml_of(path: Path, broken: list[IngestError] | None = None) -> dict[str, Any] | None:
    """The content of a dataset's YAML, or None where a file is none; an error where one cannot be read."""
    data, refused = b"", broken if broken is not None else []
    try:
        with open_file(path) as file:
            data = file.read()
        found = parse(data.decode("utf-8"))
    except OSError as error:
        refused.append(IngestError(f"cannot be read: {error.strerror}", str(path)))
        return None
    except UnicodeDecodeError as error:
        refused.append(IngestError("not UTF-8 text", str(path), line=data.count(b"\n", 0, error.start) + 1))
        return None
    except ValueError as error:
        # Others may be of the full kind of YAML, which is not read.
        if path.stem == "data" or re.search(rb"(?m)^names\s*:", data):
            refused.append(IngestError(f"no YAML of names: {error}", str(path)))
        return None
    is_dataset = isinstance(found, dict) and found.get("names") and any(found.get(split) for split in SPLITS)
    return found if is_dataset else None


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
    pairs = [(name, root / "images" / name) for name in SPLITS] + [(name, root / name / "images") for name in SPLITS]
    found = [_Split(name, folder) for name, folder in pairs if folder.is_dir() or _Split(name, folder).labels.is_dir()]
    return found or ([_Split(None, root / "images")] if (root / "labels").is_dir() else [])


def read(tree: Tree) -> Iterator[Frame | IngestError]:
    """The frames, one for each image, and an error for each text without one."""
    files = [tree.path] if tree.path.is_file() else _yaml_files(tree.path)
    broken: list[IngestError] = []
    given = next(((path, found) for path in files if (found := _yaml_of(path, broken))), None)
    names: dict[int, str] = {}
    splits = _usual_splits(tree.root)
    if given:
        for error in broken:
            tree.note(Path(error.path), error.reason)
        try:
            names = _names(given[1]["names"])
        except ValueError as error:
            yield tree.error(given[0], str(error), "names")
            return
        splits = list(_given_splits(tree, *given)) or splits
    elif broken:
        # Without it labels would be numbers, and what it says where images are would be unknown.
        yield from broken
        return
    else:
        tree.note(tree.path, "no YAML with names there; classes are called by their numbers")
    for number, name in names.items():
        tree.declare(CLASSES, [number], name)
    if not splits:
        yield tree.error(tree.path, "no folders 'images' and 'labels' there")
    # Tools want both train and val, and so one may be given as the other.
    for split in reversed({each.images.resolve(): each for each in reversed(splits)}.values()):
        yield from _split_frames(tree, split, names if given else None)


def _names(given: Any) -> dict[int, str]:
    """The names of classes by their numbers.

    Raises:
        ValueError: they are none.
    """
    if not isinstance(given, list | Mapping):
        raise ValueError(f"found {given!r}, expected a list of names or a map of numbers to them")
    found: dict[int, str] = {}
    for number, name in enumerate(given) if isinstance(given, list) else given.items():
        if not is_whole(str(number)) or int(number) > _MOST:
            raise ValueError(f"found the class {number!r}, expected a whole number from 0 to {_MOST}")
        if not isinstance(name, str | int):
            raise ValueError(f"found the name {name!r} of the class {number}, expected a text")
        found[int(number)] = str(name)
    return found


def _given_splits(tree: Tree, path: Path, document: Mapping[str, Any]) -> Iterator[_Split]:
    roots = [path.parent / str(document.get("path") or ""), path.parent]
    for name in SPLITS:
        given = document.get(name)
        for each in given if isinstance(given, list) else [given] if given else []:
            # Roboflow writes ../train/images for what lies beside the YAML.
            tries = [root / text for text in (str(each), str(each).removeprefix("../")) for root in roots]
            folder = next((one for one in tries if one.is_dir() or _Split(name, one).labels.is_dir()), None)
            if folder is None:
                tree.note(path, f"{name}: no folder {each}")
            else:
                yield _Split("val" if name == "valid" else name, folder)


def _split_frames(tree: Tree, split: _Split, names: Mapping[int, str] | None) -> Iterator[Frame | IngestError]:
    refused: list[IngestError] = []
    images = image_files(split.images, refused)
    texts = by_name(split.labels, sorted(split.labels.rglob(_TEXTS)), refused)
    yield from refused
    for name in sorted(images.keys() | texts.keys()):
        image = images.get(name)
        if image is None:
            yield tree.error(texts[name], f"no image {name} in {split.images}, without which it has no size")
            continue
        size = tree.size(image)
        if isinstance(size, IngestError):
            yield size
            continue
        frame: Frame = {
            "id": f"{split.name}/{name}" if split.name else name,
            "sources": [source_of(tree.uri(image), size)],
        }
        rois: list[dict[str, Any]] = []
        for item in _rois(tree, texts[name], size, names) if name in texts else ():
            if isinstance(item, IngestError):
                yield item
            else:
                rois.append(item)
        yield frame | {"rois": rois, "meta": {"split": split.name} if split.name else {}}


def _rois(
    tree: Tree, path: Path, size: Size, names: Mapping[int, str] | None
) -> Iterator[dict[str, Any] | IngestError]:  # fmt: skip
    """The ROIs of a text, whose ids are the numbers of its lines."""
    try:
        lines = read_text(path).splitlines()
    except OSError as error:
        yield tree.error(path, f"cannot be read: {error.strerror}")
        return
    except UnicodeDecodeError as error:
        yield tree.error(path, f"cannot be read: {error}")
        return
    for number, line in enumerate(lines, 1):
        parts = line.split()
        if not parts:
            continue
        found = _roi(parts, size, names)
        yield IngestError(found, str(path), line=number) if isinstance(found, str) else {"id": number, **found}


def _roi(parts: Sequence[str], size: Size, names: Mapping[int, str] | None) -> dict[str, Any] | str:
    """The ROI of a line, or what is wrong with it."""
    numbers = [_number(part) for part in parts[1:]]
    if not is_whole(parts[0]) or (len(numbers) != 4 and (len(numbers) < 6 or len(numbers) % 2)):
        return f"found {len(parts)} numbers, expected a class and x, y of 3 or more corners"
    if names is not None and int(parts[0]) not in names:
        return f"the class {parts[0]}, which names does not have"
    bad = next((part for part, number in zip(parts[1:], numbers, strict=True) if not 0 <= number <= 1), None)
    if bad is not None:
        return f"found {bad!r}, expected a part of the width or height, from 0 to 1"
    roi: dict[str, Any] = {"label": [names[int(parts[0])] if names is not None else parts[0]]}
    if len(numbers) == 4:
        x, y, width, height = numbers
        left, right, top, bottom = x - width / 2, x + width / 2, y - height / 2, y + height / 2
        numbers = [left, top, right, top, right, bottom, left, bottom]
        roi["meta"] = {"shape": "box"}
    return roi | {"poly": [number * size[place % 2] for place, number in enumerate(numbers)]}


def write(out: Writing) -> None:
    """Write ``labels/<split>/NAME.txt`` for each image, and ``data.yaml``."""
    numbers = _numbers(out)
    splits: dict[str, None] = {}
    for frame in out.frames():
        split = _split_of(frame)
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


def _split_of(frame: OutFrame) -> str:
    split = str(frame.meta.get("split") or "train")
    return {"valid": "val", "validation": "val"}.get(split, split if split in SPLITS else "train")


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
    tree = Tree(out.folder, out.settings)
    document = _yaml_of(out.folder / "data.yaml")
    read = _names(document["names"]) if document else {}
    # A class whose name does not come back is lost with all of its regions.
    names = {number: name for name, number in _numbers(out).items() if read.get(number) == name}
    for frame in out.frames():
        split = _split_of(frame)
        size = Size(frame.width, frame.height)
        found = _rois(tree, out.folder / f"labels/{split}/{frame.name}.txt", size, names)
        rois = [roi for roi in found if not isinstance(roi, IngestError)]
        yield {"id": f"{split}/{frame.name}", "sources": [source_of(None, size)], "rois": rois}
