"""The sections on pixels: areas of ROIs in still masks, cold and analysed, and many ROIs on few masks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from measure import Sample, Summary, TaskFailedError, in_turns, run_pixel_task, same_answer
from peers_pixels import DECODERS, PEERS
from report import Limit, Table
from sections import MASKSDB, REPEATS, Bench

PALETTE_RATIO, PALETTE_AIM = 0.5, 0.25
CITY_RATIO = 0.7
STORED_MS = 20
ROI_COUNT_RATIO = 1.2
ROI_COUNT, ROI_COUNT_REPEATS = 5, 45
ROIS_PEAK_MB = 1_500
THREADS = (1, 2)
DECODED = {"palettes": 200, "cities": 16}

ROOT = Path(__file__).parents[2]

AREAS_HEADER = ("program", "threads", "s", "ms a mask", "times masksdb", "process, s", "peak MB")
AREAS_TEXT = """\
The area of every ROI: `SELECT frame_id, labels[1], mask_area(mask, mask_value) FROM mask_rois`, from `connect` to the
last row, in processes that know nothing of the masks; beside it loops over the files that count the pixels of each
value. All find the same areas. Packages are imported before the clock starts; the column `process` has them in it, and
the start and the end of Python. The loops below {best} ran once."""

STORED_HEADER = ("work", "ms")
STORED_TEXT = """\
`mask_roi_regions` of the palette masks, by DuckDB without Python functions, as `analyze` has filled it; medians over
{repeats} rounds in a process. Above them what fills it, and the same areas cold; all areas are equal."""

ROI_COUNT_HEADER = ("mask", "1 ROI, ms", f"{ROI_COUNT} ROIs, ms", "ratio")
ROI_COUNT_TEXT = """\
`mask_area` of ROIs on one mask, which is decoded anew for each query; medians over {repeats} rounds in a process."""

MANY_HEADER = ("rows", "s", "masks decoded", "peak MB")
MANY_TEXT = """\
Sum of `mask_area` by label over all ROIs, equal to what Pillow counts; in the order of the frames, and in an order in
which rows of one mask are far apart."""

DECODE_HEADER = ("decoder", "palette, 1 thread", "palette, 2 threads", "RGB, 1 thread", "RGB, 2 threads")
DECODE_TEXT = """\
Milliseconds an image, of files in memory, for information; one process each, medians over {repeats} passes. masksdb is
its `decode_image`. kornia-rs, Pillow and masksdb give palette indexes, the others may give colours. Decoders that are
not installed are left out."""


class Sizes(NamedTuple):
    """How much is measured."""

    palettes: int
    cities: int
    video_frames: int
    rois_per_mask: int
    seconds: float


FULL = Sizes(palettes=2_000, cities=160, video_frames=500, rois_per_mask=500, seconds=60)
QUICK = Sizes(palettes=200, cities=16, video_frames=60, rois_per_mask=500, seconds=10)


def sizes(bench: Bench) -> Sizes:
    return FULL if bench.is_full else QUICK


def mask_set(bench: Bench, kind: str) -> str:
    """What is in the masks of a kind, which are made where they are not there yet."""
    out = bench.path(f"{kind}.json")
    if not os.path.exists(out):
        size = sizes(bench)
        make, path, count = {
            "palettes": ("write_palettes", bench.path(kind), size.palettes),
            "cities": ("write_cities", bench.path(kind), size.cities),
            "video": ("write_video", bench.path("video.mp4"), size.video_frames),
            "davis": ("find_palettes", str(davis_folder()), 0),
        }[kind]
        run_pixel_task("make_masks", kind=make, path=path, out=out, count=count)
    return out


def davis_folder() -> Path | None:
    """Masks of DAVIS 2017, where they are on this machine."""
    for folder in (os.environ.get("MASKSDB_TEST_DATA"), ROOT.parent / "shared" / "data"):
        if folder and (found := Path(folder) / "davis2017").is_dir():
            return found
    return None


def mask_database(bench: Bench, kind: str, most: int | None = None) -> str:
    """A database of the masks of a kind, or of the first of them."""
    out = bench.path(f"{kind}_{most or 'all'}.duckdb")
    if not os.path.exists(out):
        run_pixel_task("load", masks=mask_set(bench, kind), out=out, most=most)
    return out


def palette_areas(bench: Bench) -> None:
    """Areas in palette masks: made ones, and where they are there those of DAVIS."""
    others = ("pillow_unique", "opencv_packed", "pycocotools_indexes")
    for kind, name in {"palettes": "generated", "davis": "DAVIS 2017"}.items():
        if kind != "davis" or davis_folder():
            title = f"{name} palette masks, 854x480"
            ratio, against = _areas(bench, kind, title, "pillow_histogram", others)
            bench.report.limit_ratio(*against, ratio, PALETTE_RATIO, f" (aim {PALETTE_AIM} x)")


def city_areas(bench: Bench) -> None:
    """Areas in large masks of colours."""
    others = ("pillow_packed", "opencv_packed", "pycocotools_colours")
    title = "generated RGB masks, 2048x1024, 19 colours"
    ratio, against = _areas(bench, "cities", title, "pillow_getcolors", others)
    bench.report.limit_ratio(*against, ratio, CITY_RATIO)


def _areas(
    bench: Bench, kind: str, name: str, best: str, others: Sequence[str]
) -> tuple[float, tuple[str, str]]:  # fmt: skip
    """Areas in masks of a kind, beside the best loop; the other loops run once.

    Returns:
        The ratio to the best loop in 2 threads, and what it compares.
    """
    database, masks = mask_database(bench, kind), mask_set(bench, kind)
    count = run_pixel_task("count_masks", masks=masks).answer
    jobs: dict[str, Callable[[], Sample]] = {
        _job(MASKSDB, threads): partial(run_pixel_task, "areas", database=database, threads=threads)
        for threads in THREADS
    }
    found = in_turns(jobs | _peer_jobs(masks, [best]), bench.runs)
    found |= in_turns(_peer_jobs(masks, [peer for peer in others if PEERS[peer].is_installed]), 1)
    same_answer(found)

    ours = found[_job(MASKSDB, 2)].seconds()
    rows = [
        (
            *job.split("|"),
            f"{each.seconds():.2f}",
            f"{1000 * each.seconds() / count['masks']:.2f}",
            f"{each.seconds() / ours:.2f}",
            f"{each.seconds('process'):.2f}",
            f"{each.peak_mb:,.0f}",
        )
        for job, each in found.items()
    ]
    missing = [PEERS[peer].name for peer in others if not PEERS[peer].is_installed]
    rows += [(f"{name} (not installed)", "", "", "", "", "", "") for name in missing]
    what = f"{count['masks']:,} {name}"
    title = f"Areas of {count['rois']:,} ROIs, {what}"
    text = AREAS_TEXT.format(best=PEERS[best].name)
    bench.report.tables.append(Table(title, text, AREAS_HEADER, rows))
    ratio = ours / found[_job(PEERS[best].name, 2)].seconds()
    return ratio, (f"area of every ROI, {what}", f"{PEERS[best].name}, 2 threads")


def _job(name: str, threads: int) -> str:
    return f"{name}|{threads}"


def _peer_jobs(masks: str, peers: Sequence[str]) -> dict[str, Callable[[], Sample]]:
    return {
        _job(PEERS[peer].name, threads): partial(run_pixel_task, "peer_areas", peer=peer, masks=masks, threads=threads)
        for peer in peers
        for threads in THREADS
    }


def analyzed(bench: Bench) -> None:
    """What ``analyze`` takes, and what is asked of its tables."""
    cold, stored = mask_database(bench, "palettes"), bench.path("analyzed.duckdb")
    made = in_turns(
        {
            "areas, cold, with `mask_area`": partial(run_pixel_task, "areas", database=cold, threads=0),
            "`analyze`": partial(run_pixel_task, "analyze", database=cold, out=stored, with_rle=False),
            "`analyze --rle`": partial(
                run_pixel_task, "analyze", database=cold, out=bench.path("analyzed_rle.duckdb"), with_rle=True
            ),
        },
        bench.runs,
    )
    job = partial(run_pixel_task, "stored_areas", database=stored, repeats=REPEATS)
    asked = in_turns({"stored": job}, bench.runs)["stored"]
    rois, regions, areas = asked.answer
    if any(each.answer != areas for each in made.values()):
        raise TaskFailedError("areas differ between mask_area and what analyze has stored")

    milliseconds = 1000 * asked.seconds("sums")
    what = f"area by label over {regions:,} analysed regions, {rois:,} ROIs, plain SQL"
    limit_ms(bench, what, milliseconds, STORED_MS)
    rows = [(name, f"{1000 * each.seconds():,.0f}") for name, each in made.items()]
    rows += [
        ("area by label, analysed", f"{milliseconds:.1f}"),
        (f"area of each ROI, analysed, {rois:,} rows taken to Python", f"{1000 * asked.seconds('rows'):.1f}"),
    ]
    title = f"Analysis of {sizes(bench).palettes:,} palette masks, {regions:,} regions"
    bench.report.tables.append(Table(title, STORED_TEXT.format(repeats=REPEATS), STORED_HEADER, rows))


def limit_ms(bench: Bench, what: str, milliseconds: float, most: float) -> None:
    """Hold a time against its limit."""
    bench.report.limits.append(Limit(what, "", f"{milliseconds:.1f} ms", f"{most:g} ms", milliseconds <= most))


def rois_of_one_mask(bench: Bench) -> None:
    """Several ROIs on a mask, beside one."""
    rows = []
    for kind, name in {"palettes": "palette, 854x480", "cities": "RGB, 2048x1024"}.items():
        database = mask_database(bench, kind)
        job = partial(run_pixel_task, "roi_counts", database=database, repeats=ROI_COUNT_REPEATS, rois=ROI_COUNT)
        found = in_turns({kind: job}, bench.runs)[kind]
        if found.answer != {"one": 1, "several": ROI_COUNT}:
            raise TaskFailedError(f"ROIs on one mask: {found.answer}")
        one, several = found.seconds("one"), found.seconds("several")
        what, against = f"areas of {ROI_COUNT} ROIs on one mask, {name}", "area of 1 ROI on it"
        bench.report.limit_ratio(what, against, several / one, ROI_COUNT_RATIO)
        rows.append((name, f"{1000 * one:.2f}", f"{1000 * several:.2f}", f"{several / one:.2f}"))
    text = ROI_COUNT_TEXT.format(repeats=ROI_COUNT_REPEATS)
    bench.report.tables.append(Table("ROIs on one mask", text, ROI_COUNT_HEADER, rows))


def many_rois(bench: Bench) -> None:
    """Very many ROIs on some masks, each of which is decoded once."""
    masks, database, each = mask_set(bench, "palettes"), bench.path("many.duckdb"), sizes(bench).rois_per_mask
    rois = run_pixel_task("load", masks=masks, out=database, rois_per_mask=each).answer
    task = partial(run_pixel_task, "many_rois", database=database, masks=masks, rois_per_mask=each)
    found = in_turns(
        {
            "in the order of the frames": partial(task, is_shuffled=False),
            "far apart": partial(task, is_shuffled=True),
        },
        1,
    )
    count = sizes(bench).palettes
    rows = []
    for name, summary in found.items():
        answer = summary.answer
        if not answer["is_right"]:
            raise TaskFailedError(f"pixels by label over {rois:,} ROIs {name}: other than Pillow's")
        what, decodes = f"areas of {rois:,} ROIs on {count:,} masks, rows {name}", answer["decodes"]
        limits = bench.report.limits
        limits.append(Limit(f"{what}: masks decoded", "", f"{decodes:,}", f"{count:,}", decodes <= count))
        bench.report.limit_memory(f"{what}: peak memory", summary.peak_mb, ROIS_PEAK_MB)
        rows.append((name, f"{summary.seconds():.2f}", f"{decodes:,}", f"{summary.peak_mb:,.0f}"))
    title = f"Areas of {rois:,} ROIs on {count:,} palette masks"
    bench.report.tables.append(Table(title, MANY_TEXT, MANY_HEADER, rows))


def decoders(bench: Bench) -> None:
    """Decoders of PNG files on one loop."""
    names = [name for name, decoder in DECODERS.items() if decoder.is_installed]
    found: dict[tuple[str, int], Mapping[str, Summary]] = {}
    for kind, count in DECODED.items():
        masks = mask_set(bench, kind)
        for threads in THREADS:
            task = partial(run_pixel_task, "decode", masks=masks, threads=threads, count=count, repeats=bench.runs)
            jobs = {name: partial(task, decoder=name) for name in names}
            found[kind, threads] = in_turns(jobs, 1)
            same_answer(found[kind, threads])
    rows = []
    for name in names:
        cells = [f"{1000 * each[name].seconds() / each[name].answer[0]:.2f}" for each in found.values()]
        rows.append((name, *cells))
    bench.report.tables.append(Table("Decoders", DECODE_TEXT.format(repeats=bench.runs), DECODE_HEADER, rows))
