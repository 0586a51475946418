"""Functions for the tests: each handler does one thing, and what it is told by its event."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time

STARTED = time.time()
calls = 0
kept = []


def echo(event, context):
    return event


def no_return(event, context):
    pass


class OutOfStock(Exception):
    """An error of the function's own."""


def raise_error(event, context):
    raise OutOfStock((event or {}).get("message", "no croissants left"))


def nested_error(event, context):
    try:
        {}["croissant"]
    except KeyError as error:
        raise OutOfStock("no croissants left") from error


def sleep(event, context):
    time.sleep(event["seconds"])
    return {"slept": event["seconds"]}


def busy(event, context):
    """Holds the processor, and no signal handler gets its turn for long."""
    until = time.monotonic() + event["seconds"]
    while time.monotonic() < until:
        pass


def exit(event, context):  # noqa: A001
    """Ends the runtime with a status, past the runtime client's own handling."""
    sys.stdout.flush()
    os._exit(event["status"])


def system_exit(event, context):
    sys.exit(event["status"])


def kill_self(event, context):
    os.kill(os.getpid(), getattr(signal, (event or {}).get("signal", "SIGKILL")))
    time.sleep(60)


def kill_agent(event, context):
    """Turns on what supervises it: the parent of the runtime."""
    os.kill(os.getppid(), getattr(signal, event["signal"]))
    time.sleep(event.get("seconds", 0))
    return {"signalled": event["signal"]}


def oom(event, context):
    """Takes memory until there is none, every page of it touched."""
    step = event.get("stepMb", 16) * 1_048_576
    while True:
        block = bytearray(step)
        block[::4096] = b"x" * len(block[::4096])
        kept.append(block)


def allocate(event, context):
    """Holds so many MB for the length of the call."""
    block = bytearray(event["mb"] * 1_048_576)
    block[::4096] = b"x" * len(block[::4096])
    time.sleep(event.get("seconds", 0))
    return {"mb": event["mb"]}


def response_of(event, context):
    """A response of exactly `bytes` bytes, the JSON quotes included."""
    return "x" * (event["bytes"] - 2)


def not_json(event, context):
    return {"what": object()}


def unicode(event, context):
    print("grüezi, こんにちは 🦋")
    return {"got": event, "said": "grüezi, こんにちは 🦋"}


def prints(event, context):
    for line in event["lines"]:
        print(line)
    print("to stderr", file=sys.stderr)
    return len(event["lines"])


def print_without_newline(event, context):
    sys.stdout.write(event["text"])
    sys.stdout.flush()


def flood(event, context):
    """Writes so many MB of log, as fast as it can."""
    line = b"0123456789abcdef" * 63 + b" the flood\n"
    for _ in range(event["mb"] * 1024):
        os.write(1, line)
    return {"mb": event["mb"]}


def logs(event, context):
    logger = logging.getLogger()
    logger.setLevel(logging.DEBUG)
    for level in ("debug", "info", "warning", "error"):
        getattr(logger, level)("a record of level %s", level)
    print("a plain line")


def logs_exception(event, context):
    try:
        raise OutOfStock("no croissants left")
    except OutOfStock:
        logging.getLogger().exception("caught")


def env(event, context):
    return dict(os.environ)


def places(event, context):
    """Where it runs, and what is on its path."""
    return {"cwd": os.getcwd(), "sysPath": sys.path, "executable": sys.executable, "version": sys.version}


def context_members(event, context):
    client_context = context.client_context
    return {
        "aws_request_id": context.aws_request_id,
        "function_name": context.function_name,
        "function_version": context.function_version,
        "invoked_function_arn": context.invoked_function_arn,
        "memory_limit_in_mb": context.memory_limit_in_mb,
        "log_group_name": context.log_group_name,
        "log_stream_name": context.log_stream_name,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "client_context": client_context
        and {"custom": client_context.custom, "env": client_context.env, "client": str(client_context.client)},
        "cognito_identity_id": context.identity.cognito_identity_id,
        "trace_id": os.environ.get("_X_AMZN_TRACE_ID"),
    }


def counter(event, context):
    """Which call of this runtime process it is: 1 means cold."""
    global calls
    calls += 1
    return {"calls": calls, "pid": os.getpid(), "started": STARTED, "stream": context.log_stream_name}


def remembers_files(event, context):
    """Writes a name into /tmp and into the code directory, and says which names were there."""
    folders = {"tmp": os.environ["TMPDIR"], "code": os.environ["LAMBDA_TASK_ROOT"]}
    for folder in folders.values():
        with open(os.path.join(folder, event["name"] + ".note"), "w") as file:
            file.write(event["name"])
    return {
        name: sorted(note[:-5] for note in os.listdir(folder) if note.endswith(".note"))
        for name, folder in folders.items()
    }


def reads_file(event, context):
    with open(event["path"]) as file:
        return file.read()


def deletes_its_directory(event, context):
    subprocess.run(["rm", "-rf", os.environ["LAMBDA_TASK_ROOT"]], check=False)
    return {"left": os.path.exists(os.environ["LAMBDA_TASK_ROOT"])}


def leaves_children(event, context):
    """Starts sleepers that outlive the call: in the group, out of the session, orphaned twice over."""
    pids = [subprocess.Popen(["sleep", "600"]).pid]
    pids.append(subprocess.Popen(["sleep", "600"], start_new_session=True).pid)
    double = "import os, subprocess, sys; os.setsid(); p = subprocess.Popen(['sleep', '600']); print(p.pid)"
    pids.append(int(subprocess.run([sys.executable, "-c", double], capture_output=True, check=True).stdout))
    if event.get("then") == "exit":
        os._exit(3)
    if event.get("then") == "sleep":
        print(json.dumps(pids), flush=True)
        time.sleep(60)
    return {"pids": pids}


def forks_many(event, context):
    """So many children at once, which then sleep."""
    pids = []
    for _ in range(event["children"]):
        pid = os.fork()
        if pid == 0:
            os.closerange(0, 256)
            time.sleep(600)
            os._exit(0)
        pids.append(pid)
    if event.get("then") == "exit":
        os._exit(3)
    return {"pids": pids}


def closes_everything(event, context):
    """Closes every descriptor: the runtime client's connection, stdout, all."""
    os.closerange(0, 4096)
    return "never"


def ignores_sigterm(event, context):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return {"pid": os.getpid()}


def works_in_background(event, context):
    """A thread that goes on printing after the answer."""

    def work():
        for number in range(event["lines"]):
            print(f"background {number}", flush=True)
            time.sleep(event.get("pause", 0.01))

    threading.Thread(target=work).start()
    return "answered"


def runtime_api(event, context):
    """Speaks to the Runtime API behind the client's back: one raw request, its raw answer."""
    host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].partition(":")
    request = event["request"].replace("{id}", context.aws_request_id)
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(request.encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return answer.decode("latin-1")


def invokes(event, context):
    """Calls another function with the AWS SDK that lies beside every function."""
    import boto3

    client = boto3.client("lambda", endpoint_url=event.get("endpoint"))
    answer = client.invoke(FunctionName=event["function"], Payload=json.dumps(event.get("payload")))
    return json.loads(answer["Payload"].read())
