"""MOTS trees come in with the values of their 16-bit PNGs, and the same regions as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco

import masksdb
from masksdb import IngestError

VALUES = (0, 1000, 1255, 1256, 2001, 10000)
MASK = np.array([[0, 1005, 1006, 10000], [2300, 2300, 1005, 10000]], np.uint16)


def png(path: Path, pixels: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def image(path: Path, height: int = 2, width: int = 4) -> Path:
    return png(path, np.zeros((height, width, 3), np.uint8))


def lines(time: int, pixels: npt.NDArray[np.uint16]) -> str:
    """The lines of a mask, as the format's authors describe them."""
    result = ""
    for value in np.unique(pixels[pixels > 0]).tolist():
        run_lengths = coco.encode(np.asfortranarray(pixels == value, np.uint8))["counts"].decode()
        result += f"{time} {value} {value // 1000} {pixels.shape[0]} {pixels.shape[1]} {run_lengths}\n"
    return result


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def rows(db: masksdb.Database, dataset: str = "d") -> list[Any]:
    query = """
        SELECT frame_id, context_id, roi_id, class_labels[1], coalesce(roi_meta->>'ignore' = 'true', false),
            coalesce(mask_area(mask, mask_rois.mask_value), rle_area(rle))
        FROM mask_rois JOIN rois USING (frame_key, roi_index, roi_id) WHERE dataset = $dataset ORDER BY ALL
    """
    return db.sql(query, {"dataset": dataset}).fetchall()


EXPECTED = [
    ("0002/000003", "0002", "10000", "ignore", True, 2),
    ("0002/000003", "0002", "1005", "car", False, 2),
    ("0002/000003", "0002", "1006", "car", False, 1),
    ("0002/000003", "0002", "2300", "pedestrian", False, 2),
]


@pytest.mark.parametrize("images", ["training/image_02", "images", None])
def test_pngs_have_their_objects_by_class_and_number(db: masksdb.Database, tmp_path: Path, images: str | None) -> None:
    png(tmp_path / "instances/0002/000003.png", MASK)
    if images:
        image(tmp_path / f"{images}/0002/000003.png")
    db.ingest(tmp_path, dataset="d")
    assert rows(db) == EXPECTED
    result = db.sql("SELECT mask_id, mask_value FROM mask_rois ORDER BY roi_index").fetchall()
    assert result == [("instances", [value]) for value in (1005, 1006, 2300, 10000)]
    (uri,) = db.sql("SELECT source_uri FROM frame_masks").fetchall()[0]
    assert uri == (str(tmp_path / f"{images}/0002/000003.png") if images else None)


@pytest.mark.parametrize("name", ["instances_txt/0002.txt", "0002/gt/gt.txt"])
def test_text_gives_the_same_objects_as_run_lengths(db: masksdb.Database, tmp_path: Path, name: str) -> None:
    text(tmp_path / name, lines(3, MASK))
    db.ingest(tmp_path, dataset="d")
    assert rows(db) == EXPECTED


def test_frames_of_text_are_the_images(db: masksdb.Database, tmp_path: Path) -> None:
    text(tmp_path / "0002/gt/gt.txt", lines(3, MASK))
    for name in ("000002", "000003"):
        image(tmp_path / f"0002/img1/{name}.jpg")
    db.ingest(tmp_path, dataset="d")
    assert db.sql("SELECT frame_id FROM dataset_frames").fetchall() == [("0002/000002",), ("0002/000003",)]
    assert rows(db) == EXPECTED


def test_pngs_go_before_text(db: masksdb.Database, tmp_path: Path) -> None:
    png(tmp_path / "instances/0002/000003.png", MASK)
    text(tmp_path / "instances_txt/0002.txt", lines(3, MASK))
    report = db.ingest(tmp_path, dataset="d")
    assert rows(db) == EXPECTED
    assert any("not read for the 1 sequences that have PNGs" in note for note in report.notes)


def test_an_unknown_class_keeps_its_number(db: masksdb.Database, tmp_path: Path) -> None:
    png(tmp_path / "instances/0002/000003.png", np.array([[3001, 3002]], np.uint16))
    report = db.ingest(tmp_path, dataset="d")
    assert [row[3] for row in rows(db)] == ["3", "3"]
    assert sum("the class 3 has no name" in note for note in report.notes) == 1


def test_boxes_of_mot_are_not_taken_for_this(tmp_path: Path) -> None:
    from masksdb.formats.layouts import mots

    text(tmp_path / "0002/gt/gt.txt", "1,1,912,484,97,109,0,7,1\n")
    assert mots.recognise(tmp_path) is None
    png(tmp_path / "8 bits/instances/0002/000003.png", MASK.astype(np.uint8))
    assert mots.recognise(tmp_path / "8 bits") is None


@given(pixels=st.lists(st.lists(st.sampled_from(VALUES), min_size=5, max_size=5), min_size=2, max_size=12))
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_png_and_text_say_the_same_as_numpy(db: masksdb.Database, tmp_path: Path, pixels: list[list[int]]) -> None:
    name = f"d{len(list(tmp_path.iterdir()))}"
    mask = np.array(pixels, np.uint16)
    png(tmp_path / name / "png/instances/0002/000003.png", mask)
    content = text(tmp_path / name / "txt/instances_txt/0002.txt", lines(3, mask)).read_text()
    values, areas = np.unique(mask, return_counts=True)
    expected = {str(value): area for value, area in zip(values.tolist(), areas.tolist(), strict=True) if value}
    for form in ("png", "txt") if content else ("png",):
        db.ingest(tmp_path / name / form, dataset=f"{name} {form}", format="mots")
        assert {row[2]: row[5] for row in rows(db, f"{name} {form}")} == expected


def faulty(root: Path, fault: str) -> Path:
    if fault in ("damaged", "no image", "colour"):
        paths = [png(root / f"instances/0002/{name}.png", MASK) for name in ("000000", "000001")]
        if fault == "damaged":
            paths[1].write_bytes(paths[1].read_bytes()[:60])
        elif fault == "colour":
            image(paths[1])
        else:
            image(root / "images/0002/000000.png")
        return root
    further = {
        "columns": "1 1005 1 2 4\n",
        "word": "1 x 1 2 4 08\n",
        "run lengths": "1 1005 1 2 4 05\n",
        "digits": f"1 {'9' * 5000} 1 2 4 08\n",
        "again": lines(0, MASK),
        "size": lines(0, np.full((3, 3), 1999, np.uint16)),
    }[fault]
    text(root / "instances_txt/0002.txt", lines(0, MASK[:, :2]) + further)
    return root


@pytest.mark.parametrize(
    ("fault", "place", "reason", "left"),
    [
        ("damaged", "instances/0002/000001.png", "", 1),
        ("no image", "instances/0002/000001.png", "no image of its sequence has this name", 1),
        ("colour", "instances/0002/000001.png", "rgb, where one number is expected", 1),
        ("columns", "instances_txt/0002.txt:3", "expected frame object class height width rle", 1),
        ("digits", "instances_txt/0002.txt:3", "expected frame object class height width rle", 1),
        ("word", "instances_txt/0002.txt:3", "found '1 x 1 2 4 08'", 1),
        ("run lengths", "instances_txt/0002.txt:3", "object 1005: run lengths", 1),
        ("size", "instances_txt/0002.txt:3", "object 1999: 3 x 3 pixels, and frame 0 has 2 x 2", 1),
        ("again", "instances_txt/0002.txt:3", "object 1005: again in frame 0; give each object its own id", 1),
    ],
)
def test_a_fault_is_told_by_its_place(
    db: masksdb.Database, tmp_path: Path, fault: str, place: str, reason: str, left: int
) -> None:
    root = faulty(tmp_path / "in", fault)
    with pytest.raises(IngestError) as raised:
        db.ingest(root, dataset="d", format="mots")
    assert raised.value.place == str(root / place)
    assert reason in raised.value.reason
    report = db.ingest(root, dataset="d", format="mots", on_error="skip")
    assert report.new == left
    assert report.errors[0].place == str(root / place)
