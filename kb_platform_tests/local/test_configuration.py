"""The server's settings, which folder is enough for which user, and the platform's own settings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from kb_platform.knowledge.errors import ConfigError, StateError
from kb_platform.local import places, software
from kb_platform.local.configuration import MEGABYTE, Machine, as_file, settings, this_machine
from kb_platform.local.places import Places, make_folder, make_home, may_enter
from kb_platform.local.processes import Owner
from kb_platform.settings import Settings, current_settings
from kb_platform_tests.local.conftest import REPOSITORY

SMALL = Machine(memory=2 * 1024 * MEGABYTE, shared=64 * MEGABYTE, cpus=1)
LARGE = Machine(memory=256 * 1024 * MEGABYTE, shared=128 * 1024 * MEGABYTE, cpus=64)


def test_memory_follows_the_machine_within_bounds() -> None:
    assert settings(SMALL, 1)["shared_buffers"] == "256MB"
    assert settings(LARGE, 1)["shared_buffers"] == "2048MB"
    assert settings(LARGE, 1)["effective_cache_size"] == "131072MB"


def test_index_builds_leave_one_processor_to_others() -> None:
    assert settings(SMALL, 1)["max_parallel_maintenance_workers"] == "0"
    assert settings(LARGE, 1)["max_parallel_maintenance_workers"] == "4"


def test_where_shared_memory_is_short_as_in_containers_parallel_builds_use_files() -> None:
    assert settings(SMALL, 1)["dynamic_shared_memory_type"] == "mmap"
    assert settings(LARGE, 1)["dynamic_shared_memory_type"] == "posix"


def test_this_machine_is_measured() -> None:
    machine = this_machine()
    assert machine.memory > 64 * MEGABYTE
    assert machine.cpus >= 1
    assert machine.shared >= 0


def test_settings_are_written_one_to_a_line() -> None:
    assert as_file({"port": "5", "jit": "off"}).splitlines()[1:] == ["port = '5'", "jit = 'off'"]


def test_a_folder_can_be_entered_only_if_all_above_it_can(open_folder: Path) -> None:
    stranger = Owner(54321, 54321)
    (open_folder / "closed" / "open").mkdir(parents=True)
    (open_folder / "closed").chmod(0o700)
    assert may_enter(open_folder, stranger)
    assert not may_enter(open_folder / "closed" / "open", stranger)
    assert may_enter(open_folder / "closed" / "open", Owner(os.geteuid(), os.getegid()))


def test_only_the_way_to_the_database_is_open_to_other_users(open_folder: Path) -> None:
    home = open_folder / "home"
    make_home(home)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (home, *home.iterdir())}
    passable = 0o711 if os.geteuid() == 0 else 0o700
    assert modes == {"home": passable, "postgres": passable, "logs": 0o700, "dagster": 0o700, "objects": 0o700, "review": 0o700}


def test_permissions_of_folders_that_were_there_before_are_left_alone(open_folder: Path) -> None:
    (open_folder / "home").mkdir(mode=0o700)
    make_home(open_folder / "home")
    assert (open_folder / "home").stat().st_mode & 0o777 == 0o700


def test_a_place_that_cannot_be_made_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="set KB_HOME to a folder that every user may enter"):
        make_folder(Places(tmp_path, tmp_path / "file" / "x", Owner(54321, 54321)))


def test_a_system_without_the_wheel_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "PACKAGE", "no_such_package")
    with pytest.raises(ConfigError, match=r"install kb-platform\[local\]"):
        software.wheel()


@pytest.mark.skipif(os.geteuid() != 0, reason="what is tested happens only to root")
def test_a_system_without_nobody_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unknown(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(places.pwd, "getpwnam", unknown)
    with pytest.raises(StateError, match="no user `nobody`"):
        places.places_of(tmp_path)


def test_settings_have_defaults_in_the_current_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    found = Settings()
    assert found.home == tmp_path / ".kb"
    assert found.object_store_url == str(tmp_path / ".kb" / "objects")
    assert found.defs == REPOSITORY / "kb_platform" / "defs"
    assert (found.database_url, found.dagster_host, found.dagster_port) == (None, "127.0.0.1", 0)


def test_settings_come_from_the_environment_and_empty_ones_count_as_unset(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KB_HOME", str(tmp_path / "h"))
    monkeypatch.setenv("KB_OBJECT_STORE", "s3://bucket/kb")
    monkeypatch.setenv("KB_DATABASE_URL", "")
    found = Settings()
    assert (found.home, found.object_store_url, found.database_url) == (tmp_path / "h", "s3://bucket/kb", None)


@pytest.mark.parametrize(
    ("name", "value"), [
        ("KB_DATABASE_URL", "mysql://u:hidden@h/d"), ("KB_DAGSTER_PORT", "70000"), ("KB_DAGSTER_PORT", "hidden"),
        ("KB_EMBEDDER_URL", "http://h:hidden/v1"), ("KB_EMBEDDER_URL", "http:///hidden"), ("KB_JUDGE_URL", "https://h/v1?key=hidden"),
        ("KB_EMBEDDER_URL", "http://u:hidden@h/v1"), ("KB_EMBEDDER_URL", "http://[hidden/v1"), ("KB_EMBEDDER_API_KEY", "hidden key"), ("KB_EMBEDDER_API_KEY", "hiddén"),
    ],
)
def test_wrong_settings_are_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert name.removeprefix("KB_").lower() in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("name", ["embedder_api_key", "judge_api_key", "answer_api_key"])
def test_a_key_from_a_file_is_taken_without_the_end_of_its_line(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"KB_{name.upper()}", "sk-1 \n")
    assert getattr(Settings(), name).get_secret_value() == "sk-1"
    monkeypatch.setenv(f"KB_{name.upper()}", "\n")
    assert getattr(Settings(), name) is None


def test_a_password_is_not_shown_with_the_settings() -> None:
    found = Settings.model_validate({"database_url": "postgresql://u:hidden@h/d"})
    assert "hidden" not in f"{found!r} {found} {found.model_dump_json()}"


def test_reading_the_settings_loads_no_large_library() -> None:
    code = "import kb_platform.settings, sys; print([m for m in ('dagster', 'psycopg', 'sqlalchemy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_settings_follow_the_environment_and_do_without_a_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    monkeypatch.delenv("KB_HOME", raising=False)
    assert current_settings().home == gone / ".kb"
    assert current_settings() is current_settings()
    monkeypatch.setenv("HOME", str(tmp_path))
    for written, home in (("/srv/kb", Path("/srv/kb")), ("~/kb", tmp_path / "kb")):
        monkeypatch.setenv("KB_HOME", written)
        assert current_settings().home == home
    gone.rmdir()
    assert current_settings().home == tmp_path / "kb"
