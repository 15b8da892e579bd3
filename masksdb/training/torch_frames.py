"""Frames for training as torch tensors, and a loader whose errors name the frame.

torch is an extra: ``pip install 'masksdb[torch]'``. Where torchvision is there, masks are its ``tv_tensors.Mask``.
"""

from __future__ import annotations

import importlib
import multiprocessing.connection
import os
import re
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from types import FrameType
from typing import Any
from weakref import WeakSet

import torch
from torch.utils.data import DataLoader, get_worker_info
from torch.utils.data._utils.collate import default_collate, default_collate_fn_map

from masksdb.errors import MasksDBError, UsageError
from masksdb.training.arrays import FrameArrays

MOST_WORKERS = 1024

ENDING_S = 5
"""Seconds that a worker may take to end after it has closed its connection."""

_DEAD = re.compile(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)")


class Labels(tuple[str, ...]):
    """The labels of one frame. A batch has a list of them: frames do not have equally many."""

    __slots__ = ()


def _listed(batch: Sequence[Labels], *, collate_fn_map: object = None) -> list[Labels]:  # noqa: ARG001  # torch gives it
    return list(batch)


default_collate_fn_map[Labels] = _listed


def _mask_type() -> Any:
    try:
        return importlib.import_module("torchvision.tv_tensors").Mask
    except ImportError:
        return None


class TorchFrames:
    """A map-style dataset over frames, for any ``DataLoader``; it can be pickled.

    An item is what :class:`masksdb.training.arrays.FrameArrays` gives, but ``image`` a uint8 tensor of shape
    (3, height, width), left out where no images are wanted, and ``mask`` a uint8 or int64 tensor of shape
    (height, width). What is None there is an empty text here.

    Attributes:
        frames: the same frames as numpy arrays.
    """

    def __init__(self, frames: FrameArrays) -> None:
        self.frames = frames
        self._mask_type = _mask_type()
        # By worker: its process, and the index of the frame that it has begun last. The parent sees what they write.
        self._begun = torch.full((MOST_WORKERS, 2), -1, dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The frame at an index.

        Raises:
            MasksDBError: it cannot be read; the message names it.
        """
        worker = get_worker_info()
        if worker is not None and worker.id < MOST_WORKERS:
            self._begun[worker.id, 0], self._begun[worker.id, 1] = os.getpid(), int(index)
        item = self.frames[index]
        image, mask = item.pop("image"), torch.from_numpy(item.pop("mask"))
        found: dict[str, Any] = {}
        if image is not None:
            found["image"] = torch.from_numpy(image).permute(2, 0, 1)
        elif self.frames.options.images:
            raise MasksDBError(f"{self.frames.name(index)}: no image; ask for masks alone with images=False")
        found["mask"] = mask if self._mask_type is None else self._mask_type(mask)
        labels = Labels(item.pop("labels"))
        return {**found, "labels": labels, **{name: value or "" for name, value in item.items()}}

    def set_epoch(self, epoch: int) -> None:
        """Let random crops be others than in the epochs before; workers see it when they start."""
        self.frames.set_epoch(epoch)

    def loader(self, **options: Any) -> Loader:
        """A ``DataLoader`` over the frames that says at which frame a worker died.

        The images of a batch lie in memory as they were decoded, pixel after pixel (``torch.channels_last``).

        Args:
            options: those of ``torch.utils.data.DataLoader``.
        """
        if options.get("num_workers", 0) > MOST_WORKERS:
            raise UsageError(f"num_workers: found {options['num_workers']}, expected {MOST_WORKERS} at most")
        return Loader(self, **options)

    def begun(self, process: int) -> int | None:
        """The index of the frame that a worker has begun last."""
        found = self._begun[self._begun[:, 0] == process, 1].tolist()
        return found[0] if found else None


class Loader:
    """Batches of frames, each time it is iterated over.

    Attributes:
        loader: the ``DataLoader`` that gives them.
    """

    def __init__(self, dataset: TorchFrames, **options: Any) -> None:
        self._dataset = dataset
        options.setdefault("collate_fn", _collated)
        self.loader: Any = DataLoader(dataset, **options)  # type: ignore[arg-type,unused-ignore]  # map-style is what it does

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        """The batches.

        Raises:
            MasksDBError: a frame cannot be read, or a worker died; the message names the frame.
        """
        _watched.add(self._dataset)
        batches: Any = ()
        try:
            batches = iter(self.loader)
            if self.loader.num_workers:
                _watch_workers()
            yield from batches
        except (RuntimeError, OSError, EOFError) as error:
            told = _told(str(error)) or _told_of_ended(batches)
            if told is None:
                raise
            raise told from error


def _collated(batch: Sequence[Mapping[str, Any]]) -> Any:
    """A batch whose images were copied as they are: to bring each channel together takes several times as long."""
    rows = [{**item, "image": item["image"].permute(1, 2, 0)} if "image" in item else item for item in batch]
    found = default_collate(rows)
    return {**found, "image": found["image"].permute(0, 3, 1, 2)} if "image" in found else found


_watched: WeakSet[TorchFrames] = WeakSet()


def _watch_workers() -> None:
    """Have the frame named at which a worker dies, wherever this process is then.

    torch raises its error from the signal that a child has ended, so it may come out of any line of a training loop.
    """
    if not hasattr(signal, "SIGCHLD") or threading.current_thread() is not threading.main_thread():
        return
    before = signal.getsignal(signal.SIGCHLD)
    if callable(before) and getattr(before, "func", None) is not _child_ended:
        signal.signal(signal.SIGCHLD, partial(_child_ended, before))


def _child_ended(before: Any, number: int, frame: FrameType | None) -> None:
    try:
        before(number, frame)
    except RuntimeError as error:
        told = _told(str(error))
        if told is None:
            raise
        raise told from error


def _told_of_ended(batches: Any) -> MasksDBError | None:
    """The same of a worker that died while it handed a batch over, which its reader notices first."""
    workers = {each.sentinel: each for each in getattr(batches, "_workers", ())}
    dead = []
    for ending in multiprocessing.connection.wait(list(workers), timeout=ENDING_S):
        # It has let go of its files, and may not have ended yet.
        workers[ending].join(ENDING_S)
        dead.append(str(workers[ending].pid))
    return _told(f"DataLoader worker (pid {', '.join(dead)}) has ended") if dead else None


def _told(error: str) -> MasksDBError | None:
    """What torch says of a worker that died, with the frame that it had begun; None if it says something else."""
    dead = _DEAD.search(error)
    if dead is None:
        return None
    processes = [int(process) for process in dead[1].split(",")]
    begun = [(each, index) for each in _watched for process in processes if (index := each.begun(process)) is not None]
    where = " and ".join(each.frames.name(index) for each, index in begun) or "no frame yet"
    return MasksDBError(f"{where}: its worker died while it read this frame or after it: {error.splitlines()[0]}")
