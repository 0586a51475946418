"""User code in a real pod: what it cannot see, change, reach or outlive. Whatever it tried, the next call works."""

import json

import pytest
from tests.cluster.accounts import SYSTEM, function, kubectl
from tests.cluster.plain_pods import STRANGER, WAITS, attempt, images, plain_pod

PROBE = """
def handler(event, context):
    scope = {}
    exec(event, scope)
    return scope.get("answer")
"""


class Inside:
    """A function that runs what it is sent."""

    name = "probe"

    def __init__(self, account):
        self.account = account

    def run(self, source):
        return self.account.invoke(self.name, source)

    def tries(self, what, *arguments):
        return self.run(f"{STRANGER}\nanswer = {attempt(what, *arguments)}\n")

    @property
    def pod(self):
        return self.account.only_pod(self.name)


@pytest.fixture(scope="module")
def probe(shared_account):
    shared_account.deploy(function(Inside.name, PROBE, timeout=60, memorySize=256, keepAlive=600))
    return Inside(shared_account)


@pytest.fixture
def inside(probe):
    """Whatever a test tries, the same instance answers the next call."""
    probe.run("answer = 1")
    before = probe.pod["metadata"]["uid"]
    yield probe
    assert probe.run("answer = 'as ever'") == "as ever"
    assert probe.pod["metadata"]["uid"] == before


# Who it is.


def test_it_is_nobody_and_can_become_nobody_else(inside):
    told = inside.run("""
import os
lines = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines())
def refused(call, *arguments):
    try:
        call(*arguments)
    except PermissionError:
        return True
    return False
answer = {
    "users": {*os.getresuid(), *os.getresgid(), *os.getgroups()} == {1000},
    "capabilities": {lines[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16},
    "no new privileges": lines["NoNewPrivs"] == "1",
    "filtered": lines["Seccomp"] == "2",
    "stays": refused(os.setuid, 0) and refused(os.setgid, 0) and refused(os.setgroups, [0]),
    "root": refused(os.chroot, "/tmp"),
}
""")
    assert all(told.values()), told


def test_it_makes_no_namespaces_of_its_own(inside):
    assert (
        inside.run("""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
answer = [flag for flag in (0x10000000, 0x20000, 0x40000000, 0x20000000) if libc.unshare(flag) == 0]
""")
        == []
    )


# The agent.


def test_the_agents_memory_environment_and_descriptors_stay_closed(inside):
    assert (
        inside.run("""
import os
opened = []
for name in ("mem", "environ", "fd", "fd/0", "fd/1", "fd/3", "maps", "cwd", "root", "exe", "task/1/mem", "task/1/fd"):
    for look in (os.readlink, os.listdir, lambda path: open(path, "rb").read(1), lambda path: os.open(path, os.O_RDWR)):
        try:
            look(f"/proc/1/{name}")
        except OSError:
            pass
        else:
            opened.append(name)
answer = opened
""")
        == []
    )


def test_its_own_environment_holds_nothing_of_the_platforms(inside):
    names = inside.run("import os\nanswer = [*os.environ]")
    assert not [name for name in names if name.startswith(("MAYFLY", "KUBERNETES", "FUNCTION_ENVIRONMENT"))]


def test_no_signal_ends_or_stops_the_agent(inside):
    inside.run("""
import os, signal
for number in range(1, signal.NSIG):
    for _ in range(20):
        os.kill(1, number)
""")
    (status,) = inside.pod["status"]["containerStatuses"]
    assert status["restartCount"] == 0
    assert "running" in status["state"]


def test_the_agent_refuses_user_code_on_every_route(inside):
    uid, key = inside.pod["metadata"]["uid"], public_key(inside.pod)
    for host in ("127.0.0.1", inside.pod["status"]["podIP"]):
        code = f"{STRANGER}\nanswer = statuses({host!r}, 8080, wrong_tokens({uid!r}, {key!r}))\n"
        found = inside.run(code)
        assert found == {"/specialise": [401], "/invoke": [401], "/adopt": [401], "/close": [401]}


def public_key(pod):
    (container,) = pod["spec"]["containers"]
    return next(each["value"] for each in container["env"] if each["name"] == "MAYFLY_PUBLIC_KEY")


# What is around it.


def test_it_reaches_no_nats(inside):
    (nats,) = json.loads(kubectl(f"--namespace={SYSTEM}", "get", "service", "mayfly-nats", "--output=json"))[
        "spec"
    ]["clusterIPs"][:1] or [None]
    pod = json.loads(kubectl(f"--namespace={SYSTEM}", "get", "pod", "mayfly-nats-0", "--output=json"))
    places = [pod["status"]["podIP"], *([nats] if nats not in (None, "None") else [])]
    assert [place for place in places if inside.tries("connects", place, 4222)] == []


def test_it_reaches_the_agent_of_no_other_function(inside):
    inside.account.deploy(function("neighbour", keepAlive=600))
    assert inside.account.invoke("neighbour", 1) == 1
    neighbour = inside.account.only_pod("neighbour")
    assert not inside.tries("connects", neighbour["status"]["podIP"], 8080)
    assert inside.account.invoke("neighbour", 2) == 2


def test_no_token_is_mounted_and_without_one_the_api_server_tells_nothing(inside):
    assert inside.run("import os\nanswer = os.path.exists('/var/run/secrets')") is False
    api = json.loads(kubectl("--namespace=default", "get", "service", "kubernetes", "--output=json"))["spec"]
    account = inside.account.name
    for path in (
        "/api/v1/namespaces",
        f"/api/v1/namespaces/{account}/secrets",
        f"/api/v1/namespaces/{account}/pods",
        f"/apis/mayfly.dev/v1beta1/namespaces/{account}/functions",
    ):
        assert inside.tries("api_server", api["clusterIP"], api["ports"][0]["port"], path) in (401, 403)


# What it can write to.

WRITABLE = """
import os, stat
writable = []
for folder, folders, files in os.walk("/"):
    folders[:] = [each for each in folders if os.path.join(folder, each) not in ("/proc", "/tmp", "/var/task")]
    for place in [folder, *(os.path.join(folder, each) for each in files)]:
        if os.access(place, os.W_OK, follow_symlinks=False) and not os.path.islink(place):
            if not stat.S_ISCHR(os.stat(place).st_mode):
                writable.append(place)
answer = sorted(writable)
"""
MEMORY = ["/dev/mqueue", "/dev/shm"]
"""Every container has them; what is written there counts as its memory."""


def test_it_writes_to_tmp_and_its_task_and_nowhere_else(inside):
    assert inside.run(WRITABLE) == MEMORY
    assert (
        inside.run("""
for place in ("/tmp/mine", "/var/task/mine"):
    open(place, "w").write("x")
answer = open("/tmp/mine").read()
""")
        == "x"
    )


def test_no_runtimes_image_has_another_place_to_write_to(shared_account):
    found = {}
    for name, image in images().items():
        pod = plain_pod(shared_account, f"image-{name}", image, *WAITS)
        found[name] = pod.run(f"import json{WRITABLE}\nprint(json.dumps(answer))")
        shared_account.kubectl("delete", "pod", pod.name, "--wait=false")
    assert found == dict.fromkeys(found, MEMORY)


def test_it_changes_nothing_in_the_kernels_file_systems(inside):
    assert (
        inside.run("""
import os
answer = [
    os.path.join(folder, each)
    for root in ("/proc/sys", "/proc/bus", "/proc/fs", "/proc/irq", "/sys")
    for folder, _, files in os.walk(root)
    for each in files
    if os.access(os.path.join(folder, each), os.W_OK)
]
""")
        == []
    )


# What outlives it.

LEAVES_CHILDREN = """
import os, sys, time
for _ in range(20):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            os.execv(sys.executable, ["left-behind", "-c", "import time; time.sleep(600)"])
        os._exit(0)
    os.wait()
time.sleep(600)
"""
SURVIVORS = """
import os
def words(pid):
    try:
        return open(f"/proc/{pid}/cmdline").read()
    except OSError:
        return ""
answer = [each for each in os.listdir("/proc") if each.isdigit() and "left-behind" in words(each)]
"""


def test_a_child_with_a_session_of_its_own_does_not_outlive_the_timeout(account):
    account.deploy(function(Inside.name, PROBE, timeout=3, keepAlive=600))
    probe = Inside(account)
    assert probe.run(LEAVES_CHILDREN.replace("time.sleep(600)\n", "") + SURVIVORS) != []
    before = probe.pod["metadata"]["uid"]
    assert account.failure(Inside.name, LEAVES_CHILDREN)["errorType"] == "Sandbox.Timedout"
    assert probe.run(SURVIVORS) == []
    # By the same agent, in the same pod.
    assert probe.pod["metadata"]["uid"] == before
