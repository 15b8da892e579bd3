"""A folder of masks comes in with every pairing, label map and kind of PNG."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.mask_trees import areas, frames, photo, regions, save

import masksdb
from masksdb import IngestError
from masksdb.formats.layouts.folder import read, recognise
from masksdb.formats.layouts.folder_pairs import MASK_FOLDERS, Rule, find_rule
from masksdb.formats.reading import Tree

PALETTE = [0, 0, 0, 10, 20, 30, 40, 50, 60]


@pytest.fixture
def db() -> Iterator[masksdb.Database]:
    with masksdb.connect(":memory:") as database:
        yield database


def frame(name: str, image: str, mask: str, mask_id: str) -> dict[str, Any]:
    """A frame of 2 x 2 pixels whose mask has the value 3."""
    source = {"uri": image, "width": 2, "height": 2}
    source |= {"masks": [{"id": mask_id, "content_type": "image/png", "uri": mask}]}
    return {"id": name, "sources": [source], "rois": [{"label": ["3"], "mask": {"id": mask_id, "value": [3]}}]}


def ids(db: masksdb.Database) -> list[Any]:
    return [row[0] for row in frames(db)]


@pytest.mark.parametrize("name", ["dataset", "non_standard_dataset"])
def test_datumaros_trees_come_in_as_pillow_reads_them(db: masksdb.Database, real_data: Path, name: str) -> None:
    root = real_data / "layouts/common_semantic_segmentation_dataset" / name
    meta = json.loads((root / "dataset_meta.json").read_text())
    names = dict(zip(map(tuple, meta["segmentation_colors"]), meta["label_map"].values(), strict=True))
    report = db.ingest(root, dataset="d")
    assert any("taken for folder (images/ and masks/)" in note for note in report.notes)
    expected = []
    for path in sorted((root / "masks").iterdir()):
        image = path.stem.replace("gt_", "image_")
        expected += [(image, names[value], "masks", list(value), area, False) for value, area in areas(path).items()]
    assert regions(db) == sorted(expected, key=lambda row: (row[0], row[3]))
    images = sorted((root / "images").iterdir())
    assert [row[:3] for row in frames(db)] == [(path.stem, None, f"images/{path.name}") for path in images]


def test_both_of_datumaros_trees_come_in_at_once(db: masksdb.Database, real_data: Path) -> None:
    report = db.ingest(real_data / "layouts/common_semantic_segmentation_dataset", dataset="d")
    assert report.new == 4
    assert len(regions(db)) == 9


@pytest.mark.parametrize(
    ("image", "mask", "mask_id"),
    [
        ("a.jpg", "a_mask.png", "mask"),
        ("a.png", "a_seg.png", "seg"),
        ("a.jpg", "a.png", "mask"),
        ("7_sat.jpg", "7_mask.png", "mask"),
        ("a.png", "a_L.png", "L"),
        ("image_01.jpg", "mask_01.png", "mask"),
    ],
)
def test_masks_beside_their_images(
    tmp_path: Path, image: str, mask: str, mask_id: str
) -> None:  # fmt: skip
    photo(tmp_path / image)
    save(tmp_path / mask, [[0, 3], [3, 3]])
    assert recognise(tmp_path)
    assert list(read(Tree(tmp_path))) == [frame(Path(image).stem, image, mask, mask_id)]


@pytest.mark.parametrize(
    ("image", "mask", "name", "split"),
    [
        ("images/a.jpg", "masks/a.png", "a", None),
        ("images/a.jpg", "labels/a.png", "a", None),
        ("Images/a.jpg", "GT/a.png", "a", None),
        ("imgs/a.jpg", "segmentations/a_segmentation.png", "a", None),
        ("images/train/a.jpg", "masks/train/a.png", "train/a", "train"),
        ("images/training/a.jpg", "annotations/training/a.png", "training/a", "training"),
        ("train/images/a.jpg", "train/masks/a.png", "train/a", "train"),
        ("val/a.jpg", "val/a_mask.png", "val/a", "val"),
        ("images/x/y/a.jpg", "masks/x/y/a.png", "x/y/a", None),
        ("a.jpg", "masks/a.png", "a", None),
        ("images/image_0001.jpg", "masks/gt_0001.png", "image_0001", None),
        ("images/0001_rgb.jpg", "masks/0001_gt.png", "0001_rgb", None),
    ],
)
def test_masks_apart_from_their_images(tmp_path: Path, image: str, mask: str, name: str, split: str | None) -> None:
    photo(tmp_path / image)
    save(tmp_path / mask, [[0, 3], [3, 3]])
    folder = next(part for part in mask.split("/") if part.lower() in MASK_FOLDERS or part.startswith("a_"))
    mask_id = folder if "/" in mask and folder.lower() in MASK_FOLDERS else "mask"
    expected = frame(name, image, mask, mask_id) | ({"meta": {"split": split}} if split else {})
    assert recognise(tmp_path)
    assert list(read(Tree(tmp_path))) == [expected]


def test_masks_without_an_image_folder_are_frames(db: masksdb.Database, tmp_path: Path) -> None:
    save(tmp_path / "d/masks/a.png", [[0, 3, 3]])
    db.ingest(tmp_path / "d", dataset="d")
    assert frames(db) == [("a", None, None, ["masks"])]
    assert db.sql("SELECT width, height FROM sources").fetchall() == [(3, 1)]


@pytest.mark.parametrize(
    ("images", "masks", "cores"),
    [
        (["a", "b"], ["a", "b"], ["a", "b"]),
        (["cat_a", "cat_ab"], ["gt_cat_a", "gt_cat_ab"], ["cat_a", "cat_ab"]),
        (["cat_a", "dog_b"], ["gt_cat_a"], ["cat_a"]),
        (["img001", "img010"], ["seg001", "seg010"], ["001", "010"]),
        (["t/1_x", "v/1_x"], ["t/1_y", "v/1_y"], ["t/1_", "v/1_"]),
        (["1", "2"], ["3", "4"], ["3", "4"]),
    ],
)
def test_what_all_names_have_in_common_is_taken_off(images: list[str], masks: list[str], cores: list[str]) -> None:
    rule = find_rule(images, masks)
    assert [(rule.mask_core(mask) or "").removeprefix("/") for mask in masks] == cores
    assert (rule == Rule()) == (set(cores) == set(masks))


@pytest.mark.parametrize(
    ("files", "named"),
    [
        (["images/a.jpg", "images/a.png", "masks/a.png"], "images/a.jpg, images/a.png"),
        (["images/a.jpg", "masks/a.png", "masks/a.tif"], "masks/a.png, masks/a.tif"),
        (["a.jpg", "a_mask.png", "a_seg.png"], "a_mask.png, a_seg.png"),
    ],
)
def test_an_ambiguous_pair_is_an_error_that_names_all(
    db: masksdb.Database, tmp_path: Path, files: list[str], named: str
) -> None:
    for name in files:
        save(tmp_path / "d" / name, [[0, 1]])
    folder = "masks/" if "masks" in files[-1] else ""
    photo(tmp_path / "d" / ("images/b.jpg" if folder else "b.jpg"), 2, 1)
    save(tmp_path / "d" / f"{folder}{'b' if folder else 'b_mask'}.png", [[0, 1]])
    with pytest.raises(IngestError, match="pairs ambiguously") as raised:
        db.ingest(tmp_path / "d", dataset="d")
    assert named in str(raised.value)
    report = db.ingest(tmp_path / "d", dataset="d", on_error="skip")
    assert (ids(db), report.rejected) == (["b"], 1)


def damage(root: Path, fault: str) -> Path:
    """Put a fault into a tree, and return the file that has it."""
    if fault == "cut mask":
        path = save(root / "masks/bad.png", [[0, 1]])
        path.write_bytes(path.read_bytes()[:40])
        photo(root / "images/bad.jpg", 2, 1)
    elif fault == "empty mask":
        photo(root / "images/bad.jpg", 2, 1)
        path = root / "masks/bad.png"
        path.write_bytes(b"")
    elif fault == "no image":
        path = save(root / "masks/bad.png", [[0, 1]])
    elif fault == "bad image":
        save(root / "masks/bad.png", [[0, 1]])
        path = root / "images/bad.jpg"
        path.write_text("no image")
    elif fault == "other size":
        photo(root / "images/bad.jpg", 5, 1)
        path = save(root / "masks/bad.png", [[0, 1]])
    elif fault == "instances alone":
        path = save(root / "instances/bad.png", [[0, 1]])
    else:
        path = root / "labels.json"
        path.write_text(fault)
    return path


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("cut mask", "cut off"),
        ("empty mask", "empty"),
        ("no image", "a mask without its image"),
        ("bad image", "cannot be read as an image"),
        ("other size", "2 x 1 pixels on an image of 5 x 1"),
        ("instances alone", "instances without a mask"),
        ("{", "not JSON"),
        ('{"car": 1, "bus": 1}', "'car' and 'bus' have the index 1"),
    ],
)
def test_a_fault_is_named_and_the_rest_comes_in(
    db: masksdb.Database, tmp_path: Path, fault: str, reason: str
) -> None:  # fmt: skip
    photo(tmp_path / "d/images/good.jpg", 2, 1)
    save(tmp_path / "d/masks/good.png", [[0, 1]])
    path = damage(tmp_path / "d", fault)
    with pytest.raises(IngestError) as raised:
        db.ingest(tmp_path / "d", dataset="d")
    assert str(path) in str(raised.value)
    assert reason in str(raised.value)
    report = db.ingest(tmp_path / "d", dataset="d", on_error="skip")
    assert (ids(db), report.rejected) == (["good"], 1)
    assert [row[0] for row in regions(db)] == ["good"]


def test_an_image_without_a_mask_is_a_frame_and_told(db: masksdb.Database, tmp_path: Path) -> None:
    for name in "ab":
        photo(tmp_path / f"d/images/{name}.jpg")
    save(tmp_path / "d/masks/a.png", [[0, 1], [1, 1]])
    report = db.ingest(tmp_path / "d", dataset="d")
    assert ids(db) == ["a", "b"]
    assert any("b.jpg: no mask in masks/" in note for note in report.notes)


def values(db: masksdb.Database, folder: Path, pixels: Any, **how: Any) -> list[Any]:
    """What the values of one mask are read as: label, value, whether it is ignored."""
    save(folder / "masks/a.png", pixels, **how)
    db.ingest(folder, dataset="d")
    return [(row[1], row[3], row[5]) for row in regions(db)]


def test_index_0_is_background_and_255_void_where_nothing_names_them(db: masksdb.Database, tmp_path: Path) -> None:
    result = values(db, tmp_path / "d", [[0, 255, 17]])
    assert result == [("17", [17], False), ("void", [255], True)]


def test_the_label_map_may_name_0_and_255(db: masksdb.Database, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/labels.txt").write_text("0 sky\n255 sea\n7 Void\n")
    result = values(db, tmp_path / "d", [[0, 255, 7, 0]])
    assert result == [("sky", [0], False), ("Void", [7], True), ("sea", [255], False)]


@pytest.mark.parametrize(("names", "label"), [(None, "foreground"), (["background", "cell"], "cell")])
@pytest.mark.parametrize("kind", ["grey", "rgb"])
def test_white_is_the_object_of_black_and_white_masks(
    db: masksdb.Database, tmp_path: Path, names: list[str] | None, label: str, kind: str
) -> None:
    (tmp_path / "d").mkdir()
    if names:
        (tmp_path / "d/classes.json").write_text(json.dumps(names))
    grey = [[0, 255, 255]]
    value = [255] if kind == "grey" else [255] * 3
    pixels = grey if kind == "grey" else [[[level] * 3 for level in row] for row in grey]
    assert values(db, tmp_path / "d", pixels) == [(label, value, False)]


def test_one_mask_with_another_value_makes_255_void_in_all(db: masksdb.Database, tmp_path: Path) -> None:
    save(tmp_path / "d/masks/b.png", [[0, 9]])
    assert ("void", [255], True) in values(db, tmp_path / "d", [[0, 255]])


def test_16_bits_stay_16_bits(db: masksdb.Database, tmp_path: Path) -> None:
    assert values(db, tmp_path / "d", [[0, 300, 65535]], depth=16) == [
        ("300", [300], False),
        ("65535", [65535], False),
    ]


def test_palette_indexes_stay_indexes(db: masksdb.Database, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/labels.json").write_text('{"1": "car", "2": "bus"}')
    assert values(db, tmp_path / "d", [[0, 1, 2]], palette=PALETTE) == [("car", [1], False), ("bus", [2], False)]
    entries = db.version("d").get_metadata()["mask_labels"]["masks"]
    assert [entry["color"] for entry in entries if entry["value"] != [0]] == [[10, 20, 30], [40, 50, 60]]


def test_palette_indexes_are_named_by_colour_where_the_map_has_only_colours(
    db: masksdb.Database, tmp_path: Path
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/label_colors.txt").write_text("40 50 60\tbus\n10 20 30\tcar\n")
    assert values(db, tmp_path / "d", [[0, 1, 2]], palette=PALETTE) == [("car", [1], False), ("bus", [2], False)]


def test_unused_classes_are_declared(db: masksdb.Database, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/labels.txt").write_text("background\ncar\nbus\n")
    values(db, tmp_path / "d", [[0, 1]])
    result = db.sql("SELECT mask_id, value, labels[1] FROM mask_labels ORDER BY value").fetchall()
    assert result == [("masks", [0], "background"), ("masks", [1], "car"), ("masks", [2], "bus")]


def test_instances_have_the_class_that_lies_under_them(db: masksdb.Database, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/labels.txt").write_text("background\ncar\nsky\n")
    save(tmp_path / "d/masks/a.png", [[0, 1, 1, 2]])
    save(tmp_path / "d/instances/a.png", [[0, 700, 3, 0]], depth=16)
    db.ingest(tmp_path / "d", dataset="d")
    assert regions(db) == [
        ("a", "car", "instances", [3], 1, False),
        ("a", "car", "instances", [700], 1, False),
        ("a", "sky", "masks", [2], 1, False),
    ]


def test_an_instance_over_two_classes_becomes_two_rois_with_pixels_of_their_own(
    db: masksdb.Database, tmp_path: Path
) -> None:
    save(tmp_path / "d/masks/a.png", [[0, 1, 2, 2]])
    save(tmp_path / "d/instances/a.png", [[5, 5, 5, 0]])
    report = db.ingest(tmp_path / "d", dataset="d")
    result = db.sql("SELECT labels[1], mask_id, rle_area(rle), rle_bbox(rle).x FROM rois ORDER BY ALL").fetchall()
    assert result == [("1", None, 1, 1), ("2", None, 1, 2), ("2", None, 1, 3)]
    assert sum("but not alone" in note for note in report.notes) == 3


def test_an_instance_on_background_is_an_error(db: masksdb.Database, tmp_path: Path) -> None:
    save(tmp_path / "d/masks/a.png", [[0, 1]])
    save(tmp_path / "d/instances/a.png", [[4, 1]])
    with pytest.raises(IngestError, match=r"instances/a\.png: instance 4 is background in masks"):
        db.ingest(tmp_path / "d", dataset="d")


def test_other_layouts_go_before_a_folder_of_masks(db: masksdb.Database, tmp_path: Path) -> None:
    photo(tmp_path / "d/images/a.jpg")
    save(tmp_path / "d/masks/a.png", [[0, 1], [1, 1]])
    coco: dict[str, Any] = {"images": [], "annotations": [{"segmentation": []}], "categories": []}
    (tmp_path / "d/annotations").mkdir()
    (tmp_path / "d/annotations/instances_x.json").write_text(json.dumps(coco))
    with pytest.raises(IngestError):
        db.ingest(tmp_path / "d", dataset="d")
    assert db.ingest(tmp_path / "d", dataset="d", format="folder").new == 1
