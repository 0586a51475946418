"""Where the qualifiers of one function lead: to a version, or by an alias to one of two. Pure.

Rule: an alias leads where it says if there is every version that it names; while one is missing it leads where it led
before, and where that is gone as well, nowhere. What a qualifier means is worked out when something changes, so that a
call only looks it up. An alias under a rollout is steered: it leads where that says, not yet where it says itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from mayfly_model.alias import AliasSpec
from mayfly_model.names import LATEST
from mayfly_model.provisioned_scaling import ProvisionedConcurrencyScaling

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Route:
    """What an alias names: a version and, for a share `weight` of the calls (0 to 1), perhaps an additional one.

    `provisioned`: how many instances of the version are kept initialised ahead of calls, at the least where `scaling`
    makes it more at times.
    """

    version: str
    additional: str | None = None
    weight: float = 0.0
    provisioned: int | None = None
    scaling: ProvisionedConcurrencyScaling | None = None

    @property
    def versions(self) -> tuple[str, ...]:
        """The one or two versions that it needs."""
        return (self.version,) if self.additional is None else (self.version, self.additional)


def route_of(spec: AliasSpec) -> Route:
    """Where an Alias points."""
    routing = spec.routing
    return Route(
        spec.function_version,
        None if routing is None else routing.additional_version,
        0.0 if routing is None else routing.weight,
        spec.provisioned_concurrent_executions,
        spec.provisioned_concurrency_scaling,
    )


@dataclass(frozen=True, slots=True)
class Split(Generic[T]):
    """Two versions that share an alias's calls: `additional` has the part `weight` of them."""

    main: T
    additional: T
    weight: float


@dataclass(slots=True)
class _Alias:
    """What an alias says, and where it led at last; None while it never did.

    `steered`: where a rollout leads it. `scaled`: how many instances it wants ahead of calls instead of what it says.
    """

    wanted: Route
    last: Route | None
    steered: Route | None = None
    scaled: int | None = None

    @property
    def provisioned(self) -> int:
        """How many instances it wants ahead of calls."""
        return (self.wanted.provisioned if self.scaled is None else self.scaled) or 0


class Qualifiers(Generic[T]):
    """One function's versions and aliases. `found` says what each qualifier means; None is the one left out."""

    __slots__ = ("_aliases", "_versions", "found")

    def __init__(self) -> None:
        self._versions: dict[str, T] = {}
        self._aliases: dict[str, _Alias] = {}
        self.found: dict[str | None, T | Split[T]] = {}

    @property
    def versions(self) -> Mapping[str, T]:
        """The versions that there are, by number or `$LATEST`."""
        return self._versions

    @property
    def aliases(self) -> Mapping[str, Route]:
        """What each alias says."""
        return {name: alias.wanted for name, alias in self._aliases.items()}

    @property
    def empty(self) -> bool:
        """Whether there is neither a version nor an alias."""
        return not self._versions and not self._aliases

    def put(self, version: str, target: T) -> T | None:
        """Have this version, or have it anew; returns what it was before."""
        before = self._versions.get(version)
        self._versions[version] = target
        self._work_out()
        return before

    def remove(self, version: str) -> T | None:
        """Have this version no more; returns what it was."""
        before = self._versions.pop(version, None)
        self._work_out()
        return before

    def route(
        self,
        alias: str,
        wanted: Route | None,
        last: Route | None = None,
        steered: Route | None = None,
        scaled: int | None = None,
    ) -> None:
        """Have the alias lead there, or, with None, have it no more.

        `last` is where it led as far as others know; what it led to here counts for more. `steered` is where a
        rollout leads it instead, `scaled` how many instances it wants ahead of calls instead.
        """
        known = self._aliases.get(alias)
        if wanted is None:
            self._aliases.pop(alias, None)
        elif known is None:
            self._aliases[alias] = _Alias(wanted, last, steered, scaled)
        elif (known.wanted, known.steered, known.scaled) == (wanted, steered, scaled) and (
            known.last or not last
        ):
            return
        else:
            known.wanted, known.steered, known.scaled = wanted, steered, scaled
            known.last = known.last or last
        self._work_out()

    def steer(self, alias: str, steered: Route | None) -> None:
        """Have a rollout lead the alias there, or, with None, no rollout any more."""
        known = self._aliases.get(alias)
        if known is not None and known.steered != steered:
            known.steered = steered
            self._work_out()

    def scale(self, alias: str, scaled: int | None) -> bool:
        """Have the alias want so many instances ahead of calls, or, with None, what it says; whether that is news."""
        known = self._aliases.get(alias)
        if known is None or known.scaled == scaled:
            return False
        known.scaled = scaled
        return True

    def provisioned(self, *, without: str | None = None) -> Mapping[str, int]:
        """How many instances the aliases that lead to a version, but for one, want of it ahead of calls, by version."""
        found: dict[str, int] = {}
        for name, alias in self._aliases.items():
            route = None if name == without else self._led(alias)
            if route is not None and alias.provisioned:
                found[route.version] = found.get(route.version, 0) + alias.provisioned
        return found

    def leads(self, alias: str) -> Route | None:
        """Where the alias leads now."""
        known = self._aliases.get(alias)
        return None if known is None else self._led(known)

    def _work_out(self) -> None:
        found: dict[str | None, T | Split[T]] = {}
        found.update(self._versions)
        if LATEST in self._versions:
            found[None] = self._versions[LATEST]
        for name, alias in self._aliases.items():
            route = self._led(alias)
            if route is not None:
                alias.last = route
                found[name] = self._target(route)
        self.found = found

    def _led(self, alias: _Alias) -> Route | None:
        # A rollout that misses its new version stays with the old one.
        only = None if alias.steered is None else Route(alias.steered.version)
        for route in (alias.steered, only, alias.wanted, alias.last):
            if route is not None and all(version in self._versions for version in route.versions):
                return route
        return None

    def _target(self, route: Route) -> T | Split[T]:
        main = self._versions[route.version]
        if route.additional is None or route.weight <= 0:
            return main
        return Split(main, self._versions[route.additional], route.weight)
