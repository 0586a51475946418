"""Any bytes on either of the agent's sockets: no crash, no hang, nothing leaks, and the function goes on."""

import contextlib
import socket

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.component.agent_process import eventually, head, serving

LINES = [
    b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n",
    b"POST /2018-06-01/runtime/invocation/x/response HTTP/1.1\r\n",
    b"POST /2018-06-01/runtime/init/error HTTP/1.1\r\n",
    b"POST /invoke HTTP/1.1\r\n",
    b"POST /specialise HTTP/1.0\r\n",
    b"GET /health HTTP/1.1\r\n",
    b"HEAD /health HTTP/1.1\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\n",
    b"Host: x\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: -1\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Content-Length: 7, 7\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"Expect: 100-continue\r\n",
    b"Connection: close\r\n",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
    b"Authorization: Bearer secret-token\r\n",
    b"Lambda-Runtime-Function-Error-Type: \xff\xfe\r\n",
    b"\r\n",
    b"5\r\nhello\r\n",
    b"ffffffffffffffff\r\n",
    b"0\r\n\r\n",
    b"0\r\nTrailer: x\r\n",
    b": \r\n",
    b" folded\r\n",
]
pieces = st.lists(st.one_of(st.sampled_from(LINES), st.binary(max_size=60)), max_size=12)
garbage = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def agent():
    with serving() as agent:
        agent.runtime = agent.invoke("respond(f'{HOST}:{PORT}'.encode())").text
        # The least of several: it opens files of its own for a moment.
        agent.descriptors = min(descriptors(agent) for _ in range(50))
        yield agent


def control(agent):
    other = socket.socket(socket.AF_UNIX)
    other.connect(str(agent.path))
    return other


def runtime_api(agent):
    host, port = agent.runtime.split(":")
    return socket.create_connection((host, int(port)))


SOCKETS = pytest.mark.parametrize("dial", [control, runtime_api], ids=["control", "runtime"])


def works(agent):
    assert agent.invoke("respond(b'as ever')").text == "as ever"


def descriptors(agent):
    """How many the agent has open; 0 where only root may know (its memory is closed to all others)."""
    try:
        return psutil.Process(agent.process.pid).num_fds()
    except psutil.AccessDenied:
        return 0


def resident(agent):
    return psutil.Process(agent.process.pid).memory_info().rss / 1024 / 1024


def throw(peer, data):
    """Send what the agent takes, and whatever it answers."""
    with contextlib.suppress(OSError):
        peer.sendall(data)


@SOCKETS
@garbage
@given(parts=pieces, polite=st.booleans())
def test_any_bytes_leave_the_function_at_work(agent, dial, parts, polite):
    with dial(agent) as peer:
        for part in parts:
            throw(peer, part)
        if polite:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_WR)
                peer.settimeout(5)
                while peer.recv(65536):
                    pass
    works(agent)
    eventually(lambda: descriptors(agent) <= agent.descriptors)


@SOCKETS
def test_a_head_without_end_is_refused(agent, dial):
    for line in (b"X-Name: " + b"x" * 1000 + b"\r\n", b"x" * 1000):
        with dial(agent) as peer:
            peer.settimeout(5)
            throw(peer, b"GET /health HTTP/1.1\r\n")
            for _ in range(5000):
                throw(peer, line)
            with contextlib.suppress(ConnectionResetError):
                assert peer.recv(100).startswith(b"HTTP/1.1 431 ")
    works(agent)


@SOCKETS
def test_trailers_without_end_are_refused(agent, dial):
    with dial(agent) as peer:
        lines = {"Transfer-Encoding": "chunked", "Authorization": f"Bearer {agent.token}"}
        throw(peer, head("POST", "/2018-06-01/runtime/invocation/x/response", lines) + b"1\r\nx\r\n0\r\n")
        peer.settimeout(5)
        with contextlib.suppress(OSError):
            for n in range(100_000):
                peer.sendall(b"X-Trailer-%d: %s\r\n" % (n, b"x" * 100))
            pytest.fail("it took ten megabytes of trailers")
    works(agent)
    assert resident(agent) < 40


@SOCKETS
def test_requests_in_thousands_whose_answers_nobody_fetches_fill_no_memory(agent, dial):
    before = resident(agent)
    with dial(agent) as peer:
        peer.settimeout(0.2)
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 20_000_000:
                sent += peer.send(b"GET /nothing HTTP/1.1\r\n\r\n" * 8)
        works(agent)
        assert resident(agent) - before < 5
    works(agent)


def test_bodies_in_pieces_of_two_bytes_weigh_what_they_hold(agent):
    before = resident(agent)
    with runtime_api(agent) as peer:
        throw(
            peer, head("POST", "/2018-06-01/runtime/invocation/x/response", {"Transfer-Encoding": "chunked"})
        )
        for _ in range(30):
            throw(peer, b"2\r\nxx\r\n" * 32_768)
        works(agent)
        assert resident(agent) - before < 10
    works(agent)


def test_many_halves_of_large_bodies_are_bounded_in_all(agent):
    before = resident(agent)
    with contextlib.ExitStack() as stack:
        for _ in range(60):
            peer = stack.enter_context(runtime_api(agent))
            peer.settimeout(5)
            throw(
                peer, head("POST", "/2018-06-01/runtime/invocation/x/response", {"Content-Length": "6000000"})
            )
            throw(peer, b"x" * 5_000_000)
        works(agent)
        assert resident(agent) - before < 80
    works(agent)
    eventually(lambda: resident(agent) - before < 20)


@SOCKETS
def test_connections_that_come_and_go_leave_nothing(agent, dial):
    for _ in range(300):
        dial(agent).close()
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(dial(agent))
    works(agent)
    eventually(lambda: descriptors(agent) <= agent.descriptors)
