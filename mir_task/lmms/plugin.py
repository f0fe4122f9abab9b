"""The two seams in lmms-eval: its task index learns our tasks, its model base class learns to answer them.

lmms-eval loads this module through the entry-point group ``lmms_eval.models`` whenever its models are
imported. So it imports nothing heavy, and whatever goes wrong is logged and never raised: an exception here
would keep other plugins from loading.
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import TYPE_CHECKING, Any

from loguru import logger

from mir_task.lmms import REQUEST_TYPE
from mir_task.lmms.video import explain_missing_decord

if TYPE_CHECKING:
    from lmms_eval.models.registry_v2 import ModelManifest

MODELS = {
    "llava_pretrain": "mir_task.lmms.llava_pretrain.LlavaPretrain",
    "mir_demo": "mir_task.demo.model.MirDemo",
    "mir_study": "mir_task.study.lmms_model.MirStudy",
}


def register() -> list[ModelManifest]:
    """Entry point: install both seams and return the models that this package adds."""
    for seam in (add_tasks, add_request_type, explain_missing_decord):
        try:
            seam()
        except Exception as error:
            logger.warning(
                f"mir-task could not add itself to lmms-eval ({seam.__name__}: {error!r}); this lmms-eval may be "
                "of a version it does not know (it needs 0.7.3 or later, below 0.8)"
            )
    try:
        from lmms_eval.models.registry_v2 import ModelManifest

        return [ModelManifest(model_id=name, simple_class_path=path) for name, path in MODELS.items()]
    except Exception as error:
        logger.warning(f"mir-task could not register its models {', '.join(MODELS)}: {error!r}")
        return []


def add_tasks() -> None:
    """Make every TaskManager index our tasks too; tasks of the same name from elsewhere win.

    There is no entry point for tasks, and ``LMMS_EVAL_PLUGINS`` is read only after the task index was built.
    """
    from lmms_eval.tasks import TaskManager

    original = TaskManager.initialize_tasks
    if hasattr(original, "mir_task_original"):
        return

    @functools.wraps(original)
    def initialize_tasks(self: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        index: dict[str, Any] = original(self, *args, **kwargs)
        try:
            ours = self._get_task_and_group(str(resources.files("mir_task.tasks")))
        except Exception as error:
            logger.warning(f"mir-task could not add its tasks: {error!r}")
            return index
        for entry in ours.values():
            # Tasks with a class of their own are indexed as "python_task", which `--tasks list_subtasks`
            # leaves out; they load in the same way.
            entry["type"] = "task" if entry["type"] == "python_task" else entry["type"]
        return {**ours, **index}

    initialize_tasks.mir_task_original = original  # type: ignore[attr-defined]
    TaskManager.initialize_tasks = initialize_tasks


def add_request_type() -> None:
    """Let every lmms-eval model answer requests of type ``mir``: evaluate() calls the method of that name."""
    from lmms_eval.api.model import lmms

    def answer(self: Any, requests: list[Any]) -> list[Any]:
        from mir_task.lmms.handler import answer_requests

        return answer_requests(self, requests)

    answer.__name__ = REQUEST_TYPE
    answer.__doc__ = "Measure the Modality Integration Rate (added by mir-task)."
    if not hasattr(lmms, REQUEST_TYPE):
        setattr(lmms, REQUEST_TYPE, answer)
