"""What several tests share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import masksdb

ROOT = Path(__file__).parent.parent.parent
FIXTURES = ROOT / "fixtures"


class Outcome(NamedTuple):
    """What a command came to."""

    status: int
    out: str
    err: str


def same_json(left: object, right: object) -> bool:
    """Whether two JSON values are equal in value and kind: 1, 1.0 and true are three things."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        assert isinstance(right, dict)
        return left.keys() == right.keys() and all(same_json(left[key], right[key]) for key in left)
    if isinstance(left, list):
        assert isinstance(right, list)
        return len(left) == len(right) and all(map(same_json, left, right))
    return left == right


def exported(database: masksdb.Database, dataset: str, version: str | None, folder: Path) -> list[Any]:
    """The frames of a version as an export gives them."""
    out = folder / "exported.jsonl"
    database.export(out, dataset=dataset, version=version)
    return [json.loads(line) for line in out.read_text(encoding="utf-8").split("\n") if line]
