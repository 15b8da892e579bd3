"""The definition of a DataView: queries, mapping rules, label numbers and an order, converted to JSON and back."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from masksdb.clearml.arguments import Id
from masksdb.clearml.views.lucene import EVERYTHING, condition
from masksdb.errors import UsageError
from masksdb.store.sql import Values

ANY = "*"
"""Stands for every dataset, version or label."""

_SPECIAL = re.compile(r'[:"()\[\]{}*?^~\\<>!]|&&|\|\|')

_OPERATORS = frozenset({"AND", "OR", "NOT", "TO"})


class IterationOrder(StrEnum):
    """The order in which a DataView returns its frames."""

    sequential = "sequential"
    random = "random"


@dataclass(frozen=True)
class RoiQuery:
    """A rule about the ROIs of a frame.

    Attributes:
        label: a label, a list of labels that one ROI must all have, or Lucene over one ROI; None or ``""`` is any ROI.
        count_range: the fewest and most such ROIs in a frame; -1 leaves an end open.
        conf_range: the lowest and highest confidence of such a ROI; -1 leaves an end open.
        must_not: negates the rule: the frame has no such ROI, or not a number of them in the range.
    """

    label: str | Sequence[str] | None = None
    count_range: Sequence[int] | None = None
    conf_range: Sequence[float] | None = None
    must_not: bool | None = None

    def __post_init__(self) -> None:
        for name in ("count_range", "conf_range"):
            ends = getattr(self, name)
            if ends is None:
                continue
            if isinstance(ends, str) or len(ends) != 2 or not all(_is_end(end) for end in ends):
                raise UsageError(f"{name}: found {ends!r}, expected (least, most), -1 leaving an end open")
            if -1 != ends[1] < ends[0]:
                raise UsageError(f"{name}: found {ends!r}, expected (least, most), the least not above the most")
            object.__setattr__(self, name, tuple(ends))
        if self.label == "":
            object.__setattr__(self, "label", None)
        if self.label is not None and not isinstance(self.label, str):
            object.__setattr__(self, "label", tuple(self.label))
            if not self.label or not all(isinstance(label, str) for label in self.label):
                raise UsageError(f"label: found {self.label!r}, expected a label, a list of labels or Lucene")
        roi_condition(self, Values())

    @property
    def is_everything(self) -> bool:
        """Whether it matches every frame, even one without ROIs, as ``*`` does."""
        return self == RoiQuery(label=ANY)


def roi_condition(rule: RoiQuery, values: Values) -> str:
    """The SQL condition of a rule on a row of ``rois``; its values are bound."""
    tests = []
    if isinstance(rule.label, tuple):
        names = [label for label in rule.label if label != ANY]
        tests.append(f"coalesce(list_has_all(labels, {values.bind(names)}), false)")
    elif isinstance(rule.label, str) and is_name(rule.label):
        tests.append(f"coalesce(list_contains(labels, {values.bind(rule.label.strip())}), false)")
    elif rule.label is not None:
        tests.append(condition(str(rule.label), "roi_query", values))
    for end, comparison in zip(rule.conf_range or (), (">=", "<="), strict=False):
        if end != -1:
            tests.append(f"coalesce(confidence {comparison} {values.bind(float(end))}, false)")
    return " AND ".join(tests) or EVERYTHING


def _is_end(end: Any) -> bool:
    return isinstance(end, int | float) and not isinstance(end, bool) and math.isfinite(end) and (end >= 0 or end == -1)


def is_name(text: str) -> bool:
    """Whether a text is a plain label, without anything that has a meaning in Lucene.

    >>> is_name("teddy bear"), is_name("car OR truck"), is_name('"car"'), is_name("car*")
    (True, False, False, False)
    """
    words = text.split()
    has_operator = any(word[0] in "+-/'" or word in _OPERATORS for word in words)
    return bool(words) and not has_operator and not _SPECIAL.search(text)


@dataclass(frozen=True)
class ViewQuery:
    """One query of a DataView; a frame is in the view if it matches one of them.

    Attributes:
        dataset_id: the dataset by id, or
        dataset_name: by name; without both, or with ``*``, every dataset that another query names.
        version_id: the version by id, or
        version_name: by name; without both, or with ``*``, every version of the dataset.
        project_name: the project that the dataset must be in.
        roi_queries: rules about ROIs; for every rule the frame must have a ROI that matches.
        frame_query: Lucene over the frame.
        source_query: Lucene over one source of the frame.
        weight: how often its frames are drawn, relative to those of the other queries.
    """

    dataset_id: Id | None = None
    dataset_name: str | None = None
    version_id: Id | None = None
    version_name: str | None = None
    project_name: str | None = None
    roi_queries: tuple[RoiQuery, ...] = ()
    frame_query: str | None = None
    source_query: str | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_names(self)
        rules = (self.roi_queries,) if isinstance(self.roi_queries, RoiQuery | Mapping) else self.roi_queries
        object.__setattr__(self, "roi_queries", tuple(_roi_query(rule) for rule in rules))
        if not isinstance(self.weight, int | float) or not (0 < self.weight < math.inf):
            raise UsageError(f"weight: found {self.weight!r}, expected a number above 0")
        for argument in ("frame_query", "source_query"):
            text = getattr(self, argument)
            if text == "":
                object.__setattr__(self, argument, None)
            elif text is not None:
                condition(text, argument, Values())


@dataclass(frozen=True)
class MappingRule:
    """A rule that replaces labels: a ROI with all of ``from_labels`` gets ``to_label`` in their place.

    Attributes:
        from_labels: the labels to replace; ``*`` is any label.
        to_label: the label that replaces them.
        dataset_id: the dataset by id that the rule applies to, as in :class:`ViewQuery`.
        dataset_name: the dataset by name.
        version_id: the version by id.
        version_name: the version by name.
        project_name: the project that the dataset must be in.
    """

    from_labels: tuple[str, ...]
    to_label: str
    dataset_id: Id | None = None
    dataset_name: str | None = None
    version_id: Id | None = None
    version_name: str | None = None
    project_name: str | None = None

    def __post_init__(self) -> None:
        check_names(self)
        labels = self.from_labels
        object.__setattr__(self, "from_labels", (labels,) if isinstance(labels, str) else tuple(labels))
        if not self.from_labels or not all(isinstance(label, str) and label for label in self.from_labels):
            raise UsageError(f"from_labels: found {labels!r}, expected a label or a list of labels")
        if not isinstance(self.to_label, str) or not self.to_label:
            raise UsageError(f"to_label: found {self.to_label!r}, expected a label")


def check_names(named: ViewQuery | MappingRule) -> None:
    """Replace ``*`` by None in the ids and names of a query or rule, and check them.

    Raises:
        UsageError: a dataset or version is named by both id and name, or an id is not a whole number.
    """
    for kind in ("dataset", "version"):
        for name in (f"{kind}_id", f"{kind}_name"):
            if getattr(named, name) == ANY:
                object.__setattr__(named, name, None)
        number = getattr(named, f"{kind}_id")
        if number is not None and not (isinstance(number, int) or (isinstance(number, str) and number.isdecimal())):
            raise UsageError(f"{kind}_id: found {number!r}, expected a whole number; a name goes into {kind}_name")
        if getattr(named, f"{kind}_id") is not None and getattr(named, f"{kind}_name") is not None:
            raise UsageError(f"{kind}_id and {kind}_name: both given; give one")
    if named.project_name is not None and named.dataset_id is None and named.dataset_name is None:
        raise UsageError("project_name: no dataset is named; name one of that project")


def _roi_query(rule: RoiQuery | Mapping[str, Any]) -> RoiQuery:
    if isinstance(rule, RoiQuery):
        return rule
    try:
        return RoiQuery(**rule)
    except TypeError:
        raise UsageError(f"roi_queries: found {rule!r}, expected DataView.RoiQuery") from None


@dataclass
class Definition:
    """The definition of a view.

    Attributes:
        queries: a frame is in the view if it matches one of them.
        mapping_rules: rules that replace labels; if several replace the same label, the first one is used.
        labels: numbers of labels, after the mapping.
        order: sequential or random.
        infinite: whether the frames start again after the last one.
        maximum_number_of_frames: the most frames that the view returns.
        random_seed: the seed of a random order.
    """

    queries: list[ViewQuery] = field(default_factory=list)
    mapping_rules: list[MappingRule] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    order: IterationOrder = IterationOrder.sequential
    infinite: bool = False
    maximum_number_of_frames: int | None = None
    random_seed: int = 0

    def to_json(self) -> str:
        """The definition as JSON text; members that are not set are left out."""
        return json.dumps(_without_unset(asdict(self)), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Definition:
        """The definition in a JSON text of :meth:`to_json`."""
        members = json.loads(text)
        queries = [
            ViewQuery(**{**query, "roi_queries": tuple(RoiQuery(**rule) for rule in query.get("roi_queries", ()))})
            for query in members.pop("queries", ())
        ]
        rules = [MappingRule(**rule) for rule in members.pop("mapping_rules", ())]
        return cls(queries, rules, **{**members, "order": IterationOrder(members["order"])})


def _without_unset(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_unset(member) for key, member in value.items() if member is not None and member != ()}
    return [_without_unset(item) for item in value] if isinstance(value, list | tuple) else value
