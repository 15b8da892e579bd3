"""DAVIS and YouTube-VOS trees come in with the areas that Pillow finds, and go out as palette PNGs of those regions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from support.partitions import Numbers, frame_of, partitions

import masksdb
from masksdb import IngestError

# The first and the last entries of the palette of DAVIS.
PALETTE = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128]
LAST = [224, 224, 192]
LABELS = ["3", "1", "dog", "dog", "7", "a cat"]


def png(path: Path, pixels: Any, *, is_palette: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.array(pixels, np.uint8))
    if is_palette:
        image.putpalette(PALETTE + [9] * (768 - len(PALETTE)))
    image.save(path)
    return path


def image(path: Path) -> Path:
    return png(path, np.zeros((1, 3, 3)), is_palette=False)


def stored(path: Path) -> Any:
    with Image.open(path) as result:
        return np.asarray(result).copy()


def rows(db: masksdb.Database, dataset: str = "d") -> list[Any]:
    query = """
        SELECT frame_id, roi_id, class_labels[1], mask_id, mask_value, mask_area(mask, mask_value)
        FROM mask_rois WHERE dataset = $dataset ORDER BY ALL
    """
    return db.sql(query, {"dataset": dataset}).fetchall()


def frames(db: masksdb.Database) -> list[Any]:
    query = """
        SELECT frame_id, context_id, meta->>'split', count(mask_id) FROM dataset_frames
        LEFT JOIN frame_masks USING (frame_key, frame_id) GROUP BY ALL ORDER BY ALL
    """
    return db.sql(query).fetchall()


def test_the_real_results_come_in_as_pillow_reads_them(db: masksdb.Database, real_data: Path) -> None:
    root = real_data / "davis2017"
    db.ingest(root, dataset="d")
    names = {path.relative_to(path.parents[1]).as_posix()[:-4] for path in root.glob("*/*/*.png")}
    expected = [(name, name.split("/")[0], None, 2) for name in sorted(names)]
    assert frames(db) == expected
    areas = []
    for path in root.glob("*/*/*.png"):
        method, sequence, _ = path.relative_to(root).parts
        with Image.open(path) as result:
            histogram = result.histogram()
        for value, area in enumerate(histogram):
            if value and area:
                areas.append((f"{sequence}/{path.stem}", None, str(value), method, [value], area))
    assert rows(db) == sorted(areas, key=lambda row: (row[0], row[2:]))


def test_a_tree_of_one_method_has_masks_of_its_name(db: masksdb.Database, tmp_path: Path) -> None:
    png(tmp_path / "mine/judo/00000.png", [[0, 1, 2]])
    db.ingest(tmp_path / "mine", dataset="d")
    assert [row[0] for row in rows(db)] == ["judo/00000", "judo/00000"]
    assert {row[3] for row in rows(db)} == {"mine"}


def davis(root: Path) -> Path:
    for name in ("00000", "00001"):
        image(root / f"JPEGImages/480p/bear/{name}.jpg")
    png(root / "Annotations/480p/bear/00000.png", [[0, 1, 255]])
    path = root / "ImageSets/2017/val.txt"
    path.parent.mkdir(parents=True)
    path.write_text("bear\n")
    return root


def test_frames_are_the_images_and_the_lists_give_the_split(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest(davis(tmp_path), dataset="d")
    assert frames(db) == [("bear/00000", "bear", "val", 1), ("bear/00001", "bear", "val", 0)]
    assert rows(db) == [
        ("bear/00000", None, "1", "Annotations", [1], 1),
        ("bear/00000", None, "void", "Annotations", [255], 1),
    ]
    assert db.sql("SELECT roi_meta->>'ignore' FROM mask_rois ORDER BY roi_index").fetchall() == [(None,), ("true",)]


def youtube(root: Path, objects: Any) -> Path:
    for name in ("00000", "00005"):
        image(root / f"JPEGImages/v1/{name}.jpg")
        png(root / f"Annotations/v1/{name}.png", [[0, 1, 2]])
    (root / "meta.json").write_text(json.dumps({"videos": {"v1": {"objects": objects}}}))
    return root


def test_objects_have_the_categories_of_meta_json(db: masksdb.Database, tmp_path: Path) -> None:
    objects = {"1": {"category": "ape", "frames": ["00000"]}, "2": {"category": "ape", "frames": ["00000"]}}
    db.ingest(youtube(tmp_path / "train", objects), dataset="d")
    assert [row[1:5] for row in rows(db)] == [("1", "ape", "Annotations", [1]), ("2", "ape", "Annotations", [2])] * 2
    assert frames(db)[0] == ("v1/00000", "v1", "train", 1)


@pytest.mark.parametrize("instead", ["nothing", "a folder", "a link that leads nowhere"])
def test_a_frame_that_lost_its_mask_is_told(db: masksdb.Database, tmp_path: Path, instead: str) -> None:
    objects = {"1": {"category": "ape", "frames": ["00000"]}, "2": {"category": "ape", "frames": ["00000", "00005"]}}
    root = youtube(tmp_path, objects)
    lost = root / "Annotations/v1/00005.png"
    lost.unlink()
    if instead == "nothing":
        notes = db.ingest(root, dataset="d").notes
        assert f"{root}: v1: Annotations has 1 of 2 masks" in notes
        assert f"{root}/meta.json: v1: no mask 00005, where it lists the objects 2" in notes
        return
    if instead == "a folder":
        lost.mkdir()
    else:
        lost.symlink_to("nowhere")
    report = db.ingest(root, dataset="d", on_error="skip")
    assert (report.new, report.rejected) == (1, 1)
    assert str(report.errors[0]) == f"{lost}: {'not a file' if instead == 'a folder' else 'no such file'}"


def test_in_a_grey_png_255_is_an_object(db: masksdb.Database, tmp_path: Path) -> None:
    png(tmp_path / "Annotations/bear/00000.png", [[0, 255, 255]], is_palette=False)
    report = db.ingest(tmp_path, dataset="d")
    assert rows(db) == [("bear/00000", None, "255", "Annotations", [255], 2)]
    assert any("255 is taken for an object" in note for note in report.notes)


def test_folders_of_images_and_masks_are_not_taken_for_sequences(tmp_path: Path) -> None:
    from masksdb.formats.layouts import davis

    png(tmp_path / "masks/0001.png", [[0, 1]])
    image(tmp_path / "images/0001.jpg")
    assert davis.recognise(tmp_path) is None
    png(tmp_path / "grey/a/0001.png", [[0, 1]], is_palette=False)
    assert davis.recognise(tmp_path / "grey") is None


@given(images=st.lists(partitions(len(LABELS)), min_size=3, max_size=6), is_sequence=st.booleans())
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_regions_come_back_pixel_identical(
    db: masksdb.Database, tmp_path: Path, images: list[Numbers], is_sequence: bool
) -> None:
    dataset = f"d{len(list(tmp_path.iterdir()))}"
    out = tmp_path / dataset
    rois: Mapping[int, Any] = {
        number: {"label": [label], "id": f"track {number}"} for number, label in enumerate(LABELS, 1)
    }
    context = {"context_id": "a/b"} if is_sequence else {}
    db.ingest(
        [frame_of(f"a/b/{index}", numbers, rois, **context) for index, numbers in enumerate(images)], dataset=dataset
    )
    report: Any = db.export(out, dataset=dataset, format="davis")
    assert report.is_lossless
    sequence = "a_b" if is_sequence else "default"
    meta = json.loads((out / "meta.json").read_text()) if (out / "meta.json").exists() else {"videos": {}}
    objects = meta["videos"].get(sequence, {"objects": {}})["objects"]
    index_of: dict[int, set[int]] = {}
    for index, numbers in enumerate(images):
        result = stored(out / f"Annotations/{sequence}/{index if is_sequence else f'a_b_{index}'}.png")
        assert ((result == 0) == (numbers == 0)).all()
        for number in np.unique(numbers[numbers > 0]).tolist():
            (value,) = np.unique(result[numbers == number]).tolist()
            assert ((result == value) == (numbers == number)).all()
            assert objects.get(str(value), {"category": str(value)})["category"] == LABELS[number - 1]
            index_of.setdefault(number, set()).add(value)
    if is_sequence:
        assert all(len(values) == 1 for values in index_of.values())
    db.ingest(out, dataset=f"{dataset} again", format="davis")
    labels = sorted(LABELS[number - 1] for numbers in images for number in np.unique(numbers).tolist() if number)
    assert sorted(row[2] for row in rows(db, f"{dataset} again")) == labels


def test_an_import_goes_out_with_its_indexes_and_the_palette(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest(davis(tmp_path / "in"), dataset="d")
    report: Any = db.export(tmp_path / "out", dataset="d", format="davis", with_images=True)
    assert report.is_lossless
    path = tmp_path / "out/Annotations/bear/00000.png"
    with Image.open(path) as result:
        assert (result.mode, np.asarray(result).tolist()) == ("P", [[0, 1, 255]])
        palette = result.getpalette() or []
    assert palette[: len(PALETTE)] + palette[765:] == PALETTE + LAST
    assert (tmp_path / "out/ImageSets/2017/val.txt").read_text() == "bear\n"
    assert (tmp_path / "out/JPEGImages/bear/00001.jpg").is_file()
    assert not (tmp_path / "out/meta.json").exists()


def test_categories_come_back(db: masksdb.Database, tmp_path: Path) -> None:
    objects = {"1": {"category": "ape", "frames": ["00000"]}, "2": {"category": "2", "frames": ["00000"]}}
    db.ingest(youtube(tmp_path / "in", objects), dataset="d")
    before = rows(db)
    report: Any = db.export(tmp_path / "out", dataset="d", format="davis")
    assert report.is_lossless
    meta = json.loads((tmp_path / "out/meta.json").read_text())
    assert meta["videos"]["v1"]["objects"]["1"] == {"category": "ape", "frames": ["00000", "00005"]}
    db.ingest(tmp_path / "out", dataset="again")
    assert rows(db, "again") == before


def test_objects_beyond_254_are_told_and_the_others_kept(db: masksdb.Database, tmp_path: Path) -> None:
    numbers = np.arange(301).reshape(-1, 1).repeat(3, axis=1)
    numbers[7, 1] = 0
    db.ingest([frame_of("f", numbers, {})], dataset="d")
    report: Any = db.export(tmp_path / "out", dataset="d", format="davis")
    refused = [loss for loss in report.losses if loss.not_held]
    assert len(refused) == 300 - 254
    assert all(loss.reason == "the sequence default has more than 254 objects" for loss in refused)
    assert not any(loss.is_loss for loss in report.losses if not loss.not_held)
    expected = np.where(numbers > 254, 0, numbers)
    assert (stored(tmp_path / "out/Annotations/default/f.png") == expected).all()


def faulty(root: Path, fault: str) -> Path:
    objects: dict[str, Any] = {"1": {"category": "ape"}, "2": {"category": "bee"}}
    youtube(root, objects)
    path = root / "Annotations/v1/00005.png"
    if fault == "damaged":
        path.write_bytes(path.read_bytes()[:60])
    elif fault == "no image":
        (root / "JPEGImages/v1/00005.jpg").unlink()
    elif fault == "image":
        (root / "JPEGImages/v1/00005.jpg").write_bytes(b"")
    elif fault == "absent":
        youtube_meta(root, {**objects, "3": {"category": "cat"}})
    elif fault == "unknown":
        youtube_meta(root, {"1": {"category": "ape"}})
    elif fault == "category":
        youtube_meta(root, {**objects, "1": {"category": 5}})
    elif fault == "objects":
        youtube_meta(root, [])
    elif fault == "json":
        (root / "meta.json").write_text("{")
    elif fault == "videos":
        (root / "meta.json").write_text("[1]")
    else:
        (root / "ImageSets/2017").mkdir(parents=True)
        (root / "ImageSets/2017/val.txt").write_text("v1\nv2\n")
    return root


def youtube_meta(root: Path, objects: Any) -> None:
    (root / "meta.json").write_text(json.dumps({"videos": {"v1": {"objects": objects}}}))


@pytest.mark.parametrize(
    ("fault", "place", "reason", "left"),
    [
        ("damaged", "Annotations/v1/00005.png", "", 1),
        ("no image", "Annotations/v1/00005.png", "no image v1/00005 in JPEGImages", 1),
        ("image", "JPEGImages/v1/00005.jpg", "cannot be read as an image", 1),
        ("absent", "meta.json: videos.v1.objects.3", "no PNG of v1 has the object 3", 2),
        ("unknown", "Annotations/v1/00000.png", "the object 2 is not in meta.json", 2),
        ("category", "meta.json: videos.v1.objects.1.category", "found 5, expected a text", 2),
        ("objects", "meta.json: videos.v1", "expected an object with 'objects'", 2),
        ("json", "meta.json", "not JSON", 2),
        ("videos", "meta.json", "no object 'videos'", 2),
        ("listed", "ImageSets/2017/val.txt:2", "v2: no such sequence", 2),
    ],
)
def test_a_fault_is_told_by_its_place(
    db: masksdb.Database, tmp_path: Path, fault: str, place: str, reason: str, left: int
) -> None:
    root = faulty(tmp_path / "in", fault)
    with pytest.raises(IngestError) as raised:
        db.ingest(root, dataset="d", format="davis")
    assert raised.value.place == str(root / place)
    assert reason in raised.value.reason
    report = db.ingest(root, dataset="d", format="davis", on_error="skip")
    assert report.new == left
    assert report.errors[0].place == str(root / place)
