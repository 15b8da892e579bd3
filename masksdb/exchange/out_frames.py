"""A version as the writers of layouts get it: its images in order, with the regions on each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from masksdb.errors import MasksDBError, UsageError, without_place
from masksdb.exchange.out_media import OutMedia
from masksdb.exchange.out_subset import Subset
from masksdb.formats.frame import Size
from masksdb.formats.reading import BACKGROUND, VOID
from masksdb.formats.writing import Classes, OutFrame, Region, file_name, shortened, unused_name
from masksdb.pixels import polygons, rle
from masksdb.pixels.mask_cache import facts_cache
from masksdb.pixels.masks import MaskFacts, MaskRef
from masksdb.pixels.selection import select
from masksdb.pixels.settings import LOSSY_TOLERANCE
from masksdb.store.engine import Engine
from masksdb.store.labels import version_labels
from masksdb.store.sql import statement

FRAMES_AT_ONCE = 512

_FILE_SUFFIX = re.compile(r"(?i)\.(png|txt|jpe?g|bmp|webp|tiff?|gif)$")
"""The suffixes of files that layouts write for each frame."""

FIRST_SEGMENT = 1_000_000
"""The lowest index of a region that is no ROI but a value that the label mapping declares."""


_CONDITIONS = {
    "version_id": "version_id = $version_id",
    "frame_key": "($frame_keys IS NULL OR frame_key IN (SELECT unnest($frame_keys)))",
    "class_labels": "($labels IS NULL OR list_has_any(coalesce(nullif(class_labels, []), ['unlabelled']), $labels))",
    "label": "($labels IS NULL OR list_contains($labels, label))",
}
"""The rows of a view that are written, by the columns that the view has."""


class _Source(NamedTuple):
    """A row of ``exchange/export/written_frames``."""

    frame_key: int
    frame_id: str
    id_given: bool
    context_id: str | None
    timestamp: int | None
    meta: str | None
    source_index: int
    source_id: str | None
    source_uri: str | None
    width: int | None
    height: int | None
    source_count: int


class _Roi(NamedTuple):
    """A row of ``exchange/export/written_regions``."""

    frame_key: int
    source_index: int | None
    roi_index: int
    roi_id: str | None
    labels: list[str] | None
    mask_id: str | None
    mask: dict[str, Any] | None
    mask_value: list[int] | None
    rle: dict[str, Any] | None
    poly: npt.NDArray[np.float64] | None
    is_crowd: bool
    is_ignored: bool
    meta: str | None


class Missing(NamedTuple):
    """A ROI that has no region, and the reason."""

    frame: str
    roi_index: int
    label: str
    reason: str


@dataclass
class OutFrames:
    """The images of a version, with the regions of the chosen masks.

    Attributes:
        engine: the database.
        version_id: the version.
        masks: ids of the masks whose ROIs are regions; empty means the only mask.
        subset: which of its frames and ROIs are written.
        media: the files that are copied, or None where none is.
        with_mask_files: whether the files of masks are copied too.
        missing: ROIs that have no region, by image name and ROI index; complete once all frames are read.
        unreadable: files that cannot be read or copied, each with its reason; complete once all frames are read.
        left_out: the images that are left out because of such files, each with the first of them.
        renamed: names of images that are not the ids of their frames, by frame id; complete once names are asked for.
    """

    engine: Engine
    version_id: int
    masks: Sequence[str] = ()
    subset: Subset = field(default_factory=Subset)
    media: OutMedia | None = None
    with_mask_files: bool = False
    missing: dict[tuple[str, int], Missing] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    _splits: dict[str, str] = field(default_factory=dict)
    _split_names: dict[str, int] = field(default_factory=dict)

    def check(self) -> None:
        """Check that the masks to export are known.

        Raises:
            UsageError: ROIs lie in several masks and none is chosen, or no ROI lies in a chosen one.
        """
        known = [name for name, _ in self._mask_rows]
        for name in self.masks:
            if name not in known and name not in self._labelled_masks:
                raise UsageError(f"--mask {name}: no ROI lives in such a mask; found {', '.join(known) or 'none'}")
        if len(known) > 1 and not self.masks:
            names = " and ".join([", ".join(known[:-1]), known[-1]])
            raise UsageError(f"the version has ROIs in the masks {names}; choose with --mask which of them to export")

    @cached_property
    def _mask_rows(self) -> list[tuple[str, int]]:
        with self.engine.reading() as cursor:
            return cursor.execute(
                statement("exchange/export/written_masks"), {"version_id": self.version_id}
            ).fetchall()

    @cached_property
    def _labelled_masks(self) -> set[str]:
        """Ids of the masks for whose values the version's label mapping has entries."""
        with self.engine.reading() as cursor:
            query = "SELECT DISTINCT mask_id FROM mask_segments WHERE version_id = ?"
            return {name for (name,) in cursor.execute(query, [self.version_id]).fetchall()}

    @cached_property
    def _has_segments(self) -> bool:
        """Whether regions are the values of the label mapping, because the chosen masks have no ROIs."""
        known = {name for name, _ in self._mask_rows}
        with self.engine.reading() as cursor:
            query = "SELECT 1 FROM rois JOIN dataset_frames USING (frame_key) WHERE version_id = ? LIMIT 1"
            has_rois = cursor.execute(query, [self.version_id]).fetchone() is not None
        return not known.intersection(self.masks) if self.masks else not has_rois

    @cached_property
    def _sources(self) -> list[_Source]:
        with self.engine.reading() as cursor:
            parameters = {"version_id": self.version_id, "frame_ids": None}
            rows = cursor.execute(statement("exchange/export/written_frames"), parameters).fetchall()
        keys = self.subset.frame_keys
        return [_Source(*row) for row in rows if keys is None or row[0] in keys]

    def without_source(self) -> list[tuple[str, int | None, str]]:
        """The ROIs of frames without a source, which are no images: frame id, ROI index (None without ROIs), label."""
        with self.engine.reading() as cursor:
            query = statement("exchange/export/without_source")
            rows = cursor.execute(query, {"version_id": self.version_id}).fetchall()
        keys, chosen = self.subset.frame_keys, set(self.subset.labels)
        return [
            (frame_id, roi_index, ", ".join(labels or []) or "unlabelled")
            for frame_key, frame_id, roi_index, labels in rows
            if (keys is None or frame_key in keys) and (not chosen or not chosen.isdisjoint(labels or ["unlabelled"]))
        ]

    @cached_property
    def names(self) -> dict[tuple[int, int], str]:
        """A unique name for each image, by frame key and source index: from the id of its frame, else from its file."""
        names: dict[tuple[int, int], str] = {}
        taken: dict[str, int] = {}
        for source in self._sources:
            file = PurePosixPath((source.source_uri or "").rpartition("://")[2]).stem
            text = source.frame_id if source.id_given or not file else file
            if source.source_count > 1:
                text += f"_{source.source_id or source.source_index}"
            name = unused_name(_clean(text), taken)
            if source.id_given and name != text:
                self.renamed[text] = name
            names[source.frame_key, source.source_index] = name
        return names

    @cached_property
    def _by_id(self) -> dict[str, list[_Source]]:
        by_id: dict[str, list[_Source]] = {}
        for source in self._sources:
            by_id.setdefault(source.frame_id, []).append(source)
        return by_id

    def by_name(self, names: Iterable[str]) -> dict[str, OutFrame]:
        """Some of the images, by the id of their frame; polygons are not filled until their pixels are read."""
        sources = [source for name in dict.fromkeys(names) for source in self._by_id.get(name, ())]
        return {frame.frame_id: frame for frame in self._frames(sources, is_filled=False)}

    def unfilled(self) -> Iterator[OutFrame]:
        """The images; polygons are not filled until their pixels are read."""
        return self._frames(self._sources, is_filled=False)

    def __iter__(self) -> Iterator[OutFrame]:
        return self._frames(self._sources, is_filled=True)

    def _frames(self, sources: Sequence[_Source], *, is_filled: bool) -> Iterator[OutFrame]:
        for start in range(0, len(sources), FRAMES_AT_ONCE):
            chunk = sources[start : start + FRAMES_AT_ONCE]
            rois = self._rois(chunk)
            facts = self._facts(roi for own in rois.values() for roi in own)
            pairs = [(source, rois.get((source.frame_key, source.source_index), [])) for source in chunk]
            sized = [(source, own, _size(source, own, facts)) for source, own in pairs]
            faults = self._faults(sized, facts)
            held = [row for row, fault in zip(sized, faults, strict=True) if fault is None]
            placed = [(roi, size) for _, own, size in held for roi in own]
            shapes = iter(_shapes(placed, is_filled=is_filled))
            for (source, own, size), fault in zip(sized, faults, strict=True):
                if fault is not None:
                    self._leave_out(source, own, fault)
                    continue
                regions = [self._region(roi, facts, size, next(shapes)) for roi in own]
                yield self._frame(source, own, size, regions)

    def _faults(
        self,
        sized: Sequence[tuple[_Source, Sequence[_Roi], Size | None]],
        facts: Mapping[MaskRef, MaskFacts | MasksDBError],
    ) -> list[str | None]:
        """For each image why it is left out: a label file without what a lost mask says would be wrong."""
        reasons = {
            ref.uri: without_place(mask, ref.uri) for ref, mask in facts.items() if isinstance(mask, MasksDBError)
        }
        masks = [[ref.uri for roi in own if (ref := _ref(roi))] for _, own, _ in sized]
        copied: list[list[str]] = [[] for _ in sized]
        if self.media is not None:
            images = [[source.source_uri] if source.source_uri else [] for source, _, _ in sized]
            copied = [(own if self.with_mask_files else []) + image for own, image in zip(masks, images, strict=True)]
            copy_faults = self.media.faults(uri for uris in copied for uri in uris)
            reasons = copy_faults | reasons
        limit = self.engine.settings.pixel_limit
        faults: list[str | None] = []
        for (source, _, size), uris in zip(sized, (a + b for a, b in zip(masks, copied, strict=True)), strict=True):
            bad = {uri: reasons[uri] for uri in uris if uri in reasons}
            if size and size.width * size.height > limit:
                raised = f"more than the limit of {limit:,}; raise it with MASKSDB_PIXEL_LIMIT"
                bad[f"frame {source.frame_id!r}"] = f"{size.width} x {size.height} pixels, {raised}"
            self.unreadable.update(bad)
            faults.append(next((f"{uri}: {reason}" for uri, reason in bad.items()), None))
        return faults

    def _leave_out(self, source: _Source, rois: Sequence[_Roi], fault: str) -> None:
        name = self.names[source.frame_key, source.source_index]
        self.left_out[name] = fault
        for roi in rois:
            self.missing[name, roi.roi_index] = Missing(name, roi.roi_index, _label(roi), f"image left out: {fault}")

    def _rois(self, sources: Sequence[_Source]) -> dict[tuple[int, int], list[_Roi]]:
        parameters = {
            "version_id": self.version_id,
            "frame_keys": list({source.frame_key for source in sources}),
            "mask_ids": list(self.masks) or None,
            "segments": self._has_segments,
            "labels": list(self.subset.labels) or None,
        }
        with self.engine.reading() as cursor:
            table = cursor.sql(statement("exchange/export/written_regions"), params=parameters).to_arrow_table()
        rois: dict[tuple[int, int], list[_Roi]] = {}
        columns = [_float_lists(table[name]) if name == "poly" else table[name].to_pylist() for name in _Roi._fields]
        for values in zip(*columns, strict=True):
            roi = _Roi(*values)
            rois.setdefault((roi.frame_key, roi.source_index or 0), []).append(roi)
        return rois

    def _facts(self, rois: Iterable[_Roi]) -> dict[MaskRef, MaskFacts | MasksDBError]:
        refs = list(dict.fromkeys(ref for roi in rois if (ref := _ref(roi))))
        return dict(zip(refs, facts_cache.get(refs, self.engine.settings), strict=True))

    def _frame(
        self, source: _Source, rois: Sequence[_Roi], size: Size | None, regions: Sequence[Region | str | None]
    ) -> OutFrame:
        name = self.names[source.frame_key, source.source_index]
        for roi, region in zip(rois, regions, strict=True):
            if isinstance(region, str):
                self.missing[name, roi.roi_index] = Missing(name, roi.roi_index, _label(roi), region)
        meta = json.loads(source.meta or "{}") or {}
        split = meta.get("split") if self.subset.parts is None else self.subset.parts[source.frame_key]
        if split and str(split) not in self._splits:
            self._splits[str(split)] = unused_name(file_name(split), self._split_names)
        return OutFrame(
            name=name,
            split=self._splits[str(split)] if split else None,
            frame_id=source.frame_id,
            source_id=source.source_id if source.source_count > 1 else None,
            context_id=source.context_id,
            timestamp=source.timestamp,
            meta=meta,
            image_uri=source.source_uri,
            width=size.width if size else 0,
            height=size.height if size else 0,
            regions=[region for region in regions if isinstance(region, Region)],
        )

    def _region(
        self,
        roi: _Roi,
        facts: Mapping[MaskRef, MaskFacts | MasksDBError],
        size: Size | None,
        own: _Shape | str | None,
    ) -> Region | str | None:
        """The region of a ROI, or the reason why it has none; None where a value of the label mapping has no pixels."""
        labels = tuple(roi.labels or ())
        ref = _ref(roi)
        is_segment = roi.roi_index >= FIRST_SEGMENT
        if is_segment and labels == (BACKGROUND,):
            return None
        mask = facts.get(ref) if ref else None
        selected = None
        if isinstance(mask, MaskFacts) and ref is not None:
            tolerance = LOSSY_TOLERANCE if mask.image.is_lossy else 0
            try:
                selected = select(mask, roi.mask_value or (), tolerance, ref.uri)
            except MasksDBError as error:
                return str(error)
            if not selected.any():
                return None if is_segment else f"no pixel of its mask has the value {roi.mask_value}"
            own_size = Size(mask.regions.width, mask.regions.height)
        elif isinstance(own, str):
            return own
        elif own is None:
            return "lives in no mask of its source" if roi.mask_value is not None else "no pixels of its own"
        else:
            own_size = Size(roi.rle["size"][1], roi.rle["size"][0]) if roi.rle else size or Size(0, 0)
        if own_size != size:
            width, height = size or (0, 0)
            sizes = f"{own_size.width} x {own_size.height} pixels on an image of {width} x {height}"
            return f"of {sizes}; it is never resized"
        return Region(
            roi_index=roi.roi_index,
            roi_id=roi.roi_id,
            labels=labels,
            mask_id=roi.mask_id,
            value=tuple(roi.mask_value) if roi.mask_value is not None else None,
            parts=None if selected is not None or not isinstance(own, _Shape) else own.parts,
            is_crowd=roi.is_crowd,
            is_ignored=roi.is_ignored,
            meta_text=roi.meta,
            height=own_size.height,
            width=own_size.width,
            facts=mask if isinstance(mask, MaskFacts) else None,
            selected=selected,
            own_counts=None if selected is not None or not isinstance(own, _Shape) else own.counts,
            mask_uri=ref.uri if ref else None,
        )

    def rows(self, view: str) -> Any:
        """The rows of the version in a view, as an Arrow reader; JSON columns are text."""
        left_out = {key for (key, _), name in self.names.items() if name in self.left_out}
        keys = self.subset.frame_keys if not left_out else {source.frame_key for source in self._sources} - left_out
        parameters = {**self.subset.parameters, "frame_keys": None if keys is None else sorted(keys)}
        with self.engine.reading() as cursor:
            columns = cursor.sql("FROM query_table($view) LIMIT 0", params={"view": view}).columns
            conditions = " AND ".join(text for column, text in _CONDITIONS.items() if column in columns)
            query = f"FROM query_table($view) WHERE {conditions}"
            named = {name: parameters[name] for name in parameters if f"${name}" in query}
            relation = cursor.sql(query, params={"view": view, "version_id": self.version_id, **named})
            return relation.to_arrow_reader(10_000)

    def classes(self) -> Classes:
        """The classes of the version: those of its label mapping in its order, then others by name."""
        with self.engine.reading() as cursor:
            labels = version_labels(cursor, self.version_id)
        written = self.subset.classes
        return Classes(
            names=[label.name for label in labels if written is None or label.name in written],
            values={label.name: label.number for label in labels if label.number is not None},
            colours={label.name: label.colour for label in labels},
            ignored=frozenset({VOID, *(label.name for label in labels if label.is_ignored)}),
        )


def _size(
    source: _Source, rois: Iterable[_Roi], facts: Mapping[MaskRef, MaskFacts | MasksDBError]
) -> Size | None:  # fmt: skip
    """The size of an image: that of its masks, else the declared one, else that of its run lengths."""
    for roi in rois:
        mask = facts.get(ref) if (ref := _ref(roi)) else None
        if isinstance(mask, MaskFacts):
            return Size(mask.regions.width, mask.regions.height)
    if source.width and source.height:
        return Size(source.width, source.height)
    return next((Size(roi.rle["size"][1], roi.rle["size"][0]) for roi in rois if roi.rle), None)


class _Shape(NamedTuple):
    """The geometry of a ROI itself: run lengths, or polygons that are perhaps not filled yet."""

    counts: rle.Counts | None
    parts: list[npt.NDArray[np.float64]] | None


def _shapes(rois: Sequence[tuple[_Roi, Size | None]], *, is_filled: bool) -> list[_Shape | str | None]:
    """For each ROI its own geometry, None without one, or the fault in it; all polygons are filled in one call."""
    shapes: list[_Shape | str | None] = [None] * len(rois)
    outlined: list[tuple[int, Any, Size]] = []
    for place, (roi, size) in enumerate(rois):
        try:
            if _ref(roi) is None and roi.rle is not None:
                counts = rle.decode_counts(roi.rle["counts"])
                rle.check_size(counts, *roi.rle["size"])
                shapes[place] = _Shape(counts, None)
            elif _ref(roi) is None and roi.poly is not None:
                if size is None:
                    shapes[place] = "a polygon, and nothing says how large the image is"
                    continue
                parts = polygons.split_parts(roi.poly)
                shapes[place] = _Shape(None, parts)
                outlined.append((place, parts, size))
        except MasksDBError as error:
            shapes[place] = str(error)
    if is_filled:
        heights, widths = ([size[side] for _, _, size in outlined] for side in (1, 0))
        filled = polygons.rasterize([parts for _, parts, _ in outlined], heights, widths)
        for (place, parts, _), counts in zip(outlined, filled, strict=True):
            shapes[place] = _Shape(counts, parts)
    return shapes


def _float_lists(column: Any) -> Iterator[npt.NDArray[np.float64] | None]:
    """The lists of an Arrow column as arrays, None for NULL."""
    for chunk in column.chunks:
        values, offsets = chunk.values.to_numpy(zero_copy_only=False), chunk.offsets.to_numpy()
        for is_there, start, stop in zip(chunk.is_valid().to_pylist(), offsets[:-1], offsets[1:], strict=True):
            yield values[start:stop] if is_there else None


def _label(roi: _Roi) -> str:
    return ", ".join(roi.labels or []) or "unlabelled"


def _ref(roi: _Roi) -> MaskRef | None:
    return MaskRef(roi.mask["uri"], roi.mask["timestamp"]) if roi.mask is not None and roi.mask["uri"] else None


def _clean(text: str) -> str:
    """A text as a relative path that any file system accepts.

    >>> _clean("a/../b:c "), _clean("a.png/b")
    ('a/b_c', 'a_png/b')
    """
    *folders, name = [name for part in text.split("/") if (name := file_name(part, ""))] or ["_"]
    # A folder that is called as a file of another frame would stand in its way.
    return shortened("/".join([*(_FILE_SUFFIX.sub(r"_\1", folder) for folder in folders), name]))
