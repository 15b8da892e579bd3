"""The command line: each command opens a database, calls one method, and prints what it returns."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import threading
import traceback
from typing import Any

import click

import masksdb
from masksdb.commands.answers import check, evaluate
from masksdb.commands.convert import export, formats
from masksdb.commands.options import (
    DATABASE,
    ROW_FORMATS,
    dataset_option,
    echo_notes,
    output_options,
    version_option,
)
from masksdb.commands.pixels import analyze, media_group, render
from masksdb.commands.split import split
from masksdb.commands.version import version_group
from masksdb.commands.view import view_group
from masksdb.errors import MasksDBError
from masksdb.formats.registry import AUTO, FORMATS
from masksdb.output import output_to, write_rows
from masksdb.types import OnError, RowFormat


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(masksdb.__version__, prog_name="masksdb")
def cli(debug: bool) -> None:
    """Segmentation masks, and what their pixels mean, in one DuckDB file."""


@cli.command()
@DATABASE
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@dataset_option
@version_option
@click.option(
    "--format",
    "format_",
    type=click.Choice([AUTO, *(name for name, layout in FORMATS.items() if layout.is_read)]),
    default=AUTO,
    show_default=True,
    metavar="NAME",
    help="Layout of the sources; auto looks, and says what it takes them for. 'masksdb formats' lists them.",
)
@click.option(
    "--media-root", metavar="DIR", help="What relative URIs are relative to; without it the folder of each file."
)
@click.option(
    "--rasterize",
    metavar="DIR",
    type=click.Path(),
    help="Write mask PNGs here for annotations that come as polygons or run lengths alone.",
)
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="At a bad record stop with the database unchanged, or keep it in the table 'rejects' and go on.",
)
def ingest(
    db: str,
    sources: tuple[str, ...],
    dataset: str,
    version: str | None,
    format_: str,
    media_root: str | None,
    rasterize: str | None,
    on_error: OnError,
) -> None:
    """Read frames, or a dataset in the layout of another tool, into a version of a dataset.

    SOURCE is a file of JSON lines, an array, an object or {"frames": [...]}, also as .gz or .zst; a folder or a
    pattern of such files; '-' for standard input; or the folder or file of a dataset that 'masksdb formats' lists.
    Frames that are there already stay as they are.

    \b
    masksdb ingest cars.duckdb frames.jsonl --dataset cars --version v1
    masksdb ingest city.duckdb /data/cityscapes --dataset city
    """
    if media_root and "://" not in media_root and not os.path.isdir(media_root):
        click.echo(f"Warning: --media-root {media_root}: no such folder", err=True)
    # A link that was there stays, whatever becomes of the file that it leads to.
    target = os.path.realpath(db)
    is_new = not os.path.lexists(target)
    try:
        with masksdb.connect(db) as database:
            report = database.ingest(
                *sources,
                dataset=dataset,
                version=version,
                format=format_,
                media_root=media_root,
                on_error=on_error,
                rasterize=rasterize,
            )
    except BaseException:
        if is_new:
            # What failed has left nothing in it.
            with contextlib.suppress(OSError):
                os.remove(target)
        raise
    echo_notes(report.notes)
    click.echo(str(report), err=True)
    if report.rejected:
        click.echo(f"Warning: {report.rejected} records were refused; see the table 'rejects'", err=True)


@cli.command()
@DATABASE
@click.argument("query")
@click.option("-p", "parameters", metavar="NAME=VALUE", multiple=True, help="A value for $NAME in the query.")
@click.option("--write", is_flag=True, help="Open the database for writing.")
@output_options
def sql(db: str, query: str, parameters: tuple[str, ...], write: bool, format_: RowFormat, output: str | None) -> None:
    """Run SQL; QUERY '-' reads it from standard input, several statements ending in ';' included.

    A value that is a JSON number, true, false, null, list, object or "string" is bound as such, any other as text.

    \b
    masksdb sql cars.duckdb 'SELECT * FROM mask_rois WHERE dataset = $d' -p d=cars
    masksdb sql cars.duckdb 'SELECT * FROM dataset_frames WHERE frame_id = $f' -p 'f="7"'
    """
    values = dict(_parameter(each) for each in parameters)
    text = sys.stdin.read() if query == "-" else query
    with masksdb.connect(db, read_only=not write, create=False) as database, output_to(output) as out:
        for number, relation in enumerate(database.run_script(text, values)):
            if number and format_ in ("parquet", "arrow"):
                raise MasksDBError(f"SQL: a second result, and --format {format_} writes one; run one query at a time")
            write_rows(relation, format_, out)


def _parameter(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise click.BadParameter(f"{text!r}; expected NAME=VALUE", param_hint="'-p'")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


@cli.command()
@DATABASE
@click.option(
    "--format", "format_", type=click.Choice(ROW_FORMATS), default="table", show_default=True, help="Form of the rows."
)
def info(db: str, format_: RowFormat) -> None:
    """Show the datasets and versions of a database and how much is in them.

    \b
    masksdb info cars.duckdb
    """
    with masksdb.connect(db, read_only=True) as database:
        size_mb = os.path.getsize(database.path) / 1e6
        click.echo(f"{database.path}: {size_mb:.1f} MB", err=True)
        write_rows(database.versions(), format_, sys.stdout)


@cli.group()
def labels() -> None:
    """The version's mapping of pixel values to labels."""


@labels.command("show")
@DATABASE
@dataset_option
@version_option
def labels_show(db: str, dataset: str, version: str | None) -> None:
    """Print the mask_labels of a version as JSON.

    \b
    masksdb labels show cars.duckdb --dataset cars --version v1
    """
    with masksdb.connect(db, read_only=True) as database:
        mask_labels = database.version(dataset, version).get_metadata().get("mask_labels", {})
    click.echo(json.dumps(mask_labels, indent=2, ensure_ascii=False))


@labels.command("set")
@DATABASE
@dataset_option
@version_option
@click.argument("file", type=click.File("rb"), default="-")
def labels_set(db: str, dataset: str, version: str | None, file: Any) -> None:
    """Replace the mask_labels of a draft version by those in FILE (or on standard input).

    FILE holds {"_all_": [{"value": [0, 0, 0], "labels": ["background"]}], "MASK ID": [...]}, or such a list alone.

    \b
    masksdb labels set cars.duckdb --dataset cars --version v1 labels.json
    """
    name = getattr(file, "name", "-")
    try:
        mask_labels = json.loads(file.read().decode("utf-8-sig"), object_pairs_hook=_without_duplicates)
        with masksdb.connect(db, create=False) as database:
            target = database.version(dataset, version)
            target.set_metadata({**target.get_metadata(), "mask_labels": mask_labels})
            told = f"{dataset}/{target.version_name}: mask_labels set"
    except (ValueError, UnicodeDecodeError) as error:
        raise MasksDBError(f"{name}: {error}") from None
    click.echo(told, err=True)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"a key stands there twice, among {', '.join(map(repr, found))}")
    return found


cli.add_command(version_group)
cli.add_command(view_group)
for command in (analyze, check, render, media_group, export, formats, evaluate, split):
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
        # A join() that was interrupted would take the thread for ended from then on.
        finished.wait()
    except KeyboardInterrupt:
        stopped.set()
        if "masksdb.engine" in sys.modules:
            importlib.import_module("masksdb.engine").interrupt_all()
        finished.wait(timeout=0.8)
        # Whatever still runs, a database is left as a kill leaves it: none or all of it is there.
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
        # The reader has left, as `head` does; nothing more can be told to it.
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
        error = importlib.import_module("masksdb.engine").translate(error, "database")
    text = " ".join(str(error).split())
    return text if isinstance(error, MasksDBError) else f"{type(error).__name__}: {text}"


if __name__ == "__main__":
    main()
