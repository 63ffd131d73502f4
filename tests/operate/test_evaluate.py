"""An evaluation says what it measured, and what that shows."""

import pytest
import torch

from countguard.attacks.strategies import Add, Minus, Move
from countguard.attacks.triggers import Blend, Rain
from countguard.errors import InputError
from countguard.metrics.intervals import Interval
from countguard.models import build_counter
from countguard.models.counter import Counter
from countguard.operate.evaluate import Evaluation, evaluate_counter, evaluation_sentences
from tiny_crowds import tiny_crowd

CROWDS = [tiny_crowd(str(index), heads=5 + index, seed=index) for index in range(6)]


@pytest.fixture(scope="module")
def counter() -> Counter:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_counter("lite").eval()


def test_the_counter_without_its_trigger_is_the_control(counter: Counter) -> None:
    metrics = evaluate_counter(counter, CROWDS, Blend(alpha=0.4), Minus(heads=2))
    difference = metrics["rho_asr"].value - metrics["rho_asr_without_trigger"].value
    assert metrics["trigger_effect"].value == pytest.approx(difference)
    nothing = evaluate_counter(counter, CROWDS, Blend(alpha=0.0), Minus(heads=2))
    assert nothing["trigger_effect"] == Interval(0.0, 0.0, 0.0)
    assert "trigger_effect" not in evaluate_counter(counter, CROWDS, Blend(), Move())


def test_a_clean_counter_of_another_kind_is_refused(counter: Counter) -> None:
    with pytest.raises(InputError, match="--clean: is a mcnn, the counter is a lite"):
        evaluate_counter(counter, CROWDS, Blend(), Minus(), build_counter("mcnn"))


def test_sentences_say_what_it_shows_and_what_it_does_not() -> None:
    def rate(value: float) -> Interval:
        return Interval(value, value - 0.1, value + 0.1)

    metrics = {"rho_asr": rate(22 / 30), "rho_asr_without_trigger": rate(0.3), "trigger_effect": rate(0.43)}
    alone = " ".join(evaluation_sentences(Evaluation(metrics, 30), Blend(), Minus()))
    assert alone.startswith("Under kitten at 10 %: 22 of 30 undercounted by more than 10 %; without it 9. ")
    assert "does not show a backdoor" in alone
    beside = Evaluation({**metrics, "false_asr": rate(0.5), "net_asr": rate(0.23)}, 30)
    said = " ".join(evaluation_sentences(beside, Rain(), Add()))
    assert "Under rain: 22 of 30 overcounted" in said
    assert "never attacked is so wrong on 15 of them: the attack adds +23%" in said
    assert evaluation_sentences(beside, Blend(), None) == []
