import pytest

from countguard.reports.paper.published import PublishedResults

Quantity = tuple[str, str, str]


def contradictions(model: str) -> dict[Quantity, set[float]]:
    found = PublishedResults(model).contradictions
    return {(c.strategy, c.stage, c.metric): {value for _, value in c.values} for c in found}


def test_contradictions_of_csrnet_are_those_found_by_hand() -> None:
    assert contradictions("csrnet") == {
        ("clean", "attacked", "rho_acc"): {0.684, 0.646},
        ("multiply", "attacked", "rho_asr"): {0.867, 0.544, 0.886},
        ("minus", "attacked", "rho_asr"): {0.959, 0.958},
        ("divide", "repaired", "rho_asr"): {0.273, 0.373},
    }


def test_contradictions_of_clip_ebc_are_those_found_by_hand() -> None:
    assert contradictions("clip_ebc") == {
        ("multiply", "attacked", "rho_asr"): {0.911, 0.991},
        ("minus", "attacked", "rho_asr"): {0.956, 0.957},
        ("multiply", "repaired", "rho_asr"): {0.266, 0.025},
        ("divide", "repaired", "rho_asr"): {0.273, 0.266},
        ("add", "repaired", "rho_acc"): {0.778, 0.788},
        ("minus", "repaired", "rho_acc"): {0.816, 0.823},
    }


@pytest.mark.parametrize(
    ("model", "source", "strategy", "stage", "metric", "value", "others"),
    [
        ("csrnet", "table 1", "minus", "attacked", "rho_asr", 0.959, (0.958,)),
        ("csrnet", "table 1", "multiply", "attacked", "rho_asr", 0.867, (0.886, 0.544)),
        ("csrnet", "table 2", "minus", "repaired", "rho_asr_10_30", 0.709, ()),
        ("csrnet", "table 3", "clean", "repaired", "rho_acc", 0.677, ()),
        ("clip_ebc", "table 3", "add", "repaired", "rho_acc", 0.788, (0.778,)),
        ("clip_ebc", "table 2", "multiply", "attacked", "rho_asr_100", 0.187, ()),
    ],
)
def test_cells_hold_the_printed_value_and_those_printed_elsewhere(
    model: str, source: str, strategy: str, stage: str, metric: str, value: float, others: tuple[float, ...]
) -> None:
    published = PublishedResults(model).value(source, strategy, stage, metric)  # type: ignore[arg-type]
    assert published is not None
    assert (published.value, published.others) == (value, others)


def test_cells_that_the_paper_leaves_out_are_none() -> None:
    paper = PublishedResults("csrnet")
    assert paper.value("table 1", "clean", "attacked", "rho_asr") is None
    assert paper.value("table 2", "minus", "attacked", "rho_asr_100") is None
    assert paper.value("table 1", "minus", "attacked", "mae") is None


def test_claims_speak_of_the_model_at_hand() -> None:
    for_csrnet = [claim for claim, _ in PublishedResults("csrnet").claims]
    assert any("72.5" in claim for claim in for_csrnet)
    assert not any("CLIP-EBC" in claim for claim in for_csrnet)
