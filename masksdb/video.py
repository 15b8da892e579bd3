"""Single frames of videos, by the time at which they are shown."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from masksdb.decode import MaskImage
from masksdb.errors import MaskDecodeError, UnsupportedFormatError

_STILL_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")
_LOSSLESS_CODECS = {"ffv1", "huffyuv", "ffvhuff", "png", "qtrle", "rawvideo", "utvideo", "gif", "apng", "zlib"}
_CONTENT_TYPES = {"mov": "video/mp4", "matroska": "video/x-matroska", "avi": "video/x-msvideo", "ogg": "video/ogg"}
_RGB_FORMATS = ("gbr", "rgb", "bgr", "argb", "abgr", "0rgb", "0bgr", "pal8", "gray")


def is_video(head: bytes) -> bool:
    r"""Whether a file that begins so (64 bytes are enough) is a video.

    >>> is_video(bytes(4) + b"ftypisom"), is_video(b"\x1a\x45\xdf\xa3"), is_video(b"GIF89a")
    (True, True, False)
    """
    if head[4:8] == b"ftyp":
        return head[8:12] not in _STILL_BRANDS
    return (
        head.startswith((b"\x1a\x45\xdf\xa3", b"OggS", b"FLV\x01", b"\x00\x00\x01\xba", b"\x30\x26\xb2\x75"))
        or (head.startswith(b"RIFF") and head[8:12] == b"AVI ")
        or (head[4:8] in (b"moov", b"mdat", b"wide") and len(head) > 8)
    )


class Video:
    """An open video file, which decodes frames by time and goes on from where it is.

    Attributes:
        path: the file.
        uri: what errors call it.
        is_lossy: whether its codec may have changed pixels.
        content_type: such as ``video/mp4``.
    """

    def __init__(self, path: str, uri: str, pixel_limit: int) -> None:
        """Open a video and list when its frames are shown.

        Raises:
            MaskDecodeError: the file is damaged, too large, or holds no video.
            UnsupportedFormatError: PyAV, which decodes videos, is not installed.
        """
        try:
            import av
        except ImportError:
            raise UnsupportedFormatError(
                f"{uri}: a video; install what decodes it: pip install 'masksdb[video]'"
            ) from None
        self.path = path
        self.uri = uri
        self.lock = threading.Lock()
        self._errors = av.error.FFmpegError
        with self._translated():
            self._container = av.open(path)
            streams = self._container.streams.video
            if not streams:
                raise MaskDecodeError(uri, "a file without a video stream")
            self._stream = streams[0]
            self._stream.thread_type = "AUTO"
            if self._stream.height * self._stream.width > pixel_limit:
                raise MaskDecodeError(uri, f"{self._stream.width} x {self._stream.height} pixels, more than the limit")
            self._list_frames()
        self.content_type = _CONTENT_TYPES.get(self._container.format.name.split(",")[0], "video")
        self._frames: Iterator[Any] | None = None
        self._position = -1

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise MaskDecodeError(self.uri, f"a damaged video: {error.strerror}") from None

    def _list_frames(self) -> None:
        pts, keys, first_packet = [], [], b""
        for packet in self._container.demux(self._stream):
            if packet.pts is None:
                continue
            first_packet = first_packet or bytes(packet)[:4096]
            pts.append(packet.pts)
            keys.append(packet.is_keyframe)
        if not pts:
            raise MaskDecodeError(self.uri, "a video without frames")
        order = np.argsort(pts, kind="stable")
        self._pts = np.array(pts, np.int64)[order]
        self._keys = np.flatnonzero(np.array(keys)[order])
        self._milliseconds = (self._pts - self._pts[0]) * float(self._stream.time_base or 1) * 1000
        steps = np.diff(self._milliseconds)
        rate = self._stream.average_rate
        self._frame_ms = float(np.median(steps)) if len(steps) else 1000 / float(rate) if rate else 0.0
        self.is_lossy = not self._is_lossless(first_packet)

    def _is_lossless(self, first_packet: bytes) -> bool:
        codec, pixels = self._stream.codec_context.name, self._stream.codec_context.pix_fmt or ""
        if not pixels.startswith(_RGB_FORMATS):
            return False
        # x264 writes its settings into the first packet; only with a quantizer of 0 it loses nothing.
        return codec in _LOSSLESS_CODECS or bool(re.search(rb"x26[45] .*\bqp=0\b", first_packet, re.DOTALL))

    def frame_numbers(self, timestamps_ms: Sequence[int]) -> list[int]:
        """The frame that is shown nearest to each time, the earlier of two as near; counted from 0.

        Raises:
            MaskDecodeError: a time is before the first frame, or later than the last one and its duration.
        """
        times = np.asarray(timestamps_ms, np.float64)
        end = self._milliseconds[-1] + self._frame_ms
        for time in times:
            if time < 0 or time > end:
                raise MaskDecodeError(self.uri, f"no frame at {time:.0f} ms; the video is {end:.0f} ms long")
        after = np.clip(np.searchsorted(self._milliseconds, times), 1, max(1, len(self._milliseconds) - 1))
        if len(self._milliseconds) == 1:
            return [0] * len(times)
        is_before = times - self._milliseconds[after - 1] <= self._milliseconds[after] - times
        return [int(number) for number in np.where(is_before, after - 1, after)]

    def read_frames(self, numbers: Sequence[int]) -> Iterator[tuple[int, MaskImage]]:
        """Decode frames in ascending order, each once, with a seek only where it saves decoding.

        Yields:
            The number of the frame, and its pixels as RGB.
        """
        with self.lock, self._translated():
            for number in sorted(set(numbers)):
                yield number, self._read(number)

    def _read(self, number: int) -> MaskImage:
        key = self._keys[np.searchsorted(self._keys, number, side="right") - 1] if len(self._keys) else 0
        if self._frames is None or number <= self._position or key > self._position + 1:
            self._container.seek(int(self._pts[key]), stream=self._stream)
            self._frames = self._container.decode(self._stream)
        for frame in self._frames:
            self._position = int(np.searchsorted(self._pts, frame.pts or 0))
            if self._position >= number:
                # Planes of RGB come out as they are; of other formats nothing comes out exactly.
                pixels: Any = frame.to_ndarray(format="rgb24")
                return MaskImage(pixels, "rgb", content_type=self.content_type, is_lossy=self.is_lossy, is_video=True)
        raise MaskDecodeError(self.uri, f"the video ends before its frame {number}")
