"""A function whose interpreter is missing is known and says why, until it runs or its manifest is gone."""

import pytest

from mayfly_gateway.backends.local.deployer import Deployer
from mayfly_gateway.backends.local.instances import LocalBackend
from mayfly_gateway.catalogue import Catalogue
from mayfly_gateway.logs import Logs

MANIFEST = """\
apiVersion: mayfly.dev/v1beta1
kind: Function
metadata: {name: hello}
spec: {runtime: RUNTIME, handler: app.handler, code: {inline: {bootstrap: "#!/bin/sh", app.js: ""}}}
"""
MISSING = MANIFEST.replace("RUNTIME", "nodejs20.x")
PRESENT = MANIFEST.replace("RUNTIME", "provided.al2023")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    # A machine without Node.js.
    for name in ("PATH", "NVM_DIR", "FNM_DIR", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    folder = tmp_path / "manifests"
    folder.mkdir()
    return folder


@pytest.fixture
def catalogue():
    return Catalogue()


@pytest.fixture
def deployer(folder, catalogue, tmp_path):
    return Deployer(
        [folder],
        namespace="default",
        cluster="local",
        store=tmp_path / "store",
        catalogue=catalogue,
        backend=LocalBackend(tmp_path / "instances", logs=Logs()),
        progress=print,
    )


async def test_it_is_told_once_and_is_gone_with_its_manifest(folder, deployer, catalogue):
    (folder / "f.yaml").write_text(MISSING)
    first, second = await deployer.refresh(), await deployer.refresh()
    assert [target.name for target in first.refused] == ["hello"]
    assert second.served == ()
    assert "nodejs20.x" in second.problems[0]
    assert catalogue.resolve("default", "hello") is not None
    (folder / "f.yaml").unlink()
    assert (await deployer.refresh()).removed == (("default", "hello"),)
    assert catalogue.resolve("default", "hello") is None


async def test_it_is_served_once_it_can_run_and_stays_served(folder, deployer, catalogue):
    (folder / "f.yaml").write_text(MISSING)
    await deployer.refresh()
    (folder / "f.yaml").write_text(PRESENT)
    (served,) = (await deployer.refresh()).served
    assert catalogue.resolve("default", "hello") is served
    (folder / "f.yaml").write_text(MISSING)
    assert (await deployer.refresh()).served == ()
    assert catalogue.resolve("default", "hello") is served


async def test_a_function_that_moves_to_another_file_is_gone_with_that_file(folder, deployer, catalogue):
    (folder / "a.yaml").write_text(PRESENT)
    await deployer.refresh()
    (folder / "a.yaml").rename(folder / "b.yaml")
    assert (await deployer.refresh()).served == ()
    # What is wrong with the old file's name says nothing about the function any more.
    (folder / "a.yaml").write_text("kind: [")
    (folder / "b.yaml").unlink()
    assert (await deployer.refresh()).removed == (("default", "hello"),)
