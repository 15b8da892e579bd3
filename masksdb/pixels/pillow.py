"""Pillow with the image formats that masksdb reads and no others, for some of its plugins start other programs.

Its limit of pixels does not apply: it is one of the whole process, and masksdb has its own.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image, ImageFile, UnidentifiedImageError

from masksdb.errors import foreign_text

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM", "JPEG2000", "AVIF")
"""Pillow's names of the formats that are read, each where the installed Pillow has it."""

LARGE = 1 << 26
"""Pixels from which on Pillow's limit is lifted; it warns from 89 million on."""

_lock = threading.Lock()


def is_image(head: bytes) -> bool:
    """Whether a file that begins so (16 bytes are enough) claims to be an image of a known format."""
    return any(_accepts(name, head) for name in FORMATS)


def open_image(file: BinaryIO) -> ImageFile.ImageFile:
    """An image file whose header has been read.

    Raises:
        UnidentifiedImageError: the file is not an image of a known format.
        OSError: the file is damaged.
    """
    head = file.read(16)
    for name in FORMATS:
        if _accepts(name, head):
            try:
                try:
                    return _opened(name, file)
                except Image.DecompressionBombError:
                    with without_limit():
                        return _opened(name, file)
            except Exception as error:
                # Every plugin of Pillow raises errors of its own.
                raise OSError(f"a damaged image: {foreign_text(error)}") from None
    raise UnidentifiedImageError("not an image of a known format")


def _opened(name: str, file: BinaryIO) -> ImageFile.ImageFile:
    file.seek(0)
    image: ImageFile.ImageFile = Image.OPEN[name][0](file, "")
    return image


@contextlib.contextmanager
def without_limit() -> Iterator[None]:
    """Lift Pillow's limit of pixels, for one thread of masksdb at a time."""
    with _lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _forget_parent() -> None:
    """In a forked process: wait for no thread of the parent."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)


def _accepts(name: str, head: bytes) -> bool:
    if name not in Image.OPEN:
        Image.init()
    accept = Image.OPEN[name][1] if name in Image.OPEN else None
    # A text is why the installed Pillow cannot read the format after all.
    return accept is not None and accept(head[:16]) is True
