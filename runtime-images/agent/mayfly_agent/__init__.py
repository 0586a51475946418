"""The first process of every instance: the Lambda Runtime API server and the supervisor."""
