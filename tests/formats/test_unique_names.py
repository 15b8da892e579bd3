"""Names in an export: no two are the same, however many things want one name."""

from __future__ import annotations

from masksdb.formats.writing import unused_name


def test_a_name_that_very_many_want_is_numbered_at_once() -> None:
    taken: dict[str, int] = {}
    assert [unused_name(name, taken) for name in ("a_3", "Void", "void")] == ["a_3", "Void", "void_2"]
    names = [unused_name("a", taken) for _ in range(200_000)]
    assert names == ["a", "a_2", *(f"a_{number}" for number in range(4, 200_002))]
