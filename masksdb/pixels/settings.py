"""How masks are read on one database, and limits that the environment may set."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from masksdb.errors import UsageError

DecodeErrors = Literal["raise", "null"]
"""What an unreadable mask is in a query: an error, or NULL and a count."""

PIXEL_LIMIT = 1 << 28
"""Pixels of the largest mask that is decoded, where ``MASKSDB_PIXEL_LIMIT`` is not set."""

RUN_LIMIT = 1 << 25
"""Runs of equal pixels in a mask whose values are counted, where ``MASKSDB_RUN_LIMIT`` is not set."""

FILE_BYTES = 1 << 32
"""Bytes of the largest remote file that is fetched, where ``MASKSDB_FILE_BYTES`` is not set."""

TIMEOUT_S = 30
"""Seconds that a server may be silent, where ``MASKSDB_TIMEOUT`` is not set."""

CONNECT_S = 5
"""Seconds that it may take to connect to a server."""

LOSSY_TOLERANCE = 32
"""By how much a channel of a pixel in a lossy file may differ from the value that the pixel is assigned to."""


def environment_number(name: str, default: int) -> int:
    """A whole number from an environment variable, or the default where the variable is not set.

    Objects that have a limit read it when they are made, so that a program may set the variable after its imports.

    Raises:
        UsageError: the variable is not a whole number.
    """
    text = os.environ.get(name)
    if text is None:
        return default
    if not text.isdecimal():
        raise UsageError(f"{name}: found {text!r} in the environment, expected a whole number")
    return int(text)


def default_pixel_limit() -> int:
    """Pixels of the largest mask that is decoded: ``MASKSDB_PIXEL_LIMIT``, else :data:`PIXEL_LIMIT`."""
    return environment_number("MASKSDB_PIXEL_LIMIT", PIXEL_LIMIT)


def run_limit() -> int:
    """Runs of equal pixels in a mask whose values are counted: ``MASKSDB_RUN_LIMIT``, else :data:`RUN_LIMIT`."""
    return environment_number("MASKSDB_RUN_LIMIT", RUN_LIMIT)


def file_limit() -> int:
    """Bytes of the largest remote file that is fetched: ``MASKSDB_FILE_BYTES``, else :data:`FILE_BYTES`."""
    return environment_number("MASKSDB_FILE_BYTES", FILE_BYTES)


def silence_limit() -> int:
    """Seconds that a server may be silent: ``MASKSDB_TIMEOUT``, else :data:`TIMEOUT_S`."""
    return environment_number("MASKSDB_TIMEOUT", TIMEOUT_S)


@dataclass(frozen=True)
class Settings:
    """How masks are read on one database.

    Attributes:
        prefixes: URI prefixes and their replacements.
        decode_errors: whether an unreadable mask is an error or NULL.
        pixel_limit: pixels of the largest mask that is decoded.
    """

    prefixes: Mapping[str, str] = field(default_factory=dict)
    decode_errors: DecodeErrors = "raise"
    pixel_limit: int = field(default_factory=default_pixel_limit)
