"""What image files say of themselves, without their pixels: kind, size, how to turn them, whether the end is there."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from masksdb.errors import MasksDBError
from masksdb.pixels.media import Located, locate
from masksdb.pixels.video import is_video

READERS = 8
"""Files that are looked at side by side: most of it is waiting for a disk or a server."""

TAIL_BYTES = 4096
"""Bytes at the end of a file in which its end mark is looked for, for some programs write more behind it."""

VIDEO = "video"

_ORIENTATION = 0x0112

_ENDS = {"PNG": b"IEND", "JPEG": b"\xff\xd9"}
"""What complete files have near their end."""


class Header(NamedTuple):
    """What an image file says of itself, or what is wrong with it.

    Attributes:
        uri: what it was asked for as.
        content_type: what the content is, such as ``image/png``; ``video`` for any video.
        width: pixels as stored; None for a video.
        height: the same.
        orientation: the EXIF orientation, 1 where nothing is turned.
        fingerprint: what changes with the content; None where there is no file.
        error: why it cannot be read, or that it is cut off.
    """

    uri: str
    content_type: str | None = None
    width: int | None = None
    height: int | None = None
    orientation: int = 1
    fingerprint: str | None = None
    error: str | None = None


class Known(NamedTuple):
    """A file, and what an earlier look at it has left."""

    uri: str
    fingerprint: str | None
    error: str | None


def changed_headers(
    known: Sequence[Known], prefixes: Mapping[str, str], at_once: int
) -> Iterator[list[Header]]:  # fmt: skip
    """The headers of the files that have changed, some at a time.

    Args:
        known: the files, and what is known of them.
        prefixes: URI prefixes and what replaces them.
        at_once: files that are looked at before what is new is given.
    """
    with warnings.catch_warnings(), ThreadPoolExecutor(READERS, "masksdb_header") as threads:
        # Only the header is read, so how large the picture is does not matter.
        warnings.simplefilter("ignore")
        for start in range(0, len(known), at_once):
            found = threads.map(lambda each: _changed(each, prefixes), known[start : start + at_once])
            yield _present(found)


def _present(headers: Iterable[Header | None]) -> list[Header]:
    return [header for header in headers if header is not None]


def _changed(known: Known, prefixes: Mapping[str, str]) -> Header | None:
    try:
        located = locate(known.uri, prefixes)
    except MasksDBError as failure:
        found = Header(known.uri, error=str(failure).removeprefix(f"{known.uri}: "))
        return None if (known.fingerprint, known.error) == (None, found.error) else found
    return None if known.fingerprint == located.fingerprint else read_header(known.uri, located)


def read_header(uri: str, located: Located) -> Header:
    """What a file says of itself; damaged ones have an error instead of raising one."""
    from PIL import Image, UnidentifiedImageError

    header = Header(uri, fingerprint=located.fingerprint)
    try:
        with open(located.path, "rb") as file:
            head = file.read(64)
            if not head:
                return header._replace(error="empty; expected an image")
            if is_video(head):
                return header._replace(content_type=VIDEO)
            with Image.open(file) as image:
                kind = "JPEG" if image.format == "MPO" else image.format or ""
                header = header._replace(
                    content_type=Image.MIME.get(kind, "image"),
                    width=image.width,
                    height=image.height,
                    orientation=_orientation(image),
                )
            if kind in _ENDS and _ENDS[kind] not in _tail(located.path):
                header = header._replace(error=f"cut off: its end mark is not in its last {TAIL_BYTES:,} bytes")
    except UnidentifiedImageError:
        return header._replace(error=f"no image that is known; it begins with {head[:12]!r}")
    except Image.DecompressionBombError:
        # Too large for Pillow is not wrong.
        return header
    except Exception as error:
        # Each plugin of Pillow raises what it likes.
        return header._replace(error=f"a damaged image: {' '.join(str(error).split())}")
    return header


def _orientation(image: Any) -> int:
    from PIL import Image

    # For a PNG, getexif() would decode all of it.
    exif = image.getexif() if image.format == "TIFF" else Image.Exif()
    if image.info.get("exif"):
        exif.load(image.info["exif"])
    found = exif.get(_ORIENTATION, 1)
    return found if found in range(1, 9) else 1


def _tail(path: str) -> bytes:
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES), io.SEEK_SET)
        return file.read()
