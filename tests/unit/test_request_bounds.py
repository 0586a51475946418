"""A request is read to its last byte and not one further, and nothing in it grows beyond its bound."""

import contextlib
import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayfly_gateway.http_errors import BadRequestException, RequestHeaderFieldsTooLargeException
from mayfly_gateway.incoming import IncomingRequest, find_head, match_invoke
from mayfly_gateway.settings import Bounds
from mayfly_model.errors import LambdaError, RequestTooLargeException

PATH = b"/2015-03-31/functions/hello/invocations"
BOUNDS = Bounds(head_size=1000, header_count=10)
LIMIT = 6_291_456


def head(*lines, path=PATH, version=b"1.1"):
    return b"\r\n".join([b"POST %b HTTP/%b" % (path, version), *lines, b"", b""])


def incoming(*lines, **parts):
    data = head(*lines, **parts)
    request_line = match_invoke(data)
    assert request_line is not None
    return IncomingRequest(request_line, data)


def test_a_head_is_awaited_to_its_end():
    data = head(b"Host: x")
    assert find_head(data + b"{}", BOUNDS) == len(data)
    for size in range(1, len(data)):
        assert find_head(data[:size], BOUNDS) == 0


def test_the_head_is_bounded_in_bytes_and_in_headers():
    assert find_head(head(*[b"A: b"] * 10), BOUNDS)
    with pytest.raises(RequestHeaderFieldsTooLargeException):
        find_head(head(*[b"A: b"] * 11), BOUNDS)
    for endless in (b"POST " + b"x" * 1000, head(b"A: " + b"b" * 1000), b"A: b\r\n" * 200):
        with pytest.raises(RequestHeaderFieldsTooLargeException):
            find_head(endless, BOUNDS)


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02", b"\x00", b"{}", b"  POST", b"\xff"])
def test_what_cannot_become_a_request_is_refused_before_it_ends(data):
    with pytest.raises(BadRequestException):
        find_head(data, BOUNDS)


def test_the_parts_of_the_target_are_left_as_they_are():
    request = incoming(path=b"/2015-03-31/functions/arn%3Aaws/invocations?Qualifier=%24LATEST")
    assert (request.name, request.query) == ("arn%3Aaws", "Qualifier=%24LATEST")


OTHERS = [
    b"GET %b HTTP/1.1" % PATH,
    b"POST /healthz HTTP/1.1",
    b"POST %b/ HTTP/1.1" % PATH,
    b"POST %b HTTP/2.0" % PATH,
]
OTHERS += [b"POST /2015-03-31/functions//invocations HTTP/1.1", b"POST http://h%b HTTP/1.1" % PATH]
OTHERS += [
    b"POST /2015-03-31/functions/a/b/invocations HTTP/1.1",
    b"POST /2015-03-31/functions/a/invocations HTTP/1.1 ",
]


@pytest.mark.parametrize("line", OTHERS)
def test_every_other_route_is_left_to_the_other_server(line):
    assert match_invoke(line + b"\r\n\r\n") is None


def test_a_request_without_a_body_is_complete():
    assert incoming().complete
    assert incoming(b"Content-Length: 0").complete
    assert incoming().body() == b""


def test_a_body_ends_where_its_length_says():
    request = incoming(b"Content-Length: 4")
    assert request.add(b"nu") == b""
    assert not request.complete
    assert request.add(b"llPOST /") == b"POST /"
    assert (request.complete, request.body(), request.received) == (True, b"null", 4)


@given(
    body=st.binary(max_size=200),
    cuts=st.lists(st.integers(0, 400), max_size=8),
    sizes=st.lists(st.integers(1, 50)),
)
def test_chunks_make_the_same_body_however_they_are_cut(body, cuts, sizes):
    rest, chunks = body, b""
    for size in [*sizes, len(body) or 1]:
        part, rest = rest[:size], rest[size:]
        chunks += b"%x\r\n%b\r\n" % (len(part), part) if part else b""
    chunks += b"0\r\nX-Mayfly-Namespace: evil\r\n\r\n"
    request = incoming(b"Transfer-Encoding: chunked")
    edges = [0, *sorted(min(cut, len(chunks)) for cut in cuts), len(chunks)]
    for start, end in itertools.pairwise(edges):
        if start < end:
            assert not request.complete
            assert request.add(chunks[start:end]) == b""
    assert (request.complete, request.body(), request.keep_alive) == (True, body, True)
    assert b"x-mayfly-namespace" not in request.headers


def test_what_follows_a_chunked_request_is_not_read_and_ends_the_connection():
    request = incoming(b"Transfer-Encoding: chunked")
    request.add(b"2\r\n{}\r\n0\r\n\r\n" + head())
    assert (request.complete, request.body(), request.keep_alive) == (True, b"{}", False)


def test_a_length_over_the_limit_is_refused_at_once():
    incoming(b"Content-Length: %d" % LIMIT)
    for length in (b"%d" % (LIMIT + 1), b"9" * 18):
        with pytest.raises(RequestTooLargeException) as error:
            incoming(b"Content-Length: " + length)
        assert (
            error.value.message
            == "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
        )


def test_chunks_over_the_limit_are_refused():
    request = incoming(b"Transfer-Encoding: chunked")
    megabyte = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    for _ in range(6):
        request.add(megabyte)
    with pytest.raises(RequestTooLargeException):
        request.add(b"1\r\nx\r\n")


def test_endless_trailers_are_refused():
    request = incoming(b"Transfer-Encoding: chunked")
    request.add(b"0\r\nA: ")
    with pytest.raises(RequestTooLargeException):
        for _ in range(20):
            request.add(b"x" * 0x100000)


@pytest.mark.parametrize(
    "lines",
    [
        [b"Content-Length: 1", b"Transfer-Encoding: chunked"],
        [b"Content-Length: 1", b"Content-Length: 2"],
        [b"Content-Length: -1"],
        [b"Content-Length: +1"],
        [b"Content-Length: 0x1"],
        [b"Content-Length: " + b"9" * 30],
        [b"Transfer-Encoding: gzip"],
        [b"Transfer-Encoding: chunked", b"Connection: upgrade", b"Upgrade: h2c"],
        [b"no colon"],
        [b"A: b\nC: d"],
        [b"A: b\x00"],
        [b" folded: b"],
    ],
)
def test_an_ambiguous_or_broken_head_is_refused(lines):
    with pytest.raises(BadRequestException):
        incoming(*lines)


def test_broken_chunks_are_refused():
    with pytest.raises(BadRequestException):
        incoming(b"Transfer-Encoding: chunked").add(b"zz\r\n")


def test_the_first_of_two_headers_counts():
    assert incoming(b"X-Amz-Log-Type: Tail", b"X-Amz-Log-Type: None").headers[b"x-amz-log-type"] == b"Tail"


def test_an_offer_to_change_the_protocol_is_declined():
    request = incoming(
        b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AA", b"Content-Length: 2"
    )
    assert request.add(b"{}") == b""
    assert (request.complete, request.keep_alive) == (True, True)


@pytest.mark.parametrize(
    ("version", "connection", "keep_alive"),
    [
        (b"1.1", b"keep-alive", True),
        (b"1.1", b"close", False),
        (b"1.0", b"keep-alive", True),
        (b"1.0", b"close", False),
        (b"1.0", b"x", False),
    ],
)
def test_the_connection_lives_as_long_as_the_client_wants(version, connection, keep_alive):
    request = incoming(b"Connection: " + connection, version=version)
    assert (request.keep_alive, request.old) == (keep_alive, version == b"1.0")


def test_the_body_is_asked_for_where_the_client_waits_for_that():
    assert incoming(b"Content-Length: 2", b"Expect: 100-Continue").awaits_continue
    assert not incoming(b"Expect: 100-continue").awaits_continue
    assert not incoming(b"Content-Length: 2").awaits_continue
    # An old client knows no interim answer, and would take it for the answer.
    assert not incoming(b"Content-Length: 2", b"Expect: 100-continue", version=b"1.0").awaits_continue


def test_the_blanks_around_a_value_are_not_its_own():
    request = incoming(b"X-Amz-Log-Type:  Tail \t", b"Content-Length: 2 ")
    assert (request.headers[b"x-amz-log-type"], request.headers[b"content-length"]) == (b"Tail", b"2")


def test_many_tiny_parts_take_no_more_room_than_their_bytes():
    request = incoming(b"Content-Length: 120000")
    tracemalloc.start()
    try:
        for number in range(60_000):
            request.add(number.to_bytes(2))
        assert tracemalloc.get_traced_memory()[0] < 300_000
    finally:
        tracemalloc.stop()
    assert request.complete
    assert request.body() == b"".join(number.to_bytes(2) for number in range(60_000))


@given(st.lists(st.binary(max_size=30), max_size=6))
def test_no_header_bytes_raise_anything_but_an_answer(lines):
    data = head(*lines)
    request_line = match_invoke(data)
    assert request_line is not None
    with contextlib.suppress(LambdaError):
        IncomingRequest(request_line, data)
