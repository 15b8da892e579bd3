"""The public names: a caller can name what a function takes and returns."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import pytest
from python_page import MADE
from support.common import ROOT

import masksdb

DEFINED = {
    name
    for path in (ROOT / "masksdb").rglob("*.py")
    for name in re.findall(r"^(?:class )?([A-Z]\w*)(?:\(.*\))?(?::| = )", path.read_text(), re.MULTILINE)
}
"""The classes and aliases at the top of the package's modules."""


def public_functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """The public functions, and the public methods of the public classes, with their names."""
    for name in masksdb.__all__:
        value = getattr(masksdb, name)
        if inspect.isfunction(value):
            yield name, value
        elif inspect.isclass(value):
            for attribute, member in inspect.getmembers_static(value):
                function = getattr(member, "fget", None) or getattr(member, "__func__", member)
                is_ours = isinstance(function, FunctionType) and function.__module__.startswith("masksdb.")
                if is_ours and (not attribute.startswith("_") or attribute in ("__init__", "__enter__", "__iter__")):
                    yield f"{name}.{attribute}", function


def is_internal(name: str) -> bool:
    """Whether callers get such an object from a function, and never make one."""
    class_name, _, method = name.partition(".")
    return method == "__init__" and class_name not in MADE


FUNCTIONS = dict(public_functions())
OPEN = {
    "DataView.prefetch_files": "refused, however it is called",
    "DataView.set_labels": "the names of the caller's labels",
    "DataView.split_to_lists": "refused, however it is called",
    "FrameGroup.__init__": "the names of the caller's frames",
}
"""Functions with open parameters, and why."""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_a_public_function_returns_is_public(name: str) -> None:
    returned = set(re.findall(r"[A-Za-z_]\w*", str(FUNCTIONS[name].__annotations__.get("return"))))
    assert returned & DEFINED <= {*masksdb.__all__, *masksdb._HOMES}


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if not is_internal(name)])
def test_what_a_public_function_takes_is_public(name: str) -> None:
    taken = " ".join(str(kind) for parameter, kind in FUNCTIONS[name].__annotations__.items() if parameter != "return")
    assert set(re.findall(r"[A-Za-z_]\w*", taken)) & DEFINED <= {*masksdb.__all__, *masksdb._HOMES}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_parameters_of_a_public_function_are_written_out(name: str) -> None:
    kinds = {parameter.kind for parameter in inspect.signature(FUNCTIONS[name]).parameters.values()}
    assert (inspect.Parameter.VAR_KEYWORD in kinds) == (name in OPEN)
