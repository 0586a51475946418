"""The first INIT of an instance dies; the second finds a note and goes on."""

import os

NOTE = os.path.join(os.environ["TMPDIR"], "tried")
if not os.path.exists(NOTE):
    open(NOTE, "w").close()
    os._exit(7)


def handler(event, context):
    return "second time"
