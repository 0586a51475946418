"""Keeps as many instances initialised ahead of calls as versions and aliases ask for.

Rule: when an alias moves, the instances of the version that it left stay until those of the other are ready.
"""

from collections.abc import Callable, Mapping

from mayfly_gateway.catalogue import Catalogue, Target
from mayfly_gateway.dispatch import Dispatcher
from mayfly_gateway.provision import Provisioned

FunctionKey = tuple[str, str]
OnNews = Callable[[Target, Provisioned | None], None]


def floors(wanted: Mapping[str, int], before: Mapping[str, int], ready: Mapping[str, int]) -> dict[str, int]:
    """How many instances to keep of each version. Pure.

    Args:
        wanted: what is asked for now.
        before: what was kept until now.
        ready: how many are ready.
    """
    if all(ready.get(version, 0) >= instances for version, instances in wanted.items()):
        return dict(wanted)
    leaving = {version: instances for version, instances in before.items() if version not in wanted}
    return {**leaving, **wanted}


class Provisioning:
    """What is kept of the functions that are this gateway's."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        dispatcher: Dispatcher,
        owns: Callable[[FunctionKey], bool] | None = None,
        on_news: OnNews | None = None,
    ) -> None:
        """`owns(function)` says whether a function is this gateway's; None if all are.

        `on_news(target, state)` is told how far a version is whenever that changes; None: nothing is asked for.
        """
        self._catalogue = catalogue
        self._dispatcher = dispatcher
        self._owns = owns
        self._on_news = on_news
        self._kept: dict[FunctionKey, dict[str, int]] = {}
        self._told: dict[tuple[str, str, str], Provisioned] = {}
        dispatcher.on_provisioned(self._look)
        catalogue.on_provision(lambda namespace, name: self.follow((namespace, name)))

    def state(self, target: Target) -> Provisioned | None:
        """How far a version is; None if nothing is asked for."""
        return self._told.get(target.key)

    def follow(self, function: FunctionKey) -> None:
        """Keep what is asked for now, or leave it all to the gateway whose function it is."""
        if self._owns is not None and not self._owns(function):
            self.let_go(function)
            return
        wanted = self._catalogue.provisioned(*function)
        before = self._kept.get(function, {})
        if not wanted and not before:
            return
        versions = self._catalogue.versions(*function)
        kept = floors(wanted, before, {version: self._ready(versions.get(version)) for version in wanted})
        kept = {version: instances for version, instances in kept.items() if version in versions}
        self._kept[function] = kept
        if not kept:
            del self._kept[function]
        for version in {*kept, *before}:
            target = versions.get(version)
            if target is None:
                self._told.pop((*function, version), None)
                continue
            self._dispatcher.provision(target, kept.get(version, 0), share=wanted.get(version, 0))
            self._tell(target)

    def refresh(self) -> None:
        """Look at every function: they may have changed hands."""
        for function in {target.function for target in self._catalogue.every()} | set(self._kept):
            self.follow(function)

    def let_go(self, function: FunctionKey) -> None:
        """Another gateway keeps them from now on."""
        for version in self._kept.pop(function, {}):
            self._told.pop((*function, version), None)
            target = self._catalogue.versions(*function).get(version)
            if target is not None:
                self._dispatcher.provision(target, 0, share=0)

    def _ready(self, target: Target | None) -> int:
        state = None if target is None else self._dispatcher.provisioned(target)
        return 0 if state is None else state.available

    def _look(self, target: Target) -> None:
        """Something may have changed at a version."""
        if self._tell(target) and target.function in self._kept:
            self.follow(target.function)

    def _tell(self, target: Target) -> bool:
        """Tell how far a version is; whether that was news."""
        state = self._dispatcher.provisioned(target)
        if self._told.get(target.key) == state:
            return False
        if state is None:
            del self._told[target.key]
        else:
            self._told[target.key] = state
        if self._on_news is not None:
            self._on_news(target, state)
        return True
