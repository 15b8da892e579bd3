"""The command line: each command opens a database, calls one method, and prints what it returns."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from typing import TYPE_CHECKING, cast

import click

import masksdb
from masksdb.cli.analyze import analyze
from masksdb.cli.backup import backup
from masksdb.cli.check import check
from masksdb.cli.doctor import doctor
from masksdb.cli.evaluate import evaluate
from masksdb.cli.export import export
from masksdb.cli.formats import formats
from masksdb.cli.info import info
from masksdb.cli.ingest import ingest
from masksdb.cli.labels import labels
from masksdb.cli.media import media_group
from masksdb.cli.render import render
from masksdb.cli.split import split
from masksdb.cli.sql import sql
from masksdb.cli.version import version_group
from masksdb.cli.view import view_group
from masksdb.errors import MasksDBError

if TYPE_CHECKING:
    import duckdb


def _print_version(context: click.Context, _parameter: click.Parameter, is_wanted: bool) -> None:
    if is_wanted:
        from masksdb.pixels.kernel import name

        click.echo(f"masksdb, version {masksdb.__version__} (pixels: {name()})")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version, and which code reads pixels.",
)
def cli(debug: bool) -> None:
    """Segmentation masks, and what their pixels mean, in one DuckDB file."""


for command in (
    ingest,
    sql,
    info,
    labels,
    version_group,
    view_group,
    analyze,
    check,
    render,
    media_group,
    export,
    formats,
    evaluate,
    split,
    backup,
    doctor,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line; every error is one line on standard error, and a status: 1 failed, 2 usage, 130 stopped.

    The command runs in a thread of its own: DuckDB does not look for Ctrl-C while it computes, the main thread does.
    """
    statuses: list[int] = []
    stopped = threading.Event()
    finished = threading.Event()

    def work() -> None:
        try:
            statuses.append(_run(stopped))
        finally:
            finished.set()

    threading.Thread(target=work, daemon=True).start()
    try:
        # After an interrupted join() Python believes that the thread has ended.
        finished.wait()
    except KeyboardInterrupt:
        stopped.set()
        if "masksdb.store.engine" in sys.modules:
            from masksdb.store.engine import interrupt_all

            interrupt_all()
        finished.wait(timeout=0.8)
        # Work that still runs ends as by a kill: a transaction is in the database as a whole or not at all.
        os._exit(130)
    sys.exit(statuses[0] if statuses else 1)


def _run(stopped: threading.Event) -> int:
    try:
        status = cli.main(standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except (click.exceptions.Abort, KeyboardInterrupt):
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        # The reader has left, as `head` does; it takes no more output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if stopped.is_set():
            return 130
        if "--debug" in sys.argv:
            traceback.print_exc()
        click.echo(f"Error: {_one_line(error)}", err=True)
        return 1


def _one_line(error: Exception) -> str:
    if type(error).__module__ == "_duckdb":
        # Rows are computed while they are printed, so an error of the query may come that late.
        from masksdb.store.duckdb_errors import translate

        error = translate(cast("duckdb.Error", error), "database")
    text = " ".join(str(error).split())
    return text if isinstance(error, MasksDBError) else f"{type(error).__name__}: {text}"
