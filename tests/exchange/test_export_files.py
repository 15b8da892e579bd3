"""Exports read masks and copy images: files that are lost, are not images, or lie outside; names of any kind."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.common import Outcome
from support.mask_trees import photo, save, stored

import masksdb
from masksdb.formats.registry import FORMATS

LAYOUTS = [name for name, layout in FORMATS.items() if layout.is_written and name != "frames"]


@pytest.fixture
def db() -> Iterator[masksdb.Database]:
    with masksdb.connect(":memory:") as database:
        yield database


def tree(root: Path, names: str) -> list[dict[str, Any]]:
    """Images and masks of 4 x 2 pixels, and the frames that name them."""
    for name in names:
        photo(root / f"{name}.png", 4, 2)
        save(root / f"m_{name}.png", [[0, 1, 1, 1], [0, 0, 1, 1]])
    return [
        {
            "id": name,
            "sources": [{"uri": f"{name}.png", "masks": [{"id": "m", "uri": f"m_{name}.png"}]}],
            "rois": [{"label": ["car"], "mask": {"id": "m", "value": [1]}}],
        }
        for name in names
    ]


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_lost_masks_are_an_error_that_names_them_and_leaves_nothing_behind(
    db: masksdb.Database, tmp_path: Path, layout: str
) -> None:
    db.ingest(tree(tmp_path / "in", "abcdef"), dataset="d", media_root=tmp_path / "in")
    for name in "bcde":
        (tmp_path / f"in/m_{name}.png").unlink()
    (tmp_path / "in/m_f.png").write_bytes(b"not an image")
    with pytest.raises(masksdb.MasksDBError) as error:
        db.export(tmp_path / "new/out", dataset="d", format=layout)
    named = [f"{tmp_path}/in/m_{name}.png: no such file" for name in "bcd"]
    assert f"5 files of 5 images cannot be exported: {'; '.join(named)}; and 2 more" in str(error.value)
    assert "--on-error skip" in str(error.value)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_export_that_skips_lost_masks_has_the_other_frames_alone(
    db: masksdb.Database, tmp_path: Path, layout: str
) -> None:
    db.ingest(tree(tmp_path / "in", "ab"), dataset="d", media_root=tmp_path / "in")
    db.export(tmp_path / "whole", dataset="d", format=layout, where="frame_id = 'a'")
    (tmp_path / "in/m_b.png").unlink()
    report: Any = db.export(tmp_path / "out", dataset="d", format=layout, on_error="skip")
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    assert not [name for name in files(tmp_path / "out") if Path(name).name.startswith("b")]
    assert (report.left_out, report.is_lossless, report.frames) == (["b"], False, 1)
    assert report.unreadable == {f"{tmp_path}/in/m_b.png": "no such file"}
    assert [(loss.frame, loss.not_held) for loss in report.losses] == [("a", 0), ("b", 1)]
    assert report.document()["unreadable"] == report.unreadable
    with pytest.raises(masksdb.MasksDBError, match="loses something"):
        db.export(tmp_path / "none", dataset="d", format=layout, on_error="skip", refuse_loss=True)


def test_values_of_the_label_mapping_need_their_masks_too(db: masksdb.Database, tmp_path: Path) -> None:
    frames = [frame | {"rois": []} for frame in tree(tmp_path, "ab")]
    db.ingest(frames, dataset="d", media_root=tmp_path)
    db.version("d").set_masks_labels({(1, 1, 1): ["car"]})
    (tmp_path / "m_b.png").unlink()
    with pytest.raises(masksdb.MasksDBError, match=r"m_b\.png: no such file"):
        db.export(tmp_path / "out", dataset="d", format="voc")


def test_the_command_skips_lost_files_on_request(tmp_path: Path, run: Callable[..., Outcome]) -> None:
    path = tmp_path / "db.duckdb"
    with masksdb.connect(path) as db:
        db.ingest(tree(tmp_path / "in", "ab"), dataset="d", media_root=tmp_path / "in")
    (tmp_path / "in/b.png").unlink()
    command = ("export", path, tmp_path / "out", "--dataset", "d", "--format", "coco", "--images")
    stopped = run(*command)
    assert (stopped.status, (tmp_path / "out").exists()) == (1, False)
    assert stopped.err.startswith(
        f"Error: {tmp_path}/out: 1 file of 1 image cannot be exported: {tmp_path}/in/b.png: no"
    )
    skipped = run(*command, "--on-error", "skip", "--report", tmp_path / "loss.json")
    assert skipped.status == 0
    assert "1 images left out" in skipped.err
    assert json.loads((tmp_path / "loss.json").read_text())["left_out"] == ["b"]
    assert files(tmp_path / "out") == ["annotations/instances_default.json", "images/default/a.png"]


SECRETS = [
    "{root}/secret.png",
    "file://{root}/secret.png",
    "../secret.png",
    "file://{root}/in/%2e%2e/secret.png",
    "link.png",
    "s3://bucket/../secret.png",
    "{root}/in_secret/secret.png",
]
"""The same file in other words: with dots, by a link, by a mapped prefix, and beside a root of a like name."""


def test_images_outside_of_the_media_roots_are_not_copied(db: masksdb.Database, tmp_path: Path) -> None:
    frames = tree(tmp_path / "in", "a")
    photo(tmp_path / "secret.png", 4, 2)
    photo(tmp_path / "in_secret/secret.png", 4, 2)
    (tmp_path / "in/link.png").symlink_to("../secret.png")
    db.map_media("s3://bucket/", f"{tmp_path}/in/")
    for uri in SECRETS:
        frames[0]["sources"][0]["uri"] = uri.format(root=tmp_path)
        db.ingest(frames, dataset="d", media_root=tmp_path / "in")
        with pytest.raises(masksdb.MasksDBError, match=r"\.png: outside of the media roots.*--allow-outside"):
            db.export(tmp_path / "out", dataset="d", format="coco", with_images=True)
        assert not (tmp_path / "out").exists()
        db.export(tmp_path / f"out {len(uri)}", dataset="d", format="coco", with_images=True, allow_outside=True)


@pytest.mark.parametrize("layout", ["voc", "parquet"])
def test_what_is_not_an_image_is_not_copied_from_anywhere(db: masksdb.Database, tmp_path: Path, layout: str) -> None:
    frames = tree(tmp_path / "in", "a")
    (tmp_path / "in/a.png").write_text("root:x:0:0\n")
    db.ingest(frames, dataset="d", media_root=tmp_path / "in")
    with pytest.raises(masksdb.MasksDBError, match=r"a\.png: not an image of a known format"):
        db.export(tmp_path / "out", dataset="d", format=layout, with_images=True, allow_outside=True)
    assert not (tmp_path / "out").exists()


def test_masks_that_are_copied_as_they_are_lie_below_the_media_roots_too(db: masksdb.Database, tmp_path: Path) -> None:
    frames = tree(tmp_path / "in", "a")
    os.rename(tmp_path / "in/m_a.png", tmp_path / "m.png")
    frames[0]["sources"][0]["masks"][0]["uri"] = "../m.png"
    db.ingest(frames, dataset="d", media_root=tmp_path / "in")
    assert db.export(tmp_path / "painted", dataset="d", format="voc", with_images=True)
    with pytest.raises(masksdb.MasksDBError, match=r"m\.png: outside of the media roots"):
        db.export(tmp_path / "out", dataset="d", format="parquet", with_images=True)
    db.export(tmp_path / "out", dataset="d", format="parquet", with_images=True, allow_outside=True)
    (row,) = pq.read_table(tmp_path / "out/images.parquet").to_pylist()
    assert row["masks"][0]["bytes"] == (tmp_path / "m.png").read_bytes()


def test_parquet_without_images_copies_no_file(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest(tree(tmp_path / "in", "a"), dataset="d", media_root=tmp_path / "in")
    db.export(tmp_path / "out", dataset="d", format="parquet")
    (row,) = pq.read_table(tmp_path / "out/images.parquet").to_pylist()
    assert (row["image"]["bytes"], row["masks"][0]["bytes"]) == (None, None)


HOSTILE_IDS = ["../../up", "/tmp/absolute", "..", "nul\0id", "bell\x07id", "line\nid", "con:*?", "." * 5, "x" * 300,
               "é" * 200, "deep/" * 100 + "id", "~root", "C:\\Windows"]  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_id_split_or_sequence_leads_out_of_the_folder_or_fails(
    db: masksdb.Database, tmp_path: Path, layout: str
) -> None:
    frames = []
    for number, name in enumerate(HOSTILE_IDS):
        (frame,) = tree(tmp_path / "in", chr(97 + number))
        further = {
            "id": name,
            "context_id": name,
            "meta": {"split": "val" if layout == "yolo-seg" else name, "city": name},
        }
        frames.append(frame | further)
    db.ingest(frames, dataset="d", media_root=tmp_path / "in")
    before = files(tmp_path)
    report: Any = db.export(tmp_path / "deep/er/out", dataset="d", format=layout, with_images=True)
    assert (report.is_lossless, report.frames) == (True, len(HOSTILE_IDS))
    assert [name for name in files(tmp_path) if not name.startswith("deep/er/out/")] == before
    assert all(len(os.fsencode(part)) <= 255 for name in files(tmp_path) for part in name.split("/"))
    assert report.renamed.keys() == set(HOSTILE_IDS)


@pytest.mark.parametrize("layout", ["cityscapes", "davis", "parquet"])
def test_long_ids_that_differ_at_their_end_are_two_files_and_named_in_the_report(
    db: masksdb.Database, tmp_path: Path, layout: str
) -> None:
    ids = ["x" * 300 + end for end in "ab"]
    frames = [frame | {"id": name} for frame, name in zip(tree(tmp_path / "in", "ab"), ids, strict=True)]
    save(tmp_path / "in/m_b.png", [[0, 0, 0, 1], [0, 0, 0, 0]])
    db.ingest(frames, dataset="d", media_root=tmp_path / "in")
    for place in ("one", "two"):
        report: Any = db.export(tmp_path / place, dataset="d", format=layout)
        assert report.is_lossless
        assert list(report.renamed) == ids
        names = list(report.renamed.values())
        assert len(set(names)) == 2
        assert all(name.startswith("x" * 100) and len(name) <= 200 for name in names)
        assert any("2 ids of frames are not names of files" in note for note in report.notes)
    assert files(tmp_path / "one") == files(tmp_path / "two"), "the names depend on the ids alone"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_names_that_some_file_systems_take_for_one_are_two_files(
    db: masksdb.Database, tmp_path: Path, layout: str
) -> None:
    ids = ["Car", "car", "caf\u00e9", "cafe\u0301", "a/b", "a_b", "file", "file.png/folder", "file.txt/folder"]
    frames = [frame | {"id": name} for frame, name in zip(tree(tmp_path / "in", "abcdefghi"), ids, strict=True)]
    db.ingest(frames, dataset="d", media_root=tmp_path / "in")
    report: Any = db.export(tmp_path / "out", dataset="d", format=layout, with_images=True)
    assert report.is_lossless
    assert report.renamed["car"] == "car_2"
    folded = [name.casefold().replace("e\u0301", "\u00e9") for name in files(tmp_path / "out")]
    assert len(set(folded)) == len(folded)


def test_an_image_is_copied_byte_by_byte(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest(tree(tmp_path / "in", "a"), dataset="d", media_root=tmp_path / "in")
    db.export(tmp_path / "out", dataset="d", format="voc", with_images=True)
    assert (tmp_path / "out/JPEGImages/a.png").read_bytes() == (tmp_path / "in/a.png").read_bytes()
    assert ((stored(tmp_path / "out/SegmentationClass/a.png") > 0) == [[0, 1, 1, 1], [0, 0, 1, 1]]).all()


LABELS = [
    "a,b",
    "line\nbreak",
    "nul\0",
    "tab\t",
    "quote\"'",
    "colon:1,2,3::",
    "#hash",
    " blank ",
    "\u2028",
    "bell\x07",
    "",
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_labels_of_any_characters_are_told_apart_when_read_again(
    db: masksdb.Database, tmp_path: Path, layout: str
) -> None:
    save(tmp_path / "in/m.png", [range(len(LABELS) + 1)])
    photo(tmp_path / "in/a.png", len(LABELS) + 1, 1)
    rois = [{"label": [label], "mask": {"id": "m", "value": [n]}} for n, label in enumerate(LABELS, 1)]
    source = {"uri": "a.png", "masks": [{"id": "m", "uri": "m.png"}]}
    db.ingest([{"id": "a", "sources": [source], "rois": rois}], dataset="d", media_root=tmp_path / "in")
    report: Any = db.export(tmp_path / "out", dataset="d", format=layout, with_images=True)
    assert report.is_lossless
    if layout == "parquet":
        return
    db.ingest(tmp_path / "out", dataset="again", format=layout)
    query = "SELECT DISTINCT class_labels[1] FROM mask_rois WHERE dataset = 'again'"
    assert len(db.sql(query).fetchall()) >= len(LABELS)


@pytest.mark.parametrize("layout", ["voc", "parquet"])
def test_rois_of_frames_without_a_source_are_reported(db: masksdb.Database, tmp_path: Path, layout: str) -> None:
    lost = {"id": "lost", "rois": [{"label": ["bus"]}]}
    db.ingest([*tree(tmp_path / "in", "a"), lost], dataset="d", media_root=tmp_path / "in")
    report: Any = db.export(tmp_path / "out", dataset="d", format=layout)
    losses = [(loss.frame, loss.rois, loss.label, loss.reason) for loss in report.losses if loss.is_loss]
    expected = [] if layout == "parquet" else [("lost", [0], "bus", "its frame has no source, and so no image")]
    assert losses == expected, "a view of parquet has the frame"
    assert any("1 frames have no source" in note for note in report.notes)


def test_what_the_command_prints_does_not_steer_a_terminal(tmp_path: Path, run: Callable[..., Outcome]) -> None:
    path = tmp_path / "db.duckdb"
    (frame,) = tree(tmp_path / "in", "a")
    frame["rois"][0]["label"] = ["\x1b[2Jcar\x07"]
    with masksdb.connect(path) as db:
        db.ingest([frame | {"id": "\x1b]0;x\x07"}], dataset="d", media_root=tmp_path / "in")
    done = run("export", path, tmp_path / "out", "--dataset", "d", "--format", "coco")
    assert done.status == 0
    assert "\\x1b[2Jcar\\x07  " in done.err
    assert not {"\x1b", "\x07"} & set(done.err)
