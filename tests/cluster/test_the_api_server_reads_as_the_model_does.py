"""The API server, with all its rules, takes what the model takes, and little else; nothing is stored by asking."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kubernetes import client, config
from pydantic import ValidationError
from tests.unit.crd_documents import KINDS, specs

from mayfly_model.alias import Alias
from mayfly_model.function import API_VERSION, RUNTIMES_IN_CONTEXT, Function
from mayfly_model.version import Version

MODELS = dict(zip(KINDS, (Function, Version, Alias), strict=True))
SUFFIX = dict(zip(KINDS, ("", ".7", ".live"), strict=True))
TOO_DEAR = re.compile(
    "a relative path of at most 255 characters|both as a file and as a folder|bytes in all|NUL character"
    "|as the name says"
)
"""What the model says of rules that would cost the API server too much; the operator tells them in the status."""


@pytest.fixture(scope="module")
def api():
    config.load_kube_config()
    return client.CustomObjectsApi()


def refused_by_server(api, kind, item):
    """What the API server says against an object; empty for nothing."""
    try:
        api.create_namespaced_custom_object(
            "mayfly.dev", "v1beta1", "default", kind, item, dry_run="All", field_validation="Strict"
        )
    except client.ApiException as error:
        assert error.status in (400, 422), error
        return error.body
    return ""


def refused_by_model(kind, item):
    """What the model says."""
    try:
        MODELS[kind].model_validate(item, by_name=False, by_alias=True, context={RUNTIMES_IN_CONTEXT: None})
    except ValidationError as error:
        return [each["msg"] for each in error.errors()]
    return []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_they_agree(api, kind, data):
    spec = data.draw(specs(kind))
    function = spec.get("functionName") if kind != "functions" else "hello"
    name = (
        function if isinstance(function, str) and re.fullmatch("[a-z0-9]{1,52}", function) else "x"
    ) + SUFFIX[kind]
    item = {
        "apiVersion": API_VERSION,
        "kind": MODELS[kind].__name__,
        "metadata": {"name": name},
        "spec": spec,
    }
    server, model = refused_by_server(api, kind, item), refused_by_model(kind, item)
    if not model:
        assert server == ""
    if not server:
        assert [each for each in model if not TOO_DEAR.search(each)] == []
