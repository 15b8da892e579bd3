"""Masks are where their URIs say: on this disk, on web servers, in buckets, or where a prefix sends them."""

from __future__ import annotations

import asyncio
import importlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.common import Outcome, exported
from support.servers import WebServer, bucket_server, picture, web_server

import masksdb
from masksdb import MaskDecodeError, UnsupportedFormatError
from masksdb.pixels import disk_cache, remote, settings, web
from masksdb.pixels.disk_cache import DiskCache
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


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Know nothing of any server or mask, as a new process does; the files on disk stay."""
    monkeypatch.setattr(remote, "_cache", DiskCache())
    for known in (remote._seen, remote._down, remote._warned, facts_cache):
        known.clear()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of remote files, and nothing known of any."""
    monkeypatch.setenv("MASKSDB_CACHE_DIR", str(tmp_path / "cache"))
    forget(monkeypatch)
    return tmp_path / "cache"


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as result:
        yield result


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers may be silent for a moment only, and are asked once."""
    monkeypatch.setattr(settings, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(remote, "TRIES", 1)


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
    assert server.asked == ["GET /a.png"]
    assert sum(not path.suffix for path in cache.iterdir()) == 1


def test_a_file_in_the_cache_survives_the_process(db: masksdb.Database, server: WebServer) -> None:
    server.files, server.headers = {"/a.png": picture(3)}, {"/a.png": {"ETag": '"one"'}}
    area(db, f"{server.url}/a.png")
    program = "import sys, masksdb; print(masksdb.connect(':memory:').read_mask(sys.argv[1]).shape)"
    done = subprocess.run([sys.executable, "-c", program, f"{server.url}/a.png"], capture_output=True, check=True)
    assert done.stdout == b"(3, 3)\n"
    assert (server.count("GET"), server.unchanged) == (2, 1)


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
    assert len(server.asked) == 1, "and not asked again"
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


@pytest.mark.parametrize("failures", [[500], [503, 502], [429]])
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
    monkeypatch.setattr(remote, "FRESH_S", 0)
    assert area(db, uri) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_asks_servers_by_connections_of_its_own(db: masksdb.Database, server: WebServer) -> None:
    server.files = {f"/{name}.png": picture(3) for name in "abc"}
    assert area(db, f"{server.url}/a.png") == 9
    child = os.fork()
    if not child:
        with masksdb.connect(":memory:") as own:
            os._exit(sum(area(own, f"{server.url}/{name}.png") for name in "abc"))
    last = time.monotonic() + 20
    ended, status = 0, 0
    while not ended and time.monotonic() < last:
        time.sleep(0.01)
        ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 27
    assert area(db, f"{server.url}/c.png") == 9, "and the parent by its own"


MANY = "SELECT mask_area(mask_ref($url || '/' || n || '.png'), [1]) FROM range({}) AS numbers(n) ORDER BY n"


def test_remote_files_are_fetched_side_by_side_by_one_request_each(db: masksdb.Database, server: WebServer) -> None:
    server.files = {f"/{number}.png": picture(number + 1) for number in range(64)}
    area(db, f"{server.url}/0.png")
    server.silence_s = 0.1
    started = time.monotonic()
    rows = db.sql(MANY.format(64), {"url": server.url}).fetchall()
    assert time.monotonic() - started < 63 * 0.1 / 2, "16 at once"
    assert rows == [((number + 1) ** 2,) for number in range(64)]
    assert server.count("GET") == len(server.asked) == 64


def test_the_error_of_many_remote_files_is_that_of_the_first(db: masksdb.Database, server: WebServer) -> None:
    server.files = {f"/{number}.png": picture(3) for number in range(32) if number not in (7, 21)}
    with pytest.raises(duckdb.Error, match=r"/7\.png: no such file"):
        db.sql(MANY.format(32), {"url": server.url}).fetchall()


@pytest.mark.parametrize("header", ["ETag", "Last-Modified"])
def test_a_server_is_asked_only_whether_a_file_has_changed(
    db: masksdb.Database, server: WebServer, monkeypatch: pytest.MonkeyPatch, header: str
) -> None:
    server.files, server.headers = {"/a.png": picture(3)}, {"/a.png": {header: '"one"'}}
    for _ in range(2):
        forget(monkeypatch)
        assert area(db, f"{server.url}/a.png") == 9
    assert (server.asked, server.unchanged) == (["GET /a.png"] * 2, 1)


def test_a_file_without_a_tag_is_compared_by_its_content(
    db: masksdb.Database, server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value, expected in ((1, 9), (2, 0)):
        forget(monkeypatch)
        server.files = {"/a.png": picture(3, value)}
        assert area(db, f"{server.url}/a.png") == expected
    assert len(picture(3, 1)) == len(picture(3, 2))


def test_copies_on_disk_are_used_while_a_server_is_down(
    db: masksdb.Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with web_server() as server:
        server.files = {f"/{number}.png": picture(3) for number in range(40)}
        rows = db.sql(MANY.format(40), {"url": server.url}).fetchall()
        url = server.url
    forget(monkeypatch)
    started = time.monotonic()
    assert db.sql(MANY.format(40), {"url": url}).fetchall() == rows
    assert time.monotonic() - started < 4
    (record,) = caplog.records
    assert record.message.startswith(f"{url}: cannot be fetched: ")
    assert record.message.endswith("; copies on disk are used")


def test_a_copy_is_used_while_a_server_fails_or_is_silent(
    db: masksdb.Database, server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files = {"/a.png": picture(3)}
    area(db, f"{server.url}/a.png")
    forget(monkeypatch)
    server.failures = [503] * remote.TRIES
    assert area(db, f"{server.url}/a.png") == 9
    forget(monkeypatch)
    monkeypatch.setattr(web, "KEPT_S", 0.2)
    server.silence_s = 1
    assert area(db, f"{server.url}/a.png") == 9


def test_a_file_that_is_gone_is_not_served_from_its_copy(
    db: masksdb.Database, server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files = {"/a.png": picture(3)}
    area(db, f"{server.url}/a.png")
    forget(monkeypatch)
    server.files = {}
    with pytest.raises(MaskDecodeError, match="no such file"):
        db.read_mask(f"{server.url}/a.png")


def test_a_server_that_refuses_is_not_asked_for_each_of_many_files(db: masksdb.Database) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    masks = [{"id": str(number), "uri": f"http://127.0.0.1:{port}/{number}.png"} for number in range(115)]
    db.ingest([{"id": "f", "sources": [{"id": "s", "masks": masks}]}], dataset="d")
    started = time.monotonic()
    assert len(db.analyze().failures) == 115
    assert time.monotonic() - started < 4


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://host/a.png", "data:image/png;base64,AAAA"])
def test_a_redirect_leads_to_web_servers_only(db: masksdb.Database, server: WebServer, target: str) -> None:
    server.files, server.redirects = {"/a.png": picture(3)}, {"/to": "/on", "/on": "/a.png", "/bad": target}
    assert area(db, f"{server.url}/to") == 9
    with pytest.raises(MaskDecodeError, match=f"redirects to a {target.partition(':')[0]}: address, expected http or"):
        db.read_mask(f"{server.url}/bad")


def test_redirects_without_end_are_refused(db: masksdb.Database, server: WebServer) -> None:
    server.redirects = {"/a": "/b", "/b": "/a"}
    with pytest.raises(MaskDecodeError, match="more than 5 redirects"):
        db.read_mask(f"{server.url}/a")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1", "169.254.169.254"])
def test_a_public_server_does_not_redirect_into_a_private_network(
    db: masksdb.Database, server: WebServer, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    server.files = {"/a.png": picture(3)}
    server.redirects = {"/to": f"http://{host}:{server.url.rpartition(':')[2]}/a.png"}
    # The test server is a private one; that is what differs from a server of the internet.
    monkeypatch.setattr(web, "_may_be_private", lambda _: asyncio.sleep(0, False))
    with pytest.raises(MaskDecodeError, match="redirects to an address of this machine or of a private network"):
        db.read_mask(f"{server.url}/to")
    assert server.asked == ["GET /to"]
    private = ("10.1.2.3", "fe80::1%eth0", "::1", "fd00::1", "0.0.0.0", "224.0.0.1")
    assert not any(map(web._is_public, private))
    assert web._is_public("93.184.215.14")


@pytest.mark.parametrize(
    ("host", "allowed", "expected"),
    [("127.0.0.1", "0", True), ("localhost", "0", True), ("93.184.215.14", "0", False), ("93.184.215.14", "1", True)],
)
def test_a_private_server_or_a_user_may_redirect_into_a_private_network(
    monkeypatch: pytest.MonkeyPatch, host: str, allowed: str, expected: bool
) -> None:
    monkeypatch.setenv("MASKSDB_PRIVATE_REDIRECTS", allowed)
    assert asyncio.run(web._may_be_private(f"http://me:word@{host}/a.png")) == expected


def test_a_transfer_has_a_time_limit_however_steadily_it_drips(
    db: masksdb.Database, server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files, server.pieces = {"/a.png": picture(3)}, 70
    monkeypatch.setenv("MASKSDB_TRANSFER_TIMEOUT", "1")
    started = time.monotonic()
    with pytest.raises(MaskDecodeError, match="not there after 1 s; raise that with MASKSDB_TRANSFER_TIMEOUT"):
        db.read_mask(f"{server.url}/a.png")
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("length", [{}, {"Content-Length": ""}, {"Content-Length": "9999"}])
def test_a_file_beyond_the_limit_is_not_fetched(
    db: masksdb.Database, server: WebServer, cache: Path, monkeypatch: pytest.MonkeyPatch, length: dict[str, str]
) -> None:
    server.files, server.headers = {"/a.png": bytes(5000)}, {"/a.png": length}
    monkeypatch.setenv("MASKSDB_FILE_BYTES", "4999")
    with pytest.raises(MaskDecodeError, match="more than the limit of 4,999 bytes; raise it with MASKSDB_FILE_BYTES"):
        db.read_mask(f"{server.url}/a.png")
    assert list(cache.iterdir()) == []


def test_a_large_answer_takes_no_memory(db: masksdb.Database, server: WebServer) -> None:
    server.files = {"/small.png": b"no image", "/large.png": bytes(64 << 20)}
    peaks = []
    for name in ("small", "large"):
        tracemalloc.start()
        with pytest.raises(MaskDecodeError, match="not an image of a known format"):
            db.read_mask(f"{server.url}/{name}.png")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + (4 << 20)


SECRETS = [
    ("http://me:word@{host}/a.png", "http://***@{host}/a.png"),
    (
        "http://{host}/a.png?v=1&X-Amz-Signature=word&X-Amz-Date=2",
        "http://{host}/a.png?v=1&X-Amz-Signature=***&X-Amz-Date=2",
    ),
    ("http://{host}/a.png?sv=2024&se=9&sig=wo%2Frd", "http://{host}/a.png?sv=2024&se=9&sig=***"),
    ("http://{host}/a.png?access_token=word", "http://{host}/a.png?access_token=***"),
    ("ftp://me:word@{host}/a.png", "ftp://***@{host}/a.png"),
]


def test_secrets_of_a_uri_are_in_no_message(
    db: masksdb.Database, db_path: str, run: Callable[..., Outcome], caplog: pytest.LogCaptureFixture
) -> None:
    with web_server() as server:
        host = server.url.removeprefix("http://")
    uris = [uri.format(host=host) for uri, _ in SECRETS]
    masks = [{"id": str(number), "uri": uri} for number, uri in enumerate(uris)]
    db.ingest([{"id": "f", "sources": [{"id": "s", "masks": masks}]}], dataset="d")
    texts = [str(failure) for failure in db.analyze().failures]
    starts = {re.sub(r"(?<=[^p]): .*", "", text) for text in texts}
    assert starts == {shown.format(host=host) for _, shown in SECRETS}
    texts += [row[0] for row in db.sql("SELECT error FROM mask_files").fetchall()]
    texts += [row[0] for row in db.check().findings.select("message").fetchall()]
    db.close()
    texts += [run("analyze", db_path).err]
    texts += [run("sql", db_path, f"SELECT mask_area(mask_ref('{uris[0]}'), [1])").err]
    assert len(texts) > 15
    assert not [text for text in [*texts, caplog.text] if "word" in text or "wo%2F" in text]


def test_the_longest_unused_remote_files_make_room(
    db: masksdb.Database, server: WebServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files = {f"/{name}.png": picture(3) for name in "abcd"}
    monkeypatch.setattr(disk_cache, "CACHE_BYTES", int(3.5 * len(picture(3))))
    for name in "abc":
        db.read_mask(f"{server.url}/{name}.png")
    for age, item in enumerate(sorted(cache.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)):
        os.utime(item, (1000 - age // 2, 1000 - age // 2))
    for name in "adad":
        db.read_mask(f"{server.url}/{name}.png")
    assert sorted(path.suffix for path in cache.iterdir()) == [""] * 3 + [".json"] * 3
    assert server.count("GET") == 4, "what was used last is still there"
    db.read_mask(f"{server.url}/b.png")
    assert server.count("GET") == 5, "and the longest unused is not"


def test_a_query_over_more_than_the_cache_holds_is_answered(
    db: masksdb.Database, server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files = {f"/{number}.png": picture(3) for number in range(12)}
    monkeypatch.setattr(disk_cache, "CACHE_BYTES", 200)
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
    remote._filesystem.cache_clear()
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
