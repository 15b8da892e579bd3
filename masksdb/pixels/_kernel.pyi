"""The compiled kernel; masksdb/pixels/csrc/module.c says what each function does."""

from typing_extensions import Buffer

Arrays = tuple[bytes, bytes, bytes, bytes]
Png = tuple[int, int, int, int, bytes | None, bytes | None, Arrays]

def png_regions(files: list[bytes], pixel_limit: int, run_limit: int, /) -> list[Png | None]: ...
def array_regions(
    pixels: Buffer, height: int, width: int, channels: int, sample_bytes: int, run_limit: int, /
) -> Arrays | None: ...
def joint_histogram(
    starts: Buffer, ids: Buffer, count: int, other_starts: Buffer, other_ids: Buffer, other_count: int, total: int, /
) -> tuple[bytes, bytes]: ...
def column_runs(starts: Buffer, ids: Buffer, count: int, height: int, width: int, /) -> tuple[bytes, bytes]: ...
