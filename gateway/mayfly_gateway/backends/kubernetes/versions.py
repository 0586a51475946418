"""From Versions to the functions that calls name. Pure.

Rule: only a Version that is whole becomes a target, and one that is broken leaves the last good one in its place. Of
two that claim one Lambda name the older has it, whatever the order in which they are seen.
"""

import logging
from dataclasses import dataclass

from pydantic import ValidationError

from mayfly_gateway.backends.kubernetes.objects import VersionObject
from mayfly_gateway.catalogue import Catalogue, Target, latest
from mayfly_model.function import RUNTIMES_IN_CONTEXT, FunctionSpec
from mayfly_model.names import LATEST

Key = tuple[str, str]
"""Namespace and name: of a Version's object, or of a Lambda function."""

_log = logging.getLogger(__name__)


class BrokenVersionError(ValueError):
    """The Version says something that cannot be."""


def version_key(target: Target) -> Key:
    """The object that a target came from."""
    assert target.source is not None  # noqa: S101 - `read_target` sets it
    return target.namespace, target.source


def read_target(version: VersionObject, *, cluster: str) -> Target | None:
    """What a `$LATEST` says calls of its function mean; None while it is not whole, and for published versions.

    Raises:
        BrokenVersionError: its configuration is none.
    """
    spec, metadata = version.spec, version.metadata
    if spec.configuration is None or spec.revision is None or spec.function_version != LATEST:
        return None
    try:
        configuration = FunctionSpec.model_validate(
            spec.configuration, by_alias=True, by_name=False, context={RUNTIMES_IN_CONTEXT: None}
        )
    except ValidationError as error:
        raise BrokenVersionError(str(error)) from error
    return latest(
        configuration,
        cluster=cluster,
        namespace=metadata.namespace,
        name=configuration.function_name or spec.function_name,
        digest=spec.revision,
        source=metadata.name,
    )


@dataclass(frozen=True, slots=True)
class _Claim:
    """A Version that says it is this function; the least `rank` has the name."""

    rank: tuple[str, str]
    target: Target


class Names:
    """Keeps the catalogue equal to the Versions that there are."""

    def __init__(self, catalogue: Catalogue, *, cluster: str) -> None:
        self._catalogue = catalogue
        self._cluster = cluster
        self._targets: dict[Key, Target] = {}
        self._claims: dict[Key, dict[Key, _Claim]] = {}

    def follow(self, before: VersionObject | None, after: VersionObject | None) -> None:
        """Take over what was added, changed or removed."""
        if after is None:
            assert before is not None  # noqa: S101
            self._drop((before.metadata.namespace, before.metadata.name))
        elif before is None or before.spec != after.spec or before.metadata.uid != after.metadata.uid:
            self._put(after)

    def _put(self, version: VersionObject) -> None:
        key = (version.metadata.namespace, version.metadata.name)
        try:
            target = read_target(version, cluster=self._cluster)
        except BrokenVersionError as error:
            _log.error("%s/%s is not served as it is now: %s", *key, error)
            return
        known = self._targets.get(key)
        if target is None or target == known:
            return
        self._targets[key] = target
        claim = _Claim((version.metadata.creation_timestamp, version.metadata.uid), target)
        self._claims.setdefault(target.function, {})[key] = claim
        if known is not None and known.function != target.function:
            self._withdraw(known.function, key)
        self._settle(target.function)

    def _drop(self, key: Key) -> None:
        known = self._targets.pop(key, None)
        if known is not None:
            self._withdraw(known.function, key)

    def _withdraw(self, function: Key, key: Key) -> None:
        claims = self._claims.get(function, {})
        claims.pop(key, None)
        if not claims:
            self._claims.pop(function, None)
        self._settle(function)

    def _settle(self, function: Key) -> None:
        claims = self._claims.get(function)
        served = self._catalogue.get(*function)
        if claims is None:
            if served is not None:
                self._catalogue.remove(*function)
            return
        target = min(claims.values(), key=lambda claim: claim.rank).target
        if target != served:
            self._catalogue.put(target)
