"""Operators of the tests' own, as processes beside the cluster, and kubectl for what they do."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.component.signing import Signer, private_key

ROOT = Path(__file__).resolve().parents[2]
KUBECTL = Path(sys.executable).with_name("kubectl")
RELEASE_NAMESPACE = "mayfly-system"
RUNTIMES = """
- {name: python3.13, family: python, version: "3.13", image: "localhost/mayfly/runtime-python3.13:dev",
   bootstrap: /var/runtime/bootstrap}
- {name: missing, family: python, version: "0", image: "localhost/mayfly/nobody-made-this:dev", bootstrap: /nothing}
- {name: crashing, family: python, version: "0", image: "localhost/mayfly/control-plane:dev", bootstrap: /nothing}
"""
# What Helm looks for in objects that it did not create.
_HELMS = {
    "labels": {"app.kubernetes.io/managed-by": "Helm"},
    "annotations": {
        "meta.helm.sh/release-name": "mayfly",
        "meta.helm.sh/release-namespace": RELEASE_NAMESPACE,
    },
}

Json = dict[str, Any]


def run(*words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """A kubectl command."""
    return subprocess.run([KUBECTL, *words], capture_output=True, text=True, input=stdin, check=False)


def until(found: Callable[[], Any], what: str, *, within: float = 30.0) -> Any:
    """The first true answer."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        answer = found()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {within} s")


@dataclass
class Namespace:
    """A namespace and what tests do in it."""

    name: str

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        done = run(f"--namespace={self.name}", *words, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def get(self, kind: str, name: str) -> Json | None:
        done = run(f"--namespace={self.name}", "get", kind, name, "--output=json")
        return json.loads(done.stdout) if done.returncode == 0 else None

    def all(self, kind: str, selector: str = "") -> list[Json]:
        found: list[Json] = json.loads(self.kubectl("get", kind, "--output=json", f"--selector={selector}"))[
            "items"
        ]
        return found

    def pods(self, function: str) -> list[Json]:
        return self.all("pods", f"mayfly.dev/function={function}")

    def apply(self, *items: Json) -> None:
        self.kubectl(
            "apply",
            "--filename=-",
            stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(items)}),
        )

    def scale(self, version: str, instances: int) -> None:
        self.kubectl("scale", f"versions.mayfly.dev/{version}", f"--replicas={instances}")

    def ready(self, kind: str, name: str) -> tuple[str, str]:
        """Status and reason of `Ready`."""
        return _ready(self.get(kind, name))[:2]

    def message(self, function: str) -> str:
        return _ready(self.get("functions.mayfly.dev", function))[2]

    def until_ready(self, function: str, reason: str = "Available", *, within: float = 30.0) -> Json:
        """The Function, when `Ready` has this reason for what it is now."""

        def found() -> Json | None:
            item = self.get("functions.mayfly.dev", function)
            current = (
                item and item.get("status", {}).get("observedGeneration") == item["metadata"]["generation"]
            )
            return item if current and _ready(item)[1] == reason else None

        with contextlib.suppress(AssertionError):
            answer: Json = until(found, "", within=within)
            return answer
        raise AssertionError(f"{function} is {self.ready('functions.mayfly.dev', function)} and not {reason}")

    def until_running(self, function: str, count: int, *, within: float = 60.0) -> list[Json]:
        def found() -> list[Json]:
            pods = [each for each in self.pods(function) if each["status"].get("phase") == "Running"]
            return pods if len(pods) == count else []

        answer: list[Json] = until(found, f"{count} running instances of {function}", within=within)
        return answer

    def events(self, function: str) -> list[Json]:
        return [each for each in self.all("events") if each["involvedObject"]["name"] == function]


def _ready(item: Json | None) -> tuple[str, str, str]:
    conditions = (item or {}).get("status", {}).get("conditions", [])
    for each in conditions:
        if each["type"] == "Ready":
            return each["status"], each["reason"], each.get("message", "")
    return "", "", ""


def function(name: str, **spec: Any) -> Json:
    """A Function's manifest."""
    code = {"inline": {"app.py": "def handler(event, context):\n    return 'hello'\n"}}
    content = {"runtime": "python3.13", "handler": "app.handler", "code": code} | spec
    return {
        "apiVersion": "mayfly.dev/v1beta1",
        "kind": "Function",
        "metadata": {"name": name},
        "spec": content,
    }


@contextlib.contextmanager
def namespace(prefix: str, labels: dict[str, str] | None = None) -> Iterator[Namespace]:
    """A namespace that goes with the tests."""
    made = Namespace(f"{prefix}-{uuid.uuid4().hex[:8]}")
    item = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": made.name, "labels": labels or {}}}
    assert run("create", "--filename=-", stdin=json.dumps(item)).returncode == 0
    try:
        until(
            lambda: run(f"--namespace={made.name}", "get", "serviceaccount", "default").returncode == 0,
            "account",
        )
        yield made
    finally:
        run("delete", "namespace", made.name, "--wait=false")


@contextlib.contextmanager
def nobody_else() -> Iterator[None]:
    """CRDs, and nobody but the tests who acts on them: an installation is stopped for the time.

    Its gateways too: they would take the tests' instances over and close them once they have been idle.
    """
    _install_crds()
    with _stopped("operator"), _stopped("gateway"):
        yield


@contextlib.contextmanager
def _stopped(component: str) -> Iterator[None]:
    where, name = f"--namespace={RELEASE_NAMESPACE}", f"mayfly-{component}"
    asked = run(where, "get", "deployment", name, "--output=jsonpath={.spec.replicas}").stdout
    if asked not in ("", "0"):
        run(where, "scale", "deployment", name, "--replicas=0")
        labels = f"--selector=app.kubernetes.io/component={component}"
        run(where, "wait", "pod", labels, "--for=delete", "--timeout=60s")
    try:
        yield
    finally:
        if asked not in ("", "0"):
            run(where, "scale", "deployment", name, f"--replicas={asked}")
            run(where, "rollout", "status", "deployment", name, "--timeout=60s")


def _install_crds() -> None:
    for path in sorted((ROOT / "crds").glob("*.yaml")):
        if run("get", "--filename", str(path)).returncode == 0:
            continue
        run("apply", "--server-side", "--filename", str(path))
        run("patch", "--type=merge", "--filename", str(path), "--patch", json.dumps({"metadata": _HELMS}))
        run("wait", "--for=condition=Established", "--filename", str(path))


@dataclass
class Operator:
    """An operator process."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def health(self, path: str = "/healthz") -> tuple[int, str]:
        """Status and text; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def memory(self) -> int:
        """Resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) // 1024

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@dataclass
class Operators:
    """Operators that share a Lease in a namespace of their own."""

    home: Namespace
    folder: Path
    started: list[Operator] = field(default_factory=list)
    settings: Json = field(default_factory=dict)

    def start(self, *, kubeconfig: str | None = None) -> Operator:
        name = f"operator-{len(self.started)}"
        log = self.folder / f"{name}.log"
        port = _free_port()
        environment = os.environ | {
            "KUBECONFIG": kubeconfig or os.environ["KUBECONFIG"],
            "POD_NAME": name,
            "POD_UID": "0",
            "POD_NAMESPACE": self.home.name,
            "MAYFLY_KEYS_DIR": str(self.folder),
            "MAYFLY_RUNTIMES_FILE": str(self.folder / "runtimes.yaml"),
            "MAYFLY_SETTINGS_FILE": str(self.folder / "settings.yaml"),
            "MAYFLY_HEALTH_HOST": "127.0.0.1",
            "MAYFLY_HEALTH_PORT": str(port),
        }
        (self.folder / "runtimes.yaml").write_text(RUNTIMES)
        (self.folder / "settings.yaml").write_text(json.dumps(self.settings))
        command = [sys.executable, "-m", "mayfly_operator"]
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=environment, stderr=output, stdout=output)
        self.started.append(Operator(name, process, port, log))
        return self.started[-1]

    def leader(self) -> str:
        """Who holds the Lease; empty for nobody."""
        lease = self.home.get("lease", "mayfly-operator") or {}
        return str(lease.get("spec", {}).get("holderIdentity", "")).partition("_")[0]

    def until_leading(self, operator: Operator, *, within: float = 30.0) -> None:
        until(lambda: self.leader() == operator.name, f"{operator.name} leads", within=within)
        until(lambda: operator.health("/readyz")[0] == 200, f"{operator.name} is ready", within=within)


@contextlib.contextmanager
def operators(folder: Path, settings: Json | None = None) -> Iterator[Operators]:
    """A place for operators; those that were started end with it, and what they logged is shown."""
    pem = private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    command = ["openssl", "req", "-x509", "-new", "-key", "/dev/stdin", "-subj", "/CN=mayfly", "-days", "1"]
    subprocess.run([*command, "-out", str(folder / "tls.crt")], input=pem, check=True, capture_output=True)
    with namespace("operator-home") as home:
        made = Operators(home, folder, settings=settings or {})
        try:
            yield made
        finally:
            for each in made.started:
                each.end()
                print(f"--- {each.name}\n{each.log.read_text()[-5000:]}")


_ASK = """
import http.client, sys
path, word, body = sys.argv[1:]
agent = None
while agent is None:
    try:
        agent = http.client.HTTPConnection("127.0.0.1", 8080)
        agent.connect()
    except OSError:
        agent = None
agent.request("POST", path, body, {"Authorization": f"Bearer {word}"})
agent.getresponse()
"""


def close(where: Namespace, pod: Json) -> None:
    """Have an instance become a function, and end in its own time, as gateways do."""
    function = {"name": "any", "version": "1", "memorySize": 128, "timeout": 3}
    instruction = {"token": "word", "function": function, "command": ["/bin/false"], "directory": "/var/task"}
    body = json.dumps(instruction | {"environment": {}, "runtimeVersion": "any", "revision": "0"})
    permit = Signer().permit(pod["metadata"]["uid"], body.encode())
    for words in (("/specialise", permit, body), ("/close", "word", "")):
        done = run(
            f"--namespace={where.name}", "exec", pod["metadata"]["name"], "--", "python3", "-c", _ASK, *words
        )
        # An agent that ends its runtime ends whatever runs beside it, and so who asks it from inside.
        assert done.returncode in (0, 137), done.stderr


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
