"""Each step of an evaluation gives what the next one takes, and leaves nothing behind in the database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.predictions import VOID, Made

import masksdb
from masksdb.analysis.evaluate import compare, count, find_classes, pair
from masksdb.analysis.scores import Options
from masksdb.store.engine import Engine, open_engine


@pytest.fixture
def made(db: masksdb.Database, tmp_path: Path) -> Made:
    made = Made(db, tmp_path)
    made.ingest()
    return made


@pytest.fixture
def engine(made: Made) -> Iterator[Engine]:
    with closing(open_engine(made.db.path)) as engine:
        yield engine


def test_pairs_are_masks_of_the_truth_with_their_predictions_and_groups(made: Made, engine: Engine) -> None:
    made.db.version("made", "prediction").delete_frames(["f3"])
    pairing = pair(engine, "made/truth", "made/prediction", Options(missing="count", by="frame_meta.city"))
    rows = pairing.pairs.to_pylist()
    assert [row["frame_id"] for row in rows] == [f"f{number}" for number in range(12)]
    assert [row["frame_id"] for row in rows if row["prediction_uri"] is None] == ["f3"]
    assert [row["by"] for row in rows[:3]] == ["haifa", "bergen", "lima"]
    assert [Path(row["compared_uri"]).parent.name for row in rows[2:4]] == ["prediction", "truth"]
    assert (pairing.missing, pairing.skipped, pairing.truth.mask_id) == (1, 0, "seg")
    skipping = pair(engine, "made/truth", "made/prediction", Options(missing="skip"))
    assert (len(skipping.pairs), skipping.missing, skipping.skipped) == (11, 0, 1)
    with pytest.raises(FrozenInstanceError):
        pairing.missing = 2  # type: ignore[misc]


def test_a_comparison_has_the_joint_histogram_of_each_pair(made: Made, engine: Engine) -> None:
    Image.fromarray(made.prediction[4][:, 1:]).save(made.folder / "prediction" / "4.png")
    pairing = pair(engine, "made/truth", "made/prediction", Options())
    comparison = compare(engine, pairing, Options(sizes="skip"), lambda _done, _total: None)
    assert (len(pairing.pairs), len(comparison.pairing.pairs), comparison.pairing.skipped) == (12, 11, 1)
    total = np.zeros((256, 256), np.int64)
    for row in comparison.shared_values.to_pylist():
        total[row["truth_value"][0], row["prediction_value"][0]] += row["pixels"]
    assert (total == sum(matrix for number, matrix in enumerate(made.matrices()) if number != 4)).all()


def test_a_comparison_stays_while_a_mask_is_out_of_reach(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    before = made.db.evaluate("made/truth", "made/prediction").rows()
    os.rename(made.folder / "prediction", made.folder / "elsewhere")
    assert made.db.evaluate("made/truth", "made/prediction").rows() == before
    assert [record.message.partition(": ")[2] for record in caplog.records] == [
        "out of reach now, as 12 of the masks are; their last comparison is used"
    ]
    made.db.connection.execute("DELETE FROM mask_pairs")
    with pytest.raises(masksdb.MasksDBError, match=r"prediction/0\.png: no such file"):
        made.db.evaluate("made/truth", "made/prediction")


def test_steps_can_be_taken_again_with_other_options(made: Made, engine: Engine) -> None:
    tables = "SELECT table_name FROM duckdb_tables() UNION ALL SELECT view_name FROM duckdb_views() ORDER BY ALL"
    before = made.db.sql(tables).fetchall()
    pairing = pair(engine, "made/truth", "made/prediction", Options())
    comparison = compare(engine, pairing, Options(), lambda _done, _total: None)
    for options in (Options(), Options(average="images", panoptic=True), Options(classes="value")):
        again = made.db.evaluate("made/truth", "made/prediction", **vars(options))
        assert count(engine, comparison, options).document() == again.document()
    with engine.reading() as cursor:
        classes = find_classes(cursor, comparison, Options())
        assert cursor.execute(tables).fetchall() == before
    ignored = {row["class"] for row in classes.values.to_pylist() if row["is_ignored"]}
    assert ignored == {"void"}
    assert [VOID] in classes.values["value"].to_pylist()
    assert "void" not in classes.scored["class"].to_pylist()


@pytest.mark.parametrize("order", [lambda entries: entries, reversed])
def test_an_entry_of_the_mask_takes_the_place_of_one_for_all(
    made: Made, order: Callable[[list[str]], list[str]]
) -> None:
    own = [{"value": [value], "labels": [f"own_{value}"]} for value in (0, 1)]
    for_all = [{"value": [value], "labels": [f"all_{value}"]} for value in (1, 2, 3, 4, 5, VOID)]
    entries = {"seg": own, "_all_": for_all}
    for version in ("truth", "prediction"):
        labels = {mask_id: entries[mask_id] for mask_id in order(list(entries))}
        made.db.version("made", version).set_metadata({"mask_labels": labels})
    classes = [row["class"] for row in made.evaluate(absent="0").classes]
    assert classes == ["all_2", "all_3", "all_4", "all_5", f"all_{VOID}", "own_0", "own_1"]
