"""KITTI semantics come in with the ids of Cityscapes and their instances."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.mask_trees import frames, photo, regions, save

import masksdb
from masksdb import IngestError


def tree(root: Path, *, instances: bool = True) -> Path:
    for split, name in (("training", "000000_10"), ("training", "000001_10"), ("testing", "000000_10")):
        photo(root / split / "image_2" / f"{name}.png", 4, 1)
    for name in ("000000_10", "000001_10"):
        save(root / f"training/semantic/{name}.png", [[0, 7, 26, 26]])
        save(root / f"training/semantic_rgb/{name}.png", [[[0] * 3, [128, 64, 128], [0, 0, 142], [0, 0, 142]]])
        if instances:
            save(root / f"training/instance/{name}.png", [[0, 7 * 256, 26 * 256 + 1, 26 * 256 + 200]], depth=16)
    return root


def test_instances_have_the_class_of_their_high_byte(db: masksdb.Database, tmp_path: Path) -> None:
    report = db.ingest(tree(tmp_path / "d"), dataset="d")
    assert any("taken for kitti (training/image_2/ and training/semantic/)" in note for note in report.notes)
    assert frames(db) == [
        ("testing/000000_10", "testing", "testing/image_2/000000_10.png", [None]),
        *(
            (f"training/{name}", "training", f"training/image_2/{name}.png", ["semantic", "instance", "semantic_rgb"])
            for name in ("000000_10", "000001_10")
        ),
    ]
    assert [row[1:] for row in regions(db)[:4]] == [
        ("unlabeled", "instance", [0], 1, True),
        ("road", "instance", [7 * 256], 1, False),
        ("car", "instance", [26 * 256 + 1], 1, False),
        ("car", "instance", [26 * 256 + 200], 1, False),
    ]


def test_without_instances_classes_are_regions(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest(tree(tmp_path / "d", instances=False), dataset="d")
    assert [row[1:5] for row in regions(db)[:3]] == [
        ("unlabeled", "semantic", [0], 1),
        ("road", "semantic", [7], 1),
        ("car", "semantic", [26], 2),
    ]


def test_what_values_mean_is_declared(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest(tree(tmp_path / "d"), dataset="d")
    query = "SELECT mask_id, value FROM mask_labels WHERE labels = ['bicycle'] ORDER BY mask_id"
    assert db.sql(query).fetchall() == [
        ("instance", [33 * 256]), ("semantic", [33]), ("semantic_rgb", [119, 11, 32])
    ]  # fmt: skip


def test_an_unknown_id_is_its_own_label_and_told(db: masksdb.Database, tmp_path: Path) -> None:
    root = tree(tmp_path / "d", instances=False)
    save(root / "training/semantic/000000_10.png", [[77, 7, 7, 7]])
    report = db.ingest(root, dataset="d")
    assert regions(db)[1][1:4] == ("77", "semantic", [77])
    assert any("000000_10.png: the id 77 is none of Cityscapes" in note for note in report.notes)


@pytest.mark.parametrize(("lost", "left"), [("instance", "semantic"), ("semantic", "instance")])
def test_a_mask_that_other_images_have_is_missed(db: masksdb.Database, tmp_path: Path, lost: str, left: str) -> None:
    path = tree(tmp_path / "d") / f"training/{lost}/000001_10.png"
    path.unlink()
    report = db.ingest(tmp_path / "d", dataset="d")
    message = f"training/image_2/000001_10.png: no mask in {lost}/; its ROIs are those of {left}/"
    assert any(note.endswith(message) for note in report.notes)
    assert {row[2] for row in regions(db) if row[0] == "training/000001_10"} == {left}


@pytest.mark.parametrize(
    ("name", "pixels", "reason"),
    [
        ("training/instance/000000_10.png", None, "cut off"),
        ("training/instance/000000_10.png", [[7]], "1 x 1 pixels on an image of 4 x 1"),
        ("training/instance/000000_10.png", [[[7, 7, 7]] * 4], "found rgb, expected ids"),
        ("training/instance/000000_10.png", [[0, 7, 26, 26]], "8 bits; expected 16, class id * 256 + instance"),
        ("training/semantic/000009_10.png", [[7]], "a mask without its image"),
    ],
)
def test_a_fault_is_named_and_the_rest_comes_in(
    db: masksdb.Database, tmp_path: Path, name: str, pixels: object, reason: str
) -> None:
    path = tree(tmp_path / "d") / name
    if pixels is None:
        path.write_bytes(path.read_bytes()[:40])
    else:
        save(path, pixels)
    with pytest.raises(IngestError) as raised:
        db.ingest(tmp_path / "d", dataset="d")
    assert name in str(raised.value)
    assert reason in str(raised.value)
    report = db.ingest(tmp_path / "d", dataset="d", on_error="skip")
    assert (report.rejected, report.new) == (1, 3 if "000009" in name else 2)
