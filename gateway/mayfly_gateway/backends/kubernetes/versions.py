"""From Versions and Aliases to the functions that calls name. Pure.

Rule: only a Version that is whole becomes a target, and one that is broken leaves the last good one in its place. All
versions of a Function go by the one Lambda name that its `$LATEST` says. Of two Functions that claim one Lambda name
the older has it, whatever the order in which they are seen.
"""

import dataclasses
import logging
from dataclasses import dataclass, field

import msgspec
from pydantic import ValidationError

from mayfly_gateway.backends.kubernetes.objects import AliasObject, AliasRoute, VersionObject
from mayfly_gateway.backends.kubernetes.rollouts import BrokenAliasError, read_said
from mayfly_gateway.catalogue import Catalogue, Target, target_of
from mayfly_gateway.rollout import Said
from mayfly_gateway.routes import Route
from mayfly_model.function import RUNTIMES_IN_CONTEXT, FunctionSpec
from mayfly_model.labels import split_name
from mayfly_model.names import LATEST
from mayfly_model.provisioned_scaling import ProvisionedConcurrencyScaling
from mayfly_model.publishing import revision

Key = tuple[str, str]
"""Namespace and name: of an object, or of a Lambda function."""

_log = logging.getLogger(__name__)


class BrokenVersionError(ValueError):
    """The Version says something that cannot be."""


def version_key(target: Target) -> Key:
    """The object that a target came from."""
    assert target.source is not None  # noqa: S101 - `read_target` sets it
    return target.namespace, target.source


def read_target(version: VersionObject, *, cluster: str) -> Target | None:
    """What calls of a Version mean; None while it is not whole.

    Raises:
        BrokenVersionError: its configuration is none, or was changed after it was published.
    """
    spec, metadata = version.spec, version.metadata
    if spec.configuration is None or spec.revision is None or spec.function_version is None:
        return None
    try:
        configuration = FunctionSpec.model_validate(
            spec.configuration, by_alias=True, by_name=False, context={RUNTIMES_IN_CONTEXT: None}
        )
    except ValidationError as error:
        raise BrokenVersionError(str(error)) from error
    qualifier = split_name(metadata.name)[1]
    if qualifier != LATEST and spec.revision != revision(configuration):
        raise BrokenVersionError("the configuration is not the one that was published")
    return target_of(
        configuration,
        cluster=cluster,
        namespace=metadata.namespace,
        name=configuration.function_name or spec.function_name,
        digest=spec.revision,
        version=qualifier,
        provisioned=spec.provisioned_concurrent_executions,
        source=metadata.name,
    )


def read_route(said: AliasRoute) -> Route | None:
    """Where an Alias's spec or status points; None where that says nothing."""
    if not said.function_version:
        return None
    additional, weight = (None, 0.0) if said.routing is None else msgspec.structs.astuple(said.routing)
    return Route(said.function_version, additional, weight, said.provisioned_concurrent_executions)


def read_wanted(alias: AliasObject) -> Route | None:
    """Where an Alias's spec points, and how many instances it wants ahead of calls; None where it says nothing.

    Raises:
        BrokenAliasError: it says something that cannot be.
    """
    route, scaling = read_route(alias.spec), alias.spec.provisioned_concurrency_scaling
    if route is None or scaling is None:
        return route
    try:
        return dataclasses.replace(route, scaling=ProvisionedConcurrencyScaling.model_validate(scaling))
    except ValidationError as error:
        raise BrokenAliasError(str(error)) from error


@dataclass(slots=True)
class _Function:
    """One Function object: its Versions that are whole, and its Aliases. `name` is what it is called by."""

    name: Key | None = None
    ranks: dict[str, tuple[str, str]] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    routes: dict[str, tuple[Route, Route | None, Said]] = field(default_factory=dict)

    @property
    def rank(self) -> tuple[str, str]:
        """The least one has the name: when its oldest Version was made, and that one's uid."""
        return min(self.ranks.values())

    def says(self) -> Key | None:
        """The Lambda name by which it wants to be called: `$LATEST` says it, else the newest version."""
        if not self.targets:
            return None
        newest = max(self.targets, key=lambda version: (version == LATEST, len(version), version))
        return self.targets[newest].function


class Names:
    """Keeps the catalogue equal to the Versions and Aliases that there are."""

    def __init__(self, catalogue: Catalogue, *, cluster: str) -> None:
        self._catalogue = catalogue
        self._cluster = cluster
        self._functions: dict[Key, _Function] = {}
        self._claims: dict[Key, dict[Key, _Function]] = {}

    def follow(self, before: VersionObject | None, after: VersionObject | None) -> None:
        """Take over a Version that was added, changed or removed; one that is being deleted is removed."""
        version = after or before
        assert version is not None  # noqa: S101
        if after is None or after.metadata.deletion_timestamp is not None:
            self._drop(version)
        elif before is None or _says(before) != _says(after):
            self._put(after)

    def follow_alias(self, before: AliasObject | None, after: AliasObject | None) -> None:
        """Take over an Alias that was added, changed or removed; one that is being deleted is removed."""
        alias = after or before
        assert alias is not None  # noqa: S101
        name, qualifier = split_name(alias.metadata.name)
        key = alias.metadata.namespace, name
        function = self._functions.setdefault(key, _Function())
        try:
            wanted = None if after is None or after.metadata.deletion_timestamp else read_wanted(after)
            if wanted is None:
                function.routes.pop(qualifier, None)
            else:
                function.routes[qualifier] = wanted, read_route(alias.status), read_said(alias)
        except BrokenAliasError as error:
            # A rollout is not made at once, at any rate: that is what it does not want.
            _log.error("%s/%s is not followed as it is now: %s", key[0], alias.metadata.name, error)
        self._settle(key, function)

    def _put(self, version: VersionObject) -> None:
        metadata = version.metadata
        try:
            target = read_target(version, cluster=self._cluster)
        except BrokenVersionError as error:
            _log.error("%s/%s is not served as it is now: %s", metadata.namespace, metadata.name, error)
            return
        if target is None:
            return
        key = metadata.namespace, split_name(metadata.name)[0]
        function = self._functions.setdefault(key, _Function())
        function.ranks[target.version] = metadata.creation_timestamp, metadata.uid
        function.targets[target.version] = target
        self._settle(key, function)

    def _drop(self, version: VersionObject) -> None:
        name, qualifier = split_name(version.metadata.name)
        key = version.metadata.namespace, name
        function = self._functions.get(key)
        if function is not None:
            function.ranks.pop(qualifier, None)
            function.targets.pop(qualifier, None)
            self._settle(key, function)

    def _settle(self, key: Key, function: _Function) -> None:
        """Give the function the name that it says, and serve under its old and its new one who has them now."""
        said, before = function.says(), function.name
        function.name = said
        if before is not None and before != said:
            self._claims[before].pop(key, None)
            self._serve(before)
        if said is not None:
            self._claims.setdefault(said, {})[key] = function
            self._serve(said)
        elif not function.routes:
            self._functions.pop(key, None)

    def _serve(self, name: Key) -> None:
        claims = self._claims.get(name, {})
        if not claims:
            self._claims.pop(name, None)
        function = min(claims.values(), key=lambda each: each.rank, default=_Function())
        self._serve_versions(name, function)
        self._serve_aliases(name, function)

    def _serve_versions(self, name: Key, function: _Function) -> None:
        served = dict(self._catalogue.versions(*name))
        for version in served.keys() - function.targets.keys():
            self._catalogue.remove(*name, version)
        for version, target in function.targets.items():
            function.targets[version] = _named(target, name, served.get(version))
            if function.targets[version] is not served.get(version):
                self._catalogue.put(function.targets[version])

    def _serve_aliases(self, name: Key, function: _Function) -> None:
        served = self._catalogue.aliases(*name)
        for alias in served.keys() - function.routes.keys():
            self._catalogue.route(*name, alias, None)
        for alias, (wanted, last, said) in function.routes.items():
            self._catalogue.route(*name, alias, wanted, last=last, said=said)


def _says(version: VersionObject) -> object:
    """What a target is made of: not the number of instances, which changes with every burst."""
    return version.metadata.uid, msgspec.structs.replace(version.spec, instances=None)


def _named(target: Target, name: Key, served: Target | None) -> Target:
    """The target under its function's present name; the one that is served already if it is the same."""
    if target is not served and target.function != name:
        arn = target.arn[: -len(target.name)] + name[1]
        target = dataclasses.replace(target, name=name[1], arn=arn)
    return served if served is not None and target == served else target
