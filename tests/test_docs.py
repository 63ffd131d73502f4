"""Everything that the README and the docs tell a reader to type works, in settings that take seconds.

Each page is followed from top to bottom in a folder that holds what its reader has: crowds, counters, pictures.
"""

import io
import json
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
import yaml
from markdown_it import MarkdownIt

from corpus.case import mat, picture
from countguard import cli
from countguard.data.writing import write_folder
from countguard.models import COUNTERS, build_counter, save_counter
from countguard.reports.report import write_report
from countguard.studies.resolve import read_recipe
from doc_pages import DOCS, PAGES, ROOT, Block, blocks_of, inline_commands, name_of
from published_layouts import qnrf
from tiny_crowds import tiny_crowd

NOT_RUN = {
    "git clone": "the address is the reader's; it fetches this very project",
    "cd countguard": "the folder that was cloned",
    "cd tests": "goes with the next command",
    "python -m corpus.make_corpus": "tests/corpus/test_corpus.py makes and opens all of it",
    "make": "builds, trains or checks the whole project; .ci/run does all but `make demo`, whose recipe runs here",
    "pip install": "changes the environment that runs the tests",
    "jupyter execute": "test_the_notebook_runs runs its cells without Jupyter",
    "python tests/faults/kill_study.py": "takes minutes; tests/faults/test_kill_study.py kills once",
    "python tests/fuzz/fuzz_readers.py": "needs atheris, and goes on for as long as it is let",
    "srun": "needs a Slurm cluster",
    "countguard web": "a server that runs until it is stopped; tests/web starts it",
    "countguard convert weights.pth --check": "random weights count nothing; tests/models/test_conventions.py does it",
    "countguard count hf://": "needs a network; tests/models/test_hub.py has a hub of its own",
    "countguard count counter.safetensors film.mp4": "needs a film; tests/operate/test_count_film.py makes one",
    "countguard push": "needs a login; tests/models/test_hub.py pushes to a hub of its own",
    "countguard run docs/examples/plugin": "needs the plug-in installed; tests/integration/test_plugin.py does both",
}
"""Commands that are not run here, by how they begin, each with the reason."""
LEFT_OUT = {
    "--executor": "tests/studies/executors runs cells in processes and on Ray",
    "--devices": "tests/training/test_devices.py trains on two",
    "--weights": "public weights are not downloaded in tests",
}
"""Options that are left out of commands, with their values, each with the reason."""
SMALL_STUDY = {
    "data": "{kind: synthetic, train: 6, test: 4, height: 48, width: 64, heads: [2, 9]}",
    "model": "{kind: lite}",
    "attack.strategies": "[{kind: minus, heads: 5}]",
    "training": "{epochs: 1, batch_size: 4}",
    "filters": "[]",
    "defenses": "[]",
    "relearn": "null",
    "evaluation": "{examples: 0}",
    "machine": "{accelerator: cpu, threads: 1}",
}
"""Settings that make a study small. Before, the recipe is read with the settings that the page gives it."""
SMALL_TRAINING = {
    "train": ["training.epochs=1", "machine.threads=1", "machine.accelerator=cpu"],
    "defend": ["defenses.0.epochs=1", "machine.threads=1", "machine.accelerator=cpu"],
}
LOOKING, FOUND = ("audit", "scan", "inspect"), 3
"""Verbs that look for an attack, and their exit code where they find one."""
COMMANDS: Any = typer.main.get_command(cli.app)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the pages' readers have, under the names that the pages use."""
    world = tmp_path_factory.mktemp("world")
    for root in ("PATH/TO/shanghaitech", "data/shanghaitech"):
        for part in ("part_A", "part_B"):
            for half in ("train_data", "test_data"):
                width = 64 if half == "train_data" else 72  # a picture in both halves is a fault
                for number in range(1, 7):
                    picture(world / root / part / half / f"images/IMG_{number}.jpg", width)
                    mat(world / root / part / half / f"ground-truth/GT_IMG_{number}.mat")
    shutil.copytree(world / "PATH/TO/shanghaitech/part_B", world / "PATH/TO/part_B")
    for place in ("PATH/TO/crowds", "FOLDER"):
        write_folder([tiny_crowd(f"IMG_{n}", n % 4 + 1, 48, 64, seed=n) for n in range(12)], world / place)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        counter = build_counter("csrnet")
        torch.save(counter.state_dict(), world / "weights.pth")
        for name in ("suspect", "clean", "repaired"):
            save_counter(counter, world / f"{name}.safetensors")
        save_counter(build_counter("lite"), world / "counter.safetensors")
    for name in ("pictures/1.jpg", "pictures/2.png", "crowd.jpg"):
        picture(world / name)
    shutil.copy(ROOT / "recipes/tiny.yaml", world / "my.yaml")
    qnrf(world)
    for name in ("recipes", "docs"):
        (world / name).symlink_to(ROOT / name)
    return world


@pytest.fixture(scope="module")
def report_once() -> Callable[[Path], Path]:
    """Draws the first report that is asked for; drawing is half of a small study's time, and tests/reports has more."""
    drawn: list[Path] = []

    def write(study: Path) -> Path:
        drawn.append(study)
        return write_report(study) if len(drawn) == 1 else study / "report.html"

    return write


@pytest.fixture
def folder(
    world: Path, report_once: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A copy of the world to work in."""
    place = tmp_path / "here"
    monkeypatch.setattr("countguard.reports.report.write_report", report_once)
    shutil.copytree(world, place, symlinks=True, copy_function=os.link)
    monkeypatch.chdir(place)
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # `main` sets it where it is not set
    threads = torch.get_num_threads()
    yield place
    torch.set_num_threads(threads)


def reason_not_to_run(command: Block) -> str | None:
    text = " ".join(command.words)
    return next((reason for start, reason in NOT_RUN.items() if text.startswith(start)), None)


def small(words: Sequence[str]) -> list[str]:
    """A command of countguard with settings that take seconds."""
    kept: list[str] = []
    skip = False
    for word in words:
        if not skip and word not in LEFT_OUT:
            kept.append(word)
        skip = not skip and word in LEFT_OUT
    verb = kept[1]
    if verb in ("run", "demo"):
        overrides = [kept[place + 1] for place, word in enumerate(kept) if word == "--set"]
        read_recipe(kept[2] if verb == "run" else "demo", overrides)
        own = {override.partition("=")[0] for override in overrides}
        extra = [f"{name}={value}" for name, value in SMALL_STUDY.items()]
        if verb == "run" and "docs/examples" in kept[2]:
            extra = extra[:1]
        extra += [] if "vary" in own else ["vary={}"]
    else:
        kept = [word if word != "synthetic" else "PATH/TO/crowds" for word in kept]
        if "--model" in kept and verb == "train":
            kind = kept.index("--model") + 1
            assert kept[kind] in COUNTERS
            kept[kind] = "lite"
        extra = SMALL_TRAINING.get(verb, [])
    given = {override.partition("=")[0] for override in extra}
    names = [after.partition("=")[0] for after in [*kept[1:], ""]]
    places = {place for place, word in enumerate(kept) if word == "--set" and names[place] in given}
    kept = [word for place, word in enumerate(kept) if not {place, place - 1} & places]
    return [*kept, *(word for override in extra for word in ("--set", override))]


def typed(words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", list(words))
    try:
        cli.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


PAGES_TO_RUN = [page for page in PAGES if any(block.kind != "file" for block in blocks_of(page))]


@pytest.mark.parametrize("page", PAGES_TO_RUN, ids=name_of)
def test_what_a_page_tells_to_type_works(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks_of(page):
        if block.kind == "file":
            (folder / block.name).write_text(block.text)
        elif block.kind == "python":
            if page.name != "extending.md":
                exec(compile(block.text, name_of(page), "exec"), names)
        elif not reason_not_to_run(block):
            if block.words[0] == "countguard":
                fine = (0, FOUND) if block.words[1] in LOOKING else (0,)
                assert typed(small(block.words), monkeypatch) in fine, block.text
            else:
                assert block.words[0] == "ls", f"{name_of(page)}: {block.text!r}: say in NOT_RUN why it is not run"
                assert Path(block.words[1]).exists(), block.text


def test_every_exception_is_needed() -> None:
    commands = [block for page in PAGES for block in blocks_of(page) if block.kind == "command"]
    for start in NOT_RUN:
        assert any(" ".join(block.words).startswith(start) for block in commands), start
    for option in LEFT_OUT:
        assert any(option in block.words for block in commands), option


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_in_the_text_name_verbs_and_options_that_exist(page: Path) -> None:
    for text in inline_commands(page):
        _, verb, *words = text.split()
        if verb.startswith("-"):
            assert verb == "--help" or verb in {option for parameter in COMMANDS.params for option in parameter.opts}
            continue
        assert verb in COMMANDS.commands, text
        options = {"--help"} | {option for parameter in COMMANDS.commands[verb].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, text


EXAMPLES_NOT_RUN = {
    "report": "needs a finished run; the page of recipes and commands has one when it types this",
    "audit": "its pictures are larger than those here; tests/audit audits sets",
    "demo": "the same small study as the example of `run`",
}


@pytest.mark.parametrize("verb", [verb for verb in COMMANDS.commands if verb not in EXAMPLES_NOT_RUN])
def test_the_example_in_the_help_of_a_verb_works(verb: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = Block("command", COMMANDS.commands[verb].epilog.removeprefix("Example: "))
    if reason := reason_not_to_run(example):
        pytest.skip(reason)
    fine = (0, FOUND) if verb in LOOKING else (0,)
    assert typed(small(example.words), monkeypatch) in fine, example.text


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_yaml_and_toml_blocks_can_be_read(page: Path) -> None:
    readers = {"yaml": yaml.safe_load, "toml": tomllib.loads}
    for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8")):
        if token.type == "fence" and (language := token.info.partition(" ")[0]) in readers:
            assert readers[language](token.content)


def test_the_code_on_the_page_of_extensions_is_that_of_the_examples() -> None:
    code = [
        path.read_text()
        for path in sorted((DOCS / "examples").rglob("*.*"))
        if path.suffix in (".py", ".toml", ".yaml")
    ]
    page = (DOCS / "extending.md").read_text()
    fences = [token for token in MarkdownIt("commonmark").parse(page) if token.type == "fence"]
    assert len(fences) >= 10
    for fence in fences:
        assert any(fence.content in text for text in code), fence.content


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [cell for cell in json.loads((DOCS / "tutorial.ipynb").read_text())["cells"] if cell["cell_type"] == "code"]
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    names: dict[str, Any] = {"__name__": "__main__"}
    with torch.random.fork_rng(), redirect_stdout(io.StringIO()):
        for cell in cells:
            exec(compile("".join(cell["source"]), "tutorial.ipynb", "exec"), names)
            if "parameters" in cell["metadata"].get("tags", ()):
                names |= {"images": 24, "test_images": 4, "epochs": 1, "repair_epochs": 1}
    torch.set_num_threads(threads)
    assert {"rho_acc", "rho_asr", "false_asr"} <= names["after"].keys()
    assert names["poisoned"].indices
    assert (tmp_path / "runs/tutorial/results.csv").is_file()


def test_the_notebook_was_saved_with_its_outputs_and_is_as_short_as_it_says() -> None:
    cells = json.loads((DOCS / "tutorial.ipynb").read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    shown = {kind for cell in code for output in cell["outputs"] for kind in output.get("data", {})}
    assert {"image/png", "text/html"} <= shown
    assert not any(output["output_type"] == "error" for cell in code for output in cell["outputs"])
    study, section = [], ""
    for cell in cells:
        if cell["cell_type"] == "markdown":
            section = "".join(cell["source"])
        elif re.match(r"## \d", section):
            study += [line for line in "".join(cell["source"]).splitlines() if line.strip()]
    assert len(study) == 15
