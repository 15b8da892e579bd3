"""Frames into tables: files are staged, typed, compared with what is there, and inserted, each step one statement.

Staging (parsing JSON, hashing) happens before the transaction and touches only temporary tables; everything that
changes the file is one transaction.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Union

import duckdb

from masksdb import versions
from masksdb.engine import Engine, in_transaction
from masksdb.errors import IngestError, UnsupportedFormatError
from masksdb.formats.frames import (
    Input,
    Shape,
    broken_place,
    describe,
    ends_as_array,
    find_inputs,
    glob_escape,
    json_stream,
    object_size,
    why_not_a_frame,
    without_invalid_utf8,
)
from masksdb.statements import statement
from masksdb.types import Format, IngestReport, OnError

if TYPE_CHECKING:
    import pyarrow as pa

MEMORY_LIMIT = 1_000_000_000
"""Bytes that DuckDB may use during an ingest before it spills beside the database file."""


class FramesAt(NamedTuple):
    """Some frames of a longer list.

    Attributes:
        frames: the frames.
        media_root: the folder that their relative URIs are relative to.
        first_record: the index of the first of them in the list.
    """

    frames: Iterable[Mapping[str, Any]]
    media_root: str
    first_record: int


Source = Union[str, os.PathLike[str], Iterable[Mapping[str, Any]], FramesAt, "pa.Table", "pa.RecordBatchReader"]
"""A path, folder, glob pattern or ``-``; an iterable of frames; an Arrow table."""


def ingest(
    engine: Engine,
    *sources: Source,
    dataset: str,
    version: str | int | None = None,
    format: Format = "frames",
    media_root: str | None = None,
    on_error: OnError = "stop",
) -> IngestReport:
    """Read frames into a draft version, which is created where there is none.

    Args:
        engine: the database.
        sources: files, folders, glob patterns, ``-`` for standard input; iterables of frames; Arrow tables.
        dataset: name of the dataset.
        version: name (or id) of the version; None is the newest draft, made as ``Current`` where there is none.
        format: layout of the sources.
        media_root: folder or URI that relative URIs are relative to; None is the folder of each file.
        on_error: ``stop`` leaves the database unchanged at the first bad record, ``skip`` keeps it in ``rejects``.

    Returns:
        How many frames are new, updated, unchanged and rejected.

    Raises:
        IngestError: a source or record is not what it should be.
        VersionPublishedError: the version is published.
    """
    if format != "frames":
        raise UnsupportedFormatError(f"--format {format}: not known; expected 'frames'")
    if not sources:
        raise IngestError("no sources given; expected files, folders, patterns or '-'", "ingest")
    with engine.writing() as cursor, _memory_limit(cursor), _spool_folder(engine) as spool:
        flow = _Flow(cursor, on_error)
        try:
            flow.stage(sources, media_root, spool)
            with in_transaction(cursor):
                return flow.load(dataset, version)
        finally:
            flow.forget()


@contextlib.contextmanager
def _memory_limit(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    row = cursor.execute("SELECT current_setting('memory_limit')").fetchone()
    cursor.execute(f"SET memory_limit = '{MEMORY_LIMIT}B'")
    try:
        yield
    finally:
        if row:
            cursor.execute(f"SET memory_limit = '{row[0]}'")


@contextlib.contextmanager
def _spool_folder(engine: Engine) -> Iterator[str]:
    """A folder for spooled input, beside the database file so that a killed ingest's leftovers are found."""
    parent = None if engine.path == ":memory:" else engine.spill_folder
    if parent:
        parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="masksdb_input_", dir=parent) as folder:
        yield folder
    if parent:
        with contextlib.suppress(OSError):
            parent.rmdir()


@dataclasses.dataclass
class _Refused:
    """A record that did not become a frame."""

    read_path: str
    error: IngestError
    text: str | None


@dataclasses.dataclass
class _Flow:
    """One ingest from its sources to its report."""

    cursor: duckdb.DuckDBPyConnection
    on_error: OnError
    inputs: dict[str, Input] = dataclasses.field(default_factory=dict)
    refused: list[_Refused] = dataclasses.field(default_factory=list)

    def run(self, name: str, **parameters: Any) -> duckdb.DuckDBPyConnection:
        return self.cursor.execute(statement(f"ingest/{name}"), parameters or None)

    def stage(self, sources: Iterable[Source], media_root: str | None, spool: str) -> None:
        """Parse all records into the temporary table ``staged``."""
        for name in ("temp/json_columns", "temp/json_objects"):
            self.cursor.execute(statement(name))
        self.run("staged")
        media_root = media_root if media_root is None or "://" in media_root else os.path.abspath(media_root)
        for source in sources:
            if isinstance(source, str | os.PathLike):
                self._stage_files(os.fspath(source), media_root, spool)
            elif isinstance(source, FramesAt):
                self._stage_memory(source.frames, source.media_root, source.first_record)
            else:
                self._stage_memory(source, media_root or os.getcwd())

    def _stage_files(self, source: str, media_root: str | None, spool: str) -> None:
        if source == "-":
            spooled = os.path.join(spool, "stdin.json")
            with open(spooled, "wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
            found = find_inputs(spooled, media_root or os.getcwd(), name="-")
        else:
            found = find_inputs(source, media_root)
        for shape, group in itertools.groupby(found, key=lambda each: each.shape):
            files = [each for each in group if each.read_path not in self.inputs]
            self.inputs.update((each.read_path, each) for each in files)
            if files:
                self.run(f"records_{shape}")
                self._stage_group(files, spool)

    def _stage_group(self, files: list[Input], spool: str) -> None:
        for each in files:
            if each.shape == "array" and not ends_as_array(each.read_path):
                raise _broken(each)
        try:
            with self._room_for(object_size(files)) as size:
                self.run("stage_records", paths=[glob_escape(each.read_path) for each in files], object_size=size)
        except duckdb.Error as error:
            if "Invalid unicode" not in str(error) or self.on_error == "stop":
                raise _reading_error(error, files) from error
            self._stage_group([self._without_invalid_utf8(each, spool) for each in files], spool)

    def _without_invalid_utf8(self, each: Input, spool: str) -> Input:
        copy = os.path.join(spool, f"{len(os.listdir(spool))}.json")
        without_invalid_utf8(each.read_path, copy)
        del self.inputs[each.read_path]
        self.inputs[copy] = dataclasses.replace(each, read_path=copy)
        return self.inputs[copy]

    @contextlib.contextmanager
    def _room_for(self, size: int) -> Iterator[int]:
        """Memory for objects larger than a frame is: DuckDB buffers each several times over."""
        self.cursor.execute(f"SET memory_limit = '{max(MEMORY_LIMIT, 10 * size)}B'")
        yield size
        self.cursor.execute(f"SET memory_limit = '{MEMORY_LIMIT}B'")

    def _stage_memory(self, frames: Any, media_root: str, first_record: int = 0) -> None:
        import pyarrow as pa

        key = f"frames {len(self.inputs)}"
        failures: list[IngestError] = []
        is_table = isinstance(frames, pa.Table | pa.RecordBatchReader | pa.RecordBatch)
        shape: Shape = "table" if is_table else "memory"
        skip = self.on_error == "skip"
        records = frames if is_table else json_stream(frames, first_record, failures, skip=skip)
        self.inputs[key] = Input("frames", key, shape, media_root, first_record)
        self.cursor.register("memory_records", records)
        try:
            self.run(f"records_{shape}")
            self.run("stage_records", paths=[key], object_size=0)
        except duckdb.Error:
            if failures:
                raise failures[0] from None
            raise
        finally:
            self.cursor.unregister("memory_records")
        self.refused.extend(_Refused(key, error, None) for error in failures)

    def load(self, dataset: str, version: str | int | None) -> IngestReport:
        """Bring the staged frames into the tables; call inside a transaction."""
        target = versions.writable_version(self.cursor, dataset, version)
        self._insert_inputs()
        self._refuse_broken()
        self.run("incoming", version_id=target.version_id)
        first_frame_key = self._insert(target.version_id)
        self._refuse_faulty(first_frame_key)
        self._replace(target.version_id, first_frame_key)
        self._insert_rejects()
        self.run("finish_inputs")
        counts = dict(self.cursor.execute("SELECT outcome, count(*) FROM incoming GROUP BY outcome").fetchall())
        if not counts and not self.refused:
            raise IngestError("no frames in it; expected at least one", next(iter(self.inputs.values())).path)
        return IngestReport(
            dataset=dataset,
            version=target.version_name,
            new=counts.get("new", 0),
            updated=counts.get("updated", 0),
            unchanged=counts.get("unchanged", 0),
            rejected=len(self.refused),
            errors=tuple(each.error for each in self.refused),
        )

    def _insert_inputs(self) -> None:
        inputs = list(self.inputs.values())
        self.run(
            "read_files",
            read_paths=[each.read_path for each in inputs],
            paths=[each.path if each.path in ("-", "frames") else each.read_path for each in inputs],
            media_roots=[each.media_root for each in inputs],
        )
        self.run("insert_inputs")

    def _insert(self, version_id: int) -> int:
        row = self.cursor.execute("SELECT min(frame_key) FROM incoming").fetchone()
        first_frame_key: int = row[0] if row and row[0] is not None else versions.NO_NEW_FRAMES
        self.run("insert_frames", version_id=version_id)
        for name in ("insert_sources", "insert_masks", "insert_rois"):
            self.run(name)
        self.run("insert_roi_masks", first_frame_key=first_frame_key)
        return first_frame_key

    def _replace(self, version_id: int, first_frame_key: int) -> None:
        for name in ("dropped_frames", "hidden_frames"):
            self.cursor.execute(statement(f"versions/{name}"))
        for name in ("drop_replaced", "hide_replaced"):
            self.run(name, version_id=version_id)
        versions.save_changes(self.cursor, version_id, first_frame_key)

    def _refuse_broken(self) -> None:
        for _, read_path, number, text in self._rows("broken_records"):
            self._refuse(read_path, number, why_not_a_frame(text), text=text)

    def _refuse_faulty(self, first_frame_key: int) -> None:
        """Refuse the inserted frames that have a fault, or an id that an earlier one has, and take them out again."""
        self.run("faults", first_frame_key=first_frame_key)
        faulty, repeated = self._rows("faulty_records"), self._rows("repeated_ids")
        if not faulty and not repeated:
            return
        keys = {row[0]: row[1] for row in (*faulty, *repeated)}
        places = self._places([*keys, *(first for _, _, _, first in repeated)])
        texts: dict[int, str] = {}
        if self.on_error == "skip":
            query = statement("queries/frame_json")
            texts = dict(self.cursor.execute(query, {"frame_keys": list(keys.values())}).fetchall())
        reasons = {}
        for record, _, name, first in repeated:
            first_place = self._error(*places[first], "").place
            reasons[record] = ("id", f"the frame id {name!r} again, first seen at {first_place}; give each its own")
        reasons |= {record: (fault["json_path"], _fault_reason(fault)) for record, _, fault in faulty}
        for record, (json_path, reason) in sorted(reasons.items()):
            self._refuse(*places[record], reason, json_path=json_path, text=texts.get(keys[record]))
        self.cursor.execute(statement("versions/dropped_frames"))
        self.cursor.execute("INSERT INTO dropped_frames SELECT unnest($keys)", {"keys": list(keys.values())})
        versions.delete_dropped(self.cursor)
        self.cursor.execute("DELETE FROM incoming WHERE record IN (SELECT unnest($records))", {"records": list(keys)})

    def _places(self, records: list[int]) -> dict[int, tuple[str, int]]:
        rows = self._rows("record_places", records=records)
        return {record: (read_path, number) for record, read_path, number in rows}

    def _rows(self, name: str, **parameters: Any) -> list[Any]:
        return self.run(name, **parameters).fetchall()

    def _error(self, read_path: str, number: int, reason: str, json_path: str | None = None) -> IngestError:
        """The error of a record, which is counted from 1 in its file."""
        source = self.inputs[read_path]
        if source.shape == "lines":
            return IngestError(reason, source.path, line=number, json_path=json_path)
        return IngestError(reason, source.path, record=source.first_record + number - 1, json_path=json_path)

    def _refuse(
        self, read_path: str, number: int, reason: str, *, json_path: str | None = None, text: str | None = None
    ) -> None:
        error = self._error(read_path, number, reason, json_path)
        if self.on_error == "stop":
            raise error
        self.refused.append(_Refused(read_path, error, text))

    def _insert_rejects(self) -> None:
        if not self.refused:
            return
        errors = [each.error for each in self.refused]
        self.run(
            "insert_rejects",
            read_paths=[each.read_path for each in self.refused],
            paths=[each.path for each in errors],
            lines=[each.line if each.line is not None else each.record for each in errors],
            json_paths=[each.json_path for each in errors],
            reasons=[each.reason for each in errors],
            records=[each.text for each in self.refused],
        )

    def forget(self) -> None:
        """Drop the temporary tables, and with them their memory."""
        for table in ("staged", "incoming", "read_files", "faults", "dropped_frames", "hidden_frames"):
            with contextlib.suppress(duckdb.Error):
                self.cursor.execute(f"DROP TABLE IF EXISTS temp.{table}")


def _reading_error(error: duckdb.Error, files: list[Input]) -> Exception:
    """DuckDB's error in reading these files, as one that names the file and the place in it."""
    text = str(error)
    broken = next((each for each in files if each.read_path in text), files[0])
    found = re.search(r"CSV Error on Line: (\d+)", text)
    line = int(found[1]) if found else None
    if "Invalid unicode" in text:
        return IngestError("not UTF-8 text", broken.path, line=line)
    if "aximum line size" in text or "max_line_size" in text:
        return IngestError("a line of more than 64 MB; expected one frame a line", broken.path, line=line)
    if "maximum_object_size" in text:
        limit = "64 MB" if broken.shape == "array" else "256 MB"
        advice = "pass the array of frames itself, or JSON lines"
        return IngestError(f"a JSON object of more than {limit}; {advice}", broken.path)
    if "GZIP" in text or "ZSTD" in text.upper():
        return IngestError(f"cannot be read: {text.splitlines()[0].split(': ', 1)[-1]}", broken.path)
    if "Malformed JSON" in text or "JSON array" in text:
        return _broken(broken)
    return error


def _broken(file: Input) -> IngestError:
    record, line, reason = broken_place(file.read_path)
    return IngestError(f"{reason} (line {line})", file.path, record=record)


def _fault_reason(fault: Mapping[str, str | None]) -> str:
    expected = f"expected {fault['expected']}"
    return expected if fault["found"] is None else f"found {describe(fault['found'])}, {expected}"
