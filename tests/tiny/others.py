"""Families that the generic adapter takes."""

import transformers as t
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from tests.tiny.common import OLD, TEXT, VISION, byte_tokenizer, chat_template, random, rope, special_ids

SQUARE = {"height": 28, "width": 28}
QFORMER = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "encoder_hidden_size": 32,
    "cross_attention_frequency": 1,
    "vocab_size": 300,
}
OPT = {
    "model_type": "opt",
    "hidden_size": 64,
    "word_embed_proj_dim": 64,
    "ffn_dim": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "max_position_embeddings": 2048,
}
T5 = {"model_type": "t5", "d_model": 64, "d_ff": 128, "d_kv": 16, "num_layers": 4, "num_heads": 4}


def blip2(text, prefix="Blip2", **arguments):
    """A BLIP-2, or a relative of the same make, on an LLM of this config; ``arguments`` are the processor's."""
    tokenizer = byte_tokenizer("<image>", model_max_length=2048)
    config = getattr(t, f"{prefix}Config")(
        # By default the tower of these classes starts with weights of 1e-10, and sees nothing.
        vision_config={**VISION, "initializer_range": 0.02},
        qformer_config=QFORMER,
        text_config={**text, **special_ids(tokenizer), "decoder_start_token_id": tokenizer.pad_token_id},
        num_query_tokens=8,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )
    processor = getattr(t, f"{prefix}Processor")(
        image_processor=t.BlipImageProcessor(size=SQUARE),
        tokenizer=tokenizer,
        num_query_tokens=8,
        **arguments,
    )
    return random(getattr(t, f"{prefix}ForConditionalGeneration"), config), processor


def blip2_opt():
    return blip2(OPT)


def blip2_t5():
    return blip2(T5)


def instructblip():
    letters = [chr(code) for code in range(33, 127)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{one}" for one in letters)]
    vocabulary = {token: index for index, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100_000))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    qformer = (t.BertTokenizerFast if OLD else t.PreTrainedTokenizerFast)(
        tokenizer_object=tokenizer, **names, model_max_length=512
    )
    return blip2(OPT, "InstructBlip", qformer_tokenizer=qformer)


def fuyu():
    special = ["<unk>", "<s>", "</s>", "|SPEAKER|", "|NEWLINE|", "<0x04>", "|ENDOFTEXT|"]
    letters = ["▁", *(chr(code) for code in range(33, 127))]
    vocabulary = {token: index for index, token in enumerate([*special, *letters])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>", ignore_merges=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\|SPEAKER\||\|NEWLINE\||<s>|<0x04>"), "isolated")
    wrapped = t.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<unk>"
    )
    wrapped.model_input_names = ["input_ids", "attention_mask"]
    text = {name: value for name, value in TEXT.items() if name != "num_key_value_heads"}
    config = t.FuyuConfig(
        **text,
        num_key_value_heads=None,
        vocab_size=len(vocabulary),
        text_config={"model_type": "persimmon", **text, "vocab_size": len(vocabulary)},
        patch_size=14,
        image_token_id=vocabulary["|SPEAKER|"],
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    processor = t.FuyuProcessor(
        image_processor=t.FuyuImageProcessor(
            size={"height": 56, "width": 56}, patch_size={"height": 14, "width": 14}
        ),
        tokenizer=wrapped,
    )
    return random(t.FuyuForCausalLM, config), processor


def idefics2():
    tokenizer = byte_tokenizer("<fake_token_around_image>", "<image>", "<end_of_utterance>")
    config = t.Idefics2Config(
        text_config={"model_type": "mistral", **TEXT, **special_ids(tokenizer)},
        vision_config=VISION,
        perceiver_config={
            "resampler_n_latents": 6,
            "resampler_depth": 2,
            "resampler_n_heads": 4,
            "resampler_head_dim": 16,
            "num_key_value_heads": 2,
            "hidden_size": 64,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )
    processor = t.Idefics2Processor(
        image_processor=t.Idefics2ImageProcessor(
            size={"shortest_edge": 28, "longest_edge": 28}, do_image_splitting=False
        ),
        tokenizer=tokenizer,
        image_seq_len=6,
        chat_template=chat_template("<image>"),
    )
    return random(t.Idefics2ForConditionalGeneration, config), processor


def idefics3(prefix="Idefics3", **arguments):
    """An Idefics3, or a relative of the same make; ``arguments`` are the processor's."""
    rows = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    tokenizer = byte_tokenizer(
        "<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", *rows
    )
    config = getattr(t, f"{prefix}Config")(
        text_config={"model_type": "llama", **TEXT, **special_ids(tokenizer)},
        vision_config={**VISION, "image_size": 56},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=tokenizer.pad_token_id,
    )
    processor = getattr(t, f"{prefix}Processor")(
        image_processor=getattr(t, f"{prefix}ImageProcessor")(
            size={"longest_edge": 112}, max_image_size={"longest_edge": 56}
        ),
        tokenizer=tokenizer,
        image_seq_len=4,
        chat_template=chat_template("<image>"),
        **arguments,
    )
    return random(getattr(t, f"{prefix}ForConditionalGeneration"), config), processor


def smolvlm():
    video = t.SmolVLMVideoProcessor(size={"longest_edge": 56}, max_image_size={"longest_edge": 56})
    return idefics3("SmolVLM", video_processor=video)


def paligemma():
    tokenizer = byte_tokenizer("<image>", post=False, old="GemmaTokenizerFast")
    image_processor = t.SiglipImageProcessor(size=SQUARE)
    image_processor.image_seq_length = 4
    processor = t.PaliGemmaProcessor(image_processor=image_processor, tokenizer=tokenizer)
    config = t.PaliGemmaConfig(
        text_config={"model_type": "gemma", **TEXT, **special_ids(tokenizer), "head_dim": 16},
        vision_config={"model_type": "siglip_vision_model", **VISION, "vision_use_head": False},
        projection_dim=64,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    return random(t.PaliGemmaForConditionalGeneration, config), processor


def gemma3():
    tokens = {
        "image_token": "<image_soft_token>",
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
    }
    tokenizer = byte_tokenizer(*tokens.values(), extra_special_tokens=tokens)
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in tokens.items()}
    processor = t.Gemma3Processor(
        image_processor=t.Gemma3ImageProcessor(size=SQUARE),
        tokenizer=tokenizer,
        image_seq_length=4,
        chat_template=chat_template("<start_of_image>"),
    )
    config = t.Gemma3Config(
        text_config={"model_type": "gemma3_text", **TEXT, **special_ids(tokenizer), "head_dim": 16},
        vision_config={"model_type": "siglip_vision_model", **VISION, "vision_use_head": False},
        mm_tokens_per_image=4,
        image_token_index=ids["image_token"],
        image_token_id=ids["image_token"],
        boi_token_index=ids["boi_token"],
        eoi_token_index=ids["eoi_token"],
    )
    return random(t.Gemma3ForConditionalGeneration, config), processor


def mistral3():
    tokenizer = byte_tokenizer("[IMG]", "[IMG_BREAK]", "[IMG_END]")
    processor = t.PixtralProcessor(
        image_processor=t.PixtralImageProcessor(size={"longest_edge": 56}, patch_size=14),
        tokenizer=tokenizer,
        patch_size=14,
        spatial_merge_size=2,
        chat_template=chat_template("[IMG]"),
    )
    config = t.Mistral3Config(
        text_config={"model_type": "mistral", **TEXT, **special_ids(tokenizer), "head_dim": 16},
        vision_config={"model_type": "pixtral", **VISION, "image_size": 56, "head_dim": 8, **rope()},
        image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"),
        spatial_merge_size=2,
        vision_feature_layer=-1,
    )
    return random(t.Mistral3ForConditionalGeneration, config), processor


def aya_vision():
    special = ["<image>", "<|START_OF_IMG|>", "<|END_OF_IMG|>", "<|IMG_PATCH|>", "<|IMG_LINE_BREAK|>"]
    tokenizer = byte_tokenizer(*special, "TILE_GLOBAL")
    processor = t.AyaVisionProcessor(
        image_processor=t.GotOcr2ImageProcessor(size=SQUARE, crop_to_patches=True, max_patches=4),
        tokenizer=tokenizer,
        patch_size=14,
        img_size=28,
        downsample_factor=1,
        chat_template=chat_template("<image>"),
    )
    config = t.AyaVisionConfig(
        text_config={"model_type": "cohere2", **TEXT, **special_ids(tokenizer), "head_dim": 16},
        vision_config={"model_type": "siglip_vision_model", **VISION, "vision_use_head": False},
        downsample_factor=1,
        image_token_index=tokenizer.convert_tokens_to_ids("<|IMG_PATCH|>"),
    )
    return random(t.AyaVisionForConditionalGeneration, config), processor


def kosmos2():
    # Image rows stand over the ids from 4 on, which this tokenizer has given to special tokens and letters.
    tokenizer = byte_tokenizer(old="XLMRobertaTokenizerFast", model_max_length=2048)
    processor = t.Kosmos2Processor(
        image_processor=t.CLIPImageProcessor(size={"shortest_edge": 28}, crop_size=SQUARE),
        tokenizer=tokenizer,
        num_patch_index_tokens=4,
    )
    config = t.Kosmos2Config(
        text_config={
            **special_ids(tokenizer),
            "embed_dim": 64,
            "layers": 4,
            "ffn_dim": 128,
            "attention_heads": 4,
            "max_position_embeddings": 2048,
        },
        vision_config=VISION,
        latent_query_num=64,
    )
    return random(t.Kosmos2ForConditionalGeneration, config), processor


def deepseek_vl():
    tokenizer = byte_tokenizer(
        "<image_placeholder>",
        extra_special_tokens={"image_token": "<image_placeholder>"},
        old="LlamaTokenizerFast",
    )
    processor = t.DeepseekVLProcessor(
        image_processor=t.DeepseekVLImageProcessor(size=SQUARE), tokenizer=tokenizer, num_image_tokens=4
    )
    config = t.DeepseekVLConfig(
        text_config={"model_type": "llama", **TEXT, **special_ids(tokenizer)},
        vision_config={"model_type": "siglip_vision_model", **VISION, "vision_use_head": False},
        image_token_id=tokenizer.convert_tokens_to_ids("<image_placeholder>"),
    )
    return random(t.DeepseekVLForConditionalGeneration, config), processor


BUILDERS = {
    "kosmos2": kosmos2,
    "deepseek_vl": deepseek_vl,
    "blip2_opt": blip2_opt,
    "blip2_t5": blip2_t5,
    "instructblip": instructblip,
    "fuyu": fuyu,
    "idefics2": idefics2,
    "idefics3": idefics3,
    "smolvlm": smolvlm,
    "paligemma": paligemma,
    "gemma3": gemma3,
    "mistral3": mistral3,
    "aya_vision": aya_vision,
}
