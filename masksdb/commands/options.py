"""Arguments and options that several commands take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

DATABASE = click.argument("db", type=click.Path())
ROW_FORMATS = ["table", "json", "jsonl", "csv", "markdown", "parquet", "arrow"]


def dataset_option(command: Command) -> Command:
    """``--dataset``, which names the dataset."""
    return click.option("--dataset", metavar="NAME", required=True, help="The dataset.")(command)


def version_option(command: Command) -> Command:
    """``--version``, which names the version."""
    text = "The version; without it the newest draft, else the newest published."
    return click.option("--version", metavar="NAME", help=text)(command)


def output_options(command: Command) -> Command:
    """``--format`` and ``-o``, which say how and where rows are written."""
    command = click.option("-o", "--output", type=click.Path(), help="Write to this file.")(command)
    return click.option(
        "--format",
        "format_",
        type=click.Choice(ROW_FORMATS),
        default="table",
        show_default=True,
        help="Form of the rows.",
    )(command)
