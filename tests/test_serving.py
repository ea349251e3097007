"""What a served model answers: rows, columns, parameters, and refusals."""

import base64
import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow.exceptions import MlflowException
from PIL import Image

from gan_pipelines import load, serving
from gan_pipelines.model_file import write_model
from gan_pipelines.models import InfoGAN, InfoGANSpec, LevelGAN, StackedGenerator, assemble_stack
from gan_pipelines.models.sampler import open_sampler
from gan_pipelines.serving import ServedGenerator, make_example, make_signature
from tests.conftest import CLASSES

Params = dict[str, Any]


@pytest.fixture
def stack(levels: Callable[..., list[LevelGAN]]) -> StackedGenerator:
    return assemble_stack(levels(2), CLASSES)


@pytest.fixture
def infogan(infogan_spec: Callable[..., InfoGANSpec]) -> InfoGAN:
    return InfoGAN(infogan_spec())


@pytest.fixture
def served(stack: StackedGenerator) -> ServedGenerator:
    return ServedGenerator(open_sampler(stack))


@pytest.fixture
def served_infogan(infogan: InfoGAN) -> ServedGenerator:
    return ServedGenerator(open_sampler(infogan))


@pytest.fixture
def served_unconditional(levels: Callable[..., list[LevelGAN]]) -> ServedGenerator:
    return ServedGenerator(open_sampler(assemble_stack(levels(2, top="none"), CLASSES)))


def labels(*names: str) -> pd.DataFrame:
    return pd.DataFrame({"label": names})


def array(served: ServedGenerator, rows: pd.DataFrame, **params: Any) -> np.ndarray:
    found = served.predict(rows, params)
    assert isinstance(found, np.ndarray)
    return found


def refused(served: ServedGenerator, rows: pd.DataFrame, **params: Any) -> str:
    with pytest.raises(MlflowException) as caught:
        served.predict(rows, params)
    assert caught.value.get_http_status_code() == 400
    assert "\n" not in caught.value.message
    return caught.value.message


def test_row_i_is_picture_first_plus_i_of_its_class(served: ServedGenerator) -> None:
    names = ["top left", "bottom right", "top right"]
    found = array(served, labels(*names), first=19, seed=7)
    assert found.shape == (3, 1, 8, 8)
    assert found.dtype == np.uint8
    for row, name in enumerate(names):
        (alone,) = array(served, labels(name), first=19 + row, seed=7)
        assert np.array_equal(alone, found[row])
    sampled = served.sampler.sample(3, classes=["bottom right"], seed=7, first=19)
    assert np.array_equal(sampled[1], found[1])
    assert not np.array_equal(found, array(served, labels(*names), first=19, seed=8))


def test_png_files_hold_the_same_pictures(served: ServedGenerator) -> None:
    files = served.predict(labels("top left", "top right"), {"format": "png"})
    pictures = [np.asarray(Image.open(io.BytesIO(base64.b64decode(file)), formats=["PNG"])) for file in files]
    assert np.array_equal(np.stack(pictures)[:, None], array(served, labels("top left", "top right")))


def test_pictures_in_colour_are_png_files_in_colour(infogan_spec: Callable[..., InfoGANSpec]) -> None:
    served = ServedGenerator(open_sampler(InfoGAN(infogan_spec((3, 8, 8)))))
    rows = pd.DataFrame({"category": [1]})
    picture = Image.open(io.BytesIO(base64.b64decode(served.predict(rows, {"format": "png"})[0])))
    assert np.array_equal(np.asarray(picture).transpose(2, 0, 1), array(served, rows)[0])


def test_an_infogan_takes_its_codes_and_draws_the_others(served_infogan: ServedGenerator) -> None:
    rows = pd.DataFrame({"category": [3, 0], "style_1": [-0.5, 0.25]})
    found = array(served_infogan, rows, seed=2, first=4)
    expected = served_infogan.sampler.sample(1, codes={"category": 0, "style_1": 0.25}, seed=2, first=5)
    assert np.array_equal(found[1], expected[0])


def test_a_stack_without_labels_takes_numbers_in_any_order(served_unconditional: ServedGenerator) -> None:
    numbers = [3, 4, 25, 0, 4]
    found = array(served_unconditional, pd.DataFrame({"number": numbers}), first=2)
    expected = served_unconditional.sampler.sample(28)
    assert np.array_equal(found, expected[[2 + number for number in numbers]])


@pytest.mark.parametrize(
    ("rows", "params", "says"),
    [
        (labels("middle"), {}, r"label: the model has top left, .*found 'middle'"),
        (labels(*["top left"] * 1001), {}, "rows: from 1 to 1000 .*found 1001"),
        (labels(), {}, "found 0"),
        (labels("top left"), {"seed": -1}, "seed: .*found -1"),
        (labels("top left"), {"first": 10**15 + 1}, "first: .*found 1000000000000001"),
        (labels("top left"), {"format": "gif"}, "format: must be one of array, png; found 'gif'"),
    ],
)
def test_what_is_not_allowed_is_refused_in_one_sentence(
    served: ServedGenerator, rows: pd.DataFrame, params: Params, says: str
) -> None:
    assert re.search(says, refused(served, rows, **params))


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [("category", 4, "category: .*from 0 to 3; found 4"), ("style_2", float("nan"), "style_2: .*found nan"),
     ("tilt", 1.0, "the model has category, style_1, style_2, width; found 'tilt'")],
)  # fmt: skip
def test_a_code_that_is_not_there_or_a_value_it_has_not_is_refused(
    served_infogan: ServedGenerator, column: str, value: float, says: str
) -> None:
    assert re.search(says, refused(served_infogan, pd.DataFrame({column: [value]})))


def test_a_number_below_zero_is_refused(served_unconditional: ServedGenerator) -> None:
    assert "found -1" in refused(served_unconditional, pd.DataFrame({"number": [0, -1]}))


@pytest.mark.parametrize("kind", ["served", "served_infogan", "served_unconditional"])
def test_the_example_fits_the_signature(kind: str, request: pytest.FixtureRequest) -> None:
    served: ServedGenerator = request.getfixturevalue(kind)
    rows, params = make_example(served.sampler)
    signature = make_signature(served.sampler)
    assert set(signature.inputs.input_names()) == set(rows)
    assert {param.name: param.default for param in signature.params} == params
    assert array(served, rows, **params).shape == (3, *signature.outputs.inputs[0].shape[1:])


def test_mlflow_loads_a_model_file_and_checks_requests(
    stack: StackedGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    monkeypatch.setattr(sys, "path", list(sys.path))
    file = tmp_path / "stack.safetensors"
    write_model(file, stack)
    sampler = open_sampler(stack)
    mlflow.pyfunc.save_model(
        str(tmp_path / "model"),
        loader_module=serving.__name__,
        data_path=str(file),
        signature=make_signature(sampler),
        input_example=make_example(sampler),
        pip_requirements=list(serving.REQUIREMENTS),
    )
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    found = model.predict(labels("top left", "top left"), params={"first": 3})
    assert torch.equal(torch.from_numpy(found), load(file).sample(2, classes=["top left"], first=3))
    for rows, params in ((pd.DataFrame({"lable": ["top left"]}), {}), (labels("top left"), {"seed": "one"})):
        with pytest.raises(MlflowException, match=r"label|seed") as caught:
            model.predict(rows, params=params)
        assert caught.value.get_http_status_code() == 400
