"""What a server has done, in the form that Prometheus reads."""

from collections.abc import Sequence

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from smvl.serve.batcher import Batcher
from smvl.serve.chat_response import Written


class Figures:
    """Counters of one server."""

    kind = CONTENT_TYPE_LATEST

    def __init__(self, batcher: Batcher):
        self._registry = CollectorRegistry()
        own = {"registry": self._registry, "namespace": "smvl"}
        self._asked = Counter("requests", "Questions that entered the queue.", **own)
        self._ended = Counter("answers", "Answers that came to their end, by how.", ["finish"], **own)
        self._prompt = Counter("prompt_tokens", "Tokens of prompts, those that were known included.", **own)
        self._new = Counter("new_tokens", "Tokens written.", **own)
        self._first = Histogram("seconds_to_first_token", "From reading the pictures to the first token.", **own)
        Gauge("requests_waiting", "Questions in the queue.", **own).set_function(lambda: batcher.num_waiting)
        Gauge("answers_running", "Answers that are being written.", **own).set_function(lambda: batcher.num_running)

    def began(self) -> None:
        self._asked.inc()

    def ended(self, all_written: Sequence[Written]) -> None:
        for written in all_written:
            self._ended.labels("stop_text" if written.stop_text is not None else written.answer.finish).inc()
            self._prompt.inc(written.answer.num_prompt_tokens)
            self._new.inc(written.answer.num_new_tokens)
            self._first.observe(written.answer.seconds_to_first_token)

    def text(self) -> bytes:
        return generate_latest(self._registry)
