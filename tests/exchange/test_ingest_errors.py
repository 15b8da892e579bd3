"""Bad input: one line that says what and where, status 1, and a database as it was before."""

from __future__ import annotations

import gzip
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.common import Outcome

import masksdb

GOOD = {"id": "good", "sources": [{"id": "front", "masks": [{"id": "m"}]}]}


def frame(**roi: Any) -> dict[str, Any]:
    return {"id": "x", "sources": [{"id": "front"}], "rois": [{}, {}, roi]}


RECORDS: dict[str, tuple[Any, str]] = {
    # a second line of JSON lines, and what the error says after FILE:2
    "a string for a value": (
        frame(mask={"value": "red"}),
        'rois[2].mask.value: found the string "red", expected an array of 1, 3 or 4 whole numbers from -1 to 65535',
    ),
    "a value of strings": (frame(mask={"value": ["1", "2", "3"]}), 'rois[2].mask.value: found the array ["1","2","3"]'),
    "a value of two": (frame(mask={"value": [1, 2]}), "rois[2].mask.value: found the array [1,2]"),
    "a value of five": (frame(mask={"value": [1, 2, 3, 4, 5]}), "rois[2].mask.value: found the array [1,2,3,4,5]"),
    "an empty value": (frame(mask={"value": []}), "rois[2].mask.value: found the array []"),
    "a value too large": (frame(mask={"value": [70000]}), "rois[2].mask.value: found the array [70000]"),
    "a value below -1": (frame(mask={"value": [0, 0, -2]}), "rois[2].mask.value: found the array [0,0,-2]"),
    "a fractional value": (frame(mask={"value": [1.5]}), "rois[2].mask.value: found the array [1.5]"),
    "a true value": (frame(mask={"value": [True]}), "rois[2].mask.value: found the array [true]"),
    "a null in a value": (frame(mask={"value": [1, None, 3]}), "rois[2].mask.value: found the array [1,null,3]"),
    "a bare value": (frame(mask={"value": 7}), "rois[2].mask.value: found the number 7"),
    "a mask that is a list": (frame(mask=[1]), "rois[2].mask: found the array [1], expected an object"),
    "a number as a string": (
        {"id": "x", "timestamp": "33"},
        'timestamp: found the string "33", expected a whole number of milliseconds',
    ),
    "a fractional timestamp": ({"id": "x", "timestamp": 33.5}, "timestamp: found the number 33.5"),
    "a true timestamp": ({"id": "x", "timestamp": True}, "timestamp: found true"),
    "a width as a string": (
        {"id": "x", "sources": [{"width": "800"}]},
        'sources[0].width: found the string "800", expected a whole number of pixels',
    ),
    "a width beyond 32 bits": ({"id": "x", "sources": [{"width": 2**40}]}, "sources[0].width: found the number"),
    "a mask's uri that is a number": (
        {"id": "x", "sources": [{}, {"masks": [{}, {"uri": 3}]}]},
        "sources[1].masks[1].uri: found the number 3, expected a string",
    ),
    "a label that is null": (frame(label=["a", None]), 'rois[2].label: found the array ["a",null]'),
    "a label that is an object": (frame(label=[{}]), "rois[2].label: found the array [{}]"),
    "labels that are a number": (frame(labels=5), "rois[2].labels: found the number 5"),
    "good labels beside a bad label": (frame(label=5, labels=["a"]), "rois[2].label: found the number 5"),
    "a confidence that is a string": (frame(confidence="0.5"), 'rois[2].confidence: found the string "0.5"'),
    "a nested polygon": (frame(poly=[[1, 2]]), "rois[2].poly: found the array [[1,2]], expected one flat array"),
    "a polygon of strings": (frame(poly=["1"]), 'rois[2].poly: found the array ["1"]'),
    "uncompressed run lengths": (frame(rle={"size": [2, 2], "counts": [4]}), "rois[2].rle: found the object"),
    "is_crowd as text": (frame(is_crowd="yes"), 'rois[2].is_crowd: found the string "yes", expected true or false'),
    "an unknown source": (
        frame(sources=["back"]),
        'rois[2].sources: found the array ["back"], expected ids of sources of this frame (front)',
    ),
    "a source without frames to name": (
        {"id": "x", "rois": [{"sources": ["back"]}]},
        'rois[0].sources: found the array ["back"], expected no source ids',
    ),
    "an id that is a list": ({"id": [1]}, "id: found the array [1], expected a string or a number"),
    "sources that are an object": ({"id": "x", "sources": {}}, "sources: found the object {}, expected an array"),
    "a source that is a number": (
        {"id": "x", "sources": [{}, 5]},
        "sources[1]: found the number 5, expected an object",
    ),
    "a ROI that is null": ({"id": "x", "rois": [None]}, "rois[0]: found null, expected an object"),
    "an object that is no frame": ({"images": [], "info": {}}, "an object with 'images', 'info', which is not a frame"),
    "an empty object": ({}, "an object with no keys, which is not a frame"),
    "the same id again": ({"id": "good"}, "id: the frame id 'good' again, first seen at {file}:1"),
    "a list for a frame": ([1, 2], "the array [1, 2], where a frame (a JSON object) was expected"),
}

TEXTS: dict[str, tuple[bytes, str]] = {
    "truncated": (b'{"id": "x", "rois": [{"la', "not valid JSON: Unterminated string starting at column"),
    "truncated after a comma": (b'{"id": "x",', "not valid JSON:"),
    "a NUL byte": (b'{"id": "x\x00"}', "a NUL byte, or bytes that are not UTF-8, in the text"),
    "a control character": (b'{"id": "x\x01"}', "not valid JSON: Invalid control character at column"),
    "a lone surrogate": (b'{"id": "x\\ud800"}', "the lone surrogate \\ud800 in a string, which is not Unicode"),
    "not UTF-8": (b'{"id": "\xff"}', "not UTF-8 text"),
    "a duplicate key": (b'{"id": "x", "id": "y"}', "each key once, but one occurs twice"),
    "a duplicate key in meta": (b'{"id": "x", "meta": {"a": [{"k": 1, "k": 2}]}}', "meta: expected each key once"),
    "a duplicate key in a mask": (b'{"id": "x", "rois": [{"mask": {"id": 1, "id": 1}}]}', "expected each key once"),
    "a duplicate unknown key": (b'{"id": "x", "sources": [{"q": 1, "q": 1}]}', "expected each key once"),
    "NaN": (b'{"id": "x", "rois": [{"confidence": NaN}]}', "rois[0]"),
    "NaN in meta": (b'{"id": "x", "meta": {"v": NaN}}', "meta: expected JSON, which has no NaN and no Infinity"),
    "Infinity in an unknown key": (b'{"id": "x", "v": -Infinity}', "expected JSON, which has no NaN and no Infinity"),
    "a number beyond doubles": (
        b'{"id": "x", "rois": [{"confidence": 1e999}]}',
        "rois[0].confidence: found the number",
    ),
}


def assert_refused(outcome: Outcome, says: str, db_path: str) -> None:
    assert outcome.status == 1
    assert re.fullmatch(r"Error: [^\n]+\n", outcome.err), outcome.err
    assert "Traceback" not in outcome.err
    assert says in outcome.err
    assert outcome.out == ""
    if Path(db_path).is_file():
        with masksdb.connect(db_path) as db:
            for table in (
                "datasets",
                "versions",
                "inputs",
                "frames",
                "sources",
                "masks",
                "rois",
                "roi_masks",
                "rejects",
            ):
                assert db.sql(f"SELECT count(*) FROM {table}").fetchall() == [(0,)], table
        assert not list(Path(db_path).parent.glob("*.tmp"))


@pytest.mark.parametrize("name", RECORDS)
def test_a_bad_record_is_refused_with_its_line_and_path(
    run: Callable[..., Outcome], write: Callable[..., str], db_path: str, name: str
) -> None:
    record, says = RECORDS[name]
    path = write("frames.jsonl", [GOOD, record])
    assert_refused(run("ingest", db_path, path, "--dataset", "d"), f"{path}:2: {says}".replace("{file}", path), db_path)


def test_bad_records_of_an_array_are_refused_with_their_index(db: masksdb.Database, write: Callable[..., str]) -> None:
    path = write("frames.json", json.dumps([GOOD, *(record for record, _ in RECORDS.values())]))
    report = db.ingest(path, dataset="d", on_error="skip")
    assert (report.new, report.rejected) == (1, len(RECORDS))
    query = "SELECT concat_ws(': ', json_path, reason) FROM rejects ORDER BY line"
    for (text,), (name, (_, says)) in zip(db.sql(query).fetchall(), RECORDS.items(), strict=True):
        first = says.replace("{file}:1", f"{path}[0]")
        assert text.startswith(first), name


def test_a_bad_record_of_an_array_stops_with_its_index(
    run: Callable[..., Outcome], write: Callable[..., str], db_path: str
) -> None:
    record, says = RECORDS["a nested polygon"]
    path = write("frames.json", json.dumps([GOOD, record]))
    assert_refused(run("ingest", db_path, path, "--dataset", "d"), f"{path}[1]: {says}", db_path)


@pytest.mark.parametrize("name", TEXTS)
def test_a_bad_line_is_refused_with_its_number(
    run: Callable[..., Outcome], write: Callable[..., str], db_path: str, name: str
) -> None:
    text, says = TEXTS[name]
    path = write("frames.jsonl", json.dumps(GOOD).encode() + b"\n\n" + text + b"\n")
    outcome = run("ingest", db_path, path, "--dataset", "d")
    assert_refused(outcome, says, db_path)
    assert outcome.err.startswith(f"Error: {path}:3: ")


def test_skip_keeps_the_good_records_and_stores_the_bad(
    run: Callable[..., Outcome], write: Callable[..., str], db_path: str
) -> None:
    records = [record for record, _ in RECORDS.values()]
    path = write("frames.jsonl", [GOOD, *records, {"id": "last"}])
    outcome = run("ingest", db_path, path, "--dataset", "d", "--on-error", "skip")
    assert outcome.status == 0
    assert outcome.err == (
        f"d/Current: 2 new, 0 updated, 0 unchanged, {len(records)} rejected\n"
        f"Warning: {len(records)} records were refused; see the table 'rejects'\n"
    )
    with masksdb.connect(db_path, read_only=True) as db:
        assert db.sql("SELECT frame_id FROM frames ORDER BY position").fetchall() == [("good",), ("last",)]
        rejects = db.sql("SELECT path, line, record FROM rejects ORDER BY line").fetchall()
        assert [row[:2] for row in rejects] == [(path, line) for line in range(2, len(records) + 2)]
        assert [json.loads(kept) for _, _, kept in rejects] == records
        for table in ("sources", "masks", "rois", "roi_masks"):
            orphans = f"SELECT count(*) FROM {table} WHERE frame_key NOT IN (SELECT frame_key FROM frames)"
            assert db.sql(orphans).fetchall() == [(0,)], table


ALONE = ["truncated", "a NUL byte", "not UTF-8"]
"""Texts that a reader may treat differently for the whole file."""


@pytest.mark.parametrize("names", [*([name] for name in ALONE), list(TEXTS)], ids=[*ALONE, "all"])
def test_skip_goes_on_after_bad_lines(
    run: Callable[..., Outcome], write: Callable[..., str], db_path: str, names: list[str]
) -> None:
    texts = [TEXTS[name][0] for name in names]
    path = write("frames.jsonl", b"\n".join([json.dumps(GOOD).encode(), *texts, b'{"id": "last"}\n']))
    assert run("ingest", db_path, path, "--dataset", "d", "--on-error", "skip").status == 0
    with masksdb.connect(db_path, read_only=True) as db:
        assert db.sql("SELECT frame_id FROM frames ORDER BY position").fetchall() == [("good",), ("last",)]
        lines = db.sql("SELECT line FROM rejects ORDER BY line").fetchall()
    assert lines == [(line,) for line in range(2, len(texts) + 2)]


def test_a_bad_record_does_not_replace_a_good_frame(db: masksdb.Database) -> None:
    db.ingest([GOOD], dataset="d", version="v")
    report = db.ingest([{"id": "good", "timestamp": "late"}], dataset="d", version="v", on_error="skip")
    assert (report.rejected, report.updated) == (1, 0)
    assert db.get_frame("d", "v", "good") == GOOD


FILES: dict[str, tuple[str, bytes | None, str]] = {
    # file name, content (None: no file), what the error says after the name
    "missing": ("none.jsonl", None, ": no such file or folder"),
    "empty": ("empty.jsonl", b"", ": empty; expected JSON frames"),
    "only white space": ("white.jsonl", b" \n\n  \n", ": empty; expected JSON frames"),
    "an empty array": ("none.json", b"[]", ": no frames in it"),
    "binary": (
        "image.json",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" * 40,
        ": not JSON but binary data: it begins with b'\\x89PNG",
    ),
    "plain text": ("notes.txt", b"hello there", ": not JSON but text: it begins with b'hello there'"),
    "broken gzip": ("f.jsonl.gz", gzip.compress(b'{"id": "a"}\n' * 1000)[:-20], ": cannot be read: "),
    "not gzip": ("f.jsonl.gz", b'{"id": "a"}', ": cannot be read: not compressed as its name says"),
    "not zstd": ("f.jsonl.zst", b'{"id": "a"}', ": cannot be read: "),
    "a truncated array": ("f.json", b'[{"id": "a"},\n {"id": "b"', "[1]: not valid JSON: "),
    "an array cut between frames": (
        "f.json",
        b'[{"id": "a"},\n',
        "[1]: not valid JSON: Expecting value; the file is cut off",
    ),
    "a truncated array of frames": ("f.json", b'{"frames": [{"id": "a"}, {"id": "b"', "[1]: not valid JSON: "),
    "a surrogate in an array": ("f.json", b'[{"id": "a"}, {"id": "\\udfff"}]', "[1]: the lone surrogate \\udfff"),
    "a truncated object": ("f.json", b'{\n "id": "a",\n "meta": {', "[0]: not valid JSON: "),
    "an object that is no frame": (
        "f.json",
        b'{\n "images": [],\n "info": {}\n}',
        "[0]: an object with 'images', 'info'",
    ),
    "a number": ("f.json", b"12", ": not JSON but text: it begins with b'12'"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_refused_by_name(
    run: Callable[..., Outcome], write: Callable[..., str], tmp_path: Path, db_path: str, name: str
) -> None:
    file, content, says = FILES[name]
    path = str(tmp_path / file) if content is None else write(file, content)
    outcome = run("ingest", db_path, path, "--dataset", "d")
    assert_refused(outcome, says, db_path)
    assert outcome.err.startswith(f"Error: {path}")


def test_an_empty_folder_is_refused(run: Callable[..., Outcome], tmp_path: Path, db_path: str) -> None:
    (tmp_path / "empty").mkdir()
    assert_refused(run("ingest", db_path, tmp_path / "empty", "--dataset", "d"), "not recognised as a dataset", db_path)


def test_an_object_over_256_mb_is_refused_with_advice(db_path: str, tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with path.open("w") as file:
        file.write('{"frames": [{"id": "a", "meta": "')
        file.write(" " * (257 << 20))
        file.write('"}]}')
    with (
        masksdb.connect(db_path) as db,
        pytest.raises(masksdb.IngestError, match="expected the array of frames itself"),
    ):
        db.ingest(path, dataset="d")


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        ([GOOD, {"id": "x", "meta": math.nan}], r"frames\[1\]: not JSON: Out of range float"),
        ([GOOD, {"id": "x", "meta": {1, 2}}], r"frames\[1\]: not JSON: Object of type set"),
        ([GOOD, {"id": "\ud800"}], r"frames\[1\]: not JSON: .*surrogates not allowed"),
        ([GOOD, {"id": "x", "timestamp": "1"}], r'frames\[1\]: timestamp: found the string "1"'),
        ([], "no frames in it"),
    ],
)
def test_python_frames_are_refused_with_their_index(db: masksdb.Database, frames: Any, says: str) -> None:
    with pytest.raises(masksdb.IngestError, match=says):
        db.ingest(frames, dataset="d")
    assert db.sql("SELECT count(*) FROM frames").fetchall() == [(0,)]


def test_an_ingest_error_has_its_parts_as_attributes(db: masksdb.Database, write: Callable[..., str]) -> None:
    path = write("f.jsonl", [GOOD, frame(mask={"value": "red"})])
    with pytest.raises(masksdb.IngestError) as raised:
        db.ingest(path, dataset="d")
    error = raised.value
    assert (error.path, error.line, error.record, error.json_path) == (path, 2, None, "rois[2].mask.value")
    assert error.reason.startswith('found the string "red", expected')
