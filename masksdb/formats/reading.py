"""A dataset on disk as the layouts read it: its files, its decoded masks, and what is wrong with it."""

from __future__ import annotations

import contextlib
import errno
import gc
import io
import itertools
import json
import os
import stat
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt

from masksdb.errors import IngestError, MasksDBError
from masksdb.formats.frame import Frame, RunLengths, Size
from masksdb.pixels import rle
from masksdb.pixels.colours import Colour
from masksdb.pixels.mask_cache import facts_cache
from masksdb.pixels.masks import BLUE, RED, MaskFacts, MaskRef
from masksdb.pixels.pillow import open_image
from masksdb.pixels.settings import Settings

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif")

MASKS_AT_ONCE = 128

MOST_COLOURS = 512
"""The most colours of a mask in colours that no label map names: a photograph has thousands."""

_NEAR = 48
"""By how much a channel of a colour differs at most from that which JPEG or interpolation made it of."""

VOID, BACKGROUND = "void", "background"
"""Labels of pixels that are to be ignored, and of those that are not an object."""

_ORIENTATION = 0x0112

Item = TypeVar("Item")


class Fault(MasksDBError):  # noqa: N818  # of the data
    """Why something in a dataset cannot become a frame, a ROI or a label.

    Readers raise it; :meth:`Tree.part` adds the place, and leaves that part out or ends the reading.

    Attributes:
        reason: what was found and what was expected.
        path: the file; None where whoever catches it knows.
        json_path: the place in it, such as ``annotations[3]``.
        line: the line in it, from 1.
    """

    def __init__(
        self, reason: str, path: Path | None = None, json_path: str | None = None, *, line: int | None = None
    ) -> None:
        self.reason, self.path, self.json_path, self.line = reason, path, json_path, line
        super().__init__(reason)

    def at(self, path: Path, json_path: str | None = None, *, line: int | None = None, name: str = "") -> Fault:
        """The fault with a place, unless it has one already; its reason begins with the name of what has it."""
        if self.path is not None:
            return self
        return Fault(f"{name}: {self.reason}" if name else self.reason, path, json_path, line=line)


def raise_fault(error: IngestError) -> None:
    """End the reading at the first fault."""
    raise error


def ignore_fault(error: IngestError) -> None:
    """Leave out what has a fault."""
    del error


@dataclass
class Tree:
    """A dataset on disk, and what its reader reports besides the frames.

    Attributes:
        path: the file or folder.
        settings: how masks are read.
        mask_labels: the version's mapping of values to labels, which the reader fills: lists of entries by mask id.
        notes: what a person should know, though nothing is wrong with the frames.
        on_fault: records what cannot become a frame, or raises it, which ends the reading.
    """

    path: Path
    settings: Settings = field(default_factory=Settings)
    mask_labels: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    on_fault: Callable[[IngestError], None] = raise_fault
    _declared: dict[str, set[tuple[int, ...]]] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """The folder that the URIs of its frames are relative to."""
        return self.path if self.path.is_dir() else self.path.parent

    def uri(self, path: Path) -> str:
        """A file as a URI relative to the root, where it is in there."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path.absolute())

    def refuse(self, fault: Fault) -> None:
        """Record a fault and go on, or end the reading with it."""
        path = str(fault.path or self.path)
        self.on_fault(IngestError(fault.reason, path, json_path=fault.json_path, line=fault.line))

    @contextlib.contextmanager
    def part(
        self, path: Path, json_path: str | None = None, *, line: int | None = None, name: str = ""
    ) -> Iterator[None]:
        """A part of the dataset: a fault in it is refused, and what follows is read.

        Args:
            path: the file that the fault is in, if it does not say so itself.
            json_path: the place in the file.
            line: the line in the file.
            name: what the reason begins with.
        """
        try:
            yield
        except Fault as fault:
            self.refuse(fault.at(path, json_path, line=line, name=name))

    @contextlib.contextmanager
    def placed(self, path: Path, json_path: str | None = None, *, name: str = "") -> Iterator[None]:
        """Add a place to a fault that has none, which still leaves out all of the part around it."""
        try:
            yield
        except Fault as fault:
            raise fault.at(path, json_path, name=name) from None

    def note(self, path: Path, text: str) -> None:
        """Report something about a file."""
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
        """Say what a value means in all masks of an id; the first meaning holds.

        Args:
            mask_id: id of the masks.
            value: the value.
            label: what it means.
            is_ignored: whether it is ignored.
            colour: the colour that the label map has for it, where the value is not a colour itself.
        """
        entries = self.mask_labels.setdefault(mask_id, [])
        if mask_id not in self._declared:
            self._declared[mask_id] = {tuple(entry["value"]) for entry in entries}
        declared = self._declared[mask_id]
        if tuple(value) not in declared:
            declared.add(tuple(value))
            entry = {"value": list(value), "labels": [label]} | ({"ignore": True} if is_ignored else {})
            entries.append(entry | ({"color": list(colour)} if colour is not None else {}))

    def with_facts(
        self, items: Iterable[Item], paths: Iterable[Path | None]
    ) -> Iterator[tuple[Item, MaskFacts | None]]:  # fmt: skip
        """Each item with its decoded mask, None where it has no mask; what cannot be decoded is refused and left out.

        Args:
            items: anything.
            paths: for each item the file of its mask.
        """
        files: list[dict[str, Path]] = [{} if path is None else {"": path} for path in paths]
        for (item, own), facts in self.with_masks(zip(items, files, strict=True), files):
            if len(facts) == len(own):
                yield item, facts.get("")

    def with_masks(
        self, items: Iterable[Item], masks: Iterable[Mapping[str, Path]]
    ) -> Iterator[tuple[Item, dict[str, MaskFacts]]]:
        """Each item with its decoded masks by mask id, many decoded at once; what cannot be decoded is refused.

        Args:
            items: anything.
            masks: for each item the files of its masks by mask id.
        """
        pairs = zip(items, masks, strict=True)
        while chunk := list(itertools.islice(pairs, MASKS_AT_ONCE)):
            paths = [path for _, files in chunk for path in files.values()]
            decoded = iter(facts_cache.get([MaskRef(str(path)) for path in paths], self.settings))
            for item, files in chunk:
                masks_of_item: dict[str, MaskFacts] = {}
                for mask_id, path in files.items():
                    facts = next(decoded)
                    if isinstance(facts, MaskFacts):
                        masks_of_item[mask_id] = facts
                    else:
                        self.refuse(Fault(getattr(facts, "reason", str(facts)), path))
                yield item, masks_of_item

    def size(self, path: Path) -> Size:
        """The size of an image as stored, with a note where an orientation says to show it turned.

        Raises:
            Fault: it cannot be read.
        """
        try:
            with open_file(path) as file, open_image(file) as image:
                turned = image.getexif().get(_ORIENTATION, 1) if image.format in ("JPEG", "TIFF", "WEBP", "PNG") else 1
                if turned != 1:
                    shown = f"EXIF orientation {turned} shows it turned or mirrored"
                    self.note(path, f"{shown}; masks are taken to lie on it as stored")
                return Size(image.width, image.height)
        except FileNotFoundError:
            raise Fault("no such file", path) from None
        except Exception as error:
            # To find an orientation Pillow reads on to the end of the file, and its plugins raise errors of their own.
            cause = getattr(error, "strerror", None)
            raise Fault(f"cannot be read: {cause}" if cause else "cannot be read as an image", path) from None

    def check_sizes(
        self, image: Path | None, masks: Mapping[str, Path], facts: Mapping[Any, MaskFacts | None]
    ) -> tuple[Size | None, dict[str, Path]]:
        """The size of an image, which all of its masks have, and those masks; ones that cannot be read are refused.

        Args:
            image: the image; None where only masks are there, which then have one size.
            masks: the files of its masks by mask id.
            facts: the decoded ones by mask id; of the others the header is read.

        Raises:
            Fault: the image cannot be read, or a mask has another size: masks are never resized.
        """
        size = self.size(image) if image is not None else None
        files: dict[str, Path] = {}
        for mask_id, path in masks.items():
            decoded = facts.get(mask_id)
            own = size_of(decoded) if decoded else None
            if own is None:
                with self.part(path):
                    own = self.size(path)
            if own is not None:
                size = size or own
                self.check_size(path, own, size, "an image" if image is not None else "another mask")
                files[mask_id] = path
        return size, files

    def check_size(self, path: Path, own: Size, size: Size, other: str = "an image") -> None:
        """Check that a mask has the size of its image.

        Raises:
            Fault: it has another size: masks are never resized.
        """
        if own != size:
            raise Fault(f"{own} pixels on {other} of {size}; masks are never resized", path)

    def note_size(self, image: Path, declared: Size, size: Size) -> None:
        """Report that an image has another size than the file of its annotations says."""
        if size != declared:
            self.note(image, f"{size} pixels, not {declared}")

    def read_json(self, path: Path) -> Any:
        """The content of a JSON file.

        Raises:
            Fault: it cannot be read.
        """
        try:
            with open_file(path) as file, garbage_kept():
                return json.loads(file.read())
        except OSError as error:
            raise Fault(f"cannot be read: {error.strerror}", path) from None
        except (ValueError, RecursionError) as error:
            raise Fault(f"not JSON: {error}", path) from None

    def image_files(self, folder: Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> dict[str, Path]:
        """The images of a folder and of those below it by their path in it without the suffix.

        Args:
            folder: the folder.
            suffixes: those of the images, in small letters.
        """
        # A link that leads nowhere is reported by whoever opens it.
        return self.by_name(
            folder,
            (
                path
                for path in sorted(folder.rglob("*"))
                if path.suffix.lower() in suffixes and (path.is_symlink() or path.is_file())
            ),
        )

    def by_name(self, folder: Path, files: Iterable[Path]) -> dict[str, Path]:
        """Files by their path in a folder without the suffix; all but the first of a name are refused."""
        by_name: dict[str, Path] = {}
        for path in files:
            first = by_name.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
            if first is not path:
                self.refuse(Fault(f"the name of {first.name}, with another suffix; leave one of them", path))
        return by_name

    def masks_of_images(
        self, images: Mapping[str, Path], folders: Mapping[str, Path], home: str
    ) -> dict[str, dict[str, Path]]:  # fmt: skip
        """For each image its mask files by mask id, by name; masks without an image are refused.

        Args:
            images: the images by name.
            folders: the folders of masks by mask id.
            home: the folder of the images, as messages name it.
        """
        masks: dict[str, dict[str, Path]] = {stem: {} for stem in images}
        for mask_id, folder in folders.items():
            for stem, path in self.image_files(folder).items():
                if stem in masks:
                    masks[stem][mask_id] = path
                else:
                    self.refuse(Fault(f"a mask without its image, of which there is none in {home}/", path))
        return masks


def check_colours(
    path: Path, facts: MaskFacts, unnamed: Sequence[int], names: Mapping[Colour, str], where: str | None
) -> None:
    """Refuse a mask whose colours its label map does not name; without a map, one with too many for classes.

    Args:
        path: the mask.
        facts: its values.
        unnamed: the rows of those that nothing names.
        names: the classes by the colours that the label map names.
        where: the label map; None where there is none that names colours.

    Raises:
        Fault: it has such colours; with their number, their pixels, and the nearest colour of the map.
    """
    if not len(unnamed):
        return
    area = facts.regions.area[unnamed]
    colours = facts.colours[unnamed, RED : BLUE + 1]
    count = len(np.unique(colours, axis=0))
    advice = "save masks as PNG, without resizing them"
    if where is None or not names:
        if count > MOST_COLOURS:
            looks = "it looks like JPEG noise, interpolation or an ordinary photograph"
            limit = f"more than the {MOST_COLOURS} of a mask without a label map"
            raise Fault(f"{count:,} colours, {limit}: {looks}; {advice}, or add a label map", path)
        return
    largest = np.argsort(-area)[:1000]
    known = list(names)
    distances = np.abs(colours[largest, None] - np.array(known)).max(axis=2)
    nearest = known[int(distances[0].argmin())]
    first = f"such as {_text_of(colours[largest[0]])} (nearest is {_text_of(nearest)}, {names[nearest]!r})"
    is_near = 2 * area[largest][distances.min(axis=1) <= _NEAR].sum() >= area[largest].sum()
    cause = f"{facts.image.content_type} changes colours" if facts.image.is_lossy else "another label map"
    if not facts.image.is_lossy and is_near:
        cause = "they are close to its colours, as after JPEG or interpolation"
    elif not facts.image.is_lossy and count > MOST_COLOURS:
        cause = "it looks like an ordinary photograph"
    colour_count = f"{count:,} colours" if count > 1 else "a colour"
    have = f"{int(area.sum()):,} of {facts.pixels:,} pixels have {colour_count} that {where} does not name"
    raise Fault(f"{have}, {first}: {cause}; {advice}, or name the colours there", path)


def _text_of(colour: Iterable[int]) -> str:
    return ",".join(str(part) for part in colour)


def size_of(facts: MaskFacts) -> Size:
    """The size of a mask."""
    return Size(facts.regions.width, facts.regions.height)


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """A regular file, open to be read: a pipe in its place would let its reader wait for ever.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "not a file", os.fspath(path))
    return open(path, "rb")


def read_text(path: Path, encoding: str = "utf-8", errors: str = "strict") -> str:
    """The text of a regular file.

    Raises:
        OSError: it cannot be read, or is not a regular file.
        UnicodeDecodeError: it has another encoding.
    """
    with open_file(path) as file, io.TextIOWrapper(file, encoding, errors) as text:
        return text.read()


def lines_of(path: Path) -> list[str]:
    """The lines of a text file.

    Raises:
        Fault: it cannot be read, or has another encoding.
    """
    try:
        return read_text(path, "utf-8-sig").split("\n")
    except OSError as error:
        raise Fault(f"cannot be read: {error.strerror}", path) from None
    except UnicodeDecodeError:
        raise Fault("cannot be read as UTF-8 text", path) from None


def split_lists(
    tree: Tree, lists: Iterable[Path], known: Container[str], name_in: Callable[[str], str], reason: str
) -> dict[str, str]:
    """The names that lists of splits hold, a line each, with the first list that has them; others are refused.

    Args:
        tree: the dataset.
        lists: the files, each called as its split.
        known: the names that there are.
        name_in: the name in a line.
        reason: what is wrong with a name that is not known.
    """
    splits: dict[str, str] = {}
    for path in lists:
        with tree.part(path):
            for number, line in enumerate(lines_of(path), 1):
                name = name_in(line.strip()) if line.strip() else ""
                if name in known:
                    splits.setdefault(name, path.stem)
                elif name:
                    tree.refuse(Fault(f"{name}: {reason}", path, line=number))
    return splits


def documents(path: Path, pattern: str) -> list[Path]:
    """A file if its suffix is that of a pattern, or the files of a folder that match; in small or capital letters."""
    suffix = pattern.rpartition(".")[2]
    if path.is_file():
        return [path] if path.suffix.lower() == f".{suffix}" else []
    letters = "".join(f"[{letter}{letter.upper()}]" for letter in suffix)
    return sorted(path.glob(f"{pattern.removesuffix(suffix)}{letters}"))


def recognise_document(
    files: Iterable[Path], has_sign: Callable[[bytes], bool], most: int | None = 5
) -> Path | None:  # fmt: skip
    """The first file whose beginning has the signs of a layout, among all or the first few."""
    for path in itertools.islice(filter(os.path.isfile, files), most):
        with open_file(path) as file:
            if has_sign(file.read(1 << 16)):
                return path
    return None


def read_documents(
    tree: Tree, files: Iterable[Path], frame_of: Callable[[Tree, Path], Frame]
) -> Iterator[Frame]:  # fmt: skip
    """The frames of files that describe an image each."""
    for path in files:
        with tree.part(path):
            if not os.path.isfile(path):
                raise Fault("not a file that can be read; expected JSON")
            yield frame_of(tree, path)


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


_DIGITS = 18
"""Digits of the longest whole number: it fits into 64 bits, and Python refuses to read those of thousands."""


def is_whole(text: str) -> bool:
    """Whether a text is a whole number from 0 on that can be stored.

    >>> is_whole("007"), is_whole("-1"), is_whole("9" * 19)
    (True, False, False)
    """
    return text.isascii() and text.isdecimal() and len(text) <= _DIGITS


def declared_size(width: object, height: object, pixel_limit: int) -> Size:
    """The size that a file says its image has.

    Raises:
        Fault: it is not a size, or beyond the limit.

    >>> declared_size(12, True, 100)
    Traceback (most recent call last):
    masksdb.formats.reading.Fault: found an image of 12 x True pixels, expected whole numbers from 1 on
    """
    if type(width) is not int or type(height) is not int or width < 1 or height < 1:
        raise Fault(f"found an image of {width!r:.40} x {height!r:.40} pixels, expected whole numbers from 1 on")
    if width * height > pixel_limit:
        limit = f"more than the limit of {pixel_limit:,}; raise it with MASKSDB_PIXEL_LIMIT"
        raise Fault(f"found an image of {width} x {height} pixels, {limit}")
    return Size(width, height)


def region_in(size: Size, left: int, top: int, pixels: npt.NDArray[np.bool_]) -> RunLengths:
    """The run lengths in an image of a region that fills a box.

    Args:
        size: the image.
        left: the left column of the box.
        top: its upper row.
        pixels: the region in the box, shape (height, width).

    Raises:
        Fault: the box is not inside the image.

    >>> region_in(Size(3, 2), 1, 0, np.array([[True], [False]]))
    {'size': [2, 3], 'counts': '213'}
    """
    height, width = pixels.shape
    if left < 0 or top < 0 or left + width > size.width or top + height > size.height:
        raise Fault(f"{width} x {height} pixels at {left}, {top}, outside of its image")
    # Only the columns of the box: an image may be very large beside its regions.
    columns = np.zeros((min(width + 1, size.width - left), size.height), np.bool_)
    columns[:width, top : top + height] = pixels.T
    edges = np.flatnonzero(np.diff(columns.reshape(-1), prepend=False)) + left * size.height
    counts = np.diff(edges, prepend=0, append=size.width * size.height)
    return {"size": [size.height, size.width], "counts": rle.encode_counts(counts)}
