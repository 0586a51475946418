"""`make demo`: serve every example, call each with boto3, show the answers and logs, and end.

    python examples/demo.py

Nothing here is special to the demonstration: `mayfly dev`, the AWS SDK for Python, and the events beside this file.
"""

import base64
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

import prepare

EXAMPLES = Path(__file__).resolve().parent
CALLS = ("hello", "orders-api", "orders-api-list", "orders-api-refused", "thumbnail", "greeter-node", "shell")
"""The events in the order of the show; each is for the longest function name that it begins with."""
PLATFORM = re.compile(r"(INIT_START|START|END|REPORT) ")
LONGEST = 300
"""Characters of an event or an answer that are shown."""

console = Console(highlight=False, soft_wrap=False)


@contextlib.contextmanager
def local_mode() -> Iterator[str]:
    """`mayfly dev` on the examples; gives its endpoint, and ends it as Ctrl-C does.

    Raises:
        SystemExit: it did not start or did not end well.
    """
    command = [sys.executable, "-m", "mayfly_cli", "dev", str(EXAMPLES), "--port", "0"]
    # AWS's Node.js client takes a minute to build: a show does not wait for it.
    environment = {"MAYFLY_NODE_CLIENT": "built", **os.environ}
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True, env=environment
    )
    assert running.stdout is not None
    try:
        endpoint = next(
            (found[1] for line in running.stdout if (found := re.search(r"(http://\S+)", line))), None
        )
        if endpoint is None:
            raise SystemExit("the local mode did not start")
        yield endpoint
    finally:
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=20)
    if running.returncode != 0:
        raise SystemExit(f"the local mode ended with status {running.returncode}")


def client(endpoint: str) -> Any:
    """The SDK's own client; any key will do here, and a namespace's name picks the namespace."""
    return boto3.client(
        "lambda",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="default",
        aws_secret_access_key="none",
        config=Config(retries={"max_attempts": 1}, read_timeout=60),
    )


def function_of(event: str) -> str:
    """The function that an event is for: `orders-api-list` is for `orders-api`."""
    manifests = (*EXAMPLES.glob("*.yaml"), *(manifest.parent for manifest in EXAMPLES.glob("*/function.yaml")))
    return max((each.stem for each in manifests if event.startswith(each.stem)), key=len)


def show(aws: Any, event: str) -> bool:
    """Call a function with an event and show what came. False if it cannot run on this machine."""
    name = function_of(event)
    payload = (EXAMPLES / "events" / f"{event}.json").read_bytes()
    began = time.perf_counter()
    try:
        answer = aws.invoke(FunctionName=name, Payload=payload, LogType="Tail")
    except ClientError as error:
        console.print(
            Panel(Text(error.response["Error"]["Message"], style="yellow"), title=name, title_align="left")
        )
        return error.response["Error"]["Code"] == "InvalidRuntimeException"
    milliseconds = (time.perf_counter() - began) * 1000
    result = json.loads(answer["Payload"].read())
    log = base64.b64decode(answer["LogResult"]).decode("utf-8", "replace").splitlines()
    failed = "FunctionError" in answer
    body = Text("event   ", style="dim") + Text(shortened(json.loads(payload)), style="dim")
    body += Text("\nanswer  ", style="dim") + Text(shortened(result), style="red" if failed else "green")
    for line in log:
        if line and not PLATFORM.match(line):
            body += Text(f"\nlog     {line}", style="cyan")
    body += Text(f"\n{milliseconds:.0f} ms in all; {figures(log)}", style="dim")
    console.print(Panel(body, title=event, title_align="left", border_style="red" if failed else "blue"))
    return not failed


def shortened(value: Any) -> str:
    """JSON that fits on a screen."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"


def figures(log: list[str]) -> str:
    """What the REPORT line tells, without the request id."""
    report = next((line for line in reversed(log) if line.startswith("REPORT ")), "")
    return ", ".join(part for part in report.split("\t")[1:] if part.strip())


def main() -> int:
    """Run the show. Returns 1 if any call failed."""
    for requirements in sorted(EXAMPLES.glob("*/requirements.txt")):
        prepare.prepare(requirements.parent)
    with local_mode() as endpoint:
        console.print(Text(f"Mayfly serves {endpoint}; boto3 calls each function.", style="bold"))
        aws = client(endpoint)
        good = [show(aws, event) for event in CALLS]
        console.print(Text("Ending.", style="dim"))
    console.print(
        Text("Yours next: ", style="bold") + Text(".venv/bin/mayfly dev examples/hello.yaml", style="green")
    )
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
