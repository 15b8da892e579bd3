"""The text of a file in sql/, by name: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parent
_ROOT = _PACKAGE / "sql" if (_PACKAGE / "sql").is_dir() else _PACKAGE.parent / "sql"


@cache
def statement(name: str) -> str:
    """The SQL text of ``sql/<name>.sql``.

    >>> statement("views/mask_rois").splitlines()[0][:40]
    '-- One row per ROI x source x mask it re'
    """
    return (_ROOT / f"{name}.sql").read_text(encoding="utf-8")


@cache
def names(folder: str) -> tuple[str, ...]:
    """The names of the files in ``sql/<folder>/``, in the order in which DuckDB exports and imports views.

    >>> names("store/temp")
    ('temp/json_columns', 'temp/json_objects')
    """
    stems = (path.stem for path in (_ROOT / folder).glob("*.sql"))
    return tuple(f"{folder}/{stem}" for stem in sorted(stems, key=lambda stem: stem.replace("_", "~")))
