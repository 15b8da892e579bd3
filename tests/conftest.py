"""What several tests share: databases, the command line, the real data where it is present."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.common import ROOT, Outcome

import masksdb
from masksdb import cli
from masksdb.clearml.default_database import close_defaults


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with nothing in it, which takes half as long to copy as to make."""
    path = tmp_path_factory.mktemp("new") / "new.duckdb"
    masksdb.connect(path).close()
    return path


@pytest.fixture
def db(new_database: Path, tmp_path: Path) -> Iterator[masksdb.Database]:
    shutil.copy(new_database, tmp_path / "test.duckdb")
    with masksdb.connect(tmp_path / "test.duckdb") as database:
        yield database


@pytest.fixture
def default_db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[masksdb.Database]:
    """The database that the ClearML names use."""
    monkeypatch.setenv("MASKSDB_DATABASE", str(tmp_path / "default.duckdb"))
    with masksdb.connect(tmp_path / "default.duckdb") as database:
        yield database
    close_defaults()


@pytest.fixture
def db_path(tmp_path: Path) -> str:
    return str(tmp_path / "test.duckdb")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs the command line in this process and returns its status and what it printed."""

    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["masksdb", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capfd.readouterr()
        return Outcome(int(stop.value.code or 0), out, err)

    return call


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, Any], str]:
    """Writes a file (bytes, text, or JSON lines of a list of frames) and returns its path."""

    def call(name: str, content: Any) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        else:
            path.write_text("".join(json.dumps(frame) + "\n" for frame in content), encoding="utf-8")
        return str(path)

    return call


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real datasets, beside the checkout."""
    for folder in (os.environ.get("MASKSDB_TEST_DATA"), ROOT.parent / "shared" / "data"):
        if folder and Path(folder).is_dir():
            return Path(folder)
    pytest.skip("the real datasets are not on this machine; MASKSDB_TEST_DATA names their folder")
