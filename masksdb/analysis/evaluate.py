"""Predictions beside the truth: masks paired, compared pixel by pixel, and counted by class in SQL.

What each two masks have in common is kept by :mod:`masksdb.analysis.compare`: a second evaluation reads no pixels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksdb.analysis.boundary import boundary_areas
from masksdb.analysis.compare import Mask, compare_masks
from masksdb.analysis.scores import FIGURES, PANOPTIC_FIGURES, Evaluation, Options, Row
from masksdb.errors import MasksDBError, NotFoundError, QueryError, UsageError
from masksdb.pixels.mask_cache import facts_cache
from masksdb.pixels.masks import MaskFacts, MaskRef
from masksdb.store.engine import Engine
from masksdb.store.grouping import expand_meta
from masksdb.store.sql import statement
from masksdb.store.versions import find_version

Progress = Callable[[int, int], None]

READ_AT_ONCE = 64
"""Masks whose boundaries are found before the next are read."""


class _Side(NamedTuple):
    """One of the two that are compared: its name, version and the id of its masks."""

    name: str
    version_id: int
    mask_id: str | None


def evaluate(
    engine: Engine, truth: str, prediction: str, options: Options, progress: Progress = lambda _done, _total: None
) -> Evaluation:
    """How well the masks of one version fit those of another.

    Args:
        engine: the database.
        truth: ``DATASET/VERSION``, or ``DATASET`` for its newest draft, else its newest published version.
        prediction: likewise; it may be the same with another mask.
        options: what is paired and counted, and how.
        progress: called with the pairs of masks that are compared and all of them.

    Raises:
        NotFoundError: no such dataset, version or mask.
        UsageError: nothing says which mask is meant, frames are paired twice, or predictions are missing.
        QueryError: ``by`` or the pattern is refused.
        MasksDBError: masks cannot be read or differ in size.
    """
    with engine.reading() as cursor:
        sides = [
            _side(cursor, "truth", truth, options.truth_mask),
            _side(cursor, "prediction", prediction, options.prediction_mask),
        ]
        options = replace(options, truth_mask=sides[0].mask_id, prediction_mask=sides[1].mask_id)
        work = _Work(cursor, sides[0], sides[1], options)
        work.pair()
        work.compare(engine, progress)
        return work.count(engine)


def _side(cursor: duckdb.DuckDBPyConnection, what: str, name: str, mask_id: str | None) -> _Side:
    """The version that a name stands for, and the id of its masks."""
    dataset, slash, version = name.rpartition("/")
    try:
        found = find_version(cursor, dataset, version) if slash else find_version(cursor, name, None)
    except NotFoundError:
        # A dataset's own name may have a slash in it.
        names = [each for (each,) in cursor.execute("SELECT name FROM datasets").fetchall()]
        if not slash or name not in names:
            raise
        found = find_version(cursor, name, None)
    rows = cursor.execute(statement("analysis/evaluate/mask_ids"), {"version_id": found.version_id}).fetchall()
    ids = [each for (each,) in rows]
    if mask_id is None and len(ids) != 1:
        told = f"has the masks {', '.join(map(repr, ids))}; say which with --{what}-mask" if ids else "has no masks"
        raise UsageError(f"{name}: {told}")
    if mask_id is not None and mask_id not in ids:
        raise NotFoundError.named("mask", mask_id, name, [each for each in ids if each is not None])
    return _Side(name, found.version_id, ids[0] if mask_id is None else mask_id)


class _Work:
    """One evaluation, whose tables are temporary ones of its cursor."""

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, truth: _Side, prediction: _Side, options: Options
    ) -> None:  # fmt: skip
        self.cursor = cursor
        self.truth = truth
        self.prediction = prediction
        self.options = options
        self.missing = 0
        self.skipped = 0
        self.notes: list[str] = []
        self.values: dict[str, Any] = {
            "truth_version_id": truth.version_id,
            "prediction_version_id": prediction.version_id,
            "truth_mask": truth.mask_id,
            "prediction_mask": prediction.mask_id,
            "pair": options.pair,
            "pattern": options.pattern,
            "classes": options.classes,
            "ignore": list(options.ignore),
            "ignored": options.ignored,
            "average": options.average,
            "absent": None if options.absent == "skip" else float(options.absent),
            "frames": options.davis_frames,
            "is_grouped": False,
        }

    def _bound(self, name: str) -> tuple[str, dict[str, Any]]:
        """A statement of ``sql/analysis/evaluate`` and the values that it names."""
        text = statement(f"analysis/evaluate/{name}").rstrip().rstrip(";")
        named = set(re.findall(r"\$(\w+)", re.sub(r"--[^\n]*", "", text)))
        return text, {name: value for name, value in self.values.items() if name in named}

    def _make(self, name: str) -> None:
        """The rows of a statement as a temporary table of its name."""
        text, values = self._bound(name)
        self.cursor.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {text}", values)

    def _rows(self, name: str, **further: Any) -> list[Row]:
        self.values |= further
        result = self.cursor.execute(*self._bound(name))
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def pair(self) -> None:
        """Pair the masks, and group the frames."""
        pattern = self.options.pattern
        if pattern is not None:
            self._check(pattern)
        self._make("paired")
        self._group()
        faults = {row["fault"]: (row["faults"], row["first_frame_id"]) for row in self._rows("faults")}
        for fault, what in (
            ("pattern", f"{self.truth.name}: the group of the pattern {pattern!r} finds nothing in the ids of"),
            ("prediction", f"{self.prediction.name}: several predictions for one frame, for"),
            ("truth", f"{self.prediction.name}: one prediction for several frames, for"),
        ):
            if fault in faults:
                count, frame_id = faults[fault]
                raise UsageError(f"{what} {count:,} frames, the first is {frame_id!r}")
        self.missing, frame_id = faults.get("missing", (0, ""))
        if self.missing and self.options.missing == "error":
            raise UsageError(
                f"{self.prediction.name}: no prediction for {self.missing:,} frames of {self.truth.name}, the first is "
                f"{frame_id!r}; add them, or count or skip them ('--missing count', '--missing skip')"
            )
        if self.missing and self.options.missing == "skip":
            self.cursor.execute("DELETE FROM paired WHERE prediction_uri IS NULL")
            self.skipped, self.missing = self.missing, 0
        (row,) = self._rows("unpaired")
        if row["truth_frames"] - self.skipped > 0:
            count = row["truth_frames"] - self.skipped
            self.notes.append(f"{self.truth.name}: {count:,} frames have no mask {self.truth.mask_id!r}")
        if row["predictions"]:
            self.notes.append(f"{self.prediction.name}: {row['predictions']:,} frames belong to none of the truth")

    def _check(self, pattern: str) -> None:
        try:
            self.cursor.execute("SELECT regexp_matches('', ?)", [pattern])
        except duckdb.Error:
            raise UsageError(f"pattern {pattern!r}: not a regular expression") from None

    def _group(self) -> None:
        """The group of each frame of the truth, as text."""
        expression = "NULL" if self.options.by is None else expand_meta(self.options.by)
        # It is SQL by the person whose database this is.
        query = (
            "CREATE OR REPLACE TEMP TABLE evaluated_by AS "  # noqa: S608
            f'SELECT frame_key, CAST((\n{expression}\n) AS VARCHAR) AS "by" '
            'FROM (SELECT *, meta AS frame_meta, "timestamp" AS frame_timestamp FROM dataset_frames) '
            "WHERE version_id = $version_id"
        )
        try:
            if len(self.cursor.extract_statements(query)) != 1:
                raise UsageError(f"by {self.options.by!r}: expected one expression over a frame")
            self.cursor.execute(query, {"version_id": self.truth.version_id})
        except duckdb.Error as error:
            reason = re.split(r"\n\s*\n|\nLINE |\n", str(error))[0]
            raise QueryError(f"by {self.options.by!r}: {reason}") from None

    def compare(self, engine: Engine, progress: Progress) -> None:
        """Compare the masks; those that cannot be are errors, or left out."""
        compare_masks(engine, [pair for _, pair in self._pairs()], progress)
        rows = self._rows("incomparable")
        for row in rows:
            if not row["is_size"]:
                raise MasksDBError(row["error"])
        if rows and self.options.sizes == "error":
            raise MasksDBError(
                f"{self.prediction.name}: {len(rows):,} predictions are not of the size of the truth, the first is of "
                f"{rows[0]['frame_id']!r} ({rows[0]['error']}); leave them out with '--sizes skip'"
            )
        for row in rows:
            self.cursor.execute("DELETE FROM paired WHERE place = ?", [row["place"]])
        self.skipped += len(rows)

    def _pairs(self) -> list[tuple[int, tuple[Mask, Mask]]]:
        """The pairs of masks by their places; a mask without a prediction stands beside itself."""
        query = "SELECT place, uri, mask_timestamp, compared_uri, compared_timestamp FROM paired ORDER BY place"
        rows = self.cursor.execute(query).fetchall()
        return [(place, ((uri, time), (other, other_time))) for place, uri, time, other, other_time in rows]

    def count(self, engine: Engine) -> Evaluation:
        """All figures."""
        options = self.options
        for name in ("shared", "meanings", "counted", "classes"):
            self._make(name)
        if not self.cursor.execute("SELECT count(*) FROM counted").fetchall()[0][0]:
            raise UsageError(f"{self.truth.name}: no mask to compare with one of {self.prediction.name}")
        self._note_unused()
        if options.boundary:
            self._find_boundaries(engine)
        found: dict[str, list[Row]] = {}
        groups: list[Row] = []
        group_classes: list[Row] = []
        for is_grouped in (False, True) if options.by is not None else (False,):
            self.values["is_grouped"] = is_grouped
            for name in ("confusion", "scores"):
                self._make(name)
            figures = {row["by"]: row for row in self._rows("figures")}
            for kind, wanted in (("panoptic", options.panoptic), ("boundary", options.boundary)):
                rows = self._rows(kind) if wanted else []
                found[kind] = found.get(kind, []) + rows
                for by, row in figures.items():
                    row |= _means(kind, [each for each in rows if each["by"] == by]) if wanted else {}
            if is_grouped:
                groups, group_classes = list(figures.values()), self._rows("class_scores")
                continue
            metrics = dict(figures[None])
            classes = self._rows("class_scores")
            truth_classes, predicted_classes, matrix = self._matrix()
        davis = self._rows("davis") if options.davis else []
        if options.davis:
            metrics["davis_j"] = float(np.mean([row["j"] for row in davis])) if davis else None
        names = [*FIGURES, *PANOPTIC_FIGURES, "boundary_iou", "davis_j"]
        return Evaluation(
            truth=self.truth.name,
            prediction=self.prediction.name,
            options=options,
            masks=metrics["masks"],
            missing=self.missing,
            skipped=self.skipped,
            notes=self.notes,
            metrics={name: metrics[name] for name in names if name in metrics},
            classes=classes,
            groups=groups,
            group_classes=group_classes,
            panoptic=found["panoptic"],
            boundary=found["boundary"],
            davis=davis,
            truth_classes=truth_classes,
            predicted_classes=predicted_classes,
            confusion=matrix,
        )

    def _note_unused(self) -> None:
        """Tell of classes that are to be ignored and that nothing has."""
        for row in self._rows("unused"):
            self.notes.append(f"ignore {row['name']!r}: no class and no value of that name in these masks")

    def _matrix(self) -> tuple[list[str], list[str | None], npt.NDArray[np.int64]]:
        """The confusion matrix over all pixels that count."""
        rows = [tuple(row.values()) for row in self._rows("matrix")]
        truths = list(dict.fromkeys(truth for truth, _, _ in rows))
        known = dict.fromkeys(predicted for _, predicted, _ in rows)
        # Classes that both have are in the same order, those of the prediction alone come last.
        own = [each for each in known if each is not None and each not in truths]
        predicted = [*(each for each in truths if each in known), *own, *([None] if None in known else [])]
        matrix = np.zeros((len(truths), len(predicted)), np.int64)
        for truth, other, pixels in rows:
            matrix[truths.index(truth), predicted.index(other)] = pixels
        return truths, predicted, matrix

    def _find_boundaries(self, engine: Engine) -> None:
        """The boundaries of each class in each two masks, as the Arrow table boundaries."""
        query = 'SELECT place, side, "value", class, is_ignored FROM meanings'
        meanings: dict[tuple[int, str], dict[tuple[int, ...], tuple[str, bool]]] = {}
        for place, side, value, name, is_ignored in self.cursor.execute(query).fetchall():
            meanings.setdefault((place, side), {})[tuple(value)] = name, is_ignored
        rows = [row for found in self._compared(engine) for row in _boundary_rows(*found, meanings)]
        columns = [("place", pa.int64()), ("class", pa.string()), ("both", pa.int64()), ("either", pa.int64())]
        self.cursor.register("boundaries", pa.Table.from_pylist(rows, pa.schema(columns)))

    def _compared(self, engine: Engine) -> Iterator[tuple[int, MaskFacts, MaskFacts]]:
        """What the masks of each pair say."""
        pairs = self._pairs()
        for start in range(0, len(pairs), READ_AT_ONCE):
            some = pairs[start : start + READ_AT_ONCE]
            facts = facts_cache.get([MaskRef(*mask) for _, pair in some for mask in pair], engine.settings)
            for number, (place, _) in enumerate(some):
                left, right = facts[2 * number : 2 * number + 2]
                for each in (left, right):
                    if isinstance(each, MasksDBError):
                        raise each
                assert isinstance(left, MaskFacts)
                assert isinstance(right, MaskFacts)
                yield place, left, right


def _boundary_rows(
    place: int,
    truth: MaskFacts,
    prediction: MaskFacts,
    meanings: Mapping[tuple[int, str], Mapping[tuple[int, ...], tuple[str, bool]]],
) -> Iterator[Row]:
    """One row per class in one of two masks: place, class, pixels in both of its boundaries, and those in either."""
    of_truth = meanings.get((place, "truth"), {})
    # Without a prediction the mask stands beside itself, and nothing in it is predicted.
    of_prediction = meanings.get((place, "prediction"), {})
    names = sorted({name for found in (of_truth, of_prediction) for name, _ in found.values()})
    numbers = {name: number for number, name in enumerate(names)}
    shape = truth.regions.height, truth.regions.width
    planes = []
    for facts, found in ((truth, of_truth), (prediction, of_prediction)):
        values = [found.get(tuple(value)) for value in facts.stored_values()]
        of_value = np.array([-1 if each is None else numbers[each[0]] for each in values], np.int32)
        planes.append(of_value[facts.regions.runs.pixels()].reshape(shape))
    is_counted = np.array([not of_truth[tuple(value)][1] for value in truth.stored_values()])
    counted = is_counted[truth.regions.runs.pixels()].reshape(shape)
    for number, both, either in boundary_areas(planes[0], planes[1], counted, len(names)):
        yield {"place": place, "class": names[number], "both": both, "either": either}


def _means(kind: str, rows: Sequence[Row]) -> dict[str, float | None]:
    """The mean over classes of each figure."""
    names = list(PANOPTIC_FIGURES) if kind == "panoptic" else ["boundary_iou"]
    values = {name: [row[name] for row in rows if row[name] is not None] for name in names}
    return {name: float(np.mean(found)) if found else None for name, found in values.items()}
