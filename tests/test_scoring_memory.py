"""Scoring more samples takes memory for the samples and a few numbers of each, but not for their pairs."""

import subprocess
import sys

import pytest

FEATURES, CLASSES, SIZE = 32, 10, 8
NUMBERS = 60
"""Of each sample at most: influences, neighbours, strata, parts, and what networks see, in float64."""
SLACK_BYTES = 32 * 2**20
"""Less than a byte per pair of samples, 119 MB."""

SCRIPT = f"""
import sys
import torch
from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics import LabelledFeatures, RealFeatures, Reference, neighbours, score_pictures
from gan_pipelines.metrics.neighbours import nearest_distances, picture_distances

neighbours.BLOCK = 2**20
torch.set_num_threads(1)
rng = torch.Generator().manual_seed(0)


def draw(count):
    labels = torch.arange(count) % {CLASSES}
    images = torch.randint(256, (count, 1, {SIZE}, {SIZE}), generator=rng, dtype=torch.uint8)
    seen = LabelledFeatures(
        torch.randn(count, {FEATURES}, generator=rng), torch.randn(count, {CLASSES}, generator=rng), labels
    )
    return LabelledImages(images, labels, tuple(map(str, range({CLASSES})))), {{"judge": seen}}


(pictures, features), (test, of_test), (train, of_train) = (draw(count) for count in (int(sys.argv[1]), 500, 1000))
near = {{
    "judge": nearest_distances(of_test["judge"].features, of_train["judge"].features),
    "pixels": picture_distances(test.images, train.images),
}}
reference = Reference(train, test, RealFeatures(of_train, of_test, test.labels, near))
score_pictures(features, pictures.labels, pictures, reference, "labelled", rng)
for line in open("/proc/self/status"):  # ru_maxrss would start at the parent's
    if line.startswith("VmHWM"):
        print(1024 * int(line.split()[1]))
"""


def peak_bytes(samples: int) -> int:
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(samples)], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
def test_more_samples_need_no_more_memory_than_their_features_and_a_few_numbers() -> None:
    few, many = 5_000, 12_000  # from 4,096 on, all pairs of samples are more than a block
    growth = peak_bytes(many) - peak_bytes(few)
    features = (many - few) * 4 * (FEATURES + CLASSES)
    assert features < growth < features + (many - few) * 8 * NUMBERS + SLACK_BYTES
