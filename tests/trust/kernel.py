"""Mutated PNG files through the compiled kernel under the sanitizers of the compiler: kernel_fuzz.c."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from support.pngs import GREY, PALETTE, RGB, kinds, png

HERE = Path(__file__).parent
FLAGS = ["-g", "-O1", "-std=c11", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def fuzzed(seed: int, seconds: float) -> str:
    """A sentence on how many files were tried, or on what the sanitizers found."""
    compiler = shutil.which("cc")
    if compiler is None:
        return "Not run: there is no C compiler."
    with tempfile.TemporaryDirectory() as folder:
        program, source = f"{folder}/fuzz", HERE.parents[1] / "masksdb" / "pixels" / "csrc"
        subprocess.run([compiler, *FLAGS, "-I", source, HERE / "kernel_fuzz.c", "-o", program], check=True)
        seeds = _seeds(Path(folder))
        done = subprocess.run(
            [program, str(seed), str(max(1, int(seconds))), *seeds], capture_output=True, text=True, check=False
        )
    if done.returncode:
        return f"FAILED with status {done.returncode}: {done.stderr[:2000]}"
    return f"{done.stdout.strip()} in {seconds:.0f} s; no report of a sanitizer."


def _seeds(folder: Path) -> list[Path]:
    """One PNG file of each kind, and some with all filters and several chunks."""
    rng = np.random.default_rng(3)
    files = {kind.name: kind.data for kind in kinds()}
    for colour, depth in ((GREY, 1), (GREY, 8), (GREY, 16), (PALETTE, 8), (RGB, 8), (RGB, 16)):
        blocks = np.kron(rng.integers(0, 1 << min(depth, 4), (9, 7)), np.ones((7, 9), np.int64))
        samples = np.stack([blocks] * 3, axis=2) if colour == RGB else blocks
        palette = rng.integers(0, 256, (256, 3)) if colour == PALETTE else None
        files[f"filtered {colour} {depth}"] = png(
            samples, colour, depth, palette=palette, filters=(0, 1, 2, 3, 4), pieces=3
        )
    for name, data in files.items():
        (folder / f"{name}.png").write_bytes(data)
    return [folder / f"{name}.png" for name in files]
