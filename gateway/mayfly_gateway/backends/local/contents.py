"""What functions, and the instances of them, are made of, out of manifests. Pure but for looking at files."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from mayfly_gateway.backends.local.code import CodeSnapshot
from mayfly_gateway.backends.local.errors import CodeError
from mayfly_gateway.backends.local.instances import Deployment
from mayfly_gateway.backends.local.variables import Objects
from mayfly_model.function import Function
from mayfly_model.function_code import Code
from mayfly_model.keyed_values import Kind
from mayfly_model.manifest import Manifests, ParsedFunction
from mayfly_model.objects import RefusedError
from mayfly_model.publishing import latest_version
from mayfly_model.version import VersionSpec


def as_version(function: Function, code: CodeSnapshot, config_maps: Objects) -> VersionSpec:
    """The `$LATEST` as a cluster would have it, where code that lies here is an archive, named by what is in it.

    Raises:
        CodeError: the ConfigMap holds what a manifest could not.
    """
    spec = function.spec
    if spec.code.directory is not None or spec.code.zip_file is not None:
        spec = spec.model_copy(update={"code": Code(archive=f"sha256:{code.digest}")})
    name = "" if spec.code.config_map is None else spec.code.config_map.name
    values = {
        key: value.encode("utf-8", "surrogateescape") for key, value in config_maps.get(name, {}).items()
    }
    try:
        return latest_version(function.model_copy(update={"spec": spec}), values)
    except RefusedError as error:
        raise CodeError(error.message) from None


def places(manifests: Manifests, parsed: ParsedFunction) -> list[Path]:
    """Everything on this machine that says what the function, its versions and its aliases are."""
    metadata = parsed.function.metadata
    owner = metadata.namespace, metadata.name
    sources = {parsed.source}
    sources |= {each.source for each in manifests.versions if each.owner == owner}
    sources |= {each.source for each in manifests.aliases if each.owner == owner}
    return [*map(Path, sorted(sources)), *code_paths(parsed)]


def emptied(sources: Iterable[str]) -> set[str]:
    """The files that hold nothing at all: an editor is between truncating and writing."""
    return {source for source in sources if Path(source).is_file() and Path(source).stat().st_size == 0}


def code_paths(parsed: ParsedFunction) -> list[Path]:
    """The folder or archive on this machine that the function's code comes from; none for other sources."""
    code = parsed.function.spec.code
    local = code.directory or code.zip_file
    return [] if local is None else [(Path(parsed.source).parent / local).resolve()]


def objects(manifests: Manifests, kind: Kind, namespace: str) -> Objects:
    """The Secrets or ConfigMaps of a namespace as texts, by object and key."""
    return {
        each.name: {key: value.decode("utf-8", "replace") for key, value in each.values.items()}
        for each in manifests.values
        if each.kind == kind and each.namespace == namespace
    }


def touches(paths: Iterable[Path], changed: frozenset[Path]) -> bool:
    """Whether any changed file is one of the paths or lies below one."""
    return any(file == path or path in file.parents for path in paths for file in changed)


def content_digest(parsed: ParsedFunction, deployment: Deployment) -> str:
    """What an instance depends on, in one word: an instance of another digest is out of date."""
    parts = (
        deployment.snapshot.digest,
        parsed.function.spec.model_dump_json(),
        repr(sorted(deployment.variables.items())),
        repr(deployment.runtime),
        repr((parsed.function.metadata.namespace, parsed.function.lambda_name)),
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
