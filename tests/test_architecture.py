"""How the package is built: floors, sizes, public names, what importing it costs."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, get_origin

import architecture
import pytest
from support.common import ROOT

import masksdb

PACKAGE = ROOT / "masksdb"

EVERY_ROOM = {
    "errors",
    "pixels",
    "store",
    "formats",
    "exchange",
    "analysis",
    "training",
    "clearml",
    "database",
    "cli",
}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "pixels": {"errors"},
    "store": {"errors", "pixels"},
    "formats": {"errors", "pixels"},
    "exchange": {"errors", "pixels", "store", "formats"},
    "analysis": {"errors", "pixels", "store"},
    "training": {"errors", "pixels", "store"},
    "clearml": {"errors", "pixels", "store", "exchange", "training"},
    "database": EVERY_ROOM - {"database", "cli"},
    "cli": EVERY_ROOM - {"cli"},
}
"""What the modules of a room may import besides each other, at the top of a file or inside a function."""


class Census(NamedTuple):
    """How the package is built, in figures.

    Attributes:
        files: Python files at the top of the package.
        rooms: folders with modules, those in folders included.
        floors: the longest chain of rooms of which each imports the next.
        arrows: pairs of rooms of which one imports the other.
        circles: rooms that import themselves by way of others.
        upward: imports that MAY_IMPORT does not name.
    """

    files: int
    rooms: int
    floors: int
    arrows: int
    circles: int
    upward: int


def census() -> Census:
    graph = architecture.imports()
    circles = 0
    for room in graph:
        reached, waiting = set[str](), set(graph[room])
        while waiting:
            reached |= waiting
            waiting = set().union(*(graph[other] for other in waiting)) - reached
        circles += room in reached
    return Census(
        files=len(list(PACKAGE.glob("*.py"))),
        rooms=sum(1 for path in PACKAGE.rglob("__init__.py")),
        floors=0 if circles else len(architecture.floors(graph)),
        arrows=sum(map(len, graph.values())),
        circles=circles,
        upward=sum(len(rooms - MAY_IMPORT[room]) for room, rooms in graph.items()),
    )


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_the_rooms_below(path: Path) -> None:
    room = architecture.room_of(path)
    if room != "__init__":
        assert architecture.imported(path) <= MAY_IMPORT[room] | {room}


def test_the_package_is_few_rooms_on_few_floors() -> None:
    figures = census()
    assert figures.files <= 4
    assert figures.rooms <= 12
    assert figures.floors <= 8
    assert figures.arrows <= 45
    assert (figures.circles, figures.upward) == (0, 0)


LONG, TOO_LONG = 400, 600
"""Lines of code, without blank lines, comments and docstrings: from where on a file asks to be split by concept."""


def lines_of_code(path: Path) -> int:
    """How many lines of a file have code on them; of a short file, how many lines it has."""
    text = path.read_text()
    if text.count("\n") <= LONG:
        return text.count("\n")
    if path.suffix == ".sql":
        return sum(1 for line in text.splitlines() if line.strip() and not line.lstrip().startswith("--"))
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            node.body[0] = ast.Pass()
    return len(ast.unparse(tree).splitlines())


def test_no_file_is_too_long() -> None:
    files = [*PACKAGE.rglob("*.py"), *(ROOT / "sql").rglob("*.sql"), *(ROOT / "tests").rglob("*.py")]
    lengths = {str(path.relative_to(ROOT)): lines_of_code(path) for path in files}
    for name in (name for name, lines in lengths.items() if lines > LONG):
        print(f"{name}: {lengths[name]} lines of code; is there a concept in it that wants a file of its own?")
    assert {name: lines for name, lines in lengths.items() if lines > TOO_LONG} == {}


def test_the_public_names_are_those_of_all() -> None:
    assert list(masksdb.__all__) == sorted(masksdb.__all__)
    for name in masksdb.__all__:
        value = getattr(masksdb, name)
        assert get_origin(value) is not None or value.__module__.startswith("masksdb."), name
    for name in set(dir(importlib.import_module("masksdb.errors"))) & set(dir(masksdb)):
        assert name in masksdb.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = masksdb.nothing


@pytest.mark.parametrize("start", ["import masksdb", "import masksdb.cli"])
def test_starting_imports_nothing_heavy(start: str) -> None:
    heavy = ("duckdb", "numpy", "pyarrow", "imageio", "PIL", "pandas")
    code = f"{start}, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_sql_file_begins_by_saying_what_it_returns() -> None:
    for path in (ROOT / "sql").rglob("*.sql"):
        assert path.read_text().startswith("-- "), path


def test_opening_a_database_does_not_import_what_only_pixels_need() -> None:
    code = "import masksdb, sys; masksdb.connect(':memory:').close(); "
    code += "print([m for m in ('numpy', 'pyarrow', 'imageio', 'PIL', 'kornia_rs', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_error_derives_from_one() -> None:
    kinds = [getattr(masksdb, name) for name in masksdb.__all__ if name.endswith("Error") and name != "OnError"]
    assert len(kinds) >= 8
    assert all(issubclass(kind, masksdb.MasksDBError) for kind in kinds)


if __name__ == "__main__":
    print(census())
