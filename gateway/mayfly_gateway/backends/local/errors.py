"""Why an instance cannot be started on this machine.

Rule: each message is one sentence that a developer can act on, with the name or path it is about.
"""


class StartError(Exception):
    """An instance cannot be started; the message says what to change."""


class RuntimeUnavailableError(StartError):
    """The machine has no interpreter for the function's runtime."""


class InstallError(StartError):
    """The stock runtime client could not be put beside the interpreter."""


class BootstrapError(StartError):
    """A `provided` function has no executable file `bootstrap`."""


class CodeError(StartError):
    """The function's code is missing, unreadable, unsafe or too large."""


class MissingReferenceError(StartError):
    """A Secret or ConfigMap that the function names is in none of the manifests."""
