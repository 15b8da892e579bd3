"""Closed sets of names, and what ingest reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from masksdb.errors import IngestError

OnError = Literal["stop", "skip"]
"""What an ingest does with a bad record: stop with the database unchanged, or keep it in ``rejects``."""

RowFormat = Literal["table", "json", "jsonl", "csv", "markdown", "parquet", "arrow"]
"""How query results are written."""

DecodeErrors = Literal["raise", "null"]
"""What a mask that cannot be read is in a query: an error, or NULL and a count."""

Severity = Literal["error", "warning", "note"]
"""How bad a finding of a check is."""

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""The worst first."""

LOSSY_TOLERANCE = 32
"""By how much a channel of a pixel in a lossy file may differ from the value that it counts for."""

OPACITY = 0.6
"""How much of a pixel in a picture is its label's colour."""

CURRENT = "Current"
"""The version name that means the newest draft, else the newest published version."""


@dataclass(frozen=True)
class IngestReport:
    """What one ingest did, in frames.

    Attributes:
        dataset: name of the dataset.
        version: name of the version.
        new: frames added at the end.
        updated: frames replaced in their old position.
        unchanged: frames that were there already.
        rejected: records kept in ``rejects`` instead.
        errors: why each of these was refused, in their order.
        notes: what a person should know: what sources were taken for, images shown turned.
    """

    dataset: str
    version: str
    new: int
    updated: int
    unchanged: int
    rejected: int
    errors: tuple[IngestError, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"{self.dataset}/{self.version}: {self.new} new, {self.updated} updated, {self.unchanged} unchanged"
        return f"{text}, {self.rejected} rejected" if self.rejected else text
