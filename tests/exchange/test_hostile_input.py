"""Pipes, cut and damaged files, mixed folders, odd values: nothing is lost silently."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.common import Outcome, exported
from support.mask_trees import save

import masksdb

MANY = "".join(json.dumps({"id": f"frame_{number:06d}", "n": number}) + "\n" for number in range(20_000))


def zstd(text: str) -> bytes:
    return bytes(pa.compress(text.encode(), codec="zstd", asbytes=True))


def test_a_pipe_is_read_to_its_end_and_from_its_beginning(db: masksdb.Database, tmp_path: Path) -> None:
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: Path(pipe).write_text(MANY))
    writer.start()
    assert db.ingest(pipe, dataset="d").new == 20_000
    writer.join()


@pytest.mark.parametrize("shape", ["lines", "array"])
@pytest.mark.parametrize("packed", [gzip.compress, zstd])
def test_a_compressed_file_that_is_cut_off_is_refused_whole(
    db: masksdb.Database, write: Callable[..., str], packed: Callable[[Any], bytes], shape: str
) -> None:
    text = MANY if shape == "lines" else "[" + MANY.rstrip().replace("\n", ",") + "]"
    content = packed(text.encode()) if packed is gzip.compress else packed(text)
    for cut in (10, len(content) // 2, len(content) - 20):
        path = write(f"cut_{cut}.json." + ("gz" if packed is gzip.compress else "zst"), content[:cut])
        with pytest.raises(masksdb.IngestError, match=rf"cut_{cut}.*: (cannot be read|empty)"):
            db.ingest(path, dataset="d")
    assert db.sql("SELECT count(*) FROM frames").fetchall() == [(0,)]


@pytest.mark.parametrize("place", [-8, -4])
def test_the_checksum_and_length_of_gzip_are_checked(
    db: masksdb.Database, write: Callable[..., str], place: int
) -> None:
    content = bytearray(gzip.compress(MANY.encode()))
    content[place] ^= 1
    with pytest.raises(masksdb.IngestError, match="cannot be read"):
        db.ingest(write("f.jsonl.gz", bytes(content)), dataset="d")


def test_compression_is_recognised_by_content(db: masksdb.Database, write: Callable[..., str]) -> None:
    assert db.ingest(write("a.jsonl", gzip.compress(MANY.encode())), dataset="d").new == 20_000
    assert db.ingest(write("b.JSONL.ZST", zstd(MANY)), dataset="d").unchanged == 20_000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"frames": [{"id": "a"}]}\n{"id": "z"}', "[1]: an object without an array 'frames'"),
        ('{"frames": [{"id": "a"}, null]}', "[1]: null, where a frame (a JSON object) was expected"),
        ('{"frames": [{"id": "q"}], "id": "a", "sources": []}', "[0]: an object without an array 'frames'"),
        ('{"frames": [{"id": "q"}], "frames": []}', "f.json"),
        ('{"id":"a"}\x03{"id":"c"}\n', ":1: not valid JSON"),
        ('{"id": "a"}\n' + '{"id": "b", "m": ' + "[" * 200 + "]" * 200 + "}", ""),
    ],
)
def test_no_record_disappears(db: masksdb.Database, write: Callable[..., str], text: str, says: str) -> None:
    path = write("f.json", text)
    if not says:
        assert db.ingest(path, dataset="d").new == 2
        return
    with pytest.raises(masksdb.IngestError) as caught:
        db.ingest(path, dataset="d")
    assert says in str(caught.value)


def test_large_frames_are_read_in_every_shape(db: masksdb.Database, write: Callable[..., str]) -> None:
    def frame(name: str) -> dict[str, Any]:
        return {"id": name, "meta": {"text": name * 8_500_000}}

    db.ingest(write("lines.jsonl", [frame("ab"), {"id": "small"}]), dataset="d")
    db.ingest(write("array.json", json.dumps([frame("ef"), {"id": "other"}])), dataset="d")
    assert db.sql("SELECT frame_id, length(meta->>'text') FROM frames ORDER BY 1").fetchall() == [
        ("ab", 17_000_000),
        ("ef", 17_000_000),
        ("other", None),
        ("small", None),
    ]


def test_a_frame_written_over_lines_is_exported_on_one(
    db: masksdb.Database, tmp_path: Path, write: Callable[..., str]
) -> None:
    db.ingest(write("f.json", '{\n "id": 313,\n "note": "x\\ny"\n}'), dataset="d")
    assert exported(db, "d", None, tmp_path) == [{"id": 313, "note": "x\ny"}]


def test_skip_goes_on_past_files_that_hold_no_frames(
    run: Callable[..., Outcome], db_path: str, tmp_path: Path, write: Callable[..., str]
) -> None:
    write("in/1.jsonl", [{"id": "a"}])
    write("in/2.jsonl", "")
    write("in/3.json", '[{"id": "b"}, {"id": "c"')
    write("in/4.json", b"\x00\x01\x02\x03")
    write("in/5.jsonl", [{"id": "d"}])
    outcome = run("ingest", db_path, tmp_path / "in", "--dataset", "d", "--on-error", "skip")
    assert (outcome.status, outcome.err.splitlines()[0]) == (0, "d/Current: 2 new, 0 updated, 0 unchanged, 3 rejected")
    with masksdb.connect(db_path) as db:
        rows = db.sql("SELECT parse_filename(path), reason FROM rejects ORDER BY path").fetchall()
        assert [name for name, _ in rows] == ["2.jsonl", "3.json", "4.json"]
        assert all(reason.endswith("nothing of this file was read") for _, reason in rows)


def test_skip_keeps_the_frames_that_json_can_represent(db: masksdb.Database) -> None:
    frames = [{"id": "a"}, {"id": "b", "x": float("nan")}, {"id": "c", "x": {1, 2}}, {"id": "d"}]
    report = db.ingest(frames, dataset="d", on_error="skip")
    assert (report.new, [error.record for error in report.errors]) == (2, [1, 2])


def test_an_exception_of_an_iterable_is_raised_unchanged(db: masksdb.Database) -> None:
    class OwnError(Exception):
        pass

    def frames() -> Iterator[dict[str, Any]]:
        yield {"id": "a"}
        raise OwnError("hello")

    with pytest.raises(OwnError, match="hello"):
        db.ingest(frames(), dataset="d")
    assert db.sql("SELECT count(*) FROM frames").fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"id": "a"}, "found one frame, expected paths, iterables of frames"),
        (None, "found a NoneType, expected"),
        (["a.jsonl"], r'frames\[0\]: the string "a.jsonl", where a frame'),
        ("", "an empty path"),
    ],
)
def test_wrong_types_of_sources_are_refused_in_words(db: masksdb.Database, source: Any, says: str) -> None:
    with pytest.raises(masksdb.IngestError, match=says):
        db.ingest(source, dataset="d")


def test_an_unknown_value_of_on_error_is_refused(db: masksdb.Database) -> None:
    with pytest.raises(masksdb.UsageError, match="on_error='raise': not known"):
        db.ingest([{"id": "a"}], dataset="d", on_error="raise")  # type: ignore[arg-type]  # on purpose


def test_the_reported_fault_is_the_cause(db: masksdb.Database) -> None:
    frame = {"id": "x", "sources": [{"id": True}], "rois": [{"sources": ["front"]}]}
    with pytest.raises(masksdb.IngestError, match=r"sources\[0\]\.id: found true"):
        db.ingest([frame], dataset="d")


@pytest.mark.parametrize("size", [[2.5, 2], [4294967296, 2], [-1, 2], [2, None], [2]])
def test_a_run_length_of_an_impossible_size_is_refused(db: masksdb.Database, size: list[Any]) -> None:
    with pytest.raises(masksdb.IngestError, match=r"rois\[0\]\.rle: found"):
        db.ingest([{"id": "a", "rois": [{"rle": {"size": size, "counts": "04"}}]}], dataset="d")


def test_a_negative_width_is_refused(db: masksdb.Database) -> None:
    with pytest.raises(masksdb.IngestError, match=r"sources\[0\]\.width: found the number -4"):
        db.ingest([{"id": "a", "sources": [{"width": -4}]}], dataset="d")


def test_a_new_media_root_replaces_the_old_one(db: masksdb.Database, write: Callable[..., str]) -> None:
    path = write("f.jsonl", [{"id": "a", "sources": [{"masks": [{"id": "m", "uri": "m.png"}]}]}])

    def uri() -> Any:
        return db.sql("SELECT mask_uri FROM frame_masks").fetchall()

    db.ingest(path, dataset="d", media_root="/wrong/")
    assert uri() == [("/wrong/m.png",)]
    assert db.ingest(path, dataset="d").unchanged == 1
    assert uri() == [("/wrong/m.png",)]
    assert db.ingest(path, dataset="d", media_root="s3://bucket/right/").updated == 1
    assert uri() == [("s3://bucket/right/m.png",)]
    assert db.ingest(path, dataset="d", media_root="s3://bucket/right").unchanged == 1
    assert db.ingest(path, dataset="d", media_root=Path("/")).updated == 1
    assert uri() == [("/m.png",)]


@pytest.mark.parametrize(
    ("layout", "masks", "name"),
    [
        ("coco", "masks/a.png", "annotations/instances_train.json"),
        ("folder", "masks/a.png", "images/a.png"),
        ("voc", "SegmentationClass/a.png", "ImageSets/Segmentation/train.txt"),
        ("davis", "Annotations/v/00000.png", "meta.json"),
        ("davis", "Annotations/v/00000.png", "Annotations/v/00001.png"),
        ("cityscapes", "gtFine/s/c/x_gtFine_instanceIds.png", "gtFine/s/c/x_gtFine_labelIds.png"),
        ("yolo-seg", "images/a.png", "labels/a.txt"),
    ],
)
def test_a_pipe_among_the_files_of_a_dataset_is_an_error_without_waiting(
    run: Callable[..., Outcome], tmp_path: Path, layout: str, masks: str, name: str
) -> None:
    save(tmp_path / "d" / masks, [[0, 7]])
    pipe = tmp_path / "d" / name
    pipe.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(pipe)
    # A writer that comes and goes wakes up who waits for one.
    late = threading.Timer(20, lambda: os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)))
    late.start()
    paths = tmp_path / "t.duckdb", tmp_path / "d"
    outcomes = [run("ingest", *paths, "--dataset", "d", "--format", name) for name in ("auto", layout)]
    assert late.is_alive(), "a reader waits for the pipe"
    late.cancel()
    assert not any("OSError" in outcome.err for outcome in outcomes)
    assert outcomes[1].status == 1
    assert str(pipe) in outcomes[1].err
    assert "not a file" in outcomes[1].err


@pytest.mark.parametrize("name", ["training/images/loop", "images/loop", "loop", "training/image_02/loop"])
def test_a_link_to_itself_keeps_no_layout_from_being_recognised(
    db: masksdb.Database, tmp_path: Path, name: str
) -> None:
    for folder in ("JPEGImages/v", "Annotations/v"):
        save(tmp_path / folder / "00000.png", [[0, 7]])
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).symlink_to("loop")
    report = db.ingest(tmp_path, dataset="d")
    assert any("taken for davis" in note for note in report.notes)
    assert report.new == 1
