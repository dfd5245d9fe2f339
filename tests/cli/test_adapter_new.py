"""A new adapter out of the template: six files that pass what every adapter must pass, before a line is written."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from streamforge.cli import adapter
from tests.repo.tree import ROOT

KIND = "seventh-wonder"
LINE = f"LoadCredential=kafka-adapter-{KIND}:/var/lib/streamforge/credentials/kafka-adapter-{KIND}"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which the command was run."""
    root = tmp_path_factory.mktemp("checkout") / "streamforge"
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().splitlines():
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, root / name)
    assert adapter.run(["new", KIND, "--in", str(root)]) == 0
    return root


def run_tests(checkout: Path, *words: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def test_its_own_tests_pass(checkout: Path) -> None:
    assert "4 passed" in run_tests(checkout, "tests/adapters/test_seventh_wonder.py")


def test_it_has_its_six_under_one_name(checkout: Path) -> None:
    run_tests(checkout, "tests/repo/test_names.py", "-k", KIND)


def test_the_rules_of_the_repository_hold_for_it(checkout: Path) -> None:
    files = ["streamforge/adapters/seventh_wonder.py", "tests/adapters/test_seventh_wonder.py"]
    for words in (["-m", "ruff", "check"], ["-m", "ruff", "format", "--check"], ["-m", "mypy"]):
        command = [sys.executable, *words, *files]
        done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_the_units_that_make_users_know_it(checkout: Path) -> None:
    for unit in ("kafka.service", "streamforge-topics.service"):
        assert LINE in (checkout / "units" / unit).read_text().splitlines()


@pytest.mark.broker
@pytest.mark.timeout(240)
def test_the_contract_of_all_adapters_holds_for_it(checkout: Path) -> None:
    assert "4 passed" in run_tests(checkout, "tests/contracts", "-k", f"adapter-{KIND}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Seven", "cannot name an adapter"),
        ("a--b", "cannot name an adapter"),
        ("modbus-tcp", 'there is an adapter "modbus-tcp"'),
    ],
)
def test_what_cannot_be_is_refused(name: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert adapter.run(["new", name, "--in", str(ROOT)]) == 2
    assert message in capsys.readouterr().err


def test_outside_a_checkout_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert adapter.run(["new", KIND, "--in", str(tmp_path)]) == 2
    assert "is no checkout" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
