"""Lucene query text as a condition in SQL whose values are bound.

luqum parses the text; each node becomes a fixed piece of SQL with ``$v0`` and so on in place of values, so no part of
the text is in the SQL. Syntax that is not in the table of docs/dataviews.md is refused; the error names its column.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from masksdb.clearml.views.fields import SCOPES, Column, Scope
from masksdb.errors import UsageError
from masksdb.store.sql import Values, frames_where

EVERYTHING = "true"
"""The condition that holds for every row."""

_NUMBER = re.compile(r"-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)

_DATE = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?(Z|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
)

_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})|\\(.)|([*?])", re.DOTALL)

_NAME_PART = re.compile(r"((?:\\.|[^\\.])*)(\.?)", re.DOTALL)

_QUOTES = re.compile(r""""(?:\\.|[^\\"])*"|\\.|(?<![^\s(:\[{+-])'(?:\\.|[^\\'"])*'(?=[\s)\]}]|$)""", re.DOTALL)

_PIECES = re.compile(r'"(?:\\.|[^\\"])*+"?|[^\s"/]++|/', re.DOTALL)
"""Words, phrases, operators and what regular expressions begin and end with."""

_MOST_PIECES = 20_000
"""The most of them in a query: luqum takes a time that grows with their square, and 3 seconds for these."""

_EXACT = 2**53
"""Whole numbers below this are exact as floating point numbers too."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_UNKNOWN = {
    "Fuzzy": "fuzzy terms (~)",
    "Proximity": "proximity (~)",
    "Boost": "boosts (^)",
    "Regex": "regular expressions (/.../)",
}

_SIGNED = ("Plus", "Prohibit")

_lock = threading.Lock()


def condition(text: str, argument: str, values: Values) -> str:
    """A query as a condition in SQL over the row of a ROI, frame or source; it is never NULL.

    Args:
        text: Lucene; terms without an operator between them must all match.
        argument: a key of ``SCOPES``, with which errors start.
        values: receives the values.

    Raises:
        UsageError: it is not Lucene, or has syntax that is not supported.

    >>> values = Values()
    >>> condition('label.keyword:"Car" AND NOT label.keyword:truck', "roi_query", values)
    '(coalesce(list_contains(labels, $v0), false) AND NOT coalesce(list_contains(labels, $v1), false))'
    >>> values.bound
    {'v0': 'Car', 'v1': 'truck'}
    """
    reader = _Reader(argument, SCOPES[argument], values)
    pieces = sum(1 for _ in _PIECES.finditer(text))
    if pieces > _MOST_PIECES:
        expected = f"expected at most {_MOST_PIECES:,}; use several queries, or SQL with a table of what is sought"
        raise UsageError(f"{argument}: {pieces:,} words, phrases and operators; {expected}")
    try:
        return reader.read(_parse(text, argument), None)
    except RecursionError:
        raise UsageError(f"{argument}: nested too deeply; use fewer parentheses") from None


def _parse(text: str, argument: str) -> Any:
    from luqum import exceptions as errors
    from luqum.thread import parse

    try:
        with _lock:  # luqum's parser keeps state while it works
            # ClearML writes phrases in single quotes too; luqum knows only double ones.
            return parse(_QUOTES.sub(_in_double_quotes, text))
    except errors.ParseError as error:
        positions = re.findall(r"at position (\d+)", str(error))
        if not positions:
            raise UsageError(f"{argument}: ends too early; is a bracket, quote or operator left open?") from None
        start = int(positions[-1])
        raise UsageError(f"{argument}, column {start + 1}: {text[start : start + 10]!r} cannot stand there") from None
    except (ArithmeticError, ValueError):
        # luqum reads any digits and dots after ~ and ^ as a number.
        sign = re.search(r"[~^][0-9.]", text)
        column = sign.start() + 1 if sign else 1
        raise UsageError(f"{argument}, column {column}: fuzzy terms, proximity and boosts are not known") from None


def _in_double_quotes(quoted: re.Match[str]) -> str:
    return f'"{quoted[0][1:-1]}"' if quoted[0][0] == "'" else quoted[0]


@dataclass(frozen=True)
class _Term:
    """A word or phrase: its text, and if it has wildcards its LIKE pattern."""

    text: str
    pattern: str | None


def _unescape(text: str, has_wildcards: bool = True) -> _Term:
    r"""A word without its escapes.

    >>> _unescape(r"a\*b"), _unescape("50%*")
    (_Term(text='a*b', pattern=None), _Term(text='50%*', pattern='50\\%%'))
    """
    literal, pattern, is_pattern, end = "", "", False, 0
    for match in _ESCAPED.finditer(text):
        plain = text[end : match.start()]
        wildcard = match[3] if has_wildcards else None
        meant = match[3] or (chr(int(match[1], 16)) if match[1] else match[2])
        literal += plain + meant
        pattern += _like(plain) + ({"*": "%", "?": "_"}[wildcard] if wildcard else _like(meant))
        is_pattern = is_pattern or wildcard is not None
        end = match.end()
    plain = text[end:]
    return _Term(literal + plain, pattern + _like(plain) if is_pattern else None)


def _like(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)


@dataclass(frozen=True)
class _Field:
    """A field that a query names: its column, and for JSON the pointer of the keys in it."""

    name: str
    column: Column
    pointer: str = ""


@dataclass(frozen=True)
class _Bound:
    """An end of a range: a number, or the microseconds at which a date or time starts and ends."""

    kind: Literal["number", "time"]
    start: float
    end: float


@dataclass
class _Reader:
    """Turns the nodes of luqum into SQL."""

    argument: str
    scope: Scope
    values: Values

    def refused(self, node: Any, reason: str) -> UsageError:
        """The error at a place of the text."""
        return UsageError(f"{self.argument}, column {(node.pos or 0) + 1}: {reason}")

    def read(self, node: Any, searched: _Field | None) -> str:
        """The condition of a node; ``searched`` is the field of the group around it, None outside of one."""
        kind = type(node).__name__
        if kind in ("Group", "FieldGroup"):
            return self.read(node.expr, searched)
        if kind in ("AndOperation", "OrOperation", "UnknownOperation"):
            return self._operation(node, kind, searched)
        if kind in ("Not", "Prohibit"):
            return f"NOT {self.read(node.a, searched)}"
        if kind == "Plus":
            return self.read(node.a, searched)
        if kind == "SearchField":
            return self._search(node, searched)
        if kind == "Word" and searched is None and node.value == "*":
            return EVERYTHING
        return self._leaf(node, kind, searched or self._default(node))

    def _operation(self, node: Any, kind: str, searched: _Field | None) -> str:
        kinds = [type(operand).__name__ for operand in node.operands]
        if {"UnknownOperation": "OrOperation", "OrOperation": "UnknownOperation"}.get(kind) in kinds:
            raise self.refused(node, "OR beside terms without an operator; write AND, or parentheses")
        if kind != "OrOperation":
            return f"({' AND '.join(self.read(operand, searched) for operand in node.operands)})"
        # As in Lucene: operands with + must match, those with - must not; beside a + the others need not match.
        optional = replace(self, values=Values()) if "Plus" in kinds else self
        operands = list(zip(node.operands, kinds, strict=True))
        may = [optional.read(operand, searched) for operand, of_kind in operands if of_kind not in _SIGNED]
        must = [self.read(operand, searched) for operand, of_kind in operands if of_kind in _SIGNED]
        if may and optional is self:
            must.append(f"({' OR '.join(may)})")
        return f"({' AND '.join(must)})"

    def _default(self, node: Any) -> _Field:
        if self.scope.default is None:
            raise self.refused(
                node, f"{str(node)!r} names no field; expected FIELD:VALUE, a FIELD being {self._known()}"
            )
        return _Field(self.scope.default, self.scope.columns[self.scope.default])

    def _known(self) -> str:
        return ", ".join(
            f"{name}.KEY" if column.kind == "json" else name for name, column in self.scope.columns.items()
        )

    def _search(self, node: Any, searched: _Field | None) -> str:
        inner = type(node.expr).__name__
        if searched is not None or inner == "SearchField":
            raise self.refused(node, "a field inside a field; put a value that has a colon in quotes")
        if node.name == "*" and inner == "Word" and node.expr.value == "*":
            return EVERYTHING
        if node.name == "_exists_":
            if inner not in ("Word", "Phrase"):
                raise self.refused(node, "expected _exists_:FIELD")
            name = node.expr.value[1:-1] if inner == "Phrase" else node.expr.value
            return self._exists(self._named(node.expr, name))
        if inner in ("Plus", "Prohibit", "Not"):
            raise self.refused(node.expr, "an operator before a value; put it before the field, or a number in quotes")
        return self.read(node.expr, self._named(node, node.name))

    def _named(self, node: Any, text: str) -> _Field:
        pieces = _NAME_PART.findall(text)
        terms = [_unescape(piece) for piece, _ in pieces[: 1 + sum(dot == "." for _, dot in pieces)]]
        if any(term.pattern is not None for term in terms):
            raise self.refused(node, f"a wildcard in the field name {text!r}; name one field")
        parts = [term.text for term in terms]
        if parts[0] == "source":
            parts[0] = "sources"
        if parts[0] == self.scope.prefix:
            parts = parts[1:]
        if len(parts) > 1 and parts[-1] == "keyword" and parts[-2] != "meta":
            parts = parts[:-1]
        for length in range(min(len(parts), 1 + max(name.count(".") for name in self.scope.columns)), 0, -1):
            column = self.scope.columns.get(".".join(parts[:length]))
            if column is not None and (column.kind == "json") == (length < len(parts)):
                keys = (key.replace("~", "~0").replace("/", "~1") for key in parts[length:])
                return _Field(text, column, "".join(f"/{key}" for key in keys))
        raise self.refused(node, f"no field {text!r}; expected {self._known()}")

    def _leaf(self, node: Any, kind: str, searched: _Field) -> str:
        if kind in _UNKNOWN:
            raise self.refused(node, f"{_UNKNOWN[kind]} are not known; spell it out")
        if kind == "Range":
            return self._range(node, searched, (node.low, node.include_low), (node.high, node.include_high))
        if kind == "From":
            return self._range(node, searched, (node.a, node.include), None)
        if kind == "To":
            return self._range(node, searched, None, (node.a, node.include))
        term = self._term(node)
        if node.value == "*":
            return self._exists(searched)
        if term.pattern is not None:
            return self._like(node, searched, term.pattern)
        return self._equals(node, searched, term.text)

    def _term(self, node: Any) -> _Term:
        if type(node).__name__ == "Phrase":
            return _unescape(node.value[1:-1], has_wildcards=False)
        bare = re.sub(r"\\.", "", node.value, flags=re.DOTALL)
        if bare in ("and", "or", "not"):
            raise self.refused(node, f"{bare!r}: operators are in capitals; put it in quotes if it is a word")
        if re.search(r'[!"]|&&|\|\|', bare):
            raise self.refused(node, f"{node.value!r}: write AND, OR and NOT, and put special characters in quotes")
        return _unescape(node.value)

    def _any(self, searched: _Field, test: Callable[[str], str]) -> str:
        """The condition that a value of a field passes a test; a field without a value does not."""
        column = searched.column
        if column.kind == "json":
            pointer = self.values.bind(searched.pointer)
            passes = f"len(list_filter(json_values({column.sql}, {pointer}), lambda item: {test('item')})) > 0"
        elif column.is_list:
            passes = f"len(list_filter({column.sql}, lambda item: {test('item')})) > 0"
        else:
            passes = test(column.sql)
        return _of_frame(column, f"coalesce({passes}, false)")

    def _exists(self, searched: _Field) -> str:
        is_json = searched.column.kind == "json"
        return self._any(searched, lambda item: f"json_type({item}) <> 'NULL'" if is_json else f"{item} IS NOT NULL")

    def _like(self, node: Any, searched: _Field, pattern: str) -> str:
        if searched.column.kind == "number":
            raise self.refused(node, f"{searched.name} is a number and takes no wildcards; use a range")
        bound = self.values.bind(pattern)
        if searched.column.kind == "text":
            return self._any(searched, lambda item: f"{item} LIKE {bound} ESCAPE '\\'")
        return self._any(
            searched, lambda item: f"json_type({item}) = 'VARCHAR' AND json_text({item}) LIKE {bound} ESCAPE '\\'"
        )

    def _equals(self, node: Any, searched: _Field, text: str) -> str:
        number = _number(text)
        column = searched.column
        if column.kind == "number":
            if number is None:
                raise self.refused(node, f"{searched.name} is a number, found {text!r}")
            bound = self.values.bind(number)
            return self._any(searched, lambda item: f"{item} = {bound}")
        same = self.values.bind(text)
        if column.is_list:
            return _of_frame(column, f"coalesce(list_contains({column.sql}, {same}), false)")
        if column.kind == "text":
            return self._any(searched, lambda item: f"{item} = {same}")
        if number is None or (isinstance(number, int) and abs(number) >= _EXACT):
            return self._any(searched, lambda item: f"json_text({item}) = {same}")
        bound = self.values.bind(float(number))
        return self._any(searched, lambda item: f"(json_text({item}) = {same} OR json_number({item}) = {bound})")

    def _range(
        self, node: Any, searched: _Field, low: tuple[Any, bool] | None, high: tuple[Any, bool] | None
    ) -> str:  # fmt: skip
        first = self._bound(*low) if low else None
        last = self._bound(*high) if high else None
        kinds = {bound.kind for bound in (first, last) if bound}
        if not kinds:
            return self._exists(searched)
        column = searched.column
        if column.kind == "text" or (column.kind == "number" and "time" in kinds) or len(kinds) > 1:
            has = {"text": "is text and has no ranges", "number": "is a number", "json": "takes two of one kind"}
            raise self.refused(node, f"{searched.name} {has[column.kind]}")
        tests = []
        if first and low:
            is_later = first.kind == "time" or low[1]
            start = first.start if first.kind == "number" or low[1] else first.end
            tests.append(f"{'>=' if is_later else '>'} {self.values.bind(start)}")
        if last and high:
            is_before = last.kind == "time" or not high[1]
            end = last.end if last.kind == "number" or high[1] else last.start
            tests.append(f"{'<' if is_before else '<='} {self.values.bind(end)}")
        read = {"number": "json_number(item)", "time": "json_microseconds(item)"}[kinds.pop()]
        return self._any(
            searched, lambda item: " AND ".join(f"{read if column.kind == 'json' else item} {test}" for test in tests)
        )

    def _bound(self, node: Any, _is_included: bool) -> _Bound | None:
        if type(node).__name__ == "Prohibit":
            text = "-" + self._term(node.a).text
        else:
            text = self._term(node).text
            if node.value == "*":
                return None
        number = _number(text)
        if number is not None:
            return _Bound("number", number, number)
        match = _DATE.fullmatch(text)
        if match is None:
            raise self.refused(node, f"{text!r} cannot end a range; expected a number, YYYY-MM-DD[Thh:mm[:ss]] or *")
        date, minutes, seconds, fraction, offset = match.groups()
        try:
            moment = datetime.fromisoformat(f"{date}T{minutes or '00:00'}:{seconds or '00'}{offset or 'Z'}")
        except ValueError as error:
            raise self.refused(node, f"{text!r}: {error}") from None
        start = (moment - _EPOCH) // timedelta(microseconds=1) + int((fraction or "0").ljust(6, "0"))
        # A date covers the whole day, a time without seconds the whole minute.
        span = 86_400_000_000 if not minutes else 60_000_000 if not seconds else 10 ** (6 - len(fraction or ""))
        return _Bound("time", start, start + span)


def _of_frame(column: Column, test: str) -> str:
    """A test of the row; for a column of another table, the test that some row of the frame passes."""
    return f"frame_key IN ({frames_where(column.table, test)})" if column.table else test


def _number(text: str) -> int | float | None:
    if not _NUMBER.fullmatch(text):
        return None
    whole = int(text) if re.fullmatch(r"-?\d{1,18}", text) else None
    number = float(text) if whole is None else whole
    return number if math.isfinite(number) else None
