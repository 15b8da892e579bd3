"""Export of a version as frames in JSON, equal to those that were ingested."""

from __future__ import annotations

import gzip
import io
import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from typing import IO, cast

from masksdb.errors import UnsupportedFormatError
from masksdb.exchange.out_subset import find_subset
from masksdb.store import versions
from masksdb.store.engine import Engine
from masksdb.store.files import replacing
from masksdb.store.frames import frame_texts


def export(
    engine: Engine,
    out: str | os.PathLike[str],
    *,
    dataset: str,
    version: str | None = None,
    where: str | None = None,
    labels: Sequence[str] = (),
) -> int:
    """Write the frames of a version to a file.

    Args:
        engine: the database.
        out: file to write: one array if the name ends in ``.json``, else JSON lines; compressed if it ends in ``.gz``
            or ``.zst``; ``-`` is standard output. An existing file is replaced once the new one is complete.
        dataset: name of the dataset.
        version: name of the version; None is the newest draft, else the newest published.
        where: SQL over a frame; frames for which it is not true are left out.
        labels: only ROIs that have one of these labels; none means all.

    Returns:
        The number of frames written.

    Raises:
        NotFoundError: no such dataset, version or label.
        QueryError: DuckDB refuses ``where``.
        MasksDBError: the file cannot be written, or is a database.
    """
    path = os.fspath(out)
    with engine.reading() as cursor:
        version_id = versions.find_version(cursor, dataset, version).version_id
        subset = find_subset(cursor, version_id, where=where, labels=labels, with_split=False)
    texts = frame_texts(engine, version_id, subset.frame_keys, subset.labels)
    # The first frame is fetched before the file is opened, so that an unknown dataset leaves no file behind.
    first = next(texts, None)
    all_texts = itertools.chain([] if first is None else [first], texts)
    if path == "-":
        return _write(sys.stdout, all_texts, as_array=False)
    name, compression = os.path.splitext(path)
    name = name if compression in (".gz", ".zst") else path
    with replacing(path) as partial, _open_text(partial, compression) as file:
        return _write(file, all_texts, as_array=name.endswith(".json"))


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
    for count, text in enumerate(texts, 1):
        file.write(before if count == 1 else between)
        file.write(text)
    file.write(after if count else "[]\n" if as_array else "")
    return count
