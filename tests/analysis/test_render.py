"""Pictures of frames: pixels under their label's colour, whole pixels taken or repeated, sheets and a legend."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw
from pycocotools import mask as coco
from support import reference
from support.pngs import kinds

import masksdb
from masksdb.formats.palette import voc_colours
from masksdb.pixels.colours import label_colours

NEUTRAL = (52, 54, 58)
LEFT, TOP, MARGIN, BETWEEN, LINE = 12, 33, 12, 39, 23
"""The place of the first picture on a sheet, the space right of and below a picture, and a line of the legend."""

Pixels = npt.NDArray[np.uint8]


@pytest.fixture
def db() -> Iterator[masksdb.Database]:
    with masksdb.connect(":memory:") as own:
        yield own


@pytest.fixture
def add(db: masksdb.Database, tmp_path: Path) -> Callable[..., None]:
    """Adds a frame with one source, its masks by id, and ROIs of (labels, mask id, value)."""

    def call(name: str, source: Any, masks: dict[str, Any], rois: list[tuple[list[str], str, Any]]) -> None:
        files = {f"{name}_{mask_id}.png": pixels for mask_id, pixels in masks.items()}
        for file, pixels in {f"{name}.png": source, **files}.items():
            if pixels is not None:
                Image.fromarray(np.asarray(pixels, np.uint8)).save(tmp_path / file)
        references = [{"id": mask_id, "uri": f"{name}_{mask_id}.png"} for mask_id in masks]
        sources = [{"id": "s", "uri": f"{name}.png", "masks": references}]
        frame_rois = [{"label": labels, "mask": {"id": mask, "value": value}} for labels, mask, value in rois]
        db.ingest([{"id": name, "sources": sources, "rois": frame_rois}], dataset="d", media_root=str(tmp_path))

    return call


def drawn(db: masksdb.Database, height: int, width: int, *names: str, **options: Any) -> Pixels:
    """The first picture of a sheet without its opaque edges: what is in the middle of each pixel."""
    scale = max(1, 320 // max(height, width))
    sheet = np.asarray(db.render(names or ["f"], dataset="d", **options))
    picture = sheet[TOP : TOP + height * scale, LEFT : LEFT + width * scale]
    return picture[scale // 2 :: scale, scale // 2 :: scale]


def blend(ground: Any, colour: Any, opacity: Any) -> npt.NDArray[np.float64]:
    share = np.asarray(opacity, float)[..., None]
    mixed: npt.NDArray[np.float64] = np.rint(np.asarray(ground) * (1 - share) + np.asarray(colour) * share)
    return mixed


SOURCE = np.random.default_rng(6).integers(0, 256, (24, 32, 3)).astype(np.uint8)
IDS = np.kron(np.random.default_rng(7).integers(0, 4, (6, 8)), np.ones((4, 4), np.int64)).astype(np.uint8)


def test_pixels_of_a_region_are_the_source_mixed_with_its_labels_colour(
    db: masksdb.Database, add: Callable[..., None]
) -> None:
    add("f", SOURCE, {"m": IDS}, [(["car"], "m", [1]), (["person"], "m", [2, 2, 2])])
    colours = label_colours(["car", "person"])
    for opacity in (0, 0.25, 0.6, 1):
        expected = np.where((IDS == 1)[:, :, None], blend(SOURCE, colours["car"], opacity), SOURCE)
        expected = np.where((IDS == 2)[:, :, None], blend(SOURCE, colours["person"], opacity), expected)
        assert (drawn(db, 24, 32, opacity=opacity) == expected).all(), opacity
    assert (drawn(db, 24, 32) == drawn(db, 24, 32, opacity=0.6)).all(), "which is the default"


def test_two_regions_of_one_label_have_an_edge_between_them(db: masksdb.Database, add: Callable[..., None]) -> None:
    add("f", np.zeros((1, 320, 3)), {"m": [[1] * 160 + [2] * 160]}, [(["car"], "m", [1]), (["car"], "m", [2])])
    picture = drawn(db, 1, 320)
    colour = label_colours(["car"])["car"]
    assert (picture[0, 160] == colour).all()
    assert (picture[0, [100, 159, 161]] == blend((0, 0, 0), colour, 0.6)).all()
    assert (drawn(db, 1, 320, opacity=0) == 0).all(), "at opacity 0 there is none"


def test_a_later_roi_lies_over_an_earlier_one(db: masksdb.Database, add: Callable[..., None]) -> None:
    add("f", np.zeros((1, 2, 3)), {"a": [[1, 1]], "b": [[0, 1]]}, [(["x"], "a", [1]), (["y"], "b", [1])])
    colours = label_colours(["x", "y"])
    assert drawn(db, 1, 2, opacity=1).tolist() == [[list(colours["x"]), list(colours["y"])]]


@pytest.mark.parametrize("size", [(12, 16), (48, 64), (8, 8)])
def test_no_colours_come_up_between_regions_of_masks_of_any_size(
    db: masksdb.Database, add: Callable[..., None], size: tuple[int, int]
) -> None:
    ids = np.random.default_rng(1).integers(0, 3, size).astype(np.uint8)
    add("f", np.full((24, 32, 3), 90), {"m": ids}, [(["car"], "m", [1]), (["person"], "m", [2])])
    drawn_colours = {tuple(colour) for colour in drawn_whole(db, 240, 320).reshape(-1, 3).tolist()}
    colours = list(label_colours(["car", "person"]).values())
    mixed = {tuple(blend((90, 90, 90), colour, 0.6).astype(int).tolist()) for colour in colours}
    assert drawn_colours == {(90, 90, 90), *mixed, *colours}


def drawn_whole(db: masksdb.Database, height: int, width: int) -> Pixels:
    """The first picture of a sheet, all of it."""
    return np.asarray(db.render(["f"], dataset="d"))[TOP : TOP + height, LEFT : LEFT + width]


@pytest.mark.parametrize("scale", [1, 4])
def test_a_line_of_one_pixel_is_as_wide_as_its_pixel_in_the_picture(
    db: masksdb.Database, add: Callable[..., None], scale: int
) -> None:
    line = np.zeros((10 * scale, 16 * scale), np.uint8)
    line[:, 5] = 1
    add("f", np.zeros((20, 32, 3)), {"m": line}, [(["wire"], "m", [1])])
    picture = drawn_whole(db, 200, 320)
    width = 320 // (16 * scale)
    inside = (picture != 0).any(axis=2)
    assert np.flatnonzero(inside.all(axis=0)).tolist() == list(range(5 * width, 6 * width))
    assert inside.sum() == 200 * width


def test_a_source_that_is_missing_is_a_neutral_ground(db: masksdb.Database, add: Callable[..., None]) -> None:
    add("f", None, {"m": IDS}, [(["car"], "m", [1])])
    expected = np.where((IDS == 1)[:, :, None], blend(NEUTRAL, label_colours(["car"])["car"], 0.6), NEUTRAL)
    assert (drawn(db, 24, 32) == expected).all()


def test_sources_of_all_kinds_are_shown_as_they_look(db: masksdb.Database, tmp_path: Path) -> None:
    names = ("grey1", "grey4", "grey16", "palette4", "rgb16", "rgba8", "grey8 with alpha")
    shown = [kind for kind in kinds() if kind.name in names]
    for kind in shown:
        (tmp_path / f"{kind.name}.png").write_bytes(kind.data)
    frames = [{"id": kind.name, "sources": [{"uri": f"{kind.name}.png"}]} for kind in shown]
    db.ingest(frames, dataset="d", media_root=str(tmp_path))
    for kind in shown:
        expected = kind.rgba[:, :, :3] >> (8 if "16" in kind.name else 0)
        assert (drawn(db, 23, 31, kind.name) == expected).all(), kind.name


def test_masks_of_opacity_are_as_opaque_as_they_say(db: masksdb.Database, add: Callable[..., None]) -> None:
    alpha = np.array([[0, 51, 204, 255]], np.uint8)
    rgba = np.dstack([np.full((1, 4, 3), 200, np.uint8), alpha])
    for name, mask in (("f", rgba), ("g", alpha)):
        add(name, np.full((1, 4, 3), 40), {"m": mask}, [(["car"], "m", None)])
        expected = blend(np.full((1, 4, 3), 40), label_colours(["car"])["car"], 0.5 * alpha / 255)
        assert (drawn(db, 1, 4, name, opacity=0.5)[0, 1:] == expected[0, 1:]).all()
        assert drawn(db, 1, 4, name, opacity=1)[0, 0].tolist() == [40, 40, 40], "what is clear is not even an edge"


def test_run_lengths_of_a_roi_itself_are_drawn(db: masksdb.Database, add: Callable[..., None]) -> None:
    add("f", SOURCE, {}, [])
    frame = db.get_frame("d", None, "f")
    db.ingest([frame | {"rois": [{"label": ["x"], "rle": reference.coco_rle(IDS == 3)}]}], dataset="d")
    expected = np.where((IDS == 3)[:, :, None], label_colours(["x"])["x"], NEUTRAL)
    assert (drawn(db, 24, 32, opacity=1) == expected).all(), "beside no media_root, so without its source"


def test_rois_are_drawn_in_their_order_whatever_they_lie_in(
    db: masksdb.Database, add: Callable[..., None], tmp_path: Path
) -> None:
    other = np.random.default_rng(8).integers(0, 4, IDS.shape).astype(np.uint8)
    add("f", SOURCE, {"a": IDS, "b": other}, [(["p"], "a", [1]), (["q"], "b", [2]), (["r"], "a", [3])])
    frame = db.get_frame("d", None, "f")
    own = {"label": ["s"], "rle": reference.coco_rle((IDS == 3) & (other == 1))}
    first = {"label": ["t"], "rle": reference.coco_rle(IDS != 0)}
    db.ingest([{**frame, "rois": [first, *frame["rois"], own]}], dataset="d", media_root=str(tmp_path))
    colours = label_colours(["p", "q", "r", "s", "t"])
    expected = SOURCE.copy()
    for label, flags in (("t", IDS != 0), ("p", IDS == 1), ("q", other == 2), ("r", IDS == 3)):
        expected[flags] = colours[label]
    expected[(IDS == 3) & (other == 1)] = colours["s"]
    assert (drawn(db, 24, 32, opacity=1) == expected).all()


def test_rois_without_pixels_are_no_trouble(db: masksdb.Database, add: Callable[..., None]) -> None:
    none: list[tuple[list[str], str, Any]] = [(["car"], "gone", None), ([], "m", [77]), (["all"], "m", [1, 2, 3, 4])]
    add("f", SOURCE, {"m": IDS, "other": IDS}, none)
    assert (drawn(db, 24, 32) == SOURCE).all()


def test_one_number_means_nothing_in_a_colour_mask_and_draws_nothing(
    db: masksdb.Database, add: Callable[..., None]
) -> None:
    add("f", SOURCE, {"m": np.ones((24, 32, 3))}, [(["car"], "m", [1])])
    assert (drawn(db, 24, 32) == SOURCE).all()


def test_what_mask_labels_say_lies_below_what_rois_say(db: masksdb.Database, add: Callable[..., None]) -> None:
    add("f", SOURCE, {"m": IDS}, [(["car"], "m", [1])])
    db.version("d").set_masks_labels({(1, 1, 1): ["sky"], (2, 2, 2): ["sky"]})
    colours = label_colours(["car", "sky"], {"sky": [(1, 1, 1)]})
    expected = np.where((IDS == 2)[:, :, None], colours["sky"], SOURCE)
    expected = np.where((IDS == 1)[:, :, None], colours["car"], expected)
    assert (drawn(db, 24, 32, opacity=1) == expected).all()


def test_one_mask_may_be_drawn_alone(db: masksdb.Database, add: Callable[..., None]) -> None:
    add("f", SOURCE, {"a": IDS, "b": IDS}, [(["x"], "a", [1]), (["y"], "b", [2])])
    colours = label_colours(["x", "y"])
    for mask, label, value in (("a", "x", 1), ("b", "y", 2)):
        expected = np.where(np.equal(IDS, value)[:, :, None], blend(SOURCE, colours[label], 0.6), SOURCE)
        assert (drawn(db, 24, 32, mask=mask) == expected).all()
    with pytest.raises(masksdb.NotFoundError, match="no labelled mask 'c'; did you mean 'a' or 'b'"):
        db.render(["f"], dataset="d", mask="c")


def test_frames_lie_side_by_side_and_in_rows(db: masksdb.Database, add: Callable[..., None]) -> None:
    names = ["a", "b", "c"]
    for number, name in enumerate(names):
        add(name, np.full((160, 320, 3), 50 * number), {"m": np.ones((2, 2))}, [([name], "m", [1])])
    sheet = np.asarray(db.render(names, dataset="d", opacity=0))
    for number in range(3):
        x, y = LEFT + (320 + MARGIN) * (number % 2), TOP + (160 + BETWEEN) * (number // 2)
        assert (sheet[y : y + 160, x : x + 320] == 50 * number).all()
        assert (sheet[y - 2, x : x + 320] == 255).all()
        assert (sheet[y : y + 160, x + 320] == 255).all()


def test_each_source_of_a_frame_has_a_picture(db: masksdb.Database, tmp_path: Path) -> None:
    for level in (60, 120):
        Image.new("L", (320, 200), level).save(tmp_path / f"{level}.png")
    sources = [{"id": str(level), "uri": f"{level}.png"} for level in (60, 120)]
    db.ingest([{"id": "f", "sources": sources}], dataset="d", media_root=str(tmp_path))
    sheet = np.asarray(db.render(["f"], dataset="d"))
    for number, level in enumerate((60, 120)):
        x = LEFT + (320 + MARGIN) * number
        assert (sheet[TOP : TOP + 200, x : x + 320] == level).all()


def test_the_legend_has_each_label_that_is_drawn_and_no_other(db: masksdb.Database, add: Callable[..., None]) -> None:
    rois = [(["b"], "m", [1]), (["a", "long name"], "m", [2]), (["c"], "m", [200]), (["void"], "m", [3])]
    add("f", np.zeros((24, 32, 3)), {"m": IDS}, rois)
    colours = label_colours(["a, long name", "b", "c", "void"])
    sheet = np.asarray(db.render(["f"], dataset="d"))
    x = LEFT + 320 + MARGIN
    swatches = [tuple(sheet[TOP + 7 + LINE * line, x + 7].tolist()) for line in range(5)]
    assert swatches == [*(colours[label] for label in ("a, long name", "b", "void")), (255,) * 3, (255,) * 3]
    inked = [(sheet[TOP + LINE * line : TOP + LINE * line + 15, x + 18 :] < 100).all(axis=2) for line in range(4)]
    widths = [int(np.flatnonzero(line.any(axis=0)).max(initial=0)) for line in inked]
    assert widths[0] > widths[2] > widths[1] > 0 == widths[3], "a text beside each, as long as its label"


def test_a_label_has_its_colour_in_every_picture_of_a_version(db: masksdb.Database, add: Callable[..., None]) -> None:
    labels = [f"class {number}" for number in range(12)]
    add("f", np.zeros((1, 12, 3)), {"m": [range(12)]}, [([label], "m", [value]) for value, label in enumerate(labels)])
    colours = label_colours(labels)
    add("g", np.zeros((1, 12, 3)), {"m": [range(12)]}, [(["class 7"], "m", [3])])
    assert len(set(colours.values())) == 12
    assert drawn(db, 1, 12, opacity=1).tolist() == [[list(colours[label]) for label in labels]]
    assert tuple(drawn(db, 1, 12, "g", opacity=1)[0, 3].tolist()) == colours["class 7"]


def test_what_is_not_there_is_told_in_a_sentence(
    db: masksdb.Database, add: Callable[..., None], tmp_path: Path
) -> None:
    add("frame1", SOURCE, {"m": IDS}, [(["car"], "m", [1])])
    with pytest.raises(masksdb.NotFoundError, match="d: no frame 'frame2'; did you mean 'frame1'"):
        db.render(["frame1", "frame2"], dataset="d")
    with pytest.raises(masksdb.NotFoundError, match="no dataset 'e'"):
        db.render(["frame1"], dataset="e")
    with pytest.raises(masksdb.UsageError, match="at least one frame"):
        db.render([], dataset="d")
    for opacity in (1.01, -0.1, float("nan")):
        with pytest.raises(masksdb.UsageError, match="opacity from 0 to 1"):
            db.render(["frame1"], dataset="d", opacity=opacity)
    (tmp_path / "frame1_m.png").unlink()
    with pytest.raises(masksdb.MaskDecodeError, match=re.escape(f"{tmp_path}/frame1_m.png: no such file")):
        db.render(["frame1"], dataset="d")


def polygon_frame(**further: Any) -> dict[str, Any]:
    """A frame of 6 x 4 pixels with a polygon that has two parts."""
    end = -999999999
    poly = [0, 0, 2, 0, 2, 2, 0, 2, end, 4, 2, 6, 2, 6, 4, 4, 4]
    source = {"id": "s", "width": 6, "height": 4}
    return {"id": "f", "sources": [source], "rois": [{"label": ["car"], "poly": poly}], **further}


@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_polygons_are_drawn_as_the_coco_api_fills_them(db: masksdb.Database) -> None:
    db.ingest([polygon_frame()], dataset="d")
    parts = coco.merge(coco.frPyObjects([[0, 0, 2, 0, 2, 2, 0, 2], [4, 2, 6, 2, 6, 4, 4, 4]], 4, 6))
    expected = np.where(coco.decode(parts)[:, :, None] == 1, label_colours(["car"])["car"], NEUTRAL)
    assert (drawn(db, 4, 6, opacity=1) == expected).all()
    assert db.render(["f"], dataset="d").info["notes"] == []


def test_polygons_lie_on_the_image_and_in_the_order_of_rois(
    db: masksdb.Database, add: Callable[..., None], tmp_path: Path
) -> None:
    add("f", SOURCE, {"m": IDS}, [(["low"], "m", [1]), (["high"], "m", [2])])
    frame = db.get_frame("d", None, "f")
    square = {"label": ["square"], "poly": [4, 4, 12, 4, 12, 12, 4, 12]}
    frame["rois"].insert(1, square)
    db.ingest([frame], dataset="d", media_root=tmp_path)
    colours = label_colours(["low", "square", "high"])
    expected = SOURCE.copy()
    expected[IDS == 1] = colours["low"]
    expected[4:12, 4:12] = colours["square"]
    expected[IDS == 2] = colours["high"]
    assert (drawn(db, 24, 32, opacity=1) == expected).all()


def test_a_polygon_beside_an_only_mask_is_drawn_and_not_the_mask(db: masksdb.Database, tmp_path: Path) -> None:
    Image.new("L", (6, 4), 255).save(tmp_path / "m.png")
    frame = polygon_frame()
    frame["sources"][0]["masks"] = [{"id": "m", "uri": "m.png"}]
    db.ingest([frame], dataset="d", media_root=tmp_path)
    assert tuple(drawn(db, 4, 6, opacity=1)[0, 5].tolist()) == NEUTRAL


def test_a_polygon_on_nothing_that_has_a_size_is_drawn_where_its_points_are(db: masksdb.Database) -> None:
    db.ingest(
        [{"id": "f", "sources": [{"id": "s"}], "rois": [{"label": ["x"], "poly": [0, 0, 8, 0, 8, 4]}]}], dataset="d"
    )
    assert tuple(drawn(db, 4, 8, opacity=1)[0, 7].tolist()) == label_colours(["x"])["x"]


def test_what_is_not_drawn_is_noted_with_its_frame_roi_and_reason(
    db: masksdb.Database, add: Callable[..., None], tmp_path: Path
) -> None:
    add("f", None, {"m": IDS, "rgb": np.dstack([IDS] * 3)}, [(["gone"], "no", [1]), (["absent"], "m", [77])])
    frame = db.get_frame("d", None, "f")
    frame["rois"] += [
        {"label": ["thin"], "poly": [1, 1, 1, 1, 1, 1]},
        {"label": ["sample"], "mask": {"id": "rgb", "value": [1]}},
    ]
    db.ingest([frame], dataset="d", media_root=tmp_path)
    notes = db.render(["f"], dataset="d").info["notes"]
    assert sorted(re.sub(r"(\)) is not drawn: .*", r"\1", note) for note in notes) == [
        "f: rois[0] (gone)", "f: rois[1] (absent)", "f: rois[2] (thin)", "f: rois[3] (sample)",
        f"f: the image is not drawn: {tmp_path}/f.png: no such file",
    ]  # fmt: skip
    assert any("it has no mask, polygon or run lengths" in note for note in notes)
    assert any("no pixel of its mask has the value [77]" in note for note in notes)


def test_numbers_in_the_legend_are_in_their_order_and_all_of_it_is_on_the_sheet(
    db: masksdb.Database, add: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = written_texts(monkeypatch)
    labels = [str(number) for number in range(1, 21)]
    add("f", np.zeros((1, 20, 3)), {"m": [range(1, 21)]}, [([name], "m", [int(name)]) for name in labels])
    sheet = np.asarray(db.render(["f"], dataset="d"))
    assert texts[1:] == labels
    assert sheet.shape[0] >= TOP + LINE * len(labels)
    assert tuple(sheet[TOP + 7 + LINE * 19, LEFT + 320 + MARGIN + 7].tolist()) == label_colours(["20"])["20"]


def written_texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts on sheets from now on."""
    texts: list[str] = []
    write = ImageDraw.ImageDraw.text

    def text(draw: Any, place: Any, words: str, *rest: Any) -> None:
        texts.append(words)
        write(draw, place, words, *rest)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    return texts


def test_titles_say_whether_there_is_no_image_or_a_lost_one(
    db: masksdb.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = written_texts(monkeypatch)
    db.ingest([{"id": "a", "sources": [{}]}, {"id": "b", "sources": [{"uri": "no.png"}]}, {"id": "c"}], dataset="d")
    db.render(["a", "b", "c"], dataset="d")
    assert texts == ["a · no image", "b · image not readable", "c · no image"]


def test_long_names_and_those_of_several_lines_do_not_spread(
    db: masksdb.Database, add: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = written_texts(monkeypatch)
    add("f", np.zeros((1, 2, 3)), {"m": [[1, 2]]}, [(["x" * 5000], "m", [1]), (["two\nlines\0"], "m", [2])])
    assert db.render(["f"], dataset="d").width < 1200
    assert texts[1:] == ["two·lines·", "x" * 59 + "…"]


@pytest.mark.parametrize(
    ("source", "roi"),
    [
        ({}, {"rle": {"size": [20_000, 20_000], "counts": "PPTZ6PPTZ6"}}),
        ({"width": 20_000, "height": 20_000}, {"poly": [0, 0, 9, 0, 9, 9]}),
        ({}, {"poly": [0, 0, 20_000, 0, 20_000, 20_000]}),
    ],
)
def test_what_has_more_pixels_than_the_limit_is_refused_before_it_is_made(
    db: masksdb.Database, source: dict[str, Any], roi: dict[str, Any]
) -> None:
    db.ingest([{"id": "f", "sources": [source], "rois": [{"label": ["x"], **roi}]}], dataset="d")
    tracemalloc.start()
    with pytest.raises(masksdb.MasksDBError, match=r"f.*: 20000 x 20000 pixels, more than the limit of 268,435,456"):
        db.render(["f"], dataset="d")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_a_sheet_of_too_many_pictures_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKSDB_PIXEL_LIMIT", "300000")
    with masksdb.connect(":memory:") as small:
        small.ingest([{"id": str(number), "sources": []} for number in range(4)], dataset="d")
        assert small.render(["0"], dataset="d")
        with pytest.raises(masksdb.UsageError, match="for 4 pictures, more than the limit of 300,000; draw fewer"):
            small.render(["0", "1", "2", "3"], dataset="d")


def test_damaged_run_lengths_are_an_error_with_their_roi(db: masksdb.Database) -> None:
    roi = {"label": ["x"], "rle": {"size": [2, 2], "counts": "09"}}
    db.ingest([{"id": "f", "sources": [{}], "rois": [roi]}], dataset="d")
    with pytest.raises(masksdb.MasksDBError, match=r"f: rois\[0\]: rle: run lengths of 9 pixels"):
        db.render(["f"], dataset="d")


def test_objects_that_are_numbers_have_the_colours_of_the_palette_of_davis() -> None:
    numbers = [*range(1, 255)]
    colours = label_colours(["background", "007", "300", *map(str, numbers)])
    palette = voc_colours(np.array(numbers))
    assert [colours[str(number)] for number in numbers] == [tuple(colour) for colour in palette.tolist()]
    assert colours["background"] == (0, 0, 0)
    assert len(set(colours.values())) == len(colours)


def test_the_colours_of_forty_labels_differ_to_the_eye() -> None:
    colours = np.array(list(label_colours(f"class {number}" for number in range(40)).values()), int)
    apart = np.abs(colours[:, None] - colours[None]).sum(axis=2)
    assert apart[~np.eye(40, dtype=bool)].min() >= 50
