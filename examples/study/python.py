"""The Python that has the examples' packages."""

import os
import pathlib
import sys

VENV = pathlib.Path(__file__).resolve().parents[2] / "build/test-venv/bin/python"


def with_packages():
    """Runs the script again by the Python of build/test-venv where this one lacks a package; ends it with a hint where there is none."""
    try:
        import nibabel, numpy, PIL, pydicom, yaml  # noqa: E401, F401
    except ImportError as missing:
        if VENV.exists() and pathlib.Path(sys.executable) != VENV:
            os.execv(VENV, [str(VENV), *sys.argv])
        sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {missing}; scripts/setup --tests installs what is needed into build/test-venv")
