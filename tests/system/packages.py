"""Python packages that tests compare with. scripts/setup --tests installs them (tests/requirements.txt) into build/test-venv.

If a package is missing, a module that needs it is skipped. It fails instead if $CONSILIUM_TEST_PACKAGES is "required", as in scripts/test.
"""

import importlib
import importlib.metadata
import os
import unittest


def need(*names):
    """Imports packages and returns them. A single package is returned by itself."""
    try:
        modules = [import_torchvision() if name == "torchvision" else importlib.import_module(name) for name in names]
    except ImportError as error:
        if os.environ.get("CONSILIUM_TEST_PACKAGES") == "required":
            raise
        raise unittest.SkipTest(f"{error}; run scripts/setup --tests, then configure again") from error
    return modules[0] if len(modules) == 1 else modules


def import_torchvision():
    """Imports torchvision. PyPI's torchvision is built for CUDA, and its compiled operators don't load beside a torch for CPUs, so the
    import fails over two operators that its models never call. They are declared here."""
    torch = importlib.import_module("torch")
    if "+cpu" in torch.__version__ and "+cpu" not in importlib.metadata.version("torchvision"):
        global torchvision_operators
        torchvision_operators = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            torchvision_operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return importlib.import_module("torchvision")
