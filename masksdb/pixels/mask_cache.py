"""What masks say, kept: decoded once, asked often.

Everything that the functions compute of a mask comes from its regions, which are small. They stay in one cache for the
process, bounded in bytes, under the fetched URI, the timestamp and what changes with the content; a mask is decoded by
one thread at a time while others wait for it.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, cached_property
from typing import NamedTuple

from masksdb.errors import MaskDecodeError, MasksDBError
from masksdb.pixels.decode import decode_image
from masksdb.pixels.masks import MaskFacts, MaskImage, MaskRef
from masksdb.pixels.media import Located, locate
from masksdb.pixels.settings import Settings, environment_number
from masksdb.pixels.video import Video, is_video

CACHE_BYTES = 1 << 29
"""Bytes of facts that are kept in memory, where ``MASKSDB_FACTS_BYTES`` is not set."""

WORKERS = os.cpu_count() or 1
"""Threads that decode."""

PORTION_FILES, SMALL_BYTES = 64, 1 << 14
"""How many small files are handed to a thread at once, and what the largest of them has."""

AREA, X_MIN, Y_MIN, X_MAX, Y_MAX, SUM_X, SUM_Y = range(7)
"""The columns of :attr:`MaskFacts.sizes`."""

Result = MaskFacts | MasksDBError


class _Key(NamedTuple):
    """A mask as it is known: what it was fetched from, the milliseconds, and what changes with the content."""

    uri: str
    timestamp_ms: int | None
    fingerprint: str


class _Work(NamedTuple):
    """A file to decode, and the masks that are asked of it: one, or moments of a video."""

    located: Located
    refs: dict[_Key, MaskRef]


Results = dict[_Key, Result]


class FactsCache:
    """The facts of masks by where they came from; the longest unused are let go.

    Attributes:
        decodes: masks that were decoded.
    """

    def __init__(self) -> None:
        self.decodes = 0
        self._lock = threading.Lock()
        self._known: OrderedDict[_Key, MaskFacts] = OrderedDict()
        self._running: dict[_Key, Future[Results]] = {}
        self._bytes = 0

    @cached_property
    def limit_bytes(self) -> int:
        """Bytes of facts that are kept: ``MASKSDB_FACTS_BYTES``, else :data:`CACHE_BYTES`."""
        return environment_number("MASKSDB_FACTS_BYTES", CACHE_BYTES)

    def get(self, refs: Sequence[MaskRef], settings: Settings) -> list[Result]:
        """The facts of masks, or why there are none, in their order; those not known are decoded side by side."""
        # Read here, where an error of it reaches whoever asks.
        limit_bytes = self.limit_bytes
        results: list[Result | None] = []
        keys: list[_Key] = []
        work: dict[Located, _Work] = {}
        located = [_located(ref, settings) for ref in refs]
        with self._lock:
            for ref, found in zip(refs, located, strict=True):
                if isinstance(found, MasksDBError):
                    keys.append(_Key("", None, ""))
                    results.append(found)
                    continue
                key = _Key(found.uri, ref.timestamp_ms, found.fingerprint)
                keys.append(key)
                results.append(self._known.get(key))
                if results[-1] is not None:
                    self._known.move_to_end(key)
                elif key not in self._running:
                    work.setdefault(found, _Work(found, {})).refs[key] = ref
            portions = [(portion, Future[Results]()) for portion in _portions(work.values())]
            for portion, future in portions:
                self._running.update((key, future) for each in portion for key in each.refs)
            running = {key: self._running[key] for key in keys if key in self._running}
        for portion, future in portions:
            pool().submit(self._decode, portion, future, settings, limit_bytes)
        return [
            result if result is not None else running[key].result()[key]
            for key, result in zip(keys, results, strict=True)
        ]

    def clear(self) -> None:
        """Let everything go."""
        with self._lock:
            self._known.clear()
            self._bytes = 0

    def _decode(
        self, portion: Sequence[_Work], future: Future[Results], settings: Settings, limit_bytes: int
    ) -> None:  # fmt: skip
        results: Results = {}
        try:
            read = [(work, _read_still(work, settings)) for work in portion]
            # Small masks keep Python busy more than the machine, so threads take turns at them. With a large one a
            # second thread can go on, if by a decoder that lets the first one run.
            is_first = _turn.acquire(blocking=len(portion) > 1)
            try:
                for work, data in read:
                    results.update(_decoded(work, data, settings, is_beside=not is_first))
            finally:
                if is_first:
                    _turn.release()
        except BaseException as error:
            for work in portion:
                for key, ref in work.refs.items():
                    results.setdefault(key, MaskDecodeError(ref.uri, f"cannot be decoded: {error}"))
        self._keep(results, limit_bytes)
        future.set_result(results)

    def _keep(self, results: Results, limit_bytes: int) -> None:
        with self._lock:
            self.decodes += len({id(facts) for facts in results.values() if isinstance(facts, MaskFacts)})
            for key, facts in results.items():
                # A file that could not be read is looked at again the next time.
                del self._running[key]
                if isinstance(facts, MaskFacts):
                    self._known[key] = facts
                    self._bytes += facts.nbytes
            while self._bytes > limit_bytes and len(self._known) > 1:
                self._bytes -= self._known.popitem(last=False)[1].nbytes


def _located(ref: MaskRef, settings: Settings) -> Located | MasksDBError:
    try:
        return locate(ref.uri, settings.prefixes)
    except MasksDBError as error:
        return error


def _portions(work: Iterable[_Work]) -> Iterator[list[_Work]]:
    """Files as they are handed to threads: small ones many at once, large ones each for itself."""
    small = []
    for each in work:
        if each.located.size > SMALL_BYTES:
            yield [each]
            continue
        small.append(each)
        if len(small) == PORTION_FILES:
            yield small
            small = []
    if small:
        yield small


_turn = threading.Lock()


def _read_still(work: _Work, settings: Settings) -> bytes | MasksDBError | None:
    """The content of a file, or why there is none; None for a video, which is not read as a whole."""
    uri = next(iter(work.refs.values())).uri
    try:
        try:
            return _content(work.located.path)
        except FileNotFoundError:
            # One of many remote files, which had to make room for the others.
            return _content(locate(uri, settings.prefixes).path)
    except MasksDBError as error:
        return error
    except OSError as error:
        return MaskDecodeError(uri, f"cannot be read: {error.strerror}")


def _content(path: str) -> bytes | None:
    with open(path, "rb") as file:
        head = file.read(64)
        return None if is_video(head) else head + file.read()


def _decoded(work: _Work, data: bytes | MasksDBError | None, settings: Settings, *, is_beside: bool) -> Results:
    """The facts of what is asked of one file."""
    if data is None:
        return {
            key: MaskFacts.of(image) if isinstance(image, MaskImage) else image
            for key, image in _video_images(work, settings)
        }
    try:
        if isinstance(data, MasksDBError):
            raise data
        uri = next(iter(work.refs.values())).uri
        image = decode_image(data, uri, pixel_limit=settings.pixel_limit, is_beside=is_beside)
        facts: Result = MaskFacts.of(image)
    except MasksDBError as error:
        facts = error
    # The timestamp of a still says nothing.
    return dict.fromkeys(work.refs, facts)


def _video_images(work: _Work, settings: Settings) -> Iterator[tuple[_Key, MaskImage | MasksDBError]]:
    """The frames that are asked of one video, in one pass, or why one is not there."""
    by_number: dict[int, list[_Key]] = {}
    try:
        video = open_video(work.located, next(iter(work.refs.values())).uri, settings)
    except MasksDBError as error:
        yield from ((key, error) for key in work.refs)
        return
    for key, ref in work.refs.items():
        try:
            if ref.timestamp_ms is None:
                raise MaskDecodeError(ref.uri, "a video, and no timestamp says which frame of it")
            (number,) = video.frame_numbers([ref.timestamp_ms])
        except MasksDBError as error:
            yield key, error
            continue
        by_number.setdefault(number, []).append(key)
    for number, image in video.read_frames(list(by_number)):
        for key in by_number[number]:
            yield key, image


_videos: OrderedDict[Located, Video] = OrderedDict()

_videos_lock = threading.Lock()

OPEN_VIDEOS = 8
"""Videos that stay open, each where it was read last, so that the next batch goes on from there."""


def open_video(located: Located, uri: str, settings: Settings) -> Video:
    """An open video, perhaps one that has been open for a while."""
    with _videos_lock:
        known = _videos.pop(located, None)
        video = known or Video(located.path, uri, settings.pixel_limit)
        _videos[located] = video
        while len(_videos) > OPEN_VIDEOS:
            # Whoever still reads from it holds it; it closes when the last of them lets go.
            _videos.popitem(last=False)
        return video


def read_images(refs: Sequence[MaskRef], settings: Settings) -> list[MaskImage | MasksDBError]:
    """The pixels of masks, or why there are none, in their order; each file is read by one thread, nothing is kept."""
    places: list[_Key | MasksDBError] = []
    work: dict[Located, _Work] = {}
    for ref in refs:
        found = _located(ref, settings)
        if isinstance(found, MasksDBError):
            places.append(found)
            continue
        key = _Key(found.uri, ref.timestamp_ms, found.fingerprint)
        places.append(key)
        work.setdefault(found, _Work(found, {})).refs[key] = ref
    images: dict[_Key, MaskImage | MasksDBError] = {}
    for each in pool().map(lambda one: _images(one, settings), work.values()):
        images.update(each)
    return [place if isinstance(place, MasksDBError) else images[place] for place in places]


def _images(work: _Work, settings: Settings) -> dict[_Key, MaskImage | MasksDBError]:
    data = _read_still(work, settings)
    if data is None:
        return dict(_video_images(work, settings))
    if isinstance(data, MasksDBError):
        return dict.fromkeys(work.refs, data)
    uri = next(iter(work.refs.values())).uri
    try:
        return dict.fromkeys(work.refs, decode_image(data, uri, pixel_limit=settings.pixel_limit))
    except MasksDBError as error:
        return dict.fromkeys(work.refs, error)


@cache
def pool() -> ThreadPoolExecutor:
    """The threads that decode, one for each core."""
    return ThreadPoolExecutor(WORKERS, thread_name_prefix="masksdb_decode")


facts_cache = FactsCache()
