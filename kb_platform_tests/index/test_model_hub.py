"""Models of the hub: downloaded from a real socket, found again without it, and each way in which they can be missing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kb_platform.index.model_folder import space_of
from kb_platform.knowledge.errors import ConfigError
from kb_platform.knowledge.spaces import EmbeddingChoice
from kb_platform_tests.flow.made_models import make_model
from kb_platform_tests.index.scripted_hub import COMMIT, serving_models

NAME = f"hf:team/small@{COMMIT}"
SCRIPT = """
import json, sys
from kb_platform.index.embedders import Deployment, load_for
from kb_platform.index.model_folder import space_of
from kb_platform.knowledge.errors import KbError
from kb_platform.knowledge.spaces import EmbeddingChoice
try:
    space = space_of(EmbeddingChoice(sys.argv[1]))
    print(json.dumps(space.describe() | {"location": space.location, "shape": load_for(space, Deployment()).embed(["dose"]).shape}))
except KbError as error:
    print(json.dumps({"error": type(error).__name__, "text": str(error)}))
"""


def ask(name: str, home: Path, **environment: str) -> dict[str, object]:
    """Return what a process of its own finds: huggingface_hub reads its variables when it is imported."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    done = subprocess.run([sys.executable, "-c", SCRIPT, name], capture_output=True, text=True, timeout=600,
                          env=own | {"HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"} | environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_model_is_downloaded_once_and_then_found_without_the_hub(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    (model / "pytorch_model.bin").write_bytes(b"a pickle")
    with serving_models({"team/small": model}) as hub:
        found = ask(NAME, tmp_path / "cache", HF_ENDPOINT=hub.url)
        assert found["model"] == "team/small", found
        assert (found["location"], found["shape"]) == (NAME, [1, 64])
        assert found["model_sha256"] == space_of(EmbeddingChoice(str(model))).model_sha256
        assert not [path for path in hub.paths if path.endswith(".bin")]
        asked = len(hub.paths)
        assert ask(NAME, tmp_path / "cache", HF_ENDPOINT=hub.url) == found
        assert len(hub.paths) == asked, "a commit does not change: nothing is asked for again"
    assert ask(NAME, tmp_path / "cache", HF_HUB_OFFLINE="1") == found


def test_a_model_that_is_not_in_the_cache_is_named_with_the_command_that_brings_it(tmp_path: Path) -> None:
    found = ask(NAME, tmp_path / "cache", HF_HUB_OFFLINE="1")
    assert found["error"] == "ConfigError"
    assert f"hf download team/small --revision {COMMIT}" in str(found["text"])
    assert "HF_HUB_OFFLINE is set" in str(found["text"])


def test_a_hub_that_does_not_answer_may_answer_later(tmp_path: Path) -> None:
    found = ask(NAME, tmp_path / "cache", HF_ENDPOINT="http://127.0.0.1:9")
    assert found["error"] == "TransientError"
    assert "http://127.0.0.1:9 does not answer" in str(found["text"])


def test_a_model_that_the_hub_does_not_have_is_refused(tmp_path: Path) -> None:
    with serving_models({}) as hub:
        found = ask(NAME, tmp_path / "cache", HF_ENDPOINT=hub.url)
    assert found["error"] == "ConfigError"
    assert "check id and commit" in str(found["text"])


@pytest.mark.parametrize("name", ["hf:team/small", "hf:team/small@main", "hf:team/small@1234567", "hf:../../etc@" + COMMIT])
def test_a_name_without_a_commit_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="40 digits of a commit"):
        space_of(EmbeddingChoice(name))
