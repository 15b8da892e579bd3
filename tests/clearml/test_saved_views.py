"""DataViews in a file: saved, frozen, on the command line, and as an Arrow table."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.common import FIXTURES, ROOT, Outcome

import masksdb
from masksdb import DataView

STREET = FIXTURES / "street"


@pytest.fixture
def street(db: masksdb.Database) -> masksdb.Database:
    db.ingest(STREET / "frames.jsonl", dataset="street", version="v1")
    return db


def night(db: masksdb.Database, name: str | None = "night") -> DataView:
    view = DataView(name, database=db)
    view.add_query(dataset_name="street", roi_query="car", frame_query="meta.night:true")
    return view


def test_a_stored_view_is_what_it_was(street: masksdb.Database) -> None:
    view = DataView("all of it", "random", True, 10, iteration_random_seed=4, database=street)
    view.add_query(dataset_name="street", version_name="v1", roi_query=["car"], count_range=(1, -1), weight=2)
    view.add_multi_query(version_name="v1", roi_queries=[{"label": "car~0 OR x".replace("~0", ""), "must_not": True}])
    view.add_mapping_rule(["car", "wet"], "boat", dataset_id=1)
    view.set_labels({"boat": 3})
    result = DataView.get(view.store(), database=street)
    assert (result.name, result.id) == ("all of it", view.id)
    assert result.get_queries() == view.get_queries()
    assert result.get_mapping_rules() == view.get_mapping_rules()
    assert (result.get_labels(), result.get_iteration_parameters()) == (
        view.get_labels(),
        view.get_iteration_parameters(),
    )
    assert (result.sql(), result.parameters()) == (view.sql(), view.parameters())
    assert street.sql("SELECT name, sql FROM dataviews").fetchall() == [("all of it", view.sql())]


def test_a_name_is_that_of_one_view(street: masksdb.Database) -> None:
    first = night(street).store()
    other = DataView(database=street)
    other.add_query(dataset_name="street")
    assert other.store("night") == first
    assert DataView.get(dataview_name="night", database=street).get_count() == (12, [12])
    with pytest.raises(masksdb.NotFoundError, match="no view 'nigth'; did you mean 'night'"):
        DataView.get(dataview_name="nigth", database=street)
    with pytest.raises(ValueError, match="is empty"):
        night(street).store(" ")


def test_a_frozen_view_knows_whether_its_data_is_the_same(street: masksdb.Database) -> None:
    view = night(street)
    assert (view.status, view.is_unchanged()) == ("draft", None)
    view.freeze()
    assert (view.status, view.is_unchanged()) == ("published", True)
    street.ingest(STREET / "frames.jsonl", dataset="street", version="v1")
    assert view.is_unchanged()
    street.ingest([{"id": "day", "meta": {"night": False}}], dataset="street", version="v1")
    assert view.is_unchanged()
    version = street.version("street", "v1")
    frame = version.get_frame("haifa_02")
    frame.metadata["rain"] = True
    version.update_frames([frame])
    assert DataView.get(view.id, database=street).is_unchanged() is False
    del frame.metadata["rain"]
    version.update_frames([frame])
    assert view.is_unchanged()
    version.set_masks_labels({(0, 0, 0): ["void"]})
    assert view.is_unchanged() is False


def test_a_frozen_view_stays_as_it_is(street: masksdb.Database) -> None:
    view = night(street)
    result = view.freeze()
    assert view.freeze() == result
    changes: list[Callable[[], Any]] = [
        lambda: view.set_labels({"car": 1}),
        lambda: view.add_query(dataset_name="street"),
        lambda: view.add_mapping_rule("car", "vehicle"),
        lambda: view.set_iteration_parameters(order="random"),
    ]
    for change in changes:
        with pytest.raises(masksdb.UsageError, match="DataView 'night': frozen"):
            change()
    assert view.is_unchanged()
    other = DataView(name="night", queries=view.get_queries(), database=street)
    other.set_labels({"car": 1})
    with pytest.raises(masksdb.UsageError, match="view 'night': frozen"):
        other.store()
    view.store("night, numbered")
    assert view.status == "draft"
    view.set_labels({"car": 1})


def test_the_hash_is_that_of_the_data(street: masksdb.Database) -> None:
    with masksdb.connect(":memory:") as other:
        other.ingest([{"id": "x"}], dataset="before", version="v")
        lines = (STREET / "frames.jsonl").read_text().splitlines()
        other.ingest([json.loads(line) for line in lines[::-1]], dataset="street", version="v2")
        assert night(other).freeze() == night(street).freeze()


def test_views_on_the_command_line(street: masksdb.Database, db_path: str, run: Callable[..., Outcome]) -> None:
    view = night(street)
    view.store()
    street.close()
    done = run("view", "list", db_path, "--format", "json")
    assert [(row["name"], row["frozen_at"]) for row in json.loads(done.out)] == [("night", None)]
    done = run("view", "run", db_path, "night", "--format", "jsonl")
    assert [json.loads(line)["frame_id"] for line in done.out.splitlines()] == [
        "bergen_08", "bergen_11", "haifa_02", "haifa_05"
    ]  # fmt: skip
    assert (done.status, done.err) == (0, "")
    assert "frozen with the hash" in run("view", "freeze", db_path, "night").err
    assert "the same data as when it was frozen" in run("view", "run", db_path, "night").err
    with masksdb.connect(db_path) as database:
        database.version("street").delete_frames(["haifa_05"])
    assert "other data than when it was frozen" in run("view", "run", db_path, "night").err
    done = run("view", "show", db_path, "night")
    assert '-- $v2 = "car"' in done.out
    assert json.loads(done.out.splitlines()[0].removeprefix("-- "))["queries"][0]["frame_query"] == "meta.night:true"
    with masksdb.connect(db_path) as database:
        values = DataView.get(dataview_name="night", database=database).parameters()
        assert len(database.sql(done.out, values).fetchall()) == 3
    done = run("view", "run", db_path, "day")
    assert (done.status, done.err) == (1, f"Error: {db_path}: no view 'day'; did you mean 'night'?\n")


def rows(view: DataView) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = view.arrow().to_pylist()
    return result


def test_an_arrow_row_has_all_that_training_needs(street: masksdb.Database) -> None:
    street.version("street").set_metadata({"mask_labels": json.loads((STREET / "labels.json").read_text())})
    view = night(street)
    view.add_mapping_rule("car", "vehicle")
    view.set_labels({"vehicle": 5, "road": 1})
    first = rows(view)[0]
    assert (first["place"], first["frame_id"], first["source_id"]) == (0, "bergen_08", "front")
    assert first["source_uri"] == str(STREET / "images" / "bergen_08.png")
    assert [mask["mask_id"] for mask in first["masks"]] == ["seg", "instances", "moving"]
    assert first["masks"][0]["mask"]["uri"] == str(STREET / "seg" / "bergen_08.png")
    numbers = {tuple(item["class_labels"]): item["class_number"] for item in first["rois"]}
    assert numbers == {("sky",): -1, ("building",): -1, ("road",): 1, ("vehicle",): 5}
    vehicle = next(item for item in first["rois"] if item["labels"] == ["vehicle"])
    assert (vehicle["mask_id"], vehicle["mask_value"], vehicle["mask_index"]) == ("seg", [0, 0, 142], 0)
    declared = {tuple(item["mask_value"]): item for item in first["segments"] if item["mask_id"] == "seg"}
    assert (declared[0, 0, 142]["labels"], declared[0, 0, 142]["class_number"]) == (["vehicle"], 5)
    expected = street.sql(
        'SELECT mask_index, "value", labels FROM mask_segments WHERE frame_id = $f ORDER BY ALL', {"f": "bergen_08"}
    ).fetchall()
    result = [(item["mask_index"], item["mask_value"], item["labels"]) for item in first["segments"]]
    assert sorted(result) == [(a, b, ["vehicle"] if c == ["car"] else c) for a, b, c in expected]


def test_arrow_rows_are_as_the_views_say(street: masksdb.Database) -> None:
    street.ingest(
        [
            {"id": "none", "rois": [{"label": ["a"]}]},
            {
                "id": "pair",
                "sources": [{"id": "l", "masks": [{"id": "seg", "uri": "s.png"}]}, {"id": "r", "uri": "https://x/r.png"}],
                "rois": [
                    {"label": ["seg"], "mask": {"id": "person", "value": [1]}},
                    {"label": ["b"], "sources": ["r"], "poly": [0, 0, 1, 0, 1, 1]},
                    {"sources": ["l"], "rle": {"size": [2, 2], "counts": "04"}, "is_crowd": True},
                ],
            },
        ],
        dataset="odd",
        version="v",
    )  # fmt: skip
    view = DataView(database=street)
    view.add_query(dataset_name="odd")
    view.add_query(dataset_name="street")
    view.set_labels({"person": 2})
    by_frame = [
        (row["dataset"], row["frame_id"], row["source_index"], roi["roi_index"], roi["mask_index"], roi["class_labels"])
        for row in rows(view)
        for roi in row["rois"]
    ]
    expected = street.sql(
        "SELECT dataset, frame_id, source_index, roi_index, mask_index, class_labels FROM mask_rois"
    ).fetchall()  # fmt: skip
    assert sorted(by_frame, key=str) == sorted(expected, key=str)
    left = next(row for row in rows(view) if row["source_id"] == "l")
    assert [(item["labels"], item["class_labels"], item["class_number"]) for item in left["rois"]] == [
        (["seg"], ["person"], 2), (None, None, -1)
    ]  # fmt: skip
    assert (left["rois"][1]["rle"], left["rois"][1]["is_crowd"]) == ({"size": [2, 2], "counts": "04"}, True)
    right = next(row for row in rows(view) if row["source_id"] == "r")
    assert (right["source_uri"], right["masks"], right["segments"]) == ("https://x/r.png", [], [])
    assert right["rois"][-1]["poly"] == [0, 0, 1, 0, 1, 1]
    none = next(row for row in rows(view) if row["frame_id"] == "none")
    assert (none["source_index"], [item["labels"] for item in none["rois"]]) == (None, [["a"]])


def test_the_python_of_the_page_gives_what_it_says(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "dataviews.md").read_text()
    ((code, output),) = re.findall(r"```python\n(.*?)```\n```text\n(.*?)```", page, re.DOTALL)
    (tmp_path / "fixtures").symlink_to(FIXTURES)
    command = [sys.executable, "-W", "error", "-c", code + "\nprint(view.sql())"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.startswith(output)
    (sql,) = re.findall(r"```text\n(WITH .*?)    \.\.\.\n```", page, re.DOTALL)
    assert sql in done.stdout
