"""Which gateway owns a function, agreed on without a word: rendezvous hashing over the replicas that are ready.

Rule: the owner is worked out again when the replicas change and at no other time, so that a warm invocation pays one
dictionary access. Replicas may disagree for as long as the news of a change is under way; what is then asked of the
wrong one is refused and asked again.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

_SUSPICION = 2.0
"""How long, in seconds, a replica that cannot be reached is left out before it is tried again."""

FunctionKey = tuple[str, str]
"""Namespace and Lambda name."""


class Peer(NamedTuple):
    """One gateway process: its pod's uid and where it listens."""

    uid: str
    address: tuple[str, int]


class Ownership:
    """The replicas that are ready, seen from one of them."""

    def __init__(self, uid: str, *, remembered: int = 65_536) -> None:
        """`uid` is this process's own; so many owners are `remembered`, for functions come and go."""
        self._uid = uid
        self._remembered = remembered
        self._peers: dict[str, Peer] = {}
        self._suspects: dict[str, asyncio.TimerHandle] = {}
        self._owners: dict[FunctionKey, Peer | None] = {}
        self._listeners: list[Callable[[], None]] = []

    def owner(self, function: FunctionKey) -> Peer | None:
        """The replica that owns the function; None if it is this one, or if none is ready."""
        try:
            return self._owners[function]
        except KeyError:
            if len(self._owners) >= self._remembered:
                self._owners.clear()
            owner = self._owners[function] = self._choose(function)
            return owner

    def owns(self, function: FunctionKey) -> bool:
        """Whether this replica owns the function."""
        return self.owner(function) is None

    @property
    def listed(self) -> bool:
        """Whether the others take this replica for ready, as far as it can tell."""
        return self._uid in self._peers

    @property
    def peers(self) -> tuple[Peer, ...]:
        """Every other replica that is ready."""
        return tuple(peer for peer in self._peers.values() if peer.uid != self._uid)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have `listener()` called whenever owners may have changed."""
        self._listeners.append(listener)

    def set_peers(self, peers: Iterable[Peer]) -> None:
        """These replicas are ready now, this one included if it is."""
        present = {peer.uid: peer for peer in peers}
        if present == self._peers:
            return
        for uid in set(self._peers) ^ set(present):
            self._trust(uid)
        self._peers = present
        self._changed()

    def suspect(self, peer: Peer) -> None:
        """It cannot be reached: leave it out until it is reported anew or some time has passed."""
        if peer.uid not in self._suspects and self._peers.get(peer.uid) == peer:
            loop = asyncio.get_running_loop()
            self._suspects[peer.uid] = loop.call_later(_SUSPICION, self._try_again, peer.uid)
            self._changed()

    def close(self) -> None:
        """Forget the suspicions, whose timers would outlive the process's work."""
        for uid in tuple(self._suspects):
            self._trust(uid)

    def _choose(self, function: FunctionKey) -> Peer | None:
        peers = [peer for uid, peer in self._peers.items() if uid not in self._suspects]
        owner = max(peers, key=lambda peer: _weight(peer.uid, function), default=None)
        return None if owner is None or owner.uid == self._uid else owner

    def _trust(self, uid: str) -> None:
        if (timer := self._suspects.pop(uid, None)) is not None:
            timer.cancel()

    def _try_again(self, uid: str) -> None:
        self._trust(uid)
        self._changed()

    def _changed(self) -> None:
        self._owners.clear()
        for listener in self._listeners:
            listener()


def _weight(uid: str, function: FunctionKey) -> bytes:
    return hashlib.blake2b("\0".join((uid, *function)).encode(), digest_size=8).digest()
