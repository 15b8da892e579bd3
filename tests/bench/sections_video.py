"""The sections on masks in a video, and on threads side by side."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from measure import Sample, TaskFailedError, in_turns, run_pixel_task, same_answer
from peers_pixels import PEERS
from report import Table
from sections import Bench
from sections_pixels import mask_database, mask_set, sizes

VIDEO_RATIO = 1.3
FLOOR = "PyAV, RGB, `thread_type` AUTO"
OURS, OURS_PIXELS = "masksdb, `mask_area` of every ROI", "masksdb, `iter_masks`"
PEER_AREAS = "PyAV, `thread_type` AUTO, and `np.unique` of packed colours"

BESIDE = {"palettes": 200, "cities": 16, "video": 60}
"""Masks that are asked for by threads side by side."""

VIDEO_HEADER = ("work", "s", "ms a frame", "times PyAV", "peak MB")
VIDEO_TEXT = """\
libx264rgb without loss, 854x480, in time order. `mask_area` finds what each of the {rois:,} ROIs covers, `iter_masks`
gives the pixels of each frame; PyAV and OpenCV decode the file from its start to its end, and keep nothing. Pixels are
equal, and so are areas."""

THREADS_HEADER = ("held by the process", "after a tenth of the time", "after half of it", "at the end")
THREADS_TEXT = """\
Two threads with cursors of their own and two that connect anew for each query, in one process for {seconds:.0f} s. All
ask for areas in {palettes} palette masks, {cities} RGB masks and {video} frames of a video, with 4 MB of cache, so that
masks are decoded all the time. {cursors:,} queries by the first two and {connects:,} by the others, {decodes:,} masks
decoded; every answer was that of a single thread."""


def video(bench: Bench) -> None:
    """A video mask in time order, beside decoding the video from its start to its end."""
    masks, database = mask_set(bench, "video"), mask_database(bench, "video")
    frames = sizes(bench).video_frames
    areas: dict[str, Callable[[], Sample]] = {
        OURS: partial(run_pixel_task, "video_areas", database=database),
        PEER_AREAS: partial(run_pixel_task, "peer_video_areas", masks=masks),
    }
    pixels: dict[str, Callable[[], Sample]] = {
        FLOOR: partial(run_pixel_task, "peer_video", peer="pyav", masks=masks),
        OURS_PIXELS: partial(run_pixel_task, "video_masks", database=database),
        "PyAV, RGB": partial(run_pixel_task, "peer_video", peer="pyav_plain", masks=masks),
    }
    if PEERS["opencv_packed"].is_installed:
        pixels["OpenCV, BGR"] = partial(run_pixel_task, "peer_video", peer="opencv", masks=masks)
    found = in_turns({**pixels, **areas}, bench.runs, FLOOR)
    same_answer({name: found[name] for name in areas})
    same_answer({name: found[name] for name in pixels})
    if found[FLOOR].answer[0] != frames:
        raise TaskFailedError(f"{found[FLOOR].answer[0]} frames decoded, of {frames}")

    floor = found[FLOOR].seconds()
    for name in (OURS, OURS_PIXELS):
        ratio = found[name].seconds() / floor
        bench.report.limit_ratio(f"{frames} frames of a video mask: {name}", FLOOR, ratio, VIDEO_RATIO)
    rows = [
        (
            name,
            f"{each.seconds():.2f}",
            f"{1000 * each.seconds() / frames:.2f}",
            f"{each.seconds() / floor:.2f}",
            f"{each.peak_mb:,.0f}",
        )
        for name, each in found.items()
    ]
    title = f"{frames} frames of a video mask, {os.path.getsize(bench.path('video.mp4')) / 1e6:.1f} MB"
    rois = run_pixel_task("count_masks", masks=masks).answer["rois"]
    bench.report.tables.append(Table(title, VIDEO_TEXT.format(rois=rois), VIDEO_HEADER, rows))


def threads(bench: Bench) -> None:
    """Four threads that ask for pixels, and what the process holds before and after."""
    seconds = sizes(bench).seconds
    database, *others = (mask_database(bench, kind, most) for kind, most in BESIDE.items())
    answer = run_pixel_task("threads_beside", database=database, others=others, seconds_long=seconds).answer
    if answer["wrong"]:
        raise TaskFailedError(f"threads side by side: {answer['wrong']} wrong answers")
    text = THREADS_TEXT.format(seconds=seconds, **BESIDE, **answer)
    held = zip(*answer["held"], strict=True) if all(answer["held"]) else []
    rows = [
        (name, *(f"{number:,.0f}" for number in numbers))
        for name, numbers in zip(("memory, MB", "open files"), held, strict=False)
    ]
    bench.report.tables.append(Table("Threads side by side", text, THREADS_HEADER, rows or [("not known", "", "", "")]))
