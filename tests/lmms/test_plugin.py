import copy
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from lmms_eval.api.instance import Instance
from lmms_eval.api.model import lmms
from lmms_eval.models import get_model_manifest, list_available_models
from lmms_eval.tasks import TaskManager, get_task_dict
from loguru import logger

from mir_task import MIRModelError, MIRResult, measure
from mir_task.data import PairSet
from mir_task.lmms import plugin
from mir_task.lmms.backend import model_and_processor
from mir_task.lmms.task import METRICS, aggregate, aggregate_and_save
from tests.lmms.evaluation import Model

COLOUR_TASK = Path(__file__).parent / "colour_task"
OUR_TASKS = {"mir", "mir_builtin", "mir_by_alignment", "mir_local"}


@pytest.fixture(scope="module")
def task_manager():
    return TaskManager()


# Task discovery


def test_tasks_are_discovered_beside_lmms_evals_own(task_manager):
    assert set(task_manager.all_tasks) > OUR_TASKS | {"mme", "textvqa_val"}
    assert set(task_manager.all_subtasks) > OUR_TASKS  # what `--tasks list_subtasks` shows


def test_a_users_task_of_the_same_name_wins(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "task: mir_builtin\noutput_type: generate_until\ndataset_path: mine\n"
    )
    manager = TaskManager(include_path=str(tmp_path), include_defaults=False)
    assert manager.task_index["mir_builtin"]["yaml_path"] == str(tmp_path / "mine.yaml")
    assert "mir_local" in manager.all_tasks


def test_seams_are_installed_once():
    before = TaskManager.initialize_tasks, lmms.mir
    plugin.register()
    assert (TaskManager.initialize_tasks, lmms.mir) == before


def test_demo_model_is_registered():
    assert "mir_demo" in list_available_models()
    assert get_model_manifest("mir_demo").simple_class_path == "mir_task.demo.model.MirDemo"


def test_plugin_imports_nothing_heavy():
    code = "import sys, mir_task.lmms.plugin; mir_task.MIRResult; print({'torch', 'lmms_eval'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_missing_tasks_folder_leaves_other_tasks(monkeypatch):
    monkeypatch.setattr(plugin.resources, "files", lambda name: 1 / 0)
    manager = TaskManager(include_path=str(COLOUR_TASK), include_defaults=False)
    assert manager.all_tasks == ["colour"]


# Requests


@pytest.fixture
def builtin_task(monkeypatch, task_manager):
    monkeypatch.setenv("MIR_NUM_PAIRS", "4")
    (task,) = get_task_dict(["mir_builtin"], task_manager).values()
    task.build_all_requests()
    return task


def run(model, *tasks):
    for task in tasks:
        model.task_dict[task.config.task] = task.dataset
    requests = [request for task in tasks for request in task.instances]
    return requests, model.mir(requests)


def values(task, answers):
    items = [task.process_results({}, [answer.text]) for answer in answers]
    return {
        name: task.aggregation()[name]([item[name] for item in items]) for name in METRICS if name != "mir"
    } | {"mir": aggregate([item["mir"] for item in items])}


def test_every_lmms_eval_model_answers(llava, builtin_task):
    requests, answers = run(Model(llava), builtin_task)
    expected = measure(*llava, PairSet(builtin_task.dataset["test"]), progress=False)
    got = values(builtin_task, answers)
    assert got["mir"] == expected.mir
    assert got["mir_per_layer"] == expected.mir_per_layer
    assert got["mir_reference"] == expected.mir_reference
    assert got["mir_pairs"] == len(requests) == 4
    assert got["vision_tokens_per_pair"] == 64


def test_tasks_of_one_run_are_measured_apart(llava, builtin_task, folders, monkeypatch, task_manager):
    monkeypatch.setenv("MIR_IMAGES", str(folders[0]))
    monkeypatch.setenv("MIR_TEXTS", str(folders[1]))
    (local,) = get_task_dict(["mir_local"], task_manager).values()
    local.build_all_requests()
    _, answers = run(Model(llava), builtin_task, local)
    both = [values(builtin_task, answers[:4]), values(local, answers[4:])]
    alone = [values(task, run(Model(llava), task)[1]) for task in (builtin_task, local)]
    assert both == alone
    assert both[0]["mir"] != both[1]["mir"]


def test_padding_requests_are_not_counted(llava, builtin_task):
    padding = Instance(
        request_type="mir",
        arguments=builtin_task.instances[0].arguments,
        idx=0,
        metadata={**builtin_task.instances[-1].metadata, "__padding_only__": True},
    )
    model = Model(llava)
    _, expected = run(model, builtin_task)
    answers = model.mir([*builtin_task.instances, padding])
    assert len(answers) == 5
    assert values(builtin_task, answers[:4]) == values(builtin_task, expected)


def test_repeated_requests_count_once(llava, builtin_task):
    model = Model(llava)
    requests, expected = run(model, builtin_task)
    answers = model.mir([request for request in requests for _ in range(2)])
    assert values(builtin_task, answers[::2]) == values(builtin_task, expected)


def test_reasons_not_to_trust_a_number_are_the_last_warnings_before_the_table(llava, builtin_task):
    processor = copy.deepcopy(llava[1])
    processor.chat_template = processor.tokenizer.chat_template = None
    _, answers = run(Model((llava[0], processor)), builtin_task)
    items = [builtin_task.process_results({}, [answer.text])["mir"] for answer in answers]
    (whole,) = (MIRResult.model_validate(item["results"][""]) for item in items if "results" in item)
    assert "template" in {reason.code for reason in whole.trust}
    told = []
    sink = logger.add(told.append, level="WARNING", format="{message}")
    aggregate_and_save(items, SimpleNamespace(output_path=None), "mir_builtin")
    logger.remove(sink)
    start = f"mir_builtin: MIR of {whole.model.name}, {whole.mir:.3f}, before it is compared: "
    assert [line.rstrip("\n") for line in told] == [start + reason.sentence for reason in whole.trust]


def test_response_cache_leaves_our_requests_alone(builtin_task):
    from lmms_eval.caching.response_cache import extract_gen_kwargs, is_deterministic

    request = builtin_task.instances[0]
    assert not is_deterministic(request.request_type, extract_gen_kwargs(request))


def test_result_names_task_data_and_pairs(llava, builtin_task):
    _, answers = run(Model(llava), builtin_task)
    result = builtin_task.process_results({}, [answers[0].text])["mir"]["results"][""]
    protocol = result["protocol"]
    assert (protocol["task"], protocol["task_version"], protocol["seed"]) == ("mir_builtin", "1.0", 0)
    assert protocol["images"] == "mir_task.builtin"
    assert protocol["pair_ids"] == builtin_task.dataset["test"]["pair_id"][:]
    assert "results" not in builtin_task.process_results({}, [answers[1].text])["mir"]


def test_backend_without_hidden_states_is_refused(builtin_task):
    with pytest.raises(MIRModelError, match=r"hidden states .* Model gives none: .*vLLM.*--model llava_hf"):
        run(Model((object(), None)), builtin_task)


def test_backend_without_a_processor_is_refused(llava, builtin_task):
    with pytest.raises(MIRModelError, match="Model offers no processor .* no tokenizer .* mir_task.measure"):
        run(Model((llava[0], None)), builtin_task)


def test_failing_properties_of_a_backend_are_passed_over(llava):
    class Odd:
        _model, _image_processor = llava

        @property
        def model(self):
            raise RuntimeError("not loaded")

    assert model_and_processor(Odd()) == llava


def test_processes_that_torch_knows_nothing_of_are_refused(llava, builtin_task):
    model = Model(llava)
    model._world_size = 2
    with pytest.raises(
        MIRModelError, match="2 processes, of which torch.distributed was told 1; .* torchrun"
    ):
        run(model, builtin_task)


def test_damaged_images_are_skipped_where_asked_for(llava, folders, monkeypatch, task_manager):
    damaged = folders[0] / "3.png"
    damaged.write_bytes(damaged.read_bytes()[:100])
    for name, value in {"IMAGES": folders[0], "TEXTS": folders[1], "ON_ERROR": "skip"}.items():
        monkeypatch.setenv(f"MIR_{name}", str(value))
    (task,) = get_task_dict(["mir_local"], task_manager).values()
    task.build_all_requests()
    _, answers = run(Model(llava), task)
    assert values(task, answers)["mir_pairs"] == 7
    (skipped,) = task.process_results({}, [answers[0].text])["mir"]["results"][""]["skipped"]
    assert skipped["reason"].startswith("pair 3+") and "cannot read the image" in skipped["reason"]


def test_partial_statistics_of_each_task_are_kept_apart(llava, builtin_task, tmp_path, monkeypatch):
    monkeypatch.setenv("MIR_RESUME", str(tmp_path))
    _, expected = run(Model(llava), builtin_task)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        opened, open_pair = [], PairSet.__getitem__

        def interrupt(pairs, number):
            opened.append(number)
            if len(opened) == 3:  # as Ctrl-C does: the pair is finished, and kept
                os.kill(os.getpid(), signal.SIGINT)
            return open_pair(pairs, number)

        patch.setattr(PairSet, "__getitem__", interrupt)
        run(Model(llava), builtin_task)
    assert [path.name for path in (tmp_path / "mir_builtin").iterdir()] == ["rank-0-of-1"]
    _, answers = run(Model(llava), builtin_task)
    assert values(builtin_task, answers) == values(builtin_task, expected)
    assert not list(tmp_path.iterdir())


# Aggregation


def test_documents_of_different_measurements_are_refused():
    with pytest.raises(ValueError, match="different numbers"):
        aggregate([{"value": 1.0}, {"value": 2.0}])


def test_unwritable_output_still_gives_the_number(llava, builtin_task, tmp_path):
    _, answers = run(Model(llava), builtin_task)
    items = [builtin_task.process_results({}, [answer.text])["mir"] for answer in answers]
    (tmp_path / "file").write_text("in the way")
    args = SimpleNamespace(output_path=str(tmp_path / "file"), model="mir_demo", model_args="")
    assert aggregate_and_save(items, args, "mir_builtin") == items[0]["value"]


def test_per_document_values_give_lmms_eval_no_spread(llava, builtin_task):
    # Bare numbers would make it print a standard error of zero.
    _, answers = run(Model(llava), builtin_task)
    for value in builtin_task.process_results({}, [answers[0].text]).values():
        assert isinstance(value, dict)
        assert builtin_task.config.score_key not in value
