"""``masksdb ingest``: frames, or a dataset in the layout of another tool, into a version."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from masksdb.cli.options import DATABASE, dataset_option, echo_notes, old_or_new, progress_bar, version_option
from masksdb.formats.registry import AUTO, FORMATS

if TYPE_CHECKING:
    from masksdb.exchange.staging import OnError


@click.command()
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
    help="Layout of the sources; auto detects it and reports what it found. 'masksdb formats' lists them.",
)
@click.option(
    "--media-root", metavar="DIR", help="Folder that relative URIs start from; without it the folder of each file."
)
@click.option(
    "--rasterize",
    metavar="DIR",
    type=click.Path(),
    help="Write mask PNGs to this folder for annotations that are only polygons or run lengths.",
)
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="At a bad record, stop and leave the database unchanged; or put the record into the table 'rejects'.",
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
    Frames that the version already has are left as they are.

    \b
    masksdb ingest cars.duckdb frames.jsonl --dataset cars --version v1
    masksdb ingest city.duckdb /data/cityscapes --dataset city
    """
    if media_root and "://" not in media_root and not os.path.isdir(media_root):
        click.echo(f"Warning: --media-root {media_root}: no such folder", err=True)
    with old_or_new(db) as database, progress_bar("ingest") as progress:
        report = database.ingest(
            *sources,
            dataset=dataset,
            version=version,
            format=format_,
            media_root=media_root,
            on_error=on_error,
            rasterize=rasterize,
            progress=progress,
        )
    echo_notes(report.notes)
    click.echo(str(report), err=True)
    if report.rejected:
        click.echo(f"Warning: {report.rejected} records were refused; see the table 'rejects'", err=True)
