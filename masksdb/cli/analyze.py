"""Commands over the pixels of masks, and over where they are fetched from."""

from __future__ import annotations

import click

import masksdb
from masksdb.cli.options import DATABASE, progress_bar
from masksdb.pixels.settings import LOSSY_TOLERANCE

FAILURES_SHOWN = 10


@click.command()
@DATABASE
@click.option("--dataset", metavar="NAME", help="Only the masks of this dataset.")
@click.option("--version", metavar="NAME", help="Only those of this version of it.")
@click.option("--rle", "with_rle", is_flag=True, help="Also keep COCO run lengths of every region.")
@click.option(
    "--tolerance",
    metavar="T",
    type=click.IntRange(0, 65535),
    default=LOSSY_TOLERANCE,
    show_default=True,
    help="In lossy files, by how much a channel may differ from the value that a pixel counts for.",
)
def analyze(db: str, dataset: str | None, version: str | None, with_rle: bool, tolerance: int) -> None:
    """Read every mask once and keep areas, boxes and centroids in tables that any DuckDB client reads.

    Masks whose files have not changed are left alone. One that cannot be read has the reason in mask_files.error.

    \b
    masksdb analyze cars.duckdb
    masksdb sql cars.duckdb 'SELECT class_labels, avg(coverage) FROM mask_roi_regions GROUP BY ALL'
    """
    if version is not None and dataset is None:
        raise click.UsageError("'--version' needs '--dataset', which says of which dataset.")
    with masksdb.connect(db, create=False) as database, progress_bar("masks") as progress:
        report = database.analyze(dataset, version, with_rle=with_rle, tolerance=tolerance, progress=progress)
    click.echo(f"{db}: {report}", err=True)
    for failure in report.failures[:FAILURES_SHOWN]:
        click.echo(f"Warning: {failure}", err=True)
    if len(report.failures) > FAILURES_SHOWN:
        click.echo(f"Warning: and {len(report.failures) - FAILURES_SHOWN} more; see mask_files.error", err=True)
