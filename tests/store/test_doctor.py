"""What is wrong with a file, said in words, and a new file without it; the old one is never changed."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.common import Outcome, exported

import masksdb


def frames(count: int, name: str = "f") -> list[dict[str, Any]]:
    source = {"id": "s", "uri": "a.jpg", "masks": [{"id": "m", "uri": "a.png"}]}
    roi = {"label": ["car"], "mask": {"id": "m", "value": [7]}}
    return [{"id": f"{name}{number}", "sources": [source], "rois": [roi]} for number in range(count)]


@pytest.fixture
def sound(db_path: str) -> Path:
    """A dataset with a published version and a child that replaces one frame and adds another."""
    with masksdb.connect(db_path) as db:
        db.ingest(frames(300), dataset="d", version="v1")
        db.create_snapshot("d", "v1", publish_name="v1")
        db.ingest([*frames(1, "g"), {"id": "f0", "rois": []}], dataset="d")
    return Path(db_path)


@pytest.fixture
def killed(db_path: str, tmp_path: Path) -> Path:
    """A file with 20 frames, and five commits of 10 frames each in its log, as a killed process leaves them."""
    path = tmp_path / "killed.duckdb"
    with masksdb.connect(db_path) as db:
        db.ingest(frames(20), dataset="d")
        db.connection.execute("CHECKPOINT")
        for number in range(5):
            db.ingest(frames(10, f"g{number}_"), dataset="d")
        for end in ("", ".wal"):
            shutil.copy(f"{db_path}{end}", f"{path}{end}")
    return path


def names(path: Path | str) -> set[str]:
    with masksdb.connect(path, read_only=True) as db:
        return {name for (name,) in db.sql("SELECT frame_id FROM dataset_frames").fetchall()}


def contents(path: Path | str) -> dict[str, list[Any]]:
    """The rows of every table but that of the migrations."""
    with duckdb.connect(str(path), read_only=True) as plain:
        tables = plain.execute("SELECT table_name FROM duckdb_tables() WHERE table_name <> 'migrations'").fetchall()
        return {table: plain.execute(f"FROM {table} ORDER BY ALL").fetchall() for (table,) in tables}


def flip(path: Path | str, place: int, bit: int = 0) -> None:
    with open(path, "r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1 << bit]))


def change(path: Path, sql: str) -> None:
    with duckdb.connect(str(path)) as plain:
        plain.execute(sql)


def problems(path: Path) -> dict[str, str]:
    return {problem.name: problem.severity for problem in masksdb.doctor(path).problems}


def test_nothing_is_wrong_with_a_sound_file_and_a_new_one_is_the_same(sound: Path, tmp_path: Path) -> None:
    before = hashlib.sha256(sound.read_bytes()).hexdigest()
    diagnosis = masksdb.doctor(sound, fix=tmp_path / "new.duckdb")
    assert (diagnosis.problems, diagnosis.lost, diagnosis.remaining) == ((), (), ())
    assert contents(tmp_path / "new.duckdb") == contents(sound)
    assert hashlib.sha256(sound.read_bytes()).hexdigest() == before
    with masksdb.connect(tmp_path / "new.duckdb") as db:
        assert db.ingest([{"id": "more"}], dataset="d").new == 1, "its keys go on where the old ones ended"
        assert db.create_version("d", "another").version_id == 3


def test_the_views_of_findings_are_masksdbs_own(sound: Path) -> None:
    with masksdb.connect(sound) as db:
        db.check()
    assert masksdb.doctor(sound).problems == ()


def test_a_flipped_bit_in_the_log_is_an_error_that_names_it_and_the_doctor(
    run: Callable[..., Outcome], killed: Path
) -> None:
    flip(f"{killed}.wal", Path(f"{killed}.wal").stat().st_size // 2)
    for read_only in (True, False):
        with pytest.raises(masksdb.DatabaseDamagedError, match=r"killed\.duckdb\.wal: the write-ahead log .* damaged"):
            masksdb.connect(killed, read_only=read_only)
    outcome = run("info", killed)
    assert (outcome.status, outcome.err.count("\n")) == (1, 1)
    assert f"masksdb doctor {killed}" in outcome.err


def test_what_a_log_has_before_its_damage_is_saved(run: Callable[..., Outcome], killed: Path, tmp_path: Path) -> None:
    whole = names(killed)
    flip(f"{killed}.wal", Path(f"{killed}.wal").stat().st_size // 2)
    before = {end: Path(f"{killed}{end}").read_bytes() for end in ("", ".wal")}
    assert problems(killed)["log"] == "error"
    outcome = run("doctor", killed, "--fix", tmp_path / "new.duckdb")
    assert outcome.status == 0
    assert {end: Path(f"{killed}{end}").read_bytes() for end in ("", ".wal")} == before
    saved = names(tmp_path / "new.duckdb")
    assert {name for name in whole if name.startswith(("f", "g0_", "g1_"))} <= saved < whole
    assert len(saved) % 10 == 0, "a commit is saved as a whole"


def damages(size: int, number: int) -> Iterator[tuple[str, int]]:
    """Cuts and flips at places that a seed gives."""
    places = random.Random(7)
    for turn in range(number):
        yield "cut" if turn % 2 else "flip", places.randrange(size)


@pytest.mark.parametrize("end", ["", ".wal"])
def test_any_cut_and_flip_is_no_damage_or_an_error_with_advice(killed: Path, tmp_path: Path, end: str) -> None:
    whole, first = names(killed), {frame["id"] for frame in frames(20)}
    target = tmp_path / "damaged.duckdb"
    for how, place in damages(Path(f"{killed}{end}").stat().st_size, 6):
        for each in ("", ".wal"):
            shutil.copy(f"{killed}{each}", f"{target}{each}")
        if how == "flip":
            flip(f"{target}{end}", place)
        else:
            os.truncate(f"{target}{end}", place)
        found = outcome_of(lambda: names(target))
        if isinstance(found, Exception):
            assert re.search("doctor|not a DuckDB|[Cc]hecksum|Could not read enough", str(found)), (how, place)
        else:
            assert first <= found <= whole, (how, place)


def outcome_of(call: Callable[[], set[str]]) -> set[str] | Exception:
    """What a call returns, or the error of masksdb or, for a relation that is read late, of DuckDB that it raises."""
    try:
        return call()
    except (masksdb.MasksDBError, duckdb.Error) as error:
        return error


def test_frames_of_which_a_block_is_damaged_are_left_out_and_come_back_with_an_ingest(
    run: Callable[..., Outcome], db_path: str, tmp_path: Path
) -> None:
    texts = [json.dumps({"id": f"{n}", "meta": {"text": hashlib.sha256(bytes([n % 251, n // 251])).hexdigest() * 9}})
             for n in range(20_000)]  # fmt: skip
    source = tmp_path / "frames.jsonl"
    source.write_text("\n".join(texts))
    with masksdb.connect(db_path) as db:
        db.ingest(source, dataset="d")
    flip(db_path, Path(db_path).stat().st_size // 2)
    with masksdb.connect(db_path) as db, pytest.raises(masksdb.DatabaseDamagedError, match="masksdb doctor"):
        db.export(tmp_path / "out.jsonl", dataset="d")
    assert problems(Path(db_path)) == {"blocks": "error"}
    new = tmp_path / "new.duckdb"
    outcome = run("doctor", db_path, "--fix", new)
    assert outcome.status == 0
    assert "lost: frames: " in outcome.out
    saved = names(new)
    assert 0 < len(saved) < 20_000
    with masksdb.connect(new) as db:
        report = db.ingest(source, dataset="d")
        assert (report.new, report.updated, report.unchanged) == (20_000 - len(saved), 0, len(saved))


@pytest.mark.parametrize("text", [b"resolve_uri", b"views/", b"car"])
def test_a_damaged_block_of_views_versions_or_labels_is_named(
    run: Callable[..., Outcome], sound: Path, text: bytes
) -> None:
    flip(sound, sound.read_bytes().rfind(text))
    assert "error" in problems(sound).values()
    outcome = run("doctor", sound)
    assert (outcome.status, outcome.err) == (1, "")
    assert "damaged" in outcome.out or "Corrupt" in outcome.out


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        ("lineage", "DELETE FROM version_lineage WHERE rank = 1"),
        ("lineage", "UPDATE version_lineage SET rank = 5 WHERE rank = 1"),
        ("roi_masks", "UPDATE roi_masks SET mask_id = 'other' WHERE frame_key % 7 = 0"),
        ("roi_masks", "DELETE FROM roi_masks"),
        ("orphans", "INSERT INTO rois (frame_key, roi_index, kind) VALUES (99999, 0, 'label')"),
        ("hashes", "UPDATE versions SET saved_hash = '1' WHERE status = 'draft'"),
        ("views", "CREATE OR REPLACE VIEW roi_labels AS SELECT * FROM read_text('/etc/passwd')"),
    ],
)
def test_what_follows_from_other_tables_is_compared_and_made_again(
    sound: Path, tmp_path: Path, name: str, sql: str
) -> None:
    before = contents(sound)
    change(sound, sql)
    assert name in problems(sound)
    diagnosis = masksdb.doctor(sound, fix=tmp_path / "new.duckdb")
    assert (diagnosis.lost, diagnosis.remaining, diagnosis.has_errors) == ((), (), False)
    assert contents(tmp_path / "new.duckdb") == before


def test_a_draft_changed_by_hand_gets_its_hashes_again_and_a_published_version_does_not(
    sound: Path, tmp_path: Path
) -> None:
    change(sound, "UPDATE frames SET meta = '{\"by\": \"hand\"}' WHERE frame_id IN ('g0', 'f5')")
    assert problems(sound) == {"hashes": "error"}
    diagnosis = masksdb.doctor(sound, fix=tmp_path / "new.duckdb")
    assert [problem.message for problem in diagnosis.remaining] == ["1 frames are not what was ingested: d/v1: f5"]
    with masksdb.connect(tmp_path / "new.duckdb") as db:
        assert db.ingest(frames(1, "g"), dataset="d").updated == 1, "the change is seen"
        assert {"id": "f5", "by": "hand"}.items() <= {**exported(db, "d", "v1", tmp_path)[5], "by": "hand"}.items()


@pytest.mark.parametrize(
    ("sql", "severity", "says"),
    [
        ("INSERT INTO migrations (name) VALUES ('schema/999_later')", "error", "made by a newer masksdb"),
        ("DELETE FROM migrations WHERE starts_with(name, 'schema/004')", "error", "made by an older masksdb"),
        ("UPDATE migrations SET name = 'views/other' WHERE starts_with(name, 'views/'); "
         "CREATE OR REPLACE VIEW roi_labels AS SELECT 1 AS i", "note", "of another masksdb"),
        ("CREATE VIEW mine AS SELECT 1 AS i", "note", "masksdb did not make: mine"),
    ],
)  # fmt: skip
def test_the_makers_of_schema_and_views_are_told_apart(sound: Path, sql: str, severity: str, says: str) -> None:
    change(sound, sql)
    (problem,) = masksdb.doctor(sound).problems
    assert problem.severity == severity
    assert says in problem.message


def test_tables_of_a_users_own_are_in_the_new_file(sound: Path, tmp_path: Path) -> None:
    change(sound, 'CREATE TABLE "my ""own"" table" AS SELECT 7 AS "a b"')
    masksdb.doctor(sound, fix=tmp_path / "new.duckdb")
    with duckdb.connect(str(tmp_path / "new.duckdb")) as plain:
        assert plain.execute('SELECT "a b" FROM "my ""own"" table"').fetchall() == [(7,)]


def test_a_file_of_another_program_is_told_from_a_database(run: Callable[..., Outcome], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello " * 3000)
    outcome = run("doctor", tmp_path / "a.txt", "--format", "json")
    assert outcome.status == 1
    assert json.loads(outcome.out)["problems"][0]["name"] == "file"
    assert run("doctor", tmp_path / "a.txt", "--fix", tmp_path / "new.duckdb").status == 1
    assert not (tmp_path / "new.duckdb").exists()
    duckdb.connect(str(tmp_path / "plain.duckdb")).close()
    assert "without masksdb's tables" in run("doctor", tmp_path / "plain.duckdb").out


def test_what_a_killed_process_left_is_noted(killed: Path) -> None:
    (spill := Path(f"{killed}.tmp")).mkdir()
    (spill / "duckdb_temp_storage_DEFAULT-0.tmp").write_bytes(b"x")
    assert [(problem.severity, problem.name) for problem in masksdb.doctor(killed).problems] == [
        ("note", "leftovers"), ("note", "leftovers")
    ]  # fmt: skip


def test_the_doctor_writes_over_no_file_and_needs_one(run: Callable[..., Outcome], sound: Path, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    assert "exists" in run("doctor", sound, "--fix", tmp_path / "there").err
    assert (tmp_path / "there").read_text() == "mine"
    assert "no such database file" in run("doctor", tmp_path / "none.duckdb").err
    with masksdb.connect(sound), pytest.raises(masksdb.DatabaseLockedError):
        masksdb.doctor(sound)
