"""What a Function's code and configuration become when they are held fast.

Rule: pure and the same for everybody. A snapshot says everything, defaults included, so that a later release with
other defaults changes no version. The revision counts what an instance is started with and nothing else: a new
description, reservation or keep-alive replaces no instance.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from mayfly_model.conditions import Reason
from mayfly_model.function import Function, FunctionSpec
from mayfly_model.function_code import Code
from mayfly_model.names import LATEST
from mayfly_model.objects import RefusedError, as_applied, refused_by
from mayfly_model.version import VersionSpec

_STARTED_WITH: Final = frozenset(
    {
        "function_name",
        "package_type",
        "runtime",
        "handler",
        "memory_size",
        "timeout",
        "ephemeral_storage",
        "service_account_name",
        "environment",
        "logging_config",
    }
)
"""Fields that an instance depends on, besides the code. The others are the gateway's and the operator's affair."""


def latest_version(function: Function, config_map: Mapping[str, bytes] | None = None) -> VersionSpec:
    """What the `$LATEST` of a Function is.

    `instances` is absent, for it is the gateway's.

    Args:
        function: as it is now.
        config_map: the values of the ConfigMap that `code.configMap` names, where it names one.

    Raises:
        RefusedError: the ConfigMap holds no code.
    """
    configuration = snapshot(function, config_map)
    digest = code_digest(configuration.code)
    return VersionSpec(
        function_name=function.metadata.name,
        function_version=LATEST,
        description=function.spec.description,
        configuration=configuration,
        code_sha256=base64.b64encode(bytes.fromhex(digest)).decode(),
        revision=revision(configuration),
    )


def snapshot(function: Function, config_map: Mapping[str, bytes] | None = None) -> FunctionSpec:
    """The Function's spec with its Lambda name written out and a ConfigMap's files in the place of its name.

    Raises:
        RefusedError: the ConfigMap holds no code.
    """
    code = function.spec.code
    if code.config_map is not None:
        code = _inline(code.config_map.name, config_map or {})
    return function.spec.model_copy(update={"function_name": function.lambda_name, "code": code})


def code_digest(code: Code) -> str:
    """SHA-256 of the code, in hexadecimal: of the archive as it is, of text files as :func:`packed` writes them.

    A container image is named by its own digest, or by its reference where that has none.
    """
    if code.archive is not None:
        return code.archive.removeprefix("sha256:")
    if code.sha256 is not None:
        return code.sha256
    if code.image is not None:
        return _image_digest(code.image)
    return hashlib.sha256(packed(code.inline or {})).hexdigest()


def packed(files: Mapping[str, str]) -> bytes:
    """Text files as the bytes that are sent to an instance: a JSON object, equal for equal files."""
    return json.dumps(files, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def revision(configuration: FunctionSpec) -> str:
    """Names what instances are made of, in hexadecimal: the code and every setting that they are started with."""
    settings = configuration.model_dump(mode="json", by_alias=True, include=set(_STARTED_WITH))
    made_of = {**settings, "handler": configuration.handler_name, "code": code_digest(configuration.code)}
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def applied(spec: VersionSpec) -> dict[str, Any]:
    """The spec as server-side apply takes it, absent fields left out and `instances` never said."""
    return as_applied(spec.model_copy(update={"instances": None}))


def _image_digest(image: str) -> str:
    digest = image.rpartition("@sha256:")[2]
    if len(digest) == 64 and set(digest) <= set("0123456789abcdef"):
        return digest
    return hashlib.sha256(image.encode()).hexdigest()


def _inline(name: str, values: Mapping[str, bytes]) -> Code:
    try:
        files = {key: value.decode() for key, value in values.items()}
        return Code.model_validate({"inline": files})
    except UnicodeDecodeError:
        message = f"ConfigMap {name} holds a file that is not text: upload the code as an archive"
        raise RefusedError(Reason.CODE_INVALID, message) from None
    except ValueError as error:
        raise refused_by(error, Code, Reason.CODE_INVALID, f"ConfigMap {name}: ") from None
