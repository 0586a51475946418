"""A web page from elsewhere that the person opens can neither call a function here nor read a log."""

import pytest

LOG = "/mayfly/v1beta1/namespaces/default/functions/hello/logs"


async def handed_over(world):
    """A connection that the other server has."""
    client = await world.client()
    client.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await client.reply()
    return client


@pytest.mark.parametrize("lane", ["fast", "other"])
async def test_a_page_from_elsewhere_calls_nothing(world, lane):
    for origin in ("https://example.com", "null"):
        client = await (world.client() if lane == "fast" else handed_over(world))
        client.invoke("{}", "Host: localhost", f"Origin: {origin}")
        status, headers, _ = await client.reply()
        assert (status, headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
    assert world.agents.invocations == []


@pytest.mark.parametrize("lane", ["fast", "other"])
async def test_a_page_of_this_machine_calls(world, lane):
    client = await (world.client() if lane == "fast" else handed_over(world))
    client.invoke("[1]", "Host: localhost", "Origin: http://localhost:3000")
    assert (await client.reply())[2] == b"[1]"


async def test_a_name_that_leads_here_reads_nothing(world):
    client = await world.client()
    client.send(f"GET {LOG} HTTP/1.1\r\nHost: rebind.example.com:9000\r\n\r\n".encode())
    assert (await client.reply())[0] == 403


async def test_a_tunnel_may_have_any_name(world):
    for client in (await world.client(), await handed_over(world)):
        client.invoke("[1]", "Host: abc.tunnel.example.com")
        assert (await client.reply())[2] == b"[1]"
