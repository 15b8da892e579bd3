"""What a user would write without masksdb: loops over mask files that count the pixels of each value.

Every loop has a function of a path and of the codes that the annotations name, and gives the pixels by code. A code is
an index, or a colour as ``red << 16 | green << 8 | blue``. Packages are imported by whoever asks for the function.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

Areas = Mapping[int, int]
CountAreas = Callable[[str, Sequence[int]], Areas]


class Peer(NamedTuple):
    """A loop.

    Attributes:
        name: what the report calls it.
        package: what has to be installed for it.
        make: imports packages and gives the function of a path and codes.
        by_index: whether its codes are indexes rather than colours.
    """

    name: str
    package: str
    make: Callable[[], CountAreas]
    by_index: bool

    @property
    def is_installed(self) -> bool:
        return importlib.util.find_spec(self.package) is not None


def _pillow() -> Any:
    """Pillow with what it imports when it opens a file."""
    from PIL import Image

    Image.preinit()
    return Image


def pillow_histogram() -> CountAreas:
    pillow = _pillow()

    def areas(path: str, _: Sequence[int]) -> Areas:
        with pillow.open(path) as image:
            return {index: count for index, count in enumerate(image.histogram()) if count}

    return areas


def pillow_unique() -> CountAreas:
    import numpy as np

    pillow = _pillow()

    def areas(path: str, _: Sequence[int]) -> Areas:
        with pillow.open(path) as image:
            indexes, counts = np.unique(np.asarray(image), return_counts=True)
        return dict(zip(indexes.tolist(), counts.tolist(), strict=True))

    return areas


def pillow_getcolors() -> CountAreas:
    pillow = _pillow()

    def areas(path: str, _: Sequence[int]) -> Areas:
        with pillow.open(path) as image:
            # Up to 256 colours, for which it keeps a small table; with a limit of 1 << 24 it takes ten times as long.
            found: Any = image.getcolors()
        return {red << 16 | green << 8 | blue: count for count, (red, green, blue) in found}

    return areas


def packed(rgba: Any) -> Any:
    """RGBA as one number a pixel, without a copy."""
    import numpy as np

    return rgba.view("<u4")[..., 0] & np.uint32(0xFFFFFF)


def packed_areas(rgba: Any) -> Areas:
    """Pixels by colour of an RGBA array."""
    import numpy as np

    found, counts = np.unique(packed(rgba), return_counts=True)
    return {_code(colour): count for colour, count in zip(found.tolist(), counts.tolist(), strict=True)}


def _code(colour: int) -> int:
    """The bytes of a colour in the other order."""
    return (colour & 0xFF) << 16 | (colour & 0xFF00) | colour >> 16


def pillow_packed() -> CountAreas:
    import numpy as np

    pillow = _pillow()

    def areas(path: str, _: Sequence[int]) -> Areas:
        with pillow.open(path) as image:
            return packed_areas(np.asarray(image.convert("RGBA")))

    return areas


def opencv_packed() -> CountAreas:
    cv2 = importlib.import_module("cv2")

    def areas(path: str, _: Sequence[int]) -> Areas:
        return packed_areas(cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGBA))

    return areas


def pycocotools_indexes() -> CountAreas:
    import numpy as np

    pillow = _pillow()

    return _encode(lambda path: np.asarray(pillow.open(path)))


def pycocotools_colours() -> CountAreas:
    import numpy as np

    pillow = _pillow()

    encode = _encode(lambda path: packed(np.asarray(pillow.open(path).convert("RGBA"))))
    return lambda path, codes: {_code(code): area for code, area in encode(path, list(map(_code, codes))).items()}


def _encode(read: Callable[[str], Any]) -> CountAreas:
    """``encode`` and ``area`` of each value that the annotations name."""
    import numpy as np

    coco = importlib.import_module("pycocotools.mask")

    def areas(path: str, codes: Sequence[int]) -> Areas:
        pixels = read(path)
        return {code: int(coco.area(coco.encode(np.asfortranarray(pixels == code, np.uint8)))) for code in codes}

    return areas


PEERS = {
    "pillow_histogram": Peer("Pillow `histogram()`", "PIL", pillow_histogram, True),
    "pillow_unique": Peer("Pillow, `np.unique`", "PIL", pillow_unique, True),
    "pillow_getcolors": Peer("Pillow `getcolors`", "PIL", pillow_getcolors, False),
    "pillow_packed": Peer("Pillow, `np.unique` of packed colours", "PIL", pillow_packed, False),
    "opencv_packed": Peer("OpenCV, `np.unique` of packed colours", "cv2", opencv_packed, False),
    "pycocotools_indexes": Peer("Pillow, pycocotools `encode`, `area`", "pycocotools", pycocotools_indexes, True),
    "pycocotools_colours": Peer("Pillow, pycocotools `encode`, `area`", "pycocotools", pycocotools_colours, False),
}

Decode = Callable[[bytes], Any]


class Decoder(NamedTuple):
    """What makes an array of a PNG file.

    Attributes:
        package: what has to be installed for it.
        make: imports packages and gives the function of the content of a file.
    """

    package: str
    make: Callable[[], Decode]

    @property
    def is_installed(self) -> bool:
        return importlib.util.find_spec(self.package) is not None


def decode_masksdb() -> Decode:
    from masksdb.pixels.decode import decode_image

    return lambda data: decode_image(data, "", pixel_limit=1 << 28).samples


def decode_kornia() -> Decode:
    import struct

    kornia = importlib.import_module("kornia_rs")
    modes = {2: "rgb", 3: "mono"}

    def decode(data: bytes) -> Any:
        width, height, _, colour = struct.unpack_from(">IIBB", data, 16)
        return kornia.io.decode_image_png_u8(data, (height, width), modes[colour])

    return decode


def decode_pillow() -> Decode:
    import io

    import numpy as np

    pillow = _pillow()

    return lambda data: np.asarray(pillow.open(io.BytesIO(data)))


def decode_opencv() -> Decode:
    cv2 = importlib.import_module("cv2")
    import numpy as np

    return lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def decode_imagecodecs() -> Decode:
    decode: Decode = importlib.import_module("imagecodecs").png_decode
    return decode


def decode_pyspng() -> Decode:
    decode: Decode = importlib.import_module("pyspng").load
    return decode


DECODERS = {
    "masksdb": Decoder("masksdb", decode_masksdb),
    "kornia-rs": Decoder("kornia_rs", decode_kornia),
    "Pillow": Decoder("PIL", decode_pillow),
    "OpenCV": Decoder("cv2", decode_opencv),
    "imagecodecs": Decoder("imagecodecs", decode_imagecodecs),
    "pyspng": Decoder("pyspng", decode_pyspng),
}


def decode_video(path: str, *, is_parallel: bool, pixels: str = "rgb24") -> Iterator[Any]:
    """The frames of a video as arrays, one after the other."""
    import av

    with av.open(path) as container:
        stream = container.streams.video[0]
        if is_parallel:
            stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            yield frame.to_ndarray(format=pixels)


def decode_video_opencv(path: str) -> Iterator[Any]:
    """The same by OpenCV, as BGR."""
    capture = importlib.import_module("cv2").VideoCapture(path)
    while (found := capture.read())[0]:
        yield found[1]


def in_threads(work: Callable[..., Any], threads: int, *arguments: Sequence[Any]) -> list[Any]:
    """The results of a function for each of its arguments, in their order."""
    if threads == 1:
        return list(map(work, *arguments))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, *arguments))


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Throws away what libraries write to standard error past Python."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
