"""The errors of masksdb, all in one tree.

    MasksDBError
    ├── IngestError             an input record or file that is not valid
    ├── NotFoundError           no dataset, version or frame of that name; also a ValueError
    ├── VersionPublishedError   a write to a published version; also a ValueError
    ├── UsageError              a call with arguments that are not valid or conflict; also a ValueError
    ├── MaskDecodeError         a mask file that cannot be read
    ├── SchemaVersionError      a file from another version of masksdb
    ├── UnsupportedFormatError  a format, or a use of it, that masksdb does not know
    ├── DatabaseLockedError     the file is open for writing elsewhere
    ├── DatabaseDamagedError    the file or its write-ahead log is not as DuckDB wrote it
    ├── DiskFullError           there is no room to write
    ├── QueryError              SQL that DuckDB refuses
    └── LossRefusedError        an export that would lose something and was asked to refuse it

Every message is one sentence: where, what was found, what was expected, what to do.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")

_USER = re.compile(r"(?<=://)[^/?#]*@")

_SECRET = re.compile(
    r"([?&;#][^=&;#]*(?:(?<![a-z])sig|token|secret|passw|pwd|key|credential|auth)[^=&;#]*=)[^&;#]*?(?=[:,.)]*(?:[&;#]|$))",
    re.IGNORECASE,
)

_BYTES = re.compile(r"""\bb('|").*?(?<!\\)\1""")


def without_secrets(text: str) -> str:
    """A text without the passwords, signatures and tokens in its URIs.

    >>> without_secrets("https://me:word@host/a.png?v=2&X-Amz-Signature=0a1b: no such file")
    'https://***@host/a.png?v=2&X-Amz-Signature=***: no such file'
    """
    return _URI.sub(lambda uri: _SECRET.sub(r"\1***", _USER.sub("***@", uri[0])), text) if "://" in text else text


def foreign_text(error: BaseException) -> str:
    r"""The text of a library's error as part of one sentence, without the bytes of a file that it may quote.

    >>> foreign_text(ValueError("broken chunk\n b'\x00PLTE'"))
    'broken chunk [bytes]'
    """
    return _BYTES.sub("[bytes]", " ".join(str(error).split()))[:500]


def without_place(error: BaseException, place: str) -> str:
    """The text of an error without the file or URI that it begins with.

    >>> without_place(MaskDecodeError("a.png", "no such file"), "a.png")
    'no such file'
    """
    return str(error).removeprefix(f"{place}: ")


class MasksDBError(Exception):
    """Any error that masksdb raises on purpose."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*(without_secrets(each) if isinstance(each, str) else each for each in arguments))


class IngestError(MasksDBError):
    """An input file or record that cannot become a frame.

    Attributes:
        path: the file, ``-`` for standard input, or ``frames`` for Python objects.
        line: line in a file of JSON lines, from 1, else None.
        record: index in an array or iterable, from 0, else None.
        json_path: place inside the record, such as ``rois[2].mask.value``, else None.
        reason: what was found and what was expected.
    """

    def __init__(
        self,
        reason: str,
        path: str,
        *,
        line: int | None = None,
        record: int | None = None,
        json_path: str | None = None,
    ) -> None:
        self.reason = reason
        self.path = path
        self.line = line
        self.record = record
        self.json_path = json_path or None
        super().__init__(f"{self.place}: {reason}")

    @property
    def place(self) -> str:
        """Where: the file, line or record, and the place in it.

        >>> IngestError("...", "a.jsonl", line=3, json_path="rois[2].mask.value").place
        'a.jsonl:3: rois[2].mask.value'
        """
        text = self.path
        if self.line is not None:
            text += f":{self.line}"
        if self.record is not None:
            text += f"[{self.record}]"
        return f"{text}: {self.json_path}" if self.json_path else text


class NotFoundError(MasksDBError, ValueError):
    """No dataset, version or frame of that name; the message offers near names."""

    @classmethod
    def named(cls, kind: str, name: str, where: str, known: Iterable[str]) -> NotFoundError:
        """The error for a name that is not among the known ones."""
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or names[:3]
        offer = f"did you mean {' or '.join(repr(n) for n in near)}?" if near else f"it has no {kind}s yet"
        return cls(f"{where}: no {kind} {name!r}; {offer}")


class VersionPublishedError(MasksDBError, ValueError):
    """A write to a published version, which is frozen."""


class UsageError(MasksDBError, ValueError):
    """A call with arguments that are not valid or conflict: a name that is taken, a parent that is a draft."""


class MaskDecodeError(MasksDBError):
    """A mask file that cannot be read.

    Attributes:
        uri: the file.
        reason: why it cannot be read.
    """

    def __init__(self, uri: str, reason: str) -> None:
        self.uri = uri
        self.reason = without_secrets(reason)
        super().__init__(f"{uri}: {reason}")


class SchemaVersionError(MasksDBError):
    """A database file whose schema is newer than this masksdb, or older and opened read-only."""


class UnsupportedFormatError(MasksDBError):
    """A format, or a use of one, that masksdb does not know."""


class DatabaseLockedError(MasksDBError):
    """The database file is open for writing in another process."""


class DatabaseDamagedError(MasksDBError):
    """A database file, or its write-ahead log, that is not as DuckDB wrote it.

    Attributes:
        path: the database file.
        file: the damaged file: that, or its log.
        reason: what was found in it.
    """

    def __init__(self, path: str, file: str, reason: str) -> None:
        self.path = path
        self.file = file
        self.reason = reason
        what = "" if file == path else f"the write-ahead log of {path} is "
        super().__init__(f"{file}: {what}damaged: {reason}; 'masksdb doctor {path}' finds out what can be saved")


class DiskFullError(MasksDBError):
    """There is no room on the disk, or under a limit of the system, for what has to be written."""


class QueryError(MasksDBError):
    """SQL that DuckDB refuses."""


class LossRefusedError(MasksDBError):
    """An export that would lose something and was asked to refuse it.

    Attributes:
        report: the ``LossReport`` of what it would lose.
    """

    def __init__(self, report: Any) -> None:
        self.report = report
        super().__init__(f"{report.path}: the export loses something, so nothing was written; see the report")
