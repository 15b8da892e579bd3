"""Commands that answer questions about masks: what is wrong with them, how well predictions fit the truth."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

import masksdb
from masksdb.analysis.scores import PANOPTIC_FIGURES
from masksdb.cli.options import DATABASE, echo_notes, progress_bar
from masksdb.cli.output import write_table
from masksdb.store.files import replacing

if TYPE_CHECKING:
    from masksdb.analysis.scores import Evaluation


@click.command()
@DATABASE
@click.option("--truth", metavar="DATASET/VERSION", required=True, help="What is right; without /VERSION the newest.")
@click.option("--prediction", metavar="DATASET/VERSION", required=True, help="What is compared with it.")
@click.option("--truth-mask", metavar="ID", help="Which masks of the truth; without it the only ones.")
@click.option("--prediction-mask", metavar="ID", help="Which masks of the prediction; without it the only ones.")
@click.option(
    "--pair",
    type=click.Choice(["frame_id", "uri"]),
    default="frame_id",
    show_default=True,
    help="What frames are paired by: their ids, or the URI of their source.",
)
@click.option("--pattern", metavar="REGEX", help="Or by what its group finds in both ids, such as '(.+?)(?:_pred)?$'.")
@click.option(
    "--classes",
    type=click.Choice(["label", "value"]),
    default="label",
    show_default=True,
    help="What classes are: what values mean by the frame's ROIs, then by mask_labels; or values as stored.",
)
@click.option("--ignore", metavar="CLASS", multiple=True, help="A class or value that counts for nothing; repeatable.")
@click.option(
    "--ignored",
    type=click.Choice(["before", "after"]),
    default="before",
    show_default=True,
    help="Leave ignored pixels of the truth out before counting, or their classes out of the means afterwards.",
)
@click.option(
    "--average",
    type=click.Choice(["set", "images"]),
    default="set",
    show_default=True,
    help="Figures over the pixels of the whole set, or their mean over images.",
)
@click.option(
    "--absent",
    type=click.Choice(["skip", "0", "1"]),
    default="skip",
    show_default=True,
    help="What a class in neither mask counts as.",
)
@click.option(
    "--missing",
    type=click.Choice(["error", "count", "skip"]),
    default="error",
    show_default=True,
    help="Frames without a prediction: an error, counted as nothing predicted, or left out.",
)
@click.option(
    "--sizes",
    type=click.Choice(["error", "skip"]),
    default="error",
    show_default=True,
    help="Predictions of another size: an error, or left out. They are never resized.",
)
@click.option("--by", metavar="EXPR", help="SQL over frames of the truth to group by, such as frame_meta.city.")
@click.option("--panoptic", is_flag=True, help="Also panoptic quality, whose segments are what ROIs cover.")
@click.option("--boundary", is_flag=True, help="Also Boundary IoU, for which all masks are read again.")
@click.option("--davis", is_flag=True, help="Also the J of DAVIS: its sequences are context_ids, its objects values.")
@click.option(
    "--davis-frames",
    type=click.Choice(["inner", "all"]),
    default="inner",
    show_default=True,
    help="For J leave out the first and last frame of each sequence, or take all.",
)
@click.option("--format", "format_", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
@click.option("--matrix", metavar="FILE.png", type=click.Path(), help="Write a picture of the confusion matrix here.")
def evaluate(db: str, truth: str, prediction: str, format_: str, matrix: str | None, **options: Any) -> None:
    """Compare predicted masks with true ones: IoU, Dice, precision, recall and more by class, and on the whole.

    Figures say how they are defined. What two masks have in common is kept, so a second run reads no masks.

    \b
    masksdb evaluate cars.duckdb --truth cars/v1 --prediction cars/unet --by frame_meta.city
    masksdb evaluate cars.duckdb --truth cars/v1 --prediction cars/unet --format json --matrix confusion.png
    """
    with masksdb.connect(db, create=False) as database, progress_bar("pairs of masks") as progress:
        evaluation = database.evaluate(truth, prediction, progress=progress, **options)
    echo_notes(evaluation.notes)
    counts = [f"{evaluation.masks:,} masks"]
    counts += [f"{evaluation.missing:,} of them without a prediction"] if evaluation.missing else []
    counts += [f"{evaluation.skipped:,} left out"] if evaluation.skipped else []
    click.echo(f"{truth} and {prediction}: {', '.join(counts)}", err=True)
    if format_ == "json":
        click.echo(json.dumps(evaluation.document(), indent=2, ensure_ascii=False))
    elif format_ == "csv":
        rows = evaluation.rows()
        writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        _write_tables(evaluation)
    if matrix is not None:
        with replacing(matrix) as partial:
            evaluation.picture().save(partial, "PNG")
        click.echo(f"{matrix}: confusion matrix", err=True)


def _write_tables(evaluation: Evaluation) -> None:
    _write_table([{"figure": name, "value": value} for name, value in evaluation.metrics.items()])
    _write_definitions(evaluation.definitions)
    more = [name for name in (*PANOPTIC_FIGURES, "boundary_iou") if name in evaluation.metrics]
    _write_table(evaluation.groups, without=more)
    if more:
        _write_table([{name: row[name] for name in ("by", *more)} for row in evaluation.groups])
    for rows in (
        evaluation.classes,
        evaluation.group_classes,
        evaluation.panoptic,
        evaluation.boundary,
        evaluation.davis,
    ):
        is_grouped = any(row.get("by") is not None for row in rows)
        _write_table(rows, without=() if is_grouped else ("by",))


def _write_definitions(definitions: Mapping[str, tuple[str, str]]) -> None:
    """What each figure is, under how it was counted, which is the same for many; with a blank line before the next."""
    width = max(map(len, definitions))
    for how in dict.fromkeys(how for _, how in definitions.values()):
        click.echo(f"{how}:")
        for name, (definition, of_figure) in definitions.items():
            if of_figure == how:
                click.echo(f"  {name:{width}}  {definition}")
    click.echo()


def _write_table(rows: Sequence[Mapping[str, Any]], without: Iterable[str] = ()) -> None:
    """Rows as a table, with a blank line before the next."""
    if rows:
        names = [name for name in rows[0] if name not in without]
        is_numeric = [all(isinstance(row[name], int | float | None) for row in rows) for name in names]
        cells = [[_text(row[name]) for name in names] for row in rows]
        write_table(names, cells, is_numeric, sys.stdout)
        click.echo()


def _text(value: Any) -> str | None:
    return f"{value:.4f}" if isinstance(value, float) else None if value is None else str(value)
