"""Cityscapes trees come in with the areas that Pillow finds, and go out so that the same regions are in the PNGs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from support.common import Outcome
from support.partitions import Numbers, frame_of, partitions, regions_of

import masksdb
from masksdb import IngestError
from masksdb.exchange.loss import LossReport
from masksdb.formats.layouts.cityscapes_labels import LABEL_TABLE, MASKS

IDS = {label.name: label.id for label in LABEL_TABLE}
LABELS = ["car", "person", "road", "sky", "caravan", "drone"]
STEM = "aachen_000001_000019"


def png(path: Path, pixels: Any, kind: type = np.uint8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(pixels, kind)).save(path)
    return path


def tree(root: Path, stem: str = STEM, split: str = "val", **masks: Any) -> Path:
    """A tree with one image and some of its masks."""
    first = np.array(next(iter(masks.values())))
    png(root / f"leftImg8bit/{split}/aachen/{stem}_leftImg8bit.png", np.zeros((*first.shape[:2], 3)))
    for name, pixels in masks.items():
        kind = np.uint16 if name == "instanceIds" else np.uint8
        png(root / f"gtFine/{split}/aachen/{stem}_gtFine_{name}.png", pixels, kind)
    return root


def rows(db: masksdb.Database, dataset: str = "d") -> list[Any]:
    query = """
        SELECT frame_id, labels[1], mask_id, mask_value[1], mask_area(mask, mask_value), is_crowd, rois.meta
        FROM mask_rois JOIN rois USING (frame_key, roi_index, labels, mask_id, mask_value)
        WHERE dataset = $dataset ORDER BY ALL
    """
    result = db.sql(query, {"dataset": dataset}).fetchall()
    return [(*row[:5], bool(row[5]), "ignore" in (row[6] or "")) for row in result]


def reference(root: Path) -> list[Any]:
    """The values of every instanceIds, as cityscapesScripts would read them."""
    result = []
    by_id = {label.id: label for label in LABEL_TABLE}
    for path in root.rglob("*_instanceIds.png"):
        values, areas = np.unique(np.array(Image.open(path)), return_counts=True)
        for value, area in zip(values.tolist(), areas.tolist(), strict=True):
            label = by_id[value if value < 1000 else value // 1000]
            stem = path.name.removesuffix("_gtFine_instanceIds.png")
            is_crowd = label.has_instances and value < 1000
            result.append((stem, label.name, "instanceIds", value, area, is_crowd, label.is_ignored))
    return sorted(result)


@pytest.mark.parametrize("name", ["dataset", "train_dataset"])
def test_a_real_tree_comes_in_with_the_areas_that_pillow_finds(
    name: str, db: masksdb.Database, real_data: Path
) -> None:
    report = db.ingest(real_data / "layouts/cityscapes_dataset" / name, dataset="d")
    assert (report.new, report.rejected) == (4, 0)
    assert rows(db) == reference(real_data / "layouts/cityscapes_dataset" / name)
    meta = db.get_frame("d", None, "defaultcity_000002_000045")
    assert meta["meta"] == {"split": "train", "city": "defaultcity", "annotation": "gtFine"}
    assert (meta["context_id"], meta["sources"][0]["width"]) == ("defaultcity_000002", 5)


def test_two_datasets_below_a_folder_come_in_as_one_with_their_names_before_the_ids(
    db: masksdb.Database, real_data: Path
) -> None:
    db.ingest(real_data / "layouts/cityscapes_dataset", dataset="d")
    (count,) = db.sql("SELECT count(*) FROM dataset_frames WHERE frame_id LIKE '%dataset/defaultcity_%'").fetchall()
    assert count == (8,)


def test_all_masks_of_an_image_are_listed_with_what_their_values_mean(db: masksdb.Database, tmp_path: Path) -> None:
    tree(
        tmp_path / "t", labelTrainIds=[[13, 255]], color=np.zeros((1, 2, 4)), labelIds=[[26, 0]], instanceIds=[[26, 0]]
    )
    db.ingest(tmp_path / "t", dataset="d")
    masks = db.get_frame("d", None, STEM)["sources"][0]["masks"]
    assert [mask["id"] for mask in masks] == ["instanceIds", "labelIds", "labelTrainIds", "color"]
    labels = db.version("d").get_metadata()["mask_labels"]
    assert {"value": [13], "labels": ["car"], "color": [0, 0, 142]} in labels["labelTrainIds"]
    assert {"value": [255], "labels": ["void"], "ignore": True} in labels["labelTrainIds"]
    assert {"value": [0, 0, 142], "labels": ["car"]} in labels["color"]


@pytest.mark.parametrize(
    ("mask_id", "pixels", "expected"),
    [
        ("instanceIds", [[26, 26001]], [("car", [26], True, False), ("car", [26001], False, False)]),
        ("labelIds", [[29, 7]], [("caravan", [29], False, True), ("road", [7], False, False)]),
        ("labelTrainIds", [[255, 18]], [("bicycle", [18], False, False), ("void", [255], False, True)]),
        ("color", [[[220, 20, 60, 255]]], [("person", [220, 20, 60], False, False)]),
        ("labelIds", [[77]], [("77", [77], False, False)]),
    ],
)
def test_each_kind_of_mask_alone_gives_its_rois(
    mask_id: str, pixels: Any, expected: Any, db: masksdb.Database, tmp_path: Path
) -> None:
    db.ingest(tree(tmp_path / "t", **{mask_id: pixels}), dataset="d")
    rois = db.get_frame("d", None, STEM)["rois"]
    result = [(r["label"][0], r["mask"]["value"], r.get("is_crowd", False), "meta" in r) for r in rois]
    assert sorted(result) == expected


def test_polygons_alone_become_polygons(db: masksdb.Database, tmp_path: Path) -> None:
    root = tree(tmp_path / "t", labelIds=[[0]])
    (mask,) = root.rglob("*labelIds.png")
    mask.unlink()
    objects = [{"label": name, "polygon": [[0, 0], [4, 0], [4, 4]]} for name in ("cargroup", "polegroup", "sky")]
    document = {"imgHeight": 5, "imgWidth": 6, "objects": [*objects, {"label": "sky", "polygon": [[1]]}]}
    mask.with_name(f"{STEM}_gtFine_polygons.json").write_text(json.dumps(document))
    report = db.ingest(root, dataset="d", on_error="skip")
    result = [(roi["label"], roi.get("is_crowd"), roi.get("meta")) for roi in db.get_frame("d", None, STEM)["rois"]]
    assert result == [(["car"], True, None), (["polegroup"], None, {"ignore": True}), (["sky"], None, None)]
    assert [error.json_path for error in report.errors] == ["objects[3]"]


def test_the_coarse_masks_of_an_image_that_has_fine_ones_are_listed_beside_them(
    db: masksdb.Database, tmp_path: Path
) -> None:
    root = tree(tmp_path / "t", labelIds=[[7]])
    png(root / f"gtCoarse/val/aachen/{STEM}_gtCoarse_labelIds.png", [[8]])
    png(root / f"gtCoarse/val/aachen/{STEM}0_gtCoarse_labelIds.png", [[8]])
    png(root / f"leftImg8bit/val/aachen/{STEM}0_leftImg8bit.png", [[8]])
    db.ingest(root, dataset="d")
    result = [
        (mask["id"] for mask in db.get_frame("d", None, name)["sources"][0]["masks"]) for name in (STEM, f"{STEM}0")
    ]
    assert [list(item) for item in result] == [["labelIds", "coarse_labelIds"], ["labelIds"]]


def test_the_table_of_another_tool_beside_the_masks_names_the_classes(db: masksdb.Database, tmp_path: Path) -> None:
    root = tree(tmp_path / "t", labelIds=[[0, 1]])
    (root / "label_colors.txt").write_text("# r g b name\n0 0 0 background\n250 170 30 traffic light\n")
    db.ingest(root, dataset="d")
    assert [row[1] for row in rows(db)] == ["background", "traffic light"]


def instances(folder: Path, stem: str) -> tuple[npt.NDArray[Any], dict[int, str]]:
    """The instanceIds of an export, and the names of its classes by id, without our reader."""
    names = {number: name for name, number in IDS.items()}
    if (folder / "labels.json").exists():
        names |= {item["id"]: item["name"] for item in json.loads((folder / "labels.json").read_text())}
    (path,) = folder.rglob(f"{stem}_gtFine_instanceIds.png")
    return np.array(Image.open(path)), names


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(images=st.lists(partitions(len(LABELS)), min_size=6, max_size=12), ids=st.permutations(LABELS))
def test_regions_come_back_pixel_for_pixel(images: list[Numbers], ids: list[str], tmp_path: Path) -> None:
    labels = [*ids[:3], *ids[:3]]
    frames = [
        frame_of(f"a_{index:06}_000001", numbers, {n + 1: {"label": [name]} for n, name in enumerate(labels)})
        for index, numbers in enumerate(images)
    ]
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    with masksdb.connect(":memory:") as db:
        db.ingest(frames, dataset="d")
        if not any(frame["rois"] for frame in frames):
            return
        report = db.export(tmp_path / "out", dataset="d", format="cityscapes")
    assert isinstance(report, LossReport)
    assert report.is_lossless, report.text()
    for frame, numbers in zip(frames, images, strict=True):
        result, names = instances(tmp_path / "out", frame["id"])
        values = set(np.unique(result).tolist()) - {0}
        written = [(names[v // 1000 if v >= 1000 else v], (result == v).tobytes()) for v in values]
        assert sorted(written) == regions_of(numbers, labels)


def exported(db: masksdb.Database, frames: list[Any], out: Path) -> LossReport:
    db.ingest(frames, dataset="d")
    report = db.export(out, dataset="d", format="cityscapes")
    assert isinstance(report, LossReport)
    return report


def test_a_thousand_instances_of_a_class_fit_into_an_image_and_one_more_is_told(
    db: masksdb.Database, tmp_path: Path
) -> None:
    numbers = np.arange(1, 1002).reshape(7, 143)
    rois = {number: {"label": ["car"]} for number in range(1, 1002)}
    report = exported(db, [frame_of("x", numbers, rois)], tmp_path / "out")
    result, _ = instances(tmp_path / "out", "x")
    assert result.reshape(-1).tolist() == [*range(26000, 27000), 0]
    assert [loss.reason for loss in report.losses if loss.is_loss] == [
        "more than 1000 instances of its class in one image"
    ]


def test_the_four_masks_of_an_export_say_the_same(db: masksdb.Database, tmp_path: Path) -> None:
    rois: dict[int, Any] = {
        1: {"label": ["car"]},
        2: {"label": ["sky"]},
        3: {"label": ["tram"]},
        4: {"label": ["bus"], "is_crowd": True},
    }
    meta = {"split": "val", "city": "ulm"}
    exported(db, [frame_of("x", np.array([[0, 1, 2, 3, 4]]), rois, meta=meta)], tmp_path / "out")
    folder = tmp_path / "out/gtFine/val/ulm"
    images = {name: Image.open(folder / f"x_gtFine_{name}.png") for name in MASKS}
    assert [image.mode for image in images.values()] == ["I;16", "L", "L", "RGB"]
    assert np.array(images["instanceIds"]).tolist() == [[0, 26000, 23, 34000, 28]]
    assert np.array(images["labelIds"]).tolist() == [[0, 26, 23, 34, 28]]
    assert np.array(images["labelTrainIds"]).tolist() == [[255, 13, 10, 19, 15]]
    assert np.array(images["color"])[0, [0, 1, 2, 4]].tolist() == [[0] * 3, [0, 0, 142], [70, 130, 180], [0, 60, 100]]
    (label,) = json.loads((tmp_path / "out/labels.json").read_text())
    assert label["name"] == "tram"
    assert label["color"] == np.array(images["color"])[0, 3].tolist()


def test_crowds_and_ignored_classes_come_back_as_such(db: masksdb.Database, tmp_path: Path) -> None:
    rois: dict[int, Any] = {
        1: {"label": ["bus"], "is_crowd": True},
        2: {"label": ["void"], "meta": {"ignore": True}},
        3: {"label": ["ground"], "meta": {"ignore": True}},
    }
    exported(db, [frame_of("x", np.array([[0, 1, 2, 3]]), rois)], tmp_path / "out")
    db.ingest(tmp_path / "out", dataset="again")
    assert [(row[1], row[5], row[6]) for row in rows(db, "again")] == [
        ("bus", True, False),
        ("ground", False, True),
        ("unlabeled", False, True),
        ("void", False, True),
    ]


def test_of_many_classes_those_with_instances_get_ids_that_allow_for_them(db: masksdb.Database, tmp_path: Path) -> None:
    rois: dict[int, Any] = {n: {"label": [f"class {n:02}"]} for n in range(1, 41)} | {41: {"label": ["class 40"]}}
    report = exported(db, [frame_of("x", np.arange(1, 42)[None], rois)], tmp_path / "out")
    assert report.is_lossless
    result, names = instances(tmp_path / "out", "x")
    assert {names[v // 1000] for v in result[0, 39:].tolist()} == {"class 40"}
    assert len(np.unique(result)) == 41


def test_images_are_copied_and_a_frame_without_one_is_noted(db: masksdb.Database, tmp_path: Path) -> None:
    png(tmp_path / "a.png", [[1, 2]])
    frames = [frame_of(name, np.array([[1, 0]]), {}) for name in ("a", "b")]
    for frame in frames:
        frame["sources"][0]["uri"] = "a.png" if frame["id"] == "a" else None
    db.ingest(frames, dataset="d", media_root=tmp_path)
    report = db.export(tmp_path / "out", dataset="d", format="cityscapes", with_images=True)
    assert isinstance(report, LossReport)
    copied = [path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out/leftImg8bit").rglob("*.png")]
    assert copied == ["leftImg8bit/default/default/a_leftImg8bit.png"]
    assert "b: has no image" in report.notes


def damaged(root: Path) -> Path:
    (path,) = root.rglob("*instanceIds.png")
    path.write_bytes(path.read_bytes()[:30])
    return path


def without_image(root: Path) -> Path:
    (path,) = root.rglob("*leftImg8bit.png")
    path.unlink()
    return next(root.rglob("*instanceIds.png"))


def empty_second_mask(root: Path) -> Path:
    (path,) = root.rglob("*labelIds.png")
    path.write_bytes(b"")
    return path


def coloured_instances(root: Path) -> Path:
    (path,) = root.rglob("*instanceIds.png")
    return png(path, np.zeros((1, 2, 3)))


def bad_table(root: Path) -> Path:
    (root / "labels.json").write_text('[{"name": "x", "id": "7"}]')
    return root / "labels.json"


FAULTS: dict[str, tuple[Callable[[Path], Path], str, int]] = {
    "damaged": (damaged, "", 1),
    "without its image": (without_image, "no image belongs to it", 1),
    "a second mask that is empty": (empty_second_mask, "cannot be read as an image", 2),
    "colours for numbers": (coloured_instances, "found rgb, expected one number a pixel", 2),
    "a table that is none": (bad_table, "expected a list of labels", 2),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_its_file_and_the_rest_comes_in(name: str, db: masksdb.Database, tmp_path: Path) -> None:
    break_it, reason, left = FAULTS[name]
    root = tree(tmp_path / "t", instanceIds=[[7, 26001]], labelIds=[[7, 26]])
    path = break_it(root)
    tree(root, "bonn_000001_000001", instanceIds=[[8, 9]])
    with pytest.raises(IngestError) as raised:
        db.ingest(root, dataset="d", format="cityscapes")
    assert str(path) in str(raised.value)
    assert reason in str(raised.value)
    report = db.ingest(root, dataset="d", format="cityscapes", on_error="skip")
    assert (report.new, report.rejected) == (left, 1)


def test_an_image_without_masks_is_a_frame_without_them_and_is_told(
    run: Callable[..., Outcome], db_path: str, tmp_path: Path
) -> None:
    root = tree(tmp_path / "t", labelIds=[[7]])
    png(root / "leftImg8bit/val/aachen/aachen_000001_000020_leftImg8bit.png", [[1]])
    done = run("ingest", db_path, root, "--dataset", "d")
    assert done.status == 0
    assert "aachen_000001_000020_leftImg8bit.png: no mask belongs to this image" in done.err
    assert "2 new" in done.err
