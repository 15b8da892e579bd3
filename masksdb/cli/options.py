"""Arguments and options that several commands take."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import click

import masksdb
from masksdb.cli.output import printable

Command = TypeVar("Command", bound=Callable[..., Any])

DATABASE = click.argument("db", type=click.Path())

NOTES = 10
"""The most notes that are printed."""

ROW_FORMATS = ["table", "json", "jsonl", "csv", "markdown", "parquet", "arrow"]


def dataset_option(command: Command) -> Command:
    """``--dataset``, which names the dataset."""
    return click.option("--dataset", metavar="NAME", required=True, help="The dataset.")(command)


def scope_options(command: Command) -> Command:
    """``--dataset`` and ``--version``, which narrow a command down; without them it works on everything."""

    def refuse_version_alone(context: click.Context, _parameter: click.Parameter, version: str | None) -> str | None:
        if version is not None and context.params.get("dataset") is None:
            raise click.UsageError("'--version' needs '--dataset', which names the dataset of the version.")
        return version

    version = click.option("--version", metavar="NAME", callback=refuse_version_alone, help="Only this version of it.")
    return click.option("--dataset", metavar="NAME", is_eager=True, help="Only this dataset.")(version(command))


def version_option(command: Command) -> Command:
    """``--version``, which names the version."""
    text = "The version; without it the newest draft, else the newest published."
    return click.option("--version", metavar="NAME", help=text)(command)


def format_option(formats: Sequence[str], text: str = "How the rows are written.") -> Callable[[Command], Command]:
    """``--format``, which takes one of some names; the first is the default."""
    choice = click.Choice(formats)
    return click.option("--format", "format_", type=choice, default=formats[0], show_default=True, help=text)


def output_option(command: Command) -> Command:
    """``-o``, which names the file to write."""
    text = "Write to this file instead of standard output."
    return click.option("-o", "--output", type=click.Path(), help=text)(command)


def output_options(command: Command) -> Command:
    """``--format`` and ``-o``: how and where rows are written."""
    return format_option(ROW_FORMATS)(output_option(command))


def echo_notes(notes: Sequence[str]) -> None:
    """Print the first notes for a person, and how many more there are."""
    for note in notes[:NOTES]:
        click.echo(f"Note: {printable(note)}", err=True)
    if len(notes) > NOTES:
        click.echo(f"Note: ... and {len(notes) - NOTES} more", err=True)


@contextlib.contextmanager
def old_or_new(db: str) -> Iterator[masksdb.Database]:
    """An open database; one that is made for the block is removed if that fails and has put nothing into it."""
    database = masksdb.connect(db)
    try:
        with database:
            yield database
    except BaseException:
        database._engine.discard()
        raise


@contextlib.contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar that follows how much of something is done, on a terminal; of a total of 0 a count."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    with click.progressbar(length=1, label=what, file=sys.stderr, show_pos=True) as bar:

        def show(done: int, total: int) -> None:
            if bar.length != (total or None):
                bar.length, bar.pos, bar.finished = total or None, 0, False
            bar.update(done - bar.pos)

        yield show
