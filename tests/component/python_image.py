"""What the Python runtime's image holds, in a folder: the real bootstrap, standby and client, and an agent on top.

The image's interpreter has its packages' folder for itself; here that is a virtual environment's.
"""

import contextlib
import json
import site
import sys
import tempfile
import venv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.component.agent_process import Answer, Gateway
from tests.component.pod_agent import PodAgent, packed, pod

SOURCES = Path(__file__).resolve().parents[2] / "runtime-images/python"


class PythonImage:
    """The image's folders: of the runtime, of its interpreter (/var/lang), and of code (/var/task)."""

    def __init__(self, home: Path) -> None:
        self.runtime = home / "runtime"
        self.interpreter = home / "lang"
        self.task = home / "task"
        venv.create(self.interpreter, symlinks=True)
        self.runtime.mkdir()
        self.task.mkdir()
        for name in ("bootstrap", "mayfly_standby.py"):
            (self.runtime / name).write_bytes((SOURCES / name).read_bytes())
        (self.runtime / "bootstrap").chmod(0o755)
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        packages = self.interpreter / "lib" / version / "site-packages"
        (packages / "runtime.pth").write_text(self.here((SOURCES / "runtime.pth").read_text()))
        # The client itself, which in an image is beside the bootstrap.
        (packages / "client.pth").write_text("\n".join(site.getsitepackages()))
        self.description = json.loads(self.here((SOURCES / "standby.json").read_text()))

    def here(self, text: str) -> str:
        """The text with the folder's paths for the image's."""
        for path in (self.runtime, self.interpreter, self.task):
            text = text.replace(f"/var/{path.name}", str(path))
        return text

    @property
    def environment(self) -> dict[str, str]:
        """A function's environment by default."""
        return {
            **self.description["environment"],
            "_HANDLER": "app.handler",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info[0]}.{sys.version_info[1]}",
        }

    @contextlib.contextmanager
    def agent(
        self, *, standby: bool = True, ends: bool = True, description: dict[str, Any] | None = None
    ) -> Iterator[PodAgent]:
        """A bare agent of this image, with its standby (or one of this description) or without."""
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(description or self.description, file)
            file.flush()
            variables = {"MAYFLY_STANDBY": file.name} if standby else {}
            with pod(variables=variables, ends=ends) as agent:
                yield agent

    def become(
        self,
        agent: PodAgent,
        code: str,
        *,
        environment: Mapping[str, str | None] | None = None,
        more: Mapping[str, str] | None = None,
        gateway: Gateway | None = None,
        **changes: Any,
    ) -> Answer:
        """Make it the function of this code and of `more` files. A variable that is None is not there at all."""
        variables = {**self.environment, "PWD": str(agent.code), **(environment or {})}
        package = packed({"app.py": code, **(more or {})})
        instruction = agent.instruction(
            package,
            command=[str(self.runtime / "bootstrap")],
            environment={
                **agent.body()["environment"],
                **{name: value for name, value in variables.items() if value is not None},
            },
            **changes,
        )
        answer = agent.specialise_with(instruction, package, gateway=gateway)
        assert answer.status == 200, answer
        return answer


def waits(pid: int) -> bool:
    """Whether the process waits for a message at a socket, its imports behind it."""
    try:
        return "skb" in Path(f"/proc/{pid}/wchan").read_text() or _in_read(pid)
    except OSError:
        return False


def _in_read(pid: int) -> bool:
    # The descriptor at which a standby waits is the first argument of the call that it is in.
    words = Path(f"/proc/{pid}/syscall").read_text().split()
    return len(words) > 2 and int(words[1], 16) == 4 and Path(f"/proc/{pid}/fd/4").exists()
