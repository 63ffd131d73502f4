import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from countguard.data.synthetic import Synthetic
from countguard.models import build_counter, load_counter, save_counter
from countguard.models.counting import as_input
from countguard.runs.run import Run
from countguard.web.counter_cache import CounterCache
from countguard.web.page import note_html
from countguard.web.runs import counters_of, scenes_of
from countguard.web.try_attack import TryAttack

Ask = Callable[..., str]
ATTACKED = "attacked: minus"


@pytest.fixture
def run(make_run: Any) -> Run:
    return Run.read(make_run())


@pytest.fixture
def ask(run: Run) -> Ask:
    """Asks about the first embedded crowd; takes what shall be different."""
    scenes = scenes_of(run)
    tab = TryAttack(scenes, counters_of(run))

    def answer(**changes: Any) -> str:
        question = {
            "scene": next(iter(scenes)), "own_image": None, "picture": "kitten", "own_picture": None,
            "strength": 0.2, "chosen": [ATTACKED], "own_counter": None,
        }  # fmt: skip
        return tab.answer(**(question | changes))

    return answer


def numbers(html: str) -> list[str]:
    return re.findall(r"<dd>(.*?)</dd>", html)


def problem(html: str) -> str:
    found = re.fullmatch(r'<p class="cg-problem" role="alert">(.*)</p>', html)
    assert found, html[:300]
    return found[1]


def test_the_numbers_are_the_counters(ask: Ask, run: Run) -> None:
    crowd = Synthetic(train=4, test=5).crowds("test")[0]
    counter = load_counter(counters_of(run)[ATTACKED])
    expected = float(counter.count(as_input(crowd.image[None])))
    truth, clean, triggered, _ = numbers(ask())
    assert truth == str(crowd.count)
    assert float(clean.replace("−", "-")) == pytest.approx(expected, abs=0.06)
    assert clean != triggered


def test_at_strength_0_there_is_no_trigger(ask: Ask) -> None:
    _, clean, triggered, _ = numbers(ask(strength=0.0))
    assert clean == triggered


def test_each_chosen_counter_has_a_card_and_every_picture_a_text(ask: Ask, run: Run) -> None:
    html = ask(chosen=list(counters_of(run)))
    assert html.count("<section") == 5
    images = re.findall(r"<img [^>]*>", html)
    assert len(images) == 3 + 4 * 4
    assert all(re.search(r'alt="[^"]+"', image) for image in images)
    assert all('src="data:image/png;base64,' in image for image in images)


def test_own_files_take_the_place_of_what_is_offered(ask: Ask, tmp_path: Path) -> None:
    image, picture, counter = tmp_path / "my.png", tmp_path / "trigger.jpg", tmp_path / "mine.safetensors"
    Image.effect_noise((70, 50), 60).save(image)
    Image.new("RGB", (30, 30), "red").save(picture)
    save_counter(build_counter("lite"), counter)
    html = ask(own_image=str(image), own_picture=str(picture), own_counter=str(counter))
    assert numbers(html)[0] == "unknown"
    assert "your counter: mine.safetensors" in html
    assert html != ask(own_image=str(image), own_counter=str(counter))


@pytest.mark.parametrize("field", ["own_image", "own_picture"])
def test_a_bad_picture_gets_a_sentence_with_its_name_alone(ask: Ask, tmp_path: Path, field: str) -> None:
    file = tmp_path / "bad.png"
    no_picture = "is not a JPEG, PNG, WebP, TIFF, BMP, HEIC or AVIF picture"
    for content, words in ((b"no picture", no_picture), (b"", "is not a JPEG")):
        file.write_bytes(content)
        sentence = problem(ask(**{field: str(file)}))
        assert sentence.startswith("bad.png")
        assert words in sentence
    file.unlink()
    assert "no longer here" in problem(ask(**{field: str(file)}))


def test_pictures_are_limited_in_pixels_and_bytes(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "huge.png"
    Image.new("L", (3840, 2160)).save(file)
    assert "huge.png: reduced from 3840 x 2160 to 2666 x 1500 pixels" in ask(own_image=str(file), chosen=[])
    Image.new("L", (8000, 5001)).save(file)
    assert "at most 40,000,000" in problem(ask(own_image=str(file)))
    with file.open("ab") as stream:
        stream.truncate(33 * 1024 * 1024)
    assert "larger than 32 MB" in problem(ask(own_image=str(file)))


@pytest.mark.parametrize("content", [b"", b"not weights", b"\x80\x04K\x01.", b"\xff" * 64])
def test_a_bad_counter_gets_a_sentence_with_its_name_alone(ask: Ask, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.safetensors"
    file.write_bytes(content)
    sentence = problem(ask(own_counter=str(file)))
    assert sentence.startswith("bad.safetensors")
    assert str(tmp_path) not in sentence


def test_names_are_escaped(ask: Ask, tmp_path: Path) -> None:
    counter = tmp_path / "<img src=x onerror=alert(1)>.safetensors"
    save_counter(build_counter("lite"), counter)
    html = ask(own_counter=str(counter))
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html
    assert "<b>" not in note_html("<b>run</b>")


def test_visitors_do_not_disturb_each_other(ask: Ask) -> None:
    """They share counters, and Grad-CAM hangs hooks into a counter while it looks."""
    questions = [{"picture": picture, "strength": share} for picture in ("kitten", "waves") for share in (0.1, 0.4)]
    alone = [ask(**question) for question in questions]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda question: ask(**question), questions * 2))
    assert together == alone * 2


def test_a_counter_is_loaded_once_and_again_where_its_file_changed(tmp_path: Path) -> None:
    kept, file = CounterCache(capacity=1), tmp_path / "counter.safetensors"
    save_counter(build_counter("lite"), file)
    with kept.using(file) as first:
        pass
    with kept.using(file) as again:
        assert again is first
    save_counter(build_counter("lite"), file)
    with kept.using(file) as changed:
        assert changed is not first
