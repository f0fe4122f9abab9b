"""lmms-eval's own generate_until, ended early: what it leaves behind is cleared away."""

import glob
from types import SimpleNamespace

import pytest
from lmms_eval.api.model import lmms
from lmms_eval.models.simple.qwen_vl import Qwen_VL
from PIL import Image

from mir_task import MIRModelError, measure
from mir_task.lmms.backend import model_and_processor
from mir_task.lmms.own_pipeline import pipeline_of
from mir_task.lmms.traces import no_files_left, same_state
from tests.adapters.examples import PAIRS
from tests.adapters.stand_ins import QWenLMHeadModel, QWenTokenizer


class Generating(QWenLMHeadModel):
    """Its forward pass takes past keys and values as tuples, which ``generate`` no longer gives."""

    def generate(self, input_ids, attention_mask, use_cache, **kwargs):
        if use_cache:
            raise AttributeError("'NoneType' object has no attribute 'size'")
        return self(input_ids, attention_mask=attention_mask)


@pytest.fixture
def lm():
    """An object of lmms-eval's class without its constructor, which loads from the hub."""
    lm = Qwen_VL.__new__(Qwen_VL)
    lmms.__init__(lm)
    lm._model, lm._tokenizer, lm._device, lm.batch_size_per_gpu = Generating(), QWenTokenizer(), "cpu", 1
    lm.use_cache = True
    return lm


def test_qwen_vl_is_fed_by_its_family_and_not_as_a_question(lm):
    result = measure(*model_and_processor(lm), PAIRS, progress=False)
    assert (result.model.adapter, result.protocol.template) == ("Qwen-VL", "chat_template")
    assert result.vision_tokens_per_pair == 256


def test_qwen_vls_own_pipeline_runs_without_cache_and_leaves_no_pictures(lm):
    before = set(glob.glob("/tmp/*.png"))  # where the class puts them
    result = measure(lm._model, pipeline_of(lm, lm.tokenizer), PAIRS, progress=False)
    assert (result.model.adapter, result.vision_tokens_per_pair) == ("own pipeline", 256)
    assert set(glob.glob("/tmp/*.png")) <= before
    assert lm.use_cache is True
    assert lm.task_dict == {}


def test_what_a_failing_class_saved_is_removed_too(lm):
    before = set(glob.glob("/tmp/*.png"))
    lm._model.generate = lambda *_, **__: int("seven")
    with pytest.raises(MIRModelError, match="invalid literal for int"):
        measure(lm._model, pipeline_of(lm, lm.tokenizer), PAIRS, progress=False)
    assert set(glob.glob("/tmp/*.png")) <= before
    assert lm.use_cache is True


def test_files_that_were_there_before_stay(tmp_path):
    image = Image.new("RGB", (4, 4))
    image.save(tmp_path / "mine.png")
    save = Image.Image.save
    with pytest.raises(KeyboardInterrupt), no_files_left():
        image.save(tmp_path / "mine.png")
        image.convert("L").save(str(tmp_path / "theirs.png"))
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["mine.png"]
    assert Image.Image.save is save


def test_entries_of_an_objects_containers_are_as_before():
    lm = SimpleNamespace(answers=["one"], sizes={"a": 1}, seen={1}, name="first")
    answers = lm.answers
    with pytest.raises(KeyboardInterrupt), same_state(lm):
        lm.answers.append("two")
        lm.sizes.clear()
        lm.seen.add(2)
        lm.model = "loaded when first needed"
        raise KeyboardInterrupt
    assert (lm.answers, lm.sizes, lm.seen) == (["one"], {"a": 1}, {1})
    assert lm.answers is answers
    assert lm.model == "loaded when first needed"
