"""A server on this machine that answers as bad as servers do, and a file to ask it for."""

import hashlib
import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from aljupyter.datasets.files import File

CONTENT = bytes(range(256)) * 1000  # several chunks of a download
HALF = len(CONTENT) // 2
OTHER = CONTENT[:-1] + b"?"  # as long, but not the same
CHECKSUM = hashlib.sha256(CONTENT).hexdigest()
PATH = "toy/toy.dat"


class Server(ThreadingHTTPServer):
    """Answers by path: `answers` maps it to a function of the handler."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.asked, self.over = {}, [], threading.Event()

    def at(self, path, answer):
        self.answers[path] = answer
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, request, address):
        """Clients may hang up."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        self.server.answers.get(self.path, status(404))(self)

    def start(self, code=200, **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def log_message(self, *_):
        pass


def sends(content, length=None, **headers):
    def answer(handler):
        handler.start(Content_Length=len(content) if length is None else length, **headers)
        handler.wfile.write(content)

    return answer


def sends_half_then(then, seconds=5.0):
    """Half of the file; a call or a pause; the other half."""

    def answer(handler):
        handler.start(Content_Length=len(CONTENT))
        handler.wfile.write(CONTENT[:HALF])
        handler.wfile.flush()
        if then is not None:
            then()
        handler.server.over.wait(seconds)
        handler.wfile.write(CONTENT[HALF:])

    return answer


def never_answers(handler):
    handler.server.over.wait(5)


def never_ends(handler):
    handler.start()
    while not handler.server.over.is_set():
        handler.wfile.write(CONTENT)


def sends_chunks_and_hangs_up(handler):
    handler.protocol_version = "HTTP/1.1"
    handler.start(Transfer_Encoding="chunked")
    handler.wfile.write(b"%x\r\n%b\r\n" % (HALF, CONTENT[:HALF]))


def sends_without_length(handler):
    handler.start()
    handler.wfile.write(CONTENT[:HALF])


def sends_noise(handler):
    handler.wfile.write(b"\x00\xff noise \r\n" * 50)


def status(code):
    return lambda handler: handler.send_error(code)


def redirects(target):
    return lambda handler: handler.start(302, Location=target, Content_Length=0)


def zipped(members, compression=zipfile.ZIP_DEFLATED):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", compression) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return archive.getvalue()


def encrypted(archive):
    """With the flag of encryption set where the archive lists its member."""
    flags = archive.index(b"PK\x01\x02") + 8
    return archive[:flags] + b"\x01" + archive[flags + 1 :]


def toy(*sources, **facts):
    return File(**{"path": PATH, "bytes": len(CONTENT), "sha256": CHECKSUM, "sources": sources, **facts})


def unpublished(*sources):
    return toy(*sources, bytes=0, sha256="")


def tree(folder):
    """All that lies in a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def put(folder, content, path=PATH):
    place = Path(folder) / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place
