"""SYNTHIA comes in with class and instance in two channels of 16 bits."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from support.mask_trees import frames, photo, regions, save

import masksdb
from masksdb import IngestError


def save_rgb_of_16_bits(path: Path, pixels: object) -> Path:
    """Write an RGB PNG of 16 bits, which Pillow cannot."""
    array = np.array(pixels, ">u2")
    height, width, _ = array.shape
    rows = b"".join(b"\0" + row.tobytes() for row in array)
    path.parent.mkdir(parents=True, exist_ok=True)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    return path


def tree(root: Path, name: str = "0000001") -> Path:
    photo(root / f"RGB/{name}.png", 5, 1)
    pixels = [[[0, 0, 0], [1, 0, 0], [8, 3, 0], [8, 1000, 0], [8, 1000, 0]]]
    save_rgb_of_16_bits(root / f"GT/LABELS/{name}.png", pixels)
    save(root / f"GT/COLOR/{name}.png", [[[0, 0, 0], [70, 130, 180], [0, 0, 142], [0, 0, 142], [0, 0, 142]]])
    return root


def test_a_region_is_a_class_and_an_instance(db: masksdb.Database, tmp_path: Path) -> None:
    report = db.ingest(tree(tmp_path / "d"), dataset="d")
    assert any("taken for synthia (RGB/ and GT/LABELS/)" in note for note in report.notes)
    assert frames(db) == [("0000001", None, "RGB/0000001.png", ["LABELS", "COLOR"])]
    assert [row[1:] for row in regions(db)] == [
        ("void", "LABELS", [0, 0, 0], 1, True),
        ("sky", "LABELS", [1, 0, 0], 1, False),
        ("car", "LABELS", [8, 3, 0], 1, False),
        ("car", "LABELS", [8, 1000, 0], 2, False),
    ]


def test_a_class_is_declared_for_all_its_instances(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest(tree(tmp_path / "d"), dataset="d")
    query = "SELECT value, mask_area(mask, value) FROM mask_segments WHERE labels = ['car'] AND mask_id = 'LABELS'"
    assert db.sql(query).fetchall() == [([8, -1, -1], 3)]


def test_one_channel_is_the_class_alone_and_a_folder_a_sequence(db: masksdb.Database, tmp_path: Path) -> None:
    photo(tmp_path / "d/RGB/Left/1.png", 3, 1)
    save(tmp_path / "d/GT/LABELS/Left/1.png", [[0, 8, 99]])
    report = db.ingest(tmp_path / "d", dataset="d")
    assert [row[:5] for row in regions(db)] == [
        ("Left/1", "void", "LABELS", [0], 1),
        ("Left/1", "car", "LABELS", [8], 1),
        ("Left/1", "99", "LABELS", [99], 1),
    ]
    assert db.sql("SELECT context_id FROM dataset_frames").fetchall() == [("Left",)]
    assert any("the class 99 is none of SYNTHIA" in note for note in report.notes)


@pytest.mark.parametrize(
    "fault", ["cut off", "a mask without its image", "5 x 1 pixels on an image of 9 x 1", "RGB of 8 bits; expected 16"]
)
def test_a_fault_is_named_and_the_rest_comes_in(db: masksdb.Database, tmp_path: Path, fault: str) -> None:
    root = tree(tree(tmp_path / "d"), "bad")
    path = root / "GT/LABELS/bad.png"
    if fault == "cut off":
        path.write_bytes(path.read_bytes()[:40])
    elif "without" in fault:
        (root / "RGB/bad.png").unlink()
        (root / "GT/COLOR/bad.png").unlink()
    elif "bits" in fault:
        save(path, [[[8, 1, 0]] * 5])
    else:
        photo(root / "RGB/bad.png", 9, 1)
    with pytest.raises(IngestError) as raised:
        db.ingest(root, dataset="d")
    assert str(path) in str(raised.value)
    assert fault in str(raised.value)
    report = db.ingest(root, dataset="d", on_error="skip")
    assert (report.new, report.rejected) == (1, 1)
