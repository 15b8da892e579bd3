"""How masks are read on one database."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from masksdb.errors import MasksDBError, UsageError


def environment_number(name: str, default: int) -> int:
    """A whole number from an environment variable.

    Raises:
        UsageError: the variable is set to something else.
    """
    text = os.environ.get(name, str(default))
    if not text.isdecimal():
        raise UsageError(f"{name}: found {text!r} in the environment, expected a whole number")
    return int(text)


PIXEL_LIMIT = environment_number("MASKSDB_PIXEL_LIMIT", 1 << 28)
"""Pixels of the largest mask that is decoded."""


@dataclass
class Settings:
    """How masks are read on one database.

    Attributes:
        prefixes: URI prefixes and what replaces them.
        decode_errors: whether a mask that cannot be read is an error or NULL.
        pixel_limit: pixels of the largest mask that is decoded.
        failures: how many masks could not be read, where that is NULL.
        raised: the error that a function raised last.
    """

    prefixes: Mapping[str, str] = field(default_factory=dict)
    decode_errors: DecodeErrors = "raise"
    pixel_limit: int = PIXEL_LIMIT
    failures: int = 0
    raised: MasksDBError | None = None


DecodeErrors = Literal["raise", "null"]
"""What a mask that cannot be read is in a query: an error, or NULL and a count."""

LOSSY_TOLERANCE = 32
"""By how much a channel of a pixel in a lossy file may differ from the value that it counts for."""
