"""The differences between two versions of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from masksdb.store.engine import Engine
from masksdb.store.sql import statement
from masksdb.store.versions import find_version

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class VersionChanges:
    """The differences from one version to another; as text, a summary for people.

    Attributes:
        dataset: name of the dataset.
        from_version: name of the one version.
        to_version: name of the other.
        rows: one row per difference, with the columns of ``sql/store/version_changes.sql``.
        counts: the number of rows by item and change.
    """

    dataset: str
    from_version: str
    to_version: str
    rows: duckdb.DuckDBPyRelation
    counts: Mapping[tuple[str, str], int]

    def __str__(self) -> str:
        def line(item: str, name: str) -> str:
            changes = [f"{count:,} {change}" for (of, change), count in self.counts.items() if of == item]
            return f"{name}: {', '.join(changes) or 'no change'}"

        names = {"frame": "frames", "roi": "ROIs of frames in both", "mask_label": "mask labels"}
        lines = [f"{self.dataset}: {self.from_version} -> {self.to_version}"]
        return "\n  ".join(lines + [line(item, name) for item, name in names.items()])


def version_changes(engine: Engine, dataset: str, from_version: str, to_version: str) -> VersionChanges:
    """The differences from one version of a dataset to another, which need not be related.

    Raises:
        NotFoundError: no such dataset or version.
    """
    # The result outlives the call, and with it the cursor that holds the temporary table.
    cursor = engine.cursor()
    with engine.errors():
        before, after = find_version(cursor, dataset, from_version), find_version(cursor, dataset, to_version)
        ids = {"from_version_id": before.version_id, "to_version_id": after.version_id}
        cursor.execute(statement("store/version_changes"), ids)
        rows = cursor.execute(
            "SELECT item, change, count(*) FROM version_changes GROUP BY item, change ORDER BY item, change"
        ).fetchall()
        relation = cursor.sql("FROM version_changes")
    counts = {(item, change): count for item, change, count in rows}
    return VersionChanges(dataset, before.version_name, after.version_name, relation, counts)
