"""What a Function's code and configuration become when they are held fast.

Rule: pure and the same for everybody. A snapshot says everything, defaults included, so that a later release with
other defaults changes no version. The revision counts what an instance is started with and nothing else: a new
description, reservation or keep-alive replaces no instance. A version's number is the highest ever published and one
more: it is never given twice, and no new one is given without a change.
"""

import base64
import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mayfly_model.conditions import Reason
from mayfly_model.function import Function, FunctionSpec
from mayfly_model.function_code import Code
from mayfly_model.limits import VERSION_NUMBER_MAX
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
_NO_CHANGE: Final = frozenset(
    {"description", "reserved_concurrent_executions", "publish", "event_invoke_config"}
)
"""Fields whose change makes no new version: they are the function's and no version's, or words for people."""
_REVISION_IDS: Final = uuid.UUID("6d617966-6c79-5e76-8f1d-4c616d626461")


@dataclass(frozen=True, slots=True)
class Publication:
    """A version to create: its number, and its spec with the number written into it."""

    number: int
    spec: VersionSpec


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing to create: the version of this number, the last one, is what would be published."""

    number: int


def publication(
    latest: VersionSpec,
    versions: Mapping[int, VersionSpec],
    last: int,
    description: str | None = None,
) -> Publication | Unchanged:
    """What publishing a Function comes to.

    Whoever creates the version raises the Function's counter after that, and only then. If it cannot, the next
    publication still sees the version: the outcome is `Unchanged`, with the number for the counter.

    Args:
        latest: the Function's `$LATEST`.
        versions: every version of the Function that exists, by its number; one without a configuration, which a
            person has applied and nobody has published yet, keeps its number from others.
        last: the highest number ever published, as `status.lastPublishedVersion` has it; 0 for none.
        description: of the version; the Function's own where it is None.

    Raises:
        RefusedError: the numbers are used up.
    """
    newest = max((number for number, spec in versions.items() if spec.configuration), default=0)
    if newest >= max(last, 1) and content(versions[newest]) == content(latest):
        return Unchanged(newest)
    highest = max(last, *versions, 0)
    if highest >= VERSION_NUMBER_MAX:
        raise RefusedError(Reason.VERSION_NUMBER_USED, f"no number is left after {highest}")
    return _publication(latest, highest + 1, description)


def publication_as(
    number: int, latest: VersionSpec, last: int, description: str | None = None
) -> Publication:
    """What publishing a Function under a number of a person's choice comes to; `last` as in :func:`publication`.

    Raises:
        RefusedError: `VersionNumberUsed`: the number, or a higher one, was published before.
    """
    if number <= last:
        message = f"found version {number}; allowed: a number above {last}, the last that was published"
        raise RefusedError(Reason.VERSION_NUMBER_USED, message)
    return _publication(latest, number, description)


def _publication(latest: VersionSpec, number: int, description: str | None) -> Publication:
    changes = {"function_version": str(number), "instances": None, "provisioned_concurrent_executions": None}
    if description is not None:
        changes["description"] = description
    return Publication(number, latest.model_copy(update=changes))


def content(version: VersionSpec) -> str:
    """Names, in hexadecimal, what makes a new version when it changes; empty for one without a configuration."""
    if version.configuration is None:
        return ""
    settings = version.configuration.model_dump(mode="json", by_alias=True, exclude=set(_NO_CHANGE))
    made_of = {**settings, "handler": version.configuration.handler_name}
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def is_what_was_published(version: VersionSpec) -> bool:
    """Whether code and configuration are those that the version's digests name; no reader uses it otherwise.

    The API server holds a published version fast as far as its rules can see; this sees the rest.
    """
    if version.configuration is None:
        return True
    digest = code_digest(version.configuration.code)
    said = base64.b64encode(bytes.fromhex(digest)).decode(), revision(version.configuration, digest)
    return (version.code_sha256, version.revision) == said


def latest_revision_id(uid: str, generation: int, last: int) -> str:
    """`RevisionId` of a Function's `$LATEST`: another one after a change and after a publication.

    Args:
        uid: the Function's.
        generation: the Function's.
        last: its `status.lastPublishedVersion`.
    """
    return _revision_id("latest", uid, generation, last)


def version_revision_id(uid: str) -> str:
    """`RevisionId` of a published version, which never changes, by the Version's uid."""
    return _revision_id("version", uid)


def alias_revision_id(uid: str, generation: int) -> str:
    """`RevisionId` of an alias: another one after each change; uid and generation are the Alias's."""
    return _revision_id("alias", uid, generation)


def _revision_id(*of: object) -> str:
    return str(uuid.uuid5(_REVISION_IDS, "/".join(map(str, of))))


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
        revision=revision(configuration, digest),
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


def revision(configuration: FunctionSpec, digest: str | None = None) -> str:
    """Names what instances are made of, in hexadecimal: the code and every setting that they are started with.

    `digest` is :func:`code_digest` of the code, where that was worked out already.

    It is the same in every release, for published versions keep it: a setting of a later release may count only
    where it is not what it was before there was a choice.
    """
    settings = configuration.model_dump(mode="json", by_alias=True, include=set(_STARTED_WITH))
    made_of = {
        **settings,
        "handler": configuration.handler_name,
        "code": digest or code_digest(configuration.code),
    }
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
