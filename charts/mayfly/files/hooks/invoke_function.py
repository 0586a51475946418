"""`helm test`: applies a function, invokes it through the gateway's Service, and takes it away again."""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from typing import Any

from api import api, unless_gone

_NAME = "mayfly-test"
_PATIENCE = 90.0
_PAUSE = 0.5
_CODE = (
    "def handler(event, context):\n    return {'hello': event['name'], 'arn': context.invoked_function_arn}\n"
)


def main() -> int:
    """Exit status: 0 if the function answered what it should."""
    namespace = os.environ["POD_NAMESPACE"]
    functions = f"/apis/mayfly.dev/v1beta1/namespaces/{namespace}/functions"
    api(
        "PATCH",
        f"{functions}/{_NAME}?fieldManager=helm-test&force=true",
        _function(namespace),
        content_type="application/apply-patch+yaml",
    )
    try:
        return _check(namespace)
    finally:
        unless_gone("DELETE", f"{functions}/{_NAME}")


def _function(namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "mayfly.dev/v1beta1",
        "kind": "Function",
        "metadata": {"name": _NAME, "namespace": namespace},
        "spec": {
            "description": "Made by helm test",
            "runtime": os.environ["RUNTIME"],
            "handler": "app.handler",
            "timeout": 10,
            "keepAlive": 5,
            "code": {"inline": {"app.py": _CODE}},
        },
    }


def _check(namespace: str) -> int:
    started = time.monotonic()
    while True:
        status, answer = _invoke(namespace)
        spent = time.monotonic() - started
        # The gateway learns of a new function by watching: until then there is none.
        if status not in (0, 404, 503) or spent > _PATIENCE:
            break
        time.sleep(_PAUSE)
    print(f"{status} after {spent:.1f} s: {answer}")
    return 0 if status == 200 and json.loads(answer).get("hello") == "Mayfly" else 1


def _invoke(namespace: str) -> tuple[int, str]:
    request = urllib.request.Request(
        f"{os.environ['GATEWAY_URL']}/2015-03-31/functions/{_NAME}/invocations",
        data=b'{"name": "Mayfly"}',
        headers={"X-Mayfly-Namespace": namespace},
    )
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


if __name__ == "__main__":
    sys.exit(main())
