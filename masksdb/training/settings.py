"""What training takes, for callers that must not pay for importing numpy."""

from __future__ import annotations

VOID = 255
"""The number of pixels that no label explains."""

SPLIT_NAME = "split"
"""The name of a split that is not named."""
