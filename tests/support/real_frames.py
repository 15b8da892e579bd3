"""Frames made of the real datasets, by Pillow and json alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

METHODS = ("osvos", "rvos")


def davis_frames(root: Path) -> list[dict[str, Any]]:
    """One frame per image with a mask of each method, and a ROI per method and palette colour."""
    frames = []
    for first in sorted((root / METHODS[0]).glob("*/*.png")):
        sequence, name = first.parent.name, first.stem
        masks, rois = [], []
        for method in METHODS:
            uri = f"{method}/{sequence}/{first.name}"
            masks.append({"id": method, "content_type": "image/png", "uri": uri, "timestamp": 0})
            with Image.open(root / uri) as image:
                palette = image.getpalette() or []
                indexes = [index for index, count in enumerate(image.histogram()) if count]
                width, height = image.size
            for index in indexes[1:]:
                colour = palette[3 * index : 3 * index + 3]
                rois.append({"label": [f"object_{index}"], "mask": {"id": method, "value": colour}, "sources": ["rgb"]})
        source = {"id": "rgb", "uri": f"{sequence}/{name}.jpg", "width": width, "height": height, "masks": masks}
        timestamp = int(name) * 1000 // 24
        frames.append(
            {
                "id": f"{sequence}/{name}",
                "context_id": sequence,
                "timestamp": timestamp,
                "sources": [source],
                "rois": rois,
            }
        )
    return frames


def coco_panoptic_frames(root: Path) -> list[dict[str, Any]]:
    """One frame per image, its panoptic PNG as mask, a ROI per segment with the colour of its id."""
    document = json.loads((root / "panoptic_examples.json").read_text())
    names = {each["id"]: each["name"] for each in json.loads((root / "panoptic_coco_categories.json").read_text())}
    images = {each["id"]: each for each in document["images"]}
    frames = []
    for annotation in document["annotations"]:
        image = images[annotation["image_id"]]
        rois = [
            {
                "id": segment["id"],
                "label": [names[segment["category_id"]]],
                "mask": {"id": "panoptic", "value": [segment["id"] >> shift & 255 for shift in (0, 8, 16)]},
                "is_crowd": bool(segment["iscrowd"]),
                "meta": {"bbox": segment["bbox"], "area": segment["area"]},
            }
            for segment in annotation["segments_info"]
        ]
        source = {
            "uri": f"input_images/{image['file_name']}",
            "width": image["width"],
            "height": image["height"],
            "masks": [{"id": "panoptic", "uri": f"panoptic_examples/{annotation['file_name']}"}],
        }
        frames.append({"id": image["id"], "sources": [source], "rois": rois, "meta": {"license": image.get("license")}})
    return frames
