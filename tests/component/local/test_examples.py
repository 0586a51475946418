"""Every example runs, from its manifest as it stands."""

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.component.local.functions import running
from tests.component.local.runtime_api import Runtime
from tests.example_answers import EXAMPLES, IS_RIGHT, event, function_of, manifests

from mayfly_gateway.backends.local.code import copy_for_instance, snapshot
from mayfly_gateway.backends.local.errors import RuntimeUnavailableError
from mayfly_gateway.backends.local.runtimes import prepare
from mayfly_model.manifest import parse_manifests

# AWS's Node.js client is built once on a machine.
pytestmark = pytest.mark.timeout(600)


@contextmanager
def example(name, tmp_path) -> Iterator[Runtime]:
    manifest = manifests()[name]
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
    variables = spec.environment.variables
    with running(command, spec.handler_name, tmp_path / "task", called=name, **variables) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def pillow():
    """The dependencies of the examples, put where `make demo` puts them."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / "prepare.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", IS_RIGHT)
def test_every_example_answers_its_events(name, tmp_path, request):
    if name == "thumbnail":
        request.getfixturevalue("pillow")
    with example(function_of(name), tmp_path) as function:
        IS_RIGHT[name](function.api.invoke(event(name)).value)


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
            assert answer["function"] == "shell"


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
