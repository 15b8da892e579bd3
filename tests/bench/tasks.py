"""The measurements that need a fresh process: ``python tasks.py TASK '{"argument": ...}'`` prints a sample as JSON."""

from __future__ import annotations

import contextlib
import importlib
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import frames
import peers
from timing import Outcome, queries, remove, run, timed

DATASET = "streets"

MASK_ROIS = """
SELECT class_labels, count(*)
FROM mask_rois
WHERE dataset = $dataset AND version = $version
GROUP BY class_labels
"""

MASK_ROIS_BY_HAND = """
SELECT roi_masks.class_labels, count(*)
FROM datasets
JOIN versions ON versions.dataset_id = datasets.dataset_id
JOIN version_lineage ON version_lineage.version_id = versions.version_id
JOIN frames ON frames.version_id = version_lineage.ancestor_id
JOIN roi_masks ON roi_masks.frame_key = frames.frame_key
WHERE datasets.name = $dataset AND versions.name = $version
GROUP BY roi_masks.class_labels
"""

CHAIN_BY_HAND = """
WITH lineage AS (
    SELECT version_lineage.ancestor_id
    FROM datasets
    JOIN versions ON versions.dataset_id = datasets.dataset_id
    JOIN version_lineage ON version_lineage.version_id = versions.version_id
    WHERE datasets.name = $dataset AND versions.name = $version
)
SELECT roi_masks.class_labels, count(*)
FROM lineage
JOIN frames ON frames.version_id = lineage.ancestor_id
JOIN roi_masks ON roi_masks.frame_key = frames.frame_key
WHERE frames.frame_key NOT IN (
    SELECT frame_shadows.frame_key FROM frame_shadows JOIN lineage ON lineage.ancestor_id = frame_shadows.version_id
)
GROUP BY roi_masks.class_labels
"""

DIFF_BY_HAND = """
WITH old AS (
    SELECT frame_id, frame_key, content_hash FROM dataset_frames WHERE dataset = $dataset AND version = $old
),
new AS (
    SELECT frame_id, frame_key, content_hash FROM dataset_frames WHERE dataset = $dataset AND version = $new
),
changed AS (
    SELECT old.frame_key AS old_key, new.frame_key AS new_key
    FROM old FULL JOIN new USING (frame_id)
    WHERE old.content_hash IS DISTINCT FROM new.content_hash
)
SELECT
    (SELECT count(*) FROM changed),
    (
        SELECT count(*)
        FROM changed
        JOIN rois AS old_rois ON old_rois.frame_key = changed.old_key
        JOIN rois AS new_rois ON new_rois.frame_key = changed.new_key AND new_rois.roi_index = old_rois.roi_index
        WHERE old_rois.labels IS DISTINCT FROM new_rois.labels
            OR old_rois.mask_id IS DISTINCT FROM new_rois.mask_id
            OR old_rois.mask_value IS DISTINCT FROM new_rois.mask_value
    )
"""

MASK_JOIN = """
SELECT class_labels[1] AS class_name, count(mask_id)
FROM mask_rois
WHERE dataset = $dataset AND version = $version
GROUP BY class_name
"""
"""The question of ``peers.MASK_JOIN``."""


def generate(path: str, count: int, versions: int) -> Outcome:
    seconds: dict[str, float] = {}
    with timed(seconds):
        size = frames.write_frames(path, count, versions)
    return seconds, size


def generate_changes(paths: list[str], count: int) -> Outcome:
    seconds: dict[str, float] = {}
    with timed(seconds):
        sizes = [frames.write_changes(path, count, child) for child, path in enumerate(paths, 1)]
    return seconds, sizes


def parse(path: str) -> Outcome:
    import duckdb

    seconds: dict[str, float] = {}
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        with timed(seconds):
            row = connection.execute(peers.PARSE, [path]).fetchone()
    assert row is not None
    return seconds, int(row[0])


def ingest(path: str, out: str) -> Outcome:
    import masksdb

    remove(out)
    seconds: dict[str, float] = {}
    with timed(seconds), masksdb.connect(out) as database:
        database.ingest(path, dataset=DATASET, version="v1")
    with masksdb.connect(out, read_only=True) as database:
        return seconds, database.sql("SELECT count(*) FROM rois").fetchall()[0][0]


def ingest_again(path: str, out: str) -> Outcome:
    import masksdb

    seconds: dict[str, float] = {}
    with timed(seconds), masksdb.connect(out) as database:
        report = database.ingest(path, dataset=DATASET, version="v1")
    return seconds, [report.new, report.updated, report.unchanged]


def export(database: str, out: str) -> Outcome:
    import masksdb

    seconds: dict[str, float] = {}
    with timed(seconds), masksdb.connect(database, read_only=True) as opened:
        count = opened.export(out, dataset=DATASET, version="v1")
    return seconds, count


def peer_load(peer: str, path: str, out: str) -> Outcome:
    # Before the clock starts, as masksdb is.
    for package in peers.PACKAGES[peer]:
        importlib.import_module(package)
    remove(out)
    seconds: dict[str, float] = {}
    with timed(seconds):
        rois = peers.LOADS[peer](path, out)
    return seconds, rois


def build_chain(first: str, changes: list[str], out: str) -> Outcome:
    """A version, and a chain of children with the changed frames of each; every version but the last is published."""
    import masksdb

    remove(out)
    seconds: dict[str, float] = {}
    with masksdb.connect(out) as database:
        with timed(seconds, "first"):
            database.ingest(first, dataset=DATASET, version="v1")
        with timed(seconds, "children"):
            updated = [_add_child(database, number, path) for number, path in enumerate(changes, 2)]
    return seconds, updated


def _add_child(database: Any, number: int, path: str) -> int:
    database.version(DATASET, f"v{number - 1}").publish_version()
    database.create_version(DATASET, f"v{number}", parents=[f"v{number - 1}"])
    return int(database.ingest(path, dataset=DATASET, version=f"v{number}").updated)


def version_queries(database: str, repeats: int) -> Outcome:
    """``mask_rois`` of the only version of a database, beside the join by hand and the question of the peers."""
    import masksdb

    parameters = {"dataset": DATASET, "version": "v1"}
    with masksdb.connect(database, read_only=True) as opened:
        return queries(
            {
                "view": lambda: opened.sql(MASK_ROIS, parameters).fetchall(),
                "by hand": lambda: opened.sql(MASK_ROIS_BY_HAND, parameters).fetchall(),
                "mask join": lambda: opened.sql(MASK_JOIN, parameters).fetchall(),
            },
            repeats,
        )


def chain_queries(chain: str, single: str, versions: int, repeats: int) -> Outcome:
    """``mask_rois`` of the last version of a chain, beside the join by hand and a version with the same content."""
    import masksdb

    last = {"dataset": DATASET, "version": f"v{versions}"}
    only = {"dataset": DATASET, "version": "v1"}
    with masksdb.connect(chain, read_only=True) as chained, masksdb.connect(single, read_only=True) as alone:
        return queries(
            {
                "view": lambda: chained.sql(MASK_ROIS, last).fetchall(),
                "by hand": lambda: chained.sql(CHAIN_BY_HAND, last).fetchall(),
                "one version": lambda: alone.sql(MASK_ROIS, only).fetchall(),
                "one version by hand": lambda: alone.sql(MASK_ROIS_BY_HAND, only).fetchall(),
            },
            repeats,
        )


def chain_diff(chain: str, versions: int, repeats: int) -> Outcome:
    """The differences of the last two versions of a chain, beside a comparison by hand."""
    import masksdb

    old, new = f"v{versions - 1}", f"v{versions}"

    def counted(database: Any) -> list[Any]:
        counts = database.changes(DATASET, old, new).counts
        return [(counts["frame", "changed"], counts["roi", "moved"])]

    with masksdb.connect(chain, read_only=True) as opened:
        return queries(
            {
                "version diff": lambda: counted(opened),
                "by hand": lambda: opened.sql(DIFF_BY_HAND, {"dataset": DATASET, "old": old, "new": new}).fetchall(),
            },
            repeats,
        )


def snapshots(count: int, out: str, repeats: int) -> Outcome:
    """The median time of a snapshot of a version with so many frames."""
    import masksdb

    remove(out)
    taken = []
    with masksdb.connect(out) as database:
        database.ingest(({"id": str(number), "timestamp": number} for number in range(count)), dataset=DATASET)
        for number in range(repeats):
            start = time.perf_counter()
            database.create_snapshot(DATASET, publish_name=f"s{number}")
            taken.append(time.perf_counter() - start)
        answer = database.sql("SELECT count(*) FROM dataset_frames WHERE version = 'Current'").fetchall()[0][0]
    return {"work": statistics.median(taken)}, answer


def duckdb_query(store: str, repeats: int) -> Outcome:
    import duckdb

    with duckdb.connect(store, read_only=True) as connection:
        return queries({"mask join": lambda: connection.execute(peers.MASK_JOIN).fetchall()}, repeats)


def sqlite_query(store: str, repeats: int) -> Outcome:
    import sqlite3

    with contextlib.closing(sqlite3.connect(store)) as connection:
        return queries({"mask join": lambda: connection.execute(peers.MASK_JOIN).fetchall()}, repeats)


def pandas_query(store: str, repeats: int) -> Outcome:
    """The frames are in memory before the clock starts, as they are in a notebook."""
    import pandas as pd

    keys = ["frame_key", "source_id", "mask_id"]
    rois = pd.read_parquet(f"{store}/rois.parquet", columns=[*keys, "class_name"])
    masks = pd.read_parquet(f"{store}/masks.parquet", columns=[*keys, "uri"])

    def joined() -> list[tuple[Any, ...]]:
        counts = rois.merge(masks, on=keys).groupby("class_name")["uri"].count()
        return [(name, int(count)) for name, count in counts.items()]

    return queries({"mask join": joined}, repeats)


TASKS: Mapping[str, Callable[..., Outcome]] = {
    task.__name__: task
    for task in (
        generate,
        generate_changes,
        parse,
        ingest,
        ingest_again,
        export,
        peer_load,
        build_chain,
        version_queries,
        chain_queries,
        chain_diff,
        snapshots,
        duckdb_query,
        sqlite_query,
        pandas_query,
    )
}


if __name__ == "__main__":
    run(TASKS)
