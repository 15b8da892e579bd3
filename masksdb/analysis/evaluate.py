"""Predictions against the truth: masks are paired, compared pixel by pixel, and counted by class.

Three steps, each a function from what the one before it gave: :func:`pair`, :func:`compare`, :func:`count`. What lies
between them are Arrow tables, one for each statement of ``sql/analysis/evaluate`` of that name. The pixels that two
masks share are kept by :mod:`masksdb.analysis.compare`: a second evaluation reads no masks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from masksdb.analysis.boundary import boundary_areas
from masksdb.analysis.compare import Mask, compare_masks
from masksdb.analysis.scores import FIGURES, PANOPTIC_FIGURES, Evaluation, Options, Row
from masksdb.errors import MasksDBError, NotFoundError, UsageError
from masksdb.pixels.mask_cache import facts_cache
from masksdb.pixels.masks import MaskFacts, MaskRef
from masksdb.store.engine import Engine
from masksdb.store.grouping import group_frames
from masksdb.store.sql import statement
from masksdb.store.versions import find_version

Progress = Callable[[int, int], None]

READ_AT_ONCE = 64
"""Pairs of masks whose boundaries are computed before the next are read."""

_BOUNDARIES = pa.schema([("place", pa.int64()), ("class", pa.string()), ("both", pa.int64()), ("either", pa.int64())])

_UNPAIRED = {
    "pattern": "{truth}: the group of the pattern {pattern!r} finds nothing in the ids of",
    "prediction": "{prediction}: several predictions for one frame, for",
    "truth": "{prediction}: one prediction for several frames, for",
}
"""Why frames cannot be paired, by the fault in ``pairing_faults.sql``."""


@dataclass(frozen=True)
class Side:
    """The masks that are compared with others.

    Attributes:
        name: the dataset and version as a person wrote them.
        version_id: the version.
        mask_id: the id of the masks; None where they have none.
    """

    name: str
    version_id: int
    mask_id: str | None


@dataclass(frozen=True)
class Pairing:
    """The masks of the truth, each with its prediction.

    Attributes:
        truth: the version and masks that are right.
        prediction: those that are compared with them.
        pairs: one row per mask of the truth, as ``pairs.sql`` gives them.
        missing: how many of them have no prediction.
        skipped: how many masks were left out, without a prediction or of another size.
        notes: what a person should know.
    """

    truth: Side
    prediction: Side
    pairs: pa.Table
    missing: int
    skipped: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Paired masks and the values that share pixels in them.

    Attributes:
        pairing: the masks that could be compared.
        shared_values: one row per pair and two values, as ``shared_values.sql`` gives them.
    """

    pairing: Pairing
    shared_values: pa.Table


@dataclass(frozen=True)
class Classes:
    """The classes of compared masks.

    Attributes:
        values: one row per mask and value in it with its class, as ``value_classes.sql`` gives them.
        pixels: one row per pair and two classes that share pixels, as ``class_pixels.sql`` gives them.
        scored: one row per class that has a score, as ``scored_classes.sql`` gives them.
        unused: the classes to ignore that no mask has.
    """

    values: pa.Table
    pixels: pa.Table
    scored: pa.Table
    unused: Sequence[str]


@dataclass(frozen=True)
class Scores:
    """The figures of all masks, or of each group of them.

    Attributes:
        figures: one row per group with its figures over classes.
        classes: one row per group and class, as ``class_scores.sql`` gives them.
        panoptic: one row per group and class of segments, as ``panoptic_scores.sql`` gives them.
        boundary: one row per group and class, as ``boundary_scores.sql`` gives them.
        confusion: one row per group, unit and two classes, as ``confusion.sql`` gives them.
    """

    figures: Sequence[Row]
    classes: Sequence[Row]
    panoptic: Sequence[Row]
    boundary: Sequence[Row]
    confusion: pa.Table


def evaluate(
    engine: Engine, truth: str, prediction: str, options: Options, progress: Progress = lambda _done, _total: None
) -> Evaluation:
    """How well the masks of one version fit those of another.

    Args:
        engine: the database.
        truth: ``DATASET/VERSION``, or ``DATASET`` for its newest draft, else its newest published version.
        prediction: likewise; it may be the same with another mask.
        options: what is paired and counted, and how.
        progress: called with the number of compared pairs of masks and the number of all.

    Raises:
        NotFoundError: no such dataset, version or mask.
        UsageError: the masks to compare are ambiguous, frames are paired twice, or predictions are missing.
        QueryError: ``by`` or the pattern is refused.
        MasksDBError: masks cannot be read or differ in size.
    """
    pairing = pair(engine, truth, prediction, options)
    comparison = compare(engine, pairing, options, progress)
    return count(engine, comparison, options)


def pair(engine: Engine, truth: str, prediction: str, options: Options) -> Pairing:
    """Pair the masks of one version with those of another, and put their frames into groups.

    Raises:
        NotFoundError: no such dataset, version or mask.
        UsageError: the masks to compare are ambiguous, frames are paired twice, or predictions are missing.
        QueryError: ``by`` or the pattern is refused.
    """
    with engine.reading() as cursor:
        right = _find_side(cursor, "truth", truth, options.truth_mask)
        guessed = _find_side(cursor, "prediction", prediction, options.prediction_mask)
        if options.pattern is not None:
            _check_pattern(cursor, options.pattern)
        groups = group_frames(cursor, options.by, right.version_id)
        sides = _values_of_sides(right, guessed)
        values = {**sides, "pair": options.pair, "pattern": options.pattern}
        pairs = _select(cursor, "pairs", values, frame_groups=groups)
        pairs, missing, skipped = _without_faults(cursor, pairs, right, guessed, options)
        (unpaired,) = _select(cursor, "unpaired_frames", _without(sides, "truth_mask"), pairs=pairs).to_pylist()
    notes = []
    if (frames := unpaired["truth_frames"] - skipped) > 0:
        notes.append(f"{right.name}: {frames:,} frames have no mask {right.mask_id!r}")
    if unpaired["predictions"]:
        notes.append(f"{guessed.name}: {unpaired['predictions']:,} frames belong to none of the truth")
    return Pairing(right, guessed, pairs, missing, skipped, tuple(notes))


def compare(engine: Engine, pairing: Pairing, options: Options, progress: Progress) -> Comparison:
    """Compare the masks of each pair pixel by pixel.

    Raises:
        MasksDBError: a mask cannot be read, or sizes differ and are not to be skipped.
    """
    compare_masks(engine, [masks for _, masks in _masks_of(pairing.pairs)], progress)
    with engine.reading() as cursor:
        faults = _select(cursor, "incomparable_pairs", pairs=pairing.pairs).to_pylist()
        for row in faults:
            if not row["is_size"]:
                raise MasksDBError(row["error"])
        if faults and options.sizes == "error":
            raise MasksDBError(
                f"{pairing.prediction.name}: {len(faults):,} predictions are not of the size of the truth, the first "
                f"is of {faults[0]['frame_id']!r} ({faults[0]['error']}); leave them out with '--sizes skip'"
            )
        places = pa.array([row["place"] for row in faults], pa.int64())
        pairs = pairing.pairs.filter(pc.invert(pc.is_in(pairing.pairs["place"], places)))
        shared = _select(cursor, "shared_values", pairs=pairs)
    return Comparison(replace(pairing, pairs=pairs, skipped=pairing.skipped + len(faults)), shared)


def count(engine: Engine, comparison: Comparison, options: Options) -> Evaluation:
    """All figures of compared masks.

    Raises:
        UsageError: there are none.
        MasksDBError: a mask cannot be read again for its boundaries.
    """
    pairing = comparison.pairing
    with engine.reading() as cursor:
        classes = find_classes(cursor, comparison, options)
        boundaries = _find_boundaries(engine, pairing.pairs, classes.values) if options.boundary else None
        whole = score(cursor, comparison, classes, boundaries, options, is_grouped=False)
        grouped = score(cursor, comparison, classes, boundaries, options, is_grouped=True) if options.by else None
        truth_classes, predicted_classes, matrix = _confusion_matrix(cursor, whole.confusion)
        davis = _score_davis(cursor, comparison, classes, options) if options.davis else []
    (figures,) = whole.figures
    if options.davis:
        figures["davis_j"] = float(np.mean([row["j"] for row in davis])) if davis else None
    names = [*FIGURES, *PANOPTIC_FIGURES, "boundary_iou", "davis_j"]
    unused = [f"ignore {name!r}: no class and no value of that name in these masks" for name in classes.unused]
    return Evaluation(
        truth=pairing.truth.name,
        prediction=pairing.prediction.name,
        options=replace(options, truth_mask=pairing.truth.mask_id, prediction_mask=pairing.prediction.mask_id),
        masks=figures["masks"],
        missing=pairing.missing,
        skipped=pairing.skipped,
        notes=[*pairing.notes, *unused],
        metrics={name: figures[name] for name in names if name in figures},
        classes=whole.classes,
        groups=grouped.figures if grouped else [],
        group_classes=grouped.classes if grouped else [],
        panoptic=[*whole.panoptic, *(grouped.panoptic if grouped else [])],
        boundary=[*whole.boundary, *(grouped.boundary if grouped else [])],
        davis=davis,
        truth_classes=truth_classes,
        predicted_classes=predicted_classes,
        confusion=matrix,
    )


def find_classes(cursor: duckdb.DuckDBPyConnection, comparison: Comparison, options: Options) -> Classes:
    """The class of each value in compared masks, and the pixels that each two classes share.

    Raises:
        UsageError: no masks were compared.
    """
    pairing = comparison.pairing
    sides = _values_of_sides(pairing.truth, pairing.prediction)
    how = {"classes": options.classes, "ignore": list(options.ignore)}
    tables = {"pairs": pairing.pairs, "shared_values": comparison.shared_values}
    values = _select(cursor, "value_classes", sides | how, **tables)
    pixels = _select(cursor, "class_pixels", value_classes=values, **tables)
    if not len(pixels):
        raise UsageError(f"{pairing.truth.name}: no mask to compare with one of {pairing.prediction.name}")
    truth = {name: value for name, value in sides.items() if name.startswith("truth")}
    scored = _select(cursor, "scored_classes", truth | how, value_classes=values)
    unused = _select(
        cursor,
        "unused_ignores",
        {"ignore": how["ignore"]},
        value_classes=values,
        shared_values=comparison.shared_values,
    )
    return Classes(values, pixels, scored, unused["name"].to_pylist())


def score(
    cursor: duckdb.DuckDBPyConnection,
    comparison: Comparison,
    classes: Classes,
    boundaries: pa.Table | None,
    options: Options,
    *,
    is_grouped: bool,
) -> Scores:
    """The figures over all masks, or over those of each group.

    Args:
        cursor: a connection to the database.
        comparison: the compared masks.
        classes: their classes.
        boundaries: place, class, both, either: the pixels that the boundaries of a class share in the masks of a pair,
            and those of either; None without Boundary IoU.
        options: how figures are defined.
        is_grouped: whether there is one row for each group, instead of one for all.
    """
    pairs = comparison.pairing.pairs
    grouped = {"is_grouped": is_grouped}
    confusion = _select(
        cursor,
        "confusion",
        {**grouped, "average": options.average, "ignored": options.ignored},
        class_pixels=classes.pixels,
    )
    absent = None if options.absent == "skip" else float(options.absent)
    units = _select(cursor, "unit_scores", {"absent": absent}, confusion=confusion, scored_classes=classes.scored)
    figures = _select(
        cursor, "figures", grouped, unit_scores=units, confusion=confusion, class_pixels=classes.pixels
    ).to_pylist()
    panoptic: list[Row] = []
    if options.panoptic:
        panoptic = _select(
            cursor,
            "panoptic_scores",
            grouped,
            pairs=pairs,
            shared_values=comparison.shared_values,
            value_classes=classes.values,
        ).to_pylist()
        _add_means(figures, panoptic, list(PANOPTIC_FIGURES))
    boundary: list[Row] = []
    if boundaries is not None:
        values = {**grouped, "average": options.average}
        tables = {"pairs": pairs, "scored_classes": classes.scored, "boundaries": boundaries}
        boundary = _select(cursor, "boundary_scores", values, **tables).to_pylist()
        _add_means(figures, boundary, ["boundary_iou"])
    class_scores = _select(cursor, "class_scores", unit_scores=units).to_pylist()
    return Scores(figures, class_scores, panoptic, boundary, confusion)


def _select(
    cursor: duckdb.DuckDBPyConnection, name: str, values: Mapping[str, Any] | None = None, **tables: pa.Table
) -> pa.Table:
    """The rows of a statement of ``sql/analysis/evaluate`` over Arrow tables, each under its name in the statement."""
    for table_name, table in tables.items():
        cursor.register(table_name, table)
    try:
        text = statement(f"analysis/evaluate/{name}")
        return cursor.sql(text.rstrip().rstrip(";"), params=dict(values or {})).to_arrow_table()
    finally:
        for table_name in tables:
            cursor.unregister(table_name)


def _values_of_sides(truth: Side, prediction: Side) -> dict[str, Any]:
    return {
        "truth_version_id": truth.version_id,
        "truth_mask": truth.mask_id,
        "prediction_version_id": prediction.version_id,
        "prediction_mask": prediction.mask_id,
    }


def _without(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}


def _find_side(cursor: duckdb.DuckDBPyConnection, option: str, name: str, mask_id: str | None) -> Side:
    """The version that a name stands for, and the id of its masks."""
    dataset, slash, version_name = name.rpartition("/")
    try:
        version = find_version(cursor, dataset, version_name) if slash else find_version(cursor, name, None)
    except NotFoundError:
        # A dataset's own name may have a slash in it.
        datasets = [dataset for (dataset,) in cursor.execute("SELECT name FROM datasets").fetchall()]
        if not slash or name not in datasets:
            raise
        version = find_version(cursor, name, None)
    ids = _select(cursor, "mask_ids", {"version_id": version.version_id})["mask_id"].to_pylist()
    if mask_id is None and len(ids) != 1:
        reason = f"has the masks {', '.join(map(repr, ids))}; say which with --{option}-mask" if ids else "has no masks"
        raise UsageError(f"{name}: {reason}")
    if mask_id is not None and mask_id not in ids:
        raise NotFoundError.named("mask", mask_id, name, [known for known in ids if known is not None])
    return Side(name, version.version_id, ids[0] if mask_id is None else mask_id)


def _check_pattern(cursor: duckdb.DuckDBPyConnection, pattern: str) -> None:
    try:
        cursor.execute("SELECT regexp_matches('', ?)", [pattern]).fetchall()
    except duckdb.Error:
        raise UsageError(f"pattern {pattern!r}: not a regular expression") from None


def _without_faults(
    cursor: duckdb.DuckDBPyConnection, pairs: pa.Table, truth: Side, prediction: Side, options: Options
) -> tuple[pa.Table, int, int]:
    """The pairs without those to skip, how many masks count without a prediction, and how many were skipped."""
    faults = {row["fault"]: row for row in _select(cursor, "pairing_faults", pairs=pairs).to_pylist()}
    for fault, text in _UNPAIRED.items():
        if fault in faults:
            what = text.format(truth=truth.name, prediction=prediction.name, pattern=options.pattern)
            frames, first = faults[fault]["faults"], faults[fault]["first_frame_id"]
            raise UsageError(f"{what} {frames:,} frames, the first is {first!r}")
    if "missing" not in faults:
        return pairs, 0, 0
    missing, first = faults["missing"]["faults"], faults["missing"]["first_frame_id"]
    if options.missing == "error":
        raise UsageError(
            f"{prediction.name}: no prediction for {missing:,} frames of {truth.name}, the first is {first!r}; "
            "add them, or count or skip them ('--missing count', '--missing skip')"
        )
    if options.missing == "skip":
        return pairs.filter(pc.is_valid(pairs["prediction_uri"])), 0, missing
    return pairs, missing, 0


def _masks_of(pairs: pa.Table) -> list[tuple[int, tuple[Mask, Mask]]]:
    """The two masks of each pair by its place; a mask without a prediction is compared with itself."""
    names = ("place", "uri", "mask_timestamp", "compared_uri", "compared_timestamp")
    rows = zip(*(pairs[name].to_pylist() for name in names), strict=True)
    return [(place, ((uri, time), (other, other_time))) for place, uri, time, other, other_time in rows]


def _add_means(figures: Sequence[Row], class_rows: Sequence[Row], names: Sequence[str]) -> None:
    """Add to the figures of each group the means over its classes."""
    for row in figures:
        for name in names:
            values = [of_class[name] for of_class in class_rows if of_class["by"] == row["by"]]
            known = [value for value in values if value is not None]
            row[name] = float(np.mean(known)) if known else None


def _confusion_matrix(
    cursor: duckdb.DuckDBPyConnection, confusion: pa.Table
) -> tuple[list[str], list[str | None], npt.NDArray[np.int64]]:
    """The classes of rows and columns, and the pixels that count, shape (rows, columns)."""
    rows = [tuple(row.values()) for row in _select(cursor, "confusion_matrix", confusion=confusion).to_pylist()]
    truths = list(dict.fromkeys(truth for truth, _, _ in rows))
    known = dict.fromkeys(predicted for _, predicted, _ in rows)
    # Classes that both have are in the same order, those of the prediction alone come last.
    own = [name for name in known if name is not None and name not in truths]
    predicted = [*(name for name in truths if name in known), *own, *([None] if None in known else [])]
    matrix = np.zeros((len(truths), len(predicted)), np.int64)
    for truth, other, pixels in rows:
        matrix[truths.index(truth), predicted.index(other)] = pixels
    return truths, predicted, matrix


def _score_davis(
    cursor: duckdb.DuckDBPyConnection, comparison: Comparison, classes: Classes, options: Options
) -> list[Row]:  # fmt: skip
    tables = {
        "pairs": comparison.pairing.pairs,
        "shared_values": comparison.shared_values,
        "value_classes": classes.values,
    }
    rows: list[Row] = _select(cursor, "davis_scores", {"frames": options.davis_frames}, **tables).to_pylist()
    return rows


def _find_boundaries(engine: Engine, pairs: pa.Table, value_classes: pa.Table) -> pa.Table:
    """One row per pair and class in one of its masks: place, class, and the pixels in both boundaries and in either."""
    classes: dict[tuple[int, str], dict[tuple[int, ...], tuple[str, bool]]] = {}
    for row in value_classes.select(["place", "side", "value", "class", "is_ignored"]).to_pylist():
        of_mask = classes.setdefault((row["place"], row["side"]), {})
        of_mask[tuple(row["value"])] = row["class"], row["is_ignored"]
    rows = [
        row
        for place, truth, prediction in _read_pairs(engine, pairs)
        # A mask without a prediction was compared with itself, and nothing in it is predicted.
        for row in _boundary_rows(
            place, truth, prediction, classes.get((place, "truth"), {}), classes.get((place, "prediction"), {})
        )
    ]
    return pa.Table.from_pylist(rows, _BOUNDARIES)


def _read_pairs(engine: Engine, pairs: pa.Table) -> Iterator[tuple[int, MaskFacts, MaskFacts]]:
    """The distinct values and regions of the masks of each pair, with its place."""
    masks = _masks_of(pairs)
    for start in range(0, len(masks), READ_AT_ONCE):
        some = masks[start : start + READ_AT_ONCE]
        facts = facts_cache.get([MaskRef(*mask) for _, pair in some for mask in pair], engine.settings)
        for number, (place, _) in enumerate(some):
            left, right = facts[2 * number : 2 * number + 2]
            if isinstance(left, MasksDBError):
                raise left
            if isinstance(right, MasksDBError):
                raise right
            yield place, left, right


def _boundary_rows(
    place: int,
    truth: MaskFacts,
    prediction: MaskFacts,
    truth_classes: Mapping[tuple[int, ...], tuple[str, bool]],
    predicted_classes: Mapping[tuple[int, ...], tuple[str, bool]],
) -> Iterator[Row]:
    """One row per class in one of two masks: place, class, pixels in both of its boundaries, and those in either."""
    names = sorted({name for classes in (truth_classes, predicted_classes) for name, _ in classes.values()})
    numbers = {name: number for number, name in enumerate(names)}
    shape = truth.regions.height, truth.regions.width
    planes = []
    for facts, classes in ((truth, truth_classes), (prediction, predicted_classes)):
        of_values = [classes.get(tuple(value)) for value in facts.stored_values()]
        class_numbers = np.array([-1 if known is None else numbers[known[0]] for known in of_values], np.int32)
        planes.append(class_numbers[facts.regions.runs.pixels()].reshape(shape))
    is_counted = np.array([not truth_classes[tuple(value)][1] for value in truth.stored_values()])
    counted = is_counted[truth.regions.runs.pixels()].reshape(shape)
    for number, both, either in boundary_areas(planes[0], planes[1], counted, len(names)):
        yield {"place": place, "class": names[number], "both": both, "either": either}
