"""``masksdb info``: what is in a database."""

from __future__ import annotations

import os
import sys

import click

import masksdb
from masksdb.cli.options import DATABASE, ROW_FORMATS, format_option
from masksdb.cli.output import RowFormat, write_rows


@click.command()
@DATABASE
@format_option(ROW_FORMATS)
def info(db: str, format_: RowFormat) -> None:
    """Show the datasets and versions of a database and how much is in them.

    \b
    masksdb info cars.duckdb
    """
    with masksdb.connect(db, read_only=True) as database:
        size_mb = os.path.getsize(database.path) / 1e6
        click.echo(f"{database.path}: {size_mb:.1f} MB", err=True)
        write_rows(database.versions(), format_, sys.stdout)
