"""A killed or failing ingest leaves the database as it was before, or has it all."""

from __future__ import annotations

import itertools
import json
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.common import Outcome

import masksdb
from masksdb.store.engine import open_engine

FRAMES = 100_000
INGEST = """
import sys, masksdb
with masksdb.connect(sys.argv[1]) as db:
    print("open", flush=True)
    db.ingest(sys.argv[2], dataset="d", version="v")
print("done", flush=True)
"""


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "frames.jsonl"
    with path.open("w") as file:
        for number in range(FRAMES):
            frame = {
                "id": str(number),
                "sources": [{"id": "s", "uri": f"{number}.jpg", "masks": [{"id": "m", "uri": f"{number}.png"}]}],
                "rois": [{"label": ["car"], "mask": {"id": "m", "value": [number % 256]}}],
            }
            file.write(json.dumps(frame) + "\n")
    return path


def state(path: Path) -> tuple[int, ...]:
    """Frames, ROIs, resolved ROIs and datasets there, after a reopening that leaves no spill files."""
    with masksdb.connect(path) as db:
        query = "SELECT (SELECT count(*) FROM {}), (SELECT count(*) FROM {}), (SELECT count(*) FROM {}), "
        query += "(SELECT count(*) FROM datasets WHERE name = 'd')"
        counts = db.sql(query.format("frames", "rois", "roi_masks")).fetchall()[0]
    assert not Path(f"{path}.tmp").exists(), "spill files are left"
    return tuple(counts)


def test_kill_9_at_any_moment_leaves_none_or_all(large_file: Path, tmp_path: Path) -> None:
    moments = random.Random(5)
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", INGEST, str(tmp_path / "whole"), str(large_file)], check=True)
    whole = time.monotonic() - started
    states = set()
    for attempt in range(4):
        path = tmp_path / f"{attempt}.duckdb"
        with subprocess.Popen(
            [sys.executable, "-c", INGEST, str(path), str(large_file)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            # The first one at once: no machine is done by then.
            time.sleep(moments.uniform(0, whole) if attempt else 0)
            process.send_signal(signal.SIGKILL)
        states.add(state(path))
    assert states <= {(0, 0, 0, 0), (FRAMES, FRAMES, FRAMES, 1)}
    assert (0, 0, 0, 0) in states


def test_a_kill_in_a_second_ingest_keeps_the_first(large_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    with masksdb.connect(path) as db:
        db.ingest([{"id": "first"}], dataset="d", version="v")
    with subprocess.Popen(
        [sys.executable, "-c", INGEST, str(path), str(large_file)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.7)
        process.send_signal(signal.SIGKILL)
    assert state(path)[0] in (1, FRAMES + 1)


@pytest.mark.parametrize(("count", "limit_mb"), [(FRAMES // 5, 1), (FRAMES, 6)], ids=["in its log", "in the file"])
def test_a_full_disk_leaves_the_database_as_it_was(large_file: Path, tmp_path: Path, count: int, limit_mb: int) -> None:
    frames = tmp_path / "frames.jsonl"
    with large_file.open() as file:
        frames.write_text("".join(itertools.islice(file, count)))
    path = tmp_path / "full.duckdb"
    masksdb.connect(path).close()
    size = path.stat().st_size

    def limit_file_size() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + (limit_mb << 20), resource.RLIM_INFINITY))

    done = subprocess.run(
        [sys.executable, "-m", "masksdb.cli", "ingest", str(path), str(frames), "--dataset", "d"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit_file_size,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert "no room to write" in done.stderr
    assert path.stat().st_size <= size + (1 << 20), "what it appended to the file is given back"
    assert state(path) == (0, 0, 0, 0)
    with masksdb.connect(path) as db:
        assert db.ingest(frames, dataset="d").new == count, "and with room it goes in"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 20 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk; the tests with a limit of file sizes run everywhere")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_after_a_full_disk_there_is_room_again(
    run: Callable[..., Outcome], large_file: Path, small_disk: Path, write: Callable[..., str]
) -> None:
    path = small_disk / "a.duckdb"
    labels = write("labels.json", '[{"value": [1], "labels": ["car"]}]')
    with masksdb.connect(path) as db:
        db.ingest([{"id": "first", "sources": [{"uri": "a.jpg"}]}], dataset="d", version="v")
    filler = small_disk / "filler"
    filler.write_bytes(bytes(13_000_000))
    free = shutil.disk_usage(small_disk).free
    outcome = run("ingest", path, large_file, "--dataset", "d", "--version", "v")
    assert (outcome.status, outcome.err.count("\n")) == (1, 1)
    assert f"{path}: no room to write" in outcome.err
    assert shutil.disk_usage(small_disk).free >= free - (1 << 19)
    assert run("labels", "set", path, "--dataset", "d", "--version", "v", labels).status == 0
    filler.write_bytes(bytes(shutil.disk_usage(small_disk).free + 13_000_000 - 60_000))
    for command in (
        ("analyze", path),
        ("check", path),
        ("version", "snapshot", path, "--dataset", "d"),
        ("sql", path, "--write", "CREATE TABLE t AS SELECT random() AS x FROM range(1000000)"),
        ("sql", path, "SELECT random() AS x FROM range(100000)", "-o", small_disk / "out.json"),
        ("export", path, small_disk / "out.jsonl", "--dataset", "d"),
        ("backup", path, small_disk / "copy.duckdb"),
        ("doctor", path, "--fix", small_disk / "new.duckdb"),
    ):
        outcome = run(*command)
        assert outcome.status == 0 or re.search("no room to write|No space left", outcome.err), (command, outcome)
        assert outcome.err.count("Error") == outcome.status, (command, outcome)
        assert {file.name for file in small_disk.iterdir()} <= {"a.duckdb", "a.duckdb.wal", "filler", "out.jsonl"}
        (small_disk / "out.jsonl").unlink(missing_ok=True)
    filler.unlink()
    assert state(path)[0] == 1


def test_of_two_ingests_that_make_one_file_what_the_winner_wrote_stays(tmp_path: Path) -> None:
    frames = tmp_path / "frames.jsonl"
    frames.write_text("".join(json.dumps({"id": f"f{number}"}) + "\n" for number in range(300)))
    for attempt in range(2):
        path = tmp_path / f"new{attempt}.duckdb"
        command = [sys.executable, "-m", "masksdb.cli", "ingest", str(path), str(frames), "--dataset"]
        running = {name: subprocess.Popen([*command, name], stderr=subprocess.PIPE) for name in ("a", "b")}
        done = {name: (process.communicate()[1].decode(), process.returncode) for name, process in running.items()}
        written = {name for name, (_, status) in done.items() if status == 0}
        assert written, done
        with masksdb.connect(path, read_only=True) as db:
            rows = db.sql("SELECT dataset, count(*) FROM dataset_frames GROUP BY dataset").fetchall()
        assert dict(rows) == dict.fromkeys(written, 300)


def test_a_failed_ingest_leaves_a_new_file_that_another_process_has_filled_since(tmp_path: Path) -> None:
    path = tmp_path / "new.duckdb"
    first = open_engine(path)
    first.close()
    with masksdb.connect(path) as db:
        db.ingest([{"id": "f"}], dataset="of another")
    first.discard()
    assert path.exists()


def test_a_failed_ingest_removes_the_file_that_it_made_and_no_empty_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "masksdb.cli", "ingest"]
    for name, is_there in (("new", False), ("old", True)):
        path = tmp_path / f"{name}.duckdb"
        if is_there:
            masksdb.connect(path).close()
        done = subprocess.run([*command, path, "-", "--dataset", "d"], input=b"{", capture_output=True, check=False)
        assert (done.returncode, path.exists()) == (1, is_there)
