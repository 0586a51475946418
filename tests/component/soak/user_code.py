"""The function of the soak: what it does is in the event, what it answers says which version of the code it was."""

import os
import signal
import subprocess
import sys
import time

VERSION = 0


def handler(event, context):
    """Obey the event."""
    match event["do"]:
        case "raise":
            raise ValueError(event["n"])
        case "exit":
            sys.exit(3)
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "sleep":
            time.sleep(30)
        case "kill-agent":
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(30)
        case "stop-agent":
            os.kill(os.getppid(), signal.SIGSTOP)
            time.sleep(30)
        case "leave-child":
            subprocess.Popen(["sleep", "300"], start_new_session=True)
    return {"n": event["n"], "version": VERSION}
