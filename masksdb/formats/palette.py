"""PNGs of indexes and of their colours, in the colour map of Pascal VOC that DAVIS uses too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Numbers = npt.NDArray[np.int32]

Colours = npt.NDArray[np.uint8]

VOID_INDEX = 255
"""The index of pixels that count for nothing."""

MOST = 254
"""The highest index that an object or class can have beside void in 8 bits."""


def voc_colours(indexes: npt.NDArray[np.integer[Any]]) -> Colours:
    """The colours of indexes, shape (n, 3): the three lowest bits are the highest of red, green and blue, and so on.

    Different indexes below 2 to the 24 have different colours.

    >>> voc_colours(np.array([0, 1, 255, 256, 65536])).tolist()
    [[0, 0, 0], [128, 0, 0], [224, 224, 192], [0, 0, 32], [0, 4, 0]]
    """
    colours = np.zeros((len(indexes), 3), np.uint8)
    for place in range(8):
        for channel in range(3):
            colours[:, channel] |= ((indexes >> (3 * place + channel) & 1) << (7 - place)).astype(np.uint8)
    return colours


def save_indexed(path: Path, numbers: Numbers, palette: Colours | None = None) -> None:
    """Write numbers from 0 to 255 as a palette PNG, in a palette of shape (256, 3) or in that of VOC."""
    image = Image.fromarray(numbers.astype(np.uint8))
    image.putpalette((voc_colours(np.arange(256)) if palette is None else palette).tobytes())
    image.save(path)


def save_coloured(path: Path, numbers: Numbers, colours: Colours) -> None:
    """Write numbers as an RGB PNG, each as its row of the colours."""
    Image.fromarray(colours[numbers]).save(path)


def free_numbers(wishes: Sequence[Sequence[int | None]], most: int = MOST) -> list[int | None]:
    """A number from 1 on for each thing, no two the same; None for the others once all up to ``most`` are taken.

    Args:
        wishes: for each thing the numbers that it would like, the first most; first wishes go before second ones.
        most: the highest number.

    >>> free_numbers([[], [7, 1], [7, 2], [None, 0]], 8)
    [1, 7, 2, 3]
    """
    numbers: list[int | None] = [None] * len(wishes)
    taken: set[int] = set()
    for turn in range(max(map(len, wishes), default=0)):
        for index, own in enumerate(wishes):
            number = own[turn] if turn < len(own) else None
            if numbers[index] is None and number is not None and 1 <= number <= most and number not in taken:
                numbers[index] = number
                taken.add(number)
    free = (number for number in range(1, most + 1) if number not in taken)
    return [number if number is not None else next(free, None) for number in numbers]
