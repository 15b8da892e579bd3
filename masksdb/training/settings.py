"""What training takes, for callers that must not pay for importing numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

VOID = 255
"""The number of pixels that no label explains."""

SPLIT_NAME = "split"
"""The name of a split that is not named."""

Transform = Callable[[Any, Any], tuple[Any, Any]]
"""A function that is called with an image and its mask, and returns both."""
