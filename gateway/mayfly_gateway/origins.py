"""Which web pages may call a gateway on a person's own machine: those that the machine itself serves.

Rule: a browser lets every page that the person opens send requests to 127.0.0.1, but names the page in `Origin` on
each POST and the server that it believes to speak to in `Host`. AWS's clients send an `Origin` from within a page
only. Connections that did not come over the loopback interface are not judged: a gateway on a cluster has its own
ways to know its callers.
"""

import asyncio
import re

from mayfly_gateway.http_errors import AccessDeniedException

_PORT = r"(?::[0-9]+)?"
_ORIGIN = re.compile(
    rf"https?://(?:(?:[a-z0-9-]+\.)*localhost|127(?:\.[0-9]+){{3}}|\[::1\]){_PORT}", re.ASCII | re.IGNORECASE
)
# Nobody can make such a name lead to an address of their choice, as one can with a domain of one's own. Docker Desktop
# calls this machine host.docker.internal, and a name without a dot is the local network's.
_HOST = re.compile(
    rf"(?:\[[0-9a-f:.]+\]|[0-9.]+|[a-z0-9_-]+|(?:[a-z0-9_-]+\.)+(?:localhost|internal)){_PORT}",
    re.ASCII | re.IGNORECASE,
)


def over_loopback(transport: asyncio.BaseTransport | None) -> bool:
    """Whether the client is on this machine."""
    address = None if transport is None else transport.get_extra_info("sockname")
    if not isinstance(address, tuple):
        return False
    host = str(address[0])
    return host == "::1" or host.removeprefix("::ffff:").startswith("127.")


def check_origin(origin: str) -> None:
    """Refuse what a page from elsewhere sends.

    Raises:
        AccessDeniedException: the page is not this machine's own.
    """
    if _ORIGIN.fullmatch(origin) is None:
        raise AccessDeniedException(
            f"The web page {origin[:200]} may not call this gateway: only pages of this machine may, "
            "such as http://localhost:3000."
        )


def check_host(host: str) -> None:
    """Refuse a request for a name that may be anybody's: a page could have made it lead here.

    Raises:
        AccessDeniedException: the name is neither an address nor of this machine or its network.
    """
    if host and _HOST.fullmatch(host) is None:
        raise AccessDeniedException(
            f"This gateway is not {host[:200]}: call it by its address or as localhost."
        )
