"""The demo as a client of the API: it asks, judges the answers against the documented ones, and sends feedback."""

import re
from collections import Counter
from dataclasses import dataclass

import httpx

from tunesmith_cli.chat import complete


@dataclass(frozen=True)
class Question:
    """A conversation that the model never trained on, and the answer that is on record for it."""

    messages: tuple[dict[str, str], ...]
    reference: str

    @property
    def prompt(self) -> str:
        return self.messages[-1]["content"]


@dataclass(frozen=True)
class Answer:
    completion_id: str
    text: str


@dataclass(frozen=True)
class Api:
    base_url: str
    key: str
    model: str

    def ask(self, question: Question, max_tokens: int = 40) -> tuple[dict[str, object], dict[str, object], Answer]:
        """The request, the response, and its answer."""
        messages = list(question.messages)
        request = {"model": self.model, "messages": messages, "max_tokens": max_tokens, "temperature": 0}
        response = complete(self.base_url, self.key, request)
        text = response["choices"][0]["message"]["content"]  # type: ignore[index]
        return request, response, Answer(str(response["id"]), text)

    def send_feedback(self, answer: Answer, question: Question) -> str:
        """Thumb up for an answer near the documented one; else thumb down, with the documented one as the
        correction."""
        good = word_overlap(answer.text, question.reference) >= 0.5
        body: dict[str, object] = {"completion_id": answer.completion_id, "rating": "up" if good else "down"}
        if not good:
            body["correction"] = question.reference
        return str(self._post("/tunesmith/feedback", body)["feedback_id"])

    def approve_feedback(self, feedback_id: str, reviewer: str) -> None:
        """Review: only now may the correction train."""
        self._post(f"/tunesmith/feedback/{feedback_id}/review", {"status": "approved", "reviewer": reviewer})

    def _post(self, path: str, body: dict[str, object]) -> dict[str, object]:
        headers = {"Authorization": f"Bearer {self.key}"}
        response = httpx.post(self.base_url + path, json=body, headers=headers, timeout=60)
        response.raise_for_status()
        answer: dict[str, object] = response.json()
        return answer


def word_overlap(answer: str, reference: str) -> float:
    """F1 of the words that two texts share."""
    left, right = (Counter(re.findall(r"\w+", text.lower())) for text in (answer, reference))
    shared = sum((left & right).values())
    return 2 * shared / max(1, left.total() + right.total())
