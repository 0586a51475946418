"""How things look on a terminal. Payloads go to standard output, everything about them to standard error."""

import json
import logging
import sys
import time
from typing import Any

from rich.console import Console
from rich.text import Text

from mayfly_cli.client import InvokeResult

PLATFORM = ("INIT_START ", "INIT_REPORT ", "START RequestId: ", "END RequestId: ", "REPORT RequestId: ")

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def problem(sentence: str) -> None:
    """What is wrong, in one sentence."""
    err.print(Text("error: ", style="bold red") + Text(sentence))


def result(answer: InvokeResult) -> None:
    """An invocation's answer: indented and coloured for a person, the bytes themselves for a pipe."""
    if answer.log_tail:
        err.print(Text(answer.log_tail.rstrip("\n"), style="dim"))
    if answer.function_error:
        err.print(Text(f"The function failed ({answer.function_error}).", style="red"))
    if not out.is_terminal:
        sys.stdout.buffer.write(answer.payload)
        sys.stdout.buffer.flush()
        return
    try:
        out.print_json(data=json.loads(answer.payload))
    except ValueError:
        out.print(Text(answer.payload.decode("utf-8", "replace")))


def record(entry: dict[str, Any]) -> None:
    """One message of a function's log."""
    if "dropped" in entry:
        err.print(Text(f"{entry['dropped']} messages came too fast and are not shown", style="dim"))
        return
    clock = time.strftime("%H:%M:%S", time.localtime(entry["time"]))
    out.print(Text(f"{clock} ", style="dim") + message(entry["message"]))


def is_platform(text: str) -> bool:
    """Whether the platform wrote the message, not the function."""
    return text.startswith(PLATFORM)


def message(text: str) -> Text:
    """A log message: the platform's lines step back, errors stand out."""
    if is_platform(text):
        return Text(text, style="dim")
    if text.startswith("[ERROR]") or "Task timed out" in text:
        return Text(text, style="red")
    return Text(text)


class Trouble(logging.Handler):
    """Shows what the program itself logs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        err.print(Text(f"{record.levelname.lower()}: ", style="yellow") + Text(record.getMessage()))
