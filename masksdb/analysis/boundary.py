"""The boundaries of regions, as the published code of Boundary IoU has them.

The boundary of a region is what is left of it after it was eroded d times by a square of 3 x 3, everything beyond the
image being outside; d is 2 % of the image's diagonal (Cheng et al., Boundary IoU, CVPR 2021).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]

Numbers = npt.NDArray[np.int32]

DILATION_RATIO = 0.02
"""How deep a boundary is, by the image's diagonal."""


def boundary(region: Flags, depth: int) -> Flags:
    """The pixels of a region that are within some pixels of its outside.

    Args:
        region: shape (height, width), bool.
        depth: how often it is eroded, 1 or more.

    >>> boundary(np.ones((3, 4), np.bool_), 1).astype(int).tolist()
    [[1, 1, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1]]
    """
    # To erode d times by 3 x 3 is to erode once by 2 d + 1, in columns and in rows.
    inner = _all_within(_all_within(region, depth).T, depth).T
    edge = region.copy()
    if inner.size:
        edge[depth:-depth, depth:-depth] &= ~inner
    return edge


def _all_within(region: Flags, depth: int) -> Flags:
    """Where a column is in the region up to some pixels above and below; without the rows too near its ends."""
    window = min(2 * depth + 1, len(region) + 1)
    found, size = region, 1
    while size < window:
        step = min(size, window - size)
        found = found[step:] & found[: len(found) - step]
        size += step
    return found


def boundary_depth(height: int, width: int) -> int:
    """How often regions of an image are eroded.

    >>> boundary_depth(480, 854), boundary_depth(10, 10)
    (20, 1)
    """
    return max(1, round(DILATION_RATIO * math.hypot(height, width)))


def boundary_areas(
    truth: Numbers, prediction: Numbers, counted: Flags, classes: int
) -> Iterator[tuple[int, int, int]]:  # fmt: skip
    """What the boundaries of each class have in common in two masks.

    Args:
        truth: the class of each pixel, shape (height, width), from 0 on; negative for none.
        prediction: likewise.
        counted: which pixels count, shape (height, width).
        classes: how many there are.

    Yields:
        The class, pixels in both of its boundaries, and pixels in either.
    """
    depth = boundary_depth(*truth.shape)
    for number in range(classes):
        regions = truth == number, prediction == number
        either = regions[0] | regions[1]
        rows, columns = np.flatnonzero(either.any(axis=1)), np.flatnonzero(either.any(axis=0))
        if not len(rows):
            continue
        # All beyond the box is outside, as all beyond the image is.
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        of_truth, of_prediction = (boundary(region[box], depth) & counted[box] for region in regions)
        yield number, int((of_truth & of_prediction).sum()), int((of_truth | of_prediction).sum())
