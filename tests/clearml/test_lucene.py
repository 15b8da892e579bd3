"""Lucene text as SQL: the documented pieces, what is refused and where, and any query against plain Python."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import masksdb
from masksdb.clearml.views.lucene import condition
from masksdb.store.sql import Values

DAY = "2024-10-20"
ROIS: list[dict[str, Any]] = [
    {"label": ["car"], "confidence": 0.9, "meta": {"n": 5, "t": "a b", "day": "2024-10-20T08:30:00"}},
    {"label": ["car", "partly_occluded"], "meta": {"n": -3.5, "t": ["x", "y%"], "deep": {"er": True}}},
    {"label": ["Bus Stop"], "confidence": 0.25, "meta": {"n": "5", "day": "2024-10-20 09:00:00+02:00"}},
    {"label": ["a*b", "50%"], "confidence": 1, "meta": {"t": 'say "x"', "n": 12345678901234567}},
    {"label": ["é_"], "meta": {"t": "", "day": "2024-10-21", "n": 2}},
    {"label": ["car wash", "'"], "confidence": 0, "meta": {"day": "2024-10-19T23:59:59.999", "t": "$v0"}},
    {"label": ["\\"], "meta": {"t": None, "n": [1, 2.0], "day": "no date", "a.b": 1, "": 2, "x/y~": "z"}},
    {"label": [], "meta": {"t": {"u": 1}, "n": 1e300, "day": ["2024-10-20", "2030-01-01"]}},
    {"label": ["AND"], "confidence": 0.5, "meta": {"t": "a", "n": 0}},
    {},
]


@pytest.fixture(scope="module")
def store() -> Iterator[masksdb.Database]:
    with masksdb.connect(":memory:") as database:
        database.ingest([{"id": "f", "rois": ROIS, "sources": []}], dataset="d", version="v")
        yield database


Find = Callable[[str], list[int]]


def matching(database: masksdb.Database, text: str) -> list[int]:
    values = Values()
    found = condition(text, "roi_query", values)
    relation = database.sql(f"SELECT roi_index FROM rois WHERE {found} ORDER BY ALL", values.bound)
    return [index for (index,) in relation.fetchall()]


@pytest.fixture
def find(store: masksdb.Database) -> Find:
    """The ROIs that a query finds."""
    return lambda text: matching(store, text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("car", [0, 1]),
        ('label.keyword:"car" AND NOT label.keyword:"partly_occluded"', [0]),
        ("car -partly_occluded", [0]),
        ("+car +partly_occluded", [1]),
        ("car partly_occluded", [1]),
        ("'Bus Stop' OR \"car wash\"", [2, 5]),
        ("rois.label:(car OR é_)", [0, 1, 4]),
        ("car OR +partly_occluded", [1]),
        ("car OR é_ OR -partly_occluded", [0, 4]),
        ("car OR NOT _exists_:meta.day", [0, 1, 3, 8, 9]),
        (r"label:a\*b", [3]),
        ("label:a*b", [3]),
        ("label:car*", [0, 1, 5]),
        ("label:ca?", [0, 1]),
        (r"label:50%", [3]),
        (r"label:\u0063ar", [0, 1]),
        ('label:"ca?"', []),
        ("label:Car", []),
        ("_exists_:confidence", [0, 2, 3, 5, 8]),
        ("_exists_:meta.t", [0, 1, 3, 4, 5, 7, 8]),
        ("NOT label:*", [7, 9]),
        ("*", list(range(10))),
        ("*:*", list(range(10))),
        ("confidence:[0.25 TO 0.9]", [0, 2, 8]),
        ("confidence:{0.25 TO 0.9}", [8]),
        ("confidence:[0.5 TO *]", [0, 3, 8]),
        ("confidence:>=0.9", [0, 3]),
        ("confidence:<0.25", [5]),
        ("confidence:1.0", [3]),
        ("meta.n:5", [0, 2]),
        ("meta.n:5.0", [0]),
        ("meta.n:[-4 TO 2]", [1, 4, 6, 8]),
        ('meta.n:"-3.5"', [1]),
        ("meta.n:12345678901234568", []),
        ("meta.n:12345678901234567", [3]),
        ("meta.deep.er:true", [1]),
        ("meta.t.keyword:y%", [1]),
        (r"meta.a\.b:1", [6]),
        (r"meta.x\/y\~:z", [6]),
        (f"meta.day:[{DAY} TO {DAY}]", [0, 2, 7]),
        (f"meta.day:[{DAY} TO 2024-10-21}}", [0, 2, 7]),
        (f"meta.day:{{{DAY} TO *]", [4, 7]),
        (f"meta.day:[{DAY}T08:00:00 TO {DAY}T09:00:00]", [0]),
        (f"meta.day:[{DAY}T08:30 TO {DAY}T08:30]", [0]),
        (f'meta.day:["{DAY} 09:00+02:00" TO {DAY}T07:00:00Z]', [2]),
        (f"meta.day:<{DAY}", [5]),
    ],
)
def test_what_the_pieces_find(find: Find, text: str, found: list[int]) -> None:
    assert find(text) == found


@pytest.mark.parametrize(
    ("text", "argument", "message"),
    [
        ("car~", "roi_query", r"column 1: fuzzy"),
        ("label:car^2", "roi_query", r"column 7: boosts"),
        ('x OR "a b"~3', "roi_query", r"column 6: proximity"),
        ("a AND label:/ca./", "roi_query", r"column 13: regular expressions"),
        ("car^1.2.3", "roi_query", r"column 4: fuzzy"),
        ("car~1.2.3", "roi_query", r"column 4: fuzzy"),
        ("a OR b c", "roi_query", r"OR beside terms without an operator"),
        ("a b OR c", "roi_query", r"OR beside terms without an operator"),
        ("car && bus", "roi_query", r"column 5: '&&'"),
        ("car !bus", "roi_query", r"column 5: '!bus'"),
        ("car and bus", "roi_query", r"column 5: 'and': operators are in capitals"),
        ('ca"r bus"', "roi_query", r"column 1: 'ca\"r'"),
        ("colour:red", "roi_query", r"column 1: no field 'colour'; expected label"),
        ("a AND meta:red", "roi_query", r"column 7: no field 'meta'"),
        ("meta.*:red", "roi_query", r"column 1: a wildcard in the field name"),
        ("confidence:high", "roi_query", r"column 12: confidence is a number"),
        ("confidence:0*", "roi_query", r"column 12: confidence is a number and takes no wildcards"),
        ("confidence:[2024-10-20 TO *]", "roi_query", r"column 12: confidence is a number"),
        ("label:[a TO c]", "roi_query", r"column 8: 'a' cannot end a range"),
        ("label:[1 TO 2]", "roi_query", r"column 7: label is text and has no ranges"),
        ("meta.n:[1 TO 2024-10-20]", "roi_query", r"column 8: meta.n takes two of one kind"),
        ("meta.n:[2024-02-30 TO *]", "roi_query", r"column 9: '2024-02-30'"),
        ("meta.n:-5", "roi_query", r"column 8: an operator before a value"),
        ("meta.t:08:30", "roi_query", r"column 8|column 1: a field inside"),
        ("label:(a OR meta.n:1)", "roi_query", r"column 13: a field inside a field"),
        ("(car", "roi_query", r"ends too early"),
        ("car AND", "roi_query", r"ends too early"),
        ("car OR +AND x", "roi_query", r"column 9: 'AND x'"),
        ("car ) x", "roi_query", r"column 5: '\) x'"),
        ("", "roi_query", r"ends too early"),
        ("bremen", "frame_query", r"column 1: 'bremen' names no field"),
        ("label:car", "frame_query", r"no field 'label'; expected id, context_id"),
        ("meta.x:1", "source_query", None),
        ("source.id:00 AND sources.uri:*.png", "source_query", None),
        ("sources.width:[1 TO 5] rois.label:car timestamp:0", "frame_query", None),
    ],
)
def test_what_is_not_known_is_refused_with_its_place(text: str, argument: str, message: str | None) -> None:
    if message is None:
        assert condition(text, argument, Values())
    else:
        with pytest.raises(masksdb.UsageError, match=rf"^{argument}.*({message})"):
            condition(text, argument, Values())


@pytest.mark.parametrize("text", ['"' * 100_000, "/" * 100_000, "a " * 100_000, "a OR " * 100_000 + "a"])
def test_a_query_of_too_many_terms_is_refused_at_once(text: str) -> None:
    with pytest.raises(masksdb.UsageError, match=r"roi_query: [0-9,]+ words, phrases and operators; expected at most"):
        condition(text, "roi_query", Values())


def test_a_field_of_many_keys_is_read_at_once() -> None:
    values = Values()
    condition("meta" + ".a" * 100_000 + ":1", "roi_query", values)
    assert "/a" * 100_000 in values.bound.values()


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(masksdb.UsageError, match="nested too deeply"):
        condition("(" * 5000 + "a" + ")" * 5000, "roi_query", Values())


# A query as a tree, as Lucene text, and as plain Python over the JSON of a ROI.

Query = tuple[Any, ...]
TEXTS = st.one_of(
    st.sampled_from(
        ["car", "partly_occluded", "Bus Stop", "a*b", "50%", "é_", "\\", "'", "$v0", "5", "2", "true", "x"]
    ),
    st.text(st.sampled_from("ab*?%_\\\"' é:()-+/~^x"), max_size=4),
)
PIECES = st.lists(st.sampled_from(["*", "?", "c", "a", "r", "%", "_", "50", "é", "\\", " "]), min_size=1, max_size=4)
NUMBERS = st.sampled_from([-4, -3.5, 0, 0.25, 0.5, 1, 2, 5, 12345678901234567])
DAYS = st.sampled_from(
    [DAY, "2024-10-21", f"{DAY}T08:30", f"{DAY}T07:00:00Z", f"{DAY}T09:00:00+02:00", "2024-10-19T23:59:59.999"]
)
TEXT_FIELDS = st.sampled_from(["label", "meta.t", "meta.n"])


def ranges(field: st.SearchStrategy[str], ends: st.SearchStrategy[Any]) -> st.SearchStrategy[Query]:
    end = st.none() | ends
    return st.tuples(st.just("range"), field, end, st.booleans(), end, st.booleans())


LEAVES = st.one_of(
    st.tuples(st.just("is"), TEXT_FIELDS, TEXTS, st.booleans()),
    st.tuples(st.just("like"), TEXT_FIELDS, PIECES.filter(lambda pieces: bool({"*", "?"} & set(pieces)))),
    st.tuples(st.just("number"), st.sampled_from(["confidence", "meta.n"]), NUMBERS),
    st.tuples(
        st.just("exists"), st.sampled_from(["label", "confidence", "meta.t", "meta.n", "meta.deep", "meta.deep.er"])
    ),
    ranges(st.sampled_from(["confidence", "meta.n"]), NUMBERS),
    ranges(st.just("meta.day"), DAYS),
)
QUERIES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["AND", "OR", ""]), st.lists(inner, min_size=2, max_size=3)),
        st.tuples(st.sampled_from(["NOT ", "-"]), inner),
        st.tuples(
            st.just("signed"), st.lists(st.tuples(st.sampled_from(["", "+", "-"]), inner), min_size=1, max_size=4)
        ),
    ),
    max_leaves=6,
)


def escaped(text: str) -> str:
    return "".join(char if char.isalnum() and char.isascii() else f"\\{char}" for char in text)


def text_of(query: Query) -> str:
    kind = query[0]
    if kind == "is":
        _, field, value, is_phrase = query
        is_phrase = is_phrase or not value
        return f"{field}:" + (re.sub(r'([\\"])', r"\\\1", value).join('""') if is_phrase else escaped(value))
    if kind == "like":
        return f"{query[1]}:" + "".join(item if item in "*?" else escaped(item) for item in query[2])
    if kind == "number":
        return f'{query[1]}:"{query[2]}"'
    if kind == "exists":
        return f"_exists_:{query[1]}"
    if kind == "range":
        _, field, low, has_low, high, has_high = query
        ends = ["*" if end is None else f'"{end}"' if "+" in str(end) else str(end) for end in (low, high)]
        return f"{field}:{'[' if has_low else '{'}{ends[0]} TO {ends[1]}{']' if has_high else '}'}"
    if kind == "signed":
        return "(" + " OR ".join(f"{sign}({text_of(item)})" for sign, item in query[1]) + ")"
    if kind in ("NOT ", "-"):
        return f"{kind}({text_of(query[1])})"
    return f" {kind} ".join(f"({text_of(item)})" for item in query[1])


def values_of(roi: dict[str, Any], field: str) -> list[Any]:
    found: Any = roi
    for key in field.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return [item for item in (found if isinstance(found, list) else [found]) if item is not None]


def as_text(value: Any) -> str | None:
    if isinstance(value, dict | list):
        return None
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def as_number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def as_time(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC) if moment else None


def is_equal(value: Any, text: str) -> bool:
    number = as_number(value)
    is_number = re.fullmatch(r"-?\d+(\.\d+)?", text) is not None
    return as_text(value) == text or (
        number is not None and is_number and abs(number) < 2**53 and number == float(text)
    )


def spans(text: str) -> tuple[datetime, datetime]:
    start = as_time(text)
    assert start is not None
    lengths = {10: 86_400_000_000, 16: 60_000_000, 23: 1000}
    microseconds = lengths.get(len(text), 1_000_000)
    return start, datetime.fromtimestamp(0, UTC) + (start - datetime.fromtimestamp(0, UTC)) + (
        datetime.fromtimestamp(microseconds / 1e6, UTC) - datetime.fromtimestamp(0, UTC)
    )


def in_range(value: Any, query: Query) -> bool:
    _, _, low, has_low, high, has_high = query
    if low is None and high is None:
        return True
    if isinstance(low if high is None else high, str):
        moment = as_time(value)
        if moment is None:
            return False
        return (low is None or moment >= spans(low)[0 if has_low else 1]) and (
            high is None or moment < spans(high)[1 if has_high else 0]
        )
    number = as_number(value)
    if number is None:
        return False
    return (low is None or (number >= low if has_low else number > low)) and (
        high is None or (number <= high if has_high else number < high)
    )


def holds(query: Query, roi: dict[str, Any]) -> bool:
    kind = query[0]
    if kind == "is":
        return any(
            is_equal(item, query[2]) if "." in query[1] else item == query[2] for item in values_of(roi, query[1])
        )
    if kind == "like":
        pattern = "".join({"*": ".*", "?": "."}.get(item, re.escape(item)) for item in query[2])
        if all(item == "*" for item in query[2]) and len(query[2]) == 1:
            return bool(values_of(roi, query[1]))
        return any(
            isinstance(item, str) and re.fullmatch(pattern, item, re.DOTALL) for item in values_of(roi, query[1])
        )
    if kind == "number":
        return any(is_equal(item, str(query[2])) for item in values_of(roi, query[1]))
    if kind == "exists":
        return bool(values_of(roi, query[1]))
    if kind == "range":
        return any(in_range(item, query) for item in values_of(roi, query[1]))
    if kind == "signed":
        found = [(sign, holds(item, roi)) for sign, item in query[1]]
        must = all(holds_it == (sign == "+") for sign, holds_it in found if sign)
        may = [holds_it for sign, holds_it in found if not sign]
        return must and (any(may) or not may or "+" in [sign for sign, _ in found])
    if kind in ("NOT ", "-"):
        return not holds(query[1], roi)
    return (any if kind == "OR" else all)(holds(item, roi) for item in query[1])


@settings(max_examples=100, deadline=None)
@given(QUERIES)
def test_any_query_finds_what_plain_python_finds(store: masksdb.Database, query: Query) -> None:
    text = text_of(query)
    assert matching(store, text) == [index for index, roi in enumerate(ROIS) if holds(query, roi)], text


KNOWN = re.compile(
    r"\s+|[(),]|[<>]=?|=|\$v\d+|'(?:NULL|VARCHAR|\\)'|\d+|<>|"
    r"lambda item:|\b(?:AND|OR|NOT|IS|NULL|IN|SELECT|FROM|WHERE|LIKE|ESCAPE|item|true|false|coalesce|len|list_filter|"
    r"list_contains|json_values|json_text|json_number|json_microseconds|json_type|labels|confidence|roi_id|sources|"
    r"mask_id|meta|source_id|uri|content_type|width|height|frame_id|context_id|frame_key|rois)\b|\"timestamp\""
)
SEEDS = r"""label meta.a confidence id rois.label sources.uri _exists_ AND OR NOT TO car '; DROP -- $v0 1 -2.5
2024-10-20 2024-10-20T08:30 timestamp meta.a'b meta.a" keyword x') \ \u00e9 é && || and"""
WORDS = st.sampled_from([*SEEDS.split(), "\n"])
SIGNS = st.sampled_from(
    [":", " ", "(", ")", "[", "]", "{", "}", '"', "'", "*", "?", "+", "-", "~", "^", "/", "<", ">=", "!", "."]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(WORDS | SIGNS, max_size=12), st.sampled_from(["roi_query", "frame_query", "source_query"]))
def test_no_query_text_reaches_sql(parts: list[str], argument: str) -> None:
    try:
        found = condition("".join(parts), argument, Values())
    except masksdb.UsageError:
        return
    assert KNOWN.sub("", found) == ""


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    values = Values()
    try:
        found = condition(text, "roi_query", values)
    except masksdb.UsageError:
        return
    assert KNOWN.sub("", found) == ""
    assert all(isinstance(value, str | int | float) for value in values.bound.values())


def test_the_sql_of_a_query_is_read_without_python(store: masksdb.Database) -> None:
    values = Values()
    found = condition('meta.t:"a b" AND label:c?r', "roi_query", values)
    con = store.connection.cursor()
    assert isinstance(con, duckdb.DuckDBPyConnection)
    assert con.execute(f"SELECT roi_index FROM rois WHERE {found}", values.bound).fetchall() == [(0,)]
