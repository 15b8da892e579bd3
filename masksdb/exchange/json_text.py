"""The text of files of frames: where records begin, which are too long, and why a record or a file is not JSON frames.

Files are mapped into memory, of which only what is searched is read, and records are cut out of them without being
parsed: their lengths are known before anything reads them.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import json
import mmap
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, cast

from masksdb.pixels.settings import environment_number

RECORD_LIMIT = 32 << 20
"""Bytes of the largest frame that is read, where ``MASKSDB_RECORD_LIMIT`` is not set."""

CONTAINER_LIMIT = 256 << 20
"""Bytes of the largest JSON object ``{"frames": [...]}`` that is read."""

NO_FRAMES = '{"no frames": null}'
"""The record for an object without an array ``frames``, or with the keys of a frame beside it, among containers."""

WHITE = b" \t\r\n"

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[{}\[\]]', re.DOTALL)
"""A string or a bracket: what separates the records of an array and the keys of an object."""

_HEAD, _FRAMES, _COLON = (
    re.compile(form) for form in (rb"(?:\xef\xbb\xbf)?\s*", rb'\{\s*"frames"\s*:\s*\[', rb"\s*:\s*")
)


def record_limit() -> int:
    """Bytes of the largest frame that is read: ``MASKSDB_RECORD_LIMIT``, else :data:`RECORD_LIMIT`."""
    return environment_number("MASKSDB_RECORD_LIMIT", RECORD_LIMIT)


def too_long(size: int, limit: int) -> str:
    """The reason why a record of so many bytes is refused.

    >>> too_long(3_000, 1_000)
    'a record of 3,000 bytes; expected a frame of at most 1,000 (MASKSDB_RECORD_LIMIT raises the limit)'
    """
    return f"a record of {size:,} bytes; expected a frame of at most {limit:,} (MASKSDB_RECORD_LIMIT raises the limit)"


class LongLine(NamedTuple):
    """A line that is longer than a frame may be: its number from 1, and where it begins and ends."""

    number: int
    start: int
    end: int

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.end - self.start


@contextlib.contextmanager
def _text_of(path: str) -> Iterator[mmap.mmap | bytes]:
    with open(path, "rb") as file:
        if not os.path.getsize(path):
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            yield text


def long_lines(path: str, limit: int) -> list[LongLine]:
    """The lines of a file of more bytes than a limit; of the others a few are read."""
    found: list[LongLine] = []
    with _text_of(path) as text:
        start = counted = lines = 0
        while len(text) - start > limit:
            # Every line that ends in here is short, so the next to check begins behind the last of them.
            if (newline := text.rfind(b"\n", start, start + limit + 1)) >= 0:
                start = newline + 1
                continue
            end = text.find(b"\n", start)
            end = len(text) if end < 0 else end
            lines += _newlines(text, counted, start)
            counted = start
            is_crlf = text[end - 1 : end] == b"\r"
            if end - is_crlf - start > limit:
                found.append(LongLine(lines + 1, start, end - is_crlf))
            start = end + 1
    return found


def _newlines(text: mmap.mmap | bytes, start: int, end: int) -> int:
    return sum(text[at : min(at + (1 << 20), end)].count(b"\n") for at in range(start, end, 1 << 20))


def without_lines(path: str, lines: Sequence[LongLine], copy: str) -> None:
    """Copy a file with some of its lines blank."""
    with open(path, "rb") as file, open(copy, "wb") as out:
        for line in lines:
            while rest := line.start - file.tell():
                out.write(file.read(min(rest, 1 << 20)))
            file.seek(line.end)
        shutil.copyfileobj(file, out, 1 << 20)


def long_record(path: str, limit: int) -> tuple[int, int, int] | None:
    """The first record of a file of arrays or objects that is longer than a limit: its number, line and bytes.

    Records are counted from 0, lines from 1. The text is not parsed, so a broken one may hide its records.
    """
    with _text_of(path) as text:
        begin = cast("re.Match[bytes]", _HEAD.match(text)).end()
        frames = _FRAMES.match(text, begin)
        depth = record = start = 0
        for token in _TOKEN.finditer(text, frames.end() if frames else begin + (text[begin : begin + 1] == b"[")):
            bracket = text[token.start()]
            if bracket in b"{[":
                start = start if depth else token.start()
                depth += 1
            elif bracket in b"}]":
                depth -= 1
                if depth <= 0:
                    if token.end() - start > limit:
                        return record, _newlines(text, 0, start) + 1, token.end() - start
                    record += 1
            if depth < 0:
                break
        if depth > 0 and len(text) - start > limit:
            return record, _newlines(text, 0, start) + 1, len(text) - start
    return None


def shape_of_objects(path: str) -> Literal["lines", "objects", "container"]:
    """How the records of a file that begins with an object stand in it."""
    with _text_of(path) as text:
        start = cast("re.Match[bytes]", _HEAD.match(text)).end()
        if _FRAMES.match(text, start):
            return "container"
        newline = text.find(b"\n", start)
        following = re.compile(rb"\S").search(text, newline + 1) if newline >= 0 else None
        if following is None:
            return "container" if _is_container(text, start) else "lines"
        # The first line of JSON lines ends with a brace even when it is broken; a pretty-printed object goes on.
        first = text[max(start, newline - (1 << 16)) : newline]
        if first.rstrip(WHITE).endswith(b"}") or following[0] == b"{":
            return "lines"
        return "container" if _is_container(text, start) else "objects"


def _is_container(text: mmap.mmap | bytes, start: int) -> bool:
    """Whether an object has an array ``frames`` and is not itself a frame, read no further than that key.

    >>> _is_container(b'{"version": 1, "frames": [{}]}', 0), _is_container(b'{"sources": [], "frames": [{}]}', 0)
    (True, False)
    """
    depth = 0
    for token in _TOKEN.finditer(text, start):
        bracket = text[token.start()]
        depth += (bracket in b"{[") - (bracket in b"}]")
        if depth == 0:
            return False
        if depth == 1 and bracket == ord('"') and (colon := _COLON.match(text, token.end())):
            if token[0] in (b'"sources"', b'"rois"'):
                return False
            if token[0] == b'"frames"':
                return text[colon.end() : colon.end() + 1] == b"["
    return False


def why_not_a_frame(text: str) -> str:
    """The reason why the text of a record is not a frame, for an error message."""
    if (size := len(text.encode(errors="replace"))) > (limit := record_limit()):
        return too_long(size, limit)
    if text == NO_FRAMES:
        return "an object without an array 'frames', or with 'sources' or 'rois' beside it; expected the array alone"
    if "\0" in text:
        return "a NUL byte, or bytes that are not UTF-8, in the text; expected JSON, which has neither"
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        cut = "; the record is cut off" if error.pos >= len(text.rstrip()) or "Unterminated" in error.msg else ""
        return f"not valid JSON: {error.msg.removesuffix(' at')} at column {error.colno}{cut}"
    except (ValueError, RecursionError) as error:
        return f"not valid JSON: {error}"
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        return f"the lone surrogate \\u{ord(error.object[error.start]):04x} in a string, which is not Unicode"
    if not isinstance(value, dict):
        return f"{describe(text)}, where a frame (a JSON object) was expected"
    keys = ", ".join(repr(key) for key in list(value)[:4]) or "no keys"
    return f"an object with {keys}, which is not a frame; expected 'id', 'sources', 'rois', 'meta' or 'timestamp'"


def describe(text: str) -> str:
    """A JSON text in the words of an error message.

    >>> describe('"33"'), describe("[1,2]")
    ('the string "33"', 'the array [1,2]')
    """
    kinds = {'"': "the string ", "[": "the array ", "{": "the object ", "t": "", "f": "", "n": ""}
    short = text if len(text) <= 60 else text[:57] + "..."
    return kinds.get(text[:1], "the number ") + short


def broken_place(path: str) -> tuple[int, int, str]:
    """Where the JSON of a file of arrays or objects breaks: the record from 0, the line from 1, and the reason."""
    with open(path, "rb") as file:
        content = file.read(CONTAINER_LIMIT)
    text = content.decode(errors="replace").removeprefix("\ufeff")
    start = re.match(r'\s*\{\s*"frames"\s*:\s*\[|\s*\[', text)
    gap = re.compile(r"[\s,]*")
    position = start.end() if start else 0
    record = 0
    try:
        while (begin := cast("re.Match[str]", gap.match(text, position)).end()) < len(text) and text[begin] not in "]}":
            _, position = json.JSONDecoder().raw_decode(text, begin)
            reason = why_not_a_frame(text[begin:position])
            if "surrogate" in reason or "NUL" in reason:
                return record, text.count("\n", 0, begin) + 1, reason
            if "\ufffd" in text[begin:position] and _is_not_utf8(content):
                return record, text.count("\n", 0, begin) + 1, "bytes that are not UTF-8"
            record += 1
        json.loads(text)
    except json.JSONDecodeError as error:
        cut = "; the file is cut off" if error.pos >= len(text.rstrip()) or "Unterminated" in error.msg else ""
        return record, error.lineno, f"not valid JSON: {error.msg.removesuffix(' at')}{cut}"
    except RecursionError:
        return record, text.count("\n", 0, begin) + 1, "nested too deeply"
    return record, 1, "not valid JSON"


def _is_not_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return True
    return False


def ends_as_array(path: str) -> bool:
    """Whether the last character of a file is ``]``: DuckDB accepts an array that was cut off after a comma."""
    last = b""
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - (1 << 16)))
        while more := file.read(1 << 20):
            last = more.rstrip(WHITE) or last
    return last.endswith(b"]")


def without_invalid_utf8(path: str, copy: str) -> None:
    """Copy a file with a NUL, which JSON never contains, in place of each byte that is not UTF-8."""
    codecs.register_error("masksdb_nul", lambda error: ("\0", error.end))  # type: ignore[attr-defined]  # all have it
    with (
        io.TextIOWrapper(open(path, "rb"), "utf-8", "masksdb_nul", newline="") as text,
        open(copy, "w", encoding="utf-8", newline="") as out,
    ):
        shutil.copyfileobj(text, out, 1 << 20)
