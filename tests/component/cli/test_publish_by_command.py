"""`mayfly publish`, in the local mode and against a server that answers as the Lambda API does."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.component.cli.local_mode import LocalMode, function, mayfly

VERSION = {
    "FunctionName": "hello",
    "Version": "3",
    "CodeSha256": "q1w2=",
    "FunctionArn": "arn:aws:lambda:…:hello:3",
}


@contextmanager
def gateway(
    status: int, answer: object, **headers: str
) -> Iterator[tuple[str, list[tuple[str, str, object]]]]:
    """A server that says one thing, and what it was asked."""
    asked: list[tuple[str, str, object]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, self.headers.get("X-Mayfly-Namespace", ""), json.loads(body)))
            content = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def test_the_number_is_printed_alone_and_the_rest_beside_it() -> None:
    with gateway(201, VERSION) as (url, asked):
        done = mayfly("publish", "hello", "-d", "before the sale", "-n", "shop", "--endpoint", url)
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr
    assert "hello:3 is what $LATEST is now" in done.stderr
    assert asked == [("/2015-03-31/functions/hello/versions", "shop", {"Description": "before the sale"})]


def test_without_a_description_the_functions_own_is_left_to_the_gateway() -> None:
    with gateway(201, VERSION) as (url, asked):
        assert mayfly("publish", "arn:aws:lambda:c:shop:function:hello", MAYFLY_ENDPOINT=url).returncode == 0
    assert asked == [
        ("/2015-03-31/functions/arn%3Aaws%3Alambda%3Ac%3Ashop%3Afunction%3Ahello/versions", "", {})
    ]


def test_a_refusal_is_told_in_the_gateways_words() -> None:
    refusal = {"Type": "User", "Message": "Function not found: arn:aws:lambda:…:hello"}
    with gateway(404, refusal, **{"x-amzn-ErrorType": "ResourceNotFoundException"}) as (url, _):
        done = mayfly("publish", "hello", "--endpoint", url)
    assert (done.returncode, done.stdout) == (2, "")
    assert "ResourceNotFoundException: Function not found" in done.stderr


def test_an_answer_that_is_none_is_told() -> None:
    with gateway(200, {"Version": "3"}) as (url, _):
        done = mayfly("publish", "hello", "--endpoint", url)
    assert done.returncode == 2
    assert "is no version" in done.stderr


def test_in_the_local_mode_a_version_stays_what_was_published(tmp_path: Path) -> None:
    def returning(word: str) -> str:
        return function("f", f"def handler(event, context):\n    return {word!r}")

    def publish() -> str:
        return mayfly("publish", "f", "--endpoint", local.endpoint).stdout

    def answer(name: str) -> str:
        return mayfly("invoke", name, "--endpoint", local.endpoint).stdout

    (tmp_path / "f.yaml").write_text(returning("one"))
    with LocalMode(tmp_path) as local:
        assert (publish(), publish()) == ("1\n", "1\n")
        (tmp_path / "f.yaml").write_text(returning("two"))
        local.wait_for(r"f +changed")
        assert publish() == "2\n"
        assert (answer("f:1"), answer("f:2")) == ('"one"', '"two"')
