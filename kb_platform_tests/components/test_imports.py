"""Loading the code location loads no model, no database driver and no table library; reading a defs.yaml does not load Dagster."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import sys, warnings
warnings.simplefilter("ignore")
import kb_platform.definitions
kb_platform.definitions.defs()
print([name for name in ("openvino", "torch", "tokenizers", "numpy", "pyarrow", "psycopg", "alembic", "llama_index", "httpx", "deepeval", "temporalio", "cryptography", "kubernetes") if name in sys.modules])
"""


@pytest.mark.parametrize("steps", ["in_process", "kubernetes"])
def test_the_code_location_loads_no_heavy_library(steps: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KB_")}  # other tests' homes
    environment["KB_STEPS"] = steps
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"


def test_a_knowledge_base_is_read_without_dagster() -> None:
    script = ("import sys; from kb_platform.cli.session import knowledge_base; knowledge_base('handbook')\n"
              "import kb_platform.resources, kb_platform.storage.releases, kb_platform.storage.stores\n"
              "print([m for m in ('dagster', 'alembic', 'pyarrow', 'llama_index', 'openvino') if m in sys.modules])")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KB_")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"
