"""COCO panoptic comes in with the segments of its JSON, and what goes out is panoptic by panopticapi's own rules.

panopticapi is in no package index, so its checks and its panoptic quality are written here from their definition
(Kirillov et al., Panoptic Segmentation, 2019): segments match where they overlap by more than half.
"""

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

LABELS = ["car", "person", "car", "sky", "car", "drone"]
QUERY = """
    SELECT frame_id, roi_id, labels[1], mask_area(mask, mask_value), mask_rois.mask_value
    FROM mask_rois WHERE dataset = $dataset ORDER BY ALL
"""


def ids_of(path: Path) -> npt.NDArray[Any]:
    """The ids of the pixels of a PNG."""
    image = Image.open(path)
    assert image.mode == "RGB"
    result: npt.NDArray[Any] = np.array(image, np.int64) @ [1, 256, 65536]
    return result


class Panoptic:
    """A panoptic JSON and its PNGs, checked as panopticapi checks predictions."""

    def __init__(self, path: Path) -> None:
        document = json.loads(path.read_text())
        self.names = {item["id"]: item["name"] for item in document["categories"]}
        self.things = {item["id"]: item["isthing"] for item in document["categories"]}
        self.images = {item["id"]: item["file_name"] for item in document["images"]}
        self.annotations = {item["image_id"]: item for item in document["annotations"]}
        self.ids = {key: ids_of(path.with_suffix("") / item["file_name"]) for key, item in self.annotations.items()}
        for key, annotation in self.annotations.items():
            segments = {item["id"]: item for item in annotation["segments_info"]}
            assert len(segments) == len(annotation["segments_info"])
            values, areas = np.unique(self.ids[key], return_counts=True)
            result = dict(zip(values.tolist(), areas.tolist(), strict=True))
            result.pop(0, None)
            assert {number: item["area"] for number, item in segments.items()} == result
            for number, item in segments.items():
                ys, xs = np.nonzero(self.ids[key] == number)
                box = [xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1]
                assert item["bbox"] == box
                assert item["category_id"] in self.names

    def regions(self, file_name: str) -> list[tuple[str, bytes]]:
        (key,) = [key for key, name in self.images.items() if name == file_name]
        segments = self.annotations[key]["segments_info"]
        return sorted((self.names[s["category_id"]], (self.ids[key] == s["id"]).tobytes()) for s in segments)


def panoptic_quality(truth: Panoptic, prediction: Panoptic) -> float:
    """The mean over the categories that occur, in percent."""
    sums: dict[int, list[float]] = {}
    for key, annotation in truth.annotations.items():
        true_ids, other_ids = truth.ids[key], prediction.ids[key]
        true_segments = {item["id"]: item for item in annotation["segments_info"]}
        other_segments = {item["id"]: item for item in prediction.annotations[key]["segments_info"]}
        matched: set[int] = set()
        for number, segment in true_segments.items():
            iou_of = {}
            for other, result in other_segments.items():
                if result["category_id"] == segment["category_id"]:
                    is_true, is_found = true_ids == number, (other_ids == other) & (true_ids != 0)
                    iou_of[other] = (is_true & is_found).sum() / (is_true | is_found).sum()
            best = max(iou_of, key=lambda item: iou_of[item], default=0)
            if segment["iscrowd"]:
                continue
            total = sums.setdefault(segment["category_id"], [0, 0])
            if best and iou_of[best] > 0.5:
                total[0] += iou_of[best]
                total[1] += 1
                matched.add(best)
            else:
                total[1] += 0.5
        for other, result in other_segments.items():
            crowds = [n for n, s in true_segments.items() if s["iscrowd"] and s["category_id"] == result["category_id"]]
            if other not in matched and np.isin(true_ids[other_ids == other], [0, *crowds]).mean() <= 0.5:
                sums.setdefault(result["category_id"], [0, 0])[1] += 0.5
    return float(100 * np.mean([iou / count for iou, count in sums.values()]))


def write_tree(root: Path, ids: Any, segments: Any, **further: Any) -> Path:
    """A dataset of one image, whose pixels have ids."""
    pixels = np.stack([np.array(ids) >> shift & 255 for shift in (0, 8, 16)], axis=-1).astype(np.uint8)
    (root / "annotations/panoptic_val").mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(root / "annotations/panoptic_val/a.png")
    document = {
        "images": [{"id": 7, "file_name": "a.jpg", "width": pixels.shape[1], "height": pixels.shape[0]}],
        "annotations": [{"image_id": 7, "file_name": "a.png", "segments_info": segments}],
        "categories": [{"id": 1, "name": "car", "isthing": 1, "color": [0, 0, 142]}, {"id": 90, "name": "sky"}],
    }
    (root / "annotations/panoptic_val.json").write_text(json.dumps(document | further))
    return root


def segment(number: int, category: int = 1, **further: Any) -> dict[str, Any]:
    return {"id": number, "category_id": category, **further}


def exported(db: masksdb.Database, frames: Any, out: Path) -> LossReport:
    db.ingest(frames, dataset="d")
    report = db.export(out, dataset="d", format="coco-panoptic")
    assert isinstance(report, LossReport)
    return report


def test_the_real_dataset_comes_in_with_the_segments_that_pillow_and_json_find(
    db: masksdb.Database, real_data: Path
) -> None:
    report = db.ingest(real_data / "coco_panoptic", dataset="d")
    assert (report.new, report.rejected) == (2, 0)
    assert "taken for coco-panoptic" in report.notes[0]
    document = json.loads((real_data / "coco_panoptic/panoptic_examples.json").read_text())
    names = {item["id"]: item["name"] for item in document["categories"]}
    expected: list[Any] = []
    for annotation in document["annotations"]:
        ids = ids_of(real_data / "coco_panoptic/panoptic_examples" / annotation["file_name"])
        frame = annotation["file_name"].removesuffix(".png")
        expected.append((frame, None, "void", int((ids == 0).sum()), [0, 0, 0]))
        for item in annotation["segments_info"]:
            value = [item["id"] % 256, item["id"] // 256 % 256, item["id"] // 65536]
            area = int((ids == item["id"]).sum())
            expected.append((frame, str(item["id"]), names[item["category_id"]], area, value))
    assert len(expected) == 52
    assert sorted(db.sql(QUERY, {"dataset": "d"}).fetchall(), key=str) == sorted(expected, key=str)
    frame = db.get_frame("d", None, "000000142238")
    assert frame["sources"][0]["uri"] == "input_images/000000142238.jpg"
    assert frame["rois"][0]["meta"].keys() == {"area", "bbox", "isthing"}


def test_the_export_of_the_real_dataset_has_a_panoptic_quality_of_100_against_the_original_and_itself(
    db: masksdb.Database, real_data: Path, tmp_path: Path
) -> None:
    assert exported(db, real_data / "coco_panoptic", tmp_path / "out").is_lossless
    original = Panoptic(real_data / "coco_panoptic/panoptic_examples.json")
    written = Panoptic(tmp_path / "out/annotations/panoptic_examples.json")
    assert panoptic_quality(original, written) == 100
    assert panoptic_quality(written, written) == 100
    assert {n: t for n, t in written.things.items() if n in (1, 17)} == {1: 1, 17: 1}
    assert written.names == original.names


def test_panoptic_quality_here_sees_a_segment_that_is_missing(real_data: Path) -> None:
    path = real_data / "coco_panoptic/panoptic_examples.json"
    original, other = Panoptic(path), Panoptic(path)
    other.annotations[142238]["segments_info"].pop()
    assert 50 < panoptic_quality(original, other) < 100


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(images=st.lists(partitions(len(LABELS)), min_size=6, max_size=12), first_id=st.integers(1, 1 << 24))
def test_regions_come_back_pixel_for_pixel(images: list[Numbers], first_id: int, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    rois: dict[int, Any] = {n: {"label": [name], "id": first_id + n * 97 - 200} for n, name in enumerate(LABELS, 1)}
    frames = [frame_of(f"f{index}", numbers, rois) for index, numbers in enumerate(images)]
    with masksdb.connect(":memory:") as db:
        report = exported(db, frames, tmp_path / "out")
    assert report.is_lossless, report.text()
    result = Panoptic(tmp_path / "out/annotations/panoptic_default.json")
    for frame, numbers in zip(frames, images, strict=True):
        assert result.regions(f"{frame['id']}.jpg") == regions_of(numbers, LABELS)


def test_more_segments_than_a_byte_holds_come_back(db: masksdb.Database, tmp_path: Path) -> None:
    numbers = np.arange(1, 70_001).reshape(200, 350) // 100 + 1
    assert exported(db, [frame_of("x", numbers, {})], tmp_path / "out").is_lossless
    assert len(Panoptic(tmp_path / "out/annotations/panoptic_default.json").annotations[1]["segments_info"]) == 701


def test_an_id_that_an_image_has_twice_or_that_is_none_is_replaced(db: masksdb.Database, tmp_path: Path) -> None:
    rois: dict[int, Any] = {1: {"id": 5}, 2: {"id": 5}, 3: {"id": "x"}, 4: {"id": 1 << 24}, 5: {"id": 1}, 6: {"id": 0}}
    assert exported(db, [frame_of("x", np.arange(7)[None], rois)], tmp_path / "out").is_lossless
    assert ids_of(tmp_path / "out/annotations/panoptic_default/x.png").tolist() == [[0, 5, 2, 3, 4, 1, 6]]


def test_pixels_under_later_regions_are_lost_and_told(db: masksdb.Database, tmp_path: Path) -> None:
    first, second = (frame_of("x", np.array([row]), {}) for row in ([1, 1, 1, 0], [0, 1, 1, 0]))
    hidden = frame_of("x", np.array([[0, 1, 0, 0]]), {})
    first["rois"] = [*hidden["rois"], *first["rois"], *second["rois"]]
    report = exported(db, [first], tmp_path / "out")
    assert [(loss.lost, loss.gained, loss.reason) for loss in report.losses] == [
        (1, 0, "all of it lies under later regions"),
        (2, 0, None),
        (0, 0, None),
    ]
    Panoptic(tmp_path / "out/annotations/panoptic_default.json")


def test_what_is_ignored_becomes_void_and_a_crowd_stays_one(db: masksdb.Database, tmp_path: Path) -> None:
    rois: dict[int, Any] = {1: {"label": ["glare"], "meta": {"ignore": True}}, 2: {"label": ["car"], "is_crowd": True}}
    assert exported(db, [frame_of("x", np.array([[1, 2]]), rois)], tmp_path / "out").is_lossless
    db.ingest(tmp_path / "out", dataset="again")
    result = [
        (r["label"], r.get("is_crowd"), r["meta"].get("ignore")) for r in db.get_frame("again", None, "x")["rois"]
    ]
    assert result == [(["car"], True, None), (["void"], None, True)]


def test_categories_and_image_ids_come_back_with_their_numbers_and_colours(
    db: masksdb.Database, tmp_path: Path
) -> None:
    root = write_tree(tmp_path / "t", [[0, 300]], [segment(300, 90)])
    exported(db, root, tmp_path / "out")
    document = json.loads((tmp_path / "out/annotations/panoptic_val.json").read_text())
    categories = [(item["id"], item["name"], item["color"]) for item in document["categories"]]
    assert categories[0] == (1, "car", [0, 0, 142])
    assert categories[1][:2] == (90, "sky")
    assert len(categories) == 2
    assert document["images"] == [{"id": 7, "file_name": "a.jpg", "width": 2, "height": 1}]


def test_where_the_instances_of_the_same_images_stand_beside_it_they_come_in(
    db: masksdb.Database, tmp_path: Path
) -> None:
    root = write_tree(tmp_path / "t", [[5]], [segment(5)])
    instances = {"images": [{"id": 7, "file_name": "a.jpg"}], "categories": [], "annotations": [], "segmentation": 0}
    (root / "annotations/instances_val.json").write_text(json.dumps(instances))
    assert "taken for coco (" in db.ingest(root, dataset="d").notes[0]
    db.ingest(root, dataset="p", format="coco-panoptic")
    assert len(db.get_frame("p", None, "a")["rois"]) == 1


def test_categories_may_stand_in_a_file_of_their_own(db: masksdb.Database, tmp_path: Path) -> None:
    root = write_tree(tmp_path / "t", [[5]], [segment(5)], categories=None)
    report = db.ingest(root, dataset="d")
    assert any("called by their ids" in note for note in report.notes)
    assert db.get_frame("d", None, "a")["rois"][0]["label"] == ["1"]
    (root / "annotations/panoptic_coco_categories.json").write_text('[{"id": 1, "name": "person"}]')
    db.ingest(root, dataset="d")
    assert db.get_frame("d", None, "a")["rois"][0]["label"] == ["person"]


FAULTS: dict[str, tuple[dict[str, Any], str, str | None, int]] = {
    # what the tree has, and what is told of it: text, JSON path, ROIs that are left besides that of segment 5
    "an id that is in no pixel": (
        {"segments": [segment(5), segment(6)]},
        "segment 6: no pixel of the PNG has its id",
        "annotations[0].segments_info[1]",
        1,
    ),
    "pixels that are in no segment": ({"ids": [[5, 256]]}, "a.png: id 256: no segment of the JSON has it", None, 1),
    "an id again": (
        {"segments": [segment(5), segment(5)]},
        "segment 5: its id again in this image",
        "annotations[0].segments_info[1]",
        1,
    ),
    "an id that is no number": (
        {"segments": [segment(5), {"id": "6"}]},
        "segment 6: expected an object with an 'id' from 1 to",
        "annotations[0].segments_info[1]",
        1,
    ),
    "a segment that is a list": ({"segments": [segment(5), [1]]}, "expected an object with an 'id'", None, 1),
    "an unknown category": (
        {"ids": [[5, 6]], "segments": [segment(5), segment(6, 3)]},
        "segment 6: no category has the id 3",
        "annotations[0].segments_info[1]",
        1,
    ),
    "a category that is a list": (
        {"ids": [[5, 6]], "segments": [segment(5), segment(6, [])]},  # type: ignore[arg-type]
        "segment 6: no category has the id []",
        None,
        1,
    ),
    "an annotation of no image": (
        {"more": [{"image_id": 8, "file_name": "b.png", "segments_info": []}]},
        "no image has the id 8",
        "annotations[1]",
        1,
    ),
    "an annotation again": (
        {"more": [{"image_id": 7, "file_name": "a.png", "segments_info": []}]},
        "the image id 7 again",
        "annotations[1]",
        1,
    ),
    "an annotation that is none": (
        {"more": [3]},
        "expected an object with a list 'segments_info'",
        "annotations[1]",
        1,
    ),
    "a category again": (
        {"categories": [{"id": 1, "name": "car"}, {"id": 1, "name": "bus"}]},
        "the category id 1 again",
        "categories[1]",
        1,
    ),
    "an image without a name": (
        {"images": [{"id": 7, "file_name": "a.jpg"}, {"id": 8}]},
        "expected an image with a whole number 'id' and a 'file_name'",
        "images[1]",
        1,
    ),
    "a PNG that is not there": ({"png": "gone"}, "panoptic_val/a.png: no such file", None, 0),
    "a PNG that is cut off": ({"png": "cut"}, "panoptic_val/a.png: a PNG file that is cut off", None, 0),
    "a PNG that is grey": ({"png": "grey"}, "found grey of 8 bits, expected RGB of 8 bits", None, 0),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_its_file_and_place_and_the_rest_comes_in(
    name: str, db: masksdb.Database, tmp_path: Path
) -> None:
    given_, reason, json_path, left = FAULTS[name]
    further = {key: value for key, value in given_.items() if key in ("images", "categories")}
    segments = given_.get("segments", [segment(5)])
    if "more" in given_:
        first = {"image_id": 7, "file_name": "a.png", "segments_info": segments}
        further["annotations"] = [first, *given_["more"]]
    root = write_tree(tmp_path / "t", given_.get("ids", [[5]]), segments, **further)
    png = root / "annotations/panoptic_val/a.png"
    if given_.get("png") == "gone":
        png.unlink()
    elif given_.get("png") == "cut":
        png.write_bytes(png.read_bytes()[:40])
    elif given_.get("png") == "grey":
        Image.fromarray(np.zeros((1, 1), np.uint8)).save(png)
    with pytest.raises(IngestError) as raised:
        db.ingest(root, dataset="d")
    assert reason in str(raised.value)
    assert str(root / "annotations") in str(raised.value)
    assert json_path in (None, raised.value.json_path)
    good = frame_of("good", np.array([[1]]), {})
    report = db.ingest([good], root, dataset="d", on_error="skip")
    assert (report.new, report.rejected) == (1 + (given_.get("png") not in ("gone", "cut")), 1)
    (count,) = db.sql("SELECT count(*) FROM rois WHERE labels = ['car'] AND mask_value IS NOT NULL").fetchall()
    assert count == (left,)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"images": 3, "annotations": []}', "\x00\x01"])
def test_a_file_that_is_none_is_told(text: str, run: Callable[..., Outcome], db_path: str, tmp_path: Path) -> None:
    path = tmp_path / "panoptic_x.json"
    path.write_text(text)
    done = run("ingest", db_path, path, "--dataset", "d", "--format", "coco-panoptic")
    assert done.status == 1
    assert f"{path}: " in done.err
    assert "Traceback" not in done.err
