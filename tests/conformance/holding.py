"""Invocations that are held in the middle, to see what their running means for others."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conformance.calls import Answer
from tests.conformance.functions import Declared
from tests.conformance.waiting import eventually


@contextmanager
def running(
    invoke: Callable[[Declared, Any], Answer], folder: Path, *held: Declared
) -> Iterator[list[Future[Answer]]]:
    """Within it, an invocation of each function runs, seen by its file in `folder`; yields their answers to come.

    The functions must be such that they write that file, and wait for the file `go`.
    """
    folder.mkdir(exist_ok=True)
    with ThreadPoolExecutor(len(held)) as pool:
        answers = [pool.submit(invoke, function, {"folder": str(folder)}) for function in held]
        try:
            eventually(lambda: len(list(folder.iterdir())) == len(held))
            yield answers
        finally:
            (folder / "go").touch()
