"""The label table of Cityscapes: the facts of cityscapesScripts, and how other tables are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from masksdb.formats.reading import Fault, Tree, read_text

INSTANCES, LABELS, TRAIN_LABELS, COLOUR = MASKS = ("instanceIds", "labelIds", "labelTrainIds", "color")
"""The ids of the masks, from the one that says most."""

TRAIN_VOID, LAST = 255, 255
"""The trainId of what is ignored, and the highest id that labelIds holds."""


class Label(NamedTuple):
    """A class, as the label table has it."""

    name: str
    id: int
    train_id: int
    has_instances: bool
    is_ignored: bool
    colour: tuple[int, int, int]


LABEL_TABLE = (
    Label("unlabeled", 0, 255, False, True, (0, 0, 0)),
    Label("ego vehicle", 1, 255, False, True, (0, 0, 0)),
    Label("rectification border", 2, 255, False, True, (0, 0, 0)),
    Label("out of roi", 3, 255, False, True, (0, 0, 0)),
    Label("static", 4, 255, False, True, (0, 0, 0)),
    Label("dynamic", 5, 255, False, True, (111, 74, 0)),
    Label("ground", 6, 255, False, True, (81, 0, 81)),
    Label("road", 7, 0, False, False, (128, 64, 128)),
    Label("sidewalk", 8, 1, False, False, (244, 35, 232)),
    Label("parking", 9, 255, False, True, (250, 170, 160)),
    Label("rail track", 10, 255, False, True, (230, 150, 140)),
    Label("building", 11, 2, False, False, (70, 70, 70)),
    Label("wall", 12, 3, False, False, (102, 102, 156)),
    Label("fence", 13, 4, False, False, (190, 153, 153)),
    Label("guard rail", 14, 255, False, True, (180, 165, 180)),
    Label("bridge", 15, 255, False, True, (150, 100, 100)),
    Label("tunnel", 16, 255, False, True, (150, 120, 90)),
    Label("pole", 17, 5, False, False, (153, 153, 153)),
    Label("polegroup", 18, 255, False, True, (153, 153, 153)),
    Label("traffic light", 19, 6, False, False, (250, 170, 30)),
    Label("traffic sign", 20, 7, False, False, (220, 220, 0)),
    Label("vegetation", 21, 8, False, False, (107, 142, 35)),
    Label("terrain", 22, 9, False, False, (152, 251, 152)),
    Label("sky", 23, 10, False, False, (70, 130, 180)),
    Label("person", 24, 11, True, False, (220, 20, 60)),
    Label("rider", 25, 12, True, False, (255, 0, 0)),
    Label("car", 26, 13, True, False, (0, 0, 142)),
    Label("truck", 27, 14, True, False, (0, 0, 70)),
    Label("bus", 28, 15, True, False, (0, 60, 100)),
    Label("caravan", 29, 255, True, True, (0, 0, 90)),
    Label("trailer", 30, 255, True, True, (0, 0, 110)),
    Label("train", 31, 16, True, False, (0, 80, 100)),
    Label("motorcycle", 32, 17, True, False, (0, 0, 230)),
    Label("bicycle", 33, 18, True, False, (119, 11, 32)),
    Label("license plate", -1, -1, False, True, (0, 0, 142)),
)

OWN_LABELS = {label.name: label for label in LABEL_TABLE if label.id >= 0}


def load_labels(tree: Tree, folder: Path) -> list[Label]:
    """The label table, changed by the ``labels.json`` or ``label_colors.txt`` of a folder."""
    labels = list(LABEL_TABLE)
    own, colours = folder / "labels.json", folder / "label_colors.txt"
    if own.is_file():
        with tree.part(own):
            further = {label.name: label for label in _further_labels(tree, own)}
            labels = [label for label in labels if label.name not in further] + list(further.values())
    elif colours.is_file():
        lines = read_text(colours, errors="replace").split("\n")
        rows = [row for line in lines if (row := line.split(maxsplit=3)) and not row[0].startswith("#")]
        if all(len(row) == 4 and all(part.isdecimal() and int(part) < 256 for part in row[:3]) for row in rows):
            labels = [_coloured_label(number, row) for number, row in enumerate(rows)]
        else:
            tree.refuse(Fault("expected red, green, blue and a name in every line", colours))
    return labels


def _further_labels(tree: Tree, path: Path) -> Iterator[Label]:
    document = tree.read_json(path)
    for index, entry in enumerate(document if isinstance(document, list) else [None]):
        label = _label_of(entry)
        if label:
            yield label
        else:
            tree.refuse(Fault("expected a list of labels with 'name' and 'id'", path, f"[{index}]"))


def value_of(label: Label, mask_id: str) -> list[int]:
    """The value of a class in a mask."""
    if mask_id == COLOUR:
        return list(label.colour)
    return [label.train_id if mask_id == TRAIN_LABELS else label.id]


def _label_of(entry: Any) -> Label | None:
    """A label of ``labels.json``, None where the entry is not a label."""
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or type(entry.get("id")) is not int:
        return None
    colour = entry.get("color")
    train_id = entry.get("trainId", TRAIN_VOID)
    is_colour = isinstance(colour, list) and len(colour) == 3 and all(type(c) is int and 0 <= c < 256 for c in colour)
    if not -1 <= entry["id"] <= LAST or type(train_id) is not int or not -1 <= train_id <= TRAIN_VOID:
        return None
    flags = bool(entry.get("hasInstances")), bool(entry.get("ignoreInEval"))
    return Label(entry["name"], entry["id"], train_id, *flags, tuple(colour) if is_colour else (0, 0, 0))  # type: ignore[arg-type]


def _coloured_label(number: int, row: Sequence[str]) -> Label:
    """A label of ``label_colors.txt``; the rest is as in the table."""
    name, colour = row[3].strip(), (int(row[0]), int(row[1]), int(row[2]))
    known = OWN_LABELS.get(name, Label(name, number, -1, True, False, colour))
    return known._replace(id=number, colour=colour)
