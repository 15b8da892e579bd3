"""The measurements of pixels that need a fresh process; see ``tasks.py``.

Packages are imported before the clock starts, those of masksdb as those of its peers.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import itertools
import json
import os
import shutil
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import peers_pixels
from peers_pixels import Areas, in_threads, silent
from timing import Outcome, queries, remove, run, timed

if TYPE_CHECKING:
    from masks import MaskSet

    import masksdb

DATASET = "masks"

AREAS = f"SELECT frame_id, labels[1], mask_area(mask, mask_value) FROM mask_rois WHERE dataset = '{DATASET}'"
SUMS = f"SELECT labels[1], sum(mask_area(mask, mask_value)) FROM mask_rois WHERE dataset = '{DATASET}' GROUP BY ALL"
SHUFFLED_SUMS = f"""
SELECT label, sum(mask_area(mask, mask_value))
FROM (
    SELECT labels[1] AS label, mask, mask_value
    FROM mask_rois
    WHERE dataset = '{DATASET}'
    ORDER BY hash(frame_key * 1000 + roi_index)
)
GROUP BY label
"""
STORED_AREAS = f"SELECT frame_id, labels[1], area FROM mask_roi_regions WHERE dataset = '{DATASET}'"
STORED_SUMS = f"SELECT labels[1], sum(area) FROM mask_roi_regions WHERE dataset = '{DATASET}' GROUP BY ALL"
VIDEO_MASKS = f"SELECT mask FROM frame_masks WHERE dataset = '{DATASET}' ORDER BY mask.\"timestamp\""


def make_masks(kind: str, path: str, out: str, count: int) -> Outcome:
    """Files of one kind at ``path``, and in ``out`` what is in them."""
    masks = importlib.import_module("masks")
    seconds: dict[str, float] = {}
    with timed(seconds), silent():
        made = getattr(masks, kind)(*([path] if kind == "find_palettes" else [path, count]))
    made.save(out)
    return seconds, len(made.paths)


def count_masks(masks: str) -> Outcome:
    found = _masks(masks)
    return {}, {"masks": len(found.paths), "rois": sum(map(len, found.indexes))}


def load(masks: str, out: str, rois_per_mask: int = 0, most: int | None = None) -> Outcome:
    """A database with the frames of some masks, or the first of them; perhaps with so many ROIs on each."""
    import masksdb

    remove(out)
    found = _masks(masks)
    lines = f"{out}.jsonl"
    if rois_per_mask:
        found.write_rois(lines, rois_per_mask)
    seconds: dict[str, float] = {}
    with timed(seconds), masksdb.connect(out) as database:
        database.ingest(
            lines if rois_per_mask else itertools.islice(found.frames(), most), dataset=DATASET, version="v1"
        )
    remove(lines)
    with masksdb.connect(out, read_only=True) as database:
        return seconds, database.sql("SELECT count(*) FROM rois").fetchall()[0][0]


def areas(database: str, threads: int) -> Outcome:
    """The area of every ROI, of which nothing is known."""
    seconds: dict[str, float] = {}
    with _opened(database, threads, seconds) as opened:
        rows = opened.sql(AREAS).fetchall()
    return seconds, _digest(rows)


def peer_areas(peer: str, masks: str, threads: int) -> Outcome:
    """The same by a loop."""
    counted = peers_pixels.PEERS[peer]
    found = _masks(masks)
    codes = list(range(len(found.colours)))
    if not counted.by_index:
        codes = [red << 16 | green << 8 | blue for red, green, blue in found.colours]
    wanted = [[codes[index] for index in indexes] for indexes in found.indexes]
    seconds: dict[str, float] = {}
    with silent():
        count = counted.make()
        with timed(seconds):
            taken: list[Areas] = in_threads(count, threads, found.paths, wanted)
    label = importlib.import_module("masks").label
    names = {code: label(index) for index, code in enumerate(codes)}
    rows = [(str(number), names[code], area) for number, each in enumerate(taken) for code, area in each.items()]
    return seconds, _digest(rows)


def analyze(database: str, out: str, with_rle: bool) -> Outcome:
    """``analyze`` of a copy of a database."""
    import masksdb

    importlib.import_module("masksdb.analysis.analyze")
    remove(out)
    shutil.copy(database, out)
    seconds: dict[str, float] = {}
    with _opened(out, 0, seconds, is_read_only=False) as opened:
        opened.analyze(with_rle=with_rle)
    with masksdb.connect(out, read_only=True) as opened:
        return seconds, _digest(opened.sql(STORED_AREAS).fetchall())


def stored_areas(database: str, repeats: int) -> Outcome:
    """What ``analyze`` has written, by DuckDB alone."""
    import duckdb

    with duckdb.connect(database, read_only=True) as connection:

        def rows(query: str) -> Callable[[], list[Any]]:
            return lambda: connection.execute(query).fetchall()

        seconds, answers = queries({"sums": rows(STORED_SUMS), "rows": rows(STORED_AREAS)}, repeats)
        regions = connection.execute("SELECT count(*) FROM mask_regions").fetchall()[0][0]
    return seconds, [len(answers["rows"]), regions, _digest(answers["rows"])]


def roi_counts(database: str, repeats: int, rois: int) -> Outcome:
    """One ROI, and several, on one mask of which nothing is known."""
    import masksdb

    cache = importlib.import_module("masksdb.pixels.functions.of_masks").facts_cache
    with masksdb.connect(database, read_only=True) as opened:

        def asked(count: int) -> Callable[[], list[Any]]:
            query = f"SELECT area FROM (SELECT mask_area(mask, mask_value) AS area FROM ({_one_mask(count)}))"

            def rows() -> list[Any]:
                cache.clear()
                found: list[Any] = opened.sql(query).fetchall()
                return found

            return rows

        seconds, answers = queries({"one": asked(1), "several": asked(rois)}, repeats)
    return seconds, {name: len(rows) for name, rows in answers.items()}


def _one_mask(rois: int) -> str:
    return f"SELECT mask, mask_value FROM mask_rois WHERE dataset = '{DATASET}' AND frame_id = '0' LIMIT {rois}"


def many_rois(database: str, masks: str, rois_per_mask: int, is_shuffled: bool) -> Outcome:
    """Pixels by label over many ROIs, and how many masks were decoded for it."""
    seconds: dict[str, float] = {}
    with _opened(database, 0, seconds) as opened:
        rows = opened.sql(SHUFFLED_SUMS if is_shuffled else SUMS).fetchall()
    decodes = importlib.import_module("masksdb.pixels.mask_cache").facts_cache.decodes
    return seconds, {"decodes": decodes, "is_right": dict(rows) == _label_sums(_masks(masks), rois_per_mask)}


def _label_sums(found: MaskSet, rois_per_mask: int) -> dict[str, int]:
    """Pixels by label as Pillow counts them."""
    masks = importlib.import_module("masks")
    count = peers_pixels.pillow_histogram()
    areas: Counter[int] = Counter()
    for each in in_threads(count, 2, found.paths, found.indexes):
        areas.update(each)
    times = Counter(place % (masks.MOST_OBJECTS + 1) for place in range(rois_per_mask))
    return {masks.label(index): areas[index] * times[index] for index in times}


def video_areas(database: str) -> Outcome:
    """The area of every ROI of a video, in time order."""
    seconds: dict[str, float] = {}
    with _opened(database, 0, seconds) as opened:
        rows = opened.sql(f'{AREAS} ORDER BY mask."timestamp"').fetchall()
    return seconds, _digest(rows)


def video_masks(database: str) -> Outcome:
    """The pixels of every frame of a video, in time order."""
    seconds: dict[str, float] = {}
    with _opened(database, 0, seconds) as opened:
        count = sum(1 for _ in opened.iter_masks(VIDEO_MASKS))
    with _opened(database, 0, {}) as opened:
        return seconds, [count, _pixel_digest(pixels for _, pixels in opened.iter_masks(VIDEO_MASKS))]


def peer_video(peer: str, masks: str) -> Outcome:
    """The pixels of every frame by a loop."""
    (path,) = set(_masks(masks).paths)
    frames: Mapping[str, Callable[[], Iterator[Any]]] = {
        "pyav": lambda: peers_pixels.decode_video(path, is_parallel=True),
        "pyav_plain": lambda: peers_pixels.decode_video(path, is_parallel=False),
        "opencv": lambda: (pixels[..., ::-1] for pixels in peers_pixels.decode_video_opencv(path)),
    }
    importlib.import_module("cv2" if peer == "opencv" else "av")
    seconds: dict[str, float] = {}
    with silent():
        with timed(seconds):
            count = sum(1 for _ in frames[peer]())
        return seconds, [count, _pixel_digest(frames[peer]())]


def peer_video_areas(masks: str) -> Outcome:
    """The pixels of every colour of every frame by a loop."""
    found = _masks(masks)
    importlib.import_module("av")
    importlib.import_module("numpy")
    seconds: dict[str, float] = {}
    with timed(seconds):
        frames = peers_pixels.decode_video(found.paths[0], is_parallel=True, pixels="rgba")
        taken = [peers_pixels.packed_areas(pixels) for pixels in frames]
    label = importlib.import_module("masks").label
    names = {red << 16 | green << 8 | blue: label(index) for index, (red, green, blue) in enumerate(found.colours)}
    rows = [(str(number), names[code], area) for number, each in enumerate(taken) for code, area in each.items()]
    return seconds, _digest(rows)


def decode(decoder: str, masks: str, threads: int, count: int, repeats: int) -> Outcome:
    """The median time in which some masks that are in memory are decoded."""
    contents = [Path(path).read_bytes() for path in _masks(masks).paths[:count]]
    taken = []
    with silent():
        made = peers_pixels.DECODERS[decoder].make()
        # What a decoder sets up with its first image is not counted.
        size = made(contents[0]).shape[:2]

        def decode_some(some: list[bytes]) -> None:
            for content in some:
                made(content)

        for _ in range(repeats):
            start = time.perf_counter()
            in_threads(decode_some, threads, [contents[place::threads] for place in range(threads)])
            taken.append(time.perf_counter() - start)
    return {"work": statistics.median(taken)}, [len(contents), list(size)]


def threads_beside(database: str, others: list[str], seconds_long: float) -> Outcome:
    """Four threads that ask for pixels again and again, and what the process holds before and after.

    Two have a cursor each, two connect anew for each query. The cache is so small that masks are decoded all the time.
    """
    import masksdb

    cache = importlib.import_module("masksdb.pixels.mask_cache").facts_cache
    cache.limit_bytes = 4 << 20
    paths = [database, *others]
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(masksdb.connect(path, read_only=True)) for path in paths]
        expected = [_digest(each.sql(AREAS).fetchall()) for each in opened]
        counts, wrong = [0] * 4, [0] * 4
        end = 0.0

        def ask(number: int) -> None:
            cursors = [each.connection.cursor() for each in opened] if number < 2 else []
            while time.monotonic() < end:
                for place in range(number, number + len(paths)):
                    which = place % len(paths)
                    if cursors:
                        rows = cursors[which].execute(AREAS).fetchall()
                    else:
                        with masksdb.connect(paths[which], read_only=True) as own:
                            rows = own.sql(AREAS).fetchall()
                    counts[number] += 1
                    wrong[number] += _digest(rows) != expected[which]

        held = []
        # After the first tenth of the time everything has been used, and what is held should not grow much any more.
        for part in (0.1, 0.4, 0.5):
            end = time.monotonic() + seconds_long * part
            asking = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
            for each in asking:
                each.start()
            for each in asking:
                each.join()
            held.append(_held())
    answer = {"cursors": sum(counts[:2]), "connects": sum(counts[2:]), "wrong": sum(wrong), "decodes": cache.decodes}
    return {"work": seconds_long}, {**answer, "held": held}


def _held() -> list[float]:
    """Megabytes of memory and open files of this process, where the system tells them."""
    with contextlib.suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return [pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(os.listdir("/proc/self/fd")) - 1]
    return []


@contextlib.contextmanager
def _opened(
    database: str, threads: int, seconds: dict[str, float], *, is_read_only: bool = True
) -> Iterator[masksdb.Database]:
    """An open database and a clock from before it is opened to when it is closed; 0 threads are as many as it takes."""
    import masksdb

    importlib.import_module("masksdb.pixels.functions.of_masks")
    importlib.import_module("av")
    with masksdb.connect(":memory:") as other:
        # DuckDB imports packages of its own with the first call of a Python function.
        other.sql("SELECT rle_area({'size': [2, 2], 'counts': '04'})").fetchall()
    if threads:
        reading: Any = importlib.import_module("masksdb.pixels.read")
        reading.WORKERS = threads
    with timed(seconds), masksdb.connect(database, read_only=is_read_only) as opened:
        if threads:
            opened.connection.execute(f"SET threads = {threads}")
        yield opened


def _masks(path: str) -> MaskSet:
    found: MaskSet = importlib.import_module("masks").MaskSet.load(path)
    return found


def _digest(rows: Iterable[tuple[Any, ...]]) -> str:
    """Rows as something short that is compared with what others found."""
    return hashlib.sha256(json.dumps(sorted(map(list, rows))).encode()).hexdigest()


def _pixel_digest(frames: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for pixels in frames:
        digest.update(pixels.tobytes())
    return digest.hexdigest()


TASKS: Mapping[str, Callable[..., Outcome]] = {
    task.__name__: task
    for task in (
        make_masks,
        count_masks,
        load,
        areas,
        peer_areas,
        analyze,
        stored_areas,
        roi_counts,
        many_rois,
        video_areas,
        video_masks,
        peer_video,
        peer_video_areas,
        decode,
        threads_beside,
    )
}


if __name__ == "__main__":
    run(TASKS)
