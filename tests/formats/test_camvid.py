"""CamVid comes in by its lists or its folders, with indexes or colours."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.mask_trees import areas, frames, photo, regions, save

import masksdb
from masksdb import IngestError
from masksdb.formats.layouts.camvid import COLOURS, SEGNET_CLASSES

NAMES = {colour: name for name, colour in COLOURS.items()}


def test_the_real_tree_comes_in_as_pillow_reads_it(db: masksdb.Database, real_data: Path) -> None:
    root = real_data / "layouts/camvid_dataset"
    report = db.ingest(root, dataset="d")
    assert any("taken for camvid" in note for note in report.notes)
    masks = {f"{path.parent.name.removesuffix('annot')}/{path.stem}": path for path in root.glob("*annot/*.png")}
    assert frames(db) == [(name, name.split("/")[0], f"{name}.png", ["annot"]) for name in sorted(masks)]
    expected = [
        (name, NAMES[value], "annot", list(value), area, False)
        for name, path in masks.items()
        for value, area in areas(path).items()
    ]
    assert regions(db) == sorted(expected, key=lambda row: (row[0], row[3]))
    sequences = db.sql("SELECT DISTINCT context_id FROM dataset_frames ORDER BY 1").fetchall()
    assert sequences == [("0001TP",), ("0016E5",)]


def test_indexes_are_segnets_and_unlabelled_counts_for_nothing(db: masksdb.Database, tmp_path: Path) -> None:
    photo(tmp_path / "d/train/a_1.png")
    save(tmp_path / "d/trainannot/a_1.png", [[0, 11], [8, 12]])
    report = db.ingest(tmp_path / "d", dataset="d")
    assert [(row[1], row[5]) for row in regions(db)] == [
        ("Sky", False), ("Car", False), ("Unlabelled", True), ("12", False)
    ]  # fmt: skip
    assert any("the value 12 is no class of CamVid" in note for note in report.notes)
    assert db.sql("SELECT count(*) FROM mask_labels").fetchall() == [(len(SEGNET_CLASSES),)]


def test_black_is_void_and_a_list_of_colours_goes_first(db: masksdb.Database, tmp_path: Path) -> None:
    photo(tmp_path / "d/train/a.png", 2, 1)
    save(tmp_path / "d/trainannot/a.png", [[[0, 0, 0], [1, 2, 3]]])
    with pytest.raises(IngestError, match="1 of 2 pixels have a colour that the label map of CamVid does not name"):
        db.ingest(tmp_path / "d", dataset="d")
    save(tmp_path / "d/trainannot/a.png", [[[0, 0, 0], [128, 128, 128]]])
    db.ingest(tmp_path / "d", dataset="d")
    assert [row[1::4] for row in regions(db)] == [("Void", True), ("Sky", False)]
    save(tmp_path / "d/trainannot/a.png", [[[0, 0, 0], [1, 2, 3]]])
    (tmp_path / "d/label_colors.txt").write_text("0 0 0\tnight\n1 2 3\tday\n")
    db.ingest(tmp_path / "d", dataset="e")
    labels = db.sql("SELECT labels[1] FROM mask_rois WHERE dataset = 'e' ORDER BY mask_value").fetchall()
    assert labels == [("night",), ("day",)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("train/x.png trainannot/a.png", "found 'train/x.png'"),
        ("train/a.png trainannot/x.png", "found 'trainannot/x.png'"),
        ("/SegNet/CamVid/train/a.png trainannot/a.png", "again"),
        ("../train/a.png trainannot/a.png", "found '../train/a.png'"),
        ("one two three four", "found 'one'"),
    ],
)
def test_a_line_that_names_no_pair_is_an_error(db: masksdb.Database, tmp_path: Path, line: str, reason: str) -> None:
    for name in "ab":
        photo(tmp_path / f"d/train/{name}.png")
        save(tmp_path / f"d/trainannot/{name}.png", [[0, 1], [1, 1]])
    (tmp_path / "d/train.txt").write_text(f"/any/train/a.png /any/trainannot/a.png\n\n{line}\n")
    with pytest.raises(IngestError) as raised:
        db.ingest(tmp_path / "d", dataset="d")
    assert "train.txt:3" in str(raised.value)
    assert reason in str(raised.value)
    report = db.ingest(tmp_path / "d", dataset="d", on_error="skip")
    assert (report.new, report.rejected) == (1, 1)
    assert any("1 images of train/ are not in it" in note for note in report.notes)


def test_faults_of_files_are_named_and_the_rest_comes_in(db: masksdb.Database, tmp_path: Path) -> None:
    for name in ("cut", "good", "size", "alone"):
        photo(tmp_path / f"d/train/{name}.png", 3 if name == "size" else 2, 1)
        save(tmp_path / f"d/trainannot/{name}.png", [[0, 1]])
    (tmp_path / "d/train/alone.png").unlink()
    cut = tmp_path / "d/trainannot/cut.png"
    cut.write_bytes(cut.read_bytes()[:40])
    photo(tmp_path / "d/train/bare.png")
    report = db.ingest(tmp_path / "d", dataset="d", on_error="skip")
    assert [row[0] for row in frames(db)] == ["train/bare", "train/good"]
    assert sorted(Path(error.path).name for error in report.errors) == ["alone.png", "cut.png", "size.png"]
    assert any("bare.png: no annotation" in note for note in report.notes)


@pytest.mark.parametrize(
    ("form", "images", "masks"),
    [
        ("camvid", "train", "trainannot"),
        ("voc", "JPEGImages", "SegmentationClass"),
        ("kitti", "training/image_2", "training/semantic"),
        ("synthia", "RGB", "GT/LABELS"),
        ("mapillary", "training/images", "training/labels"),
        ("mots", "images/0002", "instances/0002"),
    ],
)
def test_of_two_images_of_one_name_the_second_is_refused_in_all_layouts_that_pair_by_name(
    form: str, images: str, masks: str, db: masksdb.Database, tmp_path: Path
) -> None:
    for suffix in (".png", ".jpg"):
        photo(tmp_path / f"d/{images}/000001{suffix}")
    save(tmp_path / f"d/{masks}/000001.png", [[0, 7], [7, 8]])
    report = db.ingest(tmp_path / "d", dataset="d", format=form, on_error="skip")
    assert [str(error) for error in report.errors] == [
        f"{tmp_path}/d/{images}/000001.png: the name of 000001.jpg, with another suffix; leave one of them"
    ]
    assert db.sql("SELECT uri FROM sources").fetchall() == [(f"{images}/000001.jpg",)]
