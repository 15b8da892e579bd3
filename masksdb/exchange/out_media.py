"""The files that an export copies: images, and nothing else, from the places that the database has its data from."""

from __future__ import annotations

import os
import urllib.parse
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field

from masksdb.errors import MasksDBError, without_place
from masksdb.pixels.headers import VIDEO, KnownFile, changed_headers
from masksdb.pixels.media import locate, rewrite
from masksdb.pixels.remote import REMOTE_SCHEMES
from masksdb.pixels.settings import Settings

_FILES_AT_ONCE = 512


@dataclass
class OutMedia:
    """The files that an export may copy: images below the media roots, or fetched from a server.

    Attributes:
        settings: how files are found.
        media_roots: the folders that relative URIs of the version are relative to.
        allow_outside: whether images in any folder are copied.
    """

    settings: Settings
    media_roots: Iterable[str]
    allow_outside: bool = False
    _faults: dict[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        places = {_path(root) for root in [*self.media_roots, *self.settings.prefixes.values()]}
        # Of a prefix such as /data/seg_ the folder counts.
        folders = (place if os.path.isdir(place) else os.path.dirname(place) for place in places if place)
        self._roots = sorted({os.path.realpath(folder) for folder in folders if folder})

    def faults(self, uris: Iterable[str]) -> dict[str, str]:
        """Why files are not copied, by URI; files that can be copied are not in it."""
        uris = list(dict.fromkeys(uris))
        new = [uri for uri in uris if uri not in self._faults]
        self._faults.update((uri, self._place_fault(uri)) for uri in new)
        readable = [KnownFile(uri, None, None) for uri in new if self._faults[uri] is None]
        for headers in changed_headers(readable, self.settings.prefixes, _FILES_AT_ONCE):
            for header in headers:
                is_video = header.content_type == VIDEO
                self._faults[header.uri] = "a video; only images are copied" if is_video else header.error
        return {uri: fault for uri in uris if (fault := self._faults[uri]) is not None}

    def path(self, uri: str) -> str:
        """The local file of a URI.

        Raises:
            MasksDBError: it is not an image, or not in a place from which files are copied.
        """
        for fault in self.faults([uri]).values():
            raise MasksDBError(f"{uri}: {fault}")
        return locate(uri, self.settings.prefixes).path

    def _place_fault(self, uri: str) -> str | None:
        fetched = rewrite(uri, self.settings.prefixes)
        if self.allow_outside or urllib.parse.urlsplit(fetched).scheme.lower() in REMOTE_SCHEMES:
            return None
        try:
            path = os.path.realpath(locate(uri, self.settings.prefixes).path)
        except MasksDBError as error:
            return without_place(error, uri)
        if any(os.path.commonpath([root, path]) == root for root in self._roots):
            return None
        where = "" if path == uri else f" ({path})"
        roots = ", ".join(self._roots) or "none"
        return f"outside of the media roots{where}, which are {roots}; copy it with --allow-outside"


def _path(place: str) -> str | None:
    """A local folder that a root or a replacement of a prefix names; None for a server's."""
    parts = urllib.parse.urlsplit(place)
    if parts.scheme.lower() == "file":
        return urllib.request.url2pathname(parts.path)
    return None if "://" in place else place
