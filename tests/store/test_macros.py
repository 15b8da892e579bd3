"""The macros of a database file agree with the same rules in Python."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.common import ROOT

import masksdb
from masksdb.pixels.masks import SAMPLE, MaskFacts, MaskImage, MaskRef, Samples
from masksdb.pixels.selection import select

NUMBERS = st.integers(0, 3) | st.sampled_from([-1, -1, 255, 256, 65535])
"""Few of them, so that they often match."""

SHAPES = {"grey": (), "palette": (), "rgb": (3,), "grey_alpha": (2,), "rgba": (4,)}


@st.composite
def masks(draw: st.DrawFn) -> MaskFacts:
    """The distinct values of a small mask of any mode and depth."""
    mode = draw(st.sampled_from(list(SHAPES)))
    depth = draw(st.sampled_from([8, 16] if mode != "palette" else [8]))
    numbers = st.integers(0, 3) | st.sampled_from([255, 256 if depth == 16 else 254])
    shape = (2, 3, *SHAPES[mode])
    flat = draw(st.lists(numbers, min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
    samples: Samples = (
        np.array(flat, np.uint16).reshape(shape) if depth == 16 else np.array(flat, np.uint8).reshape(shape)
    )
    colours = draw(st.lists(st.integers(0, 3), min_size=1024, max_size=1024)) if mode == "palette" else None
    palette = None if colours is None else np.array(colours, np.uint8).reshape(256, 4)
    return MaskFacts.of(MaskImage(samples, mode, depth, palette=palette, is_video=draw(st.booleans())))


@settings(max_examples=120, deadline=None)
@given(facts=masks(), value=st.sampled_from([1, 3, 4]).flatmap(lambda n: st.lists(NUMBERS, min_size=n, max_size=n)))
def test_a_value_matches_what_select_selects(matcher: masksdb.Database, facts: MaskFacts, value: list[int]) -> None:
    try:
        expected = select(facts, value, 0, "a.png").tolist()
    except masksdb.MaskDecodeError:
        assert len(value) == 1
        assert not facts.image.has_sample
        expected = [False] * len(facts.colours)
    stored = [[None if row[SAMPLE] == -1 else row[SAMPLE], *row[1:]] for row in facts.colours.tolist()]
    query = """
        SELECT value_matches(CAST($value AS INTEGER[]), stored[1], stored[2], stored[3], stored[4], stored[5])
        FROM (SELECT unnest(CAST($rows AS BIGINT[][])) AS stored)
    """
    rows = matcher.connection.execute(query, {"value": value, "rows": stored}).fetchall()
    assert [matches for (matches,) in rows] == expected


REFERENCES = st.builds(
    MaskRef, st.sampled_from(["a.png", "b.mp4"]), st.none() | st.sampled_from([-1, 0, 1, (1 << 63) - 1])
)


@settings(max_examples=120, deadline=None)
@given(left=REFERENCES, right=REFERENCES)
def test_a_mask_is_the_same_where_its_reference_is(matcher: masksdb.Database, left: MaskRef, right: MaskRef) -> None:
    row = matcher.connection.execute("SELECT same_mask(?, ?, ?, ?)", [*left, *right]).fetchone()
    assert row == (left == right,)


def test_no_other_sql_has_rules_of_its_own() -> None:
    copies = re.compile(r"IN \(-1,|coalesce\([^()]*timestamp[^()]*, -1\)")
    texts = {path.stem: path.read_text() for path in (ROOT / "sql").rglob("*.sql")}
    assert {name for name, text in texts.items() if copies.search(text)} == {"value_matches"}


@pytest.fixture(scope="module")
def matcher() -> Iterator[masksdb.Database]:
    with masksdb.connect(":memory:") as database:
        yield database
