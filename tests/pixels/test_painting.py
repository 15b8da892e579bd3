"""The topmost region under each pixel is what painting one region after the other onto an array gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masksdb import MasksDBError
from masksdb.pixels import rle
from masksdb.pixels.painting import Array, Layer, layer_of_run_lengths, look_up, no_places, paint, topmost
from masksdb.pixels.regions import find_regions

HEIGHT, WIDTH = 5, 7


@dataclass(frozen=True)
class Case:
    """Masks with values from 0 to 4, and regions in painting order: a mask and some of its values, or flags."""

    masks: list[Array]
    regions: list[tuple[int, list[int]] | Array]

    def layers(self) -> list[Layer]:
        result = [find_regions(mask) for mask in self.masks]
        layers = [Layer(no_places(len(item.codes), len(self.regions)), item) for item in result]
        own = {}
        for place, region in enumerate(self.regions, 1):
            if isinstance(region, tuple):
                mask, values = region
                layers[mask].places[np.isin(result[mask].codes, values)] = place
            else:
                own[place] = rle.from_pixels(region)
        return [*layers, layer_of_run_lengths(own, HEIGHT, WIDTH)]

    def painted(self, ground: int, numbers: list[int]) -> Array:
        array = np.full((HEIGHT, WIDTH), ground, np.int64)
        for number, region in zip(numbers, self.regions, strict=True):
            array[np.isin(self.masks[region[0]], region[1]) if isinstance(region, tuple) else region] = number
        return array


def arrays(most: int, kind: Any) -> st.SearchStrategy[Array]:
    return st.integers(0, 1 << 20).map(
        lambda seed: np.random.default_rng(seed).integers(0, most + 1, (HEIGHT, WIDTH)).astype(kind)
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    kinds = st.sampled_from([np.uint8, np.uint16])
    masks = [draw(arrays(4, draw(kinds))) for _ in range(draw(st.integers(0, 3)))]
    of_masks = st.tuples(st.integers(0, len(masks) - 1), st.lists(st.integers(0, 5), max_size=3))
    regions = st.one_of(of_masks, arrays(1, np.bool_)) if masks else arrays(1, np.bool_)
    return Case(masks, draw(st.lists(regions, max_size=8)))


@given(cases())
@settings(max_examples=200, deadline=None)
def test_the_last_region_painted_on_a_pixel_is_its_topmost(case: Case) -> None:
    places = list(range(1, len(case.regions) + 1))
    assert topmost(case.layers()).tolist() == case.painted(0, places).tolist()
    rows, columns = np.array([4, 0, 0]), np.array([6, 1])
    part = topmost([layer.cut(lambda array: array[rows[:, None], columns]) for layer in case.layers()])
    assert part.tolist() == case.painted(0, places)[rows[:, None], columns].tolist()


@given(cases(), st.sampled_from([np.uint8, np.int32, np.float32]), st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_pixels_are_painted_with_what_their_topmost_region_has(case: Case, kind: Any, seed: int) -> None:
    ground, *numbers = np.random.default_rng(seed).integers(0, 256, len(case.regions) + 1).tolist()
    result = paint(case.layers(), np.array([ground, *numbers], kind))
    assert result.dtype == kind
    assert result.tolist() == case.painted(ground, numbers).tolist()
    for layer in case.layers()[:1]:
        alone = paint([layer], np.array([ground, *numbers], kind))
        assert alone.tolist() == np.array([ground, *numbers])[topmost([layer])].tolist()


@pytest.mark.parametrize("count", [255, 256, 70_000])
def test_there_may_be_more_regions_than_a_byte_counts(count: int) -> None:
    values = np.arange(count, dtype=np.uint32).reshape(1, -1)
    below = Layer(np.arange(1, count + 1, dtype=no_places(0, count).dtype), values)
    above = layer_of_run_lengths({count: np.array([0, 1, count - 1])}, 1, count)
    assert topmost([below, above]).tolist() == [[count, *range(2, count + 1)]]


@pytest.mark.parametrize("size", [1, 3, 255, 256, 300])
def test_a_table_of_bytes_is_looked_up_as_any_other(size: int) -> None:
    random = np.random.default_rng(size)
    indexes = random.integers(0, min(size, 256), (9, 11)).astype(np.uint8)
    for table in (random.integers(0, 256, size).astype(np.uint8), np.arange(size, dtype=np.uint8)):
        assert (look_up(table, indexes) == table[indexes]).all()
        assert (look_up(table, indexes.T) == table[indexes.T]).all()


def test_run_lengths_of_another_size_are_refused() -> None:
    with pytest.raises(MasksDBError, match=r"^rle: run lengths of 5 pixels, and its size is 2 x 3$"):
        layer_of_run_lengths({1: np.array([2, 3])}, 2, 3)
