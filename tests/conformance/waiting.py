"""Waiting for something to become true, and doing several things at once; nothing here waits a fixed time."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def eventually(
    condition: Callable[[], Any], *, within: float = 10.0, state: Callable[[], object] | None = None
) -> Any:
    """The condition's first true value; an AssertionError that tells the `state` after `within` seconds."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {within} s still {state() if state else value!r}")
        time.sleep(0.01)
    return value


def at_once(calls: Iterable[Callable[[], Any]]) -> list[Any]:
    """The results of the calls, all of which run at the same time."""
    calls = list(calls)
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]
