"""Where records of asynchronous invocations go.

Rule: exactly one place per destination; credentials are named by a Secret of the same namespace, never
written down.
"""

from typing import Annotated

from pydantic import model_validator

from mayfly_model.names import SUBDOMAIN_PATTERN
from mayfly_model.part import NO_SPACE, SPACE, Part, exactly_one, text

SecretName = Annotated[str, text("a Secret's name", pattern=SUBDOMAIN_PATTERN, most=253)]
HttpUrl = Annotated[
    str, text("an http:// or https:// address", pattern=rf"^https?://{NO_SPACE}+$", most=2048)
]
Region = Annotated[str, text("a region's name", pattern=r"^[a-z0-9-]+$", most=64)]
FunctionTarget = Annotated[
    str,
    text(
        "a Function's object name, with or without :<alias or version>",
        pattern=r"^[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?(:([a-zA-Z0-9_-]{1,128}|\$LATEST))?$",
        most=181,
    ),
]


class _Endpoint(Part):
    """A service that speaks an AWS API."""

    endpoint_url: HttpUrl | None = None
    """Address of the service; AWS's own when absent."""
    region: Region | None = None
    """Region that requests are signed for."""
    credentials_secret: SecretName | None = None
    """Secret with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."""


class SqsDestination(_Endpoint):
    """An SQS-compatible queue."""

    queue_url: HttpUrl
    """Address of the queue."""


class SnsDestination(_Endpoint):
    """An SNS-compatible topic."""

    topic_arn: Annotated[str, text("a topic's ARN", pattern=rf"^arn:{NO_SPACE}+$", most=350)]
    """ARN of the topic."""


class EventBridgeDestination(_Endpoint):
    """An EventBridge-compatible bus."""

    event_bus_name: Annotated[str, text("a bus's name", pattern=r"^[/.a-zA-Z0-9_-]+$", most=256)] = "default"
    """Name of the bus."""


class S3Destination(_Endpoint):
    """An S3-compatible bucket."""

    bucket_name: Annotated[
        str, text("a bucket's name", pattern=r"^[a-z0-9][a-z0-9.-]+[a-z0-9]$", least=3, most=63)
    ]
    """Name of the bucket."""


class NatsDestination(Part):
    """A NATS subject."""

    url: Annotated[
        str, text("a nats:// or tls:// address", pattern=rf"^(nats|tls)://{NO_SPACE}+$", most=2048)
    ]
    """Address of the NATS server."""
    subject: Annotated[str, text("a subject without wildcards", pattern=rf"^[^{SPACE}*>]+$", most=255)]
    """Subject to publish to."""
    credentials_secret: SecretName | None = None
    """Secret with the key creds, or with user and password."""


class HttpDestination(Part):
    """An HTTP endpoint; it gets a CloudEvent 1.0 by POST."""

    url: HttpUrl
    """Address to post to."""
    headers_secret: SecretName | None = None
    """Secret whose keys are sent as headers, such as Authorization."""


class Destination(Part):
    """Exactly one place for the records of asynchronous invocations."""

    function: FunctionTarget | None = None
    """A Function of the same namespace, invoked asynchronously with the record."""
    sqs: SqsDestination | None = None
    """A queue."""
    sns: SnsDestination | None = None
    """A topic."""
    event_bridge: EventBridgeDestination | None = None
    """An event bus."""
    nats: NatsDestination | None = None
    """A NATS subject."""
    http: HttpDestination | None = None
    """An HTTP endpoint."""

    @model_validator(mode="after")
    def _one(self) -> "Destination":
        exactly_one(self, *type(self).model_fields)
        return self


class FailureDestination(Destination):
    """Exactly one place for the records of events that were given up; a bucket may be it, as on AWS."""

    s3: S3Destination | None = None
    """A bucket."""


class DestinationConfig(Part):
    """Where the record of an asynchronous invocation goes."""

    on_success: Destination | None = None
    """For invocations that succeeded."""
    on_failure: FailureDestination | None = None
    """For events that ran out of retries or grew too old."""


class DeadLetterConfig(Part):
    """Exactly one queue or topic that gets the events, unchanged, that were given up."""

    sqs: SqsDestination | None = None
    """A queue."""
    sns: SnsDestination | None = None
    """A topic."""

    @model_validator(mode="after")
    def _one(self) -> "DeadLetterConfig":
        exactly_one(self, "sqs", "sns")
        return self
