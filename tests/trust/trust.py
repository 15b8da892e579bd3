"""What masksdb does when things go wrong, counted over seeded random cases, into docs/reliability.md.

python tests/trust/trust.py                        about 15 minutes on two cores
python tests/trust/trust.py --seconds 60           shorter, printed and not written
python tests/trust/trust.py --kinds "PNG, mutated" --case 17   one case again, with the seed of the page
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

import files  # noqa: E402, F401  # they register their kinds
import inputs  # noqa: E402, F401
import uses  # noqa: E402, F401
from case import KINDS, Row, main  # noqa: E402
from kernel import fuzzed  # noqa: E402

KERNEL_TEXT = (
    "Mutated PNG files of every kind go through the compiled kernel, built with the address and undefined-behaviour "
    "sanitizers; every second one has right checksums, for else hardly any would be read."
)
OUTPUT = ROOT / "docs" / "reliability.md"
SECONDS = 750
JOBS = 2
ORDER = ("Kills at a random moment", "Two processes", "Full disk", "Damage of a file", "Foreign input", "Threads",
         "Names that look like SQL")  # fmt: skip
TEXTS = {
    "Kills at a random moment": "A process runs the command and gets SIGKILL. Then the database opens, leaves no "
    "temporary files, and is as before or as after: its versions, hashes and numbers of rows of every table; the "
    "doctor examines every fifth. `analyze` and `check` keep the masks that they have read, and end the same when run "
    "again.",
    "Two processes": "Two processes make the same new file. One of them may be refused; what the other wrote stays.",
    "Full disk": "Files may not grow beyond a random size (`RLIMIT_FSIZE`) during `ingest`, `labels`, `snapshot`, "
    "`delete`, `analyze`, `check`, `export` or `backup`. The error says so, and the database is as before and sound.",
    "Damage of a file": "A file and the log that a killed process left, cut off at a random place or with a random bit "
    "flipped. Either nothing is lost (of a log that ends early: what it still has), or the error has advice and the "
    "doctor names the damage; of what it saves nothing is wrong, and with a damaged log all of the database is there.",
    "Foreign input": "Files with bits flipped, pieces cut out, doubled or replaced, and numbers made extreme. They are "
    "read, or refused by an error of masksdb in one line; no other error comes out, no crash and no endless work.",
    "Threads": "Eight threads read through cursors of a database while one ingests and deletes; all answers are right.",
    "Names that look like SQL": "Datasets, versions, frames, labels, masks, splits, metadata and URIs whose names have "
    "quotes, semicolons and SQL. They are stored as they are, or refused in words; a dataset beside them stays.",
}


def run() -> None:
    options = _options()
    start = time.monotonic()
    kernel = fuzzed(options.seed, options.seconds / 12) if len(options.kinds) == len(KINDS) else ""
    total = sum(KINDS[name].weight for name in options.kinds)

    rows: dict[str, Row] = {}

    def one(name: str) -> None:
        seconds = JOBS * options.seconds * KINDS[name].weight / total
        row = _run(name, options.seed, seconds, options.case)
        print(f"{name}: {row.cases} cases, {len(row.failures)} failures", *row.failures, sep="\n  ", file=sys.stderr)
        rows[name] = row
        if options.output:
            # A run that is interrupted leaves the kinds that it has done.
            done = {kind: rows[kind] for kind in options.kinds if kind in rows}
            options.output.write_text(_page(done, options.seed, time.monotonic() - start, kernel), encoding="utf-8")

    with ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(one, options.kinds))
    if not options.output:
        print(_page(rows, options.seed, time.monotonic() - start, kernel), end="")
    sys.exit(1 if "FAILED" in kernel or any(row.failures for row in rows.values()) else 0)


def _run(name: str, seed: int, seconds: float, case: int | None) -> Row:
    """The row of a kind, run in a process of its own: it may crash, or never end."""
    command = [sys.executable, __file__, "--run", name, str(seed), str(seconds), *([] if case is None else [str(case)])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + 300, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        return Row(cases=1, failures=["a case of more than 300 seconds"])
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        return Row(cases=1, failures=[f"ended with status {done.returncode}: {' '.join(done.stderr.split())[-300:]}"])
    return Row(**json.loads(lines[-1]))


def _page(rows: dict[str, Row], seed: int, seconds: float, kernel: str) -> str:
    cases, failures = sum(row.cases for row in rows.values()), sum(len(row.failures) for row in rows.values())
    page = [
        "# Reliability\n",
        "Written by `make trust`, which runs random cases and counts what came out wrong.\n"
        f"Seed {seed}, {seconds / 60:.0f} minutes, {platform.machine()}, {os.cpu_count()} processors, "
        f"Python {platform.python_version()}.\n"
        "`python tests/trust/trust.py --kinds NAME --case NUMBER` runs one again.\n",
        f"{cases:,} cases, {failures} failures.\n",
    ]
    for section in ORDER:
        named = {name: row for name, row in rows.items() if KINDS[name].section == section}
        if not named:
            continue
        page += [f"## {section}\n", f"{textwrap.fill(TEXTS[section], 120, break_on_hyphens=False)}\n"]
        page.append("| what | cases | refused | failures | slowest | its case | peak memory |")
        page.append("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
        page += [
            f"| {name} | {row.cases:,} | {row.refused:,} | {len(row.failures)} | {row.slowest:.2f} s "
            f"| {row.slowest_case:,} | {row.peak_mb:,.0f} MB |"
            for name, row in named.items()
        ]
        page += ["", *(f"* {name}: {failure}" for name, row in named.items() for failure in row.failures)]
        page += [""] * any(row.failures for row in named.values())
    if kernel:
        page += [f"## The compiled kernel\n\n{textwrap.fill(KERNEL_TEXT, 120, break_on_hyphens=False)}\n\n{kernel}"]
    return "\n".join(page).rstrip() + "\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, help=f"how long to run (default: {SECONDS}, and written)")
    parser.add_argument("--seed", type=int, default=1, help="the seed of all cases (default: 1)")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), metavar="KIND", help="only these")
    parser.add_argument("--case", type=int, help="only the case of this number")
    parser.add_argument("--output", type=Path, help="write the page here (default: docs/reliability.md)")
    options = parser.parse_args()
    if options.seconds is None and options.kinds is None:
        options.output = options.output or OUTPUT
    options.seconds = options.seconds or SECONDS
    options.kinds = options.kinds or list(KINDS)
    return options


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        del sys.argv[1]
        main()
    else:
        run()
