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
    from masksdb.clearml.annotations import ImageAnnotation
    from masksdb.clearml.dataset import Dataset
    from masksdb.clearml.dataview import DataView
    from masksdb.clearml.default_database import set_default
    from masksdb.clearml.frame_group import FrameGroup
    from masksdb.clearml.single_frame import SingleFrame
    from masksdb.clearml.version import DatasetVersion
    from masksdb.clearml.views.definition import IterationOrder
    from masksdb.database import Database, connect
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
    from masksdb.exchange.ingest import IngestReport
    from masksdb.pixels.functions.registration import register
    from masksdb.pixels.read import to_numpy

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
    "DataView": "clearml.dataview",
    "Database": "database",
    "Dataset": "clearml.dataset",
    "DatasetVersion": "clearml.version",
    "FrameGroup": "clearml.frame_group",
    "ImageAnnotation": "clearml.annotations",
    "IngestReport": "exchange.ingest",
    "IterationOrder": "clearml.views.definition",
    "SingleFrame": "clearml.single_frame",
    "connect": "database",
    "register": "pixels.functions.registration",
    "set_default": "clearml.default_database",
    "to_numpy": "pixels.read",
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
