"""`mayfly deploy` where there is no cluster, or no gateway of one: a sentence with its way out, and status 2."""

import pytest
from tests.component.cli.local_mode import LocalMode, function, mayfly

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
contexts: [{name: c, context: {cluster: c, user: u, namespace: shop}}]
current-context: c
users: [{name: u, user: {token: t}}]
"""


@pytest.fixture
def project(tmp_path):
    """A folder with a function whose code must be uploaded."""
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    (folder / "src/app.py").write_text("def handler(event, context): return 1\n")
    manifest = "apiVersion: mayfly.dev/v1beta1\nkind: Function\nmetadata: {name: hello}\n"
    spec = "spec: {runtime: python3.11, handler: app.handler, code: {directory: src}}\n"
    (folder / "function.yaml").write_text(manifest + spec)
    return folder


@pytest.fixture
def kubeconfig(tmp_path):
    """One whose cluster does not answer."""
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    return str(tmp_path / "kubeconfig")


def refused(*words, **environment):
    done = mayfly("deploy", *map(str, words), COLUMNS="400", **environment)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


def test_no_cluster_at_all(project, tmp_path):
    assert "There is no cluster to deploy to: set KUBECONFIG" in refused(
        project, KUBECONFIG=str(tmp_path / "none")
    )


def test_another_context_that_is_not_there(project, kubeconfig):
    assert refused(project, "--context", "nope", KUBECONFIG=kubeconfig).startswith(
        "error: cannot locate context nope"
    )


def test_a_cluster_that_does_not_answer(project, kubeconfig):
    told = refused(project, KUBECONFIG=kubeconfig)
    assert "127.0.0.1:1 was refused" in told
    assert "--endpoint how else to reach its gateway" in told


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://127.0.0.1:1", "No gateway answers at http://127.0.0.1:1 (connection refused)."),
        ("gateway.example", "gateway.example is no gateway's URL: it begins with http:// or https://."),
    ],
)
def test_a_gateway_that_is_not_there(project, kubeconfig, url, sentence):
    assert sentence in refused(project, "--gateway", url, KUBECONFIG=kubeconfig)
    assert sentence in refused(project, KUBECONFIG=kubeconfig, MAYFLY_ENDPOINT=url)


def test_the_local_mode_is_not_the_gateway_of_a_cluster(project, kubeconfig, tmp_path):
    (tmp_path / "local.yaml").write_text(function("other", "def handler(event, context): return 1"))
    with LocalMode(tmp_path / "local.yaml") as local:
        told = refused(project, "--gateway", local.endpoint, KUBECONFIG=kubeconfig)
    assert f"The gateway at {local.endpoint} takes no archives. Is it the gateway of a cluster?" in told


def test_every_manifest_that_is_wrong_is_told_before_anything_is_sent(project, kubeconfig):
    for name in ("broken.yaml", "worse.yaml"):
        (project / name).write_text("kind: Function\napiVersion: mayfly.dev/v1beta1\n")
    told = refused(project, KUBECONFIG=kubeconfig)
    assert "broken.yaml:1: metadata: " in told
    assert "worse.yaml:1: metadata: " in told
    assert "127.0.0.1:1" not in told


def test_all_code_that_is_missing_is_told_before_anything_is_sent(project, kubeconfig):
    for name in ("other", "another"):
        (project / f"{name}.yaml").write_text(
            (project / "function.yaml").read_text().replace("hello", name).replace("src", f"no-{name}")
        )
    told = refused(project, KUBECONFIG=kubeconfig)
    for name in ("other", "another"):
        assert f"{name}.yaml:4: {project}/no-{name} is not there: correct code.directory" in told
    assert "127.0.0.1:1" not in told


def test_a_folder_that_has_nothing_to_deploy(tmp_path, kubeconfig):
    told = refused(tmp_path, KUBECONFIG=kubeconfig)
    assert "No function to deploy: name a Function's manifest, or a folder that has one." in told
