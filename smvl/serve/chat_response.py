"""Answers as OpenAI's clients read them: whole, and in pieces."""

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.convert_slow_tokenizer import bytes_to_unicode

from smvl.infer.answer import Answer
from smvl.infer.token_scores import TokenScore
from smvl.infer.tool_calls import ToolCall
from smvl.serve.chat_request import ChatRequest

_BYTES = {character: byte for byte, character in bytes_to_unicode().items()}


class Written:
    """One answer as far as it has come."""

    def __init__(self):
        self.text, self.reasoning = "", ""
        self.scores: list[TokenScore] = []
        self.answer: Answer | None = None
        self.stop_text: str | None = None


class ChatResponse:
    """Writes what is sent back for one request.

    Args:
        model: what the server calls its model.
    """

    def __init__(self, asked: ChatRequest, model: str, tokenizer: PreTrainedTokenizerBase, stop_ids: frozenset[int]):
        self._asked, self._model, self._tokenizer, self._stop_ids = asked, model, tokenizer, stop_ids
        self._id, self._created = f"chatcmpl-{uuid.uuid4().hex}", int(time.time())

    def whole(self, all_written: Sequence[Written]) -> dict[str, Any]:
        choices = [self._choice(row, written) for row, written in enumerate(all_written)]
        return self._head("chat.completion") | {"choices": choices, "usage": self.usage(all_written)}

    def piece(self, row: int, delta: Mapping[str, Any], scores: Sequence[TokenScore] = ()) -> dict[str, Any]:
        """What one step adds to one answer."""
        return self._chunk([self._piece_choice(row, delta, None, scores)])

    def last_pieces(self, row: int, written: Written) -> list[dict[str, Any]]:
        """The calls of an answer that has ended, each whole, and how it ended."""
        calls = self._calls(written.answer)
        deltas = [{"tool_calls": [{"index": place, **call}]} for place, call in enumerate(calls)]
        end = self._piece_choice(row, {}, self._finish(written), ()) | {"stop_reason": self._stop_reason(written)}
        return [*(self.piece(row, delta) for delta in deltas), self._chunk([end])]

    def usage_piece(self, all_written: Sequence[Written]) -> dict[str, Any]:
        return self._chunk([]) | {"usage": self.usage(all_written)}

    def usage(self, all_written: Sequence[Written]) -> dict[str, Any]:
        answers = [written.answer for written in all_written if written.answer is not None]
        prompt, known = (
            max((getattr(answer, name) for answer in answers), default=0) for name in ("num_prompt_tokens", "num_known_tokens")
        )
        new = sum(answer.num_new_tokens for answer in answers)
        details = {"prompt_tokens_details": {"cached_tokens": known}}
        return {"prompt_tokens": prompt, "completion_tokens": new, "total_tokens": prompt + new, **details}

    # ---- one answer ------------------------------------------------------------------------------------------------------------

    def _choice(self, row: int, written: Written) -> dict[str, Any]:
        calls = self._calls(written.answer)
        message = {"role": "assistant", "content": written.text if written.text or not calls else None, "refusal": None}
        if written.reasoning:
            message["reasoning_content"] = written.reasoning
        if calls:
            message["tool_calls"] = calls
        ended = {"finish_reason": self._finish(written), "stop_reason": self._stop_reason(written)}
        return {"index": row, "message": message, "logprobs": self._logprobs(written.scores), **ended}

    def _piece_choice(self, row: int, delta: Mapping[str, Any], finish: str | None, scores: Sequence[TokenScore]) -> dict[str, Any]:
        return {"index": row, "delta": dict(delta), "logprobs": self._logprobs(scores) if scores else None, "finish_reason": finish}

    def _calls(self, answer: Answer) -> list[dict[str, Any]]:
        return [_call(call) for call in answer.tool_calls[: self._asked.most_calls]]

    @staticmethod
    def _stop_reason(written: Written) -> str | None:
        """What `finish_reason` has no word for: the stop text that was met, or `repetition`."""
        return written.stop_text or ("repetition" if written.answer.finish == "repetition" else None)

    @staticmethod
    def _finish(written: Written) -> str:
        if written.stop_text is not None:
            return "stop"
        if written.answer.tool_calls:
            return "tool_calls"
        return "stop" if written.answer.finish == "stop" else "length"

    # ---- tokens ----------------------------------------------------------------------------------------------------------------

    def _logprobs(self, scores: Sequence[TokenScore]) -> dict[str, Any] | None:
        if self._asked.samplings[0].num_likeliest is None:
            return None
        shown = [score for score in scores if score.token_id not in self._stop_ids]
        return {"content": [self._scored(score) for score in shown], "refusal": None}

    def _scored(self, score: TokenScore) -> dict[str, Any]:
        likeliest = [self._token(token, log) for token, log in score.likeliest]
        return self._token(score.token_id, score.log_probability) | {"top_logprobs": likeliest}

    def _token(self, token_id: int, log_probability: float) -> dict[str, Any]:
        written = _bytes_of(self._tokenizer, token_id)
        finite = max(log_probability, -9999.0)  # JSON has no infinity; OpenAI writes this for what is next to impossible
        return {"token": written.decode("utf-8", errors="replace"), "logprob": finite, "bytes": list(written)}

    # ---- all of them -----------------------------------------------------------------------------------------------------------

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self._id, "object": kind, "created": self._created, "model": self._model}

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return self._head("chat.completion.chunk") | {"choices": choices}


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)}
    return {"id": f"call_{uuid.uuid4().hex[:24]}", "type": "function", "function": function}


def _bytes_of(tokenizer: PreTrainedTokenizerBase, token_id: int) -> bytes:
    """What a token of a byte-level tokenizer stands for, which may be a part of a character."""
    token = tokenizer.convert_ids_to_tokens(token_id)
    if token is None:
        return b""
    if token_id in tokenizer.added_tokens_decoder:
        return token.encode()
    return bytes(_BYTES[character] for character in token if character in _BYTES)
