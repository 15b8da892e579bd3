"""Mapillary Vistas comes in by its config, of either version, with instances, segments or labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.mask_trees import frames, photo, regions, save

import masksdb
from masksdb import IngestError

CONFIG: dict[str, Any] = {
    "labels": [
        {"name": "animal--bird", "color": [165, 42, 42], "evaluate": True},
        {"name": "car", "color": [0, 0, 142], "evaluate": True},
        {"name": "void--unlabeled", "color": [0, 0, 0], "evaluate": False},
    ]
}
PALETTE = [165, 42, 42, 0, 0, 142, 0, 0, 0]
LABELS = [[0, 1, 1, 2]]
INSTANCES = [[0, 256 + 1, 256 + 255, 512]]
COLOURS = [[[5, 0, 0], [6, 0, 0], [7, 1, 0], [0, 0, 0]]]
SEGMENTS = [
    {"id": 5, "category_id": 1, "iscrowd": 0},
    {"id": 6, "category_id": 2, "iscrowd": 0},
    {"id": 263, "category_id": 2, "iscrowd": 1},
]


def panoptic(segments: Any = SEGMENTS) -> dict[str, Any]:
    return {
        "images": [{"id": "a", "file_name": "a.jpg"}],
        "annotations": [{"image_id": "a", "file_name": "a.png", "segments_info": segments}],
        "categories": [{"id": 1, "name": "animal--bird"}, {"id": 2, "name": "car"}],
    }


def tree(
    root: Path, masks: str = "labels instances panoptic", version: str = "", document: Mapping[str, Any] | None = None
) -> Path:
    folder = root / "training" / version
    photo(root / "training/images/a.jpg", 4, 1)
    (root / (f"config_{version}.json" if version else "config.json")).write_text(json.dumps(CONFIG))
    if "labels" in masks:
        save(folder / "labels/a.png", LABELS, palette=PALETTE)
    if "instances" in masks:
        save(folder / "instances/a.png", INSTANCES, depth=16)
    if "panoptic" in masks:
        save(folder / "panoptic/a.png", COLOURS)
        (folder / "panoptic/panoptic_2020.json").write_text(json.dumps(document or panoptic()))
    return root


def crowds(db: masksdb.Database) -> list[Any]:
    return [value for (value,) in db.sql("SELECT mask_value FROM rois WHERE is_crowd").fetchall()]


@pytest.mark.parametrize("version", ["", "v1.2", "v2.0"])
def test_instances_have_the_class_of_their_high_byte(db: masksdb.Database, tmp_path: Path, version: str) -> None:
    report = db.ingest(tree(tmp_path / "d", version=version), dataset="d")
    assert any("taken for mapillary (training/images/" in note for note in report.notes)
    masks = ["labels", "instances", "panoptic"]
    assert frames(db) == [("training/a", "training", "training/images/a.jpg", masks)]
    assert [row[1:] for row in regions(db)] == [
        ("animal--bird", "instances", [0], 1, False),
        ("car", "instances", [257], 1, False),
        ("car", "instances", [511], 1, False),
        ("void--unlabeled", "instances", [512], 1, True),
    ]
    assert crowds(db) == [[511]]


def test_without_instances_segments_are_regions(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest(tree(tmp_path / "d", "labels panoptic"), dataset="d")
    assert [row[1:] for row in regions(db)] == [
        ("void", "panoptic", [0, 0, 0], 1, True),
        ("animal--bird", "panoptic", [5, 0, 0], 1, False),
        ("car", "panoptic", [6, 0, 0], 1, False),
        ("car", "panoptic", [7, 1, 0], 1, False),
    ]
    assert crowds(db) == [[7, 1, 0]]


def test_labels_alone_are_palette_indexes(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest(tree(tmp_path / "d", "labels"), dataset="d")
    assert [row[1:] for row in regions(db)] == [
        ("animal--bird", "labels", [0], 1, False),
        ("car", "labels", [1], 2, False),
        ("void--unlabeled", "labels", [2], 1, True),
    ]
    entries = db.version("d").get_metadata()["mask_labels"]["labels"]
    assert [entry["color"] for entry in entries] == [[165, 42, 42], [0, 0, 142], [0, 0, 0]]


def test_of_two_versions_the_newest_has_the_regions(db: masksdb.Database, tmp_path: Path) -> None:
    tree(tmp_path / "d", "labels", "v1.2")
    db.ingest(tree(tmp_path / "d", "labels", "v2.0"), dataset="d")
    assert frames(db)[0][3] == ["labels", "v1.2/labels"]
    assert {row[2] for row in regions(db)} == {"labels"}


@pytest.mark.parametrize(
    ("segments", "reason"),
    [
        (SEGMENTS[:2], "segment 263 has pixels, and is not in the JSON"),
        ([*SEGMENTS, {"id": 9, "category_id": 1}], "segment 9 is in the JSON, and has no pixels"),
    ],
)
def test_a_json_and_a_png_that_disagree_are_an_error(
    db: masksdb.Database, tmp_path: Path, segments: Any, reason: str
) -> None:
    root = tree(tmp_path / "d", "panoptic", document=panoptic(segments))
    with pytest.raises(IngestError) as raised:
        db.ingest(root, dataset="d")
    assert f"{root}/training/panoptic/a.png: {reason}" in str(raised.value)
    report = db.ingest(root, dataset="d", on_error="skip")
    assert (report.new, report.rejected) == (1, 1)
    assert len(regions(db)) == 1 + min(len(segments), 3)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ([], "expected COCO panoptic"),
        (panoptic("x"), "found 'x', expected an id of its own"),
        (panoptic([{"id": 5, "category_id": [1]}]), "expected an id of its own and a category"),
        (panoptic([SEGMENTS[0], SEGMENTS[0]]), "expected an id of its own"),
        ({**panoptic(), "annotations": [{"file_name": "z.png"}]}, "no panoptic/z.png with its image"),
        ({**panoptic(), "annotations": [3]}, "expected an object with 'file_name'"),
        ({**panoptic(), "annotations": panoptic()["annotations"] * 2}, "its segments again"),
    ],
)
def test_a_malformed_panoptic_json_is_named(db: masksdb.Database, tmp_path: Path, document: Any, reason: str) -> None:
    root = tree(tmp_path / "d")
    (root / "training/panoptic/panoptic_2020.json").write_text(json.dumps(document))
    with pytest.raises(IngestError) as raised:
        db.ingest(root, dataset="d")
    assert "panoptic_2020.json" in str(raised.value)
    assert reason in str(raised.value)
    report = db.ingest(root, dataset="d", on_error="skip")
    assert (report.new, report.rejected) == (1, 1)


@pytest.mark.parametrize("content", ["", "{}", '{"labels": [{}]}', '{"labels": 5}'])
def test_a_broken_config_is_named_and_labels_are_numbers(db: masksdb.Database, tmp_path: Path, content: str) -> None:
    root = tree(tmp_path / "d", "labels")
    (root / "config.json").write_text(content)
    with pytest.raises(IngestError, match=r"config\.json"):
        db.ingest(root, dataset="d")
    assert db.ingest(root, dataset="d", on_error="skip").rejected == 1
    assert [row[1] for row in regions(db)] == ["0", "1", "2"]


@pytest.mark.parametrize("fault", ["cut off", "a mask without its image", "found rgb, expected a number", "1 x 1"])
def test_a_fault_of_a_file_is_named_and_the_rest_comes_in(db: masksdb.Database, tmp_path: Path, fault: str) -> None:
    root = tree(tmp_path / "d", "labels")
    path = save(root / "training/labels/bad.png", [[[1, 2, 3]]] if "rgb" in fault else [[1]])
    if "without" not in fault:
        photo(root / "training/images/bad.jpg", 2 if fault == "1 x 1" else 1, 1)
    if fault == "cut off":
        path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(IngestError) as raised:
        db.ingest(root, dataset="d")
    assert str(path) in str(raised.value)
    assert fault in str(raised.value)
    report = db.ingest(root, dataset="d", on_error="skip")
    assert (report.new, report.rejected) == (1, 1)


def test_instances_of_8_bits_are_refused_and_the_rest_comes_in(db: masksdb.Database, tmp_path: Path) -> None:
    root = tree(tmp_path / "d")
    photo(root / "training/images/bad.jpg", 4, 1)
    path = save(root / "training/instances/bad.png", [[0, 1, 255, 2]])
    with pytest.raises(IngestError, match=r"bad\.png: 8 bits; expected 16, class \* 256 \+ instance") as raised:
        db.ingest(root, dataset="d")
    assert str(path) in str(raised.value)
    report = db.ingest(root, dataset="d", on_error="skip")
    assert (report.new, report.rejected) == (1, 1)


def test_a_mask_that_other_images_have_is_missed(db: masksdb.Database, tmp_path: Path) -> None:
    root = tree(tmp_path / "d", "labels instances")
    photo(root / "training/images/b.jpg", 4, 1)
    save(root / "training/labels/b.png", LABELS, palette=PALETTE)
    notes = db.ingest(root, dataset="d").notes
    assert f"{root}/training/images/b.jpg: no mask in instances/; its ROIs are those of labels/" in notes
    assert {row[2] for row in regions(db) if row[0] == "training/b"} == {"labels"}
