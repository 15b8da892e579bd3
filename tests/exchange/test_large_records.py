"""Records and files that are too large: their sizes are known before they are read, whatever the file's shape."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.common import Outcome

import masksdb

LIMIT = 2_000

SMALL, LAST = {"id": "small", "meta": {"text": ""}}, {"id": "last"}

LARGE = {"id": "large", "meta": {"text": "x" * 5_000}}

LINES = [json.dumps(frame) for frame in (SMALL, LARGE, LAST)]

FILES: dict[str, tuple[str, bytes, str]] = {
    # the name of a file, its content, and the place of the large record
    "lines": ("f.jsonl", "\n".join(LINES).encode() + b"\n", ":2"),
    "lines that end with it": ("f.jsonl", "\n".join([LINES[0], LINES[2], LINES[1]]).encode(), ":3"),
    "lines that begin with it": ("f.jsonl", "\n".join([LINES[1], LINES[0], LINES[2]]).encode(), ":1"),
    "lines with CRLF": ("f.jsonl", "\r\n".join(["", LINES[0], LINES[1], LINES[2], ""]).encode(), ":3"),
    "lines with a byte order mark": ("f.jsonl", b"\xef\xbb\xbf" + "\n".join(LINES).encode(), ":2"),
    "gzip": ("f.jsonl.gz", gzip.compress("\n".join(LINES).encode()), ":2"),
    "zstd": ("f.jsonl.zst", pa.compress("\n".join(LINES).encode(), "zstd", asbytes=True), ":2"),
    "an array": ("f.json", f"[{', '.join(LINES)}]".encode(), "[1]"),
    "an object with frames": ("f.json", f'{{"frames": [{", ".join(LINES)}]}}'.encode(), "[1]"),
    "objects": ("f.json", "\n".join(line.replace("{", "{\n") for line in LINES).encode(), "[1]"),
}


@pytest.fixture
def _limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKSDB_RECORD_LIMIT", str(LIMIT))


def frames_of(db: masksdb.Database) -> list[str]:
    return [name for (name,) in db.sql("SELECT frame_id FROM frames ORDER BY position").fetchall()]


def test_a_last_line_of_140_mb_is_refused(db: masksdb.Database, tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text('{"id": "a"}\n')
    with path.open("r+b") as file:
        file.truncate(12 + 140_000_000)
    with pytest.raises(masksdb.IngestError, match=r"f\.jsonl:2: a record of 140,000,000 bytes; expected a frame"):
        db.ingest(path, dataset="d")
    report = db.ingest(path, dataset="d", on_error="skip")
    assert (report.new, report.rejected, report.errors[0].line) == (1, 1, 2)


@pytest.mark.usefixtures("_limit")
@pytest.mark.parametrize("kind", FILES)
def test_a_record_that_is_too_long_is_refused_with_its_place(
    db: masksdb.Database, write: Callable[..., str], kind: str
) -> None:
    name, content, place = FILES[kind]
    path = write(name, content)
    with pytest.raises(masksdb.IngestError) as caught:
        db.ingest(path, dataset="d")
    assert re.match(
        rf"{re.escape(path + place)}: a record of 5,0\d\d bytes; expected a frame of at most 2,000", str(caught.value)
    )


@pytest.mark.usefixtures("_limit")
@pytest.mark.parametrize("kind", FILES)
def test_skipping_a_record_that_is_too_long_keeps_the_others(
    db: masksdb.Database, write: Callable[..., str], kind: str
) -> None:
    name, content, _ = FILES[kind]
    report = db.ingest(write(name, content), dataset="d", on_error="skip")
    assert (report.new, report.rejected) == (2, 1)
    assert frames_of(db) == ["small", "last"]
    assert db.sql("SELECT count(*) FROM rejects WHERE reason LIKE 'a record of%'").fetchall() == [(1,)]


@pytest.mark.usefixtures("_limit")
@pytest.mark.parametrize("given", [list, iter, pa.Table.from_pylist])
def test_the_limit_is_the_same_for_frames_from_python(
    db: masksdb.Database, given: Callable[[list[dict[str, Any]]], Iterable[Any]]
) -> None:
    frames: list[dict[str, Any]] = [SMALL, LARGE, LAST]
    with pytest.raises(masksdb.IngestError, match=r"frames\[1\]: a record of [0-9,]+ bytes; expected a frame of at"):
        db.ingest(given(frames), dataset="d")
    report = db.ingest(given(frames), dataset="d", on_error="skip")
    assert (report.new, report.rejected) == (2, 1)
    assert frames_of(db) == ["small", "last"]


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_record_as_long_as_the_limit_is_read(
    db: masksdb.Database, write: Callable[..., str], monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setenv("MASKSDB_RECORD_LIMIT", str(len(json.dumps(LARGE))))
    path = write("f.jsonl", (json.dumps(SMALL) + "\n" + json.dumps(LARGE) + end).encode())
    assert db.ingest(path, dataset="d").new == 2


def test_a_record_larger_than_the_buffers_of_a_reader_is_read(
    db: masksdb.Database, write: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASKSDB_RECORD_LIMIT", "3000000")
    head = '{"id": "b", "meta": "'
    path = write("f.jsonl", '{"id": "a"}\r\n' + head + "x" * (3_000_000 - len(head) - 3) + '"}\r\n{"id": "c"}')
    assert db.ingest(path, dataset="d").new == 3


def test_a_frame_from_python_may_take_more_memory_than_an_ingest_usually_does(db: masksdb.Database) -> None:
    frames = [SMALL, {"id": "large", "meta": "x" * 33_000_000}, LAST]
    db.ingest(iter(frames), dataset="d")
    assert frames_of(db) == ["small", "large", "last"]


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_a_compressed_file_that_unpacks_to_too_much_is_refused(
    db: masksdb.Database, write: Callable[..., str], monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    text = ('{"id": "a"}\n' + " " * 100_000).encode()
    content = gzip.compress(text) if ending == "gz" else pa.compress(text, "zstd", asbytes=True)
    path = write(f"f.jsonl.{ending}", content)
    monkeypatch.setenv("MASKSDB_UNPACKED_LIMIT", str(len(text)))
    assert db.ingest(path, dataset="d").new == 1
    monkeypatch.setenv("MASKSDB_UNPACKED_LIMIT", str(len(text) - 1))
    with pytest.raises(masksdb.IngestError, match=r"it unpacks to more than 100,011 bytes; MASKSDB_UNPACKED_LIMIT"):
        db.ingest(path, dataset="d")


def test_a_small_file_does_not_unpack_to_a_large_one(db_path: str, tmp_path: Path, run: Callable[..., Outcome]) -> None:
    path = tmp_path / "f.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * (1 << 20)) * 257)
    outcome = run("ingest", db_path, path, "--dataset", "d")
    assert outcome.status == 1
    assert outcome.err.startswith(f"Error: {path}: cannot be read: it unpacks to more than {256 << 20:,} bytes")


def test_limits_that_are_no_numbers_are_refused(
    db: masksdb.Database, write: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASKSDB_RECORD_LIMIT", "64 MB")
    with pytest.raises(masksdb.UsageError, match="MASKSDB_RECORD_LIMIT: found '64 MB' in the environment"):
        db.ingest(write("f.jsonl", [SMALL]), dataset="d")
