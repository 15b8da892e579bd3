"""A tree that is not recognised: the error names the layout that comes nearest, and the file that is in the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.mask_trees import photo, save

import masksdb

PALETTE = [0, 0, 0, 128, 0, 0]


def refusal(db: masksdb.Database, path: Path) -> str:
    with pytest.raises(masksdb.IngestError) as caught:
        db.ingest(path, dataset="d")
    text = str(caught.value)
    assert text.startswith(f"{path}: not recognised as a dataset")
    assert "; say what it is with --format, one of frames, " in text
    return text


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("s1/00007.png", "is not a palette PNG"),
        ("s1/00003.txt", "is not a PNG"),
        ("s1/first.png", "has no number as its name"),
    ],
)
def test_one_odd_mask_of_twenty_is_named(db: masksdb.Database, tmp_path: Path, name: str, reason: str) -> None:
    for number in range(19):
        save(tmp_path / f"s{number % 2}/{number // 2 + 10:05d}.png", [[0, 1]], palette=PALETTE)
    odd = tmp_path / name
    if odd.suffix == ".png":
        save(odd, [[0, 1]])
    else:
        odd.write_text("notes")
    assert f"; the nearest is davis, but {name} {reason}, unlike 19 of 20 files" in refusal(db, tmp_path)


def test_a_broken_yaml_is_named(db: masksdb.Database, tmp_path: Path, write: Callable[..., str]) -> None:
    write("d/data.yaml", "train: images\nnames: [a\n")
    text = refusal(db, tmp_path / "d")
    assert "; the nearest is yolo-seg, but data.yaml: no YAML of names: line 2" in text


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("masks/a.npy", "masks/ has no file *.png, *.tif"),
        ("polygons/a.npy", "beside images/ is no folder masks, mask, labels"),
    ],
)
def test_images_without_masks_are_named(
    db: masksdb.Database, tmp_path: Path, write: Callable[..., str], name: str, reason: str
) -> None:
    photo(tmp_path / "d/images/a.png")
    write(f"d/{name}", "x")
    assert f"; the nearest is folder, but {reason}" in refusal(db, tmp_path / "d")


def test_nothing_is_near_to_other_files(db: masksdb.Database, tmp_path: Path, write: Callable[..., str]) -> None:
    write("d/a.bin", "x")
    assert "nearest" not in refusal(db, tmp_path / "d")


@pytest.mark.parametrize("uri", ["s3://bucket/folder", "gs://bucket/a.jsonl", "https://host/set/a.jsonl"])
def test_a_source_on_a_server_is_refused_with_what_to_do(db: masksdb.Database, uri: str) -> None:
    with pytest.raises(masksdb.IngestError) as caught:
        db.ingest(uri, dataset="d")
    scheme, folder = uri.partition(":")[0], uri.rpartition("/")[0]
    assert str(caught.value) == (
        f"{uri}: on a server ({scheme}), and only files on a disk are read; copy it to a disk first, or pass its "
        f"frames by '-' for standard input; images and masks may stay there: --media-root {folder}"
    )


def test_a_file_uri_is_a_path(db: masksdb.Database, write: Callable[..., str]) -> None:
    path = write("a b.jsonl", [{"id": "a"}])
    assert db.ingest("file://" + path.replace(" ", "%20"), dataset="d").new == 1


def test_progress_is_in_bytes_of_files_or_in_frames_and_then_in_steps(
    db: masksdb.Database, tmp_path: Path, write: Callable[..., str]
) -> None:
    reports: list[tuple[int, int]] = []
    path = Path(write("a.jsonl", [{"id": "a"}]))
    db.ingest(path, dataset="d", progress=lambda done, total: reports.append((done, total)))
    size = path.stat().st_size
    assert reports == [(0, size), (size, size), *((step, 9) for step in range(1, 10))]
    reports.clear()
    for name in "ab":
        save(tmp_path / f"t/masks/{name}.png", [[0, 1]])
    db.ingest(tmp_path / "t", dataset="e", progress=lambda done, total: reports.append((done, total)))
    assert reports == [(1, 0), (2, 0), *((step, 9) for step in range(1, 10))]
