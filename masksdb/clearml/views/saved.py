"""Views in the table ``dataviews``: saved, found, listed, and frozen with the hash of what they give."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import NamedTuple

from masksdb.clearml.views import sql as view_sql
from masksdb.clearml.views.definition import Definition, IterationOrder
from masksdb.errors import NotFoundError, UsageError
from masksdb.store.engine import Engine
from masksdb.store.sql import statement


class SavedView(NamedTuple):
    """A row of ``dataviews``."""

    dataview_id: int
    name: str
    definition: str
    sql: str
    created_at: datetime
    frozen_hash: str | None
    frozen_at: datetime | None


def find(engine: Engine, wanted: int | str) -> SavedView:
    """The view of that name, or id.

    Raises:
        NotFoundError: no such view; the message offers near names.
    """
    by_name, by_id = "SELECT * FROM dataviews WHERE name = ?", "SELECT * FROM dataviews WHERE dataview_id = ?"
    with engine.reading() as cursor:
        row = cursor.execute(by_id if isinstance(wanted, int) else by_name, [wanted]).fetchone()
        names = [name for (name,) in cursor.execute("SELECT name FROM dataviews").fetchall()]
    if row is None:
        raise NotFoundError.named("view", str(wanted), engine.path, names)
    return SavedView(*row)


def save(engine: Engine, name: str, definition: Definition, sql: str) -> int:
    """Save a view under a name, in place of what had it; its id.

    Raises:
        UsageError: the name is empty, or that of a frozen view which asks for something else.
    """
    if not name.strip():
        raise UsageError(f"DataView: the name {name!r} is empty; give it a name")
    text = definition.to_json()
    with engine.transaction() as cursor:
        known = cursor.execute(
            "SELECT dataview_id, definition, frozen_hash FROM dataviews WHERE name = ?", [name]
        ).fetchone()  # fmt: skip
        if known is None:
            row = cursor.execute(
                "INSERT INTO dataviews (name, definition, sql) VALUES (?, ?, ?) RETURNING dataview_id",
                [name, text, sql],
            ).fetchone()
            assert row is not None
            return int(row[0])
        dataview_id, before, frozen_hash = known
        if json.loads(before) != json.loads(text):
            if frozen_hash is not None:
                raise UsageError(f"view {name!r}: frozen, so it no longer changes; save under another name")
            cursor.execute(
                "UPDATE dataviews SET definition = ?, sql = ? WHERE dataview_id = ?", [text, sql, dataview_id]
            )  # fmt: skip
    return int(dataview_id)


def freeze(engine: Engine, dataview_id: int, found: str) -> None:
    """Keep the hash of what a view gives."""
    with engine.transaction() as cursor:
        cursor.execute(
            "UPDATE dataviews SET frozen_hash = ?, frozen_at = epoch_ms(epoch_ms(now())) WHERE dataview_id = ?",
            [found, dataview_id],
        )


def result_hash(engine: Engine, definition: Definition) -> str:
    """A hash of what a view gives, the same in every database that holds the same frames.

    It covers the ids and contents of the frames, the label mappings of their versions, and the view's own mapping
    rules, numbers and order; not the pixels.
    """
    made = view_sql.selected(engine, definition)
    with engine.reading() as cursor:
        row = cursor.execute(made.text(statement("clearml/views/hash")), made.values.bound).fetchone()
    assert row is not None
    asked = json.loads(definition.to_json())
    if definition.order != IterationOrder.random:
        asked.pop("random_seed", None)
    rules = [[list(rule.from_labels), rule.to_label] for rule in definition.mapping_rules]
    order = {key: asked.get(key) for key in ("order", "random_seed", "maximum_number_of_frames", "infinite", "labels")}
    text = json.dumps([row[0], rules, order], sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
