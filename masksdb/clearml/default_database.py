"""The database that the ClearML names use."""

from __future__ import annotations

import os
from typing import Protocol

from masksdb.store.engine import Engine, open_engine


class OpenDatabase(Protocol):
    """An open database: what :func:`masksdb.connect` returns."""

    @property
    def _engine(self) -> Engine: ...


_default: list[str] = []
"""The path passed to set_default, or nothing."""

_held: list[Engine] = []
"""The engines that default_engine has opened."""


def set_default(path: str | os.PathLike[str]) -> None:
    """Set the database file that the ClearML names use from now on in this process."""
    _default[:] = [os.fspath(path)]


def default_engine(*, create: bool = False) -> Engine:
    """The engine of the default database, which is made only with ``create``, and so not by reading.

    Its path is the one passed to :func:`set_default`, else the environment variable ``MASKSDB_DATABASE``, else
    ``masks.duckdb`` in the working directory. It stays open until :func:`close_defaults` or the end of the process.

    Raises:
        NotFoundError: there is no such file, and not ``create``.
    """
    path = _default[0] if _default else os.environ.get("MASKSDB_DATABASE", "masks.duckdb")
    real = path if path == ":memory:" else os.path.realpath(path)
    for engine in _held:
        if engine.path == real:
            return engine
    engine = open_engine(path, create=create)
    _held.append(engine)
    return engine


def close_defaults() -> None:
    """Close every database that the ClearML names have opened."""
    while _held:
        _held.pop().close()
