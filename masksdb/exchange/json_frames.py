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
import json
import os
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

from masksdb.errors import IngestError
from masksdb.exchange.json_text import CONTAINER_LIMIT, WHITE, record_limit, shape_of_objects, too_long
from masksdb.pixels.settings import environment_number

if TYPE_CHECKING:
    import pyarrow as pa


Shape = Literal["lines", "array", "objects", "container", "memory", "table", "unread"]
"""How records stand in an input; ``container`` is an object with ``frames``, ``unread`` a file refused as a whole."""

SUFFIXES = (".json", ".jsonl", ".ndjson")

COMPRESSIONS = ("", ".gz", ".zst")

UNPACKED_LIMIT, UNPACKED_RATIO = 256 << 20, 200
"""Bytes that a compressed file may unpack to, or so many times its own if that is more, where
``MASKSDB_UNPACKED_LIMIT`` is not set."""

ARROW_BATCH, ARROW_BATCH_CHARACTERS = 2048, 1 << 21
"""The most frames from Python, and characters of their text, in one Arrow batch: DuckDB copies a batch many times."""

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
        head = file.read(1 << 16).lstrip(b"\xef\xbb\xbf" + WHITE)
        if head.startswith((_GZIP, _ZSTD)):
            return "compressed"
        if head[:1] in (b"[", b"{") and re.search(rb'"(sources|rois)"\s*:|"frames"\s*:\s*\[\s*\{', head):
            return "frames"
    return None


def local_path(source: str) -> str:
    """The path of a source that is a path or a ``file://`` URI.

    Raises:
        IngestError: it is on a server.
    """
    scheme, separator, rest = source.partition("://")
    if not separator or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme) or os.path.exists(source):
        return source
    if scheme.lower() == "file":
        return unquote(rest.removeprefix("localhost"))
    advice = "copy it to a disk first, or pass its frames by '-' for standard input"
    masks = f"images and masks may stay there: --media-root {source.rpartition('/')[0] or source}"
    raise IngestError(f"on a server ({scheme}), and only files on a disk are read; {advice}; {masks}", source)


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
    except (OSError, EOFError, ValueError, zlib.error) as error:
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
            return _copy(unpacked, spool, _unpacked_limit(read_path))
    if magic == _ZSTD:
        # Importing pyarrow takes longer than reading most files, so only zstd imports it.
        import pyarrow as pa

        with pa.input_stream(read_path, compression="zstd") as unpacked:
            return _copy(unpacked, spool, _unpacked_limit(read_path))
    if magic and path.lower().endswith(COMPRESSIONS[1:]):
        raise IngestError("cannot be read: not compressed as its name says", path)
    if re.search("[\ud800-\udfff]", read_path):
        # DuckDB accepts only names that are UTF-8.
        with open(read_path, "rb") as file:
            return _copy(file, spool)
    return read_path


def _unpacked_limit(path: str) -> int:
    """Bytes that a compressed file may unpack to: a small file may be made to fill any disk."""
    usual = max(UNPACKED_LIMIT, UNPACKED_RATIO * os.path.getsize(path))
    return environment_number("MASKSDB_UNPACKED_LIMIT", usual)


def spool_file(spool: str) -> str:
    """The name of a new file in the folder for copies."""
    return os.path.join(spool, f"{len(os.listdir(spool))}.json")


def _copy(stream: Any, spool: str, limit: int | None = None) -> str:
    copy = spool_file(spool)
    size = 0
    with open(copy, "wb") as out:
        while part := stream.read(1 << 20):
            size += len(part)
            if limit is not None and size > limit:
                os.remove(copy)
                advice = "MASKSDB_UNPACKED_LIMIT raises the limit, or unpack the file yourself"
                raise ValueError(f"it unpacks to more than {limit:,} bytes; {advice}")
            out.write(part)
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
    return shape_of_objects(path)


def _is_text(head: bytes) -> bool:
    return b"\0" not in head and codecs.getincrementaldecoder("utf-8")("replace").decode(head).count("\ufffd") < 2


def _head(file: IO[bytes], name: str) -> bytes:
    head = file.read(1 << 16).removeprefix(b"\xef\xbb\xbf").lstrip(WHITE)
    while not head and (more := file.read(1 << 16)):
        head = more.lstrip(WHITE)
    if not head:
        raise IngestError("empty; expected JSON frames", name)
    return head


def object_size(files: list[Input], limit: int) -> int:
    """Bytes that the largest record of these files may have, as few as possible: DuckDB reserves them many times."""
    if files[0].shape != "container":
        # A line has its end beside it.
        return max(limit, 1 << 20) + 2
    largest = max(os.path.getsize(file.read_path) for file in files)
    return min(CONTAINER_LIMIT, max(1 << 20, largest + 1))


def glob_escape(path: str) -> str:
    """A path escaped for DuckDB's readers, which take every path for a pattern.

    >>> glob_escape("a[1].json")
    'a[[]1].json'
    """
    return re.sub(r"([*?\[])", r"[\1]", path)


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
        self._limit = record_limit()
        self._large: str | None = None

    def parts(self) -> Iterator[pa.RecordBatchReader | pa.Table]:
        """The frames in turn, as streams with the column ``record``, and each large one as a table of its own.

        A table can be read again where memory was not enough, a stream cannot.
        """
        import pyarrow as pa

        schema = pa.schema([("record", pa.string())])
        texts = self._texts()
        is_first = True
        while self._large is not None or is_first:
            is_first = False
            if self._large is not None:
                yield pa.table({"record": [self._large]}, schema=schema)
                self._large = None
            yield pa.RecordBatchReader.from_batches(schema, self._batches(texts, schema))

    def _batches(self, texts: Iterator[str], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """The next texts, up to a large one."""
        import pyarrow as pa

        chunk: list[str] = []
        size = 0
        for text in texts:
            if len(text) > ARROW_BATCH_CHARACTERS:
                self._large = text
                break
            chunk.append(text)
            size += len(text)
            if len(chunk) == ARROW_BATCH or size > ARROW_BATCH_CHARACTERS:
                yield pa.record_batch([pa.array(chunk, pa.string())], schema=schema)
                chunk, size = [], 0
        yield pa.record_batch([pa.array(chunk, pa.string())], schema=schema)

    def _texts(self) -> Iterator[str]:
        for record, frame in enumerate(self._iterated(), self._first_record):
            text = reason = ""
            try:
                text = json.dumps(frame, ensure_ascii=False, allow_nan=False)
                size = len(text.encode())
                reason = too_long(size, self._limit) if size > self._limit else ""
            except (TypeError, ValueError, RecursionError) as error:
                reason = f"not JSON: {error}"
            if reason:
                self.failures.append(IngestError(reason, self._path, record=record))
                if not self._skip:
                    raise self.failures[-1]
            yield "" if reason else text

    def _iterated(self) -> Iterator[Any]:
        # DuckDB replaces every exception behind an Arrow stream by an error of its own.
        try:
            yield from self._frames
        except (Exception, KeyboardInterrupt) as error:
            self.raised = error
            raise
