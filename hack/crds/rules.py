"""What the API server checks beyond types and bounds, in CEL, by the name of the model's class or field.

Rule: every rule here is one of the model's own; the message says what to change.
"""

from mayfly_model.environment import MAX_CONCURRENCY, RESERVED_VARIABLES

Rule = dict[str, str]

OPEN_FIELDS = frozenset({"configMapRefs", "secretRefs"})
"""Lists whose order means something."""

_NAME = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"


def rule(expression: str, message: str, path: str | None = None) -> Rule:
    """A rule of x-kubernetes-validations."""
    found = {"rule": expression, "message": message}
    return found if path is None else {**found, "fieldPath": path}


def exactly_one(*names: str) -> Rule:
    """Exactly one of these fields is given."""
    count = " + ".join(f"(has(self.{name}) ? 1 : 0)" for name in names)
    return rule(f"{count} == 1", f"give exactly one of {', '.join(names)}")


_RESERVED = ", ".join(f"'{name}'" for name in RESERVED_VARIABLES)

RULES: dict[str, list[Rule]] = {
    "Code": [
        exactly_one("inline", "archive", "url", "configMap", "image"),
        rule(
            "has(self.url) == has(self.sha256)",
            "give url and sha256 together: the digest says which archive is meant",
        ),
    ],
    "FunctionSpec": [
        rule(
            "self.packageType == 'Image' ? has(self.code.image) : !has(self.code.image)",
            "packageType Image and code.image go together",
            ".packageType",
        ),
        rule(
            "self.packageType == 'Image' || has(self.runtime)",
            "runtime is missing: give one such as python3.13",
        ),
        rule(
            "self.packageType != 'Image' || !(has(self.runtime) || has(self.handler))",
            "runtime and handler are not allowed with packageType Image: the image brings its own",
        ),
        rule(
            "has(self.handler) || !has(self.runtime) || self.runtime.startsWith('provided')",
            "handler is missing: give <module>.<function>, such as app.handler",
        ),
    ],
    "LoggingConfig": [
        rule(
            "self.logFormat == 'JSON' || !(has(self.applicationLogLevel) || has(self.systemLogLevel))",
            "levels are only allowed with logFormat JSON",
        ),
    ],
    "variables": [
        rule(
            f"self.all(name, !(name in [{_RESERVED}]))",
            "a variable that Lambda reserves cannot be set, such as AWS_REGION or _HANDLER",
        ),
        rule(
            "self.all(name, name.matches('^[a-zA-Z][a-zA-Z0-9_]+$'))",
            "a variable's name is a letter, then one or more letters, digits and _",
        ),
        rule(
            f"!('{MAX_CONCURRENCY}' in self) || self['{MAX_CONCURRENCY}'].matches('^([1-9]|[1-5][0-9]|6[0-4])$')",
            f'{MAX_CONCURRENCY} is "1" to "64"',
        ),
    ],
    "Destination": [exactly_one("function", "sqs", "sns", "eventBridge", "nats", "http")],
    "FailureDestination": [exactly_one("function", "sqs", "sns", "eventBridge", "nats", "http", "s3")],
    "DeadLetterConfig": [exactly_one("sqs", "sns")],
    "FunctionStatus": [
        rule(
            "!has(oldSelf.lastPublishedVersion) || (has(self.lastPublishedVersion)"
            " && self.lastPublishedVersion >= oldSelf.lastPublishedVersion)",
            "lastPublishedVersion never goes down: no number is given twice",
            ".lastPublishedVersion",
        )
    ],
    "VersionSpec": [
        rule("self.functionName == oldSelf.functionName", "functionName never changes", ".functionName")
    ],
    "AliasSpec": [
        rule("self.functionName == oldSelf.functionName", "functionName never changes", ".functionName"),
        rule(
            "self.functionVersion != '$LATEST' || !has(self.routing)",
            "routing is not allowed with $LATEST: publish a version first",
            ".routing",
        ),
        rule(
            "self.functionVersion != '$LATEST' || !has(self.provisionedConcurrentExecutions)",
            "provisionedConcurrentExecutions is not allowed with $LATEST: publish a version first",
            ".provisionedConcurrentExecutions",
        ),
        rule(
            "self.functionVersion != '$LATEST' || !has(self.provisionedConcurrencyScaling)",
            "provisionedConcurrencyScaling is not allowed with $LATEST: publish a version first",
            ".provisionedConcurrencyScaling",
        ),
        rule(
            "!has(self.routing) || self.routing.additionalVersion != self.functionVersion",
            "routing.additionalVersion is the alias's own version: give another one",
            ".routing.additionalVersion",
        ),
        rule(
            "self.functionVersion != '$LATEST' || !has(self.rollout)",
            "rollout is not allowed with $LATEST: publish a version first",
            ".rollout",
        ),
        rule(
            "!(has(self.routing) && has(self.rollout))",
            "rollout is not allowed with routing: it shifts the calls by itself",
            ".rollout",
        ),
    ],
    "ProvisionedConcurrencyScaling": [
        rule(
            "has(self.targetTracking) || (has(self.scheduledActions) && self.scheduledActions.size() > 0)",
            "give scheduledActions or targetTracking, or both",
        ),
    ],
    "TargetTracking": [
        rule(
            "self.minCapacity <= self.maxCapacity",
            "minCapacity is greater than maxCapacity: lower it, or raise maxCapacity",
            ".minCapacity",
        ),
    ],
    "RolloutAlarm": [
        rule(
            "has(self.errorRate) || has(self.p99Milliseconds)",
            "give errorRate or p99Milliseconds, or both",
        ),
    ],
}

_NOT_ITS_OWN = (
    "!has(self.spec.eventInvokeConfig) || !has(self.spec.eventInvokeConfig.destinationConfig)"
    " || !has(self.spec.eventInvokeConfig.destinationConfig.{0})"
    " || !has(self.spec.eventInvokeConfig.destinationConfig.{0}.function)"
    " || (self.spec.eventInvokeConfig.destinationConfig.{0}.function != self.metadata.name"
    " && !self.spec.eventInvokeConfig.destinationConfig.{0}.function.startsWith(self.metadata.name + ':'))"
)

_UNCHANGED = "(has(self.spec.{0}) ? self.spec.{0} : {1}) == (has(oldSelf.spec.{0}) ? oldSelf.spec.{0} : {1})"
_TEXT, _NUMBER = "''", "0"
_SNAPSHOT = {
    "codeSha256": _TEXT,
    "revision": _TEXT,
    "description": _TEXT,
    "functionVersion": _TEXT,
    "configuration.runtime": _TEXT,
    "configuration.handler": _TEXT,
    "configuration.memorySize": _NUMBER,
    "configuration.timeout": _NUMBER,
}
"""What the API server compares: whole mappings are beyond what a rule may cost. They are in the revision, which no
reader accepts for another configuration than it was made of."""

OBJECT_RULES: dict[str, list[Rule]] = {
    "Function": [
        rule(
            f"self.metadata.name.size() <= 52 && self.metadata.name.matches('{_NAME}')",
            "allowed are at most 52 lower-case letters, digits and -, and no dots;"
            " a Lambda name of another form goes into spec.functionName",
            ".metadata.name",
        ),
        *(
            rule(_NOT_ITS_OWN.format(field), "You can't specify the function as a destination for itself.")
            for field in ("onSuccess", "onFailure")
        ),
    ],
    "Version": [
        rule(
            "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?[.](latest|[1-9][0-9]{0,8})$')"
            " && self.metadata.name.startsWith(self.spec.functionName + '.')",
            "allowed is <functionName>.<number>, or <functionName>.latest for $LATEST",
            ".metadata.name",
        ),
        rule(
            "!self.metadata.name.endsWith('.latest') || !has(self.spec.provisionedConcurrentExecutions)",
            "provisionedConcurrentExecutions is not allowed with $LATEST: publish a version first",
            ".spec.provisionedConcurrentExecutions",
        ),
        rule(
            "self.metadata.name.endsWith('.latest') || !has(oldSelf.spec.configuration) || "
            + " && ".join(
                ["has(self.spec.configuration)", *(_UNCHANGED.format(*each) for each in _SNAPSHOT.items())]
            ),
            "a published version never changes: publish a new one",
        ),
    ],
    "Alias": [
        rule(
            "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?[.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')"
            " && self.metadata.name.startsWith(self.spec.functionName + '.')"
            " && !self.metadata.name.matches('[.](latest|[0-9]+)$')",
            "allowed is <functionName>.<alias>; latest and numbers are Versions",
            ".metadata.name",
        ),
    ],
}
