"""Small videos of masks, encoded in several ways, and the frames that they were made of."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, cast

import av
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

HEIGHT, WIDTH, COUNT, STEP_MS = 48, 64, 36, 40
NOTHING, CAR, PERSON = (0, 0, 0), (0, 0, 142), (220, 20, 60)


class Encoding(NamedTuple):
    """How a video is written: the file's name decides the container."""

    name: str
    codec: str
    pixel_format: str
    options: dict[str, str]


def scene(number: int) -> Pixels:
    """What frame ``number`` shows, shape (H, W, 3); no two frames are equal."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[4:20, number : number + 24] = CAR
    pixels[24:40, 2 : 10 + number] = PERSON
    return pixels


SCENES = [scene(number) for number in range(COUNT)]


def encode(
    folder: Path,
    encoding: Encoding,
    scenes: Sequence[Pixels] = SCENES,
    *,
    times_ms: Sequence[int] | None = None,
    container_options: dict[str, str] | None = None,
) -> str:
    """Write a video and return its path; without times a frame is shown every 40 ms."""
    path = str(folder / encoding.name)
    with av.open(path, "w", options=container_options or {}) as container:
        stream: Any = cast(Any, container.add_stream(encoding.codec, 1000 // STEP_MS, encoding.options))
        stream.pix_fmt, stream.width, stream.height = encoding.pixel_format, scenes[0].shape[1], scenes[0].shape[0]
        if times_ms is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, pixels in enumerate(scenes):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            if times_ms is not None:
                frame.pts, frame.time_base = times_ms[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
