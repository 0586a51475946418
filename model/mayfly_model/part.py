"""What every object that people write has in common, and the words in which its rules are stated.

Rule: no unknown field, no change after reading, Lambda's names in lowerCamelCase, and no guessing of
types: ``"256"`` is not a number here, since it is none for the Kubernetes API either. An attribute's
docstring is its description in the schema.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

RULE = "rule"
"""The error type of everything that :func:`broken` makes."""
SPACE = r" \t\n\v\f\r"
"""The inside of a class of a pattern: what AWS and Go mean by `\\s`. To pydantic `\\s` is any space of Unicode."""
NO_SPACE = rf"[^{SPACE}]"
"""What `\\S` is there."""


class Part(BaseModel):
    """An object, or a part of one, as people write it."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        validate_by_alias=True,
        validate_by_name=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        """Kubernetes prunes nulls before it fills in defaults; so does this."""
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if value is not None}
        return data


class Observed(Part):
    """A part that programs write: an older reader passes over what a newer writer adds."""

    model_config = ConfigDict(extra="ignore")


def whole_number(least: int, most: int, unit: str = "") -> Any:
    """A field of whole numbers between two bounds, in this unit."""
    return Field(ge=least, le=most, strict=True, json_schema_extra={"x-unit": unit} if unit else None)


def text(allowed: str, *, pattern: str | None = None, least: int = 1, most: int) -> Any:
    """A field of text of so many characters; ``allowed`` says in words what the pattern says."""
    return Field(min_length=least, max_length=most, pattern=pattern, json_schema_extra={"x-allowed": allowed})


def broken(sentence: str, *field: str) -> PydanticCustomError:
    """The error for a rule that no type expresses; ``field`` leads from where it is raised to the culprit."""
    return PydanticCustomError(RULE, "{sentence}", {"sentence": sentence, "field": field})


def exactly_one(part: Part, *names: str) -> str:
    """The one of these attributes that is set.

    Raises:
        PydanticCustomError: none is, or several are.
    """
    spelled = {name: to_camel(name) for name in names}
    given = [name for name in names if getattr(part, name) is not None]
    if len(given) == 1:
        return given[0]
    found = ", ".join(spelled[name] for name in given) or "none"
    raise broken(f"found {found}; allowed: exactly one of {', '.join(spelled.values())}")
