"""The documentation says what the code does."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import architecture
import av
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageChops
from support.common import ROOT

import masksdb
from masksdb.cli.app import cli

GENERATOR = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
assert GENERATOR is not None
assert GENERATOR.loader is not None
generate = importlib.util.module_from_spec(GENERATOR)
GENERATOR.loader.exec_module(generate)


@pytest.mark.parametrize("name", list(generate.PAGES))
def test_generated_pages_are_up_to_date(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == generate.PAGES[name](), "run 'make docs'"


def test_every_table_and_view_is_described(db: masksdb.Database) -> None:
    page = (ROOT / "docs" / "schema.md").read_text()
    tables = db.sql("SELECT table_name FROM duckdb_tables() UNION ALL SELECT view_name FROM duckdb_views() "
                    "WHERE NOT internal").fetchall()  # fmt: skip
    for (name,) in tables:
        if name.isidentifier():
            assert re.search(rf"### `{name}`\n\n\S", page), name


def test_the_readme_has_five_queries_with_answers() -> None:
    blocks = re.findall(r"```sql\n.*?```\n```text\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 5
    assert all(len(block.splitlines()) >= 3 for block in blocks)


def test_the_frame_of_the_readme_marks_the_cars_of_that_image(db: masksdb.Database) -> None:
    (text,) = re.findall(r"```json\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    db.ingest([json.loads(text)], dataset="d", media_root=ROOT / "fixtures" / "street")
    with Image.open(ROOT / "fixtures/street/seg/haifa_00.png") as image:
        pixels = int((np.asarray(image.convert("RGB")) == (0, 0, 142)).all(axis=2).sum())
    assert pixels > 0
    assert db.sql("SELECT class_labels, mask_area(mask, mask_value) FROM mask_rois").fetchall() == [(["car"], pixels)]


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    assert (tmp_path / "frames.jsonl").stat().st_size > 0


def run_commands(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the commands of a page in their order, in a folder beside the example frames."""
    (folder / "fixtures").symlink_to(ROOT / "fixtures")
    monkeypatch.chdir(folder)
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / name).read_text(), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("masksdb "):
                done = CliRunner().invoke(cli, shlex.split(line, comments=True)[1:])
                assert done.exit_code == 0, (line, done.output)


@pytest.mark.parametrize("is_colour", [True, False])
def test_the_commands_of_the_readme_run_in_their_order(
    is_colour: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder of masks has one of the two label maps, and a value for each of its lines."""
    (tree, maps) = re.findall(
        r"```text\n(photos/.*?)```\n.*?```text\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )[0]
    columns = [re.split(r"   +", line) for line in maps.splitlines()]
    lines = [line for line, _ in columns] if is_colour else [line for _, line in columns]
    values = [[int(number) for number in line.split()[:3]] if is_colour else index for index, line in enumerate(lines)]
    for folder, files in re.findall(r"(images|masks)/ +(.+)", tree):
        (tmp_path / "photos" / folder).mkdir(parents=True)
        for file in files.split():
            pixels = np.array([values], np.uint8) if folder == "masks" else np.zeros((1, len(lines), 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / folder / file)
    (tmp_path / "photos" / "labels.txt").write_text("\n".join(lines))
    if is_colour:
        run_commands("README.md", tmp_path, monkeypatch)
    labels = {line.split()[-1] for line in lines} - {"background"}
    with masksdb.connect(tmp_path / "photos.duckdb") as db:
        db.ingest(tmp_path / "photos", dataset="photos")
        rows = db.sql("SELECT class_labels[1], mask_area(mask, mask_value) FROM mask_rois").fetchall()
    assert sorted(rows) == sorted([(label, 1) for label in labels] * 2)
    if not is_colour:
        return
    with masksdb.connect(tmp_path / "street.duckdb") as db:
        tree_of_versions = db.sql("SELECT trim(tree), status FROM version_tree ORDER BY tree_order").fetchall()
    assert tree_of_versions == [("before-cleanup", "published"), ("v1", "draft"), ("moved", "draft")]


def test_the_commands_of_the_page_on_versions_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_commands("docs/versions.md", tmp_path, monkeypatch)


def test_the_python_of_the_page_on_versions_runs(tmp_path: Path) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "versions.md").read_text(), re.DOTALL))
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=tmp_path)
    with masksdb.connect(tmp_path / "masks.duckdb", read_only=True) as db:
        assert db.sql("SELECT count(*) FROM rois").fetchall() == [(2,)]


def test_the_python_of_the_page_on_training_runs(tmp_path: Path) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "training.md").read_text(), re.DOTALL))
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "(90, 160, 3) (90, 160) uint8 [1, 2, 255]\n"


def test_the_sql_of_the_page_on_evaluations_counts_each_pixel_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    generate.write_predictions(tmp_path)
    (query,) = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "evaluation.md").read_text(), re.DOTALL)
    with masksdb.connect(tmp_path / "street.duckdb") as db:
        (entries,) = db.version("street", "v1").get_metadata()["mask_labels"].values()
        for_all = [{**entry, "labels": ["not this"]} for entry in entries[:2]] + entries[2:]
        for version in ("v1", "moved"):
            db.version("street", version).set_metadata({"mask_labels": {"_all_": for_all, "seg": entries[:2]}})
        rows = db.evaluate("street/v1", "street/moved", truth_mask="seg").classes
        assert len(rows) == len(entries)
        assert db.sql(query).fetchall() == [(row["class"], round(row["iou"], 4)) for row in rows]


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target, anchor in re.findall(r"\]\(([^)#:]+)#?([^)]*)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"
            headings = re.findall(r"^#+ (.*)", (page.parent / target).read_text(), re.MULTILINE) if anchor else []
            assert not anchor or anchor in [heading.lower().replace(" ", "-") for heading in headings], (page, anchor)


def test_the_fixtures_are_what_their_script_writes(tmp_path: Path) -> None:
    copy = tmp_path / "make_fixtures.py"
    copy.write_text((ROOT / "fixtures" / "make_fixtures.py").read_text())
    (tmp_path / "street").mkdir()
    subprocess.run([sys.executable, str(copy)], check=True)
    assert (tmp_path / "street" / "frames.jsonl").read_text() == (ROOT / "fixtures/street/frames.jsonl").read_text()
    frames: list[list[bytes]] = []
    for path in (ROOT / "fixtures" / "street").glob("*/*.png"):
        with Image.open(path) as ours, Image.open(tmp_path / path.relative_to(ROOT / "fixtures")) as made:
            assert (ours.mode, ours.size, ours.getpalette()) == (made.mode, made.size, made.getpalette())
            assert ImageChops.difference(ours, made).getbbox() is None, path
    for folder in (ROOT / "fixtures", tmp_path):
        with av.open(folder / "drive" / "seg.mp4") as video:
            frames.append([frame.to_ndarray(format="rgb24").tobytes() for frame in video.decode(video=0)])
    assert frames[0] == frames[1]
    assert len(frames[0]) == 10


def test_every_public_name_is_on_the_page_on_python() -> None:
    page = (ROOT / "docs" / "python.md").read_text()
    missing = [name for name in masksdb.__all__ if f"### {name}\n" not in page and f"`{name}` is " not in page]
    assert missing == []


PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("name", [str(path.relative_to(ROOT)) for path in PAGES])
def test_tables_fit_a_screen_and_no_role_of_sphinx_is_left(name: str) -> None:
    lines = (ROOT / name).read_text().splitlines()
    assert [line for line in lines if line.startswith("|") and len(line) > 110] == []
    assert [line for line in lines if re.search(r":(?:mod|class|func|meth|data):", line)] == []


@pytest.mark.parametrize("name", [str(path.relative_to(ROOT)) for path in PAGES])
def test_the_files_that_a_page_names_exist(name: str) -> None:
    pattern = r"`((?:masksdb|sql|tests|docs|fixtures)/[\w/.]*)`|\]\(([\w/.]+\.\w+)\)"
    named = re.findall(pattern, (ROOT / name).read_text())
    paths = [ROOT / path if path else (ROOT / name).parent / link for path, link in named]
    assert [path for path in paths if not path.exists() and path.stem != "NAME"] == []


def test_the_picture_of_the_rooms_is_that_of_the_imports() -> None:
    assert architecture.PICTURE.read_text() == architecture.picture(), "run 'python docs/architecture.py'"
    assert set(architecture.ROOMS) == {
        path.stem for path in (ROOT / "masksdb").iterdir() if path.suffix in ("", ".py")
    } - {
        "__init__",
        "__pycache__",
        "py",
    }
