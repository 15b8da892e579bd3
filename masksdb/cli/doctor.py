"""``masksdb doctor``: what is wrong with a database file."""

from __future__ import annotations

import json

import click

import masksdb
from masksdb.cli.options import DATABASE, format_option


@click.command()
@DATABASE
@click.option("--fix", metavar="NEW", type=click.Path(), help="Write what can be saved into this new file.")
@format_option(["lines", "json"], "How the problems are written.")
def doctor(db: str, fix: str | None, format_: str) -> int:
    """Find out what is wrong with a database file: its log, blocks, schema, hashes and derived tables, and its views.

    The file itself is never changed. The status is 1 if it has an error, with --fix if the new file has one.

    \b
    masksdb doctor cars.duckdb
    masksdb doctor cars.duckdb --fix saved.duckdb
    """
    diagnosis = masksdb.doctor(db, fix=fix)
    if format_ == "json":
        problems = [problem._asdict() for problem in diagnosis.problems]
        remaining = [problem._asdict() for problem in diagnosis.remaining]
        click.echo(json.dumps({"problems": problems, "lost": diagnosis.lost, "remaining": remaining}, indent=2))
    elif diagnosis.problems or fix:
        click.echo(str(diagnosis))
    else:
        click.echo(f"{db}: {diagnosis}", err=True)
    return 1 if diagnosis.has_errors else 0
