"""Queries as datasets, under the names that ClearML users know: ``DataView``.

Names, arguments and behaviour follow the public documentation of ClearML Hyper-Datasets. A DataView is one
SQL statement over the views of the database (:meth:`DataView.sql`): it holds no data and returns the frames as they are
now. Arguments that only matter with a server (``auto_connect_with_task``, ``query_queue_depth``, ``node_id``,
``cache_in_memory``) are accepted and have no effect; methods that need a server are refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from masksdb.clearml.arguments import Id, one_of
from masksdb.clearml.default_database import OpenDatabase, default_engine
from masksdb.clearml.frame_group import FrameGroup
from masksdb.clearml.single_frame import SingleFrame
from masksdb.clearml.views import definition as view_model
from masksdb.clearml.views import saved as saved_views
from masksdb.clearml.views import sql as view_sql
from masksdb.clearml.views.definition import Definition, IterationOrder, MappingRule, ViewQuery
from masksdb.clearml.views.results import FRAMES_PER_QUERY, ViewResults, view_arrays
from masksdb.clearml.views.saved import SavedView
from masksdb.errors import UnsupportedFormatError, UsageError
from masksdb.store.engine import Engine
from masksdb.training import as_torch
from masksdb.training.settings import VOID

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from masksdb.training.arrays import FrameArrays
    from masksdb.training.settings import Transform
    from masksdb.training.torch_frames import TorchFrames

_KEPT: Any = object()
"""The default of an argument of which None is a value."""


class DataView:
    """The frames of one or more dataset versions that queries select.

    Attributes:
        name: its name, None if it has none.
        id: its key in the table ``dataviews``, None until it is stored.
    """

    RoiQuery = view_model.RoiQuery

    def __init__(
        self,
        name: str | None = None,
        iteration_order: IterationOrder | str = IterationOrder.sequential,
        iteration_infinite: bool = False,
        maximum_number_of_frames: int | None = None,
        auto_connect_with_task: bool | str = True,
        queries: Iterable[ViewQuery] | None = None,
        *,
        iteration_random_seed: int | None = None,
        database: OpenDatabase | None = None,
    ) -> None:
        """A new view, without a query.

        Args:
            name: its name, which it needs to be stored.
            iteration_order: sequential (by context id, then timestamp) or random.
            iteration_infinite: start again after the last frame.
            maximum_number_of_frames: the most frames that it returns.
            auto_connect_with_task: no effect.
            queries: queries of another view.
            iteration_random_seed: the seed of a random order; without it 0.
            database: the database; without it the default one, see :func:`masksdb.set_default`.
        """
        self._opened_engine = None if database is None else database._engine
        self._definition = Definition()
        self.name = name
        self.id: int | None = None
        self.set_iteration_parameters(
            iteration_order, iteration_infinite, maximum_number_of_frames, iteration_random_seed
        )
        for query in queries or ():
            self._append(query)

    def __repr__(self) -> str:
        return f"DataView({self.name!r}, {self._definition.to_json()})"

    @classmethod
    def get(
        cls, dataview_id: Id | None = None, dataview_name: str | None = None, *, database: OpenDatabase | None = None
    ) -> DataView:
        """A stored view, by id or name.

        Raises:
            NotFoundError: no such view; also a ValueError.
            UsageError: neither id nor name is passed, or both.
        """
        key = one_of("dataview_id", dataview_id, "dataview_name", dataview_name)
        if key is None:
            raise UsageError("DataView.get: not named; give dataview_id or dataview_name")
        view = cls(database=database)
        # Callers that pass a name as dataview_id mean the name.
        is_id = dataview_id is not None and str(dataview_id).isdecimal()
        saved = saved_views.find(view._engine, int(key) if is_id else str(key))
        view.id, view.name, view._definition = saved.dataview_id, saved.name, Definition.from_json(saved.definition)
        return view

    def add_query(
        self,
        dataset_id: Id | None = None,
        dataset_name: str | None = None,
        version_id: Id | None = None,
        version_name: str | None = None,
        roi_query: str | Sequence[str] | None = None,
        frame_query: str | None = None,
        source_query: str | None = None,
        weight: float = 1.0,
        *,
        count_range: Sequence[int] | None = None,
        conf_range: Sequence[float] | None = None,
        project_name: str | None = None,
    ) -> ViewQuery:
        """Add the frames that match a query to the view.

        Args:
            dataset_id: the dataset by id, or
            dataset_name: by name; without both, or with ``*``, every dataset that another query names.
            version_id: the version by id, or
            version_name: by name; without both, or with ``*``, every version.
            roi_query: a label, a list of labels that one ROI must all have, or Lucene over one ROI.
            frame_query: Lucene over the frame.
            source_query: Lucene over one source of the frame.
            weight: how often its frames are drawn, relative to those of the other queries.
            count_range: the fewest and most such ROIs in a frame; -1 leaves an end open.
            conf_range: the lowest and highest confidence of such a ROI; -1 leaves an end open.
            project_name: the project that the dataset must be in.

        Raises:
            UsageError: an argument is not valid; for Lucene the message names the column.
        """
        has_rois = roi_query not in (None, "") or (count_range, conf_range) != (None, None)
        rois = (view_model.RoiQuery(roi_query, count_range, conf_range),) if has_rois else ()
        names = (dataset_id, dataset_name, version_id, version_name, project_name)
        return self._append(ViewQuery(*names, rois, frame_query, source_query, weight))

    def add_multi_query(
        self,
        dataset_id: Id | None = None,
        dataset_name: str | None = None,
        version_id: Id | None = None,
        version_name: str | None = None,
        roi_queries: view_model.RoiQuery | Sequence[view_model.RoiQuery | Mapping[str, Any]] = (),
        frame_query: str | None = None,
        source_query: str | None = None,
        weight: float = 1.0,
        *,
        project_name: str | None = None,
    ) -> ViewQuery:
        """Add a query with several rules about ROIs; for every rule the frame must have a ROI that matches.

        Args:
            dataset_id: the dataset by id, as in :meth:`add_query`.
            dataset_name: the dataset by name.
            version_id: the version by id.
            version_name: the version by name.
            roi_queries: the rules, as ``DataView.RoiQuery``, or one.
            frame_query: Lucene over the frame.
            source_query: Lucene over one source of the frame.
            weight: how often its frames are drawn, relative to those of the other queries.
            project_name: the project that the dataset must be in.

        Raises:
            UsageError: an argument is not valid; for Lucene the message names the column.
        """
        rois: Any = roi_queries
        names = (dataset_id, dataset_name, version_id, version_name, project_name)
        return self._append(ViewQuery(*names, rois, frame_query, source_query, weight))

    def _append(self, query: ViewQuery) -> ViewQuery:
        if not isinstance(query, ViewQuery):
            raise UsageError(f"queries: found {type(query).__name__}, expected what get_queries() returns")
        self._changing.queries.append(query)
        return query

    @property
    def _changing(self) -> Definition:
        """The definition, for changes to it.

        Raises:
            UsageError: the view is frozen.
        """
        if self.status == "published":
            raise UsageError(
                f"DataView {self.name!r}: frozen and cannot change; DataView(queries=view.get_queries()) makes another"
            )
        return self._definition

    def add_mapping_rule(
        self,
        from_labels: str | Sequence[str],
        to_label: str,
        dataset_id: Id | None = None,
        dataset_name: str | None = None,
        version_id: Id | None = None,
        version_name: str | None = None,
        project_name: str | None = None,
    ) -> MappingRule:
        """Replace labels of ROIs; queries match the labels before the replacement, label numbers those after it.

        Args:
            from_labels: a label, or labels that a ROI must all have; ``*`` is any label.
            to_label: the label that replaces them.
            dataset_id: the dataset by id that the rule applies to, as in :meth:`add_query`.
            dataset_name: the dataset by name.
            version_id: the version by id.
            version_name: the version by name.
            project_name: the project that the dataset must be in.

        Raises:
            UsageError: an argument is not valid.
        """
        labels = (from_labels,) if isinstance(from_labels, str) else tuple(from_labels)
        names = (dataset_id, dataset_name, version_id, version_name, project_name)
        rule = MappingRule(labels, to_label, *names)
        self._changing.mapping_rules.append(rule)
        return rule

    def get_mapping_rules(self) -> list[MappingRule]:
        """Its mapping rules; if several replace the same label, the first one is used."""
        return list(self._definition.mapping_rules)

    def set_labels(self, label_dict: Mapping[str, int] | None = None, **labels: int) -> None:
        """Set the numbers of labels, as they are after the mapping; a label without a number gets -1.

        Raises:
            UsageError: a number is not a whole number.

        >>> view = DataView()
        >>> view.set_labels({"cat": 1, "dog": 2, "ignore": -1})
        >>> view.get_labels()
        {'cat': 1, 'dog': 2, 'ignore': -1}
        """
        numbers = {**(label_dict or {}), **labels}
        for label, number in numbers.items():
            is_whole = hasattr(number, "__index__") and not isinstance(number, bool)
            if not isinstance(label, str) or not is_whole or not -(1 << 63) <= number < 1 << 63:
                raise UsageError(f"set_labels: found {label!r}: {number!r}, expected a label and a whole number")
        self._changing.labels = {label: int(number) for label, number in numbers.items()}

    def get_labels(self) -> dict[str, int]:
        """The numbers of the labels, by label."""
        return dict(self._definition.labels)

    def set_iteration_parameters(
        self,
        order: IterationOrder | str | None = None,
        infinite: bool | None = None,
        maximum_number_of_frames: int | None = _KEPT,
        random_seed: int | None = None,
    ) -> None:
        """Set the order of the frames and how many there are; arguments that are left out change nothing.

        Args:
            order: sequential (by context id, then timestamp) or random.
            infinite: never end: a sequential order starts again, a random one draws frames by the weights.
            maximum_number_of_frames: the most frames that the view returns; None is no limit.
            random_seed: the seed of a random order.

        Raises:
            UsageError: an argument is not valid.
        """
        chosen = self._changing
        if order is not None:
            try:
                chosen.order = IterationOrder(order)
            except ValueError:
                raise UsageError(f"order: found {order!r}, expected 'sequential' or 'random'") from None
        if infinite is not None:
            chosen.infinite = bool(infinite)
        if maximum_number_of_frames is not _KEPT:
            limit = maximum_number_of_frames
            if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 0):
                raise UsageError(f"maximum_number_of_frames: found {limit!r}, expected a number of frames")
            chosen.maximum_number_of_frames = limit
        if random_seed is not None:
            if not hasattr(random_seed, "__index__"):
                raise UsageError(f"random_seed: found {random_seed!r}, expected a whole number")
            chosen.random_seed = int(random_seed)

    def get_iteration_parameters(self) -> dict[str, Any]:
        """The parameters set by :meth:`set_iteration_parameters`, by name."""
        chosen = self._definition
        return {
            "order": chosen.order,
            "infinite": chosen.infinite,
            "maximum_number_of_frames": chosen.maximum_number_of_frames,
            "random_seed": chosen.random_seed,
        }

    def store(self, name: str | None = None) -> int:
        """Save the view in the database, in place of a view of its name; returns its id.

        Args:
            name: its new name; without it its present one.

        Raises:
            UsageError: it has no name, no query, or a frozen view has that name.
            NotFoundError: it names a dataset or version that does not exist.
        """
        new_name = self.name if name is None else name
        if new_name is None:
            raise UsageError("DataView: stored under its name, and it has none; give it one")
        self.id = saved_views.save(self._engine, new_name, self._definition, self.sql())
        self.name = new_name
        return self.id

    def freeze(self) -> str:
        """Store the view with a hash of its result, and refuse later changes to its definition; returns the hash.

        The hash covers the ids and contents of the frames, the label mappings of their versions, and the mapping
        rules, label numbers and order of the view; it does not cover pixels.
        """
        digest = saved_views.result_hash(self._engine, self._definition)
        saved_views.freeze(self._engine, self.store(), digest)
        return digest

    def is_unchanged(self) -> bool | None:
        """Whether the view still has the result that it was frozen with; None if it is not frozen."""
        row = self._row()
        if row is None or row.frozen_hash is None:
            return None
        return row.frozen_hash == saved_views.result_hash(self._engine, self._definition)

    def _row(self) -> SavedView | None:
        return None if self.id is None else saved_views.find(self._engine, self.id)

    @property
    def status(self) -> str:
        """``published`` once it is frozen, else ``draft``."""
        row = self._row()
        return "draft" if row is None or row.frozen_hash is None else "published"

    @property
    def _engine(self) -> Engine:
        # A view whose frames are never read opens no database.
        if self._opened_engine is None:
            self._opened_engine = default_engine()
        return self._opened_engine

    @property
    def _results(self) -> ViewResults:
        return ViewResults(self._engine, self._definition)

    def get_queries(self) -> list[ViewQuery]:
        """Its queries, in the order they were added."""
        return list(self._definition.queries)

    def definition(self) -> str:
        """Its queries, mapping rules, label numbers and order as JSON text."""
        return self._definition.to_json()

    def sql(self) -> str:
        """The SQL statement that selects the frames; :meth:`parameters` returns its values.

        For a random view that never ends it is the statement of the first draws.
        """
        return self._results.statement()[0]

    def parameters(self) -> dict[str, Any]:
        """The values of the statement of :meth:`sql`, by name."""
        return self._results.statement()[1]

    def relation(self) -> duckdb.DuckDBPyRelation:
        """The frames as a DuckDB relation with the columns of :meth:`sql`; each once, also in an infinite view."""
        return self._results.relation()

    def arrow(self) -> pa.Table:
        """The view as an Arrow table, in its order: one row per source of a frame, each frame once.

        A frame without sources has one row too. Columns:

        * ``place`` int64: the place of the frame in the view, from 0; ``query_index`` int32: the query that it matches;
        * ``dataset``, ``version`` string, ``version_id``, ``frame_key`` int64, ``frame_id``, ``context_id`` string,
          ``timestamp`` int64;
        * ``source_index`` int32, ``source_id``, ``source_uri`` (resolved), ``content_type`` string,
          ``source_timestamp`` int64, ``width``, ``height`` int32;
        * ``masks``: list of struct: ``mask_index`` int32, ``mask_id`` string, ``mask`` struct as the SQL functions over
          pixels take it (``uri`` string, resolved, ``content_type`` string, ``timestamp`` int64);
        * ``rois``: list of struct, one item per ROI and mask of this source that the ROI is in: ``roi_index``,
          ``mask_index`` int32 (NULL where the ROI is in no mask), ``roi_id`` string, ``labels``, ``class_labels`` list
          of string (mapped; the latter name the class of the region), ``class_number`` int64 (the number of
          the class labels by ``set_labels``, else -1), ``mask_id`` string, ``mask_value`` list of int32, ``confidence``
          double, ``is_crowd`` bool, ``rle`` struct (``size`` list of int32, ``counts`` string), ``poly`` list of
          double;
        * ``segments``: list of struct, one item per pixel value in the version's ``mask_labels``: ``mask_index`` int32,
          ``mask_id`` string, ``mask_value`` list of int32, ``labels`` list of string (mapped), ``class_number`` int64.
        """
        return self._results.arrow()

    def arrays(
        self,
        mask: str | None = None,
        *,
        void: int = VOID,
        images: bool = True,
        crop: tuple[int, ...] | None = None,
        size: tuple[int, int] | None = None,
        seed: int = 0,
    ) -> FrameArrays:
        """The frames as numpy arrays for training, by index: the image of a source and the class number of each pixel.

        ``mask`` is the id of the only masks to read; without it all are read. The other parameters are those of
        :meth:`masksdb.Database.arrays`.

        Raises:
            UsageError: no label has a number.
        """
        from masksdb.training.arrays import Options

        options = Options(void, images, crop, size, seed)
        return view_arrays(self._engine, self._definition, mask, options)

    def torch_dataset(
        self,
        mask: str | None = None,
        *,
        void: int = VOID,
        images: bool = True,
        crop: tuple[int, ...] | None = None,
        size: tuple[int, int] | None = None,
        seed: int = 0,
        transform: Transform | None = None,
    ) -> TorchFrames:
        """The frames as a ``torch.utils.data.Dataset``; parameters as in :meth:`arrays`.

        Its items and ``transform`` are described at :meth:`masksdb.Database.torch_dataset`.

        Raises:
            UsageError: torch is not installed, or no label has a number.
        """
        arrays = self.arrays(mask, void=void, images=images, crop=crop, size=size, seed=seed)
        return as_torch(arrays, transform)

    def get_count(self) -> tuple[int, list[int]]:
        """The number of frames of the view, each counted once, and the number of frames of each query."""
        return view_sql.counts(self._engine, self._definition)

    def get_iterator(
        self,
        projection: Sequence[str] | None = None,
        query_cache_size: int | None = None,
        query_queue_depth: int = 5,
        allow_repetition: bool = False,
        auto_synthetic_epoch_limit: bool | None = None,
        node_id: int | None = None,
        worker_index: int | None = None,
        num_workers: int | None = None,
        cache_in_memory: bool = False,
    ) -> Iterator[Any]:
        """The frames one by one, as SingleFrames and FrameGroups.

        Args:
            projection: return dicts with only these fields, such as ``"sources.uri"``.
            query_cache_size: how many frames are read at once; without it 1000.
            query_queue_depth: no effect.
            allow_repetition: draw frames by the weights, as many as the largest query needs to come to all its frames
                on average.
            auto_synthetic_epoch_limit: the same as ``allow_repetition``.
            node_id: no effect.
            worker_index: return every ``num_workers``-th frame, starting with this one.
            num_workers: the number of workers that share the frames.
            cache_in_memory: no effect.

        Raises:
            UsageError: an argument is not valid.
        """
        for name, number in (("query_cache_size", query_cache_size), ("num_workers", num_workers)):
            if number is not None and number < 1:
                raise UsageError(f"{name}: found {number}, expected 1 or more")
        if worker_index is not None and not 0 <= worker_index < (num_workers or 0):
            raise UsageError(f"worker_index: found {worker_index}, expected a number from 0 below num_workers")
        is_drawn = allow_repetition or bool(auto_synthetic_epoch_limit)
        keys = self._results.keys(is_infinite=self._definition.infinite and not is_drawn, is_drawn=is_drawn)
        if num_workers is not None:
            keys = itertools.islice(keys, worker_index or 0, None, num_workers)
        return self._results.frames(keys, _checked(projection), query_cache_size or FRAMES_PER_QUERY)

    def __iter__(self) -> Iterator[SingleFrame | FrameGroup]:
        return self.get_iterator()

    def to_list(self, allow_repetition: bool = False) -> list[SingleFrame | FrameGroup]:
        """All frames, each once, even if the view is infinite.

        Args:
            allow_repetition: draw frames by the weights, as in :meth:`get_iterator`.
        """
        keys = self._results.keys(is_infinite=False, is_drawn=allow_repetition)
        return list(self._results.frames(keys))

    def to_dict(self, projection: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """All frames, each once, as dicts: the JSON object of the frame, and ``dataset`` with its ids and names.

        Args:
            projection: the only fields to return, sub-fields after a dot: ``["id", "dataset.id", "sources"]``.
        """
        keys = self._results.keys(is_infinite=False, is_drawn=False)
        return list(self._results.frames(keys, _checked(projection) or ["*"]))

    def prefetch_files(self, *_arguments: Any, **_named: Any) -> NoReturn:
        """Not supported: files are read where they are, when they are needed."""
        raise UnsupportedFormatError("DataView.prefetch_files: not supported; files are read where they are")

    def split_to_lists(self, *_arguments: Any, **_named: Any) -> NoReturn:
        """Not supported: use queries, one view for each part."""
        raise UnsupportedFormatError("DataView.split_to_lists: not supported; make a view for each part")


def _checked(projection: Sequence[str] | None) -> Sequence[str] | None:
    if isinstance(projection, str):
        raise UsageError(f"projection: found {projection!r}, expected a list of fields")
    return projection
