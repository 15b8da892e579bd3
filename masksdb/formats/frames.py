"""Frames as JSON: which files hold them, in which of four shapes, and why one that cannot be read cannot.

A file holds JSON lines, one array, one object per frame, or one object whose ``frames`` is an array; each may be
compressed with gzip or zstd. Reading itself is SQL: ``sql/ingest/records_<shape>.sql``.
"""

from __future__ import annotations

import glob
import gzip
import json
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

from masksdb.errors import IngestError

Shape = Literal["lines", "array", "objects", "container", "memory", "table"]

SUFFIXES = (".json", ".jsonl", ".ndjson")
COMPRESSIONS = ("", ".gz", ".zst")
RECORD_LIMIT = 64 << 20
CONTAINER_LIMIT = 256 << 20

_WHITE = b" \t\r\n"


@dataclass(frozen=True)
class Input:
    """One file, or one stream of Python objects, to ingest.

    Attributes:
        path: as the user named it; ``-`` for standard input, ``frames`` for Python objects.
        read_path: the file that is read.
        shape: how records stand in it.
        media_root: the folder that relative URIs are relative to.
    """

    path: str
    read_path: str
    shape: Shape
    media_root: str


def find_inputs(source: str, media_root: str | None, *, name: str | None = None) -> list[Input]:
    """The inputs that a path, folder or glob pattern names, in order of their paths; ``name`` stands for the path.

    Raises:
        IngestError: nothing is there, or a file is not JSON frames.
    """
    return [
        Input(
            path=name or str(path),
            read_path=os.path.abspath(path),
            shape=sniff(path, name or str(path)),
            media_root=media_root or os.path.abspath(path.parent),
        )
        for path in _files(source)
    ]


def _files(source: str) -> list[Path]:
    path = Path(source)
    endings = tuple(suffix + compression for suffix in SUFFIXES for compression in COMPRESSIONS)
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.name.endswith(endings) and file.is_file())
        if not found:
            raise IngestError(f"a folder without frames; expected files named *{', *'.join(SUFFIXES)}", source)
        return found
    if path.exists():
        return [path]
    found = sorted(Path(name) for name in glob.glob(source, recursive=True) if os.path.isfile(name))
    if not found:
        raise IngestError("no such file or folder, and no file matches it as a pattern", source)
    return found


def sniff(path: Path, name: str) -> Shape:
    """The shape of a file of frames, seen from its beginning; errors call it by ``name``.

    Raises:
        IngestError: the file is empty, binary or broken, or does not begin as JSON does.
    """
    with _open_bytes(path, name) as file:
        head = _head(file, name)
        try:
            head.decode()
        except UnicodeDecodeError as error:
            if error.start < len(head) - 4:
                raise IngestError(f"not UTF-8 text but binary data ({head[:4]!r}...); expected JSON", name) from None
        if head.startswith(b"["):
            return "array"
        if not head.startswith(b"{"):
            raise IngestError(
                f"not JSON: it begins with {head[:12].decode(errors='replace')!r}; expected '{{' or '['", name
            )
        if re.match(rb'\{\s*"frames"\s*:\s*\[', head):
            return "container"
        return _object_shape(head, file)


def _object_shape(head: bytes, file: IO[bytes]) -> Shape:
    first, newline, rest = head.partition(b"\n")
    while not newline and len(first) < RECORD_LIMIT and (more := file.read(1 << 20)):
        part, newline, rest = more.partition(b"\n")
        first += part
    while newline and not rest.strip(_WHITE) and (more := file.read(1 << 16)):
        rest = more
    following = rest.strip(_WHITE)
    try:
        value = json.loads(first)
    except ValueError:
        # A broken first line of JSON lines still ends as a line does; a pretty-printed object goes on.
        ends_as_line = first.rstrip(_WHITE).endswith(b"}") or following.startswith(b"{")
        if ends_as_line or not following:
            return "lines"
        return "container" if re.match(rb'\s*"frames"\s*:\s*\[', following) else "objects"
    return "container" if not following and is_container(value) else "lines"


def is_container(value: object) -> bool:
    """Whether a JSON object is ``{"frames": [...]}`` and not itself a frame.

    >>> is_container({"frames": []}), is_container({"frames": [], "rois": []})
    (True, False)
    """
    if not isinstance(value, dict) or not isinstance(value.get("frames"), list):
        return False
    return "sources" not in value and "rois" not in value


def _head(file: IO[bytes], name: str) -> bytes:
    try:
        head = file.read(1 << 16).removeprefix(b"\xef\xbb\xbf").lstrip(_WHITE)
        while not head and (more := file.read(1 << 16)):
            head = more.lstrip(_WHITE)
    except (OSError, EOFError, zlib.error) as error:
        raise IngestError(f"cannot be read: {error}", name) from None
    if not head:
        raise IngestError("empty; expected JSON frames", name)
    return head


def _open_bytes(path: Path, name: str) -> IO[bytes]:
    if path.name.endswith(".gz"):
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if path.name.endswith(".zst"):
        # pyarrow takes longer to import than most files take to read, so only zstd pays for it.
        import pyarrow as pa

        return cast("IO[bytes]", pa.input_stream(str(path), compression="zstd"))
    try:
        return path.open("rb")
    except OSError as error:
        raise IngestError(f"cannot be read: {error.strerror}", name) from None


def glob_escape(path: str) -> str:
    """A path as DuckDB's readers take it, which read every path as a pattern.

    >>> glob_escape("a[1].json")
    'a[[]1].json'
    """
    return re.sub(r"([*?\[])", r"[\1]", path)


def why_not_a_frame(text: str) -> str:
    """What is wrong with the text of a record that could not become a frame."""
    if "\0" in text:
        return "a NUL byte in the text, which JSON does not allow"
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        cut = "; the record is cut off" if error.pos >= len(text.rstrip()) or "Unterminated" in error.msg else ""
        return f"not valid JSON: {error.msg} at column {error.colno}{cut}"
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


def describe(found: str) -> str:
    """A JSON text in the words of an error message.

    >>> describe('"33"'), describe("[1,2]")
    ('the string "33"', 'the array [1,2]')
    """
    kinds = {'"': "the string ", "[": "the array ", "{": "the object ", "t": "", "f": "", "n": ""}
    short = found if len(found) <= 60 else found[:57] + "..."
    return kinds.get(found[:1], "the number ") + short


def broken_place(path: str) -> tuple[int, int, str]:
    """Where the JSON of a file of arrays or objects breaks: record index from 0, line from 1, and why."""
    with _open_bytes(Path(path), path) as file:
        text = file.read(CONTAINER_LIMIT).decode(errors="replace").removeprefix("\ufeff")
    start = re.match(r'\s*\{\s*"frames"\s*:\s*\[|\s*\[', text)
    gap = re.compile(r"[\s,]*")
    position = start.end() if start else 0
    record = 0
    while (position := cast("re.Match[str]", gap.match(text, position)).end()) < len(text) and text[
        position
    ] not in "]}":
        line = text.count("\n", 0, position) + 1
        try:
            _, end = json.JSONDecoder().raw_decode(text, position)
        except json.JSONDecodeError as error:
            cut = "; the file is cut off" if error.pos >= len(text.rstrip()) or "Unterminated" in error.msg else ""
            return record, error.lineno, f"not valid JSON: {error.msg}{cut}"
        reason = why_not_a_frame(text[position:end])
        if "surrogate" in reason or "NUL" in reason:
            return record, line, reason
        record, position = record + 1, end
    return record, text.count("\n") + 1, "not valid JSON: the file is cut off, or has something after its end"
