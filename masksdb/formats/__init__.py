"""Dataset layouts, one module each."""

from __future__ import annotations
