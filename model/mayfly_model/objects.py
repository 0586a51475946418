"""Objects as the Kubernetes API gives them, read.

Rule: what an API server has stored is read even where it says more than this release knows: a field of a newer one
is passed over. What cannot be is told as a condition's reason and message, and never as a traceback.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mayfly_model.alias import Alias
from mayfly_model.conditions import Reason
from mayfly_model.function import RUNTIMES_IN_CONTEXT, Function
from mayfly_model.manifest import written
from mayfly_model.runtimes import Runtime, UnknownRuntimeError, find_runtime
from mayfly_model.sentences import sentences
from mayfly_model.version import Version

Model = TypeVar("Model", bound=BaseModel)


class RefusedError(Exception):
    """An object that Mayfly cannot act on.

    Attributes:
        reason: for the condition.
        message: for people: what was found and what is allowed.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


def read_function(data: Mapping[str, Any], *, runtimes: Mapping[str, Runtime] | None) -> Function:
    """A Function, from the JSON object that the API gave; with no `runtimes`, whether its own exists is not asked.

    Raises:
        RefusedError: `InvalidSpec`, or `RuntimeNotFound` where only the runtime is amiss.
    """
    function = _read(Function, data)
    if function.spec.runtime is not None and runtimes is not None:
        try:
            find_runtime(function.spec.runtime, runtimes)
        except UnknownRuntimeError as error:
            message = f'spec.runtime: found "{function.spec.runtime}"; {error}'
            raise RefusedError(Reason.RUNTIME_NOT_FOUND, message) from None
    return function


def read_version(data: Mapping[str, Any]) -> Version:
    """A Version, from the JSON object that the API gave; whether its runtime still exists is not asked.

    Raises:
        RefusedError: `InvalidSpec`.
    """
    return _read(Version, data)


def read_alias(data: Mapping[str, Any]) -> Alias:
    """An Alias, from the JSON object that the API gave.

    Raises:
        RefusedError: `InvalidSpec`.
    """
    return _read(Alias, data)


def as_applied(part: BaseModel) -> dict[str, Any]:
    """A part as server-side apply takes it: JSON values by their names in the API, absent ones left out."""
    return part.model_dump(mode="json", by_alias=True, exclude_none=True)


def refused_by(error: ValueError, model: type[BaseModel], reason: Reason, prefix: str = "") -> RefusedError:
    """What a model refused, in sentences; `prefix` goes before them."""
    if not isinstance(error, ValidationError):
        return RefusedError(reason, f"{prefix}{error}")
    told = "; ".join(f"{written(path)}: {sentence}" for path, sentence in sentences(model, error))
    return RefusedError(reason, prefix + told)


def _read(model: type[Model], data: Mapping[str, Any]) -> Model:
    try:
        return model.model_validate(
            data, extra="ignore", by_alias=True, by_name=False, context={RUNTIMES_IN_CONTEXT: None}
        )
    except ValidationError as error:
        raise refused_by(error, model, Reason.INVALID_SPEC) from None
