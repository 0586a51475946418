"""A single-threaded event loop: sockets, timers and child signals, nothing else.

The standard library's asyncio costs 10 MB and 50 ms in every instance; these lines cost neither. Rule: callbacks
run one at a time, never block, and an error in one of them ends the agent rather than being lost.
"""

from __future__ import annotations

import heapq
import itertools
import os
import selectors
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

monotonic = time.monotonic
FEW_TIMERS = 256


class Timer:
    """A callback at a point of `time.monotonic()`; `cancel` makes it do nothing."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Never call back; calling this twice, or after the callback, is harmless."""
        self.callback = None


class Loop:
    """Runs callbacks when files are ready, when timers are due and when signals came."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._callbacks: dict[int, dict[int, Callable[[], object]]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._crowded = FEW_TIMERS
        self._order = itertools.count()
        self._signals: dict[int, Callable[[], None]] = {}
        self._before_wait: list[Callable[[], None]] = []
        self._running = True
        self._wakeup, self._wakeup_write = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(self._wakeup_write, False)
        signal.set_wakeup_fd(self._wakeup_write, warn_on_full_buffer=False)
        self.on_readable(self._wakeup, self._on_wakeup)

    def on_readable(self, file: Any, callback: Callable[[], object] | None) -> None:
        """Call back whenever `file` can be read; None ends it."""
        self._watch(file, selectors.EVENT_READ, callback)

    def on_writable(self, file: Any, callback: Callable[[], object] | None) -> None:
        """Call back whenever `file` can be written; None ends it."""
        self._watch(file, selectors.EVENT_WRITE, callback)

    def on_signal(self, number: int, callback: Callable[[], None]) -> None:
        """Call back, outside of any signal context, after the signal came once or more."""
        self._signals[number] = callback
        signal.signal(number, lambda *_: None)

    def before_wait(self, callback: Callable[[], None]) -> None:
        """Call back each time before the loop goes to sleep: the place to flush what was gathered."""
        self._before_wait.append(callback)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call back once, not before `seconds` have passed, and never from within this call."""
        timer = Timer(monotonic() + seconds, callback)
        heapq.heappush(self._timers, (timer.when, next(self._order), timer))
        if len(self._timers) > self._crowded:
            self._forget_cancelled()
        return timer

    def run(self) -> None:
        """Run until `stop`."""
        while self._running:
            for flush in self._before_wait:
                flush()
            for key, mask in self._selector.select(self._patience()):
                self._dispatch(key, mask)
            self._run_due()

    def stop(self) -> None:
        """End `run` after the present round."""
        self._running = False

    def _watch(self, file: Any, event: int, callback: Callable[[], object] | None) -> None:
        descriptor = file if isinstance(file, int) else file.fileno()
        before = self._callbacks.get(descriptor, {})
        callbacks = {known: call for known, call in before.items() if known != event}
        if callback is not None:
            callbacks[event] = callback
        # Asked first: the selector's own answer, an exception, would describe the file at length.
        if not before and callbacks:
            self._selector.register(file, event, callbacks)
        elif callbacks:
            self._selector.modify(file, sum(callbacks), callbacks)
        elif before:
            self._selector.unregister(file)
        if callbacks:
            self._callbacks[descriptor] = callbacks
        else:
            self._callbacks.pop(descriptor, None)

    def _dispatch(self, key: selectors.SelectorKey, mask: int) -> None:
        for event in (selectors.EVENT_READ, selectors.EVENT_WRITE):
            # An earlier callback of this round may have closed the file or lost interest.
            current = self._selector.get_map().get(key.fd)
            if current is None or current.fileobj is not key.fileobj:
                return
            callback = current.data.get(event) if mask & event else None
            if callback is not None:
                callback()

    def _on_wakeup(self) -> None:
        for number in set(os.read(self._wakeup, 4096)):
            if number in self._signals:
                self._signals[number]()

    def _patience(self) -> float | None:
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - monotonic()) if self._timers else None

    def _run_due(self) -> None:
        # One instant for the whole round: callbacks that plan further ones may not keep the sockets waiting.
        now = monotonic()
        while self._timers and self._timers[0][0] <= now:
            callback = heapq.heappop(self._timers)[2].callback
            if callback is not None:
                callback()

    def _forget_cancelled(self) -> None:
        """An invocation's timer is cancelled long before its time: at a thousand a second they would pile up."""
        self._timers = [entry for entry in self._timers if entry[2].callback is not None]
        heapq.heapify(self._timers)
        self._crowded = 2 * len(self._timers) + FEW_TIMERS
