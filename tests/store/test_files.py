"""Files are written whole or not at all, and never over a database; a command that fails leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from support.common import Outcome, heed_ctrl_c

import masksdb


@pytest.fixture
def two(db_path: str) -> str:
    with masksdb.connect(db_path) as db:
        db.ingest([{"id": "a"}, {"id": "b"}], dataset="d", version="v")
    return db_path


def test_an_export_follows_links_and_keeps_the_mode(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest([{"id": "a"}], dataset="d")
    real, link = tmp_path / "real.jsonl", tmp_path / "link.jsonl"
    real.write_text("old")
    real.chmod(0o600)
    link.symlink_to(real)
    (tmp_path / "link.jsonl.partial").write_text("mine")
    db.export(link, dataset="d")
    assert link.is_symlink()
    assert (real.read_text(), real.stat().st_mode & 0o777) == ('{"id":"a"}\n', 0o600)
    assert sorted(path.name for path in tmp_path.glob("*.partial")) == ["link.jsonl.partial"]


def test_an_export_goes_into_a_pipe(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest([{"id": "a"}], dataset="d")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    db.export(pipe, dataset="d")
    reader.join()
    assert (read, pipe.is_fifo()) == (['{"id":"a"}\n'], True)


@pytest.mark.parametrize("name", ["out.jsonl.zst", "out.json.zst", "out.jsonl.gz"])
def test_what_is_exported_compressed_is_read_again(db: masksdb.Database, tmp_path: Path, name: str) -> None:
    db.ingest([{"id": "a"}, {"id": "b"}], dataset="d")
    assert db.export(tmp_path / name, dataset="d") == 2
    assert db.ingest(tmp_path / name, dataset="d").unchanged == 2
    with pytest.raises(masksdb.UnsupportedFormatError, match=r"compression '\.bz2' is not known"):
        db.export(tmp_path / "out.jsonl.bz2", dataset="d")


def test_nothing_is_written_over_a_database(run: Callable[..., Outcome], two: str) -> None:
    before = Path(two).read_bytes()
    for command in (
        ["export", two, two, "--dataset", "d"],
        *(["sql", two, "SELECT 1", "-o", two, "--format", form] for form in ("table", "json", "csv", "parquet")),
    ):
        outcome = run(*command)
        assert (outcome.status, outcome.err) == (1, f"Error: {two}: a DuckDB database; write to another file\n")
    assert Path(two).read_bytes() == before


def test_a_query_that_fails_leaves_the_file_that_was_there(
    run: Callable[..., Outcome], two: str, tmp_path: Path
) -> None:
    out = tmp_path / "out.txt"
    out.write_text("old")
    assert run("sql", two, "SELECT nothing", "-o", out).status == 1
    assert out.read_text() == "old"
    assert run("sql", two, "SELECT 1 AS a; SELECT 2 AS b", "-o", out, "--format", "jsonl").status == 0
    assert out.read_text() == '{"a":1}\n{"b":2}\n'
    refused = run("sql", two, "SELECT 1 AS a; SELECT 2 AS b", "-o", tmp_path / "o.parquet", "--format", "parquet")
    assert (refused.status, "a second result" in refused.err, (tmp_path / "o.parquet").exists()) == (1, True, False)
    refused = run("sql", two, "SELECT 1", "-o", tmp_path / "no" / "o.txt")
    assert (refused.status, refused.err.count("\n"), "cannot be written" in refused.err) == (1, 1, True)
    assert run("sql", two, "SELECT 1 AS a", "-o", "-", "--format", "jsonl").out == '{"a":1}\n'


def test_a_failing_command_makes_no_database(
    run: Callable[..., Outcome], db_path: str, write: Callable[..., str]
) -> None:
    labels = write("labels.json", "{}")
    for command in (
        ["ingest", db_path, "nothing.jsonl", "--dataset", "d"],
        ["version", "publish", db_path, "--dataset", "d"],
        ["version", "snapshot", db_path, "--dataset", "d"],
        ["labels", "set", db_path, "--dataset", "d", labels],
        ["sql", db_path, "SELECT 1", "--write"],
    ):
        outcome = run(*command)
        assert (outcome.status, outcome.err.count("\n")) == (1, 1), command
        assert not Path(db_path).exists(), command


@pytest.mark.parametrize("leads_to", ["elsewhere.duckdb", "link.duckdb"])
def test_a_link_stays_when_the_ingest_into_it_fails(
    run: Callable[..., Outcome], write: Callable[..., str], tmp_path: Path, leads_to: str
) -> None:
    link = tmp_path / "link.duckdb"
    link.symlink_to(tmp_path / leads_to)
    assert run("ingest", link, write("bad.jsonl", "{"), "--dataset", "d").status == 1
    assert link.is_symlink()
    assert {path.name for path in tmp_path.iterdir()} == {"link.duckdb", "bad.jsonl"}


def test_a_database_of_others_stays_theirs(run: Callable[..., Outcome], db_path: str) -> None:
    with duckdb.connect(db_path) as connection:
        connection.execute("CREATE TABLE frames (mine INTEGER)")
    outcome = run("version", "publish", db_path, "--dataset", "d")
    assert "a DuckDB file without masksdb's tables" in outcome.err
    outcome = run("version", "create", db_path, "--dataset", "d", "--version", "v")
    assert (outcome.status, outcome.err.count("\n")) == (1, 1)
    assert f"{db_path}: not a database that masksdb can use" in outcome.err
    with duckdb.connect(db_path) as connection:
        assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("frames",)]


def test_a_file_of_sqlite_is_no_database_of_ours(run: Callable[..., Outcome], tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"SQLite format 3\0" + bytes(4096))
    assert run("info", path).err == (
        f"Error: {path}: not a DuckDB database file; give the path of one, or of a file to create\n"
    )


def test_rows_with_no_number_are_null_in_json(run: Callable[..., Outcome], two: str) -> None:
    query = "SELECT 'NaN'::DOUBLE AS a, ['-inf'::DOUBLE] AS b, 'NaN' AS c"
    assert json.loads(run("sql", two, query, "--format", "json").out) == [{"a": None, "b": [None], "c": "NaN"}]


def test_a_table_shows_control_characters_and_plans_as_they_are_drawn(run: Callable[..., Outcome], two: str) -> None:
    assert "a\\tb\\x1b[1m" in run("sql", two, r"SELECT E'a\tb\x1b[1m' AS text").out
    assert run("sql", two, "EXPLAIN SELECT 42").out.count("\n") > 3


def test_an_unknown_dataset_is_not_an_empty_list(run: Callable[..., Outcome], two: str) -> None:
    outcome = run("version", "list", two, "--dataset", "e")
    assert (outcome.status, outcome.err) == (1, f"Error: {two}: no dataset 'e'; did you mean 'd'?\n")


@pytest.mark.parametrize("form", ["table", "parquet"])
def test_ctrl_c_stops_a_query_at_once(two: str, form: str) -> None:
    endless = "SELECT count(*) FROM range(3000000000) a, range(1000) b WHERE a.range + b.range = 7"
    command = [sys.executable, "-m", "masksdb.cli", "sql", two, endless, "--format", form]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c
    ) as process:
        time.sleep(1.5)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "")
    assert time.monotonic() - start < 10, "not the hours that the query would take"
    masksdb.connect(two).close()
