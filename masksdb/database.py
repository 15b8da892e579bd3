"""The Python API: one object per open database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import duckdb

from masksdb.analysis.settings import OPACITY
from masksdb.clearml.dataset import Dataset
from masksdb.clearml.version import DatasetVersion
from masksdb.exchange import export_frames
from masksdb.exchange import ingest as ingesting
from masksdb.exchange.ingest import IngestReport
from masksdb.exchange.staging import OnError
from masksdb.formats.registry import AUTO, FRAMES, Option, check_options
from masksdb.pixels.settings import LOSSY_TOLERANCE, DecodeErrors
from masksdb.store import datasets, versions
from masksdb.store.changes import VersionChanges, version_changes
from masksdb.store.engine import Engine, open_engine
from masksdb.store.frames import find_frame
from masksdb.store.script import SILENT_STATEMENTS, without_end
from masksdb.store.sql import statement
from masksdb.training import as_torch
from masksdb.training.settings import SPLIT_NAME, VOID

if TYPE_CHECKING:
    import numpy.typing as npt
    from PIL.Image import Image

    from masksdb.analysis.analyze import AnalyzeReport
    from masksdb.analysis.check import CheckReport
    from masksdb.analysis.scores import Evaluation
    from masksdb.exchange.loss import LossReport
    from masksdb.exchange.staging import Source
    from masksdb.pixels.read import MaskLike
    from masksdb.training.arrays import FrameArrays
    from masksdb.training.settings import Transform
    from masksdb.training.splits import SplitReport
    from masksdb.training.torch_frames import TorchFrames


def connect(
    path: str | os.PathLike[str],
    *,
    read_only: bool = False,
    create: bool = True,
    decode_errors: DecodeErrors = "raise",
    external_access: bool | None = None,
) -> Database:
    """Open a database file, or create it.

    Args:
        path: the file, or ``:memory:``.
        read_only: refuse writes, so that other processes can read at the same time.
        create: create the file, or the tables of masksdb in it, if they do not exist.
        decode_errors: ``raise`` makes a mask that cannot be read an error of the query, ``null`` makes it NULL and
            counts it.
        external_access: False forbids SQL, that of the file's own views too, to read or write any other file, to fetch
            URLs and to load extensions; masks are read as ever. For files of others; see docs/security.md. None is
            what the environment variable ``MASKSDB_EXTERNAL_ACCESS`` says, 0 or 1, and without it True.

    Returns:
        The open database; use it in a ``with`` statement, or call :meth:`Database.close`.

    Raises:
        DatabaseLockedError: another process has the file open for writing.
        SchemaVersionError: the file is from a newer masksdb.
        NotFoundError: the file does not exist, and ``read_only`` is set or ``create`` is not.

    >>> with connect(":memory:") as db:
    ...     print(db.ingest([{"id": "a", "sources": []}], dataset="cars", version="v1"))
    cars/v1: 1 new, 0 updated, 0 unchanged
    """
    engine = open_engine(
        path, read_only=read_only, create=create, decode_errors=decode_errors, external_access=external_access
    )
    return Database(engine)


class Database:
    """An open database file. Get one with :func:`connect`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._closed = False

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<masksdb.Database {self._engine.path}{' (closed)' if self._closed else ''}>"

    @property
    def path(self) -> str:
        """The database file."""
        return self._engine.path

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The DuckDB connection; take a ``cursor()`` of it to run a query while another is being read."""
        self._engine.add_functions()
        return self._engine.connection

    @property
    def decode_failures(self) -> int:
        """How many masks could not be read so far, with ``decode_errors="null"``."""
        return self._engine.mask_reads.failures

    def close(self) -> None:
        """Close the database; the file is closed when its last user in this process closes it."""
        if not self._closed:
            self._closed = True
            self._engine.close()

    def backup(self, out: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write a copy of the database, as it is now, while others read and write.

        Args:
            out: the new file, which is there as a whole or not at all.
            overwrite: replace a file that is there.

        Raises:
            MasksDBError: there is a file and not ``overwrite``, or it cannot be written.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, connect(":memory:") as db:
        ...     db.backup(f"{folder}/copy.duckdb")
        ...     connect(f"{folder}/copy.duckdb", read_only=True).close()
        """
        from masksdb.store.backup import backup

        with self._engine.reading() as cursor:
            backup(cursor, out, overwrite=overwrite)

    def sql(self, query: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None) -> duckdb.DuckDBPyRelation:
        """The result of a query, as a DuckDB relation.

        Args:
            query: SQL text, with ``$name`` or ``?`` in place of values.
            parameters: the values, by name or in order.

        Raises:
            QueryError: DuckDB refuses the query.

        >>> with connect(":memory:") as db:
        ...     db.sql("SELECT $n + 1", {"n": 1}).fetchall()
        [(2,)]
        """
        self._engine.add_functions()
        with self._engine.errors():
            return self._engine.cursor().sql(query, params=parameters)

    def run_script(self, script: str, parameters: Mapping[str, Any] | None = None) -> Iterator[duckdb.DuckDBPyRelation]:
        """Run the statements of a script in order, and iterate over the results of those that have one.

        Args:
            script: SQL statements, separated by ``;``.
            parameters: values by name; a statement gets the values that it names.

        Raises:
            QueryError: DuckDB refuses a statement; the statements before it have run.
        """
        self._engine.add_functions()
        cursor = self._engine.cursor()
        values = dict(parameters or {})
        with self._engine.errors():
            for parsed in cursor.extract_statements(script):
                named = {name: values[name] for name in parsed.named_parameters if name in values}
                result = cursor.sql(without_end(parsed.query), params=named or None)
                if result is not None and parsed.type.name not in SILENT_STATEMENTS:
                    yield result

    def ingest(
        self,
        *sources: Source,
        dataset: str,
        version: str | None = None,
        format: str = AUTO,
        media_root: str | os.PathLike[str] | None = None,
        on_error: OnError = "stop",
        rasterize: str | os.PathLike[str] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> IngestReport:
        """Read frames into a draft version; see :func:`masksdb.exchange.ingest.ingest`."""
        return ingesting.ingest(
            self._engine,
            *sources,
            dataset=dataset,
            version=version,
            format=format,
            media_root=media_root,
            on_error=on_error,
            rasterize=rasterize,
            progress=progress,
        )

    def export(
        self,
        out: str | os.PathLike[str],
        *,
        dataset: str,
        version: str | None = None,
        format: str = FRAMES,
        masks: Sequence[str] = (),
        with_images: bool = False,
        refuse_loss: bool = False,
        polygons: bool = False,
        split: str | None = None,
        where: str | None = None,
        labels: Sequence[str] = (),
        on_error: OnError = "stop",
        allow_outside: bool = False,
    ) -> int | LossReport:
        """Write the frames of a version to a file, or in the layout of another tool into a new folder.

        Args:
            out: the file, ``-`` for standard output; or a folder that is new or empty.
            dataset: name of the dataset.
            version: name of the version; None is the newest draft, else the newest published version.
            format: ``frames``, or a layout that ``masksdb formats`` lists.
            masks: ids of the masks whose ROIs are written; needed if ROIs are in masks of several ids.
            with_images: copy the images too.
            refuse_loss: write nothing if anything would be lost.
            polygons: write polygons instead of run lengths (``coco``).
            split: name of a split of :meth:`split`, whose parts become those of the layout; None means the only one,
                an empty text means the splits that ``meta.split`` of the frames says.
            where: SQL over a frame, such as ``frame_meta.city = 'ulm'``; other frames are left out.
            labels: write only the ROIs that have one of these labels.
            on_error: ``stop`` writes nothing if a mask or image cannot be read, ``skip`` leaves its frame out and
                reports it.
            allow_outside: copy images from any folder, not only from below the media roots.

        Returns:
            For ``frames`` the number of frames written (see :func:`masksdb.exchange.export_frames.export`); for another
            layout the report of what the export loses (see :func:`masksdb.exchange.export_layout.convert`).

        Raises:
            UsageError: the layout does not take an option.
            NotFoundError: no such dataset, version, split or label.
            MasksDBError: masks or images cannot be read, or the files cannot be written.

        >>> with connect(":memory:") as db:
        ...     frames = [{"id": name, "sources": [], "meta": {"city": name}} for name in ("ulm", "bern")]
        ...     report = db.ingest(frames, dataset="cities", version="v1")
        ...     db.export(os.devnull, dataset="cities", where="frame_meta.city = 'ulm'")
        1
        """
        if format == FRAMES:
            asked: dict[Option, object] = {
                "masks": masks,
                "with_images": with_images,
                "refuse_loss": refuse_loss,
                "polygons": polygons,
                "split": split,
                "on_error": on_error == "skip",
                "allow_outside": allow_outside,
            }
            check_options(format, asked)
            return export_frames.export(self._engine, out, dataset=dataset, version=version, where=where, labels=labels)
        from masksdb.exchange.export_layout import convert

        return convert(
            self._engine,
            out,
            dataset=dataset,
            version=version,
            format=format,
            masks=masks,
            with_images=with_images,
            refuse_loss=refuse_loss,
            polygons=polygons,
            split=split,
            where=where,
            labels=labels,
            on_error=on_error,
            allow_outside=allow_outside,
        )

    def get_frame(self, dataset: str, version: str | None, frame_id: str) -> dict[str, Any]:
        """One frame as the dict that was ingested.

        Raises:
            NotFoundError: no such dataset, version or frame.
        """
        return find_frame(self._engine, self.version(dataset, version).version_id, frame_id).frame

    def dataset(self, dataset: str) -> Dataset:
        """A dataset.

        Raises:
            NotFoundError: no such dataset.
        """
        with self._engine.reading() as cursor:
            return Dataset(self._engine, versions.find_dataset(cursor, dataset))

    def create_dataset(
        self,
        dataset: str,
        *,
        description: str | None = None,
        tags: Sequence[str] = (),
        project: str | None = None,
        raise_if_exists: bool = False,
    ) -> Dataset:
        """The dataset of that name, created with an empty draft ``Current`` if it does not exist; tags are added to it.

        Raises:
            UsageError: it exists and ``raise_if_exists`` is set.
        """
        with self._engine.transaction() as cursor:
            dataset_id = datasets.create_dataset(
                cursor,
                dataset,
                description=description,
                tags=tags,
                project=project,
                raise_if_exists=raise_if_exists,
            )
        return Dataset(self._engine, dataset_id)

    def delete_dataset(self, dataset: str, *, delete_all_versions: bool = False, force: bool = False) -> None:
        """Delete a dataset; see :meth:`masksdb.Dataset.delete`."""
        with self._engine.transaction() as cursor:
            datasets.delete_dataset(cursor, dataset, with_versions=delete_all_versions, force=force)

    def version(self, dataset: str, version: str | None = None) -> DatasetVersion:
        """A version of a dataset; None is the newest draft, else the newest published version.

        Raises:
            NotFoundError: no such dataset or version.
        """
        return self.dataset(dataset).get_version(version_name=version)

    def create_version(
        self,
        dataset: str,
        version: str,
        *,
        parents: Sequence[str | int] = (),
        comment: str | None = None,
        raise_if_exists: bool = False,
    ) -> DatasetVersion:
        """The version of that name, created as a draft that inherits from published parents if it does not exist.

        Its dataset is created too if needed.

        Raises:
            UsageError: a parent is a draft, or the version exists and ``raise_if_exists`` is set.
            NotFoundError: no such parent.
        """
        with self._engine.transaction() as cursor:
            row = versions.create_version(
                cursor, dataset, version, parents=parents, comment=comment, raise_if_exists=raise_if_exists
            )
        return DatasetVersion(self._engine, row.version_id)

    def create_snapshot(
        self,
        dataset: str,
        version: str | None = None,
        *,
        publish_name: str | None = None,
        child_name: str | None = None,
    ) -> DatasetVersion:
        """Publish a draft and continue in a child of it; see :meth:`masksdb.DatasetVersion.create_snapshot`."""
        with self._engine.transaction() as cursor:
            child = versions.create_snapshot(cursor, dataset, version, publish_name=publish_name, child_name=child_name)
        return DatasetVersion(self._engine, child.version_id)

    def changes(self, dataset: str, from_version: str, to_version: str) -> VersionChanges:
        """The differences between two versions of a dataset; see :func:`masksdb.store.changes.version_changes`."""
        return version_changes(self._engine, dataset, from_version, to_version)

    def read_mask(self, mask: MaskLike) -> npt.NDArray[Any]:
        """The pixels of a mask as stored; see :func:`masksdb.pixels.read.read_mask`."""
        from masksdb.pixels.read import read_mask

        return read_mask(self._engine.settings, mask)

    def iter_masks(
        self, query: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None
    ) -> Iterator[tuple[dict[str, Any], npt.NDArray[Any]]]:
        """Iterate over the rows of a query with a column ``mask`` and their pixels, a few masks in memory at once.

        Raises:
            UsageError: the query has no column ``mask``.
            MaskDecodeError: a mask cannot be read (with ``decode_errors="null"`` its row is left out and counted).
        """
        from masksdb.pixels.read import iter_masks

        return iter_masks(self._engine.mask_reads, self.sql(query, parameters))

    def map_media(self, prefix: str, target: str) -> None:
        """Read URIs that start with ``prefix`` from ``target``; the longest matching prefix is replaced, once."""
        self._engine.map_prefix(prefix, target)

    def analyze(
        self,
        dataset: str | None = None,
        version: str | None = None,
        *,
        with_rle: bool = False,
        tolerance: int = LOSSY_TOLERANCE,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> AnalyzeReport:
        """Read all masks once and store their values in tables; see :func:`masksdb.analysis.analyze.analyze`."""
        from masksdb.analysis.analyze import analyze

        return analyze(self._engine, dataset, version, with_rle=with_rle, tolerance=tolerance, progress=progress)

    def check(
        self,
        dataset: str | None = None,
        version: str | None = None,
        *,
        small_region: int | None = None,
        split_key: str | None = None,
        near_iou: float | None = None,
        rehash: bool = False,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> CheckReport:
        """Check all masks and images, and report what is wrong with them; see :func:`masksdb.analysis.check.check`.

        >>> with connect(":memory:") as db:
        ...     frame = {"id": "a", "sources": [{"id": "s"}], "rois": [{"label": ["car"], "mask": {"value": [7]}}]}
        ...     report = db.ingest([frame], dataset="cars", version="v1")
        ...     print(db.check("cars", small_region=20))
        1 error, 0 warnings, 0 notes
          error: roi_without_mask: 1
        """
        from masksdb.analysis.check import check

        return check(
            self._engine,
            dataset,
            version,
            small_region=small_region,
            split_key=split_key,
            near_iou=near_iou,
            rehash=rehash,
            progress=progress,
        )

    def render(
        self,
        frame_ids: Sequence[str],
        *,
        dataset: str,
        version: str | None = None,
        mask: str | None = None,
        opacity: float = OPACITY,
    ) -> Image:
        """A picture of frames with their masks, to ``save()`` or show; see :func:`masksdb.analysis.render.render`."""
        from masksdb.analysis.render import render

        return render(self._engine, frame_ids, dataset=dataset, version=version, mask=mask, opacity=opacity)

    def evaluate(
        self,
        truth: str,
        prediction: str,
        *,
        truth_mask: str | None = None,
        prediction_mask: str | None = None,
        pair: Literal["frame_id", "uri"] = "frame_id",
        pattern: str | None = None,
        classes: Literal["label", "value"] = "label",
        ignore: Sequence[str] = (),
        ignored: Literal["before", "after"] = "before",
        average: Literal["set", "images"] = "set",
        absent: Literal["skip", "0", "1"] = "skip",
        missing: Literal["error", "count", "skip"] = "error",
        sizes: Literal["error", "skip"] = "error",
        by: str | None = None,
        panoptic: bool = False,
        boundary: bool = False,
        davis: bool = False,
        davis_frames: Literal["inner", "all"] = "inner",
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> Evaluation:
        """Compare the masks of one version with those of another, both named as ``DATASET/VERSION``.

        The parameters are explained at :class:`masksdb.analysis.scores.Options`, the figures in docs/evaluation.md.

        Raises:
            NotFoundError: no such dataset or version.
            UsageError: it is not clear which masks to compare, or frames, masks or sizes do not match.
            MaskDecodeError: a mask cannot be read.
        """
        from masksdb.analysis.evaluate import evaluate
        from masksdb.analysis.scores import Options

        options = Options(
            truth_mask=truth_mask,
            prediction_mask=prediction_mask,
            pair=pair,
            pattern=pattern,
            classes=classes,
            ignore=ignore,
            ignored=ignored,
            average=average,
            absent=absent,
            missing=missing,
            sizes=sizes,
            by=by,
            panoptic=panoptic,
            boundary=boundary,
            davis=davis,
            davis_frames=davis_frames,
        )
        return evaluate(self._engine, truth, prediction, options, progress)

    def versions(self, dataset: str | None = None) -> duckdb.DuckDBPyRelation:
        """One row per version, with its status and its numbers of visible frames, sources, masks and ROIs.

        Raises:
            NotFoundError: no such dataset.
        """
        if dataset is not None:
            self.dataset(dataset)
        return self.sql(statement("store/versions"), {"dataset": dataset})

    def arrays(
        self,
        query: str,
        parameters: Mapping[str, Any] | Sequence[Any] | None = None,
        *,
        void: int = VOID,
        images: bool = True,
        crop: tuple[int, ...] | None = None,
        size: tuple[int, int] | None = None,
        seed: int = 0,
    ) -> FrameArrays:
        """The images of a query with their class masks as numpy arrays, by index.

        Args:
            query: SQL with one row per region: ``source_uri``, the image; ``class``, a number; ``mask`` and
                ``mask_value``, or ``rle`` or ``poly``. More columns: :func:`masksdb.training.arrays.query_arrays`.
            parameters: the values of the query, by name or in order.
            void: the number of pixels without a class, or with a class whose number is negative.
            images: read the image too, not only the class mask.
            crop: (height, width) at a random place, or (x, y, height, width).
            size: (height, width) that the image or its crop is scaled to, by taking the nearest pixels.
            seed: the seed of random crops, combined with the epoch and the index of the frame.

        Raises:
            UsageError: a column is missing or of another type.
        """
        from masksdb.training.arrays import Options, query_arrays

        options = Options(void, images, crop, size, seed)
        relation = self.sql(query, parameters)
        with self._engine.errors():
            rows = relation.to_arrow_table()
        return query_arrays(self._engine, rows, options)

    def torch_dataset(
        self,
        query: str,
        parameters: Mapping[str, Any] | Sequence[Any] | None = None,
        *,
        void: int = VOID,
        images: bool = True,
        crop: tuple[int, ...] | None = None,
        size: tuple[int, int] | None = None,
        seed: int = 0,
        transform: Transform | None = None,
    ) -> TorchFrames:
        """The images of a query as a ``torch.utils.data.Dataset``; parameters as in :meth:`arrays`.

        An item has ``image``, a uint8 tensor of shape (3, height, width), and ``mask``, a uint8 or int64 tensor of
        shape (height, width), with torchvision a ``tv_tensors.Mask``; also ``labels``, ``frame_id`` and the other names
        of :class:`masksdb.FrameArrays`. Its method ``loader()`` makes a ``DataLoader`` over it.

        ``transform(image, mask)`` is called with these two tensors, after crop and size (``image`` is None with
        ``images=False``), and returns both, of any shape and type. Workers that are spawned need one that can be
        pickled.

        Raises:
            UsageError: torch is not installed, or a column is missing or of another type.
        """
        arrays = self.arrays(query, parameters, void=void, images=images, crop=crop, size=size, seed=seed)
        return as_torch(arrays, transform)

    def split(
        self,
        dataset: str,
        version: str | None,
        parts: Mapping[str, float],
        *,
        by: str = "context_id",
        seed: int = 0,
        balance: bool = False,
        name: str = SPLIT_NAME,
    ) -> SplitReport:
        """Divide frames among parts and keep groups together; see :func:`masksdb.training.splits.split`.

        Args:
            dataset: name of the dataset.
            version: name of the version; None is the newest draft, else the newest published version.
            parts: the share of every part; the shares sum up to 1.
            by: SQL over a frame, such as ``frame_meta.city``; frames with the same value stay together.
            seed: the seed of the order of the groups.
            balance: also give every part its share of the pixels of every class; the masks must have been analysed.
            name: the name of the split.

        Raises:
            UsageError: the shares do not sum up to 1, or ``balance`` is set and no mask has been analysed.
            NotFoundError: no such dataset or version.
            QueryError: ``by`` is refused.
        """
        from masksdb.training.splits import split

        return split(self._engine, dataset, version, parts, by=by, seed=seed, balance=balance, name=name)
