"""Small trees of images and masks on disk, and what of them is in a database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import masksdb

Row = tuple[Any, ...]


def save(path: Path, pixels: Any, *, palette: Sequence[int] | None = None, depth: int = 8) -> Path:
    """Write pixels as a PNG (or what the name says): grey, of a palette, or RGB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.array(pixels, np.uint16 if depth == 16 else np.uint8))
    if palette is not None:
        image.putpalette(palette)
    image.save(path)
    return path


def photo(path: Path, width: int = 2, height: int = 2) -> Path:
    """Write an image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (1, 1, 1)).save(path)
    return path


def regions(db: masksdb.Database, dataset: str | None = None) -> list[Row]:
    """The ROIs, perhaps of one dataset: frame, label, mask id, value, area, whether it is ignored."""
    query = """
        SELECT frame_id, labels[1], mask_id, mask_value, mask_area(mask, mask_value),
            coalesce((roi_meta->>'ignore')::BOOLEAN, false)
        FROM mask_rois WHERE mask_value IS NOT NULL AND dataset = coalesce($dataset, dataset)
        ORDER BY frame_id, mask_id, mask_value
    """
    return db.sql(query, {"dataset": dataset}).fetchall()


def frames(db: masksdb.Database) -> list[Row]:
    """The frames: id, split, URI of the image, ids of the masks."""
    query = """
        SELECT frame_id, any_value(dataset_frames.meta->>'split'), any_value(sources.uri),
            list(mask_id ORDER BY mask_index)
        FROM dataset_frames JOIN sources USING (frame_key) LEFT JOIN masks USING (frame_key, source_index)
        GROUP BY frame_id ORDER BY frame_id
    """
    return db.sql(query).fetchall()


def stored(path: Path) -> Any:
    """The values of a PNG as Pillow reads them."""
    with Image.open(path) as image:
        return np.asarray(image)


def areas(path: Path) -> dict[Any, int]:
    """How many pixels have which value, a number or a colour, as Pillow reads them."""
    pixels = stored(path)
    flat = pixels.reshape(-1) if pixels.ndim == 2 else pixels.reshape(-1, pixels.shape[2])
    values, counts = np.unique(flat, axis=0, return_counts=True)
    keys = [tuple(value) if isinstance(value, list) else (value,) for value in values.tolist()]
    return dict(zip(keys, counts.tolist(), strict=True))
