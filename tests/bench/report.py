"""The figures of a run as Markdown."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import sqlite3
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

PACKAGES = (
    "duckdb",
    "pandas",
    "pyarrow",
    "numpy",
    "kornia-rs",
    "av",
    "pillow",
    "opencv-python-headless",
    "pycocotools",
    "imagecodecs",
    "pyspng",
)
"""What is measured and stands below it, as far as it is installed."""


@dataclass(frozen=True)
class Limit:
    """A promise: what was measured, in words, and whether it is within its limit."""

    what: str
    against: str
    measured: str
    limit: str
    is_met: bool


@dataclass(frozen=True)
class Table:
    """A section of the report: what was done, and the figures."""

    title: str
    text: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass
class Report:
    """Everything that a run found."""

    command: str
    frames: int
    large: int
    runs: int
    limits: list[Limit] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)

    def limit_ratio(self, what: str, against: str, ratio: float, most: float, aim: str = "") -> None:
        """Hold a ratio against its limit."""
        self.limits.append(Limit(what, against, f"{ratio:.2f} x", f"{most:g} x{aim}", ratio <= most))

    def limit_memory(self, what: str, peak_mb: float, most_mb: float) -> None:
        """Hold a peak of memory against its limit."""
        self.limits.append(Limit(what, "", f"{peak_mb:,.0f} MB", f"{most_mb:,.0f} MB", peak_mb <= most_mb))

    def text(self) -> str:
        """The whole report."""
        parts = [self._head(), self._limits()]
        parts += [f"## {table.title}\n\n{table.text}\n\n{_grid(table.header, table.rows)}" for table in self.tables]
        return "\n\n".join(parts) + "\n"

    def _head(self) -> str:
        return f"""# Benchmarks

Written by `make bench`. Machines differ, and so does what else they are doing: what counts are the ratios. All that is
compared was measured in turns in one run of the program, each measurement in a fresh process. Figures are medians of
measurements ({self.runs} each, unless a section says otherwise), with files in the page cache. The limits are meant for
200,000 and 2,000,000 frames.

* Command: `{self.command}`
* Machine: {_machine()}
* Software: {_software()}
* Input: seeded JSON lines, {self.frames:,} and {self.large:,} frames, each with 1 source, 2 masks, 5 ROIs and meta,
  some 1.1 kB a frame; seeded PNG files and a video, and masks of DAVIS 2017 where they are present"""

    def _limits(self) -> str:
        return "## Limits\n\nWhat was measured, against what, and the most that it may be.\n\n" + "\n".join(
            map(_limit_item, self.limits)
        )


def _limit_item(limit: Limit) -> str:
    against = f", against {limit.against}" if limit.against else ""
    kept = "kept" if limit.is_met else "**missed**"
    text = f"* {kept}: {limit.what}{against}: {limit.measured}, at most {limit.limit}"
    return textwrap.fill(text, 120, subsequent_indent="  ", break_on_hyphens=False)


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rules = ["---:" if all(_is_figure(cell) for cell in column) else "---" for column in zip(*rows, strict=True)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, rules, *rows))


def _is_figure(cell: str) -> bool:
    return not cell or cell[0].isdigit()


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{os.cpu_count()} cores ({_cpu_model()}), {memory:.0f} GB, {platform.system()} {platform.machine()}"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _software() -> str:
    packages = []
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            packages.append(f"{name} {importlib.metadata.version(name)}")
    return ", ".join([f"Python {platform.python_version()}", *packages, f"SQLite {sqlite3.sqlite_version}"])
