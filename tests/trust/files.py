"""Cases of what happens to a file: kills, full disks, damage, two processes at once; then it is before or after."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
from case import Case, child, kind
from support.common import FIXTURES

import masksdb

STREET = FIXTURES / "street"
FRAMES = 3000


def make_base(folder: Path) -> Path:
    """A database with a published version, a draft child and predictions, and a file of more frames."""
    path = folder / "base.duckdb"
    labels = {"mask_labels": json.loads((STREET / "labels.json").read_text())}
    with masksdb.connect(path) as db:
        for version in ("v1", "moved"):
            db.ingest(STREET / f"{'frames' if version == 'v1' else version}.jsonl", dataset="street", version=version)
            db.version("street", version).set_metadata(labels)
        db.ingest(({"id": f"{n}", "rois": [{"label": ["x"]}]} for n in range(FRAMES)), dataset="many", version="v1")
    more = ({"id": f"{n}", "meta": {"n": n}, "rois": [{"label": ["y"]}]} for n in range(FRAMES // 2, 6 * FRAMES))
    (folder / "more.jsonl").write_text("".join(json.dumps(frame) + "\n" for frame in more))
    return path


def state(path: Path) -> Any:
    """What is in a database, without times."""
    with masksdb.connect(path) as db:
        assert not Path(f"{path}.tmp").exists(), "temporary files are left"
        columns = "d.name, v.name, status, saved_hash, content_hash, metadata"
        query = f"SELECT {columns} FROM versions v JOIN datasets d USING (dataset_id) ORDER BY ALL"
        rows = db.sql(query).fetchall()
        tables = ("frames", "sources", "masks", "rois", "roi_masks", "frame_shadows", "version_lineage", "mask_files",
                  "mask_regions", "image_headers", "splits")  # fmt: skip
        return rows, [db.sql(f"SELECT count(*) FROM {table}").fetchall() for table in tables]


def assert_sound(path: Path) -> None:
    errors = [str(problem) for problem in masksdb.doctor(path).problems if problem.severity != "note"]
    assert not errors, errors


def _with(path: str, work: Callable[[masksdb.Database], object]) -> None:
    with masksdb.connect(path) as db:
        work(db)


def _ingest(path: str, folder: str) -> None:
    _with(path, lambda db: db.ingest(f"{folder}/more.jsonl", dataset="many", version="v1"))


def _labels(path: str, _folder: str) -> None:
    _with(path, lambda db: db.version("street", "v1").set_masks_labels({(7,): ["x"]}))


def _snapshot(path: str, _folder: str) -> None:
    _with(path, lambda db: db.create_snapshot("street", "v1", publish_name="s", child_name="c"))


def _publish(path: str, _folder: str) -> None:
    _with(path, lambda db: db.version("many", "v1").publish_version())


def _delete(path: str, _folder: str) -> None:
    _with(path, lambda db: db.delete_dataset("many", delete_all_versions=True))


def _analyze(path: str, _folder: str) -> None:
    _with(path, lambda db: db.analyze())


def _check(path: str, _folder: str) -> None:
    _with(path, lambda db: db.check())


def _split(path: str, _folder: str) -> None:
    _with(path, lambda db: db.split("many", "v1", {"train": 0.5, "val": 0.5}, by="frame_id"))


def _evaluate(path: str, _folder: str) -> None:
    _with(path, lambda db: db.evaluate("street/v1", "street/moved", truth_mask="seg"))


def _export(path: str, folder: str) -> None:
    _with(path, lambda db: db.export(f"{folder}/out", dataset="many", version="v1"))


def _backup(path: str, folder: str) -> None:
    _with(path, lambda db: db.backup(f"{folder}/out", overwrite=True))


COMMANDS: dict[str, Callable[[str, str], None]] = {
    "ingest": _ingest, "labels": _labels, "snapshot": _snapshot, "publish": _publish, "delete": _delete,
    "split": _split, "analyze": _analyze, "check": _check, "evaluate": _evaluate, "export": _export, "backup": _backup,
}  # fmt: skip
KEEPS_PARTS = ("analyze", "check")
"""What keeps the masks that it has read: after a kill the same command goes on from there."""


def _killed(name: str) -> Callable[[Path], Case]:
    command = COMMANDS[name]

    def make(folder: Path) -> Case:
        base, path, out = make_base(folder), folder / "t.duckdb", folder / "out"
        shutil.copy(base, path)
        before = state(path)
        start = time.monotonic()
        with child(command, str(path), str(folder)) as process:
            process.join()
            assert process.exitcode == 0
        whole = time.monotonic() - start
        after = state(path)
        size = out.stat().st_size if out.exists() else None

        def case(rng: random.Random) -> None:
            shutil.copy(base, path)
            for left in (f"{path}.wal", out):
                Path(left).unlink(missing_ok=True)
            with child(command, str(path), str(folder)) as process:
                process.join(rng.uniform(0, whole))
                process.kill()
                process.join()
            now = state(path)
            if name in KEEPS_PARTS:
                command(str(path), str(folder))
                now = state(path)
                assert now[0] == after[0]
                assert now[1] == after[1]
            assert now in (before, after), "neither before nor after"
            if out.exists():
                assert name == "backup" or out.stat().st_size == size, "an output that is not whole"
                assert name != "backup" or state(out)[0] == before[0]
            if rng.random() < 0.2:
                assert_sound(path)
            for part in folder.glob("*.partial*"):
                part.unlink()

        return case

    return make


for _name in COMMANDS:
    kind("Kills at a random moment", f"{_name}, killed", 1.5 if _name == "ingest" else 0.7)(_killed(_name))


def _limited(command: Callable[[str, str], None], path: str, folder: str, limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # until the process ends
    try:
        command(path, folder)
    except masksdb.MasksDBError as error:
        os._exit(3 if re.search("no room to write|File too large", str(error)) else 4)
    except BaseException:
        os._exit(5)
    os._exit(0)


@kind("Full disk", "no room at a random size of a file", 2)
def full(folder: Path) -> Case:
    base, path = make_base(folder), folder / "t.duckdb"
    size = base.stat().st_size

    def case(rng: random.Random) -> None:
        name = rng.choice(("ingest", "labels", "snapshot", "delete", "analyze", "check", "export", "backup"))
        shutil.copy(base, path)
        Path(f"{path}.wal").unlink(missing_ok=True)
        before = state(path)
        limit = rng.choice((rng.randrange(size), size + rng.randrange(1 << 20), size + rng.randrange(12 << 20)))
        with child(_limited, COMMANDS[name], str(path), str(folder), limit) as process:
            process.join()
            status = process.exitcode
        assert status in (0, 3), f"{name} at {limit}: {status}"
        now = state(path)
        assert status == 0 or name in KEEPS_PARTS or now == before, f"{name} at {limit}: changed"
        assert_sound(path)
        (folder / "out").unlink(missing_ok=True)

    return case


def _damaged(end: str, how: str) -> Callable[[Path], Case]:
    def make(folder: Path) -> Case:
        killed, path, new = folder / "killed.duckdb", folder / "t.duckdb", folder / "new.duckdb"
        with masksdb.connect(folder / "base.duckdb") as db:
            db.ingest(({"id": f"f{n}", "rois": [{"label": ["x"]}]} for n in range(2000)), dataset="d")
            db.connection.execute("CHECKPOINT")
            for number in range(5):
                db.ingest(({"id": f"g{number}_{n}", "rois": [{"label": ["x"]}]} for n in range(20)), dataset="d")
            for part in ("", ".wal"):
                shutil.copy(f"{folder / 'base.duckdb'}{part}", f"{killed}{part}")
        whole = frame_ids(killed)
        size = Path(f"{killed}{end}").stat().st_size

        def case(rng: random.Random) -> None:
            for part in ("", ".wal"):
                shutil.copy(f"{killed}{part}", f"{path}{part}")
            place = rng.randrange(size)
            if how == "cut":
                os.truncate(f"{path}{end}", place)
            else:
                with open(f"{path}{end}", "r+b") as file:
                    file.seek(place)
                    byte = file.read(1)[0]
                    file.seek(place)
                    file.write(bytes([byte ^ 1 << rng.randrange(8)]))
            new.unlink(missing_ok=True)
            diagnosis = masksdb.doctor(path)
            assert all(problem.to_do for problem in diagnosis.problems)
            found, reason = read(path)
            if reason is not None:
                assert re.search("doctor|not a DuckDB|[Cc]hecksum|Could not read", reason), reason
                assert diagnosis.has_errors, "the doctor sees nothing"
                with contextlib.suppress(masksdb.MasksDBError):
                    masksdb.doctor(path, fix=new)
                    saved = frame_ids(new)
                    assert saved <= whole
                    assert end == "" or {name for name in whole if name.startswith("f")} <= saved
                raise masksdb.MasksDBError("damaged")
            assert found <= whole
            assert end == ".wal" or found == whole

        return case

    return make


def read(path: Path) -> tuple[set[str], str | None]:
    """The frame ids of a file, or why they cannot be read."""
    try:
        return frame_ids(path), None
    except (masksdb.MasksDBError, duckdb.Error) as error:
        return set(), str(error)


def frame_ids(path: Path) -> set[str]:
    with masksdb.connect(path, read_only=True) as db:
        assert db.sql("SELECT count(*) FROM roi_labels WHERE label <> 'x'").fetchall() == [(0,)]
        return {name for (name,) in db.sql("SELECT frame_id FROM dataset_frames").fetchall()}


for _end, _what in (("", "database"), (".wal", "log")):
    for _how in ("cut", "flip"):
        kind("Damage of a file", f"{_what}, {'cut off' if _how == 'cut' else 'one bit flipped'}")(_damaged(_end, _how))


@kind("Two processes", "two ingests into one new file")
def two_ingests(folder: Path) -> Case:
    frames = folder / "frames.jsonl"
    frames.write_text("".join(json.dumps({"id": f"f{number}"}) + "\n" for number in range(300)))

    def case(rng: random.Random) -> None:
        path = folder / f"{rng.randrange(1 << 60)}.duckdb"
        with child(_ingest_new, str(path), str(frames), "a") as first:
            time.sleep(rng.uniform(0, 0.1))
            with child(_ingest_new, str(path), str(frames), "b") as second:
                first.join()
                second.join()
                statuses = {"a": first.exitcode, "b": second.exitcode}
        written = {name for name, status in statuses.items() if status == 0}
        assert written, statuses
        with masksdb.connect(path, read_only=True) as db:
            rows = db.sql("SELECT dataset, count(*) FROM dataset_frames GROUP BY dataset").fetchall()
        assert dict(rows) == dict.fromkeys(written, 300), statuses
        path.unlink()

    return case


def _ingest_new(path: str, frames: str, dataset: str) -> None:
    from masksdb.cli import main

    sys.argv = ["masksdb", "ingest", path, frames, "--dataset", dataset]
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # until the process ends
    main()
