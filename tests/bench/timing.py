"""What the measurements in processes of their own share: clocks, and the sample that they print."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Outcome = tuple[Mapping[str, float], Any]
"""Seconds by part of the work, and what was found."""


@contextlib.contextmanager
def timed(seconds: dict[str, float], part: str = "work") -> Iterator[None]:
    """Puts the wall time of what happens inside into ``seconds``."""
    start = time.perf_counter()
    yield
    seconds[part] = time.perf_counter() - start


def queries(asked: Mapping[str, Callable[[], list[Any]]], repeats: int) -> Outcome:
    """The median of each query, asked in turns after one round that is not counted."""
    answers = {name: sorted(query(), key=str) for name, query in asked.items()}
    taken: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(repeats):
        for name, query in asked.items():
            start = time.perf_counter()
            query()
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in taken.items()}, answers


def remove(out: str) -> None:
    """Remove a file or a folder, if it is there."""
    if os.path.isdir(out):
        shutil.rmtree(out)
    elif os.path.exists(out):
        os.remove(out)


def peak_mb() -> float:
    """The most memory that this process has held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def run(tasks: Mapping[str, Callable[..., Outcome]]) -> None:
    """Do the task that the command line names, and print the sample."""
    seconds, answer = tasks[sys.argv[1]](**json.loads(sys.argv[2]))
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb(), "answer": answer}))
