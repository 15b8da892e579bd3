"""What the distinct values of a mask cover is what numpy finds pixel by pixel."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import reference

from masksdb.pixels import rle
from masksdb.pixels.regions import Regions, find_regions, joint_histogram

Pixels = npt.NDArray[np.unsignedinteger]
Codes = npt.NDArray[np.uint64]

thorough = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))

SIDES = st.integers(1, 40)
SHAPES = st.one_of(
    st.tuples(SIDES, SIDES), st.tuples(st.just(1), SIDES), st.tuples(SIDES, st.just(1)), st.just((1, 1))
)  # fmt: skip
CHANNELS = st.sampled_from([None, 1, 2, 3, 4])
"""None: an array without that dimension."""


@st.composite
def pictures_of(draw: st.DrawFn, shape: tuple[int, int]) -> Pixels:
    """Pixels of any kind: 8 or 16 bits, 1 to 4 channels, few values or as many as pixels, in blocks, lines or noise."""
    bits, channels = draw(st.sampled_from([8, 16])), draw(CHANNELS)
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    count = draw(st.one_of(st.integers(1, 6), st.integers(1, shape[0] * shape[1])))
    maximum = draw(st.sampled_from([1, 5, (1 << bits) - 1]))
    values = rng.integers(0, maximum + 1, (count, channels) if channels else (count,))
    result: Pixels = values.astype(f"u{bits // 8}")[arranged(draw(st.sampled_from(ARRANGEMENTS)), shape, count, rng)]
    return np.ascontiguousarray(result)


ARRANGEMENTS = ["noise", "blocks", "diagonals", "halves"]


def arranged(arrangement: str, shape: tuple[int, int], count: int, rng: np.random.Generator) -> npt.NDArray[Any]:
    """Which of so many values each pixel has."""
    height, width = shape
    if arrangement == "noise":
        return rng.integers(0, count, shape)
    if arrangement == "blocks":
        blocks = rng.integers(0, count, (height // 3 + 1, width // 3 + 1))
        return np.kron(blocks, np.ones((3, 3), np.int64))[:height, :width]
    if arrangement == "diagonals":
        result: npt.NDArray[Any] = (np.arange(width) + np.arange(height)[:, None] * rng.integers(0, 3)) % count
        return result
    return np.where(np.arange(height)[:, None] < height // 2, 0, count - 1) + np.zeros(shape, np.int64)


PICTURES = SHAPES.flatmap(pictures_of)
PAIRS = SHAPES.flatmap(lambda shape: st.tuples(pictures_of(shape), pictures_of(shape)))


def codes_of(pixels: Pixels) -> Codes:
    """Every pixel as one number: its channels side by side, the first highest."""
    planes = pixels.reshape(*pixels.shape[:2], -1).astype(np.uint64)
    result = np.zeros(pixels.shape[:2], np.uint64)
    for channel in range(planes.shape[2]):
        result = result << np.uint64(8 * pixels.itemsize) | planes[:, :, channel]
    return result


def extent_of(flags: reference.Flags) -> list[int]:
    """Where the pixels are: x_min, y_min, x_max, y_max, sum of x, sum of y."""
    ys, xs = np.nonzero(flags)
    return [int(number) for number in (xs.min(), ys.min(), xs.max(), ys.max(), xs.sum(), ys.sum())]


def all_different(dtype: type[np.unsignedinteger], channels: int, count: int) -> Pixels:
    """So many pixels in 4 rows, no two alike."""
    numbers = np.random.default_rng(3).permutation(count).astype(np.uint64)
    bits = np.dtype(dtype).itemsize * 8
    shifts = np.arange(channels - 1, -1, -1, dtype=np.uint64) * np.uint64(bits)
    return (numbers[:, None] >> shifts).astype(dtype).reshape(4, count // 4, channels)


@thorough
@given(pixels=PICTURES)
def test_each_distinct_value_is_found_once_in_ascending_order(pixels: Pixels) -> None:
    assert find_regions(pixels).codes.tolist() == np.unique(codes_of(pixels)).tolist()


@thorough
@given(pixels=PICTURES)
def test_the_runs_are_the_pixels(pixels: Pixels) -> None:
    result = find_regions(pixels)
    assert result.codes[result.runs.pixels()].tolist() == codes_of(pixels).reshape(-1).tolist()
    assert (np.diff(result.starts) > 0).all()
    assert result.starts[0] == 0


@thorough
@given(pixels=PICTURES)
def test_no_two_runs_side_by_side_have_one_value(pixels: Pixels) -> None:
    result = find_regions(pixels)
    for runs in (result.runs, result.columns):
        assert (runs.values[1:] != runs.values[:-1]).all()


@thorough
@given(pixels=PICTURES)
def test_the_columns_are_the_pixels_of_the_transposed_mask(pixels: Pixels) -> None:
    result = find_regions(pixels)
    assert result.codes[result.columns.pixels()].tolist() == codes_of(pixels).T.reshape(-1).tolist()


@thorough
@given(pixels=PICTURES)
def test_the_areas_are_the_pixels_of_each_value(pixels: Pixels) -> None:
    assert find_regions(pixels).area.tolist() == np.unique(codes_of(pixels), return_counts=True)[1].tolist()


@thorough
@given(pixels=PICTURES)
def test_the_geometry_is_that_of_the_pixels_of_each_value(pixels: Pixels) -> None:
    codes = codes_of(pixels)
    assert find_regions(pixels).geometry.tolist() == [extent_of(codes == code) for code in np.unique(codes)]


@thorough
@given(pixels=PICTURES, seed=st.integers(0, 99))
def test_run_lengths_of_any_choice_of_values_are_those_of_their_pixels(pixels: Pixels, seed: int) -> None:
    result, codes = find_regions(pixels), codes_of(pixels)
    selected = np.random.default_rng(seed).random(len(result.codes)) < 0.5
    expected = reference.coco_rle(np.isin(codes, np.unique(codes)[selected]))
    assert rle.encode_counts(result.counts(selected)) == expected["counts"]


@thorough
@given(pixels=PICTURES)
def test_the_value_under_every_pixel_is_its_own(pixels: Pixels) -> None:
    result = find_regions(pixels)
    height, width = pixels.shape[:2]
    under = [[int(result.codes[result.value_at(x, y)]) for x in range(width)] for y in range(height)]
    assert under == codes_of(pixels).tolist()


@thorough
@given(pair=PAIRS)
def test_the_joint_histogram_counts_every_pair_of_values(pair: tuple[Pixels, Pixels]) -> None:
    left, right = map(find_regions, pair)
    rows = zip(*(item.tolist() for item in joint_histogram(left, right)), strict=True)
    result = [((int(left.codes[a]), int(right.codes[b])), pixels) for a, b, pixels in rows]
    assert result == sorted(Counter(zip(*(codes_of(item).ravel().tolist() for item in pair), strict=True)).items())


@thorough
@given(pixels=PICTURES)
def test_the_joint_histogram_of_a_mask_and_itself_is_its_areas(pixels: Pixels) -> None:
    result = find_regions(pixels)
    places = list(range(len(result.codes)))
    assert [item.tolist() for item in joint_histogram(result, result)] == [places, places, result.area.tolist()]


@pytest.mark.parametrize("count", [256, 260, 1 << 16, (1 << 16) + 4, 300_000])
@pytest.mark.parametrize(
    ("dtype", "channels"), [(np.uint8, 3), (np.uint8, 4), (np.uint16, 2), (np.uint16, 3), (np.uint16, 4)]
)
def test_as_many_values_as_pixels_are_kept_apart(dtype: type[np.unsignedinteger], channels: int, count: int) -> None:
    pixels = all_different(dtype, channels, count)
    result = find_regions(pixels)
    assert len(result.codes) == count
    assert (result.area == 1).all()
    assert np.array_equal(result.codes[result.runs.values].reshape(4, -1), codes_of(pixels))


@pytest.mark.parametrize("highest", [(0, 255, 255, 255), (1, 0, 0, 0), (255, 255, 255, 255)])
def test_codes_about_24_bits_are_kept_apart(highest: tuple[int, ...]) -> None:
    pixels = np.array([[(0, 0, 0, 0), highest, (0, 0, 0, 1), highest]], np.uint8)
    result = find_regions(pixels)
    assert result.codes.tolist() == [0, 1, int.from_bytes(bytes(highest))]
    assert result.area.tolist() == [1, 1, 2]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4])
def test_a_mask_of_one_pixel_has_one_value_in_its_corner(dtype: type[np.unsignedinteger], channels: int | None) -> None:
    pixels = np.full((1, 1, channels) if channels else (1, 1), np.iinfo(dtype).max, dtype)
    result = find_regions(pixels)
    assert result.codes.tolist() == [(1 << pixels.itemsize * 8 * (channels or 1)) - 1]
    assert (result.area.tolist(), result.geometry.tolist()) == ([1], [[0] * 6])


def test_a_run_that_goes_on_into_the_next_row_is_as_wide_as_the_mask() -> None:
    result = find_regions(np.array([[1, 1, 7], [7, 1, 1]], np.uint8))
    assert result.starts.tolist() == [0, 2, 4]
    assert result.geometry[:, :4].tolist() == [[0, 0, 2, 1], [0, 0, 2, 1]]


def test_sums_over_large_masks_do_not_overflow() -> None:
    side = 1 << 14
    result = Regions(
        side, side, np.array([3], np.uint8), np.array([side * side]), np.zeros(1, np.int64), np.array([3], np.uint8)
    )
    middle = side * side * (side - 1) // 2
    assert result.geometry.tolist() == [[0, 0, side - 1, side - 1, middle, middle]]


def test_threads_do_not_disturb_each_other() -> None:
    masks = [np.random.default_rng(seed).integers(0, 256, (60, 70, 3), np.uint8) for seed in range(8)] * 12
    with ThreadPoolExecutor(4) as pool:
        result = list(pool.map(find_regions, masks))
        shown = list(pool.map(lambda item: item.codes[item.runs.pixels()], result))
    for pixels, codes in zip(masks, shown, strict=True):
        assert np.array_equal(codes, codes_of(pixels).reshape(-1))
