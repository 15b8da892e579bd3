"""The views of what a check finds, each made of the checks that name it: one SQL file a check."""

from __future__ import annotations

import re
from typing import NamedTuple

from masksdb.store.sql import indented, names, statement

_HEADER = re.compile(
    r"-- One row per (.*\n(?:-- .*\n)*?)"
    r"-- To do: (.*\n(?:-- .*\n)*?)"
    r"-- Severity: (error|warning|note)\. View: (version_faults_\w+)\.\n"
)

_FILLED = "COLUMNS('^(dataset|version|version_id|frame_id|source_id|mask_uri|value|count|message)$')"
"""The columns of a finding among those of a check's query."""


class Check(NamedTuple):
    """A check, as the comment of its file describes it.

    Attributes:
        name: the name of its file and of its findings.
        finds: what it has one row per.
        to_do: how to put that right.
        severity: the severity of its findings.
        view: the view that has its findings.
        query: SQL with the columns that it fills, and perhaps others, over the tables at the head of its view.
    """

    name: str
    finds: str
    to_do: str
    severity: str
    view: str
    query: str


def checks() -> list[Check]:
    """All checks, by name."""
    return [_check(file) for file in names("views/checks")]


def finding_views() -> list[str]:
    """The statements that make the views of the findings, in the order in which they build on each other."""
    return [_finding_view(file) for file in names("views/findings")]


def _check(file: str) -> Check:
    header = _HEADER.match(statement(file))
    assert header is not None, f"{file}: expected a comment with 'One row per', 'To do', 'Severity' and 'View'"
    finds, to_do = (re.sub(r"\s*\n(-- )?", " ", text).strip() for text in header.group(1, 2))
    name, query = file.rpartition("/")[2], statement(file)[header.end() :].rstrip()
    return Check(name, finds, to_do, header[3], header[4], query)


def _finding_view(file: str) -> str:
    view = file.rpartition("/")[2]
    rows = [
        f"FROM (\n{indented(check.query)}\n)\n"
        f"SELECT '{check.name}' AS \"check\", '{check.severity}' AS severity, {_FILLED}\n"
        for check in checks()
        if check.view == view
    ]
    return statement(file) + "UNION ALL BY NAME\n".join([statement("store/no_findings"), *rows] if rows else [])
