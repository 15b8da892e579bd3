"""``masksdb backup``: a copy of a database."""

from __future__ import annotations

import os

import click

from masksdb.cli.options import DATABASE


@click.command()
@DATABASE
@click.argument("out", type=click.Path())
@click.option("--overwrite", is_flag=True, help="Replace OUT if it exists.")
def backup(db: str, out: str, overwrite: bool) -> None:
    """Write a copy of a database to OUT, while other processes read it; OUT is there as a whole or not at all.

    Every block is read and its checksum verified, so a copy is also a test. A process that writes to the database takes
    a copy itself, with Database.backup in Python.

    \b
    masksdb backup cars.duckdb /backups/cars.duckdb
    """
    from masksdb.store.backup import backup_file

    backup_file(db, out, overwrite=overwrite)
    click.echo(f"{out}: {os.path.getsize(out) / 1e6:.1f} MB", err=True)
