"""Pixels come out of every kind of still as they were stored."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.pngs import Kind, chunk, kinds, png

import masksdb
from masksdb.pixels.decode import decode_image
from masksdb.pixels.masks import MaskImage

KINDS = {kind.name: kind for kind in kinds()}


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


def decoded(data: bytes) -> MaskImage:
    return decode_image(data, "a.png", pixel_limit=1 << 28)


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def rgba_of(image: MaskImage) -> Any:
    """What is displayed, pixel by pixel, by way of the codes of distinct values."""
    samples: Any = image.samples
    codes = np.zeros(samples.shape[:2], np.uint64)
    planes = [samples] if samples.ndim == 2 else [samples[:, :, at] for at in range(samples.shape[2])]
    for plane in planes:
        codes = codes << np.uint64(8 * samples.itemsize) | plane.astype(np.uint64)
    distinct, index = np.unique(codes, return_inverse=True)
    return image.colours(distinct)[index.reshape(codes.shape)][:, :, 1:]


def test_samples_of_every_kind_of_png_are_those_stored(kind: Kind) -> None:
    image = decoded(kind.data)
    assert image.samples.tolist() == kind.samples.tolist()
    assert image.has_sample == kind.has_sample
    assert not image.is_lossy


def test_colours_of_every_kind_of_png_are_those_displayed(kind: Kind) -> None:
    assert rgba_of(decoded(kind.data)).tolist() == kind.rgba.tolist()


# Pillow cuts 16 bits to 8.
@pytest.mark.parametrize("name", [name for name in KINDS if "16" not in name])
def test_pillow_displays_the_same_colours(name: str) -> None:
    kind = KINDS[name]
    with Image.open(io.BytesIO(kind.data)) as image:
        shown = np.asarray(image.convert("RGBA"))
    assert rgba_of(decoded(kind.data)).tolist() == shown.tolist()


def test_a_palette_with_two_indexes_of_one_colour_keeps_them_apart() -> None:
    image = decoded(KINDS["palette8"].data)
    assert {0, 128} <= set(np.unique(image.samples).tolist())


@pytest.mark.parametrize(
    ("format", "mode", "options"),
    [
        ("BMP", "RGB", {}),
        ("BMP", "P", {}),
        ("BMP", "1", {}),
        ("GIF", "P", {}),
        ("TIFF", "RGB", {"compression": "tiff_deflate"}),
        ("TIFF", "L", {}),
        ("TIFF", "P", {}),
        ("TIFF", "RGBA", {"compression": "tiff_lzw"}),
        ("TIFF", "I;16", {}),
        ("WEBP", "RGB", {"lossless": True}),
        ("WEBP", "RGBA", {"lossless": True, "exact": True}),
    ],
)
def test_other_lossless_formats_give_the_samples_stored(format: str, mode: str, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(5)
    if mode == "I;16":
        picture = Image.fromarray(rng.integers(0, 65536, (20, 30)).astype(np.uint16))
    elif mode == "P":
        picture = Image.fromarray(rng.integers(0, 9, (20, 30)).astype(np.uint8))
        picture.putpalette(rng.integers(0, 256, 27).tolist())
    elif mode == "1":
        picture = Image.fromarray(rng.random((20, 30)) < 0.5)
    else:
        channels = len(mode)
        shape = (20, 30, channels) if channels > 1 else (20, 30)
        picture = Image.fromarray(rng.integers(0, 256, shape).astype(np.uint8), mode)
    image = decoded(saved(picture, format, **options))
    assert image.samples.tolist() == np.asarray(picture).astype(int).tolist()
    assert not image.is_lossy
    assert image.content_type == f"image/{format.lower()}"


@pytest.mark.parametrize(("format", "options"), [("JPEG", {"quality": 95}), ("WEBP", {"quality": 90})])
def test_lossy_formats_are_known_as_such_and_equal_to_pillow(format: str, options: dict[str, Any]) -> None:
    picture = Image.fromarray(np.random.default_rng(5).integers(0, 256, (20, 30, 3)).astype(np.uint8))
    data = saved(picture, format, **options)
    image = decoded(data)
    assert image.is_lossy
    with Image.open(io.BytesIO(data)) as shown:
        assert image.samples.tolist() == np.asarray(shown.convert("RGB")).tolist()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_every_kind_of_jpeg_has_the_pixels_of_pillow(mode: str, progressive: bool, subsampling: int) -> None:
    random = np.random.default_rng(7)
    for height, width in ((1, 1), (7, 5), (33, 17), (100, 203)):
        picture = Image.fromarray(random.integers(0, 256, (height, width, 3)).astype(np.uint8)).convert(mode)
        data = saved(picture, "JPEG", quality=80, subsampling=subsampling, progressive=progressive)
        with Image.open(io.BytesIO(data)) as shown:
            expected = np.asarray(shown if mode == "L" else shown.convert("RGB"))
        for is_beside in (False, True):
            image = decode_image(data, "a.jpg", pixel_limit=1 << 20, is_beside=is_beside)
            assert image.samples.tolist() == expected.tolist()


def test_a_jpeg_that_only_pillow_makes_out_is_read_by_pillow() -> None:
    data = bytearray(
        saved(Image.fromarray(np.random.default_rng(3).integers(0, 256, (200, 200)).astype(np.uint8)), "JPEG")
    )
    data[3000] ^= 255
    with Image.open(io.BytesIO(data)) as shown:
        assert decoded(bytes(data)).samples.tolist() == np.asarray(shown).tolist()


def test_a_grey_jpeg_stays_grey() -> None:
    picture = Image.fromarray(np.arange(60, dtype=np.uint8).reshape(6, 10))
    image = decoded(saved(picture, "JPEG", quality=100))
    assert image.has_sample
    assert image.samples.shape == (6, 10)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_no_orientation_turns_a_mask(format: str, orientation: int) -> None:
    pixels = np.zeros((24, 40), np.uint8)
    pixels[:8, :16], pixels[:8, 24:] = 255, 100
    exif = Image.Exif()
    exif[0x0112] = orientation
    every: dict[str, dict[str, Any]] = {"JPEG": {"quality": 100}, "WEBP": {"lossless": True}}
    options = every.get(format, {})
    image = decoded(saved(Image.fromarray(pixels), format, exif=exif, **options))
    grey: Any = image.samples if image.samples.ndim == 2 else image.samples[:, :, 0]
    assert grey.shape == pixels.shape
    assert np.abs(grey.astype(int) - pixels).max() < 5


def test_content_decides_the_format_not_the_name(db: masksdb.Database, tmp_path: Path) -> None:
    Image.new("RGB", (5, 4), (1, 2, 3)).save(tmp_path / "a.png", "BMP")
    assert db.read_mask(str(tmp_path / "a.png"))[0, 0].tolist() == [1, 2, 3]


def test_a_file_may_have_chunks_after_and_between_its_pixels() -> None:
    samples = np.arange(12).reshape(3, 4)
    data = png(samples, 0, 8)
    head, tail = data[:-12], data[-12:]
    noisy = head + chunk(b"tEXt", b"Comment\0PLTE tRNS IDAT") + tail + b"and more"
    assert decoded(noisy).samples.tolist() == samples.tolist()
