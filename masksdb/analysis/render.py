"""Pictures of frames: the source image under its masks, each label in its own colour, and a legend.

Masks and images are scaled by leaving out or repeating pixels, never by mixing them.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from masksdb.analysis.settings import OPACITY
from masksdb.errors import MaskDecodeError, MasksDBError, NotFoundError, UsageError
from masksdb.pixels import polygons, rle
from masksdb.pixels.colours import Colour
from masksdb.pixels.mask_cache import facts_cache
from masksdb.pixels.masks import MaskFacts, MaskImage, MaskRef, nearest_places
from masksdb.pixels.painting import Layer, layer_of_run_lengths, no_places, topmost
from masksdb.pixels.read import read_images
from masksdb.pixels.selection import select
from masksdb.pixels.settings import LOSSY_TOLERANCE, Settings
from masksdb.store.engine import Engine
from masksdb.store.labels import version_labels
from masksdb.store.sql import statement
from masksdb.store.versions import find_version, missing_frame

SMALL, TILE, LARGE = 320, 640, 4096
"""Pixels of an image's longer side: at least; at most if there are several images; at most if there is one."""

_MARGIN, _TEXT, _SWATCH = 12, 15, 14

_LETTERS = 60
"""The most letters of a title or a label."""

_ROWS_AT_ONCE = 64
"""Rows whose colours are mixed at once, in floating point."""

_PAPER, _INK, _NEUTRAL = (255, 255, 255), (20, 20, 20), (52, 54, 58)

Pixels = npt.NDArray[np.uint8]


class _Source(NamedTuple):
    """A source of a frame, as ``analysis/render/drawn_sources`` gives it."""

    frame_id: str
    frame_key: int
    source_index: int | None
    source_id: str | None
    uri: str | None
    timestamp: int | None
    width: int | None
    height: int | None


class _Region(NamedTuple):
    """A region to draw, as ``analysis/render/drawn_regions`` gives it."""

    frame_key: int
    source_index: int | None
    mask_id: str | None
    mask: dict[str, Any] | None
    mask_value: list[int] | None
    rle: dict[str, Any] | None
    poly: list[float] | None
    labels: list[str] | None
    roi_index: int | None

    @property
    def label(self) -> str:
        return ", ".join(self.labels or []) or "unlabelled"

    @property
    def ref(self) -> MaskRef | None:
        """The mask that it lies in, unless it has a geometry of its own."""
        if self.rle is not None or self.poly is not None or self.mask is None or not self.mask["uri"]:
            return None
        return MaskRef(self.mask["uri"], self.mask["timestamp"])


_Regions = Mapping[int, _Region]
"""Regions by their numbers, in painting order."""


@dataclass(frozen=True)
class _Overlay:
    """A layer of regions on a picture.

    Attributes:
        layer: the regions, by their numbers.
        opacity: for each distinct value of the mask its opacity, float32, 0..1.
        height: pixels.
        width: pixels.
    """

    layer: Layer
    opacity: npt.NDArray[np.float32]
    height: int
    width: int

    def scaled(self, height: int, width: int) -> _Overlay:
        rows, columns = nearest_places(self.height, height), nearest_places(self.width, width)
        return _Overlay(self.layer.cut(lambda pixels: pixels[rows[:, None], columns]), self.opacity, height, width)


class _Top(NamedTuple):
    """What is seen of overlays from above: the number of the topmost region of each pixel, 0 for none, and its opacity.

    Attributes:
        numbers: shape (height, width), unsigned.
        opacity: shape (height, width), float32, 0..1.
    """

    numbers: npt.NDArray[Any]
    opacity: npt.NDArray[np.float32]


def render(
    engine: Engine,
    frame_ids: Sequence[str],
    *,
    dataset: str,
    version: str | None = None,
    mask: str | None = None,
    opacity: float = OPACITY,
) -> Image.Image:
    """A picture of frames, one for each of their sources side by side, with a legend.

    Args:
        engine: the database.
        frame_ids: the frames.
        dataset: name of the dataset.
        version: name of the version; None is the newest draft, else the newest published.
        mask: id of the only mask to draw; None draws all, later ones over earlier ones.
        opacity: 0..1; in masks that are opacity themselves, that of a fully opaque pixel.

    Returns:
        An RGB image. Its ``info["notes"]`` is a list of what is not drawn, and why.

    Raises:
        NotFoundError: no such dataset, version, frame, or mask of these frames.
        MaskDecodeError: a mask cannot be read. (A source that cannot be read is drawn in one neutral colour.)
        MasksDBError: run lengths or polygons are damaged, or something has more pixels than the limit.
        UsageError: no frames, too many for one picture, or an opacity out of range.
    """
    if isinstance(frame_ids, str):
        frame_ids = [frame_ids]
    if not frame_ids or not 0 <= opacity <= 1:
        raise UsageError("render: expected at least one frame, and an opacity from 0 to 1")
    sources, regions, colours = _queried(engine, frame_ids, dataset, version)
    if mask is not None:
        ids = {region.mask_id for region in regions} - {None}
        if mask not in ids:
            raise NotFoundError.named("labelled mask", mask, "these frames", sorted(map(str, ids)))
        regions = [region for region in regions if region.mask_id == mask]
    palette = np.array([(0, 0, 0), *(colours[region.label] for region in regions)], np.float32)
    by_source: dict[tuple[int, int | None], dict[int, _Region]] = {}
    for number, region in enumerate(regions, 1):
        by_source.setdefault((region.frame_key, region.source_index), {})[number] = region
    has_siblings = len(sources) > len(set(frame_ids))
    tiles: list[tuple[str, Image.Image]] = []
    drawn: set[str] = set()
    notes: list[str] = []
    for source in sources:
        own = by_source.pop((source.frame_key, source.source_index), {})
        tile = _Tile(source, own, engine.settings, notes)
        ground, top = tile.drawn(TILE if len(sources) > 1 else LARGE)
        drawn |= {regions[number - 1].label for number in np.unique(top.numbers).tolist() if number}
        tiles.append((tile.title(has_siblings=has_siblings), _mixed(ground, top, palette, opacity)))
    names = {source.frame_key: source.frame_id for source in sources}
    for (frame_key, _), lost in by_source.items():
        notes.extend(_not_drawn(names[frame_key], region, "its frame has no such source") for region in lost.values())
    sheet = _sheet(tiles, {label: colours[label] for label in sorted(drawn, key=_in_order)}, engine.settings)
    sheet.info["notes"] = notes
    return sheet


def _in_order(label: str) -> list[tuple[str, int, str]]:
    """Sorts labels with the numbers in them by value.

    >>> sorted(["10", "2", "1", "car 10", "car 9"], key=_in_order)
    ['1', '2', '10', 'car 9', 'car 10']
    """
    parts = re.findall(r"([^0-9]*)0*([0-9]*)", label)
    return [(text, len(digits), digits) for text, digits in parts]


def _not_drawn(frame_id: str, region: _Region, reason: str) -> str:
    return f"{frame_id}: rois[{region.roi_index}] ({region.label}) is not drawn: {reason}"


def _queried(
    engine: Engine, frame_ids: Sequence[str], dataset: str, version: str | None
) -> tuple[list[_Source], list[_Region], dict[str, Colour]]:
    """The sources of the frames, the regions to draw on them, and the colour of every label of the version."""
    with engine.reading() as cursor:
        version_id = find_version(cursor, dataset, version).version_id
        parameters = {"version_id": version_id, "frame_ids": list(dict.fromkeys(frame_ids))}
        sources = [
            _Source(*row) for row in cursor.execute(statement("analysis/render/drawn_sources"), parameters).fetchall()
        ]
        known = {source.frame_id for source in sources}
        for frame_id in frame_ids:
            if frame_id not in known:
                where = f"{dataset}/{version}" if version else dataset
                raise missing_frame(cursor, version_id, where, frame_id)
        keys = {"version_id": version_id, "frame_keys": list({source.frame_key for source in sources})}
        regions = [_Region(*row) for row in cursor.execute(statement("analysis/render/drawn_regions"), keys).fetchall()]
        colours = {label.name: label.colour for label in version_labels(cursor, version_id)}
    return sources, regions, colours


@dataclass(frozen=True)
class _Tile:
    """The picture of one source.

    Attributes:
        source: the source.
        regions: what is drawn on it.
        settings: how files are read.
        notes: takes what is not drawn.
    """

    source: _Source
    regions: _Regions
    settings: Settings
    notes: list[str]

    @cached_property
    def image(self) -> MaskImage | None:
        """The image of the source; None where there is none or it cannot be read."""
        if not self.source.uri:
            return None
        (image,) = read_images([MaskRef(self.source.uri, self.source.timestamp)], self.settings)
        if isinstance(image, MasksDBError):
            self.notes.append(f"{self.source.frame_id}: the image is not drawn: {image}")
            return None
        return image

    @cached_property
    def facts(self) -> dict[MaskRef, MaskFacts]:
        """The masks of the regions."""
        refs = list(dict.fromkeys(ref for region in self.regions.values() if (ref := region.ref)))
        facts: dict[MaskRef, MaskFacts] = {}
        for ref, mask in zip(refs, facts_cache.get(refs, self.settings), strict=True):
            if isinstance(mask, MasksDBError):
                raise mask
            facts[ref] = mask
        return facts

    @cached_property
    def parts(self) -> dict[int, list[npt.NDArray[np.float64]]]:
        """The polygons of the regions that have some."""
        parts = {}
        for number, region in self.regions.items():
            if region.poly is not None and region.rle is None:
                with self._placed(region):
                    parts[number] = polygons.split_parts(region.poly)
        return parts

    @cached_property
    def size(self) -> tuple[int, int]:
        """Height and width: of the image, else of the largest mask or run lengths, else as declared or of polygons."""
        if self.image is not None:
            return self.image.samples.shape[0], self.image.samples.shape[1]
        sizes = [(mask.regions.height, mask.regions.width) for mask in self.facts.values()]
        sizes += [(region.rle["size"][0], region.rle["size"][1]) for region in self.regions.values() if region.rle]
        if sizes:
            return max(sizes)
        if self.source.height and self.source.width:
            return self.source.height, self.source.width
        points = [point for parts in self.parts.values() for point in parts]
        if points:
            width, height = np.ceil(np.concatenate(points).max(axis=0)).clip(1).astype(int).tolist()
            return height, width
        return 240, 320

    def title(self, *, has_siblings: bool) -> str:
        """What stands above it."""
        source = self.source
        name = f"{source.frame_id} · {source.source_id}" if has_siblings and source.source_id else source.frame_id
        if self.image is None:
            return f"{_shown(name)} · {'image not readable' if source.uri else 'no image'}"
        return _shown(name)

    def drawn(self, limit: int) -> tuple[Pixels, _Top]:
        """The image, or a neutral colour in its place, neither tiny nor huge, and what is seen of the regions on it."""
        self._check_size(self.size)
        longer = max(self.size)
        scale = limit / longer if longer > limit else max(1, SMALL // longer)
        height, width = (max(1, round(length * scale)) for length in self.size)
        if self.image is None:
            ground = np.full((height, width, 3), _NEUTRAL, np.uint8)
        else:
            rows, columns = nearest_places(self.size[0], height), nearest_places(self.size[1], width)
            ground = self.image.displayed()[rows[:, None], columns]
        return ground, _top([overlay.scaled(height, width) for overlay in self._overlays()], height, width)

    def _overlays(self) -> Iterator[_Overlay]:
        """The layers: of each size the regions with a geometry of their own, and of each mask its regions."""
        by_mask: dict[MaskRef, dict[int, _Region]] = {}
        own: dict[tuple[int, int], dict[int, rle.Counts]] = {}
        for number, region in self.regions.items():
            if region.rle is not None:
                height, width = region.rle["size"]
                self._check_size((height, width), region)
                with self._placed(region):
                    counts = rle.decode_counts(region.rle["counts"])
                    rle.check_size(counts, height, width)
                own.setdefault((height, width), {})[number] = counts
            elif region.ref is not None:
                by_mask.setdefault(region.ref, {})[number] = region
            elif region.poly is None:
                self._note(region, "it has no mask, polygon or run lengths")
        if self.parts:
            heights, widths = ([length] * len(self.parts) for length in self.size)
            filled = polygons.rasterize(list(self.parts.values()), heights, widths)
            own.setdefault(self.size, {}).update(zip(self.parts, filled, strict=True))
        for (height, width), regions in own.items():
            for number, counts in regions.items():
                if not rle.area(counts):
                    self._note(self.regions[number], "it covers no pixel")
            layer = layer_of_run_lengths(dict(sorted(regions.items())), height, width)
            yield _Overlay(layer, np.ones(len(layer.places), np.float32), height, width)
        for ref, of_mask in by_mask.items():
            yield self._mask_overlay(ref, of_mask)

    def _mask_overlay(self, ref: MaskRef, regions: _Regions) -> _Overlay:
        """The regions of one mask; a region without a value is the whole mask, whose pixels are then its opacity."""
        facts = self.facts[ref]
        places = no_places(len(facts.colours), max(regions))
        opacity = np.ones(len(facts.colours), np.float32)
        for number, region in regions.items():
            if region.mask_value is None:
                places[:], opacity = number, facts.opacity.astype(np.float32)
                continue
            selected, reason = (
                np.zeros(len(places), np.bool_),
                f"no pixel of its mask has the value {region.mask_value}",
            )
            try:
                selected = select(facts, region.mask_value, LOSSY_TOLERANCE if facts.image.is_lossy else 0, ref.uri)
            except MaskDecodeError as error:
                # A value that this mask cannot have is an error of a query; in a picture it has no pixels.
                reason = str(error)
            if not selected.any():
                self._note(region, reason)
            places[selected] = number
        places[opacity == 0] = 0
        return _Overlay(Layer(places, facts.regions), opacity, facts.regions.height, facts.regions.width)

    def _note(self, region: _Region, reason: str) -> None:
        """Report that a ROI is not drawn; that a value of a label mapping is in no pixel is nothing to report."""
        if region.roi_index is not None:
            self.notes.append(_not_drawn(self.source.frame_id, region, reason))

    def _check_size(self, size: tuple[int, int], region: _Region | None = None) -> None:
        (height, width), limit = size, self.settings.pixel_limit
        if height * width > limit:
            place = self.source.frame_id if region is None else f"{self.source.frame_id}: rois[{region.roi_index}]"
            raised = f"more than the limit of {limit:,}; raise it with MASKSDB_PIXEL_LIMIT"
            raise MasksDBError(f"{place}: {width} x {height} pixels, {raised}")

    @contextlib.contextmanager
    def _placed(self, region: _Region) -> Iterator[None]:
        """Adds the place of a ROI to what is wrong with its geometry."""
        try:
            yield
        except MasksDBError as error:
            raise MasksDBError(f"{self.source.frame_id}: rois[{region.roi_index}]: {error}") from None


def _top(scaled: Sequence[_Overlay], height: int, width: int) -> _Top:
    """What is seen of overlays from above, which have one size."""
    numbers = topmost([overlay.layer for overlay in scaled]) if scaled else np.zeros((height, width), np.uint8)
    opacity = np.zeros((height, width), np.float32)
    for overlay in scaled:
        is_seen = (overlay.layer.spread(overlay.layer.places) == numbers) & (numbers > 0)
        opacity[is_seen] = overlay.layer.spread(overlay.opacity)[is_seen]
    return _Top(numbers, opacity)


def _mixed(ground: Pixels, top: _Top, palette: npt.NDArray[np.float32], opacity: float) -> Image.Image:
    """A picture under its regions; a region is opaque along its edges, so that two of one colour are two."""
    numbers = top.numbers
    is_edge = np.zeros(numbers.shape, np.bool_)
    is_edge[:, 1:] |= numbers[:, 1:] != numbers[:, :-1]
    is_edge[1:] |= numbers[1:] != numbers[:-1]
    mixed = np.empty_like(ground)
    for start in range(0, len(ground), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        share = np.where(is_edge[rows] & (numbers[rows] > 0) & (opacity > 0), 1, opacity) * top.opacity[rows]
        colours = palette[numbers[rows]] * share[:, :, None]
        mixed[rows] = np.rint(ground[rows] * (1 - share[:, :, None]) + colours).astype(np.uint8)
    return Image.fromarray(mixed)


def _shown(text: str) -> str:
    """A text as it stands in a picture: in one line, cut where it is long."""
    line = "".join(letter if letter.isprintable() else "·" for letter in text)
    return line if len(line) <= _LETTERS else f"{line[: _LETTERS - 1]}…"


def _sheet(
    tiles: Sequence[tuple[str, Image.Image]], colours: Mapping[str, Colour], settings: Settings
) -> Image.Image:  # fmt: skip
    """Pictures with their titles, in rows, and the legend to their right."""
    font = ImageFont.load_default(_TEXT)
    columns = math.ceil(math.sqrt(len(tiles)))
    tile_width = max(max(picture.width, round(font.getlength(title))) for title, picture in tiles)
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    heights = [max(picture.height for _, picture in row) + _TEXT + _MARGIN for row in rows]
    line, first_line = _TEXT + 8, _MARGIN + _TEXT + _MARGIN // 2
    left = columns * (tile_width + _MARGIN) + _MARGIN
    names = {label: _shown(label) for label in colours}
    legend_width = max((round(font.getlength(name)) for name in names.values()), default=0) + _SWATCH + 2 * _MARGIN
    width = left + (legend_width if colours else 0)
    height = max(sum(heights) + _MARGIN * len(rows), first_line + len(colours) * line) + _MARGIN
    if width * height > settings.pixel_limit:
        limit = f"more than the limit of {settings.pixel_limit:,}; draw fewer, or raise it with MASKSDB_PIXEL_LIMIT"
        raise UsageError(f"render: a sheet of {width} x {height} pixels for {len(tiles):,} pictures, {limit}")
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    top = _MARGIN
    for row, row_height in zip(rows, heights, strict=True):
        for column, (title, picture) in enumerate(row):
            x = _MARGIN + column * (tile_width + _MARGIN)
            draw.text((x, top), title, _INK, font)
            sheet.paste(picture, (x, top + _TEXT + _MARGIN // 2))
        top += row_height + _MARGIN
    for number, (label, colour) in enumerate(colours.items()):
        y = first_line + number * line
        draw.rectangle((left, y, left + _SWATCH, y + _SWATCH), colour, _INK)
        draw.text((left + _SWATCH + 8, y - 1), names[label], _INK, font)
    return sheet
