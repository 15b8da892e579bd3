"""A version written in the layout of another tool, into a new folder, and what that lost."""

from __future__ import annotations

import contextlib
import itertools
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
from masksdb.exchange.out_media import OutMedia
from masksdb.exchange.out_subset import find_subset
from masksdb.exchange.staging import OnError
from masksdb.formats.reading import garbage_kept
from masksdb.formats.registry import AUTO, FORMATS, Writer, check_options, writer
from masksdb.formats.writing import Writing
from masksdb.store import versions
from masksdb.store.engine import Engine

NO_VERSION = -1

NAMED_FILES = 3
"""The most files that an error names."""


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
    split: str | None = None,
    where: str | None = None,
    labels: Sequence[str] = (),
    on_error: OnError = "stop",
    allow_outside: bool = False,
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
        split: name of a split that ``masksdb split`` made, whose parts become those of the layout; None means the only
            one, an empty text means what each frame's ``meta.split`` says.
        where: SQL over a frame; frames for which it is not true are left out.
        labels: only ROIs that have one of these labels; none means all.
        on_error: ``stop`` writes nothing if a mask or image cannot be read, ``skip`` leaves its frame out and reports
            it.
        allow_outside: copy images from anywhere, not only from below the media roots.

    Returns:
        What became of every region.

    Raises:
        NotFoundError: no such dataset, version, split or label.
        QueryError: DuckDB refuses ``where``.
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
        subset = find_subset(cursor, version_id, where=where, labels=labels, split=split)
        query = "SELECT DISTINCT media_root FROM dataset_frames WHERE version_id = ? AND media_root IS NOT NULL"
        roots = [root for (root,) in cursor.execute(query, [version_id]).fetchall()]
    module = writer(format)
    media = OutMedia(engine.settings, roots, allow_outside)
    source = OutFrames(
        engine, version_id, masks, subset, media if with_images else None, getattr(module, "COPIES_MASKS", False)
    )
    source.check()
    partial = target.with_name(f"{target.name}.{secrets.token_hex(4)}.partial")
    made = [folder for folder in partial.parents if not folder.exists()]
    try:
        partial.mkdir(parents=True)
        writing = Writing(
            partial,
            source.classes(),
            engine.settings,
            with_images,
            polygons,
            lambda: iter(source),
            source.rows,
            media.path,
            subset.split,
            notes=list(subset.notes),
        )
        report = LossReport(
            os.fspath(out), format, notes=writing.notes, unreadable=source.unreadable, renamed=source.renamed
        )
        with garbage_kept():
            module.write(writing)
            if source.unreadable and on_error == "stop":
                raise MasksDBError(
                    f"{out}: {_unreadable(source)}; restore them, or leave their images out by --on-error skip"
                )
            _measure(report, source, writing, format, module)
        if source.unreadable:
            writing.notes.insert(0, _unreadable(source))
        if source.renamed:
            first, name = next(iter(source.renamed.items()))
            what = f"{len(source.renamed):,} ids of frames are not names of files, or not of one each"
            writing.notes.append(f"{what}; they are written under other names: {first[:60]!r} as {name[:80]}")
        if count := len({frame_id for frame_id, _, _ in source.without_source()}):
            writing.notes.append(f"{count:,} frames have no source, and so no image; they are left out")
        report.left_out = sorted(source.left_out)
        if refuse_loss and not report.is_lossless:
            raise LossRefusedError(report)
        if target.exists():
            target.rmdir()
        os.replace(partial, target)
        made = []
    except OSError as error:
        raise MasksDBError(f"{out}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
    return report


def _unreadable(source: OutFrames) -> str:
    """The first files that cannot be read, and how many more there are, of how many images."""
    files = [f"{uri}: {reason}" for uri, reason in itertools.islice(source.unreadable.items(), NAMED_FILES)]
    more = len(source.unreadable) - len(files)
    named = "; ".join(files) + (f"; and {more:,} more" if more else "")
    counts = (
        f"{count:,} {what}{'s' * (count != 1)}"
        for count, what in ((len(source.unreadable), "file"), (len(source.left_out), "image"))
    )
    return f"{' of '.join(counts)} cannot be exported: {named}"


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
    add_missing(report, source, held=getattr(module, "HOLDS_ALL_ROIS", False))
