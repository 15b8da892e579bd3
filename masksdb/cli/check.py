"""``masksdb check``: what is wrong with the masks of a database."""

from __future__ import annotations

import click

import masksdb
from masksdb.cli.options import DATABASE, format_option, output_option, progress_bar, scope_options
from masksdb.cli.output import RowFormat, output_to, write_rows


@click.command()
@DATABASE
@scope_options
@click.option(
    "--small-region",
    metavar="N",
    type=click.IntRange(min=0),
    help="Report regions smaller than N pixels; the database remembers N.",
)
@click.option(
    "--split-key", metavar="KEY", help="Key of a frame's meta that names its split; the database remembers it."
)
@click.option(
    "--near-iou",
    metavar="X",
    type=click.FloatRange(0, 1, min_open=True),
    help="Report two masks as duplicates from this IoU on; the database remembers it.",
)
@click.option(
    "--rehash",
    is_flag=True,
    help="Read all files again, also those of the same size and date, and compare their pixels.",
)
@click.option("--all", "is_whole", is_flag=True, help="Print every finding, not three of each check.")
@format_option(["table", "json", "csv"], "How the findings are written; json and csv have all of them.")
@click.option(
    "--fail-on",
    type=click.Choice(["warning", "error", "never"]),
    default="error",
    show_default=True,
    help="Exit with status 1 if a finding is at least this severe.",
)
@output_option
def check(
    db: str,
    dataset: str | None,
    version: str | None,
    small_region: int | None,
    split_key: str | None,
    near_iou: float | None,
    rehash: bool,
    is_whole: bool,
    format_: RowFormat,
    fail_on: str,
    output: str | None,
) -> int:
    """Find what is wrong with masks: their files, the meaning of their values, their colours, the set as a whole.

    Masks and images that have not changed are not read again. Three findings of each check are printed, with how many
    there are; all are in the view version_findings. docs/checks.md explains the checks.

    \b
    masksdb check cars.duckdb
    masksdb check cars.duckdb --dataset cars --version v1 --format json --fail-on warning -o findings.json
    """
    with masksdb.connect(db, create=False) as database, output_to(output) as out:
        with progress_bar("masks") as progress:
            report = database.check(
                dataset,
                version,
                small_region=small_region,
                split_key=split_key,
                near_iou=near_iou,
                rehash=rehash,
                progress=progress,
            )
        is_whole = is_whole or format_ != "table"
        if report.counts or format_ != "table":
            write_rows(report.findings if is_whole else report.examples, format_, out)
    click.echo(f"{db}: {report}", err=True)
    if not is_whole and any(count > 3 for count in report.counts.values()):
        click.echo("Three findings of each check are shown; '--all' prints the others.", err=True)
    failed = report.total("error") + (report.total("warning") if fail_on == "warning" else 0)
    return 1 if failed and fail_on != "never" else 0
