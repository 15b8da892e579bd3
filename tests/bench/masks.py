"""Seeded masks as PNG files and as a video, and the frames that say what their values mean."""

from __future__ import annotations

import importlib
import json
import math
import multiprocessing
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

PALETTE_SIZE = (854, 480)
CITY_SIZE = (2048, 1024)
CITY_COLOURS = (
    (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153), (250, 170, 30),
    (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142),
    (0, 0, 70), (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32),
)  # fmt: skip
OUTLINE = 72
"""Corners of a drawn object."""
MOST_OBJECTS = 7
FRAME_MS = 40

Colour = Sequence[int]


def palette_colour(index: int) -> tuple[int, int, int]:
    """The colour of an index in the palette of VOC and DAVIS: its bits spread over the three channels."""
    channels = [0, 0, 0]
    for bit in range(8):
        channels[bit % 3] |= (index >> bit & 1) << (7 - bit // 3)
    return channels[0], channels[1], channels[2]


PALETTE = tuple(map(palette_colour, range(256)))


@dataclass(frozen=True)
class MaskSet:
    """Mask images, and what is in them.

    Attributes:
        colours: what each index stands for.
        paths: the file of each mask; one video repeats.
        indexes: the indexes that each mask has.
        timestamps: the milliseconds of each mask in its video; 0 for stills.
    """

    colours: Sequence[Colour]
    paths: Sequence[str]
    indexes: Sequence[Sequence[int]]
    timestamps: Sequence[int]

    def save(self, path: str) -> None:
        Path(path).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: str) -> MaskSet:
        return cls(**json.loads(Path(path).read_text(encoding="utf-8")))

    def frames(self) -> Iterator[dict[str, Any]]:
        """One frame for each mask, with a ROI for each index, in the order of the masks."""
        for number, (path, indexes) in enumerate(zip(self.paths, self.indexes, strict=True)):
            masks = [{"id": "seg", "uri": path, "timestamp": self.timestamps[number]}]
            rois = [
                {"label": [label(index)], "mask": {"id": "seg", "value": list(self.colours[index])}}
                for index in indexes
            ]
            yield {
                "id": str(number),
                "timestamp": self.timestamps[number],
                "sources": [{"id": "camera", "masks": masks}],
                "rois": rois,
            }

    def write_rois(self, path: str, rois_per_mask: int) -> None:
        """The frames as JSON lines, but each with so many ROIs, whose indexes are 0 to 7 in turns."""
        rois = [
            json.dumps({"label": [label(index)], "mask": {"id": "seg", "value": list(self.colours[index])}})
            for index in (place % (MOST_OBJECTS + 1) for place in range(rois_per_mask))
        ]
        with open(path, "w", encoding="utf-8") as file:
            for number, mask in enumerate(self.paths):
                source = json.dumps({"id": "camera", "masks": [{"id": "seg", "uri": mask, "timestamp": 0}]})
                file.write(f'{{"id": "{number}", "sources": [{source}], "rois": [{", ".join(rois)}]}}\n')


def label(index: int) -> str:
    """What the ROI of an index is called."""
    return f"i{index:03d}"


def _blob(rng: random.Random, size: tuple[int, int], radius: float) -> list[tuple[float, float]]:
    """The outline of a lump somewhere in a picture."""
    x, y = rng.uniform(0, size[0]), rng.uniform(0, size[1])
    waves = [(rng.uniform(0, 0.5 / wave), rng.uniform(0, math.tau), wave) for wave in (2, 3, 5, 9)]
    stretch = rng.uniform(0.5, 2)
    points = []
    for corner in range(OUTLINE):
        angle = math.tau * corner / OUTLINE
        reach = radius * (1 + sum(high * math.sin(wave * angle + phase) for high, phase, wave in waves))
        reach *= rng.uniform(0.97, 1.03)
        points.append((x + reach * math.cos(angle) * stretch, y + reach * math.sin(angle)))
    return points


def _objects(seed: int, shift: float = 0) -> Image.Image:
    """Indexes: 4 to 7 lumps on a background, and perhaps moved."""
    rng = random.Random(seed)
    image = Image.new("P", PALETTE_SIZE)
    draw = ImageDraw.Draw(image)
    for index in range(1, rng.randint(4, MOST_OBJECTS) + 1):
        pace = rng.uniform(-1, 1), rng.uniform(-1, 1)
        points = _blob(rng, PALETTE_SIZE, rng.uniform(20, 110))
        draw.polygon([(x + pace[0] * shift, y + pace[1] * shift) for x, y in points], fill=index)
    image.putpalette([channel for colour in PALETTE for channel in colour])
    return image


def _street(seed: int) -> Image.Image:
    """Indexes: bands of 19 kinds, and some 160 lumps from large to small."""
    rng = random.Random(seed)
    image = Image.new("P", CITY_SIZE)
    draw = ImageDraw.Draw(image)
    height = CITY_SIZE[1] // len(CITY_COLOURS) + 1
    for index in range(len(CITY_COLOURS)):
        draw.rectangle((0, index * height, CITY_SIZE[0], (index + 1) * height), fill=index)
    for number in range(160):
        draw.polygon(_blob(rng, CITY_SIZE, 6 + 150 * 0.98**number), fill=rng.randrange(len(CITY_COLOURS)))
    image.putpalette([channel for colour in CITY_COLOURS for channel in colour])
    return image


def _write_palette(job: tuple[int, str]) -> list[int]:
    image = _objects(job[0])
    image.save(job[1])
    return _indexes(image)


def _write_city(job: tuple[int, str]) -> list[int]:
    image = _street(job[0])
    image.convert("RGB").save(job[1])
    return _indexes(image)


def _indexes(image: Image.Image) -> list[int]:
    return [index for index, count in enumerate(image.histogram()) if count]


def write_palettes(folder: str, count: int) -> MaskSet:
    """Palette PNGs of 854x480, on all cores."""
    return _write(folder, count, _write_palette, PALETTE)


def write_cities(folder: str, count: int) -> MaskSet:
    """RGB PNGs of 2048x1024, on all cores."""
    return _write(folder, count, _write_city, CITY_COLOURS)


def _write(
    folder: str, count: int, write: Callable[[tuple[int, str]], list[int]], colours: Sequence[Colour]
) -> MaskSet:
    os.makedirs(folder, exist_ok=True)
    paths = [os.path.join(folder, f"{number:05d}.png") for number in range(count)]
    with multiprocessing.Pool(os.cpu_count()) as pool:
        indexes = pool.map(write, enumerate(paths), chunksize=8)
    return MaskSet(colours, paths, indexes, [0] * count)


def find_palettes(folder: str) -> MaskSet:
    """The palette PNGs that are in a folder and those below it."""
    paths = sorted(map(str, Path(folder).glob("**/*.png")))
    indexes = []
    for path in paths:
        with Image.open(path) as image:
            indexes.append(_indexes(image))
    return MaskSet(PALETTE, paths, indexes, [0] * len(paths))


def write_video(path: str, count: int) -> MaskSet:
    """The objects of a palette mask in motion, as a video that loses nothing."""
    av: Any = importlib.import_module("av")
    indexes = []
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264rgb", rate=1000 // FRAME_MS, options={"crf": "0"})
        stream.width, stream.height = PALETTE_SIZE
        stream.pix_fmt = "rgb24"
        for number in range(count):
            image = _objects(0, number * 0.7)
            indexes.append(_indexes(image))
            container.mux(stream.encode(av.VideoFrame.from_image(image.convert("RGB"))))
        container.mux(stream.encode())
    return MaskSet(PALETTE, [path] * count, indexes, [number * FRAME_MS for number in range(count)])
