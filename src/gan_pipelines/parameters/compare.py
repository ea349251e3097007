"""Which runs of the record are compared."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from gan_pipelines.parameters.base import Count, Schema


def _list_one(value: Any) -> Any:
    """`--params` can give one name, but no list."""
    return [value] if isinstance(value, str) else value


class CompareParameters(Schema):
    """Which runs are compared: finished ones with scores that satisfy all of these.

    Attributes:
        experiments: MLflow's experiments, which bear the names of folders under conf/; one name stands for itself.
        filter: a search in MLflow's language, such as `params.run.seed = '0'`; empty takes all.
        tags: values that tags must have.
        newest: at most so many runs, newest first.
        sort_by: the score that orders them then, best first, as `<generator>/<score>.<space>`, such as
            `infogan/invariant_information.category`; empty leaves the newest first.
    """

    experiments: Annotated[tuple[str, ...], BeforeValidator(_list_one), Field(min_length=1)]
    filter: str = ""
    tags: dict[str, str] = Field(default_factory=dict)
    newest: Count = 10
    sort_by: str = ""
