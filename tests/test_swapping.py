"""smvl/eval/swapping: swapped images keep the task."""

from smvl.data.sample import Sample
from smvl.eval.swapping import swap_images
from tests.tiny_data import image_row, write_images

USER, ASSISTANT = {"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}
IMAGE_QUESTION = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "?"}]}


def make(messages, images=(), **options) -> Sample:
    return Sample(id="1", messages=messages, images=list(images), source="test", **options)


def test_images_are_swapped_within_a_task_and_never_with_oneself(tmp_path):
    images = [path for path, _ in write_images(tmp_path)]
    samples = [make(image_row(0, image, "红色")["messages"], [image], task=task) for image, task in zip(images, ["a", "b", "a", "b"])]
    assert [sample.images for sample in swap_images(samples)] == [[images[2]], [images[3]], [images[0]], [images[1]]]


def test_a_sample_alone_in_its_task_gets_another_tasks_image_and_one_alone_in_its_count_is_left_out():
    single, double = IMAGE_QUESTION, {"role": "user", "content": [{"type": "image"}, {"type": "image"}]}
    samples = [make([single, ASSISTANT], [name], task=task) for name, task in (("x", "a"), ("y", "a"), ("z", "b"))]
    swapped = swap_images([*samples, make([double, ASSISTANT], ["p", "q"]), make([USER, ASSISTANT])])
    assert [sample.images for sample in swapped[:3]] == [["y"], ["x"], ["x"]]
    assert len(swapped) == 4 and swapped[3].images == []
