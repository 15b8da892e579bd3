"""Bytes to pixels as stored, and what their values are as colours.

Content decides the format, not the name. PNG files go to :mod:`masksdb.png`, other stills to imageio, videos to
:mod:`masksdb.video`. Nothing is rotated, scaled or converted on the way; palettes stay indexes beside their colours.
"""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from masksdb import png
from masksdb.errors import MaskDecodeError

Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Codes = npt.NDArray[np.unsignedinteger]

NO_SAMPLE = -1
"""What stands for the raw sample of a mask that has no single one: colour, grey with alpha, video."""

_MODES = {png.GREY: "grey", png.RGB: "rgb", png.PALETTE: "palette", png.GREY_ALPHA: "grey_alpha", png.RGB_ALPHA: "rgba"}
_CHANNEL_MODES = {1: "grey", 2: "grey_alpha", 3: "rgb", 4: "rgba"}
_ORIENTATION = 0x0112
"""The EXIF tag that says how to turn a picture to show it upright."""
_LOSSY_FORMATS = ("JPEG", "JPEG2000", "AVIF", "HEIF", "MPO")
_JPEG_MODES = {"RGB": "rgb", "L": "mono"}
"""What kornia-rs calls the modes in which it decodes JPEG."""
_KEPT_BYTES = 1 << 24
# glibc learns from the largest block freed so far how much memory to keep for the next one: else it gives that of each
# mask back to the kernel, and page faults take as long as decoding. No page of this block is ever touched.
np.empty(_KEPT_BYTES, np.uint8)


@dataclass(frozen=True)
class MaskImage:
    """The pixels of a mask as stored.

    Attributes:
        samples: shape (height, width), or (height, width, channels) where there are several; uint8 or uint16.
        mode: ``grey``, ``palette``, ``rgb``, ``grey_alpha`` or ``rgba``.
        depth: bits of a sample: 1, 2, 4, 8 or 16.
        content_type: what the content is, such as ``image/png``.
        palette: RGBA of each index, shape (256, 4), uint8, black where there is none; None without a palette.
        transparent: the grey level or RGB that is shown transparent; None where there is none.
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
        """The alpha of what is opaque, and the largest displayed level."""
        return 65535 if self.depth == 16 else 255

    def without_samples(self) -> MaskImage:
        """What is known of the mask but its pixels."""
        return replace(self, samples=np.zeros((0, 0), np.uint8))

    def colours(self, codes: Codes) -> npt.NDArray[np.int64]:
        """What codes stand for, shape (n, 5), int64: the raw sample (-1 where there is none), red, green, blue, alpha.

        Red, green and blue are as displayed: palettes expanded, grey in all three, 1 to 4 bits spread to 8, 16 bits
        kept.
        """
        found = np.empty((len(codes), 5), np.int64)
        found[:, 0] = codes if self.has_sample else NO_SAMPLE
        if self.palette is not None:
            found[:, 1:] = self.palette[codes]
            return found
        found[:, 4] = self.maximum
        channels = self._unpacked(codes)
        if channels.shape[1] in (2, 4):
            found[:, 4] = channels[:, -1]
            channels = channels[:, :-1]
        elif self.transparent is not None:
            found[(channels == self.transparent).all(axis=1), 4] = 0
        found[:, 1:4] = channels * 255 // ((1 << self.depth) - 1) if self.depth < 8 else channels
        return found

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


def nearest_places(size: int, wanted: int) -> npt.NDArray[np.int64]:
    """Which of ``size`` pixels in a row to take for each of ``wanted``: those under their middles."""
    found: npt.NDArray[np.int64] = (2 * np.arange(wanted) + 1) * size // (2 * wanted)
    return found


def decode_image(data: bytes, uri: str, *, pixel_limit: int, is_beside: bool = False) -> MaskImage:
    """The pixels of a still.

    Args:
        data: the content of the file.
        uri: what errors call it.
        pixel_limit: how many pixels it may have; more are refused before they are decoded.
        is_beside: whether another thread decodes just now, too.

    Raises:
        MaskDecodeError: the file is damaged, too large, or no image.
    """
    if not data:
        raise MaskDecodeError(uri, "empty; expected an image")
    if data.startswith(png.SIGNATURE):
        return _decode_png(data, uri, pixel_limit, is_beside)
    return _decode_other(data, uri, pixel_limit, is_beside)


def _decode_png(data: bytes, uri: str, pixel_limit: int, is_beside: bool) -> MaskImage:
    try:
        header = png.read_header(data)
        _check_size(header.height, header.width, uri, pixel_limit)
        png.check_length(data, header)
        if header.is_interlaced and header.depth < 8:
            return _from_pillow_interlaced(data, header)
        samples = png.read_samples(data, header, is_beside=is_beside)
    except png.PngError as error:
        raise MaskDecodeError(uri, str(error)) from None
    return _png_image(samples, header)


def _png_image(samples: Samples, header: png.PngHeader) -> MaskImage:
    palette, transparent = None, None
    if header.palette is not None and header.colour == png.PALETTE:
        palette = _palette(header.palette, header.transparency or b"")
    elif header.colour in (png.GREY, png.RGB) and header.transparency:
        count = png.CHANNELS[header.colour]
        # Of another length it is ignored, as all decoders do.
        transparent = (
            struct.unpack(f">{count}H", header.transparency) if len(header.transparency) == 2 * count else None
        )
    return MaskImage(samples, _MODES[header.colour], header.depth, "image/png", palette, transparent)


def _from_pillow_interlaced(data: bytes, header: png.PngHeader) -> MaskImage:
    """Packed pixels in seven passes, which Pillow decodes and spreads to 8 bits: taken back, which loses nothing."""
    from PIL import Image

    png.check_pixels(data)
    try:
        with Image.open(io.BytesIO(data)) as image:
            samples = np.asarray(image).astype(np.uint8)
    except (OSError, SyntaxError, ValueError) as error:
        raise png.PngError(f"a damaged PNG file: {error}") from None
    if header.colour == png.GREY and header.depth > 1:
        samples //= 255 // ((1 << header.depth) - 1)
    return _png_image(samples, header)


@lru_cache(maxsize=256)
def _palette(colours: bytes, alpha: bytes) -> npt.NDArray[np.uint8]:
    """A palette of 256 colours, opaque black where there is none. Many files of a dataset share one."""
    found = np.zeros((256, 4), np.uint8)
    found[:, 3] = 255
    count = min(len(colours) // 3, 256)
    found[:count, :3] = np.frombuffer(colours[: 3 * count], np.uint8).reshape(-1, 3)
    found[: len(alpha[:256]), 3] = np.frombuffer(alpha[:256], np.uint8)
    found.flags.writeable = False
    return found


def _check_size(height: int, width: int, uri: str, pixel_limit: int) -> None:
    if height * width > pixel_limit:
        raise MaskDecodeError(
            uri, f"{width} x {height} pixels, more than the limit of {pixel_limit:,}; raise it with MASKSDB_PIXEL_LIMIT"
        )


def _decode_other(data: bytes, uri: str, pixel_limit: int, is_beside: bool) -> MaskImage:
    import imageio.v3 as iio
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                _check_size(image.height, image.width, uri, pixel_limit)
                about: dict[str, Any] = {
                    "content_type": Image.MIME.get(image.format or "", "image"),
                    "is_lossy": _is_lossy(image, data),
                }
                # Of all formats Pillow turns only this one.
                orientation = image.getexif().get(_ORIENTATION, 1) if image.format == "TIFF" else 1
                if image.mode == "P":
                    samples = _turned_back(np.asarray(image), orientation)
                    return MaskImage(samples, "palette", palette=_pillow_palette(image), **about)
                if image.mode == "1":
                    return MaskImage(_turned_back(np.asarray(image).astype(np.uint8), orientation), "grey", 1, **about)
                if image.format == "JPEG" and image.mode in _JPEG_MODES and not is_beside:
                    jpeg = _decode_jpeg(data, _JPEG_MODES[image.mode])
                    if jpeg is not None:
                        return _from_array(jpeg, uri, about)
                mode = None if image.mode in ("L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I;16L", "I") else "RGB"
            samples = iio.imread(io.BytesIO(data), plugin="pillow", index=0, mode=mode)
    except UnidentifiedImageError:
        raise MaskDecodeError(uri, f"no image that is known; it begins with {data[:12]!r}") from None
    except Image.DecompressionBombError as error:
        raise MaskDecodeError(uri, f"too large for Pillow: {error}") from None
    except MaskDecodeError:
        raise
    except Exception as error:
        # Each plugin of Pillow raises what it likes.
        raise MaskDecodeError(uri, f"a damaged image: {error}") from None
    return _from_array(_turned_back(samples, orientation), uri, about)


def _decode_jpeg(data: bytes, mode: str) -> npt.NDArray[np.uint8] | None:
    """The pixels that Pillow finds, in two thirds of its time; None where something is odd, for Pillow to judge."""
    import kornia_rs.io

    try:
        samples: npt.NDArray[np.uint8] = kornia_rs.io.decode_image_jpegturbo(data, mode)
    except Exception:
        # kornia-rs has no errors of its own.
        return None
    return samples[:, :, 0] if mode == "mono" else samples


def _turned_back(samples: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Pixels as stored, of those that were turned or flipped to be shown upright."""
    if orientation in (5, 6, 7, 8):
        samples = np.swapaxes(samples, 0, 1)
    if orientation in (3, 4, 7, 6):
        samples = samples[::-1]
    if orientation in (2, 3, 7, 8):
        samples = samples[:, ::-1]
    return np.ascontiguousarray(samples)


def _from_array(samples: npt.NDArray[Any], uri: str, about: dict[str, Any]) -> MaskImage:
    if samples.dtype not in (np.uint8, np.uint16):
        if samples.dtype.kind not in "iu" or samples.min() < 0 or samples.max() > 65535:
            raise MaskDecodeError(uri, f"samples of {samples.dtype}; a mask has whole numbers from 0 to 65535")
        samples = samples.astype(np.uint16)
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    depth = samples.itemsize * 8
    return MaskImage(np.ascontiguousarray(samples), _CHANNEL_MODES[channels], depth, **about)


def _pillow_palette(image: Any) -> npt.NDArray[np.uint8]:
    colours = bytes(image.getpalette("RGB") or [])
    transparency = image.info.get("transparency", b"")
    if isinstance(transparency, int):
        transparency = b"\xff" * transparency + b"\0"
    return _palette(colours, transparency)


def _is_lossy(image: Any, data: bytes) -> bool:
    if image.format == "WEBP":
        return b"VP8L" not in data[:4096]
    if image.format == "TIFF":
        return image.info.get("compression") in ("jpeg", "tiff_jpeg", "old_jpeg", "webp")
    return image.format in _LOSSY_FORMATS
