"""Where the runtimes' own files are: beside this module in a wheel, in the checkout's `runtime-images` else."""

from pathlib import Path

_IN_WHEEL = Path(__file__).with_name("images")
_IN_CHECKOUT = Path(__file__).resolve().parents[4] / "runtime-images"


def image_file(name: str) -> Path:
    """The path of a file below `runtime-images`, such as `python/requirements.txt`."""
    return (_IN_WHEEL if _IN_WHEEL.is_dir() else _IN_CHECKOUT) / name
