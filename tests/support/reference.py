"""What masks say according to numpy and pycocotools, one pixel at a time, to compare ours with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco

Flags = npt.NDArray[np.bool_]


def region(pixels: npt.NDArray[Any], value: Sequence[int]) -> Flags:
    """Where all channels are as in a value, -1 being any; shape (H, W)."""
    planes = pixels[:, :, None] if pixels.ndim == 2 else pixels
    wanted = np.array(value)
    inside: Flags = ((planes[:, :, : len(wanted)] == wanted) | (wanted == -1)).all(axis=2)
    return inside


def bbox(flags: Flags) -> dict[str, int] | None:
    """The box around the region."""
    if not flags.any():
        return None
    ys, xs = np.nonzero(flags)
    return {
        "x": int(xs.min()),
        "y": int(ys.min()),
        "width": int(np.ptp(xs)) + 1,
        "height": int(np.ptp(ys)) + 1,
    }


def centroid(flags: Flags) -> dict[str, float] | None:
    """The mean index of its pixels."""
    if not flags.any():
        return None
    ys, xs = np.nonzero(flags)
    return {"x": int(xs.sum()) / len(xs), "y": int(ys.sum()) / len(ys)}


def coco_rle(flags: Flags) -> dict[str, Any]:
    """The region as pycocotools encodes it."""
    found = coco.encode(np.asfortranarray(flags.astype(np.uint8)))
    return {"size": list(found["size"]), "counts": found["counts"].decode()}


def confusion(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> Counter[tuple[tuple[int, ...], tuple[int, ...]]]:
    """How many pixels have which pair of values; shapes (H, W) or (H, W, C)."""
    rows = [each.reshape(each.shape[0] * each.shape[1], -1).tolist() for each in (left, right)]
    return Counter((tuple(a), tuple(b)) for a, b in zip(*rows, strict=True))
