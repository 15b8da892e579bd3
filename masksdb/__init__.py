"""An embedded, SQL-backed metadata store for segmentation masks.

>>> import masksdb
>>> with masksdb.connect(":memory:") as db:
...     report = db.ingest([{"id": "f1", "rois": [{"label": ["car"]}]}], dataset="cars", version="v1")
...     db.sql("SELECT frame_id, label FROM roi_labels").fetchall()
[('f1', 'car')]
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from masksdb.annotations import ImageAnnotation
    from masksdb.clearml import Dataset, DatasetVersion
    from masksdb.database import Database, connect
    from masksdb.dataview import DataView
    from masksdb.engine import set_default
    from masksdb.errors import (
        DatabaseLockedError,
        IngestError,
        MaskDecodeError,
        MasksDBError,
        NotFoundError,
        QueryError,
        SchemaVersionError,
        UnsupportedFormatError,
        UsageError,
        VersionPublishedError,
    )
    from masksdb.frame_group import FrameGroup
    from masksdb.pixels import register, to_numpy
    from masksdb.single_frame import SingleFrame
    from masksdb.types import IngestReport
    from masksdb.view_model import IterationOrder

__version__ = "0.1.0"

__all__ = [
    "DataView",
    "Database",
    "DatabaseLockedError",
    "Dataset",
    "DatasetVersion",
    "FrameGroup",
    "ImageAnnotation",
    "IngestError",
    "IngestReport",
    "IterationOrder",
    "MaskDecodeError",
    "MasksDBError",
    "NotFoundError",
    "QueryError",
    "SchemaVersionError",
    "SingleFrame",
    "UnsupportedFormatError",
    "UsageError",
    "VersionPublishedError",
    "connect",
    "register",
    "set_default",
    "to_numpy",
]

_HOMES = {
    "DataView": "dataview",
    "Database": "database",
    "Dataset": "clearml",
    "DatasetVersion": "clearml",
    "FrameGroup": "frame_group",
    "ImageAnnotation": "annotations",
    "IngestReport": "types",
    "IterationOrder": "view_model",
    "SingleFrame": "single_frame",
    "connect": "database",
    "register": "pixels",
    "set_default": "engine",
    "to_numpy": "pixels",
}
"""The modules of the public names; those of errors are all in one."""


def __getattr__(name: str) -> object:
    # DuckDB takes most of the time of a start, and `masksdb --help` needs none of it.
    if name not in __all__:
        raise AttributeError(f"module 'masksdb' has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"masksdb.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
