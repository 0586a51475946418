"""A function that does what its event tells it: {"do": "<name>", ...}; any other event is its own answer."""

import app
import more


def handler(event, context):
    if not isinstance(event, dict) or "do" not in event:
        return event
    module = more if hasattr(more, event["do"]) else app
    return getattr(module, event["do"])(event, context)
