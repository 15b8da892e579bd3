"""``masksdb labels``: the label mapping of a version."""

from __future__ import annotations

import json
from typing import Any

import click

import masksdb
from masksdb.cli.options import DATABASE, dataset_option, version_option
from masksdb.errors import MasksDBError


@click.group()
def labels() -> None:
    """Show or set what pixel values mean in a version."""


@labels.command("show")
@DATABASE
@dataset_option
@version_option
def labels_show(db: str, dataset: str, version: str | None) -> None:
    """Print the mask_labels of a version as JSON.

    \b
    masksdb labels show cars.duckdb --dataset cars --version v1
    """
    with masksdb.connect(db, read_only=True) as database:
        mask_labels = database.version(dataset, version).get_metadata().get("mask_labels", {})
    click.echo(json.dumps(mask_labels, indent=2, ensure_ascii=False))


@labels.command("set")
@DATABASE
@dataset_option
@version_option
@click.argument("file", type=click.File("rb"), default="-")
def labels_set(db: str, dataset: str, version: str | None, file: Any) -> None:
    """Replace the mask_labels of a draft by those in FILE, or from standard input.

    FILE holds {"_all_": [{"value": [0, 0, 0], "labels": ["background"]}], "MASK ID": [...]}, or such a list alone.

    \b
    masksdb labels set cars.duckdb --dataset cars --version v1 labels.json
    """
    name = getattr(file, "name", "-")
    try:
        mask_labels = json.loads(file.read().decode("utf-8-sig"), object_pairs_hook=_without_duplicates)
        with masksdb.connect(db, create=False) as database:
            target = database.version(dataset, version)
            target.set_metadata({**target.get_metadata(), "mask_labels": mask_labels})
            done = f"{dataset}/{target.version_name}: mask_labels set"
    except (ValueError, UnicodeDecodeError) as error:
        raise MasksDBError(f"{name}: {error}") from None
    click.echo(done, err=True)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError(f"a key stands there twice, among {', '.join(map(repr, values))}")
    return values
