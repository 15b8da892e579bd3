"""SA-1B, LabelMe and CVAT: annotations without mask files come in as the regions that they are."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from support.reference import coco_rle

import masksdb
from masksdb import IngestError

BLOB = np.zeros((8, 10), np.bool_)
BLOB[2:5, 3:9] = True
BLOB[3, 5] = False


def image(folder: Path, name: str = "a.png", **options: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (10, 8)).save(folder / name, **options)
    return folder


def rows(db: masksdb.Database) -> list[Any]:
    db.analyze()
    return db.sql("SELECT frame_id, class_labels, area FROM mask_roi_regions ORDER BY frame_id, roi_index").fetchall()


def filled(*points: float) -> int:
    return int(coco_mask.area(coco_mask.frPyObjects([list(points)], 8, 10))[0])


def sa1b(folder: Path, *annotations: dict[str, Any]) -> Path:
    about = {"image_id": 7, "file_name": "a.png", "width": 10, "height": 8}
    given = [{"predicted_iou": 0.5, "bbox": [0, 0, 1, 1], **item} for item in annotations]
    (image(folder) / "a.json").write_text(json.dumps({"image": about, "annotations": given}))
    return folder


def test_sa1b_regions_have_their_areas_and_no_class(db: masksdb.Database, tmp_path: Path) -> None:
    report = db.ingest(sa1b(tmp_path / "t", {"id": 3, "segmentation": coco_rle(BLOB)}), dataset="d")
    assert "taken for sa1b" in report.notes[0]
    assert rows(db) == [("a", ["object"], 17)]
    assert db.sql("SELECT roi_id, confidence, meta->'bbox' FROM rois").fetchall() == [("3", 0.5, "[0,0,1,1]")]


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        ({"id": 3, "segmentation": {"size": [8, 10], "counts": "04"}}, "annotation 3: run lengths that are not such"),
        (
            {"id": 3, "segmentation": coco_rle(BLOB.T)},
            "annotation 3: run lengths of 8 x 10 pixels on an image",
        ),
        ({"id": 1, "segmentation": coco_rle(BLOB)}, "annotation 1: its id again"),
        ({"id": [], "segmentation": coco_rle(BLOB)}, "found the id [], expected a number or a text"),
        (
            {"id": 3, "segmentation": coco_rle(BLOB), "predicted_iou": float("nan")},
            "annotation 3: found the predicted_iou 'nan', expected a number",
        ),
        ({"id": 3}, "expected an object with the run lengths 'segmentation'"),
    ],
)
def test_a_bad_sa1b_annotation_is_named(
    annotation: dict[str, Any], reason: str, db: masksdb.Database, tmp_path: Path
) -> None:
    root = sa1b(tmp_path / "t", {"id": 1, "segmentation": coco_rle(BLOB)}, annotation)
    with pytest.raises(IngestError) as raised:
        db.ingest(root, dataset="d")
    assert str(raised.value).startswith(f"{root}/a.json: annotations[1]: {reason}")
    assert db.ingest(root, dataset="d", on_error="skip").rejected == 1
    assert rows(db) == [("a", ["object"], 17)]


@pytest.mark.parametrize("annotations", [{"id": 1}, "none", 3])
def test_sa1b_annotations_that_are_no_list_are_refused(
    annotations: Any, db: masksdb.Database, tmp_path: Path
) -> None:  # fmt: skip
    root = changed(sa1b(tmp_path / "t"), annotations=annotations)
    with pytest.raises(IngestError, match=r"a.json: annotations: found .*, expected a list of annotations"):
        db.ingest(root, dataset="d", format="sa1b")


def test_sa1b_without_annotations_is_a_frame_that_is_told(db: masksdb.Database, tmp_path: Path) -> None:
    report = db.ingest(changed(sa1b(tmp_path / "t"), annotations=None), dataset="d", format="sa1b")
    assert report.new == 1
    assert report.notes == (f"{tmp_path}/t/a.json: no list 'annotations'; its frame has no ROIs",)


@pytest.mark.parametrize("format", ["sa1b", "labelme"])
@pytest.mark.parametrize("kind", ["folder", "link", "loop"])
def test_a_json_that_is_no_file_is_told(format: str, kind: str, db: masksdb.Database, tmp_path: Path) -> None:
    root = (sa1b if format == "sa1b" else labelme)(tmp_path / "t")
    bad = root / "b.JSON"
    if kind == "folder":
        bad.mkdir()
    else:
        bad.symlink_to("gone" if kind == "link" else "b.JSON")
    report = db.ingest(root, dataset="d", format=format, on_error="skip")
    assert (report.new, [str(error) for error in report.errors]) == (
        1,
        [f"{bad}: not a file that can be read; expected JSON"],
    )


@pytest.mark.parametrize("format", ["sa1b", "labelme"])
def test_a_json_in_capitals_is_read(format: str, db: masksdb.Database, tmp_path: Path) -> None:
    root = (sa1b if format == "sa1b" else labelme)(tmp_path / "t")
    (root / "a.json").rename(root / "a.JSON")
    assert db.ingest(root, dataset="d", format=format).new == 1


def test_the_sa1b_tree_comes_in(db: masksdb.Database, real_data: Path) -> None:
    root = real_data / "layouts/segment_anything_dataset"
    db.ingest(root, dataset="d", format="auto")
    given = {path.stem: json.loads(path.read_text())["annotations"] for path in root.glob("*.json")}
    areas = {(name, str(item["id"])): item["area"] for name, own in given.items() for item in own if item["area"]}
    db.analyze()
    result = db.sql("SELECT frame_id, roi_id, area FROM mask_roi_regions WHERE area > 0").fetchall()
    assert {(name, roi): area for name, roi, area in result} == areas
    assert db.sql("SELECT count(*) FROM rois").fetchall() == [(sum(map(len, given.values())),)]


def changed(folder: Path, **further: Any) -> Path:
    path = folder / "a.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | further))
    return folder


@pytest.mark.parametrize("format", ["sa1b", "labelme"])
@pytest.mark.parametrize("size", [20_000, 10**30, -8, 0, True, 8.5, "8", None])
def test_a_declared_size_that_no_image_has_is_refused(
    format: str, size: Any, db: masksdb.Database, tmp_path: Path
) -> None:
    if format == "sa1b":
        about = {"image_id": 7, "file_name": "a.png", "width": 20_000, "height": size}
        root = changed(sa1b(tmp_path / "t", {"id": 3, "segmentation": coco_rle(BLOB)}), image=about)
    else:
        root = labelme(tmp_path / "t", MASKED, imageWidth=20_000, imageHeight=size)
    with pytest.raises(IngestError, match=r"a.json: .*found an image of 20000 x .* pixels, (expected|more than)"):
        db.ingest(root, dataset="d", format=format)


def labelme(folder: Path, *shapes: dict[str, Any], **further: Any) -> Path:
    document = {"imagePath": "a.png", "imageWidth": 10, "imageHeight": 8, "shapes": list(shapes), **further}
    (image(folder) / "a.json").write_text(json.dumps(document))
    return folder


def png(pixels: Any) -> str:
    data = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8) * 255).save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


MASKED = {"label": "c", "points": [[3, 2], [8, 4]], "shape_type": "mask", "mask": png(BLOB[2:5, 3:9])}


def test_labelme_shapes_have_the_areas_that_they_draw(db: masksdb.Database, tmp_path: Path) -> None:
    root = labelme(
        tmp_path / "t",
        {"label": "a", "points": [[1, 1], [7, 1], [7, 6]], "shape_type": "polygon"},
        {"label": "b", "points": [[8, 7], [2, 1]], "shape_type": "rectangle"},
        MASKED,
        {"label": "d", "points": [[4, 4]], "shape_type": "point", "flags": {"hard": True}},
        {"label": "e", "points": [[5, 4], [5, 6]], "shape_type": "circle"},
    )
    assert "taken for labelme" in db.ingest(root, dataset="d").notes[0]
    result = rows(db)
    assert result[:4] == [
        ("a", ["a"], filled(1, 1, 7, 1, 7, 6)),
        ("a", ["b"], 36),
        ("a", ["c"], 17),
        ("a", ["d"], None),
    ]
    assert abs(result[4][2] - np.pi * 4) < 3
    assert db.sql("SELECT meta->'points', meta->'flags' FROM rois WHERE roi_index = 3").fetchall() == [
        ("[[4.0,4.0]]", '{"hard":true}')
    ]


def test_labelme_shapes_of_one_group_are_one_region(db: masksdb.Database, tmp_path: Path) -> None:
    parts = [[[0, 0], [2, 0], [2, 2], [0, 2]], [[5, 5], [8, 5], [8, 8], [5, 8]]]
    db.ingest(labelme(tmp_path / "t", *({"label": "a", "points": item, "group_id": 1} for item in parts)), dataset="d")
    assert rows(db) == [("a", ["a"], 13)]


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ({"points": [[0, 0]]}, "expected a shape with a label"),
        ({"label": "x", "points": [[0, 0], [1, 1]]}, "a polygon of 2 points"),
        ({"label": "x", "points": [[0, "a"]]}, "points that are not such"),
        ({"label": "x", "points": [[0, 10**400]]}, "points that are not such"),
        ({"label": "x", "points": [[0, 0], [1, 1], [1, 0]], "group_id": [1]}, "found the group_id [1], expected a"),
        ({**MASKED, "mask": "\u00e9"}, "a mask that cannot be read"),
        (
            {"label": "x", "points": [[6, 6], [9, 9]], "shape_type": "mask", "mask": png(BLOB)},
            "a mask of 10 x 8 pixels",
        ),
        ({"label": "x", "points": [[0, 0], [9, 9]], "shape_type": "mask", "mask": "@@"}, "a mask that cannot be read"),
    ],
)
def test_a_bad_labelme_shape_is_named(shape: dict[str, Any], reason: str, db: masksdb.Database, tmp_path: Path) -> None:
    root = labelme(tmp_path / "t", {"label": "a", "points": [[1, 1], [7, 1], [7, 6]]}, shape)
    with pytest.raises(IngestError) as raised:
        db.ingest(root, dataset="d")
    assert str(raised.value).startswith(f"{root}/a.json: shapes[1]: {reason}")
    assert db.ingest(root, dataset="d", on_error="skip").new == 1


def test_a_labelme_file_without_its_image_is_named(db: masksdb.Database, tmp_path: Path) -> None:
    root = labelme(tmp_path / "t")
    (root / "a.png").unlink()
    with pytest.raises(IngestError, match=r"a.json: its image 'a.png' is not there"):
        db.ingest(root, dataset="d")


def cvat(folder: Path, shapes: str) -> Path:
    labels = "<labels><label><name>cat</name><color>#0a0b0c</color></label></labels>"
    about = '<image id="0" name="a.png" width="10" height="8" subset="train">'
    text = f"<annotations><version>1.1</version><meta><job>{labels}</job></meta>{about}{shapes}</image></annotations>"
    (image(folder) / "annotations.xml").write_text(text)
    return folder


def test_cvat_polygons_masks_and_boxes_have_the_areas_that_they_draw(db: masksdb.Database, tmp_path: Path) -> None:
    flat = BLOB[2:5, 3:9].reshape(-1)
    edges = np.flatnonzero(np.diff(flat.astype(int), prepend=0))
    counts = ", ".join(map(str, np.diff([0, *edges, len(flat)])))
    root = cvat(
        tmp_path / "t",
        '<polygon label="cat" points="1.0,1.0;7.0,1.0;7.0,6.0" z_order="1">'
        '<attribute name="wild">no</attribute></polygon>'
        f'<mask label="dog" rle="{counts}" left="3" top="2" width="6" height="3" z_order="0"/>'
        '<box label="cat" xtl="2" ytl="1" xbr="8" ybr="7" z_order="2"/><tag label="rain"/>'
        '<points label="nose" points="3,4" z_order="3"/>',
    )
    assert "taken for cvat" in db.ingest(root, dataset="d").notes[0]
    assert rows(db) == [
        ("a", ["dog"], 17),
        ("a", ["rain"], None),
        ("a", ["cat"], filled(1, 1, 7, 1, 7, 6)),
        ("a", ["cat"], 36),
        ("a", ["nose"], None),
    ]
    assert db.sql("SELECT meta->'points' FROM rois WHERE roi_index = 4").fetchall() == [("[3.0,4.0]",)]
    assert db.sql("SELECT meta->'attributes' FROM rois WHERE roi_index = 2").fetchall() == [('{"wild":"no"}',)]
    assert db.sql("SELECT value, labels FROM mask_labels").fetchall() == [([10, 11, 12], ["cat"])]
    query = "SELECT meta->>'split', source_uri FROM dataset_frames JOIN mask_rois USING (frame_key) LIMIT 1"
    assert db.sql(query).fetchall() == [("train", str(root / "a.png"))]


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ('<polygon label="x" points="1,1;2,2"/>', "a polygon of 'x' with 4 numbers"),
        ('<polygon points="1,1;2,2;3,1"/>', "a polygon without a label"),
        (
            '<mask label="x" rle="1,2" left="0" top="0" width="2" height="2"/>',
            "a mask of 'x', whose run lengths",
        ),
        (
            '<mask label="x" rle="4" left="9" top="0" width="2" height="2"/>',
            "a mask of 'x', 2 x 2 pixels at 9, 0",
        ),
        (
            '<mask label="x" rle="9223372036854775807,9223372036854775807,6" left="0" top="0" width="2" height="2"/>',
            "a mask of 'x', whose run lengths are of 18446744073709551620 pixels, not of 2 x 2",
        ),
        ('<mask label="x" rle="4" left="0" top="0" width="-2" height="-2"/>', "a mask of 'x', -2 x -2 pixels"),
        ('<mask label="x" rle="4" left="inf" top="0" width="2" height="2"/>', "a mask of 'x' with numbers that are"),
        (f'<mask label="x" rle="{"9" * 25}" left="0" top="0" width="2" height="2"/>', "a mask of 'x', whose run"),
        (f'<mask label="x" rle="{"9" * 5000}" left="0" top="0" width="2" height="2"/>', "a mask of 'x' with numbers"),
        ('<box label="x" xtl="a" ytl="1" xbr="8" ybr="7"/>', "a box of 'x' with numbers that are not such"),
        ('<box label="x" xtl="1" ytl="1" xbr="inf" ybr="7"/>', "a box of 'x' with numbers that are not finite"),
        ('<ellipse label="x" cx="1" cy="1" rx="2"/>', "an ellipse of 'x' with numbers that are not such: 'ry'"),
    ],
)
def test_a_bad_cvat_shape_is_named(shape: str, reason: str, db: masksdb.Database, tmp_path: Path) -> None:
    root = cvat(tmp_path / "t", '<box label="cat" xtl="2" ytl="1" xbr="8" ybr="7"/>' + shape)
    with pytest.raises(IngestError) as raised:
        db.ingest(root, dataset="d")
    assert f"image 'a.png': {reason}" in str(raised.value)
    assert db.ingest(root, dataset="d", on_error="skip").new == 1


def test_a_cvat_box_is_turned_about_its_middle_and_an_ellipse_is_kept(db: masksdb.Database, tmp_path: Path) -> None:
    box = '<box label="{}" xtl="2" ytl="3" xbr="8" ybr="5" rotation="{}"/>'
    ellipse = '<ellipse label="c" cx="5" cy="4" rx="3" ry="2" rotation="180" z_order="--1"/>'
    db.ingest(cvat(tmp_path / "t", box.format("a", "90.0") + box.format("b", "30") + ellipse), dataset="d")
    polygons = db.sql("SELECT poly FROM rois ORDER BY roi_index").fetchall()
    assert [sorted(zip(poly[::2], poly[1::2], strict=True)) for (poly,) in polygons[:1]] == [
        [(4, 1), (4, 7), (6, 1), (6, 7)]
    ]
    # The right upper corner, turned to the right and down by hand: (3, -1) about (5, 4) by 30 degrees.
    assert [float(number) for number in polygons[1][0][2:4]] == pytest.approx(
        [5 + 3 * np.sqrt(3) / 2 + 0.5, 4 + 1.5 - np.sqrt(3) / 2]
    )
    assert rows(db)[0] == ("a", ["a"], 12)
    kept = db.sql("SELECT kind, extra->'ellipse2d_xyrrt' FROM rois WHERE roi_index = 2").fetchall()
    assert [(kind, json.loads(numbers)) for kind, numbers in kept] == [("shape", pytest.approx([5, 4, 3, 2, np.pi]))]


def test_cvat_shapes_without_an_outline_are_told_and_tracks_refused(db: masksdb.Database, tmp_path: Path) -> None:
    root = cvat(tmp_path / "t", '<cuboid label="cat"/><skeleton label="dog"/><tag label="rain"/>')
    notes = db.ingest(root, dataset="d").notes
    assert [note.partition("xml: ")[2] for note in notes[1:]] == [
        f"image 'a.png': a {what} is left out, which has no outline"
        for what in ("cuboid of 'cat'", "skeleton of 'dog'")
    ]
    path = root / "annotations.xml"
    track = '<track id="7" label="cat"><polygon frame="0" points="1,1;2,2;3,3"/></track><image'
    path.write_text(path.read_text().replace("<image", track))
    with pytest.raises(IngestError, match=r"annotations.xml: track 7 of 'cat': this is CVAT for video; expected"):
        db.ingest(root, dataset="e")
    assert db.ingest(root, dataset="e", on_error="skip").new == 1


@pytest.mark.parametrize(
    ("width", "reason"),
    [
        ("20000000", "found an image of 20000000 x 200 pixels, more than the limit"),
        ("-1", "found an image of '-1' x 200 pixels"),
        ("9" * 5000, "found an image of '99999"),
        ("9" * 18, "found an image of 99999"),
    ],
)
def test_a_size_that_no_image_has_is_refused(width: str, reason: str, db: masksdb.Database, tmp_path: Path) -> None:
    root = cvat(tmp_path / "t", '<mask label="x" rle="0,4" left="0" top="0" width="2" height="2"/>')
    path = root / "annotations.xml"
    path.write_text(path.read_text().replace('width="10" height="8"', f'width="{width}" height="200"', 1))
    with pytest.raises(IngestError) as raised:
        db.ingest(root, dataset="d")
    assert str(raised.value).startswith(f"{path}: image 'a.png': {reason}")


@pytest.mark.parametrize("encoding", ["foo", "gb18030"])
def test_an_xml_in_an_unknown_encoding_is_named(encoding: str, db: masksdb.Database, tmp_path: Path) -> None:
    root = cvat(tmp_path / "t", "")
    path = root / "annotations.xml"
    path.write_text(f'<?xml version="1.0" encoding="{encoding}"?>{path.read_text()}')
    with pytest.raises(IngestError, match=r"annotations.xml: not XML"):
        db.ingest(root, dataset="d")


def test_a_cut_off_xml_is_named_and_what_came_before_is_kept(db: masksdb.Database, tmp_path: Path) -> None:
    root = cvat(tmp_path / "t", '<box label="cat" xtl="2" ytl="1" xbr="8" ybr="7"/>')
    path = root / "annotations.xml"
    path.write_text(path.read_text().removesuffix("</annotations>"))
    with pytest.raises(IngestError, match="not XML: no element found"):
        db.ingest(root, dataset="d")
    assert db.ingest(root, dataset="d", on_error="skip").new == 1


def test_an_image_that_exif_turns_is_told(db: masksdb.Database, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    root = labelme(tmp_path / "t", imagePath="b.jpg")
    image(root, "b.jpg", exif=exif)
    notes = db.ingest(root, dataset="d").notes
    assert f"{root}/b.jpg: EXIF orientation 6 shows it turned or mirrored" in notes[-1]
