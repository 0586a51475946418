"""A function's environment variables.

Rule: what Lambda reserves stays reserved, and everything fits in 4 KB; values that must not be read in a
manifest come from Secrets.
"""

import json
import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from mayfly_model.limits import ENVIRONMENT_BYTES, INSTANCE_CONCURRENCY_MAX
from mayfly_model.names import SUBDOMAIN_PATTERN
from mayfly_model.part import Part, broken, text

MAX_CONCURRENCY: Final = "AWS_LAMBDA_MAX_CONCURRENCY"
"""How many invocations one instance runs at once; the one reserved variable that may be set."""

RESERVED_VARIABLES: Final = (
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
)
"""Variables that the runtime sets (developer guide, *Defined runtime environment variables*)."""

# botocore's EnvironmentVariableName; a name of one character is refused there too.
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+")


def _variable_name(name: str) -> str:
    if name in RESERVED_VARIABLES:
        raise broken(f"reserved by Lambda; reserved are {', '.join(RESERVED_VARIABLES)}")
    if _NAME.fullmatch(name) is None:
        raise broken("allowed: a letter, then one or more letters, digits and _")
    return name


def _variables(variables: dict[str, str]) -> dict[str, str]:
    size = len(json.dumps(variables, separators=(",", ":"), ensure_ascii=False).encode())
    if size > ENVIRONMENT_BYTES:
        raise broken(f"found {size} bytes in all, as JSON; allowed: at most {ENVIRONMENT_BYTES}")
    for name, value in variables.items():
        if "\0" in value:
            raise broken("found a NUL character; allowed: any text without one", name)
    limit = variables.get(MAX_CONCURRENCY, "1")
    if re.fullmatch(r"[0-9]{1,3}", limit) is None or not 1 <= int(limit) <= INSTANCE_CONCURRENCY_MAX:
        raise broken(f'found "{limit}"; allowed: "1" to "{INSTANCE_CONCURRENCY_MAX}"', MAX_CONCURRENCY)
    return variables


VariableName = Annotated[str, AfterValidator(_variable_name)]
References = Annotated[
    tuple[Annotated[str, text("an object's name", pattern=SUBDOMAIN_PATTERN, most=253)], ...],
    Field(max_length=20),
]


class Environment(Part):
    """Environment variables of the function."""

    variables: Annotated[dict[VariableName, str], AfterValidator(_variables)] = Field(
        default_factory=dict, max_length=512
    )
    """Variables by name. All together at most 4 KB. Lambda's own names are reserved."""
    secret_refs: References = ()
    """Secrets of the same namespace; each of their keys is a variable."""
    config_map_refs: References = ()
    """ConfigMaps of the same namespace; each of their keys is a variable."""
