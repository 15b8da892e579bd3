"""Masks are where their URIs say: on this disk, on web servers, in buckets, or where a prefix sends them."""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.common import Outcome, exported
from support.servers import WebServer, bucket_server, picture, web_server

import masksdb
from masksdb import MaskDecodeError, UnsupportedFormatError
from masksdb.pixels import media
from masksdb.pixels.mask_cache import facts_cache

WITHOUT_DRIVERS = """
import sys, masksdb
sys.modules.update(dict.fromkeys(["gcsfs", "s3fs", "aiohttp", "adlfs"]))
with masksdb.connect(":memory:") as db:
    for scheme in ("gs", "s3", "https", "az"):
        try:
            db.read_mask(f"{scheme}://b/a.png")
        except masksdb.UnsupportedFormatError as error:
            print(error)
"""
AREA = "SELECT mask_area(mask_ref($uri), [1])"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of remote files, and nothing known of any."""
    monkeypatch.setenv("MASKSDB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(media, "_cache", media._DiskCache())
    media._tags.clear()
    facts_cache.clear()
    return tmp_path / "cache"


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as found:
        yield found


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Servers may be silent for a moment only, and are asked once."""
    monkeypatch.setattr(media, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(media, "TRIES", 1)
    media._filesystem.cache_clear()
    yield
    media._filesystem.cache_clear()


def area(db: masksdb.Database, uri: object) -> Any:
    return db.sql(AREA, {"uri": str(uri)}).fetchall()[0][0]


def test_the_longest_prefix_counts_and_only_once(db: masksdb.Database, write: Callable[..., str]) -> None:
    folder = Path(write("far/1.png", picture(1))).parent.parent
    write("near/1.png", picture(2))
    write("twice/1.png", picture(3))
    db.map_media("s3://b/", f"{folder}/far/")
    db.map_media("s3://b/seg/", f"{folder}/near/")
    db.map_media(f"{folder}/near/", f"{folder}/twice/")
    assert (area(db, "s3://b/1.png"), area(db, "s3://b/seg/1.png"), area(db, f"{folder}/near/1.png")) == (1, 4, 9)


def test_a_prefix_is_seen_at_once_by_connections_that_are_open(
    db: masksdb.Database, db_path: str, run: Callable[..., Outcome], write: Callable[..., str]
) -> None:
    folder = Path(write("a/1.png", picture(1))).parent.parent
    write("b/1.png", picture(2))
    cursor = db.connection.cursor()
    for name, expected in (("a", 1), ("b", 4)):
        assert run("media", "map", db_path, "s3://b/", f"{folder}/{name}/").status == 0
        assert area(db, "s3://b/1.png") == expected
        assert cursor.execute(AREA, {"uri": "s3://b/1.png"}).fetchall() == [(expected,)]
        assert db.read_mask("s3://b/1.png").size == expected


def test_a_prefix_is_there_when_a_database_is_opened_again(db_path: str, write: Callable[..., str]) -> None:
    path = write("1.png", picture(2))
    with masksdb.connect(db_path) as db:
        db.map_media("s3://b/", path.removesuffix("1.png"))
    with masksdb.connect(db_path, read_only=True) as db:
        assert area(db, "s3://b/1.png") == 4


def test_only_file_uris_are_percent_decoded(db: masksdb.Database, write: Callable[..., str]) -> None:
    spaced, escaped = write("a b#1.png", picture(1)), write("a%20b%231.png", picture(2))
    folder = spaced.removesuffix("a b#1.png")
    assert area(db, spaced) == area(db, f"file://{folder}a%20b%231.png") == 1
    assert area(db, f"FILE://localhost{folder}a%20b%231.png") == 1
    assert area(db, escaped) == area(db, f"file://{folder}a%2520b%25231.png") == 4


@pytest.mark.parametrize("uri", ["ftp://host/a.png", "gopher+x://host/a.png"])
def test_a_scheme_that_is_not_known_is_refused_by_name(
    db: masksdb.Database, db_path: str, run: Callable[..., Outcome], uri: str
) -> None:
    says = f"{uri}: the scheme '{uri.partition(':')[0]}' is not known; expected one of file, http, https, s3, gs, az"
    with pytest.raises(UnsupportedFormatError) as raised:
        db.read_mask(uri)
    assert str(raised.value) == says
    with pytest.raises(duckdb.Error) as refused:
        area(db, uri)
    assert says in str(refused.value)
    outcome = run("sql", db_path, AREA.replace("$uri", f"'{uri}'"), "--write")
    assert (outcome.status, outcome.err) == (1, f"Error: {says}\n")


def test_what_fetches_a_scheme_and_is_not_installed_is_named() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_DRIVERS], capture_output=True, text=True, check=True)
    names = {"gs": "gs", "s3": "s3", "https": "http", "az": "az"}
    assert done.stdout.splitlines() == [
        f"{scheme}://b/a.png: to read {scheme}:// install what fetches it: pip install 'masksdb[{extra}]'"
        for scheme, extra in names.items()
    ]


def test_a_file_that_changes_between_two_queries_is_read_again(db: masksdb.Database, write: Callable[..., str]) -> None:
    path = write("a.png", picture(3, 1))
    assert area(db, path) == 9
    write("a.png", picture(3, 2))
    os.utime(path, (1, 1))
    assert area(db, path) == 0


def test_a_remote_file_is_fetched_once_for_many_queries(db: masksdb.Database, server: WebServer, cache: Path) -> None:
    server.files = {"/a.png": picture(3)}
    for _ in range(3):
        assert area(db, f"{server.url}/a.png") == 9
        assert db.read_mask(f"{server.url}/a.png").shape == (3, 3)
        facts_cache.clear()
    assert server.asked == ["HEAD /a.png", "GET /a.png"]
    assert len(list(cache.iterdir())) == 1


def test_a_file_in_the_cache_survives_the_process(db: masksdb.Database, server: WebServer) -> None:
    server.files = {"/a.png": picture(3)}
    area(db, f"{server.url}/a.png")
    program = "import sys, masksdb; print(masksdb.connect(':memory:').read_mask(sys.argv[1]).shape)"
    done = subprocess.run([sys.executable, "-c", program, f"{server.url}/a.png"], capture_output=True, check=True)
    assert done.stdout == b"(3, 3)\n"
    assert server.count("GET") == 1


def test_threads_that_want_the_same_remote_file_fetch_it_once(db: masksdb.Database, server: WebServer) -> None:
    server.files, server.pieces = {"/a.png": picture(3)}, 3
    threads = [threading.Thread(target=db.read_mask, args=(f"{server.url}/a.png",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.count("GET") == 1


@pytest.mark.parametrize(("path", "status"), [("/no.png", 404), ("/gone.png", 410)])
def test_a_file_that_a_server_does_not_have_is_told(
    db: masksdb.Database, server: WebServer, path: str, status: int
) -> None:
    uri = f"{server.url}{path}"
    server.failures = [status] * 8
    with pytest.raises(MaskDecodeError) as raised:
        db.read_mask(uri)
    assert (raised.value.uri, raised.value.reason) == (uri, "no such file")
    assert len(server.asked) == 2, "asked by HEAD and by GET, and not again"
    with pytest.raises(duckdb.Error) as refused:
        area(db, uri)
    assert f"{uri}: no such file" in str(refused.value)


@pytest.mark.usefixtures("impatient")
def test_a_server_that_does_not_answer_is_told_before_long(db: masksdb.Database, server: WebServer) -> None:
    server.silence_s = 1
    started = time.monotonic()
    with pytest.raises(MaskDecodeError, match=r"a\.png: no answer in time"):
        db.read_mask(f"{server.url}/a.png")
    assert time.monotonic() - started < 10


@pytest.mark.usefixtures("impatient")
def test_a_slow_answer_is_waited_for_as_long_as_it_goes_on(db: masksdb.Database, server: WebServer) -> None:
    server.files, server.pieces = {"/a.png": picture(3)}, 6
    assert db.read_mask(f"{server.url}/a.png").shape == (3, 3)


@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_not_there_is_told(db: masksdb.Database) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    with pytest.raises(MaskDecodeError, match="cannot be fetched: Cannot connect"):
        db.read_mask(f"http://127.0.0.1:{port}/a.png")


@pytest.mark.parametrize("failures", [[500, 500], [503, 503, 500, 500], [200, 502]])
def test_a_request_that_fails_is_made_again(db: masksdb.Database, server: WebServer, failures: list[int]) -> None:
    server.files, server.failures = {"/a.png": picture(3)}, failures
    assert db.read_mask(f"{server.url}/a.png").shape == (3, 3)


@pytest.mark.usefixtures("impatient")
def test_a_server_that_goes_on_failing_is_told_with_its_status(db: masksdb.Database, server: WebServer) -> None:
    server.failures = [500] * 100
    with pytest.raises(MaskDecodeError, match="cannot be fetched: 500"):
        db.read_mask(f"{server.url}/a.png")


@pytest.mark.parametrize("header", ["ETag", "Last-Modified"])
def test_a_remote_file_that_changes_is_seen_after_a_while(
    db: masksdb.Database, server: WebServer, monkeypatch: pytest.MonkeyPatch, header: str
) -> None:
    uri = f"{server.url}/a.png"
    server.files, server.headers = {"/a.png": picture(3, 1)}, {"/a.png": {header: '"one"'}}
    assert area(db, uri) == 9
    server.files, server.headers = {"/a.png": picture(3, 2)}, {"/a.png": {header: '"two"'}}
    assert area(db, uri) == 9, "not asked again so soon"
    monkeypatch.setattr(media, "FRESH_S", 0)
    assert area(db, uri) == 0


def test_the_longest_unused_remote_files_make_room(
    db: masksdb.Database, server: WebServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files = {f"/{name}.png": picture(3) for name in "abcd"}
    monkeypatch.setattr(media, "CACHE_BYTES", int(3.5 * len(picture(3))))
    for name in "abc":
        db.read_mask(f"{server.url}/{name}.png")
    for age, each in enumerate(sorted(cache.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)):
        os.utime(each, (1000 - age, 1000 - age))
    for name in "adad":
        db.read_mask(f"{server.url}/{name}.png")
    assert len(list(cache.iterdir())) == 3
    assert server.count("GET") == 4, "what was used last is still there"
    db.read_mask(f"{server.url}/b.png")
    assert server.count("GET") == 5, "and the longest unused is not"


def test_a_query_over_more_than_the_cache_holds_is_answered(
    db: masksdb.Database, server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files = {f"/{number}.png": picture(3) for number in range(12)}
    monkeypatch.setattr(media, "CACHE_BYTES", 200)
    query = "SELECT sum(mask_area(mask_ref($url || '/' || n || '.png'), [1])) FROM range(12) AS numbers(n)"
    assert db.sql(query, {"url": server.url}).fetchall() == [(9 * 12,)]


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The address of a server of buckets, with one mask in it."""
    with bucket_server("cars", {"seg/a%20b.png": picture(3)}) as url:
        yield url


def test_a_mask_in_a_bucket_is_read_and_one_that_is_not_there_is_told(
    db: masksdb.Database, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("ENDPOINT_URL", bucket), ("ACCESS_KEY_ID", "any"), ("SECRET_ACCESS_KEY", "any")):
        monkeypatch.setenv(f"AWS_{name}", value)
    media._filesystem.cache_clear()
    importlib.import_module("s3fs").S3FileSystem.clear_instance_cache()
    assert area(db, "s3://cars/seg/a%20b.png") == 9
    for uri in ("s3://cars/none.png", "s3://no-such-bucket/a.png"):
        with pytest.raises(MaskDecodeError, match=f"{uri}: no such file"):
            db.read_mask(uri)


def test_a_dataset_of_web_addresses_is_used_from_a_local_copy(
    db_path: str, run: Callable[..., Outcome], write: Callable[..., str], tmp_path: Path
) -> None:
    address = "https://s3.amazonaws.com/cars/"
    write("copy/seg/1.png", picture(3))
    masks = [{"id": "seg", "uri": f"{address}seg/1.png"}]
    frame = {"id": "1", "sources": [{"id": "s", "uri": f"{address}1.jpg", "masks": masks}]}
    frame |= {"rois": [{"label": ["car"], "mask": {"id": "seg", "value": [1]}}]}
    assert run("ingest", db_path, write("f.jsonl", [frame]), "--dataset", "d").status == 0
    assert run("media", "map", db_path, address, f"{tmp_path}/copy/").status == 0
    query = "SELECT mask_uri, mask_area(mask, mask_value) AS area FROM mask_rois"
    outcome = run("sql", db_path, query, "--format", "csv")
    assert outcome.out.splitlines()[1:] == [f"{address}seg/1.png,9"]
    with masksdb.connect(db_path) as db:
        assert exported(db, "d", None, tmp_path) == [frame]
