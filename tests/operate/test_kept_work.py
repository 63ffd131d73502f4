"""The folder of long work, and two processes that want it."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from countguard.errors import InputError, RunError
from countguard.operate import kept_work as module
from countguard.operate.kept_work import Kept, kept_work
from countguard.writing import make_folder

COMMAND = {"verb": "train"}


def left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_second_process_leaves_what_the_first_one_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "counter"
    with ExitStack() as first:

        def late(folder: Path, root: Path) -> Path:
            monkeypatch.setattr(module, "make_folder", make_folder)
            kept = first.enter_context(kept_work(out, COMMAND))  # is quicker
            kept.journal.add("choice", 1)
            (kept.folder / "resume.ckpt").write_text("weights")
            return make_folder(folder, root)

        monkeypatch.setattr(module, "make_folder", late)
        with pytest.raises(RunError, match="another process is writing it"), kept_work(out, COMMAND):
            pass
        assert left(tmp_path) == ["counter.part", "counter.part/journal", "counter.part/resume.ckpt"]
    with kept_work(out, COMMAND) as kept:
        assert kept.journal.get("choice") == 1


def test_a_second_process_may_begin_as_soon_as_the_first_one_lets_go(tmp_path: Path) -> None:
    out = tmp_path / "counter"
    with ExitStack() as second:
        with kept_work(out, COMMAND) as kept:
            (kept.folder / "trial").mkdir()
            (kept.folder / "trial" / "weights").write_text("weights")
            kept.journal.add("choice", 1)
            kept.done = True
            finish = kept.journal.finish

            def finish_and_begin() -> None:
                finish()
                second.enter_context(kept_work(out, COMMAND)).journal.add("choice", 2)

            kept.journal.finish = finish_and_begin  # type: ignore[method-assign]
        assert left(tmp_path) == ["counter.part", "counter.part/journal"]
    with kept_work(out, COMMAND) as kept:
        assert kept.journal.get("choice") == 2


def test_bad_input_takes_its_own_beginning_with_it_and_no_earlier_one(tmp_path: Path) -> None:
    out = tmp_path / "counter"

    def refuse(kept: Kept) -> None:
        kept.journal.add("choice", 1)
        raise InputError("bad")

    with pytest.raises(InputError, match="bad"), kept_work(out, COMMAND) as kept:
        refuse(kept)
    assert left(tmp_path) == []
    with kept_work(out, COMMAND) as kept:
        kept.journal.add("choice", 1)
    with pytest.raises(InputError, match="bad"), kept_work(out, COMMAND) as kept:
        refuse(kept)
    assert left(tmp_path) == ["counter.part", "counter.part/journal"]
