"""The SQL functions say of masks what numpy and pycocotools say."""

from __future__ import annotations

import io
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from PIL import Image
from support import reference
from support.pngs import Kind, kinds

import masksdb
from masksdb import MaskDecodeError, MasksDBError, UsageError

KINDS = kinds()

FACTS = """
SELECT mask_area(mask, value), mask_coverage(mask, value), mask_bbox(mask, value), mask_centroid(mask, value),
    mask_rle(mask, value)
FROM (SELECT mask_ref($uri) AS mask, unnest($values) AS value)
"""


@pytest.fixture(scope="module")
def db() -> Iterator[masksdb.Database]:
    with masksdb.connect(":memory:") as database:
        yield database


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kinds")
    for kind in KINDS:
        (path / f"{kind.name}.png").write_bytes(kind.data)
    return path


def facts_of(flags: reference.Flags) -> tuple[Any, ...]:
    area = int(flags.sum())
    return (
        area,
        area / flags.size,
        reference.bbox(flags),
        reference.centroid(flags),
        reference.coco_rle(flags),
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_colours_of_every_kind_of_png_have_the_areas_boxes_and_run_lengths_of_the_references(
    kind: Kind, db: masksdb.Database, folder: Path
) -> None:
    rgba = np.unique(kind.rgba.reshape(-1, 4), axis=0)
    values = [row[:3] for row in rgba.tolist()] + rgba.tolist() + [[1, 2, 3], [1, 2, 3, 4]]
    values += [[-1, *rgba[0, 1:3].tolist()], [-1, -1, -1], [-1, -1, -1, int(rgba[0, 3])]]
    result = db.sql(FACTS, {"uri": f"{folder}/{kind.name}.png", "values": values}).fetchall()
    assert result == [facts_of(reference.region(kind.rgba, value)) for value in values]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.has_sample], ids=lambda kind: kind.name)
def test_one_number_is_the_raw_sample(kind: Kind, db: masksdb.Database, folder: Path) -> None:
    values = [[value] for value in [*np.unique(kind.samples).tolist(), 77, 65535, -1]]
    result = db.sql(FACTS, {"uri": f"{folder}/{kind.name}.png", "values": values}).fetchall()
    assert result == [facts_of(reference.region(kind.samples, value)) for value in values]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.has_sample], ids=lambda kind: kind.name)
def test_one_number_on_a_file_without_a_raw_sample_is_an_error(kind: Kind, db: masksdb.Database, folder: Path) -> None:
    uri = f"{folder}/{kind.name}.png"
    with pytest.raises(duckdb.Error, match="no single raw sample") as raised:
        db.sql("SELECT mask_area(mask_ref($uri), [3])", {"uri": uri}).fetchall()
    assert uri in str(raised.value)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_mask_values_lists_each_stored_value_once(kind: Kind, db: masksdb.Database, folder: Path) -> None:
    (rows,) = db.sql("SELECT mask_values(mask_ref($uri))", {"uri": f"{folder}/{kind.name}.png"}).fetchall()[0]
    stored = kind.samples if kind.has_sample else kind.rgba if "alpha" in kind.name else kind.samples
    stored = kind.rgba if kind.name.startswith(("rgba", "grey8 with alpha", "grey16 with alpha")) else stored
    by_value = {tuple(row["value"]): row for row in rows}
    distinct = np.unique(stored.reshape(-1, stored.shape[2] if stored.ndim == 3 else 1), axis=0).tolist()
    assert len(rows) == len(distinct)
    for value in distinct:
        flags = reference.region(stored, value)
        row = by_value[tuple(value)]
        ys, xs = np.nonzero(flags)
        assert row["area"] == len(xs)
        assert (row["bbox"], row["centroid"]) == (reference.bbox(flags), reference.centroid(flags))
        assert row["rgb"] == kind.rgba[ys[0], xs[0], :3].tolist()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_mask_value_at_is_the_stored_value_under_a_pixel(kind: Kind, db: masksdb.Database, folder: Path) -> None:
    query = "SELECT x, y, mask_value_at(mask_ref($uri), x, y) FROM range(-1, 32) AS a(x), range(-1, 24) AS b(y)"
    is_alpha = kind.name.startswith("rgba") or "with alpha" in kind.name
    stored = kind.rgba if is_alpha else kind.samples
    for x, y, value in db.sql(query, {"uri": f"{folder}/{kind.name}.png"}).fetchall():
        inside = 0 <= x < 31 and 0 <= y < 23
        assert value == (np.atleast_1d(stored[y, x]).tolist() if inside else None)


def test_mask_confusion_is_the_joint_histogram(db: masksdb.Database, folder: Path) -> None:
    chosen = [kind for kind in KINDS if kind.name in ("grey1", "grey16", "palette8", "rgb8 interlaced", "rgb16")]
    assert len(chosen) == 5
    for left, right in itertools.product(chosen, chosen):
        parameters = {"a": f"{folder}/{left.name}.png", "b": f"{folder}/{right.name}.png"}
        (rows,) = db.sql("SELECT mask_confusion(mask_ref($a), mask_ref($b))", parameters).fetchall()[0]
        result = Counter({(tuple(row["value_a"]), tuple(row["value_b"])): row["pixels"] for row in rows})
        assert result == reference.confusion(left.samples, right.samples)


def test_masks_of_different_sizes_have_no_confusion(db: masksdb.Database, folder: Path, tmp_path: Path) -> None:
    Image.new("L", (5, 4)).save(tmp_path / "small.png")
    parameters = {"a": f"{folder}/grey8.png", "b": f"{tmp_path}/small.png"}
    with pytest.raises(duckdb.Error, match="31 x 23 pixels, and the mask to compare it with has 5 x 4"):
        db.sql("SELECT mask_confusion(mask_ref($a), mask_ref($b))", parameters).fetchall()


def test_decode_mask_gives_the_pixels_as_stored(db: masksdb.Database, folder: Path) -> None:
    for kind in KINDS:
        mask = db.sql("SELECT decode_mask(mask_ref($uri))", {"uri": f"{folder}/{kind.name}.png"}).fetchall()[0][0]
        array = masksdb.to_numpy(mask)
        assert array.tolist() == kind.samples.tolist()
        assert array.dtype == (np.uint16 if "16" in kind.name else np.uint8)
        assert db.read_mask(f"{folder}/{kind.name}.png").tolist() == kind.samples.tolist()


def test_mask_png_is_a_picture_of_one_bit(db: masksdb.Database, folder: Path) -> None:
    kind = next(kind for kind in KINDS if kind.name == "palette4")
    value = kind.samples[5, 5].tolist()
    query = "SELECT mask_png(mask_ref($uri), [$value])"
    data = db.sql(query, {"uri": f"{folder}/palette4.png", "value": value}).fetchall()[0][0]
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "1"
        assert (np.asarray(image) == (kind.samples == value)).all()


def test_tolerance_lets_every_channel_differ(db: masksdb.Database, folder: Path) -> None:
    kind = next(kind for kind in KINDS if kind.name == "rgb8")
    value = kind.samples[4, 4].tolist()
    for tolerance in (0, 1, 40, 200, 255):
        near = (np.abs(kind.samples - value) <= tolerance).all(axis=2)
        parameters = {"uri": f"{folder}/rgb8.png", "value": value, "t": tolerance}
        named = db.sql("SELECT mask_area(mask_ref($uri), $value, tolerance := $t)", parameters).fetchall()
        plain = db.sql("SELECT mask_area(mask_ref($uri), $value, $t)", parameters).fetchall()
        rle = db.sql("SELECT mask_rle(mask_ref($uri), $value, tolerance := $t)", parameters).fetchall()
        assert named == plain == [(int(near.sum()),)]
        assert rle == [(reference.coco_rle(near),)]


def test_tolerance_between_palette_indexes_is_an_error(db: masksdb.Database, folder: Path) -> None:
    with pytest.raises(duckdb.Error, match="palette indexes"):
        db.sql("SELECT mask_area(mask_ref($uri), [3], 1)", {"uri": f"{folder}/palette8.png"}).fetchall()


def test_null_in_is_null_out(db: masksdb.Database, folder: Path) -> None:
    parameters = {"uri": f"{folder}/grey8.png"}
    calls = [
        f"{name}({arguments})"
        for name in ("mask_area", "mask_coverage", "mask_bbox", "mask_centroid", "mask_rle", "mask_png")
        for arguments in ("NULL, [1]", "mask_ref($uri), NULL", "mask_ref(NULL), [1]", "mask_ref($uri), [1], NULL")
    ]
    calls += ["mask_values(NULL)", "decode_mask(NULL)", "mask_alpha(NULL)", "mask_value_at(NULL, 1, 1)"]
    calls += ["mask_value_at(mask_ref($uri), NULL, 1)", "mask_confusion(mask_ref($uri), NULL)", "rle_area(NULL)"]
    calls += ["rle_bbox(NULL)", "rle_union(NULL, NULL)", "rle_iou(NULL, {'size': [1, 1], 'counts': '01'})"]
    for call in calls:
        given = parameters if "$uri" in call else {}
        assert db.sql(f"SELECT {call}", given).fetchall() == [(None,)], call


def test_alpha_is_opacity_from_0_to_1(db: masksdb.Database, folder: Path, tmp_path: Path) -> None:
    kind = next(kind for kind in KINDS if kind.name == "rgba8")
    (alpha,) = db.sql("SELECT mask_alpha(mask_ref($uri))", {"uri": f"{folder}/rgba8.png"}).fetchall()[0]
    expected = kind.samples[:, :, 3] / 255
    assert alpha == pytest.approx({"mean": expected.mean(), "min": expected.min(), "max": expected.max()})
    Image.fromarray(np.array([[0, 255], [51, 51]], np.uint8)).save(tmp_path / "matte.png")
    (alpha,) = db.sql("SELECT mask_alpha(mask_ref($uri))", {"uri": f"{tmp_path}/matte.png"}).fetchall()[0]
    assert alpha == pytest.approx({"mean": 0.35, "min": 0, "max": 1})


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("mask_area(mask_ref('a.png'))", "found 1 arguments, expected 2 or 3"),
        ("mask_area(mask_ref('a.png'), [1], 2, 3)", "found 4 arguments, expected 2 or 3"),
        ("mask_area(mask_ref('a.png'), [1, 2])", r"found \[1, 2\], expected 1, 3 or 4"),
        ("mask_area(mask_ref('a.png'), [70000])", "from -1 to 65535"),
        ("mask_area(mask_ref('a.png'), 'red')", "expected whole numbers"),
        ("mask_area(7, [1])", "expected the column 'mask'"),
        ("mask_area(mask_ref('a.png'), [1], -2)", "tolerance"),
        ("mask_rle(mask_ref('a.png'), [1], -2)", "tolerance: found -2, expected 0 or more"),
        ("rle_area('04')", "rle"),
        ("rle_area({'size': [2, 2], 'counts': '05'})", "5"),
        ("rle_area({'size': [2], 'counts': '05'})", "height, width"),
    ],
)
def test_wrong_arguments_are_told(db: masksdb.Database, call: str, reason: str) -> None:
    with pytest.raises(duckdb.Error, match=reason):
        db.sql(f"SELECT {call}").fetchall()


def test_a_value_may_be_a_plain_number(db: masksdb.Database, folder: Path) -> None:
    kind = next(kind for kind in KINDS if kind.name == "grey8")
    value = kind.samples[0, 0].item()
    result = db.sql("SELECT mask_area(mask_ref($uri), $v)", {"uri": f"{folder}/grey8.png", "v": value}).fetchall()
    assert result == [(int((kind.samples == value).sum()),)]


def test_errors_of_our_own_calls_are_ours() -> None:
    with masksdb.connect(":memory:") as own:
        with pytest.raises(MaskDecodeError, match="no such file"):
            own.read_mask("/nowhere/a.png")
        with pytest.raises(UsageError, match="expected a URI"):
            own.read_mask(7)  # type: ignore[arg-type]


def test_decode_errors_null_gives_null_and_counts(folder: Path) -> None:
    with masksdb.connect(":memory:", decode_errors="null") as own:
        uris = ["/nowhere/a.png", f"{folder}/rgb8.png", "ftp://host/a.png"]
        query = "SELECT mask_area(mask_ref(uri), [1, 1, 1]) IS NULL FROM (SELECT unnest($uris) AS uri)"
        assert own.sql(query, {"uris": uris}).fetchall() == [(True,), (False,), (True,)]
        assert own.decode_failures == 2
        assert own.sql("SELECT mask_values(mask_ref('/nowhere/b.png'))").fetchall() == [(None,)]
        rows = own.sql("SELECT mask_area(mask_ref($uri), [3])", {"uri": f"{folder}/rgb8.png"}).fetchall()
        assert rows == [(None,)]
        assert own.decode_failures == 4


def test_a_connection_of_ones_own_gets_the_functions_and_the_prefixes(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.duckdb"
    with masksdb.connect(path) as own:
        own.map_media("s3://bucket/", f"{folder}/")
    with duckdb.connect(str(path)) as connection:
        masksdb.register(connection)
        query = "SELECT mask_area(mask_ref('s3://bucket/grey8.png'), [-1])"
        assert connection.execute(query).fetchall() == [(31 * 23,)]
        assert connection.cursor().execute(query).fetchall() == [(31 * 23,)]
        masksdb.register(connection, decode_errors="null")
        assert connection.execute("SELECT mask_area(mask_ref('/nowhere.png'), [1])").fetchall() == [(None,)]


def test_iter_masks_streams_rows_with_their_pixels(folder: Path) -> None:
    with masksdb.connect(":memory:") as own:
        uris = [f"{folder}/{kind.name}.png" for kind in KINDS]
        query = "SELECT n, mask_ref(uri) AS mask FROM (SELECT unnest($u) AS uri, generate_subscripts($u, 1) AS n)"
        rows = list(own.iter_masks(query, {"u": uris}))
        assert [row["n"] for row, _ in rows] == list(range(1, len(KINDS) + 1))
        for kind, (_, pixels) in zip(KINDS, rows, strict=True):
            assert pixels.tolist() == kind.samples.tolist()
        with pytest.raises(UsageError, match="expected one named 'mask'"):
            own.iter_masks("SELECT 1 AS n")


def test_a_batch_of_pixels_over_the_limit_says_what_to_do(
    db: masksdb.Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("masksdb.pixels.functions.of_masks.BATCH_LIMIT", 1000)
    rows = db.sql("SELECT decode_mask(mask_ref(unnest($uris)))", {"uris": [f"{folder}/grey8.png"] * 2})
    with pytest.raises(duckdb.Error, match="iter_masks"):
        rows.fetchall()


def test_functions_work_in_a_query_over_views(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 0, 5], [5, 5, 5]], np.uint8)).save(tmp_path / "a.png")
    rois = [
        {"label": ["thing"], "mask": {"id": "m", "value": [5]}},
        {"label": ["rest"], "mask": {"id": "m", "value": [0]}},
    ]
    masks = [{"id": "m", "uri": "a.png"}]
    frame = {"id": "f", "sources": [{"id": "s", "uri": "s.jpg", "masks": masks}], "rois": rois}
    (tmp_path / "frames.json").write_text(json.dumps(frame))
    with masksdb.connect(":memory:") as own:
        own.ingest(tmp_path / "frames.json", dataset="d")
        query = "SELECT class_labels, sum(mask_area(mask, mask_value)) FROM mask_rois GROUP BY ALL ORDER BY ALL"
        assert own.sql(query).fetchall() == [(["rest"], 2), (["thing"], 4)]


def test_all_errors_are_of_one_family() -> None:
    assert issubclass(MaskDecodeError, MasksDBError)
    error = MaskDecodeError("a.png", "no such file")
    assert (error.uri, error.reason) == ("a.png", "no such file")
