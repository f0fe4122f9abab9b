from PIL import Image


def doc_to_visual(doc):
    return [Image.new("RGB", (56, 56), doc["answer"])]
