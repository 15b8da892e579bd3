"""``masksdb analyze``: what is in every mask, as tables."""

from __future__ import annotations

import click

import masksdb
from masksdb.cli.options import DATABASE, progress_bar, scope_options
from masksdb.pixels.settings import LOSSY_TOLERANCE

FAILURES_SHOWN = 10


@click.command()
@DATABASE
@scope_options
@click.option("--rle", "with_rle", is_flag=True, help="Also store the COCO run lengths of every region.")
@click.option(
    "--tolerance",
    metavar="T",
    type=click.IntRange(0, 65535),
    default=LOSSY_TOLERANCE,
    show_default=True,
    help="In lossy files, how far a channel of a pixel may be from the value that the pixel is counted for.",
)
def analyze(db: str, dataset: str | None, version: str | None, with_rle: bool, tolerance: int) -> None:
    """Read every mask once and store areas, boxes and centroids in tables that any DuckDB client can read.

    Masks whose files have not changed are not read again. Why a mask cannot be read is in mask_files.error.

    \b
    masksdb analyze cars.duckdb
    masksdb sql cars.duckdb 'SELECT class_labels, avg(coverage) FROM mask_roi_regions GROUP BY ALL'
    """
    with masksdb.connect(db, create=False) as database, progress_bar("masks") as progress:
        report = database.analyze(dataset, version, with_rle=with_rle, tolerance=tolerance, progress=progress)
    click.echo(f"{db}: {report}", err=True)
    for failure in report.failures[:FAILURES_SHOWN]:
        click.echo(f"Warning: {failure}", err=True)
    if len(report.failures) > FAILURES_SHOWN:
        click.echo(f"Warning: and {len(report.failures) - FAILURES_SHOWN} more; see mask_files.error", err=True)
