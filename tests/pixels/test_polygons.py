"""Polygons become the pixels that pycocotools makes of them, and outlines of pixels become these pixels again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycocotools import _mask
from pycocotools import mask as coco
from support import reference
from support.reference import Flags

from masksdb.errors import MasksDBError
from masksdb.pixels import outlines, polygons, rle

Points = npt.NDArray[np.float64]
Objects = list[tuple[list[Points], int, int]]

thorough = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def by_coco(parts: Sequence[npt.NDArray[Any]], height: int, width: int) -> str:
    # frPyObjects takes a first part of 4 numbers to be a box; what it calls for polygons does not.
    result = coco.merge(_mask.frPoly([part.reshape(-1).tolist() for part in parts], height, width))
    return str(result["counts"].decode())


def ours(objects: Objects) -> list[str]:
    result = polygons.rasterize(*([item[place] for item in objects] for place in range(3)))  # type: ignore[arg-type]
    return [rle.encode_counts(counts) for counts in result]


def assert_equal(objects: Objects) -> None:
    result = ours(objects)
    assert len(result) == len(objects)
    for text, (parts, height, width) in zip(result, objects, strict=True):
        assert text == by_coco(parts, height, width), ([part.tolist() for part in parts], height, width)


def part_of(rng: np.random.Generator, height: int, width: int) -> Points:
    """A polygon of any kind: jagged, of grid points, far outside, a star, with repeated or aligned points."""
    count = int(rng.integers(1, 15))
    size = np.array([width, height])
    uniform = rng.random((count, 2))
    angles = np.arange(count) * 2.3999 + rng.random()
    spokes = np.column_stack([np.cos(angles), np.sin(angles)])
    chosen: list[npt.NDArray[Any]] = [
        uniform * size,
        uniform * size * 3 - size,
        np.round(uniform * size, 2),
        rng.integers(-3, size + 4, (count, 2)),
        rng.integers(-30, 10 * size + 40, (count, 2)) / 10,
        rng.integers(-10, 8 * size + 10, (count, 2)) / 8,
        rng.normal(0, 10.0 ** rng.integers(1, 5), (count, 2)),
        size / 2 + spokes * size / 2,
        size / 2 + spokes * size * rng.random((count, 1)),
    ]
    points = np.asarray(chosen[rng.integers(len(chosen))], np.float64)
    if rng.random() < 0.2:
        points = np.repeat(points, rng.integers(1, 4, count), axis=0)
    if rng.random() < 0.1:
        points[:, rng.integers(2)] = points[0, 0]
    return points


def objects_of(seed: int, count: int) -> Objects:
    rng = np.random.default_rng(seed)
    objects: Objects = []
    for _ in range(count):
        height, width = rng.integers(1, 80 if rng.random() < 0.95 else 1500, 2).tolist()
        objects.append(([part_of(rng, height, width) for _ in range(rng.integers(1, 5))], height, width))
    return objects


@pytest.mark.parametrize("seed", range(3))
def test_thousands_of_polygons_at_once_are_those_of_pycocotools(seed: int) -> None:
    assert_equal(objects_of(seed, 800))


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_nothing_changes_where_polygons_and_their_edges_are_computed_in_portions(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = objects_of(10, 60)
    expected = ours(objects)
    monkeypatch.setattr(polygons, "_CROSSINGS", limit)
    assert ours(objects) == expected


COORDINATES = st.one_of(
    st.integers(-20, 60).map(float),
    st.integers(-200, 600).map(lambda tenths: tenths / 10),
    st.floats(-50, 100, width=32),
    st.floats(-3000, 3000),
)
PARTS = st.lists(st.tuples(COORDINATES, COORDINATES), min_size=1, max_size=9).map(
    lambda points: np.array(points, float)
)


@thorough
@given(st.lists(st.tuples(st.lists(PARTS, min_size=1, max_size=3), st.integers(1, 40), st.integers(1, 40)), max_size=4))
def test_any_polygons_are_those_of_pycocotools(objects: Objects) -> None:
    assert_equal(objects)


def test_rasterize_equals_the_documented_functions_of_pycocotools() -> None:
    parts = [np.array([[10.3, 2.2], [40.7, 12.1], [22, 30], [5, 20.5]]), np.array([[30, 20], [45, 20], [45, 33.3]])]
    expected = coco.merge(coco.frPyObjects([part.reshape(-1).tolist() for part in parts], 40, 50))
    assert ours([(parts, 40, 50)]) == [expected["counts"].decode()]


@pytest.mark.parametrize(
    "points",
    [
        [[5, 5]],
        [[5, 5], [9, 9]],
        [[5, 5], [5, 5], [5, 5]],
        [[2, 5], [9, 5], [4, 5]],
        [[5, 2], [5, 9], [5, 4]],
        [[2, 2], [9, 9], [9, 9], [2, 2]],
        [[-9, -9], [-2, -9], [-2, -2]],
        [[90, 1], [99, 1], [99, 9]],
        [[1, 90], [9, 90], [9, 99]],
    ],
    ids=str,
)
def test_polygons_without_area_or_outside_have_no_pixels(points: list[list[float]]) -> None:
    objects: Objects = [([np.array(points, float)], 12, 17)]
    assert_equal(objects)
    result = polygons.rasterize([objects[0][0]], [12], [17])
    assert [counts.tolist() for counts in result] == [[12 * 17]]


def test_an_object_without_parts_or_points_has_no_pixels_and_others_keep_theirs() -> None:
    square = np.array([[1, 1], [3, 1], [3, 3], [1, 3]])
    objects = [[], [square], [np.zeros((0, 2))], [np.zeros((0, 2)), square], []]
    result = polygons.rasterize(objects, [4] * 5, [5] * 5)
    assert [counts.tolist() for counts in result] == [[20], [5, 2, 2, 2, 9], [20], [5, 2, 2, 2, 9], [20]]
    assert polygons.rasterize([], [], []) == []


def test_a_polygon_around_the_picture_covers_it() -> None:
    for far in (1, 1e3, 1e6, 1e9, 1e300, np.inf):
        around = np.array([[-far, -far], [20 + far, -far], [20 + far, 10 + far], [-far, 10 + far]])
        assert [counts.tolist() for counts in polygons.rasterize([[around]], [10], [20])] == [[0, 200]]


def test_edges_far_out_are_those_of_pycocotools() -> None:
    rng = np.random.default_rng(3)
    assert_equal([([rng.normal(0, 1e5, (3, 2))], 50, 60) for _ in range(15)])


def test_split_parts_gives_the_points_between_separators() -> None:
    end = polygons.SEPARATOR
    result = polygons.split_parts([1, 2, 3, 4.5, end, end, 5, 6, end])
    assert [part.tolist() for part in result] == [[[1, 2], [3, 4.5]], [[5, 6]]]
    assert all(part.dtype == np.float64 for part in result)
    assert polygons.split_parts([]) == polygons.split_parts([end]) == []
    with pytest.raises(MasksDBError, match="a part of 3 numbers"):
        polygons.split_parts([1, 2, end, 1, 2, 3])


def flood(inside: Flags, *, corners: bool) -> list[Flags]:
    """The parts of a region, one pixel at a time."""
    steps = [(0, 1), (1, 0), (0, -1), (-1, 0)] + [(1, 1), (1, -1), (-1, 1), (-1, -1)] * corners
    left = {(int(y), int(x)) for y, x in np.argwhere(inside)}
    result = []
    while left:
        part, waiting = np.zeros_like(inside), [left.pop()]
        while waiting:
            y, x = waiting.pop()
            part[y, x] = True
            near = {(y + down, x + right) for down, right in steps} & left
            left -= near
            waiting += near
        result.append(part)
    return result


def filled(inside: Flags) -> Flags:
    around = np.pad(inside, 1)
    (outside,) = [part for part in flood(~around, corners=True) if part[0, 0]]
    without_holes: Flags = ~outside[1:-1, 1:-1]
    return without_holes


def doubled_area(points: npt.NDArray[Any]) -> int:
    x, y = points.T
    return int((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())


def assert_rasterised(points: Sequence[npt.NDArray[Any]], inside: Flags) -> None:
    """Pycocotools makes of polygons this region."""
    text = by_coco(points, *inside.shape) if points else ""
    assert text == (reference.coco_rle(inside)["counts"] if points or inside.any() else "")


def by_rule(points: npt.NDArray[Any], shape: tuple[int, ...], *, even_odd: bool) -> Flags:
    """The pixels whose middle a polygon of horizontal and vertical lines, and of bridges, winds around."""
    ends = np.roll(points, -1, axis=0)
    flags = np.zeros(shape, np.bool_)
    for row in range(shape[0]):
        # Not quite the middle, so that no bridge meets it.
        y, middles = row + 0.4983, np.arange(shape[1]) + 0.5017
        crosses = (points[:, 1] > y) != (ends[:, 1] > y)
        (x0, y0), (x1, y1) = points[crosses].T, ends[crosses].T
        is_left = (x0 + (y - y0) / (y1 - y0) * (x1 - x0))[:, None] < middles
        winding = (np.sign(y1 - y0)[:, None] * is_left).sum(axis=0)
        flags[row] = is_left.sum(axis=0) % 2 if even_odd else winding != 0
    return flags


@st.composite
def regions(draw: st.DrawFn) -> Flags:
    shape = draw(st.tuples(st.integers(1, 14), st.integers(1, 14)))
    noise = np.random.default_rng(draw(st.integers(0, 10**6))).random(shape)
    flags: Flags = noise < draw(st.sampled_from([0, 0.2, 0.5, 0.6, 0.8, 0.95, 1]))
    return flags


@thorough
@given(regions())
def test_outlines_go_around_every_part_and_every_hole_the_right_way(inside: Flags) -> None:
    around = outlines.trace(inside)
    assert all((doubled_area(item.points) < 0) == item.is_hole for item in around)
    assert sum(doubled_area(item.points) for item in around) == 2 * inside.sum()
    assert sum(not item.is_hole for item in around) == len(flood(inside, corners=False))
    assert sum(item.is_hole for item in around) == len(flood(~np.pad(inside, 1), corners=True)) - 1
    for item in around:
        steps = np.roll(item.points, -1, axis=0) - item.points
        is_level = steps[:, 1] == 0
        assert ((steps == 0).sum(axis=1) == 1).all()
        assert (is_level != np.roll(is_level, 1)).all()
        assert item.points[0].tolist() == min(item.points.tolist(), key=lambda point: point[::-1])


@thorough
@given(regions())
def test_coco_polygons_rasterised_by_pycocotools_are_the_region_with_its_holes_filled(inside: Flags) -> None:
    assert_rasterised(outlines.coco_polygons(inside), filled(inside))


@thorough
@given(regions())
def test_one_bridged_polygon_is_the_region_and_leaves_its_holes_out(inside: Flags) -> None:
    points = outlines.bridged(outlines.trace(inside))
    if not inside.any():
        assert points.shape == (0, 2)
        return
    assert_rasterised([points], inside)
    assert (by_rule(points, inside.shape, even_odd=True) == inside).all()
    assert (by_rule(points, inside.shape, even_odd=False) == inside).all()
    assert doubled_area(points) == 2 * inside.sum()
    assert (points != np.roll(points, 1, axis=0)).any(axis=1).all()


def test_a_square_with_a_hole_in_it_is_two_outlines_and_one_bridged_polygon() -> None:
    inside = np.zeros((7, 8), np.bool_)
    inside[1:6, 2:7] = True
    inside[3, 4] = False
    outer, hole = outlines.trace(inside)
    assert (outer.points.tolist(), outer.is_hole) == ([[2, 1], [7, 1], [7, 6], [2, 6]], False)
    assert (hole.points.tolist(), hole.is_hole) == ([[4, 3], [4, 4], [5, 4], [5, 3]], True)
    joined = [[2, 1], [4, 3], [4, 4], [5, 4], [5, 3], [4, 3], [2, 1], [7, 1], [7, 6], [2, 6]]
    assert outlines.bridged([outer, hole]).tolist() == outlines.bridged([hole, outer]).tolist() == joined
    assert [part.tolist() for part in outlines.coco_polygons(inside)] == [outer.points.tolist()]


def test_large_round_regions_come_back_exactly() -> None:
    y, x = np.mgrid[:200, :200]
    noise = np.random.default_rng(5).normal(0, 1, (6, 4))
    waves = sum(a * np.sin(b * x / 20 + c) * np.sin(d * y / 20 + a) for a, b, c, d in noise)
    for inside in (np.hypot(x - 100, y - 100) < 90, np.asarray(waves) > 0.3):
        points = outlines.bridged(outlines.trace(inside))
        assert ours([([points.astype(float)], 200, 200)]) == [rle.encode_counts(rle.from_pixels(inside))]
        assert_rasterised(outlines.coco_polygons(inside), filled(inside))
