"""Chat templates for checkpoints that bring none: image and caption alone, as in stage 1, and Vicuna's."""

from __future__ import annotations

from pathlib import Path

from mir_task.errors import MIRModelError

IMAGE = "<image>"
IM_START, IM_END, IM_PATCH = "<im_start>", "<im_end>", "<im_patch>"

# Content as transformers gives it, a list, and as lmms-eval gives it, a string with <image> in it.
_RENDER = """\
{%- macro render(content) -%}
{%- if content is string -%}{{ content | replace('<image>', '@IMAGE@') }}
{%- else -%}
{%- for part in content -%}{{ '@IMAGE@' ~ '@SEPARATOR@' if part.type == 'image' else part.text }}{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
"""

# As LLaVA's and AlignGPT's training writes it (preprocess_plain): the bare image, the caption, a newline.
_PLAIN = """\
{%- for message in messages -%}
{{ render(message.content) }}{%- if message.role == 'assistant' -%}{{ '\\n' }}{%- endif -%}
{%- endfor -%}"""

_VICUNA = """\
{{- 'A chat between a curious user and an artificial intelligence assistant. ' -}}
{{- "The assistant gives helpful, detailed, and polite answers to the user's questions. " -}}
{%- for message in messages -%}
{%- if message.role == 'user' -%}{{ 'USER: ' ~ render(message.content) ~ ' ' }}
{%- elif message.role == 'assistant' -%}{{ 'ASSISTANT: ' ~ render(message.content) ~ eos_token }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ 'ASSISTANT:' }}{%- endif -%}"""

# A tokenizer's own template takes strings only.
_OWN = """\
{%- set ns = namespace(messages=[]) -%}
{%- for message in messages -%}
{%- set ns.messages = ns.messages + [{'role': message.role, 'content': render(message.content)}] -%}
{%- endfor -%}
{%- set messages = ns.messages -%}
"""

BODIES = {"plain": _PLAIN, "vicuna_v1": _VICUNA}


def template(
    conversation: str, own: str | None = None, start_end: bool = False, align_token: str | None = None
) -> str:
    """Write a chat template.

    Args:
        conversation: ``plain``, ``vicuna_v1``, ``own`` (the LLM's) or the path of a Jinja file, which is taken
            as it is.
        own: the LLM's own template.
        start_end: put the image between ``<im_start>`` and ``<im_end>``, but in ``plain``, which was trained without.
        align_token: AlignGPT's placeholder, which then comes first where there is an image.

    Raises:
        MIRModelError: there is no such conversation or file.
    """
    if conversation == "own" and own:
        body = _OWN + own
    elif conversation in BODIES:
        body = BODIES[conversation]
    elif Path(conversation).is_file():
        return Path(conversation).read_text(encoding="utf-8")
    else:
        raise MIRModelError(
            f"no conversation {conversation!r}: use {', '.join(BODIES)}, own (of an LLM that has a chat template) or "
            "the path of a Jinja file"
        )
    plain = conversation == "plain"
    image = f"{IM_START}{IMAGE}{IM_END}" if start_end and not plain else IMAGE
    head = _RENDER.replace("@IMAGE@", image).replace("@SEPARATOR@", "" if plain else "\\n")
    if align_token is None:
        return head + body
    return (
        f"{head}{{%- set body -%}}{body}{{%- endset -%}}"
        f"{{{{ ('{align_token}' if '{IMAGE}' in body else '') ~ body }}}}"
    )


def for_questions(chat_template: str) -> str | None:
    """Choose the tokenizer's template, in which lmms-eval asks the questions of benchmarks.

    Captions answer no questions: beside ``plain`` the tokenizer has none, and llava_hf asks in Vicuna's.
    """
    return None if chat_template == template("plain") else chat_template
