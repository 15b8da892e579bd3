"""Threads that query pixels side by side get right answers, and a mask is decoded once, and only where it is needed."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.videos import CAR, COUNT, STEP_MS, Encoding, encode

import masksdb
from masksdb.pixels.decode import decode_image
from masksdb.pixels.mask_cache import facts_cache

FRAMES, VALUES, SIDE = 2500, 5, 12
MB = 1 << 20
THREADS = 4
Query = Callable[[str], Any]


def pixels(number: int) -> Any:
    """The mask of a frame: ``number % 100`` pixels of 1, and of the other values the rest."""
    flat = np.arange(SIDE * SIDE) % (VALUES - 1)
    flat[flat > 0] += 1
    flat[: number % 100] = 1
    return flat.reshape(SIDE, SIDE).astype(np.uint8)


def area(number: int, value: int) -> int:
    return int((pixels(number) == value).sum())


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database of many frames with a mask and five ROIs each, in two cities."""
    folder = tmp_path_factory.mktemp("threads")
    frames = []
    for number in range(FRAMES):
        if number < 100:
            Image.fromarray(pixels(number)).save(folder / f"{number}.png")
        else:
            os.symlink(f"{number % 100}.png", folder / f"{number}.png")
        masks = [{"id": "seg", "uri": f"{number}.png"}]
        rois = [{"label": [f"v{value}"], "mask": {"id": "seg", "value": [value]}} for value in range(VALUES)]
        source = {"id": "s", "masks": masks}
        frames.append({"id": str(number), "meta": {"city": number % 10}, "sources": [source], "rois": rois})
    with masksdb.connect(folder / "a.duckdb") as db:
        db.ingest(frames, dataset="d", version="v", media_root=folder)
    return str(folder / "a.duckdb")


@pytest.fixture
def db(path: str) -> Iterator[masksdb.Database]:
    facts_cache.clear()
    with masksdb.connect(path) as database:
        yield database
    facts_cache.clear()


@pytest.fixture
def decodes(db: masksdb.Database) -> Callable[[str], int]:
    """How many masks a query decodes."""

    def call(query: str) -> int:
        facts_cache.clear()
        before = facts_cache.decodes
        db.sql(query).fetchall()
        return facts_cache.decodes - before

    return call


def side_by_side(work: Callable[[int], None], count: int = THREADS) -> None:
    """Run work in several threads; an error in one is one of the test."""
    errors: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def ask(query: Query, seed: int) -> None:
    """Some queries over other masks each time, and what they have to answer."""
    first = seed * 97 % (FRAMES - 40)
    where = f"frame_id::INT BETWEEN {first} AND {first + 39}"
    rows = query(f"SELECT frame_id, mask_value, mask_area(mask, mask_value) FROM mask_rois WHERE {where}")
    assert len(rows) == 40 * VALUES
    assert all(result == area(int(number), value) for number, (value,), result in rows)
    ((total,),) = query(f"SELECT sum(len(mask_values(mask))) FROM frame_masks WHERE {where}")
    assert total == sum(len(np.unique(pixels(number))) for number in range(first, first + 40))


@contextlib.contextmanager
def asking(path: str) -> Iterator[Query]:
    """A way to run queries on a cursor of one's own."""
    with masksdb.connect(path) as own, contextlib.closing(own.connection.cursor()) as cursor:
        yield lambda text: cursor.execute(text).fetchall()


def for_seconds(path: str, seconds: float, *, reopening: bool) -> int:
    """Let threads ask all the time, each with a cursor, or opening the file each time; gives the rounds."""
    end = time.monotonic() + seconds
    rounds = [0] * THREADS

    def work(number: int) -> None:
        with contextlib.ExitStack() as kept:
            mine = None if reopening else kept.enter_context(asking(path))
            while time.monotonic() < end:
                rounds[number] += 1
                if rounds[number] % 5 == 0:
                    facts_cache.clear()
                with asking(path) if mine is None else contextlib.nullcontext(mine) as query:
                    ask(query, rounds[number] * THREADS + number)

    side_by_side(work)
    return sum(rounds)


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="tells handles and memory by /proc")
@pytest.mark.parametrize("reopening", [False, True], ids=["cursors", "connections"])
def test_threads_get_right_answers_and_leave_no_handles_and_no_memory(path: str, reopening: bool) -> None:
    for_seconds(path, 0.4, reopening=reopening)
    facts_cache.clear()
    gc.collect()
    handles, memory = len(os.listdir("/proc/self/fd")), resident_bytes()
    assert for_seconds(path, 1.6, reopening=reopening) > THREADS
    facts_cache.clear()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= handles
    assert resident_bytes() < memory + 50 * MB


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="tells memory by /proc")
def test_pixels_of_masks_are_let_go(db: masksdb.Database, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((1000, 1000), np.uint8)).save(tmp_path / "large.png")
    for number in range(300):
        os.symlink("large.png", tmp_path / f"{number}.png")
    query = "SELECT mask_ref($folder || n || '.png') AS mask FROM range({}, {}) AS many(n)"
    values = {"folder": f"{tmp_path}/"}

    def read(start: int, stop: int) -> None:
        masks = query.format(start, stop)
        assert db.sql(f"SELECT sum(mask_area(mask, [0])) FROM ({masks})", values).fetchall() == [
            ((stop - start) * 1_000_000,)
        ]
        assert sum(pixels.shape[0] for _, pixels in db.iter_masks(masks, values)) == (stop - start) * 1000

    read(0, 50)
    before = resident_bytes()
    read(50, 300)
    assert resident_bytes() < before + 80 * MB, "not the 250 MB that the pixels take"


def test_threads_share_one_video(tmp_path: Path) -> None:
    uri = encode(tmp_path, Encoding("a.mkv", "ffv1", "bgr0", {}))
    query = "SELECT sum(mask_area(mask_ref($uri, n * $step), $value)) FROM range($first, $count) AS frames(n)"
    with masksdb.connect(":memory:") as own:
        connection = own.connection

        def work(number: int) -> None:
            cursor = connection.cursor()
            for first in range(number, COUNT, THREADS):
                facts_cache.clear()
                values = {"uri": uri, "step": STEP_MS, "value": CAR, "first": first, "count": COUNT}
                assert cursor.execute(query, values).fetchall() == [(16 * 24 * (COUNT - first),)]
            cursor.close()

        side_by_side(work)


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="tells handles by /proc")
def test_no_more_than_a_few_videos_stay_open(tmp_path: Path) -> None:
    uris = [encode(tmp_path, Encoding(f"{number}.mkv", "ffv1", "bgr0", {})) for number in range(20)]
    before = len(os.listdir("/proc/self/fd"))
    with masksdb.connect(":memory:") as own:
        for uri in uris:
            own.sql("SELECT mask_area(mask_ref($uri, 0), [0, 0, 0])", {"uri": uri}).fetchall()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before + 8


def test_five_rois_of_one_mask_decode_it_once(decodes: Callable[[str], int]) -> None:
    functions = (
        "mask_area(mask, mask_value), mask_bbox(mask, mask_value), mask_values(mask), mask_rle(mask, mask_value)"
    )
    assert decodes(f"SELECT {functions} FROM mask_rois WHERE frame_id = '7'") == 1


def test_a_whole_dataset_decodes_each_mask_once(decodes: Callable[[str], int]) -> None:
    assert (
        decodes("SELECT sum(mask_area(mask, mask_value)), sum(mask_coverage(mask, mask_value)) FROM mask_rois")
        == FRAMES
    )


def test_threads_that_ask_for_the_same_mask_at_once_decode_it_once(
    db: masksdb.Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(np.eye(50, dtype=np.uint8)).save(tmp_path / "one.png")

    def slowly(*arguments: Any, **options: Any) -> Any:
        time.sleep(0.3)
        return decode_image(*arguments, **options)

    monkeypatch.setattr("masksdb.pixels.read.decode_image", slowly)
    before, connection = facts_cache.decodes, db.connection
    answers: list[Any] = []

    def work(_: int) -> None:
        cursor = connection.cursor()
        answers.extend(cursor.execute("SELECT mask_area(mask_ref(?), [1])", [str(tmp_path / "one.png")]).fetchall())
        cursor.close()

    side_by_side(work)
    assert answers == [(50,)] * THREADS
    assert facts_cache.decodes - before == 1


def test_a_cache_that_is_too_small_for_a_query_still_answers(
    db: masksdb.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts_cache, "limit_bytes", 20_000)
    expected = sum(area(number, 1) for number in range(FRAMES))
    query = "SELECT sum(mask_area(mask, mask_value)) FROM mask_rois WHERE mask_value = [1]"
    assert db.sql(query).fetchall() == [(expected,)]
    assert facts_cache._bytes <= 20_000


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT mask_area(mask, mask_value) AS area FROM mask_rois WHERE frame_id = '7'", 1),
        ("SELECT mask_area(mask, mask_value) AS area FROM mask_rois WHERE area > 2 AND frame_id = '7'", 1),
        ("SELECT mask_values(mask) FROM frame_masks WHERE frame_id IN ('7', '8', '9')", 3),
        ("SELECT sum(mask_area(mask, mask_value)) FROM mask_rois WHERE frame_meta->>'city' = '3'", FRAMES // 10),
        ("SELECT 1 FROM mask_rois WHERE frame_meta->>'city' = '3' AND mask_area(mask, mask_value) > 2", FRAMES // 10),
        ("SELECT CASE WHEN frame_id = '7' THEN mask_area(mask, mask_value) END FROM mask_rois", 1),
    ],
)
def test_masks_that_a_filter_leaves_out_are_not_decoded(
    decodes: Callable[[str], int], query: str, expected: int
) -> None:
    assert decodes(query) == expected


@pytest.mark.parametrize(
    "query",
    [
        "SELECT frame_id FROM (SELECT frame_id, mask_area(mask, mask_value) AS area FROM mask_rois)",
        "SELECT count(*) FROM (SELECT mask_area(mask, mask_value) AS area FROM mask_rois)",
        "WITH areas AS (SELECT *, mask_area(mask, mask_value) AS area FROM mask_rois) SELECT labels FROM areas",
        "SELECT mask_uri, mask FROM mask_rois",
        "EXPLAIN SELECT mask_area(mask, mask_value) FROM mask_rois",
    ],
)
def test_a_column_that_nobody_reads_decodes_nothing(decodes: Callable[[str], int], query: str) -> None:
    assert decodes(query) == 0


@pytest.mark.parametrize(
    ("query", "at_most"),
    [
        ("SELECT mask_values(mask) FROM frame_masks LIMIT 10", 10),
        ("SELECT mask_area(mask, mask_value) FROM mask_rois WHERE dataset = 'd' LIMIT 10", 10),
        ("SELECT mask_area(mask, mask_value) FROM (FROM mask_rois ORDER BY frame_key LIMIT 10)", 10),
        # Rows come to a filter over pixels 2,048 at once.
        ("SELECT mask_values(mask) FROM frame_masks WHERE mask_area(mask, [1]) >= 0 LIMIT 10", 2048),
    ],
)
def test_a_limit_decodes_what_it_needs_but_for_whole_batches(
    decodes: Callable[[str], int], query: str, at_most: int
) -> None:
    assert 0 < decodes(query) <= at_most
