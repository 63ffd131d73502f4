"""A study with a repair whose settings are searched for, under two pictures that vary with the data."""

from pathlib import Path

from countguard.runs.card import Card
from countguard.runs.run import Run
from countguard.studies.resolve import recipe_from
from countguard.studies.run import run_study
from raw_recipe import raw_recipe


def test_cards_hold_the_trials_also_where_a_counter_is_taken_over(tmp_path: Path) -> None:
    search = {"kind": "search", "of": {"kind": "fine_tune"}, "values": {"lr": [1e-3, 1e-2]}, "clean_images": 3}
    raw = raw_recipe(
        attack={"strategies": [{"kind": "minus"}]},
        defenses=[search, {"kind": "retrain"}],
        evaluation={"examples": 0},
        vary={"training.lr, attack.trigger.picture": [[1e-3, "kitten"], [1e-3, "robots"]]},
    )
    study = run_study(recipe_from(raw, "here"), tmp_path / "run")
    cards = {path.parent.name: Card.read(path) for path in study.glob("cells/*/card.json")}
    assert len(cards) == 2 * 2 * 3
    for name, card in cards.items():
        trials = card.settings.get("search")
        assert (trials is not None) == (card.defense == "search"), name
        if isinstance(trials, list):
            assert [trial["values"] for trial in trials if isinstance(trial, dict)] == [{"lr": 1e-3}, {"lr": 1e-2}]
    counters = {
        card.hashes["counter"] for card in cards.values() if card.strategy == "clean" and card.defense == "search"
    }
    assert len(counters) == 1  # the same training, under either picture
    run = Run.read(study)
    assert run.varied == ("attack.trigger.picture", "training.lr")
    assert not run.missing
