"""Opening, sharing, migrating and locking a database file."""

from __future__ import annotations

import os
import shlex
import shutil
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
from masksdb.store.sql import names


def test_one_process_shares_one_instance_of_a_file(db_path: str) -> None:
    with masksdb.connect(db_path) as first, masksdb.connect(Path(db_path)) as second:
        first.ingest([{"id": "a"}], dataset="d")
        assert second.sql("SELECT frame_id FROM frames").fetchall() == [("a",)]
        first.close()
        assert second.sql("SELECT 1").fetchall() == [(1,)], "one user's close does not close the other's"


def test_closing_twice_is_closing_once(db_path: str) -> None:
    with masksdb.connect(db_path) as first, masksdb.connect(db_path) as second:
        first.close()
        first.close()
        assert second.sql("SELECT 1").fetchall() == [(1,)]


IN_A_NOTEBOOK = """
import sys, types
ipython = types.ModuleType("IPython")
ipython.get_ipython = lambda: types.SimpleNamespace(config={"IPKernelApp": {}})
sys.modules |= {"IPython": ipython, "ipywidgets": None}
import duckdb
try:
    duckdb.connect().execute("SET enable_progress_bar = false")
except duckdb.Error as error:
    print("refused" if "ipywidgets" in str(error) else error)
import masksdb
for read_only in (False, True):
    with masksdb.connect(sys.argv[1], read_only=read_only) as db:
        print(db.sql("SELECT count(*) FROM dataset_frames").fetchall())
"""


def test_a_notebook_without_ipywidgets_opens_a_database(db_path: str) -> None:
    # Python code that comes from no file, in a kernel of IPython, is what DuckDB takes for a notebook.
    done = subprocess.run([sys.executable, "-c", IN_A_NOTEBOOK, db_path], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["refused", "[(0,)]", "[(0,)]"]


def test_fifty_opens_leave_no_handle(new_database: Path, tmp_path: Path) -> None:
    def handles() -> int:
        return len(os.listdir("/proc/self/fd"))

    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc to count handles in")
    before = handles()
    for number in range(50):
        with masksdb.connect(shutil.copy(new_database, tmp_path / f"{number}.duckdb")):
            pass
    assert handles() <= before + 1


def test_threads_may_open_query_and_close_side_by_side(db_path: str) -> None:
    with masksdb.connect(db_path) as db:
        db.ingest([{"id": "a"}], dataset="d")
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(10):
                with masksdb.connect(db_path) as db:
                    assert db.sql("SELECT count(*) FROM dataset_frames").fetchall() == [(1,)]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_threads_may_ingest_side_by_side(db: masksdb.Database) -> None:
    def work(dataset: str) -> None:
        for number in range(3):
            db.ingest([{"id": str(number), "rois": [{"label": ["x"]}]}], dataset=dataset)

    threads = [threading.Thread(target=work, args=(f"d{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert db.sql("SELECT count(*), count(DISTINCT frame_key) FROM frames").fetchall() == [(9, 9)]
    assert db.sql("SELECT count(*) FROM mask_rois").fetchall() == [(9,)]


LOCK = """
import sys, masksdb
with masksdb.connect(sys.argv[1]):
    print("open", flush=True)
    sys.stdin.read()
"""


def test_a_database_open_elsewhere_names_the_process(run: Callable[..., Outcome], db_path: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LOCK, db_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(masksdb.DatabaseLockedError, match=rf"process {other.pid}; close it there"):
            masksdb.connect(db_path)
        outcome = run("info", db_path)
        assert (outcome.status, outcome.err.startswith("Error: ")) == (1, True)
        assert f"process {other.pid}" in outcome.err
        other.communicate("")


def test_read_only_readers_share_a_file(db_path: str) -> None:
    masksdb.connect(db_path).close()
    command = [sys.executable, "-m", "masksdb.cli", "sql", db_path, "SELECT 1 AS one", "--format", "jsonl"]
    with masksdb.connect(db_path, read_only=True):
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == '{"one":1}\n'


def test_one_process_cannot_open_a_file_in_two_ways(db_path: str) -> None:
    with masksdb.connect(db_path), pytest.raises(masksdb.DatabaseLockedError, match="open for writing in this process"):
        masksdb.connect(db_path, read_only=True)


def test_writes_to_a_read_only_database_are_refused(db_path: str) -> None:
    masksdb.connect(db_path).close()
    with masksdb.connect(db_path, read_only=True) as db:
        with pytest.raises(masksdb.MasksDBError, match="opened read-only"):
            db.ingest([{"id": "a"}], dataset="d")
        with pytest.raises(masksdb.QueryError, match="opened read-only"):
            db.sql("CREATE TABLE t (i INTEGER)")


def test_the_schema_is_recorded(db: masksdb.Database) -> None:
    recorded = [name for (name,) in db.sql("SELECT name FROM migrations ORDER BY name").fetchall()]
    assert recorded[:-1] == list(names("schema"))
    assert recorded[-1].startswith("views/")


def test_a_file_from_a_newer_masksdb_is_refused(run: Callable[..., Outcome], db_path: str) -> None:
    with masksdb.connect(db_path) as db:
        db.connection.execute("INSERT INTO migrations (name) VALUES ('schema/999_later')")
    for read_only in (False, True):
        with pytest.raises(masksdb.SchemaVersionError, match="made by a newer masksdb"):
            masksdb.connect(db_path, read_only=read_only)
    assert "upgrade with" in run("info", db_path).err


def test_views_of_another_masksdb_are_replaced_on_open(db_path: str) -> None:
    with masksdb.connect(db_path) as db:
        db.connection.execute("CREATE OR REPLACE VIEW roi_labels AS SELECT 1 AS other")
        db.connection.execute("UPDATE migrations SET name = 'views/other' WHERE starts_with(name, 'views/')")
    with masksdb.connect(db_path) as db:
        assert "label" in db.sql("FROM roi_labels").columns


def test_the_findings_of_another_masksdb_are_replaced_with_its_views(db_path: str) -> None:
    with masksdb.connect(db_path) as db:
        db.check()
        db.connection.execute("CREATE OR REPLACE VIEW version_findings AS SELECT 1 AS other")
        db.connection.execute("UPDATE migrations SET name = 'views/other' WHERE starts_with(name, 'views/')")
    with masksdb.connect(db_path) as db:
        assert "check" in db.sql("FROM version_findings").columns
        recorded = db.sql("SELECT name FROM migrations WHERE name NOT LIKE 'schema/%'").fetchall()
        assert sorted(name.rpartition("/")[0] for (name,) in recorded) == ["check/views", "views"]


def test_the_macros_of_an_older_file_are_made_on_open(db_path: str) -> None:
    query = "SELECT same_mask('a', NULL, 'a', NULL), value_matches([1, -1, 3], NULL, 1, 2, 3, 255)"
    with masksdb.connect(db_path) as db:
        db.ingest([frame_of_one_roi()], dataset="d")
        db.connection.execute("UPDATE migrations SET name = 'views/other' WHERE starts_with(name, 'views/')")
        db.connection.execute("CREATE OR REPLACE MACRO mask_region_values() AS TABLE SELECT 1 AS other")
        for view in ("mask_roi_regions", "mask_segment_regions"):
            db.connection.execute(f"CREATE OR REPLACE VIEW {view} AS SELECT 1 AS other")
        for macro in ("same_mask", "value_matches"):
            db.connection.execute(f"DROP MACRO {macro}")
    with masksdb.connect(db_path, read_only=True) as db:
        assert db.sql(query).fetchall() == [(True, True)], "read-only, the file keeps its own and is used with ours"
    with duckdb.connect(db_path, read_only=True) as plain, pytest.raises(duckdb.Error, match="same_mask"):
        plain.execute(query)
    masksdb.connect(db_path).close()
    with duckdb.connect(db_path, read_only=True) as plain:
        assert plain.execute(query).fetchall() == [(True, True)]
        assert plain.execute("SELECT area FROM mask_roi_regions").fetchall() == [(None,)]


def frame_of_one_roi() -> dict[str, Any]:
    source = {"masks": [{"id": "m", "uri": "a.png"}]}
    return {"id": "a", "sources": [source], "rois": [{"label": ["x"], "mask": {"id": "m", "value": [1, -1, 3]}}]}


def test_a_plain_duckdb_file_is_not_read_only_ready(db_path: str) -> None:
    duckdb.connect(db_path).close()
    with pytest.raises(masksdb.SchemaVersionError, match="without masksdb's tables"):
        masksdb.connect(db_path, read_only=True)
    with masksdb.connect(db_path) as db:
        assert db.sql("FROM frames").fetchall() == []


@pytest.mark.parametrize("read_only", [False, True])
def test_a_text_file_is_no_database(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello " * 3000)
    with pytest.raises(masksdb.MasksDBError, match=r"notes\.txt: not a DuckDB database file"):
        masksdb.connect(path, read_only=read_only)
    assert path.read_text() == "hello " * 3000


def test_a_missing_database_is_not_made_by_reading(run: Callable[..., Outcome], tmp_path: Path) -> None:
    path = tmp_path / "none.duckdb"
    assert "no such database file" in run("sql", path, "SELECT 1").err
    assert not path.exists()


@pytest.mark.parametrize(
    "command",
    [
        "info", "sql DB 'SELECT 1' --write", "labels show DB --dataset d", "labels set DB --dataset d -", "check",
        "analyze", "render DB f --dataset d -o o.png", "export DB o --dataset d", "version list", "backup DB o",
        "version diff DB --dataset d a b", "version create DB --dataset d --version v --parent none", "doctor",
        "version publish DB --dataset d", "version delete DB --dataset d --version v", "media map DB a b", "view list",
        "evaluate DB --truth a/b --prediction a/c", "split DB --dataset d --parts train=1",
        "ingest DB none --dataset d",
    ],
)  # fmt: skip
def test_a_command_that_fails_makes_no_file(run: Callable[..., Outcome], tmp_path: Path, command: str) -> None:
    path = tmp_path / "none.duckdb"
    words = shlex.split(command if "DB" in command else f"{command} DB")
    outcome = run(*(str(path) if word == "DB" else word for word in words))
    assert (outcome.status > 0, outcome.out) == (True, "")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(masksdb.NotFoundError, match="its folder does not exist"):
        masksdb.connect(tmp_path / "none" / "a.duckdb")
    with pytest.raises(masksdb.MasksDBError, match="a folder, where a database file was expected"):
        masksdb.connect(tmp_path)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELEC 1", "SQL, line 1: syntax error"),
        ("SELECT 1;\nSELECT\n  nothing FROM frames", "SQL, line"),
        ("SELECT * FROM mask_roi", "Table with name mask_roi does not exist! Did you mean"),
        ("SELECT 'a'::INTEGER", "SQL: Could not convert string 'a' to INT32"),
        ("SELECT $missing", "SQL: "),
        ("COPY frames FROM '/none/here.csv'", "No files found"),
    ],
)
def test_bad_sql_is_one_line(run: Callable[..., Outcome], db_path: str, query: str, says: str) -> None:
    masksdb.connect(db_path).close()
    outcome = run("sql", db_path, query, "--write")
    assert outcome.status == 1
    assert outcome.err.startswith("Error: ")
    assert says in outcome.err
    assert outcome.err.count("\n") == 1


def test_every_duckdb_error_becomes_one_of_ours() -> None:
    from masksdb.store.duckdb_errors import translate

    def leaves(kind: type[duckdb.Error]) -> list[type[duckdb.Error]]:
        return [kind, *(leaf for child in kind.__subclasses__() for leaf in leaves(child))]

    for kind in leaves(duckdb.Error):
        translated = translate(kind("Some Error: it went wrong\n\nmore"), "a.duckdb")
        assert isinstance(translated, masksdb.MasksDBError)
        assert "it went wrong" in str(translated)
        assert "\n" not in str(translated)


def test_what_a_killed_process_left_is_removed(db_path: str) -> None:
    masksdb.connect(db_path).close()
    spill = Path(f"{db_path}.tmp")
    spill.mkdir()
    (spill / "duckdb_temp_storage_DEFAULT-0.tmp").write_bytes(b"x")
    (spill / "masksdb_input_abc").mkdir()
    (spill / "masksdb_input_abc" / "stdin.json").write_text("{}")
    masksdb.connect(db_path).close()
    assert not spill.exists()
