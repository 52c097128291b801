"""Fixtures of tests that download: from this machine only."""

import os
import socket
import threading

import pytest

from tests.servers import PATH, Server


@pytest.fixture
def cut_off(monkeypatch):
    """No folder, no mirror, and no way to the net: only this machine answers."""
    proxies = [name for name in os.environ if name.lower().endswith("_proxy")]
    for name in (*proxies, "ALJUPYTER_DATA", "ALJUPYTER_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def closed():
    """A URL where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/{PATH}"
