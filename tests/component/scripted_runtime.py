"""A runtime without manners: it runs each event as Python, with the Runtime API at hand in its rawest form.

What stands in the environment's INIT runs before the first `next`. An event answers for itself, or it does not.
"""

import json
import os
import socket

HOST, PORT = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
PREFIX = "/2018-06-01/runtime"


class Client:
    """One keep-alive connection to the Runtime API."""

    def __init__(self):
        self.socket = socket.create_connection((HOST, int(PORT)))
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def read(self, *, forever=True):
        """Status, headers and body of the next answer; None if the connection ends before."""
        while b"\r\n\r\n" not in self.buffer:
            if not self.more():
                return None
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if ": " in line)
        while len(self.buffer) < int(headers["Content-Length"]):
            if not self.more():
                return None
        size = int(headers["Content-Length"])
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return int(first.split()[1]), headers, body

    def more(self):
        try:
            data = self.socket.recv(65536)
        except OSError:
            return False
        self.buffer += data
        return bool(data)

    def call(self, method, path, body=b"", headers=""):
        self.send(message(method, path, body, headers))
        return self.read()

    def next(self):
        return self.call("GET", f"{PREFIX}/invocation/next")

    def respond(self, body, request_id=None):
        return self.call("POST", f"{PREFIX}/invocation/{request_id or current}/response", body)[0]

    def fail(self, body, request_id=None, headers=""):
        return self.call("POST", f"{PREFIX}/invocation/{request_id or current}/error", body, headers)[0]

    def init_error(self, body, headers=""):
        return self.call("POST", f"{PREFIX}/init/error", body, headers)[0]


def message(method, path, body=b"", headers=""):
    head = f"{method} {path} HTTP/1.1\r\nHost: runtime\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def tell(value):
    """Answer with JSON."""
    return respond(json.dumps(value).encode())


def say(text):
    """Print with one write, unbuffered."""
    os.write(1, text if isinstance(text, bytes) else text.encode() + b"\n")


current = None
client = Client()
next_, respond, fail, init_error = client.next, client.respond, client.fail, client.init_error
exec(os.environ.get("INIT", ""), globals())
while True:
    answer = next_()
    if answer is None:
        os._exit(1)
    status, headers, event = answer
    current = headers["Lambda-Runtime-Aws-Request-Id"]
    exec(event.decode(), globals())
