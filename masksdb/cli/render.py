"""``masksdb render``: frames with their masks drawn over them."""

from __future__ import annotations

import os

import click

import masksdb
from masksdb.analysis.settings import OPACITY
from masksdb.cli.options import DATABASE, dataset_option, echo_notes, version_option
from masksdb.errors import UnsupportedFormatError
from masksdb.store.files import replacing


@click.command()
@DATABASE
@click.argument("frame_ids", metavar="FRAME_ID...", nargs=-1, required=True)
@dataset_option
@version_option
@click.option("-o", "--output", type=click.Path(), required=True, help="The picture to write, such as overlay.png.")
@click.option("--mask", metavar="ID", help="Draw only the masks of this id.")
@click.option(
    "--opacity",
    type=click.FloatRange(0, 1),
    default=OPACITY,
    show_default=True,
    help="Share of a label's colour in a pixel, from 0 to 1.",
)
def render(
    db: str,
    frame_ids: tuple[str, ...],
    dataset: str,
    version: str | None,
    output: str,
    mask: str | None,
    opacity: float,
) -> None:
    """Draw frames with their masks over them and a legend; several frames side by side.

    \b
    masksdb render cars.duckdb f17 f18 --dataset cars -o overlay.png
    """
    from PIL import Image

    suffix = os.path.splitext(output)[1].lower()
    kind = Image.registered_extensions().get(suffix)
    if kind not in Image.SAVE:
        raise UnsupportedFormatError(f"{output}: pictures of kind {suffix!r} are not known; expected such as '.png'")
    with masksdb.connect(db, read_only=True) as database:
        picture = database.render(frame_ids, dataset=dataset, version=version, mask=mask, opacity=opacity)
    echo_notes(picture.info["notes"])
    with replacing(output) as partial:
        picture.save(partial, kind)
    click.echo(f"{output}: {picture.width} x {picture.height} pixels", err=True)
