"""Queries as datasets, under the names that ClearML users know: ``DataView``.

Names, arguments and behaviour follow the public documentation of ClearML Hyper-Datasets. A view is one SQL statement
over our views (:meth:`DataView.sql`): it holds no data and shows the frames as they are now. Arguments that only mean
something with a server (``auto_connect_with_task``, ``query_queue_depth``, ``node_id``, ``cache_in_memory``) are taken
and have no effect; calls that do are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from masksdb.clearml.default_database import OpenDatabase
from masksdb.clearml.views import definition as view_model
from masksdb.clearml.views import saved as saved_views
from masksdb.clearml.views.definition import Definition, Id, IterationOrder, MappingRule, ViewQuery
from masksdb.clearml.views.results import BoundView
from masksdb.clearml.views.saved import SavedView
from masksdb.errors import UnsupportedFormatError, UsageError
from masksdb.store.catalog import one_of

_KEPT: Any = object()


class DataView(BoundView):
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
        super().__init__(None if database is None else database._engine, Definition())
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

    def prefetch_files(self, *_: Any, **__: Any) -> NoReturn:
        """Not supported: files are read where they are, when they are needed."""
        raise UnsupportedFormatError("DataView.prefetch_files: not supported; files are read where they are")

    def split_to_lists(self, *_: Any, **__: Any) -> NoReturn:
        """Not supported: use queries, one view for each part."""
        raise UnsupportedFormatError("DataView.split_to_lists: not supported; make a view for each part")
