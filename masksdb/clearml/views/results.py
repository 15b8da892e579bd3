"""One view in one database: its frames as SQL, objects, dicts and Arrow, a chunk at a time in memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from masksdb.clearml.default_database import default_engine
from masksdb.clearml.frame_group import FrameGroup
from masksdb.clearml.single_frame import SingleFrame
from masksdb.clearml.views import sql as view_sql
from masksdb.clearml.views.definition import Definition, IterationOrder, ViewQuery
from masksdb.clearml.views.frames import Key, ViewedFrame, frames_of, project
from masksdb.errors import UsageError
from masksdb.store.engine import Engine
from masksdb.store.sql import Statement, statement
from masksdb.training import as_torch
from masksdb.training.arrays import FrameArrays, Options

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from masksdb.training.torch_frames import TorchFrames


def view_arrays(engine: Engine, definition: Definition, mask: str | None, **options: Any) -> FrameArrays:
    """The frames of a view, each once and in its order: one item for each source.

    Args:
        engine: the database.
        definition: the view, whose label numbers are the classes.
        mask: id of the masks to look at alone; None looks at all.
        options: see :class:`Options`.

    Raises:
        UsageError: no label has a number, or no mask the id.
    """
    if not definition.labels:
        raise UsageError(
            "DataView: no label has a number, so that there are no classes; give numbers with set_labels()"
        )
    chosen = Options(**options)
    made = view_sql.selected(engine, definition)
    view_sql.add_rows(made, engine, definition)
    made.tables["items"] = statement("training/view_items").rstrip()
    text = made.text("SELECT * EXCLUDE (place, source_index) FROM items ORDER BY place, source_index")
    with engine.reading() as cursor:
        if mask is not None:
            rows = cursor.execute("SELECT DISTINCT mask_id FROM masks ORDER BY ALL").fetchall()
            known = [name for (name,) in rows]
            if mask not in known:
                raise UsageError(f"mask {mask!r}: no mask has this id; found {', '.join(map(repr, known)) or 'none'}")
        items = cursor.sql(text, params={**made.values.bound, "mask": mask}).to_arrow_table()
    return FrameArrays(items, chosen, engine.settings.prefixes, engine.settings.pixel_limit)


FRAMES_PER_QUERY = 1000

DRAWS_PER_QUERY = 100_000


class BoundView:
    """A view in the database that its frames come from."""

    def __init__(self, engine: Engine | None, definition: Definition) -> None:
        self._given_engine = engine
        self._definition = definition

    @property
    def _engine(self) -> Engine:
        # A view that is only described opens no database.
        if self._given_engine is None:
            self._given_engine = default_engine()
        return self._given_engine

    def get_queries(self) -> list[ViewQuery]:
        """Its queries, in the order in which they were added."""
        return list(self._definition.queries)

    def definition(self) -> str:
        """What it asks for, as JSON text."""
        return self._definition.to_json()

    @property
    def _is_drawn(self) -> bool:
        return self._definition.infinite and self._definition.order == IterationOrder.random

    def _statement(self) -> tuple[str, dict[str, Any]]:
        limit = self._definition.maximum_number_of_frames
        if self._is_drawn:
            draws = DRAWS_PER_QUERY if limit is None else min(limit, DRAWS_PER_QUERY)
            made = view_sql.drawn(self._engine, self._definition, 0, draws)
        else:
            made = view_sql.selected(self._engine, self._definition)
        return made.text(statement("clearml/views/frames")), made.values.bound

    def sql(self) -> str:
        """The statement that finds the frames; :meth:`parameters` has its values.

        Of a view that draws frames at random again and again, it is the statement of the first draws.
        """
        return self._statement()[0]

    def parameters(self) -> dict[str, Any]:
        """The values of :meth:`sql`, by name."""
        return self._statement()[1]

    def relation(self) -> duckdb.DuckDBPyRelation:
        """The frames as a DuckDB relation: what :meth:`sql` gives, each frame once also where the view is infinite."""
        made = view_sql.selected(self._engine, self._definition)
        with self._engine.errors():
            return self._engine.cursor().sql(made.text(statement("clearml/views/frames")), params=made.values.bound)

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
        made = view_sql.selected(self._engine, self._definition)
        view_sql.add_rows(made, self._engine, self._definition)
        text = made.text("SELECT * FROM rows ORDER BY place, source_index")
        with self._engine.reading() as cursor:
            return cursor.sql(text, params=made.values.bound).to_arrow_table()

    def arrays(self, mask: str | None = None, **options: Any) -> FrameArrays:
        """The frames as numpy arrays for training, by index: each source's image, and the number of each pixel's class.

        Args:
            mask: id of the masks to look at alone; without it all.
            options: ``void``, ``images``, ``crop``, ``size``, ``seed``: :class:`masksdb.training.arrays.Options`.

        Raises:
            UsageError: no label has a number.
        """
        return view_arrays(self._engine, self._definition, mask, **options)

    def torch_dataset(self, mask: str | None = None, **options: Any) -> TorchFrames:
        """What :meth:`arrays` gives as a torch dataset; see :class:`masksdb.training.torch_frames.TorchFrames`."""
        return as_torch(self.arrays(mask, **options))

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
        for name, given in (("query_cache_size", query_cache_size), ("num_workers", num_workers)):
            if given is not None and given < 1:
                raise UsageError(f"{name}: found {given}, expected 1 or more")
        if worker_index is not None and not 0 <= worker_index < (num_workers or 0):
            raise UsageError(f"worker_index: found {worker_index}, expected a number from 0 below num_workers")
        is_drawn = allow_repetition or bool(auto_synthetic_epoch_limit)
        keys = self._keys(is_infinite=self._definition.infinite and not is_drawn, is_drawn=is_drawn)
        if num_workers is not None:
            keys = itertools.islice(keys, worker_index or 0, None, num_workers)
        return self._frames(keys, _checked(projection), query_cache_size or FRAMES_PER_QUERY)

    def __iter__(self) -> Iterator[SingleFrame | FrameGroup]:
        return self.get_iterator()

    def to_list(self, allow_repetition: bool = False) -> list[SingleFrame | FrameGroup]:
        """All frames, each once also where the view is infinite.

        Args:
            allow_repetition: draw them by the weights, as in :meth:`get_iterator`.
        """
        keys = self._keys(is_infinite=False, is_drawn=allow_repetition)
        return list(self._frames(keys, None, FRAMES_PER_QUERY))

    def to_dict(self, projection: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """All frames, each once, as dicts: the frame's JSON object and ``dataset``, which has ids and names.

        Args:
            projection: fields and sub-fields, separated by dots: ``["id", "dataset.id", "sources"]``.
        """
        keys = self._keys(is_infinite=False, is_drawn=False)
        return list(self._frames(keys, _checked(projection) or ["*"], FRAMES_PER_QUERY))

    def _keys(self, *, is_infinite: bool, is_drawn: bool) -> Iterator[Key]:
        limit = self._definition.maximum_number_of_frames
        if is_drawn and not is_infinite:
            epoch = self._epoch_length()
            limit = epoch if limit is None else min(limit, epoch)
        if is_drawn or (is_infinite and self._is_drawn):
            found = self._drawn_keys()
        elif is_infinite:
            found = self._repeated_keys()
        else:
            return self._read(view_sql.selected(self._engine, self._definition))
        return itertools.islice(found, limit)

    def _epoch_length(self) -> int:
        """So many draws that the query with most frames comes to all of them, on average."""
        _, found = self.get_count()
        weights = [query.weight if count else 0.0 for query, count in zip(self.get_queries(), found, strict=True)]
        largest = found.index(max(found))
        return math.ceil(found[largest] * sum(weights) / weights[largest]) if found[largest] else 0

    def _drawn_keys(self) -> Iterator[Key]:
        first_draw, draws = 0, FRAMES_PER_QUERY
        while chunk := list(self._read(view_sql.drawn(self._engine, self._definition, first_draw, draws))):
            yield from chunk
            # Each statement finds all frames anew, so a long iteration draws more at once.
            first_draw, draws = first_draw + draws, min(10 * draws, DRAWS_PER_QUERY)

    def _repeated_keys(self) -> Iterator[Key]:
        while chunk := list(self._read(view_sql.selected(self._engine, self._definition, with_limit=False))):
            yield from chunk

    def _read(self, made: Statement) -> Iterator[Key]:
        # Columns of numbers: sixteen bytes a frame, whatever is in it.
        with self._engine.reading() as cursor:
            table: Any = cursor.sql(
                made.text(statement("clearml/views/keys")), params=made.values.bound
            ).to_arrow_table()
        for batch in table.to_batches(max_chunksize=FRAMES_PER_QUERY):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def _frames(self, keys: Iterator[Key], projection: Sequence[str] | None, at_once: int) -> Iterator[Any]:
        labels = view_sql.label_values(self._engine, self._definition)
        prefixes = self._engine.settings.prefixes

        def shown(frame: ViewedFrame) -> Any:
            return frame.to_object(prefixes) if projection is None else project(frame.to_dict(), projection)

        while chunk := list(itertools.islice(keys, at_once)):
            yield from map(shown, frames_of(self._engine, chunk, labels))


def _checked(projection: Sequence[str] | None) -> Sequence[str] | None:
    if isinstance(projection, str):
        raise UsageError(f"projection: found {projection!r}, expected a list of fields")
    return projection
