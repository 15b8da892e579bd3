"""Images cut into regions, for round trips: of several parts, with holes, of one pixel, touching one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from pycocotools import mask as coco

Numbers = npt.NDArray[np.int64]


@st.composite
def partitions(draw: st.DrawFn, most: int = 6) -> Numbers:
    """An image whose pixels are the number of their region, 1 and up, or 0 for none; each region has a pixel."""
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    seed = draw(st.integers(0, 10_000))
    numbers = np.random.default_rng(seed).integers(0, most + 1, (height, width))
    if draw(st.booleans()):
        # Larger regions, with a hole in one.
        numbers = np.kron(numbers, np.ones((3, 3), np.int64))
        numbers[height, width] = draw(st.integers(0, most))
    return numbers


def frame_of(name: str, numbers: Numbers, rois: Mapping[int, Mapping[str, Any]], **further: Any) -> dict[str, Any]:
    """A frame whose ROIs have the regions of an image as run lengths."""
    height, width = numbers.shape
    own = []
    for number in sorted(set(np.unique(numbers).tolist()) - {0}):
        encoded = coco.encode(np.asfortranarray(numbers == number, np.uint8))
        region = {"size": [height, width], "counts": encoded["counts"].decode()}
        own.append({"label": ["thing"], **rois.get(number, {}), "rle": region})
    source = {"id": "camera", "uri": f"{name}.jpg", "width": width, "height": height}
    return {"id": name, "sources": [source], "rois": own, **further}


def regions_of(numbers: Numbers, labels: Sequence[str]) -> list[tuple[str, bytes]]:
    """The regions of an image with their labels, those of number n being the n-th, in order of both."""
    found = sorted(set(np.unique(numbers).tolist()) - {0})
    return sorted((labels[number - 1], (numbers == number).tobytes()) for number in found)
