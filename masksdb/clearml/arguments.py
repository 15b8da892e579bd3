"""Arguments that name a dataset, version or view by its id or its name."""

from __future__ import annotations

from typing import Any

from masksdb.errors import UsageError

Id = int | str
"""An id as the number in the database, or as text."""


def one_of(first_name: str, first: Any, second_name: str, second: Any) -> Any:
    """The one of two arguments that is not None, or None.

    Raises:
        UsageError: both are passed.

    >>> one_of("dataset_id", None, "dataset_name", "cars")
    'cars'
    """
    if first is not None and second is not None:
        raise UsageError(f"{first_name} and {second_name}: both given; give one")
    return second if first is None else first


def id_or_name(kind: str, known_id: Id | None, name: str | None) -> int | str | None:
    """The id of a dataset or version as a number, else its name.

    >>> id_or_name("version", "7", None), id_or_name("version", None, "v1")
    (7, 'v1')
    """
    key: Id | None = one_of(f"{kind}_id", known_id, f"{kind}_name", name)
    return key if known_id is None else int(known_id)
