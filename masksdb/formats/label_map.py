"""Label maps: files that say which index or colour of a mask is which class.

The kinds that are read are listed in the page on the layout ``folder``. A class called background is not an object;
void, ignore, ignored, unlabelled and unlabeled are ignored.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from masksdb.formats import yaml_text
from masksdb.formats.reading import BACKGROUND, VOID, Fault, Tree, open_file, read_text
from masksdb.pixels.colours import Colour

VOIDS = frozenset({VOID, "ignore", "ignored", "unlabelled", "unlabeled"})
"""Names of classes that are ignored."""

_NAMES = re.compile(
    r"(?i)_?(labels?|class(es)?|(label|class)_?(colou?rs|map|names|dict)|colou?r_?map|palette|categories|dataset_meta)"
)
"""Names, without suffix, of files that must be label maps."""

_SIGNS = {
    ".csv": re.compile(rb"(?i)\A(?>[^\n]*?\bname)[^\n]*\br(ed)?\W+g(reen)?\W+b(lue)?\b"),
    ".json": re.compile(rb'"label_map"\s*:'),
    ".yaml": re.compile(rb"(?m)^names\s*:"),
    ".yml": re.compile(rb"(?m)^names\s*:"),
}
"""What is in the beginning of other files that are label maps."""

_SUFFIXES = (".json", ".csv", ".txt", ".yaml", ".yml")

_NAME_COLUMNS = ("name", "label", "class", "class_name", "label_name", "category")

_INDEX_COLUMNS = ("index", "id", "value", "class_id", "label_id", "class_index")

_COLOUR_COLUMNS = (("r", "g", "b"), ("red", "green", "blue"))


def is_background(label: str) -> bool:
    """Whether a class is the background, by its name.

    >>> is_background("_background_"), is_background("Background"), is_background("back")
    (True, True, False)
    """
    return label.casefold().strip("_ ") == BACKGROUND


def is_void(label: str) -> bool:
    """Whether a class is ignored, by its name."""
    return label.casefold().strip("_ ") in VOIDS


@dataclass(frozen=True)
class Entry:
    """A class.

    Attributes:
        label: its name.
        index: its index, if the file says one.
        colour: its colour, if the file says one.
        is_ground: whether the file says that it is the background.
    """

    label: str
    index: int | None = None
    colour: Colour | None = None
    is_ground: bool = False

    @property
    def is_background(self) -> bool:
        """Whether it is the background."""
        return is_background(self.label) or (self.is_ground and not self.is_ignored)

    @property
    def is_ignored(self) -> bool:
        """Whether it is ignored."""
        return is_void(self.label)


@dataclass(frozen=True)
class LabelMap:
    """The classes of a dataset.

    Attributes:
        path: the file that says so.
        entries: the classes in its order.
    """

    path: Path
    entries: Sequence[Entry]

    @cached_property
    def by_index(self) -> Mapping[int, Entry]:
        """The classes that the file gives an index."""
        return {entry.index: entry for entry in self.entries if entry.index is not None}

    @cached_property
    def by_place(self) -> Mapping[int, Entry]:
        """The classes by their place in the file, which is the index where the file has only colours."""
        return dict(enumerate(self.entries))

    @cached_property
    def by_colour(self) -> Mapping[Colour, Entry]:
        """The classes that the file gives a colour; of several with one colour the first."""
        by_colour: dict[Colour, Entry] = {}
        for entry in self.entries:
            if entry.colour is not None:
                by_colour.setdefault(entry.colour, entry)
        return by_colour


def find_label_map(tree: Tree, folder: Path) -> LabelMap | None:
    """The label map in a folder, None where there is none; with a note where there are several.

    Raises:
        Fault: it is not of a kind that is read.
    """
    files = label_map_files(folder)
    if not files:
        return None
    if len(files) > 1:
        others = ", ".join(path.name for path in files[1:])
        tree.note(files[0], f"taken for the label map; not looked into: {others}")
    return LabelMap(files[0], read_entries(tree, files[0]))


def label_map_files(folder: Path) -> list[Path]:
    """The files of a folder that may be label maps, the likeliest first."""
    files = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in _SUFFIXES and path.is_file() and (_NAMES.fullmatch(path.stem) or _has_sign(path))
    ]
    return sorted(files, key=lambda path: (_SUFFIXES.index(path.suffix.lower()), path.name))


def _has_sign(path: Path) -> bool:
    sign = _SIGNS.get(path.suffix.lower())
    try:
        with open_file(path) as file:
            return sign is not None and sign.search(file.read(1 << 16)) is not None
    except OSError:
        return False


def read_entries(tree: Tree, path: Path) -> list[Entry]:
    """The classes that a file names.

    Raises:
        Fault: it is not of a kind that is read.
    """
    kind = path.suffix.lower()
    try:
        if kind == ".json":
            entries = list(_of_json(tree.read_json(path)))
        else:
            text = read_text(path, "utf-8-sig")
            entries = list({".csv": _of_csv, ".txt": _of_lines}.get(kind, _of_yaml)(text))
        _check(entries)
    except UnicodeDecodeError:
        raise Fault("not UTF-8 text", path) from None
    except OSError as error:
        raise Fault(f"cannot be read: {error.strerror}", path) from None
    except (ValueError, csv.Error) as error:
        raise Fault(f"no label map: {error}", path) from None
    return entries


def _check(entries: Sequence[Entry]) -> None:
    if not entries:
        raise ValueError("empty; expected a class a line")
    seen: dict[int, str] = {}
    for entry in entries:
        if entry.index is None:
            continue
        if not 0 <= entry.index <= 65535:
            raise ValueError(f"{entry.label!r} has the index {entry.index}; expected 0 to 65535")
        if entry.index in seen:
            raise ValueError(
                f"{seen[entry.index]!r} and {entry.label!r} have the index {entry.index}; give each its own"
            )
        seen[entry.index] = entry.label


def _of_lines(text: str) -> Iterator[Entry]:
    lines = [(number, line.strip()) for number, line in enumerate(text.rstrip().split("\n"), 1)]
    lines = [(number, line) for number, line in lines if not line.startswith("#")]
    if not lines:
        return
    for index, (number, line) in enumerate(lines):
        if not line:
            raise ValueError(f"line {number} is empty; expected a class")
        if line_form := next((form for form in _FORMS if form.fullmatch(lines[0][1])), None):
            match = line_form.fullmatch(line)
            if not match:
                raise ValueError(f"line {number}: found {line!r}, expected the form of the first line, {lines[0][1]!r}")
            parts = match.groupdict()
            colour = _colour(re.findall(r"\d+", parts["rgb"]), number) if "rgb" in parts else None
            yield Entry(parts["name"].strip(), int(parts["index"]) if "index" in parts else None, colour)
        else:
            yield Entry(line, index)


_FORMS = (
    re.compile(r"(?P<rgb>\d+[\s,]+\d+[\s,]+\d+)[\s,]+(?P<name>\S.*)"),
    re.compile(r"(?P<name>[^:]+):\s*(?P<rgb>\d+\s*,\s*\d+\s*,\s*\d+)\s*(:.*)?"),
    re.compile(r"(?P<name>.*(?<=[^\s,]))[\s,]++(?P<rgb>\d+[\s,]+\d+[\s,]+\d+)"),
    re.compile(r"(?P<index>\d+)\s*[\s,:]\s*(?P<name>\S.*)"),
)
"""The forms of a line that is more than a name."""


def _colour(parts: Iterable[object], number: int | None = None) -> Colour:
    place = f"line {number}: " if number is not None else ""
    levels = []
    for part in parts:
        level = int(part) if isinstance(part, str) and part.strip().isdecimal() else part
        if type(level) is not int or not 0 <= level <= 255:
            raise ValueError(f"{place}found {part!r} in a colour, expected 0 to 255")
        levels.append(level)
    if len(levels) != 3:
        raise ValueError(f"{place}found a colour of {len(levels)} numbers, expected 3")
    return levels[0], levels[1], levels[2]


def _of_csv(text: str) -> Iterator[Entry]:
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    rows = csv.DictReader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
    columns = {str(name).strip().casefold(): name for name in rows.fieldnames or ()}
    name = next((columns[column] for column in _NAME_COLUMNS if column in columns), None)
    index = next((columns[column] for column in _INDEX_COLUMNS if column in columns), None)
    colour = next(
        ([columns[level] for level in three] for three in _COLOUR_COLUMNS if set(three) <= set(columns)), None
    )
    if name is None or (index is None and colour is None):
        raise ValueError(f"found the columns {', '.join(columns) or 'none'}; expected name, r, g, b or name, index")
    for row in rows:
        if row[name] is None or not row[name].strip():
            raise ValueError(f"line {rows.line_num}: no name")
        number = (row[index] or "").strip() if index is not None else None
        if number is not None and not number.isdecimal():
            raise ValueError(f"line {rows.line_num}: found the index {number!r}, expected a whole number")
        levels = _colour([row[column] for column in colour], rows.line_num) if colour else None
        yield Entry(row[name].strip(), int(number) if number is not None else None, levels)


def _of_yaml(text: str) -> Iterator[Entry]:
    document = yaml_text.parse(text)
    names = document.get("names") if isinstance(document, Mapping) else None
    if isinstance(names, Mapping):
        names = {str(index): name for index, name in names.items()}
    if not isinstance(names, list | Mapping) or not names:
        raise ValueError("no 'names'; expected a list of classes or a map of indexes to them")
    yield from _of_json({} | names if isinstance(names, dict) else list(names))


def _of_json(document: Any) -> Iterator[Entry]:
    if isinstance(document, list) and all(isinstance(name, str) for name in document):
        yield from (Entry(name, index) for index, name in enumerate(document))
    elif isinstance(document, Mapping) and isinstance(document.get("label_map"), Mapping):
        yield from _of_datumaro(document)
    elif isinstance(document, Mapping) and document:
        for key, value in document.items():
            if isinstance(value, str) and key.isdecimal():
                yield Entry(value, int(key))
            elif type(value) is int:
                yield Entry(key, value)
            elif isinstance(value, list):
                yield Entry(key, None, _colour(value))
            else:
                raise ValueError(
                    f"found {key!r}: {value!r}, expected name and index, name and colour, or index and name"
                )
    else:
        raise ValueError("expected an object such as {name: index} or a list of names")


def _of_datumaro(document: Mapping[str, Any]) -> Iterator[Entry]:
    """Datumaro's ``dataset_meta.json``: the colours are in the order of the labels."""
    colours = document.get("segmentation_colors")
    if colours is not None and (
        not isinstance(colours, list) or not all(isinstance(colour, list) for colour in colours)
    ):
        raise ValueError("segmentation_colors: expected a list of colours")
    if colours is not None and len(colours) != len(document["label_map"]):
        raise ValueError(f"{len(colours)} segmentation_colors for {len(document['label_map'])} labels in label_map")
    ground = document.get("background_label")
    for place, (key, name) in enumerate(document["label_map"].items()):
        if not key.isdecimal() or not isinstance(name, str):
            raise ValueError(f"label_map: found {key!r}: {name!r}, expected an index as text and a name")
        colour = _colour(colours[place]) if colours else None
        yield Entry(name, int(key), colour, str(ground) == key)
