"""The measurements of evaluations that need a fresh process; see ``tasks.py``.

Packages are imported before the clock starts, those of masksdb as those of its peers.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from timing import Outcome, remove, run, timed

DATASET = "masks"
MOVED = (5, 3)
"""By how many pixels a prediction lies to the right and below."""

Pairs = Sequence[tuple[str, str]]
Counts = Any
"""Pixels by the index in the truth and in the prediction, shape (n, n)."""


def make_pairs(masks: str, path: str, out: str, count: int) -> Outcome:
    """Predictions of the first masks: the masks themselves, moved; in ``out`` the files of both."""
    truths = json.loads(Path(masks).read_text(encoding="utf-8"))["paths"][:count]
    os.makedirs(path, exist_ok=True)
    pairs = [(truth, os.path.join(path, os.path.basename(truth))) for truth in truths]
    with multiprocessing.Pool(os.cpu_count()) as pool:
        pool.map(_write_moved, pairs, chunksize=8)
    Path(out).write_text(json.dumps(pairs), encoding="utf-8")
    return {}, len(pairs)


def _write_moved(pair: tuple[str, str]) -> None:
    import numpy as np
    from PIL import Image

    with Image.open(pair[0]) as image:
        moved = Image.fromarray(np.roll(np.asarray(image), MOVED, (1, 0)))
        if image.mode == "P":
            moved.putpalette(image.getpalette() or [])
    moved.save(pair[1])


def load(masks: str, pairs: str, out: str) -> Outcome:
    """A database with both as versions of a dataset, and what their values mean."""
    import masksdb

    remove(out)
    names = importlib.import_module("masks")
    colours = names.MaskSet.load(masks).colours
    labels = [{"value": list(colour), "labels": [names.label(index)]} for index, colour in enumerate(colours)]
    files = json.loads(Path(pairs).read_text(encoding="utf-8"))
    seconds: dict[str, float] = {}
    with timed(seconds), masksdb.connect(out) as database:
        for side, version in enumerate(("truth", "prediction")):
            frames = [
                {"id": str(number), "sources": [{"id": "camera", "masks": [{"id": "seg", "uri": pair[side]}]}]}
                for number, pair in enumerate(files)
            ]
            database.ingest(frames, dataset=DATASET, version=version)
            database.version(DATASET, version).set_metadata({"mask_labels": {"seg": labels}})
    return seconds, len(files)


def evaluate(database: str, out: str) -> Outcome:
    """``evaluate`` of a copy of a database, from ``connect`` on; and once more, when it knows all pairs."""
    import masksdb

    for name in ("evaluate", "scores", "confusion_picture"):
        importlib.import_module(f"masksdb.analysis.{name}")
    importlib.import_module("imageio.v3")
    with masksdb.connect(":memory:") as other:
        # DuckDB imports packages of its own with the first Arrow table.
        cursor = other.connection.cursor()
        cursor.register("nothing", importlib.import_module("pyarrow").table({"a": [1]}))
        cursor.execute("SELECT * FROM nothing").fetchall()
    remove(out)
    shutil.copy(database, out)
    answers = []
    seconds: dict[str, float] = {}
    for part in ("work", "again"):
        with timed(seconds, part), masksdb.connect(out) as opened:
            found = opened.evaluate(f"{DATASET}/truth", f"{DATASET}/prediction")
        answers.append(
            _answer(found.truth_classes, found.predicted_classes, found.confusion, found.metrics["mean_iou"])
        )
    decodes = importlib.import_module("masksdb.pixels.mask_cache").facts_cache.decodes
    return seconds, {"found": answers[0], "is_same": answers[0] == answers[1], "masks": decodes}


def bincount(masks: str, pairs: str, threads: int) -> Outcome:
    """The same by a loop: Pillow, colours to indexes by a table, ``np.bincount``."""
    import numpy as np
    from PIL import Image

    Image.preinit()
    colours = importlib.import_module("masks").MaskSet.load(masks).colours
    size = len(colours)
    table = _table(colours)

    def indexes(path: str) -> Any:
        with Image.open(path) as image:
            pixels = np.asarray(image)
        if pixels.ndim == 2:
            return pixels
        codes = pixels[:, :, 0].astype(np.uint32) << 16 | pixels[:, :, 1].astype(np.uint32) << 8 | pixels[:, :, 2]
        return table[codes]

    def counted(some: Pairs) -> Counts:
        total = np.zeros(size * size, np.int64)
        for truth, prediction in some:
            joint = indexes(truth).astype(np.int64) * size + indexes(prediction)
            total += np.bincount(joint.reshape(-1), minlength=size * size)
        return total.reshape(size, size)

    return _peer(counted, pairs, threads)


def torchmetrics(masks: str, pairs: str, threads: int) -> Outcome:
    """The same by torchmetrics: its confusion matrix, from which its JaccardIndex is."""
    import numpy as np
    from PIL import Image

    torch: Any = importlib.import_module("torch")
    classification: Any = importlib.import_module("torchmetrics.classification")
    colours = importlib.import_module("masks").MaskSet.load(masks).colours
    table = _table(colours)
    torch.set_num_threads(threads)

    def indexes(path: str) -> Any:
        with Image.open(path) as image:
            pixels = np.asarray(image)
        if pixels.ndim == 3:
            codes = pixels[:, :, 0].astype(np.uint32) << 16 | pixels[:, :, 1].astype(np.uint32) << 8 | pixels[:, :, 2]
            pixels = table[codes]
        return torch.from_numpy(pixels.astype(np.int64))

    def counted(some: Pairs) -> Counts:
        metric = classification.MulticlassConfusionMatrix(len(colours), validate_args=False)
        for truth, prediction in some:
            metric.update(indexes(prediction), indexes(truth))
        return metric.compute().numpy()

    return _peer(counted, pairs, 1)


def has_torchmetrics() -> Outcome:
    return {}, all(importlib.util.find_spec(name) for name in ("torch", "torchmetrics"))


def _table(colours: Sequence[Sequence[int]]) -> Any:
    """The index of each colour by its code."""
    import numpy as np

    table = np.zeros(1 << 24, np.uint8)
    for index, (red, green, blue) in enumerate(colours):
        table[red << 16 | green << 8 | blue] = index
    return table


def _peer(counted: Callable[[Pairs], Counts], pairs: str, threads: int) -> Outcome:
    files = json.loads(Path(pairs).read_text(encoding="utf-8"))
    seconds: dict[str, float] = {}
    with timed(seconds):
        with ThreadPoolExecutor(threads) as pool:
            total = sum(pool.map(counted, [files[start::threads] for start in range(threads)]))
        iou = _mean_iou(total)
    label = importlib.import_module("masks").label
    present = [index for index in range(len(total)) if total[index].any() or total[:, index].any()]
    names = [label(index) for index in present]
    return seconds, _answer(names, names, total[present][:, present], iou)


def _mean_iou(total: Counts) -> float:
    both = total.diagonal()
    either = total.sum(axis=0) + total.sum(axis=1) - both
    return float((both[either > 0] / either[either > 0]).mean())


def _answer(truth: Sequence[str], predicted: Sequence[str | None], pixels: Counts, iou: float | None) -> str:
    """A hash of all pixel counts by their labels, and the mean IoU to twelve digits."""
    cells = sorted(
        (name, str(other), int(pixels[row, column]))
        for row, name in enumerate(truth)
        for column, other in enumerate(predicted)
        if pixels[row, column]
    )
    return f"{hashlib.md5(json.dumps(cells).encode()).hexdigest()} {iou:.12f}"


TASKS: Mapping[str, Callable[..., Outcome]] = {
    task.__name__: task for task in (make_pairs, load, evaluate, bincount, torchmetrics, has_torchmetrics)
}


if __name__ == "__main__":
    run(TASKS)
