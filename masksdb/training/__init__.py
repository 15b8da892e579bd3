"""From a database to training: frames as numpy arrays and torch tensors, and splits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from masksdb.errors import UsageError

if TYPE_CHECKING:
    from masksdb.training.arrays import FrameArrays
    from masksdb.training.settings import Transform
    from masksdb.training.torch_frames import TorchFrames


def as_torch(arrays: FrameArrays, transform: Transform | None) -> TorchFrames:
    """The same frames as torch tensors, each image and mask transformed.

    Raises:
        UsageError: torch is not installed.
    """
    try:
        from masksdb.training.torch_frames import TorchFrames
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("torch"):
            raise
        raise UsageError("torch_dataset: torch is not installed: pip install 'masksdb[torch]'") from None
    return TorchFrames(arrays, transform)
