"""The operations of AWS's Lambda API that are not here: the name of each, and the way to the same. Pure.

Rule: a path and a method of AWS's API are told apart from what is no operation at all, so that who comes with an AWS
client learns what to do instead, and not how a gateway finds its routes.
"""

import re
from typing import Final

from mayfly_model.errors import LambdaError, NotImplementedException, UnknownOperationException

_FUNCTIONS: Final = r"/2015-03-31/functions"
_FUNCTION: Final = rf"{_FUNCTIONS}/[^/]+"
_EVENTS: Final = r"/2019-09-25/functions/[^/]+/event-invoke-config"
_SOURCES: Final = r"/2015-03-31/event-source-mappings"
_TAGS: Final = r"/2017-03-31/tags/.+"
_URLS: Final = r"/2021-10-31/functions/[^/]+/url"
_LAYER: Final = r"/2018-10-31/layers/[^/]+/versions"
_RECURSION: Final = r"/2024-08-31/functions/[^/]+/recursion-config"
_MANAGED: Final = r"/2021-07-20/functions/[^/]+/runtime-management-config"
_SIGNING: Final = r"/2020-06-30/functions/[^/]+/code-signing-config"

_CHANGED = (
    "The function's manifest says it, in {}: change it there and apply it, with kubectl or mayfly deploy."
)
_CODE = _CHANGED.format("spec.code")
_CONFIGURED = _CHANGED.format("spec")
_EVENTS_SAID = "Asynchronous invocation is not there yet, so that nothing acts on such settings."
_TAGGED = (
    "Tags are the labels of the Function object: kubectl label function, kubectl get function --show-labels."
)
_PERMITTED = "There are no resource policies: the cluster's network says who may call, see docs/install.md."
_SOURCED = (
    "Event source mappings are not there yet: what reads a queue or a stream invokes the function itself."
)
_ADDRESSED = "Function URLs are not there yet: an ingress or a proxy in front of the gateway can call Invoke."
_LAYERED = "There are no layers: put their files into the function's code."
_SIGNED = "Signed code is not there: the manifest names an archive by its SHA-256."
_RECURRED = "Recursive loops are not looked for yet, so that nothing acts on such settings."
_RUNTIMES = "Which image a runtime is, the chart's value `runtimes` says; instances that run keep theirs."

_ABSENT: Final[tuple[tuple[str, str, str, str], ...]] = (
    ("CreateFunction", "POST", _FUNCTIONS, "A function is made by a manifest: kubectl apply, or mayfly deploy."),
    ("ListFunctions", "GET", _FUNCTIONS, "Functions are objects of the cluster: kubectl get functions."),
    ("UpdateFunctionCode", "PUT", rf"{_FUNCTION}/code", _CODE),
    ("UpdateFunctionConfiguration", "PUT", rf"{_FUNCTION}/configuration", _CONFIGURED),
    ("GetAccountSettings", "GET", "/2016-08-19/account-settings",
     "The limits of a namespace are the chart's values concurrency.limit and concurrency.unreservedMinimum."),
    ("ListTags", "GET", _TAGS, _TAGGED),
    ("TagResource", "POST", _TAGS, _TAGGED),
    ("UntagResource", "DELETE", _TAGS, _TAGGED),
    ("GetPolicy", "GET", rf"{_FUNCTION}/policy", _PERMITTED),
    ("AddPermission", "POST", rf"{_FUNCTION}/policy", _PERMITTED),
    ("RemovePermission", "DELETE", rf"{_FUNCTION}/policy/[^/]+", _PERMITTED),
    ("GetFunctionEventInvokeConfig", "GET", _EVENTS, _EVENTS_SAID),
    ("PutFunctionEventInvokeConfig", "PUT", _EVENTS, _EVENTS_SAID),
    ("UpdateFunctionEventInvokeConfig", "POST", _EVENTS, _EVENTS_SAID),
    ("DeleteFunctionEventInvokeConfig", "DELETE", _EVENTS, _EVENTS_SAID),
    ("ListFunctionEventInvokeConfigs", "GET", rf"{_EVENTS}/list", _EVENTS_SAID),
    ("ListEventSourceMappings", "GET", _SOURCES, _SOURCED),
    ("CreateEventSourceMapping", "POST", _SOURCES, _SOURCED),
    ("GetEventSourceMapping", "GET", rf"{_SOURCES}/[^/]+", _SOURCED),
    ("UpdateEventSourceMapping", "PUT", rf"{_SOURCES}/[^/]+", _SOURCED),
    ("DeleteEventSourceMapping", "DELETE", rf"{_SOURCES}/[^/]+", _SOURCED),
    ("GetFunctionUrlConfig", "GET", _URLS, _ADDRESSED),
    ("CreateFunctionUrlConfig", "POST", _URLS, _ADDRESSED),
    ("UpdateFunctionUrlConfig", "PUT", _URLS, _ADDRESSED),
    ("DeleteFunctionUrlConfig", "DELETE", _URLS, _ADDRESSED),
    ("ListFunctionUrlConfigs", "GET", rf"{_URLS}s", _ADDRESSED),
    ("ListLayers", "GET", "/2018-10-31/layers", _LAYERED),
    ("ListLayerVersions", "GET", _LAYER, _LAYERED),
    ("PublishLayerVersion", "POST", _LAYER, _LAYERED),
    ("GetLayerVersion", "GET", rf"{_LAYER}/[^/]+", _LAYERED),
    ("DeleteLayerVersion", "DELETE", rf"{_LAYER}/[^/]+", _LAYERED),
    ("GetFunctionRecursionConfig", "GET", _RECURSION, _RECURRED),
    ("PutFunctionRecursionConfig", "PUT", _RECURSION, _RECURRED),
    ("GetRuntimeManagementConfig", "GET", _MANAGED, _RUNTIMES),
    ("PutRuntimeManagementConfig", "PUT", _MANAGED, _RUNTIMES),
    ("GetFunctionCodeSigningConfig", "GET", _SIGNING, _SIGNED),
    ("PutFunctionCodeSigningConfig", "PUT", _SIGNING, _SIGNED),
    ("DeleteFunctionCodeSigningConfig", "DELETE", _SIGNING, _SIGNED),
    ("InvokeAsync", "POST", r"/2014-11-13/functions/[^/]+/invoke-async", "Invoke has replaced it, on AWS too."),
    ("InvokeWithResponseStream", "POST", r"/2021-11-15/functions/[^/]+/response-streaming-invocations",
     "Responses are not streamed yet: Invoke answers with the whole."),
)  # fmt: skip
"""Operation, method, path, and what to do instead."""

_DATED: Final = re.compile(r"/20\d\d-\d\d-\d\d/")


def absent(method: str, path: str) -> LambdaError | None:
    """The answer to an operation of AWS's that is not here; None for what is none. `path` is percent-encoded."""
    path = path.rstrip("/")
    for operation, its_method, its_path, instead in _ABSENT:
        if method == its_method and re.fullmatch(its_path, path):
            return NotImplementedException(f"{operation} is not there. {instead}")
    return None


def unknown(method: str, path: str) -> LambdaError:
    """The answer to a path that nothing here has."""
    if (known := absent(method, path)) is not None:
        return known
    if _DATED.match(path):
        return UnknownOperationException(
            f"No operation here is {method} {path}; docs/lambda-api.md lists those of AWS's Lambda API that there are."
        )
    return UnknownOperationException(f"No operation has the path {path}.")
