"""The colours in which labels are painted, the same in every picture and every export of a version."""

from __future__ import annotations

import colorsys
import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence

Colour = tuple[int, int, int]
"""Red, green and blue, 0..255."""

BLACK: Colour = (0, 0, 0)

VOID_COLOUR: Colour = (224, 224, 192)
"""The colour of void in Pascal VOC."""

_GREY: Colour = (128, 128, 128)

_NEUTRAL = {"background": BLACK, "void": VOID_COLOUR, **dict.fromkeys(("unlabelled", "unlabeled", "ignore"), _GREY)}

_APART, _STEP = 112, 2
"""How far apart two colours are, as the sum over red, green and blue: at first, and how much less with each attempt."""

_OBJECTS = range(1, 255)
"""The numbers of objects in masks with the palette of VOC, which DAVIS uses too: 0 is background and 255 is void."""


def label_colours(
    labels: Iterable[str], declared: Mapping[str, Sequence[Colour]] | None = None, reserved: Iterable[Colour] = ()
) -> dict[str, Colour]:
    """The colour of each label: the first declared one that no other label has, else its own; no two are the same.

    Args:
        labels: the labels of a version. Of two that declare the same colour the first keeps it.
        declared: for labels the colours that a label mapping declares, the preferred first.
        reserved: colours that no label may have.

    >>> label_colours(["car", "truck", "background"], {"car": [(0, 0, 142)], "truck": [(0, 0, 142), (0, 0, 70)]})
    {'car': (0, 0, 142), 'truck': (0, 0, 70), 'background': (0, 0, 0)}
    """
    names = list(dict.fromkeys(labels))
    taken = set(reserved)
    colours: dict[str, Colour] = {}
    for name in names:
        colour = next((colour for colour in (declared or {}).get(name, ()) if colour not in taken), None)
        if colour is not None:
            taken.add(colour)
            colours[name] = colour
    # In the order of their names, so that the order of a label mapping has no influence on them.
    for name in sorted(set(names) - colours.keys()):
        usual = _NEUTRAL.get(name.lower()) or _object_colour(name)
        colours[name] = usual if usual is not None and usual not in taken else own_colour(name, taken)
        taken.add(colours[name])
    return {name: colours[name] for name in names}


def _object_colour(label: str) -> Colour | None:
    """The colour in the palette of VOC of a label that is the number of an object."""
    number = int(label) if label.isascii() and label.isdecimal() and len(label) <= 3 else 0
    if number not in _OBJECTS or str(number) != label:
        return None
    return voc_colour(number)


def voc_colour(index: int) -> Colour:
    """The colour of an index in the palette of Pascal VOC, which DAVIS uses too: its bits, dealt out in turn.

    >>> [voc_colour(index) for index in (0, 1, 2, 15, 255)]
    [(0, 0, 0), (128, 0, 0), (0, 128, 0), (192, 128, 128), (224, 224, 192)]
    """
    channels = [0, 0, 0]
    for place in range(8):
        for channel in range(3):
            channels[channel] |= (index >> (3 * place + channel) & 1) << (7 - place)
    return channels[0], channels[1], channels[2]


def own_colour(label: str, taken: set[Colour]) -> Colour:
    """The vivid colour that follows from the text of a label; the next one where another label has one like it.

    >>> own_colour("car", set()) == own_colour("car", {(255, 255, 255)})
    True
    """
    for attempt in itertools.count():
        digest = hashlib.blake2b(f"{label}\0{attempt}".encode("utf-8", "surrogatepass"), digest_size=4).digest()
        hue, saturation, value = int.from_bytes(digest[:2], "big") / 65536, digest[2] / 255, digest[3] / 255
        red, green, blue = colorsys.hsv_to_rgb(hue, 0.6 + 0.4 * saturation, 0.6 + 0.4 * value)
        colour = (round(red * 255), round(green * 255), round(blue * 255))
        apart = _APART - _STEP * attempt if len(taken) < 256 else 1
        if colour not in taken and (apart <= 1 or all(_distance(colour, other) >= apart for other in taken)):
            return colour
    raise AssertionError


def _distance(left: Colour, right: Colour) -> int:
    return sum(abs(one - other) for one, other in zip(left, right, strict=True))
