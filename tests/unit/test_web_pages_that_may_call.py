"""A page of this machine may call the gateway on it, and no other page, whatever name led it here."""

import pytest

from mayfly_gateway.http_errors import AccessDeniedException
from mayfly_gateway.origins import check_host, check_origin, over_loopback


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:3000",
        "https://localhost",
        "http://app.localhost:8080",
        "http://127.0.0.1:5173",
        "http://127.1.2.3",
        "http://[::1]:3000",
        "HTTP://LOCALHOST",
    ],
)
def test_pages_of_this_machine(origin):
    check_origin(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "https://example.com",
        "null",
        "",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://localhost:3000@example.com",
        "http://evil-localhost",
        "http://127.0.0.1:80\n",
        "file://",
        "http://192.168.1.5",
    ],
)
def test_pages_from_elsewhere(origin):
    with pytest.raises(AccessDeniedException):
        check_origin(origin)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:9000", "192.168.1.5:9000", "[::1]:9000", "localhost", "localhost:9000", "a.localhost", "gateway",
     "host.docker.internal:9000", ""],
)  # fmt: skip
def test_names_that_nobody_can_point_here(host):
    check_host(host)


@pytest.mark.parametrize(
    "host", ["example.com", "rebind.example.com:9000", "localhost.example.com", "1.2.3.4.a.b"]
)
def test_names_that_may_be_anybodys(host):
    with pytest.raises(AccessDeniedException):
        check_host(host)


class Transport:
    def __init__(self, sockname):
        self.sockname = sockname

    def get_extra_info(self, name):
        return self.sockname if name == "sockname" else None


@pytest.mark.parametrize(
    ("sockname", "local"),
    [
        (("127.0.0.1", 9000), True),
        (("::1", 9000, 0, 0), True),
        (("::ffff:127.0.0.1", 9000, 0, 0), True),
        (("10.0.0.7", 9000), False),
        (("fe80::1", 9000, 0, 0), False),
        ("/tmp/socket", False),
        (None, False),
    ],
)
def test_only_the_loopback_interface_is_judged(sockname, local):
    assert over_loopback(Transport(sockname)) is local
    assert over_loopback(None) is False
