"""A mask in memory: its reference, its pixels, and its distinct values with their colours, areas and positions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from masksdb.pixels.regions import Regions, find_regions

NONE = -1
"""The index of a NULL."""

Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""The pixels of a mask as stored."""

Codes = npt.NDArray[np.unsignedinteger]
"""Values as one number each: the channels of a pixel side by side, the first one highest."""

Integers = npt.NDArray[np.int64]

Flags = npt.NDArray[np.bool_]

NO_SAMPLE = -1
"""The raw sample of a pixel that has no single one: colour, grey with alpha, video."""


SAMPLE, RED, GREEN, BLUE, ALPHA = range(5)
"""The columns of :attr:`MaskFacts.colours`."""


class MaskRef(NamedTuple):
    """The reference of a mask in a query: its URI, and for a video the milliseconds."""

    uri: str
    timestamp_ms: int | None = None


@dataclass(frozen=True)
class MaskImage:
    """The pixels of a mask as stored.

    Attributes:
        samples: shape (height, width), or (height, width, channels) where there are several; uint8 or uint16.
        mode: ``grey``, ``palette``, ``rgb``, ``grey_alpha`` or ``rgba``.
        depth: bits of a sample: 1, 2, 4, 8 or 16.
        content_type: the MIME type of the content, such as ``image/png``.
        palette: RGBA of each index, shape (256, 4), uint8, black for an index without a colour; None without a palette.
        transparent: the grey level or RGB that is displayed transparent; None without one.
        is_lossy: whether the format may have changed pixels.
        is_video: whether this is one frame of a video.
    """

    samples: Samples
    mode: str
    depth: int = 8
    content_type: str = "image/png"
    palette: npt.NDArray[np.uint8] | None = None
    transparent: tuple[int, ...] | None = None
    is_lossy: bool = False
    is_video: bool = False

    @property
    def has_sample(self) -> bool:
        """Whether a pixel has a single raw sample: a palette index or a grey level."""
        return self.mode in ("grey", "palette") and not self.is_video

    @property
    def maximum(self) -> int:
        """The alpha of an opaque pixel, which is also the highest displayed level: 255, or 65535 at 16 bits."""
        return 65535 if self.depth == 16 else 255

    def without_samples(self) -> MaskImage:
        """The same mask with no pixels, shape (0, 0)."""
        return replace(self, samples=np.zeros((0, 0), np.uint8))

    def colours(self, codes: Codes) -> npt.NDArray[np.int64]:
        """The colours of codes, shape (n, 5), int64: raw sample (-1 without a single one), red, green, blue, alpha.

        Red, green and blue are as displayed: palettes expanded, grey in all three, 1 to 4 bits spread to 8, 16 bits
        kept.
        """
        columns = np.empty((len(codes), 5), np.int64)
        columns[:, SAMPLE] = codes if self.has_sample else NO_SAMPLE
        if self.palette is not None:
            columns[:, RED:] = self.palette[codes]
            return columns
        columns[:, ALPHA] = self.maximum
        channels = self._unpacked(codes)
        if channels.shape[1] in (2, 4):
            columns[:, ALPHA] = channels[:, -1]
            channels = channels[:, :-1]
        elif self.transparent is not None:
            columns[(channels == self.transparent).all(axis=1), ALPHA] = 0
        columns[:, RED:ALPHA] = channels * 255 // ((1 << self.depth) - 1) if self.depth < 8 else channels
        return columns

    def displayed(self) -> npt.NDArray[np.uint8]:
        """The pixels as red, green and blue, shape (height, width, 3)."""
        samples: npt.NDArray[Any] = self.samples
        if self.palette is not None:
            shown: npt.NDArray[np.uint8] = self.palette[samples][:, :, :3]
            return shown
        if self.depth == 16:
            samples = samples >> 8
        elif self.depth < 8:
            samples = samples * (255 // ((1 << self.depth) - 1))
        samples = samples.astype(np.uint8, copy=False)
        if samples.ndim == 2 or samples.shape[2] == 2:
            grey = samples if samples.ndim == 2 else samples[:, :, 0]
            return np.repeat(grey[:, :, None], 3, axis=2)
        return np.ascontiguousarray(samples[:, :, :3])

    def _unpacked(self, codes: Codes) -> npt.NDArray[np.int64]:
        channels = 1 if self.samples.ndim == 2 else self.samples.shape[2]
        bits = self.samples.itemsize * 8
        shifts = np.arange(channels - 1, -1, -1, dtype=np.uint64) * np.uint64(bits)
        return ((codes.astype(np.uint64)[:, None] >> shifts) & np.uint64((1 << bits) - 1)).astype(np.int64)


def nearest_places(size: int, scaled: int) -> Integers:
    """For each of ``scaled`` pixels the index of the one of ``size`` pixels in a row that lies under its middle.

    >>> nearest_places(6, 3).tolist()
    [1, 3, 5]
    """
    places: Integers = (2 * np.arange(scaled) + 1) * size // (2 * scaled)
    return places


@dataclass(frozen=True)
class MaskFacts:
    """The distinct values of a mask with their colours, areas and geometry; n values.

    Attributes:
        image: the mask without its pixels.
        regions: the areas of its values, and its runs of equal pixels.
        colours: the colour of each value, shape (n, 5), int64: raw sample (-1 without a single one), red, green, blue,
            alpha.
    """

    image: MaskImage
    regions: Regions
    colours: npt.NDArray[np.int64]

    @classmethod
    def of(cls, image: MaskImage) -> MaskFacts:
        """The facts of a decoded mask; its pixels are not kept."""
        regions = find_regions(image.samples)
        return cls(image.without_samples(), regions, image.colours(regions.codes))

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.regions.nbytes + self.colours.nbytes + 2000

    @cached_property
    def sizes(self) -> npt.NDArray[np.int64]:
        """The size of each value, shape (n, 7), int64: area, x_min, y_min, x_max, y_max, sum_x, sum_y."""
        return np.column_stack([self.regions.area, self.regions.geometry])

    @property
    def opacity(self) -> npt.NDArray[np.float64]:
        """The opacity of each value, 0..1: its alpha where the mask has some, else its grey level or mean colour."""
        alpha = self.colours[:, ALPHA]
        is_plain = self.has_no_alpha and bool((alpha == self.image.maximum).all())
        levels: npt.NDArray[Any] = self.colours[:, RED:ALPHA].mean(axis=1) if is_plain else alpha
        shares: npt.NDArray[np.float64] = levels / self.image.maximum
        return shares

    @property
    def stored_columns(self) -> slice:
        """The columns of :attr:`colours` that are the values as stored."""
        if self.image.has_sample:
            return slice(SAMPLE, RED)
        return slice(RED, ALPHA if self.has_no_alpha else ALPHA + 1)

    @property
    def pixels(self) -> int:
        """Pixels of the mask."""
        return self.regions.height * self.regions.width

    def stored_values(self) -> list[list[int]]:
        """The distinct values as stored: [index], [grey], [r, g, b] or [r, g, b, a]."""
        rows: list[list[int]] = self.colours[:, self.stored_columns].tolist()
        return rows

    @property
    def has_no_alpha(self) -> bool:
        """Whether pixels have no alpha of their own."""
        return self.image.mode not in ("rgba", "grey_alpha")
