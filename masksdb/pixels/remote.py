"""Remote files to files on disk: each is fetched once, is asked for again to learn whether it has changed, and stays.

If its server does not answer, the copy on disk is used. http and https are read by :mod:`masksdb.pixels.web`; s3, gs
and az go through fsspec.
"""

from __future__ import annotations

import functools
import logging
import os
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

from masksdb.errors import MaskDecodeError, MasksDBError, UnsupportedFormatError, foreign_text, without_secrets
from masksdb.pixels.disk_cache import DiskCache, Kept
from masksdb.pixels.settings import CONNECT_S, file_limit, silence_limit

REMOTE_SCHEMES: Mapping[str, str] = {"http": "http", "https": "http", "s3": "s3", "gs": "gs", "az": "az"}
"""The remote schemes, and the extra of the package that installs the driver of each."""

TRIES = 3
"""Attempts at a request before it has failed."""

FRESH_S = 60.0
"""Seconds for which a remote file is assumed to be unchanged."""

DOWN_S = 10.0
"""Seconds for which a server that did not answer is not asked again."""

MOST_SEEN = 100_000
"""Remote files of which it is known when their server was asked for them."""

_log = logging.getLogger("masksdb")

_cache = DiskCache()

_seen: dict[str, float] = {}
"""When the server of a file was asked for it last."""

_down: dict[str, tuple[float, str]] = {}
"""When a server did not answer, and why."""

_warned: dict[str, float] = {}
"""When the log said that copies of the files of a server are used."""

_lock = threading.Lock()


class _Unanswered(Exception):  # noqa: N818  # its text is the reason in a MaskDecodeError
    """A server did not answer, or not to the end; the text says why."""


def fetch(address: str, scheme: str, uri: str) -> Kept:
    """A file on disk with the content of a remote one.

    Args:
        address: where the file is.
        scheme: the scheme of the address.
        uri: the name of the file in errors.

    Raises:
        MaskDecodeError: there is no such file, the server refuses it, or it does not answer and there is no copy.
        UnsupportedFormatError: the scheme is not known, or its driver is not installed.
    """
    if scheme not in REMOTE_SCHEMES:
        known = ", ".join(["file", *REMOTE_SCHEMES])
        raise UnsupportedFormatError(f"{uri}: the scheme {scheme!r} is not known; expected one of {known}")
    with _cache.fetching(address):
        kept = _cache.find(address)
        if kept and time.monotonic() - _seen.get(address, -FRESH_S) < FRESH_S:
            return kept
        try:
            kept = _tried(lambda: _up_to_date(address, scheme, uri, kept), address, uri)
        except ImportError:
            extra = REMOTE_SCHEMES[scheme]
            raise UnsupportedFormatError(
                f"{uri}: to read {scheme}:// install what fetches it: pip install 'masksdb[{extra}]'"
            ) from None
        except _Unanswered as problem:
            if kept is None:
                raise MaskDecodeError(uri, str(problem)) from None
            _warn_of_copies(_server(address), problem)
        if len(_seen) >= MOST_SEEN:
            _seen.clear()
        _seen[address] = time.monotonic()
        return kept


def _up_to_date(address: str, scheme: str, uri: str, kept: Kept | None) -> Kept:
    """A copy that is up to date: the kept one, or a new one."""
    if REMOTE_SCHEMES[scheme] != "http":
        return _from_bucket(_filesystem(scheme), address, uri, kept)
    from masksdb.pixels import web

    with _cache.spool() as spool:
        fetched = web.get(address, kept.validators if kept else {}, spool, uri)
        if fetched is not None:
            return _cache.add(address, spool, fetched.tag, fetched.validators)
    assert kept is not None
    return kept


def _from_bucket(filesystem: Any, address: str, uri: str, kept: Kept | None) -> Kept:
    information = filesystem.info(address)
    fields = {key.lower().replace("-", "").replace("_", ""): value for key, value in information.items()}
    size, limit = information.get("size") or 0, file_limit()
    tag = str(fields.get("etag") or f"{size}-{fields.get('lastmodified') or fields.get('mtime')}")
    if kept and kept.tag == tag:
        return kept
    if size > limit:
        raise MaskDecodeError(uri, f"more than the limit of {limit:,} bytes; raise it with MASKSDB_FILE_BYTES")
    with _cache.spool() as spool:
        filesystem.get_file(address, str(spool))
        return _cache.add(address, spool, tag, {})


@functools.cache
def _filesystem(scheme: str) -> Any:
    import fsspec  # type: ignore[import-untyped]  # it has no types

    options: dict[str, Any] = {}
    if scheme == "s3":
        timeouts = {"connect_timeout": CONNECT_S, "read_timeout": silence_limit()}
        options = {"config_kwargs": {**timeouts, "retries": {"total_max_attempts": 1}}}
    filesystem = fsspec.filesystem(scheme, **options)
    if scheme == "s3":
        # Requests are repeated here, and not by the layers below as well.
        filesystem.retries = 1
    return filesystem


def _tried(request: Callable[[], Kept], address: str, uri: str) -> Kept:
    """The result of a request, which is repeated if it fails; a server that is down is not asked for other files."""
    server, attempt = _server(address), 0
    while True:
        since, reason = _down.get(server, (-DOWN_S, ""))
        if time.monotonic() - since < DOWN_S:
            raise _Unanswered(reason)
        try:
            return request()
        except (MasksDBError, ImportError):
            raise
        except FileNotFoundError:
            raise MaskDecodeError(uri, "no such file") from None
        except PermissionError:
            raise MaskDecodeError(uri, "access denied") from None
        except Exception as error:
            attempt += 1
            # Every driver has error classes of its own; only their names are alike.
            name, text = type(error).__name__, foreign_text(error)
            is_silent, is_absent = "imeout" in name, "Connect" in name
            if attempt == (1 if is_silent else 2 if is_absent else TRIES):
                reason = "no answer in time" if is_silent else f"cannot be fetched: {text}"
                if is_silent or is_absent:
                    _down[server] = time.monotonic(), reason
                raise _Unanswered(reason) from None
            time.sleep(0.2 * attempt)


def _server(address: str) -> str:
    return "://".join(urllib.parse.urlsplit(address)[:2])


def _warn_of_copies(server: str, problem: _Unanswered) -> None:
    """Say once in a while that copies on disk are used, and not for each of them."""
    with _lock:
        now, last = time.monotonic(), _warned.get(server, -FRESH_S)
        if now - last < FRESH_S:
            return
        _warned[server] = now
    _log.warning("%s: %s; copies on disk are used", without_secrets(server), problem)


def _forget_parent() -> None:
    """In a forked process: drop the connections to servers and the locks of the parent."""
    global _cache, _lock
    _lock = threading.Lock()
    _filesystem.cache_clear()
    _cache = DiskCache()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
