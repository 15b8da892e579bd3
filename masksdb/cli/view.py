"""``masksdb view``: list, show, run and freeze the saved views of a database."""

from __future__ import annotations

import json

import click

import masksdb
from masksdb.cli.options import DATABASE, output_options
from masksdb.cli.output import RowFormat, output_to, write_rows

_LIST = "SELECT dataview_id, name, created_at, frozen_at, frozen_hash FROM dataviews ORDER BY name"


@click.group("view")
def view_group() -> None:
    """Work with queries that are saved by name; DataView.store() in Python saves one."""


@view_group.command("list")
@DATABASE
@output_options
def view_list(db: str, format_: RowFormat, output: str | None) -> None:
    """List the saved views.

    \b
    masksdb view list cars.duckdb
    """
    with masksdb.connect(db, read_only=True) as database, output_to(output) as out:
        write_rows(database.sql(_LIST), format_, out)


@view_group.command("show")
@DATABASE
@click.argument("name")
def view_show(db: str, name: str) -> None:
    """Print the definition of a view and its SQL statement; all but the statement is in comments.

    \b
    masksdb view show cars.duckdb night
    """
    with masksdb.connect(db, read_only=True) as database:
        view = masksdb.DataView.get(dataview_name=name, database=database)
        lines = [f"-- {view.definition()}"]
        lines += [f"-- ${key} = {json.dumps(value, ensure_ascii=False)}" for key, value in view.parameters().items()]
        click.echo("\n".join([*lines, view.sql()]), nl=False)


@view_group.command("run")
@DATABASE
@click.argument("name")
@output_options
def view_run(db: str, name: str, format_: RowFormat, output: str | None) -> None:
    """Write one row per frame of a view, in the view's order, each frame once.

    For a frozen view it also says whether the frames are still the ones that it was frozen with.

    \b
    masksdb view run cars.duckdb night --format csv -o night.csv
    """
    with masksdb.connect(db, read_only=True) as database:
        view = masksdb.DataView.get(dataview_name=name, database=database)
        with output_to(output) as out:
            write_rows(view.relation(), format_, out)
        is_unchanged = view.is_unchanged()
    if is_unchanged is not None:
        state = "the same data as when it was frozen" if is_unchanged else "other data than when it was frozen"
        click.echo(f"{name}: {state}", err=True)


@view_group.command("freeze")
@DATABASE
@click.argument("name")
def view_freeze(db: str, name: str) -> None:
    """Store a hash of the frames of a view, so that a later run can say whether they are still the same.

    \b
    masksdb view freeze cars.duckdb night
    """
    with masksdb.connect(db, create=False) as database:
        digest = masksdb.DataView.get(dataview_name=name, database=database).freeze()
        click.echo(f"{name}: frozen with the hash {digest}", err=True)
