"""What the API server of these tests holds: Versions, aliases and pods of namespace shop."""

import itertools

from tests.component.kubernetes.api_server import now

from mayfly_model.function import Function
from mayfly_model.labels import (
    POOL_TEMPLATE_ANNOTATION,
    REVISION_ANNOTATION,
    instance_labels,
    pool_labels,
)
from mayfly_model.publishing import applied, latest_version, publication_as

NAMESPACE = "shop"
HELLO = (NAMESPACE, "hello.latest")
NUMBERS = itertools.count(1)


def function(name="hello", **spec) -> Function:
    content = {
        "runtime": "python3.13",
        "handler": "app.handler",
        "code": {"inline": {"app.py": "handler = print"}},
        **spec,
    }
    return Function.model_validate(
        {
            "apiVersion": "mayfly.dev/v1beta1",
            "kind": "Function",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": content,
        }
    )


def version(name="hello", **spec) -> dict:
    """A `$LATEST`, as the operator makes it."""
    made = applied(latest_version(function(name, **spec)))
    return {"metadata": {"namespace": NAMESPACE, "name": f"{name}.latest"}, "spec": made}


def published(number: int, name="hello", **spec) -> dict:
    """A published version, as the operator makes it."""
    made = publication_as(number, latest_version(function(name, **spec)), 0).spec
    return {"metadata": {"namespace": NAMESPACE, "name": f"{name}.{number}"}, "spec": applied(made)}


def alias(function_version: str, name="hello.live", **spec) -> dict:
    """An alias, as a person makes it."""
    said = {"functionName": name.partition(".")[0], "functionVersion": function_version, **spec}
    return {"metadata": {"namespace": NAMESPACE, "name": name}, "spec": said}


def pod(version: tuple[str, str], name: str, revision: str) -> dict:
    return {
        "metadata": {
            "namespace": version[0],
            "name": name,
            "labels": instance_labels(function="hello", version=version[1], runtime="python3.13"),
            "annotations": {REVISION_ANNOTATION: revision},
        },
        "status": {"phase": "Pending"},
    }


def waiting_pod(template: str) -> dict:
    number = next(NUMBERS)
    return {
        "metadata": {
            "namespace": NAMESPACE,
            "name": f"pool-python3-13-{number}",
            "labels": pool_labels("python3.13"),
            "annotations": {POOL_TEMPLATE_ANNOTATION: template},
            "creationTimestamp": f"2026-11-25T01:{number // 60 % 60:02}:{number % 60:02}Z",
        },
        "status": {"phase": "Pending"},
    }


def running(address: str) -> dict:
    return {
        "phase": "Running",
        "podIP": address,
        "containerStatuses": [{"state": {"running": {"startedAt": now()}}}],
    }
