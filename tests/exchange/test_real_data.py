"""Real datasets, and frames of the official open client, go through ingest, SQL and export."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.common import exported, same_json
from support.real_frames import METHODS, coco_panoptic_frames, davis_frames

import masksdb


def test_davis_sequences_go_in_and_out(db: masksdb.Database, tmp_path: Path, real_data: Path) -> None:
    root = real_data / "davis2017"
    frames = davis_frames(root)
    db.ingest(frames, dataset="davis", version="val", media_root=str(root))
    assert same_json(exported(db, "davis", "val", tmp_path), frames)
    per_sequence = dict(
        db.sql("SELECT context_id, count(*) FROM dataset_frames GROUP BY ALL").fetchall()  # one row per sequence
    )
    assert per_sequence == {
        folder.name: len(list(folder.glob("*.png"))) for folder in (root / METHODS[0]).iterdir() if folder.is_dir()
    }
    matched = db.sql("SELECT matched_by, count(*) FROM mask_rois GROUP BY ALL").fetchall()
    assert matched == [("mask_id", sum(len(frame["rois"]) for frame in frames))]
    uris = [uri for (uri,) in db.sql("SELECT DISTINCT mask_uri FROM mask_rois").fetchall()]
    assert uris
    assert all(Path(uri).is_file() for uri in uris)


def test_coco_panoptic_goes_in_and_out(db: masksdb.Database, tmp_path: Path, real_data: Path) -> None:
    root = real_data / "coco_panoptic"
    frames = coco_panoptic_frames(root)
    db.ingest(frames, dataset="coco", version="val", media_root=str(root))
    assert same_json(exported(db, "coco", "val", tmp_path), frames)
    rows = db.sql("SELECT frame_id, mask_uri, mask_value FROM mask_rois WHERE matched_by = 'mask_id'").fetchall()
    assert len(rows) == sum(len(frame["rois"]) for frame in frames)
    colours: dict[str, set[tuple[int, ...]]] = {}
    for _, uri, value in rows:
        if uri not in colours:
            with Image.open(uri) as image:
                counted = image.convert("RGB").getcolors(1 << 24) or []
            colours[uri] = {colour for _, colour in counted if isinstance(colour, tuple)}
        assert tuple(value) in colours[uri], "the ROI's value is in the mask it resolved to"
    crowds = db.sql("SELECT count(*) FROM rois WHERE is_crowd").fetchall()[0][0]
    assert crowds == sum(roi["is_crowd"] for frame in frames for roi in frame["rois"])


def client_frame() -> dict[str, Any]:
    """A frame as the official open client writes it for its server."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hyperdatasets = pytest.importorskip("clearml.hyperdatasets", reason="the official client is not installed")
    entry = hyperdatasets.DataEntryImage(data_entry_id="entry_1", metadata={"drive": {"night": None, "speed": 3.0}})
    sub_entry = hyperdatasets.DataSubEntryImage(
        name="front",
        source="s3://bucket/front.png",
        preview_source="s3://bucket/preview.png",
        width=64,
        height=48,
        timestamp=40,
        context_id="drive_1",
        masks_source={"seg": "s3://bucket/seg.png", "inst": "s3://bucket/inst.png"},
        metadata={"fov": 129},
    )
    sub_entry.add_annotation(id="1", labels=["car"], mask_rgb=(1, 2, 3))
    sub_entry.add_annotation(poly2d_xy=[1, 2, 3, 4, 5, 6], labels=["a", "b"], confidence=0.5, metadata={"z": None})
    sub_entry.add_annotation(box2d_xywh=(1, 2, 3, 4), labels=["box"])
    sub_entry.add_annotation(frame_class=["rain"])
    entry.add_sub_entries([sub_entry])
    frame = entry.to_api_object()
    assert isinstance(frame, dict)
    return json.loads(json.dumps(frame))  # type: ignore[no-any-return]  # an object in, an object out


def test_frames_of_the_official_client_come_out_unchanged(db: masksdb.Database, tmp_path: Path) -> None:
    frame = client_frame()
    assert any(key.startswith("_clearml_") for key in frame["meta"])
    assert frame["sources"][0]["preview"]
    db.ingest([frame], dataset="d", version="v")
    assert same_json(exported(db, "d", "v", tmp_path), [frame])
    query = "SELECT preview->>'uri', len(masks.uri) > 0 FROM sources JOIN masks USING (frame_key) LIMIT 1"
    assert db.sql(query).fetchall() == [("s3://bucket/preview.png", True)]
