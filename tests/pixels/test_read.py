"""One reader: queries, arrays and training read each file once, word the same errors, and work in forked processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from PIL import Image
from support.servers import picture, web_server
from support.videos import CAR, SCENES, STEP_MS, Encoding, encode

import masksdb
from masksdb import MaskDecodeError, MasksDBError
from masksdb.pixels import remote
from masksdb.pixels.disk_cache import DiskCache
from masksdb.pixels.mask_cache import FactsCache, facts_cache
from masksdb.pixels.masks import MaskFacts, MaskImage, MaskRef
from masksdb.pixels.read import locate_masks, mask_files, read_images
from masksdb.pixels.settings import Settings
from masksdb.pixels.video import Video

FFV1 = Encoding("a.mkv", "ffv1", "bgr0", {})
STILL = np.arange(12, dtype=np.uint8).reshape(3, 4)

_opened: list[list[str]] = []


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _opened:
        _opened[-1].append(str(arguments[0]))


sys.addaudithook(_hear)


@contextlib.contextmanager
def opened() -> Iterator[list[str]]:
    """The paths of the files that Python opens."""
    _opened.append([])
    yield _opened[-1]
    _opened.pop()


@pytest.fixture
def still(tmp_path: Path) -> str:
    Image.fromarray(STILL).save(tmp_path / "a.png")
    return str(tmp_path / "a.png")


def by_training(refs: Sequence[MaskRef]) -> None:
    """Read masks as class masks of frames, the first also as the image."""
    rows = [f"('{refs[0].uri}', {{'uri': '{uri}', 'timestamp': {time or 'NULL'}}})" for uri, time in refs]
    query = f"SELECT *, 1 AS class, [1, 1, 1] AS mask_value FROM (VALUES {', '.join(rows)}) AS v(source_uri, mask)"
    with masksdb.connect(":memory:") as db:
        _ = db.arrays(query)[0]


READERS: dict[str, Callable[[Sequence[MaskRef]], object]] = {
    "cache": lambda refs: FactsCache().get(refs, Settings()),
    "images": lambda refs: read_images(refs, Settings()),
    "one thread": lambda refs: read_images(refs, Settings(), in_threads=False),
    "training": by_training,
}


@pytest.mark.parametrize("reader", READERS)
def test_a_still_under_several_references_is_opened_once(reader: str, still: str) -> None:
    refs = [MaskRef(still), MaskRef(still, 40), MaskRef(f"file://{still}"), MaskRef(still)]
    with opened() as paths:
        READERS[reader](refs)
    assert paths.count(still) == 1


def test_moments_of_a_video_come_from_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = encode(tmp_path, FFV1)
    passes: list[Sequence[int]] = []
    read_frames = Video.read_frames

    def counted(video: Video, numbers: Sequence[int]) -> Iterator[object]:
        passes.append(numbers)
        return read_frames(video, numbers)

    monkeypatch.setattr(Video, "read_frames", counted)
    refs = [MaskRef(uri, number * STEP_MS) for number in (7, 3, 7, 30)] + [MaskRef(uri, 3 * STEP_MS + 1)]
    images = read_images(refs, Settings())
    for image, number in zip(images, (7, 3, 7, 30, 3), strict=True):
        assert isinstance(image, MaskImage)
        assert (image.samples == SCENES[number]).all()
    assert [sorted(numbers) for numbers in passes] == [[3, 7, 30]]
    assert images[1] is images[4], "the same frame by two times"


def test_each_reference_has_its_own_error(tmp_path: Path, still: str) -> None:
    uri = encode(tmp_path, FFV1)
    refs = [
        MaskRef(uri),
        MaskRef(uri, 9_999),
        MaskRef(uri, 0),
        MaskRef(f"{still}.not"),
        MaskRef("xy://z"),
        MaskRef(still),
    ]
    for results in (read_images(refs, Settings()), FactsCache().get(refs, Settings())):
        reasons = [str(result) if isinstance(result, MasksDBError) else "" for result in results]
        assert reasons == [
            f"{uri}: a video, and no timestamp says which frame of it",
            f"{uri}: no frame at 9999 ms; the video is 1440 ms long",
            "",
            f"{still}.not: no such file",
            "xy://z: the scheme 'xy' is not known; expected one of file, http, https, s3, gs, az",
            "",
        ]


@pytest.mark.parametrize("content", [b"", b"no image", picture(40)[:-20], b"\0\0\0\x18ftypisom" + bytes(500)])
def test_queries_arrays_and_training_say_the_same_of_a_bad_mask(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.png").write_bytes(content)
    ref = MaskRef(str(tmp_path / "bad.png"), 40)
    with masksdb.connect(":memory:") as db:
        with pytest.raises(MaskDecodeError) as raised:
            db.read_mask(ref._asdict() | {"timestamp": 40})
        with pytest.raises(duckdb.Error) as refused:
            db.sql("SELECT mask_area(mask_ref($uri, 40), [1])", {"uri": ref.uri}).fetchall()
    assert str(raised.value) in str(refused.value)
    with pytest.raises(MasksDBError) as message:
        by_training([ref])
    assert str(message.value) == f"frame '{ref.uri}': {raised.value}"


def test_a_remote_file_that_left_the_disk_meanwhile_is_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASKSDB_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(remote, "_cache", DiskCache())
    with web_server() as server:
        server.files = {"/a.png": picture(3)}
        ref = MaskRef(f"{server.url}/a.png")
        (file,) = mask_files(locate_masks([ref], Settings()))
        os.remove(file.located.path)
        ((_, image),) = file.images(file.content(Settings()), Settings())
        assert isinstance(image, MaskImage)
        assert server.count("GET") == 2


def car_areas(refs: Sequence[MaskRef], results: Any) -> None:
    """Whether facts and pixels of masks agree on the area of the cars."""
    facts = facts_cache.get(refs, Settings())
    images = read_images(refs, Settings())
    results.put(
        [
            int(fact.regions.area[(fact.colours[:, 1:4] == CAR).all(axis=1)].sum())
            == int((image.samples == CAR).all(axis=2).sum())
            for fact, image in zip(facts, images, strict=True)
            if isinstance(fact, MaskFacts) and isinstance(image, MaskImage)
        ]
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_reads_videos_with_threads_of_its_own(tmp_path: Path) -> None:
    uri = encode(tmp_path, FFV1)
    read_images([MaskRef(uri, 0), MaskRef(uri, 10 * STEP_MS)], Settings())
    facts_cache.get([MaskRef(uri, 0)], Settings())
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    refs = [MaskRef(uri, number * STEP_MS) for number in (0, 5, 20)]
    with facts_cache._lock:  # as a thread of the parent may hold it at that moment
        child = context.Process(target=car_areas, args=(refs, results))
        child.start()
    child.join(20)
    is_alive = child.is_alive()
    child.kill()
    child.join()
    assert not is_alive, "it waits for threads of its parent"
    assert results.get() == [True] * 3
    (image,) = read_images([MaskRef(uri, 11 * STEP_MS)], Settings())
    assert isinstance(image, MaskImage)
    assert (image.samples == SCENES[11]).all(), "and the parent goes on where it was"
