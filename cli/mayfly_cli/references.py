"""The Secrets that functions name and the cluster does not have: the deploying person may see them, the platform not.

Rule: what this person may not see either is nothing that is missing.
"""

from collections.abc import Iterable, Iterator

from mayfly_cli.declared import Declared
from mayfly_cli.kubectl import Kubectl, KubectlFailed
from mayfly_cli.readiness import Readiness
from mayfly_model.conditions import Reason


def missing(kubectl: Kubectl, objects: Iterable[Declared]) -> Iterator[tuple[Declared, Readiness]]:
    """The Functions that lack a Secret, and how that is said."""
    for each in objects:
        wanted = each.function.spec.environment.secret_refs if each.function else ()
        there = _there(kubectl, each.namespace, wanted) if wanted else frozenset()
        lacking = [name for name in wanted if name not in there]
        if lacking:
            words = ", ".join(f'secret "{name}" not found' for name in lacking)
            yield each, Readiness(False, Reason.ENVIRONMENT_NOT_FOUND, words)


def _there(kubectl: Kubectl, namespace: str, names: Iterable[str]) -> frozenset[str]:
    try:
        return kubectl.secrets(namespace, names)
    except KubectlFailed:
        return frozenset(names)
