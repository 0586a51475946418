"""Signs as the gateway does, with the `cryptography` package: the agent's own arithmetic is held against another's."""

import base64
import hashlib
import json
import time
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa


def encoded(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@cache
def private_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """A key of so many bits; another number, another key. Made once."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@dataclass(frozen=True)
class Signer:
    """One gateway's key."""

    key: rsa.RSAPrivateKey = field(default_factory=private_key)

    @property
    def modulus(self) -> str:
        """The public key, as MAYFLY_PUBLIC_KEY has it."""
        number = self.key.public_key().public_numbers().n
        return encoded(number.to_bytes((number.bit_length() + 7) // 8, "big"))

    def sign(self, message: bytes) -> bytes:
        """An RS256 signature."""
        return self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())

    def token(self, claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
        """A JSON Web Token with exactly these claims."""
        head = header if header is not None else {"alg": "RS256", "typ": "JWT"}
        signed = ".".join(encoded(json.dumps(part).encode()) for part in (head, claims))
        return f"{signed}.{encoded(self.sign(signed.encode()))}"

    def permit(self, uid: str, body: bytes, **changes: Any) -> str:
        """The token for one `/specialise`; a change that is None leaves the claim out."""
        now = time.time()
        claims = {"aud": uid, "iat": now, "exp": now + 60, "sub": hashlib.sha256(body).hexdigest()} | changes
        return self.token({name: value for name, value in claims.items() if value is not None})
