"""A label has one colour in a version: in mask_labels, in pictures and in every export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.common import exported

import masksdb
from masksdb.store.labels import version_labels

Colours = dict[str, tuple[int, ...]]


def add(db: masksdb.Database, folder: Path, name: str, labels: list[str]) -> None:
    """A frame whose mask has a pixel of each label, from the index 1 on."""
    Image.fromarray(np.zeros((1, len(labels), 3), np.uint8)).save(folder / f"{name}.png")
    Image.fromarray(np.arange(1, len(labels) + 1, dtype=np.uint16)[None]).save(folder / f"{name}_m.png")
    source = {"uri": f"{name}.png", "masks": [{"id": "m", "uri": f"{name}_m.png"}]}
    rois = [{"label": [label], "mask": {"id": "m", "value": [at]}} for at, label in enumerate(labels, 1)]
    db.ingest([{"id": name, "sources": [source], "rois": rois}], dataset="d", media_root=str(folder))


def colours_of(db: masksdb.Database) -> Colours:
    labels = version_labels(db.connection, db.version("d").version_id)
    return {label.name: label.colour for label in labels}


def in_overlay(db: masksdb.Database, name: str, labels: list[str]) -> Colours:
    """The colours of a frame of :func:`add` in its picture."""
    sheet = np.asarray(db.render([name], dataset="d", opacity=1))
    scale = max(1, 320 // len(labels))
    pixels = sheet[33 + scale // 2, 12 + scale // 2 :: scale]
    return {label: tuple(pixel) for label, pixel in zip(labels, pixels.tolist(), strict=False)}


def in_voc(out: Path, labels: list[str]) -> Colours:
    with Image.open(out / "SegmentationClass/f.png") as image:
        return dict(zip(labels, map(tuple, np.asarray(image.convert("RGB"))[0].tolist()), strict=True))


def in_label_map(out: Path, labels: list[str]) -> Colours:
    rows = [line.split(":") for line in (out / "labelmap.txt").read_text().splitlines()[1:]]
    colours = {label: tuple(map(int, colour.split(","))) for label, colour, *_ in rows}
    return {label: colours[label] for label in labels}


def in_folder(out: Path, labels: list[str]) -> Colours:
    with Image.open(out / "masks/f.png") as image:
        return dict(zip(labels, map(tuple, np.asarray(image.convert("RGB"))[0].tolist()), strict=True))


def in_categories(out: Path, labels: list[str]) -> Colours:
    document = json.loads((out / "annotations/panoptic_default.json").read_text())
    colours = {category["name"]: tuple(category["color"]) for category in document["categories"]}
    return {label: colours[label] for label in labels}


def in_cityscapes(out: Path, labels: list[str]) -> Colours:
    (path,) = out.rglob("*_color.png")
    with Image.open(path) as image:
        return dict(zip(labels, map(tuple, np.asarray(image)[0].tolist()), strict=True))


EXPORTS: dict[str, Any] = {
    "voc": in_voc,
    "voc labelmap": in_label_map,
    "folder": in_folder,
    "coco-panoptic": in_categories,
    "cityscapes": in_cityscapes,
}


@pytest.mark.parametrize("export", EXPORTS)
def test_a_label_has_its_declared_colour_in_overlays_and_exports(
    db: masksdb.Database, tmp_path: Path, export: str
) -> None:
    # Not Cityscapes' own labels, whose colours its layout fixes.
    labels = ["Car", "Person", "Tree", "Kiosk"]
    add(db, tmp_path, "f", labels)
    mapping = [
        {"value": [1, 2, 200], "labels": ["Car"]},
        {"value": [2], "labels": ["Person"], "color": [200, 3, 4]},
        {"value": [5, 250, 6, 255], "labels": ["Tree"]},
    ]
    db.version("d").set_metadata({"mask_labels": mapping})
    colours = colours_of(db)
    assert [colours[label] for label in labels[:3]] == [(1, 2, 200), (200, 3, 4), (5, 250, 6)]
    assert in_overlay(db, "f", labels) == colours
    db.export(tmp_path / "out", dataset="d", format=export.partition(" ")[0])
    assert EXPORTS[export](tmp_path / "out", labels) == colours


def test_labels_that_declare_one_colour_have_two(db: masksdb.Database, tmp_path: Path) -> None:
    add(db, tmp_path, "f", ["car", "person"])
    mapping = {"a": [{"value": [9, 9, 9], "labels": ["car"]}], "b": [{"value": [9, 9, 9], "labels": ["person"]}]}
    db.version("d").set_metadata({"mask_labels": mapping})
    colours = colours_of(db)
    assert colours["car"] == (9, 9, 9) != colours["person"]
    assert in_overlay(db, "f", ["car", "person"]) == colours


def test_300_labels_have_300_colours_in_overlays_and_exports(db: masksdb.Database, tmp_path: Path) -> None:
    labels = [f"class {number}" for number in range(300)]
    add(db, tmp_path, "f", labels)
    overlay = in_overlay(db, "f", labels)
    assert len(set(overlay.values())) == 300
    db.export(tmp_path / "out", dataset="d", format="voc")
    assert in_voc(tmp_path / "out", labels) == overlay
    db.export(tmp_path / "panoptic", dataset="d", format="coco-panoptic")
    assert in_categories(tmp_path / "panoptic", labels) == overlay


def test_a_colour_does_not_depend_on_the_other_labels_of_a_picture(db: masksdb.Database, tmp_path: Path) -> None:
    labels = [f"class {number}" for number in range(40)]
    add(db, tmp_path, "all", labels)
    for number in (0, 17, 39):
        add(db, tmp_path, f"f{number}", [labels[number]])
    overlay = in_overlay(db, "all", labels)
    for number in (0, 17, 39):
        assert in_overlay(db, f"f{number}", [labels[number]]) == {labels[number]: overlay[labels[number]]}


def test_labels_are_in_the_order_of_the_mapping_and_then_by_name(db: masksdb.Database, tmp_path: Path) -> None:
    add(db, tmp_path, "f", ["zebra", "ant", "car"])
    entries = [
        {"value": [7], "labels": ["sky", "cloud"]},
        {"value": [-1, 2, 3], "labels": ["car"], "color": [1, 2, 300]},
        {"value": [8], "labels": ["car"], "ignore": True, "color": "#010203"},
    ]
    db.version("d").set_metadata({"mask_labels": {"m": entries}})
    in_order = version_labels(db.connection, db.version("d").version_id)
    assert [(label.name, label.number, label.is_ignored) for label in in_order] == [
        ("sky, cloud", 7, False),
        ("car", 8, True),
        ("ant", None, False),
        ("zebra", None, False),
    ]
    assert exported(db, "d", None, tmp_path)


def test_voc_datasets_keep_their_colours(db: masksdb.Database, tmp_path: Path) -> None:
    add(db, tmp_path, "f", ["person", "rock"])
    db.version("d").set_metadata({"mask_labels": [{"value": [1, 2, 3], "labels": ["person"]}]})
    db.export(tmp_path / "out", dataset="d", format="voc")
    again = masksdb.connect(":memory:")
    again.ingest(tmp_path / "out", dataset="d")
    assert {name: colours_of(again)[name] for name in ("person", "rock")} == colours_of(db)
