"""Where a function's code comes from.

Rule: exactly one source, and nothing in it that could leave the directory that it is unpacked into.
"""

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from mayfly_model.limits import INLINE_CODE_BYTES, INLINE_CODE_FILES
from mayfly_model.names import SUBDOMAIN_PATTERN
from mayfly_model.part import NO_SPACE, Part, broken, exactly_one, text

_PATH_RULE = "a relative path of at most 255 characters, with / between its parts and no . or .. among them"


def _inside(path: str) -> str:
    parts = path.split("/")
    unsafe = any(part in ("", ".", "..") for part in parts) or "\\" in path or not path.isprintable()
    if unsafe or len(path.encode()) > 255:
        raise broken(f"allowed: {_PATH_RULE}")
    return path


InlinePath = Annotated[str, AfterValidator(_inside)]
LocalPath = Annotated[str, text("a path, relative to the manifest's own folder", most=4096)]


class ConfigMapReference(Part):
    """A ConfigMap in the function's namespace."""

    name: Annotated[str, text("a ConfigMap's name", pattern=SUBDOMAIN_PATTERN, most=253)]
    """Name of the ConfigMap; each of its keys is a file."""


class Code(Part):
    """The function's code: exactly one source."""

    inline: Annotated[dict[InlinePath, str] | None, Field(min_length=1, max_length=INLINE_CODE_FILES)] = None
    """Files by their relative path, with their text. Together at most 900,000 bytes."""
    archive: Annotated[
        str | None, text("sha256:<64 hex digits>", pattern=r"^sha256:[0-9a-f]{64}$", most=71)
    ] = None
    """Digest of an uploaded zip archive."""
    url: Annotated[
        str | None, text("an http:// or https:// address", pattern=rf"^https?://{NO_SPACE}+$", most=2048)
    ] = None
    """Address of a zip archive; needs sha256."""
    sha256: Annotated[str | None, text("64 hex digits", pattern=r"^[0-9a-f]{64}$", most=64)] = None
    """SHA-256 of the archive at url, in lower-case hexadecimal."""
    config_map: ConfigMapReference | None = None
    """A ConfigMap that holds the files."""
    image: Annotated[
        str | None, text("a container image's reference", pattern=rf"^{NO_SPACE}+$", most=1024)
    ] = None
    """Container image that is the function; needs packageType Image."""
    directory: LocalPath | None = None
    """For `mayfly dev` and `mayfly deploy`, which reads it: the folder with the code, relative to the manifest."""
    zip_file: LocalPath | None = None
    """For `mayfly dev` and `mayfly deploy`, which reads it: a zip archive, relative to the manifest."""

    @model_validator(mode="after")
    def _one_source(self) -> "Code":
        source = exactly_one(self, "inline", "archive", "url", "config_map", "image", "directory", "zip_file")
        if source == "url" and self.sha256 is None:
            raise broken("missing; allowed: the archive's SHA-256, 64 hex digits", "sha256")
        if source != "url" and self.sha256 is not None:
            raise broken("only allowed together with url", "sha256")
        return self

    @model_validator(mode="after")
    def _inline_fits(self) -> "Code":
        files = self.inline or {}
        size = sum(len(content.encode()) for content in files.values())
        if size > INLINE_CODE_BYTES:
            raise broken(
                f"found {size} bytes in all; allowed: at most {INLINE_CODE_BYTES} (use an archive)", "inline"
            )
        for path in files:
            for folder in _folders(path):
                if folder in files:
                    raise broken(f"found {folder} both as a file and as a folder", "inline", path)
        return self


def _folders(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]
