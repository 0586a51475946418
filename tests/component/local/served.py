"""The local mode in a thread of its own, its manifests, and the AWS SDK that calls it."""

import asyncio
import json
import threading
from contextlib import contextmanager

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.conformance import aws_model

from mayfly_gateway.backends.local.deployer import Deployer
from mayfly_gateway.backends.local.instances import LocalBackend
from mayfly_gateway.backends.local.registry import LocalRegistry
from mayfly_gateway.server import Gateway
from mayfly_gateway.settings import Settings

RUNTIME = "python3.11"
CODE = """def handler(event, context):
            return ["{word}", context.function_version, context.invoked_function_arn]
"""


def function(word, *, name="hello", **spec):
    fields = "".join(f"  {field}: {json.dumps(value)}\n" for field, value in spec.items())
    return (
        f"apiVersion: mayfly.dev/v1beta1\nkind: Function\nmetadata: {{name: {name}}}\nspec:\n"
        f"  runtime: {RUNTIME}\n  handler: app.handler\n{fields}"
        f"  code:\n    inline:\n      app.py: |\n        {CODE.format(word=word)}"
    )


def version(number, **spec):
    return _object("Version", f"hello.{number}", {"functionName": "hello", **spec})


def alias(function_version, name="live", **spec):
    said = {"functionName": "hello", "functionVersion": function_version, **spec}
    return _object("Alias", f"hello.{name}", said)


def _object(kind, name, spec):
    content = {"apiVersion": "mayfly.dev/v1beta1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    return json.dumps(content) + "\n"


class Operations:
    """The operations of an AWS SDK's client, on the function hello."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, operation):
        return lambda **parameters: getattr(self._client, operation)(
            **{"FunctionName": "hello", **parameters}
        )


def refused(operation, **parameters):
    """Code and message of the error with which an operation is refused."""
    with pytest.raises(ClientError) as caught:
        operation(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


class Local:
    """The local mode in a thread of its own, so that the real boto3 can call it; files are read when told."""

    def __init__(self, folder):
        self.folder = folder
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.run(self._start())
        self.client = boto3.client(
            "lambda",
            endpoint_url=self.gateway.url,
            region_name="us-east-1",
            aws_access_key_id="default",
            aws_secret_access_key="x",
            config=Config(retries={"max_attempts": 0}, parameter_validation=False),
        )
        aws_model.watch(self.client)
        self.hello = Operations(self.client)

    def run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    async def _start(self):
        self.gateway = Gateway(Settings(port=0, stop_time=1.0))
        backend = LocalBackend(self.folder / "i", logs=self.gateway.logs)
        self.deployer = Deployer(
            [self.folder / "manifests"],
            namespace="default",
            cluster="local",
            store=self.folder / "code",
            catalogue=self.gateway.catalogue,
            backend=backend,
            progress=lambda sentence: None,
        )
        await self.gateway.start(
            backend,
            is_stale=self.deployer.freshness.is_stale,
            registry=LocalRegistry(
                self.deployer.releases,
                self.deployer.freshness,
                provisioned=lambda target: self.gateway.provisioning.state(target),
                scaled=lambda alias: self.gateway.scaling.decided(alias),
            ),
        )
        backend.start()

    def save(self, *documents, file="all.yaml"):
        """Write the documents and read everything; what came of it."""
        (self.folder / "manifests").mkdir(exist_ok=True)
        (self.folder / "manifests" / file).write_text("---\n".join(documents))
        return self.run(self.deployer.refresh())

    def call(self, qualifier=None):
        """What the function returned, and the executed version that the reply names."""
        named = {} if qualifier is None else {"Qualifier": qualifier}
        reply = self.client.invoke(FunctionName="hello", **named)
        word, version, arn = json.loads(reply["Payload"].read())
        suffix = "" if qualifier is None else f":{qualifier}"
        assert arn == f"arn:aws:lambda:local:default:function:hello{suffix}"
        assert version == reply["ExecutedVersion"]
        return word, version

    def missing(self, qualifier):
        """The message of the error that a call of this qualifier gets."""
        with pytest.raises(self.client.exceptions.ResourceNotFoundException) as caught:
            self.call(qualifier)
        return caught.value.response["Error"]["Message"]

    def end(self):
        self.run(self.gateway.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@contextmanager
def running(folder):
    local = Local(folder)
    try:
        yield local
    finally:
        local.end()
