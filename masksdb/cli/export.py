"""``masksdb export``: a version, as its frames or in the layout of another tool."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

import masksdb
from masksdb.cli.options import DATABASE, dataset_option, echo_notes, version_option
from masksdb.cli.output import write_table
from masksdb.errors import LossRefusedError, UsageError
from masksdb.formats.registry import FORMATS, FRAMES, Option, check_options
from masksdb.store.files import replacing

if TYPE_CHECKING:
    from masksdb.exchange.loss import LossReport
    from masksdb.exchange.staging import OnError

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
    help="The layout to write; 'masksdb formats' lists them.",
)
@click.option(
    "--mask", "masks", multiple=True, metavar="ID", help="Write only the ROIs in masks of this id; may be repeated."
)
@click.option("--polygons", is_flag=True, help="With coco, write polygons instead of run lengths.")
@click.option("--images", is_flag=True, help="Copy the images too.")
@click.option(
    "--split", metavar="NAME", help="The split of 'masksdb split' to write; without it the version's only split."
)
@click.option("--where", metavar="EXPR", help="Write only frames for which this SQL is true.")
@click.option("--label", "labels", multiple=True, metavar="NAME", help="Write only ROIs of a label; may be repeated.")
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="On a mask or image that cannot be read: write nothing, or leave its frame out.",
)
@click.option("--allow-outside", is_flag=True, help="With --images, copy images from outside of the media roots too.")
@click.option("--report", type=click.Path(), metavar="FILE", help="Write a report on every region to this file.")
@click.option("--refuse-loss", is_flag=True, help="If anything would be lost, write nothing and exit with status 1.")
def export(
    db: str,
    out: str,
    dataset: str,
    version: str | None,
    format_: str,
    masks: tuple[str, ...],
    images: bool,
    polygons: bool,
    split: str | None,
    where: str | None,
    labels: tuple[str, ...],
    on_error: OnError,
    allow_outside: bool,
    report: str | None,
    refuse_loss: bool,
) -> None:
    """Write a version to OUT: its frames as they were ingested, or the layout of another tool.

    With frames, OUT is a file: one array if its name ends in .json, else JSON lines; '-' is standard output. With
    another layout it is a new folder; the export is read again to report exactly what it loses.

    \b
    masksdb export cars.duckdb frames.jsonl --dataset cars --version v1
    masksdb export cars.duckdb coco/ --dataset cars --format coco --images
    masksdb export cars.duckdb ulm.jsonl --dataset cars --where "frame_meta.city = 'ulm'" --label car
    """
    asked: dict[Option, object] = {
        "masks": masks,
        "with_images": images,
        "refuse_loss": refuse_loss,
        "report": report,
        "polygons": polygons,
        "split": split,
        "on_error": on_error == "skip",
        "allow_outside": allow_outside,
    }
    try:
        check_options(format_, asked)
    except UsageError as error:
        raise click.UsageError(str(error)) from None
    if report and report != "-":
        _check_report(report, out)
    with masksdb.connect(db, read_only=True) as database:
        if format_ == FRAMES:
            count = database.export(out, dataset=dataset, version=version, where=where, labels=labels)
            click.echo(f"{out}: {count} frames", err=True)
            return
        try:
            loss = database.export(
                out,
                dataset=dataset,
                version=version,
                format=format_,
                masks=masks,
                with_images=images,
                refuse_loss=refuse_loss,
                polygons=polygons,
                split=split,
                where=where,
                labels=labels,
                on_error=on_error,
                allow_outside=allow_outside,
            )
        except LossRefusedError as error:
            _report(error.report, report)
            raise
        _report(cast("LossReport", loss), report)


class _Enough(Exception):  # noqa: N818  # nothing is wrong
    """Raised to leave the file unwritten."""


def _check_report(report: str, out: str) -> None:
    """Refuse a report that cannot be written before the export is written."""
    if Path(os.path.realpath(out)) in Path(os.path.realpath(report)).parents:
        # The export makes its folder.
        return
    with contextlib.suppress(_Enough), replacing(report) as partial:
        if partial != report:
            Path(partial).touch()
        raise _Enough


def _report(loss: LossReport, report: str | None) -> None:
    """Print what was lost per class, and write the report."""
    rows = [(name, *(f"{count:,}" for count in counts.values())) for name, counts in loss.by_class().items()]
    write_table(list(_COLUMNS.values()), rows, [name != "class" for name in _COLUMNS], sys.stderr)
    echo_notes(loss.notes)
    if report == "-":
        sys.stdout.write(loss.text())
    elif report:
        with replacing(report) as partial:
            Path(partial).write_text(loss.text(), encoding="utf-8")
    click.echo(str(loss), err=True)
