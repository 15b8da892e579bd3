"""ADE20K of 2017 and of 2020 come in with the areas that Pillow finds and the names that their descriptions give."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import masksdb
from masksdb import IngestError

NAME = "images/training/a/abbey/ADE_train_00000001"
SKY, DOOR = (110, 164), (30, 6)
"""Red and green of the classes 2980 and 774."""


def png(path: Path, pixels: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(pixels, np.uint8)).save(path)
    return path


def tree(root: Path, seg: Any, name: str = NAME, *, atr: str | None = None, objects: Any = None, **parts: Any) -> Path:
    """A dataset of one image, whose masks are given as a list of colours."""
    png(root / f"{name}_seg.png", [seg])
    Image.new("RGB", (len(seg), 1)).save(root / f"{name}.jpg")
    for level, pixels in parts.items():
        png(root / f"{name}_{level}.png", [pixels])
    if atr is not None:
        (root / f"{name}_atr.txt").write_bytes(atr.encode("latin-1"))
    if objects is not None:
        (root / f"{name}.json").write_text(json.dumps({"annotation": {"object": objects}}))
    return root


def named(name: str, number: int, level: int = 0, **further: Any) -> dict[str, Any]:
    return {"name": name, "name_ndx": number, "parts": {"part_level": level}, **further}


def rois(db: masksdb.Database, frame: str = "training/a/abbey/ADE_train_00000001") -> list[Any]:
    return [(r["mask"]["id"], r["mask"]["value"], r["label"][0]) for r in db.get_frame("d", None, frame)["rois"]]


@pytest.mark.parametrize("folder", ["layouts/ade20k2020_dataset", "layouts/ade20k2020_dataset/dataset"])
def test_the_real_tree_comes_in_with_the_areas_that_pillow_finds(
    folder: str, db: masksdb.Database, real_data: Path
) -> None:
    report = db.ingest(real_data / folder, dataset="d")
    assert (report.new, report.rejected) == (2, 0)
    root = real_data / "layouts/ade20k2020_dataset/dataset"
    expected = []
    for path in [*root.rglob("*_seg.png"), *root.rglob("*_parts_?.png")]:
        stem, _, mask_id = path.relative_to(root).with_suffix("").as_posix().partition("_")
        description = json.loads((root / f"{stem}.json").read_text())["annotation"]["object"]
        names = {item["name_ndx"]: item["name"] for item in description}
        colours, areas = np.unique(np.array(Image.open(path)).reshape(-1, 3), axis=0, return_counts=True)
        for colour, area in zip(colours.tolist(), areas.tolist(), strict=True):
            if any(colour):
                name = names[colour[0] // 10 * 256 + colour[1]]
                expected.append((stem, mask_id, colour, name, area))
    query = """
        SELECT frame_id, mask_id, mask_value, labels[1], mask_area(mask, mask_value)
        FROM mask_rois WHERE dataset = 'd' ORDER BY ALL
    """
    assert db.sql(query).fetchall() == sorted(expected)
    assert len(expected) == 7


def test_what_is_known_of_an_object_is_kept_where_it_is_sure_which_it_is(db: masksdb.Database, tmp_path: Path) -> None:
    objects = [
        named("sky", 2980, id=0, raw_name="blue sky"),
        named("door", 774, id=1),
        named("door", 774, id=2),
    ]
    tree(tmp_path, [(*SKY, 1), (*DOOR, 2), (*DOOR, 3)], objects=objects)
    db.ingest(tmp_path, dataset="d")
    frame = db.get_frame("d", None, "training/a/abbey/ADE_train_00000001")
    assert [roi["label"] for roi in frame["rois"]] == [["door"], ["door"], ["sky"]]
    assert [roi.get("meta") for roi in frame["rois"]] == [
        None,
        None,
        {"id": 0, "name_ndx": 2980, "raw_name": "blue sky"},
    ]
    assert frame["meta"] == {"split": "training"}


@pytest.mark.parametrize("blues", [(1, 2, 3), (10, 20, 30)])
def test_a_tree_of_2017_is_named_by_number_or_rank(
    blues: tuple[int, ...], db: masksdb.Database, tmp_path: Path
) -> None:
    atr = '001 # 0 # 0 # sky # skÿ # ""\n002 # 0 # 1 # door # door # "open, red"\n003 # 0 # 0 # sky # sky # ""\n'
    atr += '001 # 1 # 0 # door, knob # knob # ""\n'
    seg = [(*SKY, blues[0]), (*DOOR, blues[1]), (*SKY, blues[2]), (0, 0, 0)]
    tree(tmp_path, seg, atr=atr, parts_1=[(0, 0, 0), (20, 9, 1), (0, 0, 0), (0, 0, 0)])
    db.ingest(tmp_path, dataset="d")
    assert rois(db) == [
        ("seg", [*DOOR, blues[1]], "door"),
        ("seg", [*SKY, blues[0]], "sky"),
        ("seg", [*SKY, blues[2]], "sky"),
        ("parts_1", [20, 9, 1], "door, knob"),
    ]
    result = [roi["meta"] for roi in db.get_frame("d", None, "training/a/abbey/ADE_train_00000001")["rois"]]
    assert result[0] == {"raw_name": "door", "occluded": 1, "attributes": ["open", "red"]}
    assert result[1]["raw_name"] == "skÿ"
    assert result[3]["part_level"] == 1


def test_values_of_a_class_are_declared_for_all_its_instances(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest(tree(tmp_path, [(*SKY, 1), (*SKY, 2)], objects=[named("sky", 2980)]), dataset="d")
    assert db.version("d").get_metadata()["mask_labels"] == {
        "seg": [{"value": [0, 0, 0], "labels": ["background"]}, {"value": [*SKY, -1], "labels": ["sky"]}]
    }


def test_a_class_without_a_name_is_called_by_its_number_and_told_once(db: masksdb.Database, tmp_path: Path) -> None:
    report = db.ingest(tree(tmp_path, [(*SKY, 1), (*SKY, 2)], objects=[]), dataset="d")
    assert [name for _, _, name in rois(db)] == ["2980", "2980"]
    assert len([note for note in report.notes if "the class 2980 is named nowhere" in note]) == 1


def test_masks_in_the_folder_of_an_image_are_no_images(db: masksdb.Database, tmp_path: Path) -> None:
    root = tree(tmp_path, [(*SKY, 1)], objects=[named("sky", 2980)])
    png(root / NAME / "instance_000.jpg", [[1]])
    png(root / "images/training/a/abbey/other.jpg", [[1]])
    report = db.ingest(root, dataset="d")
    assert report.new == 2
    assert any("other.jpg: no mask belongs to this image" in note for note in report.notes)


def test_an_object_that_is_hidden_does_not_shift_the_names_of_others(db: masksdb.Database, tmp_path: Path) -> None:
    atr = '1 # 0 # 0 # sky # sky # ""\n2 # 0 # 0 # car # car # ""\n3 # 0 # 0 # door # door # ""\n'
    db.ingest(tree(tmp_path, [(*SKY, 1), (*DOOR, 3)], atr=atr), dataset="d")
    assert rois(db) == [("seg", [*DOOR, 3], "door"), ("seg", [*SKY, 1], "sky")]


def test_scene_parsing_masks_come_in_with_their_class_table(db: masksdb.Database, tmp_path: Path) -> None:
    png(tmp_path / "annotations/validation/ADE_val_00000001.png", [[0, 1, 1, 3, 150]])
    png(tmp_path / "images/validation/ADE_val_00000001.jpg", np.zeros((1, 5)))
    (tmp_path / "objectInfo150.txt").write_text("Idx\tRatio\tTrain\tVal\tName\n1\t0.1\t2\t3\twall\n3\t0.1\t2\t3\tsky\n")
    db.ingest(tmp_path, dataset="d")
    frame = db.get_frame("d", None, "validation/ADE_val_00000001")
    assert [(roi["mask"]["value"], roi["label"], roi.get("meta")) for roi in frame["rois"]] == [
        ([0], ["void"], {"ignore": True}),
        ([1], ["wall"], None),
        ([3], ["sky"], None),
        ([150], ["150"], None),
    ]


@pytest.mark.parametrize("row", ["2\t0.1", "2", "2\t0.1\t3\t4\t", "x\t0.1\t3\t4\tdoor"])
def test_a_cut_row_of_the_class_table_is_told_by_its_line(db: masksdb.Database, tmp_path: Path, row: str) -> None:
    png(tmp_path / "annotations/validation/ADE_val_00000001.png", [[1, 2]])
    png(tmp_path / "images/validation/ADE_val_00000001.jpg", np.zeros((1, 2)))
    (tmp_path / "objectInfo150.txt").write_text(f"Idx\tRatio\tTrain\tVal\tName\n1\t0.1\t2\t3\twall\n{row}\n\n")
    report = db.ingest(tmp_path, dataset="d", on_error="skip")
    assert (report.new, report.rejected) == (1, 1)
    assert f"{tmp_path}/objectInfo150.txt:3: found '2" in str(report.errors[0]).replace("'x", "'2")
    assert [label for _, _, label in rois(db, "validation/ADE_val_00000001")] == ["wall", "2"]


def cut(root: Path) -> Path:
    path = root / f"{NAME}_seg.png"
    path.write_bytes(path.read_bytes()[:40])
    return path


def grey(root: Path) -> Path:
    return png(root / f"{NAME}_seg.png", [[1]])


def no_image(root: Path) -> Path:
    (root / f"{NAME}.jpg").unlink()
    return root / f"{NAME}_seg.png"


def lost_parts(root: Path) -> Path:
    path = root / f"{NAME}_parts_1.png"
    path.symlink_to("nowhere")
    return path


def described(text: str) -> Callable[[Path], Path]:
    def write(root: Path) -> Path:
        (root / f"{NAME}.json").write_text(text)
        return root / f"{NAME}.json"

    return write


def not_described(root: Path) -> Path:
    (root / f"{NAME}.json").unlink()
    return root / f"{NAME}_atr.txt"


def bad_attributes(root: Path) -> Path:
    (root / f"{NAME}.json").unlink()
    (root / f"{NAME}_atr.txt").write_text("1 # zero # 0 # a # b # c\n")
    return root / f"{NAME}_atr.txt"


FAULTS: dict[str, tuple[Callable[[Path], Path], str, int]] = {
    # what breaks the tree, what is told, frames left
    "a mask that is cut off": (cut, "", 1),
    "a grey mask": (grey, "found grey of 8 bits, expected RGB of 8 bits", 2),
    "no image": (no_image, "no image belongs to it", 1),
    "parts that are a link to nothing": (lost_parts, "no such file", 2),
    "no description": (not_described, "no such file, nor ADE_train_00000001.json", 2),
    "no JSON": (described("{"), "not JSON", 2),
    "another JSON": (described("[1]"), "expected an object 'annotation' with a list 'object'", 2),
    "an object that is a number": (described('{"annotation": {"object": [3]}}'), "expected an object with 'name'", 2),
    "attributes of words": (bad_attributes, "line 1: expected number # part level", 2),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_its_file_and_the_rest_comes_in(name: str, db: masksdb.Database, tmp_path: Path) -> None:
    break_it, reason, left = FAULTS[name]
    root = tree(tmp_path, [(*SKY, 1)], objects=[named("sky", 2980)])
    tree(tmp_path, [(*SKY, 1)], "images/training/other", objects=[named("sky", 2980)])
    path = break_it(root)
    with pytest.raises(IngestError) as raised:
        db.ingest(root, dataset="d")
    assert str(path) in str(raised.value)
    assert reason in str(raised.value)
    report = db.ingest(root, dataset="d", on_error="skip")
    assert (report.new, report.rejected) == (left, 1)
    assert rois(db, "training/other") == [("seg", [*SKY, 1], "sky")]
