"""An agent as a pod's image starts it: a TCP port, a public key, and code that comes with the call."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from tests.component.agent_process import eventually
from tests.component.pod_agent import SIGNER, packed, pod


def reason(answer):
    return json.loads(answer.payload)["reason"]


def works(agent):
    assert agent.invoke("respond(b'as ever')").text == "as ever"


def test_a_signed_call_that_brings_an_archive_makes_it_a_function():
    with pod() as agent:
        assert agent.state() == "Bare"
        agent.become({"app.py": "x = 'of the archive'", "below/data": b"\0\xff"})
        assert (
            agent.invoke("import sys; sys.path.append('.'); import app; respond(app.x.encode())").text
            == "of the archive"
        )
        assert agent.invoke("respond(open('below/data', 'rb').read().hex().encode())").text == "00ff"
        assert agent.state() == "Idle"


def test_files_are_written_as_they_are_and_what_names_its_interpreter_can_be_run():
    files = json.dumps({"app.py": "x = 'gr\u00fcezi'", "bin/tool": "#!/bin/sh\necho hi"}).encode()
    with pod() as agent:
        assert agent.specialise_with(agent.instruction(files, "files"), files).status == 200
        assert (
            agent.invoke("import sys; sys.path.append('.'); import app; respond(app.x.encode())").text
            == "gr\u00fcezi"
        )
        modes = "respond(str([oct(os.stat(p).st_mode & 0o7777) for p in ('app.py', 'bin/tool')]).encode())"
        assert agent.invoke(modes).text == "['0o644', '0o755']"


def test_an_instruction_may_come_without_code():
    with pod() as agent:
        instruction = agent.instruction(None)
        assert agent.specialise_with(instruction).status == 200
        works(agent)


def test_an_instruction_without_its_length_is_the_whole_body():
    with pod() as agent:
        body = agent.instruction(None)
        permit = {"Authorization": f"Bearer {SIGNER.permit(agent.uid, body)}"}
        assert agent.gateway.call("POST", "/specialise", body, permit).status == 200
        works(agent)


def test_variables_of_secrets_and_config_maps_stand_between_defaults_and_what_the_gateway_sets():
    given = {
        "FUNCTION_ENVIRONMENT_SECRET": "s3cret",
        "FUNCTION_ENVIRONMENT_TZ": "theirs",
        "FUNCTION_ENVIRONMENT_AWS_REGION": "theirs",
        "FUNCTION_ENVIRONMENT_": "nameless",
        "OTHER": "not the function's",
    }
    with pod(variables=given) as agent:
        agent.become(environment={"AWS_REGION": "ours"}, defaultEnvironment={"TZ": ":UTC", "LANG": "C"})
        names = ["SECRET", "TZ", "AWS_REGION", "LANG", "OTHER", "MAYFLY_PUBLIC_KEY", ""]
        seen = json.loads(agent.invoke(f"tell([os.environ.get(n) for n in {names!r}])").payload)
        assert seen == ["s3cret", "theirs", "ours", "C", None, None, None]


def test_nothing_reads_its_standard_input():
    with pod() as agent:
        agent.become()
        works(agent)
        assert agent.process.poll() is None


def test_its_log_is_plain_lines():
    with pod() as agent:
        agent.become()
        agent.invoke("say('hello'); respond(b'x')")
        eventually(lambda: "REPORT" in agent.log())
        assert "hello" in agent.log().splitlines()
        agent.end()
        assert not any(line.startswith("{") for line in agent.log().splitlines())


# Who is let in.


def wrong_permits(agent, body):
    good = SIGNER.permit(agent.uid, body)
    head, claims, signature = good.split(".")
    return {
        "none": "",
        "not a token": "Bearer x",
        "another scheme": f"Basic {good}",
        "no signature": f"Bearer {head}.{claims}.",
        "two parts": f"Bearer {head}.{claims}",
        "another pod": f"Bearer {SIGNER.permit('another', body)}",
        "another body": f"Bearer {SIGNER.permit(agent.uid, body + b' ')}",
        "too old": f"Bearer {SIGNER.permit(agent.uid, body, iat=time.time() - 100, exp=time.time() - 40)}",
        "a changed signature": f"Bearer {head}.{claims}.{signature[:-9]}AAAAAAAA{signature[-1]}",
    }


def test_who_has_no_permit_gets_nothing_and_nothing_is_kept():
    with pod() as agent:
        code = packed({"app.py": ""})
        instruction = agent.instruction(code)
        for what, header in wrong_permits(agent, instruction + code).items():
            answer = agent.specialise_with(instruction, code, Authorization=header)
            assert (answer.status, reason(answer)) == (401, "Unauthorized"), what
        assert agent.state() == "Bare"
        assert list(agent.code.iterdir()) == []
        agent.become()
        works(agent)


def test_a_body_is_refused_before_it_is_sent_when_its_head_is_not_signed():
    with pod() as agent:
        agent.gateway.send(b"POST /specialise HTTP/1.1\r\nContent-Length: 60000000\r\n\r\n")
        assert agent.gateway.whole().status == 401
        agent.gateway.close()
        agent.gateway = agent.connect()
        agent.become()


def test_an_agent_becomes_a_function_once():
    with pod() as agent:
        agent.become()
        code = packed({"app.py": "y = 2"})
        answer = agent.specialise_with(agent.instruction(code), code)
        assert (answer.status, reason(answer)) == (409, "AlreadySpecialised")
        works(agent)


# Code that cannot be used.


def test_code_that_is_not_what_the_instruction_says_ends_the_agent():
    with pod(ends=False) as agent:
        answer = agent.specialise_with(agent.instruction(packed({"a": "1"})), packed({"a": "2"}))
        assert (answer.status, reason(answer)) == (422, "CodeDigestMismatch")
        assert agent.wait() == 65
        assert "CodeDigestMismatch" in agent.log()


@pytest.mark.parametrize(
    ("kind", "code", "why"),
    [
        ("zip", b"no archive", "cannot be read"),
        ("zip", packed({"../evil": ""}), "not a plain path inside it"),
        ("files", b"{", "no JSON"),
        ("files", b'{"/evil": ""}', "not a plain path inside it"),
        ("files", b'{"a": 7}', "a text by each path"),
    ],
)
def test_code_that_cannot_be_unpacked_ends_the_agent(kind, code, why):
    with pod(ends=False) as agent:
        answer = agent.specialise_with(agent.instruction(code, kind), code)
        assert answer.status == 422
        assert reason(answer).startswith("CodeInvalid: ")
        assert why in reason(answer)
        assert agent.wait() == 65
        assert why in agent.log()


def test_an_instruction_that_describes_no_function_is_refused_and_changes_nothing():
    with pod() as agent:
        code = packed({"app.py": ""})
        for changes in ({"command": []}, {"code": {"format": "tar", "sha256": "0" * 64}}, {"directory": 7}):
            answer = agent.specialise_with(agent.instruction(code, **changes), code)
            assert (answer.status, reason(answer).partition(":")[0]) == (400, "InvalidFunction")
        for length in ("0", "-1", "x", "2097153", str(10**400)):
            answer = agent.specialise_with(b"{}", code, Mayfly_Instruction_Length=length)
            assert answer.status == 400
        answer = agent.specialise_with(b"{}", b"", Mayfly_Instruction_Length="7")
        assert answer.status == 400
        agent.become()
        works(agent)


# In a pool.


def test_an_agent_that_nobody_claims_in_its_time_ends_by_itself():
    with pod(ends=False, variables={"MAYFLY_POOL_LIFETIME": "1"}) as agent:
        assert agent.state() == "Bare"
        assert agent.process.wait(5) == 0


def test_an_agent_that_was_claimed_in_time_lives_on():
    with pod(variables={"MAYFLY_POOL_LIFETIME": "1"}) as agent:
        agent.become()
        began = time.monotonic()
        # The lifetime, of one second, and half as much again: it would be over by then.
        while time.monotonic() < began + 1.5:
            works(agent)


# A new owner.


def test_a_new_owner_learns_what_it_takes_over():
    with pod() as agent:
        assert agent.gateway.call("POST", "/adopt", headers=agent.bearer()).status == 401
        agent.become(revision="abc123", versionName="hello.7")
        other = agent.connect()
        answer = other.call("POST", "/adopt", headers=agent.bearer())
        assert answer.status == 200
        assert json.loads(answer.payload) == {
            "revision": "abc123",
            "versionName": "hello.7",
            "initialization": "",
        }
        assert other.call("POST", "/adopt", headers={"Authorization": "Bearer wrong"}).status == 401
        assert agent.invoke("respond(b'x')", gateway=other).text == "x"
        works(agent)
        other.close()


def test_a_new_owner_waits_for_the_invocation_that_runs():
    with pod() as agent:
        agent.become()
        agent.send("import time\nwhile not os.path.exists('gate'): time.sleep(0.001)\nrespond(b'mine')")
        eventually(lambda: agent.state() == "Busy")
        other = agent.connect()
        other.send(f"POST /adopt HTTP/1.1\r\nAuthorization: Bearer {agent.token}\r\n\r\n".encode())
        (agent.code / "gate").touch()
        assert agent.gateway.end(agent.gateway.payload()).text == "mine"
        assert other.whole().status == 200
        other.close()


def test_a_new_owner_of_an_instance_that_closes_is_told_when_nothing_runs_any_more():
    with pod(ends=False) as agent:
        agent.become()
        agent.send("import time\nwhile not os.path.exists('gate'): time.sleep(0.001)\nrespond(b'mine')")
        eventually(lambda: agent.state() == "Busy")
        other = agent.connect()
        closed = other.call("POST", "/close", headers=agent.bearer())
        assert (closed.status, json.loads(closed.payload)) == (202, {"running": 1})
        other.send(f"POST /adopt HTTP/1.1\r\nAuthorization: Bearer {agent.token}\r\n\r\n".encode())
        (agent.code / "gate").touch()
        assert agent.gateway.end(agent.gateway.payload()).text == "mine"
        answer = other.whole()
        assert (answer.status, reason(answer)) == (503, "Closing")
        assert agent.wait() == 0
        other.close()


def test_a_new_owner_that_counts_exactly_shuts_earlier_ones_out():
    with pod() as agent:
        agent.become()
        other = agent.connect()
        epoch = {"Mayfly-Epoch": "7"}
        assert other.call("POST", "/adopt", headers=agent.bearer() | epoch).status == 200
        for path in ("/adopt", "/invoke"):
            headers = agent.bearer() | {"Mayfly-Epoch": "6", "Lambda-Runtime-Aws-Request-Id": "late"}
            answer = agent.gateway.call("POST", path, headers=headers)
            assert (answer.status, reason(answer)) == (409, "Superseded")
        works(agent)
        other.close()


# How it starts.


@pytest.mark.parametrize(
    ("arguments", "environment", "why"),
    [
        ([], {}, "usage"),
        (["--listen", "nonsense"], {}, "no HOST:PORT"),
        (["--listen", "127.0.0.1:0"], {"MAYFLY_INSTANCE_UID": "u"}, "MAYFLY_PUBLIC_KEY"),
        (["--listen", "127.0.0.1:0"], {"MAYFLY_PUBLIC_KEY": SIGNER.modulus}, "MAYFLY_INSTANCE_UID"),
        (["--listen", "127.0.0.1:0"], {"MAYFLY_INSTANCE_UID": "u", "MAYFLY_PUBLIC_KEY": "AQAB"}, "bits"),
        (
            ["--listen", "127.0.0.1:0"],
            {
                "MAYFLY_INSTANCE_UID": "u",
                "MAYFLY_PUBLIC_KEY": SIGNER.modulus,
                "MAYFLY_POOL_LIFETIME": "soon",
            },
            "MAYFLY_POOL_LIFETIME",
        ),
    ],
)
def test_an_agent_that_could_not_tell_who_calls_does_not_start(arguments, environment, why):
    ended = subprocess.run(
        [sys.executable, "-I", "-m", "mayfly_agent", *arguments],
        env={"PATH": os.defpath, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert ended.returncode == 78
    assert why in ended.stderr


def test_signals_of_user_code_do_nothing():
    with pod() as agent:
        agent.become()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            agent.process.send_signal(number)
        works(agent)
