"""VOC and CVAT trees come in with the areas that Pillow finds, and go out so that the same regions are in the PNGs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from support.partitions import Numbers, frame_of, partitions, regions_of

import masksdb
from masksdb import IngestError

LABELS = ["person", "cat", "tree", "person", "a:b, c", "ignore me"]
VOID = [224, 224, 192]
# The first entries of the palette of the VOC devkit.
PALETTE = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128, 128, 0, 128, 0, 128, 128, 128, 128, 128]


def png(path: Path, pixels: Any, palette: list[int] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.array(pixels, np.uint8))
    if palette is not None:
        # A shorter palette would be stored with fewer bits, and cut the indexes.
        image.putpalette(palette + [7] * (768 - len(palette)))
    image.save(path)
    return path


def tree(root: Path, name: str = "a", *, palette: list[int] | None = PALETTE, **masks: Any) -> Path:
    for folder, pixels in masks.items():
        png(root / folder / f"{name}.png", pixels, palette)
    return root


def listed(root: Path, split: str, text: str) -> None:
    path = root / f"ImageSets/Segmentation/{split}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def rows(db: masksdb.Database) -> list[Any]:
    query = """
        SELECT frame_id, class_labels[1], mask_id, mask_value, mask_area(mask, mask_value), roi_meta IS NOT NULL
        FROM mask_rois ORDER BY ALL
    """
    return db.sql(query).fetchall()


def stored(path: Path) -> Any:
    with Image.open(path) as image:
        return np.asarray(image).copy()


def test_the_real_tree_comes_in_as_pillow_reads_it(db: masksdb.Database, real_data: Path) -> None:
    root = real_data / "layouts/voc_dataset/voc_dataset1"
    db.ingest(real_data / "layouts/voc_dataset", dataset="d")
    frames = db.sql("SELECT frame_id, meta->>'split' FROM dataset_frames ORDER BY frame_id").fetchall()
    assert frames == [("2007_000001", "train"), ("2007_000002", "test")]
    masks = sorted(path.relative_to(root).as_posix() for path in root.glob("Segmentation*/*.png"))
    result = db.sql("SELECT mask_uri FROM frame_masks ORDER BY mask_uri").fetchall()
    assert [uri for (uri,) in result] == [str(root / name) for name in masks]
    objects = stored(root / "SegmentationObject/2007_000001.png")
    colours, areas = np.unique(objects.reshape(-1, 3), axis=0, return_counts=True)
    expected = [
        ("2007_000001", "bicycle", "SegmentationObject", colour, area, False)
        for colour, area in zip(colours.tolist(), areas.tolist(), strict=True)
        if any(colour)
    ]
    assert rows(db) == expected


def test_objects_have_the_class_that_lies_under_them(db: masksdb.Database, tmp_path: Path) -> None:
    classes = [[0, 15, 15, 255], [8, 8, 15, 255]]
    db.ingest(
        tree(tmp_path, SegmentationClass=classes, SegmentationObject=[[0, 1, 1, 255], [3, 3, 2, 255]]), dataset="d"
    )
    assert rows(db) == [
        ("a", "cat", "SegmentationObject", [3], 2, False),
        ("a", "person", "SegmentationObject", [1], 2, False),
        ("a", "person", "SegmentationObject", [2], 1, False),
        ("a", "void", "SegmentationObject", [255], 2, True),
    ]


def test_an_object_over_two_classes_has_that_of_most_pixels(db: masksdb.Database, tmp_path: Path) -> None:
    tree(tmp_path, SegmentationClass=[[15, 8, 8, 255, 255, 0, 0, 0]], SegmentationObject=[[1] * 8])
    report = db.ingest(tmp_path, dataset="d")
    assert ("a", "cat", "SegmentationObject", [1], 8, False) in rows(db)
    assert any("object 1: 1 pixels of it are not cat" in note for note in report.notes)


def test_names_of_voc_keep_their_indexes_before_a_label_map(db: masksdb.Database, tmp_path: Path) -> None:
    rois: dict[int, Any] = {1: {"label": ["tree"]}, 2: {"label": ["person"]}, 3: {"label": ["rock"]}}
    db.ingest([frame_of("f", np.array([[1, 2, 3]]), rois)], dataset="d")
    mask_labels = [{"value": [15], "labels": ["tree"]}, {"value": [40], "labels": ["rock"]}]
    db.version("d").set_metadata({"mask_labels": mask_labels})
    db.export(tmp_path / "out", dataset="d", format="voc")
    assert stored(tmp_path / "out/SegmentationClass/f.png").tolist() == [[1, 15, 40]]


def test_a_class_without_objects_keeps_its_region(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest(tree(tmp_path, SegmentationClass=[[0, 2, 7]], SegmentationObject=[[0, 0, 1]]), dataset="d")
    assert rows(db) == [
        ("a", "bicycle", "SegmentationClass", [2], 1, False),
        ("a", "car", "SegmentationObject", [1], 1, False),
    ]


def test_colours_are_named_by_the_label_map(db: masksdb.Database, tmp_path: Path) -> None:
    tree(tmp_path, SegmentationClass=[[[0, 0, 0], [1, 2, 3], [4, 5, 6], VOID]], palette=None)
    (tmp_path / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ntree:1,2,3:bark,leaf:\n7:8:4,5,6::\n\n"
    )
    db.ingest(tmp_path, dataset="d")
    assert [row[1:] for row in rows(db)] == [
        ("7:8", "SegmentationClass", [4, 5, 6], 1, False),
        ("tree", "SegmentationClass", [1, 2, 3], 1, False),
        ("void", "SegmentationClass", VOID, 1, True),
    ]
    labels = db.sql("SELECT labels[1] FROM mask_labels").fetchall()
    assert {label for (label,) in labels} == {"background", "tree", "7:8", "void"}


def test_palette_indexes_are_named_by_their_colours_in_a_label_map(db: masksdb.Database, tmp_path: Path) -> None:
    tree(tmp_path, SegmentationClass=[[0, 1, 2]], palette=[0, 0, 0, 40, 50, 60, 10, 20, 30])
    (tmp_path / "labelmap.txt").write_text("background:0,0,0::\nfirst:10,20,30::\nsecond:40,50,60::\n")
    db.ingest(tmp_path, dataset="d")
    assert [row[1:4] for row in rows(db)] == [
        ("first", "SegmentationClass", [2]),
        ("second", "SegmentationClass", [1]),
    ]


def labels_of(root: Path, name: str) -> list[tuple[str, bytes]]:
    """The regions of a written image with their labels, as Pillow and the label map say."""
    names = {}
    for line in (root / "labelmap.txt").read_text().splitlines()[1:]:
        label, colour, *_ = line.rsplit(":", 3)
        names[tuple(map(int, colour.split(",")))] = label
    masks = []
    for folder in ("SegmentationClass", "SegmentationObject"):
        with Image.open(root / folder / f"{name}.png") as image:
            masks.append(np.asarray(image.convert("RGB")))
    classes, objects = masks
    result = []
    for colour in np.unique(objects.reshape(-1, 3), axis=0).tolist():
        if any(colour):
            flags = (objects == colour).all(axis=2)
            (under,) = np.unique(classes[flags], axis=0).tolist()
            result.append((names[tuple(under)], flags.tobytes()))
    return sorted(result)


@given(images=st.lists(partitions(len(LABELS)), min_size=3, max_size=6))
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_regions_come_back_pixel_identical(db: masksdb.Database, tmp_path: Path, images: list[Numbers]) -> None:
    dataset = f"d{len(list(tmp_path.iterdir()))}"
    out = tmp_path / dataset
    rois: dict[int, Mapping[str, Any]] = {number: {"label": [label]} for number, label in enumerate(LABELS, 1)}
    rois[len(LABELS)] = {**rois[len(LABELS)], "meta": {"ignore": True}}
    db.ingest([frame_of(f"s/{index}", numbers, rois) for index, numbers in enumerate(images)], dataset=dataset)
    mask_labels = [{"value": [99], "labels": ["ignore me"], "ignore": True}]
    db.version(dataset).set_metadata({"mask_labels": mask_labels})
    report: Any = db.export(out, dataset=dataset, format="voc")
    assert report.is_lossless
    for index, numbers in enumerate(images):
        assert labels_of(out, f"s/{index}") == regions_of(numbers, LABELS)
    db.ingest(out, dataset=f"{dataset} again", format="voc")
    query = """
        SELECT frame_id, class_labels[1], coalesce(roi_meta->>'ignore' = 'true', false)
        FROM mask_rois WHERE dataset = $d
    """
    result = set(db.sql(query, {"d": f"{dataset} again"}).fetchall())
    assert result == {
        (f"s/{index}", LABELS[number - 1], number == len(LABELS))
        for index, numbers in enumerate(images)
        for number in np.unique(numbers).tolist()
        if number
    }


def many(count: int, label: str, *, with_hole: bool = False) -> dict[str, Any]:
    numbers = np.arange(count + 1).reshape(-1, 1).repeat(3, axis=1)
    if with_hole:
        numbers[count, 1] = 0
    return frame_of("f", numbers, {number: {"label": [label.format(number)]} for number in range(1, count + 1)})


def test_more_objects_than_a_palette_has_are_written_in_colours(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest([many(700, "person", with_hole=True)], dataset="d")
    report: Any = db.export(tmp_path / "out", dataset="d", format="voc")
    assert report.is_lossless
    assert stored(tmp_path / "out/SegmentationClass/f.png")[1:700].tolist() == [[15] * 3] * 699
    objects = stored(tmp_path / "out/SegmentationObject/f.png")
    colours, areas = np.unique(objects.reshape(-1, 3), axis=0, return_counts=True)
    assert len(colours) == 701
    assert sorted(areas.tolist()) == [2] + [3] * 699 + [4]
    assert VOID not in colours.tolist()
    assert objects[700].tolist() == [[208, 96, 192], [0, 0, 0], [208, 96, 192]]
    assert objects[254].tolist() == [[96, 224, 192]] * 3


def test_more_classes_than_a_palette_has_are_written_in_colours(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest([many(300, "class {}")], dataset="d")
    report: Any = db.export(tmp_path / "out", dataset="d", format="voc")
    assert report.is_lossless
    expected = sorted((f"class {number}", (np.arange(301) == number).repeat(3).tobytes()) for number in range(1, 301))
    assert labels_of(tmp_path / "out", "f") == expected


def test_pillow_reads_vocs_indexes_and_palette(db: masksdb.Database, tmp_path: Path) -> None:
    numbers = np.array([[0, 1, 2, 3]])
    rois: dict[int, Any] = {1: {"label": ["tvmonitor"]}, 2: {"label": ["ufo"]}, 3: {"meta": {"ignore": True}}}
    db.ingest([frame_of("f", numbers, rois)], dataset="d")
    db.version("d").set_masks_labels({(128, 0, 0): ["tvmonitor"]})
    report: Any = db.export(tmp_path / "out", dataset="d", format="voc")
    with Image.open(tmp_path / "out/SegmentationClass/f.png") as image:
        assert (image.mode, np.asarray(image).tolist()) == ("P", [[0, 20, 2, 255]])
        palette = image.getpalette() or []
    assert (palette[:3], palette[3 * 20 : 3 * 21], palette[3 * 255 :]) == ([0, 0, 0], [128, 0, 0], VOID)
    with Image.open(tmp_path / "out/SegmentationObject/f.png") as image:
        assert np.asarray(image).tolist() == [[0, 1, 2, 255]]
        assert (image.getpalette() or [])[: len(PALETTE)] == PALETTE, "objects are not labels: they keep VOC's palette"
    assert any("without their own class" in note for note in report.notes)


def test_splits_and_images_come_back(db: masksdb.Database, tmp_path: Path) -> None:
    root = tree(tmp_path / "in", SegmentationClass=[[0, 1]])
    png(root / "JPEGImages/a.jpg", np.zeros((1, 2, 3)))
    png(root / "JPEGImages/b.jpg", np.zeros((1, 2, 3)))
    listed(root, "trainval", "a\nb\n")
    listed(root, "val", "a\n")
    db.ingest(root, dataset="d")
    assert db.sql("SELECT frame_id, meta->>'split' FROM dataset_frames").fetchall() == [("a", "val"), ("b", "trainval")]
    db.export(tmp_path / "out", dataset="d", format="voc", with_images=True)
    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert names == [
        "ImageSets/Segmentation/trainval.txt",
        "ImageSets/Segmentation/val.txt",
        "JPEGImages/a.jpg",
        "JPEGImages/b.jpg",
        *(f"Segmentation{kind}/{name}.png" for kind in ("Class", "Object") for name in "ab"),
        "labelmap.txt",
    ]


def faulty(root: Path, fault: str) -> Path:
    tree(root, "good", SegmentationClass=[[0, 1]], SegmentationObject=[[0, 1]])
    tree(root, "bad", SegmentationClass=[[0, 1]], SegmentationObject=[[0, 1]])
    if fault == "damaged":
        path = root / "SegmentationObject/bad.png"
        path.write_bytes(path.read_bytes()[:50])
    elif fault == "empty":
        (root / "SegmentationClass/bad.png").write_bytes(b"")
    elif fault == "size":
        png(root / "SegmentationObject/bad.png", [[0, 1, 1]], PALETTE)
    elif fault == "no image":
        png(root / "JPEGImages/good.png", np.zeros((1, 2, 3)))
    elif fault == "image":
        for name in ("good", "bad"):
            png(root / f"JPEGImages/{name}.png", np.zeros((1, 2, 3)))
        (root / "JPEGImages/bad.png").write_bytes(b"not an image")
    elif fault == "listed":
        listed(root, "train", "good\nbad\ngone\n")
    elif fault == "map":
        (root / "labelmap.txt").write_text("background:0,0,0::\nred:128,0,0::\nbad:1,2::\n")
    elif fault == "colour":
        (root / "labelmap.txt").write_text("background:0,0,0::\nred:128,0,0::\nbad:128,0,0::\n")
    else:
        listed(root, "train", "good\n")
        (root / "ImageSets/Segmentation/train.txt").write_bytes(b"\xff\xfe\x00")
    return root


@pytest.mark.parametrize(
    ("fault", "place", "reason", "left"),
    [
        ("damaged", "SegmentationObject/bad.png", "", 1),
        ("empty", "SegmentationClass/bad.png", "", 1),
        ("size", "SegmentationObject/bad.png", "3 x 1 pixels on another mask of 2 x 1; masks are never resized", 1),
        ("no image", "SegmentationClass/bad.png", "no image bad in JPEGImages", 1),
        ("image", "JPEGImages/bad.png", "cannot be read as an image", 1),
        ("listed", "ImageSets/Segmentation/train.txt:3", "gone: no such image or mask", 2),
        ("map", "labelmap.txt:3", "found 'bad:1,2::', expected name:r,g,b:parts:actions", 2),
        ("colour", "labelmap.txt:3", "the colour 128,0,0 again", 2),
        ("text", "ImageSets/Segmentation/train.txt", "cannot be read as UTF-8 text", 2),
    ],
)
def test_a_fault_is_told_by_its_place(
    db: masksdb.Database, tmp_path: Path, fault: str, place: str, reason: str, left: int
) -> None:
    root = faulty(tmp_path / "in", fault)
    with pytest.raises(IngestError) as raised:
        db.ingest(root, dataset="d", format="voc")
    assert raised.value.place == str(root / place)
    assert reason in raised.value.reason
    report = db.ingest(root, dataset="d", format="voc", on_error="skip")
    assert (report.new, report.rejected) == (left, 1)
    assert report.errors[0].place == str(root / place)


def test_an_export_that_skips_a_lost_image_leaves_its_frame_out(db: masksdb.Database, tmp_path: Path) -> None:
    root = tree(tmp_path / "in", SegmentationClass=[[0, 1]])
    tree(root, "b", SegmentationClass=[[0, 1]])
    for name in "ab":
        png(root / f"JPEGImages/{name}.png", np.zeros((1, 2, 3)))
    db.ingest(root, dataset="d")
    (root / "JPEGImages/b.png").unlink()
    report: Any = db.export(tmp_path / "out", dataset="d", format="voc", with_images=True, on_error="skip")
    assert report.left_out == ["b"]
    assert [(loss.frame, loss.not_held) for loss in report.losses] == [("a", 0), ("b", 1)]
    assert (tmp_path / "out/ImageSets/Segmentation/default.txt").read_text() == "a\n"


def test_what_the_layout_has_no_place_for_is_told(db: masksdb.Database, tmp_path: Path) -> None:
    rois: dict[int, Any] = {1: {"label": ["background"]}, 2: {"label": ["cat"], "is_crowd": True}}
    db.ingest([frame_of("f", np.array([[0, 1, 2]]), rois)], dataset="d")
    report: Any = db.export(tmp_path / "out", dataset="d", format="voc")
    assert [(loss.label, loss.not_held) for loss in report.losses] == [("background", 1), ("cat", 0)]
    assert any("1 crowds are written as objects" in note for note in report.notes)


def test_a_mask_of_objects_that_other_images_have_is_missed(db: masksdb.Database, tmp_path: Path) -> None:
    tree(tmp_path, "a", SegmentationClass=[[0, 1]], SegmentationObject=[[0, 1]])
    tree(tmp_path, "b", SegmentationClass=[[0, 2]])
    notes = db.ingest(tmp_path, dataset="d").notes
    assert f"{tmp_path}/SegmentationClass/b.png: no mask in SegmentationObject; its classes are its ROIs" in notes
    assert [row[:4] for row in rows(db)] == [
        ("a", "aeroplane", "SegmentationObject", [1]),
        ("b", "bicycle", "SegmentationClass", [2]),
    ]
