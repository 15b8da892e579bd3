"""Label maps of every kind name the same classes, and what is none is refused in one sentence."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masksdb.errors import IngestError
from masksdb.formats import yaml_text
from masksdb.formats.label_map import Entry, find_label_map, read_entries
from masksdb.formats.reading import Tree

INDEXES = [("background", 0, None), ("car", 1, None), ("big bus", 2, None)]
COLOURS = [("background", None, (0, 0, 0)), ("car", None, (1, 2, 3)), ("big bus", None, (255, 0, 9))]
DATUMARO = {"label_map": {"0": "background", "1": "car"}, "segmentation_colors": [[0, 0, 0], [1, 2, 3]]}


def entries(tmp_path: Path, name: str, text: str) -> list[Entry]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_entries(Tree(tmp_path), path)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("labels.txt", "background\ncar\nbig bus\n", INDEXES),
        ("labels.txt", "# all\r\n0 background\r\n1 car\r\n2 big bus\r\n", INDEXES),
        ("labels.txt", "\ufeff0: background\n1: car\n2: big bus\n\n", INDEXES),
        ("label_colors.txt", "0 0 0\tbackground\n1 2 3\t\tcar\n255 0 9 big bus\n", COLOURS),
        ("labelmap.txt", "# label:color_rgb\nbackground:0,0,0::\ncar:1,2,3::\nbig bus:255,0,9:a,b:\n", COLOURS),
        ("classes.txt", "background 0 0 0\ncar 1 2 3\nbig bus 255 0 9", COLOURS),
        ("class_dict.csv", "name,r,g,b\nbackground,0,0,0\ncar, 1, 2, 3\nbig bus,255,0,9\n", COLOURS),
        ("x.csv", "Name;Red;Green;Blue\nbackground;0;0;0\ncar;1;2;3\nbig bus;255;0;9\n", COLOURS),
        ("classes.csv", "id,name\n0,background\n1,car\n2,big bus\n", INDEXES),
        ("labels.json", '{"background": 0, "car": 1, "big bus": 2}', INDEXES),
        ("labels.json", '{"0": "background", "1": "car", "2": "big bus"}', INDEXES),
        ("labels.json", '["background", "car", "big bus"]', INDEXES),
        ("labels.json", '{"background": [0, 0, 0], "car": [1, 2, 3], "big bus": [255, 0, 9]}', COLOURS),
        ("dataset_meta.json", json.dumps(DATUMARO), [("background", 0, (0, 0, 0)), ("car", 1, (1, 2, 3))]),
        ("data.yaml", "nc: 3\nnames: [background, car, 'big bus']\n", INDEXES),
        ("data.yaml", "names:\n  0: background\n  1: car # red\n  2: big bus\n", INDEXES),
        ("data.yml", "names:\n- background\n- car\n- big bus\n", INDEXES),
    ],
)
def test_classes(tmp_path: Path, name: str, text: str, expected: list[Any]) -> None:
    result = entries(tmp_path, name, text)
    assert [(entry.label, entry.index, entry.colour) for entry in result] == expected
    assert find_label_map(Tree(tmp_path), tmp_path) is not None


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("labels.txt", "", "empty"),
        ("labels.txt", "a\n\nb\n", "line 2 is empty"),
        ("labels.txt", "0 a\nb\n", "line 2: found 'b', expected the form of the first line"),
        ("label_colors.txt", "0 0 256 a\n", "line 1: found '256' in a colour"),
        ("classes.csv", "a,b\n1,2\n", "found the columns a, b"),
        ("classes.csv", "name,r,g,b\ncar,1,2\n", "line 2: found None in a colour"),
        ("classes.csv", "name,id\ncar,x\n", "line 2: found the index 'x'"),
        ("labels.json", "{}", "expected an object"),
        ("labels.json", '{"car": [1, 2]}', "a colour of 2 numbers"),
        ("labels.json", '{"car": true}', "found 'car': True"),
        ("labels.json", '{"a": -1}', "expected 0 to 65535"),
        ("labels.json", '{"a": 70000}', "expected 0 to 65535"),
        ("labels.json", '{"a": 1, "b": 1}', "'a' and 'b' have the index 1"),
        ("labels.json", "[1]", "no label map"),
        ("labels.json", "null", "no label map"),
        ("dataset_meta.json", '{"label_map": {"0": "a"}, "segmentation_colors": []}', "0 segmentation_colors for 1"),
        ("dataset_meta.json", '{"label_map": {"x": "a"}}', "label_map: found 'x'"),
        ("data.yaml", "nc: 3\n", "no 'names'"),
        ("data.yaml", "names: &all [a, *all]\n", "line 1: the alias *all stands for nothing"),
        ("data.yaml", "names:\n- a: 1\n", "expected an object such as {name: index} or a list of names"),
        ("data.yaml", "names: [a\n", "line 1: while parsing a flow sequence"),
        ("labels.txt", "\udcff", "not UTF-8"),
    ],
)
def test_what_is_no_label_map_is_one_sentence(tmp_path: Path, name: str, text: str, reason: str) -> None:
    (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(IngestError) as raised, Tree(tmp_path).part(tmp_path):
        read_entries(Tree(tmp_path), tmp_path / name)
    assert reason in str(raised.value)
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


def test_names_of_background_and_void(tmp_path: Path) -> None:
    names = ["_background_", "Background", "void", "Ignore", "unlabeled", "car"]
    result = entries(tmp_path, "labels.json", json.dumps(names))
    assert [entry.is_background for entry in result] == [True, True, False, False, False, False]
    assert [entry.is_ignored for entry in result] == [False, False, True, True, True, False]


def test_datumaros_background_label_is_no_object_unless_it_is_void(tmp_path: Path) -> None:
    document = {"label_map": {"0": "street", "1": "Void"}, "background_label": "0"}
    result = entries(tmp_path, "dataset_meta.json", json.dumps(document))
    assert [entry.is_background for entry in result] == [True, False]
    result = entries(tmp_path, "dataset_meta.json", json.dumps(document | {"background_label": "1"}))
    assert [(entry.is_background, entry.is_ignored) for entry in result] == [(False, False), (False, True)]


def test_of_several_label_maps_the_one_that_is_taken_is_told(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("a\n")
    (tmp_path / "dataset_meta.json").write_text(json.dumps(DATUMARO))
    (tmp_path / "train.txt").write_text("no map\n")
    (tmp_path / "report.json").write_text('{"count": 5}')
    tree = Tree(tmp_path)
    result = find_label_map(tree, tmp_path)
    assert result is not None
    assert result.path.name == "dataset_meta.json"
    (note,) = tree.notes
    assert note.endswith("not looked into: labels.txt")


@given(st.text(alphabet="ab1:-[]{},'\"#&|> \n\t", max_size=30))
@settings(max_examples=300, deadline=None)
def test_any_yaml_is_read_or_refused(text: str) -> None:
    # No other error than the one that says in which line.
    with contextlib.suppress(ValueError):
        yaml_text.parse(text)


@given(st.dictionaries(st.text(max_size=8), st.one_of(st.integers(), st.lists(st.text(max_size=5), max_size=3))))
@settings(max_examples=100, deadline=None)
def test_json_of_plain_values_is_yaml_too(document: dict[str, Any]) -> None:
    for is_ascii in (True, False):
        assert yaml_text.parse(json.dumps(document, ensure_ascii=is_ascii)) == document


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            r'names: ["\x41\u00e9\U0001F600\ud83d\ude00\e\0\_\N\L\P"]',
            "A\u00e9\U0001f600\U0001f600\x1b\0\xa0\x85\u2028\u2029",
        ),
        ("names:\n  0: 'it''s # not \"a\" comment' # but this", 'it\'s # not "a" comment'),
        (r'names: {0: "a\" # b: {"} # c', 'a" # b: {'),
        ("names: {0: a\u2028b\x85c}\r\n", "a\u2028b\x85c"),
        (f"names: [{'9' * 5000}]", "9" * 5000),
    ],
)
def test_signs_of_names_are_read_as_yaml_has_them(text: str, expected: str) -> None:
    names = yaml_text.parse(text)["names"]
    assert names[0] == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\nb: 'x", "line 2: while scanning a quoted scalar, found unexpected end of stream"),
        ('a: 1\nb: "x\\"', "line 2: while scanning a quoted scalar, found unexpected end of stream"),
        (r'a: "\ud800"', "line 1: while parsing a quoted scalar, found invalid Unicode character escape code"),
        (r'a: "\UFFFFFFFF"', "line 1: while parsing a quoted scalar, found invalid Unicode character escape code"),
        ("a: {0: x, 0: y}", "line 1: the key 0 again"),
    ],
)
def test_yaml_that_is_broken_is_refused_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        yaml_text.parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("base: &names [cat, no]\nnames: *names\n", {"base": ["cat", "no"], "names": ["cat", "no"]}),
        ("base: &a {x: 1}\nnames:\n  <<: *a\n  y: 2\n", {"base": {"x": 1}, "names": {"x": 1, "y": 2}}),
        ("base: &a {x: 1, y: 2}\nnames:\n  <<: *a\n  x: 3\n", {"base": {"x": 1, "y": 2}, "names": {"x": 3, "y": 2}}),
        (
            "a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b]}",
            {"a": {"x": 1}, "b": {"x": 2, "y": 2}, "c": {"x": 1, "y": 2}},
        ),
        ("names: !!python/tuple [cat, dog]\n", {"names": ["cat", "dog"]}),
        ("---\nnames: [cat]\n...\n", {"names": ["cat"]}),
        ("note: one line\n  and another\nnames: [cat]\n", {"note": "one line and another", "names": ["cat"]}),
        ("note: |\n  one\n  two\nnames: [cat]\n", {"note": "one\ntwo\n", "names": ["cat"]}),
        (
            "names:\n- {id: 0, name: cat}\n- id: 1\n  name: no\n",
            {"names": [{"id": 0, "name": "cat"}, {"id": 1, "name": "no"}]},
        ),
    ],
    ids=[
        "anchors",
        "merges",
        "a key of its own beside a merge",
        "a merge of two",
        "tags",
        "an end",
        "text over two lines",
        "a block of text",
        "lists of maps",
    ],
)
def test_yaml_of_every_kind_is_read_and_names_stay_names(text: str, expected: object) -> None:
    assert yaml_text.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 5000 + "]" * 5000, "line 1: .* exceeded maximum nesting depth"),
        ("[" * 101 + "]" * 101, "line 1: more than 100 lists and maps in each other"),
        ("a: &a [*a]", r"line 1: the alias \*a stands for nothing before it"),
        ("? [a]\n: 1", "line 1: found a list or map as a key"),
        ("a: 1\n---\nb: 2", "line 2: a second document"),
    ],
)
def test_yaml_that_no_label_map_has_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        yaml_text.parse(text)


@pytest.mark.parametrize("names", ["{cat: *a29}", "*a29", "{cat: [*a29, 1, 2]}", "[*a29]", "{<<: [*a29]}"])
def test_aliases_of_aliases_are_refused_before_a_message_writes_them_out(names: str, tmp_path: Path) -> None:
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))
    path = tmp_path / "labels.yaml"
    path.write_text(f"a0: &a0 [x]\n{levels}names: {names}\n")
    reason = r"labels.yaml: .*: line 7: aliases for more than 1,000,000 characters"
    with pytest.raises(IngestError, match=reason), Tree(path).part(path):
        read_entries(Tree(path), path)


def test_merges_of_many_aliases_take_the_time_of_their_text() -> None:
    keys = "".join(f"  k{n}: 1\n" for n in range(20_000))
    document = yaml_text.parse(f"one: &one {{z: 1}}\nall:\n{keys}  <<: [{', '.join(['*one'] * 20_000)}]\n")
    assert (len(document["all"]), document["all"]["z"]) == (20_001, 1)


def test_a_line_of_a_label_map_ends_where_files_say(tmp_path: Path) -> None:
    lines = entries(tmp_path, "labels.txt", "a\u2028b\nc\x0bd\n")
    assert [entry.label for entry in lines] == ["a\u2028b", "c\x0bd"]
    rows = entries(tmp_path, "classes.csv", 'name,id\n"a\u2028b",1\nc,2\n')
    assert [(entry.label, entry.index) for entry in rows] == [("a\u2028b", 1), ("c", 2)]


@pytest.mark.parametrize("gap", [",", " ,", " "])
def test_a_long_gap_in_a_name_is_read_at_once(tmp_path: Path, gap: str) -> None:
    name = f"a{gap * 100_000}b"
    assert [entry.label for entry in entries(tmp_path, "labels.txt", f"{name}\n")] == [name]
    assert [entry.colour for entry in entries(tmp_path, "labels.txt", f"{name} 1 2 3\n")] == [(1, 2, 3)]


def test_a_long_first_line_of_a_table_is_no_sign_of_a_label_map(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(" name" * 6_000 + " r" * 6_000)
    assert find_label_map(Tree(tmp_path), tmp_path) is None
