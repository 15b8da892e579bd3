"""A copy of a database is consistent, whole or absent, and replaces nothing unless told to."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.common import Outcome

import masksdb


def contents(path: Path | str) -> dict[str, list[Any]]:
    """The rows of every table."""
    with duckdb.connect(str(path), read_only=True) as plain:
        tables = plain.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        return {table: plain.execute(f"FROM {table} ORDER BY ALL").fetchall() for (table,) in tables}


@pytest.fixture
def street(db_path: str) -> str:
    with masksdb.connect(db_path) as db:
        db.ingest([{"id": f"{number}", "rois": [{"label": ["car"]}]} for number in range(50)], dataset="d")
        db.create_snapshot("d", publish_name="v1")
    return db_path


def test_a_copy_has_the_same_rows_and_goes_on_with_the_same_keys(
    run: Callable[..., Outcome], street: str, tmp_path: Path
) -> None:
    outcome = run("backup", street, tmp_path / "copy.duckdb")
    assert (outcome.status, outcome.out) == (0, "")
    assert contents(tmp_path / "copy.duckdb") == contents(street)
    added = []
    for path in (street, tmp_path / "copy.duckdb"):
        with masksdb.connect(path) as db:
            db.ingest([{"id": "more", "rois": [{"label": ["bus"]}]}], dataset="e")
            added.append(db.sql("SELECT * EXCLUDE (created_at) FROM versions ORDER BY ALL").fetchall())
            assert db.sql("SELECT count(*) FROM roi_labels").fetchall() == [(101,)]
    assert added[0] == added[1]


def test_a_copy_beside_a_writer_holds_whole_ingests(street: str, tmp_path: Path) -> None:
    with masksdb.connect(street) as db:
        stop = threading.Event()

        def write() -> None:
            for number in range(100):
                if stop.is_set():
                    break
                db.ingest([{"id": f"{number}_{part}", "rois": [{"label": ["x"]}]} for part in range(10)], dataset="w")

        writer = threading.Thread(target=write)
        writer.start()
        for number in range(3):
            db.backup(tmp_path / f"{number}.duckdb")
        stop.set()
        writer.join()
    for number in range(3):
        with masksdb.connect(tmp_path / f"{number}.duckdb", read_only=True) as copy:
            query = "SELECT count(*) FILTER (WHERE rois <> 10), count(*) FROM (SELECT split_part(frame_id, '_', 1), " \
                    "count(*) AS rois FROM mask_rois WHERE dataset = 'w' GROUP BY 1)"  # fmt: skip
            assert copy.sql(query).fetchall()[0][0] == 0
            assert not Path(f"{copy.path}.wal").exists()


READER = """
import sys, masksdb
with masksdb.connect(sys.argv[1], read_only=True) as db:
    print(len(db.sql("FROM frames").fetchall()), flush=True)
    sys.stdin.read()
"""


def test_other_processes_may_read_during_a_backup_and_a_writer_is_named(
    run: Callable[..., Outcome], street: str, tmp_path: Path
) -> None:
    for number, (code, status) in enumerate([(READER, 0), (READER.replace(", read_only=True", ""), 1)]):
        with subprocess.Popen(
            [sys.executable, "-c", code, street], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "50\n"
            outcome = run("backup", street, tmp_path / f"{number}.duckdb")
            other.communicate("")
        assert outcome.status == status
        assert (f"process {other.pid}" in outcome.err) == bool(status)
        assert (tmp_path / f"{number}.duckdb").exists() == (not status)


def test_a_read_only_database_is_copied_too(street: str, tmp_path: Path) -> None:
    with masksdb.connect(street, read_only=True) as db:
        db.backup(tmp_path / "copy.duckdb")
        assert db.sql("SELECT count(*) FROM duckdb_databases() WHERE NOT internal").fetchall() == [(1,)]
    assert contents(tmp_path / "copy.duckdb") == contents(street)


def test_a_file_is_replaced_only_when_told_to_and_its_log_goes_too(
    run: Callable[..., Outcome], street: str, tmp_path: Path
) -> None:
    other = tmp_path / "other.duckdb"
    with masksdb.connect(other) as db:
        db.ingest([{"id": "of another"}], dataset="x")
        state = other.read_bytes(), Path(f"{other}.wal").read_bytes()
    other.write_bytes(state[0])
    Path(f"{other}.wal").write_bytes(state[1])
    outcome = run("backup", street, other)
    assert outcome.status == 1
    assert "exists" in outcome.err
    assert (other.read_bytes(), Path(f"{other}.wal").read_bytes()) == state
    assert run("backup", street, other, "--overwrite").status == 0
    assert contents(other) == contents(street)


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_a_database_is_not_its_own_backup(run: Callable[..., Outcome], street: str, overwrite: list[str]) -> None:
    before = contents(street)
    outcome = run("backup", street, street, *overwrite)
    assert (outcome.status, outcome.err.count("\n")) == (1, 1)
    assert contents(street) == before


def test_a_backup_that_fails_leaves_nothing(run: Callable[..., Outcome], street: str, tmp_path: Path) -> None:
    with open(street, "r+b") as file:
        file.seek(Path(street).stat().st_size // 2)
        file.write(b"damage" * 100_000)
    before = set(tmp_path.iterdir())
    outcome = run("backup", street, tmp_path / "copy.duckdb")
    assert (outcome.status, outcome.err.count("\n")) == (1, 1)
    assert f"masksdb doctor {street}" in outcome.err
    assert set(tmp_path.iterdir()) == before


def test_a_backup_of_a_file_that_is_not_there_makes_none(run: Callable[..., Outcome], tmp_path: Path) -> None:
    assert "no such database file" in run("backup", tmp_path / "none.duckdb", tmp_path / "copy.duckdb").err
    assert list(tmp_path.iterdir()) == []
