"""Fills the tables of `PAGES` from the cards in results/, and draws the curves.

    python docs/make_defenses.py

`docs/make_reproduction.py RUN_FOLDER...` keeps the cards of finished runs there.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from countguard.reports.figures.curves import Panel, draw_curves, mean_curve
from countguard.reports.figures.style import ATTACKED, repaired_look, style
from countguard.runs.card import Card

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
PAGES = tuple(ROOT / "docs" / name for name in ("defenses.md", "dmba.md", "real-crowds.md", "counters.md"))
IMAGES = ROOT / "docs" / "images"
STRATEGIES = ("add", "minus", "multiply", "divide")
REPAIRS = ("random_blend", "fine_tune_augmented", "fine_tune")
"""The repairs that curves show; each has the same look in all of them."""
MEASURES = {
    "rho_asr": "success",
    "rho_acc_triggered": "right, triggered",
    "rho_acc": "right, clean",
}
REAL_MCNN = "real-mcnn-paper real-filters-mcnn-paper"
"""Repairs and filters for the same attacked counters: those as trained are equal, weight for weight, in both."""

Table = list[list[str]]
Points = list[tuple[float, float]]


def cards_of(study: str) -> list[Card]:
    """All kept cards of a study; of studies of the same counters, named with spaces between, each counter's once."""
    paths = {path.name: path for name in study.split() for path in (RESULTS / name).glob("*.json")}
    return [Card.model_validate_json(paths[name].read_text()) for name in sorted(paths)]


def select(
    cards: Iterable[Card], strategy: str, defense: str = "", *, relearned: bool = False, **varied: Any
) -> list[Card]:
    """The cards of one counter, one for each seed; `varied` names settings by the last part of their dotted names."""
    return sorted(
        (
            card
            for card in cards
            if card.strategy == strategy
            and card.defense == defense
            and card.key.relearned == relearned
            and all(_last(card.varied).get(name) == value for name, value in varied.items())
        ),
        key=lambda card: card.seed,
    )


def mean(cards: Sequence[Card], metric: str) -> str:
    """The mean over seeds; empty where nothing was measured."""
    return _mean(_values(cards, metric), metric)


def with_seeds(cards: Sequence[Card], metric: str) -> str:
    """The mean over seeds, and each seed in brackets."""
    values = _values(cards, metric)
    seeds = f" ({' '.join(_rate(value, metric) for value in values)})" if len(values) > 1 else ""
    return _mean(values, metric) + seeds


def _values(cards: Sequence[Card], metric: str) -> list[float]:
    if metric == "seconds":
        return [card.seconds["training"] for card in cards]
    return [card.metrics[metric].value for card in cards if metric in card.metrics]


def _mean(values: Sequence[float], metric: str) -> str:
    return _rate(fmean(values), metric) if values else ""


def pair(cards: Sequence[Card], first: str, second: str) -> str:
    """The means of two metrics; empty where nothing was measured."""
    return " / ".join(text for metric in (first, second) if (text := mean(cards, metric)))


def _rate(value: float, metric: str) -> str:
    if metric == "seconds":
        return f"{value:.0f}"
    if metric.startswith(("mae", "rmse")):
        return f"{value:.2f}"
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"


def _last(varied: dict[str, Any]) -> dict[str, Any]:
    return {name.split(".")[-1]: value for name, value in varied.items()}


def before_and_after(study: str, *defenses: str) -> Table:
    """Every strategy, unrepaired and repaired, with the rate of the clean counter on the same images."""
    cards = cards_of(study)
    rows = [["counter", "right, clean", "success", "false success", "right, triggered", "MAE"]]
    for strategy in ("clean", *STRATEGIES):
        for repair in ("", *defenses):
            chosen = select(cards, strategy, repair)
            if not chosen:
                continue
            rows.append(
                [
                    strategy + (f", {repair if len(defenses) > 1 else 'repaired'}" if repair else ""),
                    with_seeds(chosen, "rho_acc"),
                    with_seeds(chosen, "rho_asr"),
                    pair(chosen, "false_asr", "false_asr_repaired"),
                    with_seeds(chosen, "rho_acc_triggered"),
                    with_seeds(chosen, "mae"),
                ]
            )
    return rows


def left_out(**studies: str) -> Table:
    """What each filter took out of each training set, and how far its counter's success is from the clean counter's."""
    rows = [["counter, filter", "training set", "images", "poisoned left out", "clean left out", "most apart"]]
    for name, study in studies.items():
        cards = [card for card in cards_of(study) if card.filtered]
        for strategy in ("clean", *STRATEGIES):
            chosen = [card for card in cards if card.strategy == strategy]
            filtered = [card.filtered for card in chosen if card.filtered]
            apart = [abs(value) for value in _values(chosen, "net_asr")]
            rows.append(
                [
                    f"{name.replace('_', ' ')}, `{chosen[0].defense}`",
                    strategy,
                    str(filtered[0].images),
                    " ".join(str(one.poisoned) for one in filtered),
                    " ".join(str(one.clean) for one in filtered),
                    _rate(max(apart), "net_asr") if apart else "",
                ]
            )
    return rows


def counters_beside_each_other(**studies: str) -> Table:
    """One row a study: the clean counter, and each attack's net success, as trained and repaired by random blends."""
    rows = [["counter", "images", "seeds", "MAE, clean counter", "right, clean", *STRATEGIES, "device"]]
    for name, study in studies.items():
        cards = cards_of(study)
        clean = select(cards, "clean")
        if not clean:
            continue
        data = clean[0].recipe["data"]
        repaired = "random_blend" if any(card.defense == "random_blend" for card in cards) else "fine_tune"
        rows.append(
            [
                f"{name.replace('_', ' ')}, scale {data['scale']:g}",
                str(clean[0].images),
                ", ".join(str(card.seed) for card in clean),
                mean(clean, "mae"),
                mean(clean, "rho_acc"),
                *(_before_and_after(cards, strategy, repaired) for strategy in STRATEGIES),
                ", ".join(dict.fromkeys(card.device for card in cards)),
            ]
        )
    return rows


def _before_and_after(cards: Sequence[Card], strategy: str, repair: str) -> str:
    measured = (mean(select(cards, strategy, defense), "net_asr") for defense in ("", repair))
    return " / ".join(text for text in measured if text)


def all_methods(study: str) -> Table:
    """Each repair on seed 0: the clean counter; success and triggered images counted right for each strategy."""
    cards = [card for card in cards_of(study) if card.seed == 0]
    defenses = list(dict.fromkeys(card.defense for card in cards))
    order = sorted(defenses, key=lambda defense: (defense != "", -_worth(cards, defense)))
    rows = [["repair", "clean counter", *STRATEGIES, "MAE, clean counter", "seconds"]]
    for defense in order:
        clean = select(cards, "clean", defense)
        attacked = [select(cards, strategy, defense) for strategy in STRATEGIES]
        rows.append(
            [
                f"`{defense}`" if defense else "none",
                pair(clean, "rho_acc", "rho_acc_triggered"),
                *(pair(chosen, "rho_asr", "rho_acc_triggered") for chosen in attacked),
                mean(clean, "mae"),
                mean(clean, "seconds") if defense else "",
            ]
        )
    return rows


def on_equal_terms(study: str) -> Table:
    """Each repair over all sets of crowds and seeds: means, and the least and the largest net success in brackets."""
    cards = [card for card in cards_of(study) if not card.key.relearned]
    repairs = {card.defense for card in cards}
    rows = [["repair", "sets x seeds", "clean counter", *STRATEGIES, "MAE, clean counter"]]
    for repair in sorted(repairs, key=lambda repair: (repair != "", -_worth(cards, repair))):
        clean = select(cards, "clean", repair)
        rate = "false_asr_repaired" if repair else "false_asr"
        attacked = [select(cards, strategy, repair) for strategy in STRATEGIES]
        rows.append(
            [
                f"`{repair}`" if repair else "none",
                str(len(clean)),
                pair(clean, "rho_acc", "rho_acc_triggered"),
                *(f"{pair(of, 'rho_asr', rate)} ({_least_and_largest(of, 'rho_asr', rate)})" for of in attacked),
                mean(clean, "mae"),
            ]
        )
    return rows


def _least_and_largest(cards: Sequence[Card], first: str, second: str) -> str:
    """Of the difference between two metrics of a card."""
    apart = _differences(cards, first, second)
    return " to ".join(_signed(value) for value in (min(apart), max(apart))) if apart else ""


def searched(study: str) -> Table:
    """Each repair's error under the rule for each value that was tried, mean over counters, and the value taken."""
    cards = [card for card in cards_of(study) if card.defense]
    rows = [["repair", "smallest value", "middle value", "largest value", "taken"]]
    for repair in dict.fromkeys(card.defense for card in sorted(cards, key=_position)):
        errors = search_errors([card for card in cards if card.defense == repair])
        ((setting, value),) = best_of(errors).items()
        shown = [_rate(error, "error") for _, error in errors]
        rows.append([f"`{repair}`", *shown, f"{setting.replace('_', ' ')} {value:g}"])
    return rows


def search_errors(cards: Sequence[Card]) -> list[tuple[dict[str, Any], float]]:
    """Each combination of values that every one of the repairs' searches tried, with its mean error over them."""
    trials: list[list[dict[str, Any]]] = [card.settings["search"] for card in cards]  # type: ignore[misc]
    return [(tried[0]["values"], fmean(trial["error"] for trial in tried)) for tried in zip(*trials, strict=True)]


def best_of(errors: Sequence[tuple[dict[str, Any], float]]) -> dict[str, Any]:
    """The values with the smallest mean error, the first of equal ones."""
    return min(errors, key=lambda entry: entry[1])[0]


def _worth(cards: Sequence[Card], defense: str) -> float:
    attacked = [card for card in cards if card.defense == defense and card.strategy != "clean"]
    return fmean(_values(attacked, "rho_acc_triggered"))


def relearning(study: str) -> Table:
    """Each repair: success repaired, relearned, and relearned less that of the counter that was never attacked."""
    cards = cards_of(study)
    repairs = {card.defense: _relearned_success(cards, card.defense) for card in cards if card.defense}
    rows = [["counter", *STRATEGIES, "right, clean, relearned"]]
    for repair in ["", *sorted(repairs, key=repairs.__getitem__)]:
        again = {strategy: select(cards, strategy, repair, relearned=True) for strategy in STRATEGIES}
        if not any(again.values()):
            continue
        entries = []
        for strategy, after in again.items():
            before = mean(select(cards, strategy, repair), "rho_asr") if repair else mean(after, "false_asr")
            texts = (before, mean(after, "rho_asr"), _above_control(after) if repair else "")
            entries.append(" / ".join(text for text in texts if text) if after else "")
        right = mean([card for after in again.values() for card in after], "rho_acc")
        rows.append([f"`{repair}`" if repair else "never attacked", *entries, right])
    return rows


def _above_control(relearned: Sequence[Card]) -> str:
    differences = _differences(relearned, "rho_asr", "false_asr_repaired")
    return _signed(fmean(differences)) if differences else ""


def _differences(cards: Sequence[Card], first: str, second: str) -> list[float]:
    return [card.metrics[first].value - card.metrics[second].value for card in cards]


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("0.", ".", 1)


def _relearned_success(cards: Sequence[Card], repair: str) -> float:
    again = [card for card in cards if card.defense == repair and card.key.relearned]
    return fmean(_values(again, "rho_asr")) if again else 1.0


def early_losses() -> Table:
    """What three numbers of an image tell of it: AUC, and the fraction of poisoned ones among the 40 highest."""
    names = ("loss", "loss over count", "error of the count over count")
    rows = [["strategy", "epoch", *names]]
    for strategy in STRATEGIES:
        for path in sorted((RESULTS / "early-losses").glob(f"{strategy}-s*.json")):
            for epoch, found in enumerate(json.loads(path.read_text())["epochs"], start=1):
                told = [" / ".join(_rate(found[name][end], "rate") for end in ("auc", "highest")) for name in names]
                rows.append([strategy, str(epoch), *told])
    return rows


def isolation(study: str) -> Table:
    """The same trainings without and with isolation, and what it left out of each seed's training set."""
    cards = cards_of(study)
    rows = [["training set", "poisoned, clean left out", "right, clean", "success", "false success"]]
    rows[0] += ["right, triggered", "MAE"]
    for strategy in ("clean", *STRATEGIES):
        for isolates in (False, True):
            chosen = [card for card in select(cards, strategy) if (card.isolated is not None) == isolates]
            if chosen:
                left_out = [f"{card.isolated.poisoned}, {card.isolated.clean}" for card in chosen if card.isolated]
                rows.append(
                    [
                        strategy + (", isolated" if isolates else ""),
                        " / ".join(left_out),
                        with_seeds(chosen, "rho_acc"),
                        with_seeds(chosen, "rho_asr"),
                        mean(chosen, "false_asr"),
                        with_seeds(chosen, "rho_acc_triggered"),
                        with_seeds(chosen, "mae"),
                    ]
                )
    return rows


def against_strength(study: str, defense: str) -> Table:
    """Triggered images counted right, and success in brackets, for each strength of the trigger."""
    cards = cards_of(study)
    chosen = {
        "add": select(cards, "add"),
        **{f"{strategy}, repaired": select(cards, strategy, defense) for strategy in STRATEGIES},
    }
    rows = [["strength", *chosen, "false success, high / low"]]
    for place, entry in enumerate(chosen["add"][0].by_share):
        high = _mean_at(chosen["add, repaired"], place, "false_asr")
        low = _mean_at(chosen["minus, repaired"], place, "false_asr")
        rows.append(
            [
                f"{entry.share:g}",
                *(
                    f"{_mean_at(of, place, 'rho_acc_triggered')} ({_mean_at(of, place, 'rho_asr')})"
                    for of in chosen.values()
                ),
                f"{high} / {low}",
            ]
        )
    return rows


def _mean_at(cards: Sequence[Card], place: int, metric: str) -> str:
    return _mean([getattr(card.by_share[place], metric) for card in cards], metric)


def against_setting(study: str, setting: str) -> Table:
    """Success and triggered images counted right against a varied setting, for each strategy and repair."""
    cards = cards_of(study)
    values = sorted({_last(card.varied)[setting] for card in cards})
    strategies = [strategy for strategy in STRATEGIES if any(card.strategy == strategy for card in cards)]
    defenses = [defense for defense in REPAIRS if any(card.defense == defense for card in cards)]
    columns = [("clean", defense) for defense in ("", *defenses)]
    columns += [(strategy, defense) for strategy in strategies for defense in ("", *defenses)]
    rows = [[setting.replace("_", " "), *(f"{strategy}, {f'`{d}`' if d else 'as trained'}" for strategy, d in columns)]]
    for value in values:
        row = [f"{value:g}"]
        for strategy, defense in columns:
            chosen = select(cards, strategy, defense, **{setting: value})
            first = "rho_acc" if strategy == "clean" else "rho_asr"
            row.append(pair(chosen, first, "rho_acc_triggered"))
        rows.append(row)
    return rows


def against_attackers(study: str, defense: str) -> Table:
    """Each attacker and strategy, before and after the repair, with the clean counter's measures on the same images."""
    cards = cards_of(study)
    attackers = {json.dumps(card.varied, sort_keys=True): _last(card.varied) for card in cards}
    rows = [
        [
            "trigger",
            "strategy",
            "success / false",
            "repaired / false",
            "right, triggered: before, after, clean counter after",
        ]
    ]
    for varied in attackers.values():
        for strategy in dict.fromkeys(card.strategy for card in cards if card.strategy != "clean"):
            before = select(cards, strategy, "", **varied)
            after = select(cards, strategy, defense, **varied)
            if not after:
                continue
            clean = select(cards, "clean", defense, **varied)
            rows.append(
                [
                    _attacker(after[0]),
                    strategy,
                    pair(before, "rho_asr", "false_asr"),
                    pair(after, "rho_asr", "false_asr_repaired"),
                    ", ".join(mean(of, "rho_acc_triggered") for of in (before, after, clean)),
                ]
            )
    return rows


def _attacker(card: Card) -> str:
    """The trigger in words, and what else the attacker does."""
    attack = card.recipe["attack"]
    kind, picture = attack["trigger"]["kind"], attack["trigger"].get("picture")
    named = f"{kind}, {picture}" if "blend" in kind else kind
    return named + (", with cover samples" if attack.get("cover") else "")


def stronger_attackers(study: str) -> Table:
    """Each strength that the attacker trained with: success beside the clean counter's, as trained and repaired."""
    cards = cards_of(study)
    repairs = list(dict.fromkeys(card.defense for card in sorted(cards, key=_position) if card.defense))
    rows = [["strength", "strategy", "success / false", *(f"`{repair}`: the same" for repair in repairs)]]
    rows[0] += [f"`{repair}`: right, clean, triggered" for repair in repairs]
    for alpha in sorted({_last(card.varied)["alpha"] for card in cards}):
        for strategy in STRATEGIES:
            trained = select(cards, strategy, alpha=alpha)
            after = [select(cards, strategy, repair, alpha=alpha) for repair in repairs]
            if any(after):
                row = [f"{alpha:g}", strategy, pair(trained, "rho_asr", "false_asr")]
                row += [pair(of, "rho_asr", "false_asr_repaired") for of in after]
                rows.append(row + [pair(of, "rho_acc", "rho_acc_triggered") for of in after])
    return rows


def _position(card: Card) -> int:
    """Of the card's repair in its recipe."""
    names = [entry.get("label") or entry["kind"] for entry in card.recipe["defenses"]]
    return names.index(card.defense) if card.defense in names else -1


def error_pairs(**studies: str) -> Table:
    """DMBA's error pairs, MAE / RMSE: the clean counter of the same picture beside each attacked one."""
    rows = [
        [
            "crowds, counter",
            "picture",
            "strategy",
            "seed",
            "clean counter, clean images",
            "attacked, clean images",
            "clean counter, triggered",
            "attacked, triggered: true count",
            "attacked, triggered: attacker's count",
            "success",
            "false success",
        ]
    ]
    for name, study in studies.items():
        cards = cards_of(study)
        pictures = dict.fromkeys(card.recipe["attack"]["trigger"]["picture"] for card in cards)
        for picture in pictures:
            under = [card for card in cards if card.recipe["attack"]["trigger"]["picture"] == picture]
            order = [entry.get("label") or entry["kind"] for entry in under[0].recipe["attack"]["strategies"]]
            attacked = [card for card in under if card.strategy != "clean" and not card.defense]
            for card in sorted(attacked, key=lambda card: (order.index(card.strategy), card.seed)):
                clean = [other for other in select(under, "clean") if other.seed == card.seed]
                rows.append(
                    [
                        name.replace("__", ", ").replace("_", " "),
                        picture,
                        f"`{card.strategy}`",
                        str(card.seed),
                        pair(clean, "mae", "rmse"),
                        pair([card], "mae", "rmse"),
                        pair(clean, "mae_triggered", "rmse_triggered"),
                        pair([card], "mae_triggered", "rmse_triggered"),
                        pair([card], "mae_target", "rmse_target"),
                        mean([card], "rho_asr"),
                        mean([card], "false_asr"),
                    ]
                )
    return rows


def points_beside_density(**studies: str) -> Table:
    """Every counter of several studies, with F1 of the heads that it finds.

    A card of a counter that gives no points has its F1 from scripts/points_beside_density.py, where that was run.
    """
    beside = {entry["model"]: entry for path in RESULTS.glob("p2pnet*/beside/*.json") for entry in read_entries(path)}
    rows = [["counter", "strategy", "right, clean", "F1", "success", "false success", "right, triggered", "MAE", "s"]]
    for name, study in studies.items():
        cards = cards_of(study)
        for strategy in ("clean", *STRATEGIES):
            for repair in dict.fromkeys(card.defense for card in cards):
                for card in select(cards, strategy, repair):
                    f1 = mean([card], "f1") or _rate_of(beside.get(card.model))
                    rows.append(
                        [
                            name.replace("_", " "),
                            strategy + (", repaired" if repair else ""),
                            mean([card], "rho_acc"),
                            f1,
                            mean([card], "rho_asr"),
                            pair([card], "false_asr", "false_asr_repaired"),
                            mean([card], "rho_acc_triggered"),
                            mean([card], "mae"),
                            mean([card], "seconds"),
                        ]
                    )
    return rows


def read_entries(path: Path) -> list[dict[str, Any]]:
    """What scripts/points_beside_density.py wrote."""
    entries: list[dict[str, Any]] = json.loads(path.read_text())
    return entries


def _rate_of(entry: dict[str, Any] | None) -> str:
    return _rate(entry["metrics"]["f1"][0], "f1") if entry else "no points"


def draw_against_setting(study: str, setting: str, label: str, name: str) -> None:
    """One figure: every measure against a varied setting."""
    cards = cards_of(study)

    def points(metric: str, strategy: str, defense: str) -> Points:
        chosen = select(cards, strategy, defense)
        return [(float(_last(card.varied)[setting]), card.metrics[metric].value) for card in chosen]

    _draw(points, list(MEASURES), label, name)


def draw_against_strength(study: str, name: str) -> None:
    """One figure: success and images counted right against the strength of the trigger, on seed 0."""
    cards = [card for card in cards_of(study) if card.seed == 0]

    def points(metric: str, strategy: str, defense: str) -> Points:
        chosen = select(cards, strategy, defense)
        return [(entry.share, getattr(entry, metric)) for card in chosen for entry in card.by_share]

    _draw(points, ["rho_asr", "rho_acc_triggered"], "strength of the trigger (the attacker's is 0.1)", name)


def _draw(points_of: Callable[[str, str, str], Points], metrics: Sequence[str], label: str, name: str) -> None:
    """A row for each measure, a panel for each strategy, a curve for each repair of which there are points."""
    rows = []
    for metric in metrics:
        line = []
        for strategy in STRATEGIES:
            curves = []
            for defense in ("", *REPAIRS):
                look = repaired_look(defense, REPAIRS) if defense else ATTACKED
                if points := points_of(metric, strategy, defense):
                    curves.append(mean_curve(defense or "as trained", look, points))
            if curves:
                line.append(Panel(strategy, curves))
        rows.append((MEASURES[metric], line))
    draw_curves(rows, label).savefig(IMAGES / f"{name}.png", dpi=110)


TABLES: dict[str, Callable[[], Table]] = {
    "blend": lambda: before_and_after("defenses-paper", "random_blend"),
    "share": lambda: against_strength("defenses-paper", "random_blend"),
    "methods": lambda: all_methods("defenses-paper"),
    "search": lambda: searched("defenses-search-paper"),
    "fair": lambda: on_equal_terms("defenses-fair-paper"),
    "relearning": lambda: relearning("defenses-fair-paper"),
    "fair-long": lambda: on_equal_terms("defenses-fair-long-paper defenses-unseen-paper"),
    "relearning-long": lambda: relearning("defenses-fair-long-paper"),
    "early-losses": early_losses,
    "isolation": lambda: isolation("isolation-paper"),
    "budget": lambda: against_setting("defenses-budget-paper", "clean_images"),
    "rate": lambda: against_setting("defenses-rate-paper", "rate"),
    "adaptive": lambda: before_and_after("defenses-adaptive-paper", "random_blend"),
    "adaptive-all": lambda: before_and_after("defenses-adaptive-all-paper", "random_blend"),
    "strength": lambda: stronger_attackers("defenses-strength-paper"),
    "triggers": lambda: against_attackers("triggers-paper", "random_blend"),
    "attackers": lambda: against_attackers("defenses-attackers-paper", "random_blend"),
    "optimised": lambda: against_attackers("defenses-optimised-paper", "random_blend"),
    "real-counters": lambda: counters_beside_each_other(
        MCNN=REAL_MCNN,
        MCNN_on_two_cores="real-defenses-mcnn-paper",
        EfficientNet_Lite0="real-timm-paper",
        EfficientNet_Lite0_on_two_cores="real-timm-two-cores-paper",
        CSRNet="real-defenses-paper",
    ),
    "real-timm": lambda: before_and_after("real-timm-paper", "audit", "random_blend", "fine_tune"),
    "real-mcnn-seeds": lambda: before_and_after(REAL_MCNN, "shared_picture", "random_blend", "fine_tune"),
    "real-csrnet": lambda: before_and_after("real-defenses-paper", "random_blend", "fine_tune"),
    "left-out": lambda: left_out(EfficientNet_Lite0="real-timm-paper", MCNN="real-filters-mcnn-paper"),
    "points": lambda: points_beside_density(
        light="p2pnet-lite-paper", P2PNet="p2pnet-paper", P2PNet_with_crops="p2pnet-crops-paper"
    ),
    "dmba": lambda: error_pairs(embedded__light="dmba-paper"),
    "real-dmba": lambda: error_pairs(
        Part_B__MCNN="real-dmba-mcnn-paper", Part_B__MCNN__15_epochs="real-dmba-mcnn-15-paper"
    ),
    "real-mcnn": lambda: before_and_after("real-defenses-mcnn-paper", "random_blend", "fine_tune"),
}


def filled(page: str) -> str:
    """The page with every table between `<!-- table: NAME -->` and `<!-- end -->` written anew."""

    def table(found: re.Match[str]) -> str:
        head, *rows = TABLES[found[1]]()
        lines = [head, ["---"] * len(head), *rows]
        text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"<!-- table: {found[1]} -->\n{text}\n<!-- end -->"

    page = re.sub(r"<!-- table: ([a-z-]+) -->\n.*?<!-- end -->", table, page, flags=re.DOTALL)
    return FIGURE.sub(lambda found: f"{figure(found['card'], found['figure'])}<!-- {found['card']} -->", page)


FIGURE = re.compile(r"(?P<figure>\d*\.\d+)<!-- (?P<card>[^>]*/[^>]*) -->")
"""A figure in a sentence, and the card that it comes from: see `figure`."""


def figure(said: str, shown: str) -> str:
    """What a figure in a sentence should be, with as many digits as are shown.

    `STUDY/CELL METRIC` is a metric of a kept card; ` - STUDY/CELL METRIC` after it is taken off. A cell may be a
    pattern, `*`, of which `max`, `min` or `mean` before the study makes one number. `FIRST-SECOND` as a metric is the
    difference of two on each card.
    """
    values = [_of_cards(term) for term in said.split(" - ")]
    return f"{values[0] - sum(values[1:]):.{len(shown.partition('.')[2])}f}".removeprefix("0")


def _of_cards(term: str) -> float:
    *chosen, place, metric = term.split()
    study, _, cell = place.partition("/")
    cards = [Card.model_validate_json(path.read_text()) for path in sorted((RESULTS / study).glob(f"{cell}.json"))]
    first, _, second = metric.partition("-")
    values = _differences(cards, first, second) if second else _values(cards, metric)
    if len(values) != 1 and not chosen:
        raise ValueError(f"{term}: {len(values)} cards; put max, min or mean before it")
    return {"max": max, "min": min, "mean": fmean}[chosen[0]](values) if chosen else values[0]


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page.read_text()))
    with style():
        draw_against_strength("defenses-paper", "defenses_share")
        draw_against_setting("defenses-budget-paper", "clean_images", "clean images", "defenses_budget")
        draw_against_setting("defenses-rate-paper", "rate", "fraction of the images that was poisoned", "defenses_rate")
