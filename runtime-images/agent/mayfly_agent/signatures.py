"""RS256 signatures, checked with a public key alone: RSASSA-PKCS1-v1_5 with SHA-256, RFC 8017, section 8.2.2.

Rule: a signature is never parsed. What it must hold is built here, whole, and compared; that leaves no room for a
forgery that hides in what a parser would skip. A crypto library would cost every instance megabytes.
"""

from __future__ import annotations

import binascii
from _operator import _compare_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

EXPONENT = 65537
LEAST_BITS, MOST_BITS = 2048, 4096
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
"""What stands before a SHA-256 digest: its ASN.1 DigestInfo, RFC 8017, section 9.2, note 1."""


def _sha256() -> Callable[[bytes], Any]:
    """The interpreter's own: `hashlib` loads OpenSSL, 3 MB in every instance, and is for where there is no other."""
    for module in ("_sha2", "_sha256", "hashlib"):
        try:
            function: Callable[[bytes], Any] = __import__(module).sha256
        except ImportError:
            continue
        return function
    raise ImportError("no SHA-256")


sha256 = _sha256()


class PublicKey:
    """An RSA key whose exponent is 65537.

    `modulus` is its modulus, big endian, in base64url without padding. Raises ValueError where it is no such thing
    or does not have 2048 to 4096 bits.
    """

    def __init__(self, modulus: str) -> None:
        number = int.from_bytes(base64url(modulus.encode("ascii")), "big")
        if not LEAST_BITS <= number.bit_length() <= MOST_BITS or number % 2 == 0:
            raise ValueError(f"the modulus should be an odd number of {LEAST_BITS} to {MOST_BITS} bits")
        self._modulus = number
        self._size = (number.bit_length() + 7) // 8

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether whoever holds the private key signed the message."""
        if len(signature) != self._size:
            return False
        number = int.from_bytes(signature, "big")
        if number >= self._modulus:
            return False
        found = pow(number, EXPONENT, self._modulus).to_bytes(self._size, "big")
        return _compare_digest(found, self._encoded(message))

    def _encoded(self, message: bytes) -> bytes:
        told: bytes = DIGEST_INFO + sha256(message).digest()
        return b"\x00\x01" + b"\xff" * (self._size - len(told) - 3) + b"\x00" + told


def base64url(text: bytes) -> bytes:
    """The bytes that base64url without padding stands for. Raises ValueError for anything else."""
    if b"+" in text or b"/" in text or b"=" in text:
        raise ValueError("not base64url without padding")
    padded = text.replace(b"-", b"+").replace(b"_", b"/") + b"=" * (-len(text) % 4)
    decoded = binascii.a2b_base64(padded, strict_mode=True)
    # Bits that stand for nothing could be anything: the same bytes would have several texts.
    if binascii.b2a_base64(decoded, newline=False) != padded:
        raise ValueError("not base64url in its only form")
    return decoded
