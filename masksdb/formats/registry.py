"""The layouts of datasets by name, and which of them a path has.

A layout is a module of this package. ``recognise(path)`` says why a path has it, or None; ``read(tree)`` yields its
frames, and in place of what cannot become one the error that says why; ``write(out)`` writes one.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from masksdb.errors import IngestError

FRAMES, AUTO = "frames", "auto"


class Layout(NamedTuple):
    """A layout of a dataset on disk.

    Attributes:
        description: what it is, in a line.
        is_read: whether frames are read from it.
        is_written: whether it can be exported.
    """

    description: str
    is_read: bool = True
    is_written: bool = True

    @property
    def direction(self) -> str:
        """Where it goes: ``in``, ``out`` or ``in, out``."""
        return ", ".join(name for name, holds in (("in", self.is_read), ("out", self.is_written)) if holds)


FORMATS: Mapping[str, Layout] = {
    FRAMES: Layout("frames as JSON lines, an array or an object; what goes in comes out again"),
    "coco-panoptic": Layout("COCO panoptic: JSON and PNGs of segment ids"),
    "coco": Layout("COCO instances: polygons, RLE, crowds"),
    "cityscapes": Layout("Cityscapes: labelIds, instanceIds, trainIds, colours, polygons"),
    "voc": Layout("Pascal VOC and CVAT segmentation masks: SegmentationClass, SegmentationObject, labelmap.txt"),
    "ade20k": Layout("ADE20K of 2017 and of 2020: _seg.png, _parts_N.png", is_written=False),
    "mapillary": Layout("Mapillary Vistas: labels, instances, panoptic, config.json", is_written=False),
    "camvid": Layout("CamVid: train, trainannot, ...", is_written=False),
    "kitti": Layout("KITTI semantics: image_2, semantic, instance, semantic_rgb", is_written=False),
    "synthia": Layout("SYNTHIA: RGB, GT/LABELS, GT/COLOR", is_written=False),
    "mots": Layout("MOTS: 16-bit PNGs of tracks", is_written=False),
    "davis": Layout("DAVIS and YouTube-VOS: a palette PNG a frame, a folder a sequence"),
    "yolo-seg": Layout("YOLO segmentation: polygons as text, data.yaml"),
    "sa1b": Layout("SA-1B: a JSON of RLE beside each image", is_written=False),
    "labelme": Layout("LabelMe: a JSON of shapes beside each image", is_written=False),
    "cvat": Layout("CVAT for images: XML of polygons and masks", is_written=False),
    "folder": Layout("masks beside or apart from images, paired by name, with a label map"),
    "parquet": Layout("the views as Parquet, images and masks inside on request", is_read=False),
}
"""The layouts by name, in the order in which a path is tried for them."""


class Recognised(NamedTuple):
    """What a path was recognised as.

    Attributes:
        path: the path, or a folder in it.
        format: name of the layout.
        why: what was found there that says so.
        others: what else it could be, each with its reason.
    """

    path: Path
    format: str
    why: str
    others: Mapping[str, str]


def layout_module(name: str) -> Any:
    """The module of a layout."""
    return importlib.import_module(f"masksdb.formats.layouts.{name.replace('-', '_')}")


def recognise(path: str) -> list[Recognised]:
    """What is at a path: one dataset, or several in its folders.

    Raises:
        IngestError: nothing there is known.
    """
    root = Path(path)
    if not root.exists():
        raise IngestError("no such file or folder", path)
    level = [root]
    for _ in range(3):
        found = [each for folder in level if (each := _recognise_one(folder))]
        if found:
            return found
        level = [child for folder in level for child in _folders(folder)]
    known = ", ".join(name for name, layout in FORMATS.items() if layout.is_read)
    raise IngestError(f"not recognised as a dataset; say what it is with --format, one of {known}", path)


def _folders(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(each for each in path.iterdir() if each.is_dir() and not each.name.startswith("."))


def _recognise_one(path: Path) -> Recognised | None:
    reasons: dict[str, str] = {}
    for name, layout in FORMATS.items():
        if not layout.is_read or name == FRAMES:
            continue
        # Anything with images and masks is a folder of masks, so that counts only where nothing else does.
        if name == "folder" and reasons:
            continue
        # What cannot be read is not there for one layout, and says nothing against the others.
        with contextlib.suppress(OSError):
            if why := layout_module(name).recognise(path):
                reasons[name] = why
    if not reasons:
        return None
    first, *others = reasons
    return Recognised(path, first, reasons[first], {name: reasons[name] for name in others})
