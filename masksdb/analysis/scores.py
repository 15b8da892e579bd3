"""The options and the result of an evaluation: figures with their definitions, as rows, a document and a matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from masksdb.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image


Row = dict[str, Any]

FIGURES: Mapping[str, str] = {
    "mean_iou": "mean over classes of TP / (TP + FP + FN)",
    "mean_dice": "mean over classes of 2 TP / (2 TP + FP + FN)",
    "pixel_accuracy": "pixels of the right class / pixels",
    "mean_accuracy": "mean over classes of TP / (TP + FN)",
    "frequency_weighted_iou": "mean over classes of TP / (TP + FP + FN), weighted by their pixels in the truth",
}
"""The figures over all classes, with their definitions."""

CLASS_FIGURES: Mapping[str, str] = {
    "iou": "TP / (TP + FP + FN)",
    "dice": "2 TP / (2 TP + FP + FN)",
    "precision": "TP / (TP + FP)",
    "recall": "TP / (TP + FN)",
}
"""The figures of one class, with their definitions."""

PANOPTIC_FIGURES: Mapping[str, str] = {
    "pq": "sum of matches' IoU / (TP + FP / 2 + FN / 2)",
    "sq": "mean IoU of the matches",
    "rq": "TP / (TP + FP / 2 + FN / 2)",
}

BOUNDARY_IOU = "IoU of boundaries, 2 % of the diagonal deep"

PANOPTICAPI = "matches of IoU > 0.5, void and crowds as in panopticapi"

DAVIS_J = "mean over frames of the IoU, 1 where it is in neither mask"

_CHOICES: Mapping[str, Sequence[str]] = {
    "pair": ("frame_id", "uri"),
    "classes": ("label", "value"),
    "ignored": ("before", "after"),
    "average": ("set", "images"),
    "absent": ("skip", "0", "1"),
    "missing": ("error", "count", "skip"),
    "sizes": ("error", "skip"),
    "davis_frames": ("inner", "all"),
}


@dataclass(frozen=True)
class Options:
    """How to evaluate; by default as the tools of the field do, see docs/evaluation.md.

    Attributes:
        truth_mask: id of the masks of the truth; None where there is one id only.
        prediction_mask: id of the masks of the prediction; likewise.
        pair: frames are paired by their ``frame_id``, or by the ``uri`` of their source.
        pattern: or by what group 1 of this regular expression matches in both frame ids.
        classes: a class is the ``label`` of a value, or the ``value`` as stored.
        ignore: classes and values (as text) to ignore, beside those that the truth declares as ignored.
        ignored: ignored pixels of the truth are left out ``before`` counting; or all pixels count, and ``after`` that
            ignored classes are left out of the means.
        average: figures are over all pixels of the ``set``, or the mean over ``images``.
        absent: a class in neither mask has no figure (``skip``), or ``0`` or ``1``.
        missing: a frame without a prediction is an ``error``; or counts as one in which nothing was predicted
            (``count``); or is left out (``skip``).
        sizes: a prediction of another size is an ``error``, or is left out (``skip``).
        by: SQL over the frames of the truth, such as ``frame_meta.city``, to have the figures for each of its values
            too.
        panoptic: whether to compute panoptic quality.
        boundary: whether to compute Boundary IoU, for which all masks are read each time.
        davis: whether to compute the J of DAVIS.
        davis_frames: J is over the frames of a sequence without the first and the last (``inner``), or over ``all``.
    """

    truth_mask: str | None = None
    prediction_mask: str | None = None
    pair: Literal["frame_id", "uri"] = "frame_id"
    pattern: str | None = None
    classes: Literal["label", "value"] = "label"
    ignore: Sequence[str] = ()
    ignored: Literal["before", "after"] = "before"
    average: Literal["set", "images"] = "set"
    absent: Literal["skip", "0", "1"] = "skip"
    missing: Literal["error", "count", "skip"] = "error"
    sizes: Literal["error", "skip"] = "error"
    by: str | None = None
    panoptic: bool = False
    boundary: bool = False
    davis: bool = False
    davis_frames: Literal["inner", "all"] = "inner"

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if (value := getattr(self, name)) not in choices:
                raise UsageError(f"evaluate: {name}={value!r}; expected one of {', '.join(map(repr, choices))}")
        if isinstance(self.ignore, str):
            raise UsageError(f"evaluate: ignore={self.ignore!r}; expected a list of classes")

    @property
    def how(self) -> str:
        """How figures over pixels are counted, in words."""
        average = {"set": "over the whole set", "images": "mean over images"}[self.average]
        absent = "absent classes skipped" if self.absent == "skip" else f"absent classes as {self.absent}"
        ignored = {"before": "ignored pixels left out", "after": "ignored classes left out of the means only"}
        return f"{average}; {absent}; {ignored[self.ignored]}"

    @property
    def boundary_how(self) -> str:
        """How Boundary IoU is counted, in words."""
        average = {"set": "over the whole set", "images": "mean over images"}[self.average]
        return f"{average}; absent classes skipped; ignored pixels left out"

    @property
    def davis_how(self) -> str:
        """Which frames J is over, in words."""
        return "all frames" if self.davis_frames == "all" else "without the first and last frame of each sequence"


@dataclass(frozen=True)
class Evaluation:
    """How well predictions fit the truth.

    Attributes:
        truth: the dataset and version of the truth.
        prediction: those of the prediction.
        options: how they were evaluated, with the ids of the masks.
        masks: how many masks were counted, those without a prediction included.
        missing: how many of them have no prediction.
        skipped: how many were left out, without a prediction or of another size.
        notes: what a person should know.
        metrics: the figures over all masks by their names.
        classes: one row per class, as ``sql/analysis/evaluate/class_scores.sql`` gives them.
        groups: one row per group of ``by`` with its figures; none without it.
        group_classes: one row per group and class.
        panoptic: one row per group and class of segments; the rows over all masks have no group.
        boundary: one row per group and class; likewise.
        davis: one row per object of a sequence.
        truth_classes: the rows of the confusion matrix.
        predicted_classes: its columns; None stands for pixels without a prediction.
        confusion: pixels of each class of the truth, by what they were predicted as; shape (n, m), int64.
    """

    truth: str
    prediction: str
    options: Options
    masks: int
    missing: int
    skipped: int
    notes: Sequence[str]
    metrics: Mapping[str, float | None]
    classes: Sequence[Row]
    groups: Sequence[Row]
    group_classes: Sequence[Row]
    panoptic: Sequence[Row]
    boundary: Sequence[Row]
    davis: Sequence[Row]
    truth_classes: Sequence[str]
    predicted_classes: Sequence[str | None]
    confusion: npt.NDArray[np.int64]

    @property
    def definitions(self) -> dict[str, tuple[str, str]]:
        """The definition of each metric and how it was counted, by its name."""
        options = self.options
        definitions = {name: (text, options.how) for name, text in FIGURES.items()}
        if options.panoptic:
            definitions |= {
                name: (f"mean over classes of {text}", PANOPTICAPI) for name, text in PANOPTIC_FIGURES.items()
            }  # fmt: skip
        if options.boundary:
            definitions["boundary_iou"] = f"mean over classes of {BOUNDARY_IOU}", options.boundary_how
        if options.davis:
            definitions["davis_j"] = f"mean over objects of {DAVIS_J}", options.davis_how
        return definitions

    def rows(self) -> list[dict[str, Any]]:
        """One row per figure: by, class (an object of DAVIS after its sequence), figure, value, definition, how."""
        definitions, options = self.definitions, self.options
        rows = [_row(None, None, name, value, definitions[name]) for name, value in self.metrics.items()]
        for row in self.groups:
            rows += [_row(row["by"], None, name, row[name], definitions[name]) for name in definitions if name in row]
        for row in [*self.classes, *self.group_classes]:
            rows += [
                _row(row["by"], row["class"], name, row[name], (text, options.how))
                for name, text in CLASS_FIGURES.items()
            ]
        for row in self.panoptic:
            rows += [
                _row(row["by"], row["class"], name, row[name], (text, PANOPTICAPI))
                for name, text in PANOPTIC_FIGURES.items()
            ]
        for row in self.boundary:
            definition = BOUNDARY_IOU, options.boundary_how
            rows.append(_row(row["by"], row["class"], "boundary_iou", row["boundary_iou"], definition))
        for row in self.davis:
            name = f"{row['sequence']} {row['object']}"
            rows.append(_row(None, name, "davis_j", row["j"], (DAVIS_J, options.davis_how)))
        return rows

    def document(self) -> dict[str, Any]:
        """The evaluation as a JSON value."""
        options = {option.name: getattr(self.options, option.name) for option in fields(self.options)}
        definitions = self.definitions
        return {
            "truth": self.truth,
            "prediction": self.prediction,
            "masks": self.masks,
            "missing": self.missing,
            "skipped": self.skipped,
            "options": {**options, "ignore": list(self.options.ignore)},
            "metrics": [
                {"figure": name, "value": value, "definition": definitions[name][0], "how": definitions[name][1]}
                for name, value in self.metrics.items()
            ],
            "class_definitions": {
                name: {"definition": text, "how": self.options.how} for name, text in CLASS_FIGURES.items()
            },
            "classes": [_without_by(row) for row in self.classes],
            "groups": list(self.groups),
            "group_classes": list(self.group_classes),
            "panoptic": list(self.panoptic),
            "boundary": list(self.boundary),
            "davis": list(self.davis),
            "confusion": {
                "truth": list(self.truth_classes),
                "prediction": list(self.predicted_classes),
                "pixels": self.confusion.tolist(),
            },
        }

    def picture(self) -> Image:
        """The confusion matrix as a picture; see :func:`masksdb.analysis.confusion_picture.draw_confusion`."""
        from masksdb.analysis.confusion_picture import draw_confusion

        return draw_confusion(self.truth_classes, self.predicted_classes, self.confusion)


def _row(by: str | None, name: str | None, figure: str, value: float | None, definition: tuple[str, str]) -> Row:
    text, how = definition
    return {"by": by, "class": name, "figure": figure, "value": value, "definition": text, "how": how}


def _without_by(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "by"}
