"""Frames as JSON, in files of four shapes, and what is wrong with a file that cannot be read.

A file holds JSON lines, one array, one object per frame, or one object whose ``frames`` is an array. Compressed files
and pipes are copied first, so that a broken or truncated one is refused before anything is read. The reading itself is
SQL: ``sql/exchange/ingest/records_<shape>.sql``.
"""

from __future__ import annotations

import codecs
import contextlib
import glob
import gzip
import io
import json
import os
import re
import shutil
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, cast

from masksdb.errors import IngestError

if TYPE_CHECKING:
    import pyarrow as pa


Shape = Literal["lines", "array", "objects", "container", "memory", "table", "unread"]
"""How records stand in an input; ``container`` is an object with ``frames``, ``unread`` a file refused as a whole."""

SUFFIXES = (".json", ".jsonl", ".ndjson")

COMPRESSIONS = ("", ".gz", ".zst")

RECORD_LIMIT = 64 << 20
"""Bytes of the largest frame that is read."""

CONTAINER_LIMIT = 256 << 20
"""Bytes of the largest JSON object that is read from a file that is neither JSON lines nor an array."""

ARROW_BATCH, ARROW_BATCH_CHARACTERS = 2048, 1 << 21
"""The most frames from Python, and characters of their text, in one Arrow batch: DuckDB copies a batch many times."""

NO_FRAMES = '{"no frames": null}'
"""The record for an object without an array ``frames``, or with the keys of a frame beside it, among containers."""

_WHITE = b" \t\r\n"

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class Input:
    """One file, or one stream of Python objects, to ingest.

    Attributes:
        path: as the user named it; ``-`` for standard input, ``frames`` for Python objects.
        read_path: the file that is read.
        shape: how records stand in it; ``unread`` where it was refused as a whole.
        media_root: the folder that relative URIs are relative to.
        root_is_given: whether the user has named that folder.
        first_record: the index of the first record, where these are a part of a longer list.
        format: the layout.
    """

    path: str
    read_path: str
    shape: Shape
    media_root: str
    root_is_given: bool = False
    first_record: int = 0
    format: str = "frames"

    @property
    def stored_path(self) -> str:
        """The path in the table ``inputs``."""
        return self.path if self.path in ("-", "frames") else os.path.abspath(self.path)


def recognise(path: Path) -> str | None:
    """The sign that a path holds frames as JSON; None where there is none."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.name.lower().endswith(SUFFIXES) and file.is_file())
        return next((file.name for file in files if not file.name.endswith(".json") or recognise(file)), None)
    with contextlib.suppress(OSError), open(path, "rb") as file:
        head = file.read(1 << 16).lstrip(b"\xef\xbb\xbf" + _WHITE)
        if head.startswith((_GZIP, _ZSTD)):
            return "compressed"
        if head[:1] in (b"[", b"{") and re.search(rb'"(sources|rois)"\s*:|"frames"\s*:\s*\[\s*\{', head):
            return "frames"
    return None


def find_files(source: str) -> list[str]:
    """The files that a path, folder or glob pattern names, in order; ``-`` is standard input.

    Raises:
        IngestError: there is no such file.
    """
    if not source:
        raise IngestError("an empty path; expected a file, a folder, a pattern or '-'", "''")
    path = Path(source)
    if source == "-" or (path.exists() and not path.is_dir()):
        return [source]
    if not path.is_dir():
        files = sorted(name for name in glob.glob(source, recursive=True) if os.path.isfile(name))
        if not files:
            raise IngestError("no such file or folder, and no file matches it as a pattern", source)
        return files
    endings = tuple(suffix + compression for suffix in SUFFIXES for compression in COMPRESSIONS)
    files = sorted(str(file) for file in path.rglob("*") if file.name.lower().endswith(endings) and file.is_file())
    if not files:
        raise IngestError(f"a folder without frames; expected files named *{', *'.join(SUFFIXES)}", source)
    return files


def open_input(path: str, media_root: str | None, spool: str) -> Input:
    """A file to ingest, ready to be read; copies of it go into the folder ``spool``.

    Raises:
        IngestError: the file cannot be read, is broken, or is not JSON frames.
    """
    folder = os.getcwd() if path == "-" else os.path.abspath(os.path.dirname(path))
    try:
        read_path = _plain_file(path, spool)
        shape = sniff(read_path, path)
    except (OSError, EOFError, zlib.error, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise IngestError(f"cannot be read: {' '.join(reason.split())}", path) from None
    root = folder if media_root is None else media_root
    return Input(path, read_path, shape, root, root_is_given=media_root is not None)


def _plain_file(path: str, spool: str) -> str:
    """A regular, uncompressed file with the content of this one, whose name DuckDB accepts."""
    if path == "-":
        read_path = _copy(sys.stdin.buffer, spool)
    elif os.path.isfile(path):
        read_path = os.path.abspath(path)
    else:
        with open(path, "rb") as stream:
            read_path = _copy(stream, spool)
    with open(read_path, "rb") as file:
        magic = file.read(4)
    if magic.startswith(_GZIP):
        with gzip.open(read_path, "rb") as unpacked:
            return _copy(unpacked, spool)
    if magic == _ZSTD:
        # Importing pyarrow takes longer than reading most files, so only zstd imports it.
        import pyarrow as pa

        with pa.input_stream(read_path, compression="zstd") as unpacked:
            return _copy(unpacked, spool)
    if magic and path.lower().endswith(COMPRESSIONS[1:]):
        raise IngestError("cannot be read: not compressed as its name says", path)
    if re.search("[\ud800-\udfff]", read_path):
        # DuckDB accepts only names that are UTF-8.
        with open(read_path, "rb") as file:
            return _copy(file, spool)
    return read_path


def _copy(stream: Any, spool: str) -> str:
    copy = os.path.join(spool, f"{len(os.listdir(spool))}.json")
    with open(copy, "wb") as out:
        shutil.copyfileobj(stream, out, 1 << 20)
    return copy


def sniff(path: str, name: str) -> Shape:
    """The shape of a file of frames, recognised by its beginning; errors call the file ``name``.

    Raises:
        IngestError: the file is empty or does not begin as JSON does.
    """
    with open(path, "rb") as file:
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
    # The first line of JSON lines ends with a brace even when it is broken; a pretty-printed object goes on.
    if first.rstrip(_WHITE).endswith(b"}") or following.startswith(b"{"):
        return "lines"
    whole = first + newline + rest + file.read(CONTAINER_LIMIT)
    return "container" if _is_container(whole.decode(errors="replace")) else "objects"


def _is_container(text: str) -> bool:
    """Whether a JSON object is ``{"frames": [...]}`` and not itself a frame, read no further than that key.

    >>> _is_container('{"version": 1, "frames": [{}]}'), _is_container('{"sources": [], "frames": [{}]}')
    (True, False)
    """
    decoder = json.JSONDecoder()
    member = re.compile(r'[\s{,]*("(?:[^"\\]|\\.)*")\s*:\s*')
    position = 0
    while match := member.match(text, position):
        key = match[1]
        if key in ('"sources"', '"rois"'):
            return False
        if key == '"frames"':
            return text.startswith("[", match.end())
        try:
            _, position = decoder.raw_decode(text, match.end())
        except ValueError:
            return False
    return False


def _is_text(head: bytes) -> bool:
    return b"\0" not in head and codecs.getincrementaldecoder("utf-8")("replace").decode(head).count("\ufffd") < 2


def _head(file: IO[bytes], name: str) -> bytes:
    head = file.read(1 << 16).removeprefix(b"\xef\xbb\xbf").lstrip(_WHITE)
    while not head and (more := file.read(1 << 16)):
        head = more.lstrip(_WHITE)
    if not head:
        raise IngestError("empty; expected JSON frames", name)
    return head


def object_size(files: list[Input]) -> int:
    """Bytes that the largest record of these files may have, as few as possible: DuckDB reserves them many times."""
    if files[0].shape not in ("objects", "container"):
        return RECORD_LIMIT
    largest = max(os.path.getsize(file.read_path) for file in files)
    return min(CONTAINER_LIMIT, max(1 << 20, largest + 1))


def glob_escape(path: str) -> str:
    """A path escaped for DuckDB's readers, which take every path for a pattern.

    >>> glob_escape("a[1].json")
    'a[[]1].json'
    """
    return re.sub(r"([*?\[])", r"[\1]", path)


def why_not_a_frame(text: str) -> str:
    """The reason why the text of a record is not a frame, for an error message."""
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
            last = more.rstrip(_WHITE) or last
    return last.endswith(b"]")


def without_invalid_utf8(path: str, copy: str) -> None:
    """Copy a file with a NUL, which JSON never contains, in place of each byte that is not UTF-8."""
    codecs.register_error("masksdb_nul", lambda error: ("\0", error.end))  # type: ignore[attr-defined]  # all have it
    with (
        io.TextIOWrapper(open(path, "rb"), "utf-8", "masksdb_nul", newline="") as text,
        open(copy, "w", encoding="utf-8", newline="") as out,
    ):
        shutil.copyfileobj(text, out, 1 << 20)


class JsonStream:
    """Frames from Python as an Arrow stream of JSON texts.

    Attributes:
        failures: the errors of frames that JSON cannot represent; such a frame ends the stream, or with ``skip`` is a
            blank line.
        raised: the exception that the iterable itself raised.
    """

    def __init__(self, frames: Any, first_record: int, *, skip: bool, path: str = "frames") -> None:
        if isinstance(frames, Mapping) or not isinstance(frames, Iterable):
            kind = "one frame" if isinstance(frames, Mapping) else f"a {type(frames).__name__}"
            raise IngestError(f"found {kind}, expected paths, iterables of frames (dicts) or Arrow tables", path)
        self.failures: list[IngestError] = []
        self.raised: BaseException | None = None
        self._frames, self._path = frames, path
        self._first_record = first_record
        self._skip = skip

    def batches(self) -> pa.RecordBatchReader:
        """The stream: one column ``record``."""
        import pyarrow as pa

        schema = pa.schema([("record", pa.string())])

        def generate() -> Iterator[pa.RecordBatch]:
            chunk: list[str] = []
            size = 0
            for text in self._texts():
                chunk.append(text)
                size += len(text)
                if len(chunk) == ARROW_BATCH or size > ARROW_BATCH_CHARACTERS:
                    yield pa.record_batch([pa.array(chunk, pa.string())], schema=schema)
                    chunk, size = [], 0
            yield pa.record_batch([pa.array(chunk, pa.string())], schema=schema)

        return pa.RecordBatchReader.from_batches(schema, generate())

    def _texts(self) -> Iterator[str]:
        for record, frame in enumerate(self._iterated(), self._first_record):
            try:
                text = json.dumps(frame, ensure_ascii=False, allow_nan=False)
                text.encode()
            except (TypeError, ValueError, RecursionError) as error:
                self.failures.append(IngestError(f"not JSON: {error}", self._path, record=record))
                if not self._skip:
                    raise
                text = ""
            yield text

    def _iterated(self) -> Iterator[Any]:
        # DuckDB replaces every exception behind an Arrow stream by an error of its own.
        try:
            yield from self._frames
        except (Exception, KeyboardInterrupt) as error:
            self.raised = error
            raise
