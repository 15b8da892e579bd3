"""Frames read from the tables, as the JSON that was ingested."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from masksdb.store import versions
from masksdb.store.engine import Engine
from masksdb.store.sql import statement

FRAMES_PER_QUERY = 20_000


def frame_texts(engine: Engine, dataset: str, version: str | None) -> Iterator[str]:
    """The JSON text of every frame visible in a version, in order, of which at most FRAMES_PER_QUERY are in memory."""
    with engine.reading() as cursor:
        cursor.execute(statement("store/temp/json_objects"))
        version_id = versions.find_version(cursor, dataset, version).version_id
        keys = [key for (key,) in cursor.execute(statement("store/frame_keys"), {"version_id": version_id}).fetchall()]
        for start in range(0, len(keys), FRAMES_PER_QUERY):
            chunk = keys[start : start + FRAMES_PER_QUERY]
            for _, text in cursor.execute(statement("store/frame_json"), {"frame_keys": chunk}).fetchall():
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
