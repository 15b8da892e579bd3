"""Expressions over frames that people write, such as ``meta.city``."""

from __future__ import annotations

import re

_META = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\b(?:frame_)?meta((?:\.\w+)+)""")


def expand_meta(expression: str) -> str:
    """An expression in SQL with ``frame_meta.key`` as what it means: the value of that key as text.

    >>> expand_meta("upper(frame_meta.city) || ' frame_meta.city' || context_id")
    "upper((frame_meta->>'$.city')) || ' frame_meta.city' || context_id"
    """

    def expanded(found: re.Match[str]) -> str:
        return f"(frame_meta->>'${found[1]}')" if found[1] else found[0]

    return _META.sub(expanded, expression)
