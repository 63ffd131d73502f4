"""The audit passes a clean set and names the pictures that share a hidden one."""

import pytest

from countguard.attacks.blend import Blend
from countguard.attacks.poisoning import Attack, PoisonedCrowds
from countguard.attacks.strategies import Minus
from countguard.audit import audit
from countguard.data.synthetic import Synthetic
from countguard.errors import InputError

CROWDS = Synthetic(train=60, test=1).crowds("train")


def test_a_clean_set_is_passed() -> None:
    report = audit(CROWDS)
    assert report.verdict == "nothing found"
    assert {image.verdict for image in report.images} == {"nothing found"}


def test_every_picture_with_the_trigger_is_called_poisoned_and_no_other() -> None:
    attack = Attack(trigger=Blend(), strategy=Minus(heads=100), rate=0.2, placement="replace")
    poisoned = PoisonedCrowds(CROWDS, attack, 0)
    report = audit(poisoned)
    assert report.verdict == "poisoned"
    called = [place for place, image in enumerate(report.images) if image.verdict == "poisoned"]
    assert called == poisoned.indices


def test_too_few_images_are_told() -> None:
    with pytest.raises(InputError, match="at least 8 are needed"):
        audit(CROWDS[:7])
