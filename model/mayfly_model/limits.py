"""Lambda's limits, in one place; every figure names its unit and where AWS states it.

Rule: a limit that the gateway, the agent and the models share is written here and nowhere else.
Sources: "quotas" is the Lambda developer guide's page *Lambda quotas*; "model" is botocore's
``lambda/2015-03-31/service-2.json``; "recorded" was seen on real AWS.
"""

from typing import Final

# Payloads, in bytes of the body alone.
SYNC_PAYLOAD_BYTES: Final = 6_291_456
"""Largest request of a synchronous invocation, 6 MiB (quotas)."""
ASYNC_PAYLOAD_BYTES: Final = 1_048_576
"""Largest request of an ``Event`` invocation, 1 MiB (quotas)."""
RESPONSE_BYTES: Final = 6_291_556
"""Largest response of an invocation, 6 MiB and 100 bytes (recorded)."""
CLIENT_CONTEXT_BYTES: Final = 3_583
"""Largest ``X-Amz-Client-Context`` in its base64 form (API reference of Invoke)."""
LOG_TAIL_BYTES: Final = 4_096
"""How much of the log's end ``X-Amz-Log-Type: Tail`` returns, before base64 (API reference of Invoke)."""

# Names, in characters.
FUNCTION_NAME_LENGTH: Final = 64
"""Longest function name (API reference of CreateFunction)."""
FUNCTION_REFERENCE_LENGTH: Final = 256
"""Longest ``FunctionName`` of an Invoke request, ARN and qualifier included (model)."""
QUALIFIER_LENGTH: Final = 128
"""Longest version or alias name (model)."""
ALIAS_NAME_LENGTH: Final = 63
"""Longest alias as part of an object's name, `<function>.<alias>`; ours."""
OBJECT_NAME_LENGTH: Final = 52
"""Longest Kubernetes name of a Function: ``<name>.<version>`` still fits a 63-character label."""
VERSION_NUMBER_MAX: Final = 999_999_999
"""Highest number of a version: nine digits keep ``<name>.<version>`` within that; ours."""

# A function's configuration.
MEMORY_MB_DEFAULT: Final = 128
MEMORY_MB_MIN: Final = 128
MEMORY_MB_MAX: Final = 10_240
"""Memory of an instance in MB (quotas)."""
MEMORY_MB_PER_VCPU: Final = 1_769
"""Memory at which an instance has one virtual CPU (developer guide, *Configure memory*)."""
TIMEOUT_S_DEFAULT: Final = 3
TIMEOUT_S_MIN: Final = 1
TIMEOUT_S_MAX: Final = 900
"""How long an invocation may run, in seconds (quotas)."""
EPHEMERAL_STORAGE_MB_MIN: Final = 512
EPHEMERAL_STORAGE_MB_MAX: Final = 10_240
"""Size of ``/tmp`` in MB (quotas); the least is the default."""
KEEP_ALIVE_S_DEFAULT: Final = 300
KEEP_ALIVE_S_MAX: Final = 86_400
"""How long an idle instance is kept, in seconds; ours, since Lambda does not say its own."""
ENVIRONMENT_BYTES: Final = 4_096
"""All environment variables together, as compact JSON (quotas; measured so, recorded)."""
DESCRIPTION_LENGTH: Final = 256
HANDLER_LENGTH: Final = 128
"""Longest description and handler, in characters (model)."""
INSTANCE_CONCURRENCY_MAX: Final = 64
"""Most invocations that one instance runs at once (``AWS_LAMBDA_MAX_CONCURRENCY``); ours."""
RESERVED_CONCURRENCY_MAX: Final = 1_000_000
"""Sanity bound of reserved concurrency; ours, Lambda bounds it by the account's limit."""
ALIASES_MAX: Final = 1_000
"""Most aliases of one version; ours."""
RETIRED_MAX: Final = 1_000
"""Most pods of a version that wait to be deleted by the operator; ours."""
CLAIMED_MAX: Final = 1_000
"""Most pods of a version that wait for the operator to make them the version's; ours."""
INSTANCES_MAX: Final = 100_000
"""Sanity bound of a version's instances; ours."""
GENERATION_MAX: Final = 2**53 - 1
"""Largest generation of an object: as a schema's bound, 2**63 - 1 is rounded up, and the API server refuses all."""

# Code.
INLINE_CODE_BYTES: Final = 900_000
"""All inline files together: a Kubernetes object holds 1.5 MiB at most, and keeps its last-applied copy."""
INLINE_CODE_FILES: Final = 100
ZIP_BYTES: Final = 52_428_800
"""Largest uploaded archive, 50 MB (quotas)."""
UNPACKED_CODE_BYTES: Final = 262_144_000
"""Largest unpacked code, 250 MB, layers included (quotas)."""

# Asynchronous invocation.
RETRY_ATTEMPTS_DEFAULT: Final = 2
RETRY_ATTEMPTS_MAX: Final = 2
EVENT_AGE_S_MIN: Final = 60
EVENT_AGE_S_MAX: Final = 21_600
"""How long an event may wait and retry, in seconds (model); the most is the default."""

# Time.
INIT_S: Final = 10
PROVISIONED_INIT_S: Final = 130
"""How long INIT may take outside an invocation, in s (developer guide, *Execution environment lifecycle*)."""
SHUTDOWN_S: Final = 2
"""How long a runtime has between SIGTERM and SIGKILL, in seconds (same page)."""
ACCOUNT_CONCURRENCY: Final = 1_000
"""Default concurrency of an account, here a namespace (quotas)."""
