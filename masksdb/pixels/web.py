"""Files of web servers. Who may be asked, for how long, and how much is taken of an answer stands here."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import hashlib
import http
import ipaddress
import os
import socket
import threading
import urllib.parse
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import aiohttp

from masksdb.errors import MaskDecodeError
from masksdb.pixels.settings import CONNECT_S, environment_number, file_limit, silence_limit

CONNECTIONS = 32
"""Connections that are open side by side."""

TRANSFER_S = 600
"""Seconds that a whole answer may take, where ``MASKSDB_TRANSFER_TIMEOUT`` is not set."""

KEPT_S = 5
"""Seconds that a server may take to say whether a file that is kept on disk has changed."""

REDIRECTS = 5
"""Redirects that are followed, one after the other."""

_PIECE = 1 << 16

_VALIDATORS = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}


class _Refused(Exception):  # noqa: N818  # its text is the reason in a MaskDecodeError
    """An answer that cannot be used, and will be the same if it is asked for again; the text says why."""


class Fetched(NamedTuple):
    """A file as a server has sent it.

    Attributes:
        tag: changes with the content.
        validators: the headers that ask whether it has changed, by the names that the server gave them.
    """

    tag: str
    validators: Mapping[str, str]


def get(url: str, known: Mapping[str, str], spool: Path, uri: str) -> Fetched | None:
    """Fetch a file, unless it is still the known one: one request for both.

    Args:
        url: its address.
        known: the ``validators`` of the content that is known; empty for none.
        spool: the path of the file to which the content is written, piece by piece.
        uri: the name of the file in errors.

    Returns:
        None if the content is the known one.

    Raises:
        MaskDecodeError: the server does not have it or does not give it, or the answer is not one that can be used.
        OSError: the server cannot answer at this time.
        Exception: any other, of aiohttp or a timeout: the server did not answer, or not to the end.
    """
    limit_s = environment_number("MASKSDB_TRANSFER_TIMEOUT", TRANSFER_S)

    async def limited() -> Fetched | None:
        transfer = asyncio.timeout(limit_s)
        try:
            async with transfer:
                return await _get(url, known, spool)
        except TimeoutError:
            if transfer.expired():
                raise _Refused(f"not there after {limit_s} s; raise that with MASKSDB_TRANSFER_TIMEOUT") from None
            raise

    try:
        return cast("Fetched | None", _client().run(limited()))
    except _Refused as error:
        raise MaskDecodeError(uri, str(error)) from None


async def _get(first_url: str, known: Mapping[str, str], spool: Path) -> Fetched | None:
    headers = {"Accept-Encoding": "identity"}
    headers |= {_VALIDATORS[name]: value for name, value in known.items() if name in _VALIDATORS}
    url, may_be_private = first_url, True
    for _ in range(REDIRECTS + 1):
        session = _client().session(may_be_private)
        async with asyncio.timeout(KEPT_S if known else None) as patience:
            silence = aiohttp.ClientTimeout(None, CONNECT_S, silence_limit())
            request = await session.get(url, headers=headers, allow_redirects=False, timeout=silence)
            patience.reschedule(None)
        async with request as answer:
            target = answer.headers.get("Location")
            if target is None or not 300 < answer.status < 309:
                return await _content(answer, known, spool)
        may_be_private = may_be_private and await _may_be_private(first_url)
        url = _redirected(url, target, may_be_private)
    raise _Refused(f"more than {REDIRECTS} redirects")


async def _content(answer: aiohttp.ClientResponse, known: Mapping[str, str], spool: Path) -> Fetched | None:
    status = answer.status
    if status == 304 and known:
        return None
    if status in (404, 410):
        raise _Refused("no such file")
    if status in (401, 403):
        raise _Refused("access denied")
    if status != 200:
        phrase = http.HTTPStatus(status).phrase if status in http.HTTPStatus.__members__.values() else ""
        text = f"cannot be fetched: {status} {phrase}".rstrip()
        raise (OSError if status >= 500 or status in (408, 429) else _Refused)(text)
    size, digest = await _write(answer, spool)
    validators = {name: answer.headers[name] for name in _VALIDATORS if name in answer.headers}
    # Without either only the content itself tells whether it has changed.
    tag = validators.get("ETag") or f"{size}-{validators.get('Last-Modified') or digest}"
    return Fetched(tag, validators)


async def _write(answer: aiohttp.ClientResponse, spool: Path) -> tuple[int, str]:
    """Write the content to a file; its bytes, and a digest of them."""
    size, limit, digest = 0, file_limit(), hashlib.sha256()
    with open(spool, "wb") as file:
        if (answer.content_length or 0) <= limit:
            async for piece in answer.content.iter_chunked(_PIECE):
                size += len(piece)
                if size > limit:
                    break
                digest.update(piece)
                file.write(piece)
            else:
                return size, digest.hexdigest()
    raise _Refused(f"more than the limit of {limit:,} bytes; raise it with MASKSDB_FILE_BYTES")


def _redirected(url: str, target: str, may_be_private: bool) -> str:
    address = urllib.parse.urljoin(url, target)
    parts = urllib.parse.urlsplit(address)
    if parts.scheme not in ("http", "https"):
        raise _Refused(f"redirects to a {parts.scheme}: address, expected http or https")
    if not may_be_private:
        # Of a name the connection will check what it stands for.
        with contextlib.suppress(ValueError):
            _check_public([parts.hostname or ""])
    return address


def _check_public(addresses: list[str]) -> None:
    """Refuse addresses of this machine and of private networks; ValueError for what is not an address."""
    for address in addresses:
        if not _is_public(address):
            raise _Refused(
                "redirects to an address of this machine or of a private network; "
                "MASKSDB_PRIVATE_REDIRECTS=1 allows that"
            )


def _is_public(address: str) -> bool:
    number = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(number, "ipv4_mapped", None)
    return (mapped or number).is_global and not number.is_multicast


async def _may_be_private(url: str) -> bool:
    """Whether redirects from an address may lead into a private network: it is in one itself, or the user says so."""
    if environment_number("MASKSDB_PRIVATE_REDIRECTS", 0):
        return True
    host = urllib.parse.urlsplit(url).hostname or ""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return not any(_is_public(str(place[4][0])) for place in found)


class _PublicResolver(aiohttp.ThreadedResolver):
    """Finds the addresses of a name, and refuses those that are not public: the connection is made to no other."""

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[Any]:
        places = await super().resolve(host, port, family)
        _check_public([place["host"] for place in places])
        return places


class _Client:
    """The connections of this process to web servers, in a thread of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._is_closed = False
        self._thread = threading.Thread(target=self._loop.run_forever, name="masksdb_web", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """The result of a coroutine."""
        if self._is_closed:
            coroutine.close()
            raise RuntimeError("the program is ending")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def session(self, may_be_private: bool) -> aiohttp.ClientSession:
        """The connections to all servers, or only to those that are not in a private network."""
        if may_be_private not in self._sessions:
            resolver = aiohttp.ThreadedResolver() if may_be_private else _PublicResolver()
            self._sessions[may_be_private] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, resolver=resolver),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._sessions[may_be_private]

    def close(self) -> None:
        """Close the connections and end the thread; whoever waits for an answer gets an error."""
        self._is_closed = True

        async def close() -> None:
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            for session in self._sessions.values():
                await session.close()
            self._loop.stop()

        asyncio.run_coroutine_threadsafe(close(), self._loop)
        self._thread.join(timeout=1)


_lock = threading.Lock()

_parents: list[_Client] = []


@functools.cache
def _made() -> _Client:
    client = _Client()
    atexit.register(client.close)
    return client


def _client() -> _Client:
    with _lock:
        return _made()


def _forget_parent() -> None:
    """In a forked process: have connections and a thread of one's own."""
    global _lock
    _lock = threading.Lock()
    if _made.cache_info().currsize:
        # Its thread is only in the parent, which alone can close it.
        atexit.unregister(_made().close)
        _parents.append(_made())
    _made.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
