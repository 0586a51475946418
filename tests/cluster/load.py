"""Calls at a steady rate over kept connections, whatever happens to the platform meanwhile."""

import concurrent.futures
import threading
import time
from collections import Counter
from typing import Any, Self

from tests.cluster.accounts import Account, function, until

RATE = 50
"""Calls per second."""
FAST = "import time\ndef handler(event, context):\n    time.sleep(0.02)\n    return event\n"


def warm(account: Account) -> Account:
    """Deploy the function `f`, which takes 20 ms, and have instances of it."""
    account.deploy(function("f", FAST, keepAlive=600, timeout=20))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: account.invoke("f", number), range(8)))
    return account


class Load:
    """Calls of `f`; `outcomes` counts right answers and each kind of failure."""

    def __init__(self, account: Account, *, attempts: int = 1, rate: float = RATE) -> None:
        self.account = account
        self.client = account.client(attempts=attempts)
        self._pause = 1 / rate
        self.outcomes: Counter[str] = Counter()
        self._stopping = threading.Event()
        self._calls = concurrent.futures.ThreadPoolExecutor(64)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self.began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stopping.set()
        self._thread.join()
        self._calls.shutdown()
        self.seconds = time.monotonic() - self.began

    def _run(self) -> None:
        number = 0
        due = time.monotonic()
        while not self._stopping.is_set():
            self._calls.submit(self._call, number)
            number += 1
            due += self._pause
            self._stopping.wait(max(0, due - time.monotonic()))

    def _call(self, number: int) -> None:
        try:
            right = self.account.invoke("f", number, self.client) == number
            self.outcomes["right" if right else "wrong"] += 1
        except Exception as error:
            self.outcomes[f"{type(error).__name__}: {error}"[:200]] += 1

    @property
    def failures(self) -> dict[str, int]:
        """All but the right answers."""
        return {kind: count for kind, count in self.outcomes.items() if kind != "right"}

    @property
    def rate(self) -> float:
        """Right answers per second, of a load that is over."""
        return self.outcomes["right"] / self.seconds

    def goes_on(self, calls: int = 150) -> None:
        """Wait for so many more right answers."""
        goal = self.outcomes["right"] + calls
        until(lambda: self.outcomes["right"] >= goal, f"{calls} more answers: {self.outcomes}")
