"""Servers on this machine: one of web pages that does as it is told and counts what it is asked, one of buckets."""

from __future__ import annotations

import contextlib
import io
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3  # type: ignore[import-untyped]  # it has no types
import numpy as np
from PIL import Image


def picture(side: int, value: int = 1) -> bytes:
    """A grey PNG file, square, all of one value."""
    file = io.BytesIO()
    Image.fromarray(np.full((side, side), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


@dataclass
class WebServer:
    """What is served and what was asked.

    Attributes:
        url: where it is, without a slash at its end.
        files: content by path.
        headers: further headers by path.
        failures: answers of other status codes that come first, one for each request.
        silence_s: seconds before any answer.
        pieces: in how many parts, a tenth of a second apart, a content comes.
        redirects: other addresses by path.
        asked: method and path of each request.
        unchanged: how many requests were answered with "not modified".
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    failures: list[int] = field(default_factory=list)
    silence_s: float = 0
    pieces: int = 1
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    unchanged: int = 0

    def count(self, method: str) -> int:
        """Requests of a method so far."""
        return sum(each.startswith(method) for each in self.asked)


def _handler(server: WebServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(f"{self.command} {self.path}")
            time.sleep(server.silence_s)
            content = server.files.get(self.path, b"")
            status = server.failures.pop(0) if server.failures else 200 if content else 404
            headers: dict[str, str] = {}
            if self.path in server.redirects:
                status, headers = 302, {"Location": server.redirects[self.path]}
            elif status == 200:
                headers = {"Content-Length": str(len(content)), **server.headers.get(self.path, {})}
            known = {self.headers[name] for name in ("If-None-Match", "If-Modified-Since") if name in self.headers}
            if status == 200 and known & set(headers.values()):
                status, server.unchanged = 304, server.unchanged + 1
            self.send_response(status)
            for name, value in headers.items():
                # An empty one is left out.
                if value:
                    self.send_header(name, value)
            self.end_headers()
            if self.command == "GET" and status == 200:
                size = -(-len(content) // server.pieces)
                for start in range(0, len(content), size):
                    time.sleep(0.1 if start else 0)
                    self.wfile.write(content[start : start + size])

        do_HEAD = do_GET  # noqa: N815  # the name that http.server looks for

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@contextlib.contextmanager
def web_server() -> Iterator[WebServer]:
    """Serve as long as the context lasts."""
    server = WebServer()
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    http.shutdown()
    thread.join()
    http.server_close()


@contextlib.contextmanager
def bucket_server(bucket: str, files: Mapping[str, bytes]) -> Iterator[str]:
    """Serve a bucket by the protocol of S3; gives the address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        keys: Any = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
        client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", **keys)
        client.create_bucket(Bucket=bucket)
        for name, content in files.items():
            client.put_object(Bucket=bucket, Key=name, Body=content)
        client.close()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
