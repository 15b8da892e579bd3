"""Draws docs/architecture.svg: the rooms of the package on their floors, from the imports as they are.

``python docs/architecture.py`` writes it; a test compares.
"""

from __future__ import annotations

import ast
import html
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "masksdb"
PICTURE = ROOT / "docs" / "architecture.svg"

ROOMS = {
    "cli": "one file a command",
    "database": "Database, connect",
    "clearml": "ClearML's names",
    "exchange": "frames in and out",
    "analysis": "analyze, check, evaluate, render",
    "training": "arrays, tensors, splits",
    "store": "the DuckDB file, its SQL",
    "formats": "layouts of other tools",
    "pixels": "files, regions, SQL functions",
    "errors": "the error tree",
}
"""What is in each room, in a few words."""

WIDTH, HEIGHT = 230, 54
GAP_X, GAP_Y, MARGIN = 34, 46, 24


def imported(path: Path) -> set[str]:
    """The rooms that a file imports anywhere in it, also by a name in a string; the package is its Python API."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {"masksdb.database" if alias.name == "masksdb" else alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "masksdb":
            modules |= {f"masksdb.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
        elif isinstance(node, ast.Call) and node.args and "import_module" in ast.unparse(node.func):
            modules |= set(re.findall(r"masksdb\.\w+", ast.unparse(node.args[0])))
    return {module.split(".")[1] for module in modules if module.startswith("masksdb.")} & ROOMS.keys()


def room_of(path: Path) -> str:
    """The room of a file of the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports() -> dict[str, set[str]]:
    """The other rooms that each room imports, at the top of a file or inside a function."""
    graph: dict[str, set[str]] = {room: set() for room in ROOMS}
    for path in PACKAGE.rglob("*.py"):
        room = room_of(path)
        if room in ROOMS:
            graph[room] |= imported(path) - {room}
    return graph


def floors(graph: dict[str, set[str]]) -> list[list[str]]:
    """The rooms by floor, the ground first: a room is one above the highest that it imports."""
    heights: dict[str, int] = {}

    def height(room: str) -> int:
        if room not in heights:
            heights[room] = 1 + max((height(other) for other in graph[room]), default=-1)
        return heights[room]

    for room in graph:
        height(room)
    return [[room for room in ROOMS if heights[room] == floor] for floor in range(max(heights.values()) + 1)]


def nearest(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Of the imports those that no other leads to: the arrows that a picture needs."""

    def reached(room: str) -> set[str]:
        return set().union(*({other} | reached(other) for other in graph[room]))

    return {
        room: {other for other in others if not any(other in reached(third) for third in others - {other})}
        for room, others in graph.items()
    }


def picture() -> str:
    """The text of the SVG."""
    graph = imports()
    levels = floors(graph)
    widest = max(map(len, levels))
    total = (2 * MARGIN + widest * (WIDTH + GAP_X) - GAP_X, 2 * MARGIN + len(levels) * (HEIGHT + GAP_Y) - GAP_Y)
    places: dict[str, tuple[int, int]] = {}
    for floor, rooms in enumerate(levels):
        left = (total[0] - len(rooms) * (WIDTH + GAP_X) + GAP_X) // 2
        top = total[1] - MARGIN - HEIGHT - floor * (HEIGHT + GAP_Y)
        places |= {room: (left + at * (WIDTH + GAP_X), top) for at, room in enumerate(rooms)}
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total[0]} {total[1]}" font-family="sans-serif">',
        f'<rect width="{total[0]}" height="{total[1]}" fill="#ffffff"/>',
        '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#5b6b7a"/></marker></defs>',
    ]
    for room, others in nearest(graph).items():
        for other in sorted(others):
            x1, y1 = places[room][0] + WIDTH // 2, places[room][1] + HEIGHT
            x2, y2 = places[other][0] + WIDTH // 2, places[other][1] - 3
            lines.append(
                f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#5b6b7a" stroke-width="1.3" '
                'marker-end="url(#end)"/>'
            )
    for room, (x, y) in places.items():
        lines += [
            f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="7" fill="#eef3f8" stroke="#34566f"/>',
            f'<text x="{x + WIDTH // 2}" y="{y + 23}" text-anchor="middle" font-size="16" font-weight="bold" '
            f'fill="#1c2b36">{room}</text>',
            f'<text x="{x + WIDTH // 2}" y="{y + 42}" text-anchor="middle" font-size="12.5" fill="#3d4f5c">'
            f"{html.escape(ROOMS[room])}</text>",
        ]
    return "\n".join([*lines, "</svg>\n"])


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
