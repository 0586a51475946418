"""A function that fails: 200, `X-Amz-Function-Error: Unhandled`, and the runtime's own words or the platform's."""

import pytest
from tests.conformance.functions import TOLD, declare, declare_on_each
from tests.conformance.runtimes import (
    ALL,
    GO,
    NODES,
    PROVIDED,
    PYTHON,
    PYTHONS,
    on,
    on_each,
    on_each_node,
    on_each_python,
)
from tests.conformance.waiting import at_once

RAISES = declare_on_each("raises", among=PYTHONS, handler="app.raise_error")
IMPORTING = [*PYTHONS, *NODES]
MISSING = declare_on_each("lacks-a-module", among=IMPORTING, handler="missing_module.handler")
RAISING = declare_on_each("raises-at-import", among=IMPORTING, handler="raises_at_import.handler")
EXITING = declare_on_each("exits-at-import", among=IMPORTING, handler="exits_at_import.handler")
HANDLERLESS = declare_on_each("has-no-handler", among=IMPORTING, handler="no_handler.handler")
BROKEN = declare("has-a-syntax-error", handler="syntax_error.handler")
EXITING_PROVIDED = declare("exits-at-start", on=PROVIDED, code={"directory": "../code/provided-exits"})
HUNGRY = declare_on_each("hungry", among=IMPORTING, memorySize=128)
KILLABLE = [runtime for runtime in ALL if runtime.family in ("python", "nodejs")]


def failed(answer):
    """An Unhandled answer's payload."""
    assert (answer.status, answer.error, answer.version) == (200, "Unhandled", "$LATEST")
    assert answer.headers["content-type"] == "application/json"
    return answer.json


def exit_error(answer, how):
    return {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {answer.request_id} Error: {how}"}


def works_again(mayfly, runtime):
    answer = mayfly.invoke(TOLD[runtime.key], runtime.echo("again"))
    return (answer.json, answer.error) == ("again", None)


@on_each_python
def test_a_python_handler_that_raises_is_answered_with_its_clients_own_body(mayfly, runtime):
    answer = mayfly.invoke(RAISES[runtime.key], {"message": "no croissants left"})
    body = failed(answer)
    (frame,) = body.pop("stackTrace")
    assert body == {
        "errorMessage": "no croissants left", "errorType": "OutOfStock", "requestId": answer.request_id
    }  # fmt: skip
    assert frame.startswith('  File "/')
    assert '/app.py", line ' in frame
    assert "in raise_error\n    raise OutOfStock" in frame


@on_each_node
@pytest.mark.parametrize("do", ["error", "rejected", "callbackError"])
def test_a_node_handler_that_fails_is_answered_with_its_clients_own_body(mayfly, runtime, do):
    body = failed(mayfly.invoke(TOLD[runtime.key], runtime.event(do, message="no croissants left")))
    trace = body.pop("trace")
    assert body == {"errorType": "OutOfStock", "errorMessage": "no croissants left"}
    assert trace[0] == "OutOfStock: no croissants left"
    assert "told.mjs" in trace[1]


@on_each_node
def test_a_node_handler_that_throws_a_string_is_answered_with_its_clients_own_body(mayfly, runtime):
    body = failed(mayfly.invoke(TOLD[runtime.key], runtime.event("errorText", message="no croissants left")))
    assert body == {"errorType": "string", "errorMessage": "no croissants left", "trace": []}


@on_each_node
def test_a_node_handler_that_answers_by_callback_is_answered(mayfly, runtime):
    answer = mayfly.invoke(TOLD[runtime.key], runtime.event("callback", value={"a": 1}))
    assert (answer.json, answer.error) == ({"a": 1}, None)


@on_each_node
def test_an_exception_that_node_never_catches_is_the_answer(mayfly, runtime):
    body = failed(mayfly.invoke(TOLD[runtime.key], runtime.event("uncaught", message="no croissants left")))
    assert body["errorType"] == "OutOfStock"
    assert body["errorMessage"] == "no croissants left"
    assert works_again(mayfly, runtime)


@on(GO)
@pytest.mark.parametrize(("do", "error_type"), [("error", "errorString"), ("typed error", "outOfStock")])
def test_a_go_handler_that_returns_an_error_is_answered_with_its_clients_own_body(
    mayfly, runtime, do, error_type
):
    body = failed(mayfly.invoke(TOLD[runtime.key], runtime.event(do, message="no croissants left")))
    assert body == {"errorType": error_type, "errorMessage": "no croissants left"}


@on(GO)
def test_a_go_handler_that_panics_is_answered_with_its_clients_own_body_and_runs_again(mayfly, runtime):
    body = failed(mayfly.invoke(TOLD[runtime.key], runtime.event("panic", message="no croissants left")))
    assert body["errorMessage"] == "no croissants left"
    assert body["stackTrace"]
    assert works_again(mayfly, runtime)


@pytest.mark.parametrize(
    "text",
    ['{"errorType":"Mine","errorMessage":"grüezi","more":[1, 2 ,3]}', "no JSON at all", '"text"', ""],
    ids=["object", "no JSON", "string", "nothing"],
)
def test_the_runtimes_error_body_is_relayed_unchanged(mayfly, text):
    answer = mayfly.invoke(TOLD[PROVIDED.key], {"do": "error_text", "text": text})
    assert (answer.status, answer.error, answer.body) == (200, "Unhandled", text.encode())


@on_each
def test_an_error_is_never_called_handled(mayfly, runtime):
    event = runtime.event("error", message="no", error={"errorType": "Handled", "errorMessage": "no"})
    assert mayfly.invoke(TOLD[runtime.key], event).error == "Unhandled"


@on_each_python
def test_a_missing_module_is_an_import_module_error(mayfly, runtime):
    assert failed(mayfly.invoke(MISSING[runtime.key], {})) == {
        "errorMessage": "Unable to import module 'missing_module': No module named 'croissants_that_nobody_baked'",
        "errorType": "Runtime.ImportModuleError",
        "requestId": "",
        "stackTrace": [],
    }


@on_each_node
def test_a_missing_package_is_an_import_module_error(mayfly, runtime):
    body = failed(mayfly.invoke(MISSING[runtime.key], {}))
    assert body["errorType"] in ("Runtime.ImportModuleError", "Error")
    assert "croissants-that-nobody-baked" in body["errorMessage"]
    assert "trace" in body


@on_each_python
def test_an_exception_at_import_keeps_its_class_and_has_no_request_id(mayfly, runtime):
    body = failed(mayfly.invoke(RAISING[runtime.key], {}))
    assert body.pop("stackTrace")
    assert body == {"errorMessage": "the oven is off", "errorType": "ZeroDivisionError", "requestId": ""}


@on_each_node
def test_an_exception_at_import_of_node_keeps_its_class(mayfly, runtime):
    body = failed(mayfly.invoke(RAISING[runtime.key], {}))
    assert (body["errorType"], body["errorMessage"]) == ("RangeError", "the oven is off")


def test_a_syntax_error_is_a_user_code_syntax_error(mayfly):
    body = failed(mayfly.invoke(BROKEN, {}))
    assert body["errorType"] == "Runtime.UserCodeSyntaxError"
    assert body["requestId"] == ""


@on(*IMPORTING)
def test_a_missing_handler_is_a_handler_not_found_error(mayfly, runtime):
    body = failed(mayfly.invoke(HANDLERLESS[runtime.key], {}))
    assert body["errorType"] == "Runtime.HandlerNotFound"
    expected = "Handler 'handler' missing on module 'no_handler'"
    assert body["errorMessage"] == (
        expected if runtime.family == "python" else "no_handler.handler is undefined or not exported"
    )


@on(*(runtime for runtime in ALL if runtime.family != "provided"))
@pytest.mark.parametrize(
    ("status", "how"),
    [
        (0, "Runtime exited without providing a reason"),
        (3, "Runtime exited with error: exit status 3"),
        (255, "Runtime exited with error: exit status 255"),
    ],
)
def test_a_runtime_that_exits_is_an_exit_error_and_runs_again(mayfly, runtime, status, how):
    answer = mayfly.invoke(TOLD[runtime.key], runtime.event("exit", status=status))
    assert failed(answer) == exit_error(answer, how)
    assert works_again(mayfly, runtime)


@on_each_python
def test_a_sys_exit_in_the_handler_is_an_exit_error(mayfly, runtime):
    answer = mayfly.invoke(TOLD[runtime.key], {"do": "system_exit", "status": 4})
    assert failed(answer) == exit_error(answer, "Runtime exited with error: exit status 4")


@on(PROVIDED)
def test_a_scripted_runtime_that_exits_is_an_exit_error_and_runs_again(mayfly, runtime):
    answer = mayfly.invoke(TOLD[runtime.key], {"do": "silent_exit", "status": 5})
    assert failed(answer) == exit_error(answer, "Runtime exited with error: exit status 5")
    assert works_again(mayfly, runtime)


@on(*KILLABLE)
def test_a_runtime_that_is_killed_is_an_exit_error_and_runs_again(mayfly, runtime):
    answer = mayfly.invoke(TOLD[runtime.key], {"do": "kill_self", "signal": "SIGKILL"})
    assert failed(answer) == exit_error(answer, "Runtime exited with error: signal: killed")
    assert works_again(mayfly, runtime)


@pytest.mark.parametrize(
    ("signal", "word"),
    [
        ("SIGINT", "interrupt"),
        ("SIGTERM", "terminated"),
        ("SIGSEGV", "segmentation fault"),
        ("SIGABRT", "aborted"),
        ("SIGHUP", "hangup"),
    ],
)
def test_the_signal_that_ended_a_runtime_is_named(mayfly, signal, word):
    answer = mayfly.invoke(TOLD[PYTHON.key], {"do": "kill_self", "signal": signal})
    assert failed(answer) == exit_error(answer, f"Runtime exited with error: signal: {word}")


@on(*IMPORTING)
def test_an_exit_at_import_is_an_exit_error(mayfly, runtime):
    answer = mayfly.invoke(EXITING[runtime.key], {})
    assert failed(answer) == exit_error(answer, "Runtime exited with error: exit status 3")


def test_an_exit_at_the_start_of_a_scripted_runtime_is_an_exit_error(mayfly):
    answer = mayfly.invoke(EXITING_PROVIDED, {})
    assert failed(answer) == exit_error(answer, "Runtime exited with error: exit status 5")


@pytest.mark.parametrize("runtime", [PYTHON], ids=str)
def test_a_function_that_cannot_start_fails_every_call(mayfly, runtime):
    first, second = (mayfly.invoke(MISSING[runtime.key], {}) for _ in range(2))
    assert failed(first) == failed(second)


@on(*IMPORTING)
def test_more_memory_than_the_function_has_is_an_out_of_memory_error(mayfly, runtime):
    answer = mayfly.invoke(HUNGRY[runtime.key], {"do": "oom"})
    assert failed(answer) == exit_error(answer, "Runtime exited with error: signal: killed") | {
        "errorType": "Runtime.OutOfMemory"
    }
    assert mayfly.invoke(HUNGRY[runtime.key], "again").json == "again"


def test_an_error_of_one_call_is_no_other_calls(mayfly):
    told = TOLD[PYTHON.key]
    events = [{"do": "raise_error", "message": str(number)} if number % 2 else number for number in range(10)]
    answers = at_once([lambda event=event: mayfly.invoke(told, event) for event in events])
    for number, answer in enumerate(answers):
        assert (answer.json["errorMessage"] if number % 2 else str(answer.json)) == str(number)
