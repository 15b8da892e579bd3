"""Open database files, and the cursors and transactions on them.

DuckDB allows one instance per file and process, so engines are shared by path: the last close closes the file.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb

from masksdb.errors import DatabaseLockedError, DiskFullError, MasksDBError, NotFoundError, QueryError, UsageError
from masksdb.pixels.functions.registration import add_functions
from masksdb.pixels.mask_reads import MaskReads
from masksdb.pixels.settings import DecodeErrors, Settings, environment_number
from masksdb.store.duckdb_errors import full_disk, translate
from masksdb.store.files import is_database
from masksdb.store.migrations import check_schema, migrate, temporary_objects
from masksdb.store.sql import in_transaction

SPILL_PATTERNS = ("duckdb_temp_*", "masksdb_input_*")
"""Files that a killed process may have left beside a database."""

_FILE_HEADERS = 3 * 4096
"""Bytes before the first block of a file of DuckDB."""

_engines: dict[str, Engine] = {}
_engines_lock = threading.Lock()
"""Held while an engine of a file is looked up, opened or closed."""


class Engine:
    """One open database file, from :func:`open_engine`; each user calls :meth:`close` once.

    Attributes:
        path: the file's real path, or ``:memory:``.
        read_only: whether writes are refused.
        external_access: whether SQL may read and write other files.
        is_new: whether it made the file.
        mask_reads: how its queries read masks, and how many of them were unreadable.
        connection: the DuckDB connection that keeps the file open.
    """

    def __init__(
        self,
        path: str,
        *,
        read_only: bool,
        create: bool = True,
        decode_errors: DecodeErrors = "raise",
        external_access: bool = True,
    ) -> None:
        self.path = path
        self.external_access = external_access
        is_absent = not os.path.exists(path)
        self.is_new = False
        self.read_only = read_only
        self.mask_reads = MaskReads(Settings(decode_errors=decode_errors))
        self._has_functions = False
        self._temporary_objects: list[str] = []
        self._users = 1
        self._was_full = False
        self._write_lock = threading.RLock()
        self._cursors: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
        config: dict[str, str | bool | int | float | list[str]] = {}
        if not read_only:
            config["storage_compatibility_version"] = "v1.4.0"
        if not external_access:
            config["enable_external_access"] = False
        self._had_log = _has_log(path)
        with self._opening():
            self.connection = duckdb.connect(path, read_only=read_only, config=config)
        try:
            with self._opening():
                # Another process may have made it in the meantime, and then it has tables: this one alone holds it now.
                self.is_new = is_absent and not self.connection.execute("SELECT 1 FROM duckdb_tables()").fetchall()
                self._prepare(create)
        except BaseException:
            self.connection.close()
            self.discard()
            raise

    @contextlib.contextmanager
    def _opening(self) -> Iterator[None]:
        """Translates DuckDB's errors; SQL that is refused while a file is opened is a fault of the file."""
        try:
            with self.errors():
                yield
        except QueryError as error:
            reason = str(error).partition(": ")[2]
            raise MasksDBError(f"{self.path}: not a database that masksdb can use: {reason}") from error

    def _prepare(self, create: bool) -> None:
        _hide_progress(self.connection)
        if self.read_only or not create:
            check_schema(self.connection, self.path, self.read_only)
        if not self.read_only:
            if self.path != ":memory:":
                self.remove_spill()
                self._cut_tail()
            migrate(self.connection, self.path)
        else:
            self._temporary_objects = temporary_objects(self.connection)
        self._read_prefixes(self.connection)

    @property
    def settings(self) -> Settings:
        """How masks are read."""
        return self.mask_reads.settings

    def _read_prefixes(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.mask_reads.settings = replace(self.settings, prefixes=read_prefixes(connection))

    def discard(self) -> None:
        """Remove the file if this engine made it and nobody, here or in another process, has put a dataset into it."""
        if self.is_new:
            with contextlib.suppress(duckdb.Error, OSError), duckdb.connect(self.path, read_only=True) as unused:
                # While this process reads it, no other can write to it.
                tables = unused.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'datasets'").fetchone()
                if tables is None or unused.execute("SELECT 1 FROM datasets LIMIT 1").fetchone() is None:
                    os.remove(self.path)

    def add_functions(self) -> None:
        """Add the SQL functions over pixels, before a user's first query: that takes longer than to open a file."""
        with self._write_lock:
            if not self._has_functions:
                with self.errors():
                    add_functions(self.connection, self.mask_reads)
                self._has_functions = True

    def map_prefix(self, prefix: str, replacement: str) -> None:
        """Read URIs that begin with a prefix from another place from now on."""
        with self.transaction() as cursor:
            cursor.execute("INSERT OR REPLACE INTO uri_prefixes VALUES (?, ?)", [prefix, replacement])
            self._read_prefixes(cursor)

    def __repr__(self) -> str:
        return f"<database {self.path}>"

    @property
    def spill_folder(self) -> Path:
        """The folder beside the database file for data that does not fit into memory."""
        return Path(f"{self.path}.tmp")

    def remove_spill(self) -> None:
        """Remove files that a killed process left in the spill folder."""
        for pattern in SPILL_PATTERNS:
            for path in self.spill_folder.glob(pattern):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.spill_folder.rmdir()

    def _cut_tail(self) -> None:
        """Give back what a write that failed or was killed has appended to the file, which is part of no table."""
        # A log may name blocks that were appended for a transaction that it commits.
        if self._had_log:
            return
        query = "SELECT block_size, total_blocks FROM pragma_database_size() WHERE database_name = current_database()"
        block_size, blocks = self.connection.execute(query).fetchone() or (0, 0)
        end = _FILE_HEADERS + block_size * blocks
        if os.path.getsize(self.path) > end:
            os.truncate(self.path, end)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the same file, with its own temporary objects."""
        cursor = self.connection.cursor()
        self._cursors.add(cursor)
        _hide_progress(cursor)
        for text in self._temporary_objects:
            cursor.execute(text)
        return cursor

    def interrupt(self) -> None:
        """Stop the running queries of all threads."""
        for connection in (self.connection, *self._cursors):
            with contextlib.suppress(duckdb.Error):
                connection.interrupt()

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Translates DuckDB's errors into those of masksdb."""
        try:
            yield
        except (duckdb.Error, OSError) as error:
            if isinstance(error, duckdb.Error):
                translated = translate(error, self.path, self.mask_reads.raised)
            elif (full := full_disk(error, self.path)) is not None:
                translated = full
            else:
                raise
            self._was_full |= isinstance(translated, DiskFullError)
            raise translated from error

    @contextlib.contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for a few queries."""
        with contextlib.closing(self.cursor()) as cursor, self.errors():
            yield cursor

    @contextlib.contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor to write with; other writers of this process wait.

        Raises:
            MasksDBError: the database was opened read-only.
        """
        if self.read_only:
            raise MasksDBError(f"{self.path}: opened read-only; connect without read_only to write")
        with self._write_lock, contextlib.closing(self.cursor()) as cursor:
            had_log = _has_log(self.path)
            try:
                with self.errors():
                    yield cursor
            except DiskFullError:
                # The blocks of the transaction are free again, so that the log has room in the file.
                with contextlib.suppress(duckdb.Error):
                    if had_log:
                        cursor.execute("CHECKPOINT")
                raise

    @contextlib.contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor to write with, inside one transaction: it is committed, or on an error rolled back."""
        with self.writing() as cursor, in_transaction(cursor):
            yield cursor

    def close(self) -> None:
        """Stop using the engine; the last of its users closes the file."""
        with _engines_lock:
            self._users -= 1
            if self._users > 0:
                return
            if _engines.get(self.path) is self:
                del _engines[self.path]
            self.connection.close()
            with contextlib.suppress(OSError):
                self.spill_folder.rmdir()
        if self._was_full and self.path != ":memory:":
            # One opening ends the log, and another gives back what the failed write has appended.
            with contextlib.suppress(MasksDBError):
                for _ in range(2):
                    open_engine(self.path, create=False, external_access=self.external_access).close()


def open_engine(
    path: str | os.PathLike[str],
    *,
    read_only: bool = False,
    create: bool = True,
    decode_errors: DecodeErrors = "raise",
    external_access: bool | None = None,
) -> Engine:
    """The engine of a database file, which is created if there is none, unless ``read_only`` or not ``create``.

    SQL may read and write other files with ``external_access``; None is what ``MASKSDB_EXTERNAL_ACCESS`` says, or yes.

    Raises:
        NotFoundError: there is no such file and none is created, or its folder does not exist.
        DatabaseLockedError: another process has it open for writing.
        SchemaVersionError: the file is from a newer masksdb.
    """
    name = os.fspath(path)
    is_open = bool(environment_number("MASKSDB_EXTERNAL_ACCESS", 1)) if external_access is None else external_access
    if name == ":memory:":
        return Engine(name, read_only=read_only, decode_errors=decode_errors, external_access=is_open)
    name = os.path.realpath(name)
    with _engines_lock:
        engine = _engines.get(name)
        if engine is None:
            _check_path(name, must_exist=read_only or not create)
            _check_content(name)
            engine = _engines[name] = Engine(
                name, read_only=read_only, create=create, decode_errors=decode_errors, external_access=is_open
            )
        elif engine.read_only != read_only:
            mode = "read-only" if engine.read_only else "for writing"
            raise DatabaseLockedError(
                f"{name}: open {mode} in this process ({os.getpid()}); close that first, or open it the same way"
            )
        elif engine.external_access != is_open:
            raise UsageError(f"{name}: open with external_access={engine.external_access} in this process")
        elif engine.settings.decode_errors != decode_errors:
            raise UsageError(f"{name}: open with decode_errors={engine.settings.decode_errors!r} in this process")
        else:
            engine._users += 1
        return engine


def _has_log(path: str) -> bool:
    """Whether there are changes in a write-ahead log beside the file."""
    try:
        return os.path.getsize(f"{path}.wal") > 0
    except OSError:
        return False


def find_file(path: str | os.PathLike[str]) -> str:
    """The real path of a file that exists.

    Raises:
        NotFoundError: it or its folder does not exist.
        MasksDBError: it is a folder.
    """
    real = os.path.realpath(path)
    _check_path(real, must_exist=True)
    return real


def _check_path(path: str, *, must_exist: bool) -> None:
    if os.path.isdir(path):
        raise MasksDBError(f"{path}: a folder, where a database file was expected; give the path of the file")
    if not os.path.isdir(os.path.dirname(path)):
        raise NotFoundError(f"{path}: its folder does not exist; create it first")
    if must_exist and not os.path.exists(path):
        raise NotFoundError(f"{path}: no such database file; 'masksdb ingest' makes one")


def _check_content(path: str) -> None:
    if os.path.exists(path) and os.path.getsize(path) and not is_database(path):
        raise MasksDBError(f"{path}: not a DuckDB database file; give the path of one, or of a file to create")


def _hide_progress(connection: duckdb.DuckDBPyConnection) -> None:
    """Keep DuckDB from drawing a progress bar: standard output is for data."""
    # In a notebook without ipywidgets there is no bar, and DuckDB refuses to change its setting.
    with contextlib.suppress(duckdb.InvalidInputException):
        connection.execute("SET enable_progress_bar = false")


def interrupt_all() -> None:
    """Stop the running queries of all open databases of this process."""
    for engine in list(_engines.values()):
        engine.interrupt()


def read_prefixes(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The URI prefixes of a database and their replacements."""
    return dict(connection.execute("SELECT prefix, replacement FROM uri_prefixes").fetchall())
