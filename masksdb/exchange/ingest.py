"""Ingest: frames are staged, typed, compared with the version and inserted, each step one SQL statement.

Staging (parsing JSON, hashing) happens before the transaction and writes only temporary tables. Everything that changes
the database file is one transaction.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import duckdb

from masksdb.errors import IngestError, MasksDBError, UnsupportedFormatError, UsageError
from masksdb.exchange.json_text import describe, why_not_a_frame
from masksdb.exchange.staging import MEMORY_LIMIT, OnError, Refused, Source, Staged, Staging, run
from masksdb.formats.registry import AUTO, FORMATS
from masksdb.store import versions
from masksdb.store.engine import Engine
from masksdb.store.mask_labels import joined
from masksdb.store.sql import in_transaction, statement


@dataclass(frozen=True)
class IngestReport:
    """How many frames an ingest added, updated, left unchanged and rejected.

    Attributes:
        dataset: name of the dataset.
        version: name of the version.
        new: frames added at the end.
        updated: frames replaced in their old position.
        unchanged: frames that were already there.
        rejected: records that are not frames; they are kept in ``rejects``.
        errors: the reason of each rejection, in their order.
        notes: for a person to read: which layout a source was taken for, images that are shown turned.
    """

    dataset: str
    version: str
    new: int
    updated: int
    unchanged: int
    rejected: int
    errors: tuple[IngestError, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"{self.dataset}/{self.version}: {self.new} new, {self.updated} updated, {self.unchanged} unchanged"
        return f"{text}, {self.rejected} rejected" if self.rejected else text


def ingest(
    engine: Engine,
    *sources: Source,
    dataset: str,
    version: str | int | None = None,
    format: str = AUTO,
    media_root: str | os.PathLike[str] | None = None,
    on_error: OnError = "stop",
    rasterize: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> IngestReport:
    """Read frames into a draft version, which is created where there is none.

    Args:
        engine: the database.
        sources: files, folders, glob patterns, ``-`` for standard input; iterables of frames; Arrow tables.
        dataset: name of the dataset.
        version: name (or id) of the version; None is the newest draft, made as ``Current`` where there is none.
        format: layout of the sources; ``auto`` recognises it, and the report names it.
        media_root: folder or URI that relative URIs are relative to; None is the folder of each file. If it is given,
            frames that are already in the version get it too.
        on_error: ``stop`` leaves the database unchanged at the first bad record, ``skip`` keeps bad records in
            ``rejects``.
        rasterize: folder for mask PNGs, which are written for ROIs that have only a polygon or run lengths.
        progress: called with the bytes of files of frames that were read and of all, or with the frames of another
            layout and 0; then with the steps of the insertion that were done and of all.

    Returns:
        How many frames are new, updated, unchanged and rejected.

    Raises:
        IngestError: a source cannot be read, or a record is not a frame.
        UnsupportedFormatError: the layout is unknown, or cannot be read.
        UsageError: ``on_error`` is neither ``stop`` nor ``skip``.
        VersionPublishedError: the version is published.
    """
    layout = FORMATS.get(format)
    if format != AUTO and (layout is None or not layout.is_read):
        known = ", ".join([AUTO, *(name for name, layout in FORMATS.items() if layout.is_read)])
        raise UnsupportedFormatError(f"--format {format}: cannot be read; expected one of {known}")
    if on_error not in get_args(OnError):
        raise UsageError(f"on_error={on_error!r}: not known; expected 'stop' or 'skip'")
    if not sources:
        raise IngestError("no sources given; expected files, folders, patterns or '-'", "ingest")
    root = None if media_root is None else _root(os.fspath(media_root))
    with engine.writing() as cursor, _memory_limit(cursor) as all_memory, _spool_folder(engine) as spool:
        folder = None if rasterize is None else os.fspath(rasterize)
        staging = Staging(cursor, on_error, spool, all_memory, engine.settings, folder, progress)
        try:
            staged = staging.stage(sources, root, format)
            return staging.with_memory(lambda: _load(cursor, staged, dataset, version, progress))
        finally:
            _drop_temporary_tables(cursor)


def _root(media_root: str) -> str:
    return media_root.rstrip("/") if "://" in media_root else os.path.abspath(media_root).rstrip("/")


@contextlib.contextmanager
def _memory_limit(cursor: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Sets the memory limit of an ingest, and yields the limit before, which comes back at the end."""
    row = cursor.execute("SELECT current_setting('memory_limit')").fetchone()
    assert row is not None
    cursor.execute(f"SET memory_limit = '{MEMORY_LIMIT}B'")
    try:
        yield row[0]
    finally:
        cursor.execute(f"SET memory_limit = '{row[0]}'")


@contextlib.contextmanager
def _spool_folder(engine: Engine) -> Iterator[str]:
    """A folder for copies of input, beside the database file so that the next open finds what a killed ingest left."""
    parent = None if engine.path == ":memory:" else engine.spill_folder
    if parent:
        try:
            parent.mkdir(exist_ok=True)
        except OSError as error:
            raise MasksDBError(f"{parent}: cannot be made a folder for temporary files: {error.strerror}") from None
    with tempfile.TemporaryDirectory(prefix="masksdb_input_", dir=parent) as folder:
        yield folder
    if parent:
        with contextlib.suppress(OSError):
            parent.rmdir()


def _load(
    cursor: duckdb.DuckDBPyConnection,
    staged: Staged,
    dataset: str,
    version: str | int | None,
    progress: Callable[[int, int], None] | None,
) -> IngestReport:
    with in_transaction(cursor):
        return _Load(cursor, staged, list(staged.refused), progress).load(dataset, version)


def _drop_temporary_tables(cursor: duckdb.DuckDBPyConnection) -> None:
    """Free the memory of the temporary tables."""
    for table in ("staged", "incoming", "read_files", "faults", "dropped_frames", "hidden_frames"):
        with contextlib.suppress(duckdb.Error):
            cursor.execute(f"DROP TABLE IF EXISTS temp.{table}")


_STEPS = (
    "incoming", "insert_frames", "insert_sources", "insert_masks", "insert_rois", "faults",
    "drop_replaced", "hide_replaced", "finish_inputs",
)  # fmt: skip
"""The steps of an insertion that take long."""


@dataclass
class _Load:
    """The insertion of staged frames into a version, inside a transaction.

    Attributes:
        cursor: the connection that has the temporary tables.
        staged: the result of staging.
        refused: the records refused so far, those of staging first.
        progress: called with the steps that were done and all of them.
    """

    cursor: duckdb.DuckDBPyConnection
    staged: Staged
    refused: list[Refused]
    progress: Callable[[int, int], None] | None = None

    def run(self, name: str, **parameters: object) -> duckdb.DuckDBPyConnection:
        result = run(self.cursor, name, **parameters)
        if self.progress and name in _STEPS:
            self.progress(_STEPS.index(name) + 1, len(_STEPS))
        return result

    def load(self, dataset: str, version: str | int | None) -> IngestReport:
        """Insert the new and updated frames, and refuse those with a fault."""
        target = versions.writable_version(self.cursor, dataset, version)
        self._insert_inputs()
        self._refuse_broken()
        self.run("incoming", version_id=target.version_id)
        first_frame_key = self._insert(target.version_id)
        self._refuse_faulty(first_frame_key)
        self._replace(target.version_id, first_frame_key)
        self._insert_rejects()
        self.run("finish_inputs")
        self._add_mask_labels(target.version_id)
        counts = dict(self.cursor.execute("SELECT outcome, count(*) FROM incoming GROUP BY outcome").fetchall())
        if not counts and not self.refused:
            raise IngestError("no frames in it; expected at least one", next(iter(self.staged.inputs.values())).path)
        return IngestReport(
            dataset=dataset,
            version=target.version_name,
            new=counts.get("new", 0),
            updated=counts.get("updated", 0),
            unchanged=counts.get("unchanged", 0),
            rejected=len(self.refused),
            errors=tuple(record.error for record in self.refused),
            notes=tuple(self.staged.notes),
        )

    def _add_mask_labels(self, version_id: int) -> None:
        metadata = versions.details(self.cursor, version_id).metadata
        known = metadata.get("mask_labels", {})
        merged = joined(known, self.staged.mask_labels)
        if merged != known:
            versions.set_metadata(self.cursor, version_id, {**metadata, "mask_labels": merged})

    def _insert_inputs(self) -> None:
        inputs = list(self.staged.inputs.values())
        self.run(
            "read_files",
            read_paths=[file.read_path for file in inputs],
            paths=[file.stored_path for file in inputs],
            media_roots=[file.media_root for file in inputs],
            roots_are_given=[file.root_is_given for file in inputs],
            formats=[file.format for file in inputs],
        )
        self.run("insert_inputs")

    def _insert(self, version_id: int) -> int:
        row = self.cursor.execute("SELECT min(frame_key) FROM incoming").fetchone()
        first_frame_key: int = row[0] if row and row[0] is not None else versions.NO_NEW_FRAMES
        self.run("insert_frames", version_id=version_id)
        for name in ("insert_sources", "insert_masks", "insert_rois"):
            self.run(name)
        resolved = f"INSERT INTO roi_masks\n{statement('store/roi_masks')}"
        new_frames = {"first_frame_key": first_frame_key, "last_frame_key": versions.NO_NEW_FRAMES}
        self.cursor.execute(resolved, new_frames)
        return first_frame_key

    def _replace(self, version_id: int, first_frame_key: int) -> None:
        for name in ("dropped_frames", "hidden_frames"):
            self.cursor.execute(statement(f"store/versions/{name}"))
        for name in ("drop_replaced", "hide_replaced"):
            self.run(name, version_id=version_id)
        versions.save_changes(self.cursor, version_id, first_frame_key)

    def _refuse_broken(self) -> None:
        for _, read_path, number, text in self._rows("broken_records"):
            self._refuse(read_path, number, why_not_a_frame(text), text=text)

    def _refuse_faulty(self, first_frame_key: int) -> None:
        """Refuse the inserted frames that have a fault or the id of an earlier record, and delete them again."""
        cursor = self.cursor
        self.run("faults", first_frame_key=first_frame_key)
        faulty, repeated = self._rows("faulty_records"), self._rows("repeated_ids")
        if not faulty and not repeated:
            return
        keys = {row[0]: row[1] for row in (*faulty, *repeated)}
        places = self._places([*keys, *(first for _, _, _, first in repeated)])
        texts: dict[int, str] = {}
        if self.staged.on_error == "skip":
            query = statement("store/frame_json")
            texts = dict(cursor.execute(query, {"frame_keys": list(keys.values())}).fetchall())
        reasons = {}
        for record, _, name, first in repeated:
            first_place = self.staged.error(*places[first], "").place
            reasons[record] = ("id", f"the frame id {name!r} again, first seen at {first_place}; give each its own")
        reasons |= {record: (fault["json_path"], _fault_reason(fault)) for record, _, fault in faulty}
        for record, (json_path, reason) in sorted(reasons.items()):
            self._refuse(*places[record], reason, json_path=json_path, text=texts.get(keys[record]))
        cursor.execute(statement("store/versions/dropped_frames"))
        cursor.execute("INSERT INTO dropped_frames SELECT unnest($keys)", {"keys": list(keys.values())})
        versions.delete_dropped(cursor)
        cursor.execute("DELETE FROM incoming WHERE record IN (SELECT unnest($records))", {"records": list(keys)})

    def _places(self, records: list[int]) -> dict[int, tuple[str, int]]:
        rows = self._rows("record_places", records=records)
        return {record: (read_path, number) for record, read_path, number in rows}

    def _rows(self, name: str, **parameters: object) -> list[Any]:
        return self.run(name, **parameters).fetchall()

    def _refuse(
        self, read_path: str, number: int, reason: str, *, json_path: str | None = None, text: str | None = None
    ) -> None:
        error = self.staged.error(read_path, number, reason, json_path)
        if self.staged.on_error == "stop":
            raise error
        self.refused.append(Refused(read_path, error, text))

    def _insert_rejects(self) -> None:
        if not self.refused:
            return
        errors = [record.error for record in self.refused]
        self.run(
            "insert_rejects",
            read_paths=[record.read_path for record in self.refused],
            paths=[error.path for error in errors],
            lines=[error.line if error.line is not None else error.record for error in errors],
            json_paths=[error.json_path for error in errors],
            reasons=[error.reason for error in errors],
            records=[record.text for record in self.refused],
        )


def _fault_reason(fault: Mapping[str, str | None]) -> str:
    expected = f"expected {fault['expected']}"
    return expected if fault["found"] is None else f"found {describe(fault['found'])}, {expected}"
