"""The result of a view in one database: its frames as SQL, objects, dicts and Arrow."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from masksdb.clearml.views import sql as view_sql
from masksdb.clearml.views.definition import Definition, IterationOrder
from masksdb.clearml.views.frames import Key, ViewedFrame, frames_of, project
from masksdb.errors import UsageError
from masksdb.store.engine import Engine
from masksdb.store.sql import Statement, statement
from masksdb.training.arrays import FrameArrays, Options

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


FRAMES_PER_QUERY = 1000
"""How many frames are read at once, unless the caller says otherwise."""

DRAWS_PER_QUERY = 100_000
"""The most frames that one statement draws."""


class ViewResults:
    """The result of a view in one database; frames are read a chunk at a time."""

    def __init__(self, engine: Engine, definition: Definition) -> None:
        self._engine = engine
        self._definition = definition

    @property
    def _is_drawn(self) -> bool:
        return self._definition.infinite and self._definition.order == IterationOrder.random

    def statement(self) -> tuple[str, dict[str, Any]]:
        """The statement that selects the frames, and its values; for endless random draws that of the first draws."""
        limit = self._definition.maximum_number_of_frames
        if self._is_drawn:
            draws = DRAWS_PER_QUERY if limit is None else min(limit, DRAWS_PER_QUERY)
            query = view_sql.drawn(self._engine, self._definition, 0, draws)
        else:
            query = view_sql.selected(self._engine, self._definition)
        return query.text(statement("clearml/views/frames")), query.values.bound

    def relation(self) -> duckdb.DuckDBPyRelation:
        """The frames as a DuckDB relation; see :meth:`masksdb.DataView.relation`."""
        query = view_sql.selected(self._engine, self._definition)
        with self._engine.errors():
            return self._engine.cursor().sql(query.text(statement("clearml/views/frames")), params=query.values.bound)

    def arrow(self) -> pa.Table:
        """One row per source of a frame; see :meth:`masksdb.DataView.arrow`."""
        query = view_sql.selected(self._engine, self._definition)
        view_sql.add_rows(query, self._engine, self._definition)
        text = query.text("SELECT * FROM rows ORDER BY place, source_index")
        with self._engine.reading() as cursor:
            return cursor.sql(text, params=query.values.bound).to_arrow_table()

    def keys(self, *, is_infinite: bool, is_drawn: bool) -> Iterator[Key]:
        """The keys of the frames in their order: each once, or over and over, or drawn by the weights."""
        limit = self._definition.maximum_number_of_frames
        if is_drawn and not is_infinite:
            epoch = self._epoch_length()
            limit = epoch if limit is None else min(limit, epoch)
        if is_drawn or (is_infinite and self._is_drawn):
            keys = self._drawn_keys()
        elif is_infinite:
            keys = self._repeated_keys()
        else:
            return self._read(view_sql.selected(self._engine, self._definition))
        return itertools.islice(keys, limit)

    def _epoch_length(self) -> int:
        """How many draws the largest query needs to come to all its frames, on average."""
        _, counts = view_sql.counts(self._engine, self._definition)
        queries = self._definition.queries
        weights = [query.weight if count else 0.0 for query, count in zip(queries, counts, strict=True)]
        largest = counts.index(max(counts))
        return math.ceil(counts[largest] * sum(weights) / weights[largest]) if counts[largest] else 0

    def _drawn_keys(self) -> Iterator[Key]:
        first_draw, draws = 0, FRAMES_PER_QUERY
        while chunk := list(self._read(view_sql.drawn(self._engine, self._definition, first_draw, draws))):
            yield from chunk
            # Each statement selects all frames again, so a long iteration draws more at once.
            first_draw, draws = first_draw + draws, min(10 * draws, DRAWS_PER_QUERY)

    def _repeated_keys(self) -> Iterator[Key]:
        while chunk := list(self._read(view_sql.selected(self._engine, self._definition, with_limit=False))):
            yield from chunk

    def _read(self, query: Statement) -> Iterator[Key]:
        # Two columns of numbers: sixteen bytes a frame, so all keys fit in memory.
        with self._engine.reading() as cursor:
            text = query.text(statement("clearml/views/keys"))
            table: Any = cursor.sql(text, params=query.values.bound).to_arrow_table()
        for batch in table.to_batches(max_chunksize=FRAMES_PER_QUERY):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def frames(
        self, keys: Iterator[Key], projection: Sequence[str] | None = None, at_once: int = FRAMES_PER_QUERY
    ) -> Iterator[Any]:
        """The frames with these keys as objects, or as dicts with the fields of a projection."""
        labels = view_sql.label_values(self._engine, self._definition)
        prefixes = self._engine.settings.prefixes

        def shown(frame: ViewedFrame) -> Any:
            return frame.to_object(prefixes) if projection is None else project(frame.to_dict(), projection)

        while chunk := list(itertools.islice(keys, at_once)):
            yield from map(shown, frames_of(self._engine, chunk, labels))


def view_arrays(engine: Engine, definition: Definition, mask: str | None, options: Options) -> FrameArrays:
    """The frames of a view, each once and in its order: one item per source.

    Args:
        engine: the database.
        definition: the view, whose label numbers are the classes.
        mask: id of the only masks to read; None reads all.
        options: which parts of a frame are read, and how.

    Raises:
        UsageError: no label has a number, or no mask has the id.
    """
    if not definition.labels:
        raise UsageError("DataView: no label has a number, so there are no classes; set numbers with set_labels()")
    query = view_sql.selected(engine, definition)
    view_sql.add_rows(query, engine, definition)
    query.tables["items"] = statement("training/view_items").rstrip()
    text = query.text("SELECT * EXCLUDE (place, source_index) FROM items ORDER BY place, source_index")
    with engine.reading() as cursor:
        if mask is not None:
            rows = cursor.execute("SELECT DISTINCT mask_id FROM masks ORDER BY ALL").fetchall()
            mask_ids = [mask_id for (mask_id,) in rows]
            if mask not in mask_ids:
                known = ", ".join(map(repr, mask_ids)) or "none"
                raise UsageError(f"mask {mask!r}: no mask has this id; found {known}")
        items = cursor.sql(text, params={**query.values.bound, "mask": mask}).to_arrow_table()
    return FrameArrays(items, options, engine.settings)
