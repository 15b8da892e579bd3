"""The section on training: frames that a data loader delivers, beside a dataset written by hand."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from measure import Sample, in_turns, run_in_process, same_answer
from report import Table
from sections import MASKSDB, Bench
from sections_pixels import mask_set

TRAINING_TASKS = Path(__file__).with_name("tasks_training.py")
TRAINING_RATIO = 1 / 1.5
BY_HAND = "Pillow and a numpy table"
WORKERS = (0, 2)
KINDS = {"colours": "RGB masks", "numbers": "masks of class numbers"}
FRAMES, QUICK = 80, 16

TRAINING_HEADER = ("dataset", "masks", "workers", "frames/s", "times by hand", "process, peak MB")
TRAINING_TEXT = """\
Frames a second that a loader delivers in batches of four: JPEG images and PNG masks of 2048x1024 with 19 classes, the
image as a tensor of (3, 1024, 2048) and the class of each pixel; the second of two epochs with workers that stay. By
hand is a dataset of some twenty lines in a `DataLoader`: Pillow opens both files, numpy looks up 24-bit colours or
class numbers in one table. All deliver the same images and classes."""


def _run(task: str, **arguments: Any) -> Sample:
    return run_in_process(TRAINING_TASKS, task, arguments)


def training(bench: Bench) -> None:
    """A data loader over images and masks."""
    if not _run("has_torch").answer:
        print("  torch is not installed", file=sys.stderr)
        return
    masks, count = mask_set(bench, "cities"), FRAMES if bench.is_full else QUICK
    rows = []
    for kind, name in KINDS.items():
        database = bench.path(f"training_{kind}.duckdb")
        _run("load", masks=masks, folder=bench.path(f"training_{kind}"), out=database, kind=kind, most=count)
        for workers in WORKERS:
            jobs: dict[str, Callable[[], Sample]] = {
                MASKSDB: partial(_run, "masksdb_epoch", database=database, workers=workers),
                BY_HAND: partial(_run, "by_hand_epoch", database=database, workers=workers),
            }
            found = in_turns(jobs, bench.runs)
            same_answer(found)
            by_hand = found[BY_HAND].seconds()
            ratio = found[MASKSDB].seconds() / by_hand
            what = f"training: an epoch of {count} frames, {name}, {workers} workers"
            bench.report.limit_ratio(what, BY_HAND, ratio, round(TRAINING_RATIO, 2))
            for job, each in found.items():
                speed, times = count / each.seconds(), by_hand / each.seconds()
                rows.append((job, name, str(workers), f"{speed:.1f}", f"{times:.2f}", f"{each.peak_mb:,.0f}"))
    bench.report.tables.append(Table("Training: frames a second", TRAINING_TEXT, TRAINING_HEADER, rows))
