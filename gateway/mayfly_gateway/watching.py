"""Tells whoever watches a version that an alias is rolled out to how the calls of it went.

Rule: a call pays for this only while some rollout is watched.
"""

from collections.abc import Callable

from mayfly_gateway.answers import Answer
from mayfly_gateway.catalogue import Target
from mayfly_model.errors import LambdaError

OnOver = Callable[[bool, float | None], None]
"""Told of each call whether it failed and how many seconds it took; None if it came to no end of its own."""
_SERVER_ERROR = 500


class Watched:
    """One call that somebody wants to know the end of. `seconds` is how long it took, as far as that is known."""

    __slots__ = ("_over", "seconds")

    def __init__(self, over: OnOver) -> None:
        self._over = over
        self.seconds: float | None = None

    def tell(self, outcome: Answer | LambdaError) -> None:
        """Who refuses a call for its own fault says nothing of the version."""
        failed = outcome.function_error if isinstance(outcome, Answer) else outcome.status >= _SERVER_ERROR
        if failed or isinstance(outcome, Answer):
            self._over(failed, self.seconds)


class Watching:
    """Who watches which version's calls, by which alias."""

    def __init__(self) -> None:
        self.versions: dict[tuple[str, str, str], dict[str, OnOver]] = {}

    def watch(self, version: tuple[str, str, str], alias: str, over: OnOver | None) -> None:
        """Have `over` told of every invocation of a version by an alias; None: no more."""
        aliases = self.versions.setdefault(version, {})
        aliases.pop(alias, None)
        if over is not None:
            aliases[alias] = over
        if not aliases:
            del self.versions[version]

    def find(self, target: Target, qualifier: str | None) -> Watched | None:
        """What to tell of a call of this version, by this qualifier or none."""
        if qualifier is None:
            return None
        over = self.versions.get(target.key, {}).get(qualifier)
        return None if over is None else Watched(over)
