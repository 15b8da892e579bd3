"""The measurements of layouts that need a fresh process; see ``tasks.py``.

Those of Datumaro run where masksdb is not installed, and the others where Datumaro is not.
"""

from __future__ import annotations

import importlib
import json
import logging
import math
import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from timing import Outcome, remove, run, timed

PER_IMAGE = 20
CATEGORIES = 80
WIDTH, HEIGHT = 640, 480


def make_coco(folder: str, annotations: int) -> Outcome:
    """A file of instances: a polygon of 8 to 40 corners each."""
    rng = random.Random(7)
    found = [_annotation(rng, number) for number in range(1, annotations + 1)]
    images = [
        {"id": number, "file_name": f"{number:08d}.jpg", "width": WIDTH, "height": HEIGHT}
        for number in range(1, annotations // PER_IMAGE + 1)
    ]
    categories = [{"id": number, "name": f"class {number}"} for number in range(1, CATEGORIES + 1)]
    for each in ("annotations", "images"):
        os.makedirs(f"{folder}/{each}", exist_ok=True)
    document = {"images": images, "annotations": found, "categories": categories}
    Path(folder, "annotations", "instances_train.json").write_text(json.dumps(document), encoding="utf-8")
    return {}, annotations


def _annotation(rng: random.Random, number: int) -> dict[str, Any]:
    x, y, radius = rng.uniform(70, WIDTH - 70), rng.uniform(70, HEIGHT - 70), rng.uniform(5, 60)
    points = []
    for angle in sorted(rng.uniform(0, math.tau) for _ in range(rng.randint(8, 40))):
        reach = radius * rng.uniform(0.7, 1)
        points += [round(x + reach * math.cos(angle), 2), round(y + reach * math.sin(angle), 2)]
    left, top, right, bottom = min(points[::2]), min(points[1::2]), max(points[::2]), max(points[1::2])
    return {
        "id": number,
        "image_id": (number - 1) // PER_IMAGE + 1,
        "category_id": rng.randint(1, CATEGORIES),
        "segmentation": [points],
        "area": round(radius * radius * 2, 2),
        "bbox": [left, top, round(right - left, 2), round(bottom - top, 2)],
        "iscrowd": 0,
    }


def make_folder(masks: str, folder: str) -> Outcome:
    """Links to masks, and what their values mean as Datumaro has it."""
    module = importlib.import_module("masks")
    found = module.MaskSet.load(masks)
    os.makedirs(f"{folder}/masks", exist_ok=True)
    for number, path in enumerate(found.paths):
        link = Path(folder, "masks", f"{number:05d}.png")
        if not link.exists():
            os.symlink(path, link)
    values = range(module.MOST_OBJECTS + 1)
    about = {
        "label_map": {str(index): module.label(index) for index in values},
        "segmentation_colors": [found.colours[index] for index in values],
    }
    Path(folder, "dataset_meta.json").write_text(json.dumps(about), encoding="utf-8")
    return {}, len(found.paths)


def convert(source: str, database: str, layout: str, folder: str) -> Outcome:
    """Into a database, and out of it."""
    import masksdb

    # Packages are imported before the clock starts, as Datumaro is.
    for package in (
        "duckdb",
        "pyarrow.compute",
        "PIL.Image",
        "masksdb.exchange.ingest",
        "masksdb.exchange.export_layout",
    ):
        importlib.import_module(package)
    remove(database)
    remove(folder)
    seconds: dict[str, float] = {}
    with timed(seconds, "in"), masksdb.connect(database) as opened:
        opened.ingest(source, dataset="data", version="v1")
    with timed(seconds, "out"), masksdb.connect(database, read_only=True) as opened:
        report = opened.export(folder, dataset="data", version="v1", format=layout)
    if isinstance(report, int) or not report.is_lossless:
        raise SystemExit(str(report))
    return seconds, _written(folder)


def datumaro(source: str, read_as: str, written_as: str, folder: str) -> Outcome:
    """Into memory, and out of it."""
    module = importlib.import_module("datumaro")
    logging.disable(logging.WARNING)
    remove(folder)
    seconds: dict[str, float] = {}
    with timed(seconds, "in"):
        dataset = module.Dataset.import_from(source, read_as)
        dataset.init_cache()
    with timed(seconds, "out"):
        dataset.export(folder, written_as)
    return seconds, _written(folder)


def _written(folder: str) -> Any:
    """The annotations of the file that was written, or the masks."""
    documents = list(Path(folder).glob("annotations/*.json"))
    if not documents:
        return len(list(Path(folder).rglob("*.png")))
    found = json.loads(documents[0].read_text(encoding="utf-8"))
    corners = sum(len(part) // 2 for each in found["annotations"] for part in each["segmentation"])
    return {"images": len(found["images"]), "annotations": len(found["annotations"]), "corners": corners}


TASKS: Mapping[str, Callable[..., Outcome]] = {
    task.__name__: task for task in (make_coco, make_folder, convert, datumaro)
}


if __name__ == "__main__":
    run(TASKS)
