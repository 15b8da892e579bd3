"""The sections of the report: which tasks are measured beside each other, and what is made of their figures."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from frames import ROIS_PER_FRAME
from measure import Sample, Summary, TaskFailedError, in_turns, run_command, run_task, same_answer, size_mb
from report import Report, Table

INGEST_RATIO, INGEST_AIM = 12, 8
QUERY_RATIO = 1.5
START_RATIO = 1.5
PEAK_MB = 2_000
REPEATS = 15
START_RUNS = 15

MASKSDB = "masksdb"
PARSE = "DuckDB, every value parsed, none kept"
PEERS = {"duckdb": "DuckDB by hand", "sqlite": "sqlite3 by hand", "pandas": "pandas to Parquet"}

LOAD_HEADER = ("program", "s", "times the parse", "peak MB", "disk MB")
LOAD_TEXT = """\
`masksdb` keeps every key of every frame and resolves each ROI to its mask. The peers keep the keys that their tables
name and take a ROI's first label as the mask that it lives in. The first row only builds every nested value with
`read_json` and typed columns: the floor of whatever stands on DuckDB, measured before each of the others."""

QUERY_HEADER = ("program", "ms", "times masksdb")
QUERY_TEXT = f"""\
ROIs per `class_labels` in the view `mask_rois` of a database with one version, beside a join of the raw tables
`datasets`, `versions`, `version_lineage`, `frames` and `roi_masks` by hand. Below, ROIs per class by way of the mask
that each lives in, as the peers must join it; their answers are equal. Medians over {REPEATS} rounds in a process."""

START_HEADER = ("command", "ms", "times `import duckdb`")
START_TEXT = f"""\
From the start of a process to its end. Medians of {START_RUNS} processes each."""

EXPORT_HEADER = ("work", "s", "frames/s", "times the parse")
EXPORT_TEXT = """\
Of the database that the first section wrote, for information."""


@dataclass
class Bench:
    """What the sections share: where files are, how much is measured, and the report."""

    folder: Path
    frames: int
    large: int
    runs: int
    is_full: bool
    report: Report
    loads: dict[str, Summary] = field(default_factory=dict)

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def generate(self, name: str, count: int, versions: int = 1) -> str:
        """A file of frames, made where it is not there yet."""
        path = self.path(name)
        if not os.path.exists(path):
            run_task("generate", path=path, count=count, versions=versions)
        return path


def ingest(bench: Bench) -> None:
    """The main file into masksdb and into what its peers keep."""
    path = bench.generate("frames.jsonl", bench.frames)
    bench.loads = in_turns(_load_jobs(bench, path, "main", list(PEERS)), bench.runs, PARSE)
    ratio = bench.loads[MASKSDB].seconds() / bench.loads[PARSE].seconds()
    what = f"ingest of {bench.frames:,} frames"
    bench.report.limit_ratio(what, PARSE, ratio, INGEST_RATIO, f" (aim {INGEST_AIM} x)")
    _add_loads(bench, path, bench.frames, bench.loads, LOAD_TEXT)


def ingest_large(bench: Bench) -> None:
    """The large file, for memory above all; the slow peers run once."""
    path = bench.generate("large.jsonl", bench.large)
    loads = in_turns(_load_jobs(bench, path, "large", ["duckdb"]), bench.runs, PARSE)
    text = "As above."
    for peer in ("sqlite", "pandas") if bench.is_full else ():
        note = _load_large_peer(bench, peer, path, loads)
        text += f" {note or f'{PEERS[peer]} ran once.'}"
    _add_loads(bench, path, bench.large, loads, text)
    for left in bench.folder.glob("large*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()


def _load_jobs(bench: Bench, path: str, stem: str, peers: list[str]) -> dict[str, Callable[[], Sample]]:
    out = bench.path(f"{stem}_{MASKSDB}")
    return {
        PARSE: partial(run_task, "parse", path=path),
        MASKSDB: partial(run_task, "ingest", path=path, out=out),
        **{PEERS[peer]: _peer_job(bench, path, stem, peer) for peer in peers},
    }


def _peer_job(bench: Bench, path: str, stem: str, peer: str) -> Callable[[], Sample]:
    return partial(run_task, "peer_load", peer=peer, path=path, out=bench.path(f"{stem}_{peer}"))


def _load_large_peer(bench: Bench, peer: str, path: str, loads: dict[str, Summary]) -> str:
    """Load the large file into a peer, into ``loads``; or say why not."""
    name = PEERS[peer]
    # sqlite3 commits as it goes; pandas holds everything, and on a machine without room would take others with it.
    needed_mb = bench.loads[name].peak_mb * bench.large / bench.frames if peer == "pandas" else 0
    if needed_mb > _available_mb():
        return f"{name} was left out: it would need some {needed_mb:,.0f} MB of memory."
    try:
        loads |= in_turns({name: _peer_job(bench, path, "large", peer)}, 1)
    except TaskFailedError as error:
        print(error, file=sys.stderr)
        return f"{name} was ended, most likely for want of memory."
    return ""


def _available_mb() -> float:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return float("inf")
    return next(float(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("MemAvailable"))


def _add_loads(bench: Bench, path: str, frames: int, loads: Mapping[str, Summary], text: str) -> None:
    found = same_answer(loads)
    if found != frames * ROIS_PER_FRAME:
        raise TaskFailedError(f"{found} ROIs loaded, of {frames * ROIS_PER_FRAME}")
    bench.report.limit_memory(f"ingest of {frames:,} frames, peak memory", loads[MASKSDB].peak_mb, PEAK_MB)
    floor = loads[PARSE].seconds()
    rows = [
        (
            name,
            f"{load.seconds():.2f}",
            f"{load.seconds() / floor:.1f}",
            f"{load.peak_mb:,.0f}",
            f"{load.disk_mb:,.0f}" if load.disk_mb else "",
        )
        for name, load in loads.items()
    ]
    title = f"Ingest of {frames:,} frames, {found:,} ROIs, {size_mb(path):,.0f} MB"
    bench.report.tables.append(Table(title, text, LOAD_HEADER, rows))


def queries(bench: Bench) -> None:
    """``mask_rois`` of one version; then the join that the peers need for the same answer."""
    jobs: dict[str, Callable[[], Sample]] = {
        MASKSDB: partial(run_task, "version_queries", database=bench.path(f"main_{MASKSDB}"), repeats=REPEATS)
    }
    for peer, name in PEERS.items():
        jobs[name] = partial(run_task, f"{peer}_query", store=bench.path(f"main_{peer}"), repeats=REPEATS)
    summaries = in_turns(jobs, bench.runs)
    ours = summaries[MASKSDB]
    check_equal({name: ours.answer[name] for name in ("view", "by hand")})
    check_equal({name: summary.answer["mask join"] for name, summary in summaries.items()})

    ratio = ours.seconds("view") / ours.seconds("by hand")
    rois = f"{bench.frames * ROIS_PER_FRAME:,} ROIs"
    bench.report.limit_ratio(f"`mask_rois` by class_labels, {rois}", "join by hand", ratio, QUERY_RATIO)
    rows = [("`mask_rois` by class_labels", ours, "view"), ("join of the raw tables by hand", ours, "by hand")]
    joins = [(f"ROI -> mask, {name}", summary, "mask join") for name, summary in summaries.items()]
    cells = [query_cells(row, rows[0]) for row in rows] + [query_cells(row, joins[0]) for row in joins]
    bench.report.tables.append(Table(f"Queries over {rois} of one version", QUERY_TEXT, QUERY_HEADER, cells))


QueryRow = tuple[str, Summary, str]
"""What it is called, and where its figure is."""


def query_cells(row: QueryRow, base: QueryRow) -> tuple[str, str, str]:
    name, seconds = row[0], row[1].seconds(row[2])
    return name, f"{1000 * seconds:.1f}", f"{seconds / base[1].seconds(base[2]):.2f}"


def start_up(bench: Bench) -> None:
    """``import masksdb`` and ``masksdb --help``, beside ``import duckdb``."""
    base = "import duckdb"
    commands = {
        base: [sys.executable, "-c", base],
        "import masksdb": [sys.executable, "-c", "import masksdb"],
        "masksdb --help": [str(Path(sys.executable).with_name("masksdb")), "--help"],
        "an empty program": [sys.executable, "-c", ""],
    }
    jobs = {name: partial(run_command, command) for name, command in commands.items()}
    summaries = in_turns(jobs, START_RUNS)
    floor = summaries[base].seconds()
    for name in ("import masksdb", "masksdb --help"):
        bench.report.limit_ratio(f"`{name}`", f"`{base}`", summaries[name].seconds() / floor, START_RATIO)
    rows = [
        (name, f"{1000 * summary.seconds():.0f}", f"{summary.seconds() / floor:.2f}")
        for name, summary in summaries.items()
    ]
    bench.report.tables.append(Table("Start-up", START_TEXT, START_HEADER, rows))


def export_and_repeat(bench: Bench) -> None:
    """Export, and ingest of a file that is there already."""
    path, database = bench.generate("frames.jsonl", bench.frames), bench.path(f"main_{MASKSDB}")
    summaries = in_turns(
        {
            PARSE: partial(run_task, "parse", path=path),
            "export to JSON lines": partial(run_task, "export", database=database, out=bench.path("exported.jsonl")),
            "ingest of the same file again": partial(run_task, "ingest_again", path=path, out=database),
        },
        bench.runs,
        PARSE,
    )
    check_equal({"exported": summaries["export to JSON lines"].answer, "frames": bench.frames})
    check_equal({"again": summaries["ingest of the same file again"].answer, "frames": [0, 0, bench.frames]})
    floor = summaries[PARSE].seconds()
    rows = [
        (name, f"{each.seconds():.2f}", f"{bench.frames / each.seconds():,.0f}", f"{each.seconds() / floor:.1f}")
        for name, each in summaries.items()
    ]
    bench.report.tables.append(Table("Export and repeated ingest", EXPORT_TEXT, EXPORT_HEADER, rows))


def check_equal(answers: Mapping[str, object]) -> None:
    """Figures of different answers would compare different work."""
    found = list(answers.values())
    if any(answer != found[0] for answer in found):
        raise TaskFailedError(f"answers differ: {answers}")
