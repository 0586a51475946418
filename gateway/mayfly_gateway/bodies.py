"""How many bytes of request bodies are held at once, over all connections of both fronts."""

from mayfly_model.errors import ServiceUnavailableException


class Bodies:
    """A budget in bytes. Whoever takes some gives the same number back."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.held = 0

    def take(self, size: int) -> bool:
        """Count bytes that were received; False, and nothing is counted, if they are too many."""
        if self.held + size > self._limit:
            return False
        self.held += size
        return True

    def give_back(self, size: int) -> None:
        """The bytes are no longer held."""
        self.held -= size


def too_many_bodies() -> ServiceUnavailableException:
    """The answer to the request whose body was one too many."""
    return ServiceUnavailableException("The gateway holds too many request bodies just now.")
