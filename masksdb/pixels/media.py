"""URIs to local files: prefixes rewritten, remote files fetched once into a cache of bounded size.

Bare paths are taken as they are, ``file://`` URIs percent-decoded; http, https, s3, gs and az go through fsspec.
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
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from masksdb.errors import MaskDecodeError, UnsupportedFormatError
from masksdb.pixels.settings import environment_number

REMOTE_SCHEMES: Mapping[str, str] = {"http": "http", "https": "http", "s3": "s3", "gs": "gs", "az": "az"}
"""Schemes that are fetched, and the extra of the package that installs what fetches them."""

CACHE_BYTES = 10 << 30
"""Bytes of remote files that are kept on disk, where ``MASKSDB_CACHE_BYTES`` is not set."""

TIMEOUT_S = 30
"""Seconds that a remote server may be silent, where ``MASKSDB_TIMEOUT`` is not set."""

TRIES = 3
"""How often a request is made before it counts as failed."""

FRESH_S = 60.0
"""Seconds for which a remote file is taken to be unchanged without asking."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")

_GONE = (FileNotFoundError, PermissionError, IsADirectoryError)


class Located(NamedTuple):
    """A file on this machine with the content of a URI.

    Attributes:
        path: where it is.
        fingerprint: what changes when the content does: size and modification time, or the server's tag.
        size: bytes.
    """

    path: str
    fingerprint: str
    size: int


def rewrite(uri: str, prefixes: Mapping[str, str]) -> str:
    """A URI with its longest known prefix replaced, once.

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
        MaskDecodeError: there is no such file, or the server does not give it.
        UnsupportedFormatError: the scheme is not known, or what fetches it is not installed.
    """
    fetched = rewrite(uri, prefixes)
    scheme = _SCHEME.match(fetched)
    if scheme and scheme[1].lower() != "file":
        return _fetch(fetched, scheme[1].lower(), uri)
    path = urllib.request.url2pathname(urllib.parse.urlsplit(fetched).path) if scheme else fetched
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        where = "" if path == uri else f" {path}"
        reason = "" if isinstance(error, FileNotFoundError) else f": {getattr(error, 'strerror', None) or error}"
        raise MaskDecodeError(uri, f"no such file{where}{reason}") from None
    if not stat.S_ISREG(found.st_mode):
        raise MaskDecodeError(uri, "not a file")
    return Located(path, f"{found.st_size}-{found.st_mtime_ns}", found.st_size)


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
        # Requests are made TRIES times here, not by each layer below as well.
        filesystem.retries = 1
    return filesystem


KNOWN_TAGS = 100_000
"""Remote files that are taken to be unchanged for a while."""

_tags: dict[str, tuple[float, str]] = {}


def _tag(filesystem: Any, fetched: str, uri: str) -> str:
    """What the server says changes when the file does; asked again after a while."""
    known = _tags.get(fetched)
    now = time.monotonic()
    if known and now - known[0] < FRESH_S:
        return known[1]
    about = _tried(lambda: filesystem.info(fetched), uri)
    named = {key.lower().replace("-", "").replace("_", ""): value for key, value in about.items()}
    tag = named.get("etag") or f"{about.get('size')}-{named.get('lastmodified') or named.get('mtime')}"
    if len(_tags) >= KNOWN_TAGS:
        _tags.clear()
    _tags[fetched] = (now, str(tag))
    return str(tag)


def _tried(request: Any, uri: str) -> Any:
    for attempt in range(1, TRIES + 1):
        try:
            return request()
        except Exception as error:
            cause = _cause(error)
            if isinstance(cause, _GONE):
                reason = "no such file" if isinstance(cause, FileNotFoundError) else "access denied"
                raise MaskDecodeError(uri, reason) from None
            # Each driver has errors of its own; what they say is all that they share.
            if attempt == TRIES:
                kind = "no answer in time" if "imeout" in type(cause).__name__ else f"cannot be fetched: {cause}"
                raise MaskDecodeError(uri, " ".join(kind.split())) from None
            time.sleep(0.2 * attempt)
    raise AssertionError


def _cause(error: Exception) -> BaseException:
    """What happened: of a web server's every failure its driver says that there is no such file."""
    cause = error.__cause__
    if not isinstance(error, FileNotFoundError) or cause is None:
        return error
    status = getattr(cause, "status", None)
    is_of_web = isinstance(cause, TimeoutError) or type(cause).__module__.startswith("aiohttp.")
    return cause if is_of_web and status not in (404, 410) else error


class _DiskCache:
    """Files on disk by name, the longest unused removed when they grow too many."""

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
        """Where the files are: ``MASKSDB_CACHE_DIR``, else the user's cache folder."""
        import platformdirs

        given = os.environ.get("MASKSDB_CACHE_DIR")
        folder = Path(given) if given else platformdirs.user_cache_path("masksdb") / "media"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def path(self, uri: str, tag: str) -> Path:
        """Where the content of a URI is, or would be."""
        return self.folder / hashlib.sha256(f"{uri}\n{tag}".encode()).hexdigest()

    def use(self, path: Path) -> int | None:
        """Bytes of the file, which counts as used now; None where there is none."""
        try:
            os.utime(path)
            return path.stat().st_size
        except OSError:
            return None

    @contextlib.contextmanager
    def fetching(self, path: Path) -> Any:
        """Lets one thread at a time fetch a file."""
        with self._lock:
            lock = self._locks.setdefault(path, threading.Lock())
        try:
            with lock:
                yield
        finally:
            with self._lock:
                self._locks.pop(path, None)

    def add(self, path: Path, content: bytes) -> None:
        """Keep a file, removing others that have not been used for the longest time."""
        partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        partial.write_bytes(content)
        os.replace(partial, path)
        with self._lock:
            if self._size is None or self._size + len(content) > self.limit_bytes:
                self._size = self._remove_unused()
            else:
                self._size += len(content)

    def _remove_unused(self) -> int:
        found = []
        for each in os.scandir(self.folder):
            # Other processes remove files, too.
            with contextlib.suppress(FileNotFoundError):
                found.append((each.stat().st_mtime, each.stat().st_size, each.path))
        kept = 0
        for _, size, path in sorted(found, reverse=True):
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
