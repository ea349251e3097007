"""Datasets of the catalog give back what they were given."""

from dataclasses import replace

import torch
from kedro.io import DataCatalog
from torch.testing import assert_close

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics import extract_real_features, judge_network
from gan_pipelines.models import Encoder, EncoderSpec


def test_features_of_several_networks_come_back_although_they_share_their_labels(
    catalog: DataCatalog, encoder_spec: EncoderSpec, images: LabelledImages
) -> None:
    judge = Encoder(encoder_spec).freeze()
    network = judge_network(judge, "fc")
    networks = {"judge": network, "inception_v3": network}
    features = extract_real_features(networks, judge, images, images, len(images), torch.Generator())
    assert features.test["judge"].labels is features.test["inception_v3"].labels
    catalog.save("real_features", features)
    found = catalog.load("real_features")
    for ours, theirs in ((features.train, found.train), (features.test, found.test)):
        assert list(theirs) == list(ours)
        for name, values in ours.items():
            assert_close(vars(theirs[name]), vars(values), rtol=0, atol=0)


def test_samples_keep_the_seed_with_which_they_were_drawn_and_other_images_have_none(
    catalog: DataCatalog, images: LabelledImages
) -> None:
    for name, seed in (("joint_stack_samples", 7), ("train_images", None)):
        catalog.save(name, replace(images, seed=seed))
        found = catalog.load(name)
        assert found.seed == seed
        assert found.digest() == images.digest()
