"""URIs to local files: prefixes are replaced, remote files are fetched once into a disk cache of limited size.

Bare paths are used as they are, ``file://`` URIs are percent-decoded; http, https, s3, gs and az go through fsspec.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import secrets
import stat
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from masksdb.errors import MaskDecodeError, UnsupportedFormatError
from masksdb.pixels.settings import environment_number

REMOTE_SCHEMES: Mapping[str, str] = {"http": "http", "https": "http", "s3": "s3", "gs": "gs", "az": "az"}
"""The remote schemes, and the extra of the package that installs the driver of each."""

CACHE_BYTES = 10 << 30
"""Bytes of remote files that are kept on disk, where ``MASKSDB_CACHE_BYTES`` is not set."""

TIMEOUT_S = 30
"""Seconds that a remote server may be silent, where ``MASKSDB_TIMEOUT`` is not set."""

TRIES = 3
"""Attempts at a request before it has failed."""

FRESH_S = 60.0
"""Seconds for which a remote file is assumed to be unchanged."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")

_GONE = (FileNotFoundError, PermissionError, IsADirectoryError)


class Located(NamedTuple):
    """A file on this machine with the content of a URI.

    Attributes:
        path: the path of the file.
        fingerprint: changes with the content: size and modification time, or the server's tag.
        size: bytes.
    """

    path: str
    fingerprint: str
    size: int


def rewrite(uri: str, prefixes: Mapping[str, str]) -> str:
    """A URI with its longest prefix among ``prefixes`` replaced, once.

    >>> rewrite("s3://b/seg/1.png", {"s3://b/": "/data/b/", "s3://b/seg/": "/data/seg/"})
    '/data/seg/1.png'
    """
    fitting = [prefix for prefix in prefixes if uri.startswith(prefix)]
    if not fitting:
        return uri
    longest = max(fitting, key=len)
    return prefixes[longest] + uri[len(longest) :]


def locate(uri: str, prefixes: Mapping[str, str]) -> Located:
    """A local file with the content of a URI.

    Raises:
        MaskDecodeError: there is no such file, or the server refuses it.
        UnsupportedFormatError: the scheme is not known, or its driver is not installed.
    """
    fetched = rewrite(uri, prefixes)
    scheme = _SCHEME.match(fetched)
    if scheme and scheme[1].lower() != "file":
        return _fetch(fetched, scheme[1].lower(), uri)
    path = urllib.request.url2pathname(urllib.parse.urlsplit(fetched).path) if scheme else fetched
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        where = "" if path == uri else f" {path}"
        reason = "" if isinstance(error, FileNotFoundError) else f": {getattr(error, 'strerror', None) or error}"
        raise MaskDecodeError(uri, f"no such file{where}{reason}") from None
    if not stat.S_ISREG(status.st_mode):
        raise MaskDecodeError(uri, "not a file")
    return Located(path, f"{status.st_size}-{status.st_mtime_ns}", status.st_size)


def _fetch(fetched: str, scheme: str, uri: str) -> Located:
    if scheme not in REMOTE_SCHEMES:
        known = ", ".join(["file", *REMOTE_SCHEMES])
        raise UnsupportedFormatError(f"{uri}: the scheme {scheme!r} is not known; expected one of {known}")
    try:
        filesystem = _filesystem(scheme)
    except ImportError:
        raise UnsupportedFormatError(
            f"{uri}: to read {scheme}:// install what fetches it: pip install 'masksdb[{REMOTE_SCHEMES[scheme]}]'"
        ) from None
    tag = _tag(filesystem, fetched, uri)
    path = _cache.path(fetched, tag)
    size = _cache.use(path)
    if size is None:
        with _cache.fetching(path):
            size = _cache.use(path)
            if size is None:
                content = _tried(lambda: filesystem.cat_file(fetched), uri)
                _cache.add(path, content)
                size = len(content)
    return Located(str(path), tag, size)


@functools.cache
def _filesystem(scheme: str) -> Any:
    import fsspec  # type: ignore[import-untyped]  # it has no types

    timeout_s = environment_number("MASKSDB_TIMEOUT", TIMEOUT_S)
    options: dict[str, Any] = {}
    if scheme in ("http", "https"):
        import aiohttp

        options = {
            "client_kwargs": {"timeout": aiohttp.ClientTimeout(None, sock_connect=timeout_s, sock_read=timeout_s)}
        }
    elif scheme == "s3":
        timeouts = {"connect_timeout": timeout_s, "read_timeout": timeout_s}
        options = {"config_kwargs": {**timeouts, "retries": {"total_max_attempts": 1}}}
    filesystem = fsspec.filesystem(scheme, **options)
    if scheme == "s3":
        # Requests are repeated here, and not by the layers below as well.
        filesystem.retries = 1
    return filesystem


KNOWN_TAGS = 100_000
"""Remote files whose tags are kept."""

_tags: dict[str, tuple[float, str]] = {}


def _tag(filesystem: Any, fetched: str, uri: str) -> str:
    """The server's tag of a file, which changes with the content; at most so old as :data:`FRESH_S`."""
    kept = _tags.get(fetched)
    now = time.monotonic()
    if kept and now - kept[0] < FRESH_S:
        return kept[1]
    information = _tried(lambda: filesystem.info(fetched), uri)
    fields = {key.lower().replace("-", "").replace("_", ""): value for key, value in information.items()}
    tag = fields.get("etag") or f"{information.get('size')}-{fields.get('lastmodified') or fields.get('mtime')}"
    if len(_tags) >= KNOWN_TAGS:
        _tags.clear()
    _tags[fetched] = (now, str(tag))
    return str(tag)


def _tried(request: Callable[[], Any], uri: str) -> Any:
    """The result of a request, which is repeated if it fails."""
    for attempt in range(1, TRIES + 1):
        try:
            return request()
        except Exception as error:
            cause = _cause(error)
            if isinstance(cause, _GONE):
                reason = "no such file" if isinstance(cause, FileNotFoundError) else "access denied"
                raise MaskDecodeError(uri, reason) from None
            # Every driver has error classes of its own; only their texts are alike.
            if attempt == TRIES:
                reason = "no answer in time" if "imeout" in type(cause).__name__ else f"cannot be fetched: {cause}"
                raise MaskDecodeError(uri, " ".join(reason.split())) from None
            time.sleep(0.2 * attempt)
    raise AssertionError


def _cause(error: Exception) -> BaseException:
    """The cause of an error: the driver of web servers reports every failure as a missing file."""
    cause = error.__cause__
    if not isinstance(error, FileNotFoundError) or cause is None:
        return error
    status = getattr(cause, "status", None)
    is_web_error = isinstance(cause, TimeoutError) or type(cause).__module__.startswith("aiohttp.")
    return cause if is_web_error and status not in (404, 410) else error


class _DiskCache:
    """Remote files on disk; the longest unused ones are removed when they become too large together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[Path, threading.Lock] = {}
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

    def path(self, uri: str, tag: str) -> Path:
        """The path for the content of a URI, whether it is there or not."""
        return self.folder / hashlib.sha256(f"{uri}\n{tag}".encode()).hexdigest()

    def use(self, path: Path) -> int | None:
        """The bytes of a file, which is marked as used now; None if it is not there."""
        try:
            os.utime(path)
            return path.stat().st_size
        except OSError:
            return None

    @contextlib.contextmanager
    def fetching(self, path: Path) -> Iterator[None]:
        """One thread at a time fetches a file."""
        with self._lock:
            lock = self._locks.setdefault(path, threading.Lock())
        try:
            with lock:
                yield
        finally:
            with self._lock:
                self._locks.pop(path, None)

    def add(self, path: Path, content: bytes) -> None:
        """Store a file, and remove the longest unused ones if there is no room for it."""
        partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        partial.write_bytes(content)
        os.replace(partial, path)
        with self._lock:
            if self._size is None or self._size + len(content) > self.limit_bytes:
                self._size = self._remove_unused()
            else:
                self._size += len(content)

    def _remove_unused(self) -> int:
        files = []
        for entry in os.scandir(self.folder):
            # Other processes remove files, too.
            with contextlib.suppress(FileNotFoundError):
                files.append((entry.stat().st_mtime, entry.stat().st_size, entry.path))
        kept = 0
        for _, size, path in sorted(files, reverse=True):
            if kept and kept + size > self.limit_bytes * 0.9:
                with contextlib.suppress(OSError):
                    os.remove(path)
            else:
                kept += size
        return kept


_cache = _DiskCache()


def _forget_parent() -> None:
    """In a forked process: drop the connections to servers and the locks of the parent."""
    global _cache
    _filesystem.cache_clear()
    _cache = _DiskCache()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
