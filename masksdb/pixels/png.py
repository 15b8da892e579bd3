"""PNG files to the samples that they store, without expanding palettes, scaling depths or cutting samples.

kornia-rs decodes fastest by far, but only whole bytes of some colour types, and no other thread of Python runs
meanwhile: while it is busy with one large file, others are decoded by Pillow where that is as exact. Decoding a row
takes the bytes of a pixel, not their meaning. So a type that kornia-rs does not support is decoded under another
header, as a type with equally many bytes a pixel, and taken apart afterwards: packed bits as grey bytes, grey with
alpha as 16-bit grey or as RGBA.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from dataclasses import dataclass

import kornia_rs.io
import numpy as np
import numpy.typing as npt

from masksdb.errors import foreign_text
from masksdb.pixels.pillow import open_image

SIGNATURE = b"\x89PNG\r\n\x1a\n"

GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6

CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}

LARGE = 1 << 19
"""Pixels of a file from which on waiting for kornia-rs takes longer than Pillow."""

DEFLATE_AT_MOST = 1032
"""The most bytes that one byte of deflated data expands to."""

_HEADER = struct.Struct(">IIBBBBB")

_HEADER_AT = slice(16, 29)


class PngError(ValueError):
    """A PNG file that cannot be decoded; the text says why."""


@dataclass(frozen=True)
class PngHeader:
    """What precedes the pixels in a PNG file.

    Attributes:
        width: pixels.
        height: pixels.
        depth: bits of a sample: 1, 2, 4, 8 or 16.
        colour: the colour type, as section 11.2.2 of the PNG specification numbers it.
        is_interlaced: whether the pixels are stored in seven passes.
        palette: the content of the chunk PLTE: red, green and blue of each index; None without a palette.
        transparency: the content of the chunk tRNS; None without one.
    """

    width: int
    height: int
    depth: int
    colour: int
    is_interlaced: bool
    palette: bytes | None
    transparency: bytes | None


def without_extras(data: bytes) -> bytes:
    """The file without the chunks that say nothing of its samples: texts and profiles may expand to a lot of memory."""
    parts, start, position = [], 0, len(SIGNATURE)
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        # The names of chunks that a decoder may skip begin with a lower-case letter.
        if kind[0] & 32 and kind != b"tRNS":
            parts.append(memoryview(data)[start:position])
            start = end
        position = end
    return b"".join((*parts, memoryview(data)[start:])) if parts else data


def read_header(data: bytes) -> PngHeader:
    """The header of a PNG file, its palette and transparency.

    Raises:
        PngError: the file is cut off, damaged or not a PNG file.
    """
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise PngError("a PNG file that is cut off in its header")
    width, height, depth, colour, _, _, interlace = _HEADER.unpack(data[_HEADER_AT])
    if colour not in CHANNELS or depth not in (1, 2, 4, 8, 16) or not width or not height:
        raise PngError(f"a PNG file with an impossible header: {width} x {height}, depth {depth}, colour type {colour}")
    if zlib.crc32(data[12:29]) != int.from_bytes(data[29:33]):
        raise PngError("a damaged PNG file: its header does not have its checksum")
    chunks = _chunks_before_pixels(data)
    palette = chunks.get(b"PLTE")
    if colour == PALETTE and not palette:
        raise PngError("a palette PNG file without a palette")
    return PngHeader(
        width=width,
        height=height,
        depth=depth,
        colour=colour,
        is_interlaced=bool(interlace),
        palette=palette,
        transparency=chunks.get(b"tRNS"),
    )


def _chunks_before_pixels(data: bytes) -> dict[bytes, bytes]:
    chunks: dict[bytes, bytes] = {}
    position = 33
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"IDAT":
            return chunks
        if kind in (b"PLTE", b"tRNS"):
            _check_sum(data, position, length)
        chunks[kind] = data[position + 8 : position + 8 + length]
        position += 12 + length
    raise PngError("a PNG file that is cut off before its pixels")


def check_length(data: bytes, header: PngHeader) -> None:
    """Check that the file is long enough for its pixels, before memory is reserved for them.

    Raises:
        PngError: the file is too short.
    """
    row = math.ceil(header.width * header.depth * CHANNELS[header.colour] / 8)
    if header.height * row > len(data) * DEFLATE_AT_MOST:
        size = f"{header.width} x {header.height} pixels"
        raise PngError(f"a PNG file that is cut off: {len(data):,} bytes are too few for {size}")


def check_pixels(data: bytes) -> None:
    """Check the checksums of the pixels, as kornia-rs does and Pillow does not.

    Raises:
        PngError: the file is damaged.
    """
    position = 33
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"IEND":
            return
        if kind == b"IDAT":
            _check_sum(data, position, length)
        position += 12 + length
    raise PngError("a PNG file that is cut off in its pixels")


def _check_sum(data: bytes, position: int, length: int) -> None:
    end = position + 8 + length
    if zlib.crc32(memoryview(data)[position + 4 : end]) != int.from_bytes(data[end : end + 4]):
        raise PngError(
            f"a damaged PNG file: its {data[position + 4 : position + 8].decode()} does not have its checksum"
        )


def read_samples(
    data: bytes, header: PngHeader, *, is_beside: bool = False
) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    """The samples of a PNG file as stored.

    Args:
        data: the content of the file.
        header: its header, as :func:`read_header` returns it.
        is_beside: whether another thread decodes at the same time.

    Returns:
        Shape (height, width), or (height, width, channels) where there are several; uint8, or uint16 at 16 bits.

    Raises:
        PngError: the file is damaged.
    """
    height, width, depth = header.height, header.width, header.depth
    channels = CHANNELS[header.colour]
    if depth < 8 and header.is_interlaced:
        raise PngError("interlaced with packed pixels")
    if depth < 8:
        packed = math.ceil(width * depth / 8)
        rows = _decode(_with_header(data, header, width=packed, depth=8, colour=GREY), height, packed, "mono", 8)
        return _unpack(rows[:, :, 0], depth)[:, :width]
    if header.colour == GREY_ALPHA and depth == 8:
        both = _decode(_with_header(data, header, depth=16, colour=GREY), height, width, "mono", 16)[:, :, 0]
        return both.astype(">u2").view(np.uint8).reshape(height, width, 2)
    if header.colour == GREY_ALPHA:
        both = _decode(_with_header(data, header, depth=8, colour=RGB_ALPHA), height, width, "rgba", 8)
        return both.view(">u2").astype(np.uint16)
    if is_beside and depth == 8 and height * width >= LARGE:
        return read_by_pillow(data)
    samples = _decode(data, height, width, {1: "mono", 3: "rgb", 4: "rgba"}[channels], depth)
    return samples[:, :, 0] if channels == 1 else samples


def read_by_pillow(data: bytes) -> npt.NDArray[np.uint8]:
    """Samples of at most 8 bits by Pillow, which spreads packed ones to 8; other threads run meanwhile.

    Raises:
        PngError: the file is damaged.
    """
    check_pixels(data)
    try:
        with open_image(io.BytesIO(data)) as image:
            # Flags of one bit are an array of bool.
            return np.asarray(image).astype(np.uint8, copy=False)
    except Exception as error:
        # Pillow raises errors of many classes.
        raise PngError(f"a damaged PNG file: {foreign_text(error)}") from None


def _decode(data: bytes, height: int, width: int, mode: str, depth: int) -> npt.NDArray[np.uint8]:
    decode = kornia_rs.io.decode_image_png_u16 if depth == 16 else kornia_rs.io.decode_image_png_u8
    try:
        return np.asarray(decode(data, (height, width), mode))
    except Exception as error:
        # kornia-rs has no error classes of its own.
        raise PngError(f"a damaged PNG file: {foreign_text(error)}") from None


def _with_header(
    data: bytes, header: PngHeader, *, depth: int, colour: int, width: int | None = None
) -> bytes:  # fmt: skip
    content = _HEADER.pack(width or header.width, header.height, depth, colour, 0, 0, header.is_interlaced)
    check = struct.pack(">I", zlib.crc32(b"IHDR" + content))
    return b"".join((data[: _HEADER_AT.start], content, check, data[_HEADER_AT.stop + 4 :]))


def _unpack(rows: npt.NDArray[np.uint8], depth: int) -> npt.NDArray[np.uint8]:
    shifts = np.arange(8 - depth, -1, -depth, dtype=np.uint8)
    samples = (rows[:, :, None] >> shifts) & np.uint8((1 << depth) - 1)
    return samples.reshape(len(rows), -1)
