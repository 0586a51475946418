"""Which functions exist, held in memory and ready for an invocation: a lookup is a few dictionary accesses.

Whoever learns of functions (the local mode's manifests, a cluster's watches) puts and removes their versions and
aliases here; whoever must act on a change of a version is told at once, in the order of registration. A moved alias
concerns nobody but the calls to come.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from mayfly_gateway.rollout import Said
from mayfly_gateway.routes import Qualifiers, Route, Split
from mayfly_model.function import FunctionSpec
from mayfly_model.names import LATEST, function_arn

ON_DEMAND, PROVISIONED = "on-demand", "provisioned-concurrency"
"""What `AWS_LAMBDA_INITIALIZATION_TYPE` may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One function version, with everything that an invocation needs worked out beforehand.

    `digest` names the content: code and every setting that an instance is started with. Instances of another
    digest retire. `memory_size` in MB; `timeout` and `keep_alive` in seconds; `version` is a number or `$LATEST`;
    `concurrency` is how many invocations one instance takes at once; `provisioned`: how many instances are kept
    initialised for the version itself; `source` is the path of the
    manifest, to which a code directory is relative. `arn` is the function's, without a qualifier. `function` is
    (namespace, name), the key to whatever is kept per function; `key` has the version as well.
    `initialization` is how instances are told that they came to be: on-demand or provisioned-concurrency.
    """

    function: tuple[str, str] = field(init=False)
    key: tuple[str, str, str] = field(init=False)
    namespace: str
    name: str
    arn: str
    version: str
    memory_size: int
    timeout: int
    keep_alive: float
    concurrency: int
    reserved: int | None
    provisioned: int | None = None
    digest: str
    spec: FunctionSpec = field(repr=False)
    source: str | None = None
    initialization: str = ON_DEMAND

    def __post_init__(self) -> None:
        object.__setattr__(self, "function", (self.namespace, self.name))
        object.__setattr__(self, "key", (self.namespace, self.name, self.version))

    def ahead_of_calls(self) -> "Target":
        """The same for an instance that is initialised ahead of any call."""
        return replace(self, initialization=PROVISIONED)

    def called(self, qualifier: str | None) -> str:
        """The ARN by which somebody called the function who gave this qualifier, or none."""
        return self.arn if qualifier is None else f"{self.arn}:{qualifier}"


def target_of(
    spec: FunctionSpec,
    *,
    cluster: str,
    namespace: str,
    name: str,
    digest: str,
    version: str = LATEST,
    provisioned: int | None = None,
    source: str | None = None,
) -> Target:
    """The target of a function's version, by default of its `$LATEST`; `name` is its Lambda name."""
    return Target(
        namespace=namespace,
        name=name,
        arn=function_arn(cluster, namespace, name),
        version=version,
        memory_size=spec.memory_size,
        timeout=spec.timeout,
        keep_alive=spec.keep_alive,
        concurrency=spec.max_concurrency,
        reserved=spec.reserved_concurrent_executions,
        provisioned=provisioned,
        digest=digest,
        spec=spec,
        source=source,
    )


Listener = Callable[[Target | None, Target | None], None]
AliasKey = tuple[str, str, str]
"""Namespace, Lambda name and alias."""
Guide = Callable[[AliasKey, Route | None, Said | None, Route | None], Route | None]
"""Told what an alias names (None: it is gone), what it says of rollouts and where it led; returns where to lead it."""

Scaler = Callable[[AliasKey, Route | None, Said | None], int | None]
"""Told what an alias names (None: it is gone) and what is known of it; returns how many instances it wants ahead of
calls, None for as many as it says."""


class Catalogue:
    """The functions of every namespace, by Lambda name."""

    def __init__(self, *, dice: Callable[[], float] = random.random) -> None:
        """`dice` gives numbers from 0 up to, and not including, 1: it decides for aliases of two versions."""
        self._dice = dice
        self._namespaces: dict[str, dict[str, Qualifiers[Target]]] = {}
        self._listeners: list[Listener] = []
        self._provision_listeners: list[Callable[[str, str], None]] = []
        self._guide: Guide | None = None
        self._scaler: Scaler | None = None

    def resolve(self, namespace: str, name: str, qualifier: str | None = None) -> Target | None:
        """The version that one call of this function means now; None if there is none."""
        functions = self._namespaces.get(namespace)
        function = None if functions is None else functions.get(name)
        found = None if function is None else function.found.get(qualifier)
        if isinstance(found, Split):
            return found.additional if self._dice() < found.weight else found.main
        return found

    def knows(self, namespace: str) -> bool:
        """Whether any function lives in the namespace."""
        return namespace in self._namespaces

    def functions(self, namespace: str) -> Iterator[Target]:
        """The `$LATEST` of the namespace's functions, in the order of their names."""
        functions = self._namespaces.get(namespace, {})
        everyone = (functions[name].versions.get(LATEST) for name in sorted(functions))
        return (target for target in everyone if target is not None)

    def every(self) -> tuple[Target, ...]:
        """The versions of all functions of all namespaces, as they are now."""
        return tuple(
            target
            for functions in self._namespaces.values()
            for function in functions.values()
            for target in function.versions.values()
        )

    def versions(self, namespace: str, name: str) -> Mapping[str, Target]:
        """A function's versions, by number or `$LATEST`."""
        return self._function(namespace, name).versions

    def aliases(self, namespace: str, name: str) -> Mapping[str, Route]:
        """What a function's aliases say, whether or not there are the versions that they name."""
        return self._function(namespace, name).aliases

    def leads(self, namespace: str, name: str, alias: str) -> Route | None:
        """Where an alias leads now, which is where it led before while it names a version that is not there."""
        return self._function(namespace, name).leads(alias)

    def put(self, target: Target) -> None:
        """Add a version, or replace the one of the same function and number."""
        functions = self._namespaces.setdefault(target.namespace, {})
        function = functions.get(target.name)
        if function is None:
            function = functions[target.name] = Qualifiers()
        self._tell(function.put(target.version, target), target)

    def remove(self, namespace: str, name: str, version: str = LATEST) -> None:
        """Forget a version; forgetting an unknown one changes nothing."""
        before = self._function(namespace, name).remove(version)
        self._tidy(namespace, name)
        if before is not None:
            self._tell(before, None)

    def route(
        self,
        namespace: str,
        name: str,
        alias: str,
        wanted: Route | None,
        *,
        last: Route | None = None,
        said: Said | None = None,
    ) -> None:
        """Have an alias lead there, or, with None, forget it; for `last` see `Qualifiers.route`.

        `said` is what it says of rollouts and what was decided of it, for whom `guide_by` and `scale_by` have named.
        """
        functions = self._namespaces.setdefault(namespace, {})
        function = functions.setdefault(name, Qualifiers())
        steered = None
        if self._guide is not None:
            steered = self._guide((namespace, name, alias), wanted, said, function.leads(alias) or last)
        scaled = None if self._scaler is None else self._scaler((namespace, name, alias), wanted, said)
        function.route(alias, wanted, last, steered, scaled)
        self._tidy(namespace, name)
        self._tell_of_provision(namespace, name)

    def guide_by(self, guide: Guide) -> None:
        """Have `guide` say where aliases lead from now on, whenever they say something."""
        self._guide = guide

    def steer(self, key: AliasKey, steered: Route | None) -> None:
        """Lead an alias there instead of where it says, or, with None, there again."""
        namespace, name, alias = key
        self._function(namespace, name).steer(alias, steered)
        self._tell_of_provision(namespace, name)

    def scale_by(self, scaler: Scaler) -> None:
        """Have `scaler` say from now on how many instances aliases want ahead of calls, whenever they say something."""
        self._scaler = scaler

    def scale(self, key: AliasKey, instances: int | None) -> None:
        """Have an alias want so many instances ahead of calls, or, with None, as many as it says."""
        namespace, name, alias = key
        if self._function(namespace, name).scale(alias, instances):
            self._tell_of_provision(namespace, name)

    def on_change(self, listener: Listener) -> None:
        """Have `listener(before, after)` called for every version there is, and on every change from now on."""
        self._listeners.append(listener)
        for target in self.every():
            listener(None, target)

    def provisioned(self, namespace: str, name: str, *, without: str | None = None) -> Mapping[str, int]:
        """How many instances of each of a function's versions are wanted ahead of calls, by all but one alias.

        What a version itself says takes the place of what aliases say of it.
        """
        function = self._function(namespace, name)
        own = {each.version: each.provisioned for each in function.versions.values() if each.provisioned}
        return {**function.provisioned(without=without), **own}

    def on_provision(self, listener: Callable[[str, str], None]) -> None:
        """Have `listener(namespace, name)` called whenever `provisioned` of the function may be another."""
        self._provision_listeners.append(listener)

    def _function(self, namespace: str, name: str) -> Qualifiers[Target]:
        functions = self._namespaces.get(namespace, {})
        return functions.get(name) or Qualifiers()

    def _tidy(self, namespace: str, name: str) -> None:
        functions = self._namespaces.get(namespace, {})
        if name in functions and functions[name].empty:
            del functions[name]
        if not functions:
            self._namespaces.pop(namespace, None)

    def _tell(self, before: Target | None, after: Target | None) -> None:
        for listener in self._listeners:
            listener(before, after)
        target = after or before
        if target is not None:
            self._tell_of_provision(*target.function)

    def _tell_of_provision(self, namespace: str, name: str) -> None:
        for listener in self._provision_listeners:
            listener(namespace, name)
