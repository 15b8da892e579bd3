"""What a layout is written from: frames with their regions in order, and a record of where each region went."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from masksdb.pixels import polygons, rle
from masksdb.pixels.colours import Colour, label_colours
from masksdb.pixels.masks import MaskFacts
from masksdb.pixels.painting import Layer, layer_of_run_lengths, no_places, paint
from masksdb.pixels.settings import Settings


def unused_name(name: str, taken: dict[str, int]) -> str:
    """A name, or the name with a number where a file system may take it for another one; it is taken from now on.

    Args:
        name: the name.
        taken: the names that are taken, each with the number to try next: very many things may want one name.

    >>> taken = {}
    >>> [unused_name(name, taken) for name in ("a/b", "A/B", "a_b")]
    ['a/b', 'A/B_2', 'a_b_3']
    """
    unused, wanted = name, _folded(name)
    number = taken.get(wanted, 2)
    while (folded := _folded(unused)) in taken:
        unused, number = f"{name}_{number}", number + 1
    taken |= {wanted: number} if folded == wanted else {wanted: number, folded: 2}
    return unused


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.replace("/", "_").casefold())


NAME_BYTES = 200
"""Bytes of the longest name of a file, before what layouts add to it: file systems take 255."""


def file_name(text: object, default: str = "_") -> str:
    """A text as a name that any file system takes; a long one is cut and ends with a hash of the whole.

    Args:
        text: anything.
        default: the name where nothing of the text is left.

    >>> file_name("a/b"), file_name(".."), file_name(None, "default")
    ('a_b', '_', 'default')
    """
    name = re.sub(r"[^\w.\-+=,@ ]", "_", "" if text is None else str(text)).strip(" .")
    return shortened(name) or default


def shortened(name: str) -> str:
    """A name of at most NAME_BYTES in UTF-8: of a longer one the beginning, and a hash of the whole.

    >>> len(shortened("x" * 300)), shortened("x" * 300) == shortened("x" * 301)
    (200, False)
    """
    encoded = name.encode()
    if len(encoded) <= NAME_BYTES:
        return name
    digest = hashlib.blake2b(encoded, digest_size=8).hexdigest()
    return f"{encoded[: NAME_BYTES - 17].decode(errors='ignore').rstrip(' ./')}-{digest}"


Numbers = npt.NDArray[np.int32]

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Region:
    """A ROI's pixels in one image.

    Attributes:
        roi_index: place of the ROI in its frame.
        roi_id: its id, if it has one.
        labels: what it is.
        mask_id: the mask that it lives in, None where it has its own geometry.
        mask_uri: the file of that mask, resolved.
        value: its value there.
        parts: its polygons, x and y, where it does not live in a mask; each of shape (n, 2), float64.
        is_crowd: whether it stands for several objects.
        is_ignored: whether it counts for nothing.
        meta_text: what else is known of it, as JSON.
        height: pixels.
        width: pixels.
        facts: the mask, if it lives in one.
        selected: which distinct values of the mask it covers, a flag each.
        own_counts: COCO run lengths, where it does not live in a mask; polygons may not be filled yet.
    """

    roi_index: int
    roi_id: str | None
    labels: tuple[str, ...]
    mask_id: str | None
    value: tuple[int, ...] | None
    parts: Sequence[npt.NDArray[np.float64]] | None
    is_crowd: bool
    is_ignored: bool
    meta_text: str | None
    height: int
    width: int
    facts: MaskFacts | None = None
    selected: Flags | None = None
    own_counts: rle.Counts | None = None
    mask_uri: str | None = None

    @property
    def label(self) -> str:
        """Its labels as one class: the first, or all joined where a class is several."""
        return ", ".join(self.labels) or "unlabelled"

    @property
    def meta(self) -> dict[str, Any]:
        """What else is known of it."""
        meta: dict[str, Any] | None = json.loads(self.meta_text or "{}")
        return meta or {}

    @cached_property
    def counts(self) -> rle.Counts:
        """Its COCO run lengths."""
        if self.facts is not None and self.selected is not None:
            return self.facts.regions.counts(self.selected)
        if self.own_counts is not None:
            return self.own_counts
        (filled,) = polygons.rasterize([self.parts or []], [self.height], [self.width])
        return filled

    @property
    def area(self) -> int:
        """Pixels."""
        if self.facts is not None and self.selected is not None:
            return int(self.facts.regions.area[self.selected].sum())
        return rle.area(self.counts)

    def pixels(self) -> Flags:
        """The region, shape (height, width)."""
        return rle.to_pixels(self.counts, self.height, self.width).astype(np.bool_)

    def encoded(self) -> dict[str, Any]:
        """The region as COCO compressed RLE."""
        return {"size": [self.height, self.width], "counts": rle.encode_counts(self.counts)}


@dataclass(frozen=True)
class OutFrame:
    """One image, and the regions on it from the lowest up.

    Attributes:
        name: unique in an export, made of the frame's id; may have folders in it.
        split: the part of the dataset that it is in, such as ``train``; None where nothing says.
        frame_id: the frame.
        source_id: which of its sources it is, None for the only one.
        context_id: the sequence it belongs to.
        timestamp: milliseconds.
        meta: of the frame.
        image_uri: the image, resolved.
        width: pixels; None where nothing says.
        height: pixels.
        regions: the regions.
    """

    name: str
    split: str | None
    frame_id: str
    source_id: str | None
    context_id: str | None
    timestamp: int | None
    meta: Mapping[str, Any]
    image_uri: str | None
    width: int
    height: int
    regions: Sequence[Region]

    @property
    def flat_name(self) -> str:
        """The name without folders."""
        return self.name.replace("/", "_")

    @property
    def image_name(self) -> str:
        """The name with the suffix of the image."""
        suffix = Path(self.image_uri or "").suffix.lower()
        return self.name + (suffix if re.fullmatch(r"\.[a-z]{3,4}", suffix) else ".jpg")

    def paint(self, numbers: Sequence[int], ground: int = 0) -> Numbers:
        """The regions as an array of shape (height, width), each as its number, the later over the earlier."""
        layers: dict[int | None, Layer] = {}
        own: dict[int, rle.Counts] = {}
        for place, region in enumerate(self.regions, 1):
            facts = region.facts
            if facts is None:
                own[place] = region.counts
                continue
            places = no_places(len(facts.colours), len(self.regions))
            layers.setdefault(id(facts), Layer(places, facts.regions)).places[region.selected] = place
        if own or not layers:
            layers[None] = layer_of_run_lengths(own, self.height, self.width)
        return paint(list(layers.values()), np.array([ground, *numbers], np.int32))


class Place(NamedTuple):
    """Where a region is when the export is read again.

    Attributes:
        frame: the id of the frame as read.
        key: the ROI's key there, as :func:`roi_key` or :func:`value_key` says.
    """

    frame: str
    key: str


def roi_key(roi_id: object) -> str:
    """The key of a ROI that has an id."""
    return f"roi {roi_id}"


def value_key(mask_id: str, value: Sequence[int]) -> str:
    """The key of a ROI without one, which is a value of a mask."""
    return f"{mask_id} {list(value)}"


def key_of(region: Region) -> str:
    """The key of a region as read."""
    return roi_key(region.roi_id) if region.roi_id is not None else value_key(str(region.mask_id), region.value or ())


@dataclass
class Classes:
    """The classes of an export, in the order of the version's label mapping and then by name, each with a colour.

    Attributes:
        names: the labels.
        values: single values that the label mapping gives to labels.
        colours: the colour of each label, no two the same.
        ignored: labels that count for nothing.
    """

    names: list[str]
    values: Mapping[str, int]
    colours: Mapping[str, Colour]
    ignored: frozenset[str]

    def colours_beside(self, reserved: Iterable[Colour]) -> dict[str, Colour]:
        """The colours of the labels in a layout that reserves some: a label that has one of these gets another."""
        return label_colours(self.names, {name: [self.colours[name]] for name in self.names}, reserved)

    def indexes(self, first: int = 0, *, most: int = 65535, fixed: Mapping[str, int] | None = None) -> dict[str, int]:
        """A number for each class: what ``fixed`` or the label mapping says where that is free, else the next free one.

        Args:
            first: the lowest number to give.
            most: the highest number that there may be.
            fixed: numbers that some labels have in this layout.
        """
        preferred = {**self.values, **(fixed or {})}
        taken: dict[int, str] = {}
        for name in self.names:
            number = preferred.get(name)
            if number is not None and first <= number <= most and number not in taken:
                taken[number] = name
        numbers = {name: number for number, name in taken.items()}
        free = (number for number in range(first, most + 1) if number not in taken)
        for name in self.names:
            if name not in numbers:
                number = next(free, None)
                if number is not None:
                    numbers[name] = number
        return {name: numbers[name] for name in self.names if name in numbers}


@dataclass
class Writing:
    """An export under way.

    Attributes:
        folder: a new, empty folder to write into.
        classes: the classes of the version.
        settings: how images are read.
        with_images: whether the images are to be copied too.
        polygons: whether regions are to be polygons where the layout has a choice.
        frames: gives the frames, in order; may be called several times.
        rows: gives the rows of a view that are of the version, as an Arrow reader.
        media: gives the local file of a URI that is to be copied.
        split: the split that was asked for; None means that of each frame's meta.
        places: where regions went, by frame name and ROI index.
        areas: pixels of these, by the same.
        refused: why regions could not be written, by the same.
        notes: what a person should know.
    """

    folder: Path
    classes: Classes
    settings: Settings
    with_images: bool
    polygons: bool
    frames: Callable[[], Iterator[OutFrame]]
    rows: Callable[[str], Any]
    media: Callable[[str], str]
    split: str | None = None
    places: dict[tuple[str, int], Place] = field(default_factory=dict)
    areas: dict[tuple[str, int], int] = field(default_factory=dict)
    refused: dict[tuple[str, int], str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def wrote(self, frame: OutFrame, region: Region, read_frame: str, key: str) -> None:
        """Say where a region went: the id of the frame as it will be read, and its key there."""
        self.places[frame.name, region.roi_index] = Place(read_frame, key)
        self.areas[frame.name, region.roi_index] = region.area

    def cannot_hold(self, frame: OutFrame, region: Region, reason: str) -> None:
        """Say that the layout has no place for a region."""
        self.refused[frame.name, region.roi_index] = reason

    def path(self, name: str) -> Path:
        """A path in the folder, whose parent is made."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def copy_image(self, frame: OutFrame, name: str) -> None:
        """Copy the image of a frame, if that was asked for, with a note where there is none."""
        if not self.with_images:
            return
        if frame.image_uri is None:
            self.notes.append(f"{frame.frame_id}: has no image")
            return
        shutil.copyfile(self.media(frame.image_uri), self.path(name))
