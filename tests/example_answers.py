"""The examples, and what each answers to the events beside them, wherever it runs."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def manifests() -> dict[str, Path]:
    """Each example's manifest, by its name: a file, or a folder that holds one."""
    alone = {path.stem: path for path in EXAMPLES.glob("*.yaml")}
    return alone | {path.parent.name: path for path in EXAMPLES.glob("*/function.yaml")}


def events() -> list[str]:
    """The events, by the names of their files."""
    return sorted(path.stem for path in (EXAMPLES / "events").glob("*.json"))


def event(name: str) -> Any:
    return json.loads((EXAMPLES / "events" / f"{name}.json").read_text())


def function_of(name: str) -> str:
    """The example that an event is for: `orders-api-list` is for `orders-api`."""
    return max((each for each in manifests() if name.startswith(each)), key=len)


def hello(answer: Any) -> None:
    assert answer == {"message": "Hello, Ada!", "function": "hello", "requestId": answer["requestId"]}


def greeter_node(answer: Any) -> None:
    assert answer["message"].endswith(", Grace!")
    assert answer["node"].startswith("v20.")


def shell(answer: Any) -> None:
    assert (answer["function"], answer["event"]) == ("shell", event("shell"))


def thumbnail(answer: Any) -> None:
    (picture,) = answer["thumbnails"]
    assert (picture["key"], picture["from"], picture["to"]) == ("evening lake.jpg", [800, 533], [160, 107])
    assert base64.b64decode(picture["jpeg"])[:3] == b"\xff\xd8\xff"


def order_created(answer: Any) -> None:
    order = json.loads(answer["body"])
    assert answer["statusCode"] == 201
    assert order == {"id": order["id"], "item": "flat white", "quantity": 2, "total": 760}


def orders_listed(answer: Any) -> None:
    assert answer["statusCode"] == 200
    espresso = {"id": "7f3c", "item": "espresso", "quantity": 2, "total": 500}
    assert espresso in json.loads(answer["body"])["orders"]


def order_refused(answer: Any) -> None:
    assert answer["statusCode"] == 422
    assert json.loads(answer["body"]) == {"error": "item must be one of espresso, flat white, croissant"}


IS_RIGHT: dict[str, Callable[[Any], None]] = {
    "greeter-node": greeter_node,
    "hello": hello,
    "orders-api": order_created,
    "orders-api-list": orders_listed,
    "orders-api-refused": order_refused,
    "shell": shell,
    "thumbnail": thumbnail,
}
"""By event: fails where the answer is not the one that it should be."""
