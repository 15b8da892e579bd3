"""Files that are no masks, damaged ones and traps: each is told by name, costs little, and spoils no other mask."""

from __future__ import annotations

import io
import os
import random
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import duckdb
import numpy as np
import pytest
from PIL import Image
from support.common import Outcome, heed_ctrl_c
from support.pngs import GREY, PALETTE, RGB, RGB_ALPHA, chunk, kinds, png
from support.servers import web_server
from support.videos import COUNT, SCENES, STEP_MS, Encoding, encode

import masksdb
from masksdb import MaskDecodeError
from masksdb.pixels.decode import decode_image
from masksdb.pixels.mask_cache import facts_cache
from masksdb.pixels.masks import MaskImage
from masksdb.pixels.png import without_extras
from masksdb.pixels.settings import PIXEL_LIMIT

SIGNATURE = b"\x89PNG\r\n\x1a\n"
STEPS = (np.arange(64 * 64).reshape(64, 64) % 5).astype(np.int64)
GOOD = png(STEPS, GREY, 8)
AREA = "SELECT mask_area(mask_ref($uri, 0), [1, 1, 1])"


def claiming(width: int, height: int, colour: int, depth: int, data: bytes) -> bytes:
    """A PNG file whose header says so, whatever its data is."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def flipped(data: bytes, place: int) -> bytes:
    """The same with one bit another."""
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def jpeg() -> bytes:
    file = io.BytesIO()
    Image.fromarray((STEPS * 50).astype(np.uint8)).save(file, "JPEG")
    return file.getvalue()


BAD: dict[str, tuple[bytes | None, str]] = {
    "missing.png": (None, "no such file"),
    "folder.png": (None, "not a file"),
    "empty.png": (b"", "empty"),
    "text.png": (b"not a picture at all\n", "not an image of a known format"),
    "postscript.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image of a known format"),
    "cut in its header.png": (GOOD[:20], "cut off"),
    "cut before its pixels.png": (GOOD[:33], "cut off"),
    "cut in its pixels.png": (GOOD[:-30], "damaged|cut off"),
    "no size.png": (claiming(0, 5, GREY, 8, b""), "impossible header"),
    "no palette.png": (claiming(5, 5, PALETTE, 8, zlib.compress(bytes(30))), "without a palette"),
    "header sum.png": (flipped(GOOD, 30), "checksum"),
    "packed width.png": (flipped(png(STEPS % 2, GREY, 1), 19), "checksum"),
    "pixel sum.png": (flipped(GOOD, len(GOOD) - 14), "damaged"),
    "palette sum.png": (flipped(png(STEPS, PALETTE, 8, palette=[[9, 9, 9]] * 5), 41), "checksum"),
    "no deflate.png": (claiming(5, 5, GREY, 8, b"\x12\x34 no deflate"), "damaged"),
    "too little.png": (claiming(64, 64, GREY, 8, zlib.compress(bytes(100))), "damaged|cut off"),
    "claims much.png": (claiming(16000, 16000, RGB_ALPHA, 16, zlib.compress(bytes(99))), "bytes are too few"),
    "bomb.png": (
        claiming(65535, 65535, GREY, 8, zlib.compress(bytes(99))),
        "65535 x 65535 pixels, more than the limit",
    ),
    "cut.jpg": (jpeg()[:-200], "damaged"),
    "no video.mp4": (b"\0\0\0\x18ftypisom" + bytes(500), "video"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, (content, _) in BAD.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "good.png").write_bytes(GOOD)
    return tmp_path


@pytest.fixture
def db() -> Iterator[masksdb.Database]:
    facts_cache.clear()
    with masksdb.connect(":memory:") as database:
        yield database


@pytest.mark.parametrize(("name", "reason"), [(name, reason) for name, (_, reason) in BAD.items()])
def test_a_bad_mask_is_an_error_that_names_it_and_says_why(
    db: masksdb.Database, folder: Path, name: str, reason: str
) -> None:
    uri = f"{folder}/{name}"
    with pytest.raises(MaskDecodeError, match=reason) as raised:
        db.read_mask({"uri": uri, "timestamp": 0})
    assert raised.value.uri == uri
    assert str(raised.value) == f"{uri}: {raised.value.reason}"
    assert "b'" not in raised.value.reason, "no bytes of the file"
    with pytest.raises(duckdb.Error, match=reason) as refused:
        db.sql(AREA, {"uri": uri}).fetchall()
    assert uri in str(refused.value)


def test_bad_masks_are_null_and_counted_where_that_is_wanted(folder: Path) -> None:
    uris = [f"{folder}/{name}" for name in [*BAD, "good.png"]]
    with masksdb.connect(":memory:", decode_errors="null") as db:
        query = "SELECT mask_area(mask_ref(uri, 0), [1, 1, 1]) FROM (SELECT unnest($uris) AS uri)"
        areas = [area for (area,) in db.sql(query, {"uris": uris}).fetchall()]
        assert areas == [None] * len(BAD) + [int((STEPS == 1).sum())]
        assert db.decode_failures == len(BAD)


@pytest.mark.parametrize("name", ["missing.png", "empty.png", "pixel sum.png", "bomb.png", "no video.mp4"])
def test_on_the_command_line_a_bad_mask_is_one_line(
    db_path: str, folder: Path, run: Callable[..., Outcome], name: str
) -> None:
    masksdb.connect(db_path).close()
    outcome = run("sql", db_path, AREA.replace("$uri", f"'{folder}/{name}'"))
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith(f"Error: {folder}/{name}: ")
    assert outcome.err.count("\n") == 1


def test_analyze_goes_on_past_bad_masks_and_keeps_the_reasons(db: masksdb.Database, folder: Path) -> None:
    names = [*BAD, "good.png"]
    masks = [{"id": name, "uri": f"{folder}/{name}", "timestamp": 0} for name in names]
    db.ingest([{"id": "f", "sources": [{"id": "s", "masks": masks}]}], dataset="d")
    report = db.analyze("d")
    assert (report.analyzed, len(report.failures)) == (1, len(BAD))
    errors = db.sql("SELECT count(*) FROM mask_files WHERE starts_with(error, uri || ': ')").fetchall()
    assert errors == [(len(BAD),)]


@pytest.mark.parametrize("is_beside", [False, True])
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("depth", "colour"), [(1, GREY), (8, GREY), (8, RGB)])
def test_no_bit_of_a_png_file_changes_pixels_silently(
    depth: int, colour: int, interlaced: bool, is_beside: bool
) -> None:
    rng = np.random.default_rng(5)
    shape = (750, 750) if colour == GREY else (750, 750, 3)
    samples = rng.integers(0, 2, shape) * rng.integers(0, 2, (750, 1) if colour == GREY else (750, 1, 1))
    data = png(samples, colour, depth, interlaced=interlaced)
    places = random.Random(7).sample(range(len(data) - 12), 25)
    for place in [19, 23, 30, *places]:
        try:
            image = decode_image(flipped(data, place), "a.png", pixel_limit=PIXEL_LIMIT, is_beside=is_beside)
        except MaskDecodeError:
            continue
        assert (image.samples == samples).all(), place


@pytest.mark.parametrize("colour", [GREY, RGB])
@pytest.mark.parametrize("length", [1, 2, 6, 300])
def test_a_transparent_colour_of_a_wrong_length_is_ignored(colour: int, length: int) -> None:
    samples = STEPS if colour == GREY else np.dstack([STEPS] * 3)
    data = png(samples, colour, 8, transparency=bytes(length))
    image = decode_image(data, "a.png", pixel_limit=PIXEL_LIMIT)
    assert (image.samples == samples).all()
    assert (image.transparent is not None) == (length == (2 if colour == GREY else 6))


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "BMP", "WEBP", "AVIF", "DDS"])
def test_damage_to_other_images_is_never_another_error(kind: str) -> None:
    file = io.BytesIO()
    Image.fromarray((STEPS * 50).astype(np.uint8)).convert("P" if kind == "GIF" else "RGB").save(file, kind)
    chance = random.Random(3)
    for _ in range(60):
        data = bytearray(file.getvalue())
        for _ in range(3):
            data[chance.randrange(min(len(data), 300))] = chance.randrange(256)
        try:
            result: Any = decode_image(bytes(data), "a", pixel_limit=1 << 22)
        except MaskDecodeError as error:
            result = error
        assert isinstance(result, MaskImage | MaskDecodeError)


# Where ru_maxrss is read instead, a child's peak begins at that of the process that started it.
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="tells memory by /proc")
def test_traps_take_little_memory(folder: Path) -> None:
    program = """
import re, sys, masksdb
with masksdb.connect(":memory:", decode_errors="null") as db:
    query = "SELECT mask_values(mask_ref(uri)) FROM (SELECT unnest($uris) AS uri)"
    print(db.sql(query, {"uris": sys.argv[1:]}).fetchall())
print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])
"""
    uris = [f"{folder}/bomb.png", f"{folder}/claims much.png"]
    command = [sys.executable, "-c", program, *uris]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer, kilobytes = done.stdout.splitlines()
    assert answer == "[(None,), (None,)]"
    assert int(kilobytes) < 1_000_000


def test_a_damaged_frame_of_a_video_is_told_and_those_that_do_not_need_it_are_read(tmp_path: Path) -> None:
    uri = encode(
        tmp_path, Encoding("a.mp4", "libx264rgb", "rgb24", {"crf": "0", "x264-params": "keyint=6:scenecut=0:bframes=0"})
    )
    with av.open(uri) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.pos is not None]
    data = Path(uri).read_bytes()
    damage = places[12] + 300
    Path(uri).write_bytes(data[:damage] + bytes(40) + data[damage + 40 :])
    query = "SELECT mask_area(mask_ref($uri, n * $step), [220, 20, 60]) FROM range($count) AS frames(n)"
    with masksdb.connect(":memory:", decode_errors="null") as db:
        rows = db.sql(query, {"uri": uri, "step": STEP_MS, "count": COUNT}).fetchall()
        known = [None if 12 <= number < 18 else 16 * (8 + number) for number in range(COUNT)]
        assert [area for (area,) in rows] == known
        with pytest.raises(MaskDecodeError, match="a damaged video"):
            db.read_mask({"uri": uri, "timestamp": 12 * STEP_MS})


@pytest.mark.parametrize("cut", [100, 2000, -300])
def test_a_video_that_is_cut_off_is_told(db: masksdb.Database, tmp_path: Path, cut: int) -> None:
    uri = encode(tmp_path, Encoding("a.mp4", "libx264rgb", "rgb24", {"crf": "0"}))
    Path(uri).write_bytes(Path(uri).read_bytes()[:cut])
    with pytest.raises(MaskDecodeError, match=r"a damaged video|without a video stream|codec is not known"):
        db.read_mask({"uri": uri, "timestamp": 0})


def test_the_last_frame_of_a_video_that_is_cut_off_in_it_is_told(db: masksdb.Database, tmp_path: Path) -> None:
    uri = encode(tmp_path, Encoding("a.avi", "huffyuv", "rgb24", {}))
    data = Path(uri).read_bytes()
    Path(uri).write_bytes(data[: data.rindex(b"idx1") - 500])
    last = (COUNT - 1) * STEP_MS
    assert db.read_mask({"uri": uri, "timestamp": last - STEP_MS}).tolist() == SCENES[-2].tolist()
    with pytest.raises(MaskDecodeError, match="cut off"):
        db.read_mask({"uri": uri, "timestamp": last})


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """A query over masks that takes minutes: large ones to decode, or of a server that does not answer."""
    with web_server() as server:
        server.silence_s = 30

        def query(what: str) -> str:
            uri = f"'{server.url}/' || n"
            if what == "decoding":
                pixels = np.random.default_rng(1).integers(0, 256, (1500, 1500), np.uint8)
                Image.fromarray(pixels).save(tmp_path / "large.png")
                for number in range(2000):
                    os.symlink("large.png", tmp_path / f"{number}")
                uri = f"'{tmp_path}/' || n"
            return f"SELECT 1 AS started; SELECT sum(mask_area(mask_ref({uri}), [7])) FROM range(2000) AS many(n)"

        yield query


@pytest.mark.parametrize("what", ["decoding", "fetching"])
def test_ctrl_c_stops_a_query_over_many_masks(db_path: str, endless: Callable[[str], str], what: str) -> None:
    masksdb.connect(db_path).close()
    command = [sys.executable, "-m", "masksdb.cli", "sql", db_path, endless(what), "--format", "csv"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c
    ) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["started\n", "1\n"]
        time.sleep(0.3)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, out, err) == (130, "", "")
    assert time.monotonic() - start < 10, "not the minutes that the query would take"
    masksdb.connect(db_path).close()


def saved(kind: str, mode: str, **options: Any) -> bytes:
    """An image file of STEPS in a format and a mode of Pillow."""
    file = io.BytesIO()
    Image.fromarray(STEPS.astype(np.uint8)).convert(mode).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("PNG", "P"),
        ("PNG", "RGB"),
        ("JPEG", "RGB"),
        ("TIFF", "P"),
        ("BMP", "P"),
        ("WEBP", "RGBA"),
        ("GIF", "P"),
        ("PPM", "L"),
    ],
)
def test_damage_is_never_another_error(kind: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("masksdb.pixels.png.LARGE", 0)
    random_ = random.Random(f"{kind} {mode}")
    data, reasons = saved(kind, mode), []
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(random_.choice((1, 2, 4))):
            damaged[random_.randrange(min(len(data), 200))] = random_.choice((0, 1, 127, 128, 255))
        for is_beside in (False, True):
            try:
                decode_image(bytes(damaged), "a", pixel_limit=1 << 20, is_beside=is_beside)
            except MaskDecodeError as error:
                reasons.append(error.reason)
    assert reasons
    assert not [reason for reason in reasons if "b'" in reason]


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "P"), ("PNG", "1"), ("BMP", "P"), ("TIFF", "RGB"), ("GIF", "P"), ("WEBP", "RGB")]
)
@pytest.mark.parametrize("is_beside", [False, True])
def test_the_limit_of_pixels_is_ours_and_not_that_of_pillow(
    monkeypatch: pytest.MonkeyPatch, kind: str, mode: str, is_beside: bool
) -> None:
    data = saved(kind, mode)
    expected = decode_image(data, "a", pixel_limit=PIXEL_LIMIT).samples
    monkeypatch.setattr("masksdb.pixels.png.LARGE", 0)
    monkeypatch.setattr("masksdb.pixels.pillow.LARGE", STEPS.size // 4)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", STEPS.size // 3)
    image = decode_image(data, "a", pixel_limit=STEPS.size, is_beside=is_beside)
    assert (image.samples == expected).all()
    with pytest.raises(MaskDecodeError, match="64 x 64 pixels, more than the limit of 4,095"):
        decode_image(data, "a", pixel_limit=STEPS.size - 1, is_beside=is_beside)


@pytest.mark.parametrize("name", [b"iCCP", b"zTXt", b"iTXt", b"tEXt", b"eXIf", b"prVt"])
def test_chunks_beside_the_pixels_are_not_decoded(name: bytes) -> None:
    extra = chunk(name, b"x\0\0" + zlib.compress(bytes(5000)))
    for data in (GOOD, png(STEPS, PALETTE, 8, palette=[[9, 9, 9]] * 5)):
        after_header = data[:33] + extra + extra + data[33:-12] + extra + data[-12:]
        assert without_extras(after_header) == without_extras(data) == data
        assert (decode_image(after_header, "a", pixel_limit=PIXEL_LIMIT).samples == STEPS).all()


def test_a_mask_of_more_runs_than_the_limit_is_an_error_and_spoils_no_other(
    db: masksdb.Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.tile(np.arange(64) % 2, (64, 1)).astype(np.uint8)
    for name, turned in (("rows", pixels), ("columns", pixels.T), ("good", pixels * 0)):
        Image.fromarray(turned).save(folder / f"{name}.png")
    monkeypatch.setenv("MASKSDB_RUN_LIMIT", "1000")
    reason = "more than 1,000 runs of equal pixels; raise that limit with MASKSDB_RUN_LIMIT"
    names = ("columns", "good", "rows")
    masks = [{"id": name, "uri": f"{folder}/{name}.png"} for name in names]
    db.ingest([{"id": "f", "sources": [{"id": "s", "masks": masks}]}], dataset="d")
    assert [str(failure) for failure in db.analyze().failures] == [f"{folder}/rows.png: {reason}"]
    assert [str(failure) for failure in db.analyze(with_rle=True).failures] == [
        f"{folder}/{name}.png: {reason}" for name in ("columns", "rows")
    ]
    assert db.read_mask(f"{folder}/rows.png").tolist() == pixels.tolist(), "its pixels are no runs"
    area = "SELECT mask_area(mask_ref($uri), [1])"
    assert db.sql(area, {"uri": f"{folder}/columns.png"}).fetchall() == [(int(pixels.sum()),)]
    for query, name in ((area, "rows"), (area.replace("area", "rle"), "columns")):
        with pytest.raises(duckdb.Error, match=f"{name}.png: {reason}"):
            db.sql(query, {"uri": f"{folder}/{name}.png"}).fetchall()
    monkeypatch.setenv("MASKSDB_RUN_LIMIT", str(64 * 64))
    assert not db.analyze(with_rle=True).failures


def test_every_kind_of_png_is_still_no_bad_mask() -> None:
    for kind in kinds():
        assert (decode_image(kind.data, kind.name, pixel_limit=PIXEL_LIMIT).samples == kind.samples).all(), kind.name
