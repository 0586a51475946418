"""How things look on a terminal. Payloads go to standard output, everything about them to standard error.

Rule: what others wrote (functions, manifests, servers) may colour itself and nothing else: a terminal obeys escape
sequences that move the cursor over other lines, set the clipboard or answer as if somebody had typed.
"""

import json
import logging
import re
import sys
import time
from typing import Any

from rich.console import Console
from rich.text import Text

from mayfly_cli.client import InvokeResult, PublishedVersion

PLATFORM = ("INIT_START ", "INIT_REPORT ", "START RequestId: ", "END RequestId: ", "REPORT RequestId: ")

_CONTROL = re.compile(r"(\x1b\[[0-9;:]*m)|[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_COLOUR_OFF = "\x1b[0m"

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def harmless(text: str) -> str:
    """The text with every control character made visible, but for line ends, tabs and whole colour sequences."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    shown = _CONTROL.sub(lambda found: found[1] or f"\\u{ord(found[0]):04x}", lines)
    return shown + _COLOUR_OFF if "\x1b" in shown else shown


def problem(sentence: str) -> None:
    """What is wrong, in one sentence."""
    err.print(Text("error: ", style="bold red") + Text(harmless(sentence)))


def note(sentence: str) -> None:
    """What is odd, and may be meant so."""
    err.print(Text("note: ", style="yellow") + Text(harmless(sentence)))


def result(answer: InvokeResult) -> None:
    """An invocation's answer: indented and coloured for a person, the bytes themselves for a pipe."""
    if answer.log_tail:
        err.print(Text(harmless(answer.log_tail.rstrip("\n")), style="dim"))
    if answer.function_error:
        err.print(Text(f"The function failed ({answer.function_error}).", style="red"))
    if not out.is_terminal:
        sys.stdout.buffer.write(answer.payload)
        sys.stdout.buffer.flush()
        return
    try:
        content = json.dumps(json.loads(answer.payload), ensure_ascii=False)
        out.print_json(content, ensure_ascii=_CONTROL.search(content) is not None)
    except (ValueError, RecursionError):
        out.print(Text(harmless(answer.payload.decode("utf-8", "replace"))))


def published(version: PublishedVersion) -> None:
    """A version: its number alone goes to standard output, for scripts."""
    code = f"code sha256:{version.code_sha256}"
    err.print(
        Text(harmless(f"{version.function}:{version.number} is what $LATEST is now ({code})"), style="dim")
    )
    out.print(Text(harmless(version.number)))


def record(entry: dict[str, Any]) -> None:
    """One message of a function's log."""
    if "dropped" in entry:
        err.print(Text(f"{entry['dropped']} messages came too fast and are not shown", style="dim"))
        return
    clock = time.strftime("%H:%M:%S", time.localtime(entry["time"]))
    out.print(Text(f"{clock} ", style="dim") + message(entry["message"]))


def is_platform(text: str) -> bool:
    """Whether the platform wrote the message, not the function."""
    return text.startswith(PLATFORM) or (text.startswith('{"time"') and '"type": "platform.' in text[:80])


def message(text: str) -> Text:
    """A log message: the platform's lines step back, errors stand out."""
    text = harmless(text)
    if is_platform(text):
        return Text(text, style="dim")
    if text.startswith("[ERROR]") or "Task timed out" in text:
        return Text(text, style="red")
    return Text(text)


class Trouble(logging.Handler):
    """Shows what the program itself logs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record, and why it came to it."""
        text = harmless(self.format(record))
        err.print(Text(f"{record.levelname.lower()}: ", style="yellow") + Text(text))
