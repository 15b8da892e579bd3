"""Decode every mask once, and write its regions into tables that any DuckDB client reads.

A few hundred masks are one transaction, so a killed run keeps what it has written. Masks whose file is unchanged are
not read again, and a mask whose file cannot be reached keeps what is known of it, with the error beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksdb.errors import MaskDecodeError, MasksDBError, UsageError
from masksdb.pixels import polygons, rle
from masksdb.pixels.mask_cache import facts_cache
from masksdb.pixels.masks import NO_SAMPLE, RED, MaskFacts, MaskRef
from masksdb.pixels.media import Located
from masksdb.pixels.read import locate_masks
from masksdb.pixels.selection import combined, distances
from masksdb.pixels.settings import LOSSY_TOLERANCE
from masksdb.store.engine import Engine
from masksdb.store.sql import statement
from masksdb.store.versions import find_dataset, find_version

MASKS_AT_ONCE = 256

ROIS_AT_ONCE = 20_000

Integers = npt.NDArray[np.int64]

Values = tuple[tuple[int, ...], ...]

_FILES = pa.schema(
    [("place", pa.int64()), ("uri", pa.string()), ("timestamp", pa.int64()), ("snap_key", pa.string()),
     ("content_type", pa.string()), ("height", pa.int32()), ("width", pa.int32()), ("mode", pa.string()),
     ("is_video", pa.bool_()), ("is_lossy", pa.bool_()), ("fingerprint", pa.string()), ("pixel_hash", pa.string()),
     ("unassigned", pa.int64()), ("error", pa.string())]
)  # fmt: skip

SIZES = ("area", "x_min", "y_min", "x_max", "y_max", "sum_x", "sum_y")

_ERRORS = pa.schema([("mask_file_key", pa.int64()), ("error", pa.string())])

_REGIONS = pa.schema(
    [("place", pa.int64()),
     *((name, pa.int32()) for name in ("region_index", "sample", "red", "green", "blue", "alpha")),
     *((name, pa.int64()) for name in SIZES), ("rle", pa.string())]
)  # fmt: skip

_ROI_REGIONS = pa.schema(
    [("frame_key", pa.int64()), *((name, pa.int32()) for name in ("roi_index", "height", "width")),
     *((name, pa.int64()) for name in SIZES)]
)  # fmt: skip


class _Mask(NamedTuple):
    """A mask to analyse, with its analysis in the database, as ``analysis/analyze/masks_to_analyze`` gives it."""

    ref: MaskRef
    key: int | None
    error: str | None
    fingerprint: str | None
    snap_key: str | None
    is_lossy: bool | None
    has_rle: bool


class _StoredRegions(NamedTuple):
    """The n regions of a mask as they are stored.

    Attributes:
        colours: shape (n, 5), int64, as in :attr:`masksdb.pixels.masks.MaskFacts.colours`.
        sizes: shape (n, 7), int64, as in :attr:`masksdb.pixels.masks.MaskFacts.sizes`.
        region: for each distinct value of the mask the region that it belongs to, -1 for none, int64.
        unassigned: how many pixels belong to no region.
    """

    colours: Integers
    sizes: Integers
    region: Integers
    unassigned: int


@dataclass(frozen=True)
class AnalyzeReport:
    """The counts of an analysis.

    Attributes:
        analyzed: how many mask images were read and written.
        unchanged: how many were not read again, for their files are unchanged.
        failures: why masks could not be read, and ROIs have no region.
        kept: how many of the masks that could not be read keep their regions of an earlier analysis.
    """

    analyzed: int
    unchanged: int
    failures: Sequence[MasksDBError]
    kept: int = 0

    def __str__(self) -> str:
        text = f"{self.analyzed:,} masks analysed, {self.unchanged:,} unchanged"
        if self.failures:
            text += f", {len(self.failures):,} not readable"
        return f"{text} ({self.kept:,} keep their earlier regions)" if self.kept else text


def analyze(
    engine: Engine,
    dataset: str | None = None,
    version: str | None = None,
    *,
    with_rle: bool = False,
    tolerance: int = LOSSY_TOLERANCE,
    reread: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> AnalyzeReport:
    """Fill ``mask_files`` and ``mask_regions`` for the masks that are new or have changed.

    Args:
        engine: the database.
        dataset: only masks visible in this dataset.
        version: only those visible in this version of it.
        with_rle: also keep COCO run lengths of each region.
        tolerance: in lossy files, by how much a channel of a pixel may differ from the value that it gets.
        reread: also masks whose files have kept their size and date.
        progress: called with the number of masks done and of all masks.

    Returns:
        How many masks were analysed and unchanged, and which could not be read: their row in ``mask_files`` has the
        reason, and they are read again the next time. A file that cannot be reached keeps its regions; one that has
        changed and cannot be read has none. ROIs with invalid geometry are among the failures.

    Raises:
        NotFoundError: no such dataset or version.
        UsageError: a negative tolerance, or a version without a dataset.
    """
    if tolerance < 0 or (version is not None and dataset is None):
        raise UsageError("analyze: expected a tolerance of 0 or more, and a dataset where there is a version")
    with engine.reading() as cursor:
        version_id = None if dataset is None or version is None else find_version(cursor, dataset, version).version_id
        if dataset is not None:
            find_dataset(cursor, dataset)
        query = statement("analysis/analyze/masks_to_analyze")
        rows = cursor.execute(query, {"dataset": dataset, "version_id": version_id}).fetchall()
    masks = [_Mask(MaskRef(uri, timestamp), *known) for uri, timestamp, *known in rows]
    if reread:
        facts_cache.clear()
    analysis = _Analysis(engine, with_rle, tolerance, reread)
    for start in range(0, len(masks), MASKS_AT_ONCE):
        analysis.analyze_masks(masks[start : start + MASKS_AT_ONCE])
        progress(min(start + MASKS_AT_ONCE, len(masks)), len(masks))
    unchanged = len(masks) - analysis.analyzed - len(analysis.failures)
    analysis.analyze_rois()
    return AnalyzeReport(analysis.analyzed, unchanged, analysis.failures, analysis.kept)


class _Analysis:
    """One run over masks, with what it has counted so far."""

    def __init__(self, engine: Engine, with_rle: bool, tolerance: int, reread: bool) -> None:
        self.engine = engine
        self.with_rle = with_rle
        self.tolerance = tolerance
        self.reread = reread
        self.analyzed = 0
        self.kept = 0
        self.failures: list[MasksDBError] = []

    def analyze_masks(self, masks: Sequence[_Mask]) -> None:
        """Analyse those of these masks that are new or have changed, in one transaction."""
        declared = self._declared([mask.ref for mask in masks if mask.is_lossy])
        located = locate_masks([mask.ref for mask in masks], self.engine.settings)
        changed: list[tuple[_Mask, Located]] = []
        errors: dict[int, str | None] = {}
        files: list[dict[str, Any]] = []
        regions: list[dict[str, Any]] = []
        for mask in masks:
            file = located[mask.ref]
            if isinstance(file, MasksDBError):
                self._fail(mask, None, file, files, errors)
            elif self._is_changed(mask, file, declared):
                changed.append((mask, file))
            elif mask.error is not None and mask.key is not None:
                errors[mask.key] = None
        results = facts_cache.get([mask.ref for mask, _ in changed], self.engine.settings)
        lossy = [
            mask.ref
            for (mask, _), facts in zip(changed, results, strict=True)
            if isinstance(facts, MaskFacts) and facts.image.is_lossy and mask.ref not in declared
        ]
        declared |= self._declared(lossy)
        for (mask, file), facts in zip(changed, results, strict=True):
            if isinstance(facts, MasksDBError):
                self._fail(mask, file, facts, files, errors)
                continue
            values = declared.get(mask.ref)
            stored = _lossless_regions(facts) if values is None else _lossy_regions(facts, values, self.tolerance)
            with_rle = self.with_rle or (self.reread and mask.has_rle)
            try:
                regions += list(_region_rows(len(files), facts, stored, with_rle))
            except MasksDBError as error:
                self._fail(mask, file, MaskDecodeError(mask.ref.uri, str(error)), files, errors)
                continue
            row = _reference(mask, len(files)) | _file_columns(facts, file)
            row |= {"snap_key": None if values is None else self._snap_key(values), "unassigned": stored.unassigned}
            files.append(row)
            self.analyzed += 1
        if files or errors:
            self._write(files, regions, errors)

    def _is_changed(self, mask: _Mask, file: Located, declared: Mapping[MaskRef, Values]) -> bool:
        """Whether a mask is to be read: it is new, or its file, its declared values or what is asked for are others."""
        return (
            self.reread
            or file.fingerprint != mask.fingerprint
            or (self.with_rle and not mask.has_rle)
            or (bool(mask.is_lossy) and mask.snap_key != self._snap_key(declared[mask.ref]))
        )

    def _fail(
        self,
        mask: _Mask,
        file: Located | None,
        error: MasksDBError,
        files: list[dict[str, Any]],
        errors: dict[int, str | None],
    ) -> None:
        """Record why a mask is unreadable; what is known of it stays unless its file is known to be another."""
        self.failures.append(error)
        if mask.key is not None and (file is None or file.fingerprint == mask.fingerprint):
            errors[mask.key] = str(error)
            self.kept += mask.fingerprint is not None
        else:
            files.append(_reference(mask, len(files)) | {"error": str(error)})

    def _declared(self, refs: Sequence[MaskRef]) -> dict[MaskRef, Values]:
        """The values that ROIs and mask_labels declare for masks, the first declared first."""
        if not refs:
            return {}
        parameters = {"uris": [ref.uri for ref in refs], "timestamps": [ref.timestamp_ms for ref in refs]}
        with self.engine.reading() as cursor:
            rows = cursor.execute(statement("analysis/analyze/declared_values"), parameters).fetchall()
        declared: dict[MaskRef, list[tuple[int, ...]]] = {ref: [] for ref in refs}
        for uri, timestamp, value in rows:
            declared[MaskRef(uri, timestamp)].append(tuple(value))
        return {ref: tuple(values) for ref, values in declared.items()}

    def _snap_key(self, values: Values) -> str:
        """What changes with the declared values of a lossy mask, and with the tolerance."""
        return hashlib.md5(repr((self.tolerance, values)).encode(), usedforsecurity=False).hexdigest()

    def _write(
        self, files: list[dict[str, Any]], regions: list[dict[str, Any]], errors: Mapping[int, str | None]
    ) -> None:
        with self.engine.transaction() as cursor:
            rows = {"mask_file_key": list(errors), "error": list(errors.values())}
            cursor.register("new_errors", pa.table(rows, _ERRORS))
            cursor.execute(statement("analysis/analyze/update_errors"))
            cursor.register("new_files", pa.Table.from_pylist(files, _FILES))
            cursor.register("new_regions", pa.Table.from_pylist(regions, _REGIONS))
            cursor.execute(statement("analysis/analyze/delete_files"))
            row = cursor.execute(statement("analysis/analyze/next_key")).fetchone()
            assert row is not None
            for name in ("insert_regions", "insert_files"):
                cursor.execute(statement(f"analysis/analyze/{name}"), {"first_key": row[0]})

    def analyze_rois(self) -> None:
        """Analyse the ROIs that have run lengths or a polygon of their own."""
        with self.engine.reading() as cursor:
            for batch in cursor.sql(statement("analysis/analyze/rois_to_analyze")).to_arrow_reader(ROIS_AT_ONCE):
                rows, failures = _roi_rows(batch.to_pylist())
                self.failures += failures
                with self.engine.transaction() as writer:
                    writer.register("new_regions", pa.Table.from_pylist(rows, _ROI_REGIONS))
                    writer.execute(statement("analysis/analyze/insert_roi_regions"))


def _region_rows(place: int, facts: MaskFacts, stored: _StoredRegions, with_rle: bool) -> Iterator[dict[str, Any]]:
    for index, (colour, sizes) in enumerate(zip(stored.colours.tolist(), stored.sizes.tolist(), strict=True)):
        sample, red, green, blue, alpha = colour
        row = {"place": place, "region_index": index, "sample": None if sample == NO_SAMPLE else sample}
        row |= {"red": red, "green": green, "blue": blue, "alpha": alpha, **dict(zip(SIZES, sizes, strict=True))}
        row["rle"] = rle.encode_counts(facts.regions.counts(stored.region == index)) if with_rle else None
        yield row


def _reference(mask: _Mask, place: int) -> dict[str, Any]:
    """The columns of ``mask_files`` that say which mask it is."""
    return {"place": place, "uri": mask.ref.uri, "timestamp": mask.ref.timestamp_ms}


def _file_columns(facts: MaskFacts, file: Located) -> dict[str, Any]:
    """The columns of a mask in ``mask_files``."""
    regions, image = facts.regions, facts.image
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr((regions.height, regions.width, image.mode, image.depth)).encode())
    digest.update(regions.starts.tobytes())
    # Hashed by colours: two files of one picture may have their palettes in another order.
    digest.update(facts.colours[:, RED:][regions.runs.values].astype(np.int32).tobytes())
    return {
        "content_type": image.content_type,
        "height": regions.height,
        "width": regions.width,
        "mode": f"{image.mode}{image.depth}",
        "is_video": image.is_video,
        "is_lossy": image.is_lossy,
        "fingerprint": file.fingerprint,
        "pixel_hash": digest.hexdigest(),
    }


def _lossless_regions(facts: MaskFacts) -> _StoredRegions:
    """The regions of a lossless mask: its distinct values."""
    return _StoredRegions(facts.colours, facts.sizes, np.arange(len(facts.colours)), 0)


def _lossy_regions(facts: MaskFacts, declared: Values, tolerance: int) -> _StoredRegions:
    """The regions of a lossy mask: the declared values, each with the pixels that are nearest to it.

    The distance of a pixel from a value is the largest difference of a channel. A pixel farther than the tolerance from
    all values is in no region; a pixel as near to several values is in the region of the first declared.
    """
    values = [value for value in declared if len(value) != 1 or facts.image.has_sample]
    differences = np.array([distances(facts, value) for value in values]).reshape(len(values), len(facts.colours))
    region = np.full(len(facts.colours), -1, np.int64)
    if values:
        nearest = differences.argmin(axis=0)
        is_near = differences.min(axis=0) <= tolerance
        used, ids = np.unique(nearest[is_near], return_inverse=True)
        region[is_near] = ids
        values = [values[index] for index in used]
    colours = np.array([_colour(facts, value) for value in values], np.int64).reshape(-1, 5)
    sizes = np.array([combined(facts.sizes[region == index]) for index in range(len(values))]).reshape(-1, 7)
    return _StoredRegions(colours, sizes, region, int(facts.regions.area[region < 0].sum()))


def _colour(facts: MaskFacts, value: tuple[int, ...]) -> list[int]:
    """A declared value as a row of :attr:`masksdb.pixels.masks.MaskFacts.colours`."""
    if len(value) == 1:
        return [value[0]] * 4 + [facts.image.maximum]
    is_grey = facts.image.has_sample and value[0] == value[1] == value[2]
    return [value[0] if is_grey else NO_SAMPLE, *value[:3], value[3] if len(value) == 4 else facts.image.maximum]


def _roi_rows(rois: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[MasksDBError]]:
    """The rows of ``roi_regions`` for ROIs as ``rois_to_analyze.sql`` gives them, and why some have none."""
    rows, failures, outlined = [], [], []
    for roi in rois:
        try:
            if roi["poly"] is not None:
                outlined.append((roi, polygons.split_parts(roi["poly"])))
                continue
            height, width = roi["rle"]["size"]
            counts = rle.decode_counts(roi["rle"]["counts"])
            rle.check_size(counts, height, width)
            rows.append(_roi_row(roi, counts, height, width))
        except MasksDBError as error:
            failures.append(MasksDBError(f"frame {roi['frame_id']}, rois[{roi['roi_index']}]: {error}"))
    heights, widths = ([roi[side] for roi, _ in outlined] for side in ("height", "width"))
    filled = polygons.rasterize([parts for _, parts in outlined], heights, widths)
    for (roi, _), counts in zip(outlined, filled, strict=True):
        rows.append(_roi_row(roi, counts, roi["height"], roi["width"]))
    return rows, failures


def _roi_row(roi: Mapping[str, Any], counts: rle.Counts, height: int, width: int) -> dict[str, Any]:
    box = rle.box(counts, height) or rle.Box(0, 0, 0, 0)
    sum_x, sum_y = rle.sums(counts, height)
    corners = (box.x, box.y, box.x + box.width - 1, box.y + box.height - 1)
    sizes = dict(zip(SIZES, (rle.area(counts), *corners, sum_x, sum_y), strict=True))
    return {"frame_key": roi["frame_key"], "roi_index": roi["roi_index"], "height": height, "width": width, **sizes}
