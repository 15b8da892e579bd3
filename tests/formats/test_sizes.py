"""A mask of another size than its image is refused by name in every layout of masks, and the other frames come in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.mask_trees import photo, save

import masksdb
from masksdb import IngestError

Side = int
"""Width and height of a mask; its image has 2 x 2 pixels."""


def full(side: Side, value: Any) -> Any:
    return np.full((side, side, 3) if isinstance(value, tuple) else (side, side), value)


def ade20k(root: Path, name: str, side: Side) -> Path:
    stem = root / f"images/training/street/{name}"
    photo(stem.with_suffix(".jpg"))
    named = {"object": [{"name": "car", "name_ndx": 257}]}
    stem.with_suffix(".json").write_text(json.dumps({"annotation": named}))
    return save(stem.with_name(f"{name}_seg.png"), full(side, (10, 1, 1)))


def camvid(root: Path, name: str, side: Side) -> Path:
    photo(root / f"train/{name}.png")
    return save(root / f"trainannot/{name}.png", full(side, 3))


def cityscapes(root: Path, name: str, side: Side) -> Path:
    photo(root / f"leftImg8bit/val/bonn/{name}_leftImg8bit.png")
    return save(root / f"gtFine/val/bonn/{name}_gtFine_labelIds.png", full(side, 7))


def cityscapes_colours(root: Path, name: str, side: Side) -> Path:
    cityscapes(root, name, 2)
    return save(root / f"gtFine/val/bonn/{name}_gtFine_color.png", full(side, (128, 64, 128)))


def coco_panoptic(root: Path, name: str, side: Side) -> Path:
    photo(root / f"images/{name}.jpg")
    path = root / "annotations/panoptic_val.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    document = json.loads(path.read_text()) if path.exists() else {"images": [], "annotations": []}
    number = len(document["images"]) + 1
    document["categories"] = [{"id": 1, "name": "car", "isthing": 1}]
    document["images"].append({"id": number, "file_name": f"{name}.jpg"})
    segments = [{"id": 5, "category_id": 1, "iscrowd": 0}]
    document["annotations"].append({"image_id": number, "file_name": f"{name}.png", "segments_info": segments})
    path.write_text(json.dumps(document))
    return save(root / f"annotations/panoptic_val/{name}.png", full(side, (5, 0, 0)))


def davis(root: Path, name: str, side: Side) -> Path:
    photo(root / f"JPEGImages/480p/cars/{name}.jpg")
    return save(root / f"Annotations/480p/cars/{name}.png", full(side, 1), palette=[0, 0, 0, 128, 0, 0])


def davis_without_images(root: Path, name: str, side: Side) -> Path:
    save(root / f"Annotations/480p/cars/{name}.png", full(2, 1), palette=[0, 0, 0, 128, 0, 0])
    return save(root / f"Annotations_unsupervised/480p/cars/{name}.png", full(side, 1), palette=[0, 0, 0, 128, 0, 0])


def folder(root: Path, name: str, side: Side) -> Path:
    photo(root / f"images/{name}.jpg")
    return save(root / f"masks/{name}.png", full(side, 1))


def folder_instances(root: Path, name: str, side: Side) -> Path:
    folder(root, name, 2)
    return save(root / f"instances/{name}.png", full(side, 1))


def kitti(root: Path, name: str, side: Side) -> Path:
    photo(root / f"training/image_2/{name}.png")
    return save(root / f"training/semantic/{name}.png", full(side, 7))


def kitti_colours(root: Path, name: str, side: Side) -> Path:
    kitti(root, name, 2)
    return save(root / f"training/semantic_rgb/{name}.png", full(side, (128, 64, 128)))


def mapillary(root: Path, name: str, side: Side) -> Path:
    photo(root / f"training/images/{name}.jpg")
    (root / "config.json").write_text(json.dumps({"labels": [{"name": "car", "color": [1, 2, 3]}]}))
    return save(root / f"training/labels/{name}.png", full(side, 0))


def mapillary_panoptic(root: Path, name: str, side: Side) -> Path:
    mapillary(root, name, 2)
    return save(root / f"training/panoptic/{name}.png", full(side, (5, 0, 0)))


def mots(root: Path, name: str, side: Side) -> Path:
    photo(root / f"training/image_02/0001/{name}.png")
    return save(root / f"instances/0001/{name}.png", full(side, 1001), depth=16)


def synthia(root: Path, name: str, side: Side) -> Path:
    photo(root / f"RGB/{name}.png")
    return save(root / f"GT/LABELS/{name}.png", full(side, 1))


def synthia_colours(root: Path, name: str, side: Side) -> Path:
    synthia(root, name, 2)
    return save(root / f"GT/COLOR/{name}.png", full(side, (70, 130, 180)))


def voc(root: Path, name: str, side: Side) -> Path:
    photo(root / f"JPEGImages/{name}.jpg")
    return save(root / f"SegmentationClass/{name}.png", full(side, 7), palette=[0, 0, 0] * 8)


def voc_objects(root: Path, name: str, side: Side) -> Path:
    voc(root, name, 2)
    return save(root / f"SegmentationObject/{name}.png", full(side, 1), palette=[0, 0, 0] * 8)


Write = Callable[[Path, str, Side], Path]

LAYOUTS: dict[str, tuple[Write, ...]] = {
    "ade20k": (ade20k,),
    "camvid": (camvid,),
    "cityscapes": (cityscapes, cityscapes_colours),
    "coco-panoptic": (coco_panoptic,),
    "davis": (davis, davis_without_images),
    "folder": (folder, folder_instances),
    "kitti": (kitti, kitti_colours),
    "mapillary": (mapillary, mapillary_panoptic),
    "mots": (mots,),
    "synthia": (synthia, synthia_colours),
    "voc": (voc, voc_objects),
}


@pytest.mark.parametrize(
    ("layout", "write"), [pytest.param(name, one, id=one.__name__) for name, all_ in LAYOUTS.items() for one in all_]
)
def test_a_mask_of_another_size_than_its_image_is_refused_by_name(
    layout: str, write: Write, db: masksdb.Database, tmp_path: Path
) -> None:
    root = tmp_path / "d"
    write(root, "00000", 2)
    mask = write(root, "00001", 1)
    with pytest.raises(IngestError) as raised:
        db.ingest(root, dataset="stopped", format=layout)
    other = "another mask" if write is davis_without_images else "an image"
    assert str(raised.value) == f"{mask}: 1 x 1 pixels on {other} of 2 x 2; masks are never resized"
    report = db.ingest(root, dataset="d", format=layout, on_error="skip")
    assert (report.new, report.rejected) == (1, 1)
    assert [str(error) for error in report.errors] == [str(raised.value)]
    masks = db.sql("SELECT DISTINCT parse_filename(mask_uri)[:5] FROM frame_masks WHERE dataset = 'd'").fetchall()
    assert masks == [("00000",)]
