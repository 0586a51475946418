"""What somebody without a key tries on an agent.

Rule: it runs from its own text in a pod or a function, so it stands alone on the standard library.
"""

import base64
import json
import random
import socket
import ssl
import time

PATIENCE = 3.0
ROUTES = ("/specialise", "/invoke", "/adopt", "/close")
BODY = b'{"token": "mine"}'


def connects(host: str, port: int) -> bool:
    """Whether anybody takes the connection."""
    try:
        socket.create_connection((host, port), timeout=PATIENCE).close()
    except OSError:
        return False
    return True


def answer(host: str, port: int, sent: bytes) -> bytes:
    """All that comes back until the agent closes or says no more."""
    with socket.create_connection((host, port), timeout=PATIENCE) as agent:
        received = b""
        try:
            agent.sendall(sent)
            while b"\r\n\r\n" not in received and (data := agent.recv(65536)):
                received += data
        except OSError:
            pass
        return received


def status(host: str, port: int, path: str, authorization: str) -> int:
    """The status of the agent's answer to a request, 0 for none."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: agent",
        f"Content-Length: {len(BODY)}",
        f"Mayfly-Instruction-Length: {len(BODY)}",
        "Lambda-Runtime-Aws-Request-Id: 00000000-0000-0000-0000-000000000000",
        *([f"Authorization: {authorization}"] if authorization else []),
    ]
    words = answer(host, port, "\r\n".join([*lines, "", ""]).encode() + BODY).split(maxsplit=2)
    return int(words[1]) if len(words) > 1 else 0


def unsigned(algorithm: str, uid: str, key: str) -> str:
    """A token that claims to need another signature, or none."""
    now = time.time()
    claims = {"aud": uid, "iat": now, "exp": now + 60, "sub": "0" * 64}
    parts = [json.dumps(part).encode() for part in ({"alg": algorithm, "typ": "JWT"}, claims)]
    encoded = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in [*parts, key.encode()]]
    return ".".join(encoded)


def wrong_tokens(uid: str, key: str) -> list[str]:
    """Values of `Authorization` that hold nothing of worth."""
    return [
        "",
        "Bearer",
        "Bearer ",
        "Bearer None",
        "Bearer x.y.z",
        "Basic bWU6bWU=",
        f"Bearer {uid}",
        f"Bearer {'A' * 4000}",
        *(f"Bearer {unsigned(algorithm, uid, key)}" for algorithm in ("none", "HS256", "RS256")),
    ]


def statuses(host: str, port: int, authorizations: list[str]) -> dict[str, list[int]]:
    """What each route answers to any of these, each status once."""
    return {path: sorted({status(host, port, path, value) for value in authorizations}) for path in ROUTES}


def garbage(host: str, port: int, count: int) -> list[str]:
    """The first lines of what comes back for bytes that are no request, each once. The bytes are always the same."""
    dice = random.Random(7)
    sent = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + dice.randbytes(500),
        b"POST /invoke HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /invoke HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /invoke HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /close HTTP/1.1\r\nAuthorization: Bearer \0\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        *(dice.randbytes(dice.randrange(1, 5000)) + b"\r\n\r\n" for _ in range(count)),
    ]
    return sorted(
        {answer(host, port, each).partition(b"\r\n")[0].decode("ascii", "replace") for each in sent}
    )


def api_server(host: str, port: int, path: str) -> int:
    """The status that the API server gives to somebody without a token."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with context.wrap_socket(socket.create_connection((host, port), timeout=PATIENCE)) as server:
        server.sendall(f"GET {path} HTTP/1.1\r\nHost: kubernetes\r\nConnection: close\r\n\r\n".encode())
        return int(server.recv(64).split()[1])
