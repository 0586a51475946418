"""What an instance's pod asks of its node, and what it may use at most: one rule for who creates pods and who resizes.

Rule: the memory limit is the function's memory size, CPU follows it as on Lambda; requests are a part of the limits,
and of the CPU always less than all, for a pod whose requests are its limits could not be resized to anything else.
"""

import math
from typing import Annotated, Final

from pydantic import Field

from mayfly_model.limits import EPHEMERAL_STORAGE_MB_MIN, MEMORY_MB_PER_VCPU, UNPACKED_CODE_BYTES
from mayfly_model.part import Part

CODE_MB: Final = math.ceil(UNPACKED_CODE_BYTES / 2**20)
_LOGS_MB: Final = 50
"""What a kubelet keeps of a container's log, which counts as its ephemeral storage: five files of 10 MB."""
POOL_STORAGE_MB: Final = EPHEMERAL_STORAGE_MB_MIN
"""Size of /tmp in a warm pool's pod, in MB: a resize cannot change it."""
_POOL_CPU: Final = "10m"
_POOL_MEMORY: Final = "32Mi"

Factor = Annotated[float, Field(gt=0, le=1)]
Resources = dict[str, dict[str, str]]
"""`requests` and `limits` of a container, as Kubernetes writes them."""


class Requests(Part):
    """How much of its limit an instance reserves on its node, as a fraction of 1."""

    cpu: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Below 1: a pod whose requests are its limits could not be resized to anything else."""
    memory: Factor = 1.0
    """Less than 1 packs more instances onto a node than it has memory for."""
    ephemeral_storage: Factor = 0.1
    """Of the space for code, logs and /tmp."""


class Sizing(Part):
    """How an installation derives the resources of instances."""

    cpu_limit_minimum: Annotated[int, Field(ge=1, le=256_000)] = 1_000
    """Least CPU limit of an instance, in thousandths of a CPU, whatever its memory size. Lambda lends a whole CPU to an
    INIT; with 1 here, an instance of 128 MB takes seconds to start."""
    requests: Requests = Requests()
    """What instances reserve."""


def resources(memory_size: int, ephemeral_storage: int, sizing: Sizing) -> Resources:
    """Requests and limits of a function's instance; sizes in MB. CPU is 1 per 1,769 MB, as on Lambda."""
    resized = resized_to(memory_size, sizing)
    storage = _storage(ephemeral_storage, sizing)
    return {kind: {**resized[kind], **storage[kind]} for kind in ("requests", "limits")}


def resized_to(memory_size: int, sizing: Sizing) -> Resources:
    """The part of an instance's resources that can be given to a pod that runs: CPU and memory."""
    share = math.ceil(1000 * memory_size / MEMORY_MB_PER_VCPU)
    requests, cpu = sizing.requests, max(share, sizing.cpu_limit_minimum)
    return {
        "requests": {
            "cpu": f"{min(max(int(share * requests.cpu), 1), cpu - 1)}m",
            "memory": f"{max(int(memory_size * requests.memory), 1)}Mi",
        },
        "limits": {"cpu": f"{cpu}m", "memory": f"{memory_size}Mi"},
    }


def waiting_in_a_pool(sizing: Sizing, *, largest: int | None = None) -> Resources:
    """Requests and limits of a warm pool's pod.

    It has no limits of CPU and memory, so that a function may use it before it is resized; where a namespace's quota
    demands some, `largest` is the memory size in MB of the largest function that the pool serves.
    """
    storage = _storage(POOL_STORAGE_MB, sizing)
    limits = {} if largest is None else resized_to(largest, sizing)["limits"]
    return {
        "requests": {"cpu": _POOL_CPU, "memory": _POOL_MEMORY, **storage["requests"]},
        "limits": {**limits, **storage["limits"]},
    }


def _storage(ephemeral_storage: int, sizing: Sizing) -> Resources:
    storage = ephemeral_storage + CODE_MB + _LOGS_MB
    requested = max(int(storage * sizing.requests.ephemeral_storage), 1)
    return {
        "requests": {"ephemeral-storage": f"{requested}Mi"},
        "limits": {"ephemeral-storage": f"{storage}Mi"},
    }


def fits_a_pool(
    *,
    service_account: str | None,
    config_maps: tuple[str, ...],
    secrets: tuple[str, ...],
    ephemeral_storage: int,
) -> bool:
    """Whether a function can have a pod that was started before anybody knew for whom; the size is in MB.

    Its account, its Secrets and its ConfigMaps come with a pod when it is created, and so does the size of /tmp.
    """
    return not (service_account or config_maps or secrets) and ephemeral_storage <= POOL_STORAGE_MB
