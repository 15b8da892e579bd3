"""What several tests share."""

from __future__ import annotations

import importlib
import json
import os
import signal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import masksdb

ROOT = Path(__file__).parent.parent.parent
FIXTURES = ROOT / "fixtures"


class Outcome(NamedTuple):
    """What a command came to."""

    status: int
    out: str
    err: str


def heed_ctrl_c() -> None:
    """Gives a child process Ctrl-C back: below nohup, and in a background job, it is ignored and so inherited."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


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


def tool(module: str) -> Any:
    """A module that only ``make test-all`` installs: there a test must not be skipped for want of it."""
    if os.environ.get("MASKSDB_ALL_TOOLS"):
        return importlib.import_module(module)
    return pytest.importorskip(module, reason=f"{module} is not installed; 'make test-all' does that")
