"""The cluster, by `kubectl`: what every user of a cluster has, with every way to sign in that a kubeconfig knows.

Rule: what kubectl says of a failure is what the person reads. Nothing here waits for ever.
"""

import contextlib
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mayfly_model.labels import CLI_FIELD_MANAGER, GATEWAY_FIELD_MANAGER, GROUP

REQUEST_TIME = 30
"""Seconds for one request to the API server."""
COMMAND_TIME = 300.0
"""Seconds for one kubectl, which makes a request for each object."""
FORWARD_TIME = 30.0
"""Seconds until a way to the gateway stands."""
LOOK_TIME = 10
"""Seconds for a look that others do without."""
POD_TIME = 20
"""Seconds of them for a gateway to run."""

Json = Mapping[str, Any]
Key = tuple[str, str]
"""Kind and name of an object, within a namespace."""

_CONFLICTS = re.compile(r"Apply failed with \d+ conflicts?: ")
_CONFLICT = re.compile(r'conflicts? with "(?P<manager>[^"]*)".*?:(?: (?P<field>\S*))?$')
_MANAGERS = {
    "kubectl": "kubectl apply --server-side",
    "kubectl-client-side-apply": "kubectl apply",
    "kubectl-edit": "kubectl edit",
    "kubectl-patch": "kubectl patch",
    GATEWAY_FIELD_MANAGER: "the Lambda API",
}
"""Field managers, in the words of who was one."""
_FORWARDING = re.compile(r"Forwarding from (127\.0\.0\.1:\d+)")


class KubectlFailed(Exception):  # noqa: N818 - what the person reads, not a defect
    """The cluster could not be asked, or refused; the text is for people."""


class Conflicts(KubectlFailed):
    """Somebody else has set fields otherwise; the text names fields and who set them."""


class Kubectl:
    """Speaks to the cluster of the kubeconfig's current context, or of another."""

    def __init__(self, context: str | None = None) -> None:
        """Find the program.

        Raises:
            KubectlFailed: there is none.
        """
        beside = str(Path(sys.executable).parent)
        program = shutil.which("kubectl") or shutil.which("kubectl", path=beside)
        if program is None:
            raise KubectlFailed(
                "kubectl is not on the PATH, and this command speaks to the cluster through it:"
                " https://kubernetes.io/docs/tasks/tools/"
            )
        self._command = [program, *([f"--context={context}"] if context else [])]

    def namespace(self) -> str:
        """The context's namespace."""
        path = "--output=jsonpath={.contexts[0].context.namespace}"
        return self._run("config", "view", "--minify", path) or "default"

    def lacks(self, namespace: str) -> bool:
        """Whether the cluster says that it has no such namespace."""
        words = ("--ignore-not-found", "--output=name", f"--request-timeout={LOOK_TIME}s")
        try:
            return not self._run("get", "namespace", namespace, *words)
        except KubectlFailed:
            # Who may not look at namespaces may have one nevertheless; what else is wrong shows by and by.
            return False

    def get(self, namespace: str, objects: Iterable[Json]) -> dict[Key, Json]:
        """The same objects as the cluster has them; those that it does not have are left out."""
        return _by_key(self._with(objects, "get", namespace, "--ignore-not-found", "--output=json"))

    def ours(self, namespace: str, keys: Iterable[Key]) -> dict[Key, Json]:
        """Objects of Mayfly's kinds as the cluster has them; those that it does not have are left out."""
        names = (f"{kind.lower()}.{GROUP}/{name}" for kind, name in keys)
        words = ("--ignore-not-found", "--output=json", f"--namespace={namespace}")
        return _by_key(self._run("get", *names, *words, f"--request-timeout={REQUEST_TIME}s"))

    def secrets(self, namespace: str, names: Iterable[str]) -> frozenset[str]:
        """Which of these Secrets there are; of none is anything told but its name."""
        words = ("--ignore-not-found", "--output=name", f"--namespace={namespace}")
        found = self._run(
            "get", *(f"secret/{name}" for name in names), *words, f"--request-timeout={REQUEST_TIME}s"
        )
        return frozenset(line.partition("/")[2] for line in found.split())

    def apply(self, namespace: str, objects: Iterable[Json], *, force: bool) -> None:
        """Server-side apply; `force` takes fields over that somebody else has set otherwise.

        Raises:
            Conflicts: somebody else has set fields of one of them, of which kubectl does not say.
            KubectlFailed: the cluster refuses, or does not answer.
        """
        words = ["--server-side", f"--field-manager={CLI_FIELD_MANAGER}"]
        self._with(objects, "apply", namespace, *words, *(["--force-conflicts"] if force else []))

    @contextlib.contextmanager
    def forwarded(self, namespace: str, service: str, port: str) -> Iterator[str]:
        """A way to a Service's port, for as long as the context lasts; gives the URL on this machine."""
        words = [f"--namespace={namespace}", "port-forward", f"service/{service}", f":{port}"]
        options = ["--address=127.0.0.1", f"--pod-running-timeout={POD_TIME}s"]
        with subprocess.Popen(
            [*self._command, *words, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            watchdog = threading.Timer(FORWARD_TIME, process.kill)
            watchdog.start()
            try:
                where = _forwarding(process)
                # What goes over it may take longer.
                watchdog.cancel()
                yield f"http://{where}"
            finally:
                watchdog.cancel()
                process.terminate()

    def _with(self, objects: Iterable[Json], verb: str, namespace: str, *words: str) -> str:
        content = json.dumps({"apiVersion": "v1", "kind": "List", "items": [dict(each) for each in objects]})
        place = (f"--namespace={namespace}", f"--request-timeout={REQUEST_TIME}s", "--filename=-")
        return self._run(verb, *words, *place, stdin=content)

    def _run(self, *words: str, stdin: str | None = None) -> str:
        try:
            done = subprocess.run(
                [*self._command, *words],
                capture_output=True,
                text=True,
                input=stdin or "",
                timeout=COMMAND_TIME,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise KubectlFailed(f"kubectl {words[0]} did not end within {COMMAND_TIME:g} s.") from None
        except OSError as error:
            raise KubectlFailed(f"kubectl cannot be run: {error.strerror}.") from error
        if done.returncode != 0:
            said = done.stderr.strip() or f"kubectl {words[0]} failed."
            if (found := conflicts(said)) is not None:
                raise Conflicts(found)
            raise KubectlFailed(explained(said))
        return done.stdout


def explained(message: str) -> str:
    """What kubectl said of a failure, and what to do where that is known."""
    message = message.removeprefix("error: ")
    if "current-context must exist" in message:
        return "There is no cluster to deploy to: set KUBECONFIG, or a current context in ~/.kube/config."
    if "no matches for kind" in message and "mayfly.dev" in message:
        return f"{message}\nThis cluster has no Mayfly, or an older one: install its chart first."
    return message


def conflicts(message: str) -> str | None:
    """Which fields who has set otherwise, of what kubectl says of one apply; None if it says no such thing."""
    if (begin := _CONFLICTS.search(message)) is None:
        return None
    manager, found = "", []
    for line in message[begin.end() :].splitlines():
        if (named := _CONFLICT.match(line)) is not None:
            manager = _MANAGERS.get(named["manager"], named["manager"])
            fields = [named["field"]] if named["field"] else []
        elif line.startswith("- "):
            fields = [line[2:]]
        else:
            break
        found += [f"{field.removeprefix('.')} was set by {manager}" for field in fields]
    return ", ".join(found) or None


def _forwarding(process: subprocess.Popen[str]) -> str:
    """Host and port as kubectl says them; what it says later is read and forgotten, so that it never waits."""
    said = ""
    for line in process.stdout or ():
        said += line
        if (found := _FORWARDING.match(line)) is not None:
            threading.Thread(target=_forget, args=[process.stdout], daemon=True).start()
            return found[1]
    words = explained(said.strip() or "no answer")
    if words == "timed out waiting for the condition":
        words = "no pod of its Service is running"
    raise KubectlFailed(
        f"The gateway cannot be reached through the cluster's API: {words}\n"
        "--system-namespace says where Mayfly is installed, --endpoint how else to reach its gateway."
    )


def _forget(lines: Iterable[str]) -> None:
    for _ in lines:
        pass


def _by_key(found: str) -> dict[Key, Json]:
    """One object or a List, as kubectl prints them; nothing at all for none."""
    content = json.loads(found) if found.strip() else {"items": []}
    return {(each["kind"], each["metadata"]["name"]): each for each in content.get("items", [content])}
