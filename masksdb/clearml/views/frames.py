"""Frames of a DataView as JSON objects and as frame objects, with mapped and numbered labels, a chunk at a time."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from masksdb.clearml.frame_group import FrameGroup, frame_from_dict
from masksdb.clearml.single_frame import SingleFrame
from masksdb.errors import MasksDBError
from masksdb.store.engine import Engine
from masksdb.store.sql import Statement, statement

Key = tuple[int, int]
"""A frame_key and the id of the version that shows the frame."""

_WHOLE = ""
"""The key in a tree of fields that marks a field of which everything is kept."""


@dataclass
class ViewedFrame:
    """A frame as a view returns it.

    Attributes:
        frame: the JSON object of the frame, with mapped labels.
        frame_id: its id; for a frame without an id of its own, the one that the database made.
        dataset: names and ids of its dataset and version.
        media_root: the folder that its relative URIs start from.
        numbers: the numbers of its ROIs, by index.
    """

    frame: dict[str, Any]
    frame_id: str
    dataset: dict[str, Any]
    media_root: str | None
    numbers: Mapping[int, int]

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of the frame with ``dataset``, and ``label_num`` in the ROIs whose label has a number."""
        for index, number in self.numbers.items():
            if number != -1:
                self.frame["rois"][index]["label_num"] = number
        return {"id": self.frame_id, **self.frame, "dataset": self.dataset}

    def to_object(self, prefixes: Mapping[str, str]) -> SingleFrame | FrameGroup:
        """The frame as an object; its annotations have their ``label_enum``."""
        frame = frame_from_dict(self.frame)
        frame.origin = {"Dataset Name": self.dataset["name"], "Version Name": self.dataset["version_name"]}
        frame.media_root = self.media_root
        frame.prefixes = prefixes
        singles = [frame] if isinstance(frame, SingleFrame) else list(frame.values())
        shared = [] if isinstance(frame, SingleFrame) else frame.get_global_annotations()
        for annotation in itertools.chain(shared, *(single.annotations for single in singles)):
            annotation.label_enum = self.numbers.get(int(annotation.place), -1)
        return frame


def frames_of(engine: Engine, keys: Sequence[Key], labels: Mapping[str, str]) -> list[ViewedFrame]:
    """The frames with these keys, in the order of the keys.

    Args:
        engine: the database.
        keys: the keys; one may be there several times.
        labels: mapping rules and label numbers, see :func:`masksdb.clearml.views.sql.label_values`.

    Raises:
        MasksDBError: a frame has been deleted since its key was read.
    """
    distinct = list(dict.fromkeys(keys))
    values = {"frame_keys": [key for key, _ in distinct], "version_ids": [version for _, version in distinct]}
    query = Statement()
    query.tables["frame_keys"] = "SELECT unnest($frame_keys) AS frame_key, unnest($version_ids) AS version_id"
    query.add(label_lists="chunk_lists", mapped_labels="labels")
    with engine.reading() as cursor:
        cursor.execute(statement("store/temp/json_objects"))
        rows = cursor.execute(statement("clearml/views/chunk_frames"), values).fetchall()
        frame_keys = {"frame_keys": list(dict.fromkeys(values["frame_keys"]))}
        texts = dict(cursor.execute(statement("store/frame_json"), frame_keys).fetchall())
        roi_labels = cursor.execute(
            query.text(statement("clearml/views/chunk_labels")), {**values, **labels}
        ).fetchall()
    mapped: dict[Key, dict[int, tuple[list[str], int]]] = {}
    for frame_key, version_id, roi_index, names, number in roi_labels:
        mapped.setdefault((frame_key, version_id), {})[roi_index] = (names, number)
    known = {(row[0], row[1]): row[2:] for row in rows}
    if len(known) < len(distinct):
        raise MasksDBError("DataView: frames have been replaced or deleted since the iteration started; start again")
    return [_viewed(texts[key[0]], known[key], key, mapped.get(key, {})) for key in keys]


def _viewed(text: str, row: tuple[Any, ...], key: Key, mapped: Mapping[int, tuple[list[str], int]]) -> ViewedFrame:
    frame = json.loads(text)
    for index, (names, _) in mapped.items():
        roi = frame["rois"][index]
        stored = [*_listed(roi.get("label")), *_listed(roi.get("labels"))]
        if stored != names:
            name = "labels" if "labels" in roi and "label" not in roi else "label"
            roi.pop("labels", None)
            roi[name] = list(names)
    frame_id, dataset, dataset_id, version, media_root = row
    dataset_entry = {"id": dataset_id, "name": dataset, "version": key[1], "version_name": version}
    return ViewedFrame(
        frame, frame_id, dataset_entry, media_root, {index: number for index, (_, number) in mapped.items()}
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def project(value: Any, fields: Sequence[str]) -> Any:
    """A JSON value with only some of its fields.

    Args:
        value: the value.
        fields: the fields to keep, sub-fields after a dot. In an array an index keeps one item, ``*`` or no index all.

    >>> project({"id": "a", "sources": [{"id": "l", "uri": "x"}, {"id": "r", "uri": "y"}]}, ["sources.*.uri"])
    {'sources': [{'uri': 'x'}, {'uri': 'y'}]}
    """
    tree: dict[str, Any] = {}
    for field in fields:
        branch = tree
        for name in field.split("."):
            branch = branch.setdefault(name, {})
        branch[_WHOLE] = {}
    return _part(value, tree)


def _part(value: Any, tree: Mapping[str, Any]) -> Any:
    if _WHOLE in tree:
        return value
    if isinstance(value, dict):
        parts = {name: {**tree.get("*", {}), **tree.get(name, {})} for name in value}
        return {name: _part(value[name], part) for name, part in parts.items() if part}
    if not isinstance(value, list):
        return value
    if all(name.isdecimal() for name in tree):
        return [_part(value[int(name)], tree[name]) for name in sorted(tree, key=int) if int(name) < len(value)]
    every = {**{name: part for name, part in tree.items() if name != "*"}, **tree.get("*", {})}
    return [_part(item, every) for item in value]
