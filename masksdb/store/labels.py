"""The labels of a version, each with the number and the colour that it has in pictures and exports."""

from __future__ import annotations

from typing import NamedTuple

import duckdb

from masksdb.pixels.colours import Colour, label_colours
from masksdb.store.sql import statement


class Label(NamedTuple):
    """A label of a version.

    Attributes:
        name: the label; several labels of one region are one, joined by commas; ``unlabelled`` for a region without.
        number: the first single number that ``mask_labels`` declare for it.
        colour: the colour that ``mask_labels`` declare for it, else its own; no two labels of a version share one.
        is_ignored: whether an entry of ``mask_labels`` has ``"ignore": true``.
    """

    name: str
    number: int | None
    colour: Colour
    is_ignored: bool


def version_labels(cursor: duckdb.DuckDBPyConnection, version_id: int) -> list[Label]:
    """The labels that a version declares or its regions have, in the order of ``mask_labels`` and then by name."""
    rows = cursor.execute(statement("store/version_labels"), {"version_id": version_id}).fetchall()
    declared = {name: [(red, green, blue) for red, green, blue in colours or ()] for name, _, colours, _ in rows}
    colours = label_colours(declared, declared)
    return [Label(name, number, colours[name], is_ignored) for name, number, _, is_ignored in rows]
