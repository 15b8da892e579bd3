"""The fields that a Lucene query may name, and the columns that they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Column:
    """The column that a field stands for.

    Attributes:
        kind: ``text``, ``number`` or ``json``; the keys of JSON are part of the name of the field.
        sql: the column.
        is_list: whether it holds a list, of which any item may match.
        table: the table of the column if it is not the queried one; any of its rows of the frame may match.
    """

    kind: Literal["text", "number", "json"]
    sql: str
    is_list: bool = False
    table: str | None = None


ROI: Mapping[str, Column] = {
    "label": Column("text", "labels", is_list=True),
    "labels": Column("text", "labels", is_list=True),
    "confidence": Column("number", "confidence"),
    "id": Column("text", "roi_id"),
    "sources": Column("text", "sources", is_list=True),
    "mask.id": Column("text", "mask_id"),
    "meta": Column("json", "meta"),
}

SOURCE: Mapping[str, Column] = {
    "id": Column("text", "source_id"),
    "uri": Column("text", "uri"),
    "content_type": Column("text", "content_type"),
    "width": Column("number", "width"),
    "height": Column("number", "height"),
    "timestamp": Column("number", '"timestamp"'),
    "meta": Column("json", "meta"),
}

FRAME: Mapping[str, Column] = {
    "id": Column("text", "frame_id"),
    "context_id": Column("text", "context_id"),
    "timestamp": Column("number", '"timestamp"'),
    "meta": Column("json", "meta"),
    **{f"rois.{name}": replace(column, table="rois") for name, column in ROI.items()},
    **{f"sources.{name}": replace(column, table="sources") for name, column in SOURCE.items()},
}


@dataclass(frozen=True)
class Scope:
    """The fields that a query may name.

    Attributes:
        columns: by name.
        prefix: an optional prefix of the names, as in ``rois.label``.
        default: the field of a term that names none; None if it must name one.
    """

    columns: Mapping[str, Column]
    prefix: str = ""
    default: str | None = None


SCOPES: Mapping[str, Scope] = {
    "roi_query": Scope(ROI, "rois", "label"),
    "frame_query": Scope(FRAME),
    "source_query": Scope(SOURCE, "sources"),
}
"""The fields of each argument that takes Lucene."""
