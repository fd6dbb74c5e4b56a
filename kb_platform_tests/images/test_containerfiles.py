"""What holds for every image, read from its Containerfile; hadolint reads it too, and the shell in it."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "images"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NAMES = ("platform", "gpu", "worker")
Instruction = tuple[str, str]


def stages(name: str) -> list[list[Instruction]]:
    """Return the instructions of each stage; what stands before the first is a stage of its own."""
    text = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", (IMAGES / f"{name}.Containerfile").read_text(), flags=re.MULTILINE))
    found: list[list[Instruction]] = [[]]
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append([])
        found[-1].append((word, " ".join(rest.split())))
    return found


def said(stage: list[Instruction], word: str) -> list[str]:
    """Return what an instruction says in a stage, each time."""
    return [rest for found, rest in stage if found == word]


def argument(name: str, argument: str) -> str:
    """Return the default of a build argument of the builder."""
    (value,) = [rest.partition("=")[2].strip('"') for rest in said(stages(name)[1], "ARG") if rest.startswith(f"{argument}=")]
    return value


@pytest.mark.parametrize("name", NAMES)
def test_hadolint_finds_nothing(name: str) -> None:
    path = IMAGES / f"{name}.Containerfile"
    done = subprocess.run([str(Path(sys.executable).with_name("hadolint")), "--no-color", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", NAMES)
def test_the_base_is_named_by_who_builds_and_the_final_image_is_not_the_builder(name: str) -> None:
    before, builder, final = stages(name)
    assert before == [("ARG", "BASE")]  # without a default
    assert said(builder, "FROM") == ["${BASE} AS builder"]
    assert said(final, "FROM") == ["${BASE}"]
    assert not re.search(r"\bapt|\bpip\b|\buv\b|gcc|build-essential", " ".join(said(final, "RUN")))
    assert said(final, "COPY") == ["--from=builder /opt/venv /opt/venv"]


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_as_a_number_that_is_not_root_and_names_what_can_be_written(name: str) -> None:
    final = stages(name)[-1]
    assert said(final, "USER") == ["10001:10001"]
    words = [word for word, _ in final]
    assert words.index("USER") > max(at for at, word in enumerate(words) if word in ("RUN", "COPY"))
    (volumes,) = said(final, "VOLUME")
    assert {"/tmp", "/var/lib/kb"} <= set(re.findall(r'"([^"]+)"', volumes))
    assert "PYTHONDONTWRITEBYTECODE=1" in said(final, "ENV")[0]
    assert "UV_COMPILE_BYTECODE=1" in said(stages(name)[1], "ENV")[0]


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is_and_whether_it_is_well(name: str) -> None:
    final = stages(name)[-1]
    labels = dict(pair.split("=", 1) for pair in shlex.split(said(final, "LABEL")[0]))
    assert {f"org.opencontainers.image.{label}" for label in ("title", "description", "version", "revision", "base.name", "licenses")} == labels.keys()
    assert len(said(final, "HEALTHCHECK")) == len(said(final, "CMD")) == 1
    assert not said(final, "ENTRYPOINT")  # Dagster's launcher gives arguments, and no command


def test_what_is_installed_is_what_the_lock_and_the_project_name() -> None:
    extras, groups = PROJECT["project"]["optional-dependencies"], PROJECT["dependency-groups"]
    assert argument("platform", "EXTRAS") == "review kubernetes serve"
    assert argument("gpu", "EXTRAS") == "review kubernetes serve gpu"
    for name in ("platform", "gpu"):
        assert set(argument(name, "EXTRAS").split()) <= extras.keys()
        assert set(argument(name, "DEPENDENCY_GROUPS").split()) <= groups.keys()
        assert "local" not in argument(name, "EXTRAS")  # the embedded servers
    for name in NAMES:
        syncs = [run for run in said(stages(name)[1], "RUN") if "uv sync" in run]
        assert len(syncs) == 1
        assert "--frozen" in syncs[0]
        (project,) = [run for run in said(stages(name)[1], "RUN") if "uv pip install" in run]
        assert "--no-deps ." in project
        assert f"UV_VERSION={argument(name, 'UV_VERSION')}" in "".join(said(stages(name)[1], "ARG"))
        assert f"UV_VERSION := {argument(name, 'UV_VERSION')}" in (ROOT / "Makefile").read_text()


def test_the_workers_image_has_all_that_the_extra_review_has() -> None:
    review, worker = PROJECT["project"]["optional-dependencies"]["review"], PROJECT["dependency-groups"]["worker"]
    assert set(review) <= set(worker)
    shared = set(worker) - set(review)
    assert shared <= set(PROJECT["project"]["dependencies"])


def test_the_images_see_of_the_repository_what_they_copy_and_no_more() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {source for name in NAMES for rest in said(stages(name)[1], "COPY") for source in rest.split()[:-1]}
    assert let_in == copied


# images/build

BASE = f"docker.io/library/python:3.11@sha256:{'1' * 64}"


def build(*arguments: str, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(root / "images" / "build"), *arguments], capture_output=True, text=True, check=False)


def test_the_script_says_what_it_would_run() -> None:
    done = build("--print", "--engine", "podman", "--base", BASE, "--registry", "registry.example.org/kb", "--extra", "judge", "--push")
    assert done.returncode == 0, done.stderr
    commands = [shlex.split(line) for line in done.stdout.splitlines()]
    version = PROJECT["project"]["version"]
    images = [f"registry.example.org/kb/{name}:{version}" for name in ("kb-platform", "kb-platform-gpu", "kb-review-worker")]
    assert [c[c.index("--tag") + 1] for c in commands[::2]] == images
    assert commands[1::2] == [["podman", "push", image] for image in images]
    assert all(f"BASE={BASE}" in command for command in commands[::2])
    assert "EXTRAS=review kubernetes serve gpu judge" in commands[2]
    assert all(command[:4] == ["podman", "build", "--format", "docker"] for command in commands[::2])


def test_what_the_script_installs_unless_told_otherwise_is_what_the_files_say() -> None:
    lines = build("--print", "--engine", "docker", "--base", BASE).stdout.splitlines()
    for name, line in zip(NAMES, lines, strict=True):
        given = dict(word.split("=", 1) for word in shlex.split(line) if "=" in word)
        if name != "worker":
            assert {key: given[key] for key in ("EXTRAS", "DEPENDENCY_GROUPS")} == {key: argument(name, key) for key in ("EXTRAS", "DEPENDENCY_GROUPS")}
    bare = shlex.split(build("--print", "--engine", "docker", "--base", BASE, "--store", "none", "--without-model", "platform").stdout)
    assert "DEPENDENCY_GROUPS=" in bare


@pytest.mark.parametrize(("arguments", "fault"), [
    (("--base", "python:3.11"), "--base python:3.11: expected its digest too"),
    (("--base", BASE, "--tag", "latest"), "--tag latest: says nothing of what is in the image"),
    (("--base", BASE, "--store", "hdfs"), "--store hdfs: expected s3, gcs, azure or none"),
    (("--engine", "kaniko", "--base", BASE), "found none of docker, podman and buildah"),
    (("--tag",), "--tag: expected a value after it"),
    (("all",), "all: expected platform, gpu, worker, or an option that --help lists"),
])
def test_wrong_usage_is_one_line(arguments: tuple[str, ...], fault: str) -> None:
    done = build("--print", *arguments)
    assert done.returncode in (1, 2)
    assert done.stderr.startswith(f"images/build: {fault}")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
