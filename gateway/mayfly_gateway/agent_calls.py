"""The requests that the gateway sends to an agent, as bytes. Pure; the answers are read in `upstream`.

Nothing that a caller sent reaches a header line here unless `request` made it one line of printable ASCII.
"""

_LOG_TAIL = "Mayfly-Log-Tail: 1\r\n"


def specialise(instruction: bytes, *, permit: str | None = None, code_size: int | None = None) -> bytes:
    """Tell a bare agent which function it serves: everything but the `code_size` bytes of code that follow.

    `instruction` is JSON. `permit` is what an agent on a network demands; with `code_size` None the agent finds the
    code in its place.
    """
    bearer = "" if permit is None else f"Authorization: Bearer {permit}\r\n"
    length = "" if code_size is None else f"Mayfly-Instruction-Length: {len(instruction)}\r\n"
    head = (
        f"POST /specialise HTTP/1.1\r\nHost: agent\r\n{bearer}{length}"
        f"Content-Length: {len(instruction) + (code_size or 0)}\r\n\r\n"
    )
    return head.encode() + instruction


def adopt(token: str, epoch: int | None) -> bytes:
    """Ask an agent what it is, once it is free; its answer says whether it knows us. For `epoch` see `invoke`."""
    return (
        f"POST /adopt HTTP/1.1\r\nHost: agent\r\nAuthorization: Bearer {token}\r\n{_epoch(epoch)}"
        "Content-Length: 0\r\n\r\n"
    ).encode()


HEALTH = b"GET /health HTTP/1.1\r\nHost: agent\r\nContent-Length: 0\r\n\r\n"
"""Ask an agent for its state in one word, which it tells everybody."""


def close(token: str) -> bytes:
    """Ask an agent to finish what it runs, end its runtime and exit."""
    return (
        f"POST /close HTTP/1.1\r\nHost: agent\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def invoke_prefix(token: str) -> str:
    """What every invocation of one instance begins with."""
    return f"POST /invoke HTTP/1.1\r\nHost: agent\r\nAuthorization: Bearer {token}\r\n"


def invoke(
    prefix: str,
    *,
    request_id: str,
    arn: str,
    trace_id: str,
    client_context: str | None,
    tail: bool,
    size: int,
    epoch: int | None = None,
) -> bytes:
    """The head of one invocation whose payload of `size` bytes follows it.

    `epoch`: of the lease under which the function is counted; the agent refuses one that is lower than another it saw.
    """
    lease = _epoch(epoch)
    context = "" if client_context is None else f"Lambda-Runtime-Client-Context: {client_context}\r\n"
    return (
        f"{prefix}Lambda-Runtime-Aws-Request-Id: {request_id}\r\n"
        f"Lambda-Runtime-Invoked-Function-Arn: {arn}\r\n"
        f"Lambda-Runtime-Trace-Id: {trace_id}\r\n"
        f"{context}{lease}{_LOG_TAIL if tail else ''}"
        f"Content-Length: {size}\r\n\r\n"
    ).encode("ascii")


def _epoch(epoch: int | None) -> str:
    return "" if epoch is None else f"Mayfly-Epoch: {epoch}\r\n"
