"""Orders of a small shop: GET /orders, POST /orders, GET /orders/{id}.

The orders live in the memory of one instance: enough to try it, and gone with it.
"""

import base64
import json
import re
import uuid

PRICES = {"espresso": 250, "flat white": 380, "croissant": 220}

orders = {
    "7f3c": {"id": "7f3c", "item": "espresso", "quantity": 2, "total": 500},
}


class Refused(Exception):
    """The request cannot be served: the status and the sentence for its caller."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def list_orders(body):
    return 200, {"orders": list(orders.values())}


def get_order(body, order_id):
    if order_id not in orders:
        raise Refused(404, f"there is no order {order_id}")
    return 200, orders[order_id]


def create_order(body):
    order = json_object(body)
    item, quantity = order.get("item"), order.get("quantity", 1)
    if item not in PRICES:
        raise Refused(422, f"item must be one of {', '.join(PRICES)}")
    if type(quantity) is not int or not 1 <= quantity <= 20:
        raise Refused(422, "quantity must be a whole number from 1 to 20")
    created = {
        "id": uuid.uuid4().hex[:4],
        "item": item,
        "quantity": quantity,
        "total": PRICES[item] * quantity,
    }
    orders[created["id"]] = created
    print(f"order {created['id']}: {quantity} x {item}")
    return 201, created


ROUTES = [
    ("GET", re.compile("/orders"), list_orders),
    ("POST", re.compile("/orders"), create_order),
    ("GET", re.compile("/orders/([^/]+)"), get_order),
]


def json_object(body):
    try:
        parsed = json.loads(body)
    except ValueError as error:
        raise Refused(400, "the body must be JSON") from error
    if not isinstance(parsed, dict):
        raise Refused(400, "the body must be a JSON object")
    return parsed


def route(method, path):
    """The function that serves the request, and what it takes from the path."""
    allowed = []
    for verb, pattern, serve in ROUTES:
        match = pattern.fullmatch(path)
        if match and verb == method:
            return serve, match.groups()
        if match:
            allowed.append(verb)
    if allowed:
        raise Refused(405, f"{path} allows {' and '.join(allowed)}")
    raise Refused(404, f"there is no {path}")


def handler(event, context):
    request = event["requestContext"]["http"]
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body)
    try:
        serve, found = route(request["method"], request["path"])
        status, answer = serve(body, *found)
    except Refused as refused:
        status, answer = refused.status, {"error": str(refused)}
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(answer),
    }
