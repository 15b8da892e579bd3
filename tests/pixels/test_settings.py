"""Limits are read from the environment when an object is made; settings are replaced and never changed in place."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest
from PIL import Image
from support.common import ROOT, Outcome

import masksdb
from masksdb import MaskDecodeError, UsageError
from masksdb.pixels import remote, settings
from masksdb.pixels.disk_cache import DiskCache
from masksdb.pixels.mask_cache import FactsCache
from masksdb.pixels.mask_reads import MaskReads
from masksdb.pixels.settings import PIXEL_LIMIT, Settings

NUMBERS: dict[str, Callable[[], object]] = {
    "MASKSDB_PIXEL_LIMIT": lambda: Settings().pixel_limit,
    "MASKSDB_FACTS_BYTES": lambda: FactsCache().limit_bytes,
    "MASKSDB_CACHE_BYTES": lambda: DiskCache().limit_bytes,
    "MASKSDB_TIMEOUT": lambda: timeout_of(remote._filesystem("s3")),
    "MASKSDB_FILE_BYTES": settings.file_limit,
    "MASKSDB_RUN_LIMIT": settings.run_limit,
}
"""How to ask a new object for the limit that a variable sets."""


def timeout_of(filesystem: object) -> object:
    return vars(filesystem)["config_kwargs"]["read_timeout"]


@pytest.fixture(autouse=True)
def _filesystems() -> Iterator[None]:
    """No driver that was made with another limit."""
    remote._filesystem.cache_clear()
    yield
    remote._filesystem.cache_clear()


@pytest.fixture
def mask(tmp_path: Path) -> str:
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(tmp_path / "a.png")
    return str(tmp_path / "a.png")


@pytest.mark.parametrize("name", NUMBERS)
def test_a_variable_that_is_set_after_the_import_counts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name, raising=False)
    without = NUMBERS[name]()
    remote._filesystem.cache_clear()
    monkeypatch.setenv(name, "1234567")
    assert without != NUMBERS[name]() == 1234567


@pytest.mark.parametrize("text", ["", "many", "-1", "1e6"])
@pytest.mark.parametrize("name", NUMBERS)
def test_a_variable_that_is_not_a_whole_number_is_refused(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(UsageError, match=f"^{name}: found '{text}' in the environment, expected a whole number$"):
        NUMBERS[name]()


def test_a_database_that_is_open_keeps_its_limit(mask: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with masksdb.connect(":memory:") as before:
        monkeypatch.setenv("MASKSDB_PIXEL_LIMIT", "11")
        with masksdb.connect(":memory:") as after, pytest.raises(MaskDecodeError, match="4 x 3 pixels"):
            after.read_mask(mask)
        assert before.read_mask(mask).shape == (3, 4)
    connection = duckdb.connect()
    masksdb.register(connection, pixel_limit=12)
    assert connection.execute("SELECT mask_area(mask_ref(?), [0])", [mask]).fetchall() == [(12,)]
    assert masksdb.register(connection).settings.pixel_limit == 11
    monkeypatch.delenv("MASKSDB_PIXEL_LIMIT")
    assert masksdb.register(connection).settings.pixel_limit == PIXEL_LIMIT


def test_a_bad_limit_is_one_sentence_of_the_command_and_of_a_query(
    db_path: str, run: Callable[..., Outcome], mask: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("masksdb.pixels.functions.of_masks.facts_cache", FactsCache())
    with masksdb.connect(db_path) as db, monkeypatch.context() as patch:
        patch.setenv("MASKSDB_FACTS_BYTES", "1 GB")
        with pytest.raises(duckdb.Error, match="MASKSDB_FACTS_BYTES: found '1 GB'"):
            db.sql("SELECT mask_area(mask_ref($uri), [0])", {"uri": mask}).fetchall()
    monkeypatch.setenv("MASKSDB_PIXEL_LIMIT", "1 GB")
    outcome = run("info", db_path)
    message = "Error: MASKSDB_PIXEL_LIMIT: found '1 GB' in the environment, expected a whole number\n"
    assert (outcome.status, outcome.out, outcome.err) == (1, "", message)


def test_no_module_reads_the_environment_when_it_is_imported() -> None:
    for path in (ROOT / "masksdb").rglob("*.py"):
        waiting: list[ast.AST | None] = [ast.parse(path.read_text())]
        while waiting:
            node = waiting.pop()
            names = {getattr(node, "id", None), getattr(node, "attr", None)}
            assert not names & {"environ", "getenv"}, path
            if isinstance(node, ast.Call):
                assert "environment_number" not in ast.unparse(node.func), path
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                # Its body runs later; its decorators and defaults do not.
                waiting += [*node.args.defaults, *node.args.kw_defaults, *getattr(node, "decorator_list", [])]
            elif node is not None:
                waiting += ast.iter_child_nodes(node)


def test_settings_are_frozen() -> None:
    settings = Settings()
    for field in dataclasses.fields(Settings):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(settings, field.name, None)


def test_failures_are_counted_or_raised_as_the_settings_say() -> None:
    errors = [MaskDecodeError(name, "cut off") for name in ("a.png", "b.png")]
    reads = MaskReads(Settings(decode_errors="null"))
    reads.report(errors)
    reads.report([])
    assert reads.failures == 2
    reads.settings = dataclasses.replace(reads.settings, decode_errors="raise")
    reads.report([])
    with pytest.raises(MaskDecodeError, match=r"a\.png: cut off"):
        reads.report(errors)
    assert reads.failures == 2
