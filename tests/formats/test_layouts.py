"""Layouts of other tools: told apart, written into new folders only, and what is lost measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.common import FIXTURES, Outcome, tool
from support.reference import coco_rle

import masksdb
from masksdb import MasksDBError, UnsupportedFormatError, UsageError
from masksdb.formats.registry import FORMATS

SQUARE = np.zeros((8, 8), np.bool_)
SQUARE[2:6, 2:6] = True


def frames(*rois: dict[str, Any], **further: Any) -> list[dict[str, Any]]:
    return [{"id": "f", "sources": [{"uri": "f.png", "width": 8, "height": 8}], "rois": list(rois), **further}]


@pytest.fixture
def overlapping(db: masksdb.Database) -> masksdb.Database:
    """A version in which one ROI lies over another."""
    rois = [{"label": ["a"], "rle": coco_rle(SQUARE)}, {"label": ["b"], "rle": coco_rle(SQUARE)}]
    db.ingest(frames(*rois), dataset="d")
    return db


def test_the_formats_are_listed_name_first(run: Callable[..., Outcome]) -> None:
    lines = run("formats").out.splitlines()
    assert {"frames", "folder", "coco", "coco-panoptic", "voc", "cityscapes", "davis", "yolo-seg", "parquet"} <= {
        line.split()[0] for line in lines
    }
    assert all(line.split()[1].strip(",") in ("in", "out") for line in lines)


def test_auto_says_what_it_takes_a_path_for_and_why(run: Callable[..., Outcome], db_path: str, tmp_path: Path) -> None:
    image = {"id": 1, "file_name": "a.png", "width": 1, "height": 1}
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 1, 0, 1, 1]]}
    document = {"images": [image], "annotations": [annotation], "categories": [{"id": 1, "name": "x"}]}
    path = tmp_path / "x.json"
    path.write_text(json.dumps(document))
    outcome = run("ingest", db_path, path, "--dataset", "d")
    assert outcome.status == 0
    assert f"Note: {path}: taken for coco (x.json, annotations with segmentation)" in outcome.err


def test_what_is_not_recognised_is_told_with_the_names(
    run: Callable[..., Outcome], db_path: str, tmp_path: Path
) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t/readme.md").write_text("nothing")
    outcome = run("ingest", db_path, tmp_path / "t", "--dataset", "d")
    assert outcome.status == 1
    assert "not recognised as a dataset; say what it is with --format, one of frames, " in outcome.err


def test_a_folder_of_frames_with_masks_beside_it_is_taken_for_frames(db: masksdb.Database, tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / "t" / name).mkdir(parents=True)
        Image.new("L", (4, 4)).save(tmp_path / "t" / name / "a.png")
    (tmp_path / "t/frames.jsonl").write_text(json.dumps({"id": "from the file", "sources": []}))
    assert db.ingest(tmp_path / "t", dataset="d").notes == ()
    assert db.sql("SELECT frame_id FROM frames").fetchall() == [("from the file",)]


@pytest.mark.parametrize("there", ["file", "folder"])
def test_an_export_overwrites_nothing(there: str, overlapping: masksdb.Database, tmp_path: Path) -> None:
    out = tmp_path / "out"
    kept = out if there == "file" else out / "mine.txt"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("mine")
    with pytest.raises(MasksDBError, match="already there, and exports overwrite nothing"):
        overlapping.export(out, dataset="d", format="coco")
    assert kept.read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} - {"test.duckdb", "test.duckdb.wal"} == {"out"}


@pytest.mark.parametrize("is_there", [True, False])
def test_an_export_goes_into_the_folder_that_a_link_leads_to(
    overlapping: masksdb.Database, tmp_path: Path, is_there: bool
) -> None:
    if is_there:
        (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to("real")
    overlapping.export(tmp_path / "out", dataset="d", format="coco")
    assert (tmp_path / "out").is_symlink()
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["annotations"]
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(MasksDBError, match="loop: a link that leads to itself"):
        overlapping.export(tmp_path / "loop", dataset="d", format="coco")


@pytest.mark.parametrize("report", ["missing/loss.json", "folder", "out/loss.json", "loss.json"])
def test_a_report_that_cannot_be_written_is_told_before_there_is_an_export(
    run: Callable[..., Outcome], overlapping: masksdb.Database, db_path: str, tmp_path: Path, report: str
) -> None:
    overlapping.close()
    (tmp_path / "folder").mkdir()
    arguments = ["export", db_path, tmp_path / "out", "--dataset", "d", "--format", "coco"]
    outcome = run(*arguments, "--report", tmp_path / report)
    can_be_written = report.endswith("loss.json") and "missing" not in report
    assert outcome.status == (0 if can_be_written else 1)
    assert (tmp_path / "out").exists() == (tmp_path / report).is_file() == can_be_written
    assert can_be_written or f"Error: {tmp_path / report}: " in outcome.err
    assert not list(tmp_path.glob("*.partial"))


def test_what_lies_under_another_region_is_lost_and_told(overlapping: masksdb.Database, tmp_path: Path) -> None:
    report: Any = overlapping.export(tmp_path / "out", dataset="d", format="coco-panoptic")
    assert not report.is_lossless
    assert sum(loss.lost for loss in report.losses) == 16
    assert report.by_class()["total"]["pixels"] == 32


def test_a_refused_loss_leaves_nothing_and_the_report(
    run: Callable[..., Outcome], overlapping: masksdb.Database, db_path: str, tmp_path: Path
) -> None:
    overlapping.close()
    arguments = ["export", db_path, tmp_path / "new/out", "--dataset", "d", "--format", "coco-panoptic"]
    outcome = run(*arguments, "--refuse-loss", "--report", tmp_path / "loss.json")
    assert outcome.status == 1
    assert "Error:" in outcome.err.splitlines()[-1]
    assert not list(tmp_path.glob("new/*"))
    document = json.loads((tmp_path / "loss.json").read_text())
    assert (document["lossless"], document["classes"]["total"]["lost"]) == (False, 16)
    assert {tuple(item["rois"]) for item in document["regions"]} == {(0,), (1,)}
    assert run(*arguments).status == 0
    assert (tmp_path / "new/out/annotations").is_dir()


def test_rois_in_several_masks_need_a_choice(db: masksdb.Database, tmp_path: Path) -> None:
    for name in ("one", "two"):
        Image.fromarray(SQUARE.astype(np.uint8)).save(tmp_path / f"{name}.png")
    masks = [{"id": name, "uri": f"{name}.png"} for name in ("one", "two")]
    rois = [{"label": ["x"], "mask": {"id": name, "value": [1]}} for name in ("one", "two")]
    frame = {"id": "f", "sources": [{"masks": masks}], "rois": rois}
    db.ingest([frame], dataset="d", media_root=str(tmp_path))
    with pytest.raises(UsageError, match="ROIs in the masks one and two; choose with --mask"):
        db.export(tmp_path / "out", dataset="d", format="coco")
    report: Any = db.export(tmp_path / "out", dataset="d", format="coco", masks=["two"])
    assert report.by_class()["total"]["regions"] == 1
    with pytest.raises(UsageError, match="--mask three: no ROI lives in such a mask"):
        db.export(tmp_path / "more", dataset="d", format="coco", masks=["three"])


def test_a_version_whose_label_mapping_says_it_all_is_written_too(db: masksdb.Database, tmp_path: Path) -> None:
    Image.fromarray(SQUARE.astype(np.uint8)).save(tmp_path / "m.png")
    db.ingest(
        [{"id": "f", "sources": [{"masks": [{"id": "m", "uri": "m.png"}]}]}], dataset="d", media_root=str(tmp_path)
    )
    db.version("d").set_masks_labels({(1,): ["square"], (7,): ["absent"]})
    report: Any = db.export(tmp_path / "out", dataset="d", format="coco")
    assert report.is_lossless
    assert report.by_class()["square"]["pixels"] == 16
    assert "absent" not in report.by_class()


def test_a_roi_without_pixels_is_told_as_not_held(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest(frames({"label": ["rain"]}), dataset="d")
    report: Any = db.export(tmp_path / "out", dataset="d", format="coco")
    assert [(loss.label, loss.not_held, loss.reason) for loss in report.losses] == [("rain", 1, "no pixels of its own")]


def test_a_label_has_one_colour_in_every_export(db: masksdb.Database, tmp_path: Path) -> None:
    result = []
    for name, labels in (("one", ["car", "tree"]), ("two", ["car"]), ("three", ["bike", "car", "person"])):
        db.ingest(frames(*({"label": [label], "rle": coco_rle(SQUARE)} for label in labels)), dataset=name)
        db.export(tmp_path / name, dataset=name, format="folder")
        with Image.open(tmp_path / name / "masks/f.png") as image:
            names = json.loads((tmp_path / name / "labels.json").read_text())
            palette = image.getpalette() or []
        result.append(palette[3 * names["car"] : 3 * names["car"] + 3])
    assert result[0] == result[1] == result[2]


def test_a_label_has_the_colour_of_the_label_mapping(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest(frames({"label": ["car"], "rle": coco_rle(SQUARE)}), dataset="d")
    db.version("d").set_masks_labels({(1, 2, 3): ["car"]})
    db.export(tmp_path / "out", dataset="d", format="folder")
    with Image.open(tmp_path / "out/masks/f.png") as image:
        assert image.convert("RGB").getpixel((3, 3)) == (1, 2, 3)


def test_layouts_that_are_only_read_are_not_written(overlapping: masksdb.Database, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormatError, match="--format sa1b: cannot be written; expected one of"):
        overlapping.export(tmp_path / "out", dataset="d", format="sa1b")
    with pytest.raises(UnsupportedFormatError, match="--format parquet: cannot be read; expected one of auto, frames"):
        overlapping.ingest(tmp_path, dataset="d", format="parquet")


@pytest.mark.parametrize("layout", [name for name, layout in FORMATS.items() if layout.is_written and name != "coco"])
def test_an_option_that_a_layout_does_not_take_is_refused_by_name(
    layout: str, overlapping: masksdb.Database, run: Callable[..., Outcome], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    known = "--where, --label" if layout == "frames" else "--mask, --images, --refuse-loss, --report, --split, "
    message = f"--format {layout}: does not take --polygons; it takes {known}"
    with pytest.raises(masksdb.UsageError, match=message):
        overlapping.export(out, dataset="d", format=layout, polygons=True)
    overlapping.close()
    done = run("export", tmp_path / "test.duckdb", out, "--dataset", "d", "--format", layout, "--polygons")
    assert (done.status, out.exists()) == (2, False)
    assert message in done.err


@pytest.mark.parametrize(
    ("option", "flags"),
    [
        ({"masks": ["seg"]}, ["--mask", "seg"]),
        ({"with_images": True}, ["--images"]),
        ({"refuse_loss": True}, ["--refuse-loss"]),
        ({"split": "s"}, ["--split", "s"]),
        ({"on_error": "skip"}, ["--on-error", "skip"]),
        ({"allow_outside": True}, ["--allow-outside"]),
        (None, ["--report", "loss.json"]),
    ],
)
def test_frames_take_no_option_of_layouts(
    option: dict[str, Any] | None,
    flags: list[str],
    overlapping: masksdb.Database,
    run: Callable[..., Outcome],
    tmp_path: Path,
) -> None:
    out = tmp_path / "out.jsonl"
    message = f"--format frames: does not take {flags[0]}; it takes --where, --label"
    if option:
        with pytest.raises(masksdb.UsageError, match=message):
            overlapping.export(out, dataset="d", **option)
    overlapping.close()
    done = run("export", tmp_path / "test.duckdb", out, "--dataset", "d", *flags)
    assert (done.status, out.exists()) == (2, False)
    assert message in done.err


def test_parquet_holds_the_views_and_the_files(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest(FIXTURES / "street/frames.jsonl", dataset="street")
    report: Any = db.export(tmp_path / "out", dataset="street", format="parquet", masks=["seg"], with_images=True)
    assert report.is_lossless
    table = pq.read_table(tmp_path / "out/mask_rois.parquet")
    assert table.num_rows == db.sql("SELECT count(*) FROM mask_rois").fetchall()[0][0]
    images = pq.read_table(tmp_path / "out/images.parquet").to_pylist()
    first = images[0]["image"]
    assert first["bytes"] == Path(first["path"]).read_bytes()
    assert images[0]["masks"][0]["bytes"][:4] == b"\x89PNG"
    regions = pq.read_table(tmp_path / "out/regions.parquet").to_pylist()
    query = "SELECT sum(mask_area(mask, mask_value)) FROM mask_rois WHERE mask_id = 'seg'"
    assert sum(row["area"] for row in regions) == db.sql(query).fetchall()[0][0]


def test_rasterized_annotations_live_in_mask_files(db: masksdb.Database, tmp_path: Path) -> None:
    other = np.zeros((8, 8), np.bool_)
    other[0, :] = True
    regions = [SQUARE, other, ~SQUARE]
    annotations = [
        {"id": number, "image_id": 1, "category_id": 1, "segmentation": coco_rle(pixels)}
        for number, pixels in enumerate(regions, 1)
    ]
    images = [{"id": 1, "file_name": "sub/a.png", "width": 8, "height": 8}]
    (tmp_path / "c.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "x"}]})
    )
    for _ in range(2):
        db.ingest(tmp_path / "c.json", dataset="d", rasterize=tmp_path / "masks")
    rows = db.sql(
        "SELECT roi_id, mask_id, mask_value, mask_uri, mask_area(mask, mask_value) FROM mask_rois ORDER BY roi_index"
    ).fetchall()
    assert [row[1:3] for row in rows] == [("rasterized", [1]), ("rasterized", [2]), ("rasterized_2", [1])]
    for pixels, (_, _, value, uri, area) in zip(regions, rows, strict=True):
        with Image.open(uri) as image:
            assert (np.asarray(image) == value[0]).tolist() == pixels.tolist()
        assert area == pixels.sum()
    (tmp_path / "masks/sub/a.png").write_bytes(b"mine")
    with pytest.raises(MasksDBError, match="is there already, and another mask"):
        db.ingest(tmp_path / "c.json", dataset="e", rasterize=tmp_path / "masks")


@pytest.mark.tools
def test_hugging_face_datasets_loads_the_parquet(db: masksdb.Database, tmp_path: Path) -> None:
    datasets = tool("datasets")
    db.ingest(FIXTURES / "street/frames.jsonl", dataset="street")
    db.export(tmp_path / "out", dataset="street", format="parquet", masks=["seg"], with_images=True)
    files = {"data_files": str(tmp_path / "out/images.parquet"), "cache_dir": str(tmp_path / "cache")}
    images = datasets.load_dataset("parquet", split="train", **files).cast_column("image", datasets.Image())
    assert (images.num_rows, images[0]["image"].size) == (12, (160, 90))


@pytest.mark.tools
@pytest.mark.filterwarnings("ignore:OpenCV:UserWarning")
def test_supervision_loads_the_coco_export_with_every_pixel(db: masksdb.Database, tmp_path: Path) -> None:
    supervision = tool("supervision")
    db.ingest(FIXTURES / "street/frames.jsonl", dataset="street")
    report: Any = db.export(tmp_path / "out", dataset="street", format="coco", masks=["seg"], with_images=True)
    loaded = supervision.DetectionDataset.from_coco(
        images_directory_path=str(tmp_path / "out/images/default"),
        annotations_path=str(tmp_path / "out/annotations/instances_default.json"),
        force_masks=True,
    )
    pixels = sum(int(detections.mask.sum()) for _, _, detections in loaded)
    assert pixels == report.by_class()["total"]["pixels"]
