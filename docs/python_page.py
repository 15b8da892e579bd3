"""docs/python.md: the public names with their signatures and docstrings."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from enum import Enum
from types import FunctionType
from typing import Any

import masksdb

WIDTH = 100

ALIASES = {
    "DecodeErrors": '`"raise"` or `"null"`',
    "FrameLike": "a `SingleFrame`, a `FrameGroup`, or the JSON object of a frame as a dict",
    "Id": "an id as an `int`, or as text",
    "MaskLabels": "a dict from pixel values (tuples of 1, 3 or 4 integers) to lists of labels",
    "MaskLike": "a mask of a view as a dict with its `uri` and `timestamp`, or a URI",
    "OnError": '`"stop"` or `"skip"`',
    "OpenDatabase": "an open database, such as `connect` returns",
    "Severity": '`"error"`, `"warning"` or `"note"`',
    "Source": "a path, a pattern, or `-` for standard input; an iterable of dicts; an Arrow table or reader",
    "Transform": "a function of an image and its mask that returns both",
}
"""Public types of parameters, which annotations of callers may name."""

CHAPTERS = {
    "Open a database": ("connect", "Database", "doctor"),
    "What calls return": (
        "IngestReport",
        "LossReport",
        "AnalyzeReport",
        "CheckReport",
        "Evaluation",
        "VersionChanges",
        "SplitReport",
        "FrameArrays",
        "Diagnosis",
        "Problem",
    ),
    "Functions on a connection of your own": ("register", "MaskReads", "Settings", "to_numpy"),
    "The names of ClearML": (
        "set_default",
        "Dataset",
        "DatasetVersion",
        "SingleFrame",
        "FrameGroup",
        "Annotation",
        "ImageAnnotation",
        "DataView",
        "RoiQuery",
        "ViewQuery",
        "MappingRule",
        "IterationOrder",
    ),
    "Errors": tuple(name for name in masksdb.__all__ if name.endswith("Error") and name not in ALIASES),
}


MADE = ("Settings", "SingleFrame", "FrameGroup", "DataView", "RoiQuery")
"""Classes that are made by calling them; what others are got from stands in their docstrings."""


def python_page() -> str:
    """The text of docs/python.md."""
    page = [
        "# Python\n",
        "Generated from the signatures and docstrings by `make docs`. All names are imported from `masksdb`.\n",
        "Types of parameters:\n",
        "".join(f"* `{name}` is {text}.\n" for name, text in ALIASES.items()),
    ]
    for title, names in CHAPTERS.items():
        page.append(f"## {title}\n")
        for name in names:
            page += described(name, getattr(masksdb, name))
    return "\n".join(page)


def described(name: str, value: Any) -> Iterator[str]:
    """The section of a function or class."""
    yield f"### {name}\n"
    if isinstance(value, FunctionType):
        yield signature(name, value)
        yield prose(value)
        return
    if name in MADE:
        yield signature(name, value)
    yield prose(value)
    if name in MADE and isinstance(value.__init__, FunctionType) and value.__init__.__doc__:
        yield prose(value.__init__)
    for member_name, member in public_members(value):
        if isinstance(member, property):
            yield f"#### {name}.{member_name}\n"
            yield prose(member.fget)
        else:
            function = getattr(member, "__func__", member)
            yield signature(f"{name}.{member_name}", function)
            yield prose(function)


def public_members(value: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties of a class and of ours that it inherits from, as they stand in the code."""
    seen: set[str] = set()
    for kind in value.__mro__:
        if kind.__module__.startswith("masksdb.") and not issubclass(kind, Exception | Enum):
            for member_name, member in vars(kind).items():
                is_callable = isinstance(member, FunctionType | classmethod | staticmethod | property)
                if not member_name.startswith("_") and is_callable and member_name not in seen:
                    seen.add(member_name)
                    yield member_name, member


def signature(name: str, function: Callable[..., Any]) -> str:
    """A heading for a method, and how a function is called: a parameter a line where it is long."""
    parameters = list(shown_parameters(inspect.signature(function)))
    returned = function.__annotations__.get("return") if isinstance(function, FunctionType) else None
    ending = f" -> {returned}" if returned not in (None, "None") else ""
    called = name.rpartition(".")[2]
    text = f"{called}({', '.join(parameters)}){ending}"
    if len(text) > WIDTH:
        lines = "".join(f"    {parameter},\n" for parameter in parameters)
        text = f"{called}(\n{lines}){ending}"
    heading = f"#### {name}\n\n" if "." in name else ""
    return f"{heading}```python\n{text}\n```\n"


def shown_parameters(shown: inspect.Signature) -> Iterator[str]:
    """The parameters as they stand in the code; a default that is no plain value is three dots."""
    stars: dict[object, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    has_star = False
    for parameter in shown.parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not has_star:
            yield "*"
        has_star |= parameter.kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_POSITIONAL)
        text = f"{stars.get(parameter.kind, '')}{parameter.name}"
        if parameter.annotation is not inspect.Parameter.empty:
            text += f": {parameter.annotation}"
        if parameter.default is not inspect.Parameter.empty:
            value = parameter.default
            plain = isinstance(value, str | int | float | tuple | None) and not isinstance(value, Enum)
            text += f" = {value!r}" if plain else f" = {value}" if isinstance(value, Enum) else " = ..."
        yield text


def wrapped(text: str, indent: str) -> str:
    """A paragraph in lines of bounded length, of which the first begins further left."""
    return textwrap.fill(" ".join(text.split()), WIDTH + 10, subsequent_indent=indent, break_long_words=False)


def prose(value: Any) -> str:
    """A docstring as Markdown: its parameters, errors and attributes as lists, its examples as code."""
    text = inspect.getdoc(value) or ""
    text = re.sub(r":(?:class|func|meth|mod):`~?(?:masksdb\.)?([^`]*)`", r"`\1`", text).replace("``", "`")
    lines: list[str] = []
    blocks = re.split(r"\n(?=(?:Args|Returns|Raises|Attributes):\n)|\n\n", text)
    for block in blocks:
        title, _, body = block.partition("\n")
        if title in ("Args:", "Raises:", "Attributes:"):
            items = re.findall(r"(?m)^([*\w]+): ((?:.|\n(?! ?\S))*)", textwrap.dedent(body))
            lines += [f"{title}\n", "".join(f"{wrapped(f'- `{item}`: {said}', '  ')}\n" for item, said in items)]
        elif title == "Returns:":
            lines.append(f"{wrapped(f'Returns: {body}', '')}\n")
        elif block.startswith(">>>"):
            lines.append(f"```pycon\n{block}\n```\n")
        elif block.strip():
            lines.append(f"{block}\n")
    return "\n".join(lines)
