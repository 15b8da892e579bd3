"""What the values of masks mean, by a label map, by convention, or not at all.

Index 0 and black are background and 255 is void unless the label map names them; in masks that are black and white
only, white is the object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from masksdb.formats.label_map import Entry, LabelMap
from masksdb.formats.reading import BACKGROUND, VOID, Tree, check_colours
from masksdb.pixels.colours import Colour
from masksdb.pixels.masks import BLUE, RED, SAMPLE, MaskFacts

VOID_INDEX = 255

FOREGROUND = "foreground"
"""The label of white where nothing names it."""

_WHITES = (255, 65535)


def is_black_and_white(facts: MaskFacts) -> bool:
    """Whether a mask shows nothing but black and white."""
    shown = facts.colours[:, RED : RED + 3]
    is_grey = bool((shown == shown[:, :1]).all())
    return is_grey and any(bool(np.isin(shown, (0, white)).all()) for white in _WHITES)


@dataclass
class Meanings:
    """What the values of a dataset's masks mean.

    Attributes:
        tree: the dataset.
        label_map: its label map, if it has one.
        is_binary: whether all masks are black and white.
    """

    tree: Tree
    label_map: LabelMap | None
    is_binary: bool = False
    _told: set[object] = field(default_factory=set)
    _declared: set[tuple[str, bool]] = field(default_factory=set)

    def of_mask(self, mask_id: str, path: Path, facts: MaskFacts) -> list[tuple[list[int], Entry]]:
        """The distinct values of a mask as ROIs give them, one for each row of its colours, with what they mean."""
        has_sample = facts.image.has_sample
        self._declare(mask_id, facts)
        entries = [self._entry(row, facts) for row in facts.colours.tolist()]
        self._check(path, facts, [row for row, entry in enumerate(entries) if entry is None])
        meanings = []
        for row, entry in zip(facts.colours.tolist(), entries, strict=True):
            value = [row[SAMPLE]] if has_sample else row[RED : BLUE + 1]
            if entry is None:
                entry = Entry(",".join(map(str, value)))
                self._tell(path, value, entry)
            elif entry.is_ignored or entry.is_background or entry.label == FOREGROUND:
                self.tree.declare(mask_id, value, entry.label, is_ignored=entry.is_ignored)
            meanings.append((value, entry))
        return meanings

    def _entry(self, row: Sequence[int], facts: MaskFacts) -> Entry | None:
        shown = (row[RED], row[RED + 1], row[RED + 2])
        return self._of_sample(row[SAMPLE], shown, facts) if facts.image.has_sample else self._of_colour(shown)

    def _check(self, path: Path, facts: MaskFacts, unnamed: Sequence[int]) -> None:
        """Refuse a mask in colours that are no classes; report one whose ids seem to be cut at 255."""
        is_by_index = self._indexes(facts) is not None
        if not facts.image.has_sample or not is_by_index:
            known = self.label_map.by_colour if self.label_map else {}
            names = {colour: entry.label for colour, entry in known.items()}
            check_colours(path, facts, unnamed, names, self.label_map.path.name if self.label_map else None)
        elif self.label_map and facts.image.depth <= 8 and VOID_INDEX in facts.colours[:, SAMPLE]:
            last = max(self.label_map.by_index, default=0)
            if last > VOID_INDEX and VOID_INDEX not in self.label_map.by_index and "cut" not in self._told:
                self._told.add("cut")
                ids = f"{self.label_map.path.name} has ids up to {last}, of which 8 bits hold none above 255"
                self.tree.note(path, f"{ids}; its 255 may be ids that were cut: save masks with 16 bits")

    def _tell(self, path: Path, value: list[int], entry: Entry) -> None:
        if self.label_map is None and "no map" not in self._told:
            self._told.add("no map")
            what = "no label map (labels.txt, labels.json, ...) says what the values of masks mean"
            self.tree.note(self.tree.root, f"{what}; labels are the values")
        elif self.label_map is not None and tuple(value) not in self._told:
            self._told.add(tuple(value))
            missing = f"the value {entry.label} is not in {self.label_map.path.name}"
            self.tree.note(path, f"{missing}; its label is {entry.label!r}")

    def _of_sample(self, sample: int, shown: Colour, facts: MaskFacts) -> Entry | None:
        known = self._indexes(facts)
        if known is None:
            assert self.label_map is not None
            entry = self.label_map.by_colour.get(shown)
            return entry or (Entry(BACKGROUND) if shown == (0, 0, 0) else None)
        if sample in known:
            return known[sample]
        if sample == 0:
            return Entry(BACKGROUND)
        if self.is_binary and shown[0] in _WHITES and (only := self._only_object()):
            return only
        return Entry(VOID) if sample == VOID_INDEX else None

    def _indexes(self, facts: MaskFacts) -> Mapping[int, Entry] | None:
        """The classes by the samples of a mask; None where its colours say which they are."""
        if self.label_map is None:
            return {}
        if self.label_map.by_index or not self.label_map.by_colour:
            return self.label_map.by_index
        palette = facts.image.palette
        if palette is not None and not _is_ramp(palette):
            return None
        if palette is None and all(len(set(colour)) == 1 for colour in self.label_map.by_colour):
            # The levels of grey themselves are the colours of the label map.
            return {colour[0]: entry for colour, entry in self.label_map.by_colour.items()}
        return self.label_map.by_place

    def _of_colour(self, shown: Colour) -> Entry | None:
        known = self.label_map.by_colour if self.label_map else {}
        is_grey = len(set(shown)) == 1
        if shown in known:
            return known[shown]
        if self.label_map and not known and is_grey and shown[0] in self.label_map.by_index:
            return self.label_map.by_index[shown[0]]
        if shown == (0, 0, 0):
            return Entry(BACKGROUND)
        if self.is_binary and is_grey and (only := self._only_object()):
            return only
        return Entry(VOID) if self.label_map and not known and shown[0] == VOID_INDEX and is_grey else None

    def _only_object(self) -> Entry | None:
        """The one class that is an object, where the label map has one, or where there is none."""
        if self.label_map is None:
            return Entry(FOREGROUND)
        objects = [entry for entry in self.label_map.entries if not entry.is_background and not entry.is_ignored]
        return objects[0] if len(objects) == 1 else None

    def _declare(self, mask_id: str, facts: MaskFacts) -> None:
        """Tell what the label map says of all values of such masks."""
        kind = (mask_id, facts.image.has_sample)
        if kind in self._declared or self.label_map is None:
            return
        self._declared.add(kind)
        palette = facts.image.palette
        if palette is not None and _is_ramp(palette):
            palette = None
        if not facts.image.has_sample:
            for colour, entry in self.label_map.by_colour.items():
                self.tree.declare(mask_id, colour, entry.label, is_ignored=entry.is_ignored)
            return
        known = self._indexes(facts)
        if known is None:
            assert palette is not None
            known = {
                index: self.label_map.by_colour[colour]
                for index, colour in enumerate(map(tuple, palette[:, :3].tolist()))
                if colour in self.label_map.by_colour and (index == 0 or any(colour))
            }
        for index, entry in known.items():
            shown = entry.colour
            if shown is None and palette is not None and index < len(palette) and palette[index, :3].any():
                shown = tuple(palette[index, :3].tolist())
            self.tree.declare(mask_id, [index], entry.label, is_ignored=entry.is_ignored, colour=shown)


def _is_ramp(palette: npt.NDArray[np.uint8]) -> bool:
    """Whether a palette shows each index as that level of grey, or all as black: then it says nothing."""
    levels = np.arange(len(palette))[:, None]
    colours = palette[:, :3]
    used = colours.any(axis=1)
    return bool((colours[used] == levels[used]).all())
