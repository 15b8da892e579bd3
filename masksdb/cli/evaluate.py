"""``masksdb evaluate``: how well predicted masks fit the true ones."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

import masksdb
from masksdb.cli.options import DATABASE, echo_notes, format_option, progress_bar
from masksdb.cli.output import write_table
from masksdb.store.files import replacing

if TYPE_CHECKING:
    from masksdb.analysis.scores import Evaluation


@click.command()
@DATABASE
@click.option(
    "--truth", metavar="DATASET/VERSION", required=True, help="The true masks; without /VERSION the newest version."
)
@click.option(
    "--prediction", metavar="DATASET/VERSION", required=True, help="The predicted masks, named in the same way."
)
@click.option("--truth-mask", metavar="ID", help="Id of the true masks; needed if there are several ids.")
@click.option("--prediction-mask", metavar="ID", help="Id of the predicted masks; needed if there are several ids.")
@click.option(
    "--pair",
    type=click.Choice(["frame_id", "uri"]),
    default="frame_id",
    show_default=True,
    help="Pair frames by their ids, or by the URI of their source.",
)
@click.option(
    "--pattern",
    metavar="REGEX",
    help="Pair frames by what the group of this pattern matches in their ids, such as '(.+?)(?:_pred)?$'.",
)
@click.option(
    "--classes",
    type=click.Choice(["label", "value"]),
    default="label",
    show_default=True,
    help="Classes are the labels of the values, by the frame's ROIs and then mask_labels; or the values as stored.",
)
@click.option("--ignore", metavar="CLASS", multiple=True, help="A class or value to ignore; may be repeated.")
@click.option(
    "--ignored",
    type=click.Choice(["before", "after"]),
    default="before",
    show_default=True,
    help="Leave ignored pixels out before counting, or leave their classes out of the means afterwards.",
)
@click.option(
    "--average",
    type=click.Choice(["set", "images"]),
    default="set",
    show_default=True,
    help="Compute figures over the pixels of the whole set, or per image and then their mean.",
)
@click.option(
    "--absent",
    type=click.Choice(["skip", "0", "1"]),
    default="skip",
    show_default=True,
    help="The score of a class that is in neither mask.",
)
@click.option(
    "--missing",
    type=click.Choice(["error", "count", "skip"]),
    default="error",
    show_default=True,
    help="A frame without a prediction is an error, counts as an empty prediction, or is left out.",
)
@click.option(
    "--sizes",
    type=click.Choice(["error", "skip"]),
    default="error",
    show_default=True,
    help="A prediction of another size is an error, or is left out; nothing is ever resized.",
)
@click.option("--by", metavar="EXPR", help="Group by this SQL over the frames of the truth, such as frame_meta.city.")
@click.option("--panoptic", is_flag=True, help="Also panoptic quality; a segment is the region of a ROI.")
@click.option("--boundary", is_flag=True, help="Also Boundary IoU; this reads all masks again.")
@click.option(
    "--davis", is_flag=True, help="Also the J measure of DAVIS; sequences are context ids, objects are values."
)
@click.option(
    "--davis-frames",
    type=click.Choice(["inner", "all"]),
    default="inner",
    show_default=True,
    help="For J, leave out the first and last frame of each sequence, or use all.",
)
@format_option(["table", "json", "csv"], "How the figures are written.")
@click.option(
    "--matrix", metavar="FILE.png", type=click.Path(), help="Write a picture of the confusion matrix to this file."
)
def evaluate(db: str, truth: str, prediction: str, format_: str, matrix: str | None, **options: Any) -> None:
    """Compare predicted masks with true ones: IoU, Dice, precision, recall and more by class, and on the whole.

    Each figure comes with its definition. The pixels that two masks share are stored, so a second run reads no masks.

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
    from masksdb.analysis.scores import PANOPTIC_FIGURES

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
    """The definitions of the figures, grouped by how they are counted, and a blank line."""
    width = max(map(len, definitions))
    for how in dict.fromkeys(how for _, how in definitions.values()):
        click.echo(f"{how}:")
        for name, (definition, of_figure) in definitions.items():
            if of_figure == how:
                click.echo(f"  {name:{width}}  {definition}")
    click.echo()


def _write_table(rows: Sequence[Mapping[str, Any]], without: Iterable[str] = ()) -> None:
    """Rows as a table, and a blank line."""
    if rows:
        names = [name for name in rows[0] if name not in without]
        is_numeric = [all(isinstance(row[name], int | float | None) for row in rows) for name in names]
        cells = [[_text(row[name]) for name in names] for row in rows]
        write_table(names, cells, is_numeric, sys.stdout)
        click.echo()


def _text(value: Any) -> str | None:
    return f"{value:.4f}" if isinstance(value, float) else None if value is None else str(value)
