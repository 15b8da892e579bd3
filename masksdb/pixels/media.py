"""URIs to local files: prefixes are replaced, remote files are fetched once and kept on disk.

Bare paths are used as they are, ``file://`` URIs are percent-decoded; others go to :mod:`masksdb.pixels.remote`.
"""

from __future__ import annotations

import functools
import os
import re
import stat
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from masksdb.errors import MaskDecodeError, MasksDBError
from masksdb.pixels.remote import fetch

AT_ONCE = 16
"""Remote files that are fetched side by side."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


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
    place = rewrite(uri, prefixes)
    if scheme := _remote_scheme(place):
        kept = fetch(place, scheme, uri)
        return Located(str(kept.path), kept.tag, kept.size)
    path = urllib.request.url2pathname(urllib.parse.urlsplit(place).path) if _SCHEME.match(place) else place
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        where = "" if path == uri else f" {path}"
        reason = "" if isinstance(error, FileNotFoundError) else f": {getattr(error, 'strerror', None) or error}"
        raise MaskDecodeError(uri, f"no such file{where}{reason}") from None
    if not stat.S_ISREG(status.st_mode):
        raise MaskDecodeError(uri, "not a file")
    return Located(path, f"{status.st_size}-{status.st_mtime_ns}", status.st_size)


def locate_all(uris: Sequence[str], prefixes: Mapping[str, str]) -> list[Located | MasksDBError]:
    """What :func:`locate` returns or raises for each URI, in their order; remote files are fetched side by side."""

    def place(uri: str) -> Located | MasksDBError:
        try:
            return locate(uri, prefixes)
        except MasksDBError as error:
            return error

    distinct = dict.fromkeys(uris)
    remote = [uri for uri in distinct if _remote_scheme(rewrite(uri, prefixes))]
    places = dict(zip(remote, _threads().map(place, remote), strict=True)) if len(remote) > 1 else {}
    return [places[uri] if uri in places else place(uri) for uri in uris]


def _remote_scheme(uri: str) -> str | None:
    """The scheme of a URI; None for a path or a file of this machine."""
    scheme = _SCHEME.match(uri)
    return scheme[1].lower() if scheme and scheme[1].lower() != "file" else None


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """The threads that wait for servers."""
    return ThreadPoolExecutor(AT_ONCE, "masksdb_fetch")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)
