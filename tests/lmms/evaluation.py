"""One run of lmms-eval in this process, on a model that is loaded: what its command line calls."""

import json
from types import SimpleNamespace

from lmms_eval.api.model import lmms
from lmms_eval.evaluator import simple_evaluate
from lmms_eval.loggers import EvaluationTracker

DATE = "20260101_000000"


class Model(lmms):
    """The least an lmms-eval model is; ours answer ``mir`` without having been told of it."""

    def __init__(self, llava=(None, None)):
        super().__init__()
        self._model, self.processor = llava

    def loglikelihood(self, requests):
        raise NotImplementedError

    generate_until = generate_until_multi_round = loglikelihood


def evaluate(model, tasks, task_manager, output, **settings):
    """Run tasks and read lmms-eval's results file."""
    options = SimpleNamespace(
        model="tiny", model_args="", output_path=str(output), timezone="UTC", process_with_media=False
    )
    tracker = EvaluationTracker(output_path=str(output))
    results = simple_evaluate(
        model=model,
        tasks=list(tasks),
        task_manager=task_manager,
        evaluation_tracker=tracker,
        cli_args=options,
        log_samples=False,
        datetime_str=DATE,
        **settings,
    )
    tracker.save_results_aggregated(results=results, samples=None, datetime_str=DATE)
    (file,) = output.rglob("*_results.json")
    return json.loads(file.read_text())
