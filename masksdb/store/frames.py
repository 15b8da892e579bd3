"""Frames read from the tables, as the JSON that was ingested."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from masksdb.store import versions
from masksdb.store.engine import Engine
from masksdb.store.script import without_end
from masksdb.store.sql import statement

FRAMES_PER_QUERY = 20_000


def frame_texts(
    engine: Engine, version_id: int, frame_keys: Collection[int] | None = None, labels: Sequence[str] = ()
) -> Iterator[str]:
    """The JSON text of frames visible in a version, in order, of which at most FRAMES_PER_QUERY are in memory.

    Args:
        engine: the database.
        version_id: the version.
        frame_keys: the frames; None means all.
        labels: only the ROIs that have one of these labels; none means all.
    """
    query = statement("store/frame_json")
    if labels:
        rois = without_end(statement("store/labelled_rois"))
        query = f"WITH rois AS (\n{rois}\n)\nFROM (\n{without_end(query)}\n)"
    with engine.reading() as cursor:
        cursor.execute(statement("store/temp/json_objects"))
        keys = [key for (key,) in cursor.execute(statement("store/frame_keys"), {"version_id": version_id}).fetchall()]
        keys = [key for key in keys if frame_keys is None or key in frame_keys]
        for start in range(0, len(keys), FRAMES_PER_QUERY):
            chunk = keys[start : start + FRAMES_PER_QUERY]
            parameters = {"frame_keys": chunk} | ({"labels": list(labels)} if labels else {})
            for _, text in cursor.execute(query, parameters).fetchall():
                yield text


class StoredFrame(NamedTuple):
    """A frame as it was ingested, and the folder that its relative URIs are relative to."""

    frame: dict[str, Any]
    media_root: str | None


def find_frame(engine: Engine, version_id: int, frame_id: str) -> StoredFrame:
    """One frame of a version.

    Raises:
        NotFoundError: the version has no frame of that id; the message offers near ones.
    """
    with engine.reading() as cursor:
        cursor.execute(statement("store/temp/json_objects"))
        query = "SELECT frame_key, media_root FROM dataset_frames WHERE version_id = ? AND frame_id = ?"
        row = cursor.execute(query, [version_id, frame_id]).fetchone()
        if row is None:
            where = versions.details(cursor, version_id).full_name
            raise versions.missing_frame(cursor, version_id, where, frame_id)
        frame_key, media_root = row
        ((_, text),) = cursor.execute(statement("store/frame_json"), {"frame_keys": [frame_key]}).fetchall()
    return StoredFrame(json.loads(text), media_root)
