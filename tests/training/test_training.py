"""Queries to arrays and tensors, read by workers that never open the database; splits that tear no group apart."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from support.common import FIXTURES, tool
from support.real_frames import davis_frames

import masksdb
from masksdb import MasksDBError, UsageError
from masksdb.training.splits import deal

QUERY = """
SELECT frame_id, source_uri, mask, mask_value, class_labels AS labels,
    list_position(['road', 'car', 'person'], class_labels[1]) AS class
FROM mask_rois WHERE mask_id = 'seg' ORDER BY frame_id, roi_index
"""
COLOURS = {(128, 64, 128): 1, (0, 0, 142): 2, (220, 20, 60): 3}


@pytest.fixture
def street(db: masksdb.Database) -> masksdb.Database:
    db.ingest(FIXTURES / "street/frames.jsonl", dataset="street", version="v1")
    return db


def reference(frame_id: str) -> Any:
    """The class mask of a street frame, by Pillow and numpy."""
    with Image.open(FIXTURES / "street/seg" / f"{frame_id}.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    result = np.full(pixels.shape[:2], 255, np.uint8)
    for colour, number in COLOURS.items():
        result[(pixels == colour).all(axis=2)] = number
    return result


def test_arrays_are_images_and_the_numbers_of_classes(street: masksdb.Database) -> None:
    arrays = street.arrays(QUERY)
    assert len(arrays) == 12
    for item in arrays:
        assert item["mask"].dtype == np.uint8
        assert item["mask"].tolist() == reference(item["frame_id"]).tolist()
        with Image.open(item["source_uri"]) as image:
            assert item["image"].tolist() == np.asarray(image.convert("RGB")).tolist()
        assert "road" in item["labels"]


def test_void_is_configurable_and_may_be_negative(street: masksdb.Database) -> None:
    result = street.arrays(QUERY, void=-1, images=False)[0]
    assert result["mask"].dtype == np.int64
    expected = reference(result["frame_id"]).astype(np.int64)
    assert result["mask"].tolist() == np.where(expected == 255, -1, expected).tolist()
    assert result["image"] is None


def test_crops_and_sizes_take_pixels_and_mix_none(street: masksdb.Database) -> None:
    whole = street.arrays(QUERY)[0]
    cropped = street.arrays(QUERY, crop=(10, 5, 20, 30))[0]
    assert cropped["mask"].tolist() == whole["mask"][5:25, 10:40].tolist()
    assert cropped["image"].tolist() == whole["image"][5:25, 10:40].tolist()
    small = street.arrays(QUERY, size=(30, 40))[0]
    assert small["mask"].shape == (30, 40)
    assert set(np.unique(small["mask"])) <= set(np.unique(whole["mask"]))
    random = street.arrays(QUERY, crop=(20, 30), seed=3)
    assert [entry["mask"].tolist() for entry in random] == [entry["mask"].tolist() for entry in random]


def test_arrays_are_pickled_without_the_database(street: masksdb.Database) -> None:
    text = pickle.dumps(street.arrays(QUERY))
    street.close()
    result = pickle.loads(text)[3]  # our own
    assert result["mask"].tolist() == reference(result["frame_id"]).tolist()


def test_a_query_without_what_is_needed_is_refused(street: masksdb.Database) -> None:
    with pytest.raises(UsageError, match="expected source_uri, class, and mask with mask_value, rle or poly"):
        street.arrays("SELECT frame_id FROM mask_rois")
    with pytest.raises(UsageError, match=r"crop: found \(0, 4\)"):
        street.arrays(QUERY, crop=(0, 4))


def test_an_unreadable_mask_names_the_frame(db: masksdb.Database, tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "m.png").write_bytes(b"no image")
    frame = {
        "id": "the bad one",
        "sources": [{"uri": "a.png", "masks": [{"id": "seg", "uri": "m.png"}]}],
        "rois": [{"label": ["car"], "mask": {"id": "seg", "value": [1]}}],
    }
    db.ingest([frame], dataset="d", media_root=str(tmp_path))
    with pytest.raises(MasksDBError, match=r"frame 'the bad one'.*m\.png"):
        db.arrays(QUERY)[0]


def davis(db: masksdb.Database, root: Path) -> Any:
    frames = [frame for frame in davis_frames(root) if frame["context_id"] == "judo"]
    db.ingest(frames, dataset="davis", media_root=str(root))
    query = """
    SELECT frame_id, source_uri, mask, mask_value, class_labels AS labels,
        CAST(replace(class_labels[1], 'object_', '') AS INTEGER) AS class
    FROM mask_rois WHERE mask_id = 'osvos' ORDER BY frame_id, roi_index
    """
    return db.torch_dataset(query, images=False)


@pytest.mark.tools
@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_an_epoch_with_two_workers_sees_every_pixel(start: str, db: masksdb.Database, real_data: Path) -> None:
    tool("torch")
    root = real_data / "davis2017"
    dataset = davis(db, root)
    loader = dataset.loader(batch_size=4, num_workers=2, multiprocessing_context=start)
    seen: dict[str, Any] = {}
    for batch in loader:
        db.connection.execute("CREATE OR REPLACE TABLE written AS SELECT 1")
        seen.update(zip(batch["frame_id"], batch["mask"].numpy(), strict=True))
    assert len(seen) == len(dataset)
    for frame_id, mask in seen.items():
        with Image.open(root / "osvos" / f"{frame_id}.png") as image:
            indexes = np.asarray(image)
        assert mask.tolist() == np.where(indexes == 0, 255, indexes).tolist()


KILLED = """
import os, signal, sys, time, warnings
import masksdb
from masksdb.training.arrays import FrameArrays

warnings.simplefilter("ignore")
with masksdb.connect(sys.argv[1], read_only=True) as database:
    dataset = database.torch_dataset(sys.argv[2])
read = FrameArrays.__getitem__


def killed(frames, index):
    if index == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return read(frames, index)


FrameArrays.__getitem__ = killed
try:
    for batch in dataset.loader(batch_size=1, num_workers=1, multiprocessing_context="fork"):
        time.sleep(float(sys.argv[3]))
except masksdb.MasksDBError as error:
    print(error)
"""


@pytest.mark.tools
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal to kill a worker with")
@pytest.mark.parametrize("step_s", [0, 0.3], ids=["while it is waited for", "while the loop is busy"])
def test_a_killed_worker_names_the_frame(step_s: float, street: masksdb.Database, db_path: str) -> None:
    tool("torch")
    name = street.torch_dataset(QUERY).frames.name(3)
    street.close()
    # In a process of its own: torch raises the error from a signal, which may come at any moment of this one.
    command = [sys.executable, "-c", KILLED, db_path, QUERY, str(step_s)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.startswith(f"{name}: its worker died while it read this frame"), done.stderr


def test_without_torch_it_is_said_what_to_install(street: masksdb.Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    monkeypatch.delitem(__import__("sys").modules, "masksdb.training.torch_frames", raising=False)
    with pytest.raises(UsageError, match=r"pip install 'masksdb\[torch\]'"):
        street.torch_dataset(QUERY)


def test_no_group_is_torn_apart_and_the_shares_are_kept(street: masksdb.Database) -> None:
    parts = {"train": 0.8, "val": 0.1, "test": 0.1}
    frames = [{"id": f"{g}_{n}", "context_id": f"g{g}", "sources": []} for g in range(100) for n in range(1 + g % 3)]
    street.ingest(frames, dataset="many", version="v1")
    report = street.split("many", "v1", parts, seed=7)
    rows = street.sql("SELECT context_id, count(DISTINCT part) FROM frame_splits GROUP BY ALL").fetchall()
    assert len(rows) == 100
    assert all(count == 1 for _, count in rows)
    for part in report.parts:
        assert abs(part.share - parts[part.name]) <= 0.01
    assert sum(part.frames for part in report.parts) == len(frames)


def test_a_split_follows_from_its_seed(street: masksdb.Database) -> None:
    def split(seed: int) -> Any:
        street.split("street", "v1", {"train": 0.5, "val": 0.5}, by="frame_id", seed=seed)
        return street.sql("SELECT frame_id, part FROM frame_splits ORDER BY ALL").fetchall()

    first = split(7)
    assert split(7) == first
    assert any(split(seed) != first for seed in (1, 2, 3))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=40), st.integers(1, 9))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_two_parts_are_as_near_to_their_shares_as_can_be(sizes: list[int], tenths: int) -> None:
    wanted = [tenths * 100_000, 1_000_000 - tenths * 100_000]
    chosen = deal(sizes, wanted)
    got = sum(size for size, part in zip(sizes, chosen, strict=True) if part == 0)
    sums = {0}
    for size in sizes:
        sums |= {total + size for total in sums}
    target = sum(sizes) * tenths / 10
    best = min(abs(total - target) for total in sums)
    assert abs(got - target) <= max(best, 0.01 * sum(sizes)) + 1e-9


def test_wrong_shares_are_refused(street: masksdb.Database) -> None:
    with pytest.raises(UsageError, match="expected shares from 0 to 1 whose sum is 1"):
        street.split("street", "v1", {"train": 0.5, "val": 0.4})
    with pytest.raises(UsageError, match="run 'masksdb analyze' first"):
        street.split("street", "v1", {"train": 0.5, "val": 0.5}, balance=True)
