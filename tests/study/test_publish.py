import hashlib
import json
import re
from dataclasses import asdict

import pandas as pd
import pytest
import torch
from safetensors import safe_open
from transformers import LlavaForConditionalGeneration

from mir_task import MIRResult
from mir_task.demo.checkpoint import TRAINED
from mir_task.errors import MIRDataError
from mir_task.study import publish
from mir_task.study.adopt import best_run, main
from mir_task.study.experiments import members
from mir_task.study.model import load
from mir_task.study.page import page
from mir_task.study.paper import CLAIMS
from mir_task.study.scales import REAL, SCALES
from mir_task.study.table import read_models
from tests.study.conftest import BASE


def checksums_hold(folder):
    lines = [line.split("  ") for line in (folder / "SHA256SUMS").read_text().splitlines()]
    found = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.iterdir()
        if file.name != "SHA256SUMS"
    }
    return {name: digest for digest, name in lines} == found


@pytest.fixture(scope="module")
def published(study, tmp_path_factory):
    output = tmp_path_factory.mktemp("published")
    (output / "findings.md").write_text("What somebody **made** of it.\n")
    publish.main([str(study.root), "--output", str(output), "--machine", "a test's machine"])
    return output


def test_published_page_tells_what_was_run_and_found(published, study):
    page = (published / "tables.md").read_text()
    assert "a test's machine" in page and "What somebody **made** of it." in page
    models = pd.read_csv(study.models)
    for row in models.itertuples():
        assert f"{row.mir:.3f}" in page and f"{row.average:.3f}" in page
    # One seed, two variants: nothing can be told, and the page says so.
    assert "cannot tell" in page and "**holds**" not in page


def test_page_of_a_study_around_a_pre_trained_language_model_names_it(study):
    settings = asdict(REAL)
    title = publish.title(settings)
    assert publish.room(settings) == "smollm2"
    facts = {"settings": settings, "title": title, "hours": 1.0, "machine": "a machine", "findings": None}
    page_of_real = page(pd.read_csv(study.models), None, None, facts)
    assert page_of_real.startswith("# The paper around SmolLM2-135M-Instruct\n")
    assert "the language model is SmolLM2-135M-Instruct" in page_of_real and "a Llama (" not in page_of_real


def test_page_shows_mir_along_a_training_with_its_seeds_side_by_side(study):
    columns = ["loss", "connector_norm", "mir", "mir_passages", "norm_ratio", "norm_matched", "image_share"]
    rows = [
        {
            "trunk": "base",
            "seed": seed,
            "samples": samples,
            "vision_spread": -0.5,
            **dict.fromkeys(columns, number),
        }
        for seed, samples, number in ((0, 0, 1.0), (1, 0, 1.5), (0, 96, 2.0))
    ]
    facts = {"settings": asdict(REAL), "title": "t", "hours": 1.0, "machine": "m", "findings": None}
    found = page(pd.read_csv(study.models), None, pd.DataFrame(rows), facts)
    assert (
        "| base | 0 | 2 | 1.25 ± 0.35 | 1.250 ± 0.354 |" in found and "|  | 96 | 1 | 2.00 | 2.000 |" in found
    )


def test_a_variant_is_shown_by_its_name_where_all_are_numbers(study, tmp_path):
    models = pd.read_csv(study.models)
    both = pd.concat([models.assign(note="0.5"), models.assign(note="1")])
    both.to_csv(tmp_path / "models.csv", index=False)
    facts = {"settings": asdict(REAL), "title": "t", "hours": 1.0, "machine": "m", "findings": None}
    found = page(read_models(tmp_path / "models.csv"), None, None, facts)
    assert " | 1 | " in found and " | 1.0 | " not in found


@pytest.mark.parametrize("scale", SCALES.values(), ids=list(SCALES))
def test_every_experiment_has_a_claim(scale):
    assert {member.experiment for member in members(scale)} <= set(CLAIMS)


def test_published_results_are_the_studys_and_tell_nothing_of_the_machine(published, study):
    for file in study.mir.glob("*/*_mir_*.json"):
        kept = MIRResult.load(published / file.relative_to(study.results))
        assert kept.mir == MIRResult.load(file).mir
    for file in published.rglob("*"):
        if file.suffix in (".json", ".csv", ".md", ".html"):
            assert str(study.root) not in file.read_text()
    scores, own = pd.read_csv(published / "scores.csv"), pd.read_csv(study.models)
    assert scores["average"].tolist() == pytest.approx((100 * own["average"]).tolist(), rel=1e-4)
    assert "seed" not in scores
    linked = re.findall(r"\]\((\S+)\)", (published / "tables.md").read_text())
    assert linked and all((published / target).exists() for target in linked)
    assert {"report.html", "report.md", "models.csv", "scores.csv", "properties.csv", "curves"} <= {
        file.name for file in published.iterdir()
    }
    (results,) = (published / "sft" / BASE.name).glob("*_results.json")
    assert "git_hash" not in json.loads(results.read_text())


def test_trainings_that_runs_branch_from_count_in_the_hours(tmp_path):
    curve = pd.DataFrame({"step": [1, 2], "loss": [2.0, 1.0], "seconds": [1800.0, 3600.0]})
    for name in ("stage0_language", "trunk_base_s0_00160", "stage1_base_s0", "stage1_begun_s0"):
        curve.to_csv(tmp_path / f"{name}.csv", index=False)
    assert publish.copy_curves(tmp_path, tmp_path / "kept", {"base_s0"}) == pytest.approx(3)
    assert not (tmp_path / "kept" / "stage1_begun_s0.csv").exists()


def test_the_demo_takes_over_the_best_plain_checkpoint(study, tmp_path, capsys):
    main([str(study.root), "--output", str(tmp_path / "demo")])
    assert BASE.name in capsys.readouterr().out
    assert checksums_hold(tmp_path / "demo")
    assert str(study.root) not in (tmp_path / "demo" / "config.json").read_text()
    adopted, trained = load(tmp_path / "demo")[0], load(study.stage_one / BASE.name)[0]
    assert all(torch.equal(adopted.state_dict()[name], value) for name, value in trained.state_dict().items())
    models = pd.read_csv(study.models)
    with pytest.raises(MIRDataError, match="no complete run with transformers' own connector"):
        best_run(models[models["model"].str.startswith("moca-")])


def test_the_demos_weights_are_whole_and_load_without_this_package():
    assert checksums_hold(TRAINED)
    model, told = LlavaForConditionalGeneration.from_pretrained(TRAINED, output_loading_info=True)
    assert not told["missing_keys"] and not told["unexpected_keys"]
    assert 1_000_000 < sum(parameter.numel() for parameter in model.parameters()) < 3_000_000


def test_the_demos_files_have_the_names_that_old_and_new_transformers_read():
    # By those that transformers 5 writes, 4.57 leaves the tower at random weights and only warns.
    with safe_open(TRAINED / "model.safetensors", "pt") as file:
        tower = [name for name in file.keys() if name.startswith("vision_tower.")]  # noqa: SIM118
    assert tower and all(name.startswith("vision_tower.vision_model.") for name in tower)
    tokenizer = json.loads((TRAINED / "tokenizer_config.json").read_text())
    assert tokenizer["tokenizer_class"] == "PreTrainedTokenizerFast"
