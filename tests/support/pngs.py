"""A plain PNG writer, for kinds of files that no library writes, and one mask of each kind."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
_PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]

Samples = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Kind:
    """A PNG file and what is known of it without decoding.

    Attributes:
        name: such as ``grey4 interlaced``.
        data: the file.
        samples: as stored, shape (H, W) or (H, W, C).
        rgba: as displayed, shape (H, W, 4); 16-bit levels as they are.
        has_sample: whether a pixel is one palette index or grey level.
    """

    name: str
    data: bytes
    samples: Samples
    rgba: Samples
    has_sample: bool


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _rows(samples: Samples, depth: int, filters: Sequence[int]) -> bytes:
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    step = max(1, channels * depth // 8)
    above, out = None, []
    for number, row in enumerate(samples.reshape(samples.shape[0], -1)):
        if depth >= 8:
            packed = np.frombuffer(row.astype(">u2" if depth == 16 else "u1").tobytes(), np.uint8).astype(np.int64)
        else:
            packed = np.packbits(((row[:, None] >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8)).astype(np.int64)
        kind = filters[number % len(filters)]
        residuals = packed - _predicted(kind, packed, np.zeros_like(packed) if above is None else above, step)
        out.append(bytes([kind]) + (residuals % 256).astype(np.uint8).tobytes())
        above = packed
    return b"".join(out)


def _predicted(kind: int, row: Samples, above: Samples, step: int) -> Samples:
    """What a filter predicts of a row of bytes, by section 9.2 of the PNG specification."""
    left, corner = (np.concatenate([np.zeros(step, np.int64), line])[: len(row)] for line in (row, above))
    whole = left + above - corner
    to_left, to_above, to_corner = (np.abs(whole - line) for line in (left, above, corner))
    paeth = np.where(
        (to_left <= to_above) & (to_left <= to_corner), left, np.where(to_above <= to_corner, above, corner)
    )
    return (np.zeros_like(row), left, above, (left + above) // 2, paeth)[kind]


def png(
    samples: Samples,
    colour: int,
    depth: int,
    *,
    palette: Any = None,
    transparency: bytes = b"",
    interlaced: bool = False,
    filters: Sequence[int] = (0,),
    level: int = 6,
    strategy: int = zlib.Z_DEFAULT_STRATEGY,
    pieces: int = 1,
) -> bytes:
    """A PNG file of samples as they are, its rows filtered in turn, its stream in one or more chunks."""
    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    passes = _PASSES if interlaced else [(0, 0, 1, 1)]
    parts = [samples[y::dy, x::dx] for x, y, dx, dy in passes]
    rows = b"".join(_rows(part, depth, filters) for part in parts if part.size)
    compressor = zlib.compressobj(level, strategy=strategy)
    stream = compressor.compress(rows) + compressor.flush()
    cuts = [len(stream) * piece // pieces for piece in range(pieces + 1)]
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + (chunk(b"PLTE", np.asarray(palette, np.uint8).tobytes()) if palette is not None else b"")
        + (chunk(b"tRNS", transparency) if transparency else b"")
        + b"".join(chunk(b"IDAT", stream[start:end]) for start, end in pairwise(cuts))
        + chunk(b"IEND", b"")
    )


def _blocks(rng: np.random.Generator, count: int, channels: int, maximum: int) -> Samples:
    """Something like a mask, shape (23, 31) or (23, 31, channels): blocks of few values, and some noise."""
    values = rng.integers(0, maximum + 1, (count, channels) if channels > 1 else count)
    ids = np.kron(rng.integers(0, count, (6, 8)), np.ones((4, 4), np.int64))[:23, :31]
    noisy = rng.random(ids.shape) < 0.1
    ids[noisy] = rng.integers(0, count, noisy.sum())
    found: Samples = values[ids]
    return found


def _grey_rgba(samples: Samples, maximum: int, shown: int) -> Samples:
    level = samples * shown // maximum
    return np.stack([level, level, level, np.full_like(level, shown)], axis=2)


def kinds() -> list[Kind]:
    """A mask of every kind of PNG file there is."""
    rng = np.random.default_rng(11)
    found = []
    for interlaced in (False, True):
        suffix = " interlaced" if interlaced else ""

        def add(name: str, samples: Samples, rgba: Samples, colour: int, depth: int, **more: Any) -> None:
            data = png(samples, colour, depth, interlaced=interlaced, **more)  # noqa: B023  # called in this round
            found.append(Kind(name + suffix, data, samples, rgba, samples.ndim == 2))  # noqa: B023

        for depth in (1, 2, 4, 8, 16):
            maximum = (1 << depth) - 1
            samples = _blocks(rng, 5, 1, maximum)
            shown = max(maximum, 255)
            add(f"grey{depth}", samples, _grey_rgba(samples, maximum, shown), GREY, depth)
        samples = _blocks(rng, 5, 1, 255)
        rgba = _grey_rgba(samples, 255, 255)
        clear = int(samples[0, 0])
        rgba[samples == clear, 3] = 0
        add("grey8 with tRNS", samples, rgba, GREY, 8, transparency=struct.pack(">H", clear))
        for depth in (1, 2, 4, 8):
            count = 1 << depth
            palette = rng.integers(0, 256, (count, 3))
            palette[count // 2] = palette[0]  # two indexes of one colour
            samples = _blocks(rng, min(count, 7), 1, count - 1)
            samples[:3, :3], samples[3:6, :3] = 0, count // 2
            opaque = np.column_stack([palette, np.full(count, 255)])
            add(f"palette{depth}", samples, opaque[samples], PALETTE, depth, palette=palette)
            alpha = opaque.copy()
            alpha[0, 3], alpha[1, 3] = 0, 128
            more: dict[str, Any] = {"palette": palette, "transparency": bytes([0, 128])}
            add(f"palette{depth} with tRNS", samples, alpha[samples], PALETTE, depth, **more)
        for depth in (8, 16):
            maximum = (1 << depth) - 1
            colours = _blocks(rng, 6, 3, maximum)
            opaque = np.dstack([colours, np.full(colours.shape[:2], maximum)])
            add(f"rgb{depth}", colours, opaque, RGB, depth)
            clear_colour = colours[0, 0]
            clear_rgba = opaque.copy()
            clear_rgba[(colours == clear_colour).all(axis=2), 3] = 0
            transparency = struct.pack(">3H", *clear_colour)
            add(f"rgb{depth} with tRNS", colours, clear_rgba, RGB, depth, transparency=transparency)
            both = _blocks(rng, 6, 4, maximum)
            add(f"rgba{depth}", both, both, RGB_ALPHA, depth)
            pair = _blocks(rng, 6, 2, maximum)
            add(f"grey{depth} with alpha", pair, pair[:, :, [0, 0, 0, 1]], GREY_ALPHA, depth)
    return found
