"""The facts of masks, kept in memory: each mask is decoded once, however many queries ask for it.

Everything that the SQL functions compute of a mask comes from its regions, which are small. One cache for the process
keeps them up to a limit in bytes, by the local file, the timestamp and the fingerprint of the content; a mask is
decoded by one thread while others wait for it.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import cached_property
from typing import NamedTuple

from masksdb.errors import MaskDecodeError, MasksDBError
from masksdb.pixels.decode import facts_of_pngs
from masksdb.pixels.masks import MaskFacts, MaskImage, MaskRef
from masksdb.pixels.media import Located
from masksdb.pixels.read import Decoded, MaskFile, locate_masks, mask_files, pool
from masksdb.pixels.settings import Settings, environment_number

CACHE_BYTES = 1 << 29
"""Bytes of facts that are kept in memory, where ``MASKSDB_FACTS_BYTES`` is not set."""

PORTION_FILES, SMALL_BYTES = 64, 1 << 14
"""How many small files one thread is given at once, and the bytes of the largest small file."""

Result = MaskFacts | MasksDBError
"""The facts of a mask, or why it is unreadable."""


class _Key(NamedTuple):
    """A mask in the cache: its local file, the milliseconds, and what changes with the content."""

    path: str
    timestamp_ms: int | None
    fingerprint: str


_Results = dict[_Key, Result]


class FactsCache:
    """The facts of masks by the files that they came from; when they grow too many, the longest unused are dropped.

    Attributes:
        decodes: masks that were decoded.
    """

    def __init__(self) -> None:
        self.decodes = 0
        self._facts: OrderedDict[_Key, MaskFacts] = OrderedDict()
        self._bytes = 0
        self.forget_parent()

    @cached_property
    def limit_bytes(self) -> int:
        """Bytes of facts that are kept: ``MASKSDB_FACTS_BYTES``, else :data:`CACHE_BYTES`."""
        return environment_number("MASKSDB_FACTS_BYTES", CACHE_BYTES)

    def get(self, refs: Sequence[MaskRef], settings: Settings) -> list[Result]:
        """The facts of masks, or why they are unreadable, in the order of the masks.

        Masks that are not in the cache are decoded side by side.

        Raises:
            UsageError: ``MASKSDB_FACTS_BYTES`` is not a whole number.
        """
        limit_bytes = self.limit_bytes
        located = locate_masks(refs, settings)
        keys = {ref: _key(ref, place) for ref, place in located.items() if isinstance(place, Located)}
        results: dict[MaskRef, Result] = {
            ref: place for ref, place in located.items() if isinstance(place, MasksDBError)
        }  # fmt: skip
        with self._lock:
            for ref, key in keys.items():
                if (facts := self._facts.get(key)) is not None:
                    results[ref] = facts
                    self._facts.move_to_end(key)
            new = {ref: located[ref] for ref, key in keys.items() if ref not in results and key not in self._running}
            portions = [(files, Future[_Results]()) for files in _portions(mask_files(new))]
            for files, future in portions:
                self._running.update((keys[ref], future) for file in files for ref in file.refs)
            running = {ref: self._running[key] for ref, key in keys.items() if ref not in results}
        for files, future in portions:
            try:
                pool().submit(self._decode, files, keys, future, settings, limit_bytes)
            except RuntimeError:
                # The interpreter is ending, and its pools take no more; others may wait for these masks.
                self._decode(files, keys, future, settings, limit_bytes)
        results.update((ref, future.result()[keys[ref]]) for ref, future in running.items())
        return [results[ref] for ref in refs]

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._facts.clear()
            self._bytes = 0

    def forget_parent(self) -> None:
        """In a forked process: wait for no thread of the parent."""
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._running: dict[_Key, Future[_Results]] = {}

    def _decode(
        self,
        files: Sequence[MaskFile],
        keys: Mapping[MaskRef, _Key],
        future: Future[_Results],
        settings: Settings,
        limit_bytes: int,
    ) -> None:
        results: _Results = {}
        try:
            contents = [file.content(settings) for file in files]
            others = []
            pngs = [content if isinstance(content, bytes) else b"" for content in contents]
            for file, content, facts in zip(files, contents, facts_of_pngs(pngs, settings.pixel_limit), strict=True):
                if facts is None:
                    others.append((file, content))
                results.update((keys[ref], facts) for ref in file.refs if facts is not None)
            if others:
                self._decode_others(others, keys, results, settings)
        except BaseException as error:
            for ref in (ref for file in files for ref in file.refs):
                results.setdefault(keys[ref], MaskDecodeError(ref.uri, f"cannot be decoded: {error}"))
        self._keep(results, limit_bytes)
        future.set_result(results)

    def _decode_others(
        self,
        files: Sequence[tuple[MaskFile, bytes | MasksDBError | None]],
        keys: Mapping[MaskRef, _Key],
        results: _Results,
        settings: Settings,
    ) -> None:
        # Small masks keep Python busy more than the machine, so threads take turns at them. With a large one a second
        # thread can go on, if by a decoder that lets the first one run.
        is_first = self._turn.acquire(blocking=len(files) > 1)
        try:
            for file, content in files:
                for refs, image in file.images(content, settings, is_beside=not is_first):
                    facts = _facts_of(image, file.uri)
                    results.update((keys[ref], facts) for ref in refs)
        finally:
            if is_first:
                self._turn.release()

    def _keep(self, results: _Results, limit_bytes: int) -> None:
        with self._lock:
            self.decodes += len({id(facts) for facts in results.values() if isinstance(facts, MaskFacts)})
            for key, facts in results.items():
                # An unreadable file is not kept, so that the next query tries it again.
                del self._running[key]
                if isinstance(facts, MaskFacts):
                    self._facts[key] = facts
                    self._bytes += facts.nbytes
            while self._bytes > limit_bytes and len(self._facts) > 1:
                self._bytes -= self._facts.popitem(last=False)[1].nbytes


def _facts_of(image: Decoded, uri: str) -> Result:
    """The facts of a decoded mask, or why there are none."""
    try:
        return MaskFacts.of(image) if isinstance(image, MaskImage) else image
    except MasksDBError as error:
        return MaskDecodeError(uri, str(error))


def _key(ref: MaskRef, located: Located) -> _Key:
    return _Key(located.path, ref.timestamp_ms, located.fingerprint)


def _portions(files: Iterable[MaskFile]) -> Iterator[list[MaskFile]]:
    """Files as threads are given them: many small ones at once, each large one alone."""
    small = []
    for file in files:
        if file.located.size > SMALL_BYTES:
            yield [file]
            continue
        small.append(file)
        if len(small) == PORTION_FILES:
            yield small
            small = []
    if small:
        yield small


facts_cache = FactsCache()
"""The facts of masks that this process has decoded."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=facts_cache.forget_parent)
