"""The label mapping of a version: what pixel values mean in all its masks, or in one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from masksdb.errors import UsageError

MaskLabels = Mapping[tuple[int, ...], Sequence[str]]
"""Pixel value (1, 3 or 4 integers) to labels."""

EVERY_MASK = "_all_"
"""The mask id whose entries hold in every mask."""


def by_mask(mask_labels: Any) -> Any:
    """A ``mask_labels`` document as entries by mask id; a bare list has the entries of every mask.

    >>> by_mask([{"value": [0], "labels": ["sky"]}])
    {'_all_': [{'value': [0], 'labels': ['sky']}]}
    """
    return {EVERY_MASK: mask_labels} if isinstance(mask_labels, list) else mask_labels


def entries_of(masks_labels: MaskLabels) -> list[dict[str, object]]:
    """A mapping of values to labels as entries of ``mask_labels``.

    >>> entries_of({(0, 0, 0): ["sky"]})
    [{'value': [0, 0, 0], 'labels': ['sky']}]
    """
    return [{"value": _as_list(value), "labels": _as_list(labels)} for value, labels in masks_labels.items()]


def _as_list(value: object) -> object:
    return list(value) if isinstance(value, tuple | list) else value


def inherited(parents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The metadata that a child inherits: its parents' ``mask_labels``, for a mask id those of the first parent."""
    merged: dict[str, Any] = {}
    for metadata in parents:
        for mask_id, entries in by_mask(metadata.get("mask_labels", {})).items():
            merged.setdefault(mask_id, entries)
    return {"mask_labels": merged} if merged else {}


def joined(known: Mapping[str, Any], further: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """A label mapping by mask id, with the entries of another for the values that it lacks.

    >>> joined({"a": [{"value": [0], "labels": ["x"]}]}, {"a": [{"value": [0], "labels": ["y"]}], "b": []})
    {'a': [{'value': [0], 'labels': ['x']}], 'b': []}
    """
    result = dict(known)
    for mask_id, entries in further.items():
        old = list(known.get(mask_id, []))
        values = {tuple(entry["value"]) for entry in old}
        result[mask_id] = old + [entry for entry in entries if tuple(entry["value"]) not in values]
    return result


def check_mask_labels(mask_labels: object) -> None:
    """Raise UsageError if a ``mask_labels`` document has neither of the two shapes.

    >>> check_mask_labels([{"value": [0, 0, 0], "labels": ["background"]}])
    >>> check_mask_labels({"seg": [{"value": [1], "labels": "car"}]})
    Traceback (most recent call last):
        ...
    masksdb.errors.UsageError: mask_labels.seg[0].labels: found 'car', expected a list of strings
    """
    documents = by_mask(mask_labels)
    if not isinstance(documents, Mapping):
        raise UsageError(f"mask_labels: found {mask_labels!r}, expected an object of lists by mask id, or a list")
    for mask_id, entries in documents.items():
        if not isinstance(entries, list):
            raise UsageError(f"mask_labels.{mask_id}: found {entries!r}, expected a list of entries")
        for index, entry in enumerate(entries):
            _check_entry(f"mask_labels.{mask_id}[{index}]", entry)


def _check_entry(place: str, entry: object) -> None:
    if not isinstance(entry, Mapping):
        raise UsageError(f"{place}: found {entry!r}, expected an object with 'value' and 'labels'")
    value, labels = entry.get("value"), entry.get("labels")
    if not _is_value(value):
        hint = f"; for one number write ({value},)" if isinstance(value, int) else ""
        raise UsageError(f"{place}.value: found {value!r}, expected 1, 3 or 4 whole numbers from -1 to 65535{hint}")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise UsageError(f"{place}.labels: found {labels!r}, expected a list of strings")


def _is_value(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) in (1, 3, 4)
        and all(type(part) is int and -1 <= part <= 65535 for part in value)
    )
