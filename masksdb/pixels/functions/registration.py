"""The SQL functions by name: their types and numbers of arguments, and how a connection gets them.

The modules that compute them are imported by the first call, because that takes longer than to open a database.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import duckdb
from duckdb.func import FunctionNullHandling, PythonUDFType

from masksdb.errors import MasksDBError, UsageError
from masksdb.pixels.mask_reads import MaskReads
from masksdb.pixels.settings import DecodeErrors, Settings, default_pixel_limit


def register(
    connection: duckdb.DuckDBPyConnection, *, decode_errors: DecodeErrors = "raise", pixel_limit: int | None = None
) -> MaskReads:
    """Add the SQL functions over pixels to a connection, its cursors and other connections to the same file.

    Args:
        connection: any DuckDB connection; where its database is one of masksdb, its URI prefixes apply.
        decode_errors: whether an unreadable mask is an error, or NULL and counted in ``failures``.
        pixel_limit: pixels of the largest mask that is decoded; None is ``MASKSDB_PIXEL_LIMIT``, else 268435456.

    Returns:
        The settings of the functions, which may be replaced, and ``failures``.

    >>> connection = duckdb.connect()
    >>> reads = register(connection)
    >>> connection.execute("SELECT rle_area({'size': [2, 2], 'counts': '04'})").fetchall()
    [(4,)]
    """
    prefixes = {}
    if connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'uri_prefixes'").fetchall():
        prefixes = dict(connection.execute("SELECT prefix, replacement FROM uri_prefixes").fetchall())
    limit = default_pixel_limit() if pixel_limit is None else pixel_limit
    reads = MaskReads(Settings(prefixes, decode_errors, limit))
    add_functions(connection, reads)
    return reads


class Function(NamedTuple):
    """A SQL function.

    Attributes:
        returns: its SQL type.
        least: the lowest number of arguments.
        most: the highest number of arguments.
    """

    returns: str
    least: int
    most: int


_BOX = "STRUCT(x INTEGER, y INTEGER, width INTEGER, height INTEGER)"

_POINT = "STRUCT(x DOUBLE, y DOUBLE)"

_RLE = "STRUCT(size INTEGER[], counts VARCHAR)"

_VALUE = f'STRUCT("value" INTEGER[], rgb INTEGER[], area BIGINT, bbox {_BOX}, centroid {_POINT})'

FUNCTIONS = {
    "decode_mask": Function(
        "STRUCT(height INTEGER, width INTEGER, channels INTEGER, dtype VARCHAR, pixels BLOB)", 1, 1
    ),
    "mask_alpha": Function("STRUCT(mean DOUBLE, min DOUBLE, max DOUBLE)", 1, 1),
    "mask_area": Function("BIGINT", 2, 3),
    "mask_bbox": Function(_BOX, 2, 3),
    "mask_centroid": Function(_POINT, 2, 3),
    "mask_confusion": Function("STRUCT(value_a INTEGER[], value_b INTEGER[], pixels BIGINT)[]", 2, 2),
    "mask_coverage": Function("DOUBLE", 2, 3),
    "mask_png": Function("BLOB", 2, 3),
    "mask_ref": Function('STRUCT(uri VARCHAR, content_type VARCHAR, "timestamp" BIGINT)', 1, 2),
    "mask_rle": Function(_RLE, 2, 3),
    "mask_value_at": Function("INTEGER[]", 3, 3),
    "mask_values": Function(f"{_VALUE}[]", 1, 1),
    "rle_area": Function("BIGINT", 1, 1),
    "rle_bbox": Function(_BOX, 1, 1),
    "rle_intersection": Function(_RLE, 2, 2),
    "rle_iou": Function("DOUBLE", 2, 2),
    "rle_union": Function(_RLE, 2, 2),
}
"""The SQL functions by name."""

Kernel = Callable[..., Any]
"""A function of Arrow columns that returns an Arrow column; its first argument is a MaskReads."""


@functools.cache
def kernel(name: str) -> Kernel:
    """The Python function that computes a SQL function."""
    from masksdb.pixels.functions import of_masks, of_rle

    function: Kernel = getattr(of_rle if name.startswith("rle_") else of_masks, name)
    return function


def add_functions(connection: duckdb.DuckDBPyConnection, reads: MaskReads) -> None:
    """Add the functions to a database instance: to all its connections and cursors, in all threads."""
    for name, function in FUNCTIONS.items():
        # On a connection that has them already, the new settings apply from now on.
        with contextlib.suppress(duckdb.Error):
            connection.remove_function(name)
        # Declared with any number of arguments, so that `tolerance := 5` may be left out; each call counts them.
        connection.create_function(
            name,
            _callable(name, function, reads),
            None,
            function.returns,
            type=PythonUDFType.ARROW,
            null_handling=FunctionNullHandling.SPECIAL,
        )


def _callable(name: str, function: Function, reads: MaskReads) -> Callable[..., Any]:
    """The function that DuckDB calls with the columns of a query."""

    def call(*columns: Any) -> Any:
        try:
            if not function.least <= len(columns) <= function.most:
                expected = f"{function.least}" + (f" or {function.most}" if function.most > function.least else "")
                raise UsageError(f"{name}: found {len(columns)} arguments, expected {expected}")
            return kernel(name)(reads, *columns)
        except MasksDBError as error:
            # DuckDB keeps only the text of an error; whoever translates that takes the error itself from here.
            reads.raised = error
            raise

    return call
