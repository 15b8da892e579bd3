"""Colours that no label map names are refused with their number and cause: no reader makes classes of noise."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.mask_trees import photo, regions, save

import masksdb

CLASSES = {"background": (0, 0, 0), "road": (128, 64, 128), "car": (0, 0, 142), "sky": (70, 130, 180)}

SIDE = 96


def clean() -> Any:
    """Stripes in the four colours, shape (SIDE, SIDE, 3)."""
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    for place, colour in enumerate(CLASSES.values()):
        pixels[:, place * SIDE // 4 : (place + 1) * SIDE // 4] = colour
    return pixels


def noisy() -> Any:
    """The same after a JPEG."""
    data = io.BytesIO()
    Image.fromarray(clean()).save(data, "JPEG", quality=60)
    return np.asarray(Image.open(data))


def of_voc(root: Path, pixels: Any) -> Path:
    (root / "labelmap.txt").write_text("".join(f"{n}:{r},{g},{b}::\n" for n, (r, g, b) in CLASSES.items()))
    return save(root / "SegmentationClass/a.png", pixels)


def of_voc_with_labels(root: Path, pixels: Any) -> Path:
    (root / "labels.txt").write_text("".join(f"{r} {g} {b} {n}\n" for n, (r, g, b) in CLASSES.items()))
    return save(root / "SegmentationClass/a.png", pixels)


def of_folder(root: Path, pixels: Any) -> Path:
    (root / "labels.txt").write_text("".join(f"{r} {g} {b} {n}\n" for n, (r, g, b) in CLASSES.items()))
    photo(root / "images/a.png", SIDE, SIDE)
    return save(root / "masks/a.png", pixels)


def of_camvid(root: Path, pixels: Any) -> Path:
    (root / "label_colors.txt").write_text("".join(f"{r} {g} {b} {n}\n" for n, (r, g, b) in CLASSES.items()))
    photo(root / "train/a.png", SIDE, SIDE)
    return save(root / "trainannot/a.png", pixels)


def of_cityscapes(root: Path, pixels: Any) -> Path:
    (root / "label_colors.txt").write_text("".join(f"{r} {g} {b} {n}\n" for n, (r, g, b) in CLASSES.items()))
    return save(root / "gtFine/val/x/x_000000_000000_gtFine_color.png", pixels)


MAPPED = {
    "voc": of_voc,
    "voc with labels.txt": of_voc_with_labels,
    "folder": of_folder,
    "camvid": of_camvid,
    "cityscapes": of_cityscapes,
}

BARE: dict[str, str] = {
    "voc": "SegmentationClass/a.png",
    "folder": "masks/a.png",
    "davis": "Annotations/x/00000.png",
}


@pytest.mark.parametrize("layout", MAPPED)
def test_noise_around_the_colours_of_a_label_map_is_refused(db: masksdb.Database, tmp_path: Path, layout: str) -> None:
    pixels = noisy()
    path = MAPPED[layout](tmp_path, pixels)
    flat = pixels.reshape(-1, 3)
    others = flat[~(flat[:, None] == np.array(list(CLASSES.values()))).all(axis=2).any(axis=1)]
    with pytest.raises(masksdb.IngestError) as caught:
        db.ingest(tmp_path, dataset="d", format=layout.split()[0])
    count = f"{len(others):,} of {SIDE * SIDE:,} pixels have {len(np.unique(others, axis=0)):,} colours that "
    assert f"{path}: {count}" in str(caught.value)
    assert "close to its colours, as after JPEG or interpolation; save masks as PNG" in str(caught.value)


@pytest.mark.parametrize("layout", MAPPED)
def test_the_colours_of_a_label_map_come_in(db: masksdb.Database, tmp_path: Path, layout: str) -> None:
    MAPPED[layout](tmp_path, clean())
    db.ingest(tmp_path, dataset="d", format=layout.split()[0])
    assert {row[1]: row[4] for row in regions(db) if row[1] != "background"} == dict.fromkeys(
        ("road", "car", "sky"), SIDE * SIDE // 4
    )


@pytest.mark.parametrize("layout", ["voc", "folder", "camvid"])
def test_skipping_leaves_out_the_frames_of_such_masks_alone(db: masksdb.Database, tmp_path: Path, layout: str) -> None:
    bad = MAPPED[layout](tmp_path, noisy())
    save(bad.with_name("b.png"), clean())
    if layout != "voc":
        photo(tmp_path / ("images/b.png" if layout == "folder" else "train/b.png"), SIDE, SIDE)
    report = db.ingest(tmp_path, dataset="d", format=layout, on_error="skip")
    assert (report.new, report.rejected) == (1, 1)
    assert {row[1] for row in regions(db)} - {"background"} == {"road", "car", "sky"}


@pytest.mark.parametrize("layout", BARE)
def test_thousands_of_colours_without_a_label_map_are_refused(
    db: masksdb.Database, tmp_path: Path, layout: str
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    path = save(tmp_path / BARE[layout], pixels)
    with pytest.raises(masksdb.IngestError) as caught:
        db.ingest(tmp_path, dataset="d", format=layout)
    colours = len(np.unique(pixels.reshape(-1, 3), axis=0))
    assert f"{path}: {colours:,} colours, more than the 512 of a mask without a label map" in str(caught.value)


def test_a_colour_far_from_all_of_a_label_map_is_named(db: masksdb.Database, tmp_path: Path) -> None:
    pixels = clean()
    pixels[:2, :3] = (9, 250, 9)
    path = of_folder(tmp_path, pixels)
    with pytest.raises(masksdb.IngestError) as caught:
        db.ingest(tmp_path, dataset="d")
    assert str(caught.value).startswith(
        f"{path}: 6 of 9,216 pixels have a colour that labels.txt does not name, such as 9,250,9 "
        "(nearest is 70,130,180, 'sky'): another label map; save masks as PNG, without resizing them, or name"
    )


def test_ids_that_8_bits_do_not_hold_are_reported(
    db: masksdb.Database, tmp_path: Path, write: Callable[..., str]
) -> None:
    write("d/labels.txt", "".join(f"c{number}\n" for number in range(300)))
    save(tmp_path / "d/masks/a.png", [[1, 255]])
    report = db.ingest(tmp_path / "d", dataset="d")
    assert not any("cut" in note for note in report.notes)  # c255 has this index
    write("e/labels.json", '{"a": 1, "b": 300}')
    save(tmp_path / "e/masks/a.png", [[1, 255]])
    report = db.ingest(tmp_path / "e", dataset="e")
    assert any("has ids up to 300" in note and "its 255 may be ids that were cut" in note for note in report.notes)
