"""Writes what in the documentation comes from the code, so that it cannot drift: a test compares.

docs/schema.md comes from the comments and columns of sql/, the lists in docs/checks.md from the comments of
sql/views/checks/, docs/cli.md from the commands' help, docs/python.md from signatures and docstrings, the layouts in
docs/formats.md from what their modules say, the answers in README.md, docs/pixels.md, docs/checks.md and
docs/evaluation.md from running their queries and commands.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import re
import shlex
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path

import click
from click.testing import CliRunner
from PIL import Image
from python_page import python_page

import masksdb
from masksdb.cli.app import cli
from masksdb.cli.output import write_rows
from masksdb.exchange import json_frames
from masksdb.formats.registry import FORMATS, FRAMES, reader, writer
from masksdb.pixels.functions.registration import FUNCTIONS, kernel
from masksdb.store.findings import checks
from masksdb.store.sql import names, statement

ROOT = Path(__file__).parent.parent
STREET = ROOT / "fixtures" / "street"


def opening_comment(sql: str) -> str:
    """The text of the comment that SQL text begins with."""
    lines = []
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return " ".join(lines)


def columns_of(db: masksdb.Database, name: str) -> str:
    """A table or view's columns and their types."""
    query = "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index"
    rows = db.sql(query, [name]).fetchall()
    return "".join(f"| `{column}` | {kind} |\n" for column, kind in rows)


def schema_page() -> str:
    """The text of docs/schema.md."""
    page = [
        "# Tables and views\n",
        "Generated from the comments in `sql/` by `make docs`. Boxes and centroids are in pixels, timestamps in "
        "milliseconds, times in UTC.\n",
    ]
    with masksdb.connect(":memory:") as db:
        page.append("## Tables\n")
        for name in names("schema"):
            for comment, table in re.findall(r"((?:^--[^\n]*\n)+)CREATE TABLE (\w+)", statement(name), re.MULTILINE):
                page.append(f"### `{table}`\n\n{opening_comment(comment)}\n")
                page.append(f"| column | type |\n| --- | --- |\n{columns_of(db, table)}")
        page.append("## Views\n")
        db.check()
        for name in [*names("views"), *names("views/findings")]:
            view = name.rpartition("/")[2]
            page.append(f"### `{view}`\n\n{opening_comment(statement(name))}\n")
            page.append(f"| column | type |\n| --- | --- |\n{columns_of(db, view)}")
        page.append("## Macros\n")
        for name in [*names("macros"), *names("macros/tables")]:
            page.append(f"### `{name.rpartition('/')[2]}`\n\n{opening_comment(statement(name))}\n")
    return "\n".join(page)


def help_texts(command: click.Command, path: str) -> Iterator[str]:
    """The help of a command and of those below it."""
    context = click.Context(command, info_name=path, terminal_width=100, **cli.context_settings)
    yield f"## {path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name, child in sorted(command.commands.items()):
            yield from help_texts(child, f"{path} {name}")


def cli_page() -> str:
    """The text of docs/cli.md."""
    return "# The command line\n\nGenerated from `--help` by `make docs`.\n\n" + "\n".join(help_texts(cli, "masksdb"))


def functions_list() -> str:
    """The SQL functions: the type that each returns, and what it computes."""
    items = []
    for name, function in FUNCTIONS.items():
        computed = kernel(name)
        parameters = [
            parameter.name
            + (" := 0" if parameter.name == "tolerance" else " := NULL" if parameter.default is None else "")
            for parameter in list(inspect.signature(computed).parameters.values())[1:]
        ]
        text = (computed.__doc__ or "").splitlines()[0]
        returns = function.returns.replace('"', "")
        item = f"* `{name}({', '.join(parameters)})` returns `{returns}`: {text}"
        items.append(textwrap.fill(item, 110, subsequent_indent="  ", break_on_hyphens=False))
    return "\n".join(items)


def checks_list(view: str) -> str:
    """The checks of a view: what each finds, and what to do."""
    items = []
    for check in checks():
        if check.view == view:
            text = f"* `{check.name}` (**{check.severity}**): {check.finds} *To do:* {check.to_do}"
            items.append(textwrap.fill(text, 110, subsequent_indent="  ", break_on_hyphens=False))
    return "\n".join(items)


def checks_page() -> str:
    """The text of docs/checks.md, with the checks of each view and the answer of its query as it comes out now."""

    def listed(block: re.Match[str]) -> str:
        return f"<!-- checks {block[1]} -->\n{checks_list(block[1])}\n<!-- end -->"

    text = answered_page("docs/checks.md")
    return re.sub(r"<!-- checks (\w+) -->\n.*?<!-- end -->", listed, text, flags=re.DOTALL)


@cache
def checked_street() -> masksdb.Database:
    """A checked database of the street frames, which the pages share as long as the process runs."""
    db = masksdb.connect(":memory:")
    db.ingest(STREET / "frames.jsonl", dataset="street", version="v1")
    db.version("street").set_metadata({"mask_labels": json.loads((STREET / "labels.json").read_text())})
    db.check()
    return db


def answered_page(name: str) -> str:
    """A page with the answer below each query as it comes out now, and the table of functions where it has one."""
    text = (ROOT / name).read_text(encoding="utf-8")
    table = f"<!-- functions -->\n{functions_list()}\n<!-- end -->"
    text = re.sub(r"<!-- functions -->\n.*?<!-- end -->", lambda _: table, text, flags=re.DOTALL)
    return answered(text, checked_street())


def answered(text: str, db: masksdb.Database) -> str:
    """A text with the answer below each query as it comes out now."""

    def written(found: re.Match[str]) -> str:
        out = io.StringIO()
        write_rows(db.sql(found[1]), "table", out)
        return f"```sql\n{found[1]}```\n```text\n{out.getvalue()}```\n"

    return re.sub(r"```sql\n(.*?)```\n```text\n(.*?)```\n", written, text, flags=re.DOTALL)


def write_predictions(folder: Path) -> None:
    """A database of the street frames and of predictions."""
    labels = {"mask_labels": json.loads((STREET / "labels.json").read_text())}
    with masksdb.connect(folder / "street.duckdb") as db:
        db.ingest(STREET / "frames.jsonl", dataset="street", version="v1")
        db.ingest(STREET / "moved.jsonl", dataset="street", version="moved")
        for version in ("v1", "moved"):
            db.version("street", version).set_metadata(labels)


def printed(text: str) -> str:
    """A text with what each ``masksdb evaluate`` prints now, run in the working directory."""

    def written(found: re.Match[str]) -> str:
        done = CliRunner().invoke(cli, shlex.split(found[1])[1:], catch_exceptions=False)
        return f"```sh\n{found[1]}```\n```text\n{done.stdout}```\n"

    return re.sub(r"```sh\n(masksdb evaluate .*?)```\n```text\n(.*?)```\n", written, text, flags=re.DOTALL)


def evaluation_page(picture: Path | None = None) -> str:
    """The text of docs/evaluation.md with what its commands and query print now; its picture goes to a file."""
    text = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_predictions(Path(folder))
        text = printed(text)
        if picture is not None:
            with Image.open("confusion.png") as drawn:
                drawn.convert("P", palette=Image.Palette.ADAPTIVE).save(picture, optimize=True)
        with masksdb.connect("street.duckdb") as db:
            return answered(text, db)


def readme() -> str:
    """The text of README.md with what its queries and its evaluation print now."""
    text = answered_page("README.md")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_predictions(Path(folder))
        return printed(text)


def formats_page() -> str:
    """The text of docs/formats.md, with what the module of each layout says of it."""
    sections = []
    for name, layout in FORMATS.items():
        module = json_frames if name == FRAMES else reader(name) if layout.is_read else writer(name)
        text = (module.__doc__ or "").strip()
        sections.append(f"## {name}\n\n*{layout.direction}.* {text.replace('``', '`')}\n")
    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    layouts = "<!-- layouts -->\n" + "\n".join(sections) + "<!-- end -->"
    return re.sub(r"<!-- layouts -->\n.*?<!-- end -->", lambda _: layouts, page, flags=re.DOTALL)


PAGES: Mapping[str, Callable[[], str]] = {
    "docs/schema.md": schema_page,
    "docs/cli.md": cli_page,
    "docs/python.md": python_page,
    "docs/formats.md": formats_page,
    "docs/pixels.md": partial(answered_page, "docs/pixels.md"),
    "docs/checks.md": checks_page,
    "docs/evaluation.md": evaluation_page,
    "README.md": readme,
}


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (ROOT / name).write_text(page(), encoding="utf-8")
        click.echo(f"wrote {name}", err=True)
    evaluation_page(ROOT / "docs" / "confusion.png")


if __name__ == "__main__":
    main()
