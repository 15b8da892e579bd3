"""What a dataset lost on its way into a layout, measured by reading what was written."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import reduce
from typing import Any

import numpy as np

from masksdb.exchange.out_frames import FRAMES_AT_ONCE, OutFrames
from masksdb.formats.writing import OutFrame, Place, Region, Writing, key_of
from masksdb.pixels import components as shapes
from masksdb.pixels import rle

_COUNTS = ("regions", "pixels", "gained", "lost", "holes_filled", "parts_dropped", "merged", "not_held")


@dataclass
class RegionLoss:
    """What became of one region, or of several that have become one.

    Attributes:
        frame: name of the image.
        rois: the ROIs, by their place in the frame.
        label: what it is; of several, of the first.
        regions: how many regions went in.
        pixels: pixels that went in.
        gained: pixels that it has only now.
        lost: pixels that it had.
        holes_filled: holes that are gone.
        parts_dropped: parts that are gone.
        merged: regions that are part of another now.
        not_held: annotations that the layout cannot hold.
        reason: why not.
    """

    frame: str
    rois: list[int]
    label: str
    regions: int = 0
    pixels: int = 0
    gained: int = 0
    lost: int = 0
    holes_filled: int = 0
    parts_dropped: int = 0
    merged: int = 0
    not_held: int = 0
    reason: str | None = None

    @property
    def is_loss(self) -> bool:
        """Whether anything is not as it was."""
        return any((self.gained, self.lost, self.holes_filled, self.parts_dropped, self.merged, self.not_held))


@dataclass
class LossReport:
    """What an export lost.

    Attributes:
        path: what was written.
        format: its layout.
        frames: images written.
        losses: what became of every region.
        notes: what a person should know.
    """

    path: str
    format: str
    frames: int = 0
    losses: list[RegionLoss] = field(default_factory=list)
    notes: Sequence[str] = ()

    @property
    def is_lossless(self) -> bool:
        """Whether every region came back as it was."""
        return not any(loss.is_loss for loss in self.losses)

    def by_class(self) -> dict[str, dict[str, int]]:
        """The sums per class, in order of their names; and ``total``'s."""
        sums: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_COUNTS, 0))
        total = dict.fromkeys(_COUNTS, 0)
        for loss in self.losses:
            for each in (sums[loss.label], total):
                for name in _COUNTS:
                    each[name] += getattr(loss, name)
        return dict(sorted(sums.items())) | {"total": total}

    def document(self) -> dict[str, Any]:
        """All of it as a JSON object."""
        return {
            "path": self.path,
            "format": self.format,
            "frames": self.frames,
            "lossless": self.is_lossless,
            "classes": self.by_class(),
            "regions": [asdict(loss) for loss in self.losses],
            "notes": list(self.notes),
        }

    def text(self) -> str:
        """All of it as one JSON text."""
        return json.dumps(self.document(), indent=1, ensure_ascii=False) + "\n"

    def __str__(self) -> str:
        total = self.by_class()["total"]
        text = f"{self.path}: {self.frames:,} images, {total['regions']:,} regions"
        return f"{text}, nothing lost" if self.is_lossless else f"{text}, with losses"


def measure(report: LossReport, source: OutFrames, written: OutFrames, writing: Writing) -> None:
    """Fill a report by comparing what went in with what is read again.

    Args:
        report: the report.
        source: the version that was written.
        written: what was written, read again.
        writing: where regions went.
    """
    places = writing.places
    frames = source.unfilled()
    while chunk := list(itertools.islice(frames, FRAMES_AT_ONCE)):
        ids = {place.frame for frame in chunk for region in frame.regions if (place := _place(frame, region, places))}
        again = written.by_name(ids)
        for frame in chunk:
            report.frames += 1
            report.losses.extend(_frame_losses(frame, again, writing))


def add_missing(report: LossReport, source: OutFrames) -> None:
    """Add the ROIs that have no region to a report."""
    report.losses.extend(
        RegionLoss(each.frame, [each.roi_index], each.label, not_held=1, reason=each.reason)
        for each in source.missing.values()
    )


def _place(frame: OutFrame, region: Region, places: Mapping[tuple[str, int], Place]) -> Place | None:
    return places.get((frame.name, region.roi_index))


def _frame_losses(
    frame: OutFrame, again: Mapping[str, OutFrame], writing: Writing
) -> Iterator[RegionLoss]:  # fmt: skip
    groups: dict[Place, list[Region]] = {}
    for region in frame.regions:
        place = _place(frame, region, writing.places)
        if place is None:
            reason = writing.refused.get((frame.name, region.roi_index), "not written")
            yield RegionLoss(
                frame.name, [region.roi_index], region.label, pixels=region.area, lost=region.area, not_held=1,
                reason=reason,
            )  # fmt: skip
        else:
            groups.setdefault(place, []).append(region)
    found = {
        name: _by_key(each.regions) for name in {place.frame for place in groups} if (each := again.get(name))
    }  # fmt: skip
    for place, regions in groups.items():
        pixels = sum(writing.areas[frame.name, region.roi_index] for region in regions)
        yield _loss(frame.name, regions, found.get(place.frame, {}).get(place.key, []), pixels)


def _by_key(regions: Iterable[Region]) -> dict[str, list[Region]]:
    found: dict[str, list[Region]] = {}
    for region in regions:
        found.setdefault(key_of(region), []).append(region)
    return found


def _loss(frame: str, before: Sequence[Region], after: Sequence[Region], pixels: int) -> RegionLoss:
    loss = RegionLoss(
        frame,
        [region.roi_index for region in before],
        before[0].label,
        regions=len(before),
        pixels=pixels,
        merged=len(before) - 1,
    )
    if len(before) == len(after) == 1 and _are_same_polygons(before[0], after[0]):
        return loss
    wanted = _united(before)
    got = _united(after) if after else np.array([before[0].height * before[0].width])
    if after and (after[0].height, after[0].width) != (before[0].height, before[0].width):
        loss.reason = (
            f"{after[0].width} x {after[0].height} pixels, where {before[0].width} x {before[0].height} went in"
        )
        loss.lost = rle.area(wanted)
    elif not after and not rle.area(wanted):
        loss.not_held, loss.reason = 1, "has no pixels, and is not there again"
    elif not np.array_equal(wanted, got):
        height, width = before[0].height, before[0].width
        change = shapes.compare(*(rle.to_pixels(each, height, width).astype(np.bool_) for each in (wanted, got)))
        loss.gained, loss.lost = change.gained, change.lost
        loss.holes_filled, loss.parts_dropped = change.holes_filled, change.parts_dropped
    return loss


def _are_same_polygons(before: Region, after: Region) -> bool:
    if before.parts is None or after.parts is None or (before.height, before.width) != (after.height, after.width):
        return False
    # Zeros of either sign are compared as pixels, then; that is rare, and this is quick.
    return [part.tobytes() for part in before.parts] == [part.tobytes() for part in after.parts]


def _united(regions: Sequence[Region]) -> rle.Counts:
    return reduce(rle.union, (region.counts for region in regions))
