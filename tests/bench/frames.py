"""Seeded frames as JSON lines: 1 source, 2 masks and 5 ROIs each, with meta, some 1.1 kB a frame."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
from collections.abc import Iterable
from typing import Any

CLASSES = ("car", "person", "road", "street", "building", "tree", "sky", "bike")
ROIS_PER_FRAME = 5
FRAMES_PER_BLOCK = 5_000

CHANGED_OF = 100
"""Each child version changes one frame in this many, every time others."""


def frame(index: int, revision: int = 0) -> dict[str, Any]:
    """One frame; the same index and revision give the same frame, and another revision changes its values."""
    rng = random.Random(index * CHANGED_OF + revision)
    city = f"city{index % 50}"
    return {
        "id": f"f{index:07d}",
        "timestamp": index * 33,
        "context_id": f"ctx_{index // 100}",
        "meta": {"city": city, "velocity": str(index % 120), "night": index % 3 == 0, "temp": index % 40 / 2},
        "sources": [_source(f"{city}/{index:07d}")],
        "rois": [_roi(rng, CLASSES[(index + place) % len(CLASSES)], place) for place in range(ROIS_PER_FRAME)],
    }


def _source(stem: str) -> dict[str, Any]:
    return {
        "id": "front",
        "content_type": "image/png",
        "width": 2048,
        "height": 1024,
        "uri": f"images/{stem}.png",
        "timestamp": 0,
        "meta": {"angle": 45, "fov": 129},
        "masks": [
            {"id": "seg", "content_type": "image/png", "uri": f"masks/{stem}_seg.png", "timestamp": 0},
            {"id": "seg_instance", "content_type": "image/png", "uri": f"masks/{stem}_inst.png", "timestamp": 0},
        ],
    }


def _roi(rng: random.Random, name: str, place: int) -> dict[str, Any]:
    if place == ROIS_PER_FRAME - 1:
        # The last ROI of a frame has no confidence and no meta, and a second label, as real files do.
        return {"sources": ["front"], "label": ["seg", f"lab{place}"], "mask": {"id": name, "value": [place] * 3}}
    return {
        "sources": ["front"],
        "label": ["seg"],
        "confidence": round(rng.random(), 4),
        "mask": {"id": name, "value": [rng.randrange(256) for _ in range(3)]},
        "meta": {"k": place},
    }


def last_revision(index: int, versions: int) -> int:
    """The revision of a frame at the end of a chain of that many versions; child n changes frames n, 100 + n, ..."""
    child = index % CHANGED_OF
    return child if 0 < child < versions else 0


def write_frames(path: str, frames: int, versions: int = 1) -> int:
    """Write a dataset as it stands at the end of a chain of versions, on all cores."""
    blocks = [
        (range(start, min(start + FRAMES_PER_BLOCK, frames)), versions) for start in range(0, frames, FRAMES_PER_BLOCK)
    ]
    with multiprocessing.Pool(os.cpu_count()) as pool:
        return _write(path, pool.imap(_block, blocks))


def write_changes(path: str, frames: int, child: int) -> int:
    """Write only the frames that a child version changes, as they stand in it."""
    return _write(path, (_line(index, child) for index in range(child, frames, CHANGED_OF)))


def _block(block: tuple[range, int]) -> str:
    indexes, versions = block
    return "".join(_line(index, last_revision(index, versions)) for index in indexes)


def _line(index: int, revision: int) -> str:
    return json.dumps(frame(index, revision)) + "\n"


def _write(path: str, texts: Iterable[str]) -> int:
    with open(path, "w", encoding="utf-8") as file:
        for text in texts:
            file.write(text)
    return os.path.getsize(path)
