"""Frames as tensors, in the loops and loaders that torch's users write."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.common import FIXTURES, tool
from support.real_frames import davis_frames

import masksdb
from masksdb import DataView, MasksDBError, UsageError

torch = tool("torch")
pytestmark = [pytest.mark.tools, pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")]

LABELS = {"road": 0, "car": 1, "person": 2}


@pytest.fixture
def view(db: masksdb.Database) -> DataView:
    db.ingest(FIXTURES / "street/frames.jsonl", dataset="street", version="v1")
    view = DataView(database=db)
    view.add_query(dataset_name="street", version_name="v1")
    view.set_labels(LABELS)
    return view


def test_items_are_tensors_of_what_the_arrays_are(view: DataView) -> None:
    arrays, dataset = view.arrays(mask="seg"), view.torch_dataset(mask="seg")
    assert len(dataset) == len(arrays) == 12
    for expected, item in zip(arrays, (dataset[index] for index in range(12)), strict=True):
        assert (item["image"].dtype, item["mask"].dtype) == (torch.uint8, torch.uint8)
        assert item["image"].tolist() == expected["image"].transpose(2, 0, 1).tolist()
        assert item["mask"].tolist() == expected["mask"].tolist()
        assert list(item["labels"]) == expected["labels"]
        assert (item["frame_id"], item["source_uri"]) == (expected["frame_id"], expected["source_uri"])
    assert "image" not in view.torch_dataset(mask="seg", images=False)[0]
    assert view.torch_dataset(mask="seg", void=-100)[0]["mask"].dtype == torch.int64


def test_any_loader_makes_batches_of_them(view: DataView) -> None:
    dataset = pickle.loads(pickle.dumps(view.torch_dataset(mask="seg")))  # our own
    first, *_, last = torch.utils.data.DataLoader(dataset, batch_size=5)
    assert first["image"].shape == (5, 3, 90, 160)
    assert last["mask"].shape == (2, 90, 160)
    assert [list(labels) for labels in last["labels"]] == [list(dataset[index]["labels"]) for index in (10, 11)]
    assert last["frame_id"] == [dataset[index]["frame_id"] for index in (10, 11)]


def test_they_are_a_dataset_of_torch(view: DataView) -> None:
    dataset = view.torch_dataset(mask="seg")
    assert isinstance(dataset, torch.utils.data.Dataset)
    train, rest = torch.utils.data.random_split(dataset, [5, 7])
    assert len(train + rest) == 12


def flipped(image: Any, mask: Any) -> tuple[Any, Any]:
    """Image and mask from right to left, the image from 0 to 1."""
    return image.flip(-1) / 255, mask.flip(-1)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_transform_changes_image_and_mask_in_workers_too(start: str, view: DataView) -> None:
    plain, dataset = view.torch_dataset(mask="seg"), view.torch_dataset(mask="seg", transform=flipped)
    (batch,) = dataset.loader(batch_size=12, num_workers=1, multiprocessing_context=start)
    for index, (image, mask) in enumerate(zip(batch["image"], batch["mask"], strict=True)):
        expected = plain[index]["image"].numpy()[:, :, ::-1].astype(np.float32) / 255
        np.testing.assert_allclose(image.numpy(), expected, rtol=1e-6)
        assert mask.tolist() == plain[index]["mask"].numpy()[:, ::-1].tolist()


def test_a_transform_may_return_numpy_and_gets_no_image_where_none_is_read(view: DataView) -> None:
    dataset = view.torch_dataset(mask="seg", images=False, transform=lambda image, mask: (image, mask.numpy()[:8, :8]))
    assert "image" not in dataset[0]
    assert isinstance(dataset[0]["mask"], np.ndarray)
    (batch,) = dataset.loader(batch_size=12)
    assert batch["mask"].shape == (12, 8, 8)


def failing(_image: Any, _mask: Any) -> Any:
    raise ZeroDivisionError


def test_a_transform_that_fails_names_the_frame(view: DataView) -> None:
    with pytest.raises(
        MasksDBError, match=r"frame 'bergen_06' of street/v1, source 'front': the transform failed: Zero"
    ):
        view.torch_dataset(mask="seg", transform=failing)[0]
    with pytest.raises(UsageError, match="transform: found Tensor, expected that it returns image and mask"):
        view.torch_dataset(mask="seg", transform=lambda image, _mask: image)[0]


def test_masks_of_torchvision_are_made_where_it_is_there(view: DataView) -> None:
    tv_tensors = pytest.importorskip("torchvision.tv_tensors", reason="torchvision is not installed")
    assert type(view.torch_dataset(mask="seg")[0]["mask"]) is tv_tensors.Mask


def test_a_network_is_trained_on_davis_while_its_database_is_written_to(db: masksdb.Database, real_data: Path) -> None:
    root = real_data / "davis2017"
    frames = davis_frames(root)[::8]
    for frame in frames:
        # There are no images in this copy; what another method found stands for them.
        frame["sources"][0]["uri"] = f"rvos/{frame['id']}.png"
        frame["context_id"] = "all"
    db.ingest(frames, dataset="davis", media_root=str(root))
    view = DataView(iteration_order="random", iteration_random_seed=1, database=db)
    view.add_query(dataset_name="davis")
    view.set_labels({f"object_{index}": index for index in range(1, 4)})
    dataset = view.torch_dataset(mask="osvos", size=(60, 106), void=0)
    torch.manual_seed(1)
    network = torch.nn.Conv2d(3, 4, 3, padding=1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.wait(0.01):
            number += 1
            db.ingest([{"id": f"new {number}"}], dataset="davis")

    writer = threading.Thread(target=write)
    seen, losses = [], []
    writer.start()
    try:
        for batch in dataset.loader(batch_size=4, num_workers=2, multiprocessing_context="fork"):
            target = batch["mask"].long()
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(batch["image"] / 255), target)
            loss.backward()
            optimizer.step()
            seen += batch["frame_id"]
            losses.append(loss.item())
            assert not db.sql("SELECT 1 WHERE false").fetchall()
    finally:
        stop.set()
        writer.join()
    assert sorted(seen) == sorted(frame["id"] for frame in frames)
    assert losses[-1] < losses[0]
    written = db.sql("SELECT count(*) FROM dataset_frames WHERE frame_id LIKE 'new %'").fetchall()
    assert written[0][0] > 0


def test_an_unreadable_mask_is_named_by_the_parent_of_the_worker_too(db: masksdb.Database, tmp_path: Path) -> None:
    frames = []
    for name in ("good", "bad"):
        path = tmp_path / f"{name}.png"
        Image.fromarray(np.ones((4, 4), np.uint8)).save(path)
        source: dict[str, Any] = {"uri": path.name, "masks": [{"id": "seg", "uri": path.name}]}
        rois = [{"label": ["car"], "mask": {"id": "seg", "value": [1]}}]
        frames.append({"id": name, "sources": [source], "rois": rois})
    (tmp_path / "bad.png").write_bytes((tmp_path / "bad.png").read_bytes()[:40])
    db.ingest(frames, dataset="d", media_root=str(tmp_path))
    view = DataView(database=db)
    view.add_query(dataset_name="d")
    view.set_labels(LABELS)
    dataset = view.torch_dataset()
    for loader in (dataset.loader(num_workers=1, multiprocessing_context="fork"), dataset.loader()):
        with pytest.raises(MasksDBError, match=r"frame 'bad' of d/Current.*bad\.png: a PNG file that is cut off"):
            list(loader)


def test_a_frame_without_an_image_is_named(db: masksdb.Database) -> None:
    roi = {"label": ["car"], "poly": [0, 0, 2, 0, 2, 2, 0, 2]}
    db.ingest([{"id": "a", "sources": [{"id": "s", "width": 4, "height": 3}], "rois": [roi]}], dataset="d", version="v")
    query = """
    SELECT frame_id, CAST(NULL AS VARCHAR) AS source_uri, poly, 4 AS width, 3 AS height, 1 AS class FROM rois, frames
    """
    with pytest.raises(MasksDBError, match="frame 'a': no image; ask for masks alone with images=False"):
        db.torch_dataset(query)[0]
    assert db.torch_dataset(query, images=False)[0]["mask"].tolist() == [[1, 1, 255, 255]] * 2 + [[255] * 4]
