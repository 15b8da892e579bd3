"""``masksdb split``: divide the frames of a version into training, validation and test."""

from __future__ import annotations

import sys

import click

import masksdb
from masksdb.cli.options import DATABASE, dataset_option, version_option
from masksdb.cli.output import write_table


class _Parts(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """``train=0.8,val=0.2``."""

    name = "parts"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, float]:
        shares: dict[str, float] = {}
        for item in value.split(","):
            part, _, share = item.partition("=")
            try:
                number = float(share)
            except ValueError:
                number = -1
            if not part.strip() or part.strip() in shares or not 0 <= number <= 1:
                self.fail(f"{item!r}; expected NAME=SHARE,..., each name once and its share from 0 to 1", param, ctx)
            shares[part.strip()] = number
        return shares


@click.command("split")
@DATABASE
@dataset_option
@version_option
@click.option(
    "--by",
    default="context_id",
    show_default=True,
    metavar="EXPR",
    help="SQL over a frame; frames with the same value stay together.",
)
@click.option(
    "--parts",
    type=_Parts(),
    required=True,
    metavar="NAME=SHARE,...",
    help="The parts and their shares, which sum up to 1.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the order of the groups.")
@click.option("--balance", is_flag=True, help="Also balance the pixels of each class; needs 'masksdb analyze' first.")
@click.option("--name", default="split", show_default=True, help="Name of the split; it replaces a split of that name.")
def split(
    db: str,
    dataset: str,
    version: str | None,
    by: str,
    parts: dict[str, float],
    seed: int,
    balance: bool,
    name: str,
) -> None:
    """Divide the frames of a version into parts such as training, validation and test; groups stay together.

    The parts are in the view frame_splits. The same seed gives the same parts on every machine.

    \b
    masksdb split cars.duckdb --dataset cars --version v1 --parts train=0.8,val=0.1,test=0.1 --seed 7
    masksdb split cars.duckdb --dataset cars --by frame_meta.city --parts train=0.9,val=0.1 --balance --name by_city
    """
    with masksdb.connect(db, create=False) as database:
        report = database.split(dataset, version, parts, by=by, seed=seed, balance=balance, name=name)
    rows = [
        (part.name, f"{part.groups}", f"{part.frames}", f"{part.share:.4f}", f"{part.target:g}")
        for part in report.parts
    ]
    columns = ("part", "groups", "frames", "share", "target")
    write_table(columns, rows, [name != "part" for name in columns], sys.stdout)
    click.echo(str(report), err=True)
