"""``masksdb sql``: the results of a query or script."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

import masksdb
from masksdb.cli.options import DATABASE, output_options
from masksdb.cli.output import RowFormat, output_to, write_rows
from masksdb.errors import MasksDBError


@click.command()
@DATABASE
@click.argument("query")
@click.option(
    "-p", "parameters", metavar="NAME=VALUE", multiple=True, help="The value of $NAME in the query; may be repeated."
)
@click.option("--write", is_flag=True, help="Open the database for writing.")
@output_options
def sql(db: str, query: str, parameters: tuple[str, ...], write: bool, format_: RowFormat, output: str | None) -> None:
    """Run SQL: one statement, or several that end in ';'. QUERY '-' reads them from standard input.

    A value of -p that is JSON (a number, true, false, null, a list, an object, a "string") is bound as that; any other
    is bound as text.

    \b
    masksdb sql cars.duckdb 'SELECT * FROM mask_rois WHERE dataset = $d' -p d=cars
    masksdb sql cars.duckdb 'SELECT * FROM dataset_frames WHERE frame_id = $f' -p 'f="7"'
    """
    values = dict(_parameter(text) for text in parameters)
    script = sys.stdin.read() if query == "-" else query
    with masksdb.connect(db, read_only=not write, create=False) as database, output_to(output) as out:
        for number, relation in enumerate(database.run_script(script, values)):
            if number and format_ in ("parquet", "arrow"):
                raise MasksDBError(f"SQL: a second result, and --format {format_} writes one; run one query at a time")
            write_rows(relation, format_, out)


def _parameter(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise click.BadParameter(f"{text!r}; expected NAME=VALUE", param_hint="'-p'")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
