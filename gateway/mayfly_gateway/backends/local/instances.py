"""The local backend: an instance is an agent process with a directory of its own.

Rule: what an instance needs is prepared before it is asked for (`provide`), so that a launch only copies the code and
hands over an agent that already waits.
"""

import asyncio
import contextlib
import itertools
import json
import logging
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mayfly_gateway import agent_calls
from mayfly_gateway.backends import Instance
from mayfly_gateway.backends.environment import InstancePaths, defaults, environment
from mayfly_gateway.backends.instruction import instruction
from mayfly_gateway.backends.local import agents, strays
from mayfly_gateway.backends.local.code import CodeSnapshot, copy_for_instance
from mayfly_gateway.backends.local.runtimes import RuntimeCommand
from mayfly_gateway.backends.local.spares import Spares
from mayfly_gateway.catalogue import Target
from mayfly_gateway.logs import Logs
from mayfly_model.errors import LambdaError, ResourceNotReadyException, ServiceException

logger = logging.getLogger(__name__)
SWEEP_AGAIN = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What instances of one target are made of: code, the runtime's command, variables from Secrets and ConfigMaps."""

    snapshot: CodeSnapshot
    runtime: RuntimeCommand
    variables: dict[str, str] = field(repr=False)


class LocalBackend:
    """Places instances as processes below `home`, a directory that nothing else uses."""

    def __init__(self, home: Path, *, logs: Logs) -> None:
        self._home = home
        self._logs = logs
        self._numbers = itertools.count(1)
        self._deployments: dict[str, Deployment | LambdaError] = {}
        self._agents: dict[str, agents.Agent] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._spares = Spares(start=self._new_agent, destroy=self.destroy)
        self._endpoint: str | None = None
        self._starting = 0
        # What this process has started before is somebody else's.
        self._others = strays.children()

    def start(self, *, endpoint: str | None = None) -> None:
        """Adopt orphans and have agents ready. `endpoint` is the gateway's address, for SDKs in functions."""
        self._endpoint = endpoint
        strays.adopt_orphans()
        self._spares.start()

    def provide(self, digest: str, deployment: Deployment) -> None:
        """From now on targets of this digest can be launched."""
        self._deployments[digest] = deployment
        self._want()

    def refuse(self, digest: str, error: LambdaError) -> None:
        """Targets of this digest cannot be launched here, for this reason."""
        self._deployments[digest] = error

    def withdraw(self, digest: str) -> None:
        """Targets of this digest are launched no more."""
        self._deployments.pop(digest, None)
        self._want()

    async def launch(self, target: Target) -> Instance:
        """Give a waiting agent the function's code and the words that make it the function.

        Raises:
            ResourceNotReadyException: the function has changed or gone meanwhile.
            LambdaError: what `refuse` was told.
            ServiceException: the machine has no room for another process or its files.
        """
        deployment = self._deployments.get(target.digest)
        if deployment is None:
            raise ResourceNotReadyException("The function was changed while an instance of it was started.")
        if isinstance(deployment, LambdaError):
            raise deployment
        try:
            agent = await self._spares.take(deployment.runtime)
        except OSError as error:
            raise no_room(error) from error
        try:
            return await self._become(agent, target, deployment)
        except BaseException:
            await self.destroy(agent.id)
            raise

    async def _become(self, agent: agents.Agent, target: Target, deployment: Deployment) -> Instance:
        paths = places(agent.home)
        try:
            await asyncio.to_thread(paths.tmp.mkdir)
            await asyncio.to_thread(copy_for_instance, deployment.snapshot, paths.task_root)
        except OSError as error:
            raise no_room(error) from error
        agent.protocol.follow(lambda data: self._logs.feed(target.namespace, target.name, agent.id, data))
        token = secrets.token_hex(32)
        words = specialise(target, deployment, paths, token, endpoint=self._endpoint)
        request = agent_calls.specialise(json.dumps(words).encode())
        return Instance(id=agent.id, address=agent.address, token=token, specialise=request)

    def spare(self, target: Target) -> int:  # noqa: ARG002
        """None: processes that wait are started as quickly as they are taken."""
        return 0

    async def release(self, instance_id: str) -> bool:  # noqa: ARG002 - nobody would replace it
        """Nothing else counts the instances here."""
        return True

    def ending(self, instance_id: str, *, busy: bool) -> None:
        """Its place is taken by nobody."""

    async def out_of_memory(self, instance_id: str) -> bool:  # noqa: ARG002 - the agent, which saw it, is gone
        """Nobody knows here."""
        return False

    async def destroy(self, instance_id: str) -> None:
        """End the instance and everything it started. Idempotent."""
        if instance_id not in self._agents:
            return
        if instance_id not in self._ending:
            self._ending[instance_id] = asyncio.create_task(self._end(self._agents[instance_id]))
        await asyncio.shield(self._ending[instance_id])

    async def leave(self, instance_id: str) -> None:
        """As `destroy`: nobody else uses what is here."""
        await self.destroy(instance_id)

    async def close(self) -> None:
        """End every instance, then every stray, and remove the directory."""
        await self._spares.close()
        await asyncio.gather(*(self.destroy(instance_id) for instance_id in list(self._agents)))
        self._sweep()
        await asyncio.to_thread(shutil.rmtree, self._home, ignore_errors=True)

    async def _new_agent(self, runtime: RuntimeCommand | None) -> agents.Agent:
        name = f"{next(self._numbers):x}-{secrets.token_hex(4)}"
        home = self._home / name
        waiting = standby(runtime, places(home), endpoint=self._endpoint) if runtime else None
        with self.starting_processes():
            agent = await agents.start(home, on_trouble=lambda data: trouble(name, data), standby=waiting)
            self._agents[agent.id] = agent
        return agent

    def _want(self) -> None:
        deployed = self._deployments.values()
        self._spares.want(each.runtime for each in deployed if isinstance(each, Deployment))

    async def _end(self, agent: agents.Agent) -> None:
        await agents.end(agent)
        del self._agents[agent.id], self._ending[agent.id]
        if agent.transport.get_returncode() != 0:
            self._sweep()

    @contextlib.contextmanager
    def starting_processes(self) -> Iterator[None]:
        """While children are started whose pids are not known here yet, none is taken for a stray."""
        self._starting += 1
        try:
            yield
        finally:
            self._starting -= 1

    def _sweep(self) -> None:
        if self._starting:
            asyncio.get_running_loop().call_later(SWEEP_AGAIN, self._sweep)
            return
        ended = strays.end_strays({agent.pid for agent in self._agents.values()} | self._others)
        if ended:
            logger.warning("ended %d processes that outlived their agent", ended)


def no_room(error: OSError) -> ServiceException:
    """The machine's own trouble, for the caller of the function."""
    return ServiceException(f"An instance could not be started: {error.strerror or error}.")


def places(home: Path) -> InstancePaths:
    """The instance's own directories, in the home of its agent."""
    return InstancePaths(task_root=home / "task", tmp=home / "tmp")


def standby(
    runtime: RuntimeCommand, paths: InstancePaths, *, endpoint: str | None
) -> dict[str, object] | None:
    """How the agent starts the runtime before it has a function; see `mayfly_agent.standby`."""
    if runtime.standby is None:
        return None
    return runtime.standby.description(defaults(runtime, paths, endpoint=endpoint))


def command_line(target: Target, deployment: Deployment, paths: InstancePaths) -> list[str]:
    """The argument vector of the runtime process."""
    wrapper = deployment.variables.get("AWS_LAMBDA_EXEC_WRAPPER")
    handler = target.spec.handler_name
    return list(deployment.runtime.argv(paths.task_root, handler, wrapper, target.memory_size))


def specialise(
    target: Target, deployment: Deployment, paths: InstancePaths, token: str, *, endpoint: str | None
) -> dict[str, object]:
    """The words that make a bare agent the function's."""
    return instruction(
        target,
        token=token,
        command=command_line(target, deployment, paths),
        directory=str(paths.task_root),
        environment=environment(target, deployment.runtime, paths, deployment.variables, endpoint=endpoint),
        runtime_version=deployment.runtime.version,
    )


def trouble(instance_id: str, data: bytes) -> None:
    """An agent said something on its standard error: that is a defect of ours, and never of a function."""
    logger.error("agent %s: %s", instance_id, data.decode("utf-8", "replace").rstrip())
