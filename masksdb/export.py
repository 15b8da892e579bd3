"""Frames out of tables, as they went in."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import os
import sys
from collections.abc import Iterator
from typing import IO, Any, NamedTuple, cast

from masksdb import versions
from masksdb.engine import Engine
from masksdb.errors import UnsupportedFormatError
from masksdb.files import replacing
from masksdb.statements import statement

FRAMES_PER_QUERY = 20_000


def frame_texts(engine: Engine, dataset: str, version: str | None) -> Iterator[str]:
    """The JSON text of every frame visible in a version, in order, a bounded number of them in memory."""
    with engine.reading() as cursor:
        cursor.execute(statement("store/temp/json_objects"))
        version_id = versions.find_version(cursor, dataset, version).version_id
        keys = [
            key for (key,) in cursor.execute(statement("store/frame_keys"), {"version_id": version_id}).fetchall()
        ]
        for start in range(0, len(keys), FRAMES_PER_QUERY):
            chunk = keys[start : start + FRAMES_PER_QUERY]
            for _, text in cursor.execute(statement("store/frame_json"), {"frame_keys": chunk}).fetchall():
                yield text


class FoundFrame(NamedTuple):
    """A frame as it was ingested, and the folder that its relative URIs are relative to."""

    frame: dict[str, Any]
    media_root: str | None


def find_frame(engine: Engine, version_id: int, frame_id: str) -> FoundFrame:
    """One frame of a version.

    Raises:
        NotFoundError: the version has no frame of that id; the message offers near ones.
    """
    with engine.reading() as cursor:
        cursor.execute(statement("store/temp/json_objects"))
        query = "SELECT frame_key, media_root FROM dataset_frames WHERE version_id = ? AND frame_id = ?"
        found = cursor.execute(query, [version_id, frame_id]).fetchone()
        if found is None:
            details = versions.details(cursor, version_id)
            where = f"{details.dataset_name}/{details.version_name}"
            raise versions.missing_frame(cursor, version_id, where, frame_id)
        row = cursor.execute(statement("store/frame_json"), {"frame_keys": [found[0]]}).fetchone()
    assert row is not None
    return FoundFrame(json.loads(row[1]), found[1])


def export(
    engine: Engine,
    out: str | os.PathLike[str],
    *,
    dataset: str,
    version: str | None = None,
) -> int:
    """Write the frames of a version to a file.

    Args:
        engine: the database.
        out: file to write: one array where the name ends in ``.json``, else JSON lines; compressed where it ends
            in ``.gz`` or ``.zst``; ``-`` is standard output. A file of that name is replaced once all is written.
        dataset: name of the dataset.
        version: name of the version; None is the newest draft, else the newest published.

    Returns:
        How many frames were written.

    Raises:
        NotFoundError: no such dataset or version.
        MasksDBError: the file cannot be written, or is a database.
    """
    path = os.fspath(out)
    texts = frame_texts(engine, dataset, version)
    # The first frame is fetched before a file is touched: an unknown dataset leaves nothing behind.
    first = next(texts, None)
    everything = itertools.chain([] if first is None else [first], texts)
    if path == "-":
        return _write(sys.stdout, everything, as_array=False)
    name, compression = os.path.splitext(path)
    name = name if compression in (".gz", ".zst") else path
    with replacing(path) as partial, _open_text(partial, compression) as file:
        return _write(file, everything, as_array=name.endswith(".json"))


def _open_text(path: str, compression: str) -> IO[str]:
    if compression == ".gz":
        return cast("IO[str]", gzip.open(path, "wt", encoding="utf-8", compresslevel=6))
    if compression == ".zst":
        import pyarrow as pa

        return io.TextIOWrapper(pa.output_stream(path, compression="zstd"), encoding="utf-8")
    if compression in (".bz2", ".xz", ".zip"):
        raise UnsupportedFormatError(f"{path}: compression {compression!r} is not known; expected '.gz' or '.zst'")
    return open(path, "w", encoding="utf-8")


def _write(file: IO[str], texts: Iterator[str], *, as_array: bool) -> int:
    before, between, after = ("[\n", ",\n", "\n]\n") if as_array else ("", "\n", "\n")
    count = 0
    for count, text in enumerate(texts, 1):  # counted for the caller
        file.write(before if count == 1 else between)
        file.write(text)
    file.write(after if count else "[]\n" if as_array else "")
    return count
