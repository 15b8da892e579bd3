"""Checks of masks: every file is read once, and the findings are computed in SQL.

The findings are the rows of the view ``version_findings``, which the first check creates; ``docs/checks.md`` explains
them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from masksdb.analysis.analyze import analyze
from masksdb.analysis.compare import compare_masks
from masksdb.analysis.settings import SEVERITIES, Severity
from masksdb.errors import MasksDBError, UsageError
from masksdb.pixels.headers import KnownFile, changed_headers
from masksdb.store.engine import Engine
from masksdb.store.migrations import put_finding_views
from masksdb.store.script import without_end
from masksdb.store.sql import filled, statement
from masksdb.store.versions import find_dataset, find_version

if TYPE_CHECKING:
    import duckdb

FILES_AT_ONCE = 2000
"""Headers of images that one transaction keeps."""
FRAMES_AT_ONCE = 20_000
"""Frames that one query hashes."""

_HEADERS = pa.schema(
    [("uri", pa.string()), ("content_type", pa.string()), ("width", pa.int32()), ("height", pa.int32()),
     ("orientation", pa.int32()), ("fingerprint", pa.string()), ("error", pa.string())]
)  # fmt: skip


@dataclass(frozen=True)
class CheckReport:
    """The findings of a check; as text, a summary for people.

    Attributes:
        findings: one row per finding, worst first, with the columns of the view ``version_findings``.
        examples: the first three of each check; the column ``findings`` is how many it has.
        counts: the number of findings by severity and check.
    """

    findings: duckdb.DuckDBPyRelation
    examples: duckdb.DuckDBPyRelation
    counts: Mapping[tuple[Severity, str], int]

    def total(self, severity: Severity) -> int:
        """The number of findings of a severity."""
        return sum(count for (counted, _), count in self.counts.items() if counted == severity)

    def __str__(self) -> str:
        totals = [(self.total(severity), severity) for severity in SEVERITIES]
        summary = ", ".join(f"{count:,} {severity}{'' if count == 1 else 's'}" for count, severity in totals)
        lines = [f"  {severity}: {check}: {count:,}" for (severity, check), count in self.counts.items()]
        return "\n".join([summary, *lines])


def check(
    engine: Engine,
    dataset: str | None = None,
    version: str | None = None,
    *,
    small_region: int | None = None,
    split_key: str | None = None,
    near_iou: float | None = None,
    rehash: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> CheckReport:
    """Read all masks and images that are new or have changed, and report what is wrong with them.

    The database keeps ``small_region``, ``split_key`` and ``near_iou`` for later checks; None leaves them as they are.

    Args:
        engine: the database.
        dataset: only this dataset.
        version: only this version of it.
        small_region: report regions smaller than so many pixels.
        split_key: the key of a frame's meta that names its split.
        near_iou: the least IoU of two masks that are reported as duplicates, above 0 and at most 1.
        rehash: also read files that have kept their size and date, and compare their pixels with those of before.
        progress: called with the number of analysed masks and of all masks.

    Raises:
        NotFoundError: no such dataset or version.
        UsageError: a setting is out of range, or a version is named without a dataset.
        MasksDBError: the database is read-only.
    """
    if engine.read_only:
        raise MasksDBError(f"{engine.path}: opened read-only, and a check keeps what it finds; open it for writing")
    if (near_iou is not None and not 0 < near_iou <= 1) or (small_region is not None and small_region < 0):
        raise UsageError("check: expected an IoU above 0 and at most 1, and a number of pixels of 0 or more")
    with engine.transaction() as cursor:
        put_finding_views(cursor)
    _set(engine, {"small_region": small_region, "split_key": split_key, "near_iou": near_iou})
    analyze(engine, dataset, version, reread=rehash, progress=progress)
    with engine.reading() as cursor:
        version_id = None if dataset is None or version is None else find_version(cursor, dataset, version).version_id
        if dataset is not None:
            find_dataset(cursor, dataset)
        scope = {"dataset": dataset, "version_id": version_id}
        ids = [row[0] for row in cursor.execute(statement("analysis/check/scope_versions"), scope).fetchall()]
        rows = cursor.execute(statement("analysis/check/scope_images"), scope).fetchall()
    images = [KnownFile(row[0], None, None) if rehash else KnownFile(*row) for row in rows]
    _read_headers(engine, images)
    _find_altered(engine, ids)
    with engine.reading() as cursor:
        near = cursor.execute(statement("analysis/check/near_masks"), {"version_ids": ids}).fetchall()
    compare_masks(engine, [(row[:2], row[2:]) for row in near])
    return _report(engine, ids)


def _set(engine: Engine, settings: Mapping[str, object]) -> None:
    """Keep the settings that are not None."""
    if any(value is not None for value in settings.values()):
        with engine.transaction() as cursor:
            cursor.execute(statement("analysis/check/update_settings"), settings)


def _read_headers(engine: Engine, images: Sequence[KnownFile]) -> None:
    for headers in changed_headers(images, engine.settings.prefixes, FILES_AT_ONCE):
        if headers:
            with engine.transaction() as cursor:
                cursor.register("new_headers", pa.Table.from_pylist([header._asdict() for header in headers], _HEADERS))
                cursor.execute(statement("analysis/check/insert_headers"))


def _find_altered(engine: Engine, ids: Sequence[int]) -> None:
    """Hash published versions again as publishing does, and make the rows of their frames again as ingest does."""
    parameters = {"version_ids": ids}
    with engine.transaction() as cursor:
        cursor.execute("DELETE FROM altered_frames WHERE version_id IN (SELECT unnest($version_ids))", parameters)
        content_hashes = statement("store/content_hashes")
        cursor.execute(filled("analysis/check/altered_versions", content_hashes=content_hashes), parameters)
        for macros in ("store/temp/json_objects", "store/temp/json_columns", "analysis/check/column_macros"):
            cursor.execute(statement(macros))
        keys = [key for (key,) in cursor.execute(statement("analysis/check/published_frames"), parameters).fetchall()]
        hashing = filled("analysis/check/hashed_frames", frame_json=without_end(statement("store/frame_json")))
        finding = filled("analysis/check/altered_frames", roi_masks=without_end(statement("store/roi_masks")))
        for start in range(0, len(keys), FRAMES_AT_ONCE):
            some = {"frame_keys": keys[start : start + FRAMES_AT_ONCE]}
            cursor.execute(hashing, some)
            ends = {"first_frame_key": some["frame_keys"][0], "last_frame_key": some["frame_keys"][-1]}
            cursor.execute(finding, {**some, **ends})


def _report(engine: Engine, ids: Sequence[int]) -> CheckReport:
    # The result outlives the call, and with it the cursor that holds the temporary table.
    cursor = engine.cursor()
    with engine.errors():
        cursor.execute(statement("analysis/check/findings"), {"version_ids": ids})
        rows = cursor.execute(statement("analysis/check/finding_counts")).fetchall()
        findings = cursor.sql(statement("analysis/check/ordered_findings"))
        examples = cursor.sql(statement("analysis/check/example_findings"))
    return CheckReport(findings, examples, {(severity, name): count for severity, name, count in rows})
