"""The plain part of YAML that label maps are written in: maps, lists and scalars, in blocks or in brackets.

Whole numbers are read as such and nothing as None; all other scalars are texts, so that the class ``no`` keeps its
name. A block of text (``download: |``) is skipped over, and is None. What is beyond that (anchors, tags, lists of
maps) is refused.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

_KEY = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'\[\]{},#&*!|>%@`-][^#]*?|-[^\s:][^#]*?)\s*:(?:\s+|$)""")

_TEXT_BLOCK = re.compile(r":\s+[|>][-+]?$")

_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'""")

_NUMBER = re.compile(r"[-+]?[0-9]{1,4000}")

_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")

_ESCAPES = dict(zip('"\\/ntrbfave0N_LP ', '"\\/\n\t\r\b\f\a\v\x1b\0\x85\xa0\u2028\u2029 ', strict=True))


class _Line(NamedTuple):
    """A line with something in it.

    Attributes:
        number: counted from 1.
        indent: blanks before it.
        text: the rest, without comment.
    """

    number: int
    indent: int
    text: str


def parse(text: str) -> Any:
    r"""The content of a YAML text.

    Raises:
        ValueError: it is broken, or not of the plain kind; the text says in which line.

    >>> parse("nc: 2 # classes\nnames:\n- car\n- 'no'\ncolors: {0: [1, 2, 3]}")
    {'nc': 2, 'names': ['car', 'no'], 'colors': {0: [1, 2, 3]}}
    """
    lines = _lines(text)
    if not lines:
        return None
    if len(lines) == 1 and lines[0].text[0] in "[{":
        return _inline(lines[0].text, lines[0].number)
    value, at = _block(lines, 0)
    if at < len(lines):
        raise ValueError(f"line {lines[at].number}: indented as nothing before it")
    return value


def _lines(text: str) -> list[_Line]:
    found: list[_Line] = []
    pending, skipped = 0, None
    # Not splitlines, which ends a line at signs that names may have.
    for number, raw in enumerate(text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n"), 1):
        if skipped is not None and (not raw.strip() or len(raw) - len(raw.lstrip(" ")) > skipped):
            continue
        skipped = None
        line = _without_comment(raw).rstrip()
        if not line.strip() or (line == "---" and not found):
            continue
        indent = len(line) - len(line.lstrip(" "))
        if pending:
            found[-1] = found[-1]._replace(text=f"{found[-1].text} {line.strip()}")
        elif line[indent] == "\t":
            raise ValueError(f"line {number}: indented with a tab; expected blanks")
        elif _TEXT_BLOCK.search(line):
            found.append(_Line(number, indent, _TEXT_BLOCK.sub(":", line.strip())))
            skipped = indent
        else:
            found.append(_Line(number, indent, line.strip()))
        pending += _open_brackets(line)
    if pending > 0:
        raise ValueError(f"line {found[-1].number}: a bracket that is not closed")
    return found


def _without_comment(line: str) -> str:
    at = 0
    while at < len(line):
        if line[at] in "\"'" and (not line[:at].strip() or line[:at].rstrip()[-1] in ":[{,-"):
            quoted = _QUOTED.match(line, at)
            at = quoted.end() if quoted else len(line)
        elif line[at] == "#" and (at == 0 or line[at - 1].isspace()):
            return line[:at]
        else:
            at += 1
    return line


def _open_brackets(line: str) -> int:
    """How many brackets are opened more than closed, of those that are no part of a text."""
    bare = re.sub(r""""(?:[^"\\]|\\.)*"|(?<![\w])'(?:[^']|'')*'""", "", line)
    return sum(bare.count(sign) for sign in "[{") - sum(bare.count(sign) for sign in "]}")


def _block(lines: list[_Line], at: int) -> tuple[Any, int]:
    """The block that begins at a line, and the line after it."""
    return _list(lines, at) if _is_item(lines[at]) else _map(lines, at)


def _is_item(line: _Line) -> bool:
    return line.text == "-" or line.text.startswith("- ")


def _list(lines: list[_Line], at: int) -> tuple[list[Any], int]:
    indent = lines[at].indent
    found = []
    while at < len(lines) and lines[at].indent == indent and _is_item(lines[at]):
        text = lines[at].text[1:].strip()
        if text and text[0] not in "[{\"'" and (_KEY.match(text) or _is_item(lines[at]._replace(text=text))):
            raise ValueError(f"line {lines[at].number}: a list of maps or lists; expected one of plain values")
        found.append(_inline(text, lines[at].number))
        at += 1
    if at < len(lines) and lines[at].indent > indent:
        raise ValueError(f"line {lines[at].number}: indented below a list of plain values")
    return found, at


def _map(lines: list[_Line], at: int) -> tuple[dict[Any, Any], int]:
    indent = lines[at].indent
    found: dict[Any, Any] = {}
    while at < len(lines) and lines[at].indent == indent and not _is_item(lines[at]):
        line = lines[at]
        match = _KEY.match(line.text)
        if not match:
            raise ValueError(f"line {line.number}: found {line.text!r}, expected 'key: value'")
        key, rest = _scalar(match[1], line.number), line.text[match.end() :].strip()
        if key in found:
            raise ValueError(f"line {line.number}: the key {key!r} again")
        at += 1
        is_below = at < len(lines) and (
            lines[at].indent > indent or (lines[at].indent == indent and _is_item(lines[at]))
        )
        if not rest and is_below:
            found[key], at = _block(lines, at)
        elif is_below:
            raise ValueError(f"line {lines[at].number}: a value over several lines; expected one line")
        else:
            found[key] = _inline(rest, line.number)
    return found, at


def _inline(text: str, number: int) -> Any:
    if not text or text[0] not in "[{":
        return _scalar(text, number)
    value, rest = _brackets(text, number)
    if rest:
        raise ValueError(f"line {number}: found {rest!r} after a bracket")
    return value


def _brackets(text: str, number: int) -> tuple[Any, str]:
    """The list or map in brackets that a text begins with, and what comes after it."""
    is_map, closing = text[0] == "{", "}" if text[0] == "{" else "]"
    items: list[Any] = []
    found: dict[Any, Any] = {}
    rest = text[1:].lstrip()
    while not rest.startswith(closing):
        key = None
        if is_map:
            match = re.match(rf"""({_QUOTED.pattern}|[^:,{{}}\[\]"']+?)\s*:\s*""", rest)
            if not match:
                raise ValueError(f"line {number}: found {rest!r}, expected 'key: value'")
            key, rest = _scalar(match[1], number), rest[match.end() :]
        if rest[:1] in ("[", "{"):
            value, rest = _brackets(rest, number)
        else:
            match = re.match(rf"{_QUOTED.pattern}|[^,\[\]{{}}]*", rest)
            assert match is not None
            value, rest = _scalar(match[0].strip(), number), rest[match.end() :].lstrip()
        items.append(value)
        if is_map:
            if key in found:
                raise ValueError(f"line {number}: the key {key!r} again")
            found[key] = value
        if rest.startswith(","):
            rest = rest[1:].lstrip()
        elif not rest.startswith(closing):
            raise ValueError(f"line {number}: found {rest!r}, expected ',' or {closing!r}")
    return (found if is_map else items), rest[1:].lstrip()


def _scalar(text: str, number: int) -> str | int | None:
    if text[:1] in ("'", '"'):
        if not _QUOTED.fullmatch(text):
            raise ValueError(f"line {number}: a quotation that is not closed")
        if text[0] == "'":
            return text[1:-1].replace("''", "'")
        try:
            # What is beyond 16 bits may be written as JSON has it, in two halves.
            return _ESCAPE.sub(_escaped, text[1:-1]).encode("utf-16", "surrogatepass").decode("utf-16")
        except (ValueError, OverflowError):
            raise ValueError(f"line {number}: found {text!r} with an escape that is no character") from None
    if text in ("", "~", "null"):
        return None
    if text[0] in "&*!|>%@`":
        raise ValueError(f"line {number}: found {text!r}; anchors and tags are not read")
    return int(text) if _NUMBER.fullmatch(text) else text


def _escaped(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    return chr(int(code, 16)) if code else _ESCAPES.get(match[4], match[0])
