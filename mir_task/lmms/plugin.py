"""The two seams in lmms-eval: its task index learns our tasks, its model base class learns to answer them.

lmms-eval loads this module through the entry-point group ``lmms_eval.models`` whenever its models are
imported. So it imports nothing heavy, and whatever goes wrong is logged and never raised: an exception here
would keep other plugins from loading.
"""

from __future__ import annotations

import functools
from importlib import import_module, metadata, resources
from operator import attrgetter
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
NEEDED = {
    "lmms_eval.tasks": ("TaskManager.initialize_tasks", "TaskManager._get_task_and_group"),
    "lmms_eval.models.registry_v2": ("ModelManifest",),
    "lmms_eval.api.model": ("lmms",),
    "lmms_eval.api.task": ("ConfigurableTask", "Task.build_all_requests", "Task.dump_config"),
    "lmms_eval.api.instance": ("Instance", "GenerationResult"),
    "lmms_eval.loggers.evaluation_tracker": ("GeneralConfigTracker",),
    "lmms_eval.utils": ("get_datetime_str",),
}
"""What of lmms-eval this package builds on, by module. What is there counts, not what version it calls itself."""


def register() -> list[ModelManifest]:
    """Entry point: install both seams and return the models that this package adds."""
    if missing := missing_parts():
        logger.warning(
            f"this lmms-eval (it calls itself {_version()}) lacks what mir-task builds on: {', '.join(missing)}. "
            "Its tasks will not work; other tasks are not affected. Install lmms-eval 0.7.3 or its git head"
        )
    for seam in (add_tasks, add_request_type, explain_missing_decord):
        try:
            seam()
        except Exception as error:
            logger.warning(f"mir-task could not add itself to lmms-eval ({seam.__name__}: {error!r})")
    try:
        from lmms_eval.models.registry_v2 import ModelManifest

        return [ModelManifest(model_id=name, simple_class_path=path) for name, path in MODELS.items()]
    except Exception as error:
        logger.warning(f"mir-task could not register its models {', '.join(MODELS)}: {error!r}")
        return []


def missing_parts() -> list[str]:
    """Names in lmms-eval that are :data:`NEEDED` and are not there."""
    missing = []
    for module, names in NEEDED.items():
        for name in names:
            try:
                attrgetter(name)(import_module(module))
            except Exception:
                missing.append(f"{module}.{name}")
    return missing


def _version() -> str:
    try:
        return metadata.version("lmms_eval")
    except metadata.PackageNotFoundError:  # run from a clone that is not installed
        return "no version"


def add_tasks() -> None:
    """Make every TaskManager index our tasks too; tasks of the same name from elsewhere win.

    Those of the study are for its own models: it has a TaskManager of its own that includes them.

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
            ours = self._get_task_and_group(str(resources.files("mir_task.tasks.mir")))
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
