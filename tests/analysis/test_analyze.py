"""What is analysed when, what killed and failing runs leave, and what views, the command and other clients say then."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import reference
from support.common import ROOT, Outcome

import masksdb
from masksdb.pixels.mask_cache import facts_cache

HALF = np.array([[0, 0, 7, 7], [0, 0, 7, 7]], np.uint8)


def frame(name: str, values: list[Any], mask: str = "") -> dict[str, Any]:
    """A frame with one mask, named as the frame is unless said otherwise, and a ROI for each value."""
    masks = [{"id": "m", "uri": mask or f"{name}.png"}]
    rois = [{"label": [str(value)], "mask": {"id": "m", "value": value}} for value in values]
    return {"id": name, "sources": [{"id": "s", "uri": f"{name}.jpg", "masks": masks}], "rois": rois}


@pytest.fixture
def half(db: masksdb.Database, tmp_path: Path) -> masksdb.Database:
    """Two frames whose masks are 0 to the left and 7 to the right."""
    for name in "ab":
        Image.fromarray(HALF).save(tmp_path / f"{name}.png")
    db.ingest([frame(name, [[7], [9]]) for name in "ab"], dataset="d", version="v", media_root=str(tmp_path))
    return db


def counts(report: Any) -> tuple[int, int, int]:
    return report.analyzed, report.unchanged, len(report.failures)


def areas(db: masksdb.Database) -> list[tuple[str, int | None]]:
    query = "SELECT frame_id, area FROM mask_roi_regions WHERE dataset = 'd' ORDER BY frame_id, roi_index"
    return db.sql(query).fetchall()


def test_an_area_is_null_before_and_0_where_the_value_is_absent(half: masksdb.Database) -> None:
    assert areas(half) == [("a", None), ("a", None), ("b", None), ("b", None)]
    half.analyze()
    assert areas(half) == [("a", 4), ("a", 0), ("b", 4), ("b", 0)]


def test_a_second_run_reads_only_what_has_changed(half: masksdb.Database, tmp_path: Path) -> None:
    assert counts(half.analyze()) == (2, 0, 0)
    assert counts(half.analyze()) == (0, 2, 0)
    before = half.sql("FROM mask_files WHERE ends_with(uri, 'a.png')").fetchall()
    Image.fromarray(np.full((2, 4), 9, np.uint8)).save(tmp_path / "b.png")
    assert counts(half.analyze()) == (1, 1, 0)
    assert areas(half) == [("a", 4), ("a", 0), ("b", 0), ("b", 8)]
    assert half.sql("FROM mask_files WHERE ends_with(uri, 'a.png')").fetchall() == before
    assert half.sql("SELECT count(*) FROM mask_regions").fetchall() == [(3,)], "the old regions are gone"


def test_equal_pixels_have_equal_hashes_however_they_are_packed(half: masksdb.Database, tmp_path: Path) -> None:
    Image.fromarray(HALF).save(tmp_path / "b.png", compress_level=0)
    half.analyze()
    query = "SELECT count(DISTINCT fingerprint), count(DISTINCT pixel_hash) FROM mask_files"
    assert half.sql(query).fetchall() == [(2, 1)]
    for other in (np.flip(HALF), HALF.reshape(1, 8), HALF[:, [0, 2, 3, 3]]):
        Image.fromarray(other).save(tmp_path / "b.png")
        half.analyze()
        assert half.sql(query).fetchall() == [(2, 2)]


def test_run_lengths_are_added_by_a_later_run(half: masksdb.Database) -> None:
    half.analyze()
    assert half.sql("SELECT DISTINCT rle FROM mask_regions").fetchall() == [(None,)]
    assert counts(half.analyze(with_rle=True)) == (2, 0, 0)
    query = """
        SELECT DISTINCT mask_regions.rle, mask_rle(mask_ref(uri), [sample]).counts
        FROM mask_regions JOIN mask_files USING (mask_file_key) WHERE sample = 7
    """
    expected = reference.coco_rle(HALF == 7)["counts"]
    assert half.sql(query).fetchall() == [(expected, expected)]
    assert counts(half.analyze(with_rle=True)) == (0, 2, 0)
    assert counts(half.analyze()) == (0, 2, 0)
    assert half.sql("SELECT count(*) FROM mask_regions WHERE rle IS NULL").fetchall() == [(0,)]


def test_what_is_known_of_a_file_that_is_out_of_reach_stays(half: masksdb.Database, tmp_path: Path) -> None:
    half.analyze()
    facts = "SELECT * EXCLUDE (error, failed_at) FROM mask_files ORDER BY uri"
    known = [half.sql(query).fetchall() for query in (facts, "FROM mask_regions ORDER BY ALL")]
    os.rename(tmp_path / "a.png", tmp_path / "elsewhere")
    for reason in ("no such file", "not a file"):
        if reason == "not a file":
            os.mkdir(tmp_path / "a.png")
        report = half.analyze()
        assert [str(failure).partition(": ")[0] for failure in report.failures] == [f"{tmp_path}/a.png"]
        assert report.kept == 1
        assert areas(half) == [("a", 4), ("a", 0), ("b", 4), ("b", 0)]
    assert half.sql(facts).fetchall() == known[0]
    errors = half.sql("SELECT error, failed_at >= analyzed_at FROM mask_files ORDER BY uri").fetchall()
    assert errors == [(f"{tmp_path}/a.png: not a file", True), (None, None)]
    os.rmdir(tmp_path / "a.png")
    os.rename(tmp_path / "elsewhere", tmp_path / "a.png")
    assert counts(half.analyze()) == (0, 2, 0)
    assert half.sql("SELECT error, failed_at FROM mask_files").fetchall() == [(None, None)] * 2
    assert [half.sql(query).fetchall() for query in (facts, "FROM mask_regions ORDER BY ALL")] == known


def test_an_unchanged_file_that_cannot_be_read_again_keeps_its_facts(half: masksdb.Database, tmp_path: Path) -> None:
    half.analyze()
    status = os.stat(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(bytes(status.st_size))
    os.utime(tmp_path / "a.png", ns=(status.st_atime_ns, status.st_mtime_ns))
    facts_cache.clear()
    report = half.analyze(with_rle=True)
    assert (counts(report), report.kept) == ((1, 0, 1), 1)
    assert areas(half) == [("a", 4), ("a", 0), ("b", 4), ("b", 0)]


def test_a_file_that_has_changed_and_cannot_be_read_loses_its_facts(half: masksdb.Database, tmp_path: Path) -> None:
    half.analyze()
    (tmp_path / "b.png").write_bytes(b"no image")
    assert counts(half.analyze()) == (0, 1, 1)
    (tmp_path / "b.png").unlink()
    report = half.analyze()
    assert (counts(report), report.kept) == ((0, 1, 1), 0)
    assert areas(half) == [("a", 4), ("a", 0), ("b", None), ("b", None)]
    assert half.sql("SELECT error FROM mask_files WHERE height IS NULL").fetchall() == [
        (f"{tmp_path}/b.png: no such file",)
    ]


def test_what_cannot_be_read_is_kept_as_an_error_until_it_can(half: masksdb.Database, tmp_path: Path) -> None:
    (tmp_path / "a.png").unlink()
    (tmp_path / "b.png").write_bytes(b"no image")
    report = half.analyze()
    assert counts(report) == (0, 0, 2)
    errors = half.sql("SELECT error FROM mask_files ORDER BY uri").fetchall()
    assert errors == [(str(failure),) for failure in report.failures]
    assert errors[0] == (f"{tmp_path}/a.png: no such file",)
    assert areas(half) == [("a", None), ("a", None), ("b", None), ("b", None)]
    for name in "ab":
        Image.fromarray(HALF).save(tmp_path / f"{name}.png")
    assert counts(half.analyze()) == (2, 0, 0)
    assert half.sql("SELECT error, height FROM mask_files").fetchall() == [(None, 2), (None, 2)]
    assert areas(half) == [("a", 4), ("a", 0), ("b", 4), ("b", 0)]


KILLED = """
import os, signal, sys, masksdb
from masksdb.analysis import analyze
plain, analyze.MASKS_AT_ONCE, calls = analyze.statement, 4, []
def statement(name):
    calls.append(name)
    if calls.count("analysis/analyze/insert_regions") == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(name)
analyze.statement = statement
with masksdb.connect(sys.argv[1]) as db:
    db.analyze()
"""


def test_a_killed_run_keeps_what_it_has_done_and_the_next_does_the_rest(db_path: str, tmp_path: Path) -> None:
    names = [f"{number:02}" for number in range(14)]
    for number, name in enumerate(names):
        Image.fromarray(np.array([[number] * 3 + [99]], np.uint8)).save(tmp_path / f"{name}.png")
    with masksdb.connect(db_path) as db:
        db.ingest([frame(name, [[int(name)]]) for name in names], dataset="d", media_root=str(tmp_path))
    process = subprocess.run([sys.executable, "-c", KILLED, db_path], check=False, cwd=ROOT)
    assert process.returncode == -signal.SIGKILL
    with masksdb.connect(db_path) as db:
        done = db.sql("FROM mask_files ORDER BY uri").fetchall()
        assert len(done) == 8, "two batches, and nothing of the one in which it was killed"
        assert areas(db) == [(name, 3) for name in names[:8]] + [(name, None) for name in names[8:]]
        assert counts(db.analyze()) == (6, 8, 0)
        assert db.sql("FROM mask_files ORDER BY uri").fetchall()[:8] == done
        assert areas(db) == [(name, 3) for name in names]


def test_a_dataset_and_a_version_limit_what_is_read(half: masksdb.Database, tmp_path: Path) -> None:
    for name in "cx":
        Image.fromarray(HALF).save(tmp_path / f"{name}.png")
    half.version("d", "v").publish_version()
    half.create_version("d", "w", parents=["v"])
    half.ingest([frame("c", [[7]])], dataset="d", version="w", media_root=str(tmp_path))
    half.ingest([frame("x", [[7]])], dataset="other", media_root=str(tmp_path))
    assert counts(half.analyze("other")) == (1, 0, 0)
    assert counts(half.analyze("d", "v")) == (2, 0, 0), "a published version can be analysed"
    assert counts(half.analyze("d", "w")) == (1, 2, 0)
    assert counts(half.analyze()) == (0, 4, 0)
    with pytest.raises(masksdb.NotFoundError, match="no dataset 'dd'; did you mean 'd'"):
        half.analyze("dd")
    with pytest.raises(masksdb.NotFoundError, match="no version 'z'"):
        half.analyze("d", "z")


def test_a_mask_of_two_datasets_is_read_once_for_both(half: masksdb.Database, tmp_path: Path) -> None:
    half.ingest([frame("a", [[0]])], dataset="other", media_root=str(tmp_path))
    assert counts(half.analyze("d")) == (2, 0, 0)
    assert half.sql("SELECT area FROM mask_roi_regions WHERE dataset = 'other'").fetchall() == [(4,)]
    assert counts(half.analyze("other")) == (0, 1, 0)


def test_rois_with_run_lengths_of_their_own_have_regions(db: masksdb.Database) -> None:
    flags = np.random.default_rng(2).random((9, 14)) < 0.3
    empty = np.zeros((9, 14), np.bool_)
    rois = [{"label": ["x"], "rle": reference.coco_rle(region)} for region in (flags, empty)]
    query = "SELECT area, coverage, bbox, centroid FROM mask_roi_regions ORDER BY roi_index"
    db.ingest([{"id": "f", "rois": rois}], dataset="d")
    assert db.sql(query).fetchall() == [(None, None, None, None)] * 2
    db.analyze()
    expected = (int(flags.sum()), flags.mean(), reference.bbox(flags), reference.centroid(flags))
    assert db.sql(query).fetchall() == [expected, (0, 0.0, None, None)]
    db.ingest([{"id": "f", "rois": rois[1:]}], dataset="d")
    assert db.sql(query).fetchall() == [(None, None, None, None)], "another frame is not analysed yet"
    assert db.sql("FROM roi_regions").fetchall() == [], "and nothing is kept of the one before"
    db.analyze()
    assert db.sql(query).fetchall() == [(0, 0.0, None, None)]


def test_segments_of_mask_labels_have_regions(half: masksdb.Database) -> None:
    half.version("d", "v").set_masks_labels({(7, 7, 7): ["right"], (-1, -1, -1): ["all"], (1, 1, 1): ["none"]})
    half.analyze()
    query = "SELECT labels, area, coverage, bbox, centroid FROM mask_segment_regions WHERE frame_id = 'a' ORDER BY area"
    assert half.sql(query).fetchall() == [
        (["none"], 0, 0.0, None, None),
        (["right"], 4, 0.5, {"x": 2, "y": 0, "width": 2, "height": 2}, {"x": 2.5, "y": 0.5}),
        (["all"], 8, 1.0, {"x": 0, "y": 0, "width": 4, "height": 2}, {"x": 1.5, "y": 0.5}),
    ]


def test_a_read_only_database_is_not_analysed(half: masksdb.Database, db_path: str) -> None:
    half.close()
    with masksdb.connect(db_path, read_only=True) as db, pytest.raises(masksdb.MasksDBError, match="opened read-only"):
        db.analyze()


def test_the_command_tells_its_counts_and_failures_on_standard_error(
    run: Callable[..., Outcome], half: masksdb.Database, db_path: str, tmp_path: Path
) -> None:
    half.close()
    assert run("analyze", db_path) == (0, "", f"{db_path}: 2 masks analysed, 0 unchanged\n")
    os.remove(tmp_path / "a.png")
    printed = f"{db_path}: 0 masks analysed, 1 unchanged, 1 not readable (1 keep their earlier regions)\n"
    printed += f"Warning: {tmp_path}/a.png: no such file\n"
    assert run("analyze", db_path, "--dataset", "d", "--version", "v") == (0, "", printed)


def test_of_many_failures_the_command_tells_some_and_how_many_more(
    run: Callable[..., Outcome], db: masksdb.Database, db_path: str
) -> None:
    db.ingest([frame(str(number), [], f"/nowhere/{number}.png") for number in range(300)], dataset="d")
    db.close()
    lines = run("analyze", db_path).err.splitlines()
    assert lines[0].endswith("300 not readable")
    assert (len(lines), lines[-1]) == (12, "Warning: and 290 more; see mask_files.error")


@pytest.mark.parametrize("options", [["--tolerance", "-1"], ["--tolerance", "x"], ["--version", "v"]])
def test_wrong_options_are_status_2(run: Callable[..., Outcome], half: masksdb.Database, options: list[str]) -> None:
    half.close()
    outcome = run("analyze", half.path, *options)
    assert (outcome.status, outcome.out) == (2, "")


COVERAGE = """
import json, sys, duckdb
query = "SELECT class_labels[1], round(avg(coverage), 3) FROM mask_roi_regions GROUP BY ALL ORDER BY ALL"
with duckdb.connect(sys.argv[1], read_only=True) as plain:
    plain.execute("SET enable_progress_bar = false")
    print(json.dumps([duckdb.__version__, "masksdb" in sys.modules, plain.execute(query).fetchall()]))
"""


@pytest.mark.parametrize("client", ["oldest", "newest"])
def test_a_client_without_masksdb_answers_coverage_per_label(half: masksdb.Database, client: str) -> None:
    old = ROOT / ".venv" / "duckdb-1.4"
    if client == "oldest" and not old.is_dir():
        pytest.skip("DuckDB 1.4 is not installed; 'make test' does that")
    half.analyze()
    half.close()
    environment = {"PYTHONPATH": str(old)} if client == "oldest" else {}
    command = [sys.executable, "-c", COVERAGE, half.path]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd="/")
    version, loaded, rows = json.loads(done.stdout)
    assert version.startswith("1.4." if client == "oldest" else "2.")
    assert not loaded
    assert rows == [["[7]", 0.5], ["[9]", 0.0]]
