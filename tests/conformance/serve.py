"""The local mode with settings for which its command has no option: `serve.py FOLDER '{"account_limit": 2}'`."""

import json
import sys
import tempfile
from pathlib import Path

import uvloop

from mayfly_cli import dev
from mayfly_gateway.settings import Settings

if __name__ == "__main__":
    settings = Settings(port=0, **json.loads(sys.argv[2]))
    with tempfile.TemporaryDirectory(prefix="mayfly-") as home:
        status = uvloop.run(dev.serve([Path(sys.argv[1])], Path(home), settings))
    sys.exit(status)
