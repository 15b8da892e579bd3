"""The one reader of mask references: it finds files, tells videos from stills, decodes, and words what goes wrong.

Each file is read once, whichever masks of it are asked for: all moments of a video come from one pass over it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from masksdb.errors import MaskDecodeError, MasksDBError, UsageError
from masksdb.pixels.decode import decode_image
from masksdb.pixels.mask_reads import MaskReads
from masksdb.pixels.masks import MaskImage, MaskRef
from masksdb.pixels.media import Located, locate, locate_all
from masksdb.pixels.pillow import is_image
from masksdb.pixels.settings import Settings
from masksdb.pixels.video import Video, is_video

if TYPE_CHECKING:
    import duckdb

WORKERS = os.cpu_count() or 1
"""Threads that decode."""

OPEN_VIDEOS = 8
"""Videos that stay open, each at the frame that was read last, so that the next batch continues from there."""

MASKS_AT_ONCE = 16
"""Masks whose pixels :func:`iter_masks` holds at the same time."""

TRIES = 4
"""How often a remote file is fetched again that leaves the disk before it is read."""

MOST_BYTES_PER_PIXEL = 8
"""Bytes of a pixel of four samples of 16 bits: a file of more than those of the largest mask is not read."""

MaskLike = str | Mapping[str, Any]
"""A mask of a view, as a dict with its ``uri`` and ``timestamp``, or a URI."""

Decoded = MaskImage | MasksDBError
"""The pixels of a mask, or why it is unreadable."""


class MaskFile(NamedTuple):
    """A file, and the masks that are to be read from it: a still under several references, or moments of a video."""

    located: Located
    refs: list[MaskRef]

    @property
    def uri(self) -> str:
        """The URI by which errors name the file."""
        return self.refs[0].uri

    def content(self, settings: Settings) -> bytes | MasksDBError | None:
        """The bytes of a still, or why they are unreadable; None for a video, which is not read as a whole."""
        try:
            located = self.located
            for _ in range(TRIES):
                with contextlib.suppress(FileNotFoundError):
                    return _still_bytes(located, self.uri, settings)
                # One of many remote files, which was removed from the disk cache to make room for the others.
                located = locate(self.uri, settings.prefixes)
            return _still_bytes(located, self.uri, settings)
        except MasksDBError as error:
            return error
        except OSError as error:
            return MaskDecodeError(self.uri, f"cannot be read: {error.strerror}")

    def images(
        self, content: bytes | MasksDBError | None, settings: Settings, *, is_beside: bool = False
    ) -> Iterator[tuple[Sequence[MaskRef], Decoded]]:
        """Decode the masks of the file.

        Args:
            content: what :meth:`content` returned.
            settings: how masks are read.
            is_beside: whether another thread decodes at the same time.

        Yields:
            The references of one image, and the image, or why it is unreadable; each reference once.
        """
        if content is None:
            yield from self._video_images(settings)
        elif isinstance(content, MasksDBError):
            yield self.refs, content
        else:
            # A timestamp means nothing for a still.
            try:
                image: Decoded = decode_image(
                    content, self.uri, pixel_limit=settings.pixel_limit, is_beside=is_beside
                )  # fmt: skip
            except MasksDBError as error:
                image = error
            yield self.refs, image

    def _video_images(self, settings: Settings) -> Iterator[tuple[Sequence[MaskRef], Decoded]]:
        try:
            video = _open_video(self.located, self.uri, settings.pixel_limit)
        except MasksDBError as error:
            yield self.refs, error
            return
        by_number: dict[int, list[MaskRef]] = {}
        for ref in self.refs:
            try:
                by_number.setdefault(_frame_number(video, ref), []).append(ref)
            except MasksDBError as error:
                yield [ref], error
        for number, image in video.read_frames(list(by_number)):
            yield by_number[number], image


def _still_bytes(located: Located, uri: str, settings: Settings) -> bytes | None:
    with open(located.path, "rb") as file:
        head = file.read(64)
        if is_video(head):
            return None
        if head and not is_image(head):
            raise MaskDecodeError(uri, "not an image of a known format")
        limit = MOST_BYTES_PER_PIXEL * settings.pixel_limit
        if located.size > limit:
            raise MaskDecodeError(uri, f"{located.size:,} bytes, more than an image of MASKSDB_PIXEL_LIMIT pixels has")
        file.seek(0)
        return file.read()


def _frame_number(video: Video, ref: MaskRef) -> int:
    if ref.timestamp_ms is None:
        raise MaskDecodeError(ref.uri, "a video, and no timestamp says which frame of it")
    (number,) = video.frame_numbers([ref.timestamp_ms])
    return number


def locate_masks(refs: Iterable[MaskRef], settings: Settings) -> dict[MaskRef, Located | MasksDBError]:
    """The local file of each of some masks, or why there is none."""
    distinct = list(dict.fromkeys(refs))
    return dict(zip(distinct, locate_all([ref.uri for ref in distinct], settings.prefixes), strict=True))


def mask_files(located: Mapping[MaskRef, Located | MasksDBError]) -> list[MaskFile]:
    """The files of some masks, each once, in the order of the first mask of each."""
    files: dict[str, MaskFile] = {}
    for ref, place in located.items():
        if isinstance(place, Located):
            files.setdefault(place.path, MaskFile(place, [])).refs.append(ref)
    return list(files.values())


def read_images(refs: Sequence[MaskRef], settings: Settings, *, in_threads: bool = True) -> list[Decoded]:
    """The pixels of masks, or why they are unreadable, in the order of the masks; no pixels are kept.

    Args:
        refs: the masks.
        settings: how masks are read.
        in_threads: whether files are decoded side by side; else this thread decodes, one file after the other.
    """
    located = locate_masks(refs, settings)
    images: dict[MaskRef, Decoded] = {ref: place for ref, place in located.items() if isinstance(place, MasksDBError)}

    def read(file: MaskFile) -> list[tuple[Sequence[MaskRef], Decoded]]:
        return list(file.images(file.content(settings), settings))

    for pairs in (pool().map if in_threads else map)(read, mask_files(located)):
        for same, image in pairs:
            images.update(dict.fromkeys(same, image))
    return [images[ref] for ref in refs]


def read_mask(settings: Settings, mask: MaskLike) -> npt.NDArray[Any]:
    """The pixels of a mask as stored.

    Returns:
        Shape (height, width) for grey levels and palette indexes, (height, width, channels) for colours and grey with
        alpha; uint8 or uint16.

    Raises:
        MaskDecodeError: the mask is unreadable.
    """
    (image,) = read_images([_mask_ref(mask)], settings)
    if isinstance(image, MasksDBError):
        raise image
    return image.samples


def iter_masks(
    reads: MaskReads, relation: duckdb.DuckDBPyRelation
) -> Iterator[tuple[dict[str, Any], npt.NDArray[Any]]]:
    """The rows of a relation with a column ``mask``, each with the pixels of its mask.

    Raises:
        UsageError: the relation has no column ``mask``.
    """
    if "mask" not in relation.columns:
        raise UsageError(
            f"iter_masks: a query with the columns {', '.join(relation.columns)}; expected one named 'mask'"
        )
    return _iter_masks(reads, relation)


def _iter_masks(
    reads: MaskReads, relation: duckdb.DuckDBPyRelation
) -> Iterator[tuple[dict[str, Any], npt.NDArray[Any]]]:
    for batch in relation.to_arrow_reader(MASKS_AT_ONCE):
        rows = [row for row in batch.to_pylist() if row["mask"] is not None]
        images = read_images([_mask_ref(row["mask"]) for row in rows], reads.settings)
        for row, image in zip(rows, images, strict=True):
            if isinstance(image, MasksDBError):
                reads.report([image])
            else:
                yield row, image.samples


def _mask_ref(mask: MaskLike) -> MaskRef:
    if isinstance(mask, str):
        return MaskRef(mask)
    if not isinstance(mask, Mapping) or not isinstance(mask.get("uri"), str):
        raise UsageError(f"mask: found {mask!r}, expected a URI or the value of a column 'mask'")
    return MaskRef(mask["uri"], mask.get("timestamp"))


def to_numpy(decoded: Mapping[str, Any]) -> npt.NDArray[Any]:
    """The array that a value of the SQL function ``decode_mask`` holds, read-only.

    Returns:
        Shape (height, width), or (height, width, channels) where there are several; uint8 or uint16.

    >>> to_numpy({"height": 1, "width": 2, "channels": 1, "dtype": "uint8", "pixels": b"ab"}).tolist()
    [[97, 98]]
    """
    shape = [decoded["height"], decoded["width"]] + [decoded["channels"]] * (decoded["channels"] > 1)
    array: npt.NDArray[Any] = np.frombuffer(decoded["pixels"], decoded["dtype"]).reshape(shape)
    return array


@cache
def pool() -> ThreadPoolExecutor:
    """The threads that decode, one for each core."""
    return ThreadPoolExecutor(WORKERS, thread_name_prefix="masksdb_decode")


_videos: OrderedDict[tuple[Located, int], Video] = OrderedDict()

_videos_lock = threading.Lock()

_parent_videos: list[object] = []


def _open_video(located: Located, uri: str, pixel_limit: int) -> Video:
    """An open video, which may have been open for a while."""
    key = located, pixel_limit
    with _videos_lock:
        video = _videos.pop(key, None) or Video(located.path, uri, pixel_limit)
        _videos[key] = video
        while len(_videos) > OPEN_VIDEOS:
            # Whoever still reads from it holds it; it closes when the last of them lets go.
            _videos.popitem(last=False)
        return video


def _forget_parent() -> None:
    """In a forked process: have threads, locks and open files of its own."""
    global _videos, _videos_lock
    pool.cache_clear()
    # To close a video of the parent would wait for threads that only the parent has.
    _parent_videos.append(_videos)
    _videos, _videos_lock = OrderedDict(), threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
