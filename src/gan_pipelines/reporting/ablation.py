"""SGAN's table 1 on this experiment's data: what each loss and each training contributes."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from gan_pipelines.metrics.comparisons import badness, paired_difference
from gan_pipelines.metrics.definitions import JUDGE, REAL, SCORES
from gan_pipelines.reporting.tables import MADE_BY, overall, table_verdict

PAPER = {
    "adv": "6.16 +- 0.07",
    "adv_ent": "5.40 +- 0.16",
    "adv_cond": "5.40 +- 0.08",
    "adv_cond_ent": "7.16 +- 0.10",
    "independent": "8.37 +- 0.08",
    "joint": "8.59 +- 0.12",
    "no_entropy": "-",
    REAL: "11.24 +- 0.12",
}
"""Inception scores of the rows and of real images on CIFAR-10 (SGAN, table 1): another data set, another network; it
does not have the row `no_entropy`."""
ORDER = (
    ("joint", "independent"),
    ("independent", "adv_cond_ent"),
    ("adv_cond_ent", "adv_cond"),
    ("adv", "adv_ent"),
    ("joint", "no_entropy"),
)
"""Pairs of rows; the first is the better one in the paper, which does not have the last pair."""
TITLES = {
    "inception_score": "Inception",
    "frechet_distance": "Frechet",
    "label_accuracy": "accuracy",
    "within_class_diversity": "diversity",
}
COLUMNS = tuple(TITLES)


def ablation_table(tables: Mapping[str, Sequence[pd.DataFrame]]) -> pd.DataFrame:
    """One row per variant: mean and standard deviation of each score over the seeds, the paper's score, what made it.

    Args:
        tables: the tables of scores of each variant, one per seed.
    """
    rows = []
    for row, of_seeds in tables.items():
        values = pd.DataFrame([{name: found["value"] for name, found in _judged(table).items()} for table in of_seeds])
        verdicts = sorted(filter(None, map(table_verdict, of_seeds)))
        cells = {
            "row": row,
            "samples": int(of_seeds[0]["samples"].max()),
            "seeds": len(of_seeds),
            "paper_inception_score": PAPER[row],
        }
        for score in COLUMNS:
            found = values[score] if score in values else pd.Series(dtype=float)
            cells |= {score: found.mean(), f"{score}_std": found.std()}  # over n - 1; empty for one seed
        for column in MADE_BY:
            if all(column in table for table in of_seeds):
                cells[column] = " ".join(dict.fromkeys(text for table in of_seeds for text in table[column].dropna()))
        rows.append({**cells, "verdict": "; ".join(verdicts)})
    return pd.DataFrame(rows)


def _judged(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """`value` and `expected` of the judge's scores of all pictures, by name."""
    rows = overall(table)
    rows = rows[(rows["space"] == JUDGE) & rows["value"].notna()]
    columns = (rows[column] for column in ("score", "value", "expected"))
    return {score: {"value": value, "expected": expected} for score, value, expected in zip(*columns, strict=True)}


def ablation_order(tables: Mapping[str, Sequence[pd.DataFrame]]) -> pd.DataFrame:
    """Whether the order of the rows is the paper's: Student's paired test for each pair of `ORDER` and each score.

    Rows are paired by the seed from which their trainings and samples draw; images, encoder and judges are the same for
    all. The tests are not corrected for their number.

    Args:
        tables: the tables of scores of each variant, one per seed, in the same order of seeds.

    Returns:
        Columns `row`, `other`, `score`, `seeds` (how many have it for both), `difference` (mean of the row less the
        other), its 95 % interval `low` and `high`, `p`, and `seeds_better`: for how many seeds the row is better.
    """
    judged = {row: [_judged(table) for table in of_seeds] for row, of_seeds in tables.items()}
    rows = []
    for row, other in ORDER:
        for score in COLUMNS:
            pairs = [
                (ours[score], theirs[score])
                for ours, theirs in zip(judged[row], judged[other], strict=True)
                if score in ours and score in theirs
            ]
            if not pairs:
                continue
            direction = SCORES[score].better
            values = np.array([[side["value"] for side in pair] for pair in pairs], float)
            difference, low, high, p = paired_difference(*values.T)
            better = [badness(ours, direction) < badness(theirs, direction) for ours, theirs in pairs]
            found = {"seeds": len(pairs), "difference": difference, "low": low, "high": high, "p": p}
            rows.append({"row": row, "other": other, "score": score, **found, "seeds_better": sum(better)})
    return pd.DataFrame(rows)


def format_order(table: pd.DataFrame) -> str:
    """A line per pair of rows and score, within 80 columns."""
    scores = table["score"].map(TITLES)
    shown = pd.DataFrame({"row": table["row"], "less the row": table["other"], "score": scores})
    shown["difference"] = [f"{value:.3g}" for value in table["difference"]]
    ends = zip(table["low"], table["high"], strict=True)
    shown["95 %"] = ["-" if pd.isna(low) else f"[{low:.3g}, {high:.3g}]" for low, high in ends]
    counts = zip(table["seeds_better"], table["seeds"], strict=True)
    shown["better"] = [f"{better} of {seeds}" for better, seeds in counts]
    return shown.to_string(index=False)


def format_ablation(table: pd.DataFrame) -> str:
    """The table within 80 columns: mean +- standard deviation over the seeds."""
    shown = pd.DataFrame({"row": table["row"], "paper, CIFAR-10": table["paper_inception_score"]})
    for score in ("inception_score", "frechet_distance", "within_class_diversity"):
        shown[TITLES[score]] = [
            "-" if pd.isna(mean) else f"{mean:.2f}" if pd.isna(std) else f"{mean:.2f} +- {std:.2f}"
            for mean, std in zip(table[score], table[f"{score}_std"], strict=True)
        ]
    return shown.to_string(index=False)
