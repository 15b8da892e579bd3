"""What the indexes and colours of Pascal VOC's class masks mean: its own classes, or those of a ``labelmap.txt``."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from masksdb.formats.label_map import LabelMap
from masksdb.formats.palette import MOST, VOID_INDEX, Colours
from masksdb.formats.reading import BACKGROUND, VOID, Fault, Tree, lines_of
from masksdb.formats.writing import Classes
from masksdb.pixels.colours import BLACK, VOID_COLOUR, Colour, voc_colour
from masksdb.pixels.masks import BLUE, RED, SAMPLE, MaskFacts

LABEL_MAP = "labelmap.txt"

NAMES = (
    BACKGROUND, "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""The classes of VOC by index."""

_HEAD = "# label:color_rgb:parts:actions"


@dataclass
class Names:
    """What colours and indexes of classes mean.

    Attributes:
        colours: name of each colour, in the layout's order.
        indexes: name of each index.
        path: the label map that says so; None is the standard.
    """

    colours: dict[Colour, str]
    indexes: dict[int, str]
    path: Path | None = None

    def find(self, facts: MaskFacts, row: int) -> str | None:
        """The name of a distinct value of a mask, if it has one; in a palette that of its colour, if there is a map."""
        sample = int(facts.colours[row, SAMPLE])
        name = self.colours.get(colour_of(facts, row)) if self.is_by_colour(facts) else self.indexes.get(sample)
        return self.void if name is None and sample == VOID_INDEX else name

    @property
    def has_map(self) -> bool:
        """Whether a label map says what they mean."""
        return self.path is not None

    def is_by_colour(self, facts: MaskFacts) -> bool:
        """Whether the classes of a mask are its colours, and not its indexes."""
        return not facts.image.has_sample or (self.has_map and facts.image.mode == "palette")

    @property
    def void(self) -> str:
        """The name of what is ignored."""
        return self.colours[VOID_COLOUR]

    def values(self, facts: MaskFacts) -> Iterator[tuple[tuple[int, ...], str]]:
        """The value and name of every class in masks of a kind, in the layout's order."""
        if not facts.image.has_sample:
            yield from self.colours.items()
        elif not self.has_map or facts.image.palette is None:
            yield from (((index,), name) for index, name in self.indexes.items())
        else:
            index_of: dict[Colour, int] = {}
            for index, (red, green, blue) in enumerate(facts.image.palette[:, :3].tolist()):
                index_of.setdefault((red, green, blue), index)
            yield from (((index_of[colour],), name) for colour, name in self.colours.items() if colour in index_of)


def standard_names() -> Names:
    """The names that hold without a label map."""
    colours = {voc_colour(index): name for index, name in enumerate(NAMES)} | {VOID_COLOUR: VOID}
    return Names(colours, dict(enumerate(NAMES)) | {VOID_INDEX: VOID})


def colour_of(facts: MaskFacts, row: int) -> Colour:
    """The colour of a distinct value of a mask."""
    red, green, blue = (int(part) for part in facts.colours[row, RED : BLUE + 1])
    return red, green, blue


def value_of(facts: MaskFacts, row: int) -> tuple[int, ...]:
    """A distinct value of a mask as ROIs have it: the index or grey level, else the colour without alpha."""
    return (int(facts.colours[row, SAMPLE]),) if facts.image.has_sample else colour_of(facts, row)


def text_of(value: tuple[int, ...]) -> str:
    """A value as a label.

    >>> text_of((17,)), text_of((128, 64, 0))
    ('17', '128,64,0')
    """
    return ",".join(map(str, value))


def read_label_map(tree: Tree, path: Path) -> Names:
    """The names of a label map; lines that are not of its form are refused.

    Raises:
        Fault: it cannot be read.
    """
    colours: dict[Colour, str] = {}
    indexes: dict[int, str] = {}
    for number, line in enumerate(lines_of(path), 1):
        if not line.strip() or line.startswith("#"):
            continue
        with tree.part(path, line=number):
            name, colour = _parsed(line.strip(), len(indexes))
            if colour is None:
                raise Fault(f"found {line!r}, expected name:r,g,b:parts:actions")
            if colour in colours:
                same = f"the colour {text_of(colour)} again, which is that of {colours[colour]!r}"
                raise Fault(f"{same}; give {name!r} its own")
            indexes[len(indexes)] = colours[colour] = name
    return _names_of(colours, indexes, path)


def names_of(label_map: LabelMap) -> Names:
    """The names of a label map of another kind; without colours its classes have those of VOC's indexes."""
    colours = {colour: entry.label for colour, entry in label_map.by_colour.items()}
    by_index = label_map.by_index or label_map.by_place
    indexes = {index: entry.label for index, entry in by_index.items()}
    if colours:
        return _names_of(colours, indexes, label_map.path)
    standard = {voc_colour(index): name for index, name in indexes.items() if index < VOID_INDEX}
    return Names({**standard, VOID_COLOUR: VOID}, {VOID_INDEX: VOID, **indexes})


def _names_of(colours: dict[Colour, str], indexes: dict[int, str], path: Path) -> Names:
    colours.setdefault(BLACK, BACKGROUND)
    colours.setdefault(VOID_COLOUR, VOID)
    return Names(colours, indexes, path)


def _parsed(line: str, index: int) -> tuple[str, Colour | None]:
    """The name and colour in a line: that of VOC's index where it has no colour, None where it is not one."""
    name, colour, *_ = [*line.rsplit(":", 3 if line.count(":") >= 3 else 1), ""]
    try:
        parts = [int(part) for part in colour.split(",")] if colour.strip() else voc_colour(index)
        red, green, blue = parts
    except ValueError:
        return name, None
    is_colour = bool(name) and all(0 <= part <= 255 for part in parts)
    return name, (red, green, blue) if is_colour else None


@dataclass
class WrittenNames:
    """How the classes of an export are written.

    Attributes:
        indexes: index of each class, in the order of the label map; beyond 254 they are rows of colours.
        colours: their colours.
        void: the name of what is ignored.
    """

    indexes: dict[str, int]
    colours: dict[str, Colour]
    void: str

    @classmethod
    def of(cls, classes: Classes) -> WrittenNames:
        """VOC's own indexes for its names, else the label mapping's, else the next; in the colours of the version."""
        # Who comes first keeps the index, and VOC's names are to keep theirs.
        names = sorted((name for name in classes.names if name != BACKGROUND), key=lambda name: name not in NAMES)
        kept = dataclasses.replace(classes, names=[name for name in names if name not in classes.ignored])
        fixed = {name: index for index, name in enumerate(NAMES)}
        ignored = [name for name in names if name in classes.ignored]
        indexes = kept.indexes(1, most=MOST, fixed=fixed)
        if len(indexes) < len(kept.names):
            indexes = {name: index for index, name in enumerate(kept.names, 1)}
        # Background and void have the colours of VOC in this layout, so no class has them.
        colours = kept.colours_beside({BLACK, VOID_COLOUR})
        in_order = dict(sorted(indexes.items(), key=lambda item: item[1]))
        return cls(in_order, colours, ignored[0] if len(ignored) == 1 else VOID)

    @property
    def is_coloured(self) -> bool:
        """Whether there are more classes than indexes in a palette."""
        return len(self.indexes) > MOST

    def palette(self) -> Colours:
        """The colours of the indexes: shape (256, 3), those of void last; of rows where there are more classes."""
        table = np.zeros((max(VOID_INDEX, len(self.indexes) + 1) + 1, 3), np.uint8)
        for name, index in self.indexes.items():
            table[index] = self.colours[name]
        table[-1] = VOID_COLOUR
        return table

    def save(self, path: Path) -> dict[str, str]:
        """Write the label map, and give the names that could not stand in it, each with what stands there."""
        renamed: dict[str, str] = {}
        taken = {BACKGROUND, self.void}
        lines = [_HEAD, _line(BACKGROUND, BLACK)]
        for name in self.indexes:
            base = written = " ".join(name.split()).removeprefix("\ufeff").lstrip("#") or "_"
            number = 2
            while written in taken:
                written, number = f"{base}_{number}", number + 1
            taken.add(written)
            if written != name:
                renamed[name] = written
            lines.append(_line(written, self.colours[name]))
        if self.void != VOID:
            lines.append(_line(self.void, VOID_COLOUR))
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
        return renamed


def _line(name: str, colour: Colour) -> str:
    return f"{name}:{text_of(colour)}::"
