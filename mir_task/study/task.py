"""The lmms-eval tasks: questions of one skill about held-out scenes, drawn as they are asked."""

from __future__ import annotations

from typing import Any

import datasets
from lmms_eval.api.task import ConfigurableTask
from PIL import Image

from mir_task.study.questions import SKILLS, ask
from mir_task.study.world import Stream, example, text_example

QUESTIONS = 250
"""Number of questions of each skill."""


class StudyTask(ConfigurableTask):  # type: ignore[misc]
    """A task whose documents need no file: the YAML's ``dataset_kwargs`` name the skill.

    lmms-eval gives tasks with a class of their own no messages, so models that it has in a "chat" variant need
    ``--force_simple`` (``llava_hf`` is one; ``mir_study`` is not).
    """

    def __init__(self, config: dict[str, Any] | None = None, **kwargs: Any) -> None:
        # The YAML's own key for this class, which lmms-eval leaves in.
        config = {key: value for key, value in (config or {}).items() if key != "class"}
        super().__init__(config=config, **kwargs)

    def download(self, dataset_kwargs: dict[str, Any] | None = None) -> None:
        """Write the questions (the base class would load a dataset from the hub)."""
        split = self.config.test_split
        rows = heldout_questions((dataset_kwargs or {})["skill"])
        self.dataset = datasets.DatasetDict({split: datasets.Dataset.from_list(rows)})
        self.dataset_no_image = self.dataset


def heldout_questions(skill: str, count: int = QUESTIONS) -> list[dict[str, Any]]:
    """Documents of a skill: ``index`` of the scene, ``question`` and ``answer``; the same on every machine."""
    rows: list[dict[str, Any]] = []
    index = 0
    while len(rows) < count:
        scene, random = text_example("heldout", Stream.TASKS, _number(skill, index))
        question = ask(scene, skill, random)
        if question:
            rows.append({"skill": skill, "index": index, **question._asdict()})
        index += 1
    return rows


def doc_to_visual(doc: dict[str, Any]) -> list[Image.Image]:
    """The picture of a document's scene."""
    return [example("heldout", Stream.TASKS, _number(doc["skill"], doc["index"])).image]


def process_results(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """1 if the answer is the right one, whatever its case and the space around it."""
    return {"exact_match": float(results[0].strip().lower() == doc["answer"].lower())}


def _number(skill: str, index: int) -> int:
    """Number of an example: every skill asks about scenes of its own."""
    return 10**6 * list(SKILLS).index(skill) + index
