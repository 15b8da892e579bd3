"""Exports of splits and of parts of a version: what is written, what comes back, and what is reported as left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.common import Outcome
from support.mask_trees import photo, save

import masksdb

PARTS = {"train": 0.5, "val": 0.25, "test": 0.25}

SPLIT_LAYOUTS = ["coco", "coco-panoptic", "cityscapes", "voc", "davis", "yolo-seg", "folder"]


@pytest.fixture
def street(db: masksdb.Database, tmp_path: Path) -> masksdb.Database:
    """Eight frames of two cities, with a car and a person each."""
    frames = []
    for number in range(8):
        photo(tmp_path / f"in/{number}.png", 4, 1)
        save(tmp_path / f"in/m{number}.png", [[0, 1, 2, 2]])
        source = {"uri": f"{number}.png", "masks": [{"id": "m", "uri": f"m{number}.png"}]}
        rois = [{"label": [name], "mask": {"id": "m", "value": [n]}} for n, name in ((1, "car"), (2, "person"))]
        meta = {"city": "ulm" if number < 3 else "bern"}
        frames.append({"id": f"f{number}", "context_id": f"c{number}", "sources": [source], "rois": rois, "meta": meta})
    db.ingest(frames, dataset="d", version="v", media_root=tmp_path / "in")
    return db


def parts(db: masksdb.Database) -> dict[str, str]:
    return dict(db.sql("SELECT frame_id, part FROM frame_splits").fetchall())


def read_splits(db: masksdb.Database, root: Path, layout: str) -> dict[str, str]:
    """The split of each frame, by the last part of its id, as an ingest of the export says."""
    db.ingest(root, dataset=layout, format=layout)
    query = "SELECT frame_id, context_id, meta->>'split' FROM dataset_frames WHERE dataset = $layout"
    rows = db.sql(query, {"layout": layout}).fetchall()
    return {"f" + name.rpartition("f")[2] if "f" in name else name: split for name, _, split in rows}


@pytest.mark.parametrize("layout", SPLIT_LAYOUTS)
def test_the_only_split_becomes_that_of_the_layout_and_comes_back(
    street: masksdb.Database, tmp_path: Path, layout: str
) -> None:
    street.split("d", "v", PARTS, seed=3)
    report: Any = street.export(tmp_path / "out", dataset="d", format=layout, with_images=True)
    assert report.is_lossless
    assert any("the version's only split, 'split'" in note for note in report.notes)
    assert read_splits(street, tmp_path / "out", layout) == parts(street)


def test_the_files_of_splits_are_where_the_tools_look_for_them(street: masksdb.Database, tmp_path: Path) -> None:
    street.split("d", "v", {"train": 0.75, "val": 0.25})
    of = {part: sorted(name for name, own in parts(street).items() if own == part) for part in ("train", "val")}
    for layout in ("yolo-seg", "voc", "davis", "coco", "cityscapes", "folder", "parquet"):
        street.export(tmp_path / layout, dataset="d", format=layout, with_images=True)
    for part, names in of.items():
        assert [path.stem for path in sorted((tmp_path / f"yolo-seg/labels/{part}").iterdir())] == names
        assert [path.stem for path in sorted((tmp_path / f"yolo-seg/images/{part}").iterdir())] == names
        listed = (tmp_path / f"voc/ImageSets/Segmentation/{part}.txt").read_text().split()
        assert sorted(listed) == names
        sequences = (tmp_path / f"davis/ImageSets/2017/{part}.txt").read_text().split()
        assert sorted(sequences) == [name.replace("f", "c") for name in names]
        images = json.loads((tmp_path / f"coco/annotations/instances_{part}.json").read_text())["images"]
        assert sorted(image["file_name"] for image in images) == [f"{name}.png" for name in names]
        masks = (tmp_path / f"cityscapes/gtFine/{part}").rglob("*_gtFine_labelIds.png")
        assert sorted(path.name.partition("_")[0] for path in masks) == names
        assert [path.stem for path in sorted((tmp_path / f"folder/masks/{part}").iterdir())] == names
    rows = pq.read_table(tmp_path / "parquet/images.parquet", columns=["frame_id", "split"]).to_pylist()
    assert {row["frame_id"]: row["split"] for row in rows} == parts(street)
    yaml = (tmp_path / "yolo-seg/data.yaml").read_text()
    assert "train: images/train\nval: images/val\n" in yaml or "val: images/val\ntrain: images/train\n" in yaml


def test_one_of_several_splits_is_named(street: masksdb.Database, tmp_path: Path) -> None:
    street.split("d", "v", {"train": 1}, name="all")
    street.split("d", "v", {"val": 1}, name="none")
    report: Any = street.export(tmp_path / "any", dataset="d", format="voc")
    assert any("choose one of all, none with --split" in note for note in report.notes)
    assert (tmp_path / "any/ImageSets/Segmentation/default.txt").exists()
    street.export(tmp_path / "out", dataset="d", format="voc", split="none")
    assert [path.name for path in (tmp_path / "out/ImageSets/Segmentation").iterdir()] == ["val.txt"]
    with pytest.raises(masksdb.NotFoundError, match="export: no split 'al'; did you mean 'all'"):
        street.export(tmp_path / "no", dataset="d", format="voc", split="al")


def test_an_empty_name_writes_no_split(street: masksdb.Database, tmp_path: Path) -> None:
    street.split("d", "v", {"val": 1})
    street.export(tmp_path / "out", dataset="d", format="voc", split="")
    assert [path.name for path in (tmp_path / "out/ImageSets/Segmentation").iterdir()] == ["default.txt"]


def test_frames_that_came_after_the_split_are_left_out_and_reported(street: masksdb.Database, tmp_path: Path) -> None:
    street.split("d", "v", {"train": 1})
    frame = street.get_frame("d", "v", "f0")
    street.ingest([frame | {"id": "late"}], dataset="d", version="v", media_root=tmp_path / "in")
    report: Any = street.export(tmp_path / "out", dataset="d", format="yolo-seg")
    assert not list((tmp_path / "out").rglob("late*"))
    assert (report.is_lossless, report.frames) == (True, 8)
    assert any("1 frames are in no part of the split 'split' and are left out" in note for note in report.notes)


def test_a_part_that_yolo_does_not_have_is_refused_and_not_trained_on(street: masksdb.Database, tmp_path: Path) -> None:
    street.split("d", "v", {"fold1": 1})
    with pytest.raises(
        masksdb.UsageError, match="--split split: found the part 'fold1', and the layout has train, val"
    ):
        street.export(tmp_path / "out", dataset="d", format="yolo-seg")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("split", "folder"),
    [("val2017", "val"), ("Validation", "val"), ("training", "train"), ("testing", "test"), ("trainval", "train")],
)
def test_the_usual_names_of_splits_are_those_of_yolo(
    street: masksdb.Database, tmp_path: Path, split: str, folder: str
) -> None:
    street.split("d", "v", {split: 1})
    street.export(tmp_path / "out", dataset="d", format="yolo-seg", where="frame_id = 'f1'")
    assert [path.name for path in (tmp_path / "out/labels").iterdir()] == [folder]


def test_a_sequence_in_two_splits_is_two_sequences(db: masksdb.Database, tmp_path: Path) -> None:
    save(tmp_path / "m.png", [[0, 1]])
    frames = [
        {
            "id": f"s/{number}",
            "context_id": "s",
            "sources": [{"masks": [{"id": "m", "uri": "m.png"}]}],
            "rois": [{"label": ["1"], "mask": {"id": "m", "value": [1]}}],
            "meta": {"split": split},
        }
        for number, split in enumerate(("train", "val"))
    ]
    db.ingest(frames, dataset="d", media_root=tmp_path)
    report: Any = db.export(tmp_path / "out", dataset="d", format="davis")
    assert report.is_lossless
    assert any("s: its frames are in several splits" in note for note in report.notes)
    lists = {path.stem: path.read_text() for path in (tmp_path / "out/ImageSets/2017").iterdir()}
    assert lists == {"train": "s\n", "val": "s_2\n"}


@pytest.mark.parametrize("layout", [*SPLIT_LAYOUTS, "parquet"])
def test_where_and_label_choose_frames_and_rois(street: masksdb.Database, tmp_path: Path, layout: str) -> None:
    report: Any = street.export(
        tmp_path / "out", dataset="d", format=layout, where="frame_meta.city = 'ulm' -- a comment", labels=["person"]
    )
    assert report.is_lossless
    assert [(loss.frame, loss.label, loss.pixels) for loss in report.losses] == [
        (f"f{number}", "person", 2) for number in range(3)
    ]
    assert any("3 of 8 frames are written" in note for note in report.notes)
    assert any("3 ROIs of other labels are left out" in note for note in report.notes)


def test_classes_that_are_left_out_are_not_declared(street: masksdb.Database, tmp_path: Path) -> None:
    street.export(tmp_path / "out", dataset="d", format="yolo-seg", labels=["person"])
    assert 'names:\n  0: "person"\n' in (tmp_path / "out/data.yaml").read_text()


def test_the_views_of_parquet_have_the_chosen_rows_alone(street: masksdb.Database, tmp_path: Path) -> None:
    street.export(tmp_path / "out", dataset="d", format="parquet", where="context_id = 'c1'", labels=["car"])
    for view in ("dataset_frames", "frame_masks", "mask_rois", "roi_labels"):
        rows = pq.read_table(tmp_path / f"out/{view}.parquet").to_pylist()
        assert [row["frame_id"] for row in rows] == ["f1"], view


def test_frames_in_json_are_chosen_too_and_stay_as_they_are(street: masksdb.Database, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    street.export(out, dataset="d", where="frame_meta.city = 'ulm' AND frame_id <> 'f1'", labels=["car"])
    expected = [street.get_frame("d", "v", name) for name in ("f0", "f2")]
    for frame in expected:
        frame["rois"] = [roi for roi in frame["rois"] if roi["label"] == ["car"]]
    assert json.loads(out.read_text()) == expected


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("true; DROP TABLE frames", "where"),
        ("no_such_column", "where 'no_such_column'"),
        ("3", "where '3': found '3' for a frame, expected true or false"),
        ("frame_id", "where 'frame_id': found 'f0' for a frame, expected true or false"),
        ("", "where ''"),
    ],
)
def test_what_is_not_a_condition_is_refused(street: masksdb.Database, tmp_path: Path, where: str, message: str) -> None:
    for layout in ("frames", "voc"):
        with pytest.raises((masksdb.UsageError, masksdb.QueryError), match=message):
            street.export(tmp_path / "out", dataset="d", format=layout, where=where)
        assert not (tmp_path / "out").exists()
    assert street.sql("SELECT count(*) FROM frames").fetchall() == [(8,)]


def test_an_unknown_label_is_refused_with_near_ones(street: masksdb.Database, tmp_path: Path) -> None:
    with pytest.raises(masksdb.NotFoundError, match="no label 'cat'; did you mean 'car'"):
        street.export(tmp_path / "out.jsonl", dataset="d", labels=["cat"])


def test_the_command_takes_all_of_it(
    street: masksdb.Database, tmp_path: Path, db_path: str, run: Callable[..., Outcome]
) -> None:
    street.split("d", "v", {"train": 0.5, "val": 0.5}, name="halves")
    street.close()
    options = ("--dataset", "d", "--where", "frame_meta.city = 'bern'", "--label", "car")
    done = run("export", db_path, tmp_path / "out", *options, "--format", "yolo-seg", "--split", "halves")
    assert done.status == 0, done.err
    assert "Note: 5 of 8 frames are written" in done.err
    assert len(list((tmp_path / "out/labels").rglob("*.txt"))) == 5
    assert run("export", db_path, "-", *options).out.count('"id":"f') == 5
