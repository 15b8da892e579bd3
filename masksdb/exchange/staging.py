"""Staging: the records of all sources go into the temporary table ``staged``, before any transaction."""

from __future__ import annotations

import dataclasses
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, Union

import duckdb

from masksdb.errors import IngestError, UsageError
from masksdb.exchange.json_frames import (
    Input,
    JsonStream,
    Shape,
    find_files,
    glob_escape,
    local_path,
    object_size,
    open_input,
    spool_file,
)
from masksdb.exchange.json_frames import recognise as recognise_frames
from masksdb.exchange.json_text import (
    CONTAINER_LIMIT,
    broken_place,
    ends_as_array,
    long_lines,
    long_record,
    record_limit,
    too_long,
    without_invalid_utf8,
    without_lines,
)
from masksdb.formats.registry import AUTO, FRAMES, Recognised, read_frames, recognise
from masksdb.pixels.settings import Settings
from masksdb.store.sql import statement

if TYPE_CHECKING:
    import pyarrow as pa

    from masksdb.formats.frame import Frame


MEMORY_LIMIT = 1_000_000_000
"""Bytes that DuckDB may use during an ingest before it spills beside the database file."""

PORTION = 64 << 20
"""Bytes of files that are read at once where somebody is told how far it is."""

OnError = Literal["stop", "skip"]
"""What an ingest does with a bad record: stop with the database unchanged, or keep it in ``rejects``."""

Result = TypeVar("Result")


class FramesAt(NamedTuple):
    """Some frames of a longer list.

    Attributes:
        frames: the frames.
        media_root: the folder that their relative URIs are relative to; None is the working directory.
        first_record: the index of the first of them in the list.
    """

    frames: Iterable[Mapping[str, Any]]
    media_root: str | None
    first_record: int


Source = Union[str, os.PathLike[str], Iterable[Mapping[str, Any]], FramesAt, "pa.Table", "pa.RecordBatchReader"]
"""A path, folder, glob pattern or ``-``; an iterable of frames; an Arrow table."""


class Refused(NamedTuple):
    """A record, or a whole file, that did not become frames.

    Attributes:
        read_path: the file that was read, a key of the inputs.
        error: the reason.
        text: the record, where there is a single one.
    """

    read_path: str
    error: IngestError
    text: str | None


class Staged(NamedTuple):
    """The result of staging, beside the records themselves in the temporary table ``staged``.

    Attributes:
        on_error: what the ingest does with a bad record.
        inputs: the files and streams, by the path that was read.
        refused: the records and files that were refused while they were read.
        mask_labels: the entries that the layouts declare for pixel values, by mask id.
        notes: for a person to read.
    """

    on_error: OnError
    inputs: Mapping[str, Input]
    refused: Sequence[Refused]
    mask_labels: Mapping[str, Sequence[Mapping[str, Any]]]
    notes: Sequence[str]

    def error(self, read_path: str, number: int, reason: str, json_path: str | None = None) -> IngestError:
        """The error of a record, which is counted from 1 in its file."""
        source = self.inputs[read_path]
        if source.shape == "lines":
            return IngestError(reason, source.path, line=number, json_path=json_path)
        return IngestError(reason, source.path, record=source.first_record + number - 1, json_path=json_path)


def run(cursor: duckdb.DuckDBPyConnection, name: str, **parameters: object) -> duckdb.DuckDBPyConnection:
    """Execute a statement of ``sql/exchange/ingest/``."""
    return cursor.execute(statement(f"exchange/ingest/{name}"), parameters or None)


@dataclasses.dataclass
class Staging:
    """The reading of the sources of one ingest.

    Attributes:
        cursor: the connection that gets the temporary tables.
        on_error: what to do with a bad record.
        spool: a folder for copies of input files.
        all_memory: DuckDB's own memory limit, for frames that do not fit into that of an ingest.
        settings: how masks are read, where a layout has to open them.
        rasterize: the folder for mask files of ROIs that have only a geometry; None writes none.
        progress: called with the bytes of files that were read and those of all, or the frames of a layout and 0.
        inputs: the files and streams, by the path that is read.
        refused: the records and files refused so far.
        mask_labels: the entries that the layouts declare for pixel values, by mask id.
        notes: for a person to read.
        record_limit: bytes of the largest frame that is read.
    """

    cursor: duckdb.DuckDBPyConnection
    on_error: OnError
    spool: str
    all_memory: str
    settings: Settings
    rasterize: str | None = None
    progress: Callable[[int, int], None] | None = None
    inputs: dict[str, Input] = dataclasses.field(default_factory=dict)
    refused: list[Refused] = dataclasses.field(default_factory=list)
    mask_labels: dict[str, list[dict[str, Any]]] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)
    record_limit: int = dataclasses.field(default_factory=record_limit)

    def with_memory(self, work: Callable[[], Result], limit: int = MEMORY_LIMIT) -> Result:
        """The result of ``work`` under a memory limit; where that is not enough, it is done again with all memory."""
        try:
            self.cursor.execute(f"SET memory_limit = '{limit}B'")
            return work()
        except duckdb.OutOfMemoryException:
            self.cursor.execute(f"SET memory_limit = '{self.all_memory}'")
            return work()

    def stage(self, sources: Iterable[Source], media_root: str | None, format: str) -> Staged:
        """Parse all records into the temporary table ``staged``."""
        for name in ("store/temp/json_columns", "store/temp/json_objects"):
            self.cursor.execute(statement(name))
        run(self.cursor, "staged")
        for source in sources:
            if isinstance(source, str | os.PathLike):
                self._stage_path(local_path(os.fspath(source)), media_root, format)
            elif isinstance(source, FramesAt):
                self._stage_memory(source.frames, source.media_root, source.first_record)
            else:
                self._stage_memory(source, media_root)
        return Staged(self.on_error, self.inputs, self.refused, self.mask_labels, self.notes)

    def _stage_path(self, source: str, media_root: str | None, format: str) -> None:
        if format == FRAMES or source in ("", "-") or (format == AUTO and _holds_frames(source)):
            if self.rasterize is not None:
                raise UsageError(f"{source}: frames, whose masks are files already; rasterize is for other layouts")
            self._stage_files(source, media_root)
            return
        datasets = recognise(source) if format == AUTO else [Recognised(Path(source), format, "", {})]
        for dataset in datasets:
            if format == AUTO:
                others = "".join(f"; also {name} ({why})" for name, why in dataset.others.items())
                note = f"{dataset.path}: taken for {dataset.format} ({dataset.why}){others}"
                self.notes.append(f"{note}; --format chooses" if others else note)
            # Two datasets below one folder may have the same frame ids.
            prefix = f"{dataset.path.relative_to(source).as_posix()}/" if len(datasets) > 1 else ""
            self._stage_layout(dataset, media_root, prefix)

    def _stage_layout(self, dataset: Recognised, media_root: str | None, prefix: str) -> None:
        from masksdb.formats.reading import Tree

        if not dataset.path.exists():
            raise IngestError("no such file or folder", str(dataset.path))
        key = f"{dataset.path} {len(self.inputs)}"

        def refuse(error: IngestError) -> None:
            if self.on_error == "stop":
                raise error
            self.refused.append(Refused(key, error, None))

        tree = Tree(dataset.path, self.settings, self.mask_labels, self.notes, refuse)
        root = str(tree.root.absolute()) if media_root is None else media_root
        self.inputs[key] = Input(str(dataset.path), key, "memory", root, media_root is not None, format=dataset.format)
        frames = self._rasterized(read_frames(dataset.format, tree), refuse)
        named: Iterator[Mapping[str, Any]] = ({**frame, "id": f"{prefix}{frame['id']}"} for frame in frames)
        if self.progress:
            named = _counted(named, self.progress)
        self._stage_stream(key, JsonStream(named, 0, skip=self.on_error == "skip", path=str(dataset.path)))

    def _rasterized(self, frames: Iterator[Frame], refuse: Callable[[IngestError], None]) -> Iterator[Frame]:
        if self.rasterize is None:
            yield from frames
            return
        from masksdb.exchange.rasterize import with_mask_files

        for frame in frames:
            try:
                rasterized = with_mask_files(frame, Path(self.rasterize))
            except IngestError as error:
                refuse(error)
            else:
                yield rasterized

    def _stage_files(self, source: str, media_root: str | None) -> None:
        for shape, group in itertools.groupby(self._opened(source, media_root), key=lambda file: file.shape):
            files = list(group)
            run(self.cursor, f"records_{shape}")
            done, total = 0, sum(os.path.getsize(file.read_path) for file in files)
            for portion in _portions(files) if self.progress else [files]:
                self._report(done, total)
                done += sum(os.path.getsize(file.read_path) for file in portion)
                self._stage_group(portion)
            self._report(done, total)

    def _report(self, done: int, total: int) -> None:
        if self.progress:
            self.progress(done, total)

    def _opened(self, source: str, media_root: str | None) -> Iterator[Input]:
        known = {file.stored_path for file in self.inputs.values()}
        for path in find_files(source):
            if os.path.abspath(path) in known:
                continue
            try:
                file = open_input(path, media_root, self.spool)
            except IngestError as error:
                self._refuse_file(Input(path, os.path.abspath(path), "unread", media_root or ""), error)
                continue
            if file.shape == "lines":
                file = self._without_long_lines(file)
            self.inputs[file.read_path] = file
            yield file

    def _without_long_lines(self, file: Input) -> Input:
        """A file whose lines DuckDB can read: of those that are too long it reads a part, or loses all."""
        lines = long_lines(file.read_path, self.record_limit)
        errors = [IngestError(too_long(line.size, self.record_limit), file.path, line=line.number) for line in lines]
        if not lines:
            return file
        if self.on_error == "stop":
            raise errors[0]
        copy = spool_file(self.spool)
        without_lines(file.read_path, lines, copy)
        self.refused += [Refused(copy, error, None) for error in errors]
        return dataclasses.replace(file, read_path=copy)

    def _stage_group(self, files: list[Input]) -> None:
        for file in list(files):
            if file.shape == "array" and not ends_as_array(file.read_path):
                self._refuse_file(file, _broken(file))
                files.remove(file)
        while files:
            try:
                self._stage_readable(files)
                return
            except duckdb.Error as error:
                if "Invalid unicode" in str(error) and self.on_error == "skip":
                    files = [self._without_invalid_utf8(file) for file in files]
                    continue
                broken = next((file for file in files if file.read_path in str(error)), files[0])
                reason = _reading_error(error, broken)
                if reason is None:
                    raise
                self._refuse_file(broken, reason)
                files.remove(broken)

    def _stage_readable(self, files: list[Input]) -> None:
        size = object_size(files, self.record_limit)
        paths = [glob_escape(file.read_path) for file in files]
        # DuckDB buffers a whole object of JSON that is not in lines several times over.
        limit = MEMORY_LIMIT if files[0].shape == "lines" else max(MEMORY_LIMIT, 8 * size)
        self.with_memory(lambda: self._stage_records(paths, size), limit)

    def _stage_records(self, paths: Sequence[str], object_size: int = 0) -> None:
        run(self.cursor, "stage_records", paths=paths, object_size=object_size, record_limit=self.record_limit)

    def _without_invalid_utf8(self, file: Input) -> Input:
        copy = spool_file(self.spool)
        without_invalid_utf8(file.read_path, copy)
        del self.inputs[file.read_path]
        self.inputs[copy] = dataclasses.replace(file, read_path=copy)
        return self.inputs[copy]

    def _refuse_file(self, file: Input, error: IngestError) -> None:
        if self.on_error == "stop":
            raise error
        self.inputs[file.read_path] = dataclasses.replace(file, shape="unread")
        reason = f"{error.reason}; nothing of this file was read"
        place = {"line": error.line, "record": error.record, "json_path": error.json_path}
        self.refused.append(Refused(file.read_path, IngestError(reason, error.path, **place), None))  # type: ignore[arg-type]  # as they were

    def _stage_memory(self, frames: Any, media_root: str | None, first_record: int = 0) -> None:
        import pyarrow as pa

        key = f"frames {len(self.inputs)}"
        is_table = isinstance(frames, pa.Table | pa.RecordBatchReader | pa.RecordBatch)
        shape: Shape = "table" if is_table else "memory"
        stream = None if is_table else JsonStream(frames, first_record, skip=self.on_error == "skip")
        root = os.getcwd() if media_root is None else media_root
        self.inputs[key] = Input("frames", key, shape, root, media_root is not None, first_record)
        self._stage_stream(key, stream, frames)

    def _stage_stream(self, key: str, stream: JsonStream | None, table: Any = None) -> None:
        import pyarrow as pa

        try:
            for records in stream.parts() if stream else (table,):
                self.cursor.register("memory_records", records)
                run(self.cursor, f"records_{self.inputs[key].shape}")
                if isinstance(records, pa.Table):
                    self.with_memory(lambda: self._stage_records([key]))
                else:
                    self._stage_records([key])
        except duckdb.Error:
            if stream and stream.raised:
                raise stream.raised from None
            if stream and stream.failures:
                raise stream.failures[0] from None
            raise
        finally:
            self.cursor.unregister("memory_records")
        self.refused.extend(Refused(key, error, None) for error in (stream.failures if stream else ()))


def _counted(frames: Iterable[Result], progress: Callable[[int, int], None]) -> Iterator[Result]:
    for number, frame in enumerate(frames, 1):
        yield frame
        progress(number, 0)


def _portions(files: Iterable[Input]) -> Iterator[list[Input]]:
    """Files in portions of PORTION bytes or one file."""
    portion: list[Input] = []
    size = 0
    for file in files:
        portion.append(file)
        size += os.path.getsize(file.read_path)
        if size >= PORTION:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _holds_frames(source: str) -> bool:
    """Whether a path holds frames as JSON, or has none of the other layouts."""
    path = Path(source)
    # A pipe can be read only once.
    if not (path.is_file() or path.is_dir()) or recognise_frames(path):
        return True
    try:
        return not recognise(source)
    except IngestError:
        return path.is_file() or any(path.rglob("*.json*"))


def _reading_error(error: duckdb.Error, file: Input) -> IngestError | None:
    """DuckDB's error about this file as one that names the file and the place in it; None for other errors."""
    text = str(error)
    match = re.search(r"CSV Error on Line: (\d+)", text)
    line = int(match[1]) if match else None
    if "Invalid unicode" in text or "not valid UTF8" in text:
        return IngestError("not UTF-8 text", file.path, line=line)
    if "maximum_object_size" in text and file.shape == "container":
        reason = f"a JSON object of more than {CONTAINER_LIMIT:,} bytes"
        return IngestError(f"{reason}; expected the array of frames itself, or JSON lines", file.path)
    if "maximum_object_size" in text and (place := long_record(file.read_path, record_limit())):
        record, line, size = place
        return IngestError(f"{too_long(size, record_limit())} (line {line})", file.path, record=record)
    if "recursion depth" in text:
        return IngestError("nested deeper than 128 levels", file.path)
    if "duplicate" in text.lower() and "auto_detect" in text:
        return IngestError("the key 'frames' occurs twice", file.path)
    if "Malformed JSON" in text or "JSON array" in text:
        return _broken(file)
    return None


def _broken(file: Input) -> IngestError:
    record, line, reason = broken_place(file.read_path)
    return IngestError(f"{reason} (line {line})", file.path, record=record)
