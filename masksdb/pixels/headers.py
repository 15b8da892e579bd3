"""The headers of image files, read without their pixels: format, size, orientation, and whether the end is missing."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from masksdb.errors import MaskDecodeError, MasksDBError, foreign_text
from masksdb.pixels.media import Located, locate_all
from masksdb.pixels.video import is_video

READERS = 8
"""Files that are read side by side: most of the time goes into waiting for a disk or a server."""

TAIL_BYTES = 4096
"""Bytes at the end of a file that are searched for its end mark, because some programs write more after it."""

VIDEO = "video"

_ORIENTATION = 0x0112

_ENDS = {"PNG": b"IEND", "JPEG": b"\xff\xd9"}
"""The end marks of complete files by format."""


class Header(NamedTuple):
    """The header of an image file, or what is wrong with the file.

    Attributes:
        uri: the URI of the file.
        content_type: the MIME type, such as ``image/png``; ``video`` for any video.
        width: pixels as stored; None for a video.
        height: pixels as stored; None for a video.
        orientation: the EXIF orientation; 1 is upright.
        fingerprint: changes with the content; None if there is no file.
        error: why the file is unreadable, or that it is cut off.
    """

    uri: str
    content_type: str | None = None
    width: int | None = None
    height: int | None = None
    orientation: int = 1
    fingerprint: str | None = None
    error: str | None = None


class KnownFile(NamedTuple):
    """A file whose header was read before: its fingerprint and its error at that time."""

    uri: str
    fingerprint: str | None
    error: str | None


def changed_headers(
    files: Sequence[KnownFile], prefixes: Mapping[str, str], at_once: int
) -> Iterator[list[Header]]:  # fmt: skip
    """The headers of the files that have changed since they were read.

    Args:
        files: the files.
        prefixes: URI prefixes and their replacements.
        at_once: files that are read between two results.

    Yields:
        The headers that have changed among the next ``at_once`` files.
    """
    with warnings.catch_warnings(), ThreadPoolExecutor(READERS, "masksdb_header") as threads:
        # Only the header is read, so the size of the image does not matter.
        warnings.simplefilter("ignore")
        for start in range(0, len(files), at_once):
            some = files[start : start + at_once]
            headers = threads.map(_changed, some, locate_all([file.uri for file in some], prefixes))
            yield [header for header in headers if header is not None]


def _changed(file: KnownFile, located: Located | MasksDBError) -> Header | None:
    if isinstance(located, MasksDBError):
        reason = located.reason if isinstance(located, MaskDecodeError) else str(located)
        return None if file.error == reason else Header(file.uri, error=reason)
    if file.error is None and file.fingerprint == located.fingerprint:
        return None
    header = read_header(file.uri, located)
    return None if (header.fingerprint, header.error) == (file.fingerprint, file.error) else header


def read_header(uri: str, located: Located) -> Header:
    """The header of a file; that of a damaged file has an error, which is not raised."""
    from PIL import Image

    from masksdb.pixels.pillow import open_image

    header = Header(uri, fingerprint=located.fingerprint)
    try:
        with open(located.path, "rb") as file:
            head = file.read(64)
            if not head:
                return header._replace(error="empty; expected an image")
            if is_video(head):
                return header._replace(content_type=VIDEO)
            file.seek(0)
            with open_image(file) as image:
                kind = "JPEG" if image.format == "MPO" else image.format or ""
                header = header._replace(
                    content_type=Image.MIME.get(kind, "image"),
                    width=image.width,
                    height=image.height,
                    orientation=_orientation(image),
                )
            if kind in _ENDS and _ENDS[kind] not in _tail(located.path):
                header = header._replace(error=f"cut off: its end mark is not in its last {TAIL_BYTES:,} bytes")
    except OSError as error:
        return header._replace(error=error.strerror or str(error))
    except Exception as error:
        # Every plugin of Pillow raises errors of its own.
        return header._replace(error=f"a damaged image: {foreign_text(error)}")
    return header


def _orientation(image: Any) -> int:
    from PIL import Image

    # For a PNG, getexif() would decode the whole image.
    exif = image.getexif() if image.format == "TIFF" else Image.Exif()
    if image.info.get("exif"):
        exif.load(image.info["exif"])
    orientation = exif.get(_ORIENTATION, 1)
    return orientation if orientation in range(1, 9) else 1


def _tail(path: str) -> bytes:
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES), io.SEEK_SET)
        return file.read()
