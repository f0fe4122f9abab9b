"""Blocks for model cards, read back by huggingface_hub."""

import math
import sys
import types

import huggingface_hub
import pytest
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results
from hypothesis import given
from hypothesis import strategies as st

from mir_task.report.publish import eval_results
from mir_task.result import MIRResult
from tests.report.publishing import publish

pytestmark = pytest.mark.usefixtures("undrawn")
REVISION = "5503434ddd753f426f4b38109466949a1217c2bb"
HUB = {
    "task": "mir",
    "images": f"lmms-lab-encoder/textvqa@{REVISION} default validation",
    "texts": "abisee/cnn_dailymail@96df5e686bee6baa90b8bee7c28b81fa3fa6223d 3.0.0 validation",
}


def metrics_of(published, model):
    """The metrics of a model's block by name, as a model card that holds it gives them back."""
    card = ModelCard(f"---\nlicense: mit\n{published.text(f'models/{model}/model-index.yaml')}---\n# Card\n")
    return card.data.model_name, {result.metric_type: result for result in card.data.eval_results}


def test_a_card_gives_back_mir_its_error_and_the_numbers_beside_it(workshop):
    path = workshop.result("org/run-a", 2.5, standard_error=0.0512345678, mir_reference=3.25)
    workshop.result("org/run-b", 2.7, standard_error=0.05)
    published = publish(workshop, workshop.results)
    name, metrics = metrics_of(published, "org__run-a")
    layers = len(MIRResult.load(path).layers)
    assert name == "org/run-a"
    assert {key: result.metric_value for key, result in metrics.items()} == {
        "mir": 2.5,
        "mir_se": pytest.approx(0.0512345678, rel=1e-5),
        "mir_per_layer": pytest.approx(2.5 - math.log10(layers), rel=1e-5),
        "mir_reference": 3.25,
    }
    assert metrics["mir"].metric_args["lower_is_better"] is True
    assert metrics["mir"].metric_args["standard_error"] == metrics["mir_se"].metric_value
    assert metrics["mir"].source_url == "https://arxiv.org/abs/2410.07167"


def test_of_several_runs_a_card_has_the_means(workshop):
    for seed, (mir, reference) in enumerate(((2.5, 3.0), (2.52, 3.4))):
        workshop.result(
            "org/run", mir, f"s{seed}", {"seed": seed}, mir_reference=reference, standard_error=0.02
        )
    _, metrics = metrics_of(publish(workshop, workshop.results), "org__run")
    assert metrics["mir"].metric_value == pytest.approx(2.51)
    assert metrics["mir_reference"].metric_value == pytest.approx(3.2)
    assert metrics["mir"].metric_args["runs"] == 2


def test_a_block_is_what_huggingface_hub_itself_makes_of_it(workshop):
    workshop.five_results()
    published = publish(workshop, workshop.results)
    block = published.yaml("models/ckpt__run-a/model-index.yaml")["model-index"]
    name, results = model_index_to_eval_results(block)
    assert huggingface_hub.repocard_data.eval_results_to_model_index(name, results) == block


def test_data_of_the_hub_are_named_by_id_configuration_split_and_revision(workshop):
    for name in ("org/a", "org/b"):
        workshop.result(name, 2.5, protocol=HUB)
    _, metrics = metrics_of(publish(workshop, workshop.results), "org__a")
    mir = metrics["mir"]
    assert (mir.dataset_type, mir.dataset_config, mir.dataset_split, mir.dataset_revision) == (
        "lmms-lab-encoder/textvqa",
        "default",
        "validation",
        REVISION,
    )
    assert mir.dataset_args["texts"] == HUB["texts"]
    assert (mir.dataset_args["seed"], mir.dataset_args["task"]) == (0, "mir")


@pytest.mark.parametrize("path", ["/home/someone/secret pictures", "secret/pictures of train", "C:\\secret"])
@pytest.mark.parametrize("task", ["mir_local", "custom"])
def test_folders_of_a_machine_are_not_published(workshop, path, task):
    protocol = {"task": task, "images": path, "texts": path}
    for name in ("a", "b"):
        workshop.result(f"/home/someone/secret/{name}", 2.5, protocol=protocol)
    published = publish(workshop, workshop.results)
    assert published.models == ["a", "b"]
    for model in published.models:
        files = [file for file in (published.folder / "models" / model).rglob("*") if file.is_file()]
        assert len(files) == 2
        assert not any("secret" in file.read_text() for file in files)


def test_a_data_set_of_the_hub_without_revision_is_known_by_the_papers_task(workshop):
    for name in ("org/a", "org/b"):
        workshop.result(name, 2.5, protocol={"task": "mir", "images": "lmms-lab-encoder/textvqa validation"})
    mir = metrics_of(publish(workshop, workshop.results), "org__a")[1]["mir"]
    assert (mir.dataset_type, mir.dataset_config, mir.dataset_revision) == (
        "lmms-lab-encoder/textvqa",
        None,
        None,
    )


def test_local_pairs_are_told_apart_by_a_hash_of_their_names(workshop):
    for name, ids in (("a", ["x", "y"]), ("b", ["y", "x"])):
        workshop.result(name, 2.5, protocol={"task": "mir_local", "pair_ids": ids})
    published = publish(workshop, workshop.results)
    hashes = {metrics_of(published, m)[1]["mir"].dataset_args["pairs_sha256"] for m in ("a", "b")}
    assert len(hashes) == 1 and len(hashes.pop()) == 64


def test_several_seeds_are_one_block_with_their_mean_and_spread(workshop):
    for seed, mir in enumerate((2.4, 2.5, 2.9)):
        workshop.result("org/a", mir, f"s{seed}", {"seed": seed, "pair_ids": [str(seed)]})
    workshop.result("org/b", 2.0, protocol={"pair_ids": ["0"]})
    _, metrics = metrics_of(publish(workshop, workshop.results), "org__a")
    assert metrics["mir"].metric_value == pytest.approx(2.6)
    assert metrics["mir"].metric_args["runs"] == 3
    assert metrics["mir"].metric_args["standard_deviation_over_runs"] == pytest.approx(0.264575, rel=1e-5)
    assert metrics["mir"].dataset_args["seed"] == [0, 1, 2]


def test_a_number_from_a_table_alone_has_no_block_and_this_is_said(workshop, falling):
    published = publish(workshop, workshop.table(falling(4)))
    assert published.models == []
    assert "No model-index for m3" in published.ran.output
    assert "give the result files" in published.text("README.md")


def test_a_model_in_two_groups_has_one_block(workshop):
    workshop.five_results()
    rows = [
        {"model": f"ckpt/run-{m}", "group": g, "gqa": 50 + i}
        for i, m in enumerate("abcde")
        for g in ("one", "two")
    ]
    published = publish(workshop, workshop.results, workshop.table(rows))
    assert published.models == [f"ckpt__run-{m}" for m in "abcde"]


def test_scores_after_sft_belong_to_the_fine_tuned_model(workshop, models):
    workshop.five_results()
    mapping = [{"pretrained": f"ckpt/{model}", "finetuned": f"sft/{model}"} for model in models]
    for index, model in enumerate(models):
        workshop.lmms_results(
            f"sft/{model}",
            {"gqa": {"exact_match": 0.5 + index / 10, "exact_match_stderr": 0.01}},
            folder="sft",
            versions={"gqa": "1.2"},
            **{"n-samples": {"gqa": {"original": 100, "effective": 10}}},
        )
    published = publish(
        workshop, workshop.results, "--scores", workshop.folder / "sft", "--mapping", workshop.table(mapping)
    )
    name, metrics = metrics_of(published, "sft__run-a")
    assert name == "sft/run-a"
    assert set(metrics) == {"exact_match"}
    score = metrics["exact_match"]
    assert (score.dataset_type, score.metric_value, score.metric_args) == (
        "gqa",
        0.5,
        {"standard_error": 0.01},
    )
    assert score.dataset_args == {"task_version": "1.2", "samples": 10, "samples_of_the_task": 100}
    assert set(metrics_of(published, "ckpt__run-a")[1]) == {"mir", "mir_per_layer", "mir_se"}
    assert "10 of its 100 samples (--limit)" in published.text("tables/leaderboard.md")
    assert "10 of its 100 samples (-{}-limit)" in published.text("tables/leaderboard.tex")


def test_means_over_several_fine_tuned_models_are_no_scores_of_one(workshop, models):
    workshop.five_results()
    mapping = []
    for index, model in enumerate(models):
        for seed in (0, 1):
            mapping.append({"pretrained": f"ckpt/{model}", "finetuned": f"sft/{model}-s{seed}"})
            workshop.lmms_results(
                f"sft/{model}-s{seed}", {"gqa": {"exact_match": 0.5 + (index + seed) / 20}}, folder="sft"
            )
    published = publish(
        workshop, workshop.results, "--scores", workshop.folder / "sft", "--mapping", workshop.table(mapping)
    )
    assert not any(model.startswith("sft") for model in published.models)
    assert "scores are means over several" in published.ran.output


# .eval_results


@pytest.fixture
def in_present_form(workshop):
    workshop.result("org/a", 2.5, "20260304_050607", standard_error=0.05)
    workshop.result("org/b", 2.7)
    return publish(workshop, workshop.results)


def test_the_hubs_present_form_has_value_day_source_and_what_the_value_is(in_present_form):
    (entry,) = in_present_form.yaml("models/org__a/.eval_results/mir.yaml")
    assert entry.pop("notes").startswith("lower is better; standard error 0.05, ")
    assert entry == {
        "dataset": {"id": eval_results.BENCHMARK, "task_id": "mir_builtin"},
        "value": 2.5,
        "date": "2026-03-04",
        "source": {"url": "https://arxiv.org/abs/2410.07167", "name": "Modality Integration Rate"},
    }
    assert f"`{eval_results.BENCHMARK}`" in in_present_form.text("README.md")


def test_the_hubs_present_form_is_read_back_by_huggingface_hub(in_present_form):
    parse = pytest.importorskip("huggingface_hub._eval_results").parse_eval_result_entries
    (entry,) = parse(in_present_form.yaml("models/org__a/.eval_results/mir.yaml"))
    assert (entry.value, entry.task_id, entry.date) == (2.5, "mir_builtin", "2026-03-04")
    assert entry.dataset_id == eval_results.BENCHMARK and "lower is better" in entry.notes


FIELDS = st.fixed_dictionaries(
    {
        "dataset_id": st.text(),
        "task_id": st.text(),
        "value": st.floats(allow_nan=False),
        "date": st.none() | st.dates().map(str),
        "source_url": st.text(),
        "source_name": st.text(),
        "notes": st.text(),
    }
)


@given(FIELDS)
def test_without_the_class_an_entry_is_what_the_class_makes(fields):
    if not hasattr(huggingface_hub, "EvalResultEntry"):
        pytest.skip("this huggingface_hub has no class to compare with")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "huggingface_hub", types.ModuleType("huggingface_hub"))
        by_hand = eval_results.entries(**fields)
    assert by_hand == eval_results.entries(**fields)
    assert by_hand[0]["value"] == fields["value"]
