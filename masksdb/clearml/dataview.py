"""Queries as datasets, under the names that ClearML users know: ``DataView``.

Names, arguments and behaviour follow the public documentation of ClearML Hyper-Datasets. A view is one SQL statement
over our views (:meth:`DataView.sql`): it holds no data and shows the frames as they are now. Arguments that only mean
something with a server (``auto_connect_with_task``, ``query_queue_depth``, ``node_id``, ``cache_in_memory``) are taken
and have no effect; calls that do are refused.
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
    from masksdb.training.torch_frames import TorchFrames

_KEPT: Any = object()


class DataView:
    """Frames of one or more dataset versions, as queries find them.

    Attributes:
        name: what it is called.
        id: its key in the table ``dataviews``, None before it is stored.
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
            name: what it is called; needed to store it.
            iteration_order: sequential, by context and time, or random.
            iteration_infinite: give frames again and again.
            maximum_number_of_frames: give so many at most.
            auto_connect_with_task: no effect.
            queries: queries of another view.
            iteration_random_seed: what a random order follows from; without it 0.
            database: the database; without it the default one, see :func:`masksdb.set_default`.
        """
        self._given_engine = None if database is None else database._engine
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
            UsageError: neither or both are given.
        """
        wanted = one_of("dataview_id", dataview_id, "dataview_name", dataview_name)
        if wanted is None:
            raise UsageError("DataView.get: not named; give dataview_id or dataview_name")
        view = cls(database=database)
        # An id is often given as a name, for names are what people see.
        is_id = dataview_id is not None and str(dataview_id).isdecimal()
        found = saved_views.find(view._engine, int(wanted) if is_id else str(wanted))
        view.id, view.name, view._definition = found.dataview_id, found.name, Definition.from_json(found.definition)
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
        """Add the frames for which a query holds to the view.

        Args:
            dataset_id: the dataset by id, or
            dataset_name: by name; neither, or ``*``, is every dataset that another query names.
            version_id: the version by id, or
            version_name: by name; neither, or ``*``, is every version.
            roi_query: a label, a list of labels that one ROI has all of, or Lucene over one ROI.
            frame_query: Lucene over the frame.
            source_query: Lucene over one source of the frame.
            weight: how often its frames come, compared with those of the other queries.
            count_range: least and most of such ROIs in a frame; -1 leaves an end open.
            conf_range: least and greatest confidence of such a ROI; -1 leaves an end open.
            project_name: the project that the dataset is in.

        Raises:
            UsageError: an argument is not what it should be; of Lucene with the column.
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
        """Add a query with several rules about ROIs, which must all hold, each of some ROI of the frame.

        Args:
            dataset_id: as in :meth:`add_query`, and so are the others but
            dataset_name: by name.
            version_id: by id.
            version_name: by name.
            roi_queries: the rules, as ``DataView.RoiQuery``, or one.
            frame_query: Lucene over the frame.
            source_query: Lucene over one source.
            weight: how often its frames come.
            project_name: the project that the dataset is in.
        """
        rois: Any = roi_queries
        names = (dataset_id, dataset_name, version_id, version_name, project_name)
        return self._append(ViewQuery(*names, rois, frame_query, source_query, weight))

    def _append(self, query: ViewQuery) -> ViewQuery:
        if not isinstance(query, ViewQuery):
            raise UsageError(f"queries: found {type(query).__name__}, expected what get_queries() gives")
        self._changing.queries.append(query)
        return query

    @property
    def _changing(self) -> Definition:
        """The definition, to be changed.

        Raises:
            UsageError: the view is frozen.
        """
        if self.status == "published":
            raise UsageError(
                f"DataView {self.name!r}: frozen, so that it stays; DataView(queries=view.get_queries()) makes another"
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
        """Give ROIs another label: queries still look at the first ones, numbers at the new ones.

        Args:
            from_labels: a label, or labels that a ROI must have all of; ``*`` is any.
            to_label: what it has in their place.
            dataset_id: where the rule holds, as in :meth:`add_query`.
            dataset_name: by name.
            version_id: by id.
            version_name: by name.
            project_name: the project that the dataset is in.
        """
        labels = (from_labels,) if isinstance(from_labels, str) else tuple(from_labels)
        names = (dataset_id, dataset_name, version_id, version_name, project_name)
        rule = MappingRule(labels, to_label, *names)
        self._changing.mapping_rules.append(rule)
        return rule

    def get_mapping_rules(self) -> list[MappingRule]:
        """Its mapping rules; of several that name a label, the first counts."""
        return list(self._definition.mapping_rules)

    def set_labels(self, label_dict: Mapping[str, int] | None = None, **labels: int) -> None:
        """Number the labels, as they are after the mapping; a label without a number is -1.

        Raises:
            UsageError: a number is none.

        >>> view = DataView()
        >>> view.set_labels({"cat": 1, "dog": 2, "ignore": -1})
        >>> view.get_labels()
        {'cat': 1, 'dog': 2, 'ignore': -1}
        """
        given = {**(label_dict or {}), **labels}
        for label, number in given.items():
            is_whole = hasattr(number, "__index__") and not isinstance(number, bool)
            if not isinstance(label, str) or not is_whole or not -(1 << 63) <= number < 1 << 63:
                raise UsageError(f"set_labels: found {label!r}: {number!r}, expected a label and a whole number")
        self._changing.labels = {label: int(number) for label, number in given.items()}

    def get_labels(self) -> dict[str, int]:
        """The numbers of the labels."""
        return dict(self._definition.labels)

    def set_iteration_parameters(
        self,
        order: IterationOrder | str | None = None,
        infinite: bool | None = None,
        maximum_number_of_frames: int | None = _KEPT,
        random_seed: int | None = None,
    ) -> None:
        """Say in which order frames come, and how many; what is not given stays as it is.

        Args:
            order: sequential (by context id, then timestamp) or random.
            infinite: give frames again and again: all in turn, or in a random order each drawn by the weights.
            maximum_number_of_frames: give so many at most; None is no limit.
            random_seed: what a random order follows from.

        Raises:
            UsageError: an argument is not what it should be.
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
        """What :meth:`set_iteration_parameters` has set."""
        chosen = self._definition
        return {
            "order": chosen.order,
            "infinite": chosen.infinite,
            "maximum_number_of_frames": chosen.maximum_number_of_frames,
            "random_seed": chosen.random_seed,
        }

    def store(self, name: str | None = None) -> int:
        """Save the view in the database, in place of what had its name; its id.

        Args:
            name: what it is called from now on.

        Raises:
            UsageError: it has no name, no query, or a frozen view has that name.
            NotFoundError: it names a dataset or version that is not there.
        """
        wanted = self.name if name is None else name
        if wanted is None:
            raise UsageError("DataView: stored under its name, and it has none; give it one")
        self.id = saved_views.save(self._engine, wanted, self._definition, self.sql())
        self.name = wanted
        return self.id

    def freeze(self) -> str:
        """Store the view and keep the hash of what it gives, which this is; from then on its definition stays.

        See :func:`masksdb.clearml.views.saved.result_hash` for what the hash covers.
        """
        found = saved_views.result_hash(self._engine, self._definition)
        saved_views.freeze(self._engine, self.store(), found)
        return found

    def is_unchanged(self) -> bool | None:
        """Whether the view still gives what it gave when it was frozen; None where it is not frozen."""
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
        # A view that is only described opens no database.
        if self._given_engine is None:
            self._given_engine = default_engine()
        return self._given_engine

    @property
    def _results(self) -> ViewResults:
        return ViewResults(self._engine, self._definition)

    def get_queries(self) -> list[ViewQuery]:
        """Its queries, in the order in which they were added."""
        return list(self._definition.queries)

    def definition(self) -> str:
        """What it asks for, as JSON text."""
        return self._definition.to_json()

    def sql(self) -> str:
        """The statement that finds the frames; :meth:`parameters` has its values.

        Of a view that draws frames at random again and again, it is the statement of the first draws.
        """
        return self._results.statement()[0]

    def parameters(self) -> dict[str, Any]:
        """The values of :meth:`sql`, by name."""
        return self._results.statement()[1]

    def relation(self) -> duckdb.DuckDBPyRelation:
        """The frames as a DuckDB relation: what :meth:`sql` gives, each frame once also where the view is infinite."""
        return self._results.relation()

    def arrow(self) -> pa.Table:
        """The view as an Arrow table: one row per frame, each once, and source, in the view's order.

        A frame without sources has one row too. Columns:

        * ``place`` int64: the frame's place in the view, from 0; ``query_index`` int32: the query that it is from;
        * ``dataset``, ``version`` string, ``version_id``, ``frame_key`` int64, ``frame_id``, ``context_id`` string,
          ``timestamp`` int64;
        * ``source_index`` int32, ``source_id``, ``source_uri`` (resolved), ``content_type`` string,
          ``source_timestamp`` int64, ``width``, ``height`` int32;
        * ``masks``: list of struct: ``mask_index`` int32, ``mask_id`` string, ``mask`` struct as the functions over
          pixels take it (``uri`` string, resolved, ``content_type`` string, ``timestamp`` int64);
        * ``rois``: list of struct, one item per ROI and mask of this source that it is in: ``roi_index``,
          ``mask_index`` int32 (NULL where the ROI is in no mask), ``roi_id`` string, ``labels``, ``class_labels`` list
          of string (mapped; the latter say what the region is), ``class_number`` int64 (what ``set_labels`` says of the
          class labels, else -1), ``mask_id`` string, ``mask_value`` list of int32, ``confidence`` double, ``is_crowd``
          bool, ``rle`` struct (``size`` list of int32, ``counts`` string), ``poly`` list of double;
        * ``segments``: list of struct, what the version's ``mask_labels`` say of pixel values: ``mask_index`` int32,
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
        """The frames as numpy arrays for training, by index: each source's image, and the number of each pixel's class.

        Args:
            mask: id of the only masks to read; without it all are read.
            void: the number of pixels that no label explains, or one whose number is negative.
            images: read the image too, not the class mask alone.
            crop: (height, width) at a random place, or (x, y, height, width).
            size: (height, width) that the image or its crop is scaled to; each pixel is the nearest one of before.
            seed: what random crops follow from, beside the epoch and the index of the frame.

        Raises:
            UsageError: no label has a number.
        """
        from masksdb.training.arrays import Options

        options = Options(void=void, images=images, crop=crop, size=size, seed=seed)
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
    ) -> TorchFrames:
        """What :meth:`arrays` gives as a torch dataset; see :class:`masksdb.training.torch_frames.TorchFrames`.

        Raises:
            UsageError: torch is not installed, or no label has a number.
        """
        return as_torch(self.arrays(mask, void=void, images=images, crop=crop, size=size, seed=seed))

    def get_count(self) -> tuple[int, list[int]]:
        """How many frames the queries find, each once, and how many each of them finds."""
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
            projection: give dicts instead, with these fields (``"sources.uri"``) only.
            query_cache_size: frames that are read at once.
            query_queue_depth: no effect.
            allow_repetition: draw frames by the weights, so many that the query with most frames may give all of them.
            auto_synthetic_epoch_limit: the same.
            node_id: no effect.
            worker_index: give every ``num_workers``-th frame, beginning with this one.
            num_workers: among how many the frames are shared.
            cache_in_memory: no effect.
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
        """All frames, each once also where the view is infinite.

        Args:
            allow_repetition: draw them by the weights, as in :meth:`get_iterator`.
        """
        keys = self._results.keys(is_infinite=False, is_drawn=allow_repetition)
        return list(self._results.frames(keys))

    def to_dict(self, projection: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """All frames, each once, as dicts: the frame's JSON object and ``dataset``, which has ids and names.

        Args:
            projection: fields and sub-fields, separated by dots: ``["id", "dataset.id", "sources"]``.
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
