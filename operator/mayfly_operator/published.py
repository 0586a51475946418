"""What to do for published versions: which are there, which are asked for, and why one cannot be.

Rule: pure. Whether and what to publish is the model's rule (:mod:`mayfly_model.publishing`); here is only what saves
asking it. A version of another uid's Function is on its way out and counts for nothing.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Final

from mayfly_model import objects
from mayfly_model.conditions import ConditionType, Reason, find
from mayfly_model.objects import RefusedError
from mayfly_model.publishing import (
    Publication,
    Unchanged,
    content,
    is_what_was_published,
    publication,
    publication_as,
)
from mayfly_model.version import VersionSpec
from mayfly_operator.statuses import conditions
from mayfly_operator.views import FunctionView, Json, Trouble, VersionView, read_version

_IN_THE_WAY: Final = frozenset(
    {Reason.FUNCTION_NAME_CONFLICT, Reason.CONFIG_MAP_NOT_FOUND, Reason.CODE_INVALID, Reason.INVALID_SPEC}
)


def read(item: Json, known: VersionView | None = None) -> VersionView:
    """A Version as the API gives it; `known` is what was read of it before, and saves reading the same anew."""
    version = read_version(item)
    if known is not None and (known.uid, known.digest) == (version.uid, version.digest):
        return replace(version, content=known.content, refused=known.refused)
    if version.shape is None:
        return version
    try:
        spec = objects.read_version(item).spec
    except RefusedError as error:
        return replace(version, refused=_if_published(version, Trouble(error.reason, error.message)))
    sound = version.number is None or is_what_was_published(spec)
    return replace(version, content=content(spec), refused=None if sound else _changed(version))


def _if_published(version: VersionView, trouble: Trouble) -> Trouble | None:
    # Of a `$LATEST` it is the Function that is told.
    return None if version.number is None else trouble


def _changed(version: VersionView) -> Trouble:
    return Trouble(
        Reason.VERSION_CHANGED,
        "The configuration is not the one that was published: it no longer makes the revision that the version bears,"
        f" and starts no instance. Delete {version.name} and publish anew.",
    )


def is_asked_for(version: VersionView) -> bool:
    """Whether a person applied it to publish the Function under that number, and nobody has yet."""
    return version.number is not None and version.shape is None and not version.deleting


def belongs(version: VersionView, function: FunctionView) -> bool:
    """Whether it is this Function's, or nobody's yet."""
    return version.owner in (None, function.uid)


def is_unowned(version: VersionView) -> bool:
    """Whether somebody created it whole and left out whose it is."""
    return version.owner is None and version.shape is not None and not version.deleting


def counted(versions: Iterable[VersionView]) -> int:
    """The highest number that is published; 0 for none."""
    return max((each.number for each in versions if each.number and each.shape is not None), default=0)


def next_asked_for(function: FunctionView, versions: Iterable[VersionView]) -> VersionView | None:
    """The lowest number that is asked for and can be had."""
    asked = [each for each in versions if is_asked_for(each) and (each.number or 0) > function.last]
    return min(asked, key=lambda each: each.number or 0, default=None)


def is_due(function: FunctionView, latest: VersionView, versions: Collection[VersionView]) -> bool:
    """Whether the rule may ask for a new version of a Function that publishes on change."""
    if not function.publish_on_change:
        return False
    top = counted(versions)
    newest = next((each for each in versions if each.number == top), None)
    return newest is None or top < function.last or newest.content != latest.content


def on_change(
    latest: Json, newest: Json | None, numbers: Iterable[int], last: int
) -> Publication | Unchanged:
    """What the rule says.

    Args:
        latest: the Function's `$LATEST` as the API gives it.
        newest: its published version of the highest number, likewise; None if there is none.
        numbers: of all its versions, published or asked for.
        last: the Function's counter.

    Raises:
        RefusedError: one of the two cannot be read, or no number is left.
    """
    asked_for = VersionSpec(function_name=latest["spec"]["functionName"])
    versions = dict.fromkeys(numbers, asked_for)
    if newest is not None:
        read_newest = objects.read_version(newest)
        versions[int(read_newest.function_version)] = read_newest.spec
    return publication(objects.read_version(latest).spec, versions, last)


def by_number(number: int, asked: Json, latest: Json, last: int) -> Publication:
    """What the rule says of a version that a person asked for; both are as the API gives them.

    Raises:
        RefusedError: `$LATEST` cannot be read, or the number was given before.
    """
    description: str | None = (asked.get("spec") or {}).get("description")
    return publication_as(number, objects.read_version(latest).spec, last, description)


def trouble(version: VersionView, function: FunctionView | None) -> Trouble | None:
    """Why a version that is asked for is not published; None if it is about to be."""
    if function is None:
        message = f"Function {version.function} does not exist: it is published as soon as there is one."
        return Trouble(Reason.FUNCTION_NOT_FOUND, message)
    if (version.number or 0) <= function.last:
        return Trouble(
            Reason.VERSION_NUMBER_USED,
            f"Version {version.number} was published before, or a later one was: numbers are not given twice."
            f" Delete {version.name} and apply {version.function}.{function.last + 1}.",
        )
    ready = find(conditions(function.status), ConditionType.READY)
    if ready is not None and ready.status == "False" and ready.reason in _IN_THE_WAY:
        return Trouble(Reason(ready.reason), f"Function {function.name}: {ready.message}")
    return None
