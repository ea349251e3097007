"""Commands do not wait for packages that they do not need."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

SCRIPT = """
import sys
from kedro.framework.project import pipelines, settings
from kedro.framework.startup import bootstrap_project
bootstrap_project({root!r})
from gan_pipelines import cli
from gan_pipelines.parameters import ExperimentError, RunParameters
from gan_pipelines.pipelines import known_names
names = known_names()
try:
    settings.SESSION_CLASS.create({root!r}, runtime_params={{"run": {{"seed": "x"}}}})
except ExperimentError:
    print(*sorted(sys.modules))
settings.SESSION_CLASS.create({root!r})
assert sorted(pipelines) == names
from gan_pipelines.training.stage import seeded_stage
with seeded_stage(RunParameters(), "sample"):
    pass
print(*sorted(sys.modules))
"""
"""What a list of the pipelines and a refused parameter import; then all that a run does before it samples or trains."""

SECONDS_EACH = {"matplotlib", "mlflow", "scipy.stats", "sklearn", "torch._dynamo", "torch_fidelity", "torchvision"}
OF_RUNS = {"numpy", "pandas", "plotly", "pyarrow", "scipy", "sqlalchemy", "torch"}
"""What every run needs, and nothing else."""


def test_commands_do_not_wait_for_packages_that_they_do_not_need() -> None:
    script = SCRIPT.format(root=str(ROOT))
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    refused, started = (set(line.split()) for line in run.stdout.splitlines())
    assert "gan_pipelines.session" in refused
    assert refused & (SECONDS_EACH | OF_RUNS) == set()
    assert {"torch", "gan_pipelines.hooks.checks", "gan_pipelines.pipelines.sgan_evaluation.nodes"} <= started
    assert started & SECONDS_EACH == set()
