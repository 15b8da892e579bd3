"""Writes what in the documentation comes from the code, so that it cannot drift: a test compares.

docs/schema.md comes from the comments and columns of sql/, docs/cli.md from the commands' help, and the answers in
README.md from running its queries.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import click

import masksdb
from masksdb.cli import cli
from masksdb.output import write_rows
from masksdb.statements import names, statement

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
        for name in names("views"):
            view = name.removeprefix("views/")
            page.append(f"### `{view}`\n\n{opening_comment(statement(name))}\n")
            page.append(f"| column | type |\n| --- | --- |\n{columns_of(db, view)}")
        page.append("## Macros\n")
        for name in names("macros"):
            page.append(f"### `{name.removeprefix('macros/')}`\n\n{opening_comment(statement(name))}\n")
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


def readme() -> str:
    """README.md with the answer below each query as it comes out now."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    with masksdb.connect(":memory:") as db:
        db.ingest(STREET / "frames.jsonl", dataset="street", version="v1")
        db.version("street").set_metadata({"mask_labels": json.loads((STREET / "labels.json").read_text())})

        def answered(found: re.Match[str]) -> str:
            out = io.StringIO()
            write_rows(db.sql(found[1]), "table", out)
            return f"```sql\n{found[1]}```\n```text\n{out.getvalue()}```\n"

        return re.sub(r"```sql\n(.*?)```\n```text\n(.*?)```\n", answered, text, flags=re.DOTALL)


PAGES = {"docs/schema.md": schema_page, "docs/cli.md": cli_page, "README.md": readme}


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (ROOT / name).write_text(page(), encoding="utf-8")
        click.echo(f"wrote {name}", err=True)


if __name__ == "__main__":
    main()
