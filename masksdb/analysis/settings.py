"""What analyses take, for callers that must not pay for importing them."""

from __future__ import annotations

from typing import Literal

Severity = Literal["error", "warning", "note"]
"""How bad a finding of a check is."""

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""The worst first."""

OPACITY = 0.6
"""How much of a pixel in a picture is its label's colour."""
