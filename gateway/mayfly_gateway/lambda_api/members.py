"""The members of a request, read one by one. Pure.

Rule: what AWS refuses is refused in its words, all that is wrong at once; members that nobody reads are passed over,
as there.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from mayfly_model.errors import InvalidRequestContentException, ValidationException

Json = dict[str, Any]


def parse_body(body: bytes) -> Json:
    """The members of a request; none where there is no body.

    Raises:
        InvalidRequestContentException: it is no JSON object.
    """
    if not body:
        return {}
    try:
        content = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise unreadable(str(error)) from None
    if not isinstance(content, dict):
        raise unreadable("not an object")
    return content


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def unreadable(detail: str) -> InvalidRequestContentException:
    """The answer to a body that is not what it should be."""
    return InvalidRequestContentException(f"Could not parse request body into json: {detail}")


@dataclass(slots=True)
class Members:
    """Reads members one by one and collects what is wrong; `check` says all of it."""

    members: Mapping[str, Any]
    _violations: list[str] = field(default_factory=list)

    def text(
        self, name: str, *, pattern: str | None = None, most: int | None = None, required: bool = False
    ) -> str | None:
        """A member that is text, of a pattern that AWS quotes; None if it is absent or wrong."""
        value = self._typed(name, str, "a string")
        if value is None:
            if required:
                self._null(name)
            return None
        rules = []
        if pattern is not None and not matches(pattern, value, most):
            rules.append(f"Member must satisfy regular expression pattern: {pattern}")
        if pattern is not None and not value:
            rules.append("Member must have length greater than or equal to 1")
        if most is not None and len(value) > most:
            rules.append(f"Member must have length less than or equal to {most}")
        for rule in rules:
            self.wrong(name, value, rule)
        return None if rules else value

    def number(self, name: str, *, least: int, most: int | None = None, required: bool = False) -> int | None:
        """A member that is a whole number; None if it is absent or wrong."""
        value = self.members.get(name)
        if value is None:
            if required:
                self._null(name)
            return None
        if isinstance(value, str):
            value = int(value) if re.fullmatch(r"-?[0-9]{1,10}", value, re.ASCII) else value
        if not isinstance(value, int) or isinstance(value, bool):
            raise unreadable(f"{name} is not a whole number")
        if value < least:
            self.wrong(name, value, f"Member must have value greater than or equal to {least}")
        elif most is not None and value > most:
            self.wrong(name, value, f"Member must have value less than or equal to {most}")
        else:
            return value
        return None

    def mapping(self, name: str) -> Json | None:
        """A member that is an object."""
        value: Json | None = self._typed(name, dict, "an object")
        return value

    def wrong(self, name: str, value: object, rule: str) -> None:
        """Note a broken rule, in AWS's words."""
        where = name[:1].lower() + name[1:]
        self._violations.append(f"Value '{value}' at '{where}' failed to satisfy constraint: {rule}")

    def check(self) -> None:
        """Say what is wrong.

        Raises:
            ValidationException: something is.
        """
        if self._violations:
            count = len(self._violations)
            errors = "error" if count == 1 else "errors"
            raise ValidationException(f"{count} validation {errors} detected: {'; '.join(self._violations)}")

    def _null(self, name: str) -> None:
        where = name[:1].lower() + name[1:]
        self._violations.append(
            f"Value null at '{where}' failed to satisfy constraint: Member must not be null"
        )

    def _typed(self, name: str, kind: type, words: str) -> Any:
        value = self.members.get(name)
        if value is not None and not isinstance(value, kind):
            raise unreadable(f"{name} is not {words}")
        return value


def matches(pattern: str, value: str, most: int | None) -> bool:
    """Whether a value is of a pattern, or too long to be asked."""
    # Beyond the longest the pattern is not tried: matching must not cost more than the limit allows.
    return (most is not None and len(value) > most) or re.fullmatch(pattern, value, re.ASCII) is not None
