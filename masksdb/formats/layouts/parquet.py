"""The views of a version as Parquet files, and its regions with their run lengths.

``<view>.parquet`` is a view's rows of the version, JSON as text. ``images.parquet`` has one row per image and
``regions.parquet`` one per region; on request images and masks are inside as ``STRUCT(bytes, path)``, which Hugging
Face ``datasets`` takes for an ``Image``.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from masksdb.formats.frame import Frame, Roi, Size, source_of
from masksdb.formats.writing import OutFrame, Region, Writing, roi_key
from masksdb.pixels import rle

VIEWS = ("dataset_frames", "frame_masks", "mask_rois", "roi_labels", "mask_labels", "mask_roi_regions")

FRAMES_AT_ONCE = 64

HOLDS_ALL_ROIS = True
"""Also those without pixels, in the views."""

COPIES_MASKS = True
"""With images, the files of masks as they are."""

_FILE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

_BOX = pa.struct([(name, pa.int32()) for name in ("x", "y", "width", "height")])

_IMAGES = pa.schema(
    [("frame_id", pa.string()), ("name", pa.string()), ("split", pa.string()), ("source_id", pa.string()),
     ("context_id", pa.string()), ("timestamp", pa.int64()), ("meta", pa.string()), ("width", pa.int32()),
     ("height", pa.int32()), ("image", _FILE), ("masks", pa.list_(_FILE))]
)  # fmt: skip

_REGIONS = pa.schema(
    [("frame_id", pa.string()), ("name", pa.string()), ("roi_index", pa.int32()), ("roi_id", pa.string()),
     ("labels", pa.list_(pa.string())), ("mask_id", pa.string()), ("mask_value", pa.list_(pa.int32())),
     ("is_crowd", pa.bool_()), ("is_ignored", pa.bool_()), ("meta", pa.string()), ("area", pa.int64()), ("bbox", _BOX),
     ("rle", pa.struct([("size", pa.list_(pa.int32())), ("counts", pa.string())]))]
)  # fmt: skip


def write(out: Writing) -> None:
    """Write ``images.parquet``, ``regions.parquet``, and the views without what is left out of these."""
    frames = iter(out.frames())
    with (
        pq.ParquetWriter(out.path("images.parquet"), _IMAGES, compression="zstd") as images,
        pq.ParquetWriter(out.path("regions.parquet"), _REGIONS, compression="zstd") as regions,
    ):
        while chunk := list(itertools.islice(frames, FRAMES_AT_ONCE)):
            images.write_table(pa.Table.from_pylist([_image_row(out, frame) for frame in chunk], _IMAGES))
            rows = [_region_row(out, frame, region) for frame in chunk for region in frame.regions]
            regions.write_table(pa.Table.from_pylist(rows, _REGIONS))
    for view in VIEWS:
        reader = out.rows(view)
        with pq.ParquetWriter(out.path(f"{view}.parquet"), reader.schema, compression="zstd") as file:
            for batch in reader:
                file.write_batch(batch)


def _image_row(out: Writing, frame: OutFrame) -> dict[str, Any]:
    row: dict[str, Any] = {
        "frame_id": frame.frame_id,
        "name": frame.name,
        "split": frame.split,
        "source_id": frame.source_id,
        "context_id": frame.context_id,
        "timestamp": frame.timestamp,
        "meta": json.dumps(frame.meta, ensure_ascii=False),
        "width": frame.width,
        "height": frame.height,
        "image": _file(out, frame.image_uri),
    }
    uris = dict.fromkeys(region.mask_uri for region in frame.regions if region.mask_uri is not None)
    return row | {"masks": [_file(out, uri) for uri in uris]}


def _file(out: Writing, uri: str | None) -> Mapping[str, Any] | None:
    """A file by its URI, with its content if that was asked for."""
    if uri is None:
        return None
    return {"bytes": Path(out.media(uri)).read_bytes() if out.with_images else None, "path": uri}


def _region_row(out: Writing, frame: OutFrame, region: Region) -> dict[str, Any]:
    out.wrote(frame, region, frame.name, roi_key(region.roi_index))
    box = rle.box(region.counts, region.height)
    return {
        "frame_id": frame.frame_id,
        "name": frame.name,
        "roi_index": region.roi_index,
        "roi_id": region.roi_id,
        "labels": list(region.labels),
        "mask_id": region.mask_id,
        "mask_value": None if region.value is None else list(region.value),
        "is_crowd": region.is_crowd,
        "is_ignored": region.is_ignored,
        "meta": json.dumps(region.meta, ensure_ascii=False),
        "area": region.area,
        "bbox": box and box._asdict(),
        "rle": region.encoded(),
    }


def reread(out: Writing) -> Iterable[Frame]:
    """The images and regions of the files as frames, to compare."""
    sizes = {}
    for row in _rows(out.folder / "images.parquet", ["name", "width", "height"]):
        sizes[row["name"]] = Size(row["width"], row["height"])
    rows = _rows(out.folder / "regions.parquet", ["name", "roi_index", "labels", "rle"])
    for name, regions in itertools.groupby(rows, key=lambda row: row["name"]):
        rois = [Roi(id=row["roi_index"], label=row["labels"], rle=row["rle"]) for row in regions]
        yield {"id": name, "sources": [source_of(None, sizes[name])], "rois": rois}


def _rows(path: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    for batch in pq.ParquetFile(path).iter_batches(1000, columns=columns):
        yield from batch.to_pylist()
