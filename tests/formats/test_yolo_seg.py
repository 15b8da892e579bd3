"""YOLO segmentation comes in with its names and splits, and regions go out as polygons that fill as they do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask
from support.reference import coco_rle

import masksdb
from masksdb import IngestError
from masksdb.formats.label_map import is_void
from masksdb.formats.layouts import yolo_seg


def tree(folder: Path, lines: str, *, yaml: str = "train: images/train\nnames: [cat, dog]\n") -> Path:
    (folder / "images/train").mkdir(parents=True)
    (folder / "labels/train").mkdir(parents=True)
    Image.new("RGB", (20, 10)).save(folder / "images/train/a.png")
    (folder / "labels/train/a.txt").write_text(lines)
    (folder / "data.yaml").write_text(yaml)
    return folder


def filled(line: str, height: int, width: int) -> Any:
    """The pixels of a line, as pycocotools fills its polygon."""
    numbers = [float(part) * (width, height)[place % 2] for place, part in enumerate(line.split()[1:])]
    (result,) = coco_mask.frPyObjects([numbers], height, width)
    return {"size": [height, width], "counts": result["counts"].decode()}


def test_polygons_are_parts_of_width_and_height(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest(tree(tmp_path / "t", "1 0.1 0.1 0.5 0.1 0.5 0.9\n\n0 0 0 1 0 1 1 0 1\n"), dataset="d")
    rows = db.sql("SELECT frame_id, roi_id, labels, roi_meta FROM mask_rois ORDER BY roi_index").fetchall()
    assert [(row[0], row[1], row[2]) for row in rows] == [("train/a", "1", ["dog"]), ("train/a", "3", ["cat"])]
    polygons = [list(map(float, poly)) for (poly,) in db.sql("SELECT poly FROM rois ORDER BY roi_index").fetchall()]
    assert polygons == [pytest.approx([2, 1, 10, 1, 10, 9]), pytest.approx([0, 0, 20, 0, 20, 10, 0, 10])]
    assert db.sql("SELECT value, labels FROM mask_labels ORDER BY value").fetchall() == [([0], ["cat"]), ([1], ["dog"])]


def test_an_image_without_a_text_is_a_frame_without_rois(db: masksdb.Database, tmp_path: Path) -> None:
    root = tree(tmp_path / "t", "")
    Image.new("RGB", (4, 4)).save(root / "images/train/b.png")
    assert db.ingest(root, dataset="d").new == 2
    assert db.sql("SELECT count(*) FROM rois").fetchall() == [(0,)]


@pytest.mark.parametrize(
    "yaml",
    [
        "path: ../nowhere\ntrain: images/train\nval: images/train\nnames:\n  0: cat\n  1: dog\n",
        "train: ../images/train\nnc: 2\nnames: ['cat', 'dog']\n",
    ],
)
def test_the_ways_in_which_a_yaml_names_folders_and_classes_are_read(
    yaml: str, db: masksdb.Database, tmp_path: Path
) -> None:
    report = db.ingest(tree(tmp_path / "t", "1 0 0 1 0 1 1\n", yaml=yaml), dataset="d")
    assert report.new == 1
    assert "yolo-seg (data.yaml" in report.notes[0]
    assert db.sql("SELECT labels FROM rois").fetchall() == [(["dog"],)]


def test_four_numbers_are_a_box(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest(tree(tmp_path / "t", "0 0.5 0.5 0.2 0.4\n"), dataset="d", format="yolo-seg")
    db.analyze()
    assert db.sql("SELECT area, bbox FROM mask_roi_regions").fetchall() == [
        (16, {"x": 8, "y": 3, "width": 4, "height": 4})
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("7 0 0 1 0 1 1", "the class 7, which names does not have"),
        ("0 0 0 1 0 1.2 1", "found '1.2', expected a part of the width or height, from 0 to 1"),
        ("0 0 0 1 nan 1 1", "found 'nan', expected a part"),
        ("0 0 0 1", "found 4 numbers, expected a class and x, y of 3 or more corners"),
        ("x 0 0 1 0 1 1", "found 7 numbers, expected a class"),
        ("9" * 5000 + " 0 0 1 0 1 1", "found 7 numbers, expected a class"),
    ],
)
def test_a_bad_line_is_named_and_the_others_come_in(
    line: str, reason: str, db: masksdb.Database, tmp_path: Path
) -> None:
    root = tree(tmp_path / "t", f"0 0 0 1 0 1 1\n{line}\n")
    with pytest.raises(IngestError) as raised:
        db.ingest(root, dataset="d")
    assert str(raised.value).startswith(f"{root}/labels/train/a.txt:2: {reason}")
    assert db.ingest(root, dataset="d", on_error="skip").rejected == 1
    assert db.sql("SELECT roi_id FROM rois").fetchall() == [("1",)]


def test_a_text_without_its_image_is_named(db: masksdb.Database, tmp_path: Path) -> None:
    root = tree(tmp_path / "t", "0 0 0 1 0 1 1\n")
    (root / "labels/train/gone.txt").write_text("0 0 0 1 0 1 1\n")
    report = db.ingest(root, dataset="d", on_error="skip")
    assert (report.new, report.rejected) == (1, 1)
    assert "no image gone" in str(report.errors[0])


@given(st.lists(st.integers(0, 1 << 40), min_size=4, max_size=20), st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_region_comes_back_as_pycocotools_fills_its_line(
    tmp_path_factory: pytest.TempPathFactory, seeds: list[int], height: int, width: int
) -> None:
    folder = tmp_path_factory.mktemp("yolo")
    masks = [np.random.default_rng(seed).random((height, width)) < 0.7 for seed in seeds]
    masks = [pixels for pixels in masks if pixels.any()]
    rois = [{"label": [f"c{number % 3}"], "rle": coco_rle(pixels)} for number, pixels in enumerate(masks)]
    frame = {"id": "f", "sources": [{"width": width, "height": height}], "rois": rois, "meta": {"split": "val"}}
    with masksdb.connect(":memory:") as db:
        db.ingest([frame], dataset="d")
        report: Any = db.export(folder / "out", dataset="d", format="yolo-seg")
    lines = (folder / "out/labels/val/f.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == [str(number % 3) for number in range(len(masks))]
    assert [filled(line, height, width) for line in lines] == [coco_rle(pixels) for pixels in masks]
    assert report.is_lossless


def test_crowds_and_what_is_ignored_are_told_as_not_held(db: masksdb.Database, tmp_path: Path) -> None:
    region = coco_rle(np.ones((4, 4), np.bool_))
    rois = [
        {"label": ["a"], "rle": region, "is_crowd": True},
        {"label": ["void"], "rle": region, "meta": {"ignore": True}},
        {"label": ["b"], "rle": region},
        {"label": ["rain"]},
    ]
    db.ingest([{"id": "f", "sources": [{"width": 4, "height": 4}], "rois": rois}], dataset="d")
    report: Any = db.export(tmp_path / "out", dataset="d", format="yolo-seg")
    assert {loss.label: loss.not_held for loss in report.losses} == {"a": 1, "void": 1, "b": 0, "rain": 1}
    assert (tmp_path / "out/data.yaml").read_text().endswith('names:\n  0: "a"\n  1: "b"\n  2: "rain"\n')


@pytest.mark.parametrize(
    ("yaml", "reason"),
    [
        (
            b'train: images/train\nnames:\n  0: cat\n  1: "dog\n',
            ": no YAML of names: line 4: while scanning a quo",
        ),
        (b"train: images/train\nnames:\n  0: cat\n  0: dog\n", ": no YAML of names: line 4: the key 0 again"),
        ("train: images/train\nnames: [cat, dog]\n".encode("utf-16"), ":1: not UTF-8 text"),
        ("train: images/train\nnames: [cat, caf\xe9]\n".encode("latin-1"), ":2: not UTF-8 text"),
        (b"train: images/train\nnames: [~, dog]\n", ": names: found the name None of the class 0, expected a text"),
        (b"train: images/train\nnames: {70000: a}\n", ": names: found the class 70000, expected a whole number"),
        (b"train: images/train\nnames: cat\n", ": names: found 'cat', expected a list of names"),
    ],
)
def test_a_damaged_yaml_is_an_error_and_labels_do_not_become_numbers(
    yaml: bytes, reason: str, db: masksdb.Database, tmp_path: Path
) -> None:
    root = tree(tmp_path / "t", "0 0 0 1 0 1 1\n")
    (root / "data.yaml").write_bytes(yaml)
    with pytest.raises(IngestError) as raised:
        db.ingest(root, dataset="d", format="yolo-seg")
    assert str(raised.value).startswith(f"{root}/data.yaml{reason}")


def test_a_yaml_that_is_no_file_is_an_error(db: masksdb.Database, tmp_path: Path) -> None:
    root = tree(tmp_path / "t", "0 0 0 1 0 1 1\n")
    (root / "data.yaml").unlink()
    (root / "data.yaml").symlink_to("gone")
    with pytest.raises(IngestError, match=r"data.yaml: cannot be read: No such file"):
        db.ingest(root, dataset="d")


def test_names_in_capitals_are_read_and_what_is_no_file_is_told(db: masksdb.Database, tmp_path: Path) -> None:
    root = tree(tmp_path / "t", "0 0 0 1 0 1 1\n")
    (root / "data.yaml").rename(root / "data.YAML")
    (root / "labels/train/a.txt").rename(root / "labels/train/a.TXT")
    Image.new("RGB", (20, 10)).save(root / "images/train/b.png")
    (root / "labels/train/b.txt").mkdir()
    report = db.ingest(root, dataset="d", on_error="skip")
    assert [str(error) for error in report.errors] == [f"{root}/labels/train/b.txt: cannot be read: not a file"]
    assert db.sql("SELECT labels FROM rois").fetchall() == [(["cat"],)]


def test_of_files_with_one_name_the_second_is_refused(db: masksdb.Database, tmp_path: Path) -> None:
    root = tree(tmp_path / "t", "0 0 0 1 0 1 1\n")
    Image.new("RGB", (20, 10)).save(root / "images/train/a.jpg")
    (root / "labels/train/a.TXT").write_text("0 0 0 1 0 1 1\n")
    report = db.ingest(root, dataset="d", on_error="skip")
    assert [str(error) for error in report.errors] == [
        f"{root}/images/train/a.png: the name of a.jpg, with another suffix; leave one of them",
        f"{root}/labels/train/a.txt: the name of a.TXT, with another suffix; leave one of them",
    ]
    assert db.sql("SELECT uri FROM sources").fetchall() == [("images/train/a.jpg",)]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=4, max_size=15, unique=True))
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_name_comes_back_also_as_other_readers_of_yaml_split_lines(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("yolo")
    names = [name for name in names if not is_void(name)] + ["a\u2028b", "\x1f\x85\0", "q\" # '"]
    rois = [{"label": [name], "rle": coco_rle(np.ones((4, 4), np.bool_))} for name in names]
    with masksdb.connect(":memory:") as db:
        db.ingest([{"id": "f", "sources": [{"width": 4, "height": 4}], "rois": rois}], dataset="d")
        stored = {label for (labels,) in db.sql("SELECT labels FROM rois").fetchall() for label in labels}
        report: Any = db.export(folder / "out", dataset="d", format="yolo-seg")
        text = (folder / "out/data.yaml").read_bytes().decode()
        (folder / "out/images/train").mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(folder / "out/images/train/f.png")
        db.ingest(folder / "out", dataset="again", format="yolo-seg")
        query = "SELECT DISTINCT class_labels[1] FROM mask_rois WHERE dataset = 'again'"
        assert {name for (name,) in db.sql(query).fetchall()} == stored
    assert report.is_lossless
    assert len(text.splitlines()) == text.count("\n")


def test_a_name_that_does_not_come_back_is_a_loss(
    db: masksdb.Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yolo_seg, "_quoted", lambda name: f'"{name}!"')
    rois = [{"label": ["a"], "rle": coco_rle(np.ones((4, 4), np.bool_))}]
    db.ingest([{"id": "f", "sources": [{"width": 4, "height": 4}], "rois": rois}], dataset="d")
    report: Any = db.export(tmp_path / "out", dataset="d", format="yolo-seg")
    assert not report.is_lossless
