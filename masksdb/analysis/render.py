"""Pictures of frames: the source image under its masks, each label in its own colour, and a legend.

Masks and images are scaled by leaving out or repeating pixels, never by mixing them.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from masksdb.analysis.settings import OPACITY
from masksdb.errors import MaskDecodeError, MasksDBError, NotFoundError, UsageError
from masksdb.pixels import rle
from masksdb.pixels.colours import Colour
from masksdb.pixels.mask_cache import facts_cache
from masksdb.pixels.masks import MaskFacts, MaskImage, MaskRef, nearest_places
from masksdb.pixels.painting import Layer, layer_of_run_lengths, no_places, topmost
from masksdb.pixels.read import read_images
from masksdb.pixels.selection import select
from masksdb.pixels.settings import LOSSY_TOLERANCE
from masksdb.store.engine import Engine
from masksdb.store.labels import version_labels
from masksdb.store.sql import statement
from masksdb.store.versions import find_version, missing_frame

SMALL, TILE, LARGE = 320, 640, 4096
"""Pixels of an image's longer side: at least; at most if there are several images; at most if there is one."""

_MARGIN, _TEXT, _SWATCH = 12, 15, 14

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
    labels: list[str] | None

    @property
    def label(self) -> str:
        return ", ".join(self.labels or []) or "unlabelled"


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
        An RGB image.

    Raises:
        NotFoundError: no such dataset, version, frame, or mask of these frames.
        MaskDecodeError: a mask cannot be read. (A source that cannot be read is drawn in one neutral colour.)
        UsageError: no frames, or an opacity out of range.
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
    backgrounds = read_images([MaskRef(source.uri or "", source.timestamp) for source in sources], engine.settings)
    tiles: list[tuple[str, Image.Image]] = []
    drawn: set[str] = set()
    for source, background in zip(sources, backgrounds, strict=True):
        own = {
            number: region
            for number, region in enumerate(regions, 1)
            if (region.frame_key, region.source_index) == (source.frame_key, source.source_index)
        }
        overlays = _overlays(own, engine)
        ground = _ground(background, source, overlays, TILE if len(sources) > 1 else LARGE)
        top = _top(overlays, ground.shape[0], ground.shape[1])
        drawn |= {regions[number - 1].label for number in np.unique(top.numbers).tolist() if number}
        title = _title(source, background, len(sources) > len(set(frame_ids)))
        tiles.append((title, _mixed(ground, top, palette, opacity)))
    return _sheet(tiles, {label: colours[label] for label in sorted(drawn)})


def _title(source: _Source, background: MaskImage | MasksDBError, has_siblings: bool) -> str:
    name = f"{source.frame_id} · {source.source_id}" if has_siblings and source.source_id else source.frame_id
    return f"{name} · source not readable" if isinstance(background, MasksDBError) else name


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


def _overlays(regions: Mapping[int, _Region], engine: Engine) -> list[_Overlay]:
    """The layers on one picture: of each mask its regions, and of each size those with run lengths of their own.

    Args:
        regions: the regions by their numbers, in painting order.
        engine: the database.
    """
    by_mask: dict[MaskRef, dict[int, _Region]] = {}
    own: dict[tuple[int, int], dict[int, rle.Counts]] = {}
    for number, region in regions.items():
        if region.rle is not None:
            height, width = region.rle["size"]
            own.setdefault((height, width), {})[number] = rle.decode_counts(region.rle["counts"])
        elif region.mask is not None:
            by_mask.setdefault(MaskRef(region.mask["uri"], region.mask["timestamp"]), {})[number] = region
    overlays = []
    for (height, width), counts in own.items():
        layer = layer_of_run_lengths(counts, height, width)
        overlays.append(_Overlay(layer, np.ones(len(layer.places), np.float32), height, width))
    for ref, facts in zip(by_mask, facts_cache.get(list(by_mask), engine.settings), strict=True):
        if isinstance(facts, MasksDBError):
            raise facts
        overlays.append(_mask_overlay(ref, by_mask[ref], facts))
    return overlays


def _mask_overlay(ref: MaskRef, regions: Mapping[int, _Region], facts: MaskFacts) -> _Overlay:
    """The regions of one mask; a region without a value is the whole mask, whose pixels are then its opacity."""
    places = no_places(len(facts.colours), max(regions))
    opacity = np.ones(len(facts.colours), np.float32)
    for number, region in regions.items():
        if region.mask_value is None:
            places[:], opacity = number, facts.opacity.astype(np.float32)
            continue
        # A value that this mask cannot have is an error of a query; in a picture it has no pixels.
        with contextlib.suppress(MaskDecodeError):
            tolerance = LOSSY_TOLERANCE if facts.image.is_lossy else 0
            places[select(facts, region.mask_value, tolerance, ref.uri)] = number
    places[opacity == 0] = 0
    return _Overlay(Layer(places, facts.regions), opacity, facts.regions.height, facts.regions.width)


def _ground(
    background: MaskImage | MasksDBError, source: _Source, overlays: Sequence[_Overlay], limit: int
) -> Pixels:  # fmt: skip
    """The image of a source or a neutral colour in its place, neither tiny nor huge, shape (height, width, 3)."""
    if isinstance(background, MaskImage):
        pixels = background.displayed()
    else:
        declared = (source.height, source.width) if source.height and source.width else (240, 320)
        size = max(((overlay.height, overlay.width) for overlay in overlays), default=declared)
        pixels = np.full((*size, 3), _NEUTRAL, np.uint8)
    height, width = pixels.shape[:2]
    longer = max(height, width)
    scale = limit / longer if longer > limit else max(1, SMALL // longer)
    rows, columns = (nearest_places(size, max(1, round(size * scale))) for size in (height, width))
    return pixels[rows[:, None], columns]


def _top(overlays: Sequence[_Overlay], height: int, width: int) -> _Top:
    """What is seen of overlays from above, scaled to a size."""
    scaled = [overlay.scaled(height, width) for overlay in overlays]
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
    share = np.where(is_edge & (numbers > 0) & (opacity > 0), 1, opacity) * top.opacity
    mixed = ground * (1 - share[:, :, None]) + palette[numbers] * share[:, :, None]
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def _sheet(tiles: Sequence[tuple[str, Image.Image]], colours: Mapping[str, Colour]) -> Image.Image:
    """Pictures with their titles, in rows, and the legend to their right."""
    font = ImageFont.load_default(_TEXT)
    columns = math.ceil(math.sqrt(len(tiles)))
    tile_width = max(max(picture.width, round(font.getlength(title))) for title, picture in tiles)
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    heights = [max(picture.height for _, picture in row) + _TEXT + _MARGIN for row in rows]
    line = _TEXT + 8
    left = columns * (tile_width + _MARGIN) + _MARGIN
    legend_width = max((round(font.getlength(label)) for label in colours), default=0) + _SWATCH + 2 * _MARGIN
    height = max(sum(heights) + _MARGIN * len(rows), len(colours) * line + _MARGIN) + _MARGIN
    sheet = Image.new("RGB", (left + (legend_width if colours else 0), height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    top = _MARGIN
    for row, row_height in zip(rows, heights, strict=True):
        for column, (title, picture) in enumerate(row):
            x = _MARGIN + column * (tile_width + _MARGIN)
            draw.text((x, top), title, _INK, font)
            sheet.paste(picture, (x, top + _TEXT + _MARGIN // 2))
        top += row_height + _MARGIN
    for number, (label, colour) in enumerate(colours.items()):
        y = _MARGIN + _TEXT + _MARGIN // 2 + number * line
        draw.rectangle((left, y, left + _SWATCH, y + _SWATCH), colour, _INK)
        draw.text((left + _SWATCH + 8, y - 1), label, _INK, font)
    return sheet
