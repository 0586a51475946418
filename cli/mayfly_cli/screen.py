"""What `mayfly dev` shows: the endpoint, the functions, a line per invocation, and what the functions write."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from typing import Any

from rich.text import Text

from mayfly_cli import present
from mayfly_cli.client import DEFAULT_ENDPOINT
from mayfly_gateway.backends.local.deployer import Outcome
from mayfly_gateway.catalogue import AliasKey, Target
from mayfly_gateway.logs import Logs
from mayfly_gateway.provision_plan import Decided
from mayfly_gateway.rollout import Progress, Said, told
from mayfly_model.names import LATEST

STYLES = ("cyan", "magenta", "blue", "green", "yellow")
CREDENTIALS = "AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=default AWS_SECRET_ACCESS_KEY=none"
LINES_A_SECOND = 100
SHOWN = 4000
"""Characters of one message; the rest is in `mayfly logs`."""


class Pace:
    """Lets so many lines through in a second as a person can follow, and tells how many it held back."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self._tell = tell
        self._second: asyncio.TimerHandle | None = None
        self._lines = 0

    def allows(self) -> bool:
        """Whether the next line may be shown."""
        if self._second is None:
            self._second = asyncio.get_running_loop().call_later(1.0, self._over)
        self._lines += 1
        return self._lines <= LINES_A_SECOND

    def _over(self) -> None:
        held, self._lines, self._second = max(0, self._lines - LINES_A_SECOND), 0, None
        if held:
            self._tell(held)


class Screen:
    """Prints to standard output; colours only where it is a terminal."""

    def __init__(self) -> None:
        self._out = present.out
        self._width = 8
        self._styles: dict[tuple[str, str], str] = {}
        self._pace = Pace(self._skipped)
        self._rollouts: dict[AliasKey, str] = {}
        self._scaled: dict[AliasKey, str] = {}

    def progress(self, sentence: str) -> None:
        """Something takes a while."""
        present.err.print(Text(sentence, style="dim"))

    def problems(self, sentences: Iterable[str]) -> None:
        """What is wrong with manifests and code."""
        for sentence in sentences:
            present.problem(sentence)

    def welcome(self, url: str, targets: Iterable[Target]) -> None:
        """What is served and how it is called."""
        served = list(targets)
        example = served[0].name
        self._out.print(Text("Mayfly", style="bold"), Text("local mode", style="dim"))
        self._out.print("Endpoint ", Text(url, style="bold green"))
        for line in listing(served):
            self._out.print(line)
        where = "" if url == DEFAULT_ENDPOINT else f" --endpoint {url}"
        self._out.print(Text(f"Call one:  mayfly invoke {example}{where}", style="dim"))
        self._out.print(Text(f"AWS tools: export AWS_ENDPOINT_URL_LAMBDA={url} {CREDENTIALS}", style="dim"))
        self._out.print(Text("Ctrl-C ends it.", style="dim"))

    def changed(self, outcome: Outcome, last: Outcome) -> None:
        """What is other than in the last round: functions served anew, functions gone, troubles come and gone."""
        self.problems(problem for problem in outcome.problems if problem not in last.problems)
        if last.problems and not outcome.problems:
            self._out.print(Text("Everything is in order again.", style="green"))
        for target in outcome.served:
            self._out.print(
                self._label(target.namespace, target.name) + Text("changed: the next call runs it", "dim")
            )
        self.published(outcome.published)
        for namespace, name in outcome.removed:
            self._out.print(self._label(namespace, name) + Text("removed", style="dim"))

    def published(self, targets: Iterable[Target]) -> None:
        """Versions that are new."""
        for target in targets:
            self._out.print(
                self._label(target.namespace, target.name)
                + Text(f"published as version {target.version}", style="dim")
            )

    def rollout(self, alias: AliasKey, _said: Said, progress: Progress | None) -> None:
        """How far an alias is on its way to another version, if that is news."""
        sentence = "" if progress is None else told(progress)
        self._said_of(alias, sentence, self._rollouts)

    def scaled(self, alias: AliasKey, _said: Said, decided: Decided | None) -> None:
        """How many instances of an alias are kept by the clock and the load, if that is news; none at first is none."""
        if decided is None or not (decided.instances or alias in self._scaled):
            self._scaled.pop(alias, None)
            return
        words = f"instances kept initialised: {decided.instances}. {decided.message}"
        self._said_of(alias, words, self._scaled)

    def _said_of(self, alias: AliasKey, sentence: str, before: dict[AliasKey, str]) -> None:
        if sentence and before.get(alias) != sentence:
            self._out.print(self._label(alias[0], f"{alias[1]}:{alias[2]}") + Text(sentence, style="dim"))
        before[alias] = sentence

    def goodbye(self) -> None:
        """The end is near."""
        self._out.print(Text("Ending every instance.", style="dim"))

    def invocation(self, target: Target, report: bytes) -> None:
        """One line about an invocation that is over; `report` is the agent's JSON."""
        if not self._pace.allows():
            return
        try:
            line = figures(json.loads(report))
        except (ValueError, TypeError, KeyError, RecursionError):
            # An agent that says something else is ours no more: user code may do to it what it likes.
            return
        if target.version != LATEST:
            line += Text(f"  version {target.version}", style="dim")
        self._out.print(self._label(target.namespace, target.name) + line)

    async def follow(self, logs: Logs, target: Target) -> None:
        """Print what the function writes, for ever; the platform's own lines stay in `mayfly logs`."""
        async for record in logs.follow(target.namespace, target.name):
            label = self._label(target.namespace, target.name)
            if "dropped" in record:
                self._out.print(label + Text(f"{record['dropped']} messages not shown", style="dim"))
            elif not present.is_platform(record["message"]) and self._pace.allows():
                for line in record["message"][:SHOWN].split("\n"):
                    self._out.print(label + Text("│ ", style="dim") + present.message(line))

    def _skipped(self, lines: int) -> None:
        self._out.print(
            Text(f"… {lines} more lines within a second; `mayfly logs NAME` has them", style="dim")
        )

    def _label(self, namespace: str, name: str) -> Text:
        style = self._styles.setdefault((namespace, name), STYLES[len(self._styles) % len(STYLES)])
        self._width = max(self._width, len(name))
        clock = time.strftime("%H:%M:%S ")
        return Text(clock, style="dim") + Text(f"{name:<{self._width}} ", style=style)


def figures(report: dict[str, Any]) -> Text:
    """What an invocation took, from the agent's report."""
    line = Text(f"{report['durationMs']:.1f} ms")
    if report["initMs"] is not None:
        line += Text(f"  + init {report['initMs']:.0f} ms", style="yellow")
    line += Text(f"  {report['maxMemoryMb']:d} MB", style="dim")
    if report["status"] != "success":
        told = report.get("raised") or report["errorType"] or report["status"]
        line += Text(f"  {present.harmless(str(told))}", style="red")
    return line


def listing(served: list[Target]) -> list[Text]:
    """One line a function: name, runtime, memory, timeout, and where it is declared."""
    rows = [
        (
            target.name,
            target.spec.runtime or "",
            f"{target.memory_size} MB",
            f"{target.timeout} s",
            target.source or "",
        )
        for target in served
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return [
        Text(f"  {row[0]:<{widths[0]}}  ", style="bold")
        + Text(f"{row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}  ")
        + Text(row[4], style="dim")
        for row in rows
    ]
