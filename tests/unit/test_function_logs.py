"""The recent log is whole lines in the order they came, bounded, and readers never hold it up."""

import asyncio
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayfly_gateway.logs import Logs

FN = ("shop", "hello")


def line(message, **more):
    return json.dumps({"time": 1.5, "requestId": None, "message": message, **more}).encode() + b"\n"


def messages(logs, count=1000, function=FN):
    return [record["message"] for record in logs.tail(*function, count)]


def test_records_come_back_with_their_instance():
    logs = Logs()
    logs.feed(*FN, "i-1", line("hello", requestId="r"))
    assert list(logs.tail(*FN, 10)) == [
        {"time": 1.5, "requestId": "r", "message": "hello", "instance": "i-1"}
    ]
    assert list(logs.tail("shop", "other", 10)) == []


def test_the_tail_is_the_end():
    logs = Logs()
    logs.feed(*FN, "i-1", line("a") + line("b") + line("c"))
    assert messages(logs, 2) == ["b", "c"]
    assert messages(logs, 0) == []


@given(st.lists(st.text(max_size=10), max_size=8), st.lists(st.integers(0, 600), max_size=8))
def test_lines_are_put_together_however_they_are_cut(texts, cuts):
    logs = Logs()
    whole = b"".join(line(text) for text in texts)
    edges = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    for start, end in itertools.pairwise(edges):
        if start < end:
            logs.feed(*FN, "i-1", whole[start:end])
            logs.feed(*FN, "i-2", b"\n")
    assert messages(logs) == texts


def test_what_is_no_record_is_a_message():
    logs = Logs()
    logs.feed(*FN, "i-1", b"oops\n[1]\n\xff\n" + b"[" * 100_000 + b"\n")
    assert messages(logs)[:3] == ["oops", "[1]", "\ufffd"]


@pytest.mark.parametrize(
    "forged",
    [
        {"message": "no time"},
        {"time": 1, "requestId": None, "message": 5},
        {"time": "now", "requestId": None, "message": "x"},
        {"time": 1e300, "requestId": None, "message": "x"},
        {"time": -1, "requestId": None, "message": "x"},
        {"time": 1, "requestId": 7, "message": "x"},
        {"dropped": 5},
    ],
)
def test_a_record_of_another_shape_is_a_message_too(forged):
    logs = Logs()
    logs.feed(*FN, "i-1", json.dumps(forged).encode() + b"\n")
    assert list(logs.tail(*FN, 1)) == [
        {"time": None, "requestId": None, "message": json.dumps(forged), "instance": "i-1"}
    ]


def test_what_a_record_holds_besides_is_left_out():
    logs = Logs()
    logs.feed(*FN, "i-1", line("hello", instance="forged", dropped=1))
    assert list(logs.tail(*FN, 1)) == [
        {"time": 1.5, "requestId": None, "message": "hello", "instance": "i-1"}
    ]


def test_a_function_keeps_a_bounded_number_of_bytes():
    logs = Logs(per_function=1000)
    for number in range(1000):
        logs.feed(*FN, "i-1", line(str(number)))
    kept = messages(logs)
    assert kept == [str(number) for number in range(1000 - len(kept), 1000)]
    assert 10 < len(kept) < 25


def test_all_functions_together_keep_a_bounded_number_of_bytes():
    logs = Logs(per_function=1000, in_all=3000)
    for number in range(10):
        for _ in range(50):
            logs.feed("shop", str(number), "i", line("x"))
    kept = [number for number in range(10) if messages(logs, function=("shop", str(number)))]
    assert kept == [7, 8, 9]


def test_a_line_without_end_is_cut_off():
    logs = Logs()
    for _ in range(40):
        logs.feed(*FN, "i-1", b"x" * 100_000)
    logs.feed(*FN, "i-1", b"\n" + line("after"))
    assert messages(logs)[-1] == "after"


async def test_a_follower_gets_what_comes_after_it():
    logs = Logs()
    logs.feed(*FN, "i-1", line("before"))
    following = logs.follow(*FN)
    logs.feed(*FN, "i-1", line("one") + line("two"))
    logs.feed("shop", "other", "i-1", line("not this"))
    assert [(await anext(following))["message"] for _ in range(2)] == ["one", "two"]
    waiting = asyncio.create_task(following.__anext__())
    await asyncio.sleep(0)
    logs.feed(*FN, "i-1", line("three"))
    assert (await waiting)["message"] == "three"


async def test_a_slow_follower_is_told_what_it_lost():
    logs = Logs()
    following = logs.follow(*FN)
    for _ in range(100):
        logs.feed(*FN, "i-1", line("x" * 100_000))
    seen = [await anext(following) for _ in range(43)]
    lost = [record["dropped"] for record in seen if "dropped" in record]
    assert lost == [100 - 42]
    logs.feed(*FN, "i-1", line("again"))
    assert (await anext(following))["message"] == "again"
