"""What SQL says of the pixels of real masks is what Pillow, numpy and pycocotools say."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image
from support import reference
from support.pngs import kinds
from support.truths import Pixels, Truth, Value, chosen, facts_of, read_palette, truth_of

import masksdb

METHODS = ("osvos", "rvos")
INDEXES = range(21)
WILDCARDS = [(-1,), (128, -1, -1), (-1, 0, 0), (-1, 128, 128), (-1, -1, -1), (128, 0, -1, 255), (-1, -1, -1, -1)]
ABSENT = [(77,), (1, 2, 3), (-1, 2, -1), (128, 0, 0, 0)]
POINTS = [(0, 0), (853, 479), (1151, 479), (854, 0), (1152, 0), (0, 480), (-1, 5), (5, -1)] + [
    (int(x), int(y)) for x, y in np.random.default_rng(5).integers(0, (854, 480), (40, 2))
]


def roi(mask_id: str, value: Value) -> dict[str, Any]:
    return {"label": ["region"], "mask": {"id": mask_id, "value": list(value)}}


def confusion(left: Pixels, right: Pixels) -> Counter[tuple[int, int]]:
    """How many pixels have which pair of indexes."""
    counts = np.bincount((left.astype(np.int64) << 8 | right).reshape(-1))
    return Counter({divmod(code, 256): int(counts[code]) for code in np.flatnonzero(counts).tolist()})


class Davis(NamedTuple):
    """The DAVIS masks of every third frame, in a database and according to the references."""

    db: masksdb.Database
    palette: Pixels
    truths: dict[str, Truth]
    confusions: dict[str, Counter[tuple[int, int]]]


@pytest.fixture(scope="module")
def davis(real_data: Path) -> Iterator[Davis]:
    root = real_data / "davis2017"
    names = sorted(str(path.relative_to(root / METHODS[0])) for path in (root / METHODS[0]).glob("*/*.png"))[::3]
    _, palette = read_palette(root / METHODS[0] / names[0])
    values = [(index,) for index in INDEXES] + [tuple(palette[index, :3].tolist()) for index in INDEXES]
    choices = {value: chosen(value, palette) for value in [*values, *WILDCARDS, *ABSENT]}
    truths: dict[str, Truth] = {}
    confusions: dict[str, Counter[tuple[int, int]]] = {}
    frames = []
    for name in names:
        pair = []
        for method in METHODS:
            pixels, own_palette = read_palette(root / method / name)
            assert np.array_equal(own_palette, palette)
            truths[f"{root}/{method}/{name}"] = truth_of(pixels, choices, POINTS)
            pair.append(pixels)
        confusions[name] = confusion(*pair)
        masks = [{"id": method, "uri": f"{method}/{name}"} for method in METHODS]
        rois = [roi(method, value) for method in METHODS for value in choices]
        frames.append({"id": name, "sources": [{"id": "rgb", "uri": f"{name}.jpg", "masks": masks}], "rois": rois})
    with masksdb.connect(":memory:") as db:
        db.ingest(frames, dataset="davis", version="val", media_root=str(root))
        report = db.analyze("davis", "val")
        assert (report.analyzed, report.failures) == (len(truths), [])
        yield Davis(db, palette, truths, confusions)


def by_mask_and_value(rows: list[tuple[Any, ...]]) -> dict[tuple[str, Value], tuple[Any, ...]]:
    """Rows of mask_uri, mask_value and what is said of them."""
    result = {(uri, tuple(value)): tuple(more) for uri, value, *more in rows}
    assert len(result) == len(rows)
    return result


FACTS_QUERIES = {
    "functions": """
    SELECT mask_uri, mask_value, mask_area(mask, mask_value), mask_coverage(mask, mask_value),
        mask_bbox(mask, mask_value), mask_centroid(mask, mask_value)
    FROM mask_rois
    """,
    "analysed": "SELECT mask_uri, mask_value, area, coverage, bbox, centroid FROM mask_roi_regions",
}

RLE_QUERY = "SELECT mask_uri, mask_value, mask_rle(mask, mask_value) FROM mask_rois"


@pytest.mark.parametrize("query", FACTS_QUERIES.values(), ids=FACTS_QUERIES)
def test_areas_boxes_and_centroids_of_every_davis_mask_are_those_of_numpy(davis: Davis, query: str) -> None:
    result = by_mask_and_value(davis.db.sql(query).fetchall())
    assert result == {
        (uri, value): facts for uri, truth in davis.truths.items() for value, facts in truth.facts.items()
    }


def test_run_lengths_of_every_davis_mask_are_those_of_pycocotools(davis: Davis) -> None:
    # A colour stands for one index, whose run lengths are here already.
    query = f"{RLE_QUERY} WHERE len(mask_value) = 1 OR list_contains(mask_value, -1)"
    result = by_mask_and_value(davis.db.sql(query).fetchall())
    assert result == {
        (uri, value): (rle,)
        for uri, truth in davis.truths.items()
        for value, rle in truth.rles.items()
        if len(value) == 1 or -1 in value
    }


def test_run_lengths_kept_by_an_analysis_are_those_of_pycocotools(davis: Davis) -> None:
    davis.db.analyze("davis", "val", with_rle=True)
    query = "SELECT uri, [sample], rle FROM mask_regions JOIN mask_files USING (mask_file_key)"
    result = by_mask_and_value(davis.db.sql(query).fetchall())
    assert result == {
        (uri, (index,)): (truth.rles[index,]["counts"],)
        for uri, truth in davis.truths.items()
        for index in INDEXES
        if truth.facts[index,].area
    }


def test_the_values_of_every_davis_mask_are_its_indexes(davis: Davis) -> None:
    query = "SELECT mask_uri, mask_values(mask) FROM frame_masks"
    result = dict(davis.db.sql(query).fetchall())
    assert result.keys() == davis.truths.keys()
    for uri, truth in davis.truths.items():
        present = {index: truth.facts[index,] for index in INDEXES if truth.facts[index,].area}
        assert result[uri] == [
            {
                "value": [index],
                "rgb": davis.palette[index, :3].tolist(),
                "area": facts.area,
                "bbox": facts.bbox,
                "centroid": facts.centroid,
            }
            for index, facts in present.items()
        ]


def test_the_value_under_a_pixel_of_every_davis_mask_is_its_index(davis: Davis) -> None:
    query = """
    SELECT mask_uri, [x, y], mask_value_at(mask, x, y)
    FROM frame_masks, (SELECT unnest($xs) AS x, unnest($ys) AS y)
    """
    parameters = {"xs": [x for x, _ in POINTS], "ys": [y for _, y in POINTS]}
    result = by_mask_and_value(davis.db.sql(query, parameters).fetchall())
    assert result == {
        (uri, point): (sample,) for uri, truth in davis.truths.items() for point, sample in truth.samples.items()
    }


def test_the_confusion_of_both_methods_is_the_joint_histogram_of_every_frame(davis: Davis) -> None:
    query = """
    SELECT a.frame_id, mask_confusion(a.mask, b.mask)
    FROM frame_masks AS a JOIN frame_masks AS b USING (frame_key)
    WHERE a.mask_id = 'osvos' AND b.mask_id = 'rvos'
    """
    result = {
        frame_id: Counter({(pair["value_a"][0], pair["value_b"][0]): pair["pixels"] for pair in pairs})
        for frame_id, pairs in davis.db.sql(query).fetchall()
    }
    assert result == davis.confusions


class Segment(NamedTuple):
    """A segment of a panoptic mask as its JSON and as its pixels have it."""

    area: int
    bbox: dict[str, int]
    flags: reference.Flags


class Coco(NamedTuple):
    """The panoptic masks of COCO, in a database, by their pixels, and by their JSON."""

    db: masksdb.Database
    pixels: dict[str, Pixels]
    segments: dict[tuple[str, Value], Segment]


@pytest.fixture(scope="module")
def coco(real_data: Path) -> Iterator[Coco]:
    root = real_data / "coco_panoptic" / "panoptic_examples"
    pixels: dict[str, Pixels] = {}
    segments: dict[tuple[str, Value], Segment] = {}
    frames = []
    for annotation in json.loads((root.parent / "panoptic_examples.json").read_text())["annotations"]:
        uri = f"{root}/{annotation['file_name']}"
        with Image.open(uri) as image:
            pixels[uri] = np.asarray(image.convert("RGB"))
        rois = []
        for segment in annotation["segments_info"]:
            value = tuple(segment["id"].to_bytes(3, "little"))
            box = dict(zip(("x", "y", "width", "height"), segment["bbox"], strict=True))
            segments[uri, value] = Segment(segment["area"], box, reference.region(pixels[uri], value))
            rois.append(roi("panoptic", value))
        masks = [{"id": "panoptic", "uri": uri}]
        frames.append({"id": uri, "sources": [{"id": "rgb", "uri": "rgb.jpg", "masks": masks}], "rois": rois})
    with masksdb.connect(":memory:") as db:
        db.ingest(frames, dataset="coco", version="val")
        db.analyze()
        yield Coco(db, pixels, segments)


@pytest.mark.parametrize("query", FACTS_QUERIES.values(), ids=FACTS_QUERIES)
def test_areas_and_boxes_of_panoptic_segments_are_those_of_their_json(coco: Coco, query: str) -> None:
    result = by_mask_and_value(coco.db.sql(query).fetchall())
    shown = {key: (area, box) for key, (area, _, box, _) in result.items()}
    assert shown == {key: (segment.area, segment.bbox) for key, segment in coco.segments.items()}


@pytest.mark.parametrize("query", FACTS_QUERIES.values(), ids=FACTS_QUERIES)
def test_areas_boxes_and_centroids_of_panoptic_segments_are_those_of_numpy(coco: Coco, query: str) -> None:
    result = by_mask_and_value(coco.db.sql(query).fetchall())
    assert result == {key: facts_of(segment.flags) for key, segment in coco.segments.items()}


def test_run_lengths_of_panoptic_segments_are_those_of_pycocotools(coco: Coco) -> None:
    result = by_mask_and_value(coco.db.sql(RLE_QUERY).fetchall())
    assert result == {key: (reference.coco_rle(segment.flags),) for key, segment in coco.segments.items()}


def test_the_values_of_panoptic_masks_are_their_colours(coco: Coco) -> None:
    for uri, values in coco.db.sql("SELECT mask_uri, mask_values(mask) FROM frame_masks").fetchall():
        colours, areas = np.unique(coco.pixels[uri].reshape(-1, 3), axis=0, return_counts=True)
        assert [(row["value"], row["rgb"], row["area"]) for row in values] == [
            (colour, colour, area) for colour, area in zip(colours.tolist(), areas.tolist(), strict=True)
        ]


def test_the_value_under_a_pixel_of_panoptic_masks_is_its_colour(coco: Coco) -> None:
    query = """
    SELECT x, y, mask_value_at(mask_ref($uri), x, y) FROM range(0, $height, 7) AS a(y), range(0, $width, 3) AS b(x)
    """
    for uri, pixels in coco.pixels.items():
        height, width = pixels.shape[:2]
        rows = coco.db.sql(query, {"uri": uri, "height": height, "width": width}).fetchall()
        assert len(rows) == len(range(0, height, 7)) * len(range(0, width, 3))
        assert [value for _, _, value in rows] == [pixels[y, x].tolist() for x, y, _ in rows]


@pytest.mark.parametrize("query", FACTS_QUERIES.values(), ids=FACTS_QUERIES)
def test_areas_boxes_and_centroids_of_16_bit_grey_masks_are_those_of_numpy(
    db: masksdb.Database, tmp_path: Path, query: str
) -> None:
    frames, expected = [], {}
    for kind in kinds():
        if kind.name.removesuffix(" interlaced") != "grey16":
            continue
        uri = f"{tmp_path}/{kind.name}.png"
        Path(uri).write_bytes(kind.data)
        values = [shown for level in [*np.unique(kind.samples).tolist(), 7] for shown in [(level,), (level,) * 3]]
        values += [(values[0][0], -1, -1), (-1, -1, -1), (-1,), (values[0][0], values[0][0], 7)]
        for value in values:
            expected[uri, value] = facts_of(reference.region(kind.samples if len(value) == 1 else kind.rgba, value))
        source = {"id": "s", "uri": "s.jpg", "masks": [{"id": "m", "uri": uri}]}
        frames.append({"id": kind.name, "sources": [source], "rois": [roi("m", value) for value in values]})
    db.ingest(frames, dataset="d", version="v")
    db.analyze()
    assert len(frames) == 2
    assert by_mask_and_value(db.sql(query).fetchall()) == expected
