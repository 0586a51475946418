"""Code from an address is what its SHA-256 says, or it is refused."""

import hashlib
import io
import socket
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mayfly_gateway.backends.local.code import snapshot
from mayfly_gateway.backends.local.errors import CodeError
from mayfly_model.function_code import Code
from mayfly_model.limits import ZIP_BYTES


def packed(**files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            # Of one time: the digest is part of test names, which every process must find the same.
            archive.writestr(zipfile.ZipInfo(name.replace("_py", ".py")), content)
    return file.getvalue()


ARCHIVE = packed(app_py="def handler(event, context): return event\n")
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()


class Store(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        match self.path:
            case "/code.zip":
                self.answer(200, ARCHIVE)
            case "/moved.zip":
                self.answer(302, b"", Location="/code.zip")
            case "/endless.zip":
                self.send_response(200)
                self.end_headers()
                block = bytes(1 << 20)
                for _ in range(ZIP_BYTES // len(block) + 1):
                    self.wfile.write(block)
            case "/short.zip":
                self.send_response(200)
                self.send_header("Content-Length", str(len(ARCHIVE)))
                self.end_headers()
                self.wfile.write(ARCHIVE[:50])
            case "/file.zip":
                self.answer(302, b"", Location="file:///etc/passwd")
            case _:
                self.answer(404, b"not here")

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def address():
    with ThreadingHTTPServer(("127.0.0.1", 0), Store) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["code.zip", "moved.zip"])
def test_an_archive_is_fetched_and_unpacked(address, tmp_path, name):
    taken = snapshot(Code(url=f"{address}/{name}", sha256=SHA256), tmp_path, tmp_path / "store")
    assert (taken.path / "app.py").read_text().startswith("def handler")


@pytest.mark.parametrize(
    ("name", "sha256", "said"),
    [
        ("code.zip", "0" * 64, f"has the SHA-256 {SHA256}, and not {'0' * 64} as code.sha256 says"),
        ("gone.zip", SHA256, "cannot be fetched: HTTP Error 404"),
        ("endless.zip", SHA256, "is larger than 50 MB"),
        ("short.zip", SHA256, "cannot be fetched: IncompleteRead|has the SHA-256"),
        ("file.zip", SHA256, "cannot be fetched"),
    ],
)
def test_what_is_not_the_archive_is_refused(address, tmp_path, name, sha256, said):
    with pytest.raises(CodeError, match=said) as refused:
        snapshot(Code(url=f"{address}/{name}", sha256=sha256), tmp_path, tmp_path / "store")
    assert f"{address}/{name}" in str(refused.value)


def test_an_address_that_does_not_answer_is_named(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/code.zip"
        with pytest.raises(CodeError, match=r"cannot be fetched: .*refused"):
            snapshot(Code(url=url, sha256=SHA256), tmp_path, tmp_path / "store")
