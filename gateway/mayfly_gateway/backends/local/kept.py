"""What an API server knows of an object besides its content, for the objects of the local mode."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Kept:
    """Which object it is, and how often and when it was written; `generation` counts that from 1."""

    uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    generation: int = 1
    created: datetime = field(default_factory=_now)
    changed: datetime = field(default_factory=_now)

    def written(self) -> "Kept":
        """The same object, written once more."""
        return Kept(self.uid, self.generation + 1, self.created)
