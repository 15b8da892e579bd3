"""Writing DAVIS and YouTube-VOS: which object of a sequence has which index, and the PNGs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from masksdb.formats.palette import MOST, VOID_INDEX, free_numbers, save_indexed
from masksdb.formats.reading import BACKGROUND
from masksdb.formats.writing import OutFrame, Region, Writing, file_name, roi_key, unused_name, value_key

ANNOTATIONS, META, SETS = "Annotations", "meta.json", "ImageSets/2017"

NO_SEQUENCE = "default"

_Key = tuple[str | None, str | None]
"""A sequence by its context and its split, which lists whole sequences."""


@dataclass
class _Sequence:
    """The objects of a sequence.

    Attributes:
        name: of its folder.
        wishes: for each object the indexes that it would like, the first most.
        labels: the label of an object.
        numbers: their indexes, None for those beyond the last.
        seen: in which frames each index is, by its name there.
        names: names of the frames.
        split: the split that it is in.
    """

    name: str
    wishes: dict[Hashable, list[int | None]] = field(default_factory=dict)
    labels: dict[Hashable, str] = field(default_factory=dict)
    numbers: dict[Hashable, int | None] = field(default_factory=dict)
    seen: dict[int, list[str]] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    split: str | None = None

    def number(self) -> None:
        """Give the objects their indexes."""
        self.numbers = dict(zip(self.wishes, free_numbers(list(self.wishes.values())), strict=True))


def write(out: Writing) -> None:
    """Write the masks; ``meta.json`` where labels are not the indexes themselves; the sequences of each split."""
    sequences: dict[_Key, _Sequence] = {}
    taken: dict[str, int] = {}
    for frame in out.frames():
        key_of_sequence = _key(frame)
        if key_of_sequence not in sequences:
            name = unused_name(file_name(frame.context_id, NO_SEQUENCE), taken)
            sequences[key_of_sequence] = _Sequence(name, split=frame.split)
        sequence = sequences[key_of_sequence]
        for key, region in _objects(out, frame):
            sequence.labels[key] = region.label
            sequence.wishes.setdefault(key, _wishes(region))
    for sequence in sequences.values():
        sequence.number()
    # Either all objects are in meta.json or none is.
    has_meta = any(
        number is not None and sequence.labels[key] != str(number)
        for sequence in sequences.values()
        for key, number in sequence.numbers.items()
    )
    crowds = 0
    for frame in out.frames():
        _write_frame(out, frame, sequences[_key(frame)], has_meta=has_meta)
        crowds += sum(region.is_crowd for region in frame.regions)
    if crowds:
        out.notes.append(f"{crowds:,} crowds are written as objects; the layout has no crowds")
    if has_meta:
        videos = {sequence.name: {"objects": dict(_described(sequence))} for sequence in sequences.values()}
        text = json.dumps({"videos": videos}, indent=1, ensure_ascii=False)
        out.path(META).write_text(text + "\n", encoding="utf-8")
    contexts = Counter(context_id for context_id, _ in sequences if context_id is not None)
    for context_id in (context_id for context_id, count in contexts.items() if count > 1):
        out.notes.append(f"{context_id}: its frames are in several splits, and each has a sequence of its own")
    for split in dict.fromkeys(sequence.split for sequence in sequences.values() if sequence.split and sequence.names):
        names = [sequence.name for sequence in sequences.values() if sequence.split == split and sequence.names]
        out.path(f"{SETS}/{split}.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def _key(frame: OutFrame) -> _Key:
    return frame.context_id, frame.split


def _is_void(out: Writing, region: Region) -> bool:
    return region.is_ignored or region.label in out.classes.ignored


def _objects(out: Writing, frame: OutFrame) -> Iterator[tuple[Hashable, Region]]:
    """The regions that are objects, each with what it has in common with the same object in other frames.

    That is its label, and its id or its value. Where frames are no sequence nothing says that it is the same object, so
    the first person of one frame has the index of the first person of another.
    """
    met: Counter[str] = Counter()
    for region in frame.regions:
        if region.label == BACKGROUND or _is_void(out, region):
            continue
        own: Hashable = met[region.label]
        met[region.label] += 1
        if frame.context_id is not None and region.roi_id is not None:
            own = f"id {region.roi_id}"
        elif frame.context_id is not None and region.value is not None:
            own = region.value
        yield (region.label, own), region


def _wishes(region: Region) -> list[int | None]:
    return [
        _plain_number(region.label),
        region.value[0] if region.value and len(region.value) == 1 else None,
        _plain_number(region.roi_id or ""),
    ]


def _plain_number(text: str) -> int | None:
    """The number that a text is, written as numbers are."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 3 and not text.startswith("0") else None


def _write_frame(out: Writing, frame: OutFrame, sequence: _Sequence, *, has_meta: bool) -> None:
    if not frame.width or not frame.height:
        out.notes.append(f"{frame.frame_id}: nothing says how large the image is, so it is left out")
        return
    name = unused_name(file_name(frame.name.removeprefix(f"{frame.context_id}/")), sequence.names)
    number_of = {region.roi_index: sequence.numbers[key] for key, region in _objects(out, frame)}
    numbers: list[int] = []
    held: list[Region] = []
    for region in frame.regions:
        number = VOID_INDEX if _is_void(out, region) else number_of.get(region.roi_index)
        if region.label == BACKGROUND:
            out.cannot_hold(frame, region, "background is what no object covers")
        elif number is None:
            out.cannot_hold(frame, region, f"the sequence {sequence.name} has more than {MOST} objects")
        else:
            numbers.append(number)
            held.append(region)
            has_id = has_meta and number != VOID_INDEX and region.label != str(number)
            key = roi_key(number) if has_id else value_key(ANNOTATIONS, [number])
            out.wrote(frame, region, f"{sequence.name}/{name}", key)
    painted = replace(frame, regions=held).paint(numbers)
    for index in np.flatnonzero(np.bincount(painted.reshape(-1), minlength=1)).tolist():
        sequence.seen.setdefault(index, []).append(name)
    save_indexed(out.path(f"{ANNOTATIONS}/{sequence.name}/{name}.png"), painted)
    suffix = frame.image_name.rpartition(".")[2]
    out.copy_image(frame, f"JPEGImages/{sequence.name}/{name}.{suffix}")


def _described(sequence: _Sequence) -> Iterator[tuple[str, dict[str, object]]]:
    """The objects that are to be seen, as meta.json has them."""
    in_order = sorted((number, sequence.labels[key]) for key, number in sequence.numbers.items() if number is not None)
    for number, label in in_order:
        if number in sequence.seen:
            yield str(number), {"category": label, "frames": sequence.seen[number]}
