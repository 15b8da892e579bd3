"""The loss report of an export: the written files are read again and compared with the version, region by region."""

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
from masksdb.pixels import components, rle

_COUNTS = ("regions", "pixels", "gained", "lost", "holes_filled", "parts_dropped", "merged", "not_held")


@dataclass
class RegionLoss:
    """The differences between a region and the same region read again, or of several that were merged into one.

    Attributes:
        frame: name of the image.
        rois: the indexes of the ROIs in their frame.
        label: the label of the region, of several that of the first.
        regions: number of regions written.
        pixels: number of pixels written.
        gained: pixels that only the region read again has.
        lost: pixels that only the original has.
        holes_filled: holes that only the original has.
        parts_dropped: separate parts that only the original has.
        merged: regions that are now part of another one.
        not_held: regions that the layout cannot represent.
        reason: why it cannot.
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
        """Whether the region came back in any way different."""
        return any((self.gained, self.lost, self.holes_filled, self.parts_dropped, self.merged, self.not_held))


@dataclass
class LossReport:
    """The exact losses of an export.

    Attributes:
        path: the folder that was written.
        format: the layout.
        frames: number of images written.
        losses: one entry for each region, lossless ones included.
        notes: for a person to read.
        unreadable: the files that could not be read or copied, each with its reason.
        left_out: names of the images that were left out because of these.
        renamed: names of images that are not the ids of their frames, by frame id.
    """

    path: str
    format: str
    frames: int = 0
    losses: list[RegionLoss] = field(default_factory=list)
    notes: Sequence[str] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    left_out: Sequence[str] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_lossless(self) -> bool:
        """Whether no image was left out, and every region came back unchanged."""
        return not self.left_out and not any(loss.is_loss for loss in self.losses)

    def by_class(self) -> dict[str, dict[str, int]]:
        """The sums for each class by name, and for all of them as ``total``."""
        sums: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_COUNTS, 0))
        total = dict.fromkeys(_COUNTS, 0)
        for loss in self.losses:
            for counts in (sums[loss.label], total):
                for name in _COUNTS:
                    counts[name] += getattr(loss, name)
        return dict(sorted(sums.items())) | {"total": total}

    def document(self) -> dict[str, Any]:
        """The report as a JSON object."""
        return {
            "path": self.path,
            "format": self.format,
            "frames": self.frames,
            "lossless": self.is_lossless,
            "classes": self.by_class(),
            "regions": [asdict(loss) for loss in self.losses],
            "notes": list(self.notes),
            "unreadable": dict(self.unreadable),
            "left_out": list(self.left_out),
            "renamed": dict(self.renamed),
        }

    def text(self) -> str:
        """The report as JSON text."""
        return json.dumps(self.document(), indent=1, ensure_ascii=False) + "\n"

    def __str__(self) -> str:
        total = self.by_class()["total"]
        text = f"{self.path}: {self.frames:,} images, {total['regions']:,} regions"
        text += f", {len(self.left_out):,} images left out" if self.left_out else ""
        return f"{text}, nothing lost" if self.is_lossless else f"{text}, with losses"


def measure(report: LossReport, source: OutFrames, written: OutFrames, writing: Writing) -> None:
    """Fill a report by comparing the version with the written files, read again.

    Args:
        report: the report.
        source: the version that was written.
        written: the version that was read again from the written files.
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


def add_missing(report: LossReport, source: OutFrames, *, held: bool) -> None:
    """Add the ROIs that have no pixels to a report.

    Args:
        report: the report.
        source: the version that was written, read to its end.
        held: whether the layout holds ROIs without pixels too; those of images that were left out it does not.
    """
    report.losses.extend(
        RegionLoss(roi.frame, [roi.roi_index], roi.label, not_held=1, reason=roi.reason)
        for roi in source.missing.values()
        if not held or roi.frame in source.left_out
    )
    report.losses.extend(
        RegionLoss(frame_id, [roi_index], label, not_held=1, reason="its frame has no source, and so no image")
        for frame_id, roi_index, label in source.without_source()
        if not held and roi_index is not None
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
    names = {place.frame for place in groups}
    written = {name: _by_key(again[name].regions) for name in names if name in again}
    for place, regions in groups.items():
        pixels = sum(writing.areas[frame.name, region.roi_index] for region in regions)
        yield _loss(frame.name, regions, written.get(place.frame, {}).get(place.key, []), pixels)


def _by_key(regions: Iterable[Region]) -> dict[str, list[Region]]:
    grouped: dict[str, list[Region]] = {}
    for region in regions:
        grouped.setdefault(key_of(region), []).append(region)
    return grouped


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
    original = _united(before)
    reread = _united(after) if after else np.array([before[0].height * before[0].width])
    if after and (after[0].height, after[0].width) != (before[0].height, before[0].width):
        loss.reason = (
            f"{after[0].width} x {after[0].height} pixels, where {before[0].width} x {before[0].height} went in"
        )
        loss.lost = rle.area(original)
    elif not after and not rle.area(original):
        loss.not_held, loss.reason = 1, "has no pixels, and is not there again"
    elif not np.array_equal(original, reread):
        height, width = before[0].height, before[0].width
        change = components.compare(
            *(rle.to_pixels(counts, height, width).astype(np.bool_) for counts in (original, reread))
        )
        loss.gained, loss.lost = change.gained, change.lost
        loss.holes_filled, loss.parts_dropped = change.holes_filled, change.parts_dropped
    return loss


def _are_same_polygons(before: Region, after: Region) -> bool:
    if before.parts is None or after.parts is None or (before.height, before.width) != (after.height, after.width):
        return False
    # Bytes are quick to compare; 0.0 and -0.0 differ in them and are then compared as pixels.
    return [part.tobytes() for part in before.parts] == [part.tobytes() for part in after.parts]


def _united(regions: Sequence[Region]) -> rle.Counts:
    return reduce(rle.union, (region.counts for region in regions))
