"""Commands do not wait for packages that they do not need."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

SCRIPT = """
import sys
from kedro.framework.project import pipelines
from kedro.framework.startup import bootstrap_project
bootstrap_project({root!r})
import gan_pipelines.cli
assert "sgan" in pipelines
from gan_pipelines.parameters import RunParameters
from gan_pipelines.training.stage import seeded_stage
with seeded_stage(RunParameters(), "sample"):
    pass
print(*sorted(sys.modules))
"""
"""What every command of Kedro imports, the settings with all hooks and all pipelines with their nodes; then samples."""

SECONDS_EACH = {"matplotlib", "mlflow", "scipy.stats", "sklearn", "torch._dynamo", "torch_fidelity", "torchvision"}


def test_a_command_does_not_wait_for_packages_of_a_single_stage() -> None:
    script = SCRIPT.format(root=str(ROOT))
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    imported = set(run.stdout.split())
    assert {"torch", "gan_pipelines.pipelines.sgan_evaluation.nodes"} <= imported
    assert imported & SECONDS_EACH == set()
