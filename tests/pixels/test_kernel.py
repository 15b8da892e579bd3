"""The compiled kernel gives what numpy gives, of every kind of PNG file, and leaves the others to the decoders."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zlib
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from support.pngs import GREY, GREY_ALPHA, PALETTE, RGB, RGB_ALPHA, kinds, png

from masksdb.pixels import kernel as kernels
from masksdb.pixels.decode import decode_image, facts_of_pngs
from masksdb.pixels.masks import MaskFacts
from masksdb.pixels.regions import Regions, find_regions, joint_histogram

LIMIT = 1 << 20

CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}

KINDS = [(colour, depth) for colour in CHANNELS for depth in (8, 16) if (colour, depth) != (PALETTE, 16)] + [
    (colour, depth) for colour in (GREY, PALETTE) for depth in (1, 2, 4)
]

thorough = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module", autouse=True)
def compiled() -> ModuleType:
    if os.environ.get("MASKSDB_KERNEL") == "numpy":
        pytest.skip("MASKSDB_KERNEL=numpy: these tests compare the compiled kernel with numpy")
    module = kernels.kernel()
    if module is None:
        pytest.skip("masksdb was installed without a C compiler")
    return module


def by_numpy(function: Any, *arguments: Any) -> Any:
    """The result of a function that runs without the kernel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MASKSDB_KERNEL", "numpy")
        kernels.kernel.cache_clear()
        result = function(*arguments)
        if isinstance(result, Regions):
            assert result.geometry is not None
            assert result.columns is not None
    kernels.kernel.cache_clear()
    return result


@st.composite
def samples_of(draw: st.DrawFn) -> tuple[npt.NDArray[np.int64], int, int]:
    """Samples, their colour type and depth: few values in blocks, with noise or without, or as many as pixels."""
    colour, depth = draw(st.sampled_from(KINDS))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 20)))
    height, width, side = draw(st.integers(1, 40)), draw(st.integers(1, 70)), draw(st.integers(1, 9))
    count = draw(st.sampled_from([1, 2, 5, 300, 3000]))
    blocks = rng.integers(0, count, (height // side + 1, width // side + 1))
    ids = np.kron(blocks, np.ones((side, side), np.int64))[:height, :width]
    noisy = rng.random(ids.shape) < draw(st.sampled_from([0, 0.02, 0.5]))
    ids[noisy] = rng.integers(0, count, noisy.sum())
    channels = CHANNELS[colour]
    samples = rng.integers(0, 1 << depth, (count, channels) if channels > 1 else count)[ids]
    return samples, colour, depth


def file_of(draw: Any, samples: npt.NDArray[np.int64], colour: int, depth: int) -> bytes:
    return png(
        samples,
        colour,
        depth,
        palette=np.arange(3 << depth).reshape(-1, 3) % 256 if colour == PALETTE else None,
        filters=draw(st.lists(st.integers(0, 4), min_size=1, max_size=5)),
        level=draw(st.sampled_from([0, 1, 6, 9])),
        strategy=draw(
            st.sampled_from([zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED])
        ),
        pieces=draw(st.integers(1, 4)),
    )


def in_memory(samples: npt.NDArray[np.int64], depth: int) -> npt.NDArray[np.unsignedinteger]:
    return samples.astype(np.uint16) if depth == 16 else samples.astype(np.uint8)


def assert_equal(left: Regions, right: Regions) -> None:
    assert (left.height, left.width) == (right.height, right.width)
    for name in ("codes", "area", "starts", "run_codes", "geometry"):
        one, other = getattr(left, name), getattr(right, name)
        assert (one.dtype, one.tolist()) == (other.dtype, other.tolist()), name
    for runs, others in ((left.runs, right.runs), (left.columns, right.columns)):
        assert runs.starts.tolist() == others.starts.tolist()
        assert (runs.values.dtype, runs.values.tolist()) == (others.values.dtype, others.values.tolist())


@thorough
@given(st.data())
def test_a_png_file_of_any_kind_has_the_regions_that_numpy_finds(data: st.DataObject) -> None:
    samples, colour, depth = data.draw(samples_of())
    file = file_of(data.draw, samples, colour, depth)
    (facts,) = facts_of_pngs([file], LIMIT)
    assert facts is not None
    assert_equal(facts.regions, by_numpy(find_regions, in_memory(samples, depth)))


@pytest.mark.parametrize(
    "kind", [kind for kind in kinds() if "interlaced" not in kind.name], ids=lambda kind: kind.name
)
def test_colours_and_palettes_are_those_of_the_decoders(kind: Any) -> None:
    (facts,) = facts_of_pngs([kind.data], LIMIT)
    image = decode_image(kind.data, kind.name, pixel_limit=LIMIT)
    expected = by_numpy(MaskFacts.of, image)
    assert facts is not None
    assert facts.colours.tolist() == expected.colours.tolist()
    assert (facts.image.mode, facts.image.depth, facts.image.transparent) == (
        image.mode,
        image.depth,
        image.transparent,
    )


@thorough
@given(samples_of())
def test_pixels_in_memory_have_the_regions_that_numpy_finds(
    picture: tuple[npt.NDArray[np.int64], int, int],
) -> None:
    samples, _, depth = picture
    pixels = in_memory(samples, depth)
    assert_equal(find_regions(pixels), by_numpy(find_regions, pixels))


@thorough
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 400), st.integers(1, 400), st.integers(0, 1000))
def test_two_masks_have_the_pairs_that_numpy_counts(
    height: int, width: int, count: int, other_count: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    left = find_regions(rng.integers(0, count, (height, width)).astype(np.uint16))
    right = find_regions(rng.integers(0, other_count, (height, width)).astype(np.uint16))
    expected = by_numpy(joint_histogram, left, right)
    assert [column.tolist() for column in joint_histogram(left, right)] == [column.tolist() for column in expected]


def test_a_row_longer_than_the_window_of_a_stream_is_read() -> None:
    pixels = np.zeros((3, 70_000, 3), np.uint8)
    pixels[1, 69_990:] = (1, 2, 3)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    (facts,) = facts_of_pngs([file.getvalue()], LIMIT)
    assert facts is not None
    assert_equal(facts.regions, by_numpy(find_regions, pixels))


def test_files_beyond_it_are_left_to_the_decoders() -> None:
    good = next(kind for kind in kinds() if kind.name == "palette8")
    interlaced = next(kind for kind in kinds() if kind.name == "palette8 interlaced")
    cut, damaged = good.data[:-20], good.data.replace(b"IDAT", b"IDAT\0", 1)
    assert facts_of_pngs([b"", b"GIF89a", interlaced.data, cut, damaged], LIMIT) == [None] * 5
    height, width = good.samples.shape
    assert facts_of_pngs([good.data], height * width) != [None]
    assert facts_of_pngs([good.data], height * width - 1) == [None]


def test_runs_that_are_none_are_refused(compiled: ModuleType) -> None:
    starts, ids = np.array([0, 2, 1], np.int64), np.array([0, 1, 0], np.uint8)
    with pytest.raises(ValueError, match="not runs of a mask of that size"):
        compiled.column_runs(starts, ids, 2, 2, 2)
    with pytest.raises(ValueError, match="not runs of a mask of that size"):
        compiled.column_runs(starts[:2], np.array([0, 7], np.uint8), 2, 2, 2)
    with pytest.raises(ValueError, match="not of that size"):
        compiled.array_regions(np.zeros((2, 2), np.uint8), 2, 3, 1, 1, 9)


@pytest.mark.parametrize(
    ("choice", "output"),
    [("numpy", "(pixels: numpy)"), ("compiled", "(pixels: compiled)"), ("fast", "found 'fast' in the environment")],
)
def test_the_environment_chooses_and_the_version_says_which(choice: str, output: str) -> None:
    command = [sys.executable, "-m", "masksdb.cli", "--version"]
    done = subprocess.run(
        command, env={**os.environ, "MASKSDB_KERNEL": choice}, capture_output=True, text=True, check=False
    )
    assert output in done.stdout + done.stderr
