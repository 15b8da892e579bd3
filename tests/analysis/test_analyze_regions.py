"""Once analysed, tables say of every kind of mask what numpy and pycocotools say; in lossy ones of declared values."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from support import reference
from support.pngs import Kind, kinds

import masksdb

Pixels = npt.NDArray[np.uint8]

KINDS = kinds()
FILES = """
    SELECT parse_filename(uri, true), height, width, mode, content_type, is_video, is_lossy, unassigned, snap_key, error
    FROM mask_files
"""
REGIONS = """
    SELECT parse_filename(uri, true), mask_regions.* EXCLUDE (mask_file_key, region_index)
    FROM mask_regions JOIN mask_files USING (mask_file_key)
"""
ROI_REGIONS = "SELECT frame_id, area, coverage, bbox, centroid FROM mask_roi_regions ORDER BY frame_id, roi_index"
COLOURS = [[250, 20, 10], [240, 60, 30], [20, 200, 40], [200, 210, 220]]


def frame(name: str, values: list[Any], mask: str = "") -> dict[str, Any]:
    """A frame with one mask (``<name>.png`` unless named) and a ROI for each value."""
    masks = [{"id": "m", "uri": mask or f"{name}.png"}]
    rois = [{"label": [str(value)], "mask": {"id": "m", "value": value}} for value in values]
    return {"id": name, "sources": [{"id": "s", "uri": f"{name}.jpg", "masks": masks}], "rois": rois}


def values_of(kind: Kind) -> list[list[int]]:
    """What ROIs may ask of a mask: what is in it in all lengths, with wildcards, and what is not in it."""
    rgba = np.unique(kind.rgba.reshape(-1, 4), axis=0).tolist()
    stored = [row[:3] for row in rgba] + rgba + [[1, 2, 3], [1, 2, 3, 4], [-1, *rgba[0][1:3]], [-1, -1, -1, rgba[0][3]]]
    samples = np.unique(kind.samples).tolist() if kind.has_sample else []
    unique = {tuple(value): value for value in [*stored, *([sample] for sample in samples), [60000], [-1]]}
    return list(unique.values())


class Analysed(NamedTuple):
    """The rows of one mask in the tables."""

    file: tuple[Any, ...]
    regions: list[tuple[Any, ...]]
    roi_regions: list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def all_kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Analysed]:
    """A mask of every kind, by name, analysed."""
    folder = tmp_path_factory.mktemp("kinds")
    for kind in KINDS:
        (folder / f"{kind.name}.png").write_bytes(kind.data)
    with masksdb.connect(":memory:") as own:
        own.ingest([frame(kind.name, values_of(kind)) for kind in KINDS], dataset="d", media_root=str(folder))
        report = own.analyze(with_rle=True)
        assert (report.analyzed, report.unchanged, report.failures) == (len(KINDS), 0, [])
        files = own.sql(FILES).fetchall()
        regions = own.sql(REGIONS).fetchall()
        roi_regions = own.sql(ROI_REGIONS).fetchall()
    return {
        name: Analysed(tuple(file), *([row[1:] for row in rows if row[0] == name] for rows in (regions, roi_regions)))
        for name, *file in files
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_distinct_value_is_a_region_with_the_sizes_and_run_lengths_of_the_references(
    kind: Kind, all_kinds: dict[str, Analysed]
) -> None:
    stored = kind.samples.reshape(*kind.samples.shape[:2], -1)
    expected = []
    for value in np.unique(stored.reshape(-1, stored.shape[2]), axis=0).tolist():
        flags = reference.region(stored, value)
        ys, xs = np.nonzero(flags)
        colour = kind.rgba[ys[0], xs[0]].tolist()
        sizes = [len(xs), xs.min(), ys.min(), xs.max(), ys.max(), xs.sum(), ys.sum()]
        rle = reference.coco_rle(flags)["counts"]
        expected.append((value[0] if kind.has_sample else None, *colour, *map(int, sizes), rle))
    assert sorted(all_kinds[kind.name].regions, key=repr) == sorted(expected, key=repr)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_mask_file_says_how_its_pixels_are_stored(kind: Kind, all_kinds: dict[str, Analysed]) -> None:
    mode = kind.name.split()[0].replace("grey", "grey_alpha" if "with alpha" in kind.name else "grey")
    assert all_kinds[kind.name].file == (23, 31, mode, "image/png", False, False, 0, None, None)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_regions_of_rois_are_those_of_the_references(kind: Kind, all_kinds: dict[str, Analysed]) -> None:
    expected: list[tuple[Any, ...]] = []
    for value in values_of(kind):
        if len(value) == 1 and not kind.has_sample:
            expected.append((None, None, None, None))
            continue
        flags = reference.region(kind.samples if len(value) == 1 else kind.rgba, value)
        expected.append((int(flags.sum()), flags.mean(), reference.bbox(flags), reference.centroid(flags)))
    assert all_kinds[kind.name].roi_regions == expected


def encoded(pixels: Pixels, kind: str, **options: Any) -> tuple[bytes, Pixels]:
    """A picture of a lossy format, and its pixels as Pillow decodes them."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue(), np.asarray(Image.open(file))


def nearest(pixels: Pixels, declared: list[list[int]], tolerance: int) -> list[reference.Flags]:
    """For each declared value the pixels that are nearest to it; one as near to several belongs to the first."""
    owners = np.full(pixels.shape[:2], -1)
    for y, x in np.ndindex(*owners.shape):
        pixel = pixels[y, x].reshape(-1).tolist()
        differences = [max(abs(a - b) for a, b in zip(pixel, value, strict=True)) for value in declared]
        if min(differences) <= tolerance:
            owners[y, x] = differences.index(min(differences))
    return [owners == number for number in range(len(declared))]


@pytest.fixture
def db() -> Iterator[masksdb.Database]:
    with masksdb.connect(":memory:") as own:
        yield own


@pytest.fixture
def flat(db: masksdb.Database, tmp_path: Path) -> masksdb.Database:
    """A lossy mask, grey 100 all over, for :func:`declare`."""
    data, pixels = encoded(np.full((8, 16), 100, np.uint8), "JPEG", quality=95)
    assert (pixels == 100).all()
    (tmp_path / "flat.jpg").write_bytes(data)
    return db


def declare(db: masksdb.Database, folder: Path, values: list[list[int]]) -> None:
    db.ingest([frame("flat", values, "flat.jpg")], dataset="d", version="v", media_root=str(folder))


def areas(db: masksdb.Database) -> list[int | None]:
    return [area for (area,) in db.sql("SELECT area FROM mask_roi_regions ORDER BY frame_id, roi_index").fetchall()]


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "grey JPEG"])
def test_pixels_of_lossy_masks_count_for_the_nearest_declared_value(
    kind: str, db: masksdb.Database, tmp_path: Path
) -> None:
    ids = np.kron(np.random.default_rng(4).integers(0, 4, (4, 5)), np.ones((5, 5), np.int64))
    is_grey = kind == "grey JPEG"
    declared = [[200], [90], [110], [10]] if is_grey else COLOURS
    clean = np.array(declared, np.uint8)[ids]
    data, pixels = encoded(clean[:, :, 0] if is_grey else clean, kind.split()[-1], quality=55)
    (tmp_path / "mask").write_bytes(data)
    db.ingest([frame("f", declared, "mask")], dataset="d", media_root=str(tmp_path))
    for tolerance in (0, 12, 32, 255):
        db.analyze(tolerance=tolerance, with_rle=True)
        regions = nearest(pixels, declared, tolerance)
        expected = [
            ("f", int(flags.sum()), flags.mean(), reference.bbox(flags), reference.centroid(flags)) for flags in regions
        ]
        assert db.sql(ROI_REGIONS).fetchall() == expected
        unassigned = ids.size - sum(int(flags.sum()) for flags in regions)
        assert db.sql("SELECT is_lossy, unassigned FROM mask_files").fetchall() == [(True, unassigned)]
        assert (unassigned > 0) == (tolerance < 255)
        rles = db.sql("SELECT rle FROM mask_regions ORDER BY region_index").fetchall()
        assert rles == [(reference.coco_rle(flags)["counts"],) for flags in regions if flags.any()]


def test_without_a_tolerance_given_it_is_32(flat: masksdb.Database, tmp_path: Path) -> None:
    values = [67, 68, 132, 133]
    for value in values:
        (tmp_path / f"{value}.jpg").write_bytes((tmp_path / "flat.jpg").read_bytes())
    frames = [frame(f"{value:03}", [[value]], f"{value}.jpg") for value in values]
    flat.ingest(frames, dataset="d", version="v", media_root=str(tmp_path))
    flat.analyze()
    assert areas(flat) == [0, 128, 128, 0]


@pytest.mark.parametrize("declared", [[[90], [110]], [[110], [90]], [[110, 110, 110], [90]]])
def test_ties_go_to_the_roi_that_comes_first(flat: masksdb.Database, tmp_path: Path, declared: list[list[int]]) -> None:
    declare(flat, tmp_path, declared)
    flat.analyze()
    assert areas(flat) == [128, 0]


@pytest.mark.parametrize("declared", [[90, 110], [110, 90]])
def test_ties_go_to_the_label_that_comes_first(flat: masksdb.Database, tmp_path: Path, declared: list[int]) -> None:
    declare(flat, tmp_path, [])
    flat.version("d", "v").set_masks_labels({(value, value, value): [str(value)] for value in declared})
    flat.analyze()
    rows = flat.sql("SELECT labels[1] FROM mask_segment_regions WHERE area = 128").fetchall()
    assert rows == [(str(declared[0]),)]


def test_ties_go_to_rois_before_labels(flat: masksdb.Database, tmp_path: Path) -> None:
    declare(flat, tmp_path, [[1], [2], [110, 110, 110], [90, 90, 90]])
    flat.version("d", "v").set_masks_labels({(90, 90, 90): ["low"], (80, 80, 80): ["lower"]})
    flat.analyze()
    assert areas(flat) == [0, 0, 128, 0]


def test_a_wildcard_in_a_lossy_mask_counts_pixels_once(flat: masksdb.Database, tmp_path: Path) -> None:
    declare(flat, tmp_path, [[-1, 101, 100], [90, 90, 90]])
    flat.analyze()
    assert areas(flat) == [128, 0]
    declare(flat, tmp_path, [[100, 100, 100], [-1, 100, 100]])
    flat.analyze()
    assert areas(flat) == [128, 0]


@pytest.mark.parametrize("with_rle", [False, True])
@pytest.mark.parametrize("declared", [[], [[7]]])
def test_a_lossy_mask_without_anything_declared_in_it_is_unassigned(
    flat: masksdb.Database, tmp_path: Path, declared: list[list[int]], with_rle: bool
) -> None:
    declare(flat, tmp_path, declared)
    assert flat.analyze(with_rle=with_rle).analyzed == 1
    assert flat.sql("SELECT unassigned, error FROM mask_files").fetchall() == [(128, None)]
    assert areas(flat) == [0] * len(declared)
    assert flat.analyze(with_rle=with_rle).unchanged == 1


def test_one_number_in_a_lossy_colour_mask_has_no_area(db: masksdb.Database, tmp_path: Path) -> None:
    data, _ = encoded(np.full((8, 8, 3), 100, np.uint8), "JPEG", quality=95)
    (tmp_path / "a.jpg").write_bytes(data)
    db.ingest([frame("a", [[10], [120, 120, 120]], "a.jpg")], dataset="d", media_root=str(tmp_path))
    db.analyze()
    assert areas(db) == [None, 64]


def test_lossy_masks_alone_are_read_again_for_other_values_or_another_tolerance(
    flat: masksdb.Database, tmp_path: Path
) -> None:
    Image.fromarray(np.full((2, 2), 3, np.uint8)).save(tmp_path / "b.png")
    frames = [frame("b", [[3]]), frame("flat", [], "flat.jpg")]
    flat.ingest(frames, dataset="d", version="v", media_root=str(tmp_path))
    assert flat.analyze().analyzed == 2
    declare(flat, tmp_path, [[90]])
    report = flat.analyze()
    assert (report.analyzed, report.unchanged) == (1, 1)
    report = flat.analyze(tolerance=5)
    assert (report.analyzed, report.unchanged) == (1, 1)
    assert areas(flat) == [4, 0]
    assert flat.analyze(tolerance=5).analyzed == 0
