"""The measurements of training that need a fresh process; see ``tasks.py``.

An epoch that is not counted starts the workers, imports what they need and counts the pixels of each class, which must
be the same for all; the second is on the clock.
"""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from timing import Outcome, remove, run

VOID = 255
BATCH = 4
WIDTH, HEIGHT = 2048, 1024

QUERY = """
SELECT frame_id, source_uri, mask, mask_value, CAST(substr(class_labels[1], 2) AS INTEGER) AS class
FROM mask_rois
WHERE dataset = 'training'
ORDER BY frame_key, roi_index
"""


def has_torch() -> Outcome:
    return {}, importlib.util.find_spec("torch") is not None


def load(masks: str, folder: str, out: str, kind: str, most: int) -> Outcome:
    """A database of the first masks, as colours or as class numbers, each with an image; and a list of the files."""
    import masksdb

    found: Any = importlib.import_module("masks").MaskSet.load(masks)
    os.makedirs(folder, exist_ok=True)
    colours = found.colours if kind == "colours" else [[index] for index in range(len(found.colours))]
    jobs = [(number, path, folder, kind, found.colours) for number, path in enumerate(found.paths[:most])]
    with multiprocessing.Pool(os.cpu_count()) as pool:
        files = pool.map(_write_pair, jobs, chunksize=4)
    label = importlib.import_module("masks").label
    frames = [
        {
            "id": str(number),
            "sources": [{"uri": image, "masks": [{"id": "seg", "uri": mask}]}],
            "rois": [
                {"label": [label(index)], "mask": {"id": "seg", "value": colours[index]}}
                for index in found.indexes[number]
            ],
        }
        for number, (image, mask) in enumerate(files)
    ]
    remove(out)
    with masksdb.connect(out) as database:
        database.ingest(frames, dataset="training", version="v1")
    Path(f"{out}.json").write_text(json.dumps({"files": files, "colours": colours}), encoding="utf-8")
    return {}, len(frames)


def _write_pair(job: tuple[int, str, str, str, Any]) -> tuple[str, str]:
    """An image and its mask: smooth light with some grain, as JPEG."""
    import numpy as np
    from PIL import Image

    number, mask, folder, kind, colours = job
    noise = np.random.default_rng(number)
    small = Image.fromarray(noise.integers(0, 256, (32, 64, 3), np.uint8))
    light = np.asarray(small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).astype(np.int16)
    grain = noise.integers(-6, 7, (HEIGHT, WIDTH, 1), np.int16)
    image = f"{folder}/{number:05d}.jpg"
    Image.fromarray(np.clip(light + grain, 0, 255).astype(np.uint8)).save(image, quality=90)
    if kind == "colours":
        return image, mask
    out = f"{folder}/{number:05d}.png"
    with Image.open(mask) as picture:
        pixels = np.asarray(picture)
    classes = np.zeros(pixels.shape[:2], np.uint8)
    for index, colour in enumerate(colours):
        classes[(pixels == colour).all(axis=2)] = index
    Image.fromarray(classes).save(out)
    return image, out


def masksdb_epoch(database: str, workers: int) -> Outcome:
    """What ``torch_dataset`` of a query delivers; the database is closed before the first frame."""
    import masksdb

    with masksdb.connect(database, read_only=True) as opened:
        dataset = opened.torch_dataset(QUERY, void=VOID)
    loader = dataset.loader(**_options(workers))
    return _epochs(loader, lambda batch: (batch["image"], batch["mask"]))


def by_hand_epoch(database: str, workers: int) -> Outcome:
    """What a dataset delivers as one writes it by hand."""
    from torch.utils.data import DataLoader

    return _epochs(DataLoader(ByHand(f"{database}.json"), **_options(workers)), lambda batch: batch)


class ByHand:
    """Pillow opens, numpy looks up: class numbers in a table of 256, colours in one of all 24-bit codes."""

    def __init__(self, path: str) -> None:
        import numpy as np

        about = json.loads(Path(path).read_text(encoding="utf-8"))
        self.files, colours = about["files"], about["colours"]
        self.is_colour = len(colours[0]) == 3
        self.table = np.full(1 << 24 if self.is_colour else 256, VOID, np.uint8)
        for index, colour in enumerate(colours):
            code = colour[0] << 16 | colour[1] << 8 | colour[2] if self.is_colour else colour[0]
            self.table[code] = index

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Any:
        import numpy as np
        import torch
        from PIL import Image

        image_path, mask_path = self.files[index]
        with Image.open(image_path) as picture:
            image = np.array(picture.convert("RGB"))
        with Image.open(mask_path) as picture:
            codes = np.array(picture)
        if self.is_colour:
            wide = codes.astype(np.int32)
            codes = wide[:, :, 0] << 16 | wide[:, :, 1] << 8 | wide[:, :, 2]
        return torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(self.table[codes])


def _options(workers: int) -> dict[str, Any]:
    return {"batch_size": BATCH, "num_workers": workers, "persistent_workers": workers > 0}


def _epochs(loader: Any, parts: Callable[[Any], tuple[Any, Any]]) -> Outcome:
    import torch

    counts, images = torch.zeros(256, dtype=torch.int64), 0
    for batch in loader:
        image, mask = parts(batch)
        counts += torch.bincount(mask.reshape(-1), minlength=256)
        images += int(image.sum())
    start = time.perf_counter()
    frames = sum(len(parts(batch)[1]) for batch in loader)
    seconds = time.perf_counter() - start
    return {"work": seconds}, {"frames": frames, "pixels": counts.tolist(), "images": images}


TASKS: Mapping[str, Callable[..., Outcome]] = {
    task.__name__: task for task in (has_torch, load, masksdb_epoch, by_hand_epoch)
}


if __name__ == "__main__":
    run(TASKS)
