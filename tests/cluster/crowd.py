"""Threads that do the same, over and over, as long as a test goes on."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def crowd(size: int, work: Callable[[threading.Event], None]) -> Iterator[None]:
    """So many threads in `work(ends)`, which returns once `ends` is set."""
    ends = threading.Event()
    threads = [threading.Thread(target=work, args=(ends,)) for _ in range(size)]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        ends.set()
        for each in threads:
            each.join()
