"""Speed and memory of masksdb as ratios to what a user would run instead, into docs/benchmarks.md.

python tests/bench/run.py                 the sizes of the limits
python tests/bench/run.py --quick         small files, one run each, printed and not written
python tests/bench/run.py --sections a b  only these of SECTIONS (some need those before them), printed and not written
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from report import Report
from sections import Bench, export_and_repeat, ingest, ingest_large, queries, start_up
from sections_evaluate import evaluate
from sections_layouts import coco, folder
from sections_pixels import analyzed, city_areas, decoders, many_rois, palette_areas, rois_of_one_mask
from sections_training import training
from sections_versions import chain, differences, snapshots
from sections_video import threads, video

SECTIONS = (
    ingest,
    ingest_large,
    queries,
    chain,
    differences,
    snapshots,
    start_up,
    export_and_repeat,
    palette_areas,
    city_areas,
    analyzed,
    evaluate,
    video,
    rois_of_one_mask,
    many_rois,
    decoders,
    threads,
    training,
    coco,
    folder,
)
OUTPUT = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def main() -> None:
    options = _options()
    report = Report(" ".join(["python tests/bench/run.py", *sys.argv[1:]]), options.frames, options.large, options.runs)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="masksdb_bench_") as folder:
        bench = Bench(Path(folder), options.frames, options.large, options.runs, not options.quick, report)
        for section in SECTIONS:
            if options.sections and section.__name__ not in options.sections:
                continue
            print(section.__name__, file=sys.stderr, flush=True)
            section(bench)
    print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
    if options.output:
        options.output.write_text(report.text(), encoding="utf-8")
    else:
        print(report.text(), end="")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, help="frames of the main file (default: 200,000; quick: 20,000)")
    parser.add_argument("--large", type=int, help="frames of the large file (default: ten times as many)")
    parser.add_argument("--runs", type=int, help="runs of each measurement (default: 3; quick: 1)")
    parser.add_argument(
        "--quick", action="store_true", help="small, without sqlite and pandas on the large file, printed only"
    )
    parser.add_argument("--output", type=Path, help="write the report here (default: docs/benchmarks.md)")
    parser.add_argument("--sections", nargs="+", choices=[each.__name__ for each in SECTIONS], help="only these")
    options = parser.parse_args()
    options.frames = options.frames or (20_000 if options.quick else 200_000)
    options.large = options.large or 10 * options.frames
    options.runs = options.runs or (1 if options.quick else 3)
    options.output = options.output or (None if options.quick or options.sections else OUTPUT)
    if options.frames < 100:
        parser.error("--frames: expected 100 or more, for each child version changes one frame in a hundred")
    return options


if __name__ == "__main__":
    main()
