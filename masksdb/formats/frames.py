"""Frames as JSON: which files hold them, in which of four shapes, and why one that cannot be read cannot.

A file holds JSON lines, one array, one object per frame, or one object whose ``frames`` is an array; each may be
compressed with gzip or zstd. Reading itself is SQL: ``sql/ingest/records_<shape>.sql``.
"""

from __future__ import annotations

import codecs
import glob
import gzip
import io
import itertools
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, cast

from masksdb.errors import IngestError

if TYPE_CHECKING:
    import pyarrow as pa

Shape = Literal["lines", "array", "objects", "container", "memory", "table"]

SUFFIXES = (".json", ".jsonl", ".ndjson")
COMPRESSIONS = ("", ".gz", ".zst")
RECORD_LIMIT = 64 << 20
"""Bytes of the largest frame that is read."""
CONTAINER_LIMIT = 256 << 20
"""Bytes of the largest JSON object that is read from a file that is neither JSON lines nor an array."""

ARROW_BATCH = 2048
"""Frames from Python that are handed to DuckDB at once."""

_WHITE = b" \t\r\n"


@dataclass(frozen=True)
class Input:
    """One file, or one stream of Python objects, to ingest.

    Attributes:
        path: as the user named it; ``-`` for standard input, ``frames`` for Python objects.
        read_path: the file that is read.
        shape: how records stand in it.
        media_root: the folder that relative URIs are relative to.
        first_record: the index of the first record, where these are a part of a longer list.
    """

    path: str
    read_path: str
    shape: Shape
    media_root: str
    first_record: int = 0


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
        if head.startswith(b"["):
            return "array"
        if not head.startswith(b"{"):
            kind = "text" if _is_text(head) else "binary data"
            raise IngestError(f"not JSON but {kind}: it begins with {head[:12]!r}; expected '{{' or '['", name)
        if re.match(rb'\{\s*"frames"\s*:\s*\[', head):
            return "container"
        return _object_shape(head, file)


def _object_shape(head: bytes, file: IO[bytes]) -> Shape:
    begun, newline, rest = head.partition(b"\n")
    first = bytearray(begun)
    while not newline and len(first) < CONTAINER_LIMIT and (more := file.read(1 << 20)):
        part, newline, rest = more.partition(b"\n")
        first += part
    while newline and not rest.strip(_WHITE) and (more := file.read(1 << 16)):
        rest = more
    following = rest.strip(_WHITE)
    if not following:
        return "container" if _is_container(first.decode(errors="replace")) else "lines"
    # The first line of JSON lines ends as an object does even when it is broken; a pretty-printed one goes on.
    if first.rstrip(_WHITE).endswith(b"}") or following.startswith(b"{"):
        return "lines"
    whole = first + newline + rest + file.read(CONTAINER_LIMIT)
    return "container" if _is_container(whole.decode(errors="replace")) else "objects"


def _is_container(text: str) -> bool:
    """Whether a JSON object is ``{"frames": [...]}`` and not itself a frame, looking no further than that key.

    >>> _is_container('{"version": 1, "frames": [{}]}'), _is_container('{"sources": [], "frames": [{}]}')
    (True, False)
    """
    decoder = json.JSONDecoder()
    member = re.compile(r'[\s{,]*("(?:[^"\\]|\\.)*")\s*:\s*')
    position = 0
    while found := member.match(text, position):
        key = found[1]
        if key in ('"sources"', '"rois"'):
            return False
        if key == '"frames"':
            return text.startswith("[", found.end())
        try:
            _, position = decoder.raw_decode(text, found.end())
        except ValueError:
            return False
    return False


def _is_text(head: bytes) -> bool:
    return b"\0" not in head and codecs.getincrementaldecoder("utf-8")("replace").decode(head).count("\ufffd") < 2


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


def object_size(files: list[Input]) -> int:
    """Bytes that the largest record of these files may have, no more than needed: readers reserve it many times."""
    if files[0].shape not in ("objects", "container"):
        return RECORD_LIMIT
    largest = max(os.path.getsize(each.read_path) for each in files)
    if any(each.read_path.endswith(COMPRESSIONS[1:]) for each in files):
        return CONTAINER_LIMIT
    return min(CONTAINER_LIMIT, max(1 << 20, largest + 1))


def glob_escape(path: str) -> str:
    """A path as DuckDB's readers take it, which read every path as a pattern.

    >>> glob_escape("a[1].json")
    'a[[]1].json'
    """
    return re.sub(r"([*?\[])", r"[\1]", path)


def why_not_a_frame(text: str) -> str:
    """What is wrong with the text of a record that could not become a frame."""
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
    try:
        while (begin := cast("re.Match[str]", gap.match(text, position)).end()) < len(text) and text[begin] not in "]}":
            _, position = json.JSONDecoder().raw_decode(text, begin)
            reason = why_not_a_frame(text[begin:position])
            if "surrogate" in reason or "NUL" in reason:
                return record, text.count("\n", 0, begin) + 1, reason
            record += 1
        json.loads(text)
    except json.JSONDecodeError as error:
        cut = "; the file is cut off" if error.pos >= len(text.rstrip()) or "Unterminated" in error.msg else ""
        return record, error.lineno, f"not valid JSON: {error.msg.removesuffix(' at')}{cut}"
    return record, 1, "not valid JSON"


def ends_as_array(path: str) -> bool:
    """Whether the last character of a file is ``]``: DuckDB takes an array that ends after a comma for whole."""
    last = b""
    with _open_bytes(Path(path), path) as file:
        if not path.endswith(COMPRESSIONS[1:]):
            file.seek(max(0, os.path.getsize(path) - (1 << 16)))
        while more := file.read(1 << 20):
            last = more.rstrip(_WHITE) or last
    return last.endswith(b"]")


def without_invalid_utf8(path: str, copy: str) -> None:
    """Copy a file as plain text, a NUL (which no JSON holds) in place of each byte that is not UTF-8."""
    codecs.register_error("masksdb_nul", lambda error: ("\0", error.end))  # type: ignore[attr-defined]  # all have it
    with (
        io.TextIOWrapper(_open_bytes(Path(path), path), "utf-8", "masksdb_nul", newline="") as text,
        open(copy, "w", encoding="utf-8", newline="") as out,
    ):
        shutil.copyfileobj(text, out, 1 << 20)


def json_stream(
    frames: Iterable[Mapping[str, Any]], first_record: int, failures: list[IngestError], *, skip: bool
) -> pa.RecordBatchReader:
    """Frames as an Arrow stream of JSON texts.

    A frame that JSON cannot hold is put into ``failures``; then it ends the stream, or with ``skip`` is a blank line.
    """
    import pyarrow as pa

    schema = pa.schema([("record", pa.string())])

    def texts() -> Iterator[str]:
        for record, frame in enumerate(frames, first_record):
            try:
                text = json.dumps(frame, ensure_ascii=False, allow_nan=False)
                text.encode()
            except (TypeError, ValueError, RecursionError) as error:
                failures.append(IngestError(f"not JSON: {error}", "frames", record=record))
                if not skip:
                    raise failures[0] from None
                text = ""
            yield text

    def batches() -> Iterator[pa.RecordBatch]:
        stream = texts()
        while chunk := list(itertools.islice(stream, ARROW_BATCH)):
            yield pa.record_batch([pa.array(chunk, pa.string())], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())
