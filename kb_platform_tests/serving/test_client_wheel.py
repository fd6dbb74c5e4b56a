"""The client's wheel: built as it is published, and imported where nothing but what it declares is installed."""

import re
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "kb_client", folder / "kb_client", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=folder / "kb_client", check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == {f"kb_client/{path.name}" for path in (ROOT / "kb_client").iterdir() if path.suffix == ".py" or path.name == "py.typed"}


def test_it_is_imported_where_only_what_it_declares_is_installed(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    python = tmp_path / "bare" / "bin" / "python"
    site = Path(subprocess.run([python, "-c", "import site; print(site.getsitepackages()[0])"], check=True, capture_output=True, text=True).stdout.strip())
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    declared = next(metadata.distributions(name="kb-client", path=[str(site)]))
    for distribution in _needed(declared.requires or []):
        _link(distribution, site)
    said = subprocess.run([python, "-c", SCRIPT], check=False, capture_output=True, text=True, cwd=tmp_path)
    assert (said.returncode, said.stdout.strip()) == (0, "Unreachable ['llama_index', 'langchain_core']"), said.stderr


SCRIPT = """
import sys, kb_client
try:
    kb_client.Client("http://127.0.0.1:1", patience=0).knowledge_bases()
except kb_client.Unreachable as error:
    lacking = []
    for module, library in (("llama_index", "llama_index"), ("langchain", "langchain_core")):
        try:
            __import__(f"kb_client.{module}")
        except ModuleNotFoundError as missing:
            lacking.append(missing.name)
    assert "kb_platform" not in sys.modules
    print(type(error).__name__, lacking)
"""


def _needed(requirements: list[str]) -> list[metadata.Distribution]:
    """Return the distributions that these requirements, and theirs, name; extras are left out."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [r for r in requirements if "extra ==" not in r and not re.search(r"python_version|sys_platform|platform_system", r)]
    while waiting:
        name = re.split(r"[^A-Za-z0-9._-]", waiting.pop(), maxsplit=1)[0]
        if name.lower() not in found:
            found[name.lower()] = metadata.distribution(name)
            waiting += [r for r in found[name.lower()].requires or [] if "extra ==" not in r and "python_version" not in r and "platform" not in r]
    return list(found.values())


def _link(distribution: metadata.Distribution, site: Path) -> None:
    for top in {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}:
        source, target = Path(str(distribution.locate_file(top))), site / top
        if not target.exists():
            target.symlink_to(source)
