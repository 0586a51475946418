"""The `aws` command, unmodified, against the endpoint."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conformance.functions import TOLD
from tests.conformance.runtimes import PYTHON
from tests.conformance.waiting import at_once

AWS = Path(sys.executable).with_name("aws")
NAME = TOLD[PYTHON.key].name


@pytest.fixture
def aws(mayfly, tmp_path):
    """Runs `aws lambda invoke`; its exit status, its own JSON, the payload, its complaint."""
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL_LAMBDA": mayfly.endpoint, "AWS_MAX_ATTEMPTS": "1",
    }  # fmt: skip

    def invoke(name, payload, *options):
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}-{name[:20]}-{abs(hash(payload))}.out"
        command = [AWS, "lambda", "invoke", "--function-name", name, "--payload", payload]
        done = subprocess.run(
            [*command, *options, out],
            env=environment, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        told = json.loads(done.stdout) if done.stdout.strip() else None
        return done.returncode, told, out.read_bytes() if out.exists() else None, done.stderr

    return invoke


def test_the_aws_command_invokes_functions_and_shows_errors(aws):
    success, failure, dry_run, unknown = at_once([
        lambda: aws(NAME, '{"croissants": "grüezi"}', "--log-type", "Tail"),
        lambda: aws(NAME, '{"do": "raise_error"}'),
        lambda: aws(NAME, "{}", "--invocation-type", "DryRun"),
        lambda: aws("nobody-wrote-this", "{}"),
    ])  # fmt: skip
    status, told, payload, _ = success
    assert (status, told["StatusCode"], told["ExecutedVersion"]) == (0, 200, "$LATEST")
    assert json.loads(payload) == {"croissants": "grüezi"}
    assert told["LogResult"]
    status, told, payload, _ = failure
    assert (status, told["FunctionError"]) == (0, "Unhandled")
    assert json.loads(payload)["errorType"] == "OutOfStock"
    assert (dry_run[0], dry_run[1]["StatusCode"]) == (0, 204)
    status, _, _, complaint = unknown
    assert status != 0
    assert "(ResourceNotFoundException)" in complaint
    assert "Function not found: arn:aws:lambda:local:default:function:nobody-wrote-this:$LATEST" in complaint
