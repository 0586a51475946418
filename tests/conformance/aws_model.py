"""Checks an HTTP answer, byte for byte as it came, against botocore's own model of AWS Lambda.

Rule: what the model does not name is a deviation, too: a stray header or a stray member of an error's body. Left out
are the patterns of ARNs, in which AWS wants a region and an account of twelve digits.
"""

import base64
import binascii
import functools
import json
import re
import uuid
from collections.abc import Mapping
from typing import Any

import botocore.session
from botocore.client import BaseClient
from botocore.model import OperationModel, ServiceModel, Shape, StructureShape

HOP = frozenset({"connection", "content-length", "content-type", "date"})
COMMON = frozenset({"x-amzn-requestid", "x-amzn-trace-id"})
UNMODELLED = {
    "ValidationException": 400,
    "InvalidRequestContentException": 400,
    "UnknownOperationException": 404,
    "RequestTooLargeException": 413,
    "NotImplementedException": 501,
}
"""Errors that every AWS API may answer and the model does not list for each, and the one that is ours."""


@functools.cache
def service() -> ServiceModel:
    """Lambda's model, as botocore ships it."""
    return botocore.session.get_session().get_service_model("lambda")


def watch(client: BaseClient) -> None:
    """Hold every answer that a boto3 client gets against the model, before the caller sees it."""

    def check(operation_model: OperationModel, response_dict: dict[str, Any], **_: Any) -> None:
        if operation_model.name == "Invoke":
            return
        headers = {name.lower(): value for name, value in response_dict["headers"].items()}
        wrong = problems(operation_model.name, response_dict["status_code"], headers, response_dict["body"])
        assert not wrong, wrong

    client.meta.events.register("before-parse.lambda", check)


def problems(operation: str, status: int, headers: Mapping[str, str], body: bytes) -> list[str]:
    """What is wrong with an answer to this operation, in sentences; none is as it should be."""
    lower = {name.lower(): value for name, value in headers.items()}
    model = service().operation_model(operation)
    found = list(_request_id(lower))
    if status < 300:
        found += _answer(model, status, lower, body)
    else:
        found += _error(model, status, lower, body)
    return found


def _request_id(headers: Mapping[str, str]) -> list[str]:
    value = headers.get("x-amzn-requestid", "")
    try:
        good = str(uuid.UUID(value)) == value
    except ValueError:
        good = False
    return [] if good else [f"x-amzn-RequestId is no UUID: {value!r}"]


def _answer(model: OperationModel, status: int, headers: Mapping[str, str], body: bytes) -> list[str]:
    shape = model.output_shape
    found = [] if shape is None else _headers(shape, headers)
    if model.name == "Invoke":
        return found + _payload(status, headers, body)
    # DeleteFunction has its status as a member, and answers 204 where nothing is left to do.
    expected = 204 if model.name == "DeleteFunction" else model.http["responseCode"]
    if status != expected:
        found.append(f"{model.name} answered with status {status}, and not {expected}")
    if status == 204:
        return found + [f"a body of {len(body)} bytes with status 204"] * bool(body)
    try:
        return found + _structure(model.name, shape, json.loads(body))
    except ValueError:
        return [*found, f"a body that is no JSON: {body[:200]!r}"]


def _payload(status: int, headers: Mapping[str, str], body: bytes) -> list[str]:
    found = [] if status in (200, 202, 204) else [f"status {status} is none that Invoke answers with"]
    if status != 200 and body:
        found.append(f"a body of {len(body)} bytes with status {status}")
    if "x-amz-log-result" in headers:
        found += _base64(headers["x-amz-log-result"])
    return found


def _structure(where: str, shape: Shape, value: object) -> list[str]:
    """What is wrong with a JSON value of this shape, all the way down."""
    match shape.type_name, value:
        case "structure", dict():
            members = {
                name: member
                for name, member in shape.members.items()
                if "location" not in member.serialization
            }
            found = [f"{where} has no member {name}" for name in value.keys() - members.keys()]
            found += [f"{where} lacks {name}" for name in set(shape.required_members) - value.keys()]
            below = [
                (f"{where}.{name}", members[name], each) for name, each in value.items() if name in members
            ]
        case "list", list():
            found, below = [], [(f"{where}[{n}]", shape.member, each) for n, each in enumerate(value)]
        case "map", dict():
            found = [problem for key in value for problem in _value(f"{where}'s key", shape.key, key)]
            below = [(f"{where}.{key}", shape.value, each) for key, each in value.items()]
        case "structure" | "list" | "map", _:
            return [f"{where} is a {type(value).__name__}"]
        case _:
            return _value(where, shape, value) + _size(where, shape, value)
    return found + [problem for each in below for problem in _structure(*each)]


def _size(where: str, shape: Shape, value: object) -> list[str]:
    size = len(value) if isinstance(value, str) else value
    if not isinstance(size, int | float):
        return []
    least, most = shape.metadata.get("min", size), shape.metadata.get("max", size)
    return [] if least <= size <= most else [f"{where} is {value!r}, which is not within {least} to {most}"]


def _base64(value: str) -> list[str]:
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error as error:
        return [f"X-Amz-Log-Result is no base64: {error}"]
    return []


def _error(model: OperationModel, status: int, headers: Mapping[str, str], body: bytes) -> list[str]:
    code = headers.get("x-amzn-errortype", "")
    if headers.get("content-type") != "application/json":
        return [f"an error of type {headers.get('content-type')!r}"]
    try:
        content = json.loads(body)
    except ValueError:
        return [f"an error whose body is no JSON: {body[:200]!r}"]
    if code in UNMODELLED:
        return _unmodelled(code, status, content)
    shape = next((shape for shape in model.error_shapes if shape.name == code), None)
    if shape is None:
        return [f"{code!r} is no error of {model.name}"]
    found = _headers(shape, headers, also={"x-amzn-errortype"})
    if shape.metadata["error"]["httpStatusCode"] != status:
        found.append(f"{code} with status {status}")
    return found + _members(shape, content)


def _unmodelled(code: str, status: int, content: object) -> list[str]:
    found = [] if UNMODELLED[code] == status else [f"{code} with status {status}"]
    if not isinstance(content, dict) or not isinstance(content.get("message"), str):
        found.append(f"{code} without a message: {content!r}")
    return found


def _headers(shape: StructureShape, headers: Mapping[str, str], also: set[str] | None = None) -> list[str]:
    modelled = {
        member.serialization.get("name", name).lower(): member
        for name, member in shape.members.items()
        if member.serialization.get("location") == "header"
    }
    known = HOP | COMMON | set(modelled) | (also or set())
    found = [f"the model knows no header {name}" for name in headers if name not in known]
    for name, member in modelled.items():
        if name in headers:
            found += _value(name, member, headers[name])
    return found


def _members(shape: StructureShape, content: object) -> list[str]:
    if not isinstance(content, dict):
        return [f"{shape.name}'s body is no object: {content!r}"]
    in_body = {
        member.serialization.get("name", name): member
        for name, member in shape.members.items()
        if "location" not in member.serialization
    }
    found = [f"{shape.name} has no member {name}" for name in content if name not in in_body]
    found += [
        f"{shape.name} lacks {name}" for name in in_body if name.lower() == "message" and name not in content
    ]
    for name, member in in_body.items():
        if name in content:
            found += _value(name, member, content[name])
    return found


def _value(name: str, shape: Shape, value: object) -> list[str]:
    if shape.type_name != "string":
        return [] if isinstance(value, int | float | bool) else [f"{name} is a {type(value).__name__}"]
    if not isinstance(value, str):
        return [f"{name} is a {type(value).__name__}"]
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        return [f"{name} is {value!r}, which is none of {allowed}"]
    pattern = shape.metadata.get("pattern")
    if pattern and not shape.name.endswith("Arn") and not re.fullmatch(pattern, value):
        return [f"{name} is {value!r}, which breaks {pattern}"]
    return []
