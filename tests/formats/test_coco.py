"""COCO instances come in and go out without a pixel changed, and what is wrong with them is told."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from support.common import Outcome

import masksdb
from masksdb import IngestError

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def encoded(pixels: Any) -> dict[str, Any]:
    result = coco_mask.encode(np.asfortranarray(np.asarray(pixels, np.uint8)))
    return {"size": list(result["size"]), "counts": result["counts"].decode()}


def document(annotations: list[dict[str, Any]], **further: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 10, "height": 8}],
        "annotations": [{"image_id": 1, "category_id": 3, **item} for item in annotations],
        "categories": [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}],
        **further,
    }


def instances(folder: Path, content: Any) -> Path:
    path = folder / "instances_val.json"
    path.write_text(json.dumps(content))
    return path


def areas(db: masksdb.Database) -> list[Any]:
    db.analyze()
    return db.sql("SELECT roi_id, class_labels, area FROM mask_roi_regions ORDER BY roi_index").fetchall()


def test_polygons_and_both_kinds_of_run_lengths_have_the_areas_of_pycocotools(
    db: masksdb.Database, tmp_path: Path
) -> None:
    pixels = np.zeros((8, 10), np.uint8)
    pixels[2:5, 3:9] = 1
    polygons = [[1.5, 1.5, 6, 1, 6, 6], [7, 7, 9, 7, 9, 8, 7, 8]]
    counts = [0, 3, 5, 8 * 10 - 8]
    given = [
        {"id": 1, "segmentation": polygons},
        {"id": 2, "segmentation": {"size": [8, 10], "counts": counts}, "iscrowd": 1},
        {"id": 3, "segmentation": encoded(pixels), "category_id": 7},
    ]
    path = instances(tmp_path, document(given))
    db.ingest(path, dataset="d")
    reference = COCO(str(path))
    expected = [int(reference.annToMask(reference.anns[number]).sum()) for number in (1, 2, 3)]
    assert areas(db) == [
        ("1", ["cat"], expected[0]),
        ("2", ["cat"], expected[1]),
        ("3", ["dog"], expected[2]),
    ]
    assert db.sql("SELECT is_crowd FROM rois ORDER BY roi_index").fetchall() == [(None,), (True,), (None,)]


def test_category_ids_and_names_come_back(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest(instances(tmp_path, document([{"id": 5, "segmentation": [[0, 0, 5, 0, 5, 5]]}])), dataset="d")
    db.export(tmp_path / "out", dataset="d", format="coco")
    written = json.loads((tmp_path / "out/annotations/instances_val.json").read_text())
    assert written["categories"] == [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}]
    assert [item["category_id"] for item in written["annotations"]] == [3]
    assert [item["segmentation"] for item in written["annotations"]] == [[[0, 0, 5, 0, 5, 5]]]
    assert [item["id"] for item in written["annotations"]] == [5]


@given(
    st.lists(
        st.tuples(st.integers(0, 1 << 60), st.sampled_from(["cat", "dog", "a thing"]), st.booleans()),
        min_size=1,
        max_size=300,
    ),
    st.integers(1, 9),
    st.integers(1, 12),
)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_region_comes_back_as_pycocotools_reads_it(
    tmp_path_factory: pytest.TempPathFactory, rois: list[tuple[int, str, bool]], height: int, width: int
) -> None:
    folder = tmp_path_factory.mktemp("coco")
    masks = [np.random.default_rng(seed).random((height, width)) < (seed % 7 + 1) / 8 for seed, _, _ in rois]
    frame = {
        "id": "f",
        "sources": [{"uri": "f.png", "width": width, "height": height}],
        "rois": [
            {"label": [label], "rle": encoded(pixels), "is_crowd": crowd}
            for pixels, (_, label, crowd) in zip(masks, rois, strict=True)
        ],
    }
    with masksdb.connect(":memory:") as db:
        db.ingest([frame], dataset="d")
        report: Any = db.export(folder / "out", dataset="d", format="coco")
    assert report.is_lossless
    reference = COCO(str(folder / "out/annotations/instances_default.json"))
    names = {number: item["name"] for number, item in reference.cats.items()}
    result = [reference.anns[number] for number in sorted(reference.anns)]
    assert [(names[item["category_id"]], bool(item["iscrowd"])) for item in result] == [
        (label, crowd) for _, label, crowd in rois
    ]
    for annotation, pixels in zip(result, masks, strict=True):
        assert reference.annToMask(annotation).tolist() == pixels.astype(int).tolist()
        assert annotation["area"] == pixels.sum()


@given(st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(1, 30), st.integers(1, 30)), min_size=4, max_size=8))
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_polygons_on_request_are_the_region_to_pycocotools_holes_and_parts_too(
    tmp_path_factory: pytest.TempPathFactory, images: list[tuple[int, int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("coco")
    masks = [
        np.kron(np.random.default_rng(seed).random((height, width)) < 0.6, np.ones((1 + seed % 3, 1)))
        for seed, height, width in images
    ]
    frames = [
        {
            "id": f"f{number}",
            "sources": [{"width": pixels.shape[1], "height": len(pixels)}],
            "rois": [{"label": ["x"], "rle": encoded(pixels)}],
        }
        for number, pixels in enumerate(masks)
    ]
    with masksdb.connect(":memory:") as db:
        db.ingest(frames, dataset="d")
        report: Any = db.export(folder / "out", dataset="d", format="coco", polygons=True)
    reference = COCO(str(folder / "out/annotations/instances_default.json"))
    written = [pixels for pixels in masks if pixels.any()]
    for annotation, pixels in zip(reference.anns.values(), written, strict=True):
        assert isinstance(annotation["segmentation"], list)
        assert reference.annToMask(annotation).tolist() == pixels.astype(int).tolist()
    assert report.is_lossless == (len(written) == len(masks))


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        ({"id": 9, "image_id": 4, "segmentation": [[0, 0, 1, 0, 1, 1]]}, "annotation 9: no image has the id 4"),
        ({"id": 9, "category_id": 4, "segmentation": [[0, 0, 1, 0, 1, 1]]}, "annotation 9: no category has the id 4"),
        ({"id": 9, "segmentation": [[0, 0, 1, 1]]}, "annotation 9: a polygon of 4 numbers"),
        ({"id": 9, "segmentation": {"size": [8, 10], "counts": [7]}}, "annotation 9: run lengths that are not such"),
        (
            {"id": 9, "segmentation": {"size": [10, 8], "counts": [40, 40]}},
            "annotation 9: run lengths of 8 x 10 pixels",
        ),
        ({"id": 1, "segmentation": [[0, 0, 1, 0, 1, 1]]}, "annotation 1: its id again"),
        ({"id": [], "segmentation": [[0, 0, 1, 0, 1, 1]]}, "annotation []: expected numbers or texts as its ids"),
        ({"id": 9, "category_id": {}}, "annotation 9: expected numbers or texts as its ids"),
        ({"id": 9, "segmentation": [[0, 0, 1, 0, 1, "1"]]}, "annotation 9: a polygon with '1'; expected numbers"),
        ({"id": 9, "segmentation": [[0, 0, 1, 0, 1, None]]}, "annotation 9: a polygon with None; expected numbers"),
        ({"id": 9, "segmentation": [[0, 0, 1, 0, 1, math.nan]]}, "annotation 9: holds NaN or Infinity"),
        ({"id": 9, "area": math.inf}, "annotation 9: holds NaN or Infinity"),
        ({"id": 9, "segmentation": "all"}, "annotation 9: segmentation: found 'all'"),
        ({"id": 9, "segmentation": {"size": [8, 10], "counts": ["80"]}}, "annotation 9: run lengths that are not such"),
        ({"id": 9, "segmentation": {"size": [8, 10], "counts": [10**30]}}, "annotation 9: run lengths that are not"),
        ({"id": 9, "iscrowd": "0"}, "annotation 9: iscrowd: found '0', expected 0 or 1"),
        ({"id": 9, "score": "0.5"}, "annotation 9: score: found '0.5', expected a number"),
    ],
)
def test_a_bad_annotation_is_named_and_the_others_come_in(
    annotation: dict[str, Any], reason: str, db: masksdb.Database, tmp_path: Path
) -> None:
    good = {"id": 1, "segmentation": [[0, 0, 5, 0, 5, 5]]}
    path = instances(tmp_path, document([good, annotation]))
    with pytest.raises(IngestError) as raised:
        db.ingest(path, dataset="d")
    assert str(raised.value).startswith(f"{path}: annotations[1]: {reason}")
    report = db.ingest(path, dataset="d", on_error="skip")
    assert (report.new, report.rejected) == (1, 1)
    assert db.sql("SELECT roi_id FROM rois").fetchall() == [("1",)]
    assert db.sql("SELECT json_path FROM rejects").fetchall() == [("annotations[1]",)]


def test_an_empty_segmentation_and_a_category_0_are_told_and_kept(db: masksdb.Database, tmp_path: Path) -> None:
    content = document([{"id": 1, "segmentation": []}, {"id": 2, "segmentation": {"size": [8, 10], "counts": [80]}}])
    content["categories"][0]["id"] = 0
    content["annotations"] = [{**item, "category_id": 0} for item in content["annotations"]]
    report = db.ingest(instances(tmp_path, content), dataset="d")
    message = "\n".join(report.notes)
    assert "annotation 1: an empty segmentation" in message
    assert "annotation 2: an empty segmentation" in message
    assert "category id 0 ('cat')" in message
    assert db.sql("SELECT count(*) FROM rois").fetchall() == [(2,)]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"images": [{"id": [], "file_name": "a.jpg"}]}, "images[0]: expected an image with 'id' and 'file_name'"),
        ({"categories": ["cat"]}, "categories[0]: expected a category with 'id' and 'name'"),
        ({"categories": [{}]}, "categories[0]: expected a category with 'id' and 'name'"),
        ({"categories": None}, "no list 'categories'; expected a COCO file of instances"),
        ({"annotations": {}}, "no list 'annotations'; expected a COCO file of instances"),
    ],
)
def test_lists_of_other_things_are_named(
    change: dict[str, Any], place: str, db: masksdb.Database, tmp_path: Path
) -> None:
    path = instances(tmp_path, document([{"id": 1, "segmentation": [[0, 0, 5, 0, 5, 5]]}]) | change)
    with pytest.raises(IngestError, match=re.escape(f"{path}: {place}")):
        db.ingest(path, dataset="d", format="coco")
    assert db.ingest(path, dataset="d", format="coco", on_error="skip").rejected >= 1


def test_categories_of_one_name_are_told(db: masksdb.Database, tmp_path: Path) -> None:
    content = document([], categories=[{"id": 3, "name": "cat"}, {"id": 7, "name": "cat"}, {"id": 9, "name": None}])
    report = db.ingest(instances(tmp_path, content), dataset="d")
    assert any(note.endswith("the categories 3 and 7 are one class, 'cat'") for note in report.notes)
    names = {item["labels"][0] for item in db.version("d").get_metadata()["mask_labels"]["category_id"]}
    assert names == {"cat", "9"}


def test_a_broken_file_does_not_stop_the_others_from_coming_in(db: masksdb.Database, tmp_path: Path) -> None:
    instances(tmp_path, document([{"id": 1, "segmentation": [[0, 0, 5, 0, 5, 5]]}]))
    (tmp_path / "instances_train.json").write_text("{")
    report = db.ingest(tmp_path, dataset="d", format="coco", on_error="skip")
    assert (report.new, report.rejected) == (1, 1)


def test_an_image_that_is_too_large_to_draw_is_not_written(db: masksdb.Database, tmp_path: Path) -> None:
    content = document([{"id": 1, "segmentation": [[0, 0, 5, 0, 5, 5]]}])
    content["images"][0] |= {"width": 60_000, "height": 60_000}
    db.ingest(instances(tmp_path, content), dataset="d")
    with pytest.raises(masksdb.MasksDBError, match=r"frame 'a': 60000 x 60000 pixels, more than the limit of"):
        db.export(tmp_path / "out", dataset="d", format="voc")
    assert not (tmp_path / "out").exists()


def test_a_region_without_pixels_that_is_gone_is_a_loss(db: masksdb.Database, tmp_path: Path) -> None:
    outside = {"id": 1, "segmentation": [[100, 100, 200, 100, 200, 200]]}
    db.ingest(instances(tmp_path, document([outside, {"id": 2, "segmentation": [[0, 0, 5, 0, 5, 5]]}])), dataset="d")
    for layout in ("voc", "folder", "davis"):
        report = db.export(tmp_path / layout, dataset="d", format=layout)
        assert not isinstance(report, int)
        assert not report.is_lossless
        assert report.by_class()["total"]["not_held"] == 1
    report = db.export(tmp_path / "coco", dataset="d", format="coco")
    assert not isinstance(report, int)
    assert report.is_lossless


@pytest.mark.parametrize("content", ["[]", "{", '{"images": 3}', '{"images": [{"id": 1}]}', ""])
def test_what_is_no_coco_file_is_one_sentence(
    content: str, db_path: str, write: Callable[..., str], run: Callable[..., Outcome]
) -> None:
    path = write("instances_x.json", content)
    outcome = run("ingest", db_path, path, "--dataset", "d", "--format", "coco")
    assert outcome.status == 1
    assert outcome.err.startswith(f"Error: {path}")
    assert len(outcome.err.splitlines()) == 1


def test_the_coco_tree_comes_in_with_its_splits(db: masksdb.Database, real_data: Path) -> None:
    root = real_data / "layouts/coco_dataset/coco"
    db.ingest(root, dataset="d", format="coco")
    given = {
        split: json.loads((root / f"annotations/instances_{split}.json").read_text()) for split in ("train", "val")
    }
    result = db.sql("SELECT meta->>'split', count(*) FROM dataset_frames GROUP BY ALL").fetchall()
    assert dict(result) == {split: len(item["images"]) for split, item in given.items()}
    assert db.sql("SELECT count(*) FROM rois").fetchall() == [
        (sum(len(item["annotations"]) for item in given.values()),)
    ]
    assert all(Path(uri).is_file() for (uri,) in db.sql("SELECT source_uri FROM mask_rois").fetchall())


def test_the_detection_file_of_the_panoptic_sample_has_its_areas(
    db: masksdb.Database, tmp_path: Path, real_data: Path
) -> None:
    path = real_data / "coco_panoptic/panoptic_coco_detection_format.json"
    db.ingest(path, dataset="d")
    expected = {str(item["id"]): item["area"] for item in json.loads(path.read_text())["annotations"]}
    assert {roi_id: area for roi_id, _, area in areas(db)} == expected
    report: Any = db.export(tmp_path / "out", dataset="d", format="coco", with_images=True)
    assert report.is_lossless
    assert len(list((tmp_path / "out/images").rglob("*.jpg"))) == 2


def test_what_is_no_unicode_is_told_with_the_dataset(db: masksdb.Database, tmp_path: Path) -> None:
    content = document([{"id": 1, "segmentation": [[0, 0, 5, 0, 5, 5]], "note": "\ud800"}])
    path = instances(tmp_path, content)
    with pytest.raises(IngestError, match=re.escape(f"{path}[0]: not JSON: 'utf-8' codec can't encode")):
        db.ingest(path, dataset="d")
