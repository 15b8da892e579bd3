"""What readers of layouts make: frames with their sources, masks and ROIs, in the keys of the frame format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Required, TypedDict


class Size(NamedTuple):
    """The size of an image in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width} x {self.height}"


class Mask(TypedDict, total=False):
    """A mask file of a source."""

    id: Required[str]
    content_type: str
    uri: Required[str]


class Source(TypedDict, total=False):
    """An image with its masks; without ``uri`` where only masks are there."""

    uri: str
    width: int
    height: int
    masks: list[Mask]


class MaskValue(TypedDict):
    """A value of a mask."""

    id: str
    value: list[int]


class RunLengths(TypedDict):
    """A region as COCO compressed run lengths; ``size`` is height and width."""

    size: list[int]
    counts: str


class Roi(TypedDict, total=False):
    """An annotation: its labels, and a value of a mask or a geometry of its own."""

    id: Any
    label: Required[list[str]]
    mask: MaskValue
    poly: list[float]
    rle: RunLengths
    ellipse2d_xyrrt: list[float]
    is_crowd: bool
    confidence: float
    meta: dict[str, Any]


class Frame(TypedDict, total=False):
    """An image of a dataset, or several that belong together, with the annotations on it."""

    id: Required[str]
    context_id: str
    sources: Required[list[Source]]
    rois: Required[list[Roi]]
    meta: dict[str, Any]


def mask_of(mask_id: str, uri: str) -> Mask:
    """A mask that is a PNG."""
    return {"id": mask_id, "content_type": "image/png", "uri": uri}


def roi_of(
    label: str, mask_id: str, value: Sequence[int], *, is_ignored: bool = False, is_crowd: bool = False
) -> Roi:  # fmt: skip
    """A ROI that is a value of a mask."""
    roi: Roi = {"label": [label], "mask": {"id": mask_id, "value": list(value)}}
    if is_crowd:
        roi["is_crowd"] = True
    if is_ignored:
        roi["meta"] = {"ignore": True}
    return roi


def source_of(image_uri: str | None, size: Size | None, masks: Sequence[Mask] = ()) -> Source:
    """The source of a frame that has one image."""
    source: Source = {} if image_uri is None else {"uri": image_uri}
    if size:
        source["width"], source["height"] = size
    if masks:
        source["masks"] = list(masks)
    return source
