"""What is a tokenizer and what a processor is told by what it can do."""

import pytest

from mir_task import MIRModelError, measure
from mir_task.adapters import adapter_for
from mir_task.adapters.base import truncate
from mir_task.adapters.kinds import is_tokenizer, takes_images, tokenizer_of
from tests.adapters.examples import PAIRS
from tests.adapters.stand_ins import TOKENIZER, QWenTokenizer
from tests.adapters.stand_ins_minicpm import MiniCPMVProcessor
from tests.tiny import build


class ChatGLM4Tokenizer(QWenTokenizer):
    """Does not even say whether it is fast."""

    def __getattribute__(self, name):
        if name == "is_fast":
            raise AttributeError(name)
        return super().__getattribute__(name)


@pytest.mark.parametrize("tokenizer", [TOKENIZER, QWenTokenizer(), ChatGLM4Tokenizer()])
def test_a_tokenizer_is_one_though_it_calls_its_encoding_tokenizer(tokenizer):
    assert is_tokenizer(tokenizer)
    assert not takes_images(tokenizer)
    assert tokenizer_of(tokenizer) is tokenizer


def test_a_processor_takes_images_and_holds_its_tokenizer():
    for processor in (MiniCPMVProcessor(TOKENIZER), build("llava")[1]):
        assert takes_images(processor)
        assert not is_tokenizer(processor)
        assert tokenizer_of(processor) is processor.tokenizer


def test_a_tokenizer_is_refused_where_a_processor_is_needed():
    model, _ = build("llava")
    with pytest.raises(MIRModelError, match=r"expected the model's processor .* got QWenTokenizer"):
        measure(model, QWenTokenizer(), PAIRS, progress=False)


def test_texts_are_cut_by_a_tokenizer_that_does_not_say_whether_it_is_fast():
    assert truncate("Nobody had told the goat.", ChatGLM4Tokenizer(), 6) == "Nobody"


def test_an_adapter_works_with_the_processors_tokenizer():
    model, processor = build("llava")
    assert adapter_for(model, processor).tokenizer is processor.tokenizer
