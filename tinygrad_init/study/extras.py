"""The libraries that a study stands on, and what to say where they are missing."""

from __future__ import annotations

from importlib.util import find_spec

from ..autograd import DataError

LIBRARIES = ("sklearn", "matplotlib", "threadpoolctl", "tqdm")  #: the extra ``study``


def require(*modules: str) -> None:
    """Say what to install if one of the modules is missing, before anything has been computed.

    >>> require("math")
    """
    missing = [name for name in modules or LIBRARIES if find_spec(name) is None]
    if missing:
        raise DataError(
            f"this needs {', '.join(missing)}, which is not installed: "
            f'pip install "tinygrad-init[study]"'
        )
