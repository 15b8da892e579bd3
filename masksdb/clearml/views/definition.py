"""What a DataView asks for: queries, mapping rules, label numbers and an order, as values that become JSON and back."""

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
"""Every dataset, version or label."""

_SPECIAL = re.compile(r'[:"()\[\]{}*?^~\\<>!]|&&|\|\|')

_OPERATORS = frozenset({"AND", "OR", "NOT", "TO"})


class IterationOrder(StrEnum):
    """The order in which a DataView gives its frames."""

    sequential = "sequential"
    random = "random"


@dataclass(frozen=True)
class RoiQuery:
    """A rule about the ROIs of a frame.

    Attributes:
        label: a label, a list of labels that one ROI has all of, or Lucene over one ROI; None or no text is any ROI.
        count_range: how many such ROIs a frame may have, least and most; -1 leaves an end open.
        conf_range: the least and greatest confidence of such a ROI; -1 leaves an end open.
        must_not: the frame has no such ROI, or not as many.
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
                raise UsageError(f"{name}: found {ends!r}, whose least is more than its most")
            object.__setattr__(self, name, tuple(ends))
        if self.label == "":
            object.__setattr__(self, "label", None)
        if self.label is not None and not isinstance(self.label, str):
            object.__setattr__(self, "label", tuple(self.label))
            if not self.label or not all(isinstance(each, str) for each in self.label):
                raise UsageError(f"label: found {self.label!r}, expected a label, a list of labels or Lucene")
        self.roi_condition(Values())

    def roi_condition(self, values: Values) -> str:
        """The condition on a row of ``rois``, its values bound."""
        tests = []
        if isinstance(self.label, tuple):
            named = [each for each in self.label if each != ANY]
            tests.append(f"coalesce(list_has_all(labels, {values.bind(named)}), false)")
        elif isinstance(self.label, str) and is_name(self.label):
            tests.append(f"coalesce(list_contains(labels, {values.bind(self.label.strip())}), false)")
        elif self.label is not None:
            tests.append(condition(str(self.label), "roi_query", values))
        for end, comparison in zip(self.conf_range or (), (">=", "<="), strict=False):
            if end != -1:
                tests.append(f"coalesce(confidence {comparison} {values.bind(float(end))}, false)")
        return " AND ".join(tests) or EVERYTHING

    @property
    def is_everything(self) -> bool:
        """Whether it holds for every frame, those without ROIs too, as ``*`` does."""
        return self == RoiQuery(label=ANY)


def _is_end(end: Any) -> bool:
    return isinstance(end, int | float) and not isinstance(end, bool) and math.isfinite(end) and (end >= 0 or end == -1)


def is_name(text: str) -> bool:
    """Whether a text is a label as it stands, without anything that means something in Lucene.

    >>> is_name("teddy bear"), is_name("car OR truck"), is_name('"car"'), is_name("car*")
    (True, False, False, False)
    """
    words = text.split()
    has_operator = any(word[0] in "+-/'" or word in _OPERATORS for word in words)
    return bool(words) and not has_operator and not _SPECIAL.search(text)


@dataclass(frozen=True)
class ViewQuery:
    """One query of a DataView; a frame is in the view where one of them holds.

    Attributes:
        dataset_id: the dataset by id, or
        dataset_name: by name; neither, or ``*``, is every dataset that another query names.
        version_id: the version by id, or
        version_name: by name; neither, or ``*``, is every version of the dataset.
        project_name: the project that the dataset is in.
        roi_queries: rules about ROIs that must all hold, each of some ROI of the frame.
        frame_query: Lucene over the frame.
        source_query: Lucene over one source of the frame.
        weight: how often its frames come, compared with those of the other queries.
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
        given = (self.roi_queries,) if isinstance(self.roi_queries, RoiQuery | Mapping) else self.roi_queries
        object.__setattr__(self, "roi_queries", tuple(_roi_query(each) for each in given))
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
    """That a ROI with all of some labels has another label in their place.

    Attributes:
        from_labels: the labels; ``*`` is any.
        to_label: the label that takes their place.
        dataset_id: where it holds, as in a query.
        dataset_name: as in a query.
        version_id: as in a query.
        version_name: as in a query.
        project_name: as in a query.
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
        given = self.from_labels
        object.__setattr__(self, "from_labels", (given,) if isinstance(given, str) else tuple(given))
        if not self.from_labels or not all(isinstance(each, str) and each for each in self.from_labels):
            raise UsageError(f"from_labels: found {given!r}, expected a label or a list of labels")
        if not isinstance(self.to_label, str) or not self.to_label:
            raise UsageError(f"to_label: found {self.to_label!r}, expected a label")


def check_names(named: ViewQuery | MappingRule) -> None:
    """Make ``*`` None, and raise where a dataset or version is given by id and by name.

    Raises:
        UsageError: so it is, or an id is none.
    """
    for kind in ("dataset", "version"):
        for name in (f"{kind}_id", f"{kind}_name"):
            if getattr(named, name) == ANY:
                object.__setattr__(named, name, None)
        number = getattr(named, f"{kind}_id")
        if number is not None and not (isinstance(number, int) or (isinstance(number, str) and number.isdecimal())):
            raise UsageError(f"{kind}_id: found {number!r}, expected a whole number; names say the same")
        if getattr(named, f"{kind}_id") is not None and getattr(named, f"{kind}_name") is not None:
            raise UsageError(f"{kind}_id and {kind}_name: both given; give one")
    if named.project_name is not None and named.dataset_id is None and named.dataset_name is None:
        raise UsageError("project_name: given without a dataset of that project; name one")


def _roi_query(given: RoiQuery | Mapping[str, Any]) -> RoiQuery:
    if isinstance(given, RoiQuery):
        return given
    try:
        return RoiQuery(**given)
    except TypeError:
        raise UsageError(f"roi_queries: found {given!r}, expected DataView.RoiQuery") from None


@dataclass
class Definition:
    """All that a view asks for.

    Attributes:
        queries: a frame is in the view where one of them holds.
        mapping_rules: what ROIs are called instead; the first that names a label counts.
        labels: numbers of labels, after the mapping.
        order: sequential or random.
        infinite: whether frames come again and again.
        maximum_number_of_frames: how many frames come at most.
        random_seed: what a random order follows from.
    """

    queries: list[ViewQuery] = field(default_factory=list)
    mapping_rules: list[MappingRule] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    order: IterationOrder = IterationOrder.sequential
    infinite: bool = False
    maximum_number_of_frames: int | None = None
    random_seed: int = 0

    def to_json(self) -> str:
        """The definition as JSON text; what is not set is left out."""
        return json.dumps(_without_nothing(asdict(self)), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Definition:
        """The definition that became a JSON text."""
        found = json.loads(text)
        queries = [
            ViewQuery(**{**each, "roi_queries": tuple(RoiQuery(**roi) for roi in each.get("roi_queries", ()))})
            for each in found.pop("queries", ())
        ]
        rules = [MappingRule(**each) for each in found.pop("mapping_rules", ())]
        return cls(queries, rules, **{**found, "order": IterationOrder(found["order"])})


def _without_nothing(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nothing(each) for key, each in value.items() if each is not None and each != ()}
    return [_without_nothing(each) for each in value] if isinstance(value, list | tuple) else value
