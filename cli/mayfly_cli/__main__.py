"""The mayfly command: arguments in, one call of another module out."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from mayfly_cli import client, present

EXAMPLES = """
[bold]Run functions on this machine[/]

  mayfly dev examples/                      serve every Function manifest below examples/
  mayfly invoke hello -p '{"name": "Ada"}'  call one
  mayfly logs hello --follow                read what it writes

[bold]Run them on a cluster[/]

  mayfly deploy examples/                   upload their code and apply their manifests
  mayfly publish hello                      hold one fast as a version: hello:1

Any AWS client works too: point it at the endpoint that `mayfly dev` prints, or at the cluster's gateway.
"""

app = typer.Typer(
    name="mayfly",
    help="AWS Lambda on your own machine and your own Kubernetes cluster.\n" + EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Endpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        "--gateway",
        help="The gateway's URL. Default: $MAYFLY_ENDPOINT, $AWS_ENDPOINT_URL_LAMBDA, else the local mode's.",
    ),
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        help="The namespace, which stands for the account. Default: the gateway's own, not the kubeconfig's.",
    ),
]
FunctionName = Annotated[str, typer.Argument(metavar="NAME", help="A name, name:qualifier, or an ARN.")]
WholeFunction = Annotated[
    str, typer.Argument(metavar="NAME", help="A function's name, without a version or an alias.")
]


@app.command(
    epilog="[bold]Examples[/]\n\n  mayfly dev\n\n  mayfly dev examples/hello.yaml --port 9001\n\n"
    "  AWS_ENDPOINT_URL_LAMBDA=http://127.0.0.1:9000 aws lambda invoke --function-name hello out.json"
)
def dev(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Manifests, or folders of them. Default: here."),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")
    ] = 9000,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="The namespace of manifests and calls that name none.")
    ] = "default",
    account_limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Running invocations at most, all functions together. Default: 1000, or fewer by memory.",
        ),
    ] = None,
) -> None:
    """Serve functions on this machine, each change of a file live at the next call."""
    from mayfly_cli import dev as local_mode

    status = local_mode.run(
        paths or [Path()],
        host=host,
        port=port,
        namespace=namespace or "default",
        account_limit=account_limit,
    )
    raise typer.Exit(status)


@app.command(
    epilog="[bold]Examples[/]\n\n  mayfly deploy\n\n  mayfly deploy examples/ --namespace shop\n\n"
    "  mayfly deploy function.yaml --endpoint https://functions.example.com --no-wait"
)
def deploy(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Manifests, or folders of them. Default: here."),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", help="For objects that name none. Default: the kubeconfig's."),
    ] = None,
    context: Annotated[str | None, typer.Option(help="Another of the kubeconfig's contexts.")] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            "--endpoint",
            "--gateway",
            help="The gateway's URL. Default: $MAYFLY_ENDPOINT, else by port-forward.",
        ),
    ] = None,
    system_namespace: Annotated[
        str, typer.Option(help="Where Mayfly is installed, for the port-forward.")
    ] = "mayfly-system",
    wait: Annotated[bool, typer.Option(help="Wait until all is ready.")] = True,
    timeout: Annotated[float, typer.Option(min=0, help="How many seconds to wait at most.")] = 60.0,
    force_conflicts: Annotated[
        bool, typer.Option("--force-conflicts", help="Take over fields that somebody else has set otherwise.")
    ] = False,
) -> None:
    """Bring functions to a cluster: upload their code, apply their manifests, wait until they are ready.

    Code in `directory` and `zipFile` is uploaded; nothing is installed, so what a function imports lies in its folder.
    Exit status 1 if something is not ready, 2 if anything was refused.
    """
    from mayfly_cli import deploy as cluster

    options = cluster.Options(
        namespace=namespace,
        context=context,
        endpoint=endpoint,
        system_namespace=system_namespace,
        timeout=timeout if wait else None,
        force_conflicts=force_conflicts,
    )
    raise typer.Exit(cluster.run(paths or [Path()], options))


@app.command(
    epilog="[bold]Examples[/]\n\n  mayfly invoke hello\n\n"
    '  mayfly invoke hello -p \'{"name": "Ada"}\' --tail\n\n'
    "  mayfly invoke thumbnail -p @event.json > answer.json"
)
def invoke(
    name: FunctionName,
    payload: Annotated[
        str,
        typer.Option(
            "--payload", "-p", metavar="JSON|@FILE", help="The event; @FILE reads it, @- from stdin."
        ),
    ] = "{}",
    tail: Annotated[
        bool, typer.Option("--tail", help="Print the end of the invocation's log as well.")
    ] = False,
    qualifier: Annotated[str | None, typer.Option("--qualifier", help="A version or an alias.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the call without running the function.")
    ] = False,
    endpoint: Endpoint = None,
    namespace: Namespace = None,
) -> None:
    """Call a function and print its answer. Exit status 1 if the function failed, 2 if the call was refused."""
    gateway = client.Client(client.endpoint(endpoint), namespace=namespace)
    event = read_payload(payload)
    try:
        result = gateway.invoke(name, event, qualifier=qualifier, tail=tail, dry_run=dry_run)
    except client.CallFailed as error:
        present.problem(str(error))
        raise typer.Exit(2) from None
    present.result(result)
    raise typer.Exit(1 if result.function_error else 0)


@app.command(
    epilog="[bold]Examples[/]\n\n  mayfly publish hello\n\n"
    '  mayfly publish hello --description "before the sale"'
)
def publish(
    name: WholeFunction,
    description: Annotated[
        str | None,
        typer.Option("--description", "-d", help="What is special about it. Default: the function's."),
    ] = None,
    endpoint: Endpoint = None,
    namespace: Namespace = None,
) -> None:
    """Hold a function fast, as it is now, as a version, and print the version's number.

    Where nothing has changed since the last version, that one's number is printed. Exit status 2 if it was refused.
    """
    gateway = client.Client(client.endpoint(endpoint), namespace=namespace)
    try:
        present.published(gateway.publish(name, description=description))
    except client.CallFailed as error:
        present.problem(str(error))
        raise typer.Exit(2) from None


@app.command(epilog="[bold]Examples[/]\n\n  mayfly logs hello\n\n  mayfly logs hello --follow --lines 0")
def logs(
    name: WholeFunction,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as new lines come.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", min=0, help="How many of the latest messages first.")
    ] = 100,
    endpoint: Endpoint = None,
    namespace: Namespace = None,
) -> None:
    """Print what a function wrote, all its versions together, the latest last.

    Of the local mode. On a cluster logs are with the pods: kubectl logs --selector=mayfly.dev/function=NAME.
    """
    if ":" in name:
        present.problem(
            f"{name} is no name of a function: one log holds all versions. Write mayfly logs NAME, as in"
            f" mayfly logs {whole(name)}."
        )
        raise typer.Exit(2)
    gateway = client.Client(client.endpoint(endpoint), namespace=namespace)
    try:
        for record in gateway.logs(name, tail=lines, follow=follow):
            present.record(record)
    except client.CallFailed as error:
        present.problem(str(error))
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def whole(name: str) -> str:
    """The function in a name with a qualifier, or in an ARN."""
    parts = name.split(":")
    return parts[parts.index("function") + 1] if "function" in parts[:-1] else parts[0]


def read_payload(given: str) -> bytes:
    """The event's bytes: the text itself, or what the named file holds. Ends the command if it is no JSON."""
    try:
        data = read_file(given[1:]) if given.startswith("@") else given.encode()
        json.loads(data or b"{}")
    except OSError as error:
        present.problem(f"The payload {given[1:]} cannot be read: {error.strerror}.")
        raise typer.Exit(2) from None
    except (ValueError, RecursionError) as error:
        present.problem(
            f'The payload is not JSON: {error}. Strings need double quotes: -p \'{{"name": "Ada"}}\'.'
        )
        raise typer.Exit(2) from None
    return data


def read_file(name: str) -> bytes:
    """The file's content; `-` is standard input."""
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
