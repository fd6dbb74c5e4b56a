"""Loading the code location loads no model, no database driver and no table library."""

import subprocess
import sys

SCRIPT = """
import sys, warnings
warnings.simplefilter("ignore")
import kb_platform.definitions
kb_platform.definitions.defs()
print([name for name in ("openvino", "torch", "tokenizers", "numpy", "pyarrow", "psycopg", "alembic", "llama_index") if name in sys.modules])
"""


def test_the_code_location_loads_no_heavy_library() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
