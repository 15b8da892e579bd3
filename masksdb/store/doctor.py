"""What is wrong with a database file, and the way to a new one without those faults."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import duckdb

from masksdb.errors import DatabaseDamagedError, MasksDBError, SchemaVersionError, without_place
from masksdb.store.duckdb_errors import translate
from masksdb.store.engine import SPILL_PATTERNS, find_file
from masksdb.store.files import is_database
from masksdb.store.findings import finding_views
from masksdb.store.migrations import check_schema, is_current, migrate
from masksdb.store.repair import EVERY_FRAME, altered_frames, rebuild
from masksdb.store.sql import filled, identifier, statement

EXAMPLES = 3
"""The most names that a message gives."""

_NEXT_WRITE = "the next command that writes to the database puts that right"

_FIX = "'masksdb doctor DB --fix NEW' writes a new file"


class Problem(NamedTuple):
    """Something that is wrong with a database file.

    Attributes:
        severity: ``error``: data is lost, wrong or cannot be reached; ``warning``: something else is not as it should
            be; ``note``: nothing is lost, and the next opening for writing puts it right.
        name: one word: ``log``, ``file``, ``blocks``, ``schema``, ``lineage``, ``orphans``, ``frame_ids``, ``hashes``,
            ``roi_masks``, ``views`` or ``leftovers``.
        message: what was found.
        to_do: what can be done.
    """

    severity: Literal["error", "warning", "note"]
    name: str
    message: str
    to_do: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.name}: {self.message}; {self.to_do}"


@dataclass(frozen=True)
class Diagnosis:
    """What :func:`doctor` found; as text, one line a problem.

    Attributes:
        path: the file.
        problems: what is wrong with it.
        fixed: the new file, where one was written.
        lost: what could not be read, and is not in the new file, a sentence each.
        remaining: what is wrong with the new file: published versions that are no longer what was published.
    """

    path: str
    problems: tuple[Problem, ...]
    fixed: str | None = None
    lost: tuple[str, ...] = ()
    remaining: tuple[Problem, ...] = ()

    @property
    def has_errors(self) -> bool:
        """Whether the file that is to be used from now on, the new one where one was written, has an error."""
        problems = self.problems if self.fixed is None else self.remaining
        return any(problem.severity == "error" for problem in problems)

    def __str__(self) -> str:
        lines = [*map(str, self.problems)] or ["nothing is wrong"]
        if self.fixed is not None:
            lines += [f"{self.fixed}: written", *(f"lost: {text}" for text in self.lost), *map(str, self.remaining)]
        return "\n".join(lines)


def doctor(path: str | os.PathLike[str], *, fix: str | os.PathLike[str] | None = None) -> Diagnosis:
    """Examine a database file, and write what can be saved of it into a new file; the old one stays as it is.

    Every block of the file is read, every hash is taken again, and all that follows from other tables is compared with
    them. The new file has the same datasets, versions and frames with the same keys; frames of which a part cannot be
    read are left out, so that another ingest brings them back whole.

    Args:
        path: the file, which no process may have open for writing.
        fix: the new file; None writes none.

    Returns:
        The problems, worst first, and with ``fix`` what was lost.

    Raises:
        NotFoundError: there is no such file.
        DatabaseLockedError: a process has it open for writing.
        MasksDBError: the new file exists, cannot be written, or nothing can be saved.

    >>> import masksdb, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with masksdb.connect(f"{folder}/a.duckdb") as db:
    ...         report = db.ingest([{"id": "a"}], dataset="d")
    ...     print(doctor(f"{folder}/a.duckdb"))
    nothing is wrong
    """
    real = find_file(path)
    with contextlib.ExitStack() as stack:
        problems = _leftovers(real)
        readable = _readable(real, problems, stack)
        if readable is not None:
            with contextlib.closing(_connect(readable)) as connection:
                is_usable = _examine(connection, real, problems)
        problems.sort(key=lambda problem: ("error", "warning", "note").index(problem.severity))
        if fix is None:
            return Diagnosis(real, tuple(problems))
        if readable is None or not is_usable:
            raise MasksDBError(f"{real}: nothing can be saved: {problems[0].message}; {problems[0].to_do}")
        try:
            lost = rebuild(readable, os.fspath(fix))
        except DatabaseDamagedError as error:
            raise MasksDBError(f"{real}: nothing can be saved: {error.reason}; restore a backup") from error
    remaining = doctor(fix).problems
    return Diagnosis(real, tuple(problems), os.fspath(fix), tuple(lost), remaining)


def _connect(path: str) -> duckdb.DuckDBPyConnection:
    """A connection that reads this file and no other: its views may be anyone's."""
    try:
        connection = duckdb.connect(path, read_only=True, config={"enable_external_access": False})
        connection.execute("SET enable_progress_bar = false")
    except duckdb.Error as error:
        raise translate(error, path) from error
    return connection


def _opens(path: str) -> bool:
    try:
        _connect(path).close()
    except MasksDBError:
        return False
    return True


def _leftovers(path: str) -> list[Problem]:
    """What a process that was killed has left beside the file."""
    found = [file.name for pattern in SPILL_PATTERNS for file in Path(f"{path}.tmp").glob(pattern)]
    problems = []
    if found:
        message = f"a process was killed and left {len(found)} temporary files in {path}.tmp"
        problems.append(Problem("note", "leftovers", message, _NEXT_WRITE))
    with contextlib.suppress(OSError):
        if size := os.path.getsize(f"{path}.wal"):
            message = f"its last process was killed and left {size:,} bytes in the log {path}.wal"
            problems.append(Problem("note", "leftovers", message, _NEXT_WRITE))
    return problems


def _readable(path: str, problems: list[Problem], stack: contextlib.ExitStack) -> str | None:
    """The path of a file that DuckDB opens: this one, or one with what can be read of its log, or None."""
    if not is_database(path):
        size = os.path.getsize(path)
        message = f"not a DuckDB file: {size:,} bytes without DuckDB's mark at their beginning"
        problems.append(Problem("error", "file", message, "give the path of a database, or restore a backup"))
        return None
    try:
        _connect(path).close()
        return path
    except SchemaVersionError as error:
        problems.append(Problem("error", "schema", without_place(error, path), "nothing is lost"))
        return None
    except DatabaseDamagedError as error:
        if error.file == path:
            problems.append(Problem("error", "file", error.reason, "restore a backup: no table of it can be reached"))
            return None
    folder = stack.enter_context(_folder_beside(path))
    copy = os.path.join(folder, "copy.duckdb")
    _link(path, copy)
    log = Path(f"{path}.wal").read_bytes()
    kept = _readable_length(log, copy)
    if kept is None:
        problems.append(Problem("error", "file", "damaged", "restore a backup: no table of it can be reached"))
        return None
    message = f"the write-ahead log {path}.wal is damaged: {kept:,} of its {len(log):,} bytes can be read"
    to_do = f"{_FIX} with the changes before that place; later ones, made since the last closing, are lost"
    problems.append(Problem("error", "log", message, to_do))
    return copy


@contextlib.contextmanager
def _folder_beside(path: str) -> Iterator[str]:
    """A folder for temporary files on the same disk, where links cost nothing, if that can be written to."""
    parent = os.path.dirname(path)
    with tempfile.TemporaryDirectory(
        prefix=".masksdb_doctor_", dir=parent if os.access(parent, os.W_OK) else None
    ) as folder:
        yield folder


def _link(path: str, copy: str) -> None:
    try:
        os.link(path, copy)
    except OSError:
        shutil.copyfile(path, copy)


def _readable_length(log: bytes, copy: str) -> int | None:
    """The length of the longest beginning of a log with which a file opens, which then has that log.

    DuckDB leaves out what a log ends with unless it is a whole transaction, so any length up to the damage will do.
    """

    def opens(length: int) -> bool:
        Path(f"{copy}.wal").write_bytes(log[:length])
        return _opens(copy)

    low, high = 0, len(log)
    if not opens(0):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if opens(middle) else (low, middle)
    opens(low)
    return low


def _examine(connection: duckdb.DuckDBPyConnection, path: str, problems: list[Problem]) -> bool:
    """Add what is wrong with the tables; whether a new file can be made of them."""
    try:
        unreadable = _unreadable_tables(connection)
    except duckdb.Error as error:
        problems.append(Problem("error", "file", str(translate(error, path)), "restore a backup"))
        return False
    if not unreadable:
        try:
            check_schema(connection, path, read_only=True)
        except SchemaVersionError as error:
            problems.append(Problem("error", "schema", without_place(error, path), "nothing is lost"))
            return False
        try:
            problems += _disagreements(connection)
        except duckdb.Error:
            unreadable = ["some views and macros"]
    if unreadable:
        message = f"blocks of the file are damaged: {', '.join(unreadable)} cannot be read as a whole"
        to_do = f"{_FIX} with what can be read; restore a backup if there is one"
        problems.append(Problem("error", "blocks", message, to_do))
    return True


def _disagreements(connection: duckdb.DuckDBPyConnection) -> Iterator[Problem]:
    """What of a file that can be read does not follow from the rest of it."""
    for name, rows in (
        ("orphans", connection.execute(f"FROM ({statement('store/doctor/orphans')}) WHERE rows > 0").fetchall()),
        ("frame_ids", connection.execute(statement("store/doctor/repeated_ids")).fetchall()),
        ("lineage", _differing(connection, "version_lineage", statement("store/doctor/lineage"))),
        ("roi_masks", _differing(connection, "roi_masks", _resolved(connection))),
    ):
        if rows:
            message, to_do = _SENTENCES[name]
            shown = ", ".join(" ".join(map(str, row)) for row in rows[:EXAMPLES])
            yield Problem("error", name, message.format(shown), to_do)
    yield from _hashes(connection)
    yield from _views(connection)


_SENTENCES = {
    "orphans": ("rows that belong to nothing: {}", f"{_FIX} without them"),
    "frame_ids": ("frame ids that a version has twice: {}", "delete one of each with the Python API or SQL"),
    "lineage": (
        "version_lineage is not what the parents of the versions give: {} rows differ",
        f"{_FIX} with it made again",
    ),
    "roi_masks": ("roi_masks is not what the ROIs and masks give: {} rows differ", f"{_FIX} with it made again"),
}
"""Messages and advice by the name of a problem."""


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    query = "SELECT table_name FROM duckdb_tables() WHERE NOT internal AND NOT temporary ORDER BY table_name"
    return [name for (name,) in connection.execute(query).fetchall()]


def _unreadable_tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    unreadable = []
    for table in _tables(connection):
        try:
            connection.sql(f"FROM main.{identifier(table)}").aggregate("bit_xor(hash(COLUMNS(*)))").fetchall()
        except duckdb.Error:
            unreadable.append(table)
    return unreadable


def _resolved(connection: duckdb.DuckDBPyConnection) -> str:
    """The SELECT of the rows of roi_masks as the ROIs and masks give them now."""
    connection.execute("CREATE OR REPLACE TEMP TABLE resolved AS FROM roi_masks LIMIT 0")
    connection.execute(f"INSERT INTO resolved\n{statement('store/roi_masks')}", EVERY_FRAME)
    return "FROM resolved"


def _differing(connection: duckdb.DuckDBPyConnection, table: str, expected: str) -> list[tuple[int]]:
    """The number of rows that a table has and should not have, or the reverse, unless there is none."""
    return connection.execute(filled("store/doctor/differing", table=table, expected=expected)).fetchall()


def _hashes(connection: duckdb.DuckDBPyConnection) -> Iterator[Problem]:
    altered = list(altered_frames(connection))
    if altered:
        names = ", ".join(f"{frame.version}: {frame.frame_id}" for frame in altered[:EXAMPLES])
        message = f"{len(altered):,} frames are not what was ingested: {names}"
        yield Problem("error", "hashes", message, f"{_FIX}, in which drafts have the hashes of the frames as they are")
    query = filled("store/doctor/versions_by_hash", content_hashes=statement("store/content_hashes"))
    versions = connection.execute(query).fetchall()
    if versions:
        message = (
            f"versions whose frames or labels have changed outside of masksdb: {', '.join(v for v, _ in versions)}"
        )
        is_published = any(published for _, published in versions)
        to_do = (
            "a published one can be ingested into a new version; " * is_published + "'masksdb check' names the frames"
        )
        yield Problem("warning", "hashes", message, to_do)


def _views(connection: duckdb.DuckDBPyConnection) -> Iterator[Problem]:
    """The views and macros that are not masksdb's: a hostile file may read other files through them."""
    theirs = _definitions(connection)
    with duckdb.connect(":memory:") as own:
        migrate(own, ":memory:")
        for text in finding_views() if "version_findings" in theirs else ():
            own.execute(text)
        ours = _definitions(own)
    altered = [name for name in theirs if name in ours and ours[name] != theirs[name]]
    if altered and not is_current(connection):
        yield Problem("note", "views", "views and macros of another masksdb", _NEXT_WRITE)
    elif altered:
        message = f"views and macros are not masksdb's, though named like them: {', '.join(altered)}"
        yield Problem("warning", "views", message, f"{_FIX} with masksdb's own")
    others = [name for name in theirs if name not in ours]
    if others:
        message = f"views and macros that masksdb did not make: {', '.join(others)}"
        to_do = "read their SQL in duckdb_views() and duckdb_functions() if the file is not yours; a new file has none"
        yield Problem("note", "views", message, to_do)


def _definitions(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """The words of the views and macros by name, sorted: DuckDB prints brackets and excluded columns in any order."""
    rows = connection.execute(statement("store/doctor/definitions")).fetchall()
    words = re.compile(r"'(?:[^']|'')*'|\w+")
    return {name: sorted(word for word in words.findall(text) if word != "main") for name, text in rows}
