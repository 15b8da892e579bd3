"""Evaluations: every figure equals numpy's by its definition, and wrong input is an error of one sentence."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image
from support import scoring
from support.common import Outcome, tool
from support.predictions import CLASSES, SIZE, VOID, Made, check, name_of
from support.real_frames import davis_frames

import masksdb
from masksdb.pixels.mask_cache import facts_cache
from masksdb.store.grouping import expand_meta


@pytest.fixture(scope="module")
def davis(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[masksdb.Database]:
    """The masks of two methods for every third frame of five sequences of DAVIS."""
    root = real_data / "davis2017"
    with masksdb.connect(tmp_path_factory.mktemp("davis") / "davis.duckdb") as database:
        database.ingest(davis_frames(root)[::3], dataset="davis", version="val", media_root=str(root))
        yield database


@pytest.fixture(scope="module")
def davis_matrices(real_data: Path) -> dict[str, list[scoring.Numbers]]:
    """The confusion matrices of the pairs of masks, by their sequence."""
    matrices: dict[str, list[scoring.Numbers]] = {}
    for path in sorted((real_data / "davis2017" / "osvos").glob("*/*.png"))[::3]:
        other = real_data / "davis2017" / "rvos" / path.parent.name / path.name
        with Image.open(path) as left, Image.open(other) as right:
            matrices.setdefault(path.parent.name, []).append(scoring.matrix(np.asarray(left), np.asarray(right), 21))
    return matrices


OF_DAVIS: Mapping[str, Any] = {"truth_mask": "osvos", "prediction_mask": "rvos"}
NAMES = ["0", *(f"object_{number}" for number in range(1, 21))]


@pytest.mark.parametrize(
    ("average", "absent"), [("set", "skip"), ("images", "skip"), ("set", "0"), ("images", "1"), ("images", "0")]
)
def test_davis_equals_numpy(
    davis: masksdb.Database,
    davis_matrices: Mapping[str, list[scoring.Numbers]],
    average: Literal["set", "images"],
    absent: Literal["skip", "0", "1"],
) -> None:
    matrices = list(itertools.chain.from_iterable(davis_matrices.values()))
    evaluation = davis.evaluate("davis/val", "davis/val", **OF_DAVIS, average=average, absent=absent)
    filled = math.nan if absent == "skip" else float(absent)
    units = [scoring.total(matrices)] if average == "set" else matrices
    check(evaluation, scoring.mean_scores([scoring.scores(unit, range(21), filled) for unit in units]), NAMES)
    rows = [evaluation.truth_classes.index(name) for name in NAMES[:4]]
    columns = [evaluation.predicted_classes.index(name) for name in NAMES]
    assert (evaluation.confusion[rows][:, columns] == scoring.total(matrices)[:4]).all()
    assert evaluation.confusion.sum() == scoring.total(matrices).sum()
    assert evaluation.masks == len(matrices)


def test_davis_by_sequence_equals_the_sequences(
    davis: masksdb.Database, davis_matrices: Mapping[str, list[scoring.Numbers]]
) -> None:
    evaluation = davis.evaluate("davis/val", "davis/val", **OF_DAVIS, by="context_id")
    assert [row["by"] for row in evaluation.groups] == list(davis_matrices)
    for row, matrices in zip(evaluation.groups, davis_matrices.values(), strict=True):
        expected = scoring.scores(scoring.total(matrices), range(21))
        assert row["masks"] == len(matrices)
        for name in evaluation.metrics:
            assert row[name] == pytest.approx(getattr(expected, name), abs=1e-9), name


@pytest.mark.parametrize("frames", ["inner", "all"])
def test_j_of_davis_equals_numpy(
    davis: masksdb.Database, davis_matrices: Mapping[str, list[scoring.Numbers]], frames: Literal["inner", "all"]
) -> None:
    evaluation = davis.evaluate("davis/val", "davis/val", **OF_DAVIS, davis=True, davis_frames=frames)
    expected = {
        (sequence, str(number)): value
        for sequence, matrices in davis_matrices.items()
        for number, value in scoring.davis_j(matrices, is_inner=frames == "inner").items()
    }
    ours = {(row["sequence"], row["object"]): row["j"] for row in evaluation.davis}
    assert ours == pytest.approx(expected, abs=1e-9)
    assert evaluation.metrics["davis_j"] == pytest.approx(np.mean(list(expected.values())), abs=1e-9)


def test_an_object_in_neither_mask_counts_as_found(db: masksdb.Database, tmp_path: Path) -> None:
    rows = {
        "truth": ([1, 1, 2], [1, 0, 0], [1, 0, 2], [0, 0, 2]),
        "found": ([1, 1, 2], [1, 1, 0], [0, 0, 2], [3, 3, 3]),
    }
    for version, masks in rows.items():
        frames = []
        for number, row in enumerate(masks):
            path = tmp_path / f"{version}_{number}.png"
            Image.fromarray(np.array([row], np.uint8)).save(path)
            frames.append({"id": str(number), "context_id": "s", "sources": [{"masks": [{"uri": str(path)}]}]})
        db.ingest(frames, dataset="d", version=version)
    evaluation = db.evaluate("d/truth", "d/found", davis=True)
    assert [(row["object"], row["frames"], row["j"]) for row in evaluation.davis] == [("1", 2, 0.25), ("2", 2, 1)]
    everything = db.evaluate("d/truth", "d/found", davis=True, davis_frames="all")
    assert [row["j"] for row in everything.davis] == pytest.approx([(1 + 0.5 + 0 + 1) / 4, (1 + 1 + 1 + 0) / 4])


@pytest.fixture
def made(db: masksdb.Database, tmp_path: Path) -> Made:
    made = Made(db, tmp_path)
    made.ingest()
    return made


def test_void_counts_as_the_options_say(made: Made) -> None:
    names = [name_of(value) for value in range(CLASSES)]
    for average, ignored, absent in itertools.product(("set", "images"), ("before", "after"), ("skip", "0", "1")):
        matrices = made.matrices()
        for matrix in matrices if ignored == "before" else ():
            matrix[VOID] = 0
        units = [scoring.total(matrices)] if average == "set" else matrices
        filled = math.nan if absent == "skip" else float(absent)
        expected = scoring.mean_scores([scoring.scores(unit, range(CLASSES), filled) for unit in units])
        check(made.evaluate(average=average, ignored=ignored, absent=absent), expected, names)


def test_iou_is_that_of_cityscapes(made: Made) -> None:
    confusion = scoring.total(made.matrices())
    expected = {name_of(value): cityscapes_iou(confusion, value) for value in range(CLASSES)}
    ious = {row["class"]: row["iou"] for row in made.evaluate().classes}
    known = {name: math.nan if iou is None else iou for name, iou in ious.items()}
    assert known == pytest.approx(expected, nan_ok=True)
    assert math.isnan(expected[name_of(CLASSES - 1)])


def cityscapes_iou(confusion: scoring.Numbers, label: int) -> float:
    """IoU by cityscapesScripts: predictions on ignored pixels are not false, those of an ignored class miss."""
    right = int(confusion[label, label])
    missed = int(confusion[label].sum()) - right
    false = int(confusion[[other for other in range(CLASSES) if other != label], label].sum())
    return right / (right + missed + false) if right + missed + false else math.nan


@pytest.mark.tools
def test_iou_is_that_of_the_cityscapes_scripts(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling"
    scripts = tool(module)
    confusion = scoring.total(made.matrices())
    labels = [*range(CLASSES), VOID]
    known = {label: type("Label", (), {"ignoreInEval": label == VOID}) for label in labels}
    monkeypatch.setattr(scripts, "id2label", known)
    arguments = type("Arguments", (), {"evalLabels": labels})
    for row in made.evaluate().classes:
        iou = scripts.getIouScoreForLabel(int(row["class"].removeprefix("class_")), confusion, arguments)
        assert (row["iou"] is None and math.isnan(iou)) or row["iou"] == pytest.approx(iou, abs=1e-9)


def test_values_and_what_is_ignored_can_be_given(made: Made) -> None:
    for version in ("truth", "prediction"):
        made.db.version("made", version).set_metadata({"mask_labels": {}})
    matrices = made.matrices()
    total = scoring.total(matrices)
    evaluation = made.evaluate(classes="value")
    check(evaluation, scoring.scores(total, [0, 1, 2, 3, 4, VOID]), ["0", "1", "2", "3", "4", "255"])
    total[VOID] = 0
    total[2] = 0
    evaluation = made.evaluate(ignore=["255", "2", "void"])
    check(evaluation, scoring.scores(total, [0, 1, 3, 4]), ["0", "1", "3", "4"])
    assert evaluation.notes == ["ignore 'void': no class and no value of that name in these masks"]


def test_boundary_iou_equals_the_definition(made: Made) -> None:
    both, either = np.zeros((2, len(made.truth), CLASSES))
    depth = round(0.02 * math.hypot(*SIZE))
    for number, (truth, prediction) in enumerate(zip(made.truth, made.prediction, strict=True)):
        for value in range(CLASSES):
            left, right = (scoring.boundary(mask == value, depth) & (truth != VOID) for mask in (truth, prediction))
            both[number, value], either[number, value] = (left & right).sum(), (left | right).sum()
    for average in ("set", "images"):
        ious = {row["class"]: row["boundary_iou"] for row in made.evaluate(boundary=True, average=average).boundary}
        for value in range(CLASSES - 1):
            is_there = either[:, value] > 0
            shares = both[is_there, value] / either[is_there, value]
            expected = shares.mean() if average == "images" else both[:, value].sum() / either[:, value].sum()
            assert ious[name_of(value)] == pytest.approx(expected, abs=1e-9)
        assert set(ious) == set(map(name_of, range(CLASSES - 1)))


def test_colours_of_palettes_and_rois_name_classes(db: masksdb.Database, tmp_path: Path) -> None:
    pixels = np.array([[0, 1, 2, 3]], np.uint8)
    palette = Image.fromarray(pixels).convert("P")
    palette.putpalette([0, 0, 0, 9, 9, 9, 8, 0, 0, 7, 7, 0])
    palette.save(tmp_path / "palette.png")
    colours = np.array([[[0, 0, 0], [9, 9, 9], [9, 9, 9], [0, 5, 0]]], np.uint8)
    Image.fromarray(colours).save(tmp_path / "rgb.png")
    rois: dict[str, list[tuple[Any, ...]]] = {
        "palette": [([1], "car", {}), ([8, 0, 0], "bus", {}), ([7, 7, -1], "sky", {"ignore": True})],
        "rgb": [([9, 9, 9], "car", {}), ([0, -1, 0], "bus", {})],
    }
    for name in ("palette", "rgb"):
        frame_rois = [
            {"label": [label], "mask": {"id": "m", "value": value}, "meta": meta} for value, label, meta in rois[name]
        ]
        source = {"masks": [{"id": "m", "uri": str(tmp_path / f"{name}.png")}]}
        db.ingest([{"id": "f", "sources": [source], "rois": frame_rois}], dataset="d", version=name)
    db.version("d", "palette").set_metadata(
        {"mask_labels": [{"value": [0], "labels": ["ground"]}, {"value": [1], "labels": ["what a ROI knows better"]}]}
    )
    evaluation = db.evaluate("d/palette", "d/rgb")
    assert list(evaluation.truth_classes) == ["bus", "car", "ground"]
    assert list(evaluation.predicted_classes) == ["bus", "car"]
    assert evaluation.confusion.tolist() == [[0, 1], [0, 1], [1, 0]]


def test_colours_of_other_masks_name_no_instances(db: masksdb.Database, tmp_path: Path) -> None:
    pixels = np.array([[1, 70, 70, 0]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "instances.png")
    Image.fromarray(np.full((1, 4, 3), 70, np.uint8)).save(tmp_path / "seg.png")
    masks = [{"id": name, "uri": str(tmp_path / f"{name}.png")} for name in ("instances", "seg")]
    rois = [{"label": ["car"], "mask": {"id": "instances", "value": [1]}}]
    db.ingest([{"id": "f", "sources": [{"masks": masks}], "rois": rois}], dataset="d", version="v")
    db.version("d", "v").set_masks_labels({(70, 70, 70): ["building"]})
    evaluation = db.evaluate("d/v", "d/v", truth_mask="instances", prediction_mask="instances", absent="0")
    assert {row["class"]: row["truth_pixels"] for row in evaluation.classes} == {"0": 1, "70": 2, "car": 1}
    evaluation = db.evaluate("d/v", "d/v", truth_mask="seg", prediction_mask="seg")
    assert {row["class"]: row["truth_pixels"] for row in evaluation.classes} == {"building": 4}


def test_frames_are_paired_as_asked(made: Made) -> None:
    expected = made.evaluate().metrics
    renamed = [{**frame, "id": f"{frame['id']}_pred"} for frame in made.frames["prediction"]]
    made.db.ingest(renamed, dataset="made", version="renamed")
    entries = made.db.version("made", "prediction").get_metadata()
    made.db.version("made", "renamed").set_metadata(entries)
    with pytest.raises(masksdb.UsageError, match="no prediction for 12 frames of made/truth, the first is 'f0'"):
        made.db.evaluate("made/truth", "made/renamed")
    assert made.db.evaluate("made/truth", "made/renamed", pattern="^(f[0-9]+)").metrics == expected
    by_uri = made.db.evaluate("made/truth", "made/renamed", pair="uri", missing="skip")
    assert by_uri.metrics == expected
    with pytest.raises(masksdb.UsageError, match="several predictions for one frame, for 12 frames"):
        made.db.evaluate("made/truth", "made/renamed", pattern="^(f)")
    with pytest.raises(masksdb.UsageError, match="the group of the pattern 'f' finds nothing"):
        made.db.evaluate("made/truth", "made/renamed", pattern="f")
    with pytest.raises(masksdb.UsageError, match="not a regular expression"):
        made.db.evaluate("made/truth", "made/renamed", pattern="(")
    with pytest.raises(masksdb.UsageError, match="finds nothing in the ids of 12 frames"):
        made.db.evaluate("made/truth", "made/renamed", pattern="^(g)")


def test_sources_of_one_frame_are_paired_by_their_ids(db: masksdb.Database, tmp_path: Path) -> None:
    for name, value in (("left", 1), ("right", 2)):
        Image.fromarray(np.full((2, 3), value, np.uint8)).save(tmp_path / f"{name}.png")
    for version, names in (("a", ("left", "right")), ("b", ("right", "left"))):
        sources = [{"id": name, "masks": [{"id": "m", "uri": str(tmp_path / f"{name}.png")}]} for name in names]
        db.ingest([{"id": "f", "sources": sources}], dataset="d", version=version)
    evaluation = db.evaluate("d/a", "d/b")
    assert evaluation.masks == 2
    assert evaluation.metrics["mean_iou"] == 1


def test_missing_predictions_count_as_stated(made: Made) -> None:
    made.db.version("made", "prediction").delete_frames(["f3", "f5"])
    with pytest.raises(masksdb.UsageError, match="no prediction for 2 frames of made/truth, the first is 'f3'"):
        made.evaluate()
    kept = [number for number in range(len(made.truth)) if number not in (3, 5)]
    total = scoring.total([made.matrices()[number] for number in kept])
    total[VOID] = 0
    names = [name_of(value) for value in range(CLASSES)]
    evaluation = made.evaluate(missing="skip")
    check(evaluation, scoring.scores(total, range(CLASSES)), names)
    assert (evaluation.masks, evaluation.missing, evaluation.skipped) == (10, 0, 2)
    # What nothing was predicted for is a miss: as if it were a class of its own.
    for number in (3, 5):
        total[:, 200] += np.bincount(made.truth[number].reshape(-1), minlength=256)
    total[VOID] = 0
    evaluation = made.evaluate(missing="count", boundary=True, davis=True)
    rows = {row["class"]: row["recall"] for row in evaluation.classes}
    expected = scoring.scores(total, range(CLASSES))
    assert [rows[name] for name in names[:5]] == pytest.approx(list(expected.recall[:5]), abs=1e-9)
    assert evaluation.metrics["mean_iou"] == pytest.approx(expected.mean_iou, abs=1e-9)
    assert evaluation.metrics["pixel_accuracy"] == pytest.approx(expected.pixel_accuracy, abs=1e-9)
    assert evaluation.predicted_classes[-1] is None
    assert (evaluation.masks, evaluation.missing, evaluation.skipped) == (12, 2, 0)


def test_masks_of_another_size_are_never_resized(made: Made) -> None:
    Image.fromarray(made.prediction[4][:, 1:]).save(made.folder / "prediction" / "4.png")
    with pytest.raises(
        masksdb.MasksDBError, match="1 predictions are not of the size of the truth, the first is of 'f4'"
    ):
        made.evaluate()
    evaluation = made.evaluate(sizes="skip")
    assert (evaluation.masks, evaluation.skipped) == (11, 1)
    (made.folder / "prediction" / "4.png").write_bytes(b"no image")
    with pytest.raises(masksdb.MasksDBError, match=r"prediction/4\.png"):
        made.evaluate(sizes="skip")


def test_a_second_evaluation_decodes_nothing(made: Made) -> None:
    first = made.evaluate(by="frame_meta.city")
    facts_cache.clear()
    decodes = facts_cache.decodes
    again = made.evaluate(by="frame_meta.city")
    assert facts_cache.decodes == decodes
    assert again.document() == first.document()
    Image.fromarray(made.truth[2]).save(made.folder / "prediction" / "2.png", compress_level=1)
    assert made.evaluate().metrics["mean_iou"] != first.metrics["mean_iou"]
    assert facts_cache.decodes == decodes + 2


def test_groups_are_anything_in_sql(made: Made) -> None:
    evaluation = made.evaluate(by="upper(frame_meta.city) || '/frame_meta.x'")
    assert [row["by"] for row in evaluation.groups] == [f"{city}/frame_meta.x" for city in ("BERGEN", "HAIFA", "LIMA")]
    assert sum(row["masks"] for row in evaluation.groups) == evaluation.masks
    assert {row["by"] for row in evaluation.group_classes} == {row["by"] for row in evaluation.groups}
    assert expand_meta("meta.a.b") == "(frame_meta->>'$.a.b')"
    for wrong in ("nothing", "frame_id; DROP TABLE frames", "frame_id) AS b, (1", "1 +", "count(*)"):
        with pytest.raises(masksdb.MasksDBError, match="by ") as caught:
            made.evaluate(by=wrong)
        assert "\n" not in str(caught.value)
    assert made.db.sql("SELECT count(*) FROM frames").fetchall() == [(24,)]


def test_wrong_names_and_options_are_told(made: Made) -> None:
    with pytest.raises(masksdb.NotFoundError, match="no version 'predictions'; did you mean 'prediction'"):
        made.db.evaluate("made/truth", "made/predictions")
    with pytest.raises(masksdb.NotFoundError, match="no dataset 'nothing'"):
        made.db.evaluate("nothing", "made/prediction")
    with pytest.raises(masksdb.NotFoundError, match="no mask 'sag'; did you mean 'seg'"):
        made.evaluate(truth_mask="sag")
    with pytest.raises(masksdb.UsageError, match="expected one of 'set', 'images'"):
        made.evaluate(average="all")
    with pytest.raises(TypeError, match="nonsense"):
        made.evaluate(nonsense=1)
    frame = {"id": "f0", "sources": [{"masks": [{"id": "a", "uri": "a.png"}, {"id": "b", "uri": "b.png"}]}]}
    made.db.ingest([frame], dataset="two/parts", version="v")
    with pytest.raises(masksdb.UsageError, match="two/parts: has the masks 'a', 'b'; say which with --truth-mask"):
        made.db.evaluate("two/parts", "made/prediction")
    made.db.ingest([{"id": "f0", "sources": []}], dataset="empty", version="v")
    with pytest.raises(masksdb.UsageError, match="empty/v: has no masks"):
        made.db.evaluate("made/truth", "empty/v")


def test_the_command_prints_every_form(made: Made, run: Callable[..., Outcome], tmp_path: Path) -> None:
    path = made.db.path
    made.db.close()
    command = ["evaluate", path, "--truth", "made/truth", "--prediction", "made/prediction"]
    shown = run(*command, "--by", "frame_meta.city", "--davis", "--boundary", "--matrix", tmp_path / "m.png")
    assert shown.status == 0, shown.err
    assert "12 masks" in shown.err
    assert "mean over classes of TP / (TP + FP + FN)" in shown.out
    assert "over the whole set; absent classes skipped; ignored pixels left out" in shown.out
    with Image.open(tmp_path / "m.png") as picture:
        assert picture.mode == "RGB"
        assert len(picture.getcolors(1 << 20) or []) > 20
    document = json.loads(run(*command, "--format", "json", "--average", "images").out)
    figures = {figure["figure"]: figure for figure in document["metrics"]}
    assert figures["mean_iou"]["how"] == "mean over images; absent classes skipped; ignored pixels left out"
    rows = list(csv.DictReader(io.StringIO(run(*command, "--format", "csv").out)))
    assert {row["class"] for row in rows} == {"", *(name_of(value) for value in range(CLASSES))}
    with masksdb.connect(path) as db:
        evaluation = db.evaluate("made/truth", "made/prediction")
    assert float(rows[0]["value"]) == evaluation.metrics["mean_iou"]
    failed = run(*command, "--truth-mask", "sag")
    assert (failed.status, failed.out) == (1, "")
    assert failed.err == "Error: made/truth: no mask 'sag'; did you mean 'seg'?\n"
    assert run(*command, "--average", "all").status == 2


def test_no_table_is_wide_and_each_figure_is_defined_once(made: Made, run: Callable[..., Outcome]) -> None:
    path = made.db.path
    made.db.close()
    command = ["evaluate", path, "--truth", "made/truth", "--prediction", "made/prediction", "--by", "frame_meta.city"]
    shown = run(*command, "--panoptic", "--boundary", "--davis")
    assert shown.status == 0, shown.err
    lines = shown.out.splitlines()
    assert max(map(len, lines)) <= 110
    with masksdb.connect(path) as db:
        evaluation = db.evaluate("made/truth", "made/prediction", panoptic=True, boundary=True, davis=True)
    assert list(evaluation.definitions) == list(evaluation.metrics)
    for name, (definition, how) in evaluation.definitions.items():
        assert [line for line in lines if line.split()[:1] == [name] and line.endswith(definition)], name
        assert lines.count(f"{how}:") == 1
    assert shown.out.count("mean over classes of TP / (TP + FP + FN)\n") == 1
    assert [line.split() for line in lines if line.startswith("by ")][:2] == [
        [
            "by",
            "masks",
            "pixels",
            *list(evaluation.metrics)[:2],
            "mean_accuracy",
            "pixel_accuracy",
            "frequency_weighted_iou",
        ],
        ["by", "pq", "sq", "rq", "boundary_iou"],
    ]
