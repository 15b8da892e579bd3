"""What a view gives in one database: its frames as SQL, objects, dicts and Arrow, a chunk at a time in memory."""

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
DRAWS_PER_QUERY = 100_000


class ViewResults:
    """What a view gives in one database: SQL, Arrow, and its frames a chunk at a time in memory."""

    def __init__(self, engine: Engine, definition: Definition) -> None:
        self._engine = engine
        self._definition = definition

    @property
    def _is_drawn(self) -> bool:
        return self._definition.infinite and self._definition.order == IterationOrder.random

    def statement(self) -> tuple[str, dict[str, Any]]:
        """The statement that finds the frames, and its values; of endless random draws that of the first ones."""
        limit = self._definition.maximum_number_of_frames
        if self._is_drawn:
            draws = DRAWS_PER_QUERY if limit is None else min(limit, DRAWS_PER_QUERY)
            made = view_sql.drawn(self._engine, self._definition, 0, draws)
        else:
            made = view_sql.selected(self._engine, self._definition)
        return made.text(statement("clearml/views/frames")), made.values.bound

    def relation(self) -> duckdb.DuckDBPyRelation:
        """The frames as a DuckDB relation: what :meth:`sql` gives, each frame once also where the view is infinite."""
        made = view_sql.selected(self._engine, self._definition)
        with self._engine.errors():
            return self._engine.cursor().sql(made.text(statement("clearml/views/frames")), params=made.values.bound)

    def arrow(self) -> pa.Table:
        """One row per frame and source; see :meth:`masksdb.DataView.arrow`."""
        made = view_sql.selected(self._engine, self._definition)
        view_sql.add_rows(made, self._engine, self._definition)
        text = made.text("SELECT * FROM rows ORDER BY place, source_index")
        with self._engine.reading() as cursor:
            return cursor.sql(text, params=made.values.bound).to_arrow_table()

    def keys(self, *, is_infinite: bool, is_drawn: bool) -> Iterator[Key]:
        """The keys of the frames in their order: again and again, or drawn by the weights, or each once."""
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
        """So many draws that the query with most frames comes to all of them, on average."""
        _, counts = view_sql.counts(self._engine, self._definition)
        queries = self._definition.queries
        weights = [query.weight if count else 0.0 for query, count in zip(queries, counts, strict=True)]
        largest = counts.index(max(counts))
        return math.ceil(counts[largest] * sum(weights) / weights[largest]) if counts[largest] else 0

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

    def frames(
        self, keys: Iterator[Key], projection: Sequence[str] | None = None, at_once: int = FRAMES_PER_QUERY
    ) -> Iterator[Any]:
        """The frames of keys as objects, or as dicts with the fields of a projection."""
        labels = view_sql.label_values(self._engine, self._definition)
        prefixes = self._engine.settings.prefixes

        def shown(frame: ViewedFrame) -> Any:
            return frame.to_object(prefixes) if projection is None else project(frame.to_dict(), projection)

        while chunk := list(itertools.islice(keys, at_once)):
            yield from map(shown, frames_of(self._engine, chunk, labels))


def view_arrays(engine: Engine, definition: Definition, mask: str | None, options: Options) -> FrameArrays:
    """The frames of a view, each once and in its order: one item for each source.

    Args:
        engine: the database.
        definition: the view, whose label numbers are the classes.
        mask: id of the masks to look at alone; None looks at all.
        options: what of each frame is read.

    Raises:
        UsageError: no label has a number, or no mask the id.
    """
    if not definition.labels:
        raise UsageError(
            "DataView: no label has a number, so that there are no classes; give numbers with set_labels()"
        )
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
    return FrameArrays(items, options, engine.settings)
