"""Whether the gateway sent a `/specialise`: a JSON Web Token (RFC 7519), signed with RS256, for this instance alone.

Rule: a token is checked in this order, and nothing of it is looked at before the step ahead of it holds: form,
signature, algorithm, for whom, since and until when. Pure.
"""

from __future__ import annotations

import json
import math
import re

from .signatures import PublicKey, base64url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LONGEST = 4096
"""Bytes of a token."""
LIFETIME = 60
"""Seconds for which a token may be good."""
SKEW = 30
"""Seconds by which the gateway's clock and this one may differ."""
SHA256 = re.compile(r"[0-9a-f]{64}")


class Permits:
    """Reads tokens that `key` must have signed and that are for the instance with this `uid`."""

    def __init__(self, key: PublicKey, *, uid: str) -> None:
        self._key = key
        self._uid = uid

    def body_digest(self, authorization: bytes, now: float) -> str | None:
        """The SHA-256 (hexadecimal) of the only body that may come with this `Authorization` header, None if none may.

        `now` is in seconds since 1970.
        """
        scheme, _, token = authorization.partition(b" ")
        if scheme != b"Bearer" or len(token) > LONGEST:
            return None
        signed, _, signature = token.rpartition(b".")
        try:
            if signed.count(b".") != 1 or not self._key.verifies(signed, base64url(signature)):
                return None
            header, claims = (json.loads(base64url(part)) for part in signed.split(b"."))
            return self._granted(header, claims, now)
        except (ValueError, OverflowError, RecursionError):
            return None

    def _granted(self, header: Any, claims: Any, now: float) -> str | None:
        if not isinstance(header, dict) or not isinstance(claims, dict):
            return None
        # A header that is critical (`crit`) would have to be understood.
        if header.get("alg") != "RS256" or "crit" in header:
            return None
        if claims.get("aud") != self._uid or not _in_time(claims, now):
            return None
        digest = claims.get("sub")
        return digest if isinstance(digest, str) and SHA256.fullmatch(digest) else None


def _in_time(claims: dict[str, Any], now: float) -> bool:
    issued, expires = _time(claims, "iat"), _time(claims, "exp")
    begins = _time(claims, "nbf") if "nbf" in claims else issued
    # Comparisons with a NaN are false, and with an infinity they do not hold together.
    begun = issued - SKEW <= now and begins - SKEW <= now
    return begun and now < expires + SKEW and 0 < expires - issued <= LIFETIME


def _time(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
