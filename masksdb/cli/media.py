"""``masksdb media``: where the bytes of URIs are fetched from."""

from __future__ import annotations

import click

import masksdb
from masksdb.cli.options import DATABASE


@click.group("media")
def media_group() -> None:
    """Say where masks and images are fetched from."""


@media_group.command("map")
@DATABASE
@click.argument("prefix")
@click.argument("target")
def media_map(db: str, prefix: str, target: str) -> None:
    """Fetch URIs that start with PREFIX from TARGET instead, such as a local copy of a bucket.

    Of several prefixes that match, the longest is replaced, once. The URIs in the tables and in exports do not change.

    \b
    masksdb media map cars.duckdb https://s3.amazonaws.com/cars/ /data/cars/
    """
    with masksdb.connect(db, create=False) as database:
        database.map_media(prefix, target)
    click.echo(f"{db}: {prefix} is read from {target}", err=True)
