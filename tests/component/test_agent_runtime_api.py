"""The Runtime API as runtimes that nobody tamed use it: every answer, and every abuse of the protocol."""

import json
import re
import time

import pytest
from tests.component.agent_process import failure, serving, works
from tests.component.pace import a_moment

LIMIT = 6 * 1024 * 1024 + 100
TOO_LARGE = "Response payload size exceeded maximum allowed payload size (6291556 bytes)."


@pytest.fixture
def agent():
    with serving() as agent:
        yield agent


# next


def test_next_brings_the_event_and_everything_about_it(agent):
    before = time.time()
    told = json.loads(agent.invoke("tell(headers)", Lambda_Runtime_Client_Context='{"client":{}}').text)
    assert told.pop("Content-Type") == "application/json"
    assert before * 1000 + 2999 <= int(told.pop("Lambda-Runtime-Deadline-Ms")) <= time.time() * 1000 + 3000
    assert re.fullmatch(r"[0-9a-f-]{36}", told.pop("Lambda-Runtime-Aws-Request-Id"))
    assert int(told.pop("Content-Length")) == len("tell(headers)")
    assert told == {
        "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:local:default:function:f",
        "Lambda-Runtime-Trace-Id": "Root=1-5e1b4151-43a0913a12345678901234567",
        "Lambda-Runtime-Client-Context": '{"client":{}}',
    }


def test_next_leaves_out_what_is_empty_but_never_the_trace(agent):
    empty = {"Lambda_Runtime_Cognito_Identity": "", "Lambda_Runtime_Trace_Id": ""}
    told = json.loads(agent.invoke("tell({k: v.strip() for k, v in headers.items()})", **empty).text)
    assert "Lambda-Runtime-Cognito-Identity" not in told
    assert "Lambda-Runtime-Client-Context" not in told


def test_an_event_of_six_megabytes_goes_in_and_out_unchanged(agent):
    code = b"respond(event[:100] + event[100:])#"
    event = code + b"x" * (6 * 1024 * 1024 - len(code) - 1) + b"y"
    assert agent.invoke(event).payload == event


def test_next_twice_brings_the_same_invocation_again(agent):
    code = "again = next_(); tell([again[1]['Lambda-Runtime-Aws-Request-Id'] == current, again[2] == event])"
    assert json.loads(agent.invoke(code).text) == [True, True]


def test_next_again_after_the_connection_that_brought_it_died(agent):
    code = "client.socket.close(); other = Client(); other.next(); other.respond(b'on another', current)"
    assert agent.invoke(f"{code}\nclient.__dict__.update(other.__dict__)").text == "on another"
    works(agent)


def test_a_next_whose_connection_died_is_not_answered():
    dead = "dead = Client(); dead.send(message('GET', PREFIX + '/invocation/next')); dead.socket.close()"
    with serving(environment={"INIT": dead}) as agent:
        works(agent)
        works(agent)


def test_of_several_that_ask_one_gets_the_invocation():
    more = "more = [Client() for _ in range(9)]\nfor one in more: one.send(message('GET', PREFIX + '/invocation/next'))"
    with serving(environment={"INIT": more}, timeout=1) as agent:
        # It goes to the first that asked, of which the main program knows nothing: time alone can end it.
        assert failure(agent.invoke("pass"))[0] == "Sandbox.Timedout"


def test_a_program_that_hangs_up_after_every_answer_is_served(agent):
    code = """
client.__init__()
original = Client.call
def once(self, *args):
    self.__init__()
    answer = original(self, *args)
    self.socket.close()
    return answer
Client.call = once
respond(b'1')
"""
    assert agent.invoke(code).text == "1"
    assert [agent.invoke(f"respond(b'{n}')").text for n in range(5)] == list("01234")


def test_a_peer_that_asks_to_close_is_closed(agent):
    code = """
other = Client()
other.send(message('POST', f'{PREFIX}/invocation/{current}/response', b'bye', 'Connection: close\\r\\n'))
say(f'{other.read()[0]} then {other.socket.recv(1)}')
"""
    assert agent.invoke(code).text == "bye"
    agent.logged("202 then b''")


# response and error


def test_a_response_is_accepted_once_and_then_never_again(agent):
    code = "say(json.dumps([respond(b'first'), respond(b'second'), fail(b'third')]))"
    assert agent.invoke(code).text == "first"
    agent.logged("[202, 403, 403]")
    works(agent)


def test_an_id_that_is_not_running_is_refused_and_changes_nothing(agent):
    first = agent.send("previous = current; respond(b'one')")
    agent.gateway.end(agent.gateway.payload())
    code = "statuses = [respond(b'x', previous), respond(b'x', 'nobody'), fail(b'x', '%00')]; tell(statuses)"
    assert json.loads(agent.invoke(code).text) == [400, 400, 400]
    agent.logged("END", first)


def test_refusals_are_in_the_runtime_apis_form(agent):
    code = "respond(client.call('POST', PREFIX + '/invocation/x/response')[2])"
    content = json.loads(agent.invoke(code).text)
    assert content == {"errorMessage": "InvalidRequestID", "errorType": "InvalidRequestID"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/2018-06-01/runtime/restore/next", 404),
        ("POST", "/2018-06-01/runtime/invocation/next/more", 404),
        ("GET", "/2015-03-31/functions", 404),
        ("POST", "/2018-06-01/runtime/invocation/next", 405),
        ("GET", "/2018-06-01/runtime/invocation/x/response", 405),
        ("PUT", "/2018-06-01/runtime/invocation/x/error", 405),
        ("DELETE", "/2018-06-01/runtime/init/error", 405),
        ("POST", "/2018-06-01/runtime/init/error", 403),
    ],
)
def test_what_does_not_exist_or_not_now_is_refused(agent, method, path, status):
    assert agent.invoke(f"respond(str(client.call('{method}', '{path}')[0]).encode())").text == str(status)


def test_an_error_is_relayed_byte_for_byte_and_its_type_reported(agent):
    body = b'{"errorMessage": "b\xc3\xb6\xff", "errorType": "ValueError"}'
    answer = agent.invoke(f"fail({body!r}, None, 'Lambda-Runtime-Function-Error-Type: Runtime.Mine\\r\\n')")
    assert answer.payload == body
    assert answer.headers["mayfly-function-error"] == "Unhandled"
    assert (answer.report["status"], answer.report["errorType"]) == ("error", "Runtime.Mine")
    works(agent)


def test_an_empty_response_and_an_empty_error_are_answers(agent):
    assert agent.invoke("respond(b'')").text == ""
    assert agent.invoke("fail(b'')").payload == b""


def test_a_chunked_response_and_one_that_waits_to_be_asked_for_are_answers(agent):
    chunked = "message('POST', path, b'', 'Transfer-Encoding: chunked\\r\\n').replace(b'Content-Length: 0\\r\\n', b'')"
    code = "path = f'{PREFIX}/invocation/{current}/response'\n"
    body = "b'5\\r\\nhello\\r\\n' + b'1;ext=1\\r\\n!\\r\\n' + b'0\\r\\nTrailer: x\\r\\n\\r\\n'"
    assert agent.invoke(f"{code}client.send({chunked} + {body}); client.read()").text == "hello!"
    expect = """
client.send(message('POST', path, b'12345', 'Expect: 100-continue\\r\\n')[:-5])
while b'\\r\\n\\r\\n' not in client.buffer: client.more()
say(client.buffer)
client.buffer = b''
client.send(b'12345')
client.read()
"""
    assert agent.invoke(code + expect).text == "12345"
    agent.logged("HTTP/1.1 100 Continue")


def test_the_largest_response_is_an_answer(agent):
    assert len(agent.invoke(f"respond(b'x' * {LIMIT})").payload) == LIMIT


def test_a_response_that_is_too_large_is_refused_and_the_caller_told(agent):
    answer = agent.invoke(f"say(str(respond(b'x' * {LIMIT + 1})))")
    assert failure(answer) == ("Function.ResponseSizeTooLarge", TOO_LARGE)
    assert answer.report["errorType"] == "Function.ResponseSizeTooLarge"
    agent.logged("413")
    works(agent)


def test_an_endless_response_is_refused_while_it_is_still_being_sent():
    code = """
path = f'{PREFIX}/invocation/{current}/response'
head = message('POST', path, b'', 'Transfer-Encoding: chunked\\r\\n').replace(b'Content-Length: 0\\r\\n', b'')
client.send(head)
while True:
    client.send(b'10000\\r\\n' + b'x' * 65536 + b'\\r\\n')
"""
    with serving(timeout=1) as agent:
        agent.send(code)
        answer = agent.gateway.payload()
        assert answer.seconds < a_moment()
        assert failure(answer) == ("Function.ResponseSizeTooLarge", TOO_LARGE)
        assert agent.gateway.end(answer).report["status"] == "timeout"
        works(agent)


def test_half_a_response_is_none():
    half = "message('POST', f'{PREFIX}/invocation/{current}/response', b'0123456789')[:-5]"
    with serving(timeout=1) as agent:
        answer = agent.invoke(
            f"other = Client(); other.send({half}); other.socket.close()\nimport time; time.sleep(9)"
        )
        assert failure(answer)[0] == "Sandbox.Timedout"
        works(agent)
