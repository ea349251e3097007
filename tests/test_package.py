"""The wheel and the archive of conf/ that `kedro package` makes run in an empty folder, without the source."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHIPPED = ("pyproject.toml", ".telemetry", "README.md", "LICENSE")
GENERATED = shutil.ignore_patterns("local", "__pycache__", "*.egg-info")

pytestmark = pytest.mark.slow


def wheel_of_installed(name: str, folder: Path) -> None:
    """A wheel of an installed package of pure Python, so that pip finds it without an index."""
    installed = distribution(name)
    with zipfile.ZipFile(folder / f"{name}-{installed.version}-py3-none-any.whl", "w") as wheel:
        for file in installed.files or []:
            if file.suffix != ".pyc":
                wheel.write(str(file.locate()), file.as_posix())


@dataclass(frozen=True)
class Package:
    """The archive of conf/, and the folder into which the wheel was installed."""

    conf: Path
    installed: Path

    def run(self, folder: Path, *arguments: str, script: bool = False) -> subprocess.CompletedProcess[str]:
        """Run the installed package in a folder, as a module or as the console script."""
        python = [sys.executable, str(self.installed / "bin" / "gan-pipelines")]
        command = [*(python if script else [sys.executable, "-m", "gan_pipelines"]), *arguments]
        environment = {**os.environ, "PYTHONPATH": str(self.installed)}
        for name in ("KEDRO_ENV", "MLFLOW_TRACKING_URI"):
            environment.pop(name, None)
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    project, index = tmp_path_factory.mktemp("a project"), tmp_path_factory.mktemp("index")
    installed = tmp_path_factory.mktemp("installed") / "site"
    for name in SHIPPED:
        shutil.copy(ROOT / name, project)
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, project / name, ignore=GENERATED)
    (project / "conf" / "local").mkdir()
    wheel_of_installed("setuptools", index)
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": index.as_uri()}
    environment.pop("PYTHONPATH", None)

    def call(*arguments: str) -> None:
        command = [sys.executable, "-m", *arguments]
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr

    call("kedro", "package")
    (wheel,) = (project / "dist").glob("gan_pipelines-*.whl")
    call("pip", "install", "--quiet", "--no-deps", "--target", str(installed), str(wheel))
    return Package(project / "dist" / "conf-gan_pipelines.tar.gz", installed)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder with a space in its name."""
    (tmp_path / "an empty folder").mkdir()
    return tmp_path / "an empty folder"


def read_card(folder: Path) -> dict[str, object]:
    (card,) = (path for path in (folder / "data").rglob("data_card.json") if path.is_file())
    return json.loads(card.read_text())


def test_the_archive_of_conf_and_the_wheel_run_without_the_source(package: Package, folder: Path) -> None:
    done = package.run(
        folder,
        "--pipelines=data_preparation",
        "--env=smoke",
        f"--conf-source={package.conf}",
        "--params=data.source.test_fraction=0.4",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "DeprecationWarning" not in done.stderr
    assert {path.name for path in folder.iterdir()} >= {"data", "mlflow.db"}
    assert (folder / "data" / "03_primary" / "smoke").is_dir()
    assert read_card(folder)["test"]["images"] == 2000
    assert not list(package.installed.rglob("*.db"))


def test_the_console_script_reads_conf_in_the_current_folder(package: Package, folder: Path) -> None:
    with tarfile.open(package.conf) as archive:
        archive.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))  # from 3.11.4 on
    done = package.run(folder, "--pipelines=data_preparation", script=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "data" / "03_primary" / "base").is_dir()
    assert read_card(folder)["test"]["images"] == 1000


@pytest.mark.parametrize(
    ("argument", "names"),
    [("--env=nowhere", "nowhere"), ("--params=run.seed=many", "run.seed")],
)
def test_bad_input_ends_with_one_message_and_without_a_traceback(
    package: Package, folder: Path, argument: str, names: str
) -> None:
    done = package.run(folder, "--pipelines=data_preparation", f"--conf-source={package.conf}", argument)
    assert done.returncode == 1
    assert "Error: " in done.stderr
    assert names in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(folder.rglob("*.safetensors"))


def test_the_wheel_is_complete(package: Package, folder: Path) -> None:
    inside = package.installed / "gan_pipelines"
    source = ROOT / "src" / "gan_pipelines"
    kept = {path.relative_to(source) for path in source.rglob("*") if path.suffix in (".py", ".html", ".md")}
    assert kept <= {path.relative_to(inside) for path in inside.rglob("*")}
    where = [sys.executable, "-c", "import gan_pipelines; print(gan_pipelines.__file__)"]
    environment = {**os.environ, "PYTHONPATH": str(package.installed)}
    found = subprocess.run(where, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()) == inside / "__init__.py"
