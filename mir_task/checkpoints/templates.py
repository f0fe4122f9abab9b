"""Chat templates for checkpoints that bring none: image and text alone, as in stage 1, and Vicuna's."""

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

_PLAIN = "{%- for message in messages -%}{{ render(message.content) }}{%- endfor -%}"

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
) -> str | None:
    """Write a chat template, or None for image, newline, text, which needs none.

    Args:
        conversation: ``plain``, ``vicuna_v1``, ``own`` (the LLM's) or the path of a Jinja file, which is taken
            as it is.
        own: the LLM's own template.
        start_end: put the image between ``<im_start>`` and ``<im_end>``.
        align_token: AlignGPT's placeholder, which then comes first where there is an image, and directly before
            the image in ``plain``.

    Raises:
        MIRModelError: there is no such conversation or file.
    """
    if conversation == "plain" and not start_end and align_token is None:
        return None
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
    image = f"{IM_START}{IMAGE}{IM_END}" if start_end else IMAGE
    # AlignGPT's stage 1 has the caption directly after the image.
    separator = "" if align_token and conversation == "plain" else "\\n"
    head = _RENDER.replace("@IMAGE@", image).replace("@SEPARATOR@", separator)
    if align_token is None:
        return head + body
    return (
        f"{head}{{%- set body -%}}{body}{{%- endset -%}}"
        f"{{{{ ('{align_token}' if '{IMAGE}' in body else '') ~ body }}}}"
    )
