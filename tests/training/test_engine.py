"""The training loop: turns, terms, history, learning rates, averages, divergence."""

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from gan_pipelines.parameters import TrainingParameters
from gan_pipelines.training.divergence import TrainingDiverged
from gan_pipelines.training.engine import train
from gan_pipelines.training.players import Player, averaging_decay, make_player, rate_factor
from gan_pipelines.training.stage import Stage
from gan_pipelines.training.turns import Terms, Turn

CLOSE = {"rtol": 1e-5, "atol": 1e-6}  # float32 weights against numbers computed by hand


def parameters(steps: int, **others: object) -> TrainingParameters:
    return TrainingParameters.model_validate({"steps": steps, "batch_size": 10, "report_every_steps": 1, **others})


def gradient_descent(module: nn.Module, rate: float = 0.1, average: nn.Module | None = None) -> Player:
    return Player(module, torch.optim.SGD(module.parameters(), lr=rate), average)


class Scalar(nn.Module):
    """One weight."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(value))


def repeat(player: str, terms: Callable[[], Terms]) -> Callable[[int], Iterator[Turn]]:
    """The same turn in every step."""
    return lambda _: iter([Turn(player, terms)])


def test_a_regression_finds_the_line_behind_its_data(recorder: Callable, rng: torch.Generator) -> None:
    model = nn.Linear(2, 1)
    inputs = torch.randn(64, 2, generator=rng)
    outputs = inputs @ torch.tensor([[2.0], [-3.0]]) + 0.5
    training = parameters(300, learning_rate=0.05, beta1=0.9, final_learning_rate_fraction=0.01)
    terms = repeat("model", lambda: {"error": nn.functional.mse_loss(model(inputs), outputs)})
    history = train(Stage("toy"), {"model": make_player(model, training)}, terms, training, recorder())
    assert_close(model.weight, torch.tensor([[2.0, -3.0]]), rtol=0, atol=1e-3)
    assert_close(model.bias, torch.tensor([0.5]), rtol=0, atol=1e-3)
    assert history[0]["model.error"] > 1
    assert 0 <= history[-1]["model.error"] < 1e-5


def test_the_player_minimises_the_sum_of_its_terms(recorder: Callable) -> None:
    model = Scalar(1.0)
    terms = repeat("model", lambda: {"a": 2 * model.weight, "b": 3 * model.weight})
    train(Stage("toy"), {"model": gradient_descent(model)}, terms, parameters(1), recorder())
    assert_close(model.weight.item(), 1 - 0.1 * 5, **CLOSE)


def test_gradients_do_not_accumulate_over_steps(recorder: Callable) -> None:
    model = Scalar(1.0)
    train(
        Stage("toy"),
        {"model": gradient_descent(model)},
        repeat("model", lambda: {"a": model.weight}),
        parameters(4),
        recorder(),
    )
    assert_close(model.weight.item(), 1 - 4 * 0.1, **CLOSE)


def test_history_rows_are_means_over_their_interval_and_the_last_one_may_be_shorter(recorder: Callable) -> None:
    model, values, observer = Scalar(0.0), iter([1.0, 2.0, 4.0, 8.0, 16.0]), recorder()
    terms = repeat("model", lambda: {"value": 0 * model.weight + next(values)})
    training = parameters(5, report_every_steps=2)
    history = train(Stage("toy"), {"model": gradient_descent(model)}, terms, training, observer)
    assert [(row["step"], row["model.value"]) for row in history] == [(2, 1.5), (4, 6.0), (5, 16.0)]
    assert all(row["images_per_second"] > 0 for row in history)
    assert observer.started == [(5, 10)]
    assert [{"step": step, **metrics} for step, metrics in observer.reports] == history


def test_history_keeps_the_players_apart(recorder: Callable) -> None:
    one, two = Scalar(0.0), Scalar(0.0)

    def objective(_: int) -> Iterator[Turn]:
        yield Turn("one", lambda: {"value": 0 * one.weight + 1, "other": 0 * one.weight + 2})
        yield Turn("two", lambda: {"value": 0 * two.weight + 3})

    history = train(
        Stage("toy"), {"one": gradient_descent(one), "two": gradient_descent(two)}, objective, parameters(2), recorder()
    )
    found = {name: value for name, value in history[1].items() if name not in ("step", "images_per_second")}
    assert found == {"one.value": 1.0, "one.other": 2.0, "two.value": 3.0}


def test_measures_are_averaged_over_their_interval_under_their_own_names(recorder: Callable) -> None:
    model, values, observer = Scalar(0.0), iter([1.0, 2.0, 4.0, 8.0, 16.0]), recorder()

    def measures(terms: Terms) -> Terms:
        return {"nats": -3 * terms["value"], "two": torch.tensor(2.0)}

    def objective(_: int) -> Iterator[Turn]:
        yield Turn("model", lambda: {"value": 0 * model.weight + next(values)}, measures=measures)

    training = parameters(5, report_every_steps=2)
    history = train(Stage("toy"), {"model": gradient_descent(model)}, objective, training, observer)
    assert [row["nats"] for row in history] == [-3 * 1.5, -3 * 6.0, -3 * 16.0]
    assert [row["two"] for row in history] == [2, 2, 2]
    assert [row["model.value"] for row in history] == [1.5, 6.0, 16.0]
    assert {*history[0]} == {"step", "model.value", "nats", "two", "images_per_second"}
    assert [{"step": step, **metrics} for step, metrics in observer.reports] == history


def test_a_term_missing_in_some_steps_is_averaged_over_the_others(recorder: Callable) -> None:
    model, steps = Scalar(0.0), iter(range(1, 7))

    def objective(_: int) -> Iterator[Turn]:
        step = next(steps)
        late = {"late": 0 * model.weight + step} if step in (3, 4, 5) else {}
        yield Turn("model", lambda: {"always": 0 * model.weight + step, **late}, measures=lambda _: dict(late))

    history = train(
        Stage("toy"), {"model": gradient_descent(model)}, objective, parameters(6, report_every_steps=2), recorder()
    )
    assert [row["model.always"] for row in history] == [1.5, 3.5, 5.5]
    assert [row.get("model.late") for row in history] == [None, 3.5, 5.0]
    assert [row.get("late") for row in history] == [None, 3.5, 5.0]


def test_measures_take_no_part_in_the_loss(recorder: Callable) -> None:
    model, seen = Scalar(1.0), []

    def measures(terms: Terms) -> Terms:
        seen.append({name: (value.item(), value.requires_grad) for name, value in terms.items()})
        return {"huge": 1e9 * terms["a"], "bad": torch.tensor(float("inf"))}

    def objective(_: int) -> Iterator[Turn]:
        yield Turn("model", lambda: {"a": 2 * model.weight}, measures=measures)

    train(Stage("toy"), {"model": gradient_descent(model)}, objective, parameters(1), recorder())
    assert seen == [{"a": (2.0, False)}]
    assert_close(model.weight.item(), 1 - 0.1 * 2, **CLOSE)


def test_only_the_player_whose_turn_it_is_gets_gradients_and_moves(recorder: Callable) -> None:
    models = {"one": Scalar(1.0), "two": Scalar(1.0)}
    seen: list[tuple[str, list[bool], list[float]]] = []

    def terms(name: str) -> Callable[[], Terms]:
        def compute() -> Terms:
            modules = models.values()
            seen.append((name, [m.weight.requires_grad for m in modules], [m.weight.item() for m in modules]))
            return {"product": models["one"].weight * models["two"].weight}

        return compute

    def objective(_: int) -> Iterator[Turn]:
        assert all(model.weight.requires_grad for model in models.values())
        yield Turn("one", terms("one"))
        yield Turn("two", terms("two"))

    train(Stage("toy"), {name: gradient_descent(m) for name, m in models.items()}, objective, parameters(1), recorder())
    assert [(name, thawed) for name, thawed, _ in seen] == [("one", [True, False]), ("two", [False, True])]
    assert_close(seen[1][2], [0.9, 1.0])  # the first turn moved the first weight only
    assert_close([model.weight.item() for model in models.values()], [0.9, 1 - 0.1 * 0.9], **CLOSE)


def test_the_modules_train_during_the_steps_and_are_in_evaluation_mode_afterwards(recorder: Callable) -> None:
    model, modes = nn.Linear(1, 1).eval(), []

    def terms() -> Terms:
        modes.append(model.training)
        return {"a": model.weight.sum()}

    train(Stage("toy"), {"model": gradient_descent(model)}, repeat("model", terms), parameters(2), recorder())
    assert modes == [True, True]
    assert not model.training


def test_a_preview_in_evaluation_mode_does_not_stop_the_training_mode(recorder: Callable) -> None:
    model, modes = nn.Linear(1, 1), []

    def terms() -> Terms:
        modes.append(model.training)
        return {"a": model.weight.sum()}

    def preview() -> torch.Tensor:
        model.eval()
        return torch.zeros(1, 1, 2, 2)

    train(Stage("toy"), {"model": gradient_descent(model)}, repeat("model", terms), parameters(3), recorder(), preview)
    assert modes == [True, True, True]


@pytest.mark.parametrize("steps", [10, 19, 25, 100, 109])
def test_pictures_are_shown_before_the_training_and_at_ten_points_of_it(recorder: Callable, steps: int) -> None:
    model, observer = Scalar(0.0), recorder()
    train(
        Stage("toy"),
        {"model": gradient_descent(model)},
        repeat("model", lambda: {"a": model.weight}),
        parameters(steps),
        observer,
        lambda: model.weight.detach().clone().reshape(1, 1, 1, 1),
    )
    assert len(observer.shown) == 1 + 10
    assert observer.shown[0][0] == 0
    assert observer.shown[-1][0] >= 0.9 * steps
    for step, picture in observer.shown:
        assert_close(picture.item(), -0.1 * step, rtol=1e-3, atol=1e-4)  # from the weights after that step


def test_upstream_gradients_are_added_to_those_of_the_terms(recorder: Callable) -> None:
    model = nn.Linear(1, 2, bias=False)
    start = model.weight.detach().clone()

    def objective(_: int) -> Iterator[Turn]:
        output = model(torch.tensor([[3.0]]))
        upstream = [(output, torch.tensor([[1.0, 10.0]]))]
        yield Turn("model", lambda: {"sum": output.sum()}, upstream)

    train(Stage("toy"), {"model": gradient_descent(model)}, objective, parameters(1), recorder())
    assert_close(start - model.weight, 0.1 * torch.tensor([[3.0 * (1 + 1)], [3.0 * (1 + 10)]]))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_term_that_is_not_finite_stops_the_training_before_its_step(recorder: Callable, bad: float) -> None:
    model, values, weights = Scalar(1.0), iter([0.0, 0.0, bad]), []

    def terms() -> Terms:
        weights.append(model.weight.item())
        return {"fine": model.weight, "entropy": model.weight * 0 + next(values)}

    with pytest.raises(TrainingDiverged) as error:
        train(
            Stage("level fc3"),
            {"generator": gradient_descent(model)},
            repeat("generator", terms),
            parameters(9),
            recorder(),
        )
    message = str(error.value)
    assert "level fc3 diverged at step 3: the term entropy of the generator is not finite" in message
    assert f"entropy = {bad:g}" in message
    assert f"fine = {weights[2]:g}" in message
    assert "\n" not in message
    assert len(weights) == 3
    assert model.weight.item() == weights[2]


def test_an_overflowing_sum_of_finite_terms_stops_the_training(recorder: Callable) -> None:
    model = Scalar(1.0)
    terms = repeat("model", lambda: {"a": 3e38 * model.weight, "b": 3e38 * model.weight})
    with pytest.raises(TrainingDiverged, match="step 1: ") as error:
        train(Stage("toy"), {"model": gradient_descent(model)}, terms, parameters(1), recorder())
    assert "from below" not in str(error.value)  # nothing came from below
    assert model.weight.item() == 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_an_infinite_gradient_from_below_stops_the_training(recorder: Callable, bad: float) -> None:
    model = nn.Linear(1, 2, bias=False)
    start = model.weight.detach().clone()

    def objective(_: int) -> Iterator[Turn]:
        output = model(torch.ones(1, 1))
        yield Turn("model", lambda: {"sum": output.sum()}, [(output, torch.tensor([[1.0, bad]]))])

    with pytest.raises(TrainingDiverged, match=r"step 1: .*gradient from below of the model is not finite"):
        train(Stage("toy"), {"model": gradient_descent(model)}, objective, parameters(1), recorder())
    assert_close(model.weight, start, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("step", "expected"), [(1, 1.0), (25, 1.0), (50, 1.0), (51, 1 - 0.02 * 0.9), (75, 0.55), (99, 0.118), (100, 0.1)]
)
def test_the_rate_falls_linearly_over_the_second_half(step: int, expected: float) -> None:
    assert_close(rate_factor(step, parameters(100, final_learning_rate_fraction=0.1)), expected)


def test_a_final_fraction_of_1_keeps_the_rate() -> None:
    assert {rate_factor(step, parameters(7)) for step in range(1, 8)} == {1.0}


def test_each_step_uses_its_own_rate(recorder: Callable) -> None:
    model, training = Scalar(0.0), parameters(4, final_learning_rate_fraction=0.5)
    weights = [0.0]
    train(
        Stage("toy"),
        {"model": gradient_descent(model)},
        repeat("model", lambda: {"a": model.weight}),
        training,
        recorder(lambda: weights.append(model.weight.item())),
    )
    steps = [before - after for before, after in pairwise(weights)]
    assert_close(steps, [0.1, 0.1, 0.075, 0.05], **CLOSE)


@pytest.mark.parametrize(
    ("step", "decay", "expected"), [(1, 0.99, 2 / 11), (8, 0.99, 0.5), (890, 0.99, 0.99), (5000, 0.99, 0.99), (1, 0, 0)]
)
def test_the_averaging_decay_rises_to_its_value(step: int, decay: float, expected: float) -> None:
    assert_close(averaging_decay(step, decay), expected)


def test_the_average_after_some_steps_is_the_one_computed_by_hand(recorder: Callable) -> None:
    model, average, weights = Scalar(1.0), Scalar(5.0), []
    train(
        Stage("toy"),
        {"model": gradient_descent(model, 0.5, average)},
        repeat("model", lambda: {"a": model.weight**2 / 2 + model.weight}),
        parameters(6, ema_decay=0.3),
        recorder(lambda: weights.append(model.weight.item())),
    )
    expected = 5.0
    for step, weight in enumerate(weights, start=1):
        decay = min(0.3, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weight
    assert len(set(weights)) == 6
    assert_close(average.weight.item(), expected, **CLOSE)


def test_batch_norm_statistics_are_averaged_and_their_counters_copied(recorder: Callable, rng: torch.Generator) -> None:
    model, average = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    inputs, means = torch.randn(8, 2, generator=rng) * 3 + 5, []
    train(
        Stage("toy"),
        {"model": gradient_descent(model, 0.1, average)},
        repeat("model", lambda: {"a": model(inputs).square().mean()}),
        parameters(3, ema_decay=0.9),
        recorder(lambda: means.append(model.running_mean.clone())),
    )
    expected = torch.zeros(2)
    for step, mean in enumerate(means, start=1):
        decay = (1 + step) / (10 + step)
        expected = decay * expected + (1 - decay) * mean
    assert_close(average.running_mean, expected)
    assert average.num_batches_tracked.item() == model.num_batches_tracked.item() == 3


def test_the_average_is_ready_to_sample_when_the_training_ends(recorder: Callable) -> None:
    model, average = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    terms = repeat("model", lambda: {"a": model(torch.eye(2)).sum()})
    train(
        Stage("toy"), {"model": gradient_descent(model, 0.1, average)}, terms, parameters(1, ema_decay=0.9), recorder()
    )
    assert not average.training


def test_the_optimiser_is_adam_written_out(recorder: Callable) -> None:
    model, training = Scalar(1.0), parameters(3, learning_rate=0.01, beta1=0.5, beta2=0.9)
    slopes = iter([1.0, -3.0, 2.0])
    terms = repeat("model", lambda: {"a": next(slopes) * model.weight})
    train(Stage("toy"), {"model": make_player(model, training)}, terms, training, recorder())
    weight = first = second = 0.0
    for step, slope in enumerate([1.0, -3.0, 2.0], start=1):
        first, second = 0.5 * first + 0.5 * slope, 0.9 * second + 0.1 * slope**2
        weight -= 0.01 * (first / (1 - 0.5**step)) / ((second / (1 - 0.9**step)) ** 0.5 + 1e-8)
    assert_close(model.weight.item(), 1 + weight, **CLOSE)


def test_weight_decay_shrinks_weights_apart_from_their_gradient(recorder: Callable) -> None:
    model, training = Scalar(2.0), parameters(1, learning_rate=0.1)
    terms = repeat("model", lambda: {"a": 0 * model.weight})
    train(Stage("toy"), {"model": make_player(model, training, weight_decay=0.5)}, terms, training, recorder())
    assert_close(model.weight.item(), 2 * (1 - 0.1 * 0.5), **CLOSE)


def test_a_player_can_have_its_own_learning_rate(recorder: Callable) -> None:
    model, training = Scalar(1.0), parameters(1, learning_rate=0.1)
    terms = repeat("model", lambda: {"a": model.weight})
    train(Stage("toy"), {"model": make_player(model, training, 0.03)}, terms, training, recorder())
    assert_close(model.weight.item(), 1 - 0.03, **CLOSE)
