"""What a reader raises ends the reading, or is left out by the one place that knows which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.mask_trees import photo, save
from support.pngs import GREY, chunk, png

from masksdb import IngestError
from masksdb.formats.frame import Size
from masksdb.formats.reading import Fault, Tree


def test_a_fault_ends_the_reading_or_its_part_is_left_out(tmp_path: Path) -> None:
    refused: list[IngestError] = []
    path = tmp_path / "a.json"
    for tree in (Tree(tmp_path), Tree(tmp_path, on_fault=refused.append)):
        read = []
        try:
            for number in range(3):
                with tree.part(path, f"rois[{number}]", name=f"roi {number}"):
                    if number == 1:
                        raise Fault("found 1, expected another number")
                    read.append(number)
        except IngestError as error:
            refused.append(error)
            assert read == [0]
        else:
            assert read == [0, 2]
    message = f"{path}: rois[1]: roi 1: found 1, expected another number"
    assert [str(error) for error in refused] == [message, message]


def test_a_fault_keeps_the_place_that_it_was_raised_with(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match=r"inner\.txt:7: no number"):  # noqa: SIM117
        with Tree(tmp_path).part(tmp_path / "outer.json", "rois[0]", name="roi 0"):
            raise Fault("no number", tmp_path / "inner.txt", line=7)


def test_masks_come_with_their_items_in_order_and_broken_ones_are_left_out(tmp_path: Path) -> None:
    good = save(tmp_path / "good.png", [[1]])
    broken = save(tmp_path / "broken.png", [[1]])
    broken.write_bytes(broken.read_bytes()[:40])
    refused: list[IngestError] = []
    tree = Tree(tmp_path, on_fault=refused.append)
    masks = list(tree.with_facts("abc", [None, broken, good]))
    assert [(item, facts is None) for item, facts in masks] == [("a", True), ("c", False)]
    assert [error.path for error in refused] == [str(broken)]
    ((item, facts),) = tree.with_masks(["a"], [{"x": broken, "y": good}])
    assert (item, list(facts)) == ("a", ["y"])
    photo(tmp_path / "image.png", 1, 1)
    assert tree.check_sizes(tmp_path / "image.png", {"x": tmp_path / "gone.png", "y": good}, facts) == (
        Size(1, 1),
        {"y": good},
    )
    assert [error.reason for error in refused[2:]] == ["no such file"]


def test_very_many_values_are_declared_at_once(tmp_path: Path) -> None:
    labels: dict[str, list[dict[str, Any]]] = {"seg": [{"value": [7], "labels": ["seven"]}]}
    tree = Tree(tmp_path, mask_labels=labels)
    for _ in range(2):
        for value in range(100_000):
            tree.declare("seg", [value], str(value))
    assert labels["seg"][:2] == [{"value": [7], "labels": ["seven"]}, {"value": [0], "labels": ["0"]}]
    assert len(labels["seg"]) == 100_000


def test_an_image_with_a_broken_chunk_among_its_pixels_is_refused_in_words(tmp_path: Path) -> None:
    whole = png(np.zeros((60, 60), np.int64), GREY, 8)
    header = whole[: whole.index(b"IDAT") - 4]
    # The stream is not at its end, and what follows has no name of a chunk.
    (tmp_path / "image.png").write_bytes(header + chunk(b"IDAT", b"x\x9c") + bytes(4) + b"\xaeB`\x82" + bytes(4))
    with pytest.raises(Fault, match="cannot be read as an image"):
        Tree(tmp_path).size(tmp_path / "image.png")
