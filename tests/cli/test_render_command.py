"""The command that draws frames: files written whole or not at all, one result in every process, plain errors."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.common import ROOT, Outcome

import masksdb

IDS = np.kron(np.random.default_rng(7).integers(0, 4, (6, 8)), np.ones((4, 4), np.int64)).astype(np.uint8)


@pytest.fixture
def stored(db: masksdb.Database, tmp_path: Path) -> str:
    """A database file with a frame of four labels, closed."""
    Image.fromarray(IDS * 60).save(tmp_path / "f.png")
    Image.fromarray(IDS).save(tmp_path / "m.png")
    sources = [{"id": "s", "uri": "f.png", "masks": [{"id": "m", "uri": "m.png"}]}]
    labels = ["sky", "car", "tree", "road"]
    rois = [{"label": [label], "mask": {"id": "m", "value": [value]}} for value, label in enumerate(labels)]
    db.ingest([{"id": "f", "sources": sources, "rois": rois}], dataset="d", media_root=str(tmp_path))
    db.close()
    return db.path


def test_colours_are_the_same_in_every_process(stored: str, tmp_path: Path) -> None:
    with masksdb.connect(stored, read_only=True) as db:
        here = np.asarray(db.render(["f"], dataset="d"))
    out = tmp_path / "there.png"
    command = [sys.executable, "-m", "masksdb.cli", "render", stored, "f", "--dataset", "d", "-o", str(out)]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"PYTHONHASHSEED": "1"}, cwd=ROOT)
    with Image.open(out) as image:
        assert (np.asarray(image) == here).all()


def test_a_database_and_a_folder_are_not_written_over(run: Callable[..., Outcome], stored: str, tmp_path: Path) -> None:
    database = tmp_path / "copy.png"
    database.write_bytes(Path(stored).read_bytes())
    (tmp_path / "folder.png").mkdir()
    for name, reason in (("copy.png", "a DuckDB database"), ("folder.png", "a folder")):
        outcome = run("render", stored, "f", "--dataset", "d", "-o", tmp_path / name)
        assert (outcome.status, outcome.out) == (1, "")
        assert reason in outcome.err
    assert database.read_bytes() == Path(stored).read_bytes()


def test_a_picture_is_drawn_while_others_read(run: Callable[..., Outcome], stored: str, tmp_path: Path) -> None:
    with masksdb.connect(stored, read_only=True):
        assert run("render", stored, "f", "--dataset", "d", "-o", tmp_path / "out.png").status == 0


def test_the_command_writes_a_picture(run: Callable[..., Outcome], stored: str, tmp_path: Path) -> None:
    for name, kind in (("a.png", "PNG"), ("b.JPG", "JPEG")):
        outcome = run("render", stored, "f", "--dataset", "d", "-o", tmp_path / name)
        with Image.open(tmp_path / name) as image:
            assert image.format == kind
            reported = f"{tmp_path / name}: {image.width} x {image.height} pixels\n"
        assert outcome == (0, "", reported)


def test_a_picture_takes_the_place_of_another_only_when_it_is_done(
    run: Callable[..., Outcome], stored: str, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    out.write_bytes(b"before")
    before = sorted(os.listdir(tmp_path))
    for options in (["g"], ["f", "--mask", "z"], ["f", "--version", "z"]):
        outcome = run("render", stored, *options, "--dataset", "d", "-o", out)
        assert (outcome.status, outcome.out, outcome.err.count("\n")) == (1, "", 1)
        assert outcome.err.startswith("Error: ")
    assert out.read_bytes() == b"before"
    assert run("render", stored, "f", "--dataset", "d", "-o", out).status == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    assert sorted(os.listdir(tmp_path)) == before


def test_a_disk_that_fills_up_leaves_the_picture_before(
    run: Callable[..., Outcome], stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(_image: Image.Image, path: str, _kind: str) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    out = tmp_path / "out.png"
    out.write_bytes(b"before")
    before = sorted(os.listdir(tmp_path))
    monkeypatch.setattr(Image.Image, "save", save)
    outcome = run("render", stored, "f", "--dataset", "d", "-o", out)
    assert outcome == (1, "", f"Error: {out}: cannot be written: No space left on device\n")
    assert (out.read_bytes(), sorted(os.listdir(tmp_path))) == (b"before", before)


@pytest.mark.parametrize(("name", "reason"), [("out.txt", "pictures of kind '.txt'"), ("none/out.png", "No such file")])
def test_a_picture_that_cannot_be_written_is_an_error(
    run: Callable[..., Outcome], stored: str, tmp_path: Path, name: str, reason: str
) -> None:
    outcome = run("render", stored, "f", "--dataset", "d", "-o", tmp_path / name)
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith(f"Error: {tmp_path / name}: ")
    assert reason in outcome.err
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("opacity", ["1.01", "-0.1", "x"])
def test_an_opacity_out_of_range_is_status_2(
    run: Callable[..., Outcome], stored: str, tmp_path: Path, opacity: str
) -> None:
    outcome = run("render", stored, "f", "--dataset", "d", "-o", tmp_path / "out.png", "--opacity", opacity)
    assert (outcome.status, outcome.out) == (2, "")
    assert not (tmp_path / "out.png").exists()
