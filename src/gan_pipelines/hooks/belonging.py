"""What each dataset was made from, and whether those that meet in a run belong together."""

import re
from collections.abc import Callable, Collection, Mapping
from graphlib import TopologicalSorter
from typing import Any

from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.metrics import RealFeatures
from gan_pipelines.models import Encoder, InfoGAN, LevelGAN, LevelSpec, StackedGenerator
from gan_pipelines.parameters import INITIAL, EvaluationParameters, ExperimentError, SGANParameters
from gan_pipelines.pipelines.infogan_encoder import UNSUPERVISED

GENERATOR = "generator"
"""Under this name samples keep the digest of what made them."""
ROW, BESIDE = "ablation_", f"{UNSUPERVISED}_"
"""How the datasets of stacks begin that are not the experiment's own: the ablation's, and the one without labels."""
SHORT = 12
"""So many letters of a digest are shown."""

Remedy = Callable[[str], str]
"""From the name of a dataset to the command that makes it anew."""


def made_from(name: str, data: Any) -> dict[str, str]:
    """The digest of each dataset that a dataset says it was made from, by name; empty where it does not know.

    Args:
        name: of the dataset.
        data: its content.
    """
    if name.startswith(INITIAL):  # another training starts from it, maybe on other data
        return {}
    match data:
        case Encoder() if "classifier_on_" in name:
            return {f"{name.replace('classifier_on_', '')}_samples": data.spec.data_digest}
        case Encoder() if name.startswith(BESIDE):
            inputs = data.spec.provenance.inputs if data.spec.provenance else {}
            return {"train_images": data.spec.data_digest, "infogan": inputs.get("infogan", "")}
        case Encoder() | InfoGAN():
            return {"train_images": data.spec.data_digest}
        case Representation():
            return {_encoder(name): data.encoder_digest}
        case LevelGAN():
            return _sources_of_level(name, data.spec)
        case StackedGenerator():
            kind = f"{_prefix(name)}{'joint_level' if data.spec.name == 'joint_stack' else 'level'}"
            levels = {
                f"{kind}_{level.target}": data.spec.level_digests.get(level.target, "") for level in data.spec.levels
            }
            return levels | _sources_of_level(name, data.spec.levels[-1])
        case LabelledImages() if name.endswith("_samples"):
            sources = data.made_from or {GENERATOR: ""}
            return {name.removesuffix("_samples") if key == GENERATOR else key: x for key, x in sources.items()}
        case LabelledImages():
            return dict(data.made_from)
        case RealFeatures():
            return {"judge": "", "second_judge": "", "train_images": "", **data.made_from}
    return {}


def _sources_of_level(name: str, spec: LevelSpec) -> dict[str, str]:
    """Images, encoder and, of a jointly trained level, the independent levels."""
    inputs = spec.provenance.inputs if spec.provenance else {}
    levels = {f"{_prefix(name)}{key}": x for key, x in inputs.items() if key.startswith("level_")}
    return {"train_images": spec.data_digest, _encoder(name): spec.encoder_digest, **levels}


def _prefix(name: str) -> str:
    """How the datasets of a stack beside the experiment's own begin; empty for that one.

    It is `unsupervised_`, or the ablation's row and seed, such as `ablation_joint_seed_0_`.
    """
    found = re.match(rf"{ROW}\w+?_seed_\d+_|{BESIDE}", name)
    return found[0] if found else ""


def _encoder(name: str) -> str:
    """The encoder of a stack's dataset; the rows of the ablation share that of the experiment."""
    return f"{BESIDE}encoder" if name.startswith(BESIDE) else "encoder"


def require_belonging(data: Mapping[str, Any], made: Collection[str], remedy: Remedy) -> None:
    """Check that datasets were made from each other, and from the same others.

    Args:
        data: the datasets, by name.
        made: names of those that the run makes anew, so that nothing older can have been made from them.
        remedy: the command that makes a dataset anew.

    Raises:
        ExperimentError: names the first one that does not belong to the others, sources before what was made from them.
    """
    sources = {name: made_from(name, data[name]) for name in sorted(data)}
    order = TopologicalSorter(sources).static_order()
    claims = ((name, *claim) for name in order for claim in sources.get(name, {}).items())
    known: dict[str, tuple[str, str]] = {}  # by source: its digest, and whose claim it is
    for name, source, wanted in claims:
        if source in made:
            raise ExperimentError(
                f"{name}: does not belong to this run: it was made from an older {source}, and this run makes {source} "
                f"anew. Run `{remedy(source)}` on its own, then `{remedy(name)}`, then the rest."
            )
        if source not in known:
            known[source] = (data[source].digest(), "the one here") if source in data else (wanted, f"that of {name}")
        found, whose = known[source]
        if wanted != found or not wanted:
            other = f"it was made from another {source} ({wanted[:SHORT]}) than {whose} ({found[:SHORT]})"
            unknown = f"it does not say which {source} it was made from, as files of earlier versions do not"
            problem = other if wanted else unknown
            raise ExperimentError(
                f"{name}: does not belong to what it is used with: {problem}. Make it anew first "
                f"(`{remedy(name)}`), or choose versions that belong together with --load-versions."
            )


def require_readable(features: RealFeatures, evaluation: EvaluationParameters) -> None:
    """Check that the features of the real images are those that samples will be compared in.

    Raises:
        ExperimentError: they are of another representation, or lack a network.
    """
    problem = ""
    if evaluation.scored_images not in features.made_from:
        problem = f"evaluation.split: {evaluation.split!r} is asked for, but real_features were read from other images"
    elif features.representation != evaluation.features:
        problem = (
            f"evaluation.features: {evaluation.features!r} is asked for, but real_features were read from "
            f"{features.representation!r}"
        )
    elif missing := [name for name in evaluation.networks if name not in features.train]:
        problem = (
            f"evaluation.networks: {missing[0]!r} is asked for, but real_features were read by "
            f"{', '.join(features.train)} alone"
        )
    if problem:
        raise ExperimentError(
            f"{problem}. Run `kedro run --pipelines=real_evaluation` with the same parameters first, or choose another "
            f"version with --load-versions."
        )


def require_same_levels(data: Mapping[str, Any], sgan: SGANParameters, remedy: Remedy) -> None:
    """Check that levels and stacks have the levels and conditions for which the graph was built.

    Args:
        data: datasets by name; those of the ablation's rows have levels of their own and are not looked at.
        sgan: the levels of the experiment.
        remedy: the command that makes a dataset anew.

    Raises:
        ExperimentError: names the field, and the dataset that differs.
    """
    asked = {name: level.condition for name, level in sgan.levels.items()}
    for name, model in sorted(data.items()):
        if name.startswith(ROW) or not isinstance(model, LevelGAN | StackedGenerator):
            continue
        specs = (model.spec,) if isinstance(model, LevelGAN) else model.spec.levels
        found = {spec.target: spec.parameters.condition for spec in specs}
        wanted = asked if isinstance(model, StackedGenerator) else {key: asked[key] for key in found if key in asked}
        if found != wanted:
            raise ExperimentError(
                f"sgan.levels: the graph is built for {_describe(wanted)}, but {name} has {_describe(found)}. "
                f"Train it again (`{remedy(name)}`), or leave levels and conditions as they were."
            )


def _describe(conditions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} given {condition!r}" for name, condition in conditions.items()) or "no such level"
