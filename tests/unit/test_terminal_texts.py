"""What functions, manifests and servers say reaches the terminal as text: it may have colours and do nothing else."""

import asyncio
import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayfly_cli import present
from mayfly_cli.client import InvokeResult
from mayfly_cli.screen import Screen
from mayfly_gateway.catalogue import target_of
from mayfly_model.function import FunctionSpec

HOSTILE = "\x1b]52;c;cm0gLXJm\x07\x1b[2J\x9b31m\x1b]0;title\x1b\\"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m\x1b[0m"),
        ("\x1b[2Jgone", "\\u001b[2Jgone"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("bell\x07", "bell\\u0007"),
        ("\x9b2J", "\\u009b2J"),
        ("half \ud800", "half \\ud800"),
        ("Grüße 🙂", "Grüße 🙂"),
    ],
)
def test_control_characters_are_shown_and_colours_kept(text, shown):
    assert present.harmless(text) == shown


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text):
    left = re.sub(r"\x1b\[[0-9;:]*m", "", present.harmless(text))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", left)


def test_problems_and_records_are_harmless(capsys):
    present.problem(HOSTILE)
    present.record({"time": None, "requestId": None, "message": HOSTILE})
    captured = capsys.readouterr()
    for output in (captured.out, captured.err):
        assert "\\u001b]52;" in output
        assert not re.search("[\x1b\x07\x9b]", output)


def test_the_program_says_why_it_came_to_something(capsys):
    handler = present.Trouble()
    try:
        raise ValueError(HOSTILE)
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "no luck", (), (ValueError, error, None))
    handler.emit(record)
    output = capsys.readouterr().err
    assert "error: no luck" in output
    assert "ValueError" in output
    assert "\x1b" not in output


def test_an_answer_goes_to_a_pipe_byte_for_byte(capfdbinary):
    present.result(
        InvokeResult(
            payload=b'"\x1b[2J"', function_error=None, executed_version=None, request_id="r", log_tail=None
        )
    )
    assert capfdbinary.readouterr().out == b'"\x1b[2J"'


TARGET = target_of(
    FunctionSpec.model_validate(
        {"runtime": "python3.13", "handler": "a.b", "code": {"inline": {"a.py": ""}}}
    ),
    cluster="local",
    namespace="default",
    name="hello",
    digest="1",
)
GOOD = b'{"durationMs":1.25,"initMs":80,"maxMemoryMb":40,"status":"error","errorType":"Runtime.Unknown"}'


@pytest.mark.parametrize(
    "report",
    [
        b"",
        b"[]",
        b"{}",
        b"nonsense",
        GOOD.replace(b"1.25", b'"x"'),
        GOOD.replace(b"40", b"null"),
        b"[" * 100_000,
    ],
)
async def test_a_report_of_another_shape_is_no_line(report, capsys):
    Screen().invocation(TARGET, report)
    await asyncio.sleep(0)
    assert capsys.readouterr().out == ""


async def test_a_report_is_a_line(capsys):
    Screen().invocation(TARGET, GOOD)
    assert re.search(r"hello +1\.2 ms  \+ init 80 ms  40 MB  Runtime\.Unknown", capsys.readouterr().out)


async def test_what_a_handler_raised_is_called_by_its_own_name(capsys):
    Screen().invocation(TARGET, GOOD[:-1] + b',"raised":"KeyError\\u001b[2J"}')
    out = capsys.readouterr().out
    assert "40 MB  KeyError\\u001b[2J" in out
    assert "Runtime.Unknown" not in out
