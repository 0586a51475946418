"""An interpreter that waits to become a function's: imported by runtime.pth, and only where the agent started one.

Rule: the process is the bootstrap's own, with the runtime client imported too early; when `stand_by` returns, the
interpreter goes on with `-m awslambdaric` and everything is as the bootstrap would have found it, started just now.
"""

import json
import logging
import os
import runpy  # noqa: F401 - what `-m` imports
import sys
import time
import traceback

LONGEST = 1024 * 1024
CLIENT_READS = ("AWS_EXECUTION_ENV", "AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_LEVEL")
"""The variables that the runtime client reads when it is imported."""


def stand_by():
    """Import the runtime client, wait at the descriptor MAYFLY_STANDBY_FD for what to become, become it and say so.

    Ends the process if nobody tells, or if it cannot become what is told: the agent then starts a fresh one.
    """
    try:
        descriptor = int(os.environ["MAYFLY_STANDBY_FD"])
        os.environ["AWS_EXECUTION_ENV"] = "AWS_Lambda_python{}.{}".format(*sys.version_info)
        import_client()
        told = os.read(descriptor, LONGEST)
        instruction = json.loads(told or "{}")
        if not told or hides(instruction["directory"]):
            os._exit(0)
        become(**instruction)
        sys.modules.pop(__name__, None)
        os.write(descriptor, b"1")
        os.close(descriptor)
    except BaseException:
        # Nothing may get past: the interpreter would go on with half of its function.
        traceback.print_exc()
        os._exit(70)


def import_client():
    """Import what `-m awslambdaric` imports before it imports the handler."""
    from awslambdaric import bootstrap, lambda_literals  # noqa: F401
    from awslambdaric.lambda_config import LambdaConfigProvider
    from awslambdaric.lambda_runtime_client import LambdaRuntimeClient

    config = LambdaConfigProvider(sys.argv)
    # Imports what it needs to poll.
    LambdaRuntimeClient(config.api_address, config.use_thread_polling)


def hides(directory):
    """Whether the code has modules or libraries of names that are taken here: in a fresh process it comes first."""
    entries = os.listdir(directory)  # noqa: PTH208 - pathlib would have to be imported
    modules = {name.partition(".")[0] for name in sys.modules}
    return not modules.isdisjoint(entry.partition(".")[0] for entry in entries) or any(
        (entry.startswith("lib") and ".so" in entry) or entry == "glibc-hwcaps" for entry in entries
    )


def become(directory, environment, given):
    """Be in this directory, with this environment, of which `_HANDLER` is the argument.

    `given` are the names of the variables with which the bootstrap was started here. It, and the interpreter, add some
    of their own (`LC_CTYPE` in the C locale), and would have done so again.
    """
    added = {name: value for name, value in os.environ.items() if name not in {*given, "AWS_EXECUTION_ENV"}}
    read = [os.environ.get(name) for name in CLIENT_READS]
    os.environ.clear()
    os.environ.update({**added, **environment})
    os.chdir(directory)
    time.tzset()
    sys.argv[-1] = sys.orig_argv[-1] = os.environ.get("_HANDLER", "")
    # Records tell how long after it they were made.
    logging._startTime = time.time_ns() if isinstance(logging._startTime, int) else time.time()
    if read != [os.environ.get(name) for name in CLIENT_READS]:
        forget_client()


def forget_client():
    """Let the runtime client be imported anew, but for its native half and what it builds on."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "awslambdaric"]:
        del sys.modules[name]
