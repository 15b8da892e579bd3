"""Open a database file, migrate it, run transactions, and translate DuckDB's errors.

DuckDB wants one instance per file and process, so engines are shared by path: the last close closes the file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import duckdb

from masksdb.errors import (
    DatabaseLockedError,
    MasksDBError,
    NotFoundError,
    QueryError,
    SchemaVersionError,
    UsageError,
)
from masksdb.files import is_database
from masksdb.registration import add_functions
from masksdb.settings import Settings
from masksdb.statements import names, statement
from masksdb.types import DecodeErrors

SPILL_PATTERNS = ("duckdb_temp_*", "masksdb_input_*")
"""Files that may be left beside a database by a killed process."""

_engines: dict[str, Engine] = {}
_engines_lock = threading.Lock()
_default: list[str] = []
_held: list[Engine] = []


def quote_identifier(name: str) -> str:
    """A name as it stands in SQL text.

    >>> print(quote_identifier('a "b" c'))
    "a ""b"" c"
    """
    return '"' + name.replace('"', '""') + '"'


class Engine:
    """One open database file. Get one with :func:`open_engine`, give it back with :meth:`close`.

    Attributes:
        path: the file's real path, or ``:memory:``.
        read_only: whether writes are refused.
        settings: how masks are read.
        connection: the DuckDB connection that keeps the file open.
    """

    def __init__(
        self, path: str, *, read_only: bool, create: bool = True, decode_errors: DecodeErrors = "raise"
    ) -> None:  # fmt: skip
        self.path = path
        self.read_only = read_only
        self.settings = Settings(decode_errors=decode_errors)
        self._has_functions = False
        self._users = 1
        self._write_lock = threading.RLock()
        self._cursors: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
        config: dict[str, str | bool | int | float | list[str]] = (
            {} if read_only else {"storage_compatibility_version": "v1.4.0"}
        )
        with self._opening():
            self.connection = duckdb.connect(path, read_only=read_only, config=config)
        try:
            with self._opening():
                self._prepare(create)
        except BaseException:
            self.connection.close()
            raise

    @contextlib.contextmanager
    def _opening(self) -> Iterator[None]:
        """Turns DuckDB's errors into ours; whatever SQL is refused here, it is the file that is at fault."""
        try:
            with self.errors():
                yield
        except QueryError as error:
            reason = str(error).partition(": ")[2]
            raise MasksDBError(f"{self.path}: not a database that masksdb can use: {reason}") from error

    def _prepare(self, create: bool) -> None:
        self.connection.execute("SET enable_progress_bar = false")
        if self.read_only or not create:
            check_schema(self.connection, self.path, self.read_only)
        if not self.read_only:
            if self.path != ":memory:":
                self.remove_spill()
            migrate(self.connection, self.path)
        self.settings.prefixes = read_prefixes(self.connection)

    def add_functions(self) -> None:
        """Make the functions over pixels known, before a user's first query: it takes longer than to open a file."""
        with self._write_lock:
            if not self._has_functions:
                add_functions(self.connection, self.settings)
                self._has_functions = True

    def map_prefix(self, prefix: str, replacement: str) -> None:
        """From now on read what begins with a prefix from somewhere else."""
        with self.transaction() as cursor:
            cursor.execute("INSERT OR REPLACE INTO uri_prefixes VALUES (?, ?)", [prefix, replacement])
            self.settings.prefixes = read_prefixes(cursor)

    def __repr__(self) -> str:
        return f"<database {self.path}>"

    @property
    def spill_folder(self) -> Path:
        """Where DuckDB puts what does not fit into memory: beside the database file."""
        return Path(f"{self.path}.tmp")

    def remove_spill(self) -> None:
        """Remove what a killed process left in the spill folder."""
        for pattern in SPILL_PATTERNS:
            for path in self.spill_folder.glob(pattern):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.spill_folder.rmdir()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the same file, with its own temporary objects."""
        cursor = self.connection.cursor()
        self._cursors.add(cursor)
        cursor.execute("SET enable_progress_bar = false")
        return cursor

    def interrupt(self) -> None:
        """Stop the queries that run, whichever threads they run in."""
        for connection in (self.connection, *self._cursors):
            with contextlib.suppress(duckdb.Error):
                connection.interrupt()

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turns DuckDB's errors into ours."""
        try:
            yield
        except duckdb.Error as error:
            raise translate(error, self.path, self.settings.raised) from error

    @contextlib.contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for a few queries."""
        with contextlib.closing(self.cursor()) as cursor, self.errors():
            yield cursor

    @contextlib.contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor that no other writer of this process works beside.

        Raises:
            MasksDBError: the database was opened read-only.
        """
        if self.read_only:
            raise MasksDBError(f"{self.path}: opened read-only; connect without read_only to write")
        with self._write_lock, contextlib.closing(self.cursor()) as cursor, self.errors():
            yield cursor

    @contextlib.contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A writing cursor inside one transaction: all of it happens, or none."""
        with self.writing() as cursor, in_transaction(cursor):
            yield cursor

    def close(self) -> None:
        """Give the engine back; the last one to do so closes the file."""
        with _engines_lock:
            self._users -= 1
            if self._users > 0:
                return
            if _engines.get(self.path) is self:
                del _engines[self.path]
            self.connection.close()
            with contextlib.suppress(OSError):
                self.spill_folder.rmdir()


@contextlib.contextmanager
def in_transaction(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commits what happens inside, or rolls it back on any error."""
    cursor.execute("BEGIN")
    try:
        yield
    except BaseException:
        # After a failed write DuckDB has rolled back already and refuses a second time.
        with contextlib.suppress(duckdb.Error):
            cursor.execute("ROLLBACK")
        raise
    cursor.execute("COMMIT")


def open_engine(
    path: str | os.PathLike[str],
    *,
    read_only: bool = False,
    create: bool = True,
    decode_errors: DecodeErrors = "raise",
) -> Engine:
    """The engine of a database file, made where there is none, unless it is read-only or ``create`` is false.

    Raises:
        NotFoundError: there is no such file and none is made, or its folder does not exist.
        DatabaseLockedError: another process has it open for writing.
        SchemaVersionError: the file is from a newer masksdb.
    """
    name = os.fspath(path)
    if name == ":memory:":
        return Engine(name, read_only=read_only, decode_errors=decode_errors)
    name = os.path.realpath(name)
    if os.path.isdir(name):
        raise MasksDBError(f"{name}: a folder, where a database file was expected; give the path of the file")
    if not os.path.isdir(os.path.dirname(name)):
        raise NotFoundError(f"{name}: its folder does not exist; create it first")
    with _engines_lock:
        engine = _engines.get(name)
        if engine is None:
            if (read_only or not create) and not os.path.exists(name):
                raise NotFoundError(f"{name}: no such database file; 'masksdb ingest' makes one")
            if os.path.exists(name) and os.path.getsize(name) and not is_database(name):
                raise MasksDBError(f"{name}: not a DuckDB database file; give the path of one, or of a file to create")
            engine = _engines[name] = Engine(name, read_only=read_only, create=create, decode_errors=decode_errors)
        elif engine.read_only != read_only:
            mode = "read-only" if engine.read_only else "for writing"
            raise DatabaseLockedError(
                f"{name}: open {mode} in this process ({os.getpid()}); close that first, or open it the same way"
            )
        elif engine.settings.decode_errors != decode_errors:
            raise UsageError(f"{name}: open with decode_errors={engine.settings.decode_errors!r} in this process")
        else:
            engine._users += 1
        return engine


def interrupt_all() -> None:
    """Stop the queries that run on any open database of this process."""
    for engine in list(_engines.values()):
        engine.interrupt()


def set_default(path: str | os.PathLike[str]) -> None:
    """The database file that the ClearML names use from now on in this process."""
    _default[:] = [os.fspath(path)]


def default_engine() -> Engine:
    """The engine of the default database.

    That is the path given to :func:`set_default`, else the environment variable ``MASKSDB_DATABASE``, else
    ``masks.duckdb`` in the working directory. It stays open until :func:`close_defaults` or the end of the process.
    """
    path = _default[0] if _default else os.environ.get("MASKSDB_DATABASE", "masks.duckdb")
    real = path if path == ":memory:" else os.path.realpath(path)
    for engine in _held:
        if engine.path == real:
            return engine
    engine = open_engine(path)
    _held.append(engine)
    return engine


def close_defaults() -> None:
    """Close every database that the ClearML names have opened."""
    while _held:
        _held.pop().close()


def read_prefixes(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The URI prefixes of a database and what replaces them."""
    return dict(connection.execute("SELECT prefix, replacement FROM uri_prefixes").fetchall())


def migrate(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    applied = _applied(connection)
    _refuse_newer(applied, path)
    missing = [name for name in names("schema") if name not in applied]
    with in_transaction(connection):
        for name in missing:
            connection.execute(statement(name))
            connection.execute("INSERT INTO migrations (name) VALUES (?)", [name])
        put_views(connection, "macros", "views", is_new=bool(missing))


def put_views(connection: duckdb.DuckDBPyConnection, *folders: str, is_new: bool = False) -> None:
    """Make the views and macros of folders of ``sql/`` where they are not there as they are now.

    Args:
        connection: inside a transaction.
        folders: the folders; the last one's name stands for them.
        is_new: whether the tables that they read have changed.
    """
    files = [name for folder in folders for name in names(folder)]
    digest = hashlib.md5("".join(map(statement, files)).encode(), usedforsecurity=False).hexdigest()
    prefix = f"{folders[-1]}/"
    if not is_new and f"{prefix}{digest}" in _applied(connection):
        return
    for name in files:
        connection.execute(statement(name))
    connection.execute("DELETE FROM migrations WHERE starts_with(name, ?)", [prefix])
    connection.execute("INSERT INTO migrations (name) VALUES (?)", [f"{prefix}{digest}"])


def check_schema(connection: duckdb.DuckDBPyConnection, path: str, read_only: bool) -> None:
    applied = _applied(connection)
    if not applied:
        raise SchemaVersionError(f"{path}: a DuckDB file without masksdb's tables; 'masksdb ingest' adds them")
    _refuse_newer(applied, path)
    if read_only and not applied.issuperset(names("schema")):
        raise SchemaVersionError(f"{path}: made by an older masksdb; open it once for writing to migrate it")


def _applied(connection: duckdb.DuckDBPyConnection) -> set[str]:
    has_table = connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'migrations'").fetchone()
    if not has_table or not has_table[0]:
        return set()
    return {name for (name,) in connection.execute("SELECT name FROM migrations").fetchall()}


def _refuse_newer(applied: set[str], path: str) -> None:
    newer = sorted(name for name in applied if name.startswith("schema/") and name not in names("schema"))
    if newer:
        raise SchemaVersionError(
            f"{path}: made by a newer masksdb (it has {newer[-1]!r}); upgrade with 'pip install --upgrade masksdb'"
        )


def translate(error: duckdb.Error, path: str, raised: MasksDBError | None = None) -> MasksDBError:
    """DuckDB's error as one of ours, in one sentence that starts with the place.

    Args:
        error: the error.
        path: the database.
        raised: what a function over pixels raised last, of which DuckDB keeps only the text.
    """
    text = str(error)
    if raised is not None and str(raised) in text:
        return raised
    own = re.search(r"executing the UDF: (?:MaskDecode|Usage|UnsupportedFormat|MasksDB)Error: (.*)", text)
    if own:
        return MasksDBError(own[1])
    head = re.split(r"\n\s*\n|\nLINE |\nPossible solutions:", text)[0]
    sentence = re.sub(r"^[A-Z][\w ]*? Error: ", "", " ".join(head.split()))
    if "Could not set lock" in text:
        owner = re.search(r"PID (\d+)", text)
        who = f"process {owner[1]}" if owner else "another process"
        return DatabaseLockedError(
            f"{path}: open in {who}; close it there, or open it in both only to read (read_only=True)"
        )
    if "different configuration" in text:
        return DatabaseLockedError(f"{path}: open in this process ({os.getpid()}) with another configuration; close it")
    if "not a valid DuckDB database file" in text:
        return MasksDBError(f"{path}: not a DuckDB database file; give the path of one, or of a file to create")
    if "can only read version" in text:
        return SchemaVersionError(f"{path}: written by a newer DuckDB; upgrade with 'pip install --upgrade duckdb'")
    if "Connection already closed" in text:
        return MasksDBError(f"{path}: closed; connect to it again")
    if "read-only mode" in text:
        return QueryError(f"{path}: opened read-only; open it for writing ('masksdb sql --write') to change it")
    if re.search(r"Table with name version_(?:findings|faults_\w+) does not exist", text):
        return QueryError(f"{path}: not checked yet; 'masksdb check' makes this view")
    if isinstance(error, (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)):
        line = re.search(r"\nLINE (\d+):", text)
        return QueryError(f"SQL, line {line[1] if line else 1}: {sentence}")
    if isinstance(error, (duckdb.IOException, duckdb.FatalException)):
        return MasksDBError(f"{path}: {sentence}")
    if isinstance(error, duckdb.OutOfMemoryException):
        return MasksDBError(f"{path}: not enough memory for this query; {sentence}")
    return QueryError(f"SQL: {sentence}")
