"""How the package is built: floors, sizes, public names, what importing it costs."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from common import ROOT

import masksdb

PACKAGE = ROOT / "masksdb"

FLOORS: dict[str, int] = {
    "errors": 0,
    "types": 0,
    "settings": 1,
    "files": 1,
    "rle": 1,
    "polygons": 1,
    "shapes": 1,
    "regions": 1,
    "media": 1,
    "png": 1,
    "decode": 1,
    "video": 1,
    "facts": 2,
    "arguments": 2,
    "measures": 2,
    "functions": 2,
    "rle_functions": 2,
    "registration": 2,
    "pixels": 3,
    "analyze": 3,
    "headers": 2,
    "check": 3,
    "pairs": 3,
    "evaluate": 3,
    "boundary": 1,
    "confusion_picture": 1,
    "scores": 2,
    "render": 3,
    "statements": 1,
    "labels": 1,
    "annotations": 1,
    "lucene_fields": 1,
    "lucene": 1,
    "engine": 2,
    "view_model": 2,
    "formats": 2,
    "frame_base": 2,
    "single_frame": 2,
    "frame_group": 2,
    "versions": 3,
    "catalog": 3,
    "changes": 3,
    "staging": 3,
    "ingest": 3,
    "export": 3,
    "rasterize": 2,
    "outframes": 3,
    "loss": 3,
    "convert": 3,
    "output": 3,
    "view_sql": 3,
    "view_frames": 3,
    "saved_views": 3,
    "bound_version": 4,
    "bound_view": 4,
    "clearml": 4,
    "dataview": 4,
    "database": 4,
    "training": 4,
    "class_masks": 3,
    "batches": 4,
    "torch_frames": 4,
    "splits": 4,
    "commands": 5,
    "cli": 5,
}
BESIDE = {
    ("types", "errors"),
    ("regions", "rle"),
    ("polygons", "rle"),
    ("media", "settings"),
    ("decode", "png"),
    ("video", "decode"),
    ("arguments", "facts"),
    ("measures", "arguments"),
    ("measures", "facts"),
    ("functions", "arguments"),
    ("functions", "facts"),
    ("functions", "measures"),
    ("rle_functions", "functions"),
    ("lucene", "lucene_fields"),
    ("engine", "registration"),
    ("formats", "facts"),
    ("single_frame", "frame_base"),
    ("frame_group", "frame_base"),
    ("frame_group", "single_frame"),
    ("catalog", "versions"),
    ("analyze", "versions"),
    ("render", "versions"),
    ("evaluate", "pairs"),
    ("evaluate", "versions"),
    ("changes", "versions"),
    ("ingest", "versions"),
    ("ingest", "staging"),
    ("export", "versions"),
    ("loss", "outframes"),
    ("convert", "ingest"),
    ("convert", "loss"),
    ("convert", "outframes"),
    ("convert", "versions"),
    ("view_sql", "versions"),
    ("view_frames", "view_sql"),
    ("saved_views", "view_sql"),
    ("clearml", "bound_version"),
    ("dataview", "bound_view"),
    ("dataview", "database"),
    ("database", "clearml"),
    ("database", "training"),
    ("bound_view", "training"),
    ("training", "batches"),
    ("training", "torch_frames"),
    ("training", "splits"),
    ("torch_frames", "batches"),
    ("database", "analyze"),
    ("headers", "media"),
    ("check", "analyze"),
    ("check", "pairs"),
    ("check", "versions"),
    ("database", "check"),
    ("bound_view", "batches"),
    ("bound_view", "torch_frames"),
    ("cli", "commands"),
}
"""Imports within one floor; none goes both ways."""


def modules() -> list[tuple[str, Path]]:
    found = sorted(PACKAGE.rglob("*.py"))
    return [(path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path) for path in found]


def imported(path: Path) -> set[str]:
    """The modules of this package that a file imports, by their first name."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "masksdb":
            names |= {f"masksdb.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.split(".")[1] for name in names if name.startswith("masksdb.")}


@pytest.mark.parametrize(("module", "path"), [each for each in modules() if each[0] != "__init__"])
def test_a_module_imports_only_from_lower_floors(module: str, path: Path) -> None:
    for name in imported(path):
        allowed = name == module or FLOORS[name] < FLOORS[module] or (module, name) in BESIDE
        assert allowed, f"{path.name} (floor {FLOORS[module]}) imports {name} (floor {FLOORS[name]})"


def test_every_module_has_a_floor() -> None:
    assert {module for module, _ in modules()} - {"__init__"} == set(FLOORS)


def test_no_file_is_too_long() -> None:
    files = [*PACKAGE.rglob("*.py"), *(ROOT / "sql").rglob("*.sql"), *(ROOT / "tests").rglob("*.py")]
    assert {path.name: lines for path in files if (lines := len(path.read_text().splitlines())) > 400} == {}


def test_the_public_names_are_those_of_all() -> None:
    assert list(masksdb.__all__) == sorted(masksdb.__all__)
    for name in masksdb.__all__:
        assert getattr(masksdb, name).__module__.startswith("masksdb."), name
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
    kinds = [getattr(masksdb, name) for name in masksdb.__all__ if name.endswith("Error")]
    assert len(kinds) >= 8
    assert all(issubclass(kind, masksdb.MasksDBError) for kind in kinds)
