"""The gateway's private key and what it makes of it: permits for bare agents, and words that instances know us by.

Rule: every gateway of an installation has the same key, so every word here can be made again by whoever takes over.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

KEY_FILE = "tls.key"
_PERMIT_TIME = 60
"""Seconds for which a permit is good."""
_HEADER = {"alg": "RS256", "typ": "JWT"}


class Keys:
    """One RSA key."""

    def __init__(self, key: RSAPrivateKey) -> None:
        self._key = key
        self._secret = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    @classmethod
    def read(cls, directory: Path) -> Self:
        """The key in `tls.key` of this directory, PEM.

        Raises:
            OSError: the file cannot be read.
            ValueError: it holds no RSA key.
        """
        key = load_pem_private_key((directory / KEY_FILE).read_bytes(), None)
        if not isinstance(key, RSAPrivateKey):
            raise ValueError(f"{directory / KEY_FILE} should hold an RSA key")
        return cls(key)

    def session_token(self, uid: str) -> str:
        """What the instance in the pod of this uid is told to demand of its callers."""
        return self.word(f"instance:{uid}")

    def word(self, purpose: str) -> str:
        """A secret for one purpose, in hexadecimal."""
        return hmac.digest(self._secret, purpose.encode(), "sha256").hex()

    async def permit(self, uid: str, body: Sequence[bytes]) -> str:
        """A JWT that lets its bearer bring this body, and no other, to the agent in the pod of this uid."""
        # In a thread: a signature takes 0.6 ms and the digest of 50 MB some 100, both without the interpreter's lock.
        return await asyncio.to_thread(self.sign, uid, body)

    def sign(self, uid: str, body: Sequence[bytes], *, now: float | None = None) -> str:
        """As `permit`, at once."""
        digest = hashlib.sha256()
        for part in body:
            digest.update(part)
        issued = int(time.time() if now is None else now)
        claims = {"aud": uid, "iat": issued, "exp": issued + _PERMIT_TIME, "sub": digest.hexdigest()}
        content = f"{_encoded(_HEADER)}.{_encoded(claims)}"
        signature = self._key.sign(content.encode(), PKCS1v15(), hashes.SHA256())
        return f"{content}.{_base64(signature)}"


def _encoded(value: object) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
