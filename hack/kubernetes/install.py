"""Installing the chart as a person would, on whatever cluster KUBECONFIG names."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import binaries
import images
from cluster import KUBECTL
from layout import ROOT

RELEASE, NAMESPACE = "mayfly", "mayfly-system"


def install(kubeconfig: Path, values: Path | None) -> None:
    """Install or upgrade; without `values`, those for the images built here.

    Raises:
        SystemExit: Helm failed; it has said why.
    """
    start = time.monotonic()
    chart = ROOT / "charts" / "mayfly"
    where = [f"--namespace={NAMESPACE}", "--create-namespace", f"--kubeconfig={kubeconfig}"]
    command = [
        str(binaries.helm()),
        "upgrade",
        "--install",
        RELEASE,
        str(chart),
        *where,
        "--wait",
        "--timeout=3m",
    ]
    given = [f"--values={values}"] if values else ["--values=-"]
    stdin = None if values else json.dumps(local_values())
    done = subprocess.run([*command, *given], check=False, text=True, input=stdin, stdout=subprocess.DEVNULL)
    if done.returncode:
        _show(kubeconfig)
        raise SystemExit(done.returncode)
    print(f"Installed {RELEASE} into {NAMESPACE} in {time.monotonic() - start:.1f} s")


def _show(kubeconfig: Path) -> None:
    """What a person would look at next."""
    ask = [str(KUBECTL), f"--kubeconfig={kubeconfig}", f"--namespace={NAMESPACE}"]
    subprocess.run([*ask, "get", "pods", "--output=wide"], check=False)
    for part in ("gateway", "operator", "nats"):
        of = [f"--selector=app.kubernetes.io/component={part}", "--prefix", "--tail=15"]
        subprocess.run([*ask, "logs", *of], check=False)


def local_values() -> dict[str, object]:
    """The chart's values for the images built here."""
    made_of = {image.name: images.inputs(image) for image in images.IMAGES}
    # The tag stays the same when an image changes; the annotation does not, and rolls the pods.
    parts = {"gateway": "control-plane", "operator": "control-plane", "nats": "nats"}
    annotated = {
        part: {"podAnnotations": {"mayfly.dev/inputs": made_of[image]}} for part, image in parts.items()
    }
    return {"images": {"registry": "localhost/mayfly", "tag": "dev"}, **annotated}


def kubeconfig() -> Path:
    """The one that the environment names, else the one of the cluster here."""
    return Path(os.environ.get("KUBECONFIG") or ROOT / ".cluster" / "kubeconfig")
