"""Names with control characters and of hundreds of characters come in as they are, or are refused in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.mask_trees import photo, save

import masksdb

NAMES = ["a\0b", "a\x1bb", "a\u202eb", "x" * 400]


def coco(category: str, file_name: str) -> str:
    document: dict[str, Any] = {
        "images": [{"id": 1, "file_name": file_name, "width": 4, "height": 4}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 2, 0, 2, 2, 0, 2]]}],
        "categories": [{"id": 1, "name": category}],
    }
    return json.dumps(document)


TREES: dict[str, Callable[[str], tuple[str, str]]] = {
    # a file of a layout that names a class, and its content
    "coco": lambda name: ("instances_x.json", coco(name, "a.png")),
    "folder": lambda name: ("labels.json", json.dumps(["background", name])),
    "voc": lambda name: ("labelmap.txt", f"background:0,0,0::\n{name}:1,1,1::\n"),
    "labelme": lambda name: (
        "a.json",
        json.dumps({"imagePath": "a.png", "shapes": [{"label": name, "points": [[0, 0], [3, 0], [3, 3]]}]}),
    ),
    "yolo-seg": lambda name: ("data.yaml", f"train: images\nnames: [{json.dumps(name)}]\n"),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layout", TREES)
def test_the_name_of_a_class_comes_in_as_it_is(
    db: masksdb.Database, tmp_path: Path, write: Callable[..., str], layout: str, name: str
) -> None:
    file, content = TREES[layout](name)
    write(f"d/{file}", content)
    if layout == "labelme":
        photo(tmp_path / "d/a.png", 4, 4)
    if layout == "folder":
        save(tmp_path / "d/masks/a.png", [[0, 1]])
    if layout == "voc":
        save(tmp_path / "d/SegmentationClass/a.png", [[[0, 0, 0], [1, 1, 1]]])
    if layout == "yolo-seg":
        photo(tmp_path / "d/images/a.png", 4, 4)
        write("d/labels/a.txt", "0 .1 .1 .9 .1 .9 .9\n")
    db.ingest(tmp_path / "d", dataset="d", format=layout)
    assert db.sql("SELECT DISTINCT labels FROM rois").fetchall() == [([name],)]


@pytest.mark.parametrize("name", NAMES)
def test_masks_are_written_for_classes_of_any_name(
    db: masksdb.Database, tmp_path: Path, write: Callable[..., str], name: str
) -> None:
    db.ingest(write("c.json", coco(name, "a.png")), dataset="d", format="coco", rasterize=tmp_path / "masks")
    assert db.sql("SELECT labels, mask_area(mask, mask_value) FROM mask_rois").fetchall() == [([name], 4)]


def test_masks_are_written_for_images_of_long_names(
    db: masksdb.Database, tmp_path: Path, write: Callable[..., str]
) -> None:
    path = write("c.json", coco("a", "x" * 400 + ".png"))
    db.ingest(path, dataset="d", format="coco", rasterize=tmp_path / "masks")
    (mask,) = (tmp_path / "masks").glob("*.png")
    assert np.count_nonzero(np.asarray(Image.open(mask))) == 4
    assert db.sql("SELECT mask_area(mask, mask_value) FROM mask_rois").fetchall() == [(4,)]


def test_an_image_whose_name_no_file_can_have_is_refused_where_masks_are_written(
    db: masksdb.Database, tmp_path: Path, write: Callable[..., str]
) -> None:
    path = write("c.json", coco("a", "a\0b.png"))
    with pytest.raises(masksdb.IngestError, match=r"masks: 'a\\x00b': its masks cannot be written: embedded null byte"):
        db.ingest(path, dataset="d", format="coco", rasterize=tmp_path / "masks")
    report = db.ingest(path, dataset="d", format="coco", rasterize=tmp_path / "masks", on_error="skip")
    assert (report.new, report.rejected) == (0, 1)
