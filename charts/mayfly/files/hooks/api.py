"""A pod's own way to the Kubernetes API, with the standard library alone: what the chart's hooks share."""

import json
import os
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

_ACCOUNT = Path(os.environ.get("SERVICE_ACCOUNT_DIR", "/var/run/secrets/kubernetes.io/serviceaccount"))
_TIMEOUT = 10.0


def api(method: str, path: str, body: Any = None, *, content_type: str = "application/json") -> Any:
    """Ask the API server; its answer as Python data.

    Raises:
        urllib.error.HTTPError: it refused.
        OSError: it could not be reached.
    """
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    request = urllib.request.Request(
        f"https://{f'[{host}]' if ':' in host else host}:{port}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {(_ACCOUNT / 'token').read_text()}",
            "Content-Type": content_type,
        },
    )
    context = ssl.create_default_context(cafile=str(_ACCOUNT / "ca.crt"))
    # Many clusters' own certificates lack extensions that Python 3.13 insists on.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    with urllib.request.urlopen(request, timeout=_TIMEOUT, context=context) as answer:
        return json.load(answer)


def items(path: str, *, page: int = 500) -> list[Any]:
    """Every object of a collection, read page by page; none where the kind does not exist."""
    found: list[Any] = []
    mark = ""
    while True:
        try:
            answer = api("GET", f"{path}{'&' if '?' in path else '?'}limit={page}&continue={mark}")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return found
            raise
        found += answer["items"]
        mark = answer["metadata"].get("continue", "")
        if not mark:
            return found


def unless_gone(method: str, path: str, body: Any = None, **options: str) -> None:
    """Ask for something of an object that may have gone, or changed its identity, meanwhile."""
    try:
        api(method, path, body, **options)
    except urllib.error.HTTPError as error:
        if error.code not in (404, 409):
            raise
