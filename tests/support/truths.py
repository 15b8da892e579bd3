"""What masks of few values say according to Pillow, numpy and pycocotools: each decoded once, for many values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from support import reference

Value = tuple[int, ...]
Point = tuple[int, int]
Pixels = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]


class Facts(NamedTuple):
    """What a value covers."""

    area: int
    coverage: float
    bbox: dict[str, int] | None
    centroid: dict[str, float] | None


class Truth(NamedTuple):
    """A mask of few values: what each value covers, its run lengths, and the index under each point."""

    facts: dict[Value, Facts]
    rles: dict[Value, dict[str, Any]]
    samples: dict[Point, list[int] | None]


def _span(counts: Integers) -> tuple[int, int, float]:
    """First, length and mean of the places that are counted."""
    places = np.flatnonzero(counts)
    first, last = int(places[0]), int(places[-1])
    return first, last - first + 1, int((counts * np.arange(len(counts))).sum()) / int(counts.sum())


def facts_of(flags: reference.Flags) -> Facts:
    """What a region covers."""
    return _facts(flags.sum(axis=0), flags.sum(axis=1))


def _facts(columns: Integers, rows: Integers) -> Facts:
    """What a region covers, from its pixels in each column and in each row."""
    area = int(rows.sum())
    if not area:
        return Facts(0, 0.0, None, None)
    (x, width, mean_x), (y, height, mean_y) = _span(columns), _span(rows)
    box = {"x": x, "y": y, "width": width, "height": height}
    return Facts(area, area / (len(rows) * len(columns)), box, {"x": mean_x, "y": mean_y})


def chosen(value: Value, palette: Pixels) -> tuple[int, ...]:
    """The indexes that a value stands for."""
    shown = np.arange(256)[None] if len(value) == 1 else palette[None]
    return tuple(np.flatnonzero(reference.region(shown, value)[0]).tolist())


def read_palette(path: Path) -> tuple[Pixels, Pixels]:
    """The indexes of a palette mask, and the RGBA of each index."""
    with Image.open(path) as image:
        assert image.mode == "P"
        palette = np.full((256, 4), 255, np.uint8)
        palette[:, :3] = np.array(image.getpalette("RGB")).reshape(256, 3)
        return np.asarray(image), palette


def truth_of(pixels: Pixels, choices: Mapping[Value, Sequence[int]], points: Sequence[Point]) -> Truth:
    """What a mask says of values, each given with the indexes that it stands for, and of points."""
    height, width = pixels.shape
    count = int(pixels.max()) + 1
    xs, ys = np.arange(width), np.arange(height)[:, None]
    by_column = np.bincount((xs * count + pixels).reshape(-1), minlength=width * count).reshape(width, count)
    by_row = np.bincount((ys * count + pixels).reshape(-1), minlength=height * count).reshape(height, count)
    present = set(np.flatnonzero(by_row.sum(axis=0)).tolist())
    columns_first = np.ascontiguousarray(pixels.T)
    keys = {value: tuple(index for index in indexes if index in present) for value, indexes in choices.items()}
    facts: dict[tuple[int, ...], Facts] = {}
    rles: dict[tuple[int, ...], dict[str, Any]] = {}
    for key in set(keys.values()):
        facts[key] = _facts(by_column[:, list(key)].sum(axis=1), by_row[:, list(key)].sum(axis=1))
        flags = np.zeros((width, height), np.bool_)
        for index in key:
            flags |= columns_first == index
        rles[key] = reference.coco_rle(flags.T)
    inside = [(x, y) for x, y in points if 0 <= x < width and 0 <= y < height]
    samples: dict[Point, list[int] | None] = dict.fromkeys(points)
    samples.update({(x, y): [int(pixels[y, x])] for x, y in inside})
    return Truth(
        {value: facts[key] for value, key in keys.items()}, {value: rles[key] for value, key in keys.items()}, samples
    )
