"""Gives a claimed pod, while it runs, what its function is to have: CPU and memory.

Rule: nobody waits for it. A pod without its limits serves all the same, and one that cannot get them is replaced.
"""

import asyncio
import logging
import random

from mayfly_gateway.backends.kubernetes.api import STRATEGIC, Api, ApiRefusedError, ApiUnavailableError
from mayfly_gateway.backends.kubernetes.pods import Pod
from mayfly_model.labels import CONTAINER
from mayfly_model.sizing import Sizing, resized_to

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 3.0
_log = logging.getLogger(__name__)


async def resize(api: Api, pod: Pod, memory_size: int, sizing: Sizing) -> bool:
    """Ask for what a function of this memory size, in MB, has; False if it is refused.

    While the API server is away this is tried again.
    """
    container = {"name": CONTAINER, "resources": resized_to(memory_size, sizing)}
    body = {"metadata": {"uid": pod.uid}, "spec": {"containers": [container]}}
    pause = _FIRST_PAUSE
    while True:
        try:
            await api.patch(_path(pod), body, kind=STRATEGIC)
        except ApiRefusedError as error:
            _log.warning("%s/%s cannot be resized: %s", pod.namespace, pod.name, error)
            return False
        except ApiUnavailableError as error:
            _log.warning("resizing %s/%s: %s", pod.namespace, pod.name, error)
        else:
            return True
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - only spreads load
        pause = min(_LONGEST_PAUSE, pause * 2)


def _path(pod: Pod) -> str:
    return f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/resize"
