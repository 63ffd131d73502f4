"""What tabs with long work share: one piece of work a visitor, a bar with words, the end in words, and Cancel."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr

from countguard.errors import InputError, RunError
from countguard.web.jobs import CancelledJob, Jobs, Say
from countguard.web.page import note_html, problem_html, progress_html

Answer = tuple[Any, ...]
"""HTML, and what each further output of the tab becomes."""
HIDDEN: dict[str, object] = gr.update(visible=False)


class LongWork:
    """The work that a tab does for its visitors.

    Args:
        outputs: how many outputs the tab has beside the HTML; they are hidden while there is no result.
    """

    def __init__(self, outputs: int) -> None:
        self._hidden = (HIDDEN,) * outputs
        self._jobs = Jobs()

    def connect(
        self, start: gr.Button, cancel: gr.Button, answer: Callable[..., Iterator[Answer]], inputs: Sequence[Any],
        outputs: Sequence[Any],
    ) -> None:  # fmt: skip
        """Makes one button start the work and the other one end it.

        Args:
            start, cancel: the buttons.
            answer: takes the inputs' values and the request; gives what `answers` does.
            inputs, outputs: components.
        """
        start.click(
            answer, list(inputs), list(outputs), show_progress="hidden", concurrency_limit=1, api_visibility="private"
        )
        cancel.click(self.cancel, api_visibility="private", show_progress="hidden")

    def refusal(self, sentence: str) -> Answer:
        """The answer where there is nothing to work on."""
        return problem_html(sentence), *self._hidden

    def answers(self, request: gr.Request, work: Callable[[Say], Answer]) -> Iterator[Answer]:
        """Does the work in a thread: progress, then its answer, or one sentence about an error.

        Args:
            request: tells whose work this is; what this visitor began before is cancelled.
            work: tells its steps to the function that it is given.
        """
        visitor = str(request.session_hash)
        job = self._jobs.start(visitor, work)
        try:
            for step in job.steps():
                yield progress_html(step.words, step.done), *self._hidden
            yield job.result()
        except CancelledJob:
            yield note_html("Cancelled; nothing is kept."), *self._hidden
        except (InputError, RunError) as error:
            yield self.refusal(str(error))
        finally:
            self._jobs.forget(visitor, job)

    def cancel(self, request: gr.Request) -> None:
        """Ends the visitor's work at its next step."""
        self._jobs.cancel(str(request.session_hash))
