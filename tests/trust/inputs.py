"""Cases of foreign input: mutated images, frames, queries and datasets; only errors of masksdb come out."""

from __future__ import annotations

import contextlib
import io
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from case import Case, kind, mutated
from PIL import Image
from support.common import FIXTURES
from support.pngs import kinds as png_kinds

import masksdb
from masksdb.formats.registry import FORMATS

STREET = FIXTURES / "street"
SECTION = "Foreign input"
ON_ERROR: tuple[Literal["stop", "skip"], ...] = ("stop", "skip")


@contextlib.contextmanager
def emptied(db: masksdb.Database) -> Iterator[None]:
    """Leaves a database without the datasets of a case."""
    try:
        yield
    finally:
        for (name,) in db.sql("SELECT name FROM datasets").fetchall():
            db.delete_dataset(name, delete_all_versions=True)


def image(rng: random.Random, format: str) -> bytes:
    """A small image in a format of Pillow."""
    pixels = np.random.default_rng(rng.randrange(1 << 32)).integers(0, 5, (rng.randint(1, 40), rng.randint(1, 40)))
    shown = Image.fromarray(pixels.astype(np.uint8)).convert(rng.choice(("L", "RGB")))
    out = io.BytesIO()
    shown.save(out, format)
    return out.getvalue()


def _images(formats: tuple[str, ...]) -> Callable[[Path], Case]:
    def make(folder: Path) -> Case:
        db = masksdb.connect(":memory:", decode_errors="raise")
        query = "SELECT mask_values(mask_ref($p)), mask_area(mask_ref($p), [1])"
        seeds = [each.data for each in png_kinds()] if formats == ("PNG",) else []

        def case(rng: random.Random) -> None:
            content = rng.choice(seeds) if seeds and rng.random() < 0.8 else image(rng, rng.choice(formats))
            path = folder / f"{rng.randrange(1 << 60)}"
            path.write_bytes(mutated(rng, content))
            try:
                with db._engine.errors():
                    db.sql(query, {"p": str(path)}).fetchall()
            finally:
                path.unlink()

        return case

    return make


kind(SECTION, "PNG, mutated", 2)(_images(("PNG",)))
kind(SECTION, "other images, mutated")(_images(("JPEG", "TIFF", "BMP", "GIF", "WEBP")))


@kind(SECTION, "run lengths, random")
def run_lengths(_folder: Path) -> Case:
    db = masksdb.connect(":memory:")

    def case(rng: random.Random) -> None:
        counts: Any = "".join(chr(rng.randrange(48, 112)) for _ in range(rng.randrange(12)))
        if rng.random() < 0.3:
            counts = [rng.choice((0, 1, 7, -1, 1 << 40, 2.5, None)) for _ in range(rng.randrange(6))]
        size = [rng.choice((0, 1, 7, 300, -4, 1 << 31, 2.5, None)) for _ in range(rng.choice((1, 2, 2, 2, 3)))]
        roi = {"label": ["x"], "rle": {"size": size, "counts": counts}, "poly": [rng.uniform(-9, 9)] * rng.randrange(9)}
        with emptied(db), db._engine.errors():
            db.ingest([{"id": "a", "rois": [roi]}], dataset="d")
            db.analyze("d")
            db.sql("SELECT rle_area(rle), rle_bbox(rle) FROM rois").fetchall()

    return case


@kind(SECTION, "frames as JSON, mutated", 2)
def frames(folder: Path) -> Case:
    text = (STREET / "frames.jsonl").read_bytes()
    path = folder / "frames.jsonl"
    db = masksdb.connect(":memory:")

    def case(rng: random.Random) -> None:
        path.write_bytes(mutated(rng, text if rng.random() < 0.5 else text.splitlines()[0]))
        with emptied(db):
            db.ingest(path, dataset="d", on_error=rng.choice(ON_ERROR))
            db.export(folder / "out.jsonl", dataset="d")
            left = [json.loads(line) for line in (folder / "out.jsonl").read_text().split("\n") if line]
            assert db.ingest(folder / "out.jsonl", dataset="e", media_root=str(STREET)).new == len(left)

    return case


WORDS = (
    *("label", "meta.city", "sources.uri", "conf:>0.5", "car", '"a b"', "[1 TO 5}", "AND", "OR", "NOT", "TO", "$v0"),
    *("*", "?", "(", ")", ":", "^2", "~1", "\\", "'", ";", "--", "/x/", "{", "-", "+", "\u0301", "9" * 400),
)


@kind(SECTION, "Lucene queries, random")
def lucene(_folder: Path) -> Case:
    db = masksdb.connect(":memory:")
    db.ingest(STREET / "frames.jsonl", dataset="street", version="v1")

    def case(rng: random.Random) -> None:
        text = rng.choice(("", " ")).join(rng.choice(WORDS) for _ in range(rng.randrange(1, 9)))
        view = masksdb.DataView(database=db)
        view.add_query(dataset_name="street", version_name="v1", roi_query=text, frame_query=rng.choice((None, text)))
        list(view.get_iterator())

    return case


def _tree(folder: Path, format: str) -> Path:
    """A small dataset in a layout: one that masksdb writes, or a minimal one."""
    out = folder / format
    if FORMATS[format].is_written:
        with masksdb.connect(":memory:") as db:
            db.ingest(STREET / "frames.jsonl", dataset="street")
            db.version("street").set_metadata({"mask_labels": json.loads((STREET / "labels.json").read_text())})
            mask = "seg" if format in ("voc", "folder") else "instances"
            db.export(out, dataset="street", format=format, masks=[mask], with_images=True)
        return out
    for name, content in MINIMAL[format].items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            (out / name).write_text(content)
        else:
            Image.fromarray(content).save(out / name)
    return out


GREY, RGB, TRACKS = np.full((8, 8), 3, np.uint8), np.full((8, 8, 3), 3, np.uint8), np.full((8, 8), 1001, np.uint16)
SHAPE: dict[str, Any] = {
    "label": "car",
    "points": [[1, 1], [5, 1], [5, 5]],
    "shape_type": "polygon",
    "group_id": None,
    "flags": {},
}
LABELME = {"version": "5", "shapes": [SHAPE], "imagePath": "a.png", "imageHeight": 8, "imageWidth": 8}
REGION = {"id": 3, "segmentation": {"size": [8, 8], "counts": "0P2"}, "bbox": [0, 0, 8, 8], "area": 64}
SA1B = {"image": {"image_id": 1, "file_name": "sa_1.png", "width": 8, "height": 8}, "annotations": [REGION]}
CLASSES = [{"name": f"c{n}", "readable": f"c{n}", "color": [n, n, n], "evaluate": True} for n in range(5)]
CVAT = """<annotations><version>1.1</version><image id="0" name="a.png" width="8" height="8">
<polygon label="car" points="1,1;5,1;5,5" occluded="0" z_order="0"/>
<mask label="road" rle="3, 5, 8" left="0" top="0" width="4" height="4" z_order="0"/></image></annotations>"""
MINIMAL: dict[str, dict[str, Any]] = {
    "cvat": {"annotations.xml": CVAT, "images/a.png": RGB},
    "labelme": {"a.png": RGB, "a.json": json.dumps(LABELME)},
    "sa1b": {"sa_1.png": RGB, "sa_1.json": json.dumps(SA1B)},
    "mots": {"instances/0002/000000.png": TRACKS, "images/0002/000000.png": RGB},
    "camvid": {"train/a.png": RGB, "trainannot/a.png": GREY, "val/b.png": RGB, "valannot/b.png": GREY},
    "kitti": {"training/image_2/000000_10.png": RGB, "training/semantic/000000_10.png": GREY,
              "training/instance/000000_10.png": TRACKS},
    "synthia": {"RGB/a.png": RGB, "GT/COLOR/a.png": RGB, "GT/LABELS/a.png": GREY},
    "mapillary": {"training/images/a.jpg": RGB, "training/labels/a.png": GREY,
                  "config.json": json.dumps({"labels": CLASSES})},
    "ade20k": {"images/ADE/training/a/ADE_train_1.jpg": RGB, "images/ADE/training/a/ADE_train_1_seg.png": RGB,
               "images/ADE/training/a/ADE_train_1_atr.txt": '3 # 0 # 0 # car # car # "red"\n'},
}  # fmt: skip
"""Small datasets of the layouts that are only read: texts and pixels by path."""


def _layout(format: str) -> Callable[[Path], Case]:
    def make(folder: Path) -> Case:
        tree = _tree(folder, format)
        db = masksdb.connect(":memory:")
        with emptied(db):
            assert db.ingest(tree, dataset="d", format=format).new, "the dataset is read before it is mutated"
        files = sorted(path for path in tree.rglob("*") if path.is_file())
        texts = [path for path in files if path.suffix in (".json", ".txt", ".xml", ".yaml", ".csv")]

        def case(rng: random.Random) -> None:
            target = rng.choice(texts if texts and rng.random() < 0.8 else files)
            content = target.read_bytes()
            try:
                target.write_bytes(mutated(rng, content))
                if rng.random() < 0.1:
                    target.unlink()
                with emptied(db):
                    named, on_error = rng.choice(("auto", format)), rng.choice(ON_ERROR)
                    db.ingest(tree, dataset="d", format=named, on_error=on_error)
                    db.analyze("d")
            finally:
                target.write_bytes(content)

        return case

    return make


for _name, _format in FORMATS.items():
    if _format.is_read and _name != "frames":
        kind(SECTION, f"layout {_name}, mutated", 0.5)(_layout(_name))


@kind(SECTION, "YAML of classes, mutated", 0.5)
def yaml(folder: Path) -> Case:
    text = b"path: .\ntrain: images/train\nnames:\n  0: car\n  1: &b 'person'\n  2: |\n    a\n  <<: {3: *b}\nnc: 4\n"
    tree = _tree(folder, "yolo-seg")
    db = masksdb.connect(":memory:")

    def case(rng: random.Random) -> None:
        (tree / "data.yaml").write_bytes(mutated(rng, text))
        with emptied(db):
            db.ingest(tree, dataset="d", format="yolo-seg", on_error=rng.choice(ON_ERROR))

    return case
