"""The sections on versions: a long chain, differences, snapshots."""

from __future__ import annotations

from functools import partial

from frames import CHANGED_OF
from measure import TaskFailedError, in_turns, run_task
from report import Table
from sections import QUERY_RATIO, REPEATS, Bench, check_equal, query_cells

VERSIONS = 20
DIFF_RATIO = 3
SNAPSHOT_RATIO = 2
SNAPSHOT_FRAMES = (10, 1_000_000)
SNAPSHOTS = 15

CHAIN_HEADER = ("query", "ms", "times the view")
CHAIN_TEXT = f"""\
ROIs per `class_labels` in the last of a chain of {VERSIONS} versions, each of which changed one frame in {CHANGED_OF};
the join by hand leaves out the shadowed frames. Beside it, a database whose only version has the same content. The
answers are equal. Medians over {REPEATS} rounds in a process."""

DIFF_HEADER = ("work", "ms", "times by hand")
DIFF_TEXT = f"""\
The last version of the chain and the one before it, {CHANGED_OF} times fewer frames changed than there are: all
differences of frames and ROIs, paired as `version diff` pairs them, beside a comparison by hand of hashes and of the
ROIs at the same index. Medians over {REPEATS} rounds in a process."""

SNAPSHOT_HEADER = ("frames in the version", "ms", "times the small")
SNAPSHOT_TEXT = f"""\
Publish a draft and make a child of it, {SNAPSHOTS} times in a row; the median."""


def chain(bench: Bench) -> None:
    """``mask_rois`` of the last version of a chain."""
    first = bench.generate("frames.jsonl", bench.frames)
    last = bench.generate("last.jsonl", bench.frames, VERSIONS)
    changes = [bench.path(f"changes_{child}.jsonl") for child in range(1, VERSIONS)]
    run_task("generate_changes", paths=changes, count=bench.frames)
    chained, single = bench.path("chain"), bench.path("single")
    built = in_turns({"chain": partial(run_task, "build_chain", first=first, changes=changes, out=chained)}, 1)
    if min(built["chain"].answer) != bench.frames // CHANGED_OF:
        raise TaskFailedError(f"frames updated in the children: {built['chain'].answer}")
    run_task("ingest", path=last, out=single)
    job = partial(run_task, "chain_queries", chain=chained, single=single, versions=VERSIONS, repeats=REPEATS)
    measured = in_turns({"chain": job}, bench.runs)["chain"]
    check_equal(measured.answer)

    what = f"`mask_rois` by class_labels, last of {VERSIONS} versions"
    for part, against in (("by hand", "join by hand"), ("one version", "one version with the same content")):
        ratio = measured.seconds("view") / measured.seconds(part)
        bench.report.limit_ratio(what, against, ratio, QUERY_RATIO)
    rows = [
        query_cells((name, measured, part), ("", measured, "view"))
        for name, part in (
            (f"`mask_rois`, last of {VERSIONS} versions", "view"),
            (f"join by hand, last of {VERSIONS} versions", "by hand"),
            ("`mask_rois`, one version with the same content", "one version"),
            ("join by hand, one version with the same content", "one version by hand"),
        )
    ]
    seconds = built["chain"].samples[0].seconds
    made = f"The {VERSIONS - 1} children were made in {seconds['children']:.1f} s, the first in {seconds['first']:.1f}."
    bench.report.tables.append(Table("Chain of versions", f"{CHAIN_TEXT} {made}", CHAIN_HEADER, rows))


def differences(bench: Bench) -> None:
    """What changed between the last two versions of the chain."""
    job = partial(run_task, "chain_diff", chain=bench.path("chain"), versions=VERSIONS, repeats=REPEATS)
    measured = in_turns({"diff": job}, bench.runs)["diff"]
    check_equal(measured.answer)
    ratio = measured.seconds("version diff") / measured.seconds("by hand")
    what = f"diff of two versions, {bench.frames // CHANGED_OF:,} of {bench.frames:,} frames changed"
    bench.report.limit_ratio(what, "comparison by hand", ratio, DIFF_RATIO)
    parts = ("version diff", "by hand")
    rows = [query_cells((part, measured, part), ("", measured, "by hand")) for part in parts]
    bench.report.tables.append(Table("Difference of two versions", DIFF_TEXT, DIFF_HEADER, rows))


def snapshots(bench: Bench) -> None:
    """A snapshot of a large version, beside one of a small version."""
    jobs = {
        f"{count:,}": partial(
            run_task, "snapshots", count=count, out=bench.path(f"snapshots_{count}"), repeats=SNAPSHOTS
        )
        for count in SNAPSHOT_FRAMES
    }
    summaries = in_turns(jobs, bench.runs)
    small, large = summaries.values()
    what, against = (f"a snapshot of {name} frames" for name in reversed(list(summaries)))
    bench.report.limit_ratio(what, against, large.seconds() / small.seconds(), SNAPSHOT_RATIO)
    rows = [query_cells((name, each, "work"), ("", small, "work")) for name, each in summaries.items()]
    bench.report.tables.append(Table("Snapshots", SNAPSHOT_TEXT, SNAPSHOT_HEADER, rows))
