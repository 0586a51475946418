"""Every example runs, from its manifest as it stands."""

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.component.local.functions import running
from tests.component.local.runtime_api import Runtime

from mayfly_gateway.backends.local.code import copy_for_instance, snapshot
from mayfly_gateway.backends.local.errors import RuntimeUnavailableError
from mayfly_gateway.backends.local.runtimes import prepare
from mayfly_model.manifest import parse_manifests

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/function.yaml"))

# AWS's Node.js client is built once on a machine.
pytestmark = pytest.mark.timeout(600)


def event(name):
    return json.loads((EXAMPLES / "events" / f"{name}.json").read_text())


@contextmanager
def example(name, tmp_path) -> Iterator[Runtime]:
    manifest = EXAMPLES / name / "function.yaml"
    parsed = parse_manifests(manifest.read_text(), source=str(manifest))
    assert parsed.problems == ()
    (function,) = (each.function for each in parsed.functions)
    assert function.metadata.name == name
    spec = function.spec
    try:
        command = asyncio.run(prepare(spec.runtime))
    except RuntimeUnavailableError as error:
        pytest.skip(str(error))
    taken = snapshot(spec.code, manifest.parent, tmp_path / "store")
    command.check(taken.path)
    copy_for_instance(taken, tmp_path / "task")
    with running(command, spec.handler_name, tmp_path / "task", **spec.environment.variables) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def pillow():
    """The dependencies of the examples, put where `make demo` puts them."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / "prepare.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_each_example_has_a_line_about_it_and_an_event():
    assert NAMES == ["greeter-node", "hello", "orders-api", "shell", "thumbnail"]
    overview = (EXAMPLES / "README.md").read_text()
    for name in NAMES:
        assert len((EXAMPLES / name / "README.md").read_text().splitlines()) == 1
        assert f"[{name}]({name}/)" in overview
        assert event(name)


def test_hello_greets(tmp_path):
    with example("hello", tmp_path) as function:
        posted = function.api.invoke(event("hello"))
        assert posted.value == {
            "message": "Hello, Ada!",
            "function": "tested",
            "requestId": posted.request_id,
        }


def test_the_node_greeter_greets_in_turn(tmp_path):
    with example("greeter-node", tmp_path) as function:
        greetings = [function.api.invoke(event("greeter-node")).value for _ in range(2)]
        assert [greeting["message"] for greeting in greetings] == ["Hello, Grace!", "Grüezi, Grace!"]
        assert greetings[0]["node"].startswith("v")


def test_the_shell_answers_with_its_event(tmp_path):
    with example("shell", tmp_path) as function:
        for sent in (event("shell"), {"text": "grüezi 🦋"}, []):
            answer = function.api.invoke(sent).value
            assert answer["event"] == sent
            assert answer["function"] == "tested"


def test_the_thumbnail_is_a_smaller_picture(tmp_path, pillow):
    with example("thumbnail", tmp_path) as function:
        (thumbnail,) = function.api.invoke(event("thumbnail")).value["thumbnails"]
    assert thumbnail["key"] == "evening lake.jpg"
    assert (thumbnail["from"], thumbnail["to"]) == ([800, 533], [160, 107])
    assert base64.b64decode(thumbnail["jpeg"])[:3] == b"\xff\xd8\xff"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "answer"),
    [
        ("GET", "/orders", None, 200, {"orders": [{"id": "7f3c", "item": "espresso", "quantity": 2, "total": 500}]}),
        ("GET", "/orders/7f3c", None, 200, {"id": "7f3c", "item": "espresso", "quantity": 2, "total": 500}),
        ("GET", "/orders/none", None, 404, {"error": "there is no order none"}),
        ("POST", "/orders", "no json", 400, {"error": "the body must be JSON"}),
        ("POST", "/orders", "[]", 400, {"error": "the body must be a JSON object"}),
        ("POST", "/orders", '{"item": "tea"}', 422, {"error": "item must be one of espresso, flat white, croissant"}),
        (
            "POST",
            "/orders",
            '{"item": "espresso", "quantity": 21}',
            422,
            {"error": "quantity must be a whole number from 1 to 20"},
        ),
        ("DELETE", "/orders", None, 405, {"error": "/orders allows GET and POST"}),
        ("GET", "/", None, 404, {"error": "there is no /"}),
    ],
)  # fmt: skip
def test_the_orders_api_serves_and_refuses(orders, method, path, body, status, answer):
    served = orders.api.invoke(request(method, path, body)).value
    assert (served["statusCode"], json.loads(served["body"])) == (status, answer)
    assert served["headers"] == {"content-type": "application/json"}


def test_an_order_that_was_created_is_listed(orders):
    created = orders.api.invoke(event("orders-api")).value
    assert created["statusCode"] == 201
    order = json.loads(created["body"])
    assert order == {"id": order["id"], "item": "flat white", "quantity": 2, "total": 760}
    fetched = orders.api.invoke(request("GET", f"/orders/{order['id']}", None)).value
    assert json.loads(fetched["body"]) == order


def test_a_body_in_base64_is_understood(orders):
    sent = request("POST", "/orders", base64.b64encode(b'{"item": "croissant"}').decode())
    assert orders.api.invoke(sent | {"isBase64Encoded": True}).value["statusCode"] == 201


@pytest.fixture(scope="module")
def orders(tmp_path_factory):
    with example("orders-api", tmp_path_factory.mktemp("orders")) as function:
        yield function


def request(method, path, body):
    asked = event("orders-api-list")
    asked["requestContext"]["http"] |= {"method": method, "path": path}
    return asked if body is None else asked | {"body": body}
