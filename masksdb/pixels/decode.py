"""The bytes of a file to the pixels as stored, with the colours of a palette.

Content decides the format, not the name. PNG files go to :mod:`masksdb.pixels.png`, other stills to imageio, videos to
:mod:`masksdb.pixels.video`. Nothing is rotated, scaled or converted on the way; palettes stay indexes
beside their colours.
"""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from masksdb.errors import MaskDecodeError, foreign_text
from masksdb.pixels import pillow, png
from masksdb.pixels.kernel import kernel
from masksdb.pixels.masks import MaskFacts, MaskImage, Samples
from masksdb.pixels.regions import Regions, code_type
from masksdb.pixels.settings import run_limit

_MODES = {png.GREY: "grey", png.RGB: "rgb", png.PALETTE: "palette", png.GREY_ALPHA: "grey_alpha", png.RGB_ALPHA: "rgba"}

_CHANNEL_MODES = {1: "grey", 2: "grey_alpha", 3: "rgb", 4: "rgba"}

_ORIENTATION = 0x0112
"""The EXIF tag that says how to turn an image for display."""

_LOSSY_FORMATS = ("JPEG", "JPEG2000", "AVIF", "HEIF", "MPO")

_JPEG_MODES = {"RGB": "rgb", "L": "mono"}
"""The names of kornia-rs for the modes in which it decodes JPEG."""

_KEPT_BYTES = 1 << 24

# glibc learns from the largest block freed so far how much memory to keep for the next one: else it returns the memory
# of every mask to the kernel, and page faults take as long as decoding. No page of this block is ever touched.
np.empty(_KEPT_BYTES, np.uint8)


def decode_image(data: bytes, uri: str, *, pixel_limit: int, is_beside: bool = False) -> MaskImage:
    """The pixels of a still.

    Args:
        data: the content of the file.
        uri: the name of the file in errors.
        pixel_limit: the most pixels that are decoded; a larger image is refused by its header.
        is_beside: whether another thread decodes at the same time.

    Raises:
        MaskDecodeError: the file is damaged, too large, or not an image.
    """
    if not data:
        raise MaskDecodeError(uri, "empty; expected an image")
    if data.startswith(png.SIGNATURE):
        return _decode_png(data, uri, pixel_limit, is_beside)
    return _decode_other(data, uri, pixel_limit, is_beside)


def facts_of_pngs(files: Sequence[bytes], pixel_limit: int) -> list[MaskFacts | None]:
    """The facts of PNG files, which the compiled kernel reads without making an image.

    Returns:
        None of a file that is left to :func:`decode_image`: damaged, too large, interlaced, not PNG. All are None where
        the kernel is not built.
    """
    compiled = kernel()
    if compiled is None:
        return [None] * len(files)
    return [_facts_of_png(png) for png in compiled.png_regions(files, pixel_limit, run_limit())]


def _facts_of_png(result: Any) -> MaskFacts | None:
    if result is None:
        return None
    height, width, depth, colour, palette, transparency, arrays = result
    channels = png.CHANNELS[colour]
    no_pixels = np.empty((0, 0) if channels == 1 else (0, 0, channels), np.uint16 if depth == 16 else np.uint8)
    image = _png_image(no_pixels, png.PngHeader(width, height, depth, colour, False, palette, transparency))
    regions = Regions.of_arrays(height, width, code_type(channels, no_pixels.itemsize), arrays)
    return MaskFacts(image.without_samples(), regions, image.colours(regions.codes))


def _decode_png(data: bytes, uri: str, pixel_limit: int, is_beside: bool) -> MaskImage:
    try:
        data = png.without_extras(data)
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
    """Packed pixels in seven passes: Pillow decodes them and spreads them to 8 bits, which is undone without loss."""
    samples = png.read_by_pillow(data)
    if header.colour == png.GREY and header.depth > 1:
        samples = samples // np.uint8(255 // ((1 << header.depth) - 1))
    return _png_image(samples, header)


@lru_cache(maxsize=256)
def _palette(colours: bytes, alpha: bytes) -> npt.NDArray[np.uint8]:
    """A palette of 256 colours, opaque black beyond those of the file. Many files of a dataset share one palette."""
    palette = np.zeros((256, 4), np.uint8)
    palette[:, 3] = 255
    count = min(len(colours) // 3, 256)
    palette[:count, :3] = np.frombuffer(colours[: 3 * count], np.uint8).reshape(-1, 3)
    palette[: len(alpha[:256]), 3] = np.frombuffer(alpha[:256], np.uint8)
    palette.flags.writeable = False
    return palette


def _check_size(height: int, width: int, uri: str, pixel_limit: int) -> None:
    if height * width > pixel_limit:
        raise MaskDecodeError(
            uri, f"{width} x {height} pixels, more than the limit of {pixel_limit:,}; raise it with MASKSDB_PIXEL_LIMIT"
        )


def _decode_other(data: bytes, uri: str, pixel_limit: int, is_beside: bool) -> MaskImage:
    try:
        opened = pillow.open_image(io.BytesIO(data))
    except OSError as error:
        raise MaskDecodeError(uri, str(error)) from None
    with opened as image:
        _check_size(image.height, image.width, uri, pixel_limit)
        is_large = image.height * image.width > pillow.LARGE
        try:
            with pillow.without_limit() if is_large else contextlib.nullcontext():
                return _from_pillow(image, data, uri, is_beside)
        except MaskDecodeError:
            raise
        except Exception as error:
            # Every plugin of Pillow raises errors of its own.
            raise MaskDecodeError(uri, f"a damaged image: {foreign_text(error)}") from None


def _from_pillow(image: ImageFile.ImageFile, data: bytes, uri: str, is_beside: bool) -> MaskImage:
    about: dict[str, Any] = {
        "content_type": Image.MIME.get(image.format or "", "image"),
        "is_lossy": _is_lossy(image, data),
    }
    # Pillow turns the images of this format only.
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
    import imageio.v3 as iio

    mode = None if image.mode in ("L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I;16L", "I") else "RGB"
    # The format is known to be one of those that are read: only then may Pillow find it out once more.
    samples = iio.imread(io.BytesIO(data), plugin="pillow", index=0, mode=mode)
    return _from_array(_turned_back(samples, orientation), uri, about)


def _decode_jpeg(data: bytes, mode: str) -> npt.NDArray[np.uint8] | None:
    """The same pixels as Pillow in two thirds of the time; None for an unusual file, which is left to Pillow."""
    import kornia_rs.io

    try:
        samples: npt.NDArray[np.uint8] = kornia_rs.io.decode_image_jpegturbo(data, mode)
    except Exception:
        # kornia-rs has no error classes of its own.
        return None
    return samples[:, :, 0] if mode == "mono" else samples


def _turned_back(samples: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Pixels as stored, from pixels that were turned or flipped for display."""
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
