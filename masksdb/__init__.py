"""An embedded, SQL-backed metadata store for segmentation masks.

>>> import masksdb
>>> with masksdb.connect(":memory:") as db:
...     report = db.ingest([{"id": "f1", "rois": [{"label": ["car"]}]}], dataset="cars", version="v1")
...     db.sql("SELECT frame_id, label FROM roi_labels").fetchall()
[('f1', 'car')]
"""

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
    VersionPublishedError,
)
from masksdb.types import IngestReport
from masksdb.versions import DatasetVersion

__version__ = "0.1.0"

__all__ = [
    "Database",
    "DatabaseLockedError",
    "DatasetVersion",
    "IngestError",
    "IngestReport",
    "MaskDecodeError",
    "MasksDBError",
    "NotFoundError",
    "QueryError",
    "SchemaVersionError",
    "UnsupportedFormatError",
    "VersionPublishedError",
    "connect",
    "set_default",
]
