"""Keeps what the gateway serves equal to what the manifests declare.

Rule: a function is replaced only by one that is whole. Whatever is wrong with the new one, the last good one stays,
and the trouble is said.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from mayfly_gateway.backends.local import project
from mayfly_gateway.backends.local.code import CodeSnapshot, snapshot
from mayfly_gateway.backends.local.contents import (
    as_version,
    code_paths,
    content_digest,
    emptied,
    objects,
    places,
    touches,
)
from mayfly_gateway.backends.local.errors import CodeError, RuntimeUnavailableError, StartError
from mayfly_gateway.backends.local.freshness import Freshness
from mayfly_gateway.backends.local.instances import Deployment, LocalBackend
from mayfly_gateway.backends.local.releases import Latest, Releases
from mayfly_gateway.backends.local.releasing import Releasing
from mayfly_gateway.backends.local.runtimes import RuntimeCommand, prepare
from mayfly_gateway.backends.local.variables import Objects, function_variables
from mayfly_gateway.catalogue import Catalogue, Target, target_of
from mayfly_model.errors import InvalidRuntimeException
from mayfly_model.function import FunctionSpec
from mayfly_model.manifest import Manifests, ParsedFunction, ParsedVersion

Key = tuple[str, str]
"""Namespace and Lambda name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one round changed.

    Targets served anew, targets that cannot run here, versions that are new, names that are gone, sentences about
    trouble.
    """

    served: tuple[Target, ...] = ()
    refused: tuple[Target, ...] = ()
    published: tuple[Target, ...] = ()
    removed: tuple[Key, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Served:
    parsed: ParsedFunction
    deployment: Deployment
    target: Target


class Deployer:
    """Reads the manifests below `paths` and puts their functions into the catalogue."""

    def __init__(
        self,
        paths: Iterable[Path],
        *,
        namespace: str,
        cluster: str,
        store: Path,
        catalogue: Catalogue,
        backend: LocalBackend,
        progress: Callable[[str], None],
    ) -> None:
        self._paths = tuple(paths)
        self._namespace = namespace
        self._cluster = cluster
        self._store = store
        self._catalogue = catalogue
        self._backend = backend
        self._progress = progress
        self._lock = asyncio.Lock()
        self.on_outcome: Callable[[Outcome], None] | None = None
        self.freshness = Freshness(self.refresh)
        self.releases = Releases(cluster=cluster, catalogue=catalogue, backend=backend)
        self._releasing = Releasing(self.releases, catalogue)
        self._served: dict[Key, _Served] = {}
        self._refused: dict[Key, Target] = {}

    async def refresh(self, changed: frozenset[Path] | None = None) -> Outcome:
        """Read everything again; `changed` are the files that may differ since the last round, None means all.

        Raises:
            ProjectError: a path that was named cannot be read at all.
        """
        async with self._lock:
            outcome = await self._refresh_all(changed)
        if self.on_outcome is not None:
            self.on_outcome(outcome)
        return outcome

    async def _refresh_all(self, changed: frozenset[Path] | None) -> Outcome:
        manifests = await asyncio.to_thread(self._read)
        # Side by side: a runtime that takes a minute to install keeps no other function waiting.
        rounds = await asyncio.gather(
            *(self._refresh(parsed, manifests, changed) for parsed in manifests.functions)
        )
        troubles = [trouble for _, trouble in rounds if trouble is not None]
        removed = self._drop(manifests)
        released = self._releasing.follow(
            manifests, await self._prepared(manifests), broken=self._broken(manifests)
        )
        return Outcome(
            served=tuple(target for target, trouble in rounds if target is not None and trouble is None),
            refused=tuple(target for target, trouble in rounds if target is not None and trouble is not None),
            published=released.published,
            removed=removed,
            problems=(*(str(problem) for problem in manifests.problems), *troubles, *released.problems),
        )

    def watched(self) -> set[Path]:
        """Every file and folder whose change may matter."""
        code = {path for served in self._served.values() for path in code_paths(served.parsed)}
        return {path.resolve() for path in (*self._paths, *code)}

    def _read(self) -> Manifests:
        return project.read(project.manifest_files(self._paths), namespace=self._namespace)

    async def _refresh(
        self, parsed: ParsedFunction, manifests: Manifests, changed: frozenset[Path] | None
    ) -> tuple[Target | None, str | None]:
        """The target if it is new or other than before, and what is wrong with the function if anything is."""
        function = parsed.function
        key = (function.metadata.namespace, function.lambda_name)
        self.freshness.note(key, places(manifests, parsed))
        try:
            config_maps = objects(manifests, "ConfigMap", key[0])
            code = await self._snapshot(self._served.get(key), parsed, config_maps, changed)
            deployment = await self._deployment(function.spec, key[0], code, manifests)
            version = as_version(function, code, config_maps)
        except RuntimeUnavailableError as error:
            return self._refuse(key, parsed, str(error)), f"{parsed.source}:{parsed.line}: {error}"
        except CodeError as error:
            return None, f"{parsed.source}:{parsed.code_line}: {error}"
        except StartError as error:
            return None, f"{parsed.source}:{parsed.line}: {error}"
        target = self._serve(key, parsed, deployment)
        self.releases.follow(Latest(function, version, deployment, self._served[key].target))
        return target, None

    async def _deployment(
        self, spec: FunctionSpec, namespace: str, code: CodeSnapshot, manifests: Manifests
    ) -> Deployment:
        config_maps = objects(manifests, "ConfigMap", namespace)
        secret_objects = objects(manifests, "Secret", namespace)
        variables = function_variables(spec.environment, config_maps, secret_objects)
        runtime = await self._runtime(spec)
        runtime.check(code.path)
        return Deployment(snapshot=code, runtime=runtime, variables=variables)

    async def _prepared(self, manifests: Manifests) -> dict[Key, Deployment | StartError]:
        """What the instances of Versions are made of that say everything themselves, by the object's name."""
        made: dict[Key, Deployment | StartError] = {}
        for parsed in manifests.versions:
            spec = parsed.version.spec.configuration
            if spec is not None and not self._releasing.knows(parsed.key):
                made[parsed.key] = await self._made(parsed, spec, manifests)
        return made

    async def _made(
        self, parsed: ParsedVersion, spec: FunctionSpec, manifests: Manifests
    ) -> Deployment | StartError:
        namespace, base = parsed.key[0], Path(parsed.source).parent
        config_maps = objects(manifests, "ConfigMap", namespace)
        try:
            code = await asyncio.to_thread(snapshot, spec.code, base, self._store, config_maps)
            return await self._deployment(spec, namespace, code, manifests)
        except StartError as error:
            return error

    async def _snapshot(
        self,
        served: _Served | None,
        parsed: ParsedFunction,
        config_maps: Objects,
        changed: frozenset[Path] | None,
    ) -> CodeSnapshot:
        code = parsed.function.spec.code
        if served is not None and changed is not None and served.parsed.source == parsed.source:
            same = served.parsed.function.spec.code == code and code.config_map is None
            if same and not touches(code_paths(parsed), changed):
                return served.deployment.snapshot
        base = Path(parsed.source).parent
        return await asyncio.to_thread(snapshot, code, base, self._store, config_maps)

    async def _runtime(self, spec: FunctionSpec) -> RuntimeCommand:
        if spec.runtime is None:
            raise StartError(
                "an image function needs a cluster: the local mode runs functions with a runtime"
            )
        with self._backend.starting_processes():
            return await prepare(spec.runtime, self._progress)

    def _serve(self, key: Key, parsed: ParsedFunction, deployment: Deployment) -> Target | None:
        digest = content_digest(parsed, deployment)
        before = self._served.get(key)
        if before is not None and before.target.digest == digest:
            # Its manifest may be another file now, and its code in another place.
            self._served[key] = _Served(parsed, deployment, before.target)
            return None
        target = self._target(key, parsed, digest)
        self._backend.provide(digest, deployment)
        self._catalogue.put(target)
        self._served[key] = _Served(parsed, deployment, target)
        replaced = before.target if before is not None else self._refused.pop(key, None)
        if replaced is not None:
            self._backend.withdraw(replaced.digest)
        return target

    def _refuse(self, key: Key, parsed: ParsedFunction, why: str) -> Target | None:
        """A function that cannot run here is still known, and its callers are told why."""
        if key in self._served:
            return None
        target = self._target(key, parsed, hashlib.sha256(f"{key}{why}".encode()).hexdigest())
        before = self._refused.get(key)
        if before is not None and before.digest == target.digest:
            return None
        self._backend.refuse(target.digest, InvalidRuntimeException(why))
        self._catalogue.put(target)
        self._refused[key] = target
        if before is not None:
            self._backend.withdraw(before.digest)
        return target

    def _target(self, key: Key, parsed: ParsedFunction, digest: str) -> Target:
        namespace, name = key
        return target_of(
            parsed.function.spec,
            cluster=self._cluster,
            namespace=namespace,
            name=name,
            digest=digest,
            source=parsed.source,
        )

    def _broken(self, manifests: Manifests) -> set[str]:
        """The files from which nothing that is missing is gone."""
        sources = {served.parsed.source for served in self._served.values()} | self._releasing.sources()
        return {problem.source for problem in manifests.problems} | emptied(sources)

    def _drop(self, manifests: Manifests) -> tuple[Key, ...]:
        """Forget what is declared no more, unless its file is broken: then the last good one stays."""
        declared = {
            (parsed.function.metadata.namespace, parsed.function.lambda_name)
            for parsed in manifests.functions
        }
        broken = self._broken(manifests)
        known = {key: target.source for key, target in self._refused.items()}
        known |= {key: served.parsed.source for key, served in self._served.items()}
        gone = [key for key, source in known.items() if key not in declared and source not in broken]
        for key in gone:
            self._catalogue.remove(*key)
            self.releases.forget(key)
            target = self._served.pop(key).target if key in self._served else self._refused.pop(key)
            self._backend.withdraw(target.digest)
        return tuple(gone)
