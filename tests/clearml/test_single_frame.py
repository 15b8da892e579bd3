"""What the pages on frames, annotations, masks, previews and metadata of ClearML Hyper-Datasets show."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import masksdb
from masksdb import Dataset, DatasetVersion, FrameGroup, ImageAnnotation, SingleFrame

CAT = "https://data.example.org/animals/cat_7.jpg"

pytestmark = pytest.mark.usefixtures("default_db")


def test_a_single_frame_is_made_with_what_the_documentation_names() -> None:
    frame = SingleFrame(
        source=CAT, width=None, height=None, preview_uri=CAT, metadata=None, annotations=None, mask_source=None
    )
    assert frame.to_dict() == {
        "id": frame.id,
        "sources": [{"id": "default", "uri": CAT, "preview": {"uri": CAT}}],
    }
    assert frame.context_id == CAT
    assert SingleFrame(source=CAT).id == frame.id, "an id follows from the source"
    assert SingleFrame(source=CAT, timestamp=40).id != frame.id
    assert SingleFrame().id != SingleFrame().id


def test_frames_are_added_and_those_that_are_there_updated(default_db: masksdb.Database) -> None:
    version = DatasetVersion.create_version(dataset_name="zoo", version_name="v")
    frames = [SingleFrame(source=CAT, width=512, height=512, preview_uri=CAT, metadata={"alive": "yes"})]
    assert version.add_frames(frames) == []
    frames[0].metadata["alive"] = "no"
    assert version.add_frames(frames, upload_retries=3) == []
    assert default_db.sql("SELECT frame_id, meta->>'alive' FROM dataset_frames").fetchall() == [(frames[0].id, "no")]


def test_frames_that_are_not_what_they_should_be_are_returned() -> None:
    version = DatasetVersion.create_version(dataset_name="zoo", version_name="v")
    good, bad = SingleFrame(id="good", source=CAT), SingleFrame(id="bad", source=CAT)
    bad.width = "wide"  # type: ignore[assignment]  # on purpose
    worse = SingleFrame(id="worse", metadata={"x": float("nan")})
    failed = version.add_frames([worse, good, bad])
    assert [failure["frame"] for failure in failed] == [worse, bad]
    assert {failure["error_type"] for failure in failed} == {"validation"}
    assert "frames[2]: sources[0].width" in failed[1]["error"]
    assert version.get_frame("good").id == "good"


def test_uploading_is_refused_by_name() -> None:
    version = DatasetVersion.create_version(dataset_name="zoo", version_name="v")
    with pytest.raises(masksdb.UnsupportedFormatError, match="auto_upload_destination"):
        version.add_frames([SingleFrame(source=CAT)], auto_upload_destination="s3://bucket/")


def test_a_frame_is_read_changed_and_updated() -> None:
    version = DatasetVersion.create_version(dataset_name="zoo", version_name="v")
    version.add_frames([SingleFrame(id="f7", source=CAT)])
    frame = DatasetVersion.get_single_frame(frame_id="f7", dataset_name="zoo", version_name="v")
    assert isinstance(frame, SingleFrame)
    frame.add_annotation(
        poly2d_xy=[154, 343, 209, 343, 209, 423, 154, 423], labels=["tail"], metadata={"alive": "no"}, confidence=0.5
    )
    frame.meta["road_hazard"] = "yes"
    version.update_frames([frame])
    again = DatasetVersion.get_single_frame(
        frame_id="f7", dataset_id=Dataset.get(dataset_name="zoo").id, version_id=version.version_id
    )
    assert again.metadata == {"road_hazard": "yes"}
    assert isinstance(again, SingleFrame)
    (annotation,) = again.get_annotations()
    assert annotation.values == [154, 343, 209, 343, 209, 423, 154, 423]
    assert (annotation.labels, annotation.metadata, annotation.confidence) == (["tail"], {"alive": "no"}, 0.5)
    assert again.origin == {"Dataset Name": "zoo", "Version Name": "v"}


def test_a_frame_is_deleted() -> None:
    version = DatasetVersion.create_version(dataset_name="zoo", version_name="v")
    version.add_frames([SingleFrame(id="f7", source=CAT), SingleFrame(id="f8", source="b.png")])
    version.delete_frames([version.get_frame("f7")])
    with pytest.raises(masksdb.NotFoundError, match="no frame 'f7'; did you mean 'f8'"):
        version.get_frame("f7")
    version.delete_frames(["f8"])
    with pytest.raises(masksdb.NotFoundError, match="no frame 'f8'"):
        version.delete_frames(["f8"])


def test_frames_are_grouped_by_name() -> None:
    version = DatasetVersion.create_version(dataset_name="zoo", version_name="v")
    group = FrameGroup()
    group["left"] = SingleFrame(source=CAT, width=512, height=512, preview_uri=CAT)
    assert version.add_frames([group]) == []
    saved_group = DatasetVersion.get_single_frame(frame_id=group.id, dataset_name="zoo", version_name="v")
    assert isinstance(saved_group, FrameGroup)
    assert list(saved_group) == ["left"]
    saved_group["left"].metadata["new_key"] = "new_value"
    version.update_frames([saved_group])
    again = version.get_frame(group.id)
    assert isinstance(again, FrameGroup)
    assert again["left"].metadata == {"new_key": "new_value"}
    assert again.to_dict()["meta"] == {"left": {"new_key": "new_value"}}
    version.delete_frames([again])
    with pytest.raises(masksdb.NotFoundError):
        version.get_frame(group.id)


def test_objects_and_labels_of_a_frame_are_added() -> None:
    frame = SingleFrame(source=CAT)
    assert frame.add_annotation(box2d_xywh=(10, 10, 30, 20), labels=["test"]) == [0]
    assert frame.add_annotation(labels=["sunny", "wide angle"]) == [1]
    box, label = frame.get_annotations()
    assert (box.get_bounding_box(), box.labels) == ([10, 10, 30, 20], ["test"])
    assert isinstance(label, ImageAnnotation)
    assert label.labels == ["sunny", "wide angle"]


def test_a_global_annotation_is_in_every_frame_of_a_group() -> None:
    group = FrameGroup(left=SingleFrame(source=CAT), right=SingleFrame(source="b.png"))
    annotation = ImageAnnotation(labels=["cityscape"], confidence=1.0000)
    group.add_global_annotation(annotation=annotation)
    assert group.get_global_annotations() == [annotation]
    rois = group.to_dict()["rois"]
    assert rois == [{"sources": [name], "label": ["cityscape"], "confidence": 1.0} for name in ("left", "right")]
    assert group.remove_global_annotation(annotation) is True
    assert group.get_global_annotations() == []


def test_a_frame_has_a_mask(default_db: masksdb.Database) -> None:
    version = DatasetVersion.create_version(dataset_name="zoo", version_name="with a mask")
    frame = SingleFrame(source=CAT, mask_source="https://data.example.org/animals/cat_7_mask.png")
    version.add_frames([frame])
    version.set_masks_labels({(0, 0, 0): ["grass"], (2, 2, 2): ["cat"]})
    assert default_db.sql("SELECT mask_id, value, labels FROM mask_segments ORDER BY value").fetchall() == [
        ("00", [0, 0, 0], ["grass"]),
        ("00", [2, 2, 2], ["cat"]),
    ]


def test_a_frame_has_several_masks() -> None:
    frame = SingleFrame(source=CAT)
    frame.masks_source = {"ID 1 ": "one.png", "ID 2": "two.png"}
    assert frame.to_dict()["sources"][0]["masks"] == [
        {"id": "ID 1 ", "uri": "one.png"},
        {"id": "ID 2", "uri": "two.png"},
    ]
    frame.masks_source = ["one.png", "two.png"]
    assert frame.masks_source == {"00": "one.png", "01": "two.png"}
    assert frame.mask_source == "one.png"


def test_metadata_is_kept_for_frames_and_annotations(default_db: masksdb.Database) -> None:
    frame = SingleFrame(source=CAT, preview_uri=CAT, metadata={"alive": "yes"})
    frame.metadata["dangerous"] = "no"
    frame.add_annotation(box2d_xywh=(10, 10, 30, 20), labels=["tiger"], metadata={"dangerous": "yes"})
    DatasetVersion.create_version(dataset_name="zoo", version_name="v").add_frames([frame])
    rows = default_db.sql("SELECT frame_meta, roi_meta->>'dangerous' FROM mask_rois").fetchall()
    assert rows == [('{"alive":"yes","dangerous":"no"}', "yes")]


def test_local_files_are_found_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (4, 3)).save(tmp_path / "a b.png")
    (tmp_path / "empty.png").touch()
    monkeypatch.chdir(tmp_path)
    version = DatasetVersion.create_version(dataset_name="zoo", version_name="v")
    frame = SingleFrame(id="a", source="a b.png", preview_uri=(tmp_path / "a b.png").as_uri(), mask_source="a b.png")
    frame.masks_source = {"seg": "a b.png", "none": "empty.png"}
    version.add_frames([frame])
    monkeypatch.chdir("/")
    saved = version.get_frame("a")
    assert isinstance(saved, SingleFrame)
    assert saved.get_local_source() == str(tmp_path / "a b.png")
    assert saved.get_local_preview_source() == str(tmp_path / "a b.png")
    assert saved.get_local_mask_source(mask_id="seg") == str(tmp_path / "a b.png")
    assert saved.get_local_masks_source() == {"seg": str(tmp_path / "a b.png"), "none": None}
    assert saved.get_local_mask_source(mask_id="none", skip_size_check=True) == str(tmp_path / "empty.png")
    with pytest.raises(ValueError, match="no local file"):
        saved.get_local_mask_source(mask_id="none", raise_on_error=True)
