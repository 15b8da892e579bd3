"""Class masks are what painting regions one after the other gives, whatever they live in; views as arrays."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco
from support.common import FIXTURES

import masksdb
from masksdb import DataView, MasksDBError, UsageError
from masksdb.pixels.class_masks import ClassRegion, class_mask
from masksdb.pixels.masks import MaskImage, MaskRef

PALETTE = np.array([[40 * (n % 3), 90 * (n % 2), n // 2, 255] for n in range(256)], np.uint8)
LABELS = {"road": 0, "car": 7, "person": 300}


def mask_images() -> st.SearchStrategy[MaskImage]:
    """Masks of 6x5 pixels of every kind of samples."""

    def made(mode: str, seed: int) -> MaskImage:
        random = np.random.default_rng(seed)
        channels = {"rgb": (3,), "rgba": (4,), "grey_alpha": (2,)}.get(mode.removesuffix("_16"), ())
        samples = random.integers(0, 4, (6, 5, *channels))
        if mode.endswith("16"):
            return MaskImage((samples * 257).astype(np.uint16), mode.removesuffix("_16"), 16)
        return MaskImage(samples.astype(np.uint8), mode, 8, palette=PALETTE if mode == "palette" else None)

    modes = ["grey", "palette", "rgb", "rgba", "grey_alpha", "grey_16", "rgb_16"]
    return st.builds(made, st.sampled_from(modes), st.integers(0, 99))


@st.composite
def painted(draw: st.DrawFn) -> tuple[list[ClassRegion], dict[MaskRef, MaskImage]]:
    images = {MaskRef(f"{n}.png"): draw(mask_images()) for n in range(draw(st.integers(1, 2)))}
    regions = []
    for _ in range(draw(st.integers(0, 6))):
        number = draw(st.integers(-1, 5))
        kind = draw(st.sampled_from(["value", "value", "value", "rle", "poly"]))
        if kind == "rle":
            flags = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 2, (6, 5), np.uint8)
            counts = coco.encode(np.asfortranarray(flags))["counts"].decode()
            regions.append(ClassRegion(number, rle={"size": [6, 5], "counts": counts}))
        elif kind == "poly":
            points = draw(st.lists(st.integers(0, 6), min_size=6, max_size=6))
            regions.append(ClassRegion(number, poly=points))
        else:
            ref = draw(st.sampled_from(list(images)))
            unit = 257 if images[ref].depth == 16 else 1
            parts = st.sampled_from([-1, 0, 1 * unit, 2 * unit, 40, 90])
            length = draw(st.sampled_from([1, 3, 4] if images[ref].has_sample else [3, 4]))
            regions.append(ClassRegion(number, ref, draw(st.lists(parts, min_size=length, max_size=length))))
    return regions, images


def displayed(image: MaskImage) -> Any:
    """Red, green, blue and alpha of every pixel."""
    samples = image.samples.astype(np.int64)
    if image.palette is not None:
        return image.palette[samples].astype(np.int64)
    full = np.full((*samples.shape[:2], 1), image.maximum)
    if samples.ndim == 2:
        return np.concatenate([samples[:, :, None]] * 3 + [full], axis=2)
    if samples.shape[2] == 2:
        return samples[:, :, [0, 0, 0, 1]]
    return samples if samples.shape[2] == 4 else np.concatenate([samples, full], axis=2)


def by_painting(regions: list[ClassRegion], images: dict[MaskRef, MaskImage], void: int) -> Any:
    result = np.full((6, 5), void, np.int64)
    for region in regions:
        if region.rle is not None:
            flags = coco.decode({"size": [6, 5], "counts": region.rle["counts"].encode()}) > 0
        elif region.poly is not None:
            flags = coco.decode(coco.merge(coco.frPyObjects([[float(n) for n in region.poly]], 6, 5))) > 0
        else:
            assert region.ref is not None
            assert region.mask_value is not None
            image, target = images[region.ref], np.array(region.mask_value)
            pixels = image.samples[:, :, None] if len(target) == 1 else displayed(image)[:, :, : len(target)]
            flags = ((pixels == target) | (target == -1)).all(axis=2)
        result[flags] = void if region.class_number < 0 else region.class_number
    return result


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning:pycocotools")
@given(painted(), st.sampled_from([255, 0, -100]))
@settings(max_examples=120, deadline=None)
def test_a_class_mask_is_what_painting_in_order_gives(
    case: tuple[list[ClassRegion], dict[MaskRef, MaskImage]], void: int
) -> None:
    regions, images = case
    expected = by_painting(regions, images, void)
    kind = np.int64 if void < 0 else np.uint8
    whole = class_mask(regions, images, (6, 5), lambda array: array, void, kind)
    assert whole.dtype == kind
    assert whole.tolist() == expected.tolist()
    rows, columns = np.array([4, 1, 1]), np.array([0, 3])
    part = class_mask(regions, images, (6, 5), lambda array: array[rows[:, None], columns], void, kind)
    assert part.tolist() == expected[rows[:, None], columns].tolist()


def test_more_regions_than_a_byte_counts() -> None:
    image = MaskImage(np.arange(300, dtype=np.uint16).reshape(6, 50), "grey", 16)
    ref = MaskRef("m.png")
    own = ClassRegion(7, poly=[0, 0, 1, 0, 1, 1, 0, 1])
    regions = [*(ClassRegion(n % 5, ref, [n]) for n in range(300)), own]
    result = class_mask(regions, {ref: image}, (6, 50), lambda array: array, 255, np.uint8)
    expected = (np.arange(300) % 5).reshape(6, 50)
    expected[0, 0] = 7
    assert result.tolist() == expected.tolist()


def test_pixels_of_a_lossy_mask_belong_to_the_nearest_value() -> None:
    image = MaskImage(np.array([[10, 30, 60, 120]], np.uint8), "grey", is_lossy=True)
    ref = MaskRef("m.jpg")
    regions = [ClassRegion(1, ref, [0]), ClassRegion(2, ref, [50, 50, 50])]
    result = class_mask(regions, {ref: image}, (1, 4), lambda array: array, 255, np.uint8)
    assert result.tolist() == [[1, 2, 2, 255]]


def test_a_mask_without_a_value_is_where_it_is_half_opaque() -> None:
    image = MaskImage(np.array([[[9, 0], [9, 127], [9, 128], [9, 255]]], np.uint8), "grey_alpha")
    ref = MaskRef("m.png")
    result = class_mask([ClassRegion(4, ref)], {ref: image}, (1, 4), lambda array: array, 0, np.uint8)
    assert result.tolist() == [[0, 0, 4, 4]]


@pytest.fixture
def street(db: masksdb.Database) -> masksdb.Database:
    db.ingest(FIXTURES / "street/frames.jsonl", dataset="street", version="v1")
    return db


def view_of(db: masksdb.Database, **labels: int) -> DataView:
    view = DataView(database=db)
    view.add_query(dataset_name="street", version_name="v1")
    view.set_labels(labels)
    return view


def expected_classes(frame_id: str, numbers: Mapping[tuple[int, int, int], int], kind: str = "seg") -> Any:
    with Image.open(FIXTURES / f"street/{kind}/{frame_id}.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    result = np.full(pixels.shape[:2], 255)
    for colour, number in numbers.items():
        result[(pixels == colour).all(axis=2)] = number
    return result


STREET = {(128, 64, 128): 0, (0, 0, 142): 7, (220, 20, 60): 300}


def test_a_view_gives_its_frames_in_its_order_with_the_numbers_of_its_labels(street: masksdb.Database) -> None:
    view = view_of(street, **LABELS)
    result = view.arrays(mask="seg")
    assert [item["frame_id"] for item in result] == [row[6] for row in view.relation().fetchall()]
    for item in result:
        assert item["mask"].dtype == np.int64
        assert item["mask"].tolist() == expected_classes(item["frame_id"], STREET).tolist()
        assert item["image"].shape == (90, 160, 3)
    view.set_iteration_parameters(order="random", maximum_number_of_frames=5, random_seed=3)
    assert [item["frame_id"] for item in view.arrays()] == [row[6] for row in view.relation().fetchall()]


def test_labels_of_a_view_are_mapped_before_they_are_numbered(street: masksdb.Database) -> None:
    view = view_of(street, road=0, moving=7)
    view.add_mapping_rule("car", "moving")
    view.add_mapping_rule("person", "moving")
    numbers = {**STREET, (220, 20, 60): 7}
    for item in view.arrays(mask="seg"):
        assert item["mask"].dtype == np.uint8
        assert item["mask"].tolist() == expected_classes(item["frame_id"], numbers).tolist()
    assert "moving" in view.arrays()[0]["labels"]


def test_mask_labels_explain_what_no_roi_does(db: masksdb.Database) -> None:
    frames = [json.loads(line) for line in (FIXTURES / "street/frames.jsonl").read_text().splitlines()]
    db.ingest(
        [{**entry, "rois": []} for entry in frames], dataset="street", version="v1", media_root=str(FIXTURES / "street")
    )
    labels = json.loads((FIXTURES / "street/labels.json").read_text())
    db.version("street", "v1").set_metadata({"mask_labels": labels})
    for item in view_of(db, **LABELS).arrays(mask="seg"):
        assert item["mask"].tolist() == expected_classes(item["frame_id"], STREET).tolist()
        assert item["labels"] == []


def test_rois_with_run_lengths_and_polygons_need_no_mask_file(db: masksdb.Database) -> None:
    flags = np.zeros((4, 6), np.uint8)
    flags[1:3, 2:5] = 1
    counts = coco.encode(np.asfortranarray(flags))["counts"].decode()
    frame = {
        "id": "a",
        "sources": [{"id": "s", "width": 6, "height": 4}],
        "rois": [
            {"label": ["road"], "poly": [0, 0, 6, 0, 6, 2, 0, 2]},
            {"label": ["car"], "rle": {"size": [4, 6], "counts": counts}},
            {"label": ["a tag that has no pixels"]},
        ],
    }
    db.ingest([frame], dataset="street", version="v1")
    expected = np.where(flags == 1, 7, np.where(np.arange(4)[:, None] < 2, 0, 255))
    item = view_of(db, road=0, car=7).arrays()[0]
    assert item["mask"].tolist() == expected.tolist()
    assert item["image"] is None
    query = """
    SELECT frames.frame_id, CAST(NULL AS VARCHAR) AS source_uri, rle, poly, 6 AS width, 4 AS height,
        list_position(['road', 'car'], labels[1]) AS class
    FROM rois JOIN frames USING (frame_key) ORDER BY roi_index
    """
    numbers = {0: 1, 7: 2, 255: 255}
    assert db.arrays(query)[0]["mask"].tolist() == [[numbers[n] for n in row] for row in expected.tolist()]


def test_nearest_pixels_are_those_of_pillow(street: masksdb.Database) -> None:
    whole = view_of(street, **LABELS).arrays(mask="seg")[0]
    # Of others the middles of some pixels lie between two, where sums of fractions decide.
    for size in [(45, 80), (30, 40), (64, 64), (200, 320)]:
        item = view_of(street, **LABELS).arrays(mask="seg", size=size)[0]
        picture = Image.fromarray(whole["image"]).resize(size[::-1], Image.Resampling.NEAREST)
        assert item["image"].tolist() == np.asarray(picture).tolist()
        classes = Image.fromarray(whole["mask"].astype(np.int32)).resize(size[::-1], Image.Resampling.NEAREST)
        assert item["mask"].tolist() == np.asarray(classes).tolist()


def test_random_crops_follow_from_seed_epoch_and_place(street: masksdb.Database) -> None:
    def crops(seed: int, epoch: int) -> list[Any]:
        arrays = view_of(street, **LABELS).arrays(mask="seg", crop=(9, 16), seed=seed)
        arrays.set_epoch(epoch)
        return [item["image"].tolist() for item in pickle.loads(pickle.dumps(arrays))]  # our own

    first = crops(1, 0)
    assert first == crops(1, 0)
    assert first != crops(1, 1)
    assert first != crops(2, 0)


def test_what_is_wrong_with_a_frame_is_told_with_its_name(db: masksdb.Database, tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "image.png")
    Image.new("RGB", (5, 4)).save(tmp_path / "mask.png")
    roi = {"label": ["car"], "mask": {"id": "seg", "value": [0, 0, 0]}}
    masks = [{"id": "seg", "uri": "mask.png"}, {"id": "other", "uri": "image.png"}]
    frames = [
        {"id": "sizes", "sources": [{"uri": "image.png", "masks": masks}], "rois": [roi]},
        {
            "id": "value",
            "sources": [{"uri": "image.png", "masks": [{"id": "seg", "uri": "image.png"}]}],
            "rois": [{**roi, "mask": {"id": "seg", "value": [1]}}],
        },
        {"id": "nothing", "sources": [{"id": "s"}]},
    ]
    db.ingest(frames, dataset="street", version="v1", media_root=str(tmp_path))
    result = {item: view_of(db, car=1).arrays() for item in ("sizes", "value", "nothing")}
    places = {result["sizes"].name(place).split("'")[1]: place for place in range(3)}
    message = {
        "sizes": r"frame 'sizes' of street/v1: the mask .*mask\.png has 5 x 4 pixels, and the image .* 4 x 4",
        "value": r"frame 'value' of street/v1: .*image\.png: RGB, which has no single raw sample",
        "nothing": r"frame 'nothing' of street/v1, source 's': neither an image nor a mask",
    }
    for name, text in message.items():
        with pytest.raises(MasksDBError, match=text):
            result[name][places[name]]
    with pytest.raises(MasksDBError, match=r"frame 'sizes'.*too few for a crop of 9 x 9"):
        view_of(db, car=1).arrays(mask="other", crop=(9, 9))[places["sizes"]]
    with pytest.raises(IndexError):
        result["sizes"][3]


def test_a_view_without_numbers_has_no_classes(street: masksdb.Database) -> None:
    with pytest.raises(UsageError, match=r"number|set_labels"):
        view_of(street).arrays()


def test_frames_of_a_video_are_read_by_their_times(db: masksdb.Database) -> None:
    db.ingest(FIXTURES / "drive/frames.jsonl", dataset="street", version="v1")
    labels = [row[0] for row in db.sql("SELECT DISTINCT class_labels[1] FROM mask_rois ORDER BY 1").fetchall()]
    view = view_of(db, **{label: number for number, label in enumerate(labels, 1)})
    regions = db.sql("SELECT frame_id, class_labels[1], mask_area(mask, mask_value) FROM mask_rois").fetchall()
    for item in view.arrays(images=False):
        own = {label: area for frame_id, label, area in regions if frame_id == item["frame_id"]}
        areas = {label: int((item["mask"] == labels.index(label) + 1).sum()) for label in own}
        assert areas == own
