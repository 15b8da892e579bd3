"""Frames of videos are masks: the one shown at a time, as exact as the codec is."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from PIL import Image
from support.common import FIXTURES
from support.videos import CAR, COUNT, HEIGHT, NOTHING, PERSON, SCENES, STEP_MS, WIDTH, Encoding, encode

import masksdb
from masksdb import MaskDecodeError
from masksdb.pixels.mask_cache import facts_cache

OPEN_GROUPS = "open-gop=1:keyint=8:bframes=3:b-adapt=0:scenecut=0"
REFRESHED = "intra-refresh=1:keyint=10"

LOSSLESS = [
    Encoding("h264.mp4", "libx264rgb", "rgb24", {"crf": "0"}),
    Encoding("ffv1.mkv", "ffv1", "bgr0", {}),
    Encoding("short_groups.mp4", "libx264rgb", "rgb24", {"crf": "0", "g": "5", "bf": "3"}),
    Encoding("open_groups.mp4", "libx264rgb", "rgb24", {"crf": "0", "x264-params": OPEN_GROUPS}),
    Encoding("refreshed.mp4", "libx264rgb", "rgb24", {"crf": "0", "x264-params": REFRESHED}),
    Encoding("reordered.avi", "libx264rgb", "rgb24", {"crf": "0", "x264-params": "bframes=3:b-adapt=0"}),
    Encoding("rle.mov", "qtrle", "rgb24", {}),
    Encoding("grey.mkv", "ffv1", "gray", {}),
]
LOSSY = [
    Encoding("yuv420.mp4", "libx264", "yuv420p", {"crf": "23"}),
    Encoding("yuv444.mp4", "libx264", "yuv444p", {"crf": "0"}),
]
EXACT, SMALL_GAPS = LOSSLESS[0], Encoding("times.mp4", "libx264rgb", "rgb24", {"crf": "0", "g": "6", "bf": "0"})

AREAS = "SELECT mask_area(mask_ref($uri, t), $value, $tolerance) FROM (SELECT unnest($times) AS t)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("videos")
    for encoding in [*LOSSLESS, *LOSSY]:
        encode(path, encoding, GREY_SCENES if encoding.pixel_format == "gray" else SCENES)
    return path


GREY_SCENES = [np.repeat(pixels.max(axis=2, keepdims=True), 3, axis=2) for pixels in SCENES]


@pytest.fixture
def db() -> Iterator[masksdb.Database]:
    facts_cache.clear()
    with masksdb.connect(":memory:") as database:
        yield database


def areas(
    db: masksdb.Database, uri: object, times: Sequence[int | None], value: Sequence[int], tolerance: int = 0
) -> Any:
    parameters = {"uri": str(uri), "times": times, "value": value, "tolerance": tolerance}
    return [area for (area,) in db.sql(AREAS, parameters).fetchall()]


def shown(db: masksdb.Database, uri: object, timestamp: int | None) -> int:
    """The number of the frame that is answered for a time."""
    pixels = db.read_mask({"uri": str(uri), "timestamp": timestamp})
    (number,) = [number for number, scene in enumerate(SCENES) if (scene == pixels).all()]
    return number


def analyzed(db: masksdb.Database, uri: object, times: Sequence[int], values: Sequence[Sequence[int]]) -> None:
    """Ingest a frame for each time, with a ROI for each value, and analyse."""
    rois = [{"label": [str(value)], "mask": {"id": "seg", "value": list(value)}} for value in values]
    frames = [
        {"id": str(time), "sources": [{"id": "s", "masks": [{"id": "seg", "uri": str(uri), "timestamp": time}]}]}
        | {"rois": rois}
        for time in times
    ]
    db.ingest(frames, dataset="d")
    assert not db.analyze("d").failures


@pytest.mark.parametrize("encoding", LOSSLESS, ids=lambda encoding: encoding.name)
def test_a_lossless_video_answers_exactly_in_sequence_and_in_any_order(
    db: masksdb.Database, folder: Path, encoding: Encoding
) -> None:
    scenes = GREY_SCENES if encoding.pixel_format == "gray" else SCENES
    order = list(range(COUNT)) + random.Random(3).sample(range(COUNT), COUNT)
    for number in order:
        pixels = db.read_mask({"uri": f"{folder}/{encoding.name}", "timestamp": number * STEP_MS})
        assert np.array_equal(pixels, scenes[number]), number


@pytest.mark.parametrize("encoding", LOSSLESS[:2], ids=lambda encoding: encoding.name)
@pytest.mark.parametrize("seed", [None, 5])
def test_a_query_over_a_lossless_video_has_the_areas_of_its_frames(
    db: masksdb.Database, folder: Path, encoding: Encoding, seed: int | None
) -> None:
    order = list(range(COUNT)) if seed is None else random.Random(seed).sample(range(COUNT), COUNT)
    times = [number * STEP_MS for number in order]
    for value in (CAR, PERSON, (1, 2, 3)):
        expected = [int((SCENES[number] == value).all(axis=2).sum()) for number in order]
        assert areas(db, folder / encoding.name, times, value) == expected


@pytest.mark.parametrize("encoding", LOSSLESS[:2], ids=lambda encoding: encoding.name)
def test_analyze_knows_a_lossless_video_and_every_value_in_it(
    db: masksdb.Database, folder: Path, encoding: Encoding
) -> None:
    analyzed(db, folder / encoding.name, [0, 400], [PERSON])
    query = "SELECT is_video, is_lossy, unassigned, mode, height, width FROM mask_files"
    assert db.sql(query).fetchall() == [(True, False, 0, "rgb8", HEIGHT, WIDTH)] * 2
    rows = db.sql('SELECT "timestamp", area FROM mask_files JOIN mask_regions USING (mask_file_key) WHERE blue = 142')
    assert sorted(rows.fetchall()) == [(0, 16 * 24), (400, 16 * 24)]


@pytest.mark.parametrize("encoding", LOSSY, ids=lambda encoding: encoding.name)
def test_with_a_tolerance_areas_in_a_lossy_video_are_right_but_for_the_edges(
    db: masksdb.Database, folder: Path, encoding: Encoding
) -> None:
    times = list(range(0, COUNT * STEP_MS, STEP_MS))
    for value in (CAR, PERSON):
        truth = np.array([(scene == value).all(axis=2).sum() for scene in SCENES])
        result = np.array(areas(db, folder / encoding.name, times, value, 32))
        assert np.abs(result - truth).max() <= 3 * 16  # three columns of the region
        assert areas(db, folder / encoding.name, times, value) != truth.tolist(), "a lossy video after all"


@pytest.mark.parametrize("encoding", LOSSY, ids=lambda encoding: encoding.name)
def test_analyze_gives_each_pixel_of_a_lossy_video_to_one_value_and_counts_the_rest(
    db: masksdb.Database, folder: Path, encoding: Encoding
) -> None:
    values = [NOTHING, CAR, PERSON]
    analyzed(db, folder / encoding.name, [400], values)
    ((is_lossy, unassigned),) = db.sql("SELECT is_lossy, unassigned FROM mask_files").fetchall()
    rows = db.sql("SELECT mask_value, area FROM mask_roi_regions").fetchall()
    result = {tuple(value): area for value, area in rows}
    assert is_lossy
    pixels = db.read_mask({"uri": f"{folder}/{encoding.name}", "timestamp": 400}).astype(int)
    distances = np.stack([np.abs(pixels - value).max(axis=2) for value in values])
    nearest = np.where(distances.min(axis=0) <= 32, distances.argmin(axis=0), -1)
    assert [result[value] for value in values] == [int((nearest == index).sum()) for index in range(3)]
    assert unassigned == int((nearest == -1).sum())
    assert unassigned + sum(result.values()) == HEIGHT * WIDTH


def test_pixels_near_no_declared_value_are_unassigned(db: masksdb.Database, folder: Path) -> None:
    analyzed(db, folder / "yuv420.mp4", [0], [CAR])
    ((unassigned, area),) = db.sql(
        "SELECT unassigned, area FROM mask_files JOIN mask_roi_regions ON uri = mask_uri"
    ).fetchall()
    assert unassigned == HEIGHT * WIDTH - area > 2000


def test_more_than_8_bits_a_sample_count_as_lossy(db: masksdb.Database, tmp_path: Path) -> None:
    analyzed(db, encode(tmp_path, Encoding("deep.mkv", "ffv1", "gray16le", {}), GREY_SCENES[:3]), [0], [NOTHING])
    assert db.sql("SELECT is_lossy FROM mask_files").fetchall() == [(True,)]


@pytest.mark.parametrize(
    ("timestamp", "number"),
    [(0, 0), (19, 0), (20, 0), (21, 1), (59, 1), (60, 1), (61, 2), (1380, 34), (1381, 35), (1400, 35), (1440, 35)],
)
def test_the_frame_nearest_to_a_time_is_answered_and_the_earlier_of_two_as_near(
    db: masksdb.Database, folder: Path, timestamp: int, number: int
) -> None:
    assert shown(db, folder / EXACT.name, timestamp) == number


@pytest.mark.parametrize("timestamp", [1441, 10_000_000, -1])
def test_a_time_that_a_video_does_not_have_is_an_error_that_says_how_long_it_is(
    db: masksdb.Database, folder: Path, timestamp: int
) -> None:
    uri = f"{folder}/{EXACT.name}"
    with pytest.raises(MaskDecodeError, match=f"no frame at {timestamp} ms; the video is 1440 ms long") as raised:
        db.read_mask({"uri": uri, "timestamp": timestamp})
    assert raised.value.uri == uri
    with pytest.raises(duckdb.Error, match="the video is 1440 ms long"):
        areas(db, uri, [0, timestamp], CAR)


def test_a_video_without_a_time_is_an_error(db: masksdb.Database, folder: Path) -> None:
    uri = f"{folder}/{EXACT.name}"
    with pytest.raises(MaskDecodeError, match="no timestamp says which frame"):
        db.read_mask(uri)
    with pytest.raises(duckdb.Error, match="no timestamp says which frame") as raised:
        areas(db, uri, [None], CAR)
    assert uri in str(raised.value)


def test_the_time_of_a_still_is_ignored(db: masksdb.Database, tmp_path: Path) -> None:
    Image.fromarray(SCENES[7]).save(tmp_path / "still.png")
    assert areas(db, tmp_path / "still.png", [None, 0, -5, 10**12], CAR) == [16 * 24] * 4


def test_one_number_on_a_video_is_an_error(db: masksdb.Database, folder: Path) -> None:
    for encoding in (EXACT, LOSSLESS[-1]):
        with pytest.raises(duckdb.Error, match="no single raw sample"):
            areas(db, folder / encoding.name, [0], [0])


def test_frames_come_at_their_own_times_in_a_video_of_changing_rate(db: masksdb.Database, tmp_path: Path) -> None:
    times = [number * 33 + number % 3 * 7 + number // 12 * 500 for number in range(COUNT)]
    uri = encode(tmp_path, SMALL_GAPS, times_ms=times)
    for number in random.Random(1).sample(range(COUNT), COUNT):
        assert shown(db, uri, times[number]) == number
    middle = (times[11] + times[12]) // 2
    assert (shown(db, uri, middle), shown(db, uri, middle + 1)) == (11, 12)


@pytest.mark.parametrize("name", ["late.mp4", "late.mkv"])
def test_times_count_from_the_first_frame_where_a_video_starts_late(
    db: masksdb.Database, tmp_path: Path, name: str
) -> None:
    times = [5000 + number * STEP_MS for number in range(COUNT)]
    uri = encode(tmp_path, SMALL_GAPS._replace(name=name), times_ms=times)
    assert [shown(db, uri, time) for time in (0, 40, 1400)] == [0, 1, 35]
    with pytest.raises(MaskDecodeError, match="1440 ms long"):
        db.read_mask({"uri": uri, "timestamp": 5000})


def test_what_was_trimmed_off_the_beginning_is_not_counted(db: masksdb.Database, tmp_path: Path) -> None:
    times = [(number - 10) * STEP_MS for number in range(COUNT)]
    uri = encode(tmp_path, SMALL_GAPS, times_ms=times, container_options={"avoid_negative_ts": "disabled"})
    for number in random.Random(1).sample(range(10, COUNT), COUNT - 10):
        assert shown(db, uri, times[number]) == number


def test_a_frame_of_mpeg_2_is_the_one_that_is_asked_for(db: masksdb.Database, tmp_path: Path) -> None:
    uri = encode(tmp_path, Encoding("programme.mpg", "mpeg2video", "yuv420p", {"bf": "2", "g": "9", "b": "8M"}))
    for number in random.Random(1).sample(range(COUNT), COUNT):
        pixels = db.read_mask({"uri": uri, "timestamp": number * STEP_MS}).astype(int)
        assert int(np.argmin([np.abs(pixels - scene).mean() for scene in SCENES])) == number


def test_a_video_of_one_frame_answers(db: masksdb.Database, tmp_path: Path) -> None:
    uri = encode(tmp_path, EXACT, SCENES[:1])
    assert [shown(db, uri, time) for time in (0, 40)] == [0, 0]


def test_a_video_that_is_replaced_is_read_anew(db: masksdb.Database, folder: Path, tmp_path: Path) -> None:
    uri = shutil.copy(folder / EXACT.name, tmp_path / "now.mp4")
    assert areas(db, uri, [0], PERSON) == [16 * 8]
    encode(tmp_path, EXACT._replace(name="now.mp4"), SCENES[::-1])
    assert areas(db, uri, [0], PERSON) == [16 * (8 + COUNT - 1)]


def test_the_drive_of_the_fixtures_goes_in_and_answers(db: masksdb.Database) -> None:
    assert db.ingest(FIXTURES / "drive" / "frames.jsonl", dataset="drive", version="v1").new == 10
    query = "SELECT frame_id, mask_area(mask, mask_value) FROM mask_rois WHERE class_labels = [$label] ORDER BY ALL"
    for label, area in (("car", 20 * 24), ("sky", 40 * 160), ("person", 22 * 6)):
        result = dict(db.sql(query, {"label": label}).fetchall())
        assert result["drive_00"] == area
    (box,) = db.sql(
        "SELECT mask_bbox(mask, mask_value) FROM mask_rois WHERE frame_id = 'drive_03' AND class_labels = ['car']"
    ).fetchall()[0]
    assert box == {"x": 8 + 14 * 3, "y": 55, "width": 24, "height": 20}
    assert len(db.analyze("drive").failures) == 0
