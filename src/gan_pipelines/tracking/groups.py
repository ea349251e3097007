"""In what recorded runs differ, and which of them differ only in their seed."""

from collections.abc import Sequence

import pandas as pd

from gan_pipelines.metrics.definitions import JUDGE, SECOND_JUDGE
from gan_pipelines.tracking import names

NOT_AVERAGED = {
    names.DATA_DIGEST: "sets of training images: no score is averaged over all of them",
    names.REFERENCE_DIGEST: "sets of test images: no score is averaged over all of them",
    names.judge_tag(JUDGE): "judges: scores in a judge's space are averaged only among runs that share one",
    names.judge_tag(SECOND_JUDGE): "second judges: their scores are averaged only among runs that share one",
}
"""Why runs are not averaged although they agree in all else, by the tag in which they differ."""


def differences(parameters: pd.DataFrame) -> pd.DataFrame:
    """Select the parameters and tags that are not the same in all runs; none for a single run."""
    values = parameters.drop(columns=["kind", "name"])
    return parameters[values.nunique(axis=1, dropna=False) > 1].reset_index(drop=True)


def same_but_for_seed(parameters: pd.DataFrame) -> list[list[str]]:
    """Group runs that differ in their seeds, but in no other parameter and not in data, test images or code.

    Of several runs with the same seed, the group holds the newest; a run that matches no other is in no group. The
    judges of a group may differ (see `not_averaged`).
    """
    groups = _settings(parameters, names.YARDSTICK)
    return [list(group.values()) for group in groups if len(group) > 1]


def not_averaged(parameters: pd.DataFrame) -> pd.DataFrame:
    """Runs that differ in their seeds and, besides, only in what they were measured by: data, test images or judge.

    Returns:
        `runs`, such as `R1, R3`, and `why` no score of theirs, or none on a judge, is averaged over their seeds.
    """
    tags = parameters[parameters["kind"] == "tag"].set_index("name").drop(columns="kind").astype(object)
    found = []
    for group in _settings(parameters, ()):
        runs = list(group.values())
        values = tags.reindex(list(NOT_AVERAGED))[runs].fillna("").nunique(axis=1)
        for tag, of_what in NOT_AVERAGED.items():
            if values[tag] > 1:
                found.append([", ".join(runs), f"{values[tag]} {of_what}"])
                break
    return pd.DataFrame(found, columns=["runs", "why"])


def _settings(parameters: pd.DataFrame, yardstick: Sequence[str]) -> list[dict[str, str]]:
    """For each setting, the newest run of each seed; runs of a setting share these tags."""
    table = parameters.set_index(["kind", "name"]).astype(object)
    settings = [(kind, name) for kind, name in table.index if kind == "parameter" and not _is_seed(name)]
    settings += [("tag", name) for name in (*names.DECIDING, *yardstick)]
    deciding = table.reindex([*settings, ("parameter", names.SEED)]).fillna("")
    groups: dict[tuple[str, ...], dict[str, str]] = {}
    for run in deciding.columns:
        *setting, seed = deciding[run]
        groups.setdefault(tuple(setting), {}).setdefault(seed, run)
    return list(groups.values())


def _is_seed(parameter: str) -> bool:
    return parameter == names.SEED or parameter.startswith(names.STAGE_SEED)
