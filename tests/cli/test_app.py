"""The command line: data to standard output, the rest to standard error, a status that says how it went."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.common import FIXTURES, Outcome

import masksdb
from masksdb.cli.app import cli

STREET = FIXTURES / "street" / "frames.jsonl"
QUERY = "SELECT frame_id, class_labels, confidence FROM mask_rois WHERE frame_id = $f ORDER BY roi_index LIMIT 2"


@pytest.fixture
def street(db_path: str) -> str:
    with masksdb.connect(db_path) as db:
        db.ingest(STREET, dataset="street", version="v1")
    return db_path


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_every_command_has_help_with_an_example(run: Callable[..., Outcome], command: tuple[str, ...]) -> None:
    outcome = run(*command, "--help")
    assert (outcome.status, outcome.err) == (0, "")
    database = "" if command == ("formats",) else " cars.duckdb"
    assert f"masksdb {' '.join(command)}{database}" in outcome.out


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_a_command_is_in_the_file_of_its_name(command: tuple[str, ...]) -> None:
    found: click.Command = cli
    for name in command:
        assert isinstance(found, click.Group)
        found = found.commands[name]
    assert found.callback is not None
    assert found.callback.__module__ == f"masksdb.cli.{command[0]}"


def test_ingest_prints_its_report_to_standard_error(run: Callable[..., Outcome], db_path: str) -> None:
    outcome = run("ingest", db_path, STREET, "--dataset", "street", "--version", "v1")
    assert outcome == (0, "", "street/v1: 12 new, 0 updated, 0 unchanged\n")


def test_a_table_is_aligned_with_numbers_to_the_right(run: Callable[..., Outcome], street: str) -> None:
    outcome = run("sql", street, "SELECT 'a' AS name, 1 AS n UNION ALL SELECT 'long name', 1000 ORDER BY n")
    assert outcome.out == "name          n\n---------  ----\na             1\nlong name  1000\n"


def test_a_table_shows_nulls_lists_and_wide_text(run: Callable[..., Outcome], street: str) -> None:
    outcome = run("sql", street, "SELECT NULL AS nothing, ['x', 'y'] AS list, '日本' AS wide, 'a\nb' AS lines")
    assert outcome.out.splitlines()[2] == "NULL     [x, y]  日本  a b"


def test_json_lines_json_and_csv_hold_the_same_rows(run: Callable[..., Outcome], street: str) -> None:
    arguments = ("sql", street, QUERY, "-p", "f=haifa_00", "--format")
    rows = [
        {"frame_id": "haifa_00", "class_labels": ["sky"], "confidence": None},
        {"frame_id": "haifa_00", "class_labels": ["building"], "confidence": None},
    ]
    assert [json.loads(line) for line in run(*arguments, "jsonl").out.splitlines()] == rows
    assert json.loads(run(*arguments, "json").out) == rows
    assert list(csv.reader(io.StringIO(run(*arguments, "csv").out))) == [
        ["frame_id", "class_labels", "confidence"],
        ["haifa_00", "[sky]", ""],
        ["haifa_00", "[building]", ""],
    ]


def test_no_rows_are_an_empty_json_array(run: Callable[..., Outcome], street: str) -> None:
    assert run("sql", street, "SELECT 1 WHERE false", "--format", "json").out == "[]\n"
    assert run("sql", street, "SELECT 1 WHERE false", "--format", "jsonl").out == ""


def test_markdown_is_a_markdown_table(run: Callable[..., Outcome], street: str) -> None:
    outcome = run("sql", street, "SELECT 'a|b' AS name, 1 AS n", "--format", "markdown")
    assert outcome.out == "| name |   n |\n| ---- | --: |\n| a\\|b |   1 |\n"


def test_parquet_and_arrow_go_to_files_and_pipes(run: Callable[..., Outcome], street: str, tmp_path: Path) -> None:
    run("sql", street, QUERY, "-p", "f=haifa_00", "--format", "parquet", "-o", tmp_path / "rows.parquet")
    table = pq.read_table(tmp_path / "rows.parquet")
    assert table.column("class_labels").to_pylist() == [["sky"], ["building"]]
    command = [sys.executable, "-m", "masksdb.cli", "sql", street, QUERY, "-p", "f=haifa_00", "--format", "arrow"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert pa.ipc.open_stream(done.stdout).read_all().column_names == ["frame_id", "class_labels", "confidence"]


def test_a_script_on_standard_input_runs_every_statement(street: str) -> None:
    script = "CREATE TEMP TABLE t AS SELECT $n AS n;\nSELECT n FROM t; -- a comment; here\nSELECT n + 1 AS m FROM t"
    command = [sys.executable, "-m", "masksdb.cli", "sql", street, "-", "-p", "n=41", "--format", "jsonl"]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=True)
    assert done.stdout == '{"n":41}\n{"m":42}\n'


def test_parameters_are_bound_as_json_or_text(run: Callable[..., Outcome], street: str) -> None:
    query = "SELECT typeof($a) AS a, typeof($b) AS b, typeof($c) AS c, $d AS d"
    outcome = run("sql", street, query, "-p", "a=1", "-p", "b=x'; DROP TABLE frames", "-p", "c=[1,2]", "-p", "d=a=b",
                  "--format", "jsonl")  # fmt: skip
    assert json.loads(outcome.out) == {"a": "INTEGER", "b": "VARCHAR", "c": "INTEGER[]", "d": "a=b"}


def test_sql_writes_only_when_asked_to(run: Callable[..., Outcome], street: str) -> None:
    statement = "DELETE FROM uri_prefixes"
    outcome = run("sql", street, statement)
    assert (outcome.status, outcome.err.count("\n")) == (1, 1)
    assert "--write" in outcome.err
    assert run("sql", street, statement, "--write").status == 0


def test_output_is_utf_8_and_plain_in_a_pipe_and_on_a_terminal(street: str) -> None:
    command = [sys.executable, "-m", "masksdb.cli", "sql", street, "SELECT 'naïve' AS word"]
    piped = subprocess.run(command, capture_output=True, check=True).stdout
    master, slave = pty.openpty()
    with subprocess.Popen(command, stdout=slave, stderr=slave) as process:
        process.wait()
    os.close(slave)
    shown = os.read(master, 4096)
    os.close(master)
    assert piped.decode() == "word\n-----\nnaïve\n"
    assert shown.replace(b"\r\n", b"\n") == piped


def test_a_reader_that_leaves_early_sees_no_traceback(street: str) -> None:
    query = "SELECT range AS n FROM range(200000)"
    command = f"{sys.executable} -m masksdb.cli sql {street} '{query}' --format jsonl | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ('{"n":0}\n', "")


def test_info_lists_what_is_there(run: Callable[..., Outcome], street: str) -> None:
    outcome = run("info", street, "--format", "jsonl")
    row = json.loads(outcome.out)
    counts = {key: row[key] for key in ("dataset", "version", "status", "frames", "sources", "masks", "rois")}
    assert counts == {
        "dataset": "street", "version": "v1", "status": "draft", "frames": 12, "sources": 12, "masks": 36, "rois": 85
    }  # fmt: skip
    assert outcome.err.startswith(street)


def test_version_list_is_one_row_per_version(run: Callable[..., Outcome], street: str) -> None:
    with masksdb.connect(street) as db:
        db.create_version("street", "v2")
        db.create_version("other", "v1")
    outcome = run("version", "list", street, "--dataset", "street", "--format", "jsonl")
    assert [json.loads(line)["version"] for line in outcome.out.splitlines()] == ["v1", "v2"]


def test_export_to_standard_output_is_json_lines(run: Callable[..., Outcome], street: str) -> None:
    outcome = run("export", street, "-", "--dataset", "street")
    assert [json.loads(line) for line in outcome.out.splitlines()] == [
        json.loads(line) for line in STREET.read_text().splitlines()
    ]
    assert outcome.err == "-: 12 frames\n"


def test_a_failed_export_leaves_no_file(run: Callable[..., Outcome], street: str, tmp_path: Path) -> None:
    assert run("export", street, tmp_path / "out.jsonl", "--dataset", "none").status == 1
    assert run("export", street, tmp_path / "none" / "out.jsonl", "--dataset", "street").status == 1
    assert [path.name for path in tmp_path.iterdir()] == ["test.duckdb"]


@pytest.mark.parametrize(
    "arguments",
    [("nothing",), ("ingest",), ("ingest", "a.duckdb", "b.json"), ("sql", "a.duckdb", "SELECT 1", "-p", "x"), ()],
)
def test_wrong_usage_is_status_2(run: Callable[..., Outcome], arguments: tuple[str, ...]) -> None:
    assert run(*arguments).status == 2


def test_debug_shows_the_traceback(run: Callable[..., Outcome], tmp_path: Path) -> None:
    outcome = run("--debug", "info", tmp_path / "none.duckdb")
    assert "Traceback" in outcome.err
    assert outcome.err.splitlines()[-1].startswith("Error: ")


def test_an_interrupt_is_status_130(run: Callable[..., Outcome], street: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(masksdb.Database, "run_script", interrupt)
    outcome = run("sql", street, "SELECT 1")
    assert (outcome.status, outcome.out) == (130, "")


def test_the_command_line_and_python_do_the_same(run: Callable[..., Outcome], tmp_path: Path) -> None:
    run("ingest", tmp_path / "cli.duckdb", STREET, "--dataset", "d", "--version", "v")
    with masksdb.connect(tmp_path / "python.duckdb") as db:
        db.ingest(STREET, dataset="d", version="v")
    contents = []
    for name in ("cli", "python"):
        with masksdb.connect(tmp_path / f"{name}.duckdb", read_only=True) as db:
            contents.append({table: db.sql(f"FROM {table}").fetchall() for table in ("frames", "rois", "roi_masks")})
    assert contents[0] == contents[1]
