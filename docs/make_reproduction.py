"""Keeps the cards of finished runs in results/, and writes docs/reproduction.md from all that is there.

    python docs/make_reproduction.py [RUN_FOLDER...]

A kept card holds metrics, settings, hashes, versions and device of one counter: no picture, no count of a single image.
"""

import json
import sys
from pathlib import Path
from typing import Any

from countguard.reports.paper.deviations import card_deviations, deviation_note, of_all_or_some
from countguard.reports.paper.protocol import is_papers
from countguard.reports.paper.published import PublishedResults
from countguard.runs.card import Card

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
PAGE = ROOT / "docs" / "reproduction.md"
DIFFERENCES = ROOT / "docs" / "reproduction-differences.md"
PUBLISHED = ("csrnet", "clip_ebc")
METRICS = ("rho_acc", "rho_asr", "net_asr", "rho_acc_triggered", "mae")
KEPT = (
    "cell",
    "dataset",
    "model",
    "strategy",
    "stage",
    "defense",
    "seed",
    "varied",
    "images",
    "left_out",
    "filtered",
    "isolated",
    "metrics",
    "by_share",
    "settings",
    "hashes",
    "versions",
    "device",
    "seconds",
)
ELSEWHERE = (
    "audit", "defenses", "dmba", "early-losses", "filters", "isolation", "optimised", "p2pnet", "real-defenses",
    "real-dmba", "real-filters", "real-mcnn", "real-timm", "scan", "triggers",
)  # fmt: skip
"""How the names of studies begin whose tables are in defenses.md, dmba.md, real-crowds.md, audit.md, scan.md or
counters.md."""


def keep(run: Path) -> None:
    """Copies what may be published of a run's cards to results/RUN-PRESET/, RUN being the name of the run's folder."""
    for path in sorted(run.glob("cells/*/card.json")):
        card = json.loads(path.read_text())
        recipe = card["settings"]["recipe"]
        kept = {name: card[name] for name in KEPT if name in card}
        folder = RESULTS / f"{run.name}-{recipe['preset']}"
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(kept, indent=1, sort_keys=True).replace(str(ROOT.parent.resolve()), "..")
        (folder / f"{card['cell']}.json").write_text(text + "\n")


def page() -> str:
    """The whole document."""
    lines = [
        "# What the paper says, and what was measured here",
        "",
        "Written by `docs/make_reproduction.py` from the cards in `results/`; do not edit it by hand.",
        "Comparisons of repairs are in [defenses](defenses.md).",
        "",
    ]
    studies = sorted(path for path in RESULTS.iterdir() if path.is_dir())
    for study in (study for study in studies if not study.name.startswith(ELSEWHERE)):
        cards = [json.loads(path.read_text()) for path in sorted(study.glob("*.json"))]
        lines += _study(study.name, cards)
    missing = _missing({study.name for study in studies})
    lines += ["## Not measured here", "", *missing, ""]
    lines += _contradictions()
    lines += [DIFFERENCES.read_text().strip(), ""]
    return "\n".join(lines)


def _study(name: str, cards: list[dict[str, Any]]) -> list[str]:
    first = cards[0]
    recipe = first["settings"]["recipe"]
    training, data = recipe["training"], recipe["data"]
    split = data["split"]
    said = [
        f"{first['dataset']}, {first['images']} images reported on",
        "official split" if split["kind"] == "official" else f"held back: {split['fraction']:g}, seed {split['seed']}",
        f"seeds {', '.join(map(str, recipe['seeds']))}",
        f"training: {training['epochs']} epochs, batch {training['batch_size']}, {training['optimizer']}"
        f" {training['lr']:g} ({training['schedule']['kind']})",
        f"weights: {Path(recipe['model']['weights'] or 'random').name}",
        f"scale {data['scale']:g}" + (f", {data['images']} training images" if data["images"] else ""),
        f"device: {first['device']}",
    ]
    lines = [f"## {name}", "", "; ".join(said) + ".", ""]
    head = ["strategy", "counter", "seed", *METRICS, "paper's rho_acc", "difference", "paper's rho_asr", "difference"]
    lines += [_row(head), _row(["---"] * len(head))]
    order = {strategy: place for place, strategy in enumerate(["clean", "add", "minus", "multiply", "divide"])}
    for card in sorted(cards, key=lambda c: (c["seed"], order.get(c["strategy"], 9), c["stage"], c["defense"])):
        measured = {metric: card["metrics"].get(metric) for metric in METRICS}
        cells = [card["strategy"], card["defense"] or "as trained", card["seed"], *map(_interval, measured.values())]
        for metric in ("rho_acc", "rho_asr"):
            published = _published(card, metric)
            value = measured[metric]
            cells.append(_number(published))
            cells.append("" if published is None or value is None else f"{value['value'] - published:+.3f}")
        lines.append(_row(cells))
    return [*lines, "", *_deviations(cards)]


def _deviations(cards: list[dict[str, Any]]) -> list[str]:
    """What the counters beside which published values stand have otherwise than the paper's."""
    compared = [Card.model_validate(card) for card in cards if _published(card, "rho_acc") is not None]
    found = of_all_or_some([card_deviations(card, card.model) for card in compared])
    return [deviation_note(found), ""] if found else []


def _published(card: dict[str, Any], metric: str) -> float | None:
    """Table 3's value, where attack and repair are the paper's."""
    if card["model"] not in PUBLISHED or not is_papers(Card.model_validate(card)):
        return None
    found = PublishedResults(card["model"]).value("table 3", card["strategy"], card["stage"], metric)
    return None if found is None else found.value


def _missing(measured: set[str]) -> list[str]:
    wanted = {
        f"{recipe}-{preset}": f"`countguard run recipes/{recipe}.yaml --set preset={preset} --set data.root=DATA`"
        for recipe in ("paper-csrnet", "paper-csrnet-ebc", "paper-clip-ebc")
        for preset in ("paper", "steady")
    }
    missing = [f"* {name}: {command}" for name, command in wanted.items() if name not in measured]
    if not missing:
        return ["Every study of the paper has been run."]
    return [
        "These need a GPU (CSRNet's in bf16 38 minutes of one H100, projected without evaluation,",
        "[speed](performance.md#one-gpu)), and the official test images or a share of the training images held back:",
        "`--set 'data.split={kind: held_back, fraction: 0.2, seed: 0}'`. Each is one command. To see that they are",
        "whole, CSRNet's was run on six images at a quarter of their size for one epoch on a CPU, the other two on",
        "three images in crops of 96 with `minus` alone (CLIP-EBC from random weights); no figure is given for that.",
        "",
        *missing,
    ]


def _contradictions() -> list[str]:
    lines = ["## Where the paper contradicts itself", "", _row(["model", "quantity", "values", "note"])]
    lines.append(_row(["---"] * 4))
    for model in PUBLISHED:
        published = PublishedResults(model)
        for found in published.contradictions:
            values = "; ".join(f"{source}: {value:.3f}" for source, value in found.values)
            lines.append(_row([model, f"{found.strategy}, {found.stage}, {found.metric}", values, found.note]))
    lines += ["", _row(["model", "the text", "the tables"]), _row(["---"] * 3)]
    for model in PUBLISHED:
        lines += [_row([model, claim, tables]) for claim, tables in PublishedResults(model).claims]
    return [*lines, ""]


def _row(cells: list[Any]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _interval(metric: dict[str, float] | None) -> str:
    return "" if metric is None else f"{metric['value']:.3f} ({metric['low']:.3f} to {metric['high']:.3f})"


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        keep(Path(folder))
    PAGE.write_text(page())
    print(PAGE)
