"""An embedded, SQL-backed metadata store for segmentation masks.

>>> import masksdb
>>> with masksdb.connect(":memory:") as db:
...     report = db.ingest([{"id": "f1", "rois": [{"label": ["car"]}]}], dataset="cars", version="v1")
...     db.sql("SELECT frame_id, label FROM roi_labels").fetchall()
[('f1', 'car')]
"""

from masksdb.annotations import ImageAnnotation
from masksdb.clearml import Dataset, DatasetVersion
from masksdb.database import Database, connect
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
from masksdb.single_frame import SingleFrame
from masksdb.types import IngestReport

__version__ = "0.1.0"

__all__ = [
    "Database",
    "DatabaseLockedError",
    "Dataset",
    "DatasetVersion",
    "FrameGroup",
    "ImageAnnotation",
    "IngestError",
    "IngestReport",
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
    "set_default",
]
