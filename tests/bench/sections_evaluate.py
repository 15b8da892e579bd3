"""The section on evaluations: predictions beside the truth, and what a user would write instead."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from measure import Sample, Summary, TaskFailedError, in_turns, run_in_process
from report import Table
from sections import MASKSDB, Bench
from sections_pixels import mask_set

EVALUATE_TASKS = Path(__file__).with_name("tasks_evaluate.py")
EVALUATE_RATIO = 0.5
SIZES = {"palettes": (600, "palette masks, 854x480"), "cities": (100, "RGB masks, 2048x1024, 19 colours")}
QUICK = {"palettes": 60, "cities": 10}

EVALUATE_HEADER = ("program", "threads", "s", "ms a pair", "times masksdb", "peak MB")
EVALUATE_TEXT = """\
Confusion matrix and mean IoU of {count:,} pairs; the predictions are the masks moved. `evaluate` is measured from
`connect` on a database that knows nothing of the masks, and a second time when it knows all pairs; the loops read the
same files with Pillow. All find the same pixel counts and the same mean IoU."""


def _run(task: str, **arguments: Any) -> Sample:
    return run_in_process(EVALUATE_TASKS, task, arguments)


def evaluate(bench: Bench) -> None:
    """Evaluations of small and of large masks."""
    for kind in SIZES:
        _evaluate(bench, kind)


def _evaluate(bench: Bench, kind: str) -> None:
    masks = mask_set(bench, kind)
    count = SIZES[kind][0] if bench.is_full else QUICK[kind]
    pairs, database = bench.path(f"{kind}_pairs.json"), bench.path(f"{kind}_evaluate.duckdb")
    count = _run("make_pairs", masks=masks, path=bench.path(f"{kind}_moved"), out=pairs, count=count).answer
    _run("load", masks=masks, pairs=pairs, out=database)
    jobs: dict[str, Callable[[], Sample]] = {
        MASKSDB: partial(_run, "evaluate", database=database, out=bench.path(f"{kind}_evaluated.duckdb")),
        "Pillow and np.bincount": partial(_run, "bincount", masks=masks, pairs=pairs, threads=1),
        "Pillow and np.bincount, 2 threads": partial(_run, "bincount", masks=masks, pairs=pairs, threads=2),
    }
    if _run("has_torchmetrics").answer:
        jobs["torchmetrics"] = partial(_run, "torchmetrics", masks=masks, pairs=pairs, threads=2)
    found = in_turns(jobs, bench.runs)
    ours = found[MASKSDB]
    if not ours.answer["is_same"] or any(each.answer != ours.answer["found"] for each in _peers(found)):
        raise TaskFailedError(f"programs differ: { {name: each.answer for name, each in found.items()} }")
    if ours.answer["masks"] != 2 * count:
        raise TaskFailedError(f"{ours.answer['masks']} masks were decoded for {count} pairs")
    what = f"evaluate of {count} pairs of {SIZES[kind][1]}"
    loop = list(jobs)[1]
    bench.report.limit_ratio(what, f"{loop} in one thread", ours.seconds() / found[loop].seconds(), EVALUATE_RATIO)
    rows = [
        _cells("`evaluate`", "", ours, "work", count, ours),
        _cells("`evaluate` again", "", ours, "again", count, ours),
        *(_cells(*_threads(name), found[name], "work", count, ours) for name in list(jobs)[1:]),
    ]
    text = EVALUATE_TEXT.format(count=count)
    bench.report.tables.append(Table(f"Evaluation of {SIZES[kind][1]}", text, EVALUATE_HEADER, rows))


def _peers(found: dict[str, Summary]) -> list[Summary]:
    return [each for name, each in found.items() if name != MASKSDB]


def _threads(name: str) -> tuple[str, str]:
    text, _, threads = name.partition(", ")
    return text, threads.removesuffix(" threads") or ("2" if text == "torchmetrics" else "1")


def _cells(name: str, threads: str, each: Summary, part: str, count: int, ours: Summary) -> tuple[str, ...]:
    seconds = each.seconds(part)
    times = f"{seconds / ours.seconds():.2f}"
    return name, threads, f"{seconds:.2f}", f"{1000 * seconds / count:.2f}", times, f"{each.peak_mb:,.0f}"
