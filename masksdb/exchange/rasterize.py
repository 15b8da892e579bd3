"""Mask files for ROIs that have only a geometry: each ROI a number in a PNG, those that overlap in further PNGs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from masksdb.errors import IngestError, MasksDBError
from masksdb.formats.frame import Frame, Mask, Roi, Source
from masksdb.formats.writing import shortened
from masksdb.pixels import polygons, rle

MASK_ID = "rasterized"
"""Id of the first mask; the further ones are ``rasterized_2`` and so on."""

MOST = 65535
"""ROIs that one PNG holds."""

Pixels = npt.NDArray[np.uint16]


def with_mask_files(frame: Frame, folder: Path) -> Frame:
    """A frame whose ROIs with a geometry and no mask live in mask files, which are written.

    A file that is there already stays.

    Raises:
        IngestError: a file cannot be written, or is there already with another content.
    """
    if len(frame["sources"]) != 1:
        return frame
    source = frame["sources"][0]
    rois = list(frame["rois"])
    layers: list[Pixels] = []
    numbers: list[int] = []
    for index, roi in enumerate(rois):
        region = None if "mask" in roi else _region(roi, source)
        if region is None:
            continue
        layer = next(
            (at for at, pixels in enumerate(layers) if numbers[at] < MOST and not pixels[region].any()), len(layers)
        )
        if layer == len(layers):
            layers.append(np.zeros(region.shape, np.uint16))
            numbers.append(0)
        numbers[layer] += 1
        layers[layer][region] = numbers[layer]
        rois[index] = roi | {"mask": {"id": _mask_id(layer), "value": [numbers[layer]]}}
    try:
        masks = [_written(folder, frame["id"], number, pixels) for number, pixels in enumerate(layers)]
    except (OSError, ValueError) as error:
        reason = f"{frame['id']!r}: its masks cannot be written: {getattr(error, 'strerror', None) or error}"
        raise IngestError(reason, str(folder)) from None
    except MasksDBError as error:
        raise IngestError(str(error), str(folder)) from None
    if not masks:
        return frame
    frame["sources"] = [source | {"masks": [*source.get("masks", ()), *masks]}]
    frame["rois"] = rois
    return frame


def _mask_id(layer: int) -> str:
    return f"{MASK_ID}_{layer + 1}" if layer else MASK_ID


def _region(roi: Roi, source: Source) -> npt.NDArray[np.bool_] | None:
    """The pixels of a ROI's own geometry, shape (height, width); None where it has none of this image."""
    height, width = source.get("height"), source.get("width")
    if not height or not width:
        return None
    if "rle" in roi:
        if list(roi["rle"]["size"]) != [height, width]:
            return None
        counts = rle.decode_counts(roi["rle"]["counts"])
    elif "poly" in roi:
        (counts,) = polygons.rasterize([polygons.split_parts(roi["poly"])], [height], [width])
    else:
        return None
    return rle.to_pixels(counts, height, width).astype(np.bool_)


def _written(folder: Path, frame_id: str, layer: int, pixels: Pixels) -> Mask:
    """A mask of a source, whose file is written."""
    parts: Sequence[str] = [shortened(part) for part in frame_id.split("/") if part not in ("", ".", "..")]
    path = folder.joinpath(*parts[:-1], f"{parts[-1] if parts else '_'}{f'_{layer + 1}' if layer else ''}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    data = io.BytesIO()
    Image.fromarray(pixels if pixels.max() > 255 else pixels.astype(np.uint8)).save(data, "PNG")
    if path.exists():
        if path.read_bytes() != data.getvalue():
            raise MasksDBError(f"{path}: is there already, and another mask; name a new folder")
    else:
        path.write_bytes(data.getvalue())
    return {"id": _mask_id(layer), "content_type": "image/png", "uri": str(path.absolute())}
