"""``masksdb check``: what is wrong with the masks of a database."""

from __future__ import annotations

import click

import masksdb
from masksdb.cli.options import DATABASE, progress_bar
from masksdb.cli.output import RowFormat, output_to, write_rows


@click.command()
@DATABASE
@click.option("--dataset", metavar="NAME", help="Only this dataset.")
@click.option("--version", metavar="NAME", help="Only this version of it.")
@click.option(
    "--small-region",
    metavar="N",
    type=click.IntRange(min=0),
    help="Tell regions of fewer pixels; kept in the database.",
)
@click.option("--split-key", metavar="KEY", help="Key of a frame's meta that names its split; kept in the database.")
@click.option(
    "--near-iou",
    metavar="X",
    type=click.FloatRange(0, 1, min_open=True),
    help="From this IoU on two masks are the same; kept in the database.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Form of the findings.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["warning", "error", "never"]),
    default="error",
    show_default=True,
    help="From which findings on the exit status is 1.",
)
@click.option("-o", "--output", type=click.Path(), help="Write to this file.")
def check(
    db: str,
    dataset: str | None,
    version: str | None,
    small_region: int | None,
    split_key: str | None,
    near_iou: float | None,
    format_: RowFormat,
    fail_on: str,
    output: str | None,
) -> int:
    """Find what is wrong with masks: their files, what their values mean, their colours, and the set as a whole.

    Masks and images that have not changed are not read again. docs/checks.md says what each finding means; they are in
    the view version_findings, too.

    \b
    masksdb check cars.duckdb
    masksdb check cars.duckdb --dataset cars --version v1 --format json --fail-on warning -o findings.json
    """
    if version is not None and dataset is None:
        raise click.UsageError("'--version' needs '--dataset', which says of which dataset.")
    with masksdb.connect(db, create=False) as database, output_to(output) as out:
        with progress_bar("masks") as progress:
            report = database.check(
                dataset,
                version,
                small_region=small_region,
                split_key=split_key,
                near_iou=near_iou,
                progress=progress,
            )
        if report.counts or format_ == "json":
            write_rows(report.findings, format_, out)
    click.echo(f"{db}: {report}", err=True)
    failed = report.total("error") + (report.total("warning") if fail_on == "warning" else 0)
    return 1 if failed and fail_on != "never" else 0
