"""An agent is small when it starts and stays so: it is in every instance."""

import psutil
from tests.component.agent_process import running, serving

IDLE = 25 * 1024 * 1024


def resident(agent):
    return psutil.Process(agent.process.pid).memory_info().rss


def test_a_bare_agent_and_an_idle_one_take_less_than_25_megabytes():
    with running() as agent:
        assert agent.state() == "Bare"
        assert resident(agent) < IDLE
        agent.specialise()
        agent.invoke("respond(b'x')")
        assert resident(agent) < IDLE


def test_thousands_of_invocations_with_the_longest_timeout_leave_nothing():
    with serving(timeout=900) as agent:
        for _ in range(300):
            agent.invoke("respond(b'x')")
        before = resident(agent)
        for _ in range(3000):
            agent.invoke("respond(b'x')")
        assert resident(agent) - before < 512 * 1024


def test_the_largest_payloads_are_let_go():
    with serving() as agent:
        code = b"respond(event)#"
        event = code + b"x" * (6 * 1024 * 1024 - len(code))
        for _ in range(4):
            assert len(agent.invoke(event).payload) == len(event)
        assert resident(agent) < 2 * IDLE
