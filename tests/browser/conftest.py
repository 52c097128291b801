"""JupyterLab in a browser: one server and one Chromium a test session, apart from the user's settings and the net.

``open_notebook(notebook)`` opens a notebook in a page of its own and gives a :class:`NotebookPage`; after the test it
takes a screenshot into ``AL_SHOTS`` (a temporary folder where not set) and fails the test if the page had errors.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

START_SECONDS = 60
CHROMIUM_ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# The execution indicator of a notebook can say "idle" before it has a kernel, and a run is then lost. This does not.
READY = """() => { const kernel = window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel;
                   return !!kernel && kernel.connectionStatus === 'connected' && kernel.status === 'idle'; }"""
RUN_ALL = """async () => { await jupyterapp.commands.execute('notebook:run-all-cells'); }"""
RUN_CELL = """async k => { const notebook = jupyterapp.shell.currentWidget.content; notebook.deselectAll();
                           notebook.activeCellIndex = k; await jupyterapp.commands.execute('notebook:run-cell'); }"""
ERRORS = """() => jupyterapp.shell.currentWidget.content.model.sharedModel.cells.flatMap(cell => (cell.outputs || [])
                .filter(output => output.output_type === 'error').map(output => `${output.ename}: ${output.evalue}`))"""
TEXT = """k => (jupyterapp.shell.currentWidget.content.model.sharedModel.cells[k].outputs || []).map(output =>
                output.text ?? output.data?.['text/plain'] ?? '').flat().join('')"""


class Lab:
    """A running server: its address, and the folder that it serves."""

    def __init__(self, url: str, root: Path):
        self.url, self.root = url, root

    def end_kernels(self) -> None:
        for session in json.load(urllib.request.urlopen(f"{self.url}/api/sessions")):
            address = f"{self.url}/api/sessions/{session['id']}"
            urllib.request.urlopen(urllib.request.Request(address, method="DELETE")).close()


class NotebookPage:
    """A notebook open in a page."""

    def __init__(self, page: Any):
        self.page = page

    def idle(self, timeout: float = 60_000) -> None:
        """Wait until the kernel is connected and has nothing to do."""
        self.page.wait_for_function(READY, timeout=timeout)

    def run_all(self) -> list[str]:
        """Run all cells; the errors that they raised."""
        self.page.evaluate(RUN_ALL)
        return self.errors()

    def run_cell(self, k: int) -> list[str]:
        """Run cell k and wait until it is done; the errors in the notebook."""
        self.page.evaluate(RUN_CELL, k)
        return self.errors()

    def errors(self) -> list[str]:
        return self.page.evaluate(ERRORS)

    def text(self, k: int) -> str:
        """The text that cell k put out."""
        return self.page.evaluate(TEXT, k)

    def theme(self, dark: bool) -> None:
        """Change JupyterLab's theme."""
        name = "JupyterLab Dark" if dark else "JupyterLab Light"
        self.page.evaluate("name => jupyterapp.commands.execute('apputils:change-theme', {theme: name})", name)
        self.page.wait_for_function("dark => document.body.dataset.jpThemeLight === String(!dark)", arg=dark)
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")


@pytest.fixture(scope="session")
def lab(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab, apart from the user's settings. Asks for ``chromium`` first: without a browser it need not start."""
    root, home = tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("jupyter")
    settings = home / "settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # a kernelspec says plain "python"
        "PYTHONPATH": f"{Path(__file__).parents[2]}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
    }
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        *("--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True", f"--ServerApp.root_dir={root}"),
    ]
    log = home / "server.log"
    with log.open("w") as out:
        server = subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, server, log)
        yield Lab(url, root)
    finally:
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/api/status", timeout=2).close()
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="session")
def context(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Chromium of 1280 px, the width that pages are laid out for."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("chromium"),
            executable_path=chromium,
            args=CHROMIUM_ARGS,
            viewport={"width": 1280, "height": 1000},
        )
        browser.set_default_timeout(30_000)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder for screenshots."""
    folder = Path(os.environ.get("AL_SHOTS") or tmp_path_factory.mktemp("shots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def open_notebook(
    lab: Lab, context: Any, shots: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., NotebookPage]]:
    """``open_notebook(notebook, name="test.ipynb")``: a page with it, its kernel ready."""
    problems: list[str] = []
    pages: list[Any] = []

    def note(message: Any) -> None:
        if message.type == "error" and "widget" in message.text.lower():
            problems.append(message.text)

    def go(notebook: nbformat.NotebookNode, name: str = "test.ipynb") -> NotebookPage:
        nbformat.write(notebook, lab.root / name)
        page = context.new_page()
        pages.append(page)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", note)
        page.goto(f"{lab.url}/lab/tree/{name}?reset")
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=START_SECONDS * 1000)
        opened = NotebookPage(page)
        opened.idle()
        return opened

    yield go
    for k, page in enumerate(pages):
        page.screenshot(path=shots / f"{request.node.name}{k or ''}.png")
        if page.get_by_text("Error displaying widget").count():
            problems.append("Error displaying widget")
        page.close()
    lab.end_kernels()
    assert not problems, problems
