"""The masks that the queries of one database read: with which settings, and how many of them were unreadable."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from masksdb.errors import MasksDBError
from masksdb.pixels.settings import Settings


class MaskReads:
    """The masks that the queries of one database read.

    Attributes:
        settings: how masks are read; assign other settings to change that for the next query.
        failures: how many masks were unreadable, where an unreadable mask is NULL.
        raised: the error that a SQL function raised last.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.failures = 0
        self.raised: MasksDBError | None = None
        self._lock = threading.Lock()

    def report(self, errors: Sequence[MasksDBError]) -> None:
        """Raise the first of some errors, or count them where an unreadable mask is NULL."""
        if errors and self.settings.decode_errors == "raise":
            raise errors[0]
        with self._lock:
            self.failures += len(errors)
