"""A dataset on disk as the layouts read it: files found, masks decoded, faults told."""

from __future__ import annotations

import contextlib
import errno
import gc
import io
import itertools
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from masksdb.errors import IngestError, MasksDBError
from masksdb.pixels import rle
from masksdb.pixels.mask_cache import facts_cache
from masksdb.pixels.masks import MaskFacts, MaskRef
from masksdb.pixels.settings import Settings

Frame = dict[str, Any]

Value = list[int]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif")

MASKS_AT_ONCE = 128

VOID, BACKGROUND = "void", "background"
"""Labels of pixels that count for nothing, and of those that are no object."""

_ORIENTATION = 0x0112

Item = TypeVar("Item")


class Size(NamedTuple):
    """Pixels of an image."""

    width: int
    height: int


@dataclass
class Tree:
    """A dataset on disk, and what its reader finds out besides the frames.

    Attributes:
        path: the file or folder.
        settings: how masks are read.
        mask_labels: the version's mapping of values to labels, which the reader fills: lists of entries by mask id.
        notes: what a person should know, though nothing is wrong with the frames.
    """

    path: Path
    settings: Settings = field(default_factory=Settings)
    mask_labels: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def root(self) -> Path:
        """The folder that the URIs of its frames are relative to."""
        return self.path if self.path.is_dir() else self.path.parent

    def uri(self, path: Path) -> str:
        """A file as a URI relative to the root, where it is in there."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path.absolute())

    def error(self, path: Path, reason: str, json_path: str | None = None, *, record: int | None = None) -> IngestError:
        """Why something in a file cannot be taken."""
        return IngestError(reason, str(path), json_path=json_path, record=record)

    def note(self, path: Path, text: str) -> None:
        """Tell a person about a file."""
        self.notes.append(f"{path}: {text}")

    def declare(
        self,
        mask_id: str,
        value: Sequence[int],
        label: str,
        *,
        is_ignored: bool = False,
        colour: Sequence[int] | None = None,
    ) -> None:
        """Say what a value means in all masks of an id; the first that says so holds.

        Args:
            mask_id: id of the masks.
            value: the value.
            label: what it means.
            is_ignored: whether it counts for nothing.
            colour: the colour that the label map has for it, where the value is none itself.
        """
        entries = self.mask_labels.setdefault(mask_id, [])
        if all(entry["value"] != list(value) for entry in entries):
            entry = {"value": list(value), "labels": [label]} | ({"ignore": True} if is_ignored else {})
            entries.append(entry | ({"color": list(colour)} if colour is not None else {}))

    def with_facts(
        self, items: Iterable[Item], paths: Iterable[Path]
    ) -> Iterator[tuple[Item, MaskFacts | IngestError]]:  # fmt: skip
        """Each item with what is in its mask, decoded many at a time.

        Args:
            items: anything.
            paths: for each the file of its mask.
        """
        pairs = zip(items, paths, strict=True)
        while chunk := list(itertools.islice(pairs, MASKS_AT_ONCE)):
            found = facts_cache.get([MaskRef(str(path)) for _, path in chunk], self.settings)
            for (item, path), facts in zip(chunk, found, strict=True):
                is_bad = isinstance(facts, MasksDBError)
                yield item, self.error(path, getattr(facts, "reason", str(facts))) if is_bad else facts  # type: ignore[misc]  # not an error then

    def with_masks(
        self, items: Iterable[Item], masks: Iterable[Mapping[str, Path]]
    ) -> Iterator[tuple[Item, dict[str, MaskFacts | IngestError]]]:
        """Each item with what is in each of its masks, decoded many at a time.

        Args:
            items: anything.
            masks: for each the files of its masks by mask id.
        """
        pairs = zip(items, masks, strict=True)
        while chunk := list(itertools.islice(pairs, MASKS_AT_ONCE)):
            found: list[dict[str, MaskFacts | IngestError]] = [{} for _ in chunk]
            places = [(index, name) for index, (_, files) in enumerate(chunk) for name in files]
            for (index, name), facts in self.with_facts(places, [chunk[index][1][name] for index, name in places]):
                found[index][name] = facts
            yield from zip((item for item, _ in chunk), found, strict=True)

    def size(self, path: Path) -> Size | IngestError:
        """The size of an image as stored; told where an orientation says to show it turned."""
        try:
            with open_file(path) as file, Image.open(file) as image:
                turned = image.getexif().get(_ORIENTATION, 1) if image.format in ("JPEG", "TIFF", "WEBP", "PNG") else 1
                if turned != 1:
                    told = f"EXIF orientation {turned} shows it turned or mirrored"
                    self.note(path, f"{told}; masks are taken to lie on it as stored")
                return Size(image.width, image.height)
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            fault = getattr(error, "strerror", None)
            reason = f"cannot be read: {fault}" if fault else "cannot be read as an image"
            return self.error(path, "no such file" if isinstance(error, FileNotFoundError) else reason)

    def read_json(self, path: Path) -> Any:
        """The content of a JSON file.

        Raises:
            IngestError: it cannot be read.
        """
        try:
            with open_file(path) as file, garbage_kept():
                return json.loads(file.read())
        except OSError as error:
            raise self.error(path, f"cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            raise self.error(path, f"not JSON: {error}") from None


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """A regular file, open to be read: a pipe in its place would let its reader wait for ever.

    Raises:
        OSError: it cannot be opened, or is none.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "not a file", os.fspath(path))
    return open(path, "rb")


def read_text(path: Path, encoding: str = "utf-8", errors: str = "strict") -> str:
    """The text of a regular file.

    Raises:
        OSError: it cannot be read, or is none.
        UnicodeDecodeError: it has another encoding.
    """
    with open_file(path) as file, io.TextIOWrapper(file, encoding, errors) as text:
        return text.read()


def lines_of(path: Path) -> list[str] | IngestError:
    """The lines of a text file, or why there are none."""
    try:
        return read_text(path, "utf-8-sig").split("\n")
    except OSError as error:
        return IngestError(f"cannot be read: {error.strerror}", str(path))
    except UnicodeDecodeError:
        return IngestError("cannot be read as UTF-8 text", str(path))


@contextlib.contextmanager
def garbage_kept() -> Iterator[None]:
    """Let Python not look for cycles: where millions of objects live on, that takes a quarter of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def mask_of(mask_id: str, uri: str) -> dict[str, Any]:
    """A mask of a source, of a PNG."""
    return {"id": mask_id, "content_type": "image/png", "uri": uri}


def roi_of(
    label: str, mask_id: str, value: Sequence[int], *, is_ignored: bool = False, is_crowd: bool = False, **further: Any
) -> dict[str, Any]:
    """A ROI that is a value of a mask."""
    roi: dict[str, Any] = {"label": [label], "mask": {"id": mask_id, "value": list(value)}, **further}
    if is_crowd:
        roi["is_crowd"] = True
    if is_ignored:
        roi["meta"] = {**roi.get("meta", {}), "ignore": True}
    return roi


def source_of(
    image_uri: str | None, size: Size | None, masks: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:  # fmt: skip
    """The source of a frame that has one image."""
    source: dict[str, Any] = {} if image_uri is None else {"uri": image_uri}
    if size:
        source |= {"width": size.width, "height": size.height}
    return source | ({"masks": list(masks)} if masks else {})


def image_files(
    folder: Path, refused: list[IngestError] | None = None, suffixes: tuple[str, ...] = IMAGE_SUFFIXES
) -> dict[str, Path]:
    """The images of a folder and of those below it by their path in it without the suffix.

    Args:
        folder: the folder.
        refused: takes up an error for each file whose name, without the suffix, is that of one before.
        suffixes: those of the images, in small letters.
    """
    # A link that leads nowhere is told by who opens it.
    files = (
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in suffixes and (path.is_symlink() or path.is_file())
    )
    return by_name(folder, files, refused)


def by_name(folder: Path, files: Iterable[Path], refused: list[IngestError] | None = None) -> dict[str, Path]:
    """Files by their path in a folder without the suffix, the first of each name; ``refused`` as image_files has it."""
    found: dict[str, Path] = {}
    for path in files:
        first = found.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
        if first is not path and refused is not None:
            refused.append(IngestError(f"the name of {first.name}, with another suffix; leave one of them", str(path)))
    return found


_DIGITS = 18
"""Digits of the longest whole number: it fits into 64 bits, and Python refuses to read those of thousands."""


def is_whole(text: str) -> bool:
    """Whether a text is a whole number, not below 0, that can be stored.

    >>> is_whole("007"), is_whole("-1"), is_whole("9" * 19)
    (True, False, False)
    """
    return text.isascii() and text.isdecimal() and len(text) <= _DIGITS


def declared_size(width: object, height: object, pixel_limit: int) -> Size | str:
    """The size that a file says of its image, or what is wrong with it.

    >>> declared_size(12, True, 100)
    'found an image of 12 x True pixels, expected whole numbers from 1 on'
    """
    if type(width) is not int or type(height) is not int or width < 1 or height < 1:
        return f"found an image of {width!r:.40} x {height!r:.40} pixels, expected whole numbers from 1 on"
    if width * height > pixel_limit:
        limit = f"more than the limit of {pixel_limit:,}; raise it with MASKSDB_PIXEL_LIMIT"
        return f"found an image of {width} x {height} pixels, {limit}"
    return Size(width, height)


def region_in(size: Size, left: int, top: int, pixels: npt.NDArray[np.bool_]) -> dict[str, Any] | str:
    """The run lengths in an image of a region given in a box, or what is wrong with the box.

    >>> region_in(Size(3, 2), 1, 0, np.array([[True], [False]]))
    {'size': [2, 3], 'counts': '213'}
    """
    height, width = pixels.shape
    if left < 0 or top < 0 or left + width > size.width or top + height > size.height:
        return f"{width} x {height} pixels at {left}, {top}, outside of its image"
    # Only the columns of the box: an image may be very large beside its regions.
    columns = np.zeros((min(width + 1, size.width - left), size.height), np.bool_)
    columns[:width, top : top + height] = pixels.T
    edges = np.flatnonzero(np.diff(columns.reshape(-1), prepend=False)) + left * size.height
    counts = np.diff(edges, prepend=0, append=size.width * size.height)
    return {"size": [size.height, size.width], "counts": rle.encode_counts(counts)}
