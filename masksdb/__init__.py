"""An embedded, SQL-backed metadata store for segmentation masks.

>>> import masksdb
>>> with masksdb.connect(":memory:") as db:
...     report = db.ingest([{"id": "f1", "rois": [{"label": ["car"]}]}], dataset="cars", version="v1")
...     db.sql("SELECT frame_id, label FROM roi_labels").fetchall()
[('f1', 'car')]

The rooms, from the ground up; each imports only from those above it in this list:

* ``errors``: the error tree.
* ``pixels``: masks without a database: files to pixels, pixels to regions, and the SQL functions over them.
* ``store``: the DuckDB file: opening and migrating it, its SQL, versions, frames and label mappings.
* ``formats``: the layouts of other tools, and what their readers and writers share.
* ``exchange``: frames and layouts into the database, and out of it with a report of what is lost.
* ``analysis``: analyse, check, compare, evaluate and draw masks.
* ``training``: numpy arrays, torch tensors and splits.
* ``clearml``: the names of ClearML Hyper-Datasets.
* ``database``: the Python API over all of these.
* ``cli``: the command line over that.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from masksdb.analysis.analyze import AnalyzeReport
    from masksdb.analysis.check import CheckReport
    from masksdb.analysis.scores import Evaluation
    from masksdb.analysis.settings import Severity
    from masksdb.clearml.annotations import Annotation, ImageAnnotation
    from masksdb.clearml.arguments import Id
    from masksdb.clearml.dataset import Dataset
    from masksdb.clearml.dataview import DataView
    from masksdb.clearml.default_database import OpenDatabase, set_default
    from masksdb.clearml.frame_group import FrameGroup
    from masksdb.clearml.single_frame import SingleFrame
    from masksdb.clearml.version import DatasetVersion, FrameLike
    from masksdb.clearml.views.definition import IterationOrder, MappingRule, RoiQuery, ViewQuery
    from masksdb.database import Database, connect
    from masksdb.errors import (
        DatabaseDamagedError,
        DatabaseLockedError,
        DiskFullError,
        IngestError,
        LossRefusedError,
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
    from masksdb.exchange.loss import LossReport
    from masksdb.exchange.staging import OnError, Source
    from masksdb.pixels.functions.registration import register
    from masksdb.pixels.mask_reads import MaskReads
    from masksdb.pixels.read import MaskLike, to_numpy
    from masksdb.pixels.settings import DecodeErrors, Settings
    from masksdb.store.changes import VersionChanges
    from masksdb.store.doctor import Diagnosis, Problem, doctor
    from masksdb.store.mask_labels import MaskLabels
    from masksdb.training.arrays import FrameArrays
    from masksdb.training.settings import Transform
    from masksdb.training.splits import SplitReport
    from masksdb.training.torch_frames import TorchFrames as TorchFrames

__version__ = "0.1.0"

__all__ = [
    "AnalyzeReport",
    "Annotation",
    "CheckReport",
    "DataView",
    "Database",
    "DatabaseDamagedError",
    "DatabaseLockedError",
    "Dataset",
    "DatasetVersion",
    "DecodeErrors",
    "Diagnosis",
    "DiskFullError",
    "Evaluation",
    "FrameArrays",
    "FrameGroup",
    "FrameLike",
    "Id",
    "ImageAnnotation",
    "IngestError",
    "IngestReport",
    "IterationOrder",
    "LossRefusedError",
    "LossReport",
    "MappingRule",
    "MaskDecodeError",
    "MaskLabels",
    "MaskLike",
    "MaskReads",
    "MasksDBError",
    "NotFoundError",
    "OnError",
    "OpenDatabase",
    "Problem",
    "QueryError",
    "RoiQuery",
    "SchemaVersionError",
    "Settings",
    "Severity",
    "SingleFrame",
    "Source",
    "SplitReport",
    "Transform",
    "UnsupportedFormatError",
    "UsageError",
    "VersionChanges",
    "VersionPublishedError",
    "ViewQuery",
    "connect",
    "doctor",
    "register",
    "set_default",
    "to_numpy",
]

_HOMES = {
    "AnalyzeReport": "analysis.analyze",
    "Annotation": "clearml.annotations",
    "CheckReport": "analysis.check",
    "DataView": "clearml.dataview",
    "Database": "database",
    "Dataset": "clearml.dataset",
    "DatasetVersion": "clearml.version",
    "DecodeErrors": "pixels.settings",
    "Diagnosis": "store.doctor",
    "Evaluation": "analysis.scores",
    "FrameArrays": "training.arrays",
    "FrameGroup": "clearml.frame_group",
    "FrameLike": "clearml.version",
    "Id": "clearml.arguments",
    "ImageAnnotation": "clearml.annotations",
    "IngestReport": "exchange.ingest",
    "IterationOrder": "clearml.views.definition",
    "LossReport": "exchange.loss",
    "MappingRule": "clearml.views.definition",
    "MaskLabels": "store.mask_labels",
    "MaskLike": "pixels.read",
    "MaskReads": "pixels.mask_reads",
    "OnError": "exchange.staging",
    "OpenDatabase": "clearml.default_database",
    "Problem": "store.doctor",
    "RoiQuery": "clearml.views.definition",
    "Settings": "pixels.settings",
    "Severity": "analysis.settings",
    "SingleFrame": "clearml.single_frame",
    "Source": "exchange.staging",
    "SplitReport": "training.splits",
    "TorchFrames": "training.torch_frames",
    "Transform": "training.settings",
    "VersionChanges": "store.changes",
    "ViewQuery": "clearml.views.definition",
    "connect": "database",
    "doctor": "store.doctor",
    "register": "pixels.functions.registration",
    "set_default": "clearml.default_database",
    "to_numpy": "pixels.read",
}
"""The modules of the public names; those of errors are all in one. What needs torch is not in ``__all__``."""


def __getattr__(name: str) -> object:
    # DuckDB takes most of the time of a start, and `masksdb --help` needs none of it.
    if name not in __all__ and name not in _HOMES:
        raise AttributeError(f"module 'masksdb' has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"masksdb.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
