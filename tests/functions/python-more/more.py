"""More functions for the tests: what app.py lacks."""

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

ticks = []


def size(event, context):
    """How long the event's text is."""
    return len(event["text"])


def kind(event, context):
    """What the runtime client made of the payload."""
    return type(event).__name__


def surroundings(event, context):
    return {"cwd": os.getcwd(), "sysPath": sys.path, "version": sys.version, "env": dict(os.environ)}


def hold(event, context):
    """Says that it runs by a file `<folder>/<request id>`, and waits for the file `<folder>/go`."""
    folder = Path(event["folder"])
    (folder / context.aws_request_id).touch()
    while not (folder / "go").exists():
        time.sleep(0.005)
    return {"pid": os.getpid(), "parent": os.getppid(), "stream": context.log_stream_name}


def note_and_hold(event, context):
    """Writes its request id into /tmp and into the code directory, and says which are there when it is let go."""
    folders = {"tmp": Path(os.environ["TMPDIR"]), "code": Path(os.environ["LAMBDA_TASK_ROOT"])}
    for folder in folders.values():
        (folder / f"{context.aws_request_id}.note").touch()
    hold(event, context)
    return {name: sorted(note.stem for note in folder.glob("*.note")) for name, folder in folders.items()}


def touch_later(event, context):
    """An effect after a while."""
    time.sleep(event["seconds"])
    Path(event["path"]).touch()


def start_ticking(event, context):
    """A thread that counts for ever, in the background."""

    def tick():
        while True:
            ticks.append(time.time())
            time.sleep(0.005)

    threading.Thread(target=tick, daemon=True).start()


def tell_ticks(event, context):
    return ticks


def on_sigterm(event, context):
    """Writes a file when it is asked to end, and then does not end, or does."""

    def asked(number, frame):
        Path(event["path"]).write_text(str(time.time()))
        if not event.get("stays"):
            sys.exit(0)

    signal.signal(signal.SIGTERM, asked)
    return os.getpid()


def grandchildren(event, context):
    """Starts a child and the child's child, says who they are in a file, and goes on for too long."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.setsid()
        if (grandchild := os.fork()) == 0:
            time.sleep(600)
            os._exit(0)
        os.write(writer, str(grandchild).encode())
        time.sleep(600)
        os._exit(0)
    pids = f"{os.getpid()} {child} {os.read(reader, 100).decode()}"
    Path(event["path"]).write_text(pids)
    time.sleep(event["seconds"])


def log_at_all_levels(event, context):
    for level in ("debug", "info", "warning", "error"):
        getattr(logging.getLogger(), level)("a record of level %s", level)


def two_lines_and_error(event, context):
    print("first line\nsecond line")
    raise ValueError("first line of the error\nsecond line of the error")


def meet(event, context):
    """Answers when so many invocations have come to the folder."""
    folder = Path(event["folder"])
    (folder / context.aws_request_id).touch()
    while len(list(folder.iterdir())) < event["count"]:
        time.sleep(0.005)
    where = {"pid": os.getpid(), "parent": os.getppid(), "stream": context.log_stream_name}
    return where | {"number": event["number"]}
