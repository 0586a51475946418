"""The answers of an agent: the payload first, then the freedom of the instance, and nothing unforeseen."""

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayfly_gateway import agent_calls
from mayfly_gateway.upstream import MAX_ANSWER_SIZE, AgentConnection, AgentEvents

REPORT = b'{"durationMs":1.5,"status":"success"}'


class Wire(asyncio.Transport):
    """A transport that keeps what is written; `unsent` is what the peer has not taken."""

    def __init__(self, peername=""):
        super().__init__({"peername": peername})
        self.written = b""
        self.unsent = 0
        self.state = "open"

    def write(self, data):
        self.written += data

    def writelines(self, lines):
        self.written += b"".join(lines)

    def is_closing(self):
        return self.state != "open"

    def get_write_buffer_size(self):
        return self.unsent

    def close(self):
        self.state = "closed"

    def abort(self):
        self.state = "aborted"


class Instance:
    """A connection to an agent that the test plays, and everything it reported."""

    def __init__(self, peername=""):
        self.seen = []
        self.connection = AgentConnection(
            AgentEvents(
                payload=lambda payload, failed: self.seen.append(("payload", payload, failed)),
                free=lambda report, tail: self.seen.append(("free", report, tail)),
                refused=lambda status: self.seen.append(("refused", status)),
                lost=lambda delivered: self.seen.append(("lost", delivered)),
            )
        )
        self.wire = Wire(peername)
        self.connection.connection_made(self.wire)

    def invoke(self, payload=b"{}"):
        return self.connection.invoke(b"POST /invoke HTTP/1.1\r\n\r\n", payload)

    def says(self, *pieces):
        for piece in pieces:
            if self.wire.state == "open":
                self.connection.data_received(piece)


def head(size, *extra):
    lines = [b"HTTP/1.1 200 OK", b"Content-Type: application/json", b"Transfer-Encoding: chunked"]
    return b"\r\n".join([*lines, b"Mayfly-Payload-Length: %d" % size, *extra, b"", b""])


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def end(*trailers):
    return b"0\r\n" + b"".join(line + b"\r\n" for line in (b"Mayfly-Report: " + REPORT, *trailers)) + b"\r\n"


def test_the_payload_is_handed_over_before_the_instance_is_free():
    instance = Instance()
    assert instance.invoke()
    instance.says(head(4) + chunk(b"null"))
    assert instance.seen == [("payload", b"null", False)]
    instance.says(end())
    assert instance.seen[1:] == [("free", REPORT, b"")]


def test_an_empty_payload_is_complete_with_the_headers():
    instance = Instance()
    instance.invoke()
    instance.says(head(0))
    assert instance.seen == [("payload", b"", False)]


def test_the_payload_does_not_wait_for_the_end_of_its_chunk():
    instance = Instance()
    instance.invoke()
    instance.says(head(4) + b"4\r\nnull")
    assert instance.seen == [("payload", b"null", False)]


def test_a_function_error_and_a_log_tail():
    instance = Instance()
    instance.invoke()
    instance.says(head(2, b"Mayfly-Function-Error: Unhandled") + chunk(b"{}") + end(b"Mayfly-Log-Tail: aGk="))
    assert instance.seen == [("payload", b"{}", True), ("free", REPORT, b"aGk=")]


def test_one_connection_serves_one_invocation_after_another():
    instance = Instance()
    for number in range(3):
        instance.invoke()
        instance.says(head(1) + chunk(b"%d" % number) + end())
    assert [event[1] for event in instance.seen if event[0] == "payload"] == [b"0", b"1", b"2"]


@given(
    payload=st.binary(max_size=300),
    failed=st.booleans(),
    cuts=st.lists(st.integers(0, 700), max_size=12),
)
def test_it_does_not_matter_how_the_bytes_are_cut(payload, failed, cuts):
    instance = Instance()
    instance.invoke()
    extra = [b"Mayfly-Function-Error: Unhandled"] if failed else []
    whole = head(len(payload), *extra) + chunk(payload) + end(b"Mayfly-Log-Tail: eA==")
    edges = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    instance.says(*(whole[a:b] for a, b in itertools.pairwise(edges) if a < b))
    assert instance.seen == [("payload", payload, failed), ("free", REPORT, b"eA==")]
    assert instance.wire.state == "open"


@pytest.mark.parametrize("status", [400, 401, 409, 413, 503])
def test_a_refusal_says_that_nothing_reached_the_runtime(status):
    instance = Instance()
    instance.invoke()
    instance.says(b"HTTP/1.1 %d No\r\nContent-Length: 17\r\n\r\n" % status, b'{"reason":"Busy"}')
    assert instance.seen == [("refused", status)]


def test_control_calls_have_their_own_answer():
    instance = Instance()
    answers = []
    assert instance.connection.control(agent_calls.specialise(b"{}"), lambda *answer: answers.append(answer))
    assert instance.wire.written.endswith(b"Content-Length: 2\r\n\r\n{}")
    instance.says(b"HTTP/1.1 409 Conflict\r\nContent-Length: 4\r\n\r\nbusy")
    assert (answers, instance.seen) == ([(409, b"busy")], [])


def test_a_control_call_learns_that_the_connection_is_lost():
    instance = Instance()
    answers = []
    instance.connection.control(agent_calls.close("t"), lambda *answer: answers.append(answer))
    instance.connection.connection_lost(None)
    assert answers == [(0, b"")]


BAD = [
    b"nonsense\r\n\r\n",
    head(2) + chunk(b"too long"),
    head(9) + chunk(b"short") + end(),
    head(2).replace(b"2\r\n\r\n", b"-2\r\n\r\n"),
    head(2).replace(b"2\r\n\r\n", b"9999999999\r\n\r\n"),
    head(2) + chunk(b"{}") + end() + head(2) + chunk(b"{}") + end(),
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 100 Continue\r\n\r\n" + head(2) + chunk(b"{}") + end(),
    b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: " + b"x" * MAX_ANSWER_SIZE,
]


@pytest.mark.parametrize("said", BAD, ids=range(len(BAD)))
def test_an_agent_that_breaks_the_protocol_is_dropped(said):
    instance = Instance()
    instance.invoke()
    instance.says(said)
    assert instance.wire.state == "aborted"
    assert not [event for event in instance.seen if event[0] in ("free", "refused")]
    instance.connection.connection_lost(None)
    assert instance.seen[-1] == ("lost", True)


def test_words_that_nobody_asked_for_end_the_connection():
    instance = Instance()
    instance.says(head(2) + chunk(b"{}") + end())
    assert (instance.wire.state, instance.seen) == ("aborted", [])


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(said):
    instance = Instance()
    instance.invoke()
    instance.says(said)
    assert instance.wire.state in ("open", "aborted", "closed")


def test_the_largest_answer_passes():
    payload = b"x" * 6_291_556
    instance = Instance()
    instance.invoke()
    whole = head(len(payload)) + chunk(payload) + end()
    instance.says(*(whole[start : start + 262_144] for start in range(0, len(whole), 262_144)))
    assert [event[0] for event in instance.seen] == ["payload", "free"]


def test_an_agent_that_will_close_gets_no_other_invocation():
    instance = Instance()
    instance.invoke()
    instance.says(head(2, b"Connection: close") + chunk(b"{}") + end())
    assert [event[0] for event in instance.seen] == ["payload", "free"]
    assert instance.invoke() is False


@pytest.mark.parametrize(
    ("peername", "error", "unsent", "delivered"),
    [
        ("", None, 0, True),
        ("", None, 10, False),
        ("", BrokenPipeError(), 0, False),
        ("", ConnectionResetError(), 0, False),
        (("10.0.0.1", 80), BrokenPipeError(), 0, False),
        (("10.0.0.1", 80), ConnectionResetError(), 0, True),
    ],
)
def test_a_lost_invocation_is_undelivered_only_where_that_is_certain(peername, error, unsent, delivered):
    instance = Instance(peername)
    instance.invoke()
    instance.wire.unsent = unsent
    if error is None:
        instance.connection.eof_received()
    instance.connection.connection_lost(error)
    assert instance.seen == [("lost", delivered)]


def test_what_was_lost_after_an_answer_began_was_delivered():
    instance = Instance()
    instance.invoke()
    instance.says(b"HTTP/1.1 200")
    instance.connection.connection_lost(ConnectionResetError())
    assert instance.seen == [("lost", True)]


def test_the_head_of_an_invocation():
    prefix = agent_calls.invoke_prefix("secret")
    written = agent_calls.invoke(
        prefix,
        request_id="1-2",
        arn="arn:aws:lambda:local:default:function:hello",
        trace_id="Root=1",
        client_context='{"a":1}',
        tail=True,
        size=7,
    )
    assert written.split(b"\r\n") == [
        b"POST /invoke HTTP/1.1",
        b"Host: agent",
        b"Authorization: Bearer secret",
        b"Lambda-Runtime-Aws-Request-Id: 1-2",
        b"Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:local:default:function:hello",
        b"Lambda-Runtime-Trace-Id: Root=1",
        b'Lambda-Runtime-Client-Context: {"a":1}',
        b"Mayfly-Log-Tail: 1",
        b"Content-Length: 7",
        b"",
        b"",
    ]
