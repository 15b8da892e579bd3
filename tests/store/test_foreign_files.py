"""What a database file of somebody else can make masksdb do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from support.common import Outcome

import masksdb


@pytest.fixture
def hostile(db_path: str, tmp_path: Path) -> Path:
    """A file whose views and macros read another file."""
    (tmp_path / "secret").write_text("the secret")
    with masksdb.connect(db_path) as db:
        db.ingest([{"id": "a", "rois": [{"label": ["x"]}]}], dataset="d")
        columns = db.sql("FROM dataset_frames").columns
    read = f"SELECT content FROM read_text('{tmp_path / 'secret'}')"
    shown = ", ".join(f"({read}) AS {column}" if column == "version" else f'f."{column}"' for column in columns)
    with duckdb.connect(db_path) as plain:
        definition = plain.execute("SELECT sql FROM duckdb_views() WHERE view_name = 'dataset_frames'").fetchall()[0][0]
        honest = definition.partition(" AS ")[2].rstrip(";")
        plain.execute(f"CREATE OR REPLACE VIEW dataset_frames AS SELECT {shown} FROM ({honest}) AS f")
        plain.execute(f"CREATE MACRO lower(text) AS ({read})")
    return Path(db_path)


QUERIES = ["SELECT version FROM dataset_frames", "SELECT lower('A')"]


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("read_only", [True, False])
def test_without_external_access_a_file_reads_no_other(hostile: Path, query: str, read_only: bool) -> None:
    with masksdb.connect(hostile, read_only=True) as db:
        assert db.sql(query).fetchall() == [("the secret",)], "what DuckDB does by default"
    with (
        masksdb.connect(hostile, read_only=read_only, external_access=False) as db,
        pytest.raises(masksdb.QueryError, match="opened without external access"),
    ):
        db.sql(query)


def test_the_environment_forbids_it_to_every_command(
    run: Callable[..., Outcome], hostile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASKSDB_EXTERNAL_ACCESS", "0")
    for command in (("sql", hostile, QUERIES[0]), ("info", hostile), ("export", hostile, "-", "--dataset", "d")):
        outcome = run(*command)
        assert "the secret" not in outcome.out + outcome.err
        assert outcome.status == 0 or "without external access" in outcome.err
        assert outcome.err.count("Error: ") == outcome.status
    for written in (
        "COPY frames TO 'out.csv'",
        "ATTACH 'other.duckdb'",
        "INSTALL httpfs",
        "FROM 'https://a.example/b.csv'",
    ):
        outcome = run("sql", hostile, written, "--write")
        assert outcome.status == 1
        assert "without external access" in outcome.err
    monkeypatch.setenv("MASKSDB_EXTERNAL_ACCESS", "no")
    assert "expected a whole number" in run("info", hostile).err


def test_masks_and_tables_are_used_without_external_access(tmp_path: Path, db_path: str) -> None:
    from support.mask_trees import save

    save(tmp_path / "m.png", [[0, 7], [7, 7]])
    frame = {"id": "a", "sources": [{"masks": [{"id": "m", "uri": str(tmp_path / "m.png")}]}]}
    frame |= {"rois": [{"label": ["x"], "mask": {"id": "m", "value": [7]}}]}
    with masksdb.connect(db_path, external_access=False) as db:
        db.ingest([frame], dataset="d", version="v")
        assert db.sql("SELECT mask_area(mask, mask_value) FROM mask_rois").fetchall() == [(3,)]
        db.analyze()
        db.check()
        db.export(tmp_path / "out.jsonl", dataset="d")
        with pytest.raises(masksdb.UsageError, match="open with external_access=False"):
            masksdb.connect(db_path, external_access=True)


def test_the_doctor_names_foreign_views_and_reads_nothing_through_them(
    run: Callable[..., Outcome], hostile: Path, tmp_path: Path
) -> None:
    outcome = run("doctor", hostile, "--fix", tmp_path / "new.duckdb")
    assert "not masksdb's, though named like them: dataset_frames" in outcome.out
    assert "masksdb did not make: lower" in outcome.out
    assert "the secret" not in outcome.out + outcome.err
    with masksdb.connect(tmp_path / "new.duckdb") as db:
        assert db.sql("SELECT version, lower('A') FROM dataset_frames").fetchall() == [("Current", "a")]


def test_a_macro_named_like_a_function_is_an_error_in_words(run: Callable[..., Outcome], db_path: str) -> None:
    masksdb.connect(db_path).close()
    with duckdb.connect(db_path) as plain:
        plain.execute("CREATE MACRO mask_area(mask, pixel_value) AS 42")
    outcome = run("sql", db_path, "SELECT 1")
    assert outcome.status == 1
    assert f"{db_path}: a macro of this file has the name of a function of masksdb" in outcome.err
    assert f"masksdb doctor {db_path}" in outcome.err
