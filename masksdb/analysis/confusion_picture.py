"""A confusion matrix as a picture: rows are the truth, columns the prediction, each cell shows its share of the row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

_MARGIN, _TEXT, _CELL = 16, 14, 46

_SMALL_CELL, _MANY = 16, 40
"""The size of a cell in pixels beyond so many classes; no number fits in it."""

_LABEL_WIDTH = 220

_PAPER, _INK, _GRID = (255, 255, 255), (20, 20, 20), (225, 225, 225)

_FULL = (8, 69, 148)
"""The colour of a cell with all pixels of its row."""


def draw_confusion(
    truth: Sequence[str], predicted: Sequence[str | None], pixels: npt.NDArray[np.int64]
) -> Image.Image:  # fmt: skip
    """The picture of a confusion matrix, an RGB image.

    Args:
        truth: the classes of the rows.
        predicted: the classes of the columns; None stands for pixels without a prediction.
        pixels: how many pixels of each class of the truth have each predicted class, shape (rows, columns), int64.
    """
    font = ImageFont.load_default(_TEXT)
    is_many = max(len(truth), len(predicted)) > _MANY
    cell = _SMALL_CELL if is_many else _CELL
    rows = [_cut(name, font) for name in truth]
    columns = [_cut("(nothing)" if name is None else name, font) for name in predicted]
    left = 2 * _MARGIN + _TEXT + round(max(font.getlength(name) for name in rows))
    top = 2 * _MARGIN + _TEXT + round(max(font.getlength(name) for name in columns))
    titles = round(max(font.getlength(text) for text in ("truth", "prediction, % of the truth's pixels")))
    width = max(left + cell * len(columns), left + titles) + _MARGIN
    sheet = Image.new("RGB", (width, top + cell * len(rows) + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((left, _MARGIN // 2), "prediction, % of the truth's pixels", _INK, font)
    _draw_upright(sheet, "truth", (_MARGIN // 2, top), font)
    shares = pixels / np.maximum(pixels.sum(axis=1, keepdims=True), 1)
    for row, name in enumerate(rows):
        y = top + row * cell
        draw.text((left - 6, y + cell // 2), name, _INK, font, anchor="rm")
        for column, share in enumerate(shares[row].tolist()):
            x = left + column * cell
            colour = _mixed(share)
            draw.rectangle((x, y, x + cell, y + cell), colour, _GRID)
            if not is_many and pixels[row, column]:
                ink = _PAPER if share > 0.5 else _INK
                draw.text((x + cell // 2, y + cell // 2), _percent(share), ink, font, anchor="mm")
    for column, name in enumerate(columns):
        x = left + column * cell + (cell - _TEXT) // 2 - 2
        _draw_upright(sheet, name, (x, top - 6 - round(font.getlength(name))), font)
    return sheet


def _mixed(share: float) -> tuple[int, int, int]:
    """White for no pixel, the full colour for all; a small share still differs from white."""
    weight = share**0.6
    red, green, blue = (round(255 + (full - 255) * weight) for full in _FULL)
    return red, green, blue


def _percent(share: float) -> str:
    """A share as its percentage, short.

    >>> _percent(1), _percent(0.9996), _percent(0.5), _percent(0.0149), _percent(0.0001)
    ('100', '99.9', '50', '1.5', '<0.1')
    """
    if share == 1:
        return "100"
    if share < 0.0005:
        return "<0.1"
    # Only a whole row is 100.
    return f"{min(100 * share, 99.9):.1f}".removesuffix(".0")


def _cut(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    if font.getlength(text) <= _LABEL_WIDTH:
        return text
    while font.getlength(text + "…") > _LABEL_WIDTH:
        text = text[:-1]
    return text + "…"


def _draw_upright(
    sheet: Image.Image, text: str, place: tuple[int, int], font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> None:
    """Draw text that runs upwards, its upper left corner at a place."""
    strip = Image.new("RGB", (round(font.getlength(text)) + 1, _TEXT + 5), _PAPER)
    ImageDraw.Draw(strip).text((0, 0), text, _INK, font)
    sheet.paste(strip.transpose(Image.Transpose.ROTATE_90), place)
