import os
import time

print("importing slowly", flush=True)
time.sleep(float(os.environ.get("IMPORT_SECONDS", "1")))


def handler(event, context):
    return "imported"
