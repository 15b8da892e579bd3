"""Run one measurement in a process of its own, and several of them in turns.

This process imports neither duckdb nor pandas and stays small: on Linux a child's peak memory starts at the
peak of the process that started it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

TASKS = Path(__file__).with_name("tasks.py")
PIXEL_TASKS = Path(__file__).with_name("tasks_pixels.py")


class TaskFailedError(Exception):
    """A measurement that did not end well."""


@dataclass(frozen=True)
class Sample:
    """What one process measured.

    Attributes:
        seconds: wall time by part of the work; most tasks have the one part ``work``.
        peak_mb: the most memory that the process held.
        answer: what the task found, to be compared with what others found.
        disk_mb: what the task wrote.
    """

    seconds: Mapping[str, float]
    peak_mb: float
    answer: Any
    disk_mb: float = 0


@dataclass(frozen=True)
class Summary:
    """Medians over the samples of one task."""

    samples: Sequence[Sample]

    def seconds(self, part: str = "work") -> float:
        return statistics.median(sample.seconds[part] for sample in self.samples)

    @property
    def peak_mb(self) -> float:
        return statistics.median(sample.peak_mb for sample in self.samples)

    @property
    def disk_mb(self) -> float:
        return self.samples[-1].disk_mb

    @property
    def answer(self) -> Any:
        """What all runs found."""
        answers = [sample.answer for sample in self.samples]
        if any(answer != answers[0] for answer in answers):
            raise TaskFailedError(f"runs of one task differ: {answers}")
        return answers[0]


def run_task(task: str, **arguments: Any) -> Sample:
    """Run a function of ``tasks.py`` in a fresh process; its argument ``out`` is what it writes."""
    return run_in_process(TASKS, task, arguments)


def run_pixel_task(task: str, **arguments: Any) -> Sample:
    """The same of ``tasks_pixels.py``; the part ``process`` is from the start of the process to its end."""
    start = time.perf_counter()
    sample = run_in_process(PIXEL_TASKS, task, arguments)
    return replace(sample, seconds={**sample.seconds, "process": time.perf_counter() - start})


def run_in_process(script: Path, task: str, arguments: Mapping[str, Any], python: str = sys.executable) -> Sample:
    """Run a task of a script in a fresh process."""
    command = [python, str(script), task, json.dumps(arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise TaskFailedError(f"{task} {arguments}: exit status {done.returncode}")
    out = arguments.get("out")
    return Sample(**json.loads(done.stdout), disk_mb=size_mb(out) if out else 0)


def size_mb(path: str) -> float:
    """What a file or a folder of files takes."""
    found = Path(path)
    files = found.iterdir() if found.is_dir() else [found]
    return sum(each.stat().st_size for each in files) / 1e6


def run_command(command: Sequence[str]) -> Sample:
    """Run a program from start to end, its output thrown away."""
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return Sample({"work": time.perf_counter() - start}, 0, None)


def in_turns(jobs: Mapping[str, Callable[[], Sample]], runs: int, floor: str = "") -> dict[str, Summary]:
    """Run all jobs once, then all again: what else the machine does then falls on all alike.

    The job named ``floor`` runs before each of the others: it is short, so one moment would say little of it.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in jobs}
    for _ in range(runs):
        for name, job in jobs.items():
            if name == floor:
                continue
            if floor:
                samples[floor].append(jobs[floor]())
            samples[name].append(job())
    for name, taken in samples.items():
        for part in taken[0].seconds:
            times = " ".join(f"{sample.seconds[part]:.3f}" for sample in taken)
            print(f"  {name}, {part}: {times} s", file=sys.stderr, flush=True)
    return {name: Summary(taken) for name, taken in samples.items()}


def same_answer(summaries: Mapping[str, Summary]) -> Any:
    """What all tasks found; they must agree, or the figures compare different work."""
    answers = {name: summary.answer for name, summary in summaries.items()}
    found = list(answers.values())
    if any(answer != found[0] for answer in found):
        raise TaskFailedError(f"programs differ: {answers}")
    return found[0]
