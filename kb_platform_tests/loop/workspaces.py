"""The workspace for `kb up` whose code location is the platform's, under its name, with quick sensors."""

from pathlib import Path

import yaml

from kb_platform.local.dagster_home import LOCATION


def quick_workspace(folder: Path) -> Path:
    module = {"module_name": "kb_platform_tests.loop.quick_definitions", "working_directory": str(Path(__file__).parents[2]), "location_name": LOCATION}
    path = folder / "quick.yaml"
    path.write_text(yaml.safe_dump({"load_from": [{"python_module": module}]}))
    return path
