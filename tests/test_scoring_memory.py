"""Scoring more samples takes memory for the samples, but not for their pairs or for copies of the resamples."""

import subprocess
import sys

import pytest

RESAMPLES, FEATURES, CLASSES = 300, 32, 10
SLACK_BYTES = 32 * 2**20
"""Less than another float64 copy of the counts, 43 MB, or a byte per pair of samples, 400 MB."""

SCRIPT = f"""
import sys
import torch
from gan_pipelines.metrics import bootstrap, distances, neighbours
from gan_pipelines.metrics.diversity import within_class_diversity
from gan_pipelines.metrics.features import LabelledFeatures

neighbours.BLOCK = 2**20
torch.set_num_threads(1)
rng = torch.Generator().manual_seed(0)


def draw(count):
    features = torch.randn(count, {FEATURES}, generator=rng)
    return LabelledFeatures(features, torch.randn(count, {CLASSES}, generator=rng), torch.arange(count) % {CLASSES})


ours, theirs = draw(int(sys.argv[1])), draw(500)
counts, real_counts = (bootstrap.resample(len(side), {RESAMPLES}, rng) for side in (ours, theirs))
members = neighbours.manifold_membership(ours.features, theirs.features)
bootstrap.resampled_mean(members.density, counts)
distances.resampled_frechet_distance(ours.features, theirs.features, counts, real_counts)
distances.resampled_inception_score(ours.logits, counts)
within_class_diversity(ours, theirs, counts, real_counts)
for line in open("/proc/self/status"):  # ru_maxrss would start at the parent's
    if line.startswith("VmHWM"):
        print(1024 * int(line.split()[1]))
"""


def peak_bytes(samples: int) -> int:
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(samples)], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
def test_more_samples_need_no_more_memory_than_their_features_and_resamples() -> None:
    few, many = 2_000, 20_000
    growth = peak_bytes(many) - peak_bytes(few)
    data = (many - few) * (4 * (FEATURES + CLASSES + RESAMPLES) + 8)
    assert data / 2 < growth < data + SLACK_BYTES
