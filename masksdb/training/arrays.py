"""Frames for training: images and class masks as numpy arrays, read from files alone.

The query has run before the first frame is read. What a frame needs of it travels in one Arrow table, so that a data
loader's workers, forked or spawned, never open the database: DuckDB would refuse them beside a writer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from masksdb.errors import MasksDBError, UsageError
from masksdb.pixels.class_masks import ClassRegion, class_mask
from masksdb.pixels.masks import MaskImage, MaskRef, nearest_places
from masksdb.pixels.painting import Array, Cut
from masksdb.pixels.read import read_images
from masksdb.pixels.settings import Settings
from masksdb.store.engine import Engine
from masksdb.store.sql import statement
from masksdb.training.settings import VOID

_MASK = pa.struct([("uri", pa.string()), ("timestamp", pa.int64())])

_COLUMNS: Mapping[str, pa.DataType] = {
    "dataset": pa.string(),
    "version": pa.string(),
    "frame_id": pa.string(),
    "source_id": pa.string(),
    "source_uri": pa.string(),
    "source_timestamp": pa.int64(),
    "width": pa.int32(),
    "height": pa.int32(),
    "labels": pa.list_(pa.string()),
    "mask": _MASK,
    "mask_value": pa.list_(pa.int32()),
    "class": pa.int64(),
    "rle": pa.struct([("size", pa.list_(pa.int32())), ("counts", pa.string())]),
    "poly": pa.list_(pa.float64()),
}
"""The columns of a query that are read."""


@dataclass(frozen=True)
class Options:
    """Which parts of a frame are read, and how.

    Attributes:
        void: the number of pixels that no label explains, or one whose number is negative.
        images: whether the image is read beside the class mask.
        crop: (height, width) at a random place, or (x, y, height, width).
        size: (height, width) that the image or its crop is scaled to, by taking the nearest pixels.
        seed: the seed of random crops, combined with the epoch and the index of the frame.
    """

    void: int = VOID
    images: bool = True
    crop: tuple[int, ...] | None = None
    size: tuple[int, int] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.crop is not None and not (len(self.crop) in (2, 4) and min(self.crop) >= 0 < min(self.crop[-2:])):
            raise UsageError(f"crop: found {self.crop!r}, expected (height, width) or (x, y, height, width)")
        if self.size is not None and not (len(self.size) == 2 and min(self.size) > 0):
            raise UsageError(f"size: found {self.size!r}, expected (height, width)")


class FrameArrays(Sequence[dict[str, Any]]):
    """Frames as numpy arrays, by index; it can be pickled, and holds no pixels.

    An item is a dict: ``image``, shape (height, width, 3), uint8, or None without one and with ``images=False``;
    ``mask``, shape (height, width), the number of each pixel's class, uint8 if all numbers fit, else int64; ``labels``
    of the frame's ROIs, each once; ``dataset``, ``version``, ``frame_id``, ``source_id`` and ``source_uri``.

    Attributes:
        options: which parts of a frame are read, and how.
        dtype: the type of the class masks.
        epoch: changes the places of random crops.
    """

    def __init__(self, items: pa.Table, options: Options, settings: Settings) -> None:
        self._items = items.combine_chunks()
        self._settings = settings
        self.options = options
        self.epoch = 0
        numbers = pc.struct_field(pc.list_flatten(self._items["regions"]), "class")
        is_small = max(pc.max(numbers).as_py() or 0, options.void) < 256 and options.void >= 0
        self.dtype: type[np.uint8] | type[np.int64] = np.uint8 if is_small else np.int64

    def __len__(self) -> int:
        return int(self._items.num_rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> dict[str, Any]:  # type: ignore[override]  # no slices: they would be pixels
        """The frame at an index.

        Raises:
            MasksDBError: it cannot be read; the message names it.
        """
        place = range(len(self))[index]
        item = self._items.slice(place, 1).to_pylist()[0]
        try:
            image, mask = self._read(place, item)
        except Exception as error:
            # Not only what is foreseen: whatever goes wrong in a worker, the frame is what a person looks for.
            reason = str(error) if isinstance(error, MasksDBError) else f"{type(error).__name__}: {error}"
            raise MasksDBError(f"{_name(item)}: {reason}") from error
        names = {name: item[name] for name in ("dataset", "version", "frame_id", "source_id", "source_uri")}
        return {"image": image, "mask": mask, "labels": list(dict.fromkeys(item["labels"])), **names}

    def name(self, index: int) -> str:
        """What errors call the frame at an index."""
        return _name(self._items.slice(index, 1).to_pylist()[0])

    def set_epoch(self, epoch: int) -> None:
        """Let random crops be others than in the epochs before."""
        self.epoch = epoch

    def _read(self, place: int, item: Mapping[str, Any]) -> tuple[Array | None, Array]:
        regions = [ClassRegion.of(region) for region in item["regions"]]
        refs = dict.fromkeys(region.ref for region in regions if region.ref is not None)
        source = None
        if self.options.images and item["source_uri"] is not None:
            source = MaskRef(item["source_uri"], item["source_timestamp"])
        images = self._decoded([*refs, source] if source else list(refs))
        masks = {ref: images[ref] for ref in refs}
        image = images[source] if source else None
        height, width = _shape(item, image, masks, regions)
        cut = self._cut(place, height, width)
        shown = None if image is None else np.ascontiguousarray(cut(image.displayed()))
        return shown, class_mask(regions, masks, (height, width), cut, self.options.void, self.dtype)

    def _decoded(self, refs: Sequence[MaskRef]) -> dict[MaskRef, MaskImage]:
        """The pixels of files, decoded by this thread: a data loader has a worker for each core already."""
        images: dict[MaskRef, MaskImage] = {}
        for ref, image in zip(refs, read_images(refs, self._settings, in_threads=False), strict=True):
            if isinstance(image, MasksDBError):
                raise image
            images[ref] = image
        return images

    def _cut(self, place: int, height: int, width: int) -> Cut:
        crop, size = self.options.crop, self.options.size
        x, y = 0, 0
        if crop is not None:
            high, wide = crop[-2:]
            if len(crop) == 4:
                x, y = crop[:2]
            if y + high > height or x + wide > width:
                raise MasksDBError(f"{width} x {height} pixels, too few for a crop of {wide} x {high}")
            if len(crop) == 2:
                random = np.random.default_rng([self.options.seed, self.epoch, place])
                y, x = int(random.integers(height - high + 1)), int(random.integers(width - wide + 1))
            height, width = high, wide
        window = slice(y, y + height), slice(x, x + width)
        if size is None:
            return lambda array: array[window]
        rows, columns = y + nearest_places(height, size[0]), x + nearest_places(width, size[1])
        return lambda array: array[rows[:, None], columns]


def _name(item: Mapping[str, Any]) -> str:
    where = "/".join(item[name] for name in ("dataset", "version") if item[name] is not None)
    source = "" if item["source_id"] is None else f", source {item['source_id']!r}"
    frame = item["source_uri"] if item["frame_id"] is None else item["frame_id"]
    return f"frame {frame!r}{f' of {where}' if where else ''}{source}"


def _shape(
    item: Mapping[str, Any], image: MaskImage | None, masks: Mapping[MaskRef, MaskImage], regions: Sequence[ClassRegion]
) -> tuple[int, int]:
    """The height and width of an image and all its masks."""
    shapes = {f"the mask {ref.uri}": mask.samples.shape[:2] for ref, mask in masks.items()}
    if image is not None:
        shapes = {f"the image {item['source_uri']}": image.samples.shape[:2], **shapes}
    if not shapes and item["height"] and item["width"]:
        return item["height"], item["width"]
    if not shapes:
        shapes |= [("a region", tuple(region.rle["size"])) for region in regions if region.rle is not None]
    if not shapes:
        raise MasksDBError("neither an image nor a mask, and no width and height say how large it is")
    (first, shape), *others = shapes.items()
    for what, other in others:
        if other != shape:
            raise MasksDBError(f"{what} has {other[1]} x {other[0]} pixels, and {first} {shape[1]} x {shape[0]}")
    return int(shape[0]), int(shape[1])


def query_arrays(engine: Engine, rows: pa.Table, options: Options) -> FrameArrays:
    """The images of a query with one row for each region, or for each image that has none.

    Args:
        engine: the database.
        rows: the result of the query. ``source_uri`` is the image; ``class`` the number of the region, NULL or
            negative for none; ``mask`` and ``mask_value``, ``rle`` or ``poly`` the region. ``frame_id``, ``dataset``,
            ``version``, ``source_id``, ``source_timestamp``, ``width``, ``height`` and ``labels`` are optional, other
            columns are ignored. Rows that agree in their names and URI are one image; its regions are painted in
            their order.
        options: which parts of a frame are read, and how.

    Raises:
        UsageError: a column is missing or of another type.
    """
    missing = [name for name in ("source_uri", "class") if name not in rows.column_names]
    if missing or not {"mask", "rle", "poly"} & set(rows.column_names):
        raise UsageError(
            f"query: its columns are {', '.join(rows.column_names)}; expected source_uri, class, "
            "and mask with mask_value, rle or poly"
        )
    columns = {name: _column(rows, name, kind) for name, kind in _COLUMNS.items()}
    query_rows = pa.table({**columns, "place": pa.array(range(rows.num_rows), pa.int64())})
    with engine.reading() as cursor:
        cursor.register("query_rows", query_rows)
        items = cursor.sql(statement("training/query_items")).to_arrow_table()
    return FrameArrays(items, options, engine.settings)


def _column(rows: pa.Table, name: str, kind: pa.DataType) -> pa.ChunkedArray | pa.Array:
    if name not in rows.column_names:
        return pa.nulls(rows.num_rows, kind)
    column = rows[name]
    if pa.types.is_null(column.type):
        return pa.nulls(rows.num_rows, kind)
    try:
        if name == "mask":
            fields = [pc.struct_field(column, field).cast(_MASK.field(field).type) for field in ("uri", "timestamp")]
            return pa.chunked_array(
                [pa.StructArray.from_arrays([f.combine_chunks() for f in fields], fields=list(_MASK))]
            )
        return column.cast(kind)
    except pa.ArrowException:
        raise UsageError(f"query: its column {name!r} is {column.type}, expected {kind}") from None
