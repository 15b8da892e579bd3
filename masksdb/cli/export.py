"""Commands on the layouts of other tools."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

import click

import masksdb
from masksdb.cli.options import DATABASE, dataset_option, echo_notes, version_option
from masksdb.errors import LossRefusedError, UsageError
from masksdb.formats.registry import FORMATS, FRAMES, check_options
from masksdb.store.files import replacing

_COLUMNS = {
    "class": "class",
    "regions": "regions",
    "pixels": "pixels",
    "gained": "gained",
    "lost": "lost",
    "holes_filled": "holes filled",
    "parts_dropped": "parts dropped",
    "merged": "merged",
    "not_held": "not held",
}


@click.command()
@DATABASE
@click.argument("out", type=click.Path(allow_dash=True))
@dataset_option
@version_option
@click.option(
    "--format",
    "format_",
    type=click.Choice([name for name, layout in FORMATS.items() if layout.is_written]),
    default=FRAMES,
    show_default=True,
    metavar="NAME",
    help="Layout to write; 'masksdb formats' lists them.",
)
@click.option("--mask", "masks", multiple=True, metavar="ID", help="Write the ROIs in this mask; may be repeated.")
@click.option("--polygons", is_flag=True, help="In coco, write polygons and not run lengths.")
@click.option("--images", is_flag=True, help="Copy the images too.")
@click.option("--report", type=click.Path(), metavar="FILE", help="Write what became of every region to this file.")
@click.option("--refuse-loss", is_flag=True, help="Write nothing where anything would be lost; exit status 1.")
def export(
    db: str,
    out: str,
    dataset: str,
    version: str | None,
    format_: str,
    masks: tuple[str, ...],
    images: bool,
    polygons: bool,
    report: str | None,
    refuse_loss: bool,
) -> None:
    """Write a version to OUT: its frames as they were ingested, or the layout of another tool.

    Of frames, OUT is a file: one array where its name ends in .json, else JSON lines; '-' is standard output. Of
    another layout it is a new folder, which is read again to say what was lost on the way.

    \b
    masksdb export cars.duckdb frames.jsonl --dataset cars --version v1
    masksdb export cars.duckdb coco/ --dataset cars --format coco --images
    """
    try:
        check_options(format_, polygons=polygons)
    except UsageError as error:
        raise click.UsageError(str(error)) from None
    if report and report != "-" and format_ != FRAMES:
        _check_report(report, out)
    with masksdb.connect(db, read_only=True) as database:
        if format_ == FRAMES:
            if masks or images or report or refuse_loss:
                raise UsageError("--mask, --images, --report and --refuse-loss: for other layouts than frames")
            count = database.export(out, dataset=dataset, version=version)
            click.echo(f"{out}: {count} frames", err=True)
            return
        try:
            found: Any = database.export(
                out,
                dataset=dataset,
                version=version,
                format=format_,
                masks=masks,
                with_images=images,
                refuse_loss=refuse_loss,
                polygons=polygons,
            )
        except LossRefusedError as error:
            _tell(error.report, report)
            raise
        _tell(found, report)


class _Enough(Exception):  # noqa: N818  # nothing is wrong
    """Nothing is to be written yet."""


def _check_report(report: str, out: str) -> None:
    """Refuse a report that cannot be written while there is no export yet."""
    if Path(os.path.realpath(out)) in Path(os.path.realpath(report)).parents:
        # Its folder comes with the export.
        return
    with contextlib.suppress(_Enough), replacing(report) as partial:
        if partial != report:
            Path(partial).touch()
        raise _Enough


def _tell(found: Any, report: str | None) -> None:
    """Print what was lost per class, and write the report."""
    rows = [(name, *(f"{count:,}" for count in counts.values())) for name, counts in found.by_class().items()]
    table = [tuple(_COLUMNS.values()), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(_COLUMNS))]
    for row in table:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        click.echo("  ".join(cells).rstrip(), err=True)
    echo_notes(found.notes)
    if report == "-":
        sys.stdout.write(found.text())
    elif report:
        with replacing(report) as partial:
            Path(partial).write_text(found.text(), encoding="utf-8")
    click.echo(str(found), err=True)


@click.command()
def formats() -> None:
    """List the layouts that are read and written: name, direction, what it is.

    \b
    masksdb formats | grep coco
    """
    width = max(map(len, FORMATS))
    for name, layout in FORMATS.items():
        click.echo(f"{name.ljust(width)}  {layout.direction.ljust(7)}  {layout.description}")
