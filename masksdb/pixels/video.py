"""Single frames of videos, by the time at which they are shown."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from masksdb.errors import MaskDecodeError, UnsupportedFormatError
from masksdb.pixels.masks import MaskImage

_STILL_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")

_LOSSLESS_CODECS = {"ffv1", "huffyuv", "ffvhuff", "png", "qtrle", "rawvideo", "utvideo", "gif", "apng", "zlib"}

_CONTENT_TYPES = {"mov": "video/mp4", "matroska": "video/x-matroska", "avi": "video/x-msvideo", "ogg": "video/ogg"}

_SEEKABLE = ("mov", "matroska", "flv")
"""Containers in which every frame has a time of its own, so that a seek is exact."""

_EARLIER_STARTS = 2
"""Earlier key frames from which decoding is tried if it fails from the nearest one."""

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
    """An open video file, which decodes frames by time and continues from the frame that it decoded last.

    Attributes:
        path: the file.
        uri: the name of the file in errors.
        is_lossy: whether its codec may have changed pixels.
        content_type: the MIME type, such as ``video/mp4``.
    """

    def __init__(self, path: str, uri: str, pixel_limit: int) -> None:
        """Open a video and list the times of its frames.

        Raises:
            MaskDecodeError: the file is damaged, too large, or has no video stream.
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
            self._open()
            if self._stream.height * self._stream.width > pixel_limit:
                raise MaskDecodeError(uri, f"{self._stream.width} x {self._stream.height} pixels, more than the limit")
            self._list_frames()
        self.content_type = _CONTENT_TYPES.get(self._format, "video")
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

    def _open(self) -> None:
        import av

        self._container = av.open(self.path)
        self._format = self._container.format.name.split(",")[0]
        streams = self._container.streams.video
        if not streams:
            raise MaskDecodeError(self.uri, "a file without a video stream")
        self._stream = streams[0]
        if self._stream.codec_context is None:
            raise MaskDecodeError(self.uri, "a video whose codec is not known")
        self._stream.thread_type = "AUTO"
        # A damaged frame is an error; its pixels are not guessed.
        self._stream.codec_context.options = {"err_detect": "explode"}

    def _list_frames(self) -> None:
        pts, keys, first_packet = [], [], b""
        self._cut_pts = set()
        for packet in self._container.demux(self._stream):
            if packet.pts is None:
                continue
            first_packet = first_packet or bytes(packet)[:4096]
            if packet.is_keyframe:
                keys.append(packet.pts)
            if packet.is_corrupt:
                self._cut_pts.add(packet.pts)
            # Frames that were trimmed off are stored to decode those that follow, and are never shown.
            if not packet.is_discard:
                pts.append(packet.pts)
        if not pts:
            raise MaskDecodeError(self.uri, "a video without frames")
        self._pts = np.sort(np.array(pts, np.int64))
        self._key_pts = np.sort(np.array(keys, np.int64))
        unit = self._stream.time_base or Fraction(1)
        self._is_seekable = self._format in _SEEKABLE or (self._format == "avi" and len(keys) == len(pts))
        self._milliseconds = (self._pts - self._pts[0]) * (1000 * unit.numerator) / unit.denominator
        steps = np.diff(self._milliseconds)
        rate = self._stream.average_rate
        self._frame_ms = float(np.median(steps)) if len(steps) else 1000 / float(rate) if rate else 0.0
        self.is_lossy = not self._is_lossless(first_packet)

    def _is_lossless(self, first_packet: bytes) -> bool:
        import av

        codec, pixels = self._stream.codec_context.name, self._stream.codec_context.pix_fmt or ""
        if not pixels.startswith(_RGB_FORMATS):
            return False
        if av.VideoFormat(pixels).components[0].bits > 8:
            return False
        # x264 writes its settings into the first packet; only with a quantizer of 0 it loses nothing.
        return codec in _LOSSLESS_CODECS or bool(re.search(rb"x26[45] .*\bqp=0\b", first_packet, re.DOTALL))

    def frame_numbers(self, timestamps_ms: Sequence[int]) -> list[int]:
        """For each time the number of the nearest frame, counted from 0; the earlier of two that are as near.

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

    def read_frames(self, numbers: Sequence[int]) -> Iterator[tuple[int, MaskImage | MaskDecodeError]]:
        """Decode frames in ascending order, every frame once, with a seek only if it saves decoding.

        Yields:
            The number of a frame, and its pixels as RGB, or why they cannot be decoded.
        """
        with self.lock:
            for number in sorted(set(numbers)):
                image: MaskImage | MaskDecodeError
                try:
                    with self._translated():
                        image = self._read(number)
                except MaskDecodeError as error:
                    image = error
                yield number, image

    def _read(self, number: int) -> MaskImage:
        if self._pts[number] in self._cut_pts:
            raise MaskDecodeError(self.uri, f"a damaged video: its frame {number} is cut off")
        stop = int(np.searchsorted(self._key_pts, self._pts[number], side="right"))
        starts = self._key_pts[max(0, stop - 1 - _EARLIER_STARTS) : stop][::-1].tolist()
        attempts = starts if starts and self._is_seekable else [int(self._pts[0])]
        if self._frames is not None and self._position < number and attempts[0] <= self._pts[self._position + 1]:
            attempts = [None, *attempts]
        # Frames after a key frame may refer to frames before it.
        problem: Exception = MaskDecodeError(self.uri, f"its frame {number} cannot be decoded")
        for start in attempts:
            try:
                frame = self._find(number, start)
            except self._errors as error:
                self._frames, problem = None, error
                continue
            if frame is not None:
                # Planes of RGB are exact; other formats are converted, which is not.
                pixels: Any = frame.to_ndarray(format="rgb24")
                return MaskImage(pixels, "rgb", content_type=self.content_type, is_lossy=self.is_lossy, is_video=True)
        raise problem

    def _find(self, number: int, start: int | None) -> Any:
        """Decode up to a frame, from the last decoded frame or from ``start``; None if the frame does not come."""
        if start is not None:
            if self._is_seekable:
                self._container.seek(start, stream=self._stream)
            else:
                self._container.close()
                self._open()
            self._position = -1
            self._frames = self._container.decode(self._stream)
        for frame in self._frames or ():
            if not self._is_seekable:
                self._position += 1
            elif frame.pts is not None and frame.pts >= self._pts[0]:
                self._position = int(np.searchsorted(self._pts, frame.pts))
            if self._position >= number:
                return frame if self._position == number and not frame.is_corrupt else None
        self._frames = None
        return None
