"""`python -m mayfly_gateway`: a gateway on a cluster. Reads the environment, once."""

import logging
import os
import sys

import uvloop

from mayfly_gateway.backends.kubernetes.process import run
from mayfly_gateway.backends.kubernetes.settings import SettingsError, read_settings


def main() -> None:
    """Run until told to stop."""
    logging.basicConfig(
        level=os.environ.get("MAYFLY_LOG_LEVEL", "INFO"),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        settings = read_settings(os.environ)
        uvloop.run(run(settings))
    except (SettingsError, OSError, ValueError) as error:
        raise SystemExit(f"the gateway cannot start: {error}") from error


if __name__ == "__main__":
    main()
