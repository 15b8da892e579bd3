"""Remote files that are kept on disk, by URI and version; the longest unused ones make room for others."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from masksdb.pixels.settings import environment_number

CACHE_BYTES = 10 << 30
"""Bytes of remote files that are kept on disk, where ``MASKSDB_CACHE_BYTES`` is not set."""

_NOTE, _SPOOL = ".json", ".part"
"""The endings of the names of notes and of what is being written; contents have none."""

_SPOOL_S = 86_400
"""Seconds after which what was being written is from a process that was killed."""


class Kept(NamedTuple):
    """A remote file on disk.

    Attributes:
        path: the file.
        tag: changes with the content.
        size: bytes.
        validators: the headers by which its server tells whether it has changed: ``ETag``, ``Last-Modified``.
    """

    path: Path
    tag: str
    size: int
    validators: Mapping[str, str]


class DiskCache:
    """Remote files on disk. Beside the content of each there is a note of its tag, by which its URI finds it again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._size: int | None = None

    @functools.cached_property
    def limit_bytes(self) -> int:
        """Bytes of files that are kept: ``MASKSDB_CACHE_BYTES``, else :data:`CACHE_BYTES`."""
        return environment_number("MASKSDB_CACHE_BYTES", CACHE_BYTES)

    @functools.cached_property
    def folder(self) -> Path:
        """The folder of the files: ``MASKSDB_CACHE_DIR``, else the user's cache folder."""
        import platformdirs

        path = os.environ.get("MASKSDB_CACHE_DIR")
        folder = Path(path) if path else platformdirs.user_cache_path("masksdb") / "media"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def find(self, uri: str) -> Kept | None:
        """The file of a URI as it was fetched last; it is marked as used now."""
        note = self._note(uri)
        try:
            about = json.loads(note.read_bytes())
            path = self._path(uri, about["tag"])
            os.utime(path)
            os.utime(note)
            return Kept(path, about["tag"], path.stat().st_size, about["validators"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @contextlib.contextmanager
    def fetching(self, uri: str) -> Iterator[None]:
        """One thread at a time fetches a file."""
        with self._lock:
            lock = self._locks.setdefault(uri, threading.Lock())
        try:
            with lock:
                yield
        finally:
            with self._lock:
                self._locks.pop(uri, None)

    @contextlib.contextmanager
    def spool(self) -> Iterator[Path]:
        """The path of a file to write to, which is removed unless it was added."""
        path = self.folder / f"{secrets.token_hex(16)}{_SPOOL}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def add(self, uri: str, spool: Path, tag: str, validators: Mapping[str, str]) -> Kept:
        """Keep what was written to a spool, and remove the longest unused files if there is no room for it."""
        path, size = self._path(uri, tag), spool.stat().st_size
        os.replace(spool, path)
        with self.spool() as note:
            note.write_text(json.dumps({"tag": tag, "validators": dict(validators)}), encoding="utf-8")
            os.replace(note, self._note(uri))
        with self._lock:
            if self._size is None or self._size + size > self.limit_bytes:
                self._size = self._remove_unused()
            else:
                self._size += size
        return Kept(path, tag, size, validators)

    def _path(self, uri: str, tag: str) -> Path:
        return self.folder / hashlib.sha256(f"{uri}\n{tag}".encode()).hexdigest()

    def _note(self, uri: str) -> Path:
        return self.folder / f"{hashlib.sha256(uri.encode()).hexdigest()}{_NOTE}"

    def _remove_unused(self) -> int:
        files: list[tuple[float, int, str]] = []
        notes: list[tuple[float, int, str]] = []
        for entry in os.scandir(self.folder):
            # Other processes remove files, too.
            with contextlib.suppress(FileNotFoundError):
                status = entry.stat()
                if entry.name.endswith(_SPOOL) and time.time() - status.st_mtime < _SPOOL_S:
                    continue
                (notes if entry.name.endswith(_NOTE) else files).append((status.st_mtime, status.st_size, entry.path))
        kept, oldest = 0, float("inf")
        for used, size, path in sorted(files, reverse=True):
            if kept and kept + size > self.limit_bytes * 0.9:
                with contextlib.suppress(OSError):
                    os.remove(path)
            else:
                kept, oldest = kept + size, used
        # A note is used whenever its file is.
        for used, _, path in notes:
            if used < oldest:
                with contextlib.suppress(OSError):
                    os.remove(path)
        return kept
