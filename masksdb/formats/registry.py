"""The layouts of datasets by name, and which of them a path has.

A layout is a module of :mod:`masksdb.formats.layouts` that is a :class:`Reader`, a :class:`Writer` or both.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from masksdb.errors import IngestError, UsageError

if TYPE_CHECKING:
    from masksdb.formats.frame import Frame
    from masksdb.formats.reading import Tree
    from masksdb.formats.writing import Writing

FRAMES, AUTO = "frames", "auto"

Option = Literal[
    "masks", "with_images", "refuse_loss", "report", "polygons", "split", "where", "labels", "on_error", "allow_outside"
]

FLAGS: Mapping[Option, str] = {
    "masks": "--mask",
    "with_images": "--images",
    "refuse_loss": "--refuse-loss",
    "report": "--report",
    "polygons": "--polygons",
    "split": "--split",
    "where": "--where",
    "labels": "--label",
    "on_error": "--on-error",
    "allow_outside": "--allow-outside",
}
"""The options of exports, and how the command line writes them."""

SUBSET: tuple[Option, ...] = ("where", "labels")
"""The options of every layout."""

USUAL: tuple[Option, ...] = (
    "masks", "with_images", "refuse_loss", "report", "split", *SUBSET, "on_error", "allow_outside"
)  # fmt: skip
"""The options of every layout but ``frames``, which reads no pixels."""


class Reader(Protocol):
    """A module that reads a layout."""

    def recognise(self, path: Path) -> str | None:
        """Why a path has the layout, or None."""

    def read(self, tree: Tree) -> Iterator[Frame]:
        """The frames of a dataset; what cannot become one is a Fault, which ends the reading or is left out."""


class Writer(Protocol):
    """A module that writes a layout; a ``reread(out)`` reads it again where its reader cannot."""

    def write(self, out: Writing) -> None:
        """Write the layout into a new folder."""


class Layout(NamedTuple):
    """A layout of a dataset on disk.

    Attributes:
        description: what it is, in a line.
        is_read: whether frames are read from it.
        is_written: whether it can be exported.
        options: the options that an export to it takes.
    """

    description: str
    is_read: bool = True
    is_written: bool = True
    options: tuple[Option, ...] = USUAL

    @property
    def direction(self) -> str:
        """Where it goes: ``in``, ``out`` or ``in, out``."""
        return ", ".join(name for name, holds in (("in", self.is_read), ("out", self.is_written)) if holds)


FORMATS: Mapping[str, Layout] = {
    FRAMES: Layout("frames as JSON lines, an array or an object; what goes in comes out again", options=SUBSET),
    "coco-panoptic": Layout("COCO panoptic: JSON and PNGs of segment ids"),
    "coco": Layout("COCO instances: polygons, RLE, crowds", options=(*USUAL, "polygons")),
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


def check_options(format: str, asked: Mapping[Option, object]) -> None:
    """Refuse options that a layout does not take.

    Args:
        format: name of a layout.
        asked: the options of an export; those that are false or empty were not asked for.

    Raises:
        UsageError: the layout does not take one of them.

    >>> check_options("frames", {"polygons": True})
    Traceback (most recent call last):
        ...
    masksdb.errors.UsageError: --format frames: does not take --polygons; it takes --where, --label
    """
    options = FORMATS[format].options
    refused = ", ".join(FLAGS[name] for name, value in asked.items() if value and name not in options)
    if refused:
        known = ", ".join(FLAGS[name] for name in options) or "no option"
        raise UsageError(f"--format {format}: does not take {refused}; it takes {known}")


class Recognised(NamedTuple):
    """What a path was recognised as.

    Attributes:
        path: the path, or a folder in it.
        format: name of the layout.
        why: the files that say so.
        others: what else it could be, each with its reason.
    """

    path: Path
    format: str
    why: str
    others: Mapping[str, str]


def reader(name: str) -> Reader:
    """The module that reads a layout, imported when it is asked for."""
    module: Reader
    match name:
        case "ade20k":
            from masksdb.formats.layouts import ade20k as module
        case "camvid":
            from masksdb.formats.layouts import camvid as module
        case "cityscapes":
            from masksdb.formats.layouts import cityscapes as module
        case "coco":
            from masksdb.formats.layouts import coco as module
        case "coco-panoptic":
            from masksdb.formats.layouts import coco_panoptic as module
        case "cvat":
            from masksdb.formats.layouts import cvat as module
        case "davis":
            from masksdb.formats.layouts import davis as module
        case "folder":
            from masksdb.formats.layouts import folder as module
        case "kitti":
            from masksdb.formats.layouts import kitti as module
        case "labelme":
            from masksdb.formats.layouts import labelme as module
        case "mapillary":
            from masksdb.formats.layouts import mapillary as module
        case "mots":
            from masksdb.formats.layouts import mots as module
        case "sa1b":
            from masksdb.formats.layouts import sa1b as module
        case "synthia":
            from masksdb.formats.layouts import synthia as module
        case "voc":
            from masksdb.formats.layouts import voc as module
        case "yolo-seg":
            from masksdb.formats.layouts import yolo_seg as module
        case _:
            raise KeyError(name)
    return module


def writer(name: str) -> Writer:
    """The module that writes a layout, imported when it is asked for."""
    module: Writer
    match name:
        case "cityscapes":
            from masksdb.formats.layouts import cityscapes as module
        case "coco":
            from masksdb.formats.layouts import coco as module
        case "coco-panoptic":
            from masksdb.formats.layouts import coco_panoptic as module
        case "davis":
            from masksdb.formats.layouts import davis as module
        case "folder":
            from masksdb.formats.layouts import folder as module
        case "parquet":
            from masksdb.formats.layouts import parquet as module
        case "voc":
            from masksdb.formats.layouts import voc as module
        case "yolo-seg":
            from masksdb.formats.layouts import yolo_seg as module
        case _:
            raise KeyError(name)
    return module


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
        layouts = [layout for folder in level if (layout := _recognise_one(folder))]
        if layouts:
            return layouts
        level = [child for folder in level for child in _folders(folder)]
    known = ", ".join(name for name, layout in FORMATS.items() if layout.is_read)
    nearest = next(filter(None, map(_nearest, [root, *itertools.islice(_folders(root), 10)])), "")
    raise IngestError(f"not recognised as a dataset{nearest}; say what it is with --format, one of {known}", path)


def _nearest(path: Path) -> str | None:
    """The layout that a path nearly has, and what is in the way, for an error message."""
    from masksdb.formats.layouts import davis, folder, yolo_seg

    for name, layout in (("yolo-seg", yolo_seg), ("davis", davis), ("folder", folder)):
        with contextlib.suppress(OSError):
            if path.is_dir() and (reason := layout.obstacle(path)):
                return f"; the nearest is {name}, but {reason}"
    return None


def _folders(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(child for child in path.iterdir() if child.is_dir() and not child.name.startswith("."))


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
            if why := reader(name).recognise(path):
                reasons[name] = why
    if not reasons:
        return None
    first, *others = reasons
    return Recognised(path, first, reasons[first], {name: reasons[name] for name in others})


def read_frames(format: str, tree: Tree) -> Iterator[Frame]:
    """The frames of a dataset; faults go to ``tree.on_fault``.

    Raises:
        IngestError: a file or folder that the layout needs cannot be read.
    """
    try:
        with tree.part(tree.path):
            yield from reader(format).read(tree)
    except OSError as error:
        place = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(tree.path)
        raise IngestError(f"cannot be read: {error.strerror or error}", place) from None
