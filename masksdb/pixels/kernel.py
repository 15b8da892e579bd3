"""The compiled kernel: PNG files and pixels to runs and regions in C, where the package was built with a compiler.

Everything runs without it too, on numpy, with the same results in more time. ``MASKSDB_KERNEL=numpy`` leaves it unused.
"""

from __future__ import annotations

import os
from functools import cache
from types import ModuleType

from masksdb.errors import UsageError


@cache
def kernel() -> ModuleType | None:
    """The module, or None where it is not built or not wanted.

    Raises:
        UsageError: ``MASKSDB_KERNEL`` is neither ``compiled`` nor ``numpy``, or is ``compiled`` and it is not built.
    """
    choice = os.environ.get("MASKSDB_KERNEL", "")
    if choice not in ("", "compiled", "numpy"):
        raise UsageError(f"MASKSDB_KERNEL: found {choice!r} in the environment, expected 'compiled' or 'numpy'")
    if choice == "numpy":
        return None
    try:
        from masksdb.pixels import _kernel
    except ImportError:
        if choice:
            raise UsageError(
                "MASKSDB_KERNEL: 'compiled', but masksdb was installed without a C compiler; install it again with one"
            ) from None
        return None
    return _kernel


def name() -> str:
    """Which of the two runs: ``compiled`` or ``numpy``."""
    return "numpy" if kernel() is None else "compiled"
