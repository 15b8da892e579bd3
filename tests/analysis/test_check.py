"""A check finds the known faults of faulty masks, and no faults in clean ones."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from PIL import Image
from support import mask_faults
from support.common import FIXTURES, ROOT, Outcome
from support.faulty_set import FAULTS, Maker, clean_frames, ingest_faulty
from support.real_frames import davis_frames

import masksdb
from masksdb.pixels.mask_cache import facts_cache
from masksdb.store.findings import checks

VIEWS = ["version_declared_values", "version_findings"]
EACH_CAUSE = 8
ELSEWHERE = {"background": "note", "mask_unmapped": "note", "mask_altered": "error", "analysis_altered": "error"}
"""Checks that find nothing in the faulty datasets, with their severity."""


def check_counts(db: masksdb.Database, **options: Any) -> Counter[str]:
    """The number of findings by check, without the balance of classes."""
    rows = db.check(**options).findings.fetchall()
    return Counter(row[0] for row in rows if row[0] != "balance")


def findings(db: masksdb.Database, name: str) -> list[tuple[Any, ...]]:
    query = 'SELECT severity, frame_id, "value", "count", message FROM version_findings WHERE "check" = ? ORDER BY ALL'
    return db.sql(query, [name]).fetchall()


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checked database with every fault once."""
    folder = tmp_path_factory.mktemp("faulty")
    with masksdb.connect(folder / "faulty.duckdb") as db:
        ingest_faulty(db, folder / "files")
        db.check()
    return folder / "faulty.duckdb"


def test_each_fault_is_found_and_nothing_else(faulty: Path) -> None:
    with masksdb.connect(faulty, read_only=True) as db:
        rows = db.sql('SELECT "check", frame_id FROM version_findings WHERE "check" <> \'balance\'').fetchall()
    assert Counter(name for name, _ in rows) == FAULTS
    for name, frame_id in rows:
        # Most frames are named for what is wrong with them.
        assert frame_id is None or "_" not in frame_id or frame_id.startswith((name, "near", "drive")), (name, frame_id)


def test_the_page_on_checks_has_each_with_its_severity(faulty: Path) -> None:
    page = (ROOT / "docs" / "checks.md").read_text()
    with masksdb.connect(faulty, read_only=True) as db:
        reported = dict(db.sql('SELECT DISTINCT "check", severity FROM version_findings').fetchall())
    listed = dict(re.findall(r"^\* `(\w+)` \(\*\*(\w+)\*\*\):", page, re.MULTILINE))
    assert listed == reported | ELSEWHERE


def test_each_check_is_a_file_that_says_what_to_do(faulty: Path) -> None:
    assert {check.name for check in checks()} == {*FAULTS, *ELSEWHERE, "balance"}
    assert all(check.finds.endswith(".") and check.to_do.endswith(".") for check in checks())
    query = 'SELECT DISTINCT $view, "check" FROM query_table($view)'
    with masksdb.connect(faulty, read_only=True) as db:
        views = sorted({check.view for check in checks()})
        reported = [row for view in views for row in db.sql(query, {"view": view}).fetchall()]
    assert sorted(reported) == sorted((check.view, check.name) for check in checks() if check.name not in ELSEWHERE)


def test_a_clean_dataset_has_only_its_balance(db: masksdb.Database, tmp_path: Path) -> None:
    db.ingest(clean_frames(tmp_path), dataset="clean", version="v1", media_root=tmp_path)
    report = db.check()
    assert {name for _, name in report.counts} == {"balance"}
    rows = report.findings.fetchall()
    assert sum(row[9] for row in rows) == 8 * 48 * 64
    assert rows[0][10].endswith(" % of the declared pixels of masks seg, in 8 of 8 frames")


@pytest.fixture(scope="module")
def causes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Counter[str]]:
    """The findings in masks of each cause, and in clean ones of the same generator."""
    folder = tmp_path_factory.mktemp("causes")
    rng = np.random.default_rng(4)
    made = {**mask_faults.CAUSES, "clean": mask_faults.clean}
    frames = [
        mask_faults.frame(make(rng), folder, name, index) for name, make in made.items() for index in range(EACH_CAUSE)
    ]
    with masksdb.connect(":memory:") as db:
        db.ingest(frames, dataset="d", media_root=folder)
        db.check()
        rows = db.sql('SELECT frame_id, "check" FROM version_faults_colours WHERE frame_id IS NOT NULL').fetchall()
    return {name: Counter(check for frame, check in rows if frame.rsplit("_", 1)[0] == name) for name in made}


@pytest.mark.parametrize("name", list(mask_faults.CAUSES))
def test_a_cause_is_recognised(causes: dict[str, Counter[str]], name: str) -> None:
    assert causes[name] == {name: EACH_CAUSE}


def test_clean_masks_have_no_cause(causes: dict[str, Counter[str]]) -> None:
    assert causes["clean"] == {}


def test_ids_cut_at_255_are_named_though_readers_declare_what_they_find(db: masksdb.Database, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    levels = np.array([0, 1000, 1001, 1002, 2000, 2001, 3000, 3001], np.uint16)
    for name in ("images", "masks"):
        (tmp_path / "tree" / name).mkdir(parents=True)
    for number in range(4):
        mask = levels[mask_faults.blobs(rng, 8, 48, 64)]
        mask = np.minimum(mask, 255).astype(np.uint8) if number == 3 else mask
        Image.fromarray(mask).save(tmp_path / "tree" / "masks" / f"{number}.png")
        Image.new("RGB", (64, 48)).save(tmp_path / "tree" / "images" / f"{number}.png")
    db.ingest(tmp_path / "tree", dataset="d")
    assert check_counts(db)["colour_16bit"] == 1
    pixels = int((np.asarray(Image.open(tmp_path / "tree" / "masks" / "3.png")) == 255).sum())
    assert [row[1:4] for row in findings(db, "colour_16bit")] == [("3", [255], pixels)]


def test_real_masks_have_no_errors(db: masksdb.Database, real_data: Path) -> None:
    root = real_data / "davis2017"
    db.ingest(davis_frames(root), dataset="davis", version="val", media_root=root)
    report = db.check("davis")
    assert report.total("error") == 0
    # The images are not among the data, and what the methods predict is ragged.
    assert {name for _, name in report.counts} == {"source_missing", "small_region", "background", "balance"}


def test_a_second_check_decodes_nothing(db: masksdb.Database, tmp_path: Path) -> None:
    make = Maker(tmp_path, 3)
    near = make.pixels()
    frames = [make.frame("a", near), make.frame("b", near // 2, "val"), make.frame("c")]
    other = near.copy()
    other[24, 32] = (other[24, 32] + 1) % 4
    db.ingest([*frames, make.frame("d", other, "val")], dataset="d", media_root=tmp_path)
    first = check_counts(db)
    facts_cache.clear()
    before = facts_cache.decodes
    assert check_counts(db) == first == {"split_leak_near": 1}
    assert facts_cache.decodes == before
    make.frame("c", near)
    assert check_counts(db) == {"split_leak_near": 2, "same_mask": 1}, "what has changed is read again"
    assert facts_cache.decodes > before


def test_a_file_that_is_out_of_reach_is_missing_and_keeps_its_size(db: masksdb.Database, tmp_path: Path) -> None:
    make = Maker(tmp_path / "media", 7)
    frames = [make.frame("a"), make.frame("b")]
    frames[0]["sources"][0] |= {"width": 9, "height": 9}
    db.ingest(frames, dataset="d", media_root=tmp_path / "media")
    before = check_counts(db)
    assert before["source_declared_size"] == 1
    query = "SELECT * EXCLUDE (error, checked_at) FROM image_headers ORDER BY uri"
    headers = db.sql(query).fetchall()
    os.rename(tmp_path / "media", tmp_path / "elsewhere")
    assert check_counts(db) == before | {"mask_missing": 2, "source_missing": 2}
    assert db.sql(query).fetchall() == headers
    os.rename(tmp_path / "elsewhere", tmp_path / "media")
    assert check_counts(db) == before


def test_settings_are_kept(db: masksdb.Database, tmp_path: Path) -> None:
    make = Maker(tmp_path, 5)
    pixels = make.pixels()
    changed = pixels.copy()
    changed[20:40, 20:30] = (changed[20:40, 20:30] + 1) % 4
    frames = [make.frame("a", pixels), make.frame("b", changed)]
    for frame, fold in zip(frames, "01", strict=True):
        frame["meta"] = {"fold": fold}
    db.ingest(frames, dataset="d", media_root=tmp_path)
    assert check_counts(db) == {}
    assert check_counts(db, split_key="fold", near_iou=0.5) == {"split_leak_near": 1}
    assert check_counts(db) == {"split_leak_near": 1}
    assert check_counts(db, near_iou=1.0, small_region=48 * 64) == {"small_region": 8}
    with pytest.raises(masksdb.UsageError, match="an IoU above 0"):
        db.check(near_iou=0)


def test_masks_with_their_own_rois_may_leave_black_alone(db: masksdb.Database) -> None:
    db.ingest(FIXTURES / "street" / "frames.jsonl", dataset="street", version="v1")
    labels = json.loads((FIXTURES / "street" / "labels.json").read_text())
    db.version("street").set_metadata({"mask_labels": labels})
    assert check_counts(db) == {"roi_without_mask": 1, "background": 1, "values_of_label": 2}
    assert findings(db, "roi_without_mask")[0][1:4] == ("haifa_00", [255], 1)


def test_the_readme_to_its_end_has_no_error_but_that_of_its_data(db: masksdb.Database) -> None:
    db.ingest(FIXTURES / "street" / "frames.jsonl", dataset="street", version="v1")
    labels = json.loads((FIXTURES / "street" / "labels.json").read_text())
    db.version("street").set_metadata({"mask_labels": labels})
    db.version("street").set_masks_labels({(0, 0, 142): ["car"], (220, 20, 60): ["person"]})
    assert check_counts(db) == {"roi_without_mask": 1, "background": 1, "values_of_label": 2, "mask_unmapped": 1}
    assert findings(db, "mask_unmapped")[0][3:] == (12, "12 masks moving have numbers, and _all_ has only colours")


def two_kinds(folder: Path, count: int = 3) -> list[dict[str, Any]]:
    """Frames of a mask of three colours, and of one of the numbers 0, 1 and 2, without ROIs."""
    ids = np.repeat(np.arange(3, dtype=np.uint8), 20)[None].repeat(30, axis=0)
    frames = []
    for number in range(count):
        Image.fromarray(np.roll(ids, number)).save(folder / f"index_{number}.png")
        Image.fromarray(mask_faults.voc_palette()[np.roll(ids, number)]).save(folder / f"colour_{number}.png")
        masks = [{"id": name, "uri": f"{name}_{number}.png"} for name in ("index", "colour")]
        frames.append({"id": str(number), "sources": [{"masks": masks}]})
    return frames


COLOURS: dict[tuple[int, ...], list[str]] = {(0, 0, 0): ["ground"], (128, 0, 0): ["car"], (0, 128, 0): ["bus"]}
NUMBERS: dict[tuple[int, ...], list[str]] = {(0,): ["ground"], (1,): ["car"], (2,): ["bus"]}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (COLOURS, "3 masks index have numbers, and _all_ has only colours"),
        (NUMBERS, "3 masks colour have colours, and _all_ has only numbers"),
    ],
)
def test_a_mapping_says_nothing_about_masks_of_another_kind(
    db: masksdb.Database, tmp_path: Path, entries: Any, message: str
) -> None:
    db.ingest(two_kinds(tmp_path), dataset="d", media_root=tmp_path)
    db.version("d").set_masks_labels(entries)
    assert check_counts(db) == {"mask_unmapped": 1}
    assert [row[4] for row in findings(db, "mask_unmapped")] == [message]


def test_a_mapping_that_fits_no_mask_is_an_error(db: masksdb.Database, tmp_path: Path) -> None:
    frames = two_kinds(tmp_path)
    for frame in frames:
        del frame["sources"][0]["masks"][1]
    db.ingest(frames, dataset="d", media_root=tmp_path)
    db.version("d").set_masks_labels(COLOURS)
    assert check_counts(db) == {"colour_palette": 3, "label_unused": 2}


@pytest.mark.parametrize("by_roi", [True, False])
def test_a_region_declared_as_number_and_as_colour_counts_once(
    db: masksdb.Database, tmp_path: Path, by_roi: bool
) -> None:
    ids = mask_faults.blobs(np.random.default_rng(7), 3, 48, 64)
    mask_faults.indexed(ids, mask_faults.voc_palette()).save(tmp_path / "m.png")
    rois = [{"label": ["car"], "mask": {"id": "m", "value": [1]}}] if by_roi else []
    source = {"masks": [{"id": "m", "uri": "m.png"}]}
    db.ingest([{"id": "f", "sources": [source], "rois": rois}], dataset="d", media_root=tmp_path)
    labels = [([0], "ground"), ([128, 0, 0], "car"), ([2], "bus"), *([] if by_roi else [([1], "car")])]
    entries = [{"value": value, "labels": [label]} for value, label in labels]
    db.version("d").set_metadata({"mask_labels": {"m": entries}})
    db.check()
    counts = {row[4].partition(":")[0]: row[3] for row in findings(db, "balance")}
    assert counts == dict(zip(("ground", "car", "bus"), np.bincount(ids.reshape(-1)).tolist(), strict=True))


def test_labels_that_contradict_rois_are_reported(db: masksdb.Database, tmp_path: Path) -> None:
    make = Maker(tmp_path, 6)
    db.ingest([make.frame("a"), make.frame("b")], dataset="d", media_root=tmp_path)
    entries = [
        {"value": [0], "labels": ["sky"]},
        {"value": [1], "labels": ["class_1"]},
        {"value": [1], "labels": ["x"]},
    ]
    db.version("d").set_metadata({"mask_labels": entries})
    assert check_counts(db) == {"labels_of_value": 2}
    messages = [row[4] for row in findings(db, "labels_of_value")]
    assert messages == [
        "[0] is sky in mask_labels, and class_0 in 2 ROIs",
        'mask_labels (_all_) has [1] as ["class_1"] and as ["x"]',
    ]


ODD = [
    {"id": 1, "timestamp": None, "meta": {"a": None, "b": 1.0, "c": 1e300}, "sources": [{"uri": None, "width": 1.0}]},
    {"id": "b", "rois": [{"label": [], "poly": [1, 2, 3.5], "mask": None}, {"labels": ["x"], "confidence": 0.1}]},
    {"sources": [], "rois": [{"label": "x", "mask": {"value": [1, 2, 3], "more": None}}]},
]


def test_published_versions_are_compared_with_what_was_published(db: masksdb.Database) -> None:
    db.ingest([*ODD, {"id": "last", "rois": [{"label": ["x"]}]}], dataset="d", version="v1")
    db.version("d", "v1").publish_version()
    child = db.create_version("d", "v2", parents=["v1"])
    db.ingest([{"id": "b"}], dataset="d", version="v2")
    child.publish_version()
    assert check_counts(db)["altered"] == 0
    db.connection.execute("UPDATE rois SET labels = ['y'] WHERE labels = ['x'] AND roi_index = 0 AND extra IS NULL")
    assert findings(db, "altered") == [], "that takes a check"
    db.check()
    assert [row[1] for row in findings(db, "altered")] == ["last"]
    db.connection.execute("DELETE FROM frames WHERE frame_id = 'last'")
    db.check("d", "v2")
    assert [row[1] for row in findings(db, "altered")] == ["last"], "the other version was not asked for"
    db.check("d", "v1")
    assert [row[1] for row in findings(db, "altered")] == [None]


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ([], 1),
        (["--fail-on", "never"], 0),
        (["--dataset", "first"], 0),
        (["--dataset", "first", "--fail-on", "warning"], 1),
    ],
)
def test_the_command_line_says_how_it_went(
    run: Callable[..., Outcome], faulty: Path, options: list[str], status: int
) -> None:
    outcome = run("check", faulty, *options, "--format", "json")
    assert outcome.status == status
    rows = json.loads(outcome.out)
    assert {row["check"] for row in rows} >= {"version_leak", "version_leak_near"}
    assert f"  warning: version_leak: {sum(row['check'] == 'version_leak' for row in rows)}" in outcome.err
    assert list(rows[0]) == [
        "check", "severity", "dataset", "version", "version_id", "frame_id", "source_id", "mask_uri", "value", "count",
        "message",
    ]  # fmt: skip


def test_the_command_line_writes_a_table(run: Callable[..., Outcome], db_path: str, tmp_path: Path) -> None:
    with masksdb.connect(db_path) as db:
        db.ingest(clean_frames(tmp_path), dataset="clean", version="v1", media_root=tmp_path)
    outcome = run("check", db_path, "-o", tmp_path / "findings.txt")
    assert (outcome.status, outcome.out) == (0, "")
    shown = "Three findings of each check are shown; '--all' prints the others.\n"
    assert outcome.err == f"{db_path}: 0 errors, 0 warnings, 4 notes\n  note: balance: 4\n{shown}"
    header, _, *lines = (tmp_path / "findings.txt").read_text().splitlines()
    assert header.split()[:3] == ["severity", "check", "findings"]
    assert [line.split()[:3] for line in lines] == [["note", "balance", "4"]] * 3
    outcome = run("check", db_path, "--all")
    assert (outcome.out.count("\nbalance"), shown in outcome.err) == (4, False)


@pytest.mark.parametrize(("format_", "read"), [("json", json.loads), ("csv", lambda text: text.splitlines()[1:])])
def test_findings_for_programs_are_whole(
    run: Callable[..., Outcome], faulty: Path, format_: str, read: Callable[[str], Any]
) -> None:
    with masksdb.connect(faulty, read_only=True) as db:
        whole = len(db.sql("FROM version_findings").fetchall())
    assert len(read(run("check", faulty, "--format", format_).out)) == whole
    shown = run("check", faulty).out.splitlines()[2:]
    checks_shown = Counter(line.split()[1] for line in shown)
    assert max(checks_shown.values()) == 3
    assert sum(checks_shown.values()) < whole


def test_a_read_only_database_cannot_be_checked(faulty: Path) -> None:
    with (
        masksdb.connect(faulty, read_only=True) as db,
        pytest.raises(
            masksdb.MasksDBError, match=r"opened read-only, and a check keeps what it finds; open it for writing$"
        ),
    ):
        db.check()


def test_export_and_import_keep_the_findings(faulty: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(faulty), read_only=True) as plain:
        before = {view: plain.execute(f"FROM {view} ORDER BY ALL").fetchall() for view in VIEWS}
        plain.execute(f"EXPORT DATABASE '{tmp_path}/out'")
    with duckdb.connect() as other:
        other.execute(f"IMPORT DATABASE '{tmp_path}/out'")
        assert {view: other.execute(f"FROM {view} ORDER BY ALL").fetchall() for view in VIEWS} == before
    assert all(before.values())


READ = """
import json, sys, duckdb
with duckdb.connect(sys.argv[1], read_only=True) as plain:
    plain.execute("SET enable_progress_bar = false")
    rows = plain.execute('SELECT "check", count(*) FROM version_findings GROUP BY ALL').fetchall()
print(json.dumps([duckdb.__version__, dict(rows)]))
"""


def test_the_oldest_duckdb_reads_the_findings(faulty: Path) -> None:
    old = ROOT / ".venv" / "duckdb-1.4"
    if not old.is_dir():
        pytest.skip("DuckDB 1.4 is not installed; 'make test' does that")
    command = [sys.executable, "-c", READ, str(faulty)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(old)}, cwd=faulty.parent
    )
    version, counts = json.loads(done.stdout)
    assert version.startswith("1.4.")
    with masksdb.connect(faulty, read_only=True) as db:
        assert counts == dict(db.sql('SELECT "check", count(*) FROM version_findings GROUP BY ALL').fetchall())
