"""Classes of lmms-eval around the stand-ins: its own, and some that are like many of its own."""

import torch
from lmms_eval.api.model import lmms
from loguru import logger

from tests.adapters.stand_ins import IMAGE_ID, TOKENIZER, pixels


def lmms_eval_model(cls, model):
    """An object of one of lmms-eval's classes without its constructor, which loads from the hub."""
    lm = cls.__new__(cls)
    lmms.__init__(lm)
    lm._model, lm._tokenizer, lm._device, lm.dtype = model, TOKENIZER, "cpu", model.dtype
    lm.batch_size_per_gpu = 1
    return lm


class Simple(lmms):
    """A class as many of lmms-eval's are: a tokenizer, a torch model, errors caught and logged."""

    def __init__(self, model, prompt="<s>USER: <image>\n{} ASSISTANT:"):
        super().__init__()
        self._model, self._tokenizer, self.prompt = model, TOKENIZER, prompt
        self.answers = 0

    def loglikelihood(self, requests):
        raise NotImplementedError

    def generate_until_multi_round(self, requests):
        raise NotImplementedError

    def question(self, args):
        """Text, settings of generation and image of a request's arguments."""
        text, kwargs, doc_to_visual, doc_id, task, split = args
        return text, kwargs, doc_to_visual(self.task_dict[task][split][doc_id])[0]

    def generate_until(self, requests):
        answers = []
        for request in requests:
            text, kwargs, image = self.question(request.args)
            before, after = self.prompt.format(text).split("<image>")
            try:
                self.forward(before, after, image)
                self.answers += kwargs["max_new_tokens"]
            except Exception as error:
                logger.error(f"Error {error} in generating")
                raise UnboundLocalError("answer") from None
            answers.append("")
        return answers

    def forward(self, before, after, image):
        before, after = (TOKENIZER(text, add_special_tokens=False)["input_ids"] for text in (before, after))
        self._model(torch.tensor([[*before, IMAGE_ID, *after]]), pixels(image).to(self._model.dtype))


class Chat(Simple):
    """The newer kind, which is given messages."""

    is_simple = False

    def question(self, args):
        _text, doc_to_messages, kwargs, doc_id, task, split = args
        image, text = doc_to_messages(self.task_dict[task][split][doc_id])[0]["content"]
        return text["text"], kwargs, image["url"]


class GLM4V(Simple):
    """GLM-4V's prompt, between whose image tokens one is replaced by the image."""

    def forward(self, before, after, image):
        prompt = f"{before}<|begin_of_image|>x<|end_of_image|>{after}"
        ids = TOKENIZER(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
        self._model.transformer(ids, pixels(image))
