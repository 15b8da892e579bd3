"""The boundaries of regions, as the published code of Boundary IoU computes them.

The boundary of a region is the region without the part that remains after d erosions by a square of 3 x 3, where all
beyond the image is outside; d is 2 % of the image's diagonal (Cheng et al., Boundary IoU, CVPR 2021).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]

Numbers = npt.NDArray[np.int32]

DILATION_RATIO = 0.02
"""The depth of a boundary as a share of the image's diagonal."""


def boundary(region: Flags, depth: int) -> Flags:
    """The pixels of a region that are near its outside.

    Args:
        region: shape (height, width), bool.
        depth: at most how far from the outside, in pixels, diagonals included; 1 or more.

    Returns:
        Shape (height, width), bool.

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
    """Where a column is in the region ``depth`` pixels up and down; without ``depth`` rows at top and bottom."""
    window = min(2 * depth + 1, len(region) + 1)
    within, size = region, 1
    while size < window:
        step = min(size, window - size)
        within = within[step:] & within[: len(within) - step]
        size += step
    return within


def boundary_depth(height: int, width: int) -> int:
    """The depth of the boundaries of regions in an image of this size, in pixels.

    >>> boundary_depth(480, 854), boundary_depth(10, 10)
    (20, 1)
    """
    return max(1, round(DILATION_RATIO * math.hypot(height, width)))


def boundary_areas(
    truth: Numbers, prediction: Numbers, counted: Flags, classes: int
) -> Iterator[tuple[int, int, int]]:  # fmt: skip
    """The pixels that the boundaries of each class share in two masks.

    Args:
        truth: the class of each pixel, shape (height, width), int32, from 0 on; negative for none.
        prediction: likewise.
        counted: which pixels count, shape (height, width), bool.
        classes: the number of classes.

    Yields:
        A class that is in one of the masks, the pixels in both of its boundaries, and those in either.
    """
    depth = boundary_depth(*truth.shape)
    for number in range(classes):
        regions = truth == number, prediction == number
        either = regions[0] | regions[1]
        rows, columns = np.flatnonzero(either.any(axis=1)), np.flatnonzero(either.any(axis=0))
        if not len(rows):
            continue
        # Cropping changes no boundary: all beyond the box is outside both regions, as all beyond the image is.
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        of_truth, of_prediction = (boundary(region[box], depth) & counted[box] for region in regions)
        yield number, int((of_truth & of_prediction).sum()), int((of_truth | of_prediction).sum())
