"""Which functions exist, held in memory and ready for an invocation: a lookup is one dictionary access.

Whoever learns of functions (the local mode's manifests, a cluster's watches) puts and removes them here;
whoever must act on a change is told at once, in the order of registration.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mayfly_model.function import FunctionSpec
from mayfly_model.names import LATEST, function_arn


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One function version, with everything that an invocation needs worked out beforehand.

    `digest` names the content: code and every setting that an instance is started with. Instances of another
    digest retire. `memory_size` in MB; `timeout` and `keep_alive` in seconds;
    `concurrency` is how many invocations one instance takes at once; `source` is the path of the
    manifest, to which a code directory is relative. `function` is (namespace, name), the key to whatever is
    kept per function.
    """

    function: tuple[str, str] = field(init=False)
    namespace: str
    name: str
    arn: str
    arn_latest: str
    version: str
    memory_size: int
    timeout: int
    keep_alive: float
    concurrency: int
    reserved: int | None
    digest: str
    spec: FunctionSpec = field(repr=False)
    source: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "function", (self.namespace, self.name))


def latest(
    spec: FunctionSpec, *, cluster: str, namespace: str, name: str, digest: str, source: str | None = None
) -> Target:
    """The target of a function's `$LATEST`; `name` is its Lambda name."""
    return Target(
        namespace=namespace,
        name=name,
        arn=function_arn(cluster, namespace, name),
        arn_latest=function_arn(cluster, namespace, name, LATEST),
        version=LATEST,
        memory_size=spec.memory_size,
        timeout=spec.timeout,
        keep_alive=spec.keep_alive,
        concurrency=spec.max_concurrency,
        reserved=spec.reserved_concurrent_executions,
        digest=digest,
        spec=spec,
        source=source,
    )


Listener = Callable[[Target | None, Target | None], None]


class Catalogue:
    """The functions of every namespace, by Lambda name."""

    def __init__(self) -> None:
        self._namespaces: dict[str, dict[str, Target]] = {}
        self._listeners: list[Listener] = []

    def get(self, namespace: str, name: str) -> Target | None:
        """The target that a call of this function means now."""
        functions = self._namespaces.get(namespace)
        return None if functions is None else functions.get(name)

    def knows(self, namespace: str) -> bool:
        """Whether any function lives in the namespace."""
        return namespace in self._namespaces

    def functions(self, namespace: str) -> Iterator[Target]:
        """The namespace's functions in the order of their names."""
        functions = self._namespaces.get(namespace, {})
        return (functions[name] for name in sorted(functions))

    def every(self) -> tuple[Target, ...]:
        """The functions of all namespaces, as they are now."""
        return tuple(target for functions in self._namespaces.values() for target in functions.values())

    def put(self, target: Target) -> None:
        """Add a function, or replace the one of the same name."""
        functions = self._namespaces.setdefault(target.namespace, {})
        before = functions.get(target.name)
        functions[target.name] = target
        self._tell(before, target)

    def remove(self, namespace: str, name: str) -> None:
        """Forget a function; forgetting an unknown one changes nothing."""
        functions = self._namespaces.get(namespace, {})
        before = functions.pop(name, None)
        if not functions:
            self._namespaces.pop(namespace, None)
        if before is not None:
            self._tell(before, None)

    def on_change(self, listener: Listener) -> None:
        """Have `listener(before, after)` called for every function there is, and on every change from now on."""
        self._listeners.append(listener)
        for functions in self._namespaces.values():
            for target in functions.values():
                listener(None, target)

    def _tell(self, before: Target | None, after: Target | None) -> None:
        for listener in self._listeners:
            listener(before, after)
