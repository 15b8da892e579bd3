"""Views in the table ``dataviews``: saved, looked up, and frozen with a hash of their result."""

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


def find(engine: Engine, key: int | str) -> SavedView:
    """The view with that name (text) or id (a number).

    Raises:
        NotFoundError: no such view; the message offers near names.
    """
    by_name, by_id = "SELECT * FROM dataviews WHERE name = ?", "SELECT * FROM dataviews WHERE dataview_id = ?"
    with engine.reading() as cursor:
        row = cursor.execute(by_id if isinstance(key, int) else by_name, [key]).fetchone()
        names = [name for (name,) in cursor.execute("SELECT name FROM dataviews").fetchall()]
    if row is None:
        raise NotFoundError.named("view", str(key), engine.path, names)
    return SavedView(*row)


def save(engine: Engine, name: str, definition: Definition, sql: str) -> int:
    """Save a view under a name, in place of a view of that name; returns its id.

    Raises:
        UsageError: the name is empty, or a frozen view with another definition has it.
    """
    if not name.strip():
        raise UsageError(f"DataView: the name {name!r} is empty; give it a name")
    text = definition.to_json()
    with engine.transaction() as cursor:
        existing = cursor.execute(
            "SELECT dataview_id, definition, frozen_hash FROM dataviews WHERE name = ?", [name]
        ).fetchone()  # fmt: skip
        if existing is None:
            row = cursor.execute(
                "INSERT INTO dataviews (name, definition, sql) VALUES (?, ?, ?) RETURNING dataview_id",
                [name, text, sql],
            ).fetchone()
            assert row is not None
            return int(row[0])
        dataview_id, old_text, frozen_hash = existing
        if json.loads(old_text) != json.loads(text):
            if frozen_hash is not None:
                raise UsageError(f"view {name!r}: frozen, so it no longer changes; save under another name")
            cursor.execute(
                "UPDATE dataviews SET definition = ?, sql = ? WHERE dataview_id = ?", [text, sql, dataview_id]
            )  # fmt: skip
    return int(dataview_id)


def freeze(engine: Engine, dataview_id: int, digest: str) -> None:
    """Store the hash of the result of a view."""
    with engine.transaction() as cursor:
        cursor.execute(
            "UPDATE dataviews SET frozen_hash = ?, frozen_at = epoch_ms(epoch_ms(now())) WHERE dataview_id = ?",
            [digest, dataview_id],
        )


def result_hash(engine: Engine, definition: Definition) -> str:
    """A hash of the result of a view, the same in every database with the same frames.

    It covers the ids and contents of the frames, the label mappings of their versions, and the mapping rules, label
    numbers and order of the view; it does not cover pixels.
    """
    query = view_sql.selected(engine, definition)
    with engine.reading() as cursor:
        row = cursor.execute(query.text(statement("clearml/views/hash")), query.values.bound).fetchone()
    assert row is not None
    members = json.loads(definition.to_json())
    if definition.order != IterationOrder.random:
        members.pop("random_seed", None)
    rules = [[list(rule.from_labels), rule.to_label] for rule in definition.mapping_rules]
    names = ("order", "random_seed", "maximum_number_of_frames", "infinite", "labels")
    text = json.dumps([row[0], rules, {name: members.get(name) for name in names}], sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
