"""A version written in the layout of another tool, into a new folder, and what that lost."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from masksdb.errors import LossRefusedError, MasksDBError, UnsupportedFormatError
from masksdb.exchange.ingest import ingest
from masksdb.exchange.loss import LossReport, add_missing, measure
from masksdb.exchange.out_frames import OutFrames
from masksdb.formats.reading import garbage_kept
from masksdb.formats.registry import AUTO, FORMATS, Writer, check_options, writer
from masksdb.formats.writing import Writing
from masksdb.store import versions
from masksdb.store.engine import Engine

NO_VERSION = -1


def convert(
    engine: Engine,
    out: str | os.PathLike[str],
    *,
    dataset: str,
    version: str | None = None,
    format: str,
    masks: Sequence[str] = (),
    with_images: bool = False,
    refuse_loss: bool = False,
    polygons: bool = False,
) -> LossReport:
    """Write a version in a layout, read it again, and say what was lost.

    Args:
        engine: the database.
        out: a new folder, an empty one, or a link to such.
        dataset: name of the dataset.
        version: name of the version; None is the newest draft, else the newest published.
        format: name of the layout.
        masks: ids of the masks whose ROIs are written; needed where they live in several.
        with_images: copy the images too.
        refuse_loss: write nothing where anything would be lost.
        polygons: write polygons where the layout has a choice.

    Returns:
        What became of every region.

    Raises:
        LossRefusedError: something would be lost, and ``refuse_loss``.
        UsageError: the layout does not take an option.
        MasksDBError: there is something in the folder, or it cannot be written.
    """
    layout = FORMATS.get(format)
    if layout is None or not layout.is_written:
        known = ", ".join(name for name, each in FORMATS.items() if each.is_written)
        raise UnsupportedFormatError(f"--format {format}: cannot be written; expected one of {known}")
    check_options(format, {"polygons": polygons})
    # Where a link leads to, for the folder takes the place of an empty one, and not of a link.
    target = Path(os.path.realpath(out))
    if target.is_symlink():
        raise MasksDBError(f"{out}: a link that leads to itself; name a new folder")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise MasksDBError(f"{out}: already there, and exports overwrite nothing; name a new folder")
    with engine.reading() as cursor:
        version_id = versions.find_version(cursor, dataset, version).version_id
    source = OutFrames(engine, version_id, masks)
    source.check()
    partial = target.with_name(f"{target.name}.{secrets.token_hex(4)}.partial")
    try:
        partial.mkdir(parents=True)
        writing = Writing(
            partial, source.classes(), engine.settings, with_images, polygons, lambda: iter(source), source.rows
        )
        report = LossReport(os.fspath(out), format, notes=writing.notes)
        with garbage_kept():
            module = writer(format)
            module.write(writing)
            _measure(report, source, writing, format, module)
        if refuse_loss and not report.is_lossless:
            raise LossRefusedError(report)
        if target.exists():
            target.rmdir()
        os.replace(partial, target)
    except OSError as error:
        raise MasksDBError(f"{out}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return report


def _measure(report: LossReport, source: OutFrames, writing: Writing, format: str, module: Writer) -> None:
    reread: Callable[..., Any] | None = getattr(module, "reread", None)
    again = Engine(":memory:", read_only=False)
    try:
        version_id = NO_VERSION
        if writing.places:
            frames = reread(writing) if reread else str(writing.folder)
            layout = AUTO if reread else format
            done = ingest(again, frames, dataset="written", version="again", format=layout, on_error="skip")
            writing.notes.extend(f"read again: {error}" for error in done.errors)
            with again.reading() as cursor:
                version_id = versions.find_version(cursor, "written", "again").version_id
        measure(report, source, OutFrames(again, version_id), writing)
    finally:
        again.close()
    if not getattr(module, "HOLDS_ALL_ROIS", False):
        add_missing(report, source)
