"""``masksdb version``: list, create, publish, compare and delete the versions of a dataset."""

from __future__ import annotations

import sys
from typing import Literal

import click

import masksdb
from masksdb.cli.options import (
    DATABASE,
    ROW_FORMATS,
    dataset_option,
    format_option,
    old_or_new,
    output_options,
    version_option,
)
from masksdb.cli.output import RowFormat, output_to, write_rows


@click.group("version")
def version_group() -> None:
    """Work with the versions of a dataset."""


@version_group.command("list")
@DATABASE
@click.option("--dataset", metavar="NAME", help="Only this dataset.")
@output_options
def version_list(db: str, dataset: str | None, format_: RowFormat, output: str | None) -> None:
    """List versions, oldest first.

    \b
    masksdb version list cars.duckdb --dataset cars
    """
    with masksdb.connect(db, read_only=True) as database:
        rows = database.versions(dataset)
        with output_to(output) as out:
            write_rows(rows, format_, out)


@version_group.command("create")
@DATABASE
@dataset_option
@click.option("--version", metavar="NAME", required=True, help="The name of the new version.")
@click.option(
    "--parent",
    "parents",
    metavar="NAME",
    multiple=True,
    help="A published version to inherit from; may be repeated, the first one wins.",
)
@click.option("--comment", help="Free text.")
def version_create(db: str, dataset: str, version: str, parents: tuple[str, ...], comment: str | None) -> None:
    """Create a draft that inherits the frames and the label mapping of its parents.

    \b
    masksdb version create cars.duckdb --dataset cars --version v2 --parent v1
    """
    with old_or_new(db) as database:
        made = database.create_version(dataset, version, parents=parents, comment=comment, raise_if_exists=True)
        click.echo(f"{dataset}/{made.version_name}: created", err=True)


@version_group.command("publish")
@DATABASE
@dataset_option
@version_option
def version_publish(db: str, dataset: str, version: str | None) -> None:
    """Freeze a version; after that every write to it is refused.

    \b
    masksdb version publish cars.duckdb --dataset cars --version v1
    """
    with masksdb.connect(db, create=False) as database:
        target = database.version(dataset, version)
        target.publish_version()
        click.echo(f"{dataset}/{target.version_name}: published", err=True)


@version_group.command("snapshot")
@DATABASE
@dataset_option
@click.option("--version", metavar="NAME", help="The draft; needed if there are several.")
@click.option("--name", metavar="NAME", help="Name of the snapshot; without it 'snapshot' and the time.")
@click.option("--child", metavar="NAME", help="Name of the new draft; without it 'Current'.")
def version_snapshot(db: str, dataset: str, version: str | None, name: str | None, child: str | None) -> None:
    """Publish a draft under a name of its own and continue in a new draft that inherits from it.

    \b
    masksdb version snapshot cars.duckdb --dataset cars --name before-cleanup
    """
    with masksdb.connect(db, create=False) as database:
        draft = database.create_snapshot(dataset, version, publish_name=name, child_name=child)
        (snapshot,) = draft.parents
        click.echo(f"{dataset}/{snapshot}: published; {dataset}/{draft.version_name}: created", err=True)


@version_group.command("delete")
@DATABASE
@dataset_option
@click.option("--version", metavar="NAME", required=True, help="The version.")
@click.option("--force", is_flag=True, help="Delete it even if it is published.")
def version_delete(db: str, dataset: str, version: str, force: bool) -> None:
    """Delete a draft, or with --force a published version, unless another version inherits from it.

    \b
    masksdb version delete cars.duckdb --dataset cars --version attempt
    """
    with masksdb.connect(db, create=False) as database:
        database.dataset(dataset).delete_version(version_name=version, force=force)
    click.echo(f"{dataset}/{version}: deleted", err=True)


@version_group.command("diff")
@DATABASE
@dataset_option
@click.argument("from_version", metavar="FROM")
@click.argument("to_version", metavar="TO")
@format_option(["summary", *ROW_FORMATS], "A few lines for people, or one row per difference.")
def version_diff(
    db: str, dataset: str, from_version: str, to_version: str, format_: RowFormat | Literal["summary"]
) -> None:
    """Show what differs between two versions: frames, ROIs and label mappings.

    \b
    masksdb version diff cars.duckdb --dataset cars v1 v2
    """
    with masksdb.connect(db, read_only=True) as database:
        changes = database.changes(dataset, from_version, to_version)
        if format_ == "summary":
            click.echo(str(changes))
        else:
            write_rows(changes.rows, format_, sys.stdout)
