"""A Function that is applied is called with the AWS SDK; its pods come with the calls and go with the silence."""

import concurrent.futures
import json

from tests.cluster.accounts import function, until

HOLD = "import time\ndef handler(event, context):\n    time.sleep(event or 0)\n    return context.aws_request_id\n"


def test_no_pod_before_the_call_one_after_it_and_none_once_it_is_idle(account):
    account.deploy(function("hello", keepAlive=3))
    assert account.pods("hello") == []
    assert account.invoke("hello", {"a": 1}) == {"a": 1}
    account.only_pod("hello")
    until(lambda: not account.pods("hello"), "the idle pod is gone", within=30)
    assert account.get("version", "hello.latest")["spec"]["instances"] == 0
    assert account.invoke("hello", {"a": 2}) == {"a": 2}


def test_the_state_is_shown(account):
    account.deploy(function("hello"))
    account.invoke("hello")
    account.becomes("hello", "Available")
    row = until(
        lambda: (row := account.kubectl("get", "functions").splitlines()[1].split())[5:6] == ["1"] and row,
        "one instance is shown",
    )
    assert row[:5] == ["hello", "python3.13", "128", "True", "Available"]


def test_forty_calls_at_zero_get_forty_answers_from_at_most_forty_pods(account):
    account.deploy(function("many", HOLD, timeout=60))
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: account.invoke("many", 0.2), range(40)))
    assert len(set(answers)) == 40
    events = json.loads(account.kubectl("get", "events", "--output=json"))["items"]
    pods = {each["involvedObject"]["name"] for each in events if each["involvedObject"]["kind"] == "Pod"}
    # Those that wait for any function are another matter, until one became this one's.
    created = {name for name in pods if name.startswith("many")}
    taken = {name for pod in account.pods("many") if (name := pod["metadata"]["name"]) not in created}
    assert 1 <= len(created | taken) <= 40


def test_a_change_is_served_by_the_next_call(account):
    account.deploy(function("hello", "def handler(event, context): return 1\n"))
    assert account.invoke("hello") == 1
    account.apply(function("hello", "def handler(event, context): return 2\n"))
    until(lambda: account.invoke("hello") == 2, "the new code answers")
    until(lambda: len(account.pods("hello")) == 1, "the old instance is gone")


def test_secrets_and_config_maps_are_environment_in_the_order_of_precedence(account):
    account.kubectl(
        "create", "secret", "generic", "keys", "--from-literal=FROM_SECRET=s", "--from-literal=BOTH=secret"
    )
    account.kubectl("create", "configmap", "names", "--from-literal=FROM_MAP=m", "--from-literal=BOTH=map")
    code = "import os\ndef handler(event, context): return {key: os.environ.get(key) for key in event}\n"
    environment = {"variables": {"PLAIN": "p"}, "secretRefs": ["keys"], "configMapRefs": ["names"]}
    account.deploy(function("env", code, environment=environment))
    asked = ["FROM_SECRET", "FROM_MAP", "BOTH", "PLAIN", "MAYFLY_PUBLIC_KEY", "KUBERNETES_SERVICE_HOST"]
    found = account.invoke("env", asked)
    assert found == dict(zip(asked, ["s", "m", "secret", "p", None, None], strict=True))


def test_code_comes_from_a_config_map(account):
    account.kubectl(
        "create", "configmap", "code", "--from-literal=app.py=def handler(event, context): return 'map'"
    )
    mapped = function("mapped")
    mapped["spec"]["code"] = {"configMap": {"name": "code"}}
    account.deploy(mapped)
    assert account.invoke("mapped") == "map"


def test_every_runtime_answers(account):
    node = function("node", runtime="nodejs22.x")
    node["spec"] |= {
        "handler": "app.handler",
        "code": {"inline": {"app.mjs": "export const handler = async (event) => ({node: event});\n"}},
    }
    account.deploy(function("new"), function("old", runtime="python3.11"), node)
    assert account.invoke("new", 1) == 1
    assert account.invoke("old", 2) == 2
    assert account.invoke("node", 3) == {"node": 3}


def test_an_error_of_the_function_is_its_own(account):
    account.deploy(function("wrong", "def handler(event, context):\n    raise ValueError('no')\n"))
    failure = account.failure("wrong")
    assert (failure["errorType"], failure["errorMessage"]) == ("ValueError", "no")


def test_two_functions_renamed_into_each_other_answer_by_their_new_names(account):
    one = function("one", "def handler(event, context): return 'one'\n", functionName="Left")
    two = function("two", "def handler(event, context): return 'two'\n", functionName="Right")
    account.apply(one, two)
    account.known("Left")
    account.known("Right")
    assert (account.invoke("Left"), account.invoke("Right")) == ("one", "two")
    one["spec"]["functionName"], two["spec"]["functionName"] = "Right", "Left"
    account.apply(one, two)
    until(lambda: _answer(account, "Left") == "two", "Left is two")
    until(lambda: _answer(account, "Right") == "one", "Right is one")


def _answer(account, name):
    try:
        return account.invoke(name)
    except account.aws.exceptions.ResourceNotFoundException:
        return None
