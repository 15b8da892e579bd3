"""A dataset with every fault that a check finds exactly once, and one without faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import masksdb
from masksdb.pixels import rle
from support import mask_faults
from support.mask_faults import CAUSES, Pixels, blobs

HEIGHT, WIDTH, CLASSES = 48, 64, 4
Frame = dict[str, Any]


class Maker:
    """Writes masks and images into a folder, and makes frames of them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.rng = np.random.default_rng(seed)
        folder.mkdir(parents=True, exist_ok=True)

    def pixels(self) -> Pixels:
        return blobs(self.rng, CLASSES, HEIGHT, WIDTH)

    def frame(self, name: str, pixels: Pixels | None = None, split: str = "train", **mask: Any) -> Frame:
        """A frame without faults: an image, its mask, and a ROI for each value of it."""
        pixels = self.pixels() if pixels is None else pixels
        Image.fromarray(pixels).save(self.folder / f"{name}.png")
        Image.new("RGB", (WIDTH, HEIGHT), (9, 9, 9)).save(self.folder / f"{name}.jpg")
        rois = [
            {"label": [f"class_{value}"], "mask": {"id": "seg", "value": [value]}}
            for value in np.unique(pixels).tolist()
        ]
        masks = [{"id": "seg", "uri": f"{name}.png", "content_type": "image/png"} | mask]
        source: Frame = {"id": "s", "uri": f"{name}.jpg", "content_type": "image/jpeg", "masks": masks}
        source |= {"width": WIDTH, "height": HEIGHT}
        return {"id": name, "meta": {"split": split}, "sources": [source], "rois": rois}

    def path(self, name: str) -> Path:
        return self.folder / name

    def cut(self, name: str) -> None:
        data = self.path(name).read_bytes()
        self.path(name).write_bytes(data[: len(data) * 2 // 3])


def clean_frames(folder: Path) -> list[Frame]:
    """Frames without faults, of two splits."""
    make = Maker(folder, 1)
    return [make.frame(f"clean_{index}", split="train" if index < 6 else "val") for index in range(8)]


def file_faults(make: Maker) -> list[Frame]:
    """One frame for each fault of files."""
    names = [
        "mask_missing",
        "mask_truncated",
        "mask_unreadable",
        "source_missing",
        "source_truncated",
        "source_unreadable",
    ]
    frames = {name: make.frame(name) for name in [*names, "source_declared_size", "source_content_type"]}
    make.path("mask_missing.png").unlink()
    make.cut("mask_truncated.png")
    make.path("mask_unreadable.png").write_text("no picture")
    make.path("source_missing.jpg").unlink()
    make.cut("source_truncated.jpg")
    make.path("source_unreadable.jpg").write_text("no picture")
    frames["source_declared_size"]["sources"][0] |= {"width": WIDTH + 1}
    frames["source_content_type"]["sources"][0] |= {"content_type": "image/tiff"}
    others = [
        make.frame("mask_content_type", content_type="image/webp"),
        make.frame("mask_declared_size", width=1, height=1),
    ]
    others += [make.frame("mask_size", blobs(make.rng, CLASSES, HEIGHT, WIDTH - 1)), make.frame("orientation")]
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.new("RGB", (WIDTH, HEIGHT)).save(make.path("orientation.jpg"), exif=exif)
    return [*frames.values(), *others]


def meaning_faults(make: Maker) -> list[Frame]:
    """One frame for each fault of meaning."""
    names = [
        "roi_without_mask",
        "roi_by_label",
        "roi_by_only_mask",
        "value_absent",
        "labels_of_value",
        "values_of_label",
    ]
    frames = {name: make.frame(name) for name in [*names, "empty_region"]}
    frames["roi_without_mask"]["sources"][0]["masks"].append({"id": "more", "uri": "roi_without_mask.png"})
    frames["roi_without_mask"]["rois"].append({"label": ["gone"], "mask": {"id": "none", "value": [1]}})
    frames["roi_by_label"]["sources"][0]["masks"][0]["id"] = "scene"
    for roi in frames["roi_by_label"]["rois"]:
        roi["mask"]["id"] = "scene"
    frames["roi_by_label"]["rois"][0] = {"label": ["scene"], "mask": {"id": "class_0", "value": [0]}}
    frames["roi_by_only_mask"]["rois"][0]["mask"].pop("id")
    frames["value_absent"]["rois"].append({"label": ["absent"], "mask": {"id": "seg", "value": [200]}})
    frames["labels_of_value"]["rois"].append({"label": ["second"], "mask": {"id": "seg", "value": [0]}})
    pixels = make.pixels()
    pixels[20:30, 20:30] = 7
    frames["values_of_label"] = make.frame("values_of_label", pixels)
    frames["values_of_label"]["rois"][-1]["label"] = ["class_0"]
    nothing = np.array([HEIGHT * WIDTH])
    frames["empty_region"]["rois"].append(
        {"label": ["empty"], "rle": {"size": [HEIGHT, WIDTH], "counts": rle.encode_counts(nothing)}}
    )
    pixels = make.pixels()
    pixels[30, 30:33] = 8
    return [*frames.values(), make.frame("small_region", pixels)]


def colour_faults(make: Maker) -> list[Frame]:
    """One frame for each cause of undeclared values."""
    frames = [mask_faults.frame(cause(make.rng), make.folder, name, 0) for name, cause in CAUSES.items()]
    pixels = make.pixels()
    unexplained = make.frame("colour_unexplained", pixels)
    pixels[10:30, 10:40] = 77
    Image.fromarray(pixels).save(make.path("colour_unexplained.png"))
    return [*frames, unexplained]


def set_faults(make: Maker) -> list[Frame]:
    """Frames for each fault of a set, two each."""
    once, twice, near = make.pixels(), make.pixels(), make.pixels()
    frames = [make.frame("same_mask_a", once), make.frame("same_mask_b", once)]
    frames += [make.frame("split_leak_a", twice), make.frame("split_leak_b", twice, "val")]
    frames += [make.frame("near_a", near), make.frame("near_b", nearly(near), "val")]
    of_one_drive = [make.frame("drive_a"), make.frame("drive_b", None, "val")]
    return [*frames, *(frame | {"context_id": "drive"} for frame in of_one_drive)]


def nearly(pixels: Pixels) -> Pixels:
    """The same mask but for a pixel."""
    changed = pixels.copy()
    changed[24, 32] = (pixels[24, 32] + 1) % CLASSES
    return changed


FAULTS = {
    "altered": 1, "colour_16bit": 1, "colour_bgr": 1, "colour_lossy": 1, "colour_palette": 1,
    "colour_resized": 1, "colour_scale": 1, "colour_unexplained": 1, "context_in_splits": 1, "empty_region": 1,
    "label_unused": 1, "labels_of_value": 1, "mask_content_type": 1, "mask_declared_size": 1, "mask_missing": 1,
    "mask_size": 1, "mask_truncated": 1, "mask_unreadable": 1, "orientation": 1, "roi_by_label": 1,
    "roi_by_only_mask": 1, "roi_without_mask": 1, "same_mask": 1, "small_region": 1, "source_content_type": 1,
    "source_declared_size": 1, "source_missing": 1, "source_truncated": 1, "source_unreadable": 1, "split_leak": 1,
    "split_leak_near": 1, "value_absent": 1, "values_of_label": 1,
    # Each of the two versions has its own.
    "version_leak": 2, "version_leak_near": 2,
}  # fmt: skip
"""The number of findings by check in the faulty datasets."""


def ingest_faulty(db: masksdb.Database, folder: Path) -> None:
    """Every fault, each once: in the dataset ``faulty`` those within a version, in others those between versions."""
    make = Maker(folder, 2)
    frames = [*file_faults(make), *meaning_faults(make), *colour_faults(make), *set_faults(make)]
    db.ingest(frames, dataset="faulty", version="v1", media_root=folder)
    db.version("faulty").set_metadata({"mask_labels": {"other": [{"value": [99], "labels": ["unused"]}]}})
    same, near = make.pixels(), make.pixels()
    db.ingest([make.frame("one", same), make.frame("three", near)], dataset="first", media_root=folder)
    db.ingest([make.frame("two", same), make.frame("four", nearly(near))], dataset="second", media_root=folder)
    db.ingest([make.frame("altered")], dataset="third", version="v1", media_root=folder)
    db.version("third").publish_version()
    db.connection.execute("UPDATE rois SET labels = ['other'] WHERE frame_key = (SELECT max(frame_key) FROM frames)")
