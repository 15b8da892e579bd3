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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import FrameType
from typing import Any
from weakref import WeakSet

import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info
from torch.utils.data._utils.collate import default_collate, default_collate_fn_map

from masksdb.errors import MasksDBError, UsageError
from masksdb.training.arrays import FrameArrays
from masksdb.training.settings import Transform

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


class TorchFrames(Dataset):  # type: ignore[misc,type-arg,unused-ignore]  # torch may be missing
    """A ``torch.utils.data.Dataset`` over frames, for any ``DataLoader``; it can be pickled if its transform can.

    An item is a dict like that of :class:`masksdb.FrameArrays`, but ``image`` is a uint8 tensor of shape
    (3, height, width), absent with ``images=False``, and ``mask`` a uint8 or int64 tensor of shape (height, width).
    A name that is None there is ``""`` here.

    Attributes:
        frames: the same frames as numpy arrays.
        transform: called with image and mask, as :meth:`masksdb.Database.torch_dataset` describes; None if there is
            none.
    """

    def __init__(self, frames: FrameArrays, transform: Transform | None = None) -> None:
        self.frames = frames
        self.transform = transform
        self._mask_type = _mask_type()
        # By worker: its process, and the index of the frame that it has begun last. The parent sees what they write.
        self._begun = torch.full((MOST_WORKERS, 2), -1, dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The frame at an index.

        Raises:
            MasksDBError: it cannot be read, or the transform fails; the message names the frame.
        """
        worker = get_worker_info()
        if worker is not None and worker.id < MOST_WORKERS:
            self._begun[worker.id, 0], self._begun[worker.id, 1] = os.getpid(), int(index)
        item = self.frames[index]
        pixels, mask = item.pop("image"), torch.from_numpy(item.pop("mask"))
        if pixels is None and self.frames.options.images:
            raise MasksDBError(f"{self.frames.name(index)}: no image; ask for masks alone with images=False")
        image = None if pixels is None else torch.from_numpy(pixels).permute(2, 0, 1)
        if self._mask_type is not None:
            mask = self._mask_type(mask)
        if self.transform is not None:
            image, mask = self._transformed(index, image, mask)
        tensors = {"mask": mask} if image is None else {"image": image, "mask": mask}
        labels = Labels(item.pop("labels"))
        return {**tensors, "labels": labels, **{name: value or "" for name, value in item.items()}}

    def _transformed(self, index: int, image: Any, mask: Any) -> tuple[Any, Any]:
        assert self.transform is not None
        try:
            result: Any = self.transform(image, mask)
        except Exception as error:
            name = self.frames.name(index)
            raise MasksDBError(f"{name}: the transform failed: {type(error).__name__}: {error}") from error
        if not isinstance(result, tuple | list) or len(result) != 2:
            name, kind = self.frames.name(index), type(result).__name__
            raise UsageError(f"{name}: transform: found {kind}, expected that it returns image and mask")
        return result[0], result[1]

    def set_epoch(self, epoch: int) -> None:
        """Let random crops be others than in the epochs before; workers see it when they start."""
        self.frames.set_epoch(epoch)

    def loader(
        self,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        *,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[Sequence[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[dict[str, Any]]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
    ) -> Loader:
        """A ``torch.utils.data.DataLoader`` over the frames that says at which frame a worker died.

        The parameters are those of ``DataLoader``. Without ``collate_fn`` the images of a batch lie in memory as they
        were decoded, pixel after pixel (``torch.channels_last``).

        Raises:
            UsageError: more than 1024 workers.
        """
        if num_workers > MOST_WORKERS:
            raise UsageError(f"num_workers: found {num_workers}, expected {MOST_WORKERS} at most")
        loader = DataLoader(
            self,
            batch_size=batch_size,
            shuffle=shuffle,
            sampler=sampler,
            batch_sampler=batch_sampler,
            num_workers=num_workers,
            collate_fn=_collated if collate_fn is None else collate_fn,
            pin_memory=pin_memory,
            drop_last=drop_last,
            timeout=timeout,
            worker_init_fn=worker_init_fn,
            multiprocessing_context=multiprocessing_context,
            generator=generator,
            prefetch_factor=prefetch_factor,
            persistent_workers=persistent_workers,
        )
        return Loader(self, loader)

    def begun(self, process: int) -> int | None:
        """The index of the frame that a worker has begun last."""
        indexes = self._begun[self._begun[:, 0] == process, 1].tolist()
        return indexes[0] if indexes else None


class Loader:
    """Batches of frames; every loop over it is an epoch.

    Attributes:
        loader: the ``DataLoader`` that makes them.
    """

    def __init__(self, dataset: TorchFrames, loader: Any) -> None:
        self._dataset = dataset
        self.loader = loader

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
            named = _worker_error(str(error)) or _error_of_ended(batches)
            if named is None:
                raise
            raise named from error


def _collated(batch: Sequence[Mapping[str, Any]]) -> Any:
    """A batch whose images were copied as they are: collecting channel by channel takes several times as long."""
    if not all(isinstance(item.get("image"), torch.Tensor) and item["image"].ndim == 3 for item in batch):
        return default_collate(batch)
    collated = default_collate([{**item, "image": item["image"].permute(1, 2, 0)} for item in batch])
    return {**collated, "image": collated["image"].permute(0, 3, 1, 2)}


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
        named = _worker_error(str(error))
        if named is None:
            raise
        raise named from error


def _error_of_ended(batches: Any) -> MasksDBError | None:
    """The same error for a worker that died while it handed a batch over, which its reader notices first."""
    workers = {worker.sentinel: worker for worker in getattr(batches, "_workers", ())}
    dead = []
    for ending in multiprocessing.connection.wait(list(workers), timeout=ENDING_S):
        # It has let go of its files, and may not have ended yet.
        workers[ending].join(ENDING_S)
        dead.append(str(workers[ending].pid))
    return _worker_error(f"DataLoader worker (pid {', '.join(dead)}) has ended") if dead else None


def _worker_error(error: str) -> MasksDBError | None:
    """The error of torch about a worker that died, with the frame that it had begun; None if it is another error."""
    dead = _DEAD.search(error)
    if dead is None:
        return None
    processes = [int(process) for process in dead[1].split(",")]
    begun = [(dataset, dataset.begun(process)) for dataset in _watched for process in processes]
    where = " and ".join(dataset.frames.name(index) for dataset, index in begun if index is not None) or "no frame yet"
    return MasksDBError(f"{where}: its worker died while it read this frame or after it: {error.splitlines()[0]}")
