"""The sections on layouts: datasets in and out, beside Datumaro's conversion of the same files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from measure import Sample, in_turns, run_in_process, same_answer
from report import Table
from sections import MASKSDB, Bench
from sections_pixels import mask_set

LAYOUT_TASKS = Path(__file__).with_name("tasks_layouts.py")
DATUMARO = "Datumaro"
PACKAGE = "datumaro==1.13.12"
"""It wants other versions of what masksdb stands on, so it has an environment of its own."""
ENVIRONMENT = Path(__file__).parents[2] / "build" / "datumaro"
LAYOUT_RATIO = 1 / 5
ANNOTATIONS, FEWER, QUICK = 100_000, 20_000, 2_000

LAYOUT_HEADER = ("program", "work", "s", "times masksdb", "peak MB")
COCO_TEXT = """\
COCO instances with {count:,} annotations, a polygon each, 20 an image, without the images. In: from the file to a
database, or to the dataset in memory; out: from there to a new file of instances. The way out of masksdb includes that
it reads what it wrote, to measure what was lost. One run each."""
FOLDER_TEXT = """\
{count:,} palette masks of 854x480 with a label map, no images: `common_semantic_segmentation` of Datumaro, `folder` of
masksdb. In as above; out to a `folder`, and to what is nearest in Datumaro, `camvid`. Both decode every mask on the way
in; masksdb writes, decodes again and compares every mask on the way out. One run each."""


def _run(task: str, python: str = sys.executable, **arguments: Any) -> Sample:
    return run_in_process(LAYOUT_TASKS, task, arguments, python)


def coco(bench: Bench) -> None:
    """COCO instances in and out."""
    count = ANNOTATIONS if bench.is_full else QUICK
    rows: list[Sequence[str]] = []
    for number in (FEWER, count) if bench.is_full else (count,):
        source = bench.path(f"coco_{number}")
        _run("make_coco", folder=source, annotations=number)
        name = f"{number:,} COCO annotations"
        rows += _measured(bench, name, source, "coco", "coco_instances", "coco_instances")
    text = COCO_TEXT.format(count=count)
    bench.report.tables.append(Table("Layouts: COCO instances in and out", text, LAYOUT_HEADER, rows))


def folder(bench: Bench) -> None:
    """A folder of masks in and out."""
    source = bench.path("folder_of_masks")
    count = _run("make_folder", masks=mask_set(bench, "palettes"), folder=source).answer
    rows = _measured(bench, f"a folder of {count:,} masks", source, "folder", "common_semantic_segmentation", "camvid")
    text = FOLDER_TEXT.format(count=count)
    bench.report.tables.append(Table("Layouts: a folder of masks in and out", text, LAYOUT_HEADER, rows))


def _measured(
    bench: Bench, name: str, source: str, layout: str, read_as: str, written_as: str
) -> list[Sequence[str]]:  # fmt: skip
    out = f"{source}_out"
    jobs: dict[str, Callable[[], Sample]] = {
        MASKSDB: partial(_run, "convert", source=source, database=f"{source}.duckdb", layout=layout, folder=out)
    }
    python = _datumaro_python()
    if python:
        jobs[DATUMARO] = partial(
            _run, "datumaro", python, source=source, read_as=read_as, written_as=written_as, folder=f"{out}_datumaro"
        )
    found = in_turns(jobs, 1)
    same_answer(found)
    ours = found[MASKSDB]
    rows: list[Sequence[str]] = []
    for part in ("in", "out"):
        if python:
            ratio = ours.seconds(part) / found[DATUMARO].seconds(part)
            bench.report.limit_ratio(f"{name}, {part}", DATUMARO, ratio, LAYOUT_RATIO)
        for job, each in found.items():
            times = f"{each.seconds(part) / ours.seconds(part):.2f}"
            rows.append((job, f"{name}, {part}", f"{each.seconds(part):.2f}", times, f"{each.peak_mb:,.0f}"))
    return rows


def _datumaro_python() -> str | None:
    """Python with Datumaro, which is installed here the first time."""
    python = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", PACKAGE], check=False)
    found = subprocess.run([str(python), "-c", "import datumaro"], capture_output=True, check=False)
    if found.returncode:
        print(f"  {PACKAGE} cannot be installed in {ENVIRONMENT}", file=sys.stderr)
        return None
    return str(python)
