"""Lists in pages, as AWS's clients follow them. Pure.

Rule: a marker names the last item that was given, so that nothing is given twice or left out when others come and go
meanwhile.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from mayfly_model.errors import InvalidParameterValueException

T = TypeVar("T")

PAGE: Final = 50
"""Most items of one answer, whatever MaxItems says, as on AWS."""
_MARKER_LENGTH = 512


def page(
    items: Sequence[T], key: Callable[[T], str], *, marker: str | None, most: int | None, full: int = PAGE
) -> tuple[Sequence[T], str | None]:
    """The items after the marker, and the marker of the page to follow, None after the last.

    Args:
        items: all of them, ascending by `key`.
        key: what an item is told apart by.
        marker: where the page before ended; None for the first.
        most: MaxItems.
        full: how many items a page has at most.

    Raises:
        InvalidParameterValueException: the marker is none that was given.
    """
    last = None if marker is None else _read(marker)
    rest = [item for item in items if last is None or key(item) > last]
    size = min(most or full, full)
    given = rest[:size]
    return given, _written(key(given[-1])) if len(rest) > size else None


def _written(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _read(marker: str) -> str:
    try:
        if len(marker) <= _MARKER_LENGTH:
            return base64.b64decode(marker, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        pass
    raise InvalidParameterValueException("The Marker is none that this operation has given.")
