"""An operation of AWS's Lambda API that is not here is answered by its name and the way to the same."""

import re

import botocore.session
import pytest

from mayfly_gateway.lambda_api.absent import absent, unknown
from mayfly_model.errors import NotImplementedException, UnknownOperationException

MODEL = botocore.session.get_session().get_service_model("lambda")
TOLD = [
    *("CreateFunction", "ListFunctions", "UpdateFunctionCode", "UpdateFunctionConfiguration"),
    *("GetAccountSettings", "ListTags", "TagResource", "UntagResource"),
    *("GetPolicy", "AddPermission", "RemovePermission"),
    *("GetFunctionEventInvokeConfig", "PutFunctionEventInvokeConfig", "UpdateFunctionEventInvokeConfig"),
    *("DeleteFunctionEventInvokeConfig", "ListFunctionEventInvokeConfigs"),
    *("ListEventSourceMappings", "CreateEventSourceMapping", "GetEventSourceMapping"),
    *("UpdateEventSourceMapping", "DeleteEventSourceMapping"),
    *("GetFunctionUrlConfig", "CreateFunctionUrlConfig", "UpdateFunctionUrlConfig"),
    *("DeleteFunctionUrlConfig", "ListFunctionUrlConfigs"),
    *("ListLayers", "ListLayerVersions", "PublishLayerVersion", "GetLayerVersion", "DeleteLayerVersion"),
    *("GetFunctionRecursionConfig", "PutFunctionRecursionConfig"),
    *("GetRuntimeManagementConfig", "PutRuntimeManagementConfig"),
    *("GetFunctionCodeSigningConfig", "PutFunctionCodeSigningConfig", "DeleteFunctionCodeSigningConfig"),
    *("InvokeAsync", "InvokeWithResponseStream"),
]


def request(operation):
    http = MODEL.operation_model(operation).http
    return http["method"], re.sub(r"\{\w+\}", "hello%3Alive", http["requestUri"]).partition("?")[0]


@pytest.mark.parametrize("operation", TOLD)
def test_each_is_told_by_its_name(operation):
    answer = absent(*request(operation))
    assert isinstance(answer, NotImplementedException)
    assert answer.message.startswith(f"{operation} is not there. ")


def test_what_is_there_is_not_told_to_be_absent():
    there = ("Invoke", "GetFunction", "GetFunctionConfiguration", "PublishVersion", "PutFunctionConcurrency")
    assert [absent(*request(operation)) for operation in there] == [None] * len(there)


def test_a_path_may_end_in_a_slash():
    assert absent("GET", "/2015-03-31/functions/").message.startswith("ListFunctions is not there.")


def test_an_operation_that_nobody_foresaw_leads_to_the_list_of_those_there_are():
    answer = unknown("GET", "/2025-11-30/capacity-providers")
    assert isinstance(answer, UnknownOperationException)
    assert "docs/lambda-api.md" in answer.message


def test_what_is_no_operation_of_awss_is_said_to_be_none():
    assert unknown("GET", "/favicon.ico").message == "No operation has the path /favicon.ico."
