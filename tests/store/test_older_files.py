"""A file made by an older masksdb opens and answers the same.

``tests/support/older`` is such a file as EXPORT DATABASE writes it, with FIXTURES and DUMP where paths were: the street
frames and their predictions, labels set, analysed, checked and evaluated by the version whose schema ended with
``004_splits``, with its own views.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.common import FIXTURES, ROOT

import masksdb

DUMP = ROOT / "tests" / "support" / "older"
QUERIES = re.findall(r"```sql\n(.*?)```\n```text\n", (ROOT / "README.md").read_text(), re.DOTALL)
VIEWS = "SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY view_name"


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the older version."""
    folder = tmp_path_factory.mktemp("older")
    (folder / "dump").mkdir()
    for path in DUMP.iterdir():
        text = path.read_text().replace("FIXTURES", str(FIXTURES)).replace("DUMP", str(folder / "dump"))
        (folder / "dump" / path.name).write_text(text)
    with duckdb.connect(folder / "street.duckdb", config={"storage_compatibility_version": "v1.4.0"}) as plain:
        plain.execute(f"IMPORT DATABASE '{folder}/dump'")
    return folder / "street.duckdb"


@pytest.fixture
def older(imported: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copy(imported, tmp_path / "older.duckdb"))


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same made now."""
    path = tmp_path_factory.mktemp("newer") / "street.duckdb"
    labels = {"mask_labels": json.loads((FIXTURES / "street" / "labels.json").read_text())}
    with masksdb.connect(path) as db:
        for version, name in (("v1", "frames.jsonl"), ("moved", "moved.jsonl")):
            db.ingest(FIXTURES / "street" / name, dataset="street", version=version)
            db.version("street", version).set_metadata(labels)
        db.analyze()
        db.check()
        db.evaluate("street/v1", "street/moved", truth_mask="seg")
    return path


def rows(db: masksdb.Database, query: str) -> list[tuple[Any, ...]]:
    return db.sql(query).fetchall()


@pytest.mark.parametrize("read_only", [False, True])
def test_an_older_file_answers_the_queries_of_the_readme(older: Path, newer: Path, read_only: bool) -> None:
    with masksdb.connect(older, read_only=read_only) as old, masksdb.connect(newer, read_only=True) as new:
        assert len(QUERIES) == 5
        for query in QUERIES:
            assert rows(old, query) == rows(new, query) != []


@pytest.fixture(scope="module")
def views(newer: Path) -> dict[str, list[Any]]:
    """The rows of every view of the new file."""
    with masksdb.connect(newer, read_only=True) as new:
        return {view: rows(new, f"FROM {view} ORDER BY ALL") for (view,) in rows(new, VIEWS)}


@pytest.mark.parametrize("read_only", [False, True])
def test_an_older_file_has_the_same_rows_in_every_view(
    older: Path, views: dict[str, list[Any]], read_only: bool
) -> None:
    with masksdb.connect(older, read_only=read_only) as old:
        assert [name for (name,) in rows(old, VIEWS)] == list(views)
        for view, expected in views.items():
            assert rows(old, f"FROM {view} ORDER BY ALL") == expected, view


def test_an_older_file_is_checked_evaluated_and_written_to(older: Path, newer: Path) -> None:
    with masksdb.connect(older) as old, masksdb.connect(newer) as new:
        assert old.check().findings.fetchall() == new.check().findings.fetchall()
        figures = [db.evaluate("street/v1", "street/moved", truth_mask="seg").rows() for db in (old, new)]
        assert figures[0] == figures[1]
        assert old.ingest(FIXTURES / "street" / "frames.jsonl", dataset="street", version="v1").unchanged == 12
        assert old.ingest([{"id": "more"}], dataset="street", version="v1").new == 1


def test_an_older_file_is_exported_and_imported(older: Path, views: dict[str, list[Any]], tmp_path: Path) -> None:
    masksdb.connect(older).close()
    with duckdb.connect(str(older), read_only=True) as plain:
        plain.execute(f"EXPORT DATABASE '{tmp_path}/out'")
    with duckdb.connect(tmp_path / "again.duckdb") as plain:
        plain.execute(f"IMPORT DATABASE '{tmp_path}/out'")
    with masksdb.connect(tmp_path / "again.duckdb") as again:
        for view, expected in views.items():
            assert rows(again, f"FROM {view} ORDER BY ALL") == expected, view
