"""What goes out as a folder of masks is what Pillow reads there, and what comes in again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from support.mask_trees import areas, frames, photo, regions, save, stored
from support.partitions import Numbers, frame_of, partitions, regions_of

import masksdb

LABELS = ["car", "void", "car", "Motor Bike", "drone", "sky, sea"]


@pytest.fixture
def db() -> Iterator[masksdb.Database]:
    with masksdb.connect(":memory:") as database:
        yield database


def written(root: Path, name: str) -> list[tuple[str, bytes]]:
    """The regions of a written image with their labels, as Pillow and labels.json say."""
    names = {value: label for label, value in json.loads((root / "labels.json").read_text()).items()}
    classes = stored(root / f"masks/{name}.png")
    path = root / f"instances/{name}.png"
    numbers = stored(path) if path.exists() else classes
    result = []
    for number in set(np.unique(numbers).tolist()) - {0}:
        (value,) = np.unique(classes[numbers == number]).tolist()
        result.append((names[value], (numbers == number).tobytes()))
    return sorted(result)


@given(images=st.lists(partitions(len(LABELS)), min_size=1, max_size=5))
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_regions_come_back_pixel_identical(
    db: masksdb.Database, tmp_path_factory: pytest.TempPathFactory, images: list[Numbers]
) -> None:
    folder = tmp_path_factory.mktemp("folder")
    rois: dict[int, Mapping[str, Any]] = {number: {"label": [label]} for number, label in enumerate(LABELS, 1)}
    db.ingest([frame_of(f"s/{index}", numbers, rois) for index, numbers in enumerate(images)], dataset=folder.name)
    report: Any = db.export(folder / "out", dataset=folder.name, format="folder")
    assert report.is_lossless
    for index, numbers in enumerate(images):
        assert written(folder / "out", f"s/{index}") == regions_of(numbers, LABELS)
    several = any({1, 3} <= set(np.unique(numbers).tolist()) for numbers in images)
    assert sorted(path.name for path in (folder / "out").iterdir()) == sorted(
        ["labels.json", "masks"] + ["instances"] * several
    )
    # Numbered palette PNGs in folders may as well be DAVIS sequences.
    db.ingest(folder / "out", dataset=f"{folder.name} again", format="folder")
    result = sorted((row[0], row[1], row[4]) for row in regions(db, f"{folder.name} again"))
    expected = [
        (f"s/{index}", label, np.frombuffer(pixels, np.bool_).sum())
        for index, numbers in enumerate(images)
        for label, pixels in regions_of(numbers, LABELS)
    ]
    assert result == sorted(expected)


def column(count: int, label: str) -> dict[str, Any]:
    """A frame of so many regions one below the other, touching."""
    numbers = np.arange(count + 1).reshape(-1, 1).repeat(2, axis=1)
    return frame_of("f", numbers, {number: {"label": [label.format(number)]} for number in range(1, count + 1)})


def test_more_than_255_instances_are_numbered_in_16_bits_in_their_order(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest([column(700, "person")], dataset="d")
    report: Any = db.export(tmp_path / "out", dataset="d", format="folder")
    assert report.is_lossless
    with Image.open(tmp_path / "out/instances/f.png") as image:
        assert image.mode == "I;16"
    assert stored(tmp_path / "out/instances/f.png").tolist() == [[number] * 2 for number in range(701)]


@pytest.mark.parametrize(("count", "mode"), [(255, "P"), (256, "I;16")])
def test_masks_have_a_palette_up_to_256_classes_and_16_bits_beyond(
    db: masksdb.Database, tmp_path: Path, count: int, mode: str
) -> None:
    db.ingest([column(count, "class {}")], dataset="d")
    report: Any = db.export(tmp_path / "out", dataset="d", format="folder")
    assert report.is_lossless
    with Image.open(tmp_path / "out/masks/f.png") as image:
        assert image.mode == mode
    assert len(areas(tmp_path / "out/masks/f.png")) == count + 1


def test_the_palette_has_the_colours_of_the_label_map(db: masksdb.Database, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/classes.csv").write_text("name,r,g,b\nbackground,0,0,0\ncar,1,2,3\nbus,4,5,6\n")
    save(tmp_path / "d/masks/a.png", [[[0, 0, 0], [4, 5, 6], [1, 2, 3]]])
    db.ingest(tmp_path / "d", dataset="d")
    db.export(tmp_path / "out", dataset="d", format="folder")
    assert json.loads((tmp_path / "out/labels.json").read_text()) == {"background": 0, "car": 1, "bus": 2}
    with Image.open(tmp_path / "out/masks/a.png") as image:
        palette = image.getpalette() or []
        assert np.asarray(image).tolist() == [[0, 2, 1]]
    assert palette[:9] == [0, 0, 0, 1, 2, 3, 4, 5, 6]


def test_colours_and_values_are_the_same_after_another_round(db: masksdb.Database, tmp_path: Path) -> None:
    numbers = np.array([[1, 2, 3, 0]])
    rois = {1: {"label": ["a"]}, 2: {"label": ["b"]}, 3: {"label": ["void"]}}
    db.ingest([frame_of("f", numbers, rois)], dataset="d")
    db.export(tmp_path / "one", dataset="d", format="folder")
    db.ingest(tmp_path / "one", dataset="e")
    db.export(tmp_path / "two", dataset="e", format="folder")
    assert json.loads((tmp_path / "one/labels.json").read_text()) == {"background": 0, "a": 1, "b": 2, "void": 255}
    for name in ("labels.json", "masks/f.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_one_frame_with_instances_makes_all_have_them(db: masksdb.Database, tmp_path: Path) -> None:
    numbers = np.array([[1, 2, 0]])
    frames_in = [
        frame_of(name, numbers, {1: {"label": [one]}, 2: {"label": ["b"]}})
        for name, one in (("first", "a"), ("second", "b"), ("third", "a"))
    ]
    db.ingest(frames_in, dataset="d")
    report: Any = db.export(tmp_path / "out", dataset="d", format="folder")
    assert report.is_lossless
    for name in ("first", "second", "third"):
        assert stored(tmp_path / f"out/instances/{name}.png").tolist() == [[1, 2, 0]]


def test_images_are_copied_on_request_and_pair_again(db: masksdb.Database, tmp_path: Path) -> None:
    photo(tmp_path / "d/images/train/a.jpg", 2, 1)
    save(tmp_path / "d/masks/train/a.png", [[0, 1]])
    db.ingest(tmp_path / "d", dataset="d")
    report: Any = db.export(tmp_path / "out", dataset="d", format="folder", with_images=True)
    assert report.is_lossless
    db.ingest(tmp_path / "out", dataset="e")
    assert (tmp_path / "out/images/train/a.jpg").read_bytes() == (tmp_path / "d/images/train/a.jpg").read_bytes()
    assert [row[:3] for row in frames(db)] == [("train/a", "train", "images/train/a.jpg")]
    assert len(report.notes) == 0


def test_a_mask_without_an_image_comes_back_without_it(db: masksdb.Database, tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg", 2, 1)
    for name in ("a", "b"):
        frame = frame_of(name, np.array([[1, 0]]), {})
        frame["sources"][0]["uri"] = "a.jpg" if name == "a" else None
        db.ingest([frame], dataset="d", media_root=tmp_path)
    report: Any = db.export(tmp_path / "out", dataset="d", format="folder", with_images=True)
    assert report.is_lossless
    assert report.notes == ["b: has no image"]
    db.ingest(tmp_path / "out", dataset="e")
    uris = db.sql("SELECT frame_id, source_uri FROM frame_masks WHERE dataset = 'e' ORDER BY frame_id").fetchall()
    assert uris == [("a", f"{tmp_path}/out/images/a.jpg"), ("b", None)]


def test_what_the_layout_has_no_place_for_is_told(db: masksdb.Database, tmp_path: Path) -> None:
    rois: dict[int, Any] = {
        1: {"label": ["Background"]},
        2: {"label": ["edge"], "meta": {"ignore": True}},
        3: {"label": ["people"], "is_crowd": True},
    }
    db.ingest([frame_of("f", np.array([[1, 2, 3]]), rois, meta={"split": "fold1"})], dataset="d")
    report: Any = db.export(tmp_path / "out", dataset="d", format="folder")
    (loss,) = [item for item in report.losses if item.is_loss]
    assert (loss.label, loss.not_held, loss.pixels) == ("Background", 1, 1)
    assert (loss.reason or "").startswith("background")
    assert [note.split(":")[0].split(",")[0] for note in sorted(report.notes)] == [
        "1 regions are crowds",
        "edge",
        "fold1",
    ]


def test_pixels_under_a_later_region_are_lost_and_counted(db: masksdb.Database, tmp_path: Path) -> None:
    lower = frame_of("f", np.array([[1, 1, 0]]), {1: {"label": ["a"]}})
    upper = frame_of("f", np.array([[0, 1, 1]]), {1: {"label": ["b"]}})
    db.ingest([lower | {"rois": lower["rois"] + upper["rois"]}], dataset="d")
    report: Any = db.export(tmp_path / "out", dataset="d", format="folder")
    assert [(loss.label, loss.lost, loss.gained) for loss in report.losses] == [("a", 1, 0), ("b", 0, 0)]
    assert stored(tmp_path / "out/masks/f.png").tolist() == [[1, 2, 2]]
