"""An account with one function, seen by the AWS SDK and by kubectl at once."""

import json

import pytest
from tests.cluster.accounts import function, until
from tests.conformance import aws_model

CODE = "def handler(event, context):\n    return {answer}\n"


class Shop:
    """An account with the function hello, and a client whose every answer is held against AWS's model."""

    def __init__(self, account):
        self.account = account
        self.aws = account.client()
        aws_model.watch(self.aws)

    def __getattr__(self, operation):
        """An operation of the AWS SDK, on hello."""
        return lambda **parameters: getattr(self.aws, operation)(FunctionName="hello", **parameters)

    def deploy(self, answer, **spec):
        """Have hello return something else, and wait until it is `$LATEST`."""
        self.account.apply(function("hello", CODE.format(answer=json.dumps(answer)), **spec))
        until(
            lambda: self.get_function_configuration().get("LastUpdateStatus") == "Successful",
            "the function is updated",
        )

    def refused(self, code, operation, **parameters):
        """The message of an operation's error."""
        with pytest.raises(self.aws.exceptions.ClientError) as caught:
            getattr(self, operation)(**parameters)
        assert caught.value.response["Error"]["Code"] == code
        return caught.value.response["Error"]["Message"]

    def call(self, qualifier):
        """The executed version and the answer of a call."""
        answer = self.aws.invoke(FunctionName="hello", Qualifier=qualifier)
        return answer["ExecutedVersion"], json.loads(answer["Payload"].read())

    def calls_lead_to(self, qualifier, *versions):
        """Wait until calls by a qualifier reach these versions and no others, on whichever gateway they land."""

        def reached():
            try:
                return {self.call(qualifier)[0] for _ in range(20)} == set(versions)
            except self.aws.exceptions.ResourceNotFoundException:
                return False

        until(reached, f"calls of {qualifier} reach {versions}")

    def kubectl_versions(self):
        found = json.loads(self.account.kubectl("get", "versions.mayfly.dev", "--output=json"))["items"]
        return sorted(each["metadata"]["name"].partition(".")[2] for each in found)

    def aws_versions(self):
        return [each["Version"] for each in self.list_versions_by_function()["Versions"]]
