"""The parts and holes of a region are those that a flood fill finds, and so is what becomes of them."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.reference import Flags

from masksdb.pixels import components
from masksdb.pixels.components import RegionChange

thorough = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))

Connectivity = Literal[4, 8]


def flood(inside: Flags, connectivity: Connectivity) -> tuple[npt.NDArray[np.int64], int]:
    """The parts of a region, one pixel at a time, numbered row by row."""
    steps = [(0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)][:connectivity]
    labels, count = np.zeros(inside.shape, np.int64), 0
    for y, x in np.argwhere(inside).tolist():
        if labels[y, x]:
            continue
        count += 1
        waiting = [(y, x)]
        while waiting:
            at = waiting.pop()
            if min(at) < 0 or at[0] >= inside.shape[0] or at[1] >= inside.shape[1] or labels[at] or not inside[at]:
                continue
            labels[at] = count
            waiting += [(at[0] + down, at[1] + right) for down, right in steps]
    return labels, count


def holes_of(inside: Flags) -> list[Flags]:
    labels, count = flood(~inside, 4)
    at_border = set(np.concatenate([labels[[0, -1]].ravel(), labels[:, [0, -1]].ravel()]).tolist())
    return [labels == number for number in range(1, count + 1) if number not in at_border]


def change_of(before: Flags, after: Flags) -> RegionChange:
    labels, count = flood(before, 8)
    return RegionChange(
        int((after & ~before).sum()),
        int((before & ~after).sum()),
        sum(bool(after[hole].all()) for hole in holes_of(before)),
        sum(not after[labels == number].any() for number in range(1, count + 1)),
    )


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Flags, Flags]:
    """A region, and what it became: itself, noise, or itself with some of it inverted, filled or erased."""
    shape = draw(st.tuples(st.integers(1, 14), st.integers(1, 14)))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    before, noise = (rng.random(shape) < draw(st.sampled_from([0, 0.2, 0.5, 0.6, 0.8, 0.95, 1])) for _ in range(2))
    after = before.copy()
    kind = draw(st.sampled_from(["equal", "noise", "inverted", "filled", "erased"]))
    box = slice(draw(st.integers(0, 13)), 14), slice(0, draw(st.integers(0, 14)))
    if kind == "noise":
        after = noise
    elif kind == "inverted":
        after ^= noise
    elif kind != "equal":
        after[box] = kind == "filled"
    return before, after


@thorough
@given(pairs(), st.sampled_from([4, 8]))
def test_components_are_those_of_a_flood_fill(pair: tuple[Flags, Flags], connectivity: Connectivity) -> None:
    labels, count = components.components(pair[0], connectivity)
    expected, expected_count = flood(pair[0], connectivity)
    assert labels.dtype == np.int32
    assert (labels.tolist(), count) == (expected.tolist(), expected_count)


@thorough
@given(pairs())
def test_holes_are_the_background_that_does_not_reach_the_border(pair: tuple[Flags, Flags]) -> None:
    labels, count = components.holes(pair[0])
    assert labels.dtype == np.int32
    result = [(labels == number).tolist() for number in range(1, count + 1)]
    assert result == [hole.tolist() for hole in holes_of(pair[0])]
    assert int(labels.max()) == count


@thorough
@given(pairs())
def test_compare_counts_what_a_flood_fill_finds(pair: tuple[Flags, Flags]) -> None:
    assert components.compare(*pair) == change_of(*pair)


def picture(text: str) -> Flags:
    return np.array([[character == "#" for character in line] for line in text.split()])


RING = picture("....... .###... .#.#.#. .###... ...#... ......#")


def test_pixels_that_touch_at_a_corner_are_one_part_of_eight_neighbours_and_two_of_four() -> None:
    corner = picture("#. .#")
    assert components.components(corner, 4)[0].tolist() == [[1, 0], [0, 2]]
    assert components.components(corner, 8)[0].tolist() == [[1, 0], [0, 1]]
    assert components.components(corner[::-1], 8)[1] == 1


def test_rows_do_not_go_on_in_the_next() -> None:
    ends = picture("..# #..")
    assert [components.components(ends, connectivity)[1] for connectivity in (4, 8)] == [2, 2]


def test_a_hole_is_filled_only_where_all_of_it_is() -> None:
    tall = picture("##### #...# #####")
    for columns, filled in ([1], 0), ([1, 2], 0), ([1, 2, 3], 1):
        after = tall.copy()
        after[1, columns] = True
        assert components.compare(tall, after) == RegionChange(len(columns), 0, filled, 0)


def test_a_hole_that_opens_is_not_filled_and_a_part_that_shrinks_is_not_dropped() -> None:
    after = RING.copy()
    after[1, 2] = False
    assert components.compare(RING, after) == RegionChange(0, 1, 0, 0)
    after[2, 5] = False
    assert components.compare(RING, after) == RegionChange(0, 2, 0, 1)


def test_a_region_that_appears_or_goes() -> None:
    nothing = np.zeros_like(RING)
    assert components.compare(nothing, RING) == RegionChange(11, 0, 0, 0)
    assert components.compare(RING, nothing) == RegionChange(0, 11, 0, 3)
    assert components.compare(RING, ~nothing) == RegionChange(31, 0, 1, 0)
    assert components.compare(RING, RING.copy()) == components.compare(nothing, nothing) == RegionChange(0, 0, 0, 0)


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
def test_a_picture_without_pixels_has_no_parts(shape: tuple[int, int]) -> None:
    empty = np.zeros(shape, np.bool_)
    assert [components.components(empty, 4)[1], components.components(empty, 8)[1], components.holes(empty)[1]] == [
        0,
        0,
        0,
    ]
    assert components.components(empty, 4)[0].shape == components.holes(empty)[0].shape == shape
    assert components.compare(empty, empty) == RegionChange(0, 0, 0, 0)


def test_a_comb_and_a_snake_as_long_as_the_picture_are_one_part() -> None:
    comb = np.zeros((300, 301), np.bool_)
    comb[:, ::2] = comb[-1] = True
    snake = np.zeros((301, 300), np.bool_)
    snake[::2] = True
    snake[1::4, -1] = snake[3::4, 0] = True
    for inside in (comb, comb[::-1], comb.T, snake, snake[::-1], snake.T):
        assert components.components(inside, 4)[1] == components.components(inside, 8)[1] == 1
