"""Commands over the pixels of masks, and over where they are fetched from."""

from __future__ import annotations

import os

import click

import masksdb
from masksdb.commands.options import DATABASE, dataset_option, progress_bar, version_option
from masksdb.errors import UnsupportedFormatError
from masksdb.files import replacing
from masksdb.types import LOSSY_TOLERANCE, OPACITY

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


@click.command()
@DATABASE
@click.argument("frame_ids", metavar="FRAME_ID...", nargs=-1, required=True)
@dataset_option
@version_option
@click.option("-o", "--output", type=click.Path(), required=True, help="Picture to write, such as overlay.png.")
@click.option("--mask", metavar="ID", help="Only the mask of this id.")
@click.option(
    "--opacity",
    type=click.FloatRange(0, 1),
    default=OPACITY,
    show_default=True,
    help="How much of a pixel is its label's colour.",
)
def render(
    db: str,
    frame_ids: tuple[str, ...],
    dataset: str,
    version: str | None,
    output: str,
    mask: str | None,
    opacity: float,
) -> None:
    """Draw frames under their masks, with a legend; several frames side by side.

    \b
    masksdb render cars.duckdb f17 f18 --dataset cars -o overlay.png
    """
    from PIL import Image

    suffix = os.path.splitext(output)[1].lower()
    kind = Image.registered_extensions().get(suffix)
    if kind not in Image.SAVE:
        raise UnsupportedFormatError(f"{output}: pictures of kind {suffix!r} are not known; expected such as '.png'")
    with masksdb.connect(db, read_only=True) as database:
        picture = database.render(frame_ids, dataset=dataset, version=version, mask=mask, opacity=opacity)
    with replacing(output) as partial:
        picture.save(partial, kind)
    click.echo(f"{output}: {picture.width} x {picture.height} pixels", err=True)


@click.group("media")
def media_group() -> None:
    """Where masks and images are fetched from."""


@media_group.command("map")
@DATABASE
@click.argument("prefix")
@click.argument("target")
def media_map(db: str, prefix: str, target: str) -> None:
    """Read what begins with PREFIX from TARGET instead, such as a local copy of a bucket.

    The longest prefix that fits counts, once. What frames say, and exports, stays as it is.

    \b
    masksdb media map cars.duckdb https://s3.amazonaws.com/cars/ /data/cars/
    """
    with masksdb.connect(db, create=False) as database:
        database.map_media(prefix, target)
    click.echo(f"{db}: {prefix} is read from {target}", err=True)
