"""``masksdb formats``: the layouts that are read and written."""

from __future__ import annotations

import click

from masksdb.formats.registry import FORMATS


@click.command()
def formats() -> None:
    """List the layouts: the name, whether it is read, written or both, and what it is.

    \b
    masksdb formats | grep coco
    """
    width = max(map(len, FORMATS))
    for name, layout in FORMATS.items():
        click.echo(f"{name.ljust(width)}  {layout.direction.ljust(7)}  {layout.description}")
