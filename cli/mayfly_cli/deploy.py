"""`mayfly deploy`: code packed and uploaded, manifests applied, and word of whether the functions are ready.

Rule: everything that can be wrong on this machine is found before anything is sent, and code is there before what
refers to it.
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from mayfly_cli import client, declared, present, references
from mayfly_cli.declared import BrokenFilesError, Declared
from mayfly_cli.kubectl import Conflicts, Json, Key, Kubectl, KubectlFailed
from mayfly_cli.packing import Archive, missing_dependencies, packed
from mayfly_cli.readiness import Readiness, readiness
from mayfly_gateway.backends.local.errors import CodeError
from mayfly_gateway.backends.local.project import ProjectError

SERVICE, PORT = "mayfly-gateway", "http"
AGAIN = (1.0, 3.0, None)
"""Seconds until an upload is tried again whose gateway went away; None for no more."""
KUBECTL_NOTE = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation of client-side applies, which a server-side one takes away."""
OTHERS = "--force-conflicts gives these fields the manifest's values; a manifest without them leaves them as they are."
LOOK_AGAIN = 0.5
"""Seconds between two looks at functions that are not ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for; `timeout` in seconds, None for not to wait."""

    namespace: str | None
    context: str | None
    endpoint: str | None
    system_namespace: str
    timeout: float | None
    force_conflicts: bool


def run(paths: Sequence[Path], options: Options) -> int:
    """Deploy what the paths declare; the exit status: 1 if something is not ready, 2 if anything was refused."""
    try:
        kubectl = Kubectl(options.context)
        namespace = options.namespace or kubectl.namespace()
        objects = declared.read(paths, namespace=namespace)
        with tempfile.TemporaryDirectory(prefix="mayfly-") as folder:
            archives = pack(objects, Path(folder))
            if archives:
                check_namespaces(kubectl, objects)
                upload(archives, kubectl, options)
        objects = [each.with_archive(archives[each].sha256) if each in archives else each for each in objects]
        for place, group in grouped(objects).items():
            apply(kubectl, place, group, force=options.force_conflicts)
        return 0 if options.timeout is None else wait(kubectl, objects, options.timeout)
    except BrokenFilesError as error:
        for problem in error.problems:
            present.problem(problem)
    except (ProjectError, KubectlFailed, client.CallFailed) as error:
        present.problem(str(error))
    return 2


def pack(objects: Iterable[Declared], folder: Path) -> dict[Declared, Archive]:
    """The archive of each Function whose code lies on this machine.

    Raises:
        BrokenFilesError: code is missing, or cannot be code.
    """
    archives, problems = {}, []
    for number, each in enumerate(objects):
        if each.function is None:
            continue
        code, base = each.function.spec.code, each.source.parent
        try:
            archive = packed(code, base, folder / f"{number}.zip")
        except CodeError as error:
            problems.append(f"{each.source}:{each.code_line}: {error}")
        except OSError as error:
            problems.append(
                f"{each.source}:{each.code_line}: {error.filename or 'the code'} cannot be read: {error.strerror}"
            )
        else:
            if archive is not None:
                archives[each] = archive
            if (hint := missing_dependencies(code, base)) is not None:
                present.note(hint)
    if problems:
        raise BrokenFilesError(problems)
    return archives


def check_namespaces(kubectl: Kubectl, objects: Iterable[Declared]) -> None:
    """See that the objects have where to go.

    Raises:
        BrokenFilesError: a namespace is neither there nor among them.
    """
    objects = list(objects)
    missing = [
        name
        for name in grouped(objects)
        if kubectl.lacks(name) and not any(each.key == ("Namespace", name) for each in objects)
    ]
    if missing:
        raise BrokenFilesError(
            f"There is no namespace {name}: kubectl create namespace {name}, or name another by --namespace."
            for name in missing
        )


def upload(archives: Mapping[Declared, Archive], kubectl: Kubectl, options: Options) -> None:
    """Bring the archives to the gateway, through the cluster's API where nobody says an address of it.

    Raises:
        CallFailed: it refuses one, or does not answer.
        KubectlFailed: there is no way to it.
    """
    left = dict(archives)
    for pause in AGAIN:
        try:
            with gateway(kubectl, options) as url:
                send(left, url)
            return
        except client.Unavailable:
            # A gateway that was being replaced; the next way leads to another.
            if pause is None:
                raise
            time.sleep(pause)


def send(archives: dict[Declared, Archive], url: str) -> None:
    """Send each archive, and take it out of `archives` once it is there."""
    for each, archive in list(archives.items()):
        to = client.Client(url, namespace=each.namespace, hint=" Is it the gateway of a cluster?")
        with archive.path.open("rb") as content:
            sent = to.upload(archive.sha256, content, archive.size)
        size = f"{archive.size:,} bytes"
        done("code of", each.name, f"uploaded, {size}" if sent else f"is there already, {size}")
        del archives[each]


@contextlib.contextmanager
def gateway(kubectl: Kubectl, options: Options) -> Iterator[str]:
    """The gateway's URL, for as long as the context lasts."""
    # What the AWS tools are pointed at may well be another: the local mode, or AWS.
    if url := options.endpoint or os.environ.get(client.ENDPOINT_VARIABLE):
        yield url.rstrip("/")
    else:
        with kubectl.forwarded(options.system_namespace, SERVICE, PORT) as forwarded:
            yield forwarded


def grouped(objects: Iterable[Declared]) -> dict[str, list[Declared]]:
    """The objects by namespace, in their order."""
    groups: dict[str, list[Declared]] = {}
    for each in objects:
        groups.setdefault(each.namespace, []).append(each)
    return groups


def apply(kubectl: Kubectl, namespace: str, objects: Sequence[Declared], *, force: bool) -> None:
    """Apply the objects and say of each what became of it."""
    data = [each.data for each in objects]
    before = look(kubectl, namespace, data)
    try:
        kubectl.apply(namespace, data, force=force)
    except Conflicts:
        if told := list(conflicts(kubectl, namespace, objects)):
            raise BrokenFilesError([*told, OTHERS]) from None
    after = look(kubectl, namespace, data)
    for each in objects:
        done(each.kind.lower(), each.name, outcome(each.key, before, after))


def conflicts(kubectl: Kubectl, namespace: str, objects: Iterable[Declared]) -> Iterator[str]:
    """Which object of several has which conflicts: kubectl names none, so each is applied once more by itself."""
    for each in objects:
        try:
            kubectl.apply(namespace, [each.data], force=False)
        except Conflicts as error:
            yield f"{each.source}:{each.line}: {each.kind} {each.name}: {error}"


def look(kubectl: Kubectl, namespace: str, objects: Sequence[Json]) -> dict[Key, Json] | None:
    """The objects as they are; None for who may write but not read."""
    try:
        return kubectl.get(namespace, objects)
    except KubectlFailed:
        return None


def outcome(key: Key, before: Mapping[Key, Json] | None, after: Mapping[Key, Json] | None) -> str:
    """What became of an object: created, configured, unchanged; applied where nobody can tell."""
    if before is None or after is None or key not in after:
        return "applied"
    if key not in before:
        return "created"
    return "unchanged" if content(before[key]) == content(after[key]) else "configured"


def content(found: Json) -> dict[str, object]:
    """An object without what a cluster, or kubectl, notes on it."""
    kept = {key: value for key, value in found.items() if key != "status"}
    noted = ("managedFields", "resourceVersion", "generation", "annotations")
    metadata = {key: value for key, value in found["metadata"].items() if key not in noted}
    annotations = {**found["metadata"].get("annotations", {})}
    annotations.pop(KUBECTL_NOTE, None)
    return {**kept, "metadata": metadata, "annotations": annotations}


def wait(kubectl: Kubectl, objects: Sequence[Declared], timeout: float) -> int:
    """Wait for every object of Mayfly's to be ready, and say of each whether it is; the exit status."""
    end = time.monotonic() + timeout
    left = [each for each in objects if each.gets_ready]
    failed = False
    for each, found in references.missing(kubectl, objects):
        failed = True
        left.remove(each)
        say(each, found)
    while left:
        late = time.monotonic() >= end
        looked_at = list(states(kubectl, left))
        left = [each for each, found in looked_at if not (found.ready or found.final or late)]
        for each, found in looked_at:
            if each not in left:
                failed |= not found.ready
                say(each, found)
        if left:
            time.sleep(LOOK_AGAIN)
    return int(failed)


def states(kubectl: Kubectl, objects: Iterable[Declared]) -> Iterator[tuple[Declared, Readiness]]:
    """How each is doing."""
    for namespace, group in grouped(objects).items():
        try:
            found = kubectl.ours(namespace, [each.key for each in group])
        except KubectlFailed as error:
            # All is applied by now: a cluster that does not answer just now is asked again.
            yield from ((each, Readiness(False, "Unknown", str(error))) for each in group)
        else:
            yield from ((each, readiness(found.get(each.key))) for each in group)


def say(each: Declared, found: Readiness) -> None:
    """Whether an object is ready, and why not."""
    if found.ready:
        done(each.kind.lower(), each.name, "is ready")
    else:
        present.problem(f"{each.kind.lower()} {each.name} is not ready: {found.reason}: {found.message}")


def done(what: str, name: str, became: str) -> None:
    """One line of what happened."""
    present.out.print(
        Text(f"{what} ", style="dim") + Text(present.harmless(name), style="bold") + f" {became}"
    )
