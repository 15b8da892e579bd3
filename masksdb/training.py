"""From a database to training: frames as numpy arrays and torch tensors, and splits."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from masksdb.errors import UsageError

if TYPE_CHECKING:
    import duckdb

    from masksdb.batches import FrameArrays
    from masksdb.engine import Engine
    from masksdb.splits import SplitReport
    from masksdb.torch_frames import TorchFrames


def as_torch(arrays: FrameArrays) -> TorchFrames:
    """The same frames as torch tensors.

    Raises:
        UsageError: torch is not installed.
    """
    try:
        module = importlib.import_module("masksdb.torch_frames")
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("torch"):
            raise
        raise UsageError("torch_dataset: torch is not installed: pip install 'masksdb[torch]'") from None
    frames: TorchFrames = module.TorchFrames(arrays)
    return frames


class Training:
    """What an open database gives to training."""

    _engine: Engine

    if TYPE_CHECKING:

        def sql(
            self, query: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None
        ) -> duckdb.DuckDBPyRelation:
            """As :meth:`masksdb.Database.sql`."""
            ...

    def arrays(
        self, query: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None, **options: Any
    ) -> FrameArrays:
        """The images of a query and their class masks as numpy arrays, by index.

        Args:
            query: SQL with a row for each region: ``source_uri``, the image; ``class``, a number; ``mask`` and
                ``mask_value``, or ``rle`` or ``poly``. More columns: :func:`masksdb.batches.query_arrays`.
            parameters: values of the query, by name or in order.
            options: ``void``, ``images``, ``crop``, ``size``, ``seed``: :class:`masksdb.batches.Options`.

        Raises:
            UsageError: a column is missing or of another type.
        """
        batches = importlib.import_module("masksdb.batches")
        relation = self.sql(query, parameters)
        with self._engine.errors():
            rows = relation.to_arrow_table()
        found: FrameArrays = batches.query_arrays(self._engine, rows, **options)
        return found

    def torch_dataset(
        self, query: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None, **options: Any
    ) -> TorchFrames:
        """What :meth:`arrays` gives as a torch dataset; see :class:`masksdb.torch_frames.TorchFrames`."""
        return as_torch(self.arrays(query, parameters, **options))

    def split(
        self,
        dataset: str,
        version: str | None,
        parts: Mapping[str, float],
        **options: Any,
    ) -> SplitReport:
        """Deal frames out to parts, no group torn apart; see :func:`masksdb.splits.split`.

        ``options`` are ``by``, ``seed``, ``balance`` and ``name``.
        """
        splits = importlib.import_module("masksdb.splits")
        report: SplitReport = splits.split(self._engine, dataset, version, parts, **options)
        return report
