"""Masks of blobs, without faults and with each cause of undeclared colours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[Any]
Random = np.random.Generator
Value = list[int]
FILTERS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS, Image.Resampling.BOX)


class Made(NamedTuple):
    """A mask and the values that are declared for it."""

    image: Image.Image
    values: list[Value]
    suffix: str = ".png"


def blobs(rng: Random, count: int, height: int, width: int) -> Pixels:
    """Which of so many classes a pixel is, shape (height, width), uint8; each is there."""
    fields = []
    for _ in range(count):
        coarse = Image.fromarray(rng.random((5, 6)).astype(np.float32))
        fields.append(np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)))
    ids: Pixels = np.argmax(fields, axis=0).astype(np.uint8)
    for index in range(count):
        # Whoever lost everywhere has a corner of its own.
        ids[:4, 5 * index : 5 * index + 5][:, :4] = index
    return ids


def size(rng: Random) -> tuple[int, int]:
    """Height and width from 64 to 512 pixels, small ones as often as large ones."""
    height, width = 64 * 8 ** rng.random(2)
    return int(height), max(int(width), 100)


def palette_of(rng: Random, count: int) -> Pixels:
    """Distinct colours, black first, shape (count, 3), uint8."""
    colours = {(0, 0, 0)}
    while len(colours) < count:
        colours.add(tuple(rng.integers(0, 256, 3).tolist()))
    return np.array(sorted(colours), np.uint8)


def voc_palette() -> Pixels:
    """The palette of PASCAL VOC, shape (256, 3), uint8."""
    index = np.arange(256)
    channels = [sum((index >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(3)) for channel in range(3)]
    return np.stack(channels, axis=1).astype(np.uint8)


def indexed(ids: Pixels, palette: Pixels) -> Image.Image:
    image = Image.fromarray(ids)
    image.putpalette(palette.reshape(-1).tolist())
    return image


def numbers(count: int) -> list[Value]:
    return [[index] for index in range(count)]


def scene(rng: Random) -> tuple[Pixels, int]:
    count = int(rng.integers(3, 21))
    return blobs(rng, count, *size(rng)), count


def clean(rng: Random) -> Made:
    ids, count = scene(rng)
    colours = palette_of(rng, count)
    kind = rng.integers(5)
    if kind == 0:
        return Made(Image.fromarray(ids), numbers(count))
    if kind == 1:
        return Made(indexed(ids, colours), numbers(count))
    if kind == 2:
        return Made(indexed(ids, colours), colours.tolist())
    if kind == 3:
        levels = np.sort(rng.choice(65536, count, replace=False)).astype(np.uint16)
        return Made(Image.fromarray(levels[ids]), [[int(level)] for level in levels])
    return Made(Image.fromarray(colours[ids]), colours.tolist())


def lossy(rng: Random) -> Made:
    ids, count = scene(rng)
    colours = palette_of(rng, count)
    return Made(Image.fromarray(colours[ids]), colours.tolist(), ".jpg")


def resized(rng: Random) -> Made:
    ids, count = scene(rng)
    # Between the levels of few classes there is room for others, or nobody could tell.
    is_grey = bool(rng.integers(3) == 0)
    colours = np.linspace(0, 240, count).astype(np.uint8) if is_grey else palette_of(rng, count)
    height, width = ids.shape
    target = (max(64, int(width * rng.uniform(0.4, 1.9))), max(64, int(height * rng.uniform(0.4, 1.9))))
    image = Image.fromarray(colours[ids]).resize(target, FILTERS[rng.integers(3)])
    return Made(image, [[int(level)] for level in colours] if is_grey else colours.tolist())


def bgr(rng: Random) -> Made:
    ids, count = scene(rng)
    colours = palette_of(rng, count)
    return Made(Image.fromarray(colours[ids][:, :, ::-1].copy()), colours.tolist())


def palette(rng: Random) -> Made:
    ids, count = scene(rng)
    kind = rng.integers(6)
    colours = voc_palette()[:count] if kind < 3 else palette_of(rng, count)
    if kind in (0, 3):
        return Made(Image.fromarray(ids), colours.tolist())
    if kind in (1, 4):
        return Made(Image.fromarray(colours[ids]), numbers(count))
    if kind == 2:
        return Made(Image.fromarray(colours[ids]), [[index] * 3 for index in range(count)])
    return Made(Image.fromarray(np.repeat(ids[:, :, None], 3, axis=2)), numbers(count))


def scale(rng: Random) -> Made:
    ids = blobs(rng, 2, *size(rng))
    kind = rng.integers(3)
    if kind == 0:
        return Made(Image.fromarray(ids * 255), numbers(2))
    if kind == 1:
        return Made(Image.fromarray(ids), [[0], [255]])
    return Made(Image.fromarray(np.repeat(ids[:, :, None] * 255, 3, axis=2)), [[0, 0, 0], [1, 1, 1]])


def cut(rng: Random) -> Made:
    ids, count = scene(rng)
    levels = np.concatenate(([0], np.sort(rng.choice(np.arange(256, 65536), count - 1, replace=False))))
    kind = rng.integers(3)
    pixels = (levels & 255, levels >> 8, np.minimum(levels, 255))[kind][ids]
    return Made(Image.fromarray(pixels.astype(np.uint8)), [[int(level)] for level in levels])


CAUSES: dict[str, Callable[[Random], Made]] = {
    "colour_lossy": lossy,
    "colour_resized": resized,
    "colour_bgr": bgr,
    "colour_palette": palette,
    "colour_scale": scale,
    "colour_16bit": cut,
}


def frame(made: Made, path: Path, name: str, index: int) -> dict[str, Any]:
    """A frame of one mask, whose values ROIs declare; the mask is written."""
    uri = f"{name}_{index}{made.suffix}"
    made.image.save(path / uri)
    named = [(f"{name}_{place}", value) for place, value in enumerate(made.values)]
    rois = [{"label": [label], "mask": {"id": "seg", "value": value}} for label, value in named]
    return {"id": f"{name}_{index}", "sources": [{"id": "s", "masks": [{"id": "seg", "uri": uri}]}], "rois": rois}
