"""The native half of awslambdaric, in Python, for systems where AWS does not build it (macOS).

Rule: the interface of awslambdaric's C++ extension `runtime_client`, and its behaviour: any answer but 200 or 202
is a RuntimeError, which ends the runtime.
"""

import http.client
import os

_API = "/2018-06-01/runtime"
_HEADERS = {
    name: f"Lambda-Runtime-{name}"
    for name in (
        "Aws-Request-Id",
        "Trace-Id",
        "Invoked-Function-Arn",
        "Client-Context",
        "Cognito-Identity",
        "Aws-Tenant-Id",
        "Invocation-Id",
    )
}
_user_agent = ""
_connection = None


def initialize_client(user_agent):
    """Remember who calls; called once, at import of the runtime client."""
    global _user_agent
    _user_agent = user_agent


def next():  # noqa: A001 - the name that awslambdaric calls
    """Wait for an invocation: its payload and its headers, those that were not sent being None."""
    response, payload = _call("GET", f"{_API}/invocation/next")
    if response.status != 200:
        raise RuntimeError("Failed to get next")
    headers = {header: response.headers.get(header) or None for header in _HEADERS.values()}
    headers["Content-Type"] = response.headers.get("Content-Type") or None
    headers["Lambda-Runtime-Deadline-Ms"] = int(response.headers.get("Lambda-Runtime-Deadline-Ms", 0))
    return payload, headers


def post_invocation_result(request_id, result, content_type, invocation_id=None):
    """Hand in what the handler returned."""
    headers = {"Content-Type": content_type}
    _post(f"{_API}/invocation/{request_id}/response", result, headers, invocation_id, "response")


def post_error(request_id, error, xray_fault, invocation_id=None):
    """Hand in why the handler failed."""
    headers = {"Content-Type": "application/json", "Lambda-Runtime-Function-XRay-Error-Cause": xray_fault}
    _post(f"{_API}/invocation/{request_id}/error", error.encode(), headers, invocation_id, "error")


def _post(path, payload, headers, invocation_id, what):
    if invocation_id:
        headers["Lambda-Runtime-Invocation-Id"] = invocation_id
    response, _ = _call("POST", path, payload, headers)
    if response.status not in (200, 202):
        raise RuntimeError(f"Failed to post invocation {what}")


def _call(method, path, payload=None, headers=None):
    global _connection
    if _connection is None:
        _connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        _connection.request(method, path, payload, {"User-Agent": _user_agent, **(headers or {})})
        response = _connection.getresponse()
        return response, response.read()
    except (OSError, http.client.HTTPException) as error:
        _connection.close()
        _connection = None
        raise RuntimeError(f"The Runtime API does not answer: {error}") from error
