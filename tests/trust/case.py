"""Kinds of cases: each case does one random thing to masksdb, and says by an exception what came out wrong."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import random
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import masksdb

Case = Callable[[random.Random], None]
"""One case of a kind: it returns, or raises an error of masksdb, which refuses it in words; any other is a failure."""


class Kind(NamedTuple):
    """A kind of cases: its section and name in the report, and its cases, which get a folder for files."""

    section: str
    name: str
    make: Callable[[Path], Case]
    weight: float = 1


KINDS: dict[str, Kind] = {}
"""The kinds by name, in the order of the report."""

MOST_FAILURES = 5
"""The failures of a kind after which its run ends."""


def kind(section: str, name: str, weight: float = 1) -> Callable[[Callable[[Path], Case]], Callable[[Path], Case]]:
    """Registers a function that makes cases."""

    def register(make: Callable[[Path], Case]) -> Callable[[Path], Case]:
        KINDS[name] = Kind(section, name, make, weight)
        return make

    return register


@dataclass
class Row:
    """What a run of one kind came to."""

    cases: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)
    slowest: float = 0.0
    slowest_case: int = 0
    peak_mb: float = 0.0


def run_kind(name: str, seed: int, seconds: float, folder: Path, only: int | None = None) -> Row:
    """Run the cases of a kind for some time; the seed and the number of a case give the same case again."""
    row = Row()
    case = KINDS[name].make(folder)
    with contextlib.suppress(Exception):
        # The first case imports modules, and would be the slowest.
        case(random.Random(name))
    end = time.monotonic() + seconds
    number = only or 0
    while not row.cases or (only is None and time.monotonic() < end and len(row.failures) < MOST_FAILURES):
        (folder / "case").write_text(str(number))
        start = time.monotonic()
        try:
            case(random.Random(f"{seed} {name} {number}"))
        except masksdb.MasksDBError as error:
            row.refused += 1
            if "\n" in str(error) or not str(error):
                row.failures.append(f"case {number}: not one line: {error!r}")
        except BaseException as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            text = " ".join(repr(error).split())[:300]
            row.failures.append(f"case {number}: {text} ({Path(place.filename).name}:{place.lineno})")
        elapsed = time.monotonic() - start
        if elapsed > row.slowest:
            row.slowest, row.slowest_case = elapsed, number
        row.cases += 1
        number += 1
    kilobytes = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    row.peak_mb = max(kilobytes) / 1024
    return row


def main() -> None:
    """Run one kind and print its row as JSON: NAME SEED SECONDS [CASE]."""
    name, seed, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    only = int(sys.argv[4]) if len(sys.argv) > 4 else None
    with tempfile.TemporaryDirectory(prefix="masksdb_trust_") as folder:
        print(json.dumps(asdict(run_kind(name, seed, seconds, Path(folder), only))))


_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    [
        "__main__",
        "masksdb.cli.app",
        "masksdb.database",
        "masksdb.analysis.evaluate",
        "masksdb.analysis.check",
        "PIL.Image",
    ]
)


@contextlib.contextmanager
def child(work: Callable[..., None], *arguments: object) -> Iterator[multiprocessing.process.BaseProcess]:
    """A process that runs a function, and is over when the block is."""
    process = _processes.Process(target=work, args=arguments, daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()
        process.close()


EXTREMES = (b"-1", b"4294967296", b"1e999", b"NaN", b"null", b"\xc3\x28", b"''", b"../..", b"9" * 400)
"""What a piece is replaced by."""


def mutated(rng: random.Random, content: bytes) -> bytes:
    """Bytes with a few bits flipped, pieces cut out, doubled or moved, or numbers made extreme."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5))):
        if not data:
            break
        start = rng.randrange(len(data))
        piece = slice(start, start + rng.choice((1, 2, 7, 40)))
        match rng.randrange(7):
            case 0:
                data[start] ^= 1 << rng.randrange(8)
            case 1:
                data[start] = rng.choice(b'\x00\xff\x7f"{}[],:<>/-0\n')
            case 2:
                del data[piece]
            case 3:
                data[start:start] = data[piece] * rng.choice((1, 3))
            case 4:
                del data[start:]
            case 5:
                data[piece] = rng.choice(EXTREMES)
            case _:
                data[piece] = rng.randbytes(len(data[piece]))
    return bytes(data)
