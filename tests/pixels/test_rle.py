"""COCO run lengths are those of pycocotools, byte for byte, in Python and in SQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco
from support import reference
from support.reference import Flags

import masksdb
from masksdb.errors import MasksDBError
from masksdb.pixels import rle

Region = dict[str, Any]
"""A region as SQL has it: size and counts."""

SIDES = st.integers(1, 40)
SHAPES = st.one_of(
    st.tuples(SIDES, SIDES),
    st.tuples(st.just(1), SIDES),
    st.tuples(SIDES, st.just(1)),
    st.just((1, 1)),
    # Runs of more than 2 to the 15 pixels.
    st.tuples(st.integers(200, 500), st.integers(200, 500)),
)

thorough = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
brief = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def db() -> Iterator[masksdb.Database]:
    with masksdb.connect(":memory:") as database:
        yield database


def flags_of(shape: tuple[int, int], edges: set[int]) -> Flags:
    """The region that begins or ends at each of the edges, counted down the columns."""
    total = shape[0] * shape[1]
    changes = np.zeros(total, np.int64)
    changes[[edge % total for edge in edges]] = 1
    flags: Flags = (np.cumsum(changes) % 2 == 1).reshape(shape[1], shape[0]).T
    return flags


@st.composite
def regions_of(draw: st.DrawFn, shape: tuple[int, int]) -> Flags:
    """Any region: none, all, a few runs, or noise."""
    kind = draw(st.sampled_from(["none", "all", "runs", "runs", "noise"]))
    if kind in ("none", "all"):
        return np.full(shape, kind == "all")
    if kind == "noise":
        flags: Flags = np.random.default_rng(draw(st.integers(0, 1000))).random(shape) < draw(st.floats(0, 1))
        return flags
    return flags_of(shape, draw(st.sets(st.integers(0, shape[0] * shape[1] - 1), max_size=20)))


REGIONS = SHAPES.flatmap(regions_of)
PAIRS = SHAPES.flatmap(lambda shape: st.tuples(regions_of(shape), regions_of(shape)))


def as_coco(flags: Flags) -> dict[str, Any]:
    """The region as pycocotools takes it."""
    result: dict[str, Any] = coco.encode(np.asfortranarray(flags.astype(np.uint8)))
    return result


def merged(pair: tuple[Flags, Flags], *, intersect: bool) -> Region:
    """Both regions in one, by pycocotools."""
    result = coco.merge([as_coco(flags) for flags in pair], intersect=intersect)
    return {"size": list(result["size"]), "counts": result["counts"].decode()}


def box_of(flags: Flags) -> dict[str, int] | None:
    """The box by pycocotools, None where the region is empty."""
    numbers = [int(number) for number in coco.toBbox(as_coco(flags))]
    return dict(zip(("x", "y", "width", "height"), numbers, strict=True)) if flags.any() else None


def test_regions_begin_and_end_at_their_edges() -> None:
    assert flags_of((2, 3), {1, 3}).tolist() == [[False, True, False], [True, False, False]]
    assert flags_of((2, 3), {0}).all()
    assert not flags_of((2, 3), set()).any()
    assert rle.from_pixels(flags_of((300, 300), {0, 40_000})).max() > 1 << 15


@thorough
@given(flags=REGIONS)
def test_the_text_is_that_of_pycocotools(flags: Flags) -> None:
    assert rle.encode_counts(rle.from_pixels(flags)) == reference.coco_rle(flags)["counts"]


@thorough
@given(flags=REGIONS)
def test_the_text_decodes_to_the_run_lengths_and_to_the_pixels(flags: Flags) -> None:
    counts = rle.decode_counts(reference.coco_rle(flags)["counts"])
    assert counts.tolist() == rle.from_pixels(flags).tolist()
    assert np.array_equal(rle.to_pixels(counts, *flags.shape), flags)


@given(lengths=st.lists(st.integers(0, 1 << 58), max_size=12))
def test_run_lengths_of_any_size_are_decoded_as_they_were(lengths: list[int]) -> None:
    counts = np.array(lengths, np.int64)
    assert rle.decode_counts(rle.encode_counts(counts)).tolist() == lengths


@thorough
@given(flags=REGIONS)
def test_area_and_box_are_those_of_pycocotools(flags: Flags) -> None:
    counts = rle.from_pixels(flags)
    box = rle.box(counts, flags.shape[0])
    assert rle.area(counts) == coco.area(as_coco(flags))
    assert (box and box._asdict()) == box_of(flags) == reference.bbox(flags)


@thorough
@given(flags=REGIONS)
def test_the_sums_are_those_of_the_pixel_indexes(flags: Flags) -> None:
    ys, xs = np.nonzero(flags)
    assert rle.sums(rle.from_pixels(flags), flags.shape[0]) == (xs.sum(), ys.sum())


@thorough
@given(pair=PAIRS)
def test_union_and_intersection_are_those_of_pycocotools(pair: tuple[Flags, Flags]) -> None:
    left, right = map(rle.from_pixels, pair)
    assert rle.encode_counts(rle.union(left, right)) == merged(pair, intersect=False)["counts"]
    assert rle.encode_counts(rle.intersection(left, right)) == merged(pair, intersect=True)["counts"]


@thorough
@given(pair=PAIRS)
def test_the_overlap_is_that_of_pycocotools(pair: tuple[Flags, Flags]) -> None:
    left, right = map(rle.from_pixels, pair)
    assert rle.iou(left, right) == coco.iou([as_coco(pair[0])], [as_coco(pair[1])], [0])[0, 0]


@thorough
@given(flags=REGIONS, places=st.lists(st.integers(0, 40), min_size=1, max_size=4))
def test_runs_of_no_pixels_change_nothing(flags: Flags, places: list[int]) -> None:
    counts = rle.from_pixels(flags)
    padded = counts
    for place in places:
        at = place % (len(padded) + 1)
        # A run of no pixels and the rest of the one it cuts: the same pixels in more runs.
        padded = np.concatenate([padded[:at], [0, 0], padded[at:]])
    assert rle.area(padded) == rle.area(counts)
    assert rle.box(padded, flags.shape[0]) == rle.box(counts, flags.shape[0])
    assert rle.union(padded, padded).tolist() == rle.intersection(padded, counts).tolist() == counts.tolist()


@brief
@given(masks=st.lists(REGIONS, min_size=1, max_size=8))
def test_sql_tells_the_areas_and_boxes_of_pycocotools(masks: list[Flags], db: masksdb.Database) -> None:
    query = "SELECT rle_area(region), rle_bbox(region) FROM (SELECT unnest($regions) AS region)"
    result = db.sql(query, {"regions": [reference.coco_rle(flags) for flags in masks]}).fetchall()
    assert result == [(coco.area(as_coco(flags)), box_of(flags)) for flags in masks]


@brief
@given(pairs=st.lists(PAIRS, min_size=1, max_size=8))
def test_sql_tells_the_unions_intersections_and_overlaps_of_pycocotools(
    pairs: list[tuple[Flags, Flags]], db: masksdb.Database
) -> None:
    query = """
    SELECT rle_union(a, b), rle_intersection(a, b), rle_iou(a, b)
    FROM (SELECT unnest($a) AS a, unnest($b) AS b)
    """
    left, right = ([reference.coco_rle(pair[side]) for pair in pairs] for side in (0, 1))
    assert db.sql(query, {"a": left, "b": right}).fetchall() == [
        (
            merged(pair, intersect=False),
            merged(pair, intersect=True),
            coco.iou([as_coco(pair[0])], [as_coco(pair[1])], [0])[0, 0],
        )
        for pair in pairs
    ]


@pytest.mark.parametrize("size", ["[2, 2]::UTINYINT[]", "[2, 2]::HUGEINT[]", "[2.0, 2.0]", "array_value(2, 2)"])
def test_a_size_may_be_of_any_type_that_holds_whole_numbers(db: masksdb.Database, size: str) -> None:
    region = f"{{'size': {size}, 'counts': '013'}}"
    result = db.sql(f"SELECT rle_area({region}), rle_union({region}, {region})").fetchall()
    assert result == [(1, {"size": [2, 2], "counts": "013"})]


MALFORMED = [
    # region in SQL, what is told of it
    ("{'size': [2, 2], 'counts': '05'}", "rle: run lengths of 5 pixels, and its size is 2 x 2"),
    ("{'size': [2, 2], 'counts': ''}", "rle: run lengths of 0 pixels, and its size is 2 x 2"),
    ("{'size': [2, 2], 'counts': '5O'}", "rle: a run length of -1"),
    ("{'size': [2, 2], 'counts': '0T'}", "rle '0T': not COCO's compressed run lengths"),
    ("{'size': [2, 2], 'counts': '0p'}", "rle '0p': not COCO's compressed run lengths"),
    ("{'size': [2, 2], 'counts': '0 4'}", "rle '0 4': not COCO's compressed run lengths"),
    ("{'size': [2, 2], 'counts': '0é'}", "rle '0é': not COCO's compressed run lengths"),
    ("{'size': [2, 2], 'counts': '0' || chr(10)}", r"rle '0\n': not COCO's compressed run lengths"),
    ("{'size': [2, 2], 'counts': 'oooooooooooo0'}", "rle 'oooooooooooo0': a run length beyond 60 bits"),
]
SHAPELESS = [
    "{'size': [2], 'counts': '04'}",
    "{'size': [2, 2, 1], 'counts': '04'}",
    "{'size': [NULL, 2], 'counts': '04'}",
    "{'size': [-2, -2], 'counts': '04'}",
    "{'size': [2.5, 1.6], 'counts': '04'}",
    "{'size': ['nan'::DOUBLE, 1], 'counts': '04'}",
    "{'size': [1, 5000000000], 'counts': '0P`l[Pe4'}",
    "{'size': ['2', '2'], 'counts': '04'}",
    "{'size': [DATE '2020-01-01', DATE '2020-01-02'], 'counts': '04'}",
    "{'size': 4, 'counts': '04'}",
    "{'size': {'a': 2, 'b': 2}, 'counts': '04'}",
    "{'size': [2, 2], 'counts': [0, 4]}",
    "{'size': [2, 2], 'counts': '04'::BLOB}",
]
NO_REGIONS = ["'04'", "[0, 4]", "4", "{'size': [2, 2]}", "{'counts': '04'}"]
CALLS = ["rle_area({0})", "rle_bbox({0})", "rle_union({0}, {0})", "rle_intersection({0}, {0})", "rle_iou({0}, {0})"]


def told(db: masksdb.Database, region: str, call: str) -> str:
    """The text of the error, without DuckDB's words before it."""
    with pytest.raises(duckdb.Error) as raised:
        db.sql(f"SELECT {call.format(region)}").fetchall()
    _, _, reason = str(raised.value).partition("Error: ")[2].partition("Error: ")
    return reason


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("region", "reason"), MALFORMED)
def test_run_lengths_that_are_none_are_told_in_one_sentence(
    db: masksdb.Database, region: str, reason: str, call: str
) -> None:
    assert told(db, region, call) == reason


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("region", SHAPELESS)
def test_a_size_that_is_none_is_told_in_one_sentence(db: masksdb.Database, region: str, call: str) -> None:
    reason = told(db, region, call)
    assert reason.startswith("rle: found size ")
    assert reason.endswith(", expected [height, width] and text")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("region", NO_REGIONS)
def test_what_is_no_region_is_told_in_one_sentence(db: masksdb.Database, region: str, call: str) -> None:
    reason = told(db, region, call)
    assert reason.startswith("rle: found ")
    assert reason.endswith(", expected a struct of size and counts, as mask_rle returns it")


@pytest.mark.parametrize("call", ["rle_union", "rle_intersection", "rle_iou"])
def test_regions_of_different_sizes_are_not_combined(db: masksdb.Database, call: str) -> None:
    arguments = "{'size': [2, 3], 'counts': '6'}, {'size': [3, 2], 'counts': '6'}"
    assert told(db, arguments, f"{call}({{0}})") == "rle: a region of 2 x 3 pixels beside one of 3 x 2"


def test_run_lengths_whose_sum_overflows_are_no_region() -> None:
    counts = np.array([1 << 59] * 32 + [4])
    assert counts.sum() == 4
    with pytest.raises(MasksDBError, match=f"run lengths of {(1 << 64) + 4} pixels, and its size is 2 x 2"):
        rle.check_size(counts, 2, 2)


@pytest.mark.parametrize("lengths", [[], [0, 5], [1, 2]])
def test_run_lengths_of_another_size_are_not_drawn(lengths: list[int]) -> None:
    with pytest.raises(MasksDBError, match=f"run lengths of {sum(lengths)} pixels, and its size is 2 x 2"):
        rle.to_pixels(np.array(lengths, np.int64), 2, 2)
