"""YAML as label maps and datasets are written in it: PyYAML reads it, and names stay the names that they are.

Unquoted whole numbers are numbers, and ``null``, ``~`` and nothing are None; every other scalar is text, so that the
class ``no`` keeps its name. A key that stands twice is refused: one of its values would be lost.
"""

from __future__ import annotations

import re
from typing import Any

DEPTH = 100
"""The most lists and maps that stand in each other."""

REPEATED = 1_000_000
"""The most characters that aliases of a document stand for, those in what they repeat included."""

_NUMBER = re.compile(r"[-+]?[0-9]{1,4000}")
_ESCAPE = re.compile(r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|.)", re.DOTALL)
_FOREIGN = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""PyYAML ends lines at some characters that names may have, and refuses others: it reads their numbers instead."""


class _Container:
    """A list or map while it is read; of a map the key that waits for its value, and what it merges.

    Attributes:
        size: characters of what is in it, those that aliases stand for included.
    """

    def __init__(self, anchor: str | None, *, is_map: bool) -> None:
        self.anchor = anchor
        self.items: Any = {} if is_map else []
        self.merged: dict[Any, Any] = {}
        self.key: Any = None
        self.has_key = self.is_merge = False
        self.size = 1

    @property
    def value(self) -> Any:
        """What was read; a map's own keys go before those that it merges."""
        return self.merged | self.items if self.merged else self.items

    def add(self, item: Any, line: int, *, is_plain: bool) -> None:
        if isinstance(self.items, list):
            self.items.append(item)
        elif not self.has_key:
            if isinstance(item, dict | list):
                raise ValueError(f"line {line}: found a list or map as a key, expected a name or a number")
            if item in self.items:
                raise ValueError(f"line {line}: the key {item!r} again")
            self.key, self.has_key = item, True
            self.is_merge = is_plain and item == "<<"
        else:
            self.has_key = False
            maps = (item if isinstance(item, list) else [item]) if self.is_merge else []
            if self.is_merge and all(isinstance(one, dict) for one in maps):
                for key, value in (pair for one in maps for pair in one.items()):
                    self.merged.setdefault(key, value)
            else:
                self.items[self.key] = item


def parse(text: str) -> Any:
    r"""The content of a YAML text with one document.

    Raises:
        ValueError: it is not YAML, has a key twice, is nested too deeply or repeats too much; the message says where.

    >>> parse("nc: 2 # classes\nnames:\n- car\n- 'no'\ncolors: {0: [1, 2, 3]}")
    {'nc': 2, 'names': ['car', 'no'], 'colors': {0: [1, 2, 3]}}
    """
    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    mark = next(chr(code) for code in range(0xE000, 0xF900) if chr(code) not in text)
    readable = _ESCAPE.sub(_joined, text.removeprefix("\ufeff"))
    readable = _FOREIGN.sub(lambda match: f"{mark}{ord(match[0]):04x}", readable)
    try:
        return _document(yaml.parse(readable, Loader=loader), re.compile(f"{mark}([0-9a-f]{{4}})"))
    except yaml.MarkedYAMLError as error:
        place = error.context_mark or error.problem_mark
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        raise ValueError(f"line {place.line + 1 if place else 1}: {reason}") from None
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None


def _document(events: Any, foreign: re.Pattern[str]) -> Any:
    from yaml import events as kinds

    root: list[Any] = []
    anchors: dict[str, tuple[Any, int]] = {}
    repeated = 0
    open_containers: list[_Container] = []
    for event in events:
        line = event.start_mark.line + 1
        if isinstance(event, kinds.CollectionStartEvent):
            if len(open_containers) == DEPTH:
                raise ValueError(f"line {line}: more than {DEPTH} lists and maps in each other")
            open_containers.append(_Container(event.anchor, is_map=isinstance(event, kinds.MappingStartEvent)))
            continue
        if isinstance(event, kinds.CollectionEndEvent):
            container = open_containers.pop()
            item, anchor, size = container.value, container.anchor, container.size
        elif isinstance(event, kinds.ScalarEvent):
            item, anchor, size = _scalar(event, foreign), event.anchor, 1 + len(event.value)
        elif isinstance(event, kinds.AliasEvent):
            if event.anchor not in anchors:
                raise ValueError(f"line {line}: the alias *{event.anchor} stands for nothing before it")
            (item, size), anchor = anchors[event.anchor], None
            repeated += size
            if repeated > REPEATED:
                raise ValueError(f"line {line}: aliases for more than {REPEATED:,} characters; write out fewer of them")
        else:
            if isinstance(event, kinds.DocumentStartEvent) and root:
                raise ValueError(f"line {line}: a second document, expected one")
            continue
        if anchor:
            anchors[anchor] = item, size
        is_plain = isinstance(event, kinds.ScalarEvent) and not event.style
        if open_containers:
            open_containers[-1].add(item, line, is_plain=is_plain)
            open_containers[-1].size += size
        else:
            root.append(item)
    return root[0] if root else None


def _scalar(event: Any, foreign: re.Pattern[str]) -> str | int | None:
    text = foreign.sub(lambda match: chr(int(match[1], 16)), event.value)
    if event.style in ("'", '"', "|", ">"):
        return text
    if text in ("", "~", "null"):
        return None
    return int(text) if _NUMBER.fullmatch(text) else text


def _joined(match: re.Match[str]) -> str:
    # JSON writes what is beyond 16 bits in two halves, which are no characters of their own.
    if match[1] is None:
        return match[0]
    return f"\\U{0x10000 + ((int(match[1], 16) & 0x3FF) << 10) + (int(match[2], 16) & 0x3FF):08X}"
