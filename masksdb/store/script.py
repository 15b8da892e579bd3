"""SQL scripts, statement by statement."""

from __future__ import annotations

import duckdb

SILENT_STATEMENTS = frozenset(
    {
        "ALTER",
        "ATTACH",
        "CHECKPOINT",
        "CREATE",
        "DETACH",
        "DROP",
        "LOAD",
        "PRAGMA",
        "PREPARE",
        "SET",
        "TRANSACTION",
        "VACUUM",
    }
)
"""Types of statements without a result to print."""


def without_end(statement_text: str) -> str:
    """A statement without its ``;`` and the comment after it, so that it may stand inside another statement.

    >>> without_end("SELECT ';' AS a; -- and so on;")
    "SELECT ';' AS a"
    """
    text = statement_text.encode()
    for offset, kind in reversed(duckdb.tokenize(statement_text)):
        if kind != duckdb.token_type.comment:
            return (text[:offset] if text[offset : offset + 1] == b";" else text).decode()
    return statement_text
