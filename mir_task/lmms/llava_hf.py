"""lmms-eval's module ``llava_hf``, which imports decord at its top, imported also where decord is missing."""

from mir_task.lmms.video import decord_or_stand_in

with decord_or_stand_in():
    from lmms_eval.models.simple import llava_hf

LlavaHf = llava_hf.LlavaHf

__all__ = ["LlavaHf", "llava_hf"]
