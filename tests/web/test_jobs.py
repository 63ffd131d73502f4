"""Work behind the page."""

import threading

import pytest

from countguard.errors import InputError, RunError
from countguard.web.jobs import CancelledJob, Job, Jobs, Say, Step


def test_work_tells_its_steps_and_gives_its_result() -> None:
    seen, ready = threading.Event(), threading.Event()

    def work(say: Say) -> int:
        say(Step("half", 0.5))
        ready.set()
        assert seen.wait(30)
        return 7

    job = Job(work)
    assert ready.wait(30)
    for step in job.steps():
        assert step == Step("half", 0.5)
        seen.set()
    assert job.result() == 7


@pytest.mark.parametrize("error", [InputError("a: is bad"), RunError("no room")])
def test_errors_come_back(error: Exception) -> None:
    def work(say: Say) -> int:
        raise error

    with pytest.raises(type(error), match=str(error)):
        Job(work).result()


def test_an_error_of_the_code_is_a_line_too() -> None:
    def work(say: Say) -> int:
        raise KeyError("x")

    with pytest.raises(RunError, match="KeyError"):
        Job(work).result()


def until_cancelled(say: Say) -> int:
    step = threading.Event()
    while True:
        say(Step("on"))
        step.wait(0.01)


def test_a_visitor_can_cancel_and_a_new_job_cancels_the_one_before() -> None:
    jobs = Jobs()
    first, other = jobs.start("a", until_cancelled), jobs.start("b", until_cancelled)
    second = jobs.start("a", until_cancelled)
    with pytest.raises(CancelledJob):
        first.result()
    for visitor, job in (("a", second), ("b", other)):
        jobs.cancel(visitor)
        with pytest.raises(CancelledJob):
            job.result()
    jobs.cancel("nobody")


def test_what_is_forgotten_is_not_the_work_that_a_visitor_began_since() -> None:
    jobs = Jobs()
    first = jobs.start("a", until_cancelled)
    second = jobs.start("a", until_cancelled)
    jobs.forget("a", first)
    jobs.cancel("a")
    with pytest.raises(CancelledJob):
        second.result()


def test_work_that_nobody_listens_to_is_cancelled() -> None:
    job = Job(until_cancelled)
    steps = job.steps()
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    with pytest.raises(CancelledJob):
        job.result()
