"""A DataView as SQL: one statement over the views of the database, with its values bound."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from masksdb.clearml.views.definition import (
    Definition,
    IterationOrder,
    MappingRule,
    RoiQuery,
    ViewQuery,
    roi_condition,
)
from masksdb.clearml.views.lucene import EVERYTHING, condition
from masksdb.errors import NotFoundError, UsageError
from masksdb.store import versions
from masksdb.store.datasets import dataset_row
from masksdb.store.engine import Engine
from masksdb.store.sql import Statement, Values, frames_where, statement

if TYPE_CHECKING:
    import duckdb


COLUMNS = """
    dataset, version, version_id, frame_key, frame_id, context_id, "timestamp", meta, content_hash, media_root"""
"""The columns of ``dataset_frames`` that a view needs."""


@dataclass(frozen=True)
class Target:
    """A version that a query selects frames of."""

    dataset: str
    version: str
    version_id: int


def pool(engine: Engine, definition: Definition) -> Statement:
    """The frames of all queries, as the table ``pool``.

    Raises:
        UsageError: there is no query, or none names a dataset.
        NotFoundError: no such dataset or version.
    """
    sql = Statement()
    targets = _targets(engine, definition.queries)
    parts = [_matches(index, query, targets[index], sql.values) for index, query in enumerate(definition.queries)]
    sql.tables["matches"] = "\nUNION ALL\n".join(parts)
    sql.add(pool="pool")
    return sql


def selected(engine: Engine, definition: Definition, *, with_limit: bool = True) -> Statement:
    """The frames of a view, each once, as the table ``selected``."""
    sql = pool(engine, definition)
    is_random = definition.order == IterationOrder.random
    order = "shuffled" if is_random else "sequential"
    if is_random:
        sql.values.bound["seed"] = definition.random_seed
    if with_limit and definition.maximum_number_of_frames is not None:
        sql.values.bound["frame_limit"] = definition.maximum_number_of_frames
        sql.add(ordered=order, selected="limited")
    else:
        sql.add(selected=order)
    return sql


def drawn(engine: Engine, definition: Definition, first_draw: int, draws: int) -> Statement:
    """Some draws of a random view that never ends, as the table ``selected``."""
    sql = pool(engine, definition)
    sql.add(selected="drawn")
    sql.values.bound |= {"seed": definition.random_seed, "first_draw": first_draw, "draws": draws}
    return sql


def add_rows(sql: Statement, engine: Engine, definition: Definition) -> None:
    """Add the table ``rows``: one row per source of a frame of ``selected``."""
    sql.add(shown="shown", segments="segments", label_lists="row_lists", mapped_labels="labels", rows="rows")
    sql.values.bound |= label_values(engine, definition)


def label_values(engine: Engine, definition: Definition) -> dict[str, str]:
    """The values that ``sql/clearml/views/labels.sql`` takes: mapping rules and label numbers, as JSON."""
    rules = []
    for rule in definition.mapping_rules:
        version_ids = None if _names_nothing(rule) else [target.version_id for target in _explicit(engine, rule)]
        rules.append({"version_ids": version_ids, "from_labels": list(rule.from_labels), "to_label": rule.to_label})
    return {"rules": json.dumps(rules), "numbers": json.dumps(definition.labels)}


def counts(engine: Engine, definition: Definition) -> tuple[int, list[int]]:
    """How many frames a view has, each counted once, and how many each of its queries has."""
    sql = pool(engine, definition)
    with engine.reading() as cursor:
        rows = cursor.execute(sql.text(statement("clearml/views/counts")), sql.values.bound).fetchall()
    frames = dict(rows)
    return frames[None], [frames.get(index, 0) for index in range(len(definition.queries))]


def _matches(index: int, query: ViewQuery, targets: Sequence[Target], values: Values) -> str:
    """The SELECT of one query; its values are bound."""
    tests = [_visible(targets, values)]
    tests += [_of_rois(roi_query, values) for roi_query in query.roi_queries if not roi_query.is_everything]
    if query.frame_query is not None:
        tests.append(condition(query.frame_query, "frame_query", values))
    if query.source_query is not None:
        of_source = condition(query.source_query, "source_query", values)
        tests.append(of_source if of_source == EVERYTHING else f"frame_key IN ({frames_where('sources', of_source)})")
    lines = "\n    AND ".join(test for test in tests if test != EVERYTHING)
    weight = f"CAST({values.bind(float(query.weight))} AS DOUBLE) AS weight"
    return f"SELECT {index} AS query_index, {weight},{COLUMNS}\nFROM dataset_frames\nWHERE {lines}"


def _visible(targets: Iterable[Target], values: Values) -> str:
    by_dataset: dict[str, list[str]] = {}
    for target in targets:
        by_dataset.setdefault(target.dataset, []).append(target.version)
    tests = []
    for dataset, names in by_dataset.items():
        bound = [values.bind(dataset), *(values.bind(name) for name in names)]
        is_one = len(names) == 1
        which = f"= {bound[1]}" if is_one else f"IN ({', '.join(bound[1:])})"
        tests.append(f"dataset = {bound[0]} AND version {which}")
    return tests[0] if len(tests) == 1 else f"({' OR '.join(f'({test})' for test in tests)})"


def _of_rois(roi_query: RoiQuery, values: Values) -> str:
    least, most = roi_query.count_range or (-1, -1)
    if least == 0 and most == -1:
        return f"NOT {EVERYTHING}" if roi_query.must_not else EVERYTHING
    frames = frames_where("rois", roi_condition(roi_query, values))
    tests = []
    if least > 1:
        tests.append(f"count(*) >= {values.bind(int(least))}")
    if most != -1 and least != 0:
        tests.append(f"count(*) <= {values.bind(int(most))}")
    if least == 0:
        # Frames without such a ROI are in no group, so those outside of the range are excluded instead.
        negated = "" if roi_query.must_not else "NOT "
        return f"frame_key {negated}IN ({frames} GROUP BY frame_key HAVING count(*) > {values.bind(int(most))})"
    having = f" GROUP BY frame_key HAVING {' AND '.join(tests)}" if tests else ""
    return f"frame_key {'NOT ' if roi_query.must_not else ''}IN ({frames}{having})"


def _names_nothing(named: ViewQuery | MappingRule) -> bool:
    return (
        named.dataset_id is None and named.dataset_name is None and named.version_id is None and not named.version_name
    )


def _targets(engine: Engine, queries: Sequence[ViewQuery]) -> list[list[Target]]:
    """The versions of each query; ``*`` stands for those that the other queries name."""
    if not queries:
        raise UsageError("DataView: no query; add one with add_query()")
    explicit = {index: _explicit(engine, query) for index, query in enumerate(queries) if _has_dataset(query)}
    named = list(dict.fromkeys(target for targets in explicit.values() for target in targets))
    if not named:
        raise UsageError("DataView: no query names a dataset, so '*' has nothing to stand for; name one")
    datasets = list(dict.fromkeys(target.dataset for target in named))

    def of_query(index: int, query: ViewQuery) -> list[Target]:
        if index in explicit:
            return explicit[index]
        return named if query.version_name is None else _versions_named(engine, datasets, query.version_name)

    return [of_query(index, query) for index, query in enumerate(queries)]


def _has_dataset(named: ViewQuery | MappingRule) -> bool:
    return named.dataset_id is not None or named.dataset_name is not None or named.version_id is not None


def _versions_named(engine: Engine, datasets: Sequence[str], version: str) -> list[Target]:
    with engine.reading() as cursor:
        targets = [
            Target(dataset, row.version_name, row.version_id)
            for dataset in datasets
            for row in versions.list_versions(cursor, dataset)
            if row.version_name == version
        ]
    if not targets:
        raise NotFoundError(f"version {version!r}: in none of the datasets {', '.join(map(repr, datasets))}")
    return targets


def _explicit(engine: Engine, named: ViewQuery | MappingRule) -> list[Target]:
    """The versions that a query or rule names.

    Raises:
        NotFoundError: no such dataset or version.
    """
    with engine.reading() as cursor:
        if not _has_dataset(named):
            datasets = [name for (name,) in cursor.execute("SELECT name FROM datasets ORDER BY name").fetchall()]
            return _versions_named(engine, datasets, str(named.version_name))
        version_id = None if named.version_id is None else int(named.version_id)
        if named.dataset_id is None and named.dataset_name is None:
            assert version_id is not None
            details = versions.details(cursor, version_id)
            return [Target(details.dataset_name, details.version_name, version_id)]
        dataset = str(named.dataset_name) if named.dataset_id is None else int(named.dataset_id)
        row = dataset_row(cursor, versions.find_dataset(cursor, dataset))
        if named.project_name is not None and row["project"] != named.project_name:
            raise NotFoundError(f"dataset {row['name']!r}: not in the project {named.project_name!r}")
        return _of_dataset(cursor, row["name"], named.version_name if version_id is None else version_id)


def _of_dataset(cursor: duckdb.DuckDBPyConnection, dataset: str, version: str | int | None) -> list[Target]:
    if version is not None:
        rows = [versions.find_version(cursor, dataset, version)]
    else:
        rows = versions.list_versions(cursor, dataset)
    if not rows:
        raise NotFoundError(f"dataset {dataset!r}: has no version yet")
    return [Target(dataset, row.version_name, row.version_id) for row in rows]
